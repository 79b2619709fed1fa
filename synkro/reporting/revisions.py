"""Reports that lack something, and the runs that complete them: what is lacking, when it is tried again, who is told.

A report is published on time with what is there and says what it lacks: a source that could not be read, or the AI's
part. ``reports.revise_at`` is the moment of the next attempt; the schedule `revisions_due` calls :func:`enqueue_due` every minute. Attempts are
bounded and their pauses double (``followup_attempts``, ``followup_pause_minutes`` of the tenant). A revision is a new
version; Telegram hears of it once it lacks less, as a revision.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from synkro.connectors.registry import CONNECTORS, label
from synkro.core.windows import Window
from synkro.database import db
from synkro.runs import queue
from synkro.tenancy import audit, runtime_config

AI = "ai"
#: of a window that is not whole though no source says why
DATA = "data"
#: a pause never grows beyond this
LONGEST = timedelta(hours=6)
#: caps of the AI that open again at the next UTC midnight; the others are a person's to change
_DAILY_CAPS = frozenset({"tenant_day", "installation_day"})


@dataclass(frozen=True)
class Plan:
    """The next attempt to complete a report: its number, of how many, when."""

    number: int
    of: int
    at: datetime


def lacks(
    missing: Collection[Mapping[str, Any]], is_complete: bool, skipped: Mapping[str, int], refusals: Collection[str]
) -> list[str]:
    """What a report of a run could still get: sources, «ai». Sorted.

    ``skipped``: reason → dialogs the model did not read. ``refusals``: keys of ``spending.OVER`` met by the run; a cap of
    the report, the call or the month is a decision, not a failure, and nothing is tried again for it.
    """
    found = {str(gap.get("source") or DATA) for gap in missing}
    if not found and not is_complete:
        found.add(DATA)
    if skipped.get("provider") or skipped.get("time") or (skipped.get("budget") and _DAILY_CAPS & set(refusals)):
        found.add(AI)
    return sorted(found)


def pause(config: runtime_config.RuntimeConfig, number: int) -> timedelta:
    """Before the attempt ``number`` (1, 2, …): doubled each time, up to six hours."""
    return min(timedelta(minutes=config.followup_pause_minutes) * 2 ** max(0, number - 1), LONGEST)


def again_at(config: runtime_config.RuntimeConfig, failed: int, finished_at: datetime | None) -> datetime | None:
    """When a scheduled window whose ``failed`` attempts all failed is asked for once more; None when that was the last."""
    if finished_at is None or failed > config.followup_attempts:
        return None
    return finished_at + pause(config, failed)


def plan(
    config: runtime_config.RuntimeConfig,
    lacking: Collection[str],
    made: int,
    now: datetime,
    refusals: Collection[str] = (),
) -> Plan | None:
    """The next attempt after ``made`` of them; None when nothing is lacking or the attempts are spent."""
    if not lacking or made >= config.followup_attempts:
        return None
    at = now + pause(config, made + 1)
    if set(lacking) == {AI} and _DAILY_CAPS & set(refusals):
        # days of money are UTC days; a minute for clocks that differ
        midnight = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(0, 1), UTC)
        at = max(at, midnight)
    return Plan(made + 1, config.followup_attempts, at)


def is_news(before: Collection[str] | None, now: Collection[str]) -> bool:
    """Whether a revision is worth a message: it lacks less than the version people have. ``before``: None, there is none."""
    return before is None or set(now) < set(before)


def gained(before: Collection[str], now: Collection[str]) -> str:
    """What a revision has that the version before had not, for people: «данные Radist и AI-раздел»."""
    got = set(before) - set(now)
    parts = [f"данные {label(name)}" for name in sorted(got) if name in CONNECTORS]
    if DATA in got:
        parts.append("данные до конца дня")
    if AI in got:
        parts.append("AI-раздел")
    return " и ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


# --- rows -------------------------------------------------------------------------------------------------


def attempts(connection: db.Connection, tenant_id: UUID, window: Window) -> int:
    """Runs that tried to complete the window since somebody, or the schedule, last asked for it."""
    row = connection.execute(
        "select count(*) as n from synkro.job_runs as r where r.tenant_id = %(t)s and r.window_start = %(a)s"
        " and r.window_end = %(b)s and r.job_type = 'followup' and r.attempt > coalesce((select max(o.attempt)"
        " from synkro.job_runs as o where o.tenant_id = r.tenant_id and o.window_start = r.window_start"
        " and o.window_end = r.window_end and o.job_type <> 'followup'), 0)",
        {"t": tenant_id, "a": window.start, "b": window.end},
    ).fetchone()
    return int(row["n"]) if row else 0


def refusals(connection: db.Connection, tenant_id: UUID, run_id: UUID) -> set[str]:
    """Which caps of the AI the run has met, as keys of ``spending.OVER`` (service entry point)."""
    rows = connection.execute(
        "select distinct error from synkro.ai_calls where tenant_id = %s and run_id = %s and status = 'refused'",
        (tenant_id, run_id),
    )
    return {str(row["error"]).removeprefix("budget: ") for row in rows}


def note(
    connection: db.Connection, tenant_id: UUID, report_id: UUID, lacking: Collection[str], at: Plan | None
) -> None:
    """Write what the report lacks and when it is tried again; in the transaction that publishes it."""
    connection.execute(
        "update synkro.reports set lacks = %s, revise_at = %s where tenant_id = %s and report_id = %s",
        (sorted(lacking), at.at if at else None, tenant_id, report_id),
    )


def lacking_of(connection: db.Connection, tenant_id: UUID, report_id: UUID) -> list[str]:
    row = connection.execute(
        "select lacks from synkro.reports where tenant_id = %s and report_id = %s", (tenant_id, report_id)
    ).fetchone()
    return list(row["lacks"]) if row else []


def next_attempts(connection: db.Connection, tenant_id: UUID) -> dict[UUID, datetime]:
    """report id → when it will be tried to complete it, for the reports that stand."""
    rows = connection.execute(
        "select report_id, revise_at from synkro.reports where tenant_id = %s and is_current and revise_at is not null",
        (tenant_id,),
    )
    return {row["report_id"]: row["revise_at"] for row in rows}


def was_asked_for(connection: db.Connection, run: queue.Run) -> bool:
    """Whether a person asked for the window: by this run, or by joining one the system had begun (service entry point)."""
    if run.trigger_type == "manual":
        return True
    row = connection.execute(
        "select from synkro.audit_log where tenant_id = %s and created_at >= %s and action like 'run.%%'"
        " and metadata ->> 'run_id' = %s limit 1",
        (run.tenant_id, run.created_at, str(run.run_id)),
    ).fetchone()
    return row is not None


_DUE = """
select r.tenant_id, r.report_id, r.window_start, r.window_end, r.report_type
from synkro.reports as r
join synkro.tenants as t on t.tenant_id = r.tenant_id and t.status = 'active'
where r.is_current and r.revise_at <= %s
  and not exists (
    select from synkro.job_runs as j
    where j.tenant_id = r.tenant_id and j.window_start = r.window_start and j.window_end = r.window_end
      and j.status in ('pending', 'running', 'cancelling'))
order by r.revise_at
for update of r skip locked
"""


def enqueue_due(connection: db.Connection, now: datetime) -> list[queue.Run]:
    """Queue the attempts that are due. An attempt that fails has its successor planned here already.

    What a person stopped is left alone: the plan of the report ends.
    """
    made = []
    for row in connection.execute(_DUE, (now,)).fetchall():
        window = Window(row["window_start"], row["window_end"])
        tenant_id, report_id = row["tenant_id"], row["report_id"]
        config = runtime_config.current(connection, tenant_id)
        lacking = lacking_of(connection, tenant_id, report_id)
        last = queue.of_window(connection, tenant_id, window)
        done = attempts(connection, tenant_id, window)
        if (last and last[0].status == "cancelled") or done >= config.followup_attempts:
            note(connection, tenant_id, report_id, lacking, None)
            continue
        run, was_made = queue.request(
            connection,
            tenant_id,
            window,
            mode=config.mode,
            trigger_type="system",
            report_type=row["report_type"],
            job_type="followup",
            idempotency_key=f"followup:{report_id}:{done + 1}",
        )
        # in case it fails or its process dies: without a new version this report stays, and so does this moment
        note(connection, tenant_id, report_id, lacking, plan(config, lacking, done + 1, now))
        if was_made:
            made.append(run)
            metadata = {"run_id": str(run.run_id), "report_id": str(report_id), "lacks": lacking}
            audit.write(connection, "report.followup", tenant_id=tenant_id, actor="schedule", metadata=metadata)
    return made
