"""The whole Telegram message of every kind of day, letter by letter, with its buttons."""

from __future__ import annotations

import pytest

from tests.analysis.days import DAYS, MESSAGES, message_text


@pytest.mark.parametrize("day", DAYS)
def test_the_whole_message(day: str) -> None:
    assert message_text(DAYS[day]()) == (MESSAGES / f"{day}.txt").read_text(encoding="utf-8")


def test_no_text_is_of_a_day_that_is_gone() -> None:
    assert {path.stem for path in MESSAGES.iterdir()} == set(DAYS)
