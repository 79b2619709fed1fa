"""The lines people write in any shop (``lines.toml``), by name, and what each means; a vertical has some of its own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from sandbox.company.grammar import marked

LINES = Path(__file__).with_name("lines.toml")


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject the client asks about: the question, the answer, what the client says to the answer."""

    key: str
    ask: tuple[str, ...]
    answer: tuple[str, ...]
    react: tuple[str, ...] = ()
    only: tuple[str, ...] = ()  # words of the products it is about; empty: any

    def with_marks(self, *, ours_first: bool = False) -> Topic:
        """The topic with what its lines mean; ``ours_first``: we ask, the client answers."""
        ask = self.ask if ours_first else tuple(marked(one, "R question") for one in self.ask)
        answer = tuple(marked(one, "R answer_to_us") for one in self.answer) if ours_first else self.answer
        react = tuple(marked(one, "R question" if one.endswith("?") else "N acknowledgement") for one in self.react)
        return replace(self, ask=ask, answer=answer, react=react)

    def suits(self, product: str) -> bool:
        return not self.only or any(word in product for word in self.only)


#: what a line of each name means unless its own mark says otherwise
MEANS = {
    "OPEN_TAIL": "R question",
    "OPEN_HELLO": "R greeting",
    "OPEN_ADDITION": "R question",
    "THANKS": "N thanks",
    "BUMP_CLIENT": "R reminder",
    "WAITING_QUESTION": "R question",
    "PROMISE_CHASE": "R reminder, complaint",
    "PRICE_OBJECTION": "R objection, objection=price",
    "COMPETITOR": "R objection, objection=competitor",
    "AGREE": "R request, outcome=agreed",
    "PAID": "R payment_claim, outcome=paid",
    "DELIVERED": "N praise, outcome=bought",
    "COMPLAINT": "R complaint, complaint, outcome=complaint_open",
    "ANGRY": "R complaint, complaint, outcome=complaint_open",
    "COMPLAINT_END": "N thanks, outcome=complaint_closed",
    "RUDE_MANAGER": "rude",
    "STOP_BROADCAST": "R question",
    "AFTER_CALL": "N thanks",
    "PLEASE_CALL": "R request",
    "WHO_ARE_YOU": "R question",
    "THINKING": "N thinking, outcome=thinking",
    "REMINDER_ANSWER": "N confirmation",
    "CALL_ME_LATER": "R answer_to_us",
    "ONE_MORE": "R request",
}
_REFUSED = "N refusal, refusal, outcome=refused"


def lines_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Lines of a file as the steps say them: lists are tuples, an empty caption is none, tables of topics are topics."""
    lines = {name: frozen(value) for name, value in raw.items()}
    for name in lines.keys() & {"PICTURE_CAPTION", "FILE_CAPTION"}:
        lines[name] = tuple(caption or None for caption in lines[name])
    for name in lines.keys() & {"QUALIFY", "THANKS_QUESTION"}:
        lines[name] = tuple(Topic(**topic) for topic in lines[name])
    return lines


def frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: frozen(one) for name, one in value.items()}
    return tuple(frozen(one) for one in value) if isinstance(value, list) else value


@lru_cache
def shared_lines() -> dict[str, Any]:
    return lines_of(tomllib.loads(LINES.read_text(encoding="utf-8")))


class Wording:
    """The lines of one vertical by name, each with its mark: its own, and for the rest those of any shop."""

    def __init__(self, own: Mapping[str, Any] | None = None) -> None:
        shared = shared_lines()
        if unknown := sorted(set(own or {}) - set(shared)):
            raise ValueError(f"no step says a line of this name: {', '.join(unknown)}")
        for name, value in {**shared, **(own or {})}.items():
            setattr(self, name, _marked(name, value))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no line of this name: {name}")


def _marked(name: str, value: Any) -> Any:
    if name in MEANS:
        return tuple(marked(template, MEANS[name]) for template in value)
    if name in ("QUALIFY", "THANKS_QUESTION"):
        return tuple(topic.with_marks(ours_first=name == "QUALIFY") for topic in value)
    if name == "REFUSAL":
        return {reason: tuple(marked(one, _REFUSED) for one in lines) for reason, lines in value.items()}
    return value
