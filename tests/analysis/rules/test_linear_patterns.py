"""No client's message holds the interpreter: every pattern that meets one takes time in proportion to its length.

The patterns are found, not listed: whatever a module of ``analysis`` or ``delivery`` keeps, and the macros of the marts. Each
meets long texts made of its own pieces, repeated, which is where a quadratic one shows itself.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import re._parser as parser
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from types import ModuleType
from typing import Any

import jinja2
import psycopg
import pytest

import analysis
import delivery
from synkro.core.settings import ROOT

#: WhatsApp's longest message
LONGEST = 65_536
#: processor seconds that one search of such a message may take: a linear pattern takes some hundredths, a quadratic one minutes
BOUND = 1.0
#: what no pattern has in it, and what most stumble over
ANYBODYS = ("а", "1", " ", "а ", "1 ", "-", ".", "a@", "a.", "«", "?", "\n", "ң")


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def inside(value: Any, depth: int = 0) -> Iterator[re.Pattern[str]]:
    """Patterns in a value: itself, or in containers and records."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth > 6 or isinstance(value, str | bytes | type):
        return
    elif isinstance(value, dict):
        for pair in value.items():
            yield from inside(pair, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from inside(item, depth + 1)
    elif is_dataclass(value):
        for entry in fields(value):
            yield from inside(getattr(value, entry.name, None), depth + 1)


def patterns() -> dict[str, list[re.Pattern[str]]]:
    """module → what it keeps; one that is imported elsewhere counts once."""
    seen: set[re.Pattern[str]] = set()
    found: dict[str, list[re.Pattern[str]]] = {}
    for module in (*modules(analysis), *modules(delivery)):
        kept = [p for value in list(vars(module).values()) for p in inside(value) if isinstance(p.pattern, str)]
        fresh = [pattern for pattern in dict.fromkeys(kept) if pattern not in seen]
        seen |= set(fresh)
        if fresh:
            found[module.__name__] = fresh
    return found


PATTERNS = patterns()


def pieces(pattern: re.Pattern[str]) -> set[str]:
    """Short texts that parts of the pattern match."""
    found: set[str] = set()

    def text(items: Any) -> str:
        made = ""
        for operator, value in items:
            name = str(operator)
            if name == "LITERAL":
                made += chr(value)
            elif name == "IN":
                made += _member(value)
            elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
                least, _, repeated = value
                one = text(repeated)
                found.add(one)
                made += one * max(least, 1)
            elif name == "SUBPATTERN":
                made += text(value[3])
            elif name == "BRANCH":
                branches = [text(branch) for branch in value[1]]
                found.update(branches)
                made += branches[0]
            elif name in ("ASSERT", "ASSERT_NOT"):
                found.add(text(value[1]))
            elif name in ("ANY", "NOT_LITERAL"):
                made += "а"
            found.add(made)
        return made

    found.add(text(parser.parse(pattern.pattern, pattern.flags)))
    return found - {""}


_CATEGORY = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_NOT_WORD": " ", "CATEGORY_NOT_SPACE": "а"}


def _member(choices: Any) -> str:
    """A character of the class."""
    for operator, value in choices:
        if str(operator) == "LITERAL":
            return chr(value)
        if str(operator) == "RANGE":
            return chr(value[0])
        if str(operator) == "CATEGORY":
            return _CATEGORY.get(str(value), "а")
    return "а"


def texts(pattern: re.Pattern[str], length: int, many: int) -> Iterator[str]:
    own = sorted(pieces(pattern), key=lambda piece: (len(piece), piece))
    chosen = dict.fromkeys([*own[: many // 2], *own[-(many // 2) :]])
    for piece in (*ANYBODYS, *chosen):
        yield piece * (length // len(piece))
    for piece in chosen:
        # the last character is missing: everything matches but the end
        yield (piece[:-1] or piece) * (length // max(1, len(piece) - 1))
        yield (piece + " ") * (length // (len(piece) + 1))


class TooSlow(Exception):
    pass


@contextmanager
def bounded(seconds: float) -> Iterator[Callable[[], float]]:
    """Processor time of what is done inside; :class:`TooSlow` ends it at twice the bound."""

    def give_up(*_: Any) -> None:
        raise TooSlow

    began = time.thread_time()
    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * seconds)
    try:
        yield lambda: time.thread_time() - began
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def slow(pattern: re.Pattern[str], length: int, many: int, seconds: float) -> list[str]:
    """The texts, by their beginning, that take the pattern longer than it may."""
    found = []
    for text in texts(pattern, length, many):
        with bounded(seconds) as spent:
            try:
                for _ in pattern.finditer(text):
                    pass
                is_slow = spent() > seconds
            except TooSlow:
                is_slow = True
        if is_slow:
            found.append(f"{pattern.pattern[:60]!r} on {text[:20]!r}…")
            break
    return found


@pytest.mark.parametrize("module", PATTERNS)
def test_no_pattern_is_quadratic(module: str) -> None:
    """A quarter of the longest message: a quadratic pattern takes a sixteenth of its time, and is still far beyond the bound."""
    assert [found for pattern in PATTERNS[module] for found in slow(pattern, LONGEST // 4, 6, BOUND / 4)] == []


@pytest.mark.assurance
@pytest.mark.parametrize("module", PATTERNS)
def test_the_longest_message_takes_no_pattern_long(module: str) -> None:
    assert [found for pattern in PATTERNS[module] for found in slow(pattern, LONGEST, 24, BOUND)] == []


def test_a_quadratic_pattern_is_found() -> None:
    assert slow(re.compile(r"\w{2,}(?:ды|ди)$"), LONGEST // 4, 6, BOUND / 4)
    assert slow(re.compile(r"[\w.+-]+\s?@"), LONGEST // 4, 6, BOUND / 4)
    assert not slow(re.compile(r"\bадрес\w{0,3} \d{1,5}"), LONGEST // 4, 6, BOUND / 4)
    assert len(PATTERNS) > 10 and sum(map(len, PATTERNS.values())) > 100


@pytest.mark.postgres
@pytest.mark.parametrize("macro", ["says_nothing"])
def test_the_macros_of_the_marts_take_a_long_message(macro: str, server_url: str) -> None:
    """By the server's own limit of a statement. (The third one, of closing words, is asked of 120 characters at most.)"""
    source = (ROOT / "transforms" / "macros" / "speech.sql").read_text(encoding="utf-8")
    module = jinja2.Environment().from_string(source).module
    expression = getattr(module, macro)("body")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("set statement_timeout = '5s'")
        for piece in (*ANYBODYS, "спасибо ", "ок ", "да ", "хорошо спасибо ", "спасибо!", "ок"):
            body = piece * (LONGEST // len(piece))
            connection.execute(f"select {expression} from (select %s::text as body) message".encode(), (body,))
