"""When a company's report is built by its schedule, and when it is sent: pure rules over the runtime configuration.

Nothing of it is stored with a report: a setting that changes in between counts from then on.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from synkro.core import calendar
from synkro.core.windows import Window, instant, label_of
from synkro.tenancy.runtime_config import RuntimeConfig

_DAY = timedelta(days=1)
#: a calendar without a working day in so long says nothing about deliveries
_LOOK_AHEAD = 31


def built_at(config: RuntimeConfig, window: Window, report_type: str) -> datetime:
    """The first scheduled time after the window has closed; of a week on Monday, of a month on its first working day.

    The day closes at 22:01 and the report is asked for at 09:00: that is the next morning.
    """
    where = ZoneInfo(config.timezone)
    closed_on = window.end.astimezone(where).date()
    day = max(closed_on, _earliest(config, window, report_type) or closed_on)
    at = instant(day, config.scheduled_run_time, where)
    return at if at >= window.end else instant(day + _DAY, config.scheduled_run_time, where)


def _earliest(config: RuntimeConfig, window: Window, report_type: str) -> date | None:
    """The local date before which nobody asks for it."""
    middle = label_of(window, config.timezone)
    if report_type == "weekly":
        return middle + (7 - middle.weekday()) * _DAY
    if report_type == "monthly":
        first = (middle.replace(day=1) + 31 * _DAY).replace(day=1)
        works = calendar.parse(config.calendar).shifts
        return next((day for day in (first + n * _DAY for n in range(28)) if works(day)), first)
    return None


def sent_at(config: RuntimeConfig, window: Window, report_type: str) -> datetime:
    """When the report of a schedule is sent: when it is built or, with a delivery time, the first one after on a day of deliveries."""
    built = built_at(config, window, report_type)
    if config.delivery_time is None:
        return built
    where = ZoneInfo(config.timezone)
    first = built.astimezone(where).date()
    days = [first + n * _DAY for n in range(_LOOK_AHEAD)]
    # where no day of deliveries is in sight, any day is
    on = [day for day in days if _is_delivery_day(config, day)] + days
    return next(at for day in on if (at := instant(day, config.delivery_time, where)) >= built)


def _is_delivery_day(config: RuntimeConfig, day: date) -> bool:
    """Days that are named count as they are; without them a holiday of the calendar is a day off."""
    if config.delivery_days:
        return calendar.WEEKDAYS[day.weekday()] in config.delivery_days
    return bool(calendar.parse(config.calendar).shifts(day))
