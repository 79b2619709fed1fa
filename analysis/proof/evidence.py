"""What a sentence about a dialog is held against: the dialog's lines, what the CRM knows, who is who."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from analysis.reading import sentences as line_cutting
from analysis.reading.morphology import tagged
from analysis.reading.sentences import Line
from analysis.rules import promises
from synkro.reporting.dialogs import Message

_WORD = re.compile(r"[^\W\d_]{2,}")
#: a promise the rules have no words for is at least said of the future
_KAZAKH = re.compile(r"[әғқңөұүһі]")
_FUTURE = re.compile(r":will[13]\b|:pres1\b|\bбыть:will")


@dataclass(frozen=True)
class Evidence:
    """One dialog. ``card``: what stands in the CRM, as text; ``client_names``, ``manager_names``: as they are written."""

    lines: tuple[Line, ...]
    card: str = ""
    client_names: tuple[str, ...] = ()
    manager_names: tuple[str, ...] = ()
    _by_id: dict[str, Line] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        messages: Sequence[Message],
        timezone: str,
        *,
        card: str = "",
        client_names: Iterable[str] = (),
        manager_names: Iterable[str] = (),
    ) -> Evidence:
        lines = tuple(line_cutting.of(messages, timezone))
        authors = {line.author for line in lines if line.author}
        return cls(
            lines,
            card,
            tuple(sorted({name for name in client_names if name})),
            tuple(sorted({name for name in manager_names if name} | authors)),
            {line.message_id: line for line in lines},
        )

    def cited(self, message_ids: Sequence[str]) -> list[Line]:
        """The named lines in the order of the dialog; empty when one of them is not of this dialog."""
        found = [self._by_id.get(message_id) for message_id in dict.fromkeys(message_ids)]
        if any(line is None for line in found):
            return []
        return sorted((line for line in found if line is not None), key=lambda line: line.order)

    def after(self, line: Line, who: str) -> list[Line]:
        """What this side said later."""
        return [one for one in self.lines if one.order > line.order and one.kind == who and (one.text or one.has_media)]

    @cached_property
    def promise_ids(self) -> frozenset[str]:
        """Lines of both sides that promise: by the rules, or at least said of the future."""
        people = [line for line in self.lines if line.kind in ("client", "manager")]
        sentences = line_cutting.sentences(people)
        found = {one.message_ids[0] for one in promises.find(people, sentences)}
        found |= {s.line.message_id for s in sentences if is_of_future(s.folded)}
        return frozenset(found)

    @cached_property
    def manager_words(self) -> dict[str, frozenset[str]]:
        """Each word of a manager's name, in lower case → the names it belongs to."""
        return _words_of(self.manager_names)

    @cached_property
    def client_words(self) -> dict[str, frozenset[str]]:
        return _words_of(self.client_names)


def is_of_future(text: str) -> bool:
    """Whether a verb of the folded sentence says that somebody will do something; Kazakh is taken as it comes."""
    return _FUTURE.search(tagged(text).line) is not None or _KAZAKH.search(text) is not None


def _words_of(names: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        for word in _WORD.findall(name):
            found.setdefault(word.lower().replace("ё", "е"), set()).add(name)
    return {word: frozenset(of) for word, of in found.items()}
