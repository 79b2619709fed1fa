"""The typed body: a stored one of the first version opens everywhere, and a thinner or odd one does not break a reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.report import page_text
from delivery.message import telegram_message
from synkro.reporting.body import VERSION, Body

#: as the reports of version 1 were stored, with everything a day can have
FIRST = json.loads((Path(__file__).parent / "body_v1.json").read_text(encoding="utf-8"))


def test_a_body_of_the_first_version_is_read_to_the_last_word() -> None:
    body = Body.read(FIRST)
    assert body.version == 1 < VERSION and "version" not in FIRST
    assert body.stored() == FIRST, "nothing of it is lost and nothing invented"
    assert body.numbers[0].label and body.actions[0].claims and body.quality and body.uncovered and body.incomplete


def test_a_body_of_the_first_version_opens_in_the_message_and_the_text() -> None:
    body = Body.read(FIRST)
    plain = telegram_message(body, report_url="").plain_text
    text = page_text.build(body, body.header.timezone)
    for said in (plain, text):
        assert body.header.company in said and body.headline[0].text in said.replace("\n", " ")
        assert body.actions[0].text in said and body.numbers[0].display in said and "Данные неполные" in said


def test_what_is_written_has_its_version_and_comes_back_the_same() -> None:
    written = Body.written(FIRST)
    assert written.version == VERSION and written.stored() == FIRST | {"version": VERSION}
    assert Body.read(json.loads(json.dumps(written.stored()))) == written


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"header": None, "headline": None, "numbers": None, "quality": [], "incomplete": False, "uncovered": "x"},
        {"headline": ["просто текст", {"text": None, "claims": None}], "risks": [None, "строка", {"text": "риск"}]},
        {"numbers": [{"key": "x"}, 3], "actions": [{"manager_id": 7, "claims": "0"}], "header": {"reader": None}},
        {"version": VERSION + 1, "a_part_of_tomorrow": {"text": 1}},
    ],
)
def test_an_older_thinner_or_later_body_breaks_no_reader(stored: dict[str, Any]) -> None:
    body = Body.read(stored)
    assert telegram_message(body, report_url="").plain_text
    assert isinstance(page_text.build(body, "Asia/Almaty"), str)


def test_what_was_said_is_told_from_what_was_not() -> None:
    said, unsaid = Body.read({"numbers": [{"key": "a", "usual": None}, {"key": "b"}]}).numbers
    assert said.has("usual") and not unsaid.has("usual") and said.usual is unsaid.usual is None
    assert Body.read({"headline": ["просто текст"]}).headline[0].text == "просто текст"
    assert Body.read({"actions": [{"manager_id": 7}]}).actions[0].manager_id == "7"
