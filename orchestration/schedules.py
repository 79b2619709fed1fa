"""Whose report is due: pure rules over the tenants' runtime configuration, written into the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from synkro import db, reports, runs, runtime, tenants
from synkro.windows import Window, instant, label_of, last_closed

#: after a longer outage the older days are for a person to decide
CATCH_UP = timedelta(days=1, hours=12)


#: a vendor that was down needs time; after so many attempts a person has to look
TRY_AGAIN = timedelta(minutes=30)
MAX_ATTEMPTS = 4


@dataclass(frozen=True)
class Due:
    window: Window
    key: str


def due(config: runtime.RuntimeConfig, now: datetime) -> Due | None:
    """The last closed business day, once its scheduled time has passed; ``None`` before it or when the schedule is off."""
    if not config.is_schedule_enabled:
        return None
    window = last_closed(now, config.business_day_start, config.timezone)
    where = ZoneInfo(config.timezone)
    closed_on = window.end.astimezone(where).date()
    at = instant(closed_on, config.scheduled_run_time, where)
    if at < window.end:
        # the day closes at 22:01 and the report is asked for at 09:00: that is the next morning
        at = instant(closed_on + timedelta(days=1), config.scheduled_run_time, where)
    if now < at or now - window.end > CATCH_UP:
        return None
    return Due(window, f"daily:{label_of(window, config.timezone).isoformat()}")


def _next_key(attempts: Sequence[runs.Run], key: str, now: datetime) -> str | None:
    """The key of the next attempt, ``None`` while none is due.

    A day that failed, or whose report had to be marked incomplete, is tried again a few times; a day a person
    stopped is left alone.
    """
    if not attempts:
        return key
    last = attempts[0]
    if last.is_active or last.status == "cancelled" or len(attempts) >= MAX_ATTEMPTS:
        return None
    if last.finished_at is None or now - last.finished_at < TRY_AGAIN:
        return None
    return f"{key}:{last.attempt + 1}"


def enqueue_due(connection: db.Connection, now: datetime) -> list[runs.Run]:
    """Queue what is due for every active tenant; asking again for the same day makes nothing."""
    made = []
    for tenant in tenants.visible(connection):
        if tenant.status != "active":
            continue
        config = runtime.current(connection, tenant.tenant_id)
        wanted = due(config, now)
        if wanted is None:
            continue
        standing = reports.current(connection, tenant.tenant_id, wanted.window)
        if standing is not None and standing.is_complete:
            # somebody asked for this very day by hand: a second report would say the same and be sent again
            continue
        key = _next_key(runs.of_window(connection, tenant.tenant_id, wanted.window), wanted.key, now)
        if key is None:
            continue
        run, was_made = runs.request(
            connection,
            tenant.tenant_id,
            wanted.window,
            mode=config.mode,
            trigger_type="scheduled",
            report_type="daily",
            idempotency_key=key,
        )
        if was_made:
            made.append(run)
    return made
