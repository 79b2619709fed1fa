"""Messages as the rules see them: folded for matching, cut into sentences, always able to quote themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from analysis.reading.morphology import Tagged, tagged
from analysis.reading.normalisation import folded
from synkro.reporting.dialogs import Message

#: a smile ends a sentence as a full stop does, where a capital letter follows
_CUT = re.compile(r"(?<=[.!?…])\s+|(?<=[)\u2600-\u27bf\ufe0f\U0001f300-\U0001faff])\s+(?=[А-ЯЁӘҒҚҢӨҰҮҺІA-Z])|\n+")
#: characters of a sentence: patterns never see more, so a message of megabytes costs no more than its length
_LONGEST = 600
_LONGEST_QUOTE = 200


@dataclass(frozen=True)
class Line:
    """One message of a person or a robot; ``sent_at`` is in the tenant's zone."""

    order: int
    message_id: str
    kind: str
    text: str
    folded: str
    sent_at: datetime
    has_media: bool
    needs_reply: bool
    author: str

    @property
    def body(self) -> str:
        """The text, under the name a message has it."""
        return self.text


@dataclass(frozen=True)
class Sentence:
    """A piece of a line. ``text`` stands in the message as it is."""

    line: Line
    text: str
    folded: str

    @cached_property
    def tagged(self) -> Tagged:
        """The sentence by dictionary forms."""
        return tagged(self.folded)

    def quote(self, near: int = 0) -> str:
        """The sentence, or two hundred characters of it around the place, cut at words."""
        if len(self.text) <= _LONGEST_QUOTE:
            return self.text
        start = max(0, min(near - _LONGEST_QUOTE // 2, len(self.text) - _LONGEST_QUOTE))
        end = start + _LONGEST_QUOTE
        while start > 0 and start < near and self.text[start - 1].isalnum():
            start += 1
        while end < len(self.text) and end > near and self.text[end - 1].isalnum() and self.text[end].isalnum():
            end -= 1
        return self.text[start:end].strip()


def of(messages: Sequence[Message], timezone: str) -> list[Line]:
    """Messages in order as lines."""
    where = ZoneInfo(timezone)
    return [
        Line(
            order=order,
            message_id=m.message_id,
            kind=m.kind,
            text=m.body,
            folded=folded(m.body),
            sent_at=m.sent_at.astimezone(where),
            has_media=m.has_media,
            needs_reply=m.needs_reply,
            author=(m.author_name or "") if m.kind == "manager" else "",
        )
        for order, m in enumerate(messages)
    ]


def sentences(lines: Sequence[Line]) -> list[Sentence]:
    """Every sentence of every line that has text."""
    return [Sentence(line, line.text[a:b], line.folded[a:b]) for line in lines for a, b in _places(line.text)]


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Where sentences stand, without the spaces around them; a run without an end is cut at a space."""
    start = 0
    for end, following in [*((cut.start(), cut.end()) for cut in _CUT.finditer(text)), (len(text), len(text))]:
        while start < end:
            stop = end
            if end - start > _LONGEST:
                stop = text.rfind(" ", start + _LONGEST // 2, start + _LONGEST)
                stop = stop if stop > 0 else start + _LONGEST
            piece = text[start:stop]
            if piece.strip():
                yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
            start = stop
        start = following
