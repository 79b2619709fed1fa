"""Telegram's HTML: escaping, measuring and cutting it without breaking a tag, an entity or a letter.

Pure. In flows text, or markup made by this package (escaped values between the few tags Telegram knows); out come
parts that Telegram accepts one by one. Limits are vendor facts: 4,096 characters after parsing, counted here in
UTF-16 units, the strictest of the counts seen, and 32,768 bytes before parsing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: UTF-16 units of one message after parsing
LIMIT = 4096
#: bytes of one message before parsing; a little under Telegram's 32,768
_RAW_LIMIT = 32_000
#: a «letter» under a thousand combining marks must not outgrow a message
_LONGEST_CLUSTER = 64

_MARKUP = r"<(?P<close>/?)(?P<name>[a-z][a-z-]*)[^<>]*>|&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});"
_TAG_OR_ENTITY = re.compile(_MARKUP)
_TOKEN = re.compile(_MARKUP + "|.", re.S)
_NAMED = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"'}
#: control characters, which Telegram drops, and halves of surrogate pairs, which no JSON can carry
_UNSENDABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class _Atom:
    """One visible character with what belongs to it, as written, and the tags around it."""

    raw: str
    text: str
    tags: tuple[str, ...]

    @property
    def width(self) -> int:
        return utf16_length(self.text)


def utf16_length(text: str) -> int:
    """UTF-16 units, the measure of Telegram's offsets and of its limit."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def escape(value: object) -> str:
    """A value as it may stand between tags or in a quoted attribute."""
    text = _UNSENDABLE.sub("", str(value))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def visible_text(markup: str) -> str:
    """What the reader sees: no tags, entities decoded. Also the text of a message sent without a parse mode."""
    return _TAG_OR_ENTITY.sub(lambda found: "" if found["name"] else _decode(found[0]), markup)


def visible_length(markup: str) -> int:
    """Characters the reader sees."""
    return len(visible_text(markup))


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters, cut between words; a word longer than that is cut between letters."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    if not text[limit - 1].isspace():
        kept = kept[: kept.rindex(" ")] if " " in kept else _letters(text, limit - 1)
    return kept.rstrip(" ,;:.—–-") + "…"


def _letters(text: str, limit: int) -> str:
    kept = ""
    for letter in clusters(text):
        if len(kept) + len(letter) > limit:
            break
        kept += letter
    return kept


def clusters(text: str) -> Iterable[str]:
    """Pieces that must stay together: a letter with its marks, an emoji with its parts, a flag."""
    current = ""
    for char in text:
        if current and len(current) < _LONGEST_CLUSTER and _joins(current, char):
            current += char
        else:
            if current:
                yield current
            current = char
    if current:
        yield current


def _joins(before: str, char: str) -> bool:
    code = ord(char)
    if char == "\u200d" or before[-1] == "\u200d" or 0x1F3FB <= code <= 0x1F3FF or before + char == "\r\n":
        return True
    if 0x1F1E6 <= code <= 0x1F1FF:
        return len(before) == 1 and 0x1F1E6 <= ord(before) <= 0x1F1FF
    return code >= 0x300 and unicodedata.category(char).startswith("M")


def split_html(markup: str, limit: int = LIMIT) -> list[str]:
    """Parts of at most ``limit`` UTF-16 units each, cut at paragraphs, lines or words where there are any.

    Each part closes the tags it leaves open and the next one opens them again. Nothing is lost but parts of
    white space alone, which Telegram refuses.
    """
    return [_render(part) for part in _cut(_atoms(markup), limit) if not _is_blank(part)]


def split_plain(text: str, limit: int = LIMIT) -> list[str]:
    """The same for a text without markup."""
    atoms = [_Atom(piece, piece, ()) for piece in clusters(_UNSENDABLE.sub("", text))]
    return ["".join(atom.text for atom in part) for part in _cut(atoms, limit) if not _is_blank(part)]


def _is_blank(part: Sequence[_Atom]) -> bool:
    return all(atom.text.isspace() for atom in part)


def _atoms(markup: str) -> list[_Atom]:
    found: list[_Atom] = []
    tags: list[tuple[str, str]] = []
    for token in _TOKEN.finditer(markup):
        raw, name = token[0], token["name"]
        if name is None:
            text = _decode(raw) if len(raw) > 1 else raw
            around = tuple(tag for _, tag in tags)
            last = found[-1] if found else None
            # markup stands between two characters only where a tag does, so a letter and its mark share tags
            if last and last.tags == around and len(last.text) < _LONGEST_CLUSTER and _joins(last.text, text):
                found[-1] = _Atom(last.raw + raw, last.text + text, around)
            else:
                found.append(_Atom(raw, text, around))
        elif not token["close"]:
            tags.append((name, raw))
        elif name in [opened for opened, _ in tags]:
            while tags.pop()[0] != name:
                pass
    return found


def _decode(entity: str) -> str:
    if entity in _NAMED:
        return _NAMED[entity]
    code = int(entity[3:-1], 16) if entity[2] in "xX" else int(entity[2:-1])
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def _cut(atoms: Sequence[_Atom], limit: int) -> Iterable[Sequence[_Atom]]:
    start = 0
    while start < len(atoms):
        end, width, raw = start, 0, 0
        while end < len(atoms):
            atom = atoms[end]
            width += atom.width
            raw += len(atom.raw.encode())
            # tags are written once per run, but counting them per change keeps the sum on the safe side
            if end == start or atom.tags != atoms[end - 1].tags:
                raw += sum(2 * len(tag.encode()) for tag in atom.tags)
            if end > start and (width > limit or raw > _RAW_LIMIT):
                break
            end += 1
        if end < len(atoms):
            end = _best_break(atoms, start, end)
        yield atoms[start:end]
        start = end


def _best_break(atoms: Sequence[_Atom], start: int, end: int) -> int:
    """The last good place to cut in the second half of ``[start, end)``; ``end`` itself when there is none."""
    middle = start + (end - start) // 2
    spots = range(end, middle, -1)
    for is_good in (
        lambda at: at >= 2 and atoms[at - 1].text == atoms[at - 2].text == "\n",
        lambda at: atoms[at - 1].text == "\n",
        lambda at: atoms[at - 1].text.isspace(),
    ):
        for at in spots:
            if is_good(at):
                return at
    return end


def _render(atoms: Sequence[_Atom]) -> str:
    pieces: list[str] = []
    opened: tuple[str, ...] = ()
    for atom in [*atoms, _Atom("", "", ())]:
        if atom.tags != opened:
            common = 0
            while common < min(len(opened), len(atom.tags)) and opened[common] == atom.tags[common]:
                common += 1
            pieces += [f"</{_name(tag)}>" for tag in reversed(opened[common:])]
            pieces += atom.tags[common:]
            opened = atom.tags
        pieces.append(atom.raw)
    return "".join(pieces)


def _name(tag: str) -> str:
    return re.split(r"[ >]", tag[1:], maxsplit=1)[0]
