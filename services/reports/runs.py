"""Reports as a list, and the runs that make them: ask, watch, stop, repeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services import access
from services.access import Actor
from synkro.core import clock, windows
from synkro.core.errors import DataError
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import reports, restatements, revisions
from synkro.reporting.reports import Report
from synkro.reporting.restatements import Correction
from synkro.runs import heartbeats, history, leases, queue, reaper, watermarks
from synkro.runs.queue import Event, Run
from synkro.tenancy import runtime_config
from synkro.tenancy.audit.actions import Action
from synkro.tenancy.runtime_config import RuntimeConfig
from synkro.tenancy.tenants import Tenant

PAGE_SIZE = 20
#: a waiting run that nobody took for so long deserves a hint
PICK_UP = timedelta(seconds=30)
SILENT = timedelta(seconds=leases.LEASE_SECONDS)


@dataclass(frozen=True)
class Listing:
    tenant: Tenant
    config: RuntimeConfig
    reports: list[Report]
    #: of those whose numbers changed after they were published
    corrections: dict[UUID, Correction]
    total: int
    page: int
    #: how far back each stream reaches
    depths: list[history.Depth]
    #: reads that were cut: the next run goes on with them
    unfinished: list[watermarks.Backfill]

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))


def listing(who: Actor, slug: str, page: int = 1) -> Listing:
    """One page of current reports, newest first. For members."""
    tenant = access.tenant(who, slug)
    page = max(1, min(page, 10_000))
    with access.transaction(who) as connection:
        row = connection.execute(
            "select count(*) as n from synkro.reports where tenant_id = %s and is_current", (tenant.tenant_id,)
        ).fetchone()
        shown = reports.recent(connection, tenant.tenant_id, limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE)
        return Listing(
            tenant=tenant,
            config=runtime_config.current(connection, tenant.tenant_id),
            reports=shown,
            corrections=restatements.of(connection, shown),
            total=row["n"] if row else 0,
            page=page,
            depths=history.depths(connection, tenant.tenant_id),
            unfinished=watermarks.backfills_of(connection, tenant.tenant_id),
        )


def day_choices(config: RuntimeConfig, now: datetime | None = None) -> list[tuple[str, Window]]:
    """Closed business days a person may ask for: ``(ISO label, window)``, the last closed first."""
    now = now or clock.now()
    window = windows.last_closed(now, config.business_day_start, config.timezone)
    found = []
    for _ in range(max(1, min(config.max_force_lookback_days, 31))):
        label = windows.label_of(window, config.timezone)
        try:
            windows.check_forced(
                window, now, config.max_force_lookback_days, config.max_force_window_hours, config.timezone
            )
        except DataError:
            break
        found.append((label.isoformat(), window))
        window = windows.business_day_window(label - timedelta(days=1), config.business_day_start, config.timezone)
    return found


def last_closed(config: RuntimeConfig, now: datetime | None = None) -> Window:
    """The last business day of the company that is over."""
    return windows.last_closed(now or clock.now(), config.business_day_start, config.timezone)


def request(
    who: Actor, slug: str, from_iso: str | None = None, to_iso: str | None = None, exceed: str = ""
) -> tuple[Run, bool]:
    """Queue a report of the window that was typed or, without one, of the last closed business day; or join the run under way.

    For members; returns ``(run, was_made)``. ``exceed``: why the operator goes beyond the company's limits; kept in the
    audit log. Audited as ``run.requested``, ``run.joined`` or ``run.forced``. Raises :class:`DataError` with the limit that
    was crossed, and ``Forbidden`` when somebody else than the operator wants to cross it.
    """
    tenant = access.tenant(who, slug)
    with access.transaction(who) as connection:
        config = runtime_config.current(connection, tenant.tenant_id)
        access.ensure_active(who, tenant)
        limits = config.max_force_lookback_days, config.max_force_window_hours
        reason = exceed.strip()
        if reason:
            access.check_operator_now(connection, who)
            limits = windows.FORCED_AT_MOST
        if from_iso is None or to_iso is None:
            window = last_closed(config)
        else:
            window = windows.parse_window(from_iso, to_iso, config.timezone)
            windows.check_forced(window, clock.now(), *limits, config.timezone)
        run, made = queue.request(
            connection,
            tenant.tenant_id,
            window,
            mode=config.mode,
            trigger_type="manual",
            report_type=_type_of(window, config),
            requested_by=who.user_id,
        )
        action: Action = "run.forced" if reason else "run.requested" if made else "run.joined"
        _note(connection, who, tenant, action, run, reason)
        return run, made


def load_history(who: Actor, slug: str, from_day: str) -> tuple[Run, bool]:
    """Queue the load of the history from a local day on, or join the one that reads as far. For administrators.

    Audited as ``run.history`` or ``run.joined``. Raises :class:`DataError` for a bad day and for a run under way that reads
    less.
    """
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        access.ensure_active(who, tenant)
        config = runtime_config.current(connection, tenant.tenant_id)
        run, made = history.request(
            connection, tenant.tenant_id, config, from_day, clock.now(), requested_by=who.user_id
        )
        _note(connection, who, tenant, "run.history" if made else "run.joined", run)
        return run, made


def _type_of(window: Window, config: RuntimeConfig) -> str:
    """A forced window that is exactly a business day is that day's report."""
    label = windows.label_of(window, config.timezone)
    day = windows.business_day_window(label, config.business_day_start, config.timezone)
    return "daily" if day == window else "forced"


def recent(who: Actor, slug: str | None = None, limit: int = 20) -> list[tuple[Run, Tenant]]:
    """The latest runs of a company or of all the actor sees, newest first. For members."""
    seen = access.visible(who) if slug is None else (access.tenant(who, slug),)
    names = {tenant.tenant_id: tenant for tenant in seen}
    with access.transaction(who) as connection:
        found = queue.recent(connection, seen[0].tenant_id if slug is not None else None, limit)
    return [(run, names[run.tenant_id]) for run in found if run.tenant_id in names]


def run_of(who: Actor, run_id: UUID | str, slug: str | None = None) -> tuple[Run, Tenant]:
    """The run and its tenant. For members; the same :class:`NotFoundError` for a foreign and for an absent one."""
    with access.transaction(who) as connection:
        run = queue.get(connection, run_id)
    for tenant in access.visible(who):
        if tenant.tenant_id == run.tenant_id and slug in (None, tenant.slug):
            return run, tenant
    raise queue.NotFoundError(f"Запуск {run_id} не найден.")


def stop(who: Actor, run_id: UUID | str) -> Run:
    """Ask a run to stop; one that is over stays as it is. For members; audited as ``run.stopped``."""
    run, tenant = run_of(who, run_id)
    with access.transaction(who) as connection:
        stopped = queue.request_stop(connection, run.tenant_id, run.run_id)
        if run.is_active:
            _note(connection, who, tenant, "run.stopped", run)
        return stopped


def retry(who: Actor, run_id: UUID | str) -> tuple[Run, bool]:
    """The same window again; limits of age do not apply to what was asked for before.

    For members, a load of history for administrators; audited as ``run.retried`` or ``run.joined``.
    """
    run, tenant = run_of(who, run_id)
    if run.job_type == "delivery":
        raise DataError(
            "Отправку повторять не нужно: она пробуется сама, а отчёт уже готов и открыт на своей странице."
        )
    with access.transaction(who) as connection:
        access.ensure_active(who, tenant)
        if run.history_from is not None:
            access.check_admin_now(connection, who, tenant.tenant_id)
        again, made = queue.request(
            connection,
            run.tenant_id,
            run.window,
            mode=runtime_config.current(connection, run.tenant_id).mode,
            trigger_type="manual",
            report_type=run.report_type,
            requested_by=who.user_id,
            history_from=run.history_from,
        )
        _note(connection, who, tenant, "run.retried" if made else "run.joined", again)
        return again, made


def _note(connection: db.Connection, who: Actor, tenant: Tenant, action: Action, run: Run, message: str = "") -> None:
    access.note(
        connection,
        who,
        action,
        tenant_id=tenant.tenant_id,
        message=message,
        metadata={
            "run_id": str(run.run_id),
            "window_start": run.window_start.isoformat(),
            "window_end": run.window_end.isoformat(),
            "attempt": run.attempt,
            **({"history_from": run.history_from.isoformat()} if run.history_from else {}),
        },
    )


@dataclass(frozen=True)
class Progress:
    """What a page shows of runs under way: re-read by the app-wide poller."""

    runs: list[Run]
    #: run id → its newest events, oldest first
    events: dict[UUID, list[Event]]
    is_worker_alive: bool


def progress(user_id: UUID, tenant_id: UUID) -> Progress:
    """The active runs of a tenant as this person sees them, and the latest ones that ended."""
    with db.as_user(user_id) as connection:
        latest = queue.recent(connection, tenant_id, limit=8)
        shown = [run for run in latest if run.is_active]
        events = {run.run_id: tail(connection, run) for run in shown}
    with db.as_service("worker check") as connection:
        alive = heartbeats.is_alive(connection, "engine")
    return Progress(latest, events, alive)


def tail(connection: db.Connection, run: Run, limit: int = 40) -> list[Event]:
    """The newest events of a run, oldest first, in the caller's transaction."""
    rows = connection.execute(
        "select event_id, level, step, message, metadata, created_at from synkro.job_run_events"
        " where tenant_id = %s and run_id = %s and level <> 'debug' order by event_id desc limit %s",
        (run.tenant_id, run.run_id, limit),
    ).fetchall()
    return [Event(**row) for row in reversed(rows)]


def events(who: Actor, run: Run, after: int = 0) -> list[Event]:
    """The whole log of a run that :func:`run_of` has given, from an event on."""
    with access.transaction(who) as connection:
        return queue.events(connection, run.tenant_id, run.run_id, after=after)


def percent(run: Run) -> float:
    """0..1 of the whole run: the steps weigh what they take on an ordinary day."""
    if run.status == "success":
        return 1.0
    steps = _HISTORY_STEPS if run.history_from else _STEPS
    first, last = steps.get(run.current_step, (0.0, 0.03))
    done, total = run.progress.get("done") or 0, run.progress.get("total") or 0
    inside = min(1.0, done / total) if total else 0.05 if run.history_from else 0.3
    return round(first + (last - first) * inside, 3)


def reap() -> None:
    """End the runs whose lease ran out, and tell that the app lives."""
    with db.as_service("reaper") as connection:
        heartbeats.beat(connection, "app")
        reaper.reap(connection)


_STEPS = {
    "queued": (0.0, 0.02),
    "sources": (0.02, 0.43),
    "intents": (0.43, 0.46),
    "marts": (0.46, 0.6),
    "readings": (0.6, 0.88),
    "report": (0.88, 0.97),
    "delivery": (0.97, 1.0),
    "done": (1.0, 1.0),
}
#: months of history are hours of reading; what follows takes the minutes of any other day
_HISTORY_STEPS = _STEPS | {
    "sources": (0.02, 0.88),
    "intents": (0.88, 0.9),
    "marts": (0.9, 0.93),
    "readings": (0.93, 0.98),
    "report": (0.98, 0.99),
    "delivery": (0.99, 1.0),
}


def again_at(config: RuntimeConfig, run: Run) -> datetime | None:
    """When a scheduled run that failed is asked for again without anybody's click; None: not at all."""
    if run.status != "failed" or run.trigger_type != "scheduled" or not config.is_schedule_enabled:
        return None
    if run.job_type == "delivery":
        # the sender tells what is due within minutes
        return None
    return revisions.again_at(config, run.attempt, clock.of(run.finished_at))


def silence(run: Run, now: datetime | None = None) -> float | None:
    """Minutes without a sign of life, when that is too long; a waiting run counts from its request."""
    now = now or datetime.now(UTC)
    if run.status == "pending":
        waited = now - (run.picked_at or run.created_at)
        return waited.total_seconds() / 60 if waited > PICK_UP else None
    if run.status in ("running", "cancelling") and run.heartbeat_at is not None:
        quiet = now - run.heartbeat_at
        return quiet.total_seconds() / 60 if quiet > SILENT else None
    return None
