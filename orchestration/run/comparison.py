"""The windows a run opens only to compare with: the first weekly and monthly reports already say what is usual.

In: the run's window and how far the history reaches. Out: rows of ``synkro.report_windows`` for what does not stand yet:
what the window itself is compared with, and the last whole weeks and months. Each row says what it is compared with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from synkro.core import baselines
from synkro.core import calendar as working
from synkro.core.baselines import Baseline, Days
from synkro.core.windows import Window, label_of
from synkro.reporting.report_windows import ReportWindow
from synkro.tenancy.runtime_config import RuntimeConfig

#: whole weeks and months before the window that are built, if the history holds them
WEEKS, MONTHS = 5, 2
#: the usual is made of so many windows
OF = 4
_KIND = {"weekday": "daily", "week": "weekly", "month": "monthly"}


def days_of(config: RuntimeConfig) -> Days:
    return Days(working.parse(config.calendar), config.business_day_start, config.timezone)


def baselines_of(window: Window, days: Days) -> list[dict[str, Any]]:
    return [one.stored for one in baselines.of(window, days)]


def with_baselines(rows: Sequence[ReportWindow], days: Days) -> list[ReportWindow]:
    return [replace(row, baselines=baselines_of(row.window, days)) for row in rows]


def windows(
    window: Window, days: Days, first: datetime, already: set[tuple[datetime, datetime]], as_of: datetime | None
) -> list[ReportWindow]:
    """What is to be opened beside the window; ``first``: the first moment of the history, ``already``: what stands."""
    # a stretch somebody asked for is compared with what stands
    own = [one for one in _first(baselines.of(window, days)) if one.unit != "stretch"]
    wanted = {one.window: _KIND.get(one.unit, "forced") for one in own}
    wanted |= dict(baselines.earlier_wholes(window, days, WEEKS, MONTHS))
    return [
        ReportWindow(one, label_of(one, days.timezone), kind, as_of, as_of is not None and as_of >= one.end)
        for one, kind in wanted.items()
        if one.start >= first and (one.start, one.end) not in already
    ]


def _first(offered: Iterable[Baseline]) -> list[Baseline]:
    """The newest of each comparison; what is older serves where one of them is incomplete."""
    taken: Counter[str] = Counter()
    found = []
    for one in offered:
        taken[one.compared_with] += 1
        if taken[one.compared_with] <= OF:
            found.append(one)
    return found
