"""The rows of one part of a number: what a step of the waterfall opens."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.access import Viewer
from services.reports import rows
from synkro.core.errors import NotFoundError
from tests.app.fixtures import World


def test_a_part_opens_its_own_rows(world: World, who: Callable[[str], Viewer]) -> None:
    report_id = world.reports["alpha"].report_id
    every = rows.behind(who("user"), "alpha", report_id, "unanswered_now", limit=1000)
    part = rows.behind(who("user"), "alpha", report_id, "unanswered_now", part=("manager", "alpha-m0"), limit=1000)
    assert {row["responsible_at_open"] for row in part.rows} == {"alpha-m0"}
    assert 0 < part.total < every.total or {row["responsible_at_open"] for row in every.rows} == {"alpha-m0"}
    assert (part.part, part.part_name) == (("manager", "alpha-m0"), "Динара Сейтова")
    assert "= 'alpha-m0'" in part.sql and "%(" not in part.sql


@pytest.mark.parametrize(
    ("metric", "part"),
    [
        # the dimension says nothing of the number, there is no such part, nobody asked for it, another company's manager
        ("unanswered_now", ("stage", "5:1")),
        ("unanswered_now", ("manager", "nobody")),
        ("unanswered_now", ("weather", "rain")),
        ("clients", ("manager", "alpha-m0")),
        ("unanswered_now", ("manager", "beta-m0")),
    ],
)
def test_what_is_no_part_is_not_found(
    world: World, who: Callable[[str], Viewer], metric: str, part: tuple[str, str]
) -> None:
    with pytest.raises(NotFoundError):
        rows.behind(who("user"), "alpha", world.reports["alpha"].report_id, metric, part=part)
