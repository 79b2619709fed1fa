"""A reading: what was understood of one dialog in one window.

Every item names the messages it comes from (the one that holds the quote first) and the quote itself, which
stands in that message word for word. JSON-ready: :meth:`Reading.to_json` is what ``synkro.dialog_readings`` keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Item:
    """One thing found. ``kind`` is a word of :mod:`analysis.reading.vocabulary`, ``text`` Russian, possibly empty."""

    kind: str
    message_ids: tuple[str, ...]
    quote: str
    text: str = ""
    #: who of ours wrote it, as the CRM names them; empty for a client's words or an unknown author
    author: str = ""


@dataclass(frozen=True)
class Promise:
    """Who (``manager`` or ``client``) said they would do something, and by when (local date), if they said so."""

    text: str
    who: str
    deadline: date | None
    message_ids: tuple[str, ...]
    quote: str
    #: a later message of the same dialog delivers it
    kept: bool = False
    author: str = ""


@dataclass(frozen=True)
class Score:
    """A score of the rubric: 0, 1 or 2, with the messages that show it."""

    name: str
    score: int
    message_ids: tuple[str, ...]
    quote: str
    #: who of ours is scored, as the CRM names them
    author: str = ""


@dataclass(frozen=True)
class Reading:
    topics: tuple[Item, ...] = ()
    wish: Item | None = None
    outcome: Item | None = None
    objections: tuple[Item, ...] = ()
    promises: tuple[Promise, ...] = ()
    risks: tuple[Item, ...] = ()
    next_step: Item | None = None
    quality: tuple[Score, ...] = ()
    #: the client's last question when nobody answered it in the window
    open_question: Item | None = None
    mood: str = "calm"
    language: str = "ru"
    #: voice notes, pictures and files inside the dialog that nobody read
    media_unread: int = 0
    parts: int = 1

    def to_json(self) -> dict[str, Any]:
        """Lists and dicts; ``quality`` as ``{"criteria": [...]}``, dates in ISO 8601."""
        raw = asdict(self)
        raw["quality"] = {"criteria": [_plain(asdict(c)) for c in self.quality]}
        raw["promises"] = [
            {**_plain(asdict(p)), "deadline": p.deadline.isoformat() if p.deadline else None} for p in self.promises
        ]
        return _plain(raw)

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Reading:
        """The inverse; what is missing takes its default."""
        return Reading(
            topics=tuple(_item(x) for x in raw.get("topics", ())),
            wish=_maybe(raw.get("wish")),
            outcome=_maybe(raw.get("outcome")),
            objections=tuple(_item(x) for x in raw.get("objections", ())),
            promises=tuple(
                Promise(
                    text=x["text"],
                    who=x["who"],
                    deadline=date.fromisoformat(x["deadline"]) if x.get("deadline") else None,
                    message_ids=tuple(x["message_ids"]),
                    quote=x["quote"],
                    kept=bool(x.get("kept")),
                    author=x.get("author", ""),
                )
                for x in raw.get("promises", ())
            ),
            risks=tuple(_item(x) for x in raw.get("risks", ())),
            next_step=_maybe(raw.get("next_step")),
            quality=tuple(
                Score(x["name"], int(x["score"]), tuple(x["message_ids"]), x["quote"], x.get("author", ""))
                for x in raw.get("quality", {}).get("criteria", ())
            ),
            open_question=_maybe(raw.get("open_question")),
            mood=raw.get("mood", "calm"),
            language=raw.get("language", "ru"),
            media_unread=int(raw.get("media_unread", 0)),
            parts=int(raw.get("parts", 1)),
        )


@dataclass(frozen=True)
class Read:
    """A reading with how it came about."""

    reading: Reading
    #: claims whose quote or message ids were not found
    dropped: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)


def _item(raw: Mapping[str, Any]) -> Item:
    return Item(raw["kind"], tuple(raw["message_ids"]), raw["quote"], raw.get("text", ""), raw.get("author", ""))


def _maybe(raw: Mapping[str, Any] | None) -> Item | None:
    return _item(raw) if raw else None


def _plain(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, dict) else _listed(value) for key, value in raw.items()}


def _listed(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(x) if isinstance(x, dict) else x for x in value]
    return value
