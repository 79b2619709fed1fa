"""What WhatsApp exports as text, from iOS and Android, in Russian and English."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202c\ufeff"))
_SPACES = {ord("\u202f"): " ", ord("\u00a0"): " "}
_AT = r"(\d{1,4})([./-])(\d{1,2})\2(\d{2,4}),? (\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AaPp])\.?[Mm]\.?)?"
#: «[02.11.2026, 10:02:33] Имя: текст» of iOS, «02.11.2026, 10:02 - Имя: текст» of Android
_HEADS = (re.compile(rf"\[{_AT}\] ?(.*)"), re.compile(rf"{_AT} [-–] (.*)"))
_AUTHOR = re.compile(r"([^:\n]{1,80}): ?(.*)", re.S)
_TITLE = re.compile(
    r"(?:WhatsApp Chat (?:with|-) |Чат WhatsApp с (?:контактом )?|Переписка в WhatsApp с (?:контактом )?)(.+?)(?:\.txt|\.zip)*$",
    re.I,
)
_PHONE = re.compile(r"[+\d][\d ()-]{6,}")
_EDITED = re.compile(r"\s{0,9}<(?:This message was edited|Сообщение изменено|Это сообщение было изменено)>$")
_GONE = re.compile(
    r"(?:This message was deleted|You deleted this message|Данное сообщение удалено|Это сообщение (?:было )?удалено|Вы удалили (?:это|данное) сообщение|Сообщение удалено)\.?$"
)
_KINDS = (
    ("voice", r"audio|ptt|opus|аудио\w*|голосов\w+|m4a|ogg"),
    ("sticker", r"sticker|стикер|webp"),
    ("video", r"video|видео\w*|gif|mp4|mov"),
    ("photo", r"image|photo|img|jpe?g|png|фото\w*|изображени\w+|картинк\w+"),
    ("location", r"location|местоположени\w+|геопозици\w+|contact|контакт\w*|vcf"),
    ("file", r"."),
)
_MEDIA = re.compile(
    r"<(?:Media omitted|Без медиафайлов|Медиафайлы пропущены|Файл пропущен)>"
    r"|^(?:image|video|audio|sticker|document|GIF|Contact card) omitted$|^(?:изображение|видео|аудиофайл|аудио|стикер|документ|GIF|карточка контакта)\S* (?:отсутству\w+|пропущен\w*|опущен\w*|не включен\w*)$"
    r"|<(?:attached|прикреплено|вложение): ([^>]+)>|^(\S.{0,120}?\.\w{2,5}) \((?:file attached|файл добавлен|файл прикреплен)\)"
    r"|^(?:Location|Местоположение|Геопозиция): https?://\S+|^https?://maps\.google\.com/\S+$",
    re.I | re.M,
)


@dataclass(frozen=True)
class Entry:
    """One message of somebody; ``at`` is the phone's own clock."""

    at: datetime
    author: str
    text: str
    media: tuple[str, ...]


def read(text: str) -> list[Entry] | None:
    """The messages of an export; None for a text that is none. Lines of the messenger itself are left out."""
    raw: list[tuple[re.Match[str], list[str]]] = []
    for row in text.translate(_MARKS).translate(_SPACES).splitlines():
        if (head := _HEADS[0].fullmatch(row) or _HEADS[1].fullmatch(row)) is not None:
            raw.append((head, [head[9]]))
        elif raw:
            raw[-1][1].append(row)
        elif row.strip():
            return None
    if not raw:
        return None
    is_american = _month_first([_parts(head) for head, _ in raw])
    found: list[Entry] = []
    for head, rows in raw:
        said = _AUTHOR.fullmatch("\n".join(rows))
        at = _moment(_parts(head), is_american)
        if said is None or at is None:
            continue
        body = _EDITED.sub("", said[2].strip())
        if not _GONE.match(body):
            media = tuple(_kind(match[0]) for match in _MEDIA.finditer(body))
            found.append(Entry(at, said[1].strip(), _MEDIA.sub("", body).strip(), media))
    return found


def _parts(head: re.Match[str]) -> tuple[str, ...]:
    """First, sign, second, third, hour, minute, second, half of the day."""
    return tuple(head[i] or "" for i in range(1, 9))


def _month_first(dates: Sequence[tuple[str, ...]]) -> bool:
    """11/2/26 is the second of November where some date proves it, or the clock has two halves."""
    slashed = [parts for parts in dates if parts[1] == "/"]
    if any(int(parts[0]) > 12 for parts in slashed):
        return False
    return any(int(parts[2]) > 12 or parts[7] for parts in slashed)


def _moment(parts: tuple[str, ...], is_american: bool) -> datetime | None:
    first, sign, second, third, hour, minute, seconds, half = parts
    if len(first) == 4:
        year, month, day = int(first), int(second), int(third)
    else:
        year = int(third) + (2000 if len(third) == 2 else 0)
        month, day = (int(first), int(second)) if is_american and sign == "/" else (int(second), int(first))
    hours = int(hour) % 12 + (12 if half.lower() == "p" else 0) if half else int(hour)
    try:
        return datetime(year, month, day, hours, int(minute), int(seconds or 0))
    except ValueError:
        return None


def _kind(placeholder: str) -> str:
    return next(kind for kind, pattern in _KINDS if re.search(pattern, placeholder, re.I))


def is_phone(author: str) -> bool:
    return _PHONE.fullmatch(author.strip().lstrip("~ ")) is not None


def title(name: str) -> str:
    """Whom the chat is with, as the export's file name says; empty when it does not."""
    found = _TITLE.search(name)
    return found[1].strip() if found else ""
