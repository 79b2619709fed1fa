"""``synkro dbt …``: plain dbt over the project, told where everything is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.commands import dbt as command
from synkro.core import clock
from synkro.core.resources import DBT_PROJECT
from synkro.core.settings import ROOT, settings
from tests.conftest import entry_points_to
from tests.transforms.conftest import Company


def test_dbt_is_told_where_everything_is(marts_db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    seen: list[tuple[list[str], dict[str, str]]] = []

    def run(words: list[str], env: dict[str, str]) -> Any:
        seen.append((words, env))
        return subprocess.CompletedProcess(words, 2)

    monkeypatch.setattr(command.subprocess, "run", run)
    monkeypatch.setenv("DBT_LOG_PATH", "/where/i/want")
    with entry_points_to(marts_db):
        ended = CliRunner().invoke(command.dbt, ["build", "--select", "staging", "--help"])
    assert ended.exit_code == 2, "dbt's own status"
    ((program, *words), environment) = seen[0]
    assert (Path(program).name, words) == ("dbt", ["build", "--select", "staging", "--help"])
    assert environment["DBT_PROJECT_DIR"] == environment["DBT_PROFILES_DIR"] == str(DBT_PROJECT)
    assert environment["SYNKRO_DBT_DBNAME"] == marts_db.rpartition("/")[2]
    assert Path(environment["DBT_TARGET_PATH"]).is_relative_to(settings().data_dir)
    assert environment["DBT_LOG_PATH"] == "/where/i/want"
    assert not [name for name in os.environ if name.startswith("SYNKRO_DBT_")], "no process of ours inherits it"


@pytest.mark.slow
@pytest.mark.assurance
def test_plain_dbt_works(marts_db: str, company: Callable[..., Company], tmp_path: Path) -> None:
    west = company("west")
    west.chat(1, "77010000001")
    west.say(1, "2026-03-04 10:00", "client")
    west.window("2026-03-04 06:00", "2026-03-05 06:00")
    data = tmp_path / "data"
    with entry_points_to(marts_db, SYNKRO_DATA_DIR=str(data)):

        def said(*words: str) -> tuple[int, str]:
            ended = subprocess.run(
                [sys.executable, "-m", "cli.main", "dbt", *words],
                cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600,
            )  # fmt: skip
            return ended.returncode, ended.stdout + ended.stderr

        assert said("parse")[0] == 0
        code, told = said("build", "--vars", json.dumps({"tenant_id": str(west.tenant_id)}))
        assert code == 0 and "ERROR=0" in told, told[-3000:]
        assert west.rows("marts.period_summary", "messages") == [{"messages": 1}], "every window of the tenant"
        code, told = said("run", "--select", "marts")
        assert code != 0 and "no tenant" in told, "everyone's rows are appended by nobody"
        assert said("docs", "generate")[0] == 0
        assert (data / "dbt" / "command" / "target" / "catalog.json").is_file()
        west.connection.execute("update raw_radist.messages set seen_at = %s", (clock.now() - timedelta(hours=30),))
        code, told = said("source", "freshness", "--select", "source:raw_radist.messages")
        assert code == 1 and "ERROR STALE" in told
        west.connection.execute("update raw_radist.messages set seen_at = now()")
        assert said("source", "freshness", "--select", "source:raw_radist.messages")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"data"}
