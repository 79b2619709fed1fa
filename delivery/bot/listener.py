"""The follow-up bot: reads what people write to the tenants' bots and answers.

Flow: getUpdates → each update taken once (:mod:`delivery.bot.inbox`) → understood (:mod:`delivery.telegram.updates`) → answered
(:mod:`delivery.bot.conversation`). One poller per token, kept by an advisory lock in Postgres; a chat that is not
configured for the tenant gets nothing at all, whatever it asks: except for a code that binds it (:mod:`delivery.bot.binding`).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from delivery import destinations
from delivery.bot import binding, inbox, presses
from delivery.bot.conversation import Answer, Answerer, Conversation
from delivery.telegram.client import TelegramClient
from delivery.telegram.error_classes import judge
from delivery.telegram.updates import Incoming, Moved, Pressed, Removed, chat_of, understand
from synkro.connectors import integrations
from synkro.core.errors import SynkroError, TransientError
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.delivery import telegram_chats
from synkro.reporting.reports import Report
from synkro.runs import heartbeats
from synkro.tenancy import tenants

log = logging.getLogger(__name__)

#: seconds one call waits for the first update: a stop is noticed no later
POLL_SECONDS = 10
#: each poller holds a connection while it waits, and the pool has twenty
MAX_POLLERS = 8
_REFRESH_SECONDS = 15.0
_PAUSE_TRANSIENT, _PAUSE_STOPPED = 5.0, 300.0
#: one conflict after a restart is normal, so many in a row are a second program
_CONFLICTS = 3

_names: dict[str, tuple[int, str]] = {}


@dataclass
class PollOutcome:
    """What one call brought. ``pause``: seconds to leave the bot alone after it."""

    received: int = 0
    answered: int = 0
    conflict: bool = False
    busy: bool = False
    error: str | None = None
    pause: float = 0.0


def ask_analysis(report: Report, question: str, history: list[reports.Message]) -> Answer:
    """The answer of the analysis package; imported late, its SDK is heavy."""
    from analysis.questions import answering

    picked = answering.pick(answering.context_of(report), report, question, history)
    with db.as_service("bot answer") as connection:
        return answering.answer(connection, report, question, history, picked)


def poll_once(tenant_id: UUID, *, timeout: int = 0, answerer: Answerer = ask_analysis) -> PollOutcome:
    """Read and handle the updates of the tenant's bot, waiting up to ``timeout`` seconds for the first.

    Raises nothing of Telegram's: a refusal is in the outcome and, when a person must act, in the settings.
    """
    with db.as_service("bot") as connection:
        integration = integrations.find(connection, tenant_id, "telegram")
    if integration is None or not destinations.has_bot(integration):
        return PollOutcome()
    token, base_url = destinations.bot_of(tenant_id, integration.public)
    with TelegramClient(token, base_url) as bot, _only_poller(bot.bot_id) as is_ours:
        if not is_ours:
            return PollOutcome(busy=True, pause=_PAUSE_TRANSIENT)
        try:
            if token not in _names:
                me = bot.get_me()
                _names[token] = int(me["id"]), str(me.get("username") or "")
            with db.as_service("bot") as connection:
                offset = inbox.next_offset(connection, int(bot.bot_id))
            updates = bot.get_updates(offset, timeout)
        except SynkroError as error:
            return _failed(tenant_id, bot, error)
        outcome = PollOutcome(received=len(updates))
        for update in updates:
            if isinstance(update.get("update_id"), int):
                _Round(tenant_id, token, bot, answerer, outcome).take(update)
        return outcome


@contextmanager
def _only_poller(bot_id: str) -> Iterator[bool]:
    """True if nobody else of this installation polls the bot; Telegram ends the earlier of two polls with a 409."""
    with db.as_service("bot poller") as connection:
        row = connection.execute(
            "select pg_try_advisory_xact_lock(hashtextextended(%s, 0)) as ours", (f"telegram poller:{bot_id}",)
        ).fetchone()
        yield bool(row and row["ours"])


def _failed(tenant_id: UUID, bot: TelegramClient, error: SynkroError) -> PollOutcome:
    verdict = judge(error)
    log.warning("Опрос бота %s: %s (%s)", bot.bot_id, verdict.message, error.detail)
    if verdict.kind == "conflict":
        if "webhook" in verdict.message:
            bot.delete_webhook()
        return PollOutcome(conflict=True, error=verdict.message, pause=_PAUSE_TRANSIENT)
    if verdict.kind == "stop":
        with db.as_service("bot") as connection:
            destinations.report_failure(connection, tenant_id, verdict.message)
        return PollOutcome(error=verdict.message, pause=_PAUSE_STOPPED)
    return PollOutcome(error=verdict.message, pause=verdict.retry_after or _PAUSE_TRANSIENT)


@dataclass
class _Round:
    """The handling of the updates of one call."""

    tenant_id: UUID
    token: str
    bot: TelegramClient
    answerer: Answerer
    outcome: PollOutcome

    def take(self, update: dict[str, Any]) -> None:
        chat = chat_of(update)
        with db.as_service("bot") as connection:
            owners = destinations.owners_of_chat(connection, chat) if chat else []
        owner = self.tenant_id if self.tenant_id in owners else next(filter(self._shares_bot, owners), None)
        about_chat = self._about_chat(update)
        # what binds or unbinds the chat changes whose it is: its row stays with the company whose bot is read
        keeper = self.tenant_id if owner is None or about_chat is not None else owner
        with db.as_service("bot") as connection:
            row = inbox.receive(connection, keeper, int(self.bot.bot_id), update["update_id"], chat)
        if row.handled:
            return
        try:
            if about_chat is not None:
                if self._binds(owner, row, about_chat):
                    return
                owner = None
            if owner is not None:
                self._handle(owner, row, update)
                return
            log.info("Обновление из чужого чата пропущено")
        except TransientError as error:
            log.warning("Обновление %s будет обработано позже: %s", row.update_id, error)
            self.outcome.pause = max(self.outcome.pause, error.retry_after or _PAUSE_TRANSIENT)
            return
        except SynkroError as error:
            log.warning("Обновление %s осталось без ответа: %s (%s)", row.update_id, error, error.detail)
        except Exception:
            # one update nobody foresaw must not hold back all that come after it
            log.exception("Обновление %s не обработано", row.update_id)
        with db.as_service("bot") as connection:
            inbox.mark_handled(connection, row)

    def _shares_bot(self, owner: UUID | None) -> bool:
        """An agency may serve several tenants with one bot; the chat tells them apart."""
        return owner is not None and integrations.secrets(owner, "telegram").get("bot_token") == self.token

    def _about_chat(self, update: dict[str, Any]) -> Incoming | None:
        """A message that binds or unbinds its chat."""
        try:
            meant = understand(update, *_names[self.token])
        except Exception:
            # what nobody foresaw is met where the update is handled
            return None
        return meant if isinstance(meant, Incoming) and binding.is_meant(meant) else None

    def _binds(self, owner: UUID | None, row: inbox.Received, meant: Incoming) -> bool:
        """Do what the message asks of its chat and answer. False: nothing is to be said."""
        answer = binding.answer(owner, row, meant, self._shares_bot)
        if answer is None:
            return False
        # a stranger who blocks the bot is no failure of a company's
        Conversation(row.tenant_id, "", self.bot, self.answerer, is_stranger=True).say(row, meant, answer)
        self.outcome.answered += 1
        return True

    def _handle(self, owner: UUID, row: inbox.Received, update: dict[str, Any]) -> None:
        bot_id, username = _names[self.token]
        meant = understand(update, bot_id, username)
        if isinstance(meant, Incoming):
            with db.as_service("bot") as connection:
                slug = tenants.by_id(connection, owner).slug
            if Conversation(owner, slug, self.bot, self.answerer).handle(row, meant):
                self.outcome.answered += 1
            return
        if isinstance(meant, Pressed):
            if presses.handle(owner, self.bot, row, meant):
                self.outcome.answered += 1
            return
        with db.as_service("bot") as connection:
            if isinstance(meant, Moved):
                telegram_chats.move(connection, owner, meant.old, meant.new)
            elif isinstance(meant, Removed):
                destinations.report_failure(
                    connection,
                    owner,
                    "бота убрали из чата или заблокировали. Верните его, чтобы получать отчёты.",
                    meant.chat,
                )
            inbox.mark_handled(connection, row)


def run_bot(stop: threading.Event, *, answerer: Answerer = ask_analysis) -> None:
    """Poll the bots of all active tenants until ``stop`` is set; returns when the pollers have ended."""
    due: queue.PriorityQueue[tuple[float, UUID]] = queue.PriorityQueue()
    wanted: set[UUID] = set()
    waiting: set[UUID] = set()
    conflicts: dict[UUID, int] = {}

    def work() -> None:
        while not stop.is_set():
            try:
                at, tenant_id = due.get(timeout=0.5)
            except queue.Empty:
                continue
            if tenant_id not in wanted:
                waiting.discard(tenant_id)
                continue
            if at > time.monotonic():
                due.put((at, tenant_id))
                stop.wait(min(0.5, at - time.monotonic() + 0.01) if at > time.monotonic() else 0)
                continue
            pause = _poll(tenant_id, answerer, conflicts, POLL_SECONDS if len(wanted) <= MAX_POLLERS else 1)
            due.put((time.monotonic() + pause, tenant_id))

    threads = [threading.Thread(target=work, name=f"synkro-bot-{n}", daemon=True) for n in range(MAX_POLLERS)]
    for thread in threads:
        thread.start()
    while not stop.is_set():
        try:
            with db.as_service("bot") as connection:
                heartbeats.beat(connection, "bot", bots=len(wanted))
                found = destinations.tenants_with_bot(connection)
            wanted.clear()
            wanted.update(_one_per_token(found))
            for tenant_id in wanted - waiting:
                waiting.add(tenant_id)
                due.put((0.0, tenant_id))
        except Exception as error:
            # a database that restarts must not end the loop
            log.warning("Список ботов не обновлён: %s", error)
        stop.wait(_REFRESH_SECONDS)
    for thread in threads:
        thread.join(POLL_SECONDS + 20)


def _poll(tenant_id: UUID, answerer: Answerer, conflicts: dict[UUID, int], timeout: int) -> float:
    """One call for the loop; returns the pause after it."""
    try:
        outcome = poll_once(tenant_id, timeout=timeout, answerer=answerer)
        conflicts[tenant_id] = conflicts.get(tenant_id, 0) + 1 if outcome.conflict else 0
        if conflicts[tenant_id] >= _CONFLICTS and outcome.error:
            with db.as_service("bot") as connection:
                destinations.report_failure(connection, tenant_id, outcome.error)
        return outcome.pause
    except Exception as error:
        # the loop outlives a database that restarts and a secret that does not open
        log.warning("Опрос бота не удался: %s", error)
        return _PAUSE_TRANSIENT


def _one_per_token(tenants: list[UUID]) -> list[UUID]:
    """The first tenant of each token; the chats of the others are served by its poller."""
    first: dict[str, UUID] = {}
    for tenant_id in tenants:
        try:
            first.setdefault(integrations.secrets(tenant_id, "telegram").get("bot_token", ""), tenant_id)
        except SynkroError as error:
            log.warning("Токен бота компании %s не открывается: %s", tenant_id, error)
    first.pop("", None)
    return list(first.values())
