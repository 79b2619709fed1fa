"""Chats from a file: JSON lines, or what WhatsApp exports. A wrong line is a :class:`DataError` that names line and field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from analysis.intents.talk import MEDIA, media_kind, without_placeholders
from synkro.connectors.whatsapp import export
from synkro.core.errors import DataError

DEFAULT_TIMEZONE = "Asia/Almaty"
WHO = ("client", "manager", "bot")


@dataclass(frozen=True)
class ChatMessage:
    """One message; ``number`` is its place in the file's list."""

    number: int
    at: datetime
    who: str
    name: str
    text: str
    media: tuple[str, ...]


@dataclass(frozen=True)
class Chat:
    """One dialog, its messages in order of time."""

    dialog: str
    timezone: str
    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True)
class ChatFile:
    """``ours``: names taken for our side of a WhatsApp chat, with how they were told; empty for JSON lines."""

    chats: tuple[Chat, ...]
    ours: tuple[str, ...] = ()
    told_by: str = ""


def parse(text: str, *, name: str, us: Sequence[str] = (), timezone: str = DEFAULT_TIMEZONE) -> ChatFile:
    """The chats of a file's text. ``us``: who is our side of a WhatsApp chat; ``name``: the file's own name."""
    text = text.lstrip("\ufeff")
    if text.lstrip().startswith("{"):
        return ChatFile(tuple(_json_lines(text, timezone)))
    if (exported := export.read(text)) is not None:
        return _whatsapp(exported, name, us, timezone)
    raise DataError("Файл не похож ни на строки JSON, ни на выгрузку чата WhatsApp.")


# --- JSON lines -------------------------------------------------------------------------------------------


def _json_lines(text: str, timezone: str) -> Iterator[Chat]:
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            raw = json.loads(row)
        except (ValueError, RecursionError) as error:
            raise DataError(f"Строка {number}: это не JSON ({error}).") from None
        if not isinstance(raw, dict):
            raise DataError(f"Строка {number}: ожидается объект с полями dialog, timezone и messages.")
        yield _chat(raw, number, timezone)


def _chat(raw: dict[str, Any], number: int, timezone: str) -> Chat:
    where = f"Строка {number}"
    dialog = raw.get("dialog", number)
    if isinstance(dialog, bool) or not isinstance(dialog, str | int):
        raise DataError(f"{where}, поле dialog: ожидается строка или число.")
    zone_name = raw.get("timezone") or timezone
    zone = _zone(zone_name, f"{where}, поле timezone")
    messages = raw.get("messages")
    if not isinstance(messages, list) or not messages:
        raise DataError(f"{where}, поле messages: ожидается непустой список.")
    found = [_message(one, i, f"{where}, messages[{i}]", zone) for i, one in enumerate(messages)]
    return Chat(str(dialog), zone_name, tuple(sorted(found, key=lambda m: m.at)))


def _message(raw: Any, i: int, where: str, zone: tzinfo) -> ChatMessage:
    if not isinstance(raw, dict):
        raise DataError(f"{where}: ожидается объект с полями at, who, name, text, media.")
    if raw.get("who") not in WHO:
        raise DataError(f"{where}, поле who: ожидается одно из {', '.join(WHO)}.")
    values = {}
    for field in ("text", "name"):
        value = raw.get(field)
        if value is not None and not isinstance(value, str):
            raise DataError(f"{where}, поле {field}: ожидается строка.")
        values[field] = value or ""
    text, kinds = without_placeholders(values["text"])
    return ChatMessage(
        i, _moment(raw.get("at"), zone, f"{where}, поле at"), raw["who"], values["name"], text, _media(raw.get("media"), where) + kinds
    )  # fmt: skip


def _moment(value: Any, zone: tzinfo, where: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(zone)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: ожидается момент по ISO 8601, например 2026-11-30T10:02:00+05:00.") from None


def _media(value: Any, where: str) -> tuple[str, ...]:
    """A kind, a list of kinds, or merely that there is something."""
    if value is None or value is False or value == "":
        return ()
    if value is True:
        return ("file",)
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in names):
        raise DataError(f"{where}, поле media: ожидается вид ({', '.join(MEDIA)}), список видов или null.")
    return tuple(media_kind(one) for one in names if one)


def _zone(name: Any, where: str) -> ZoneInfo:
    try:
        # offsets, paths and names of no zone are all refused here
        if isinstance(name, str) and re.fullmatch(r"UTC|[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+", name):
            return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        pass
    raise DataError(f"{where}: ожидается имя пояса IANA, например {DEFAULT_TIMEZONE}.")


# --- WhatsApp ---------------------------------------------------------------------------------------------


def _whatsapp(exported: Sequence[export.Entry], name: str, us: Sequence[str], timezone: str) -> ChatFile:
    zone = _zone(timezone, "Часовой пояс")
    ours, told_by = _our_side(exported, name, us)
    messages = [
        ChatMessage(
            i, entry.at.replace(tzinfo=zone), "manager" if entry.author in ours else "client", entry.author, entry.text, entry.media
        )
        for i, entry in enumerate(exported)
    ]  # fmt: skip
    if not messages:
        raise DataError("В выгрузке WhatsApp нет ни одного сообщения.")
    ordered = tuple(sorted(messages, key=lambda m: m.at))
    return ChatFile((Chat(_title(exported, ours) or name, timezone, ordered),), ours, told_by)


def _title(exported: Sequence[export.Entry], ours: Sequence[str]) -> str:
    """The chat is called after the client."""
    return next((entry.author for entry in exported if entry.author not in ours), "")


def _our_side(exported: Sequence[export.Entry], name: str, us: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Who of the authors is ours, and how that was told."""
    authors = list(dict.fromkeys(entry.author for entry in exported))
    if us:
        if missing := [one for one in us if one not in authors]:
            raise DataError(f"В чате нет автора «{missing[0]}». Есть: {', '.join(authors)}.")
        return tuple(us), "указано"
    if (other := export.title(name)) in authors and len(authors) == 2:
        return tuple(author for author in authors if author != other), "файл назван именем клиента"
    named = [author for author in authors if not export.is_phone(author)]
    # a client is seldom in the address book; where all are, the first to appear is as good as any
    return tuple(named[:1] or authors[:1]), "первый автор, который записан не номером"
