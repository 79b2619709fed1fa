"""An uploaded export as one dialog: whose side is ours, who the client is, and ids that stay the same in the next export.

Pure. A message's id is a hash of its dialog, moment, author, text and place among equals, so a longer or an overlapping
export brings the same ids again. A file with pictures says «photo.jpg» where one without says «omitted»: only that there was
something counts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from synkro.connectors.whatsapp import archive, export
from synkro.connectors.whatsapp.export import Entry
from synkro.core import phones
from synkro.core.errors import DataError

#: a clock may be ahead; a date beyond this is a day and a month that were swapped
_FUTURE = timedelta(days=1)
#: dialogs are numbered by 18 digits: no vendor's own numbers are so long
_FIRST_ID, _IDS = 10**17, 9 * 10**17


@dataclass(frozen=True)
class Message:
    id: str
    sent_at: datetime
    direction: str
    message_type: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Chat:
    """One dialog of one file."""

    id: int
    #: the client as the address book of the phone calls them
    name: str
    phone: str | None
    messages: tuple[Message, ...]

    @property
    def until(self) -> datetime:
        return max(message.sent_at for message in self.messages)

    @property
    def payload(self) -> dict[str, Any]:
        name = None if export.is_phone(self.name) else self.name
        return {"title": self.name, "name": name, "_synkro": {"phone": self.phone}}


def read(name: str, content: bytes, *, managers: Sequence[str], phone: str, timezone: str, now: datetime) -> Chat:
    """The dialog of an uploaded file. ``managers``: names of our side; ``phone``: the client's, where the file has none.

    Raises :class:`DataError` that names the file, the line and the cure.
    """
    try:
        inner, text = archive.text_of(name, content)
        return _chat(inner, export.parse(text), managers, phone, ZoneInfo(timezone), now)
    except DataError as error:
        raise DataError(f"{name}: {error.message}", detail=error.detail) from None


def _chat(
    name: str, entries: Sequence[Entry], managers: Sequence[str], phone: str, zone: ZoneInfo, now: datetime
) -> Chat:
    if not entries:
        raise DataError("в выгрузке нет сообщений людей, только служебные строки. Загружать нечего.")
    ours, client = _sides(list(dict.fromkeys(entry.author for entry in entries)), export.title(name), managers)
    known = phones.normalise(client) if export.is_phone(client) else None
    typed = phones.normalise(phone) if phone.strip() else None
    if phone.strip() and typed is None:
        raise DataError(f"«{phone.strip()}» не похоже на номер клиента. Укажите его целиком, например +77000000001.")
    key = known or _folded(client)
    messages = tuple(_messages(key, entries, ours, zone, now))
    return Chat(_FIRST_ID + int.from_bytes(_hash("chat", key)[:8]) % _IDS, client, known or typed, messages)


def _sides(authors: Sequence[str], title: str, managers: Sequence[str]) -> tuple[set[str], str]:
    """Which authors are ours, and the client; refused where it has to be guessed."""
    named = {_folded(one) for one in managers if one.strip()}
    ours = {author for author in authors if _folded(author) in named}
    others = [author for author in authors if author not in ours]
    if not ours and title and any(_same(author, title) for author in authors):
        # the file is called after the client: whoever else writes owns the account
        ours = {author for author in authors if not _same(author, title)}
        others = [author for author in authors if author not in ours]
    numbers = [author for author in authors if export.is_phone(author)]
    if not ours and len(authors) == 2 and len(numbers) == 1:
        # clients are seldom in the address book, the owner of the account always has a name
        return set(authors) - set(numbers), numbers[0]
    if len(others) == 1 and (ours or not title or _same(others[0], title)):
        # a chat in which only one side has written: its title says which
        if not ours and not title:
            raise DataError(
                f"пишет только «{others[0]}», и по имени файла не понять, клиент ли это. Укажите имена сотрудников."
            )
        return ours, others[0]
    if not others:
        if not title:
            raise DataError(
                "клиент ничего не написал, и имя файла его не называет. Верните файлу имя, которое дал телефон."
            )
        return ours, title
    if len(others) == 1:
        # nobody of the known names, and the title is another's: the one who writes is ours
        return {others[0]}, title
    raise DataError(
        f"не понять, кто из авторов сотрудник: {', '.join(others[:6])}. Укажите имена сотрудников через запятую, как в чате. "
        "Групповые чаты не загружаются."
    )


def _messages(key: str, entries: Sequence[Entry], ours: set[str], zone: ZoneInfo, now: datetime) -> Iterator[Message]:
    equals: Counter[bytes] = Counter()
    for entry in entries:
        sent_at = entry.at.replace(tzinfo=zone)
        if sent_at > now + _FUTURE:
            raise DataError(
                f"строка {entry.line}: дата {entry.at:%d.%m.%Y} в будущем. Проверьте часы телефона и выгрузите чат снова."
            )
        content = _hash("message", key, entry.at.isoformat(), entry.author, entry.text, "media" if entry.media else "")
        equals[content] += 1
        yield Message(
            _hash(content.hex(), str(equals[content])).hex()[:32],
            sent_at,
            "outbound" if entry.author in ours else "inbound",
            # a call answers nobody and is no message of anybody: the marts know the kind
            "call_log" if entry.is_call else entry.media[0] if entry.media else "text",
            {"text": entry.text, "author": entry.author, "has_media": bool(entry.media), "media": list(entry.media)},
        )


def _hash(*parts: str) -> bytes:
    # the parts hold no NUL (archive.py)
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).digest()


def _same(author: str, title: str) -> bool:
    if export.is_phone(author) and export.is_phone(title):
        return phones.normalise(author) == phones.normalise(title)
    return _folded(author) == _folded(title)


def _folded(name: str) -> str:
    return " ".join(name.strip().lstrip("~").split()).casefold()
