"""Whose reports are due: pure rules over the tenants' runtime configuration, written into the queue.

A window is owed once its scheduled time has passed. After an outage every window that fell due meanwhile is queued,
once, the oldest first; what fell due while the schedule was off, or the tenant paused, is not.

When each company gets its report is its own setting, a row of ours: Dagster cannot hold a cron line for it. So each kind of
report has one Dagster schedule that looks every minute who is due, queues that and submits it: its ticks show what
it did, the runs it started are its runs. That a window is built once is the queue's business, whoever asks and how often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dagster import (
    DagsterInstance,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from orchestration.defs.jobs import REPORT_JOB
from orchestration.queue import submission
from orchestration.queue.partitions import TENANTS
from synkro.core import clock
from synkro.core.windows import (
    Window,
    business_date,
    business_day_window,
    last_closed,
    month_window,
    week_window,
)
from synkro.database import db
from synkro.reporting import revisions
from synkro.reporting.delivery import deliveries
from synkro.runs import queue
from synkro.tenancy import due_times, runtime_config, tenants

EVERY_MINUTE = "* * * * *"
REVISIONS, DELIVERIES = "revisions", "deliveries"
#: the kinds of reports that come by a schedule, each with a Dagster schedule of its own
KINDS = {
    "daily": "Отчёты за день",
    "weekly": "Отчёты за неделю",
    "monthly": "Отчёты за месяц",
    REVISIONS: "Уточнения неполных отчётов",
    DELIVERIES: "Отправка собранных отчётов",
}
#: after a longer outage the older windows are for a person to decide
CATCH_UP = timedelta(days=7)

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Due:
    """A window that is owed since ``at``; ``key`` names it for ever."""

    window: Window
    report_type: str
    key: str
    at: datetime


@dataclass(frozen=True)
class _State:
    """What became of a window so far."""

    attempts: int
    last_attempt: int
    last_status: str
    last_finished_at: datetime | None


def due(config: runtime_config.RuntimeConfig, now: datetime, since: datetime) -> list[Due]:
    """What has fallen due by ``now``, oldest first. ``since``: from when on the schedule has been in force."""
    if not config.is_schedule_enabled:
        return []
    # a schedule that is switched on reports the day that closed last, though it fell due before
    last = last_closed(now, config.business_day_start, config.timezone)
    owed = [
        one
        for one in (*_days(config, now), *_weeks(config, now), *_months(config, now))
        if one.at <= now <= one.at + CATCH_UP and (one.at >= since or one.window == last)
    ]
    return sorted(owed, key=lambda one: (one.at, one.window.end - one.window.start))


def _days(config: runtime_config.RuntimeConfig, now: datetime) -> Iterator[Due]:
    today = business_date(now, config.business_day_start, config.timezone)
    for back in range(1, CATCH_UP.days + 2):
        label = today - back * _DAY
        window = business_day_window(label, config.business_day_start, config.timezone)
        yield Due(window, "daily", f"daily:{label.isoformat()}", due_times.built_at(config, window, "daily"))


def _weeks(config: runtime_config.RuntimeConfig, now: datetime) -> Iterator[Due]:
    """The week before, on Monday."""
    if not config.is_weekly_enabled:
        return
    today = business_date(now, config.business_day_start, config.timezone)
    for weeks in (1, 2):
        monday = today - (today.weekday() + 7 * weeks) * _DAY
        window = week_window(monday, config.business_day_start, config.timezone)
        yield Due(window, "weekly", f"weekly:{monday.isoformat()}", due_times.built_at(config, window, "weekly"))


def _months(config: runtime_config.RuntimeConfig, now: datetime) -> Iterator[Due]:
    """The month before, on the first day of the month on which anybody works."""
    if not config.is_monthly_enabled:
        return
    first = business_date(now, config.business_day_start, config.timezone).replace(day=1)
    window = month_window(first - _DAY, config.business_day_start, config.timezone)
    key = f"monthly:{(first - _DAY):%Y-%m}"
    yield Due(window, "monthly", key, due_times.built_at(config, window, "monthly"))


# --- into the queue ---------------------------------------------------------------------------------------

_TENANTS = """
select t.tenant_id, {columns},
       {since} as since
from synkro.tenants t
join synkro.tenant_runtime_configs c on c.tenant_id = t.tenant_id and c.is_current
where t.status = 'active' and c.is_schedule_enabled
order by t.slug
"""

_ATTEMPTS = """
select distinct on (tenant_id, window_start, window_end)
       tenant_id, window_start, window_end, attempt as last_attempt, status as last_status,
       finished_at as last_finished_at, count(*) over (partition by tenant_id, window_start, window_end) as attempts
from synkro.job_runs
where window_end > %(after)s
order by tenant_id, window_start, window_end, attempt desc
"""

_WHOLE = "select tenant_id, window_start, window_end from synkro.reports where is_current and is_complete and window_end > %(after)s"

_Key = tuple[UUID, datetime, datetime]


def enqueue_due(connection: db.Connection, now: datetime, kind: str | None = None) -> list[queue.Run]:
    """Queue what is due for every active tenant; asking again for the same window makes nothing.

    ``kind``: reports of this kind alone. Three queries, however many tenants there are: this is asked every minute.
    """
    after = {"after": now - CATCH_UP - 2 * _DAY}
    states: dict[_Key, _State] = {}
    for row in connection.execute(_ATTEMPTS, after):
        states[_key(row)] = _State(
            row["attempts"], row["last_attempt"], row["last_status"], clock.of(row["last_finished_at"])
        )
    # somebody asked for this very day by hand: a second report would say the same and be sent again
    whole = {_key(row) for row in connection.execute(_WHOLE, after)}
    made = []
    for tenant_id, config, since in _schedules(connection):
        for one in due(config, now, since):
            if kind not in (None, one.report_type):
                continue
            place = (tenant_id, one.window.start, one.window.end)
            key = None if place in whole else _next_key(states.get(place), one.key, now, config)
            if key is None:
                continue
            run, was_made = queue.request(
                connection,
                tenant_id,
                one.window,
                mode=config.mode,
                trigger_type="scheduled",
                report_type=one.report_type,
                idempotency_key=key,
            )
            if was_made:
                made.append(run)
    return made


def _schedules(connection: db.Connection) -> list[tuple[UUID, runtime_config.RuntimeConfig, datetime]]:
    """(tenant, configuration in force, since when its schedule has been on) of every tenant that has one."""
    query = _TENANTS.format(
        columns=", ".join(f"c.{name}" for name in runtime_config.NAMES), since=runtime_config.SCHEDULE_SINCE
    )
    found = []
    for row in connection.execute(query, {"offset": clock.offset()}).fetchall():
        tenant_id, since = row.pop("tenant_id"), row.pop("since")
        found.append((tenant_id, runtime_config.RuntimeConfig(**row), since))
    return found


def _key(row: dict[str, Any]) -> _Key:
    return row["tenant_id"], row["window_start"], row["window_end"]


def _next_key(state: _State | None, key: str, now: datetime, config: runtime_config.RuntimeConfig) -> str | None:
    """The key of the next attempt, ``None`` while none is due.

    A window that failed is tried again a few times, with growing pauses; one that a person stopped is left alone, and
    a report that lacks something has its follow-ups (``synkro/reporting/revisions.py``).
    """
    if state is None:
        return key
    at = revisions.again_at(config, state.attempts, state.last_finished_at) if state.last_status == "failed" else None
    if at is None or now < at:
        return None
    return f"{key}:{state.last_attempt + 1}"


# --- as Dagster's schedules -------------------------------------------------------------------------------


def build() -> list[ScheduleDefinition]:
    return [_schedule_of(kind, title) for kind, title in KINDS.items()]


def _schedule_of(kind: str, title: str) -> ScheduleDefinition:
    @schedule(
        name=f"{kind}_due",
        cron_schedule=EVERY_MINUTE,
        job_name=submission.DELIVERY_JOB if kind == DELIVERIES else REPORT_JOB,
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"{title}: каждую минуту в очередь ставится то, чему по настройкам компаний пришёл срок",
        tags={"synkro/kind": kind},
    )
    def due_of_kind(context: ScheduleEvaluationContext) -> list[RunRequest] | SkipReason:
        return submit_due(context.instance, kind) or SkipReason("срок не пришёл ни у одной компании")

    return due_of_kind


def submit_due(instance: DagsterInstance, kind: str) -> list[RunRequest]:
    """Queue what is due and submit it, in one transaction: the queue's sensor does not see the rows in between.

    More rows than a tick takes are left to the sensor.
    """
    with db.as_service("schedule") as connection:
        now = clock.now()
        others = {REVISIONS: revisions.enqueue_due, DELIVERIES: deliveries.enqueue_due}
        made = others[kind](connection, now) if kind in others else enqueue_due(connection, now, kind)
        requests = submission.submit(connection, made)
        if requests:
            # a run request names its partition, which the sensor may not have added yet
            slugs = {tenant.slug for tenant in tenants.visible(connection) if tenant.status != "disabled"}
            instance.add_dynamic_partitions(TENANTS, sorted(slugs - set(instance.get_dynamic_partitions(TENANTS))))
    return requests
