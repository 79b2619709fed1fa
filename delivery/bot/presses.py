"""Presses of the buttons under a report: a case is dismissed from a chat, or the dismissal is taken back.

Whoever is in a chat that a company chose for its reports may press, as they may ask. The press is answered with what was noted, and
the buttons of the message follow it.
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from delivery import case_buttons
from delivery.bot import inbox
from delivery.bot.inbox import Received
from delivery.case_buttons import Press
from delivery.telegram.client import TelegramClient
from delivery.telegram.updates import Pressed
from synkro.core.errors import SynkroError
from synkro.database import db
from synkro.reporting import cases, reports
from synkro.reporting.reports import Report
from synkro.tenancy import audit

log = logging.getLogger(__name__)

#: reports whose buttons still work: a month of them and their versions
_REMEMBERED = 60
_GONE = "Этого дела больше нет."


def handle(tenant_id: UUID, bot: TelegramClient, row: Received, pressed: Pressed) -> bool:
    """Do what the press asks and answer it; True when it was one of ours. An update is taken once, whatever is sent again."""
    press = case_buttons.read(pressed.data)
    said, keyboard = _GONE, None
    if press is not None:
        with db.as_service("bot") as connection:
            known = inbox.receive(connection, row.tenant_id, row.bot_id, row.update_id, pressed.chat)
            found = _find(connection, tenant_id, press.key)
            if found is not None:
                report, case_id = found
                said = "Уже отмечено." if known.outcome else _do(connection, tenant_id, press, case_id, report, pressed)
                inbox.note_outcome(connection, row, "case")
                keyboard = _keyboard(connection, tenant_id, press, report, pressed)
    _answer(bot, pressed, said if press is not None else "", keyboard)
    with db.as_service("bot") as connection:
        inbox.mark_handled(connection, row)
    return press is not None


def _find(connection: db.Connection, tenant_id: UUID, key: str) -> tuple[Report, str] | None:
    """The report that named the case of this key; the newest where several did."""
    for report in reports.recent(connection, tenant_id, only_current=False, limit=_REMEMBERED):
        for action in report.body.actions[: case_buttons.SHOWN]:
            if action.case_id is not None and case_buttons.key_of(action.case_id) == key:
                return report, action.case_id
    return None


def _do(
    connection: db.Connection, tenant_id: UUID, press: Press, case_id: str, report: Report, pressed: Pressed
) -> str:
    """What the press changes, and how that is told."""
    if press.what in ("menu", "back"):
        return ""
    named: dict[str, Any] = {"channel": "telegram", "author_name": pressed.author}
    try:
        # a refusal undoes nothing but itself
        with connection.transaction():
            if press.what == "undo":
                cases.undo(connection, tenant_id, case_id, **named)
            else:
                cases.dismiss(connection, tenant_id, case_id, press.reason or "", report_id=report.report_id, **named)
            audit.write(
                connection,
                "case.restored" if press.what == "undo" else "case.dismissed",
                tenant_id=tenant_id,
                actor=f"Telegram: {pressed.author}",
                metadata={"case_id": case_id, **({"reason": press.reason} if press.reason else {})},
            )
    except SynkroError as error:
        return error.message
    return (
        "Вернули: дело снова открыто." if press.what == "undo" else f"Отмечено: {case_buttons.said_of(press.reason)}."
    )


def _keyboard(
    connection: db.Connection, tenant_id: UUID, press: Press, report: Report, pressed: Pressed
) -> list[list[dict[str, Any]]]:
    """The links of the message as they are, and below them the menu of the case or the buttons of all."""
    links = [[dict(button) for button in row] for row in pressed.buttons if all("url" in button for button in row)]
    if press.what == "menu":
        return [*links, *case_buttons.menu(press.key)]
    shown = report.body.actions[: case_buttons.SHOWN]
    known = cases.by_ids(connection, tenant_id, [row.case_id for row in shown if row.case_id])
    return [*links, *case_buttons.rows(shown, known)]


def _answer(bot: TelegramClient, pressed: Pressed, said: str, keyboard: list[list[dict[str, Any]]] | None) -> None:
    """What was noted stands already: a message that cannot be changed any more changes nothing of it."""
    try:
        bot.answer_press(pressed.callback_id, said)
        if keyboard is not None and pressed.message_id is not None:
            bot.change_buttons(pressed.chat, pressed.message_id, keyboard)
    except SynkroError as error:
        log.warning("Нажатие в чате %s: ответ не показан: %s (%s)", pressed.chat, error, error.detail)
