"""A list of topics as the readers use it: labels, and what of it a stored reading depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from synkro.tenancy.topics import OTHER, Topic

#: of a topic a model is told so many words and examples, the first ones: each call carries them
WORDS_TOLD, EXAMPLES_TOLD = 6, 2
OTHER_NAMES = {"ru": "Другое", "en": "Other"}


@dataclass(frozen=True)
class Catalogue:
    """Topics in the order people see them."""

    topics: tuple[Topic, ...]

    @cached_property
    def by_key(self) -> dict[str, Topic]:
        return {topic.key: topic for topic in self.topics}

    def labels(self, language: str = "ru") -> dict[str, str]:
        """Key → name, with ``other`` at the end."""
        named = {topic.key: topic.called(language) for topic in self.topics}
        return {**named, OTHER: OTHER_NAMES.get(language, OTHER_NAMES["ru"])}

    def label(self, kind: str, language: str = "ru") -> str:
        """The name; «Другое» for a topic that is no longer there."""
        return self.labels(language).get(kind, OTHER_NAMES.get(language, OTHER_NAMES["ru"]))

    def key(self, kind: str) -> str:
        """The key, ``other`` for a topic that is no longer there."""
        return kind if kind in self.by_key else OTHER

    @cached_property
    def rules_digest(self) -> str:
        """Changes with what the rules look for: a name does not."""
        return _digest([topic.key, sorted(topic.words), sorted(topic.unless)] for topic in self.topics)

    @cached_property
    def prompt_digest(self) -> str:
        """Changes with what a model is told: the English name is not, nor is the seventh word."""
        return _digest(map(told, self.topics))


def _digest(rows: Any) -> str:
    """The order of the topics says nothing."""
    text = json.dumps(sorted(rows, key=lambda row: row[0]), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def told(topic: Topic) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """``(key, name, words, examples)`` as a model is told them."""
    return topic.key, topic.name, topic.words[:WORDS_TOLD], topic.examples[:EXAMPLES_TOLD]


def changed(before: Catalogue, now: Catalogue, *, by_model: bool) -> Sequence[Topic]:
    """The topics, old and new, that a model is told otherwise, or the rules look for otherwise."""

    def read_by(topic: Topic) -> tuple[Any, ...]:
        return told(topic) if by_model else (sorted(topic.words), sorted(topic.unless))

    differ = []
    for key in dict.fromkeys((*before.by_key, *now.by_key)):
        old, new = before.by_key.get(key), now.by_key.get(key)
        if old is None or new is None or read_by(old) != read_by(new):
            differ += [topic for topic in (old, new) if topic is not None]
    return differ
