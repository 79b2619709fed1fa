"""Both languages say the same things, and the code asks for nothing that is not there."""

from __future__ import annotations

import re
import string
from datetime import timedelta
from typing import get_args

import pytest

from app import formatting, texts
from app.texts import EN, RU, speaking, t
from services.reports import runs
from services.settings import configuration
from synkro.connectors.integrations import FIELDS, KINDS
from synkro.core import clock
from synkro.core.settings import ROOT
from synkro.tenancy import users
from synkro.tenancy.audit.actions import RENAMED, Action
from synkro.tenancy.runtime_config import MODES

#: whatever puts texts before people
CODE = [path for package in ("app", "services") for path in (ROOT / package).rglob("*.py")]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_languages_have_equal_keys_and_values() -> None:
    assert set(texts.LANGUAGES) == set(users.LANGUAGES)
    assert RU.keys() == EN.keys()
    assert len(RU) > 400
    assert [key for key in RU if fields(RU[key]) != fields(EN[key])] == []
    assert [key for key in RU if not RU[key].strip() or not EN[key].strip()] == []
    for key in RU:
        if key.startswith("plural."):
            assert len(RU[key].split("|")) == 3 and len(EN[key].split("|")) == 2


def test_the_interface_is_russian_and_calm() -> None:
    assert [key for key, text in RU.items() if "!" in text] == []
    english = [
        key for key, text in EN.items() if re.search("[а-яё]", text, re.I) and not key.startswith("ask.suggestion")
    ]
    assert english == []


def test_every_key_in_the_code_exists() -> None:
    wanted: set[str] = set()
    for path in CODE:
        wanted |= set(re.findall(r"""\bt\(\s*["']([a-z_0-9.]+)["']""", path.read_text(encoding="utf-8")))
    assert len(wanted) > 250
    assert sorted(wanted - RU.keys()) == []


def test_every_action_of_the_audit_log_has_a_title() -> None:
    """No title stands for an action nobody writes, and a renamed one leads to one that is written."""
    titles = {key.removeprefix("action.") for key in RU if key.startswith("action.")}
    assert titles == set(get_args(Action))
    assert set(RENAMED.values()) <= titles and not titles & RENAMED.keys()


def test_every_family_of_keys_is_whole() -> None:
    wanted = {f"runtime.{key}" for key in configuration.RUNTIME_FIELDS} | {f"mode.{mode}" for mode in MODES}
    wanted |= {f"kind.{kind}" for kind in KINDS} | {f"kind.{kind}.about" for kind in KINDS}
    wanted |= {f"field.{name}" for pair in FIELDS.values() for part in pair for name in part} - {
        "field.requests_per_second",
        # bound by a code, not typed
        "field.chat_id",
    }
    wanted |= {f"step.{step}" for step in runs._STEPS}
    for status in ("pending", "running", "cancelling", "success", "failed", "cancelled"):
        wanted.add(f"run.{status}")
    assert sorted(wanted - RU.keys()) == []


def test_unused_keys_are_deleted() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE if path.parent.name != "texts")
    families = {match.rstrip(".") for match in re.findall(r'f"([a-z_.]+)\{', code)}
    unused = [
        key
        for key in RU
        if f'"{key}"' not in code
        and f"'{key}'" not in code
        and not any(key.startswith(family) for family in families if family)
    ]
    assert unused == []


def test_a_missing_key_is_loud() -> None:
    with pytest.raises(KeyError):
        t("no.such.key")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("ru", ["2 диалога", "1 ч 15 мин", "46\u00a0%", "3 дня назад"]),
        ("en", ["2 dialogs", "1 h 15 min", "46%", "3 d ago"]),
    ],
)
def test_numbers_speak_the_language(language: str, said: list[str]) -> None:
    with speaking(language):
        found = [
            formatting.plural(2, "plural.dialogs"),
            formatting.minutes(75),
            formatting.percent(0.456),
            formatting.ago(clock.now() - timedelta(days=3, hours=5)),
        ]
    assert [text.replace("\u00a0", " ") for text in found] == [text.replace("\u00a0", " ") for text in said]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Звоните +7 701 555 44 33 после обеда", "Звоните •••• 4433 после обеда"),
        ("87015554433", "•••• 4433"),
        ("8 (701) 555-44-33, Асель", "•••• 4433, Асель"),
        ("заказ 450 000 тенге", "заказ 450 000 тенге"),
        ("2026-11-21 10:00", "2026-11-21 10:00"),
        ("счёт №1234567", "счёт №1234567"),
    ],
)
def test_phones_inside_texts_are_masked(text: str, shown: str) -> None:
    assert formatting.masked(text) == shown


def test_the_words_of_a_reconciliation_are_those_of_the_run_log() -> None:
    """The page may not import the packages that count: their vocabulary is repeated in both languages, and kept equal."""
    from ingestion.extract.rows import NOTES, REASONS
    from synkro.connectors.registry import CONNECTORS

    assert {key.removeprefix("reason."): text for key, text in RU.items() if key.startswith("reason.")} == REASONS
    assert {key.removeprefix("notice."): text for key, text in RU.items() if key.startswith("notice.")} == NOTES
    names = {stream.name: stream.label for one in CONNECTORS.values() for stream in one.streams}
    assert {key.removeprefix("stream."): text for key, text in RU.items() if key.startswith("stream.")} == names
