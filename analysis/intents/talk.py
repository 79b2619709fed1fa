"""A chat as the decision sees it: who said what when, with pictures and voice notes apart from words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

#: kinds of media, and how messengers, exports and people name them
MEDIA = ("voice", "photo", "video", "file", "sticker", "location", "reaction")
_NAMES = {
    "voice": r"голосов\w+|voice|audio|аудио\w*|ptt",
    "photo": r"фото\w*|photo|image|picture|изображени\w+|картинк\w+|скрин\w*",
    "video": r"видео\w*|video\w*|gif",
    "sticker": r"стикер\w*|sticker",
    "location": r"геолокаци\w+|location|локаци\w+|местоположени\w+|контакт\w*|contact\w*|vcard",
    "reaction": r"реакци\w+|reaction",
    "file": r"файл\w*|file|document|документ\w*|pdf",
}
_KINDS = tuple((kind, re.compile(pattern, re.I)) for kind, pattern in _NAMES.items())
_PLACEHOLDER = re.compile(r"\[(?:" + "|".join(_NAMES.values()) + r")\b[^\]\n]{0,120}\]", re.I)


@dataclass(frozen=True)
class Said:
    """One message. ``who``: client, manager, bot or system; ``text`` without placeholders; ``media``: kinds, in order."""

    who: str
    text: str
    sent_at: datetime
    media: tuple[str, ...] = ()


def without_placeholders(text: str) -> tuple[str, tuple[str, ...]]:
    """The words of a message, and the kinds of media its ``[фото]`` and ``[голосовое 0:14]`` stand for."""
    kinds = tuple(media_kind(found[0][1:-1]) for found in _PLACEHOLDER.finditer(text))
    return " ".join(_PLACEHOLDER.sub(" ", text).split(" ")).strip() if kinds else text.strip(), kinds


def media_kind(name: str) -> str:
    """The kind a word names («image/jpeg», «голосовое»); what nobody knows is a file."""
    return next((kind for kind, pattern in _KINDS if pattern.match(name.strip())), "file")
