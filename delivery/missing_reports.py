"""A company's chats are told when its reports have stopped: once a silence, by the sender, which needs no engine for it."""

from __future__ import annotations

from delivery import destinations
from synkro.connectors import integrations
from synkro.database import db
from synkro.reporting.delivery import missing_reports, outbox


def tell(connection: db.Connection) -> int:
    """Queue a message to every chat of a company that has fallen silent and was not told; returns how many."""
    queued = 0
    for silent in missing_reports.found(connection):
        telegram = integrations.find(connection, silent.tenant_id, "telegram")
        if telegram is None or not destinations.is_connected(telegram):
            continue
        for chat in destinations.chat_ids(telegram.public):
            queued += outbox.add_once(
                connection,
                silent.tenant_id,
                chat,
                {"text": text_of(silent), "parse_mode": None},
                key=f"silence:{silent.since.isoformat()}",
            )
    return queued


def text_of(silent: missing_reports.Silent) -> str:
    hours = int(missing_reports.LIMIT.total_seconds() // 3600)
    cause = f"\n\nПоследний запуск не удался: {silent.error}" if silent.error else ""
    return (
        f"Больше {hours} часов нет ни одного нового отчёта.{cause}\n\n"
        "Администратору: откройте страницу «Отчёты», посмотрите причину и нажмите «Повторить». "
        "Если запуски не начинаются, сообщите оператору."
    )
