"""A small slot grammar: one template becomes thousands of believable lines.

``[a|b|c]`` picks one variant (nested as deep as needed, an empty variant is allowed), ``{slot}`` is replaced
from a dictionary. ``//`` splits one thought into several messages, as people send it. ``<R question>`` says what the
line means (:mod:`sandbox.company.labels`); the first one counts, so a variant's own stands before the whole template's.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

Node = str | tuple["Node", ...] | list["Node"]

_SPACES = re.compile(r" {2,}")
_SPACE_BEFORE = re.compile(r" +([,.!?;:…])")
_DOTS = re.compile(r"([.!?])\.(?!\.)")
_KEYS = "йцукенгшщзхъфывапролджэячсмитьбю"


class Line(NamedTuple):
    """What is written, and the mark that says what it means (empty: nobody asks)."""

    text: str
    mark: str


def spoken(rng: random.Random, template: str, slots: Mapping[str, Any]) -> Line:
    """Expand one template; raises ``KeyError`` when it names a slot that ``slots`` does not have."""
    line, mark = _expand(_parse(template), rng).format_map(slots), ""
    while (start := line.find("<")) >= 0:
        end = line.index(">", start)
        mark = mark or line[start + 1 : end]
        line = line[:start] + line[end + 1 :]
    if "  " in line:
        line = _SPACES.sub(" ", line)
    line = _DOTS.sub(r"\1", _SPACE_BEFORE.sub(r"\1", line)).strip(" ,")
    return Line(line[:1].upper() + line[1:], mark)


def say(rng: random.Random, template: str, slots: Mapping[str, Any]) -> str:
    """The words alone."""
    return spoken(rng, template, slots).text


def say_many(rng: random.Random, templates: Sequence[str], slots: Mapping[str, Any]) -> list[Line]:
    """One of the templates, split at ``//`` into the messages it is sent as."""
    parts = [spoken(rng, part, slots) for part in rng.choice(templates).split("//")]
    return [part for part in parts if part.text]


def marked(template: str, mark: str) -> str:
    """The template with ``mark`` behind each of its messages."""
    return "//".join(f"{part.rstrip()}<{mark}>" for part in template.split("//"))


def untidy(rng: random.Random, line: str, habit: str) -> str:
    """The same line as a hurried person types it; ``habit`` is one of tidy, plain, lower, loud."""
    if habit == "tidy":
        return line
    if habit == "lower":
        line = line.lower().rstrip(".")
        if rng.random() < 0.5:
            line = line.replace(", ", " ")
    elif habit == "loud" and line.endswith("?"):
        line = line + rng.choice(["??", "!", "?"])
    elif habit == "plain":
        line = line.rstrip(".")
    if len(line) > 12 and rng.random() < (0.16 if habit == "lower" else 0.06):
        line = slip(rng, line)
    return line


def slip(rng: random.Random, line: str) -> str:
    """One slip of the finger inside a word: a swap, a lost letter, a neighbour's key or a double."""
    places = [i for i in range(1, len(line) - 2) if line[i] in _KEYS and line[i + 1] in _KEYS]
    if not places:
        return line
    i = rng.choice(places)
    slip = rng.randrange(4)
    if slip == 0:
        return line[:i] + line[i + 1] + line[i] + line[i + 2 :]
    if slip == 1:
        return line[:i] + line[i + 1 :]
    if slip == 2:
        near = _KEYS[(_KEYS.index(line[i]) + 1) % len(_KEYS)]
        return line[:i] + near + line[i + 1 :]
    return line[:i] + line[i] + line[i:]


@lru_cache(maxsize=4096)
def _parse(template: str) -> Node:
    node, end = _sequence(template, 0)
    if end != len(template):
        raise ValueError(f"unbalanced brackets at {end}: {template!r}")
    return node


def _sequence(text: str, i: int, stops: str = "") -> tuple[Node, int]:
    """A run of literals and choices; a tuple is a sequence, a list is a choice."""
    parts: list[Node] = []
    literal = ""
    while i < len(text) and text[i] not in stops:
        if text[i] == "[":
            parts.append(literal)
            literal = ""
            variants: list[Node] = []
            while True:
                variant, i = _sequence(text, i + 1, "|]")
                variants.append(variant)
                if i >= len(text):
                    raise ValueError(f"unclosed choice: {text!r}")
                if text[i] == "]":
                    break
            parts.append(variants)
        else:
            literal += text[i]
        i += 1
    parts.append(literal)
    return tuple(parts), i


def _expand(node: Node, rng: random.Random) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        return _expand(node[rng.randrange(len(node))], rng)
    return "".join(_expand(part, rng) for part in node)
