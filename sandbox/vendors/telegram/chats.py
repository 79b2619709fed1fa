"""The bot, the chats it may meet, and the vendor's refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

BOT: dict[str, Any] = {"id": 700100200, "is_bot": True, "first_name": "Отчёты", "username": "synkro_demo_bot"}
OWNER_CHAT, GROUP_CHAT = 600001, -1009000000001


def bot_token(seed: int) -> str:
    return f"{BOT['id']}:AA{hashlib.sha256(f'telegram|{seed}'.encode()).hexdigest()[:33]}"


class Refused(Exception):
    def __init__(self, status: int, description: str, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


def failure(status: int, description: str, parameters: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], int]:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return body | ({"parameters": dict(parameters)} if parameters else {}), status


def first_chats() -> dict[int, dict[str, Any]]:
    """The owner, the group of the team, and one chat of every trouble; ``state`` decides what sending does."""
    people = {
        OWNER_CHAT: ("Сауле", "ok"),
        600002: ("Вячеслав", "ok"),
        600003: ("Пётр", "blocked"),
        600004: ("Дина", "not_started"),
        600005: ("Удалённый", "deactivated"),
    }
    chats = {i: {"id": i, "type": "private", "first_name": name, "state": state} for i, (name, state) in people.items()}
    groups = {
        GROUP_CHAT: ("supergroup", "Отдел продаж", "ok"),
        -1009000000002: ("supergroup", "Форум", "forum"),
        -1009000000003: ("supergroup", "Бывшая группа", "kicked"),
        -1009000000004: ("supergroup", "Только чтение", "no_rights"),
        -500001: ("group", "Старая группа", f"migrated:{GROUP_CHAT}"),
        -500002: ("group", "Маленькая группа", "ok"),
    }
    chats |= {i: {"id": i, "type": kind, "title": title, "state": state} for i, (kind, title, state) in groups.items()}
    chats[-1009000000002]["topics"] = [7, 9]
    return chats


def public(chat: Mapping[str, Any]) -> dict[str, Any]:
    shown = {k: v for k, v in chat.items() if k in ("id", "type", "title", "first_name", "username")}
    return shown | ({"is_forum": True} if chat["state"] == "forum" else {})
