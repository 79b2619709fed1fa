"""A reading: what was understood of one dialog in one window.

Every item names the messages it comes from (the one that holds the quote first) and the quote itself, which
stands in that message word for word. JSON-ready: :meth:`Reading.to_json` is what ``synkro.dialog_readings`` keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
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
    #: document, call, price, photo, discount, delivery, answer, other; empty where nobody said
    what: str = ""
    #: a later promise of the same took its place
    superseded: bool = False


@dataclass(frozen=True)
class Stated:
    """A sentence of a summary with the messages it stands on."""

    text: str
    message_ids: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """What is to be done next, in words; ``owner``: manager or client, ``due``: local date, if one was named."""

    text: str
    owner: str
    due: date | None
    message_ids: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """A score of the rubric: 0, 1 or 2, with the messages that show it. ``absence``: what is missing at that place."""

    name: str
    score: int
    message_ids: tuple[str, ...]
    quote: str
    #: who of ours is scored, as the CRM names them
    author: str = ""
    absence: str = ""


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
    #: one to three sentences, each proved (:mod:`analysis.proof`)
    summary: tuple[Stated, ...] = ()
    #: a word of :data:`analysis.reading.vocabulary.STATES`
    state: str = ""
    step: Step | None = None
    #: whether our answer is due by the model's own judgement: hard, soft or none, with the question
    needs_reply: Item | None = None
    open_questions: tuple[Item, ...] = ()
    praise: tuple[Item, ...] = ()
    #: budget, size, colour, term, product, each as the client said it
    client_facts: tuple[Item, ...] = ()
    #: reason → how much of the answer was left out
    dropped: Mapping[str, int] = field(default_factory=dict)
    #: what code let pass and no second reader has judged yet: shown to nobody
    unjudged: tuple[Stated, ...] = ()
    unjudged_step: Step | None = None
    #: who wrote the summary: model or rules
    summary_by: str = "rules"
    #: the messages this was read from, so that a later look reads only what is new
    seen: Mapping[str, Any] = field(default_factory=dict)
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
        for name in ("step", "unjudged_step"):
            if raw[name] is not None:
                raw[name]["due"] = raw[name]["due"].isoformat() if raw[name]["due"] else None
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
                    what=x.get("what", ""),
                    superseded=bool(x.get("superseded")),
                )
                for x in raw.get("promises", ())
            ),
            risks=tuple(_item(x) for x in raw.get("risks", ())),
            next_step=_maybe(raw.get("next_step")),
            quality=tuple(
                Score(
                    x["name"],
                    int(x["score"]),
                    tuple(x["message_ids"]),
                    x["quote"],
                    x.get("author", ""),
                    x.get("absence", ""),
                )
                for x in raw.get("quality", {}).get("criteria", ())
            ),
            open_question=_maybe(raw.get("open_question")),
            summary=_stated(raw.get("summary")),
            state=raw.get("state", ""),
            step=_step(raw.get("step")),
            needs_reply=_maybe(raw.get("needs_reply")),
            open_questions=tuple(_item(x) for x in raw.get("open_questions", ())),
            praise=tuple(_item(x) for x in raw.get("praise", ())),
            client_facts=tuple(_item(x) for x in raw.get("client_facts", ())),
            dropped={str(reason): int(n) for reason, n in (raw.get("dropped") or {}).items()},
            unjudged=_stated(raw.get("unjudged")),
            unjudged_step=_step(raw.get("unjudged_step")),
            summary_by=raw.get("summary_by", "rules"),
            seen=dict(raw.get("seen") or {}),
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


def _stated(raw: Any) -> tuple[Stated, ...]:
    return tuple(Stated(x["text"], tuple(x["message_ids"])) for x in raw or ())


def _step(raw: Mapping[str, Any] | None) -> Step | None:
    if not raw:
        return None
    due = date.fromisoformat(raw["due"]) if raw.get("due") else None
    return Step(raw["text"], raw["owner"], due, tuple(raw["message_ids"]))


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
