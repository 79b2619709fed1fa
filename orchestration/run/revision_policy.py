"""What a report says of its next attempt, whether a revision is published, and whether anybody is written to about it.

A pure layer between the run and the report's texts: in goes the draft, out comes the draft with its promises, and a
:class:`Decision`. The rules of when and how often live in ``synkro/reporting/revisions.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestration.run.worker import Worker
from synkro.core import clock, russian
from synkro.database import db
from synkro.reporting import reports, revisions
from synkro.reporting.body import Revision
from synkro.reporting.delivery import deliveries
from synkro.reporting.reports import Draft, Report
from synkro.tenancy import due_times, runtime_config

if TYPE_CHECKING:
    from analysis.report.context import ReadingsOutcome

SPENT = "по вашему запросу, автоматические попытки исчерпаны"
OFF = "по вашему запросу"


@dataclass(frozen=True)
class Decision:
    """``before``: the version people have; None for a first one."""

    lacking: list[str]
    plan: revisions.Plan | None
    before: Report | None
    lacked: list[str]
    is_asked_for: bool


def promise(worker: Worker, gaps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The gaps of the window, each with its next attempt, before the text is written."""
    if not gaps:
        return []
    with db.as_service("follow-up") as connection:
        made = revisions.attempts(connection, worker.tenant.tenant_id, worker.run.window)
    lacking = revisions.lacks(gaps, False, {}, ())
    plan = _plan(worker, lacking, made, ())
    again = plan.at.isoformat() if plan else SPENT if worker.config.followup_attempts else OFF
    return [{"next_attempt": again, **gap} for gap in gaps]


def decide(worker: Worker, draft: Draft, outcome: ReadingsOutcome, gaps: Sequence[dict[str, Any]]) -> Decision:
    run, tenant_id = worker.run, worker.tenant.tenant_id
    with db.as_service("follow-up") as connection:
        before = reports.current(connection, tenant_id, run.window)
        lacked = revisions.lacking_of(connection, tenant_id, before.report_id) if before else []
        made = revisions.attempts(connection, tenant_id, run.window)
        refused = revisions.refusals(connection, tenant_id, run.run_id)
        asked = revisions.was_asked_for(connection, run)
    lacking = revisions.lacks(gaps, draft.is_complete, outcome.skipped, refused)
    return Decision(lacking, _plan(worker, lacking, made, refused), before, lacked, asked)


def _plan(worker: Worker, lacking: Sequence[str], made: int, refused: set[str] | tuple[()]) -> revisions.Plan | None:
    if worker.run.job_type == "rebuild":
        # whoever rebuilds history looks at his backfill himself
        return None
    return revisions.plan(worker.config, lacking, made, clock.now(), refused)


def is_worth_a_version(worker: Worker, decision: Decision, draft: Draft) -> bool:
    """An attempt that found nothing new leaves the version that stands; whatever was asked for is a version."""
    before = decision.before
    if worker.run.job_type != "followup" or decision.is_asked_for or before is None:
        return True
    if set(decision.lacking) < set(decision.lacked):
        return True
    return set(decision.lacking) <= set(decision.lacked) and _read(draft.coverage) > _read(before.coverage)


def is_told(worker: Worker, decision: Decision) -> bool:
    """Whether chats hear of it: what was asked for or due always, a revision when it has more, rebuilt history never."""
    if decision.is_asked_for or worker.run.job_type == "report":
        return True
    if worker.run.job_type == "rebuild":
        return False
    return revisions.is_news(decision.lacked if decision.before else None, decision.lacking)


def takes_over(connection: db.Connection, decision: Decision) -> bool:
    """Whether the version before still awaits its delivery; locked until the caller's transaction has replaced it."""
    before = decision.before
    return before is not None and bool(deliveries.hold(connection, before.tenant_id, [before.report_id]))


def sent_at(connection: db.Connection, worker: Worker, decision: Decision) -> datetime | None:
    """When chats are told of the version that is being published; None: at once.

    What a person asked for is not kept back, nor what its delivery time has passed by.
    """
    run = worker.run
    if decision.is_asked_for or run.report_type == "forced":
        return None
    # the settings may have changed since the run began
    config = runtime_config.current(connection, run.tenant_id)
    if config.delivery_time is None:
        return None
    at = due_times.sent_at(config, run.window, run.report_type)
    return at if at > clock.now() else None


def marked(worker: Worker, draft: Draft, decision: Decision) -> Draft:
    """The draft with what it promises about its AI part, and what it revises."""
    from analysis.report import page_text

    body = draft.body
    if revisions.AI in decision.lacking and decision.plan is not None:
        reader = body.header.reader
        when = russian.moment(decision.plan.at, worker.config.timezone)
        reader = reader.model_copy(update={"note": f"{reader.note.rstrip()} Следующая попытка: {when}.".strip()})
        body = body.model_copy(update={"header": body.header.model_copy(update={"reader": reader})})
    if worker.run.job_type == "followup" and decision.before is not None:
        gained = revisions.gained(decision.lacked, decision.lacking)
        revision = Revision(of_version=decision.before.version, gained=gained)
        body = body.model_copy(update={"revision": revision})
    return replace(draft, body=body, summary_text=page_text.build(body, worker.config.timezone))


def _read(coverage: dict[str, Any]) -> int:
    return int(coverage.get("read") or 0)
