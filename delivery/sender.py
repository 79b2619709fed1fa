"""Sends what waits in the outbox to Telegram: at least once, a possible repeat marked as such.

Flow: claim one row (a short transaction) → send it outside any transaction → write what happened. A sender that
dies in between leaves the row claimed; when the claim has run out the next sender takes it over and marks the copy
«повтор». Needs the tenant's bot token; every refusal ends in a plain cause in the settings.

Nothing is lost while a person can still act: a wrong token is tried again every half hour, a chat that refuses us
fails at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from delivery import destinations
from delivery.links import REPORT_ID, TENANT
from delivery.message import repeat_mark
from delivery.telegram.client import PATIENCE, Sent, TelegramClient
from delivery.telegram.error_classes import Verdict, judge
from delivery.telegram.markup import LIMIT, split_html, split_plain, utf16_length, visible_text
from delivery.telegram.rate_limit import ChatPace, bot_pace
from synkro.connectors import integrations
from synkro.core.errors import Cancelled, LeaseLost, SynkroError, TransientError
from synkro.database import db
from synkro.reporting.delivery import outbox, telegram_chats
from synkro.reporting.delivery.outbox import CLAIM_SECONDS, Item
from synkro.tenancy import tenants

log = logging.getLogger(__name__)

#: seconds until a row is tried again after a failure that only a person can mend
STOPPED_SECONDS = 1800.0
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 600.0
#: refusals that repeating will not change; the cures of the client were tried before
_FINAL = ("disable", "refused", "migrate", "as_plain", "without_reply", "without_buttons")
#: those behind a row that waits come after it, not beside it
_BEHIND = 0.5


@dataclass
class SendOutcome:
    """What one pass did. ``errors``: sentences for a person, each once."""

    sent: int = 0
    failed: int = 0
    retried: int = 0
    errors: list[str] = field(default_factory=list)

    def note(self, error: str) -> None:
        if error not in self.errors:
            self.errors.append(error)


def send_due(
    *,
    tenant_id: UUID | None = None,
    report_id: UUID | None = None,
    checkpoint: Callable[[], None] = lambda: None,
    limit: int = 200,
) -> SendOutcome:
    """Send what is due, oldest first, up to ``limit`` rows; of one tenant or report if named.

    ``checkpoint`` is called between messages and while waiting; what it raises ends the pass and puts the row back.
    """
    outcome = SendOutcome()
    desk = _Desk(checkpoint)
    try:
        for _ in range(limit):
            checkpoint()
            with db.as_service("sender") as connection:
                item = outbox.claim(connection, tenant_id=tenant_id, report_id=report_id)
            if item is None:
                break
            desk.handle(item, outcome)
    finally:
        desk.close()
    return outcome


class _Desk:
    """One pass over the outbox: the bots in use and the chats that must wait."""

    def __init__(self, checkpoint: Callable[[], None]) -> None:
        self._checkpoint = checkpoint
        self._bots: dict[UUID, TelegramClient] = {}
        self._slugs: dict[UUID, str] = {}
        #: (tenant, chat) or (tenant, None) for all its chats → monotonic time until which nothing is sent
        self._held: dict[tuple[UUID, str | None], float] = {}

    def close(self) -> None:
        for bot in self._bots.values():
            bot.close()

    def handle(self, item: Item, outcome: SendOutcome) -> None:
        held = max(self._held.get((item.tenant_id, chat), 0.0) for chat in (item.destination, None)) - time.monotonic()
        if held > 0:
            self._again(item, item.last_error or "Ждёт очереди чата", held + _BEHIND, outcome)
            return
        # all of it inside the claim: beyond it another sender would take the row
        deadline = time.monotonic() + CLAIM_SECONDS - 45
        for is_last in (False, True):
            try:
                sent = self._send(item, deadline)
            except (Cancelled, LeaseLost):
                # raised by the checkpoint while waiting for a slot: nothing was sent
                with db.as_service("sender") as connection:
                    outbox.mark_retry(connection, item, "Отправка остановлена", after_seconds=0)
                raise
            except SynkroError as error:
                verdict = judge(error)
                log.warning("Отправка %s: %s (%s)", item.outbox_id, verdict.message, error.detail)
                if verdict.new_chat_id is None or is_last:
                    self._refused(item, verdict, outcome)
                    return
                # the group has a new number: remember it and send there at once
                with db.as_service("sender") as connection:
                    telegram_chats.move(connection, item.tenant_id, item.destination, verdict.new_chat_id)
                item = replace(item, destination=verdict.new_chat_id)
            else:
                self._delivered(item, sent, outcome)
                return

    def _delivered(self, item: Item, sent: Sent, outcome: SendOutcome) -> None:
        with db.as_service("sender") as connection:
            outbox.mark_sent(connection, item, str(sent.message_id))
            destinations.report_success(connection, item.tenant_id, item.destination)
        outcome.sent += 1

    def _refused(self, item: Item, verdict: Verdict, outcome: SendOutcome) -> None:
        chat = item.destination
        outcome.note(f"Telegram, чат {chat}: {verdict.message}")
        if verdict.kind in _FINAL:
            with db.as_service("sender") as connection:
                if outbox.mark_failed(connection, item, verdict.message):
                    destinations.report_failure(connection, item.tenant_id, verdict.message, chat)
            outcome.failed += 1
        elif verdict.kind == "stop":
            self._held[item.tenant_id, None] = time.monotonic() + STOPPED_SECONDS
            with db.as_service("sender") as connection:
                destinations.report_failure(connection, item.tenant_id, verdict.message)
            self._again(item, verdict.message, STOPPED_SECONDS, outcome)
        else:
            pause = max(backoff(item.attempts), verdict.retry_after or 0.0)
            if verdict.kind == "wait":
                pause = verdict.retry_after or _FIRST_PAUSE
            # the chat's other messages wait behind this one: order is kept
            self._held[item.tenant_id, chat] = time.monotonic() + pause
            self._again(item, verdict.message, pause, outcome, maybe=verdict.kind == "maybe_delivered")

    def _again(self, item: Item, error: str, pause: float, outcome: SendOutcome, *, maybe: bool = False) -> None:
        with db.as_service("sender") as connection:
            is_ours = outbox.mark_retry(connection, item, error, after_seconds=pause, maybe_delivered=maybe)
            if is_ours and item.attempts >= outbox.MAX_ATTEMPTS:
                destinations.report_failure(connection, item.tenant_id, error, item.destination)
        if item.attempts >= outbox.MAX_ATTEMPTS:
            outcome.failed += 1
        else:
            outcome.retried += 1

    def _bot(self, tenant_id: UUID) -> TelegramClient:
        if tenant_id not in self._bots:
            with db.as_service("sender") as connection:
                integration = integrations.load(connection, tenant_id, "telegram")
                self._slugs[tenant_id] = tenants.by_id(connection, tenant_id).slug
            token, base_url = destinations.bot_of(tenant_id, integration.public)
            self._bots[tenant_id] = TelegramClient(
                token, base_url, limiter=bot_pace(token.partition(":")[0]), before_request=self._checkpoint
            )
        return self._bots[tenant_id]

    def _send(self, item: Item, deadline: float) -> Sent:
        """Returns the first part's message: replies to it find the report."""
        bot = self._bot(item.tenant_id)
        payload = _filled(item.payload, {REPORT_ID: str(item.report_id or ""), TENANT: self._slugs[item.tenant_id]})
        parts = parts_of(payload, item.report_id or item.outbox_id if item.maybe_delivered else None)
        first: Sent | None = None
        for number, (text, plain) in enumerate(parts, 1):
            try:
                sent = bot.send_message(
                    item.destination,
                    text,
                    parse_mode=payload.get("parse_mode"),
                    plain=plain,
                    buttons=payload.get("buttons") or () if number == len(parts) else (),
                    limiter=ChatPace(bot.bot_id, item.destination),
                    patience=max(1.0, min(PATIENCE, deadline - time.monotonic())),
                )
            except SynkroError as error:
                if first is None:
                    raise
                raise _SentInPart(error.message, detail=error.detail, retry_after=judge(error).retry_after) from None
            first = first or sent
        assert first is not None
        return first


class _SentInPart(TransientError):
    """The first part is with the reader: the whole will be sent again, as a copy."""

    maybe_delivered = True


def parts_of(payload: Mapping[str, Any], repeat_of: UUID | None) -> list[tuple[str, str | None]]:
    """``(text, the same in plain)`` per message; a copy begins with the mark that names ``repeat_of``."""
    text, plain, is_html = str(payload.get("text") or ""), payload.get("plain"), bool(payload.get("parse_mode"))
    if repeat_of is not None:
        mark = repeat_mark(repeat_of)
        text = f"{mark if is_html else visible_text(mark)}\n\n{text}"
        plain = f"{visible_text(mark)}\n\n{plain}" if plain else None
    parts = split_html(text) if is_html else split_plain(text)
    if len(parts) == 1 and plain and utf16_length(plain) <= LIMIT:
        return [(parts[0], plain)]
    # an empty message is refused by Telegram, in its own words
    return [(part, None) for part in parts or [""]]


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for placeholder, name in names.items():
            value = value.replace(placeholder, name)
        return value
    if isinstance(value, list):
        return [_filled(part, names) for part in value]
    if isinstance(value, dict):
        return {key: _filled(part, names) for key, part in value.items()}
    return value


def backoff(attempts: int) -> float:
    """Seconds before the next try of something that was nobody's fault: 30, 60, 120, … 600; 75 minutes in all."""
    return min(_FIRST_PAUSE * 2 ** max(0, attempts - 1), _LONGEST_PAUSE)
