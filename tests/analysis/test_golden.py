"""Whole reports of every kind of day, as texts that stand in ``golden/``: what is chosen, its order and its words."""

from __future__ import annotations

import pytest

from tests.analysis.days import BODIES, DAYS, body_text


@pytest.mark.parametrize("day", DAYS)
def test_the_whole_report(day: str) -> None:
    assert body_text(DAYS[day]()) == (BODIES / f"{day}.txt").read_text(encoding="utf-8")


def test_no_text_is_of_a_day_that_is_gone() -> None:
    assert {path.stem for path in BODIES.iterdir()} == set(DAYS)
