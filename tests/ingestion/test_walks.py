"""What a cut walk may say about itself: pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from types import SimpleNamespace
from typing import Any

import pytest

from ingestion.amocrm.log import Slices
from ingestion.amocrm.walks import Walk
from ingestion.extract.start import Left, Start, start
from synkro.core.windows import Window
from synkro.runs.watermarks import Backfill, Watermark

NOW = datetime(2026, 2, 10, 12, 0, tzinfo=UTC)
SESSION: Any = SimpleNamespace(started_at=NOW, until=NOW)
LATEST = int((NOW - timedelta(minutes=10)).timestamp())


def rows(*times: Any) -> list[Any]:
    return [{"id": number, "updated_at": time} for number, time in enumerate(times)]


def walked(*pages: tuple[dict[str, Any], list[Any]], resumed: int | None = None) -> int | None:
    walk = Walk(SESSION, resumed, None)
    for params, page in pages:
        walk.asks(params)
        walk.saw(page)
    return walk.second


SINCE = "filter[updated_at][from]"
UP_TO = "filter[updated_at][to]"


@pytest.mark.parametrize(
    ("pages", "resumed", "second"),
    [
        pytest.param([], None, None, id="nothing read"),
        pytest.param([], 50, 50, id="nothing read since"),
        pytest.param([({}, rows(1, 2, 3))], None, None, id="one page proves nothing"),
        pytest.param([({}, rows(1, 2, 3)), ({SINCE: 3}, rows(3, 4))], None, 4, id="two pages in order"),
        pytest.param([({}, rows(1, 2)), ({SINCE: 2}, []), ({SINCE: 2}, rows(5))], None, 5, id="an empty page"),
        pytest.param([({}, rows(1, 9)), ({SINCE: 9}, rows(3, 4))], None, None, id="the filter is ignored"),
        pytest.param([({}, rows(1, 2)), ({SINCE: 2}, rows(4, 3))], None, None, id="out of order"),
        pytest.param(
            [({}, rows(1, 2)), ({"order[updated_at]": "desc"}, rows(9, 9))], None, None, id="from the newest row down"
        ),
        pytest.param([({}, rows(1, 5)), ({SINCE: 5, UP_TO: 5}, rows(5, 6))], None, None, id="beyond the one second"),
        pytest.param([({}, rows(1, LATEST)), ({SINCE: LATEST}, rows(LATEST + 99))], None, LATEST, id="the overlap"),
        pytest.param([({}, rows(1, 2)), ({SINCE: 2}, ["x", {"updated_at": True}])], None, None, id="unreadable rows"),
    ],
)
def test_the_second_of_a_walk(pages: list[Any], resumed: int | None, second: int | None) -> None:
    assert walked(*pages, resumed=resumed) == second


def read_log(per_day: int, page: int, days: int = 60) -> tuple[int, list[tuple[int, int]]]:
    """Requests of a walk over an even log, and the days shown after each slice."""
    slices = Slices(SESSION, Start(NOW - timedelta(days=days), NOW - timedelta(days=days), None))
    requests, shown, end = 0, [], None
    for begin, last in slices.all():
        assert end is None or begin == end + timedelta(seconds=1)
        end = last
        entries = per_day * (last - begin + timedelta(seconds=1)) / timedelta(days=1)
        for _ in range(max(1, ceil(entries / page))):
            requests += 1
            slices.page()
        shown.append(slices.days)
    assert end == NOW
    return requests, shown


@pytest.mark.parametrize(("per_day", "page"), [(2_000, 250), (10_000, 250), (800, 100), (60_000, 250)])
def test_a_log_in_slices_costs_few_requests_more(per_day: int, page: int) -> None:
    requests, shown = read_log(per_day, page)
    assert requests <= ceil(per_day * 60 / page) * 1.05
    assert shown == sorted(shown) and len({done for done, _ in shown}) >= 6
    assert {total for _, total in shown} == {60}


def test_a_quiet_log_is_read_in_few_slices() -> None:
    assert read_log(0, 250)[0] <= 7
    assert read_log(5, 250, days=1)[0] == 1


def test_a_log_goes_on_at_its_last_whole_slice_and_not_later_than_the_overlap() -> None:
    before = NOW - timedelta(days=60)
    fresh = Slices(SESSION, Start(before, before, None))
    assert fresh.point() is None
    slices = fresh.all()
    for _ in range(3):
        next(slices)
    point = fresh.point()
    assert point and before < datetime.fromisoformat(point.position["until"]) < NOW
    list(slices)
    last = fresh.point()
    assert last and last.position["until"] == (NOW - timedelta(minutes=10)).isoformat()
    again = Slices(SESSION, Start(before, before, Backfill("amocrm", "events", before, NOW, point.position)))
    assert next(again.all())[0].isoformat() == point.position["until"] and again.begun == NOW


@pytest.mark.parametrize(
    ("asked", "reached", "unfinished", "read_from", "reaches", "goes_on"),
    [
        pytest.param(None, None, None, -61, -61, False, id="a first load"),
        pytest.param(-5, None, None, -5, -5, False, id="a short first load"),
        pytest.param(None, -90, None, None, -90, False, id="from the mark"),
        pytest.param(-80, -90, None, None, -90, False, id="history that was read"),
        pytest.param(-200, -90, None, -200, -200, False, id="more history than was read"),
        pytest.param(None, 0, None, -61, -61, False, id="a window before anything read"),
        pytest.param(None, None, -61, -61, -61, True, id="a first load that was cut"),
        pytest.param(None, None, -70, -70, -70, True, id="a longer one that was cut"),
        pytest.param(None, None, -30, -61, -61, False, id="a shorter one that was cut"),
    ],
)
def test_where_a_read_begins(
    asked: int | None,
    reached: int | None,
    unfinished: int | None,
    read_from: int | None,
    reaches: int,
    goes_on: bool,
) -> None:
    """Days from now; ``read_from`` None is the mark minus the overlap."""

    def day(number: int) -> datetime:
        return NOW + timedelta(days=number)

    ctx: Any = SimpleNamespace(
        window=Window(day(-1), NOW),
        history_from=None if asked is None else day(asked),
        history_start=day(-61 if asked is None else asked),
    )
    marks = (
        {"events": Watermark("amocrm", "events", NOW, {"from": day(reached).isoformat()})}
        if reached is not None
        else {}
    )
    left = {"events": Backfill("amocrm", "events", day(unfinished), NOW, {})} if unfinished is not None else {}
    found = start(ctx, Left(marks, left), "events")
    assert found.read_from == (NOW - timedelta(minutes=10) if read_from is None else day(read_from))
    assert (found.reaches, found.unfinished is not None) == (day(reaches), goes_on)
