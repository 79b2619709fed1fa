"""What a report says of itself where a company reads one side only: deals without dialogs, or dialogs without a CRM.

A report of deals says nothing of who waits: nobody looked. A report of dialogs names no manager, and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.report.inputs import Facts
from synkro.core import russian
from synkro.metrics.dialog_channels import Channel, Hour
from synkro.metrics.pipeline import STUCK_DAYS, Pipeline

NO_DIALOGS = "Переписка не читается: режим «только сделки». Кто ждёт ответа, неизвестно."
NO_MANAGERS = "Менеджеры неизвестны: без CRM не видно, кто из сотрудников отвечал и чей это клиент."
_CHANNELS = {
    "whatsapp": "WhatsApp", "telegram": "Telegram", "instagram": "Instagram", "avito": "Авито", "vk": "ВКонтакте",
    "viber": "Viber", "max": "MAX",
}  # fmt: skip
#: hours named in a report
_BUSIEST = 3


def build(facts: Facts) -> dict[str, Any] | None:
    """The note of the mode and its sections; None for a company whose both sides are read."""
    if facts.reads_dialogs and facts.reads_deals:
        return None
    shown = {"has_dialogs": facts.reads_dialogs, "has_deals": facts.reads_deals}
    if not facts.reads_dialogs:
        lines = deals(facts.pipeline, facts.currency) if facts.pipeline else []
        return {**shown, "note": NO_DIALOGS, "sections": _sections(("Открытые сделки", lines))}
    sections = _sections(("По каналам", channels(facts.dialog_channels)), ("Когда пишут", hours(facts.dialog_hours)))
    return {**shown, "note": NO_MANAGERS, "sections": sections}


def _sections(*parts: tuple[str, list[str]]) -> list[dict[str, Any]]:
    return [{"title": title, "lines": lines} for title, lines in parts if lines]


def deals(found: Pipeline, currency: str | None) -> list[str]:
    lines = [f"Всего: {_deals(found.open, found.open_amount, currency)}"] if found.open else []
    if found.moved:
        lines.append(f"Сменили этап: {russian.count(found.moved, 'сделка', 'сделки', 'сделок')}")
    if found.stuck:
        lines.append(f"Без движения дольше {STUCK_DAYS} дней: {_deals(found.stuck, found.stuck_amount, currency)}")
    if found.untasked:
        lines.append(f"Без следующей задачи: {_deals(found.untasked, found.untasked_amount, currency)}")
    elif found.untasked == 0 and found.open:
        lines.append("Следующая задача есть у каждой сделки")
    return lines


def _deals(n: int, amount: float, currency: str | None) -> str:
    text = russian.count(n, "сделка", "сделки", "сделок")
    return text + (f" на {russian.money(amount, currency)}" if amount else "")


def channels(found: Sequence[Channel]) -> list[str]:
    lines = []
    for one in found:
        text = f"{_CHANNELS.get(one.channel, 'Другие')}: {russian.count(one.dialogs, 'диалог', 'диалога', 'диалогов')}"
        lines.append(text + (f", без ответа {russian.number(one.open_waits)}" if one.open_waits else ""))
    return lines


def hours(found: Sequence[Hour]) -> list[str]:
    """The busiest hours, in the order of the day."""
    busy = sorted(
        sorted((one for one in found if one.client_messages), key=lambda one: (-one.client_messages, one.hour))[
            :_BUSIEST
        ],
        key=lambda one: one.hour,
    )
    return [
        f"{one.hour:02}:00–{(one.hour + 1) % 24:02}:00: "
        + russian.count(one.client_messages, "сообщение", "сообщения", "сообщений")
        for one in busy
    ]
