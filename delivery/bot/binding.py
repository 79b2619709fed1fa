"""A chat becomes a recipient by a code said in it, and stops being one by ``/stop``.

``/start CODE`` is what the link of the settings page sends in a private chat; in a group people send ``/bind@BOT CODE``. Each
outcome is stored with the update in the transaction that made it: a second delivery says the same and does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from delivery.bot import inbox
from delivery.bot.inbox import Received
from delivery.bot.limits import is_english
from delivery.telegram.markup import escape
from delivery.telegram.updates import Incoming
from synkro.database import db
from synkro.reporting.delivery import telegram_chats
from synkro.reporting.delivery.telegram_chats import WRONG_PER_BOT, WRONG_PER_CHAT
from synkro.tenancy import tenants

_TEXTS = {
    "bound": (
        "Готово: этот чат получает отчёты компании «{name}». Отключить: /stop",
        "Done: this chat receives the reports of {name}. To stop: /stop",
    ),
    "known": ("Этот чат уже получает отчёты этой компании.", "This chat receives the reports of this company already."),
    "taken": (
        "Этот чат получает отчёты другой компании. Сначала отправьте /stop боту, который их присылает, потом код ещё раз.",
        "This chat receives the reports of another company. Send /stop to the bot they come from, then the code again.",
    ),
    "wrong": (
        "Код не подошёл: он действует {minutes} минут и один раз. Возьмите новый в настройках компании.",
        "The code does not fit: it works once, within {minutes} minutes. Take a new one in the company's settings.",
    ),
    "stopped": (
        "Больше ничего не пришлю в этот чат. Чтобы подключить его снова, возьмите код в настройках компании.",
        "Nothing more will come to this chat. To connect it again, take a code in the company's settings.",
    ),
}


def is_meant(message: Incoming) -> bool:
    """Whether the message is about the chat itself. A bare ``/start`` is a greeting."""
    if message.command == "start":
        return telegram_chats.code_in(message.text) is not None
    return message.command in ("bind", "stop")


def answer(
    owner: UUID | None, row: Received, message: Incoming, shares_bot: Callable[[UUID | None], bool]
) -> str | None:
    """Do what the message asks, once, and return what to say; ``None``: nothing.

    ``owner``: the company of the chat. ``shares_bot``: whether a company's bot is this one.
    """
    if row.outcome in _TEXTS:
        return _text(row.outcome, message, None, row.tenant_id)
    if message.command == "stop":
        return _stop(owner, row, message, shares_bot)
    code = telegram_chats.code_in(message.text)
    with db.as_service("bot binding") as connection:
        here, everywhere = inbox.wrong_codes(connection, row.bot_id, message.chat)
        company = telegram_chats.company_of(connection, code) if code else None
    if here >= WRONG_PER_CHAT or everywhere >= WRONG_PER_BOT:
        # whoever guesses learns nothing more, not even that it was a code
        return None
    if company is not None and not shares_bot(company):
        company = None
    with db.as_service("bot binding") as connection:
        known = inbox.receive(connection, row.tenant_id, row.bot_id, row.update_id, message.chat)
        if known.outcome is not None:
            return _text(known.outcome, message, company, row.tenant_id)
        outcome = "wrong"
        if company is not None and code is not None:
            outcome = telegram_chats.bind(connection, company, code, message.chat, message.title, message.author)
        inbox.note_outcome(connection, row, outcome)
    return _text(outcome, message, company, row.tenant_id)


def _stop(
    owner: UUID | None, row: Received, message: Incoming, shares_bot: Callable[[UUID | None], bool]
) -> str | None:
    if owner is None:
        # of a company that is paused: it asks nothing of us, but its chat may leave
        with db.as_service("bot binding") as connection:
            owner = telegram_chats.owner_of(connection, message.chat, row.tenant_id)
        if owner is None or not shares_bot(owner):
            return None
    with db.as_service("bot binding") as connection:
        known = inbox.receive(connection, row.tenant_id, row.bot_id, row.update_id, message.chat)
        if known.outcome is None:
            telegram_chats.unbind(connection, owner, message.chat, actor=f"Telegram: {message.author}")
            inbox.note_outcome(connection, row, "stopped")
    return _text("stopped", message, None, row.tenant_id)


def _text(outcome: str, message: Incoming, company: UUID | None, reader: UUID) -> str:
    """``reader``: the company whose poller read the update."""
    name = ""
    if outcome == "bound":
        with db.as_service("bot binding") as connection:
            # the chat's own company: the update may have been taken for the one whose bot it is
            found = telegram_chats.owner_of(connection, message.chat, reader) or company
            name = tenants.by_id(connection, found).name if found else ""
    russian, english = _TEXTS[outcome]
    text = english if is_english(message.language) else russian
    return text.format(name=escape(name), minutes=telegram_chats.CODE_MINUTES)
