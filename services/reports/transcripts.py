"""One dialog as its page shows it: messages with days and waits, the client, their deals and other dialogs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from analysis.topics import Catalogue, of_company
from services import access
from services.access import Viewer
from services.reports.view import currency_of
from synkro.connectors import deal_pages
from synkro.database import db
from synkro.reporting import dialogs, intents, readings
from synkro.reporting.dialogs import Message
from synkro.tenancy import runtime_config
from synkro.tenancy.tenants import Tenant

#: messages on one page; the end of the dialog is shown first
PAGE_SIZE = 200


@dataclass(frozen=True)
class Wait:
    opened_by_message_id: str
    opened_at: datetime
    closed_at: datetime | None
    minutes: float | None
    minutes_calendar: float | None
    is_off_hours: bool
    is_breached: bool
    is_open: bool


@dataclass(frozen=True)
class Transcript:
    tenant: Tenant
    timezone: str
    card: dict[str, Any]
    messages: list[Message]
    #: message id → the wait that it opened
    opened: dict[str, Wait]
    #: message id → the wait that it closed
    closed: dict[str, Wait]
    reading: dict[str, Any] | None
    #: the company's topics as they are now
    topics: Catalogue
    #: message id → what a person said; the marts take it with the next report
    corrected: dict[str, bool]
    currency: str | None
    #: what a deal's number is added to
    deal_page: str
    page: int
    pages: int
    total: int

    def days(self) -> list[tuple[date, list[Message]]]:
        """Messages under the local date they were sent on."""
        zone = ZoneInfo(self.timezone)
        found: list[tuple[date, list[Message]]] = []
        for message in self.messages:
            day = message.sent_at.astimezone(zone).date()
            if not found or found[-1][0] != day:
                found.append((day, []))
            found[-1][1].append(message)
        return found


def load(who: Viewer, slug: str, dialog_id: str, page: int | None = None, message_id: str | None = None) -> Transcript:
    """A page of the transcript: the one named, the one that holds the message, or the last. For members."""
    tenant = access.tenant(who, slug)
    with db.as_user(who.user_id) as connection:
        card = dialogs.get(connection, tenant.tenant_id, dialog_id)
        part = dialogs.page(connection, tenant.tenant_id, dialog_id, PAGE_SIZE, page, message_id)
        shown = part.messages
        waits = connection.execute(
            "select opened_by_message_id, opened_at, closed_at, response_minutes as minutes,"
            " response_minutes_calendar as minutes_calendar, is_off_hours, is_breached, is_open from marts.fct_waits"
            " where tenant_id = %s and dialog_id = %s"
            " and (opened_by_message_id = any (%s) or closed_at = any (%s)) order by opened_at",
            (
                tenant.tenant_id,
                dialog_id,
                [message.message_id for message in shown],
                [message.sent_at for message in shown if message.kind == "manager"],
            ),
        ).fetchall()
        opened, closed = _mark(shown, [Wait(**row) for row in waits])
        return Transcript(
            tenant=tenant,
            timezone=runtime_config.current(connection, tenant.tenant_id).timezone,
            card=card,
            messages=shown,
            opened=opened,
            closed=closed,
            reading=readings.latest(connection, tenant.tenant_id, dialog_id),
            topics=of_company(connection, tenant.tenant_id),
            corrected=intents.corrected(connection, tenant.tenant_id, dialog_id),
            currency=currency_of(connection, tenant.tenant_id),
            deal_page=deal_pages.prefix(connection, tenant.tenant_id),
            page=part.page,
            pages=part.pages,
            total=part.total,
        )


def correct(who: Viewer, slug: str, dialog_id: str, message_id: str, needs_reply: bool) -> bool:
    """A member's word on whether a message needs an answer; the next report counts by it. Returns the word.

    Audited as ``message.corrected``.
    """
    tenant = access.tenant(who, slug)
    with db.as_user(who.user_id) as connection:
        intents.correct(connection, tenant.tenant_id, dialog_id, message_id, needs_reply, who.user_id)
        access.note(
            connection,
            who,
            "message.corrected",
            tenant_id=tenant.tenant_id,
            metadata={"dialog_id": dialog_id, "message_id": message_id, "needs_reply": needs_reply},
        )
    return needs_reply


def _mark(messages: list[Message], waits: list[Wait]) -> tuple[dict[str, Wait], dict[str, Wait]]:
    """Waits by the message that opened them and by the message that answered."""
    answered_at = {wait.closed_at: wait for wait in waits if wait.closed_at is not None}
    closed: dict[str, Wait] = {}
    for message in messages:
        if message.kind == "manager" and message.sent_at in answered_at:
            closed.setdefault(message.message_id, answered_at.pop(message.sent_at))
    return {wait.opened_by_message_id: wait for wait in waits}, closed
