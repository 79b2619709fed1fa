"""The numbers of a window: what was asked inside it, answered as far as known by ``as_of``, and who waits at its now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import md5
from zoneinfo import ZoneInfo

from tests.transforms.oracle import sales
from tests.transforms.oracle.clock import Clock
from tests.transforms.oracle.people import Deal, People
from tests.transforms.oracle.raw import Company, Row
from tests.transforms.oracle.talk import Message
from tests.transforms.oracle.waits import Wait

#: read with the window's messages, for the sense of them
CONTEXT_MESSAGES = 30


def rounded(value: Fraction | None, places: int) -> Decimal | None:
    """As numeric(…, places) keeps it."""
    if value is None:
        return None
    scaled = value * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(whole).scaleb(-places)


def percentile(values: Iterable[Fraction], share: Fraction) -> Decimal | None:
    """Between the two nearest values, in proportion; None of nothing. Of the values as the rows show them."""
    ordered = sorted(Fraction(rounded(value, 4) or 0) for value in values)
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = place.numerator // place.denominator
    high = min(low + 1, len(ordered) - 1)
    return rounded(ordered[low] + (ordered[high] - ordered[low]) * (place - low), 2)


@dataclass
class Timed:
    """A wait with what the clock says of it."""

    wait: Wait
    deadline: datetime | None
    minutes: Fraction | None
    is_off_hours: bool

    @property
    def opened_at(self) -> datetime:
        return self.wait.opened_at

    def is_late(self, moment: datetime) -> bool:
        """Past its deadline when it ended, or at ``moment`` if it had not ended by then."""
        if self.is_dismissed(moment):
            return False
        closed = self.wait.closed_at
        end = closed if closed is not None and closed <= moment else moment
        return self.deadline is not None and end > self.deadline

    def is_dismissed(self, moment: datetime) -> bool:
        """Somebody had said by then that no answer is needed."""
        closed = self.wait.closed_at
        return self.wait.closed_by == "dismissed" and closed is not None and closed <= moment

    def answered_by(self, moment: datetime) -> bool:
        closed = self.wait.closed_at
        return self.wait.is_answered and closed is not None and closed <= moment

    def is_open(self, moment: datetime) -> bool:
        closed = self.wait.closed_at
        return self.opened_at <= moment and (closed is None or closed > moment)


class Period:
    """One window of a tenant."""

    def __init__(
        self, row: Row, company: Company, people: People, clock: Clock, found: list[Message], timed: list[Timed]
    ) -> None:
        self.start, self.end, self.as_of = row["window_start"], row["window_end"], row["as_of"]
        self.row, self.company, self.people = row, company, people
        self.now = min(self.as_of, self.end)
        # a window is about what its mode reads: what was read before it is no part
        mode = row.get("mode") or company.settings.mode
        self.has_dialogs, self.has_deals = mode != "amocrm_only", mode.startswith("amocrm")
        if not self.has_dialogs:
            found, timed = [], []
        self.all = found
        self.messages = [message for message in found if self.holds(message.sent_at)]
        self.waits = [wait for wait in timed if self.holds(wait.opened_at)]
        self.open = [
            wait
            for wait in timed
            if wait.opened_at < self.end and wait.is_open(self.now) and not wait.is_dismissed(self.as_of)
        ]
        self.answered = [wait for wait in self.waits if wait.answered_by(self.as_of)]
        self.unanswered_late = [
            wait for wait in self.waits if not wait.answered_by(self.as_of) and wait.is_late(self.as_of)
        ]

    def holds(self, moment: datetime | None) -> bool:
        return moment is not None and self.start <= moment < self.end

    def hours(self, zone: ZoneInfo) -> dict[tuple[int, int], Row]:
        """By weekday (1 Monday) and hour of the company's clock."""
        wrote = Counter(_hour(one.sent_at, zone) for one in self.messages if one.kind == "client")
        asked = Counter(_hour(one.opened_at, zone) for one in self.waits)
        return {hour: {"client_messages": wrote[hour], "waits": asked[hour]} for hour in wrote.keys() | asked.keys()}

    def excluded(self) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for message in self.company.messages if self.has_dialogs else ():
            dialog = self.people.dialogs.get(message["chat_id"])
            if dialog is not None and dialog.is_left_out and self.holds(message["sent_at"]):
                row = rows.setdefault(dialog.dialog_id, {"reason": dialog.left_out, "messages": 0})
                row["messages"] += 1
        return rows

    def deals(self) -> list[Deal]:
        clients = {message.client_id for message in self.messages}
        moved = {
            str(event["entity_id"])
            for event in self.company.events
            if event["type"] == "lead_status_changed" and self.holds(event["created_at"])
        }
        return [
            deal
            for deal in self.living
            if (deal.client_id in clients and deal.created_at < self.end and not _closed_before(deal, self.start))
            or self.holds(deal.created_at)
            or self.holds(deal.closed_at)
            or deal.deal_id in moved
        ]

    @property
    def living(self) -> list[Deal]:
        """Deals that count: of sales, and not in the bin."""
        return [deal for deal in self.people.deals.values() if not deal.is_deleted and deal.is_sales and self.has_deals]

    def closed(self, kind: str) -> list[Deal]:
        return [deal for deal in self.living if deal.stage_kind == kind and self.holds(deal.closed_at)]

    def summary(self) -> Row:
        overdue = {wait.wait.opening.client_id for wait in self.open if wait.is_late(self.now)}
        at_risk = [deal for deal in self.living if deal.client_id in overdue and deal.was_open(self.now)]
        dialogs = {message.dialog_id: message.client_id for message in self.messages}
        matched = [dialog for dialog, client in dialogs.items() if self.people.deals_of[client]]
        timed = [wait.minutes for wait in self.answered if not wait.is_off_hours and wait.minutes is not None]
        first = [
            wait.minutes
            for wait in self.answered
            if not wait.is_off_hours and wait.wait.is_first and wait.minutes is not None
        ]
        began: dict[str, datetime] = {}
        for message in self.all:
            if message.kind == "client":
                began.setdefault(message.client_id, message.sent_at)
        in_time = len(self.answered) - sum(wait.is_late(self.as_of) for wait in self.answered)
        in_five = sum((rounded(wait.minutes, 4) or 0) <= 5 for wait in self.answered if wait.minutes is not None)
        share_of = len(self.answered) + len(self.unanswered_late)
        is_matching = self.has_dialogs and self.has_deals and dialogs
        return {
            "as_of": self.as_of,
            "messages": len(self.messages),
            "waits": len(self.waits),
            "waits_answered": len(self.answered),
            "sessions": len({message.session_id for message in self.messages}),
            "dialogs": len(dialogs),
            "excluded_dialogs": len(self.excluded()),
            "clients": len(set(dialogs.values())),
            "deals": len(self.deals()),
            "new_clients": sum(self.holds(moment) for moment in began.values()),
            "first_response_p50": percentile(first, Fraction(1, 2)),
            "first_response_p90": percentile(first, Fraction(9, 10)),
            "first_response_n": len(first),
            "response_p50": percentile(timed, Fraction(1, 2)),
            "response_p90": percentile(timed, Fraction(9, 10)),
            "answered_within_target": rounded(Fraction(in_time, share_of), 4) if share_of else None,
            "answered_within_5": rounded(Fraction(in_five, share_of), 4) if share_of else None,
            "unanswered_now": len(self.open),
            "open_unassigned": sum(self._responsible(wait) is None for wait in self.open),
            "overdue_unassigned": sum(self._responsible(wait) is None and wait.is_late(self.now) for wait in self.open),
            "breached": sum(wait.is_late(self.as_of) for wait in self.waits),
            "off_hours_answers": sum(wait.is_off_hours for wait in self.answered),
            "match_rate": rounded(Fraction(len(matched), len(dialogs)), 4) if is_matching else None,
            "money_at_risk": sum((deal.price or Decimal() for deal in at_risk), Decimal()),
            "money_at_risk_unpriced": sum(not deal.price for deal in at_risk),
            "deals_won": len(self.closed("won")),
            "deals_won_amount": sum((deal.price or Decimal() for deal in self.closed("won")), Decimal()),
            "deals_lost": len(self.closed("lost")),
            **sales.of(self.living, self),
            **sales.of_nobody(self),
            "is_complete": self.row["is_complete"],
            "has_dialogs": self.has_dialogs,
            "has_deals": self.has_deals,
        }

    def _responsible(self, wait: Timed) -> str | None:
        """Known by the CRM alone."""
        return wait.wait.responsible if self.has_deals else None

    def managers(self) -> dict[str, Row]:
        if not self.has_deals:
            return {}
        wrote = [message for message in self.messages if message.kind == "manager"]
        known: set[str | None] = {wait.wait.replied_by for wait in self.answered}
        known |= {wait.wait.responsible for wait in [*self.unanswered_late, *self.open]}
        known |= {message.author_id for message in wrote}
        known |= {deal.responsible_id for kind in ("won", "lost") for deal in self.closed(kind)}
        known |= {deal.responsible_id for deal in self.living if deal.was_open(self.now)}
        return {manager: self._manager(manager, wrote) for manager in known if manager is not None}

    def _manager(self, manager: str, wrote: list[Message]) -> Row:
        answered = [wait for wait in self.answered if wait.wait.replied_by == manager]
        ignored = [wait for wait in self.unanswered_late if wait.wait.responsible == manager]
        timed = [wait.minutes for wait in answered if not wait.is_off_hours and wait.minutes is not None]
        late = sum(wait.is_late(self.as_of) for wait in answered)
        share_of = len(answered) + len(ignored)
        return {
            "waits_answered": len(answered),
            "response_p50": percentile(timed, Fraction(1, 2)),
            "response_p90": percentile(timed, Fraction(9, 10)),
            "within_target": rounded(Fraction(len(answered) - late, share_of), 4) if share_of else None,
            "breached": late + len(ignored),
            "open_overdue": sum(wait.wait.responsible == manager and wait.is_late(self.now) for wait in self.open),
            "messages_sent": sum(message.author_id == manager for message in wrote),
            **{
                column: value
                for column, value in sales.of(
                    [deal for deal in self.living if deal.responsible_id == manager], self
                ).items()
                if column not in ("deals_new", "deals_new_amount")
            },
        }

    def _transcript_hash(self, dialog_id: str, messages: int) -> str:
        """Of what is read: the window's messages and the 30 before them."""
        said = [one for one in self.all if one.dialog_id == dialog_id and one.sent_at < self.end]
        lines = "\n".join(map(_read_as, said[-messages - CONTEXT_MESSAGES :]))
        return md5(lines.encode(), usedforsecurity=False).hexdigest()

    def dialogs(self) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for message in self.messages:
            row = rows.setdefault(
                message.dialog_id,
                {"client_id": message.client_id, "deal_id": None, "messages": 0, "waits": 0, "has_open_wait": False},
            )
            row["messages"] += 1
        for dialog_id, row in rows.items():
            deal = self.people.deal_of(row["client_id"]) if self.has_deals else None
            row["deal_id"] = deal.deal_id if deal else None
            row["waits"] = sum(wait.wait.opening.dialog_id == dialog_id for wait in self.waits)
            row["has_open_wait"] = any(wait.wait.opening.dialog_id == dialog_id for wait in self.open)
            row["transcript_hash"] = self._transcript_hash(dialog_id, row["messages"])
        return rows


def _read_as(message: Message) -> str:
    return f"{message.message_id}|{message.sent_at:%Y-%m-%dT%H:%M:%S.%f}|{message.kind}|{message.body or ''}"


def _hour(moment: datetime, zone: ZoneInfo) -> tuple[int, int]:
    local = moment.astimezone(zone)
    return local.isoweekday(), local.hour


def _closed_before(deal: Deal, moment: datetime) -> bool:
    return deal.closed_at is not None and deal.closed_at < moment
