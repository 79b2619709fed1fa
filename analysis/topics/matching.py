"""Which topics a text is about: words and phrases of dictionary forms, whatever their endings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from analysis.reading.morphology import is_known, lemmas
from analysis.topics.catalogue import Catalogue
from synkro.tenancy.topics import Topic

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
#: other words that may stand between two of a phrase
_BETWEEN = 2
#: so many letters of a stem are looked up at once
_HEAD = 3
#: a word no dictionary has is looked for with other endings from this length on; a shorter one is an abbreviation
_LONG = 5
_ENDING, _ANY_ENDING = 3, 100
_VOWELS = re.compile(r"[аеийоуыьюя]{1,2}$")


@dataclass(frozen=True)
class _Word:
    """``stem``: a word that begins so, with ``ending`` letters more at most; else ``forms``: one of these dictionary forms."""

    forms: frozenset[str]
    stem: str = ""
    ending: int = 0

    def fits(self, token: _Token) -> bool:
        if self.stem:
            return token.text.startswith(self.stem) and len(token.text) <= len(self.stem) + self.ending
        return not self.forms.isdisjoint(token.forms)


@dataclass(frozen=True)
class _Token:
    text: str
    forms: frozenset[str]
    start: int


class Matcher:
    """Looks for the words of some topics in folded text."""

    def __init__(self, topics: Sequence[Topic]) -> None:
        self._order = {topic.key: place for place, topic in enumerate(topics)}
        self._words = _Index()
        self._unless = _Index()
        for topic in topics:
            for index, phrases in ((self._words, topic.words), (self._unless, topic.unless)):
                for phrase in phrases:
                    index.add(topic.key, phrase)

    def find(self, folded: str) -> list[tuple[str, int]]:
        """``(key, place of its first word)`` of each topic of the text, in the order of the list."""
        tokens = [_Token(m[0], forms_of(m[0]), m.start()) for m in _WORD.finditer(folded)]
        found = self._words.find(tokens)
        if found:
            for key in self._unless.find(tokens):
                found.pop(key, None)
        return sorted(found.items(), key=lambda one: self._order[one[0]])


class _Index:
    """Phrases by how their first word may be met."""

    def __init__(self) -> None:
        self._by_form: dict[str, list[tuple[str, tuple[_Word, ...]]]] = defaultdict(list)
        self._by_head: dict[str, list[tuple[str, tuple[_Word, ...]]]] = defaultdict(list)

    def add(self, key: str, phrase: str) -> None:
        words = tuple(_word(part) for part in phrase.split())
        if words[0].stem:
            self._by_head[words[0].stem[:_HEAD]].append((key, words))
        else:
            for form in words[0].forms:
                self._by_form[form].append((key, words))

    def find(self, tokens: Sequence[_Token]) -> dict[str, int]:
        found: dict[str, int] = {}
        for at, token in enumerate(tokens):
            for form in token.forms:
                for key, words in self._by_form.get(form, ()):
                    if key not in found and _goes_on(words[1:], tokens, at + 1):
                        found[key] = token.start
            for key, words in self._by_head.get(token.text[:_HEAD], ()):
                if key not in found and words[0].fits(token) and _goes_on(words[1:], tokens, at + 1):
                    found[key] = token.start
        return found


def _goes_on(words: Sequence[_Word], tokens: Sequence[_Token], at: int) -> bool:
    """The rest of a phrase stands in the tokens from ``at`` on, in its order and close together."""
    for word in words:
        place = next((i for i in range(at, min(at + _BETWEEN + 1, len(tokens))) if word.fits(tokens[i])), None)
        if place is None:
            return False
        at = place + 1
    return True


def _word(part: str) -> _Word:
    if part.endswith("*"):
        return _Word(frozenset(), part[:-1], _ANY_ENDING)
    if len(part) >= _LONG and not is_known(part):
        # «импланты», «москитку»: no dictionary form, so any short ending
        return _Word(frozenset(), _VOWELS.sub("", part), _ENDING)
    return _Word(lemmas(part))


def forms_of(word: str) -> frozenset[str]:
    """The dictionary forms of a word, and the word as it stands."""
    return lemmas(word) | {word}


@lru_cache(maxsize=64)
def matcher(catalogue: Catalogue) -> Matcher:
    """The matcher of a list; companies of one pack share it."""
    return Matcher(catalogue.topics)
