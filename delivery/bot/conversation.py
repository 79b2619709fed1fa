"""One message to the bot and what is answered: a command, or a question about a report.

The question is stored in the transaction that takes the update, the answer before it is sent; so a crash at any
point asks nothing twice and loses nothing, and an answer that may have been sent already says «Повтор».
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from delivery import deliveries, destinations
from delivery.bot import inbox, limits
from delivery.bot.inbox import Received
from delivery.links import dialog_page, is_public, report_page
from delivery.message import Button
from delivery.telegram.client import TelegramClient
from delivery.telegram.error_classes import judge
from delivery.telegram.markup import escape, split_html
from delivery.telegram.rate_limit import ChatPace
from delivery.telegram.updates import Incoming
from synkro.core import russian
from synkro.core.errors import NotFoundError, SynkroError, TransientError
from synkro.core.settings import settings
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.delivery import outbox
from synkro.reporting.reports import Report
from synkro.tenancy import runtime_config

log = logging.getLogger(__name__)

#: seconds a reply waits for its turn before it is left for the next round
_PATIENCE = 20.0
_LONGEST_QUESTION = 2000
_MAX_SOURCES = 3

HELP = (
    "Я присылаю отчёты о переписке с клиентами и отвечаю на вопросы о них.\n\n"
    "Чтобы спросить, ответьте на сообщение с отчётом или просто напишите вопрос: он будет о последнем отчёте. "
    "В группе ответьте на отчёт или обратитесь ко мне по имени.\n\n"
    "/report — последний отчёт\n/stop — больше не присылать отчёты в этот чат\n/help — эта подсказка"
)


class Answer(Protocol):
    """What the analysis says: a text and the dialogs it stands on."""

    @property
    def text(self) -> str: ...

    @property
    def evidence(self) -> Sequence[dict[str, Any]]: ...


#: (report, question, earlier questions and answers) → answer; raises an error with a sentence for the asker
Answerer = Callable[[Report, str, list[reports.Message]], Answer]


@dataclass(frozen=True)
class Reply:
    html: str
    buttons: Sequence[Sequence[Button]] = ()


@dataclass
class Conversation:
    """One tenant's side of a bot."""

    tenant_id: UUID
    slug: str
    bot: TelegramClient
    answerer: Answerer
    #: the chat is no recipient of this tenant: what Telegram says of it is not shown in the tenant's settings
    is_stranger: bool = False

    def handle(self, row: Received, message: Incoming) -> bool:
        """Answer, if there is something to say; True when an answer was sent.

        Raises :class:`TransientError` when the same update should be handled again later.
        """
        reply = self._command(message) if message.command else None
        if reply is None and message.text and message.command in (None, "ask"):
            reply = self._question(row, message)
        if reply is None:
            with db.as_service("bot") as connection:
                inbox.mark_handled(connection, row)
            return False
        return self._send(row, message, reply)

    def say(self, row: Received, message: Incoming, html: str) -> None:
        """Answer with a given text; raises as :meth:`handle` does."""
        self._send(row, message, Reply(html))

    # --- what to say ----------------------------------------------------------------------------------------

    def _command(self, message: Incoming) -> Reply | None:
        if message.command in ("start", "help"):
            return Reply(HELP)
        if message.command == "report":
            with db.as_service("bot") as connection:
                report = reports.current(connection, self.tenant_id)
                if report is None:
                    return Reply("Отчётов пока нет.")
                whole = deliveries.compose(connection, report, report_url=self._page(report)).message
            return Reply(whole.text_html, whole.buttons)
        return None

    def _question(self, row: Received, message: Incoming) -> Reply | None:
        with db.as_service("bot") as connection:
            # under the row's lock: two pollers that took the same update store one question
            known = inbox.receive(connection, row.tenant_id, row.bot_id, row.update_id, message.chat)
            asked = inbox.question(connection, known)
            report = reports.get(connection, asked.report_id) if asked else self._report_of(connection, message)
            if report is None:
                return Reply("Отчётов пока нет: спросите, когда придёт первый.")
            if asked is None:
                deadline = report.followup_deadline_at
                if deadline is not None and message.sent_at > deadline:
                    zone = runtime_config.current(connection, self.tenant_id).timezone
                    return _too_late(self._page(report), russian.moment(deadline, zone))
                limited, told = self._limit(connection, message)
                if limited is not None:
                    inbox.note_outcome(connection, row, "limited")
                    # a flood is told once, then met with silence
                    return None if told else Reply(limited)
                asked = reports.ask(
                    connection,
                    report,
                    message.text[:_LONGEST_QUESTION],
                    author_id=None,
                    author_name=message.author,
                    channel="telegram",
                )
                inbox.note_question(connection, row, asked.report_message_id)
            history = [entry for entry in reports.thread(connection, report) if entry.answer]
        if asked.answer:
            return _the_answer(self._page(report), asked.answer, asked.evidence)
        return self._answer(report, asked, history)

    def _limit(self, connection: db.Connection, message: Incoming) -> tuple[str | None, bool]:
        """``(what to say when the chat has asked enough, whether it was said a moment ago)``."""
        config = runtime_config.current(connection, self.tenant_id)
        hour, day, told = inbox.asked(connection, self.tenant_id, message.chat)
        if day >= config.telegram_questions_per_day:
            return limits.a_day(config.telegram_questions_per_day, message.language), told
        if hour >= config.telegram_questions_per_hour:
            return limits.an_hour(config.telegram_questions_per_hour, message.language), told
        return None, told

    def _report_of(self, connection: db.Connection, message: Incoming) -> Report | None:
        """The report that was replied to, else the latest one; never another tenant's."""
        found: UUID | None = None
        if message.reply_to is not None:
            found = outbox.report_of_message(connection, self.tenant_id, message.chat, str(message.reply_to))
            if found is None:
                found = inbox.report_of_answer(connection, self.tenant_id, message.chat, message.reply_to)
        if found is not None:
            try:
                return reports.get(connection, found)
            except NotFoundError:
                log.info("Отчёт %s удалён: вопрос относится к последнему", found)
        return reports.current(connection, self.tenant_id)

    def _answer(self, report: Report, asked: reports.Message, history: list[reports.Message]) -> Reply:
        try:
            answer = self.answerer(report, asked.question, history)
        except Exception as error:
            # whatever broke, a person is waiting
            why = error.message if isinstance(error, SynkroError) else "внутренняя ошибка, она записана в журнал."
            log.exception("Вопрос %s к отчёту %s остался без ответа", asked.report_message_id, report.report_id)
            return Reply(f"Ответить не получилось: {escape(why)}\n\nВопрос сохранён на странице отчёта.")
        evidence = list(answer.evidence)
        with db.as_service("bot") as connection:
            reports.answer(connection, asked, answer.text, evidence)
        return _the_answer(self._page(report), answer.text, evidence)

    def _page(self, report: Report) -> str:
        return report_page(settings().base_url, self.slug, report.report_id)

    # --- saying it ------------------------------------------------------------------------------------------

    def _send(self, row: Received, message: Incoming, reply: Reply) -> bool:
        html = f"<i>Повтор ответа.</i>\n\n{reply.html}" if row.reply_started else reply.html
        with db.as_service("bot") as connection:
            inbox.note_reply(connection, row)
        sent = None
        try:
            parts = split_html(html)
            for number, part in enumerate(parts, 1):
                one = self.bot.send_message(
                    message.chat,
                    part,
                    buttons=reply.buttons if number == len(parts) else (),
                    reply_to=message.message_id if number == 1 else None,
                    thread_id=message.thread_id,
                    limiter=ChatPace(self.bot.bot_id, message.chat),
                    patience=_PATIENCE,
                )
                sent = sent or one
        except SynkroError as error:
            verdict = judge(error)
            log.warning("Ответ в чат %s: %s (%s)", message.chat, verdict.message, error.detail)
            with db.as_service("bot") as connection:
                if sent is None and verdict.kind != "maybe_delivered":
                    inbox.reply_refused(connection, row)
                if verdict.kind in ("stop", "disable") and not self.is_stranger:
                    chat = message.chat if verdict.kind == "disable" else None
                    destinations.report_failure(connection, self.tenant_id, verdict.message, chat)
            if verdict.kind in ("wait", "transient", "maybe_delivered"):
                raise TransientError(verdict.message, detail=error.detail, retry_after=verdict.retry_after) from None
            raise
        with db.as_service("bot") as connection:
            inbox.mark_handled(connection, row, sent.message_id if sent else None)
        return True


def _too_late(page: str, deadline: str) -> Reply:
    where = _link(page, "на странице отчёта")
    return Reply(f"Время вопросов к этому отчёту закончилось ({deadline}). Спросите {where}.")


def _the_answer(page: str, text: str, evidence: Sequence[dict[str, Any]]) -> Reply:
    dialogs = list(dict.fromkeys(str(e["dialog_id"]) for e in evidence if e.get("dialog_id")))[:_MAX_SOURCES]
    if not dialogs or not is_public(page):
        return Reply(escape(text))
    sources = " · ".join(_link(dialog_page(page, dialog), f"диалог {n}") for n, dialog in enumerate(dialogs, 1))
    return Reply(f"{escape(text)}\n\n{sources}")


def _link(url: str, text: str) -> str:
    """Telegram shows no link to a local address: it is written out instead."""
    return f'<a href="{escape(url)}">{text}</a>' if is_public(url) else f"{text}: {escape(url)}"
