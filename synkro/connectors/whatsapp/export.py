"""The text a phone exports from WhatsApp: Android and iOS, Russian, English and Kazakh, every layout of date and time.

Pure: a text goes in, its messages come out in the order of the file. Lines of the messenger itself (encryption, changes
of a group) and deleted messages are left out; calls are kept as calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from synkro.core.errors import DataError

#: what iOS puts before a line that it made itself
_MADE_BY_APP = "\u200e"
_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202c\ufeff"))
_SPACES = {ord("\u202f"): " ", ord("\u00a0"): " "}
_AT = r"(\d{1,4})([./-])(\d{1,2})\2(\d{2,4}),? (\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AaPp])\.?[Mm]\.?)?"
#: «[02.11.2026, 10:02:33] Имя: текст» of iOS, «02.11.2026, 10:02 - Имя: текст» of Android
_HEADS = (re.compile(rf"\[{_AT}\] ?(.*)"), re.compile(rf"{_AT} [-–] (.*)"))
_LINE = re.compile(r"\r\n|\n|\r")
_AUTHOR = re.compile(r"([^:\n]{1,80}): ?(.*)", re.S)
_BY_APP = re.compile(rf"[^:\n]{{1,80}}: ?{_MADE_BY_APP}")
_TITLE = re.compile(
    r"(?:WhatsApp Chat (?:with|-) |Чат WhatsApp с (?:контактом )?|Переписка в WhatsApp с (?:контактом )?|WhatsApp чаты? [-–] )(.+)",
    re.I,
)
#: «… (1).txt», as a browser names the second download
_SUFFIX = re.compile(r"(?: ?\(\d{1,3}\))?(?:\.txt|\.zip)+$", re.I)
_PHONE = re.compile(r"[+\d][\d ()-]{6,}")
_EDITED = re.compile(
    r"\s{0,9}<(?:This message was edited|Сообщение изменено|Это сообщение было изменено|Хабарлама өзгертілді)>$"
)
_GONE = re.compile(
    r"(?:This message was deleted|You deleted this message|Данное сообщение удалено|Это сообщение (?:было )?удалено|Вы удалили (?:это|данное) сообщение|Сообщение удалено"
    r"|Бұл хабарлама жойылды|Хабарлама жойылды|(?:Сіз )?бұл хабарламаны жойдыңыз)\.?$",
    re.I,
)
#: what the messenger says of the chat itself, wherever it stands
_NOTICE = re.compile(
    r"end-to-end encrypted|сквозным шифрованием|шифрланған|шифрланады|security code (?:with .{1,80} )?(?:has )?changed|код безопасности|қауіпсіздік коды"
    r"|created (?:the )?group|создал\S{0,4} группу|тобын құрды|changed the (?:group|subject)|изменил\S{0,4} (?:тему|название|иконку|фото|описание) группы",
    re.I,
)
_CALL = re.compile(
    r"(?:Missed (?:group )?(?:voice|video) call|(?:Voice|Video) call|Пропущенный (?:групповой )?(?:аудио|видео)?\s?звонок|(?:Аудио|Видео)звонок"
    r"|Жауап берілмеген (?:дауыстық|бейне)?\s?қоңырау|Қабылданбаған (?:дауыстық|бейне)?\s?қоңырау|(?:Дауыстық|Бейне) ?қоңырау)"
    r"(?:[.,:] ?.{0,60})?$",
    re.I,
)
_KINDS = (
    ("voice", r"audio|ptt|opus|аудио\w*|голосов\w+|m4a|ogg|дыбыс\w*"),
    ("sticker", r"sticker|стикер|webp|жапсырма"),
    ("video", r"video|видео\w*|gif|mp4|mov|бейне\w*"),
    ("photo", r"image|photo|img|jpe?g|png|фото\w*|изображени\w+|картинк\w+|сурет"),
    ("location", r"location|местоположени\w+|геопозици\w+|contact|контакт\w*|vcf"),
    ("file", r"."),
)
_MEDIA = re.compile(
    r"<(?:Media omitted|Без медиафайлов|Медиафайлы пропущены|Файл пропущен|(?:Медиа|Файл)[^<>\n]{0,20} (?:қосылмаған|жіберілмеген|өткізілген))>"
    r"|^(?:image|video|audio|sticker|document|GIF|Contact card) omitted$|^(?:изображение|видео|аудиофайл|аудио|стикер|документ|GIF|карточка контакта)\S* (?:отсутству\w+|пропущен\w*|опущен\w*|не включен\w*)$"
    r"|^(?:сурет|бейне|дыбыс|аудио|стикер|жапсырма|құжат|GIF)\S* (?:қосылмаған|жіберілмеген|өткізілген)$"
    r"|<(?:attached|прикреплено|вложение|тіркелген): ([^>]+)>|^(\S.{0,120}?\.\w{2,5}) \((?:file attached|файл добавлен|файл прикреплен|файл тіркелді)\)"
    r"|^(?:Location|Местоположение|Геопозиция): https?://\S+|^https?://maps\.google\.com/\S+$",
    re.I | re.M,
)


@dataclass(frozen=True)
class Entry:
    """One message of somebody; ``at`` is the phone's own clock, ``line`` its place in the file."""

    at: datetime
    author: str
    text: str
    media: tuple[str, ...]
    is_call: bool = False
    line: int = 0


@dataclass(frozen=True)
class _Raw:
    """A head with its text, before anybody knows the order of day and month."""

    line: int
    #: first, sign, second, third, hour, minute, second, half of the day
    parts: tuple[str, ...]
    text: str
    is_made_by_app: bool


def read(text: str) -> list[Entry] | None:
    """The messages of an export; None for a text that is none. A line with an impossible date is left out."""
    try:
        raw = list(_raw(text))
    except DataError:
        return None
    return list(_entries(raw, is_strict=False)) if raw else None


def parse(text: str) -> list[Entry]:
    """The messages of an export; raises :class:`DataError` that names the line and the cure."""
    raw = list(_raw(text))
    if not raw:
        raise DataError("в файле нет ни одного сообщения. Выгрузите чат ещё раз: «Экспорт чата» → «Без файлов».")
    return list(_entries(raw, is_strict=True))


def _raw(text: str) -> Iterator[_Raw]:
    head: re.Match[str] | None = None
    first, rows, is_made_by_app = 0, [""], False
    for number, whole in enumerate(_LINE.split(text), 1):
        row = whole.translate(_MARKS).translate(_SPACES)
        found = _HEADS[0].fullmatch(row) or _HEADS[1].fullmatch(row)
        if found is None:
            if head is not None:
                rows.append(row)
            elif row.strip():
                raise DataError(
                    f"строка {number} не похожа на выгрузку WhatsApp. В чате выберите «Экспорт чата» → «Без файлов» "
                    "и загрузите полученный файл, не меняя его."
                )
            continue
        if head is not None:
            yield _Raw(first, _parts(head), "\n".join(rows), is_made_by_app)
        head, first, rows = found, number, [found[9]]
        is_made_by_app = _BY_APP.search(whole[max(whole.find("]"), 0) :]) is not None
    if head is not None:
        yield _Raw(first, _parts(head), "\n".join(rows).rstrip("\n"), is_made_by_app)


def _entries(raw: Sequence[_Raw], *, is_strict: bool) -> Iterator[Entry]:
    is_american = _month_first([one.parts for one in raw])
    for one in raw:
        at = _moment(one.parts, is_american)
        if at is None:
            if is_strict:
                raise DataError(
                    f"строка {one.line}: такой даты не бывает. Выгрузите чат ещё раз и загрузите файл, не меняя его."
                )
            continue
        said = _AUTHOR.fullmatch(one.text)
        if said is None or _NOTICE.search(said[1]):
            continue
        body = _EDITED.sub("", said[2].strip())
        if _GONE.match(body):
            continue
        media = tuple(_kind(match[0]) for match in _MEDIA.finditer(body))
        is_call = _CALL.match(body) is not None
        if one.is_made_by_app and not media and not is_call:
            # placeholders of other wordings are short and say what was left out; a notice is a sentence
            if _NOTICE.search(body) or len(body.split()) > 3:
                continue
            media, body = (_kind(body),), ""
        yield Entry(at, said[1].strip(), _MEDIA.sub("", body).strip(), media, is_call, one.line)


def _parts(head: re.Match[str]) -> tuple[str, ...]:
    return tuple(head[i] or "" for i in range(1, 9))


def _month_first(dates: Sequence[tuple[str, ...]]) -> bool:
    """11/2/26 is the second of November where some date proves it, the order of the lines does, or the clock has two halves."""
    slashed = [parts for parts in dates if parts[1] == "/" and len(parts[0]) < 4]
    if any(int(parts[0]) > 12 for parts in slashed):
        return False
    if any(int(parts[2]) > 12 for parts in slashed):
        return True
    # an export is in order of time: the wrong reading jumps back
    back = [
        sum(earlier > later for earlier, later in pairwise(dates))
        for dates in ([_order(parts, is_american) for parts in slashed] for is_american in (False, True))
    ]
    if back[0] != back[1]:
        return back[1] < back[0]
    return any(parts[7] for parts in slashed)


def _order(parts: tuple[str, ...], is_american: bool) -> tuple[int, int, int]:
    first, second = int(parts[0]), int(parts[2])
    return (int(parts[3]) % 100, first, second) if is_american else (int(parts[3]) % 100, second, first)


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
    return next((kind for kind, pattern in _KINDS if re.search(pattern, placeholder, re.I)), "file")


def is_phone(author: str) -> bool:
    return _PHONE.fullmatch(author.strip().lstrip("~ ")) is not None


def title(name: str) -> str:
    """Whom the chat is with, as the export's file name says; empty when it does not."""
    found = _TITLE.search(_SUFFIX.sub("", name))
    return found[1].strip() if found else ""
