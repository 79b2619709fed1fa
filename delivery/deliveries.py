"""The messages about a report, composed at the moment they are sent: the stored body, and who waits now.

The one place where a message is made and queued, whoever asks: the run that has just built the report, the run that looked
once more at its delivery time, the sender when that run does not get there, the bot when somebody asks for the report.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from analysis.report import actions
from delivery import case_buttons, destinations, live_line
from delivery.links import report_page
from delivery.message import Message, short_message, telegram_message
from synkro.connectors import integrations
from synkro.core import clock
from synkro.core.settings import settings
from synkro.database import db
from synkro.metrics import live
from synkro.metrics.queries import plain
from synkro.reporting import cases, reports
from synkro.reporting.body import Action
from synkro.reporting.delivery import deliveries
from synkro.reporting.reports import OutboxMessage, Report
from synkro.runs import queue
from synkro.tenancy import tenants

log = logging.getLogger(__name__)

#: so long the run that looks once more may take; then the report goes out with what was read before
GRACE = timedelta(minutes=5)


@dataclass(frozen=True)
class Composed:
    message: Message
    #: what was said and what left out, kept with the report
    audit: dict[str, Any]
    #: the cases it tells to act on
    case_ids: list[str]


def compose(
    connection: db.Connection, report: Report, *, report_url: str, problem: str = "", is_short: bool = False
) -> Composed:
    """The message about a report as of now (service entry point). ``problem``: why the chats could not be read once more."""
    now = live.now(connection, report.tenant_id)
    body, header = report.body, report.body.header
    at_end = report.numbers.get("unanswered_now")
    line = ""
    if now is not None:
        line = live_line.text_of(
            now,
            sent_at=clock.now(),
            at_end=at_end,
            ended_at=report.window_end,
            timezone=header.timezone or "UTC",
            currency=header.currency,
            problem=problem,
        )
    left = _still_needed(connection, report.tenant_id, body.actions)
    dropped = [action for action in body.actions if action not in left]
    changed: dict[str, Any] = {"actions": [actions.as_of(one, now.as_of) for one in left] if now else left}
    if body.revision is not None and not deliveries.was_told(connection, report):
        # to whoever was never told of the version before this one is the first
        changed["revision"] = None
    body = body.model_copy(update=changed)
    message = (
        short_message(body, report_url=report_url)
        if is_short
        else telegram_message(body, report_url=report_url, live_line=line)
    )
    audit = {
        "live": live.to_json(now),
        "at_end": {"at": plain(report.window_end), "unanswered": at_end},
        "problem": problem,
        "is_short": is_short,
        "dropped": [
            {"client": one.client, "text": one.text, "dialog_id": one.dialog_id, "wait_ids": one.wait_ids}
            for one in dropped
        ],
    }
    shown = [] if is_short or body.quiet or body.too_little_data else left[: case_buttons.SHOWN]
    return Composed(message, audit, [one.case_id for one in shown if one.case_id])


def _still_needed(connection: db.Connection, tenant_id: UUID, advised: Sequence[Action]) -> list[Action]:
    """The actions without those whose case ended, or whose client was answered meanwhile."""
    known = cases.by_ids(connection, tenant_id, [action.case_id for action in advised if action.case_id])
    advised = [one for one in advised if one.case_id not in known or known[one.case_id].is_open]
    waits = [wait for action in advised if action.only_waits for wait in action.wait_ids]
    open_ = live.unanswered(connection, tenant_id, waits)
    return [one for one in advised if not one.only_waits or open_ & {*one.wait_ids}]


def tell(
    connection: db.Connection, tenant_id: UUID, report_ids: Collection[UUID], *, problem: str = ""
) -> list[Report]:
    """Compose and queue the messages of those of the reports that still await their delivery, oldest window first.

    In the caller's transaction: it ends the wait of the reports it returns, so each is queued once. Of several days at
    once, the ones before the last are told in short, before it.
    """
    held = deliveries.hold(connection, tenant_id, report_ids)
    found = reports.of_ids(connection, tenant_id, held)
    last_day = max((one.window_end for one in found if one.report_type == "daily"), default=None)
    telegram, slug = integrations.find(connection, tenant_id, "telegram"), tenants.by_id(connection, tenant_id).slug
    chats = destinations.chat_ids(telegram.public) if telegram and destinations.is_connected(telegram) else []
    for report in found:
        composed = compose(
            connection,
            report,
            report_url=report_page(settings().base_url, slug, report.report_id),
            problem=problem,
            is_short=report.report_type == "daily" and report.window_end != last_day,
        )
        messages = [OutboxMessage(chat, payload_of(composed.message)) for chat in chats]
        deliveries.told(connection, report, composed.message.plain_text, messages, composed.audit)
        # what people are told to do is marked with the message, or not at all
        cases.advise(connection, report, composed.case_ids)
    return found


def payload_of(message: Message) -> dict[str, Any]:
    """As the outbox holds it."""
    return {
        "text": message.text_html,
        "plain": message.plain_text,
        "buttons": message.buttons,
        "parse_mode": "HTML",
    }


def tell_overdue(connection: db.Connection) -> int:
    """Reports whose delivery time is past by more than :data:`GRACE` and that no look has got to: told as they are.

    For the sender: a delivery is late by minutes when the engine is down, the vendor hangs or the company's other run goes on.
    """
    now, count = clock.now(), 0
    for tenant_id, owed in deliveries.due(connection, now - GRACE).items():
        if any(run.status == "cancelled" or _is_young(run) for run in deliveries.looks(connection, owed)):
            continue
        if now - max(one.at for one in owed) > deliveries.TOO_OLD:
            continue
        told = tell(
            connection, tenant_id, [one.report_id for one in owed], problem="перед отправкой перечитать не успели"
        )
        count += len(told)
        if told:
            log.warning("%s reports of %s are told without a look", len(told), tenant_id)
    return count


def _is_young(run: queue.Run) -> bool:
    return run.is_active and clock.now() - clock.of(run.created_at) < GRACE
