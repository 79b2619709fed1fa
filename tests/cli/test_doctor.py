"""``synkro doctor`` as a monitor hears it: the exit status, and a line for every look."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest
from click.testing import CliRunner

from cli.commands import doctor
from synkro.core.errors import ConfigurationError, SynkroError


def well() -> str:
    return "всё на месте"


def refused_by_the_database() -> str:
    raise psycopg.errors.InsufficientPrivilege("permission denied")


def unwell(error: SynkroError) -> Callable[[], str]:
    def look() -> str:
        raise error

    return look


CAUSES = {
    "ours": (unwell(SynkroError("Освободите место.")), "Освободите место."),
    "a setting": (unwell(ConfigurationError("Задайте ключ.")), "Задайте ключ."),
    "the database": (refused_by_the_database, "база ответила отказом"),
}


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "between", "last"])
@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
def test_one_look_that_fails_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, cause: str, place: int, words: list[str]
) -> None:
    """And the looks after it are taken all the same."""
    look, said = CAUSES[cause]
    checks = [(str(n), look if n == place else well) for n in range(3)]
    monkeypatch.setattr(doctor, "CHECKS", checks)
    done = CliRunner().invoke(doctor.doctor, words)
    assert done.exit_code == 1
    if words:
        findings = json.loads(done.stdout)
        assert [item["ok"] for item in findings] == [n != place for n in range(3)]
        assert said in findings[place]["message"]
    else:
        lines = done.stdout.splitlines()
        assert [line[0] for line in lines] == ["✗" if n == place else "✓" for n in range(3)]
        assert said in lines[place]


def test_all_well_is_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", [("диск", well), ("ключи", well)])
    assert CliRunner().invoke(doctor.doctor).exit_code == 0
