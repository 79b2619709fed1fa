"""Telegram's text rules: HTML and MarkdownV2 as the server checks them, limits, entities in UTF-16 units.

In: raw text and a parse mode. Out: the plain text and its entities. Raises :class:`BadText` with the vendor's own
words, e.g. ``can't parse entities: Unsupported start tag "p" at byte offset 0``.
"""

from __future__ import annotations

import re
from typing import Any

MAX_TEXT, MAX_CAPTION, MAX_RAW_BYTES = 4096, 1024, 32768
TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
RESERVED = "_*[]()~`>#+-=|{}.!"
_TAG = re.compile(r"<(/?)([^\s<>/]*)([^<>]*)>")
_ATTRIBUTE = re.compile(r"""([\w-]+)\s*(?:=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?""")
_NAMED = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"'}
_REFERENCE = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});")


class BadText(Exception):
    """The description of a 400, without its ``Bad Request: ``."""


def parse(text: Any, mode: str | None, *, caption: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """Plain text and entities of one message or caption; raises :class:`BadText`."""
    if not isinstance(text, str) or text == "":
        if caption:
            return "", []
        raise BadText("message text is empty")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_RAW_BYTES:
        raise BadText("text is too long")
    kind = (mode or "").lower()
    if kind == "html":
        plain, entities = _html(text)
    elif kind == "markdownv2":
        plain, entities = _markdown(text)
    elif kind in ("", "markdown", "none"):
        plain, entities = text, []
    else:
        raise BadText("unsupported parse_mode")
    plain, entities = _trim(plain, entities)
    if not plain and not caption:
        raise BadText("text must be non-empty")
    if len(plain) > (MAX_CAPTION if caption else MAX_TEXT):
        raise BadText("message caption is too long" if caption else "message is too long")
    return plain, [*entities, *found_entities(plain)] if kind != "none" else entities


def utf16(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _html(text: str) -> tuple[str, list[dict[str, Any]]]:
    plain, entities, i = "", [], 0
    stack: list[tuple[str, int, dict[str, Any]]] = []
    while i < len(text):
        if text[i] == "&" and (found := _REFERENCE.match(text, i)):
            plain += _decode(found[0])
            i = found.end()
        elif text[i] == "<":
            at = len(text[:i].encode("utf-8", "surrogatepass"))
            found = _TAG.match(text, i)
            if not found:
                raise BadText(f"can't parse entities: Unclosed start tag at byte offset {at}")
            name = found[2].lower()
            if found[1]:
                if not stack:
                    raise BadText(f"can't parse entities: Unexpected end tag at byte offset {at}")
                opened, offset, entity = stack.pop()
                if name and name != opened:
                    raise BadText(
                        f'can\'t parse entities: Unmatched end tag at byte offset {at}, expected "</{opened}>", found "</{name}>"'
                    )
                length = utf16(plain) - offset
                if length:
                    entities.append({"offset": offset, "length": length, **entity})
            else:
                stack.append((name, utf16(plain), _open(name, found[3], at)))
            i = found.end()
        else:
            plain += text[i]
            i += 1
    if stack:
        raise BadText(f"can't parse entities: Can't find end tag corresponding to start tag \"{stack[-1][0]}\"")
    return plain, sorted(entities, key=lambda e: (e["offset"], -e["length"]))


def _open(name: str, rest: str, at: int) -> dict[str, Any]:
    if name not in TAGS:
        raise BadText(f'can\'t parse entities: Unsupported start tag "{name}" at byte offset {at}')
    attributes = {m[1]: m[2] or m[3] or m[4] or "" for m in _ATTRIBUTE.finditer(rest)}
    if name == "span" and attributes.get("class") != "tg-spoiler":
        raise BadText(f'can\'t parse entities: Tag "span" must have class "tg-spoiler" at byte offset {at}')
    entity: dict[str, Any] = {"type": TAGS[name]}
    if name == "a":
        entity["url"] = _REFERENCE.sub(lambda m: _decode(m[0]), attributes.get("href", ""))
    if name == "blockquote" and "expandable" in attributes:
        entity["type"] = "expandable_blockquote"
    return entity


def _decode(reference: str) -> str:
    if reference in _NAMED:
        return _NAMED[reference]
    number = int(reference[3:-1], 16) if reference[2] in "xX" else int(reference[2:-1])
    return chr(number) if 0 < number < 0x110000 else reference


def _markdown(text: str) -> tuple[str, list[dict[str, Any]]]:
    """The reserved-character check; formatting itself is kept as plain pairs of markers."""
    pairs = {"*": "bold", "_": "italic", "~": "strikethrough", "`": "code"}
    plain, entities, i = "", [], 0
    open_at: dict[str, int] = {}
    while i < len(text):
        c = text[i]
        if c == "\\" and i + 1 < len(text):
            plain += text[i + 1]
            i += 2
            continue
        if "`" in open_at and c != "`":
            plain += c
        elif c in pairs:
            if c in open_at:
                offset = open_at.pop(c)
                entities.append({"type": pairs[c], "offset": offset, "length": utf16(plain) - offset})
            else:
                open_at[c] = utf16(plain)
        elif c == "[" and (found := re.match(r"\[((?:\\.|[^\]\\])*)\]\(((?:\\.|[^)\\])*)\)", text[i:])):
            label = re.sub(r"\\(.)", r"\1", found[1])
            entities.append({"type": "text_link", "offset": utf16(plain), "length": utf16(label), "url": found[2]})
            plain += label
            i += len(found[0])
            continue
        elif c in RESERVED and not (c == ">" and (i == 0 or text[i - 1] == "\n")):
            raise BadText(
                f"can't parse entities: Character '{c}' is reserved and must be escaped with the preceding '\\'"
            )
        else:
            plain += c
        i += 1
    if open_at:
        marker, offset = next(iter(open_at.items()))
        raise BadText(f"can't parse entities: Can't find end of the entity starting at byte offset {offset} ({marker})")
    return plain, entities


def _trim(plain: str, entities: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """Leading and trailing blanks go, and the entities move with them."""
    shift, plain = utf16(plain[: len(plain) - len(plain.lstrip())]), plain.strip()
    end, kept = utf16(plain), []
    for entity in entities:
        start, stop = max(0, entity["offset"] - shift), min(end, entity["offset"] + entity["length"] - shift)
        if stop > start:
            kept.append({**entity, "offset": start, "length": stop - start})
    return plain, kept


def found_entities(plain: str) -> list[dict[str, Any]]:
    """What Telegram finds by itself in a text: commands and mentions."""
    found = []
    for kind, pattern in (
        ("bot_command", r"(?<!\S)/[A-Za-z0-9_]{1,32}(?:@\w{3,32})?"),
        ("mention", r"(?<!\w)@[A-Za-z]\w{3,31}"),
    ):
        for match in re.finditer(pattern, plain):
            found.append({"type": kind, "offset": utf16(plain[: match.start()]), "length": utf16(match[0])})
    return sorted(found, key=lambda e: e["offset"])
