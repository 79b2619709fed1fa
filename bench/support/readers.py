"""The readers :mod:`bench.reading` compares, and the chats they are shown.

``today`` decides by the rule of the marts (``transforms/macros/speech.sql``), in Python over the macro's own words;
``new`` by :mod:`analysis.intents`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from analysis.intents import decide
from analysis.intents.linear import Model
from analysis.intents.talk import Said, media_kind, without_placeholders
from analysis.reading.models import Reading
from analysis.rules import reader
from bench import corpus
from sandbox.company.builder import generate
from sandbox.company.labels import DialogLabel, Label, of_dialogs
from sandbox.company.model import Chat as SandboxChat
from synkro.reporting.dialogs import Message

ROOT = Path(__file__).parents[2]
#: sixty dialogs of other hands, beside the tree and never in it
FOREIGN = ROOT.parent / "shared" / "foreign" / "dialogs.json"
#: companies whose clients write in styles (sandbox/company/verticals)
SANDBOX_VERTICALS = ("auto_service", "clinic", "education")
_FOREIGN_PLACES = (FOREIGN, ROOT.parents[1] / "shared" / "foreign" / "dialogs.json")


@dataclass(frozen=True)
class Chat:
    """A dialog with its labels, whichever set it is of. ``needs``: R, N, S for a client's line, empty for others."""

    name: str
    group: str
    style: str
    talk: tuple[Said, ...]
    names: tuple[str, ...]
    needs: tuple[str, ...]
    reasons: tuple[str, ...]
    is_complaint: bool
    is_refused: bool
    #: outcomes of :mod:`analysis.reading.vocabulary` that are right; empty: any
    outcomes: frozenset[str]
    #: lines of ours that promise, and those where either is right
    promises: frozenset[int]
    promises_may: frozenset[int] = frozenset()
    #: kinds of objections, each with the words of the vocabulary that name it
    objections: tuple[frozenset[str], ...] = ()
    objections_may: frozenset[str] = frozenset()
    #: by line, what else a client's line does (:data:`analysis.intents.linear.CLAIMS`); empty where nobody labelled lines
    claims: tuple[frozenset[str], ...] = ()

    @property
    def tail(self) -> range:
        """The client's lines after our last one; a foreign dialog stops at its client's last line, as robots answer all."""
        end = len(self.talk)
        while self.group == "foreign" and end and self.talk[end - 1].who == "manager":
            end -= 1
        ours = max((i for i in range(end) if self.talk[i].who == "manager"), default=-1)
        return range(ours + 1, end)

    @property
    def bursts(self) -> list[range]:
        """Every run of the client's lines between two of ours."""
        edges = [-1, *(i for i, said in enumerate(self.talk) if said.who == "manager"), len(self.talk)]
        return [range(a + 1, b) for a, b in pairwise(edges) if b - a > 1]


_OBJECTIONS = {
    "price": {"price"},
    "term": {"terms"},
    "trust": {"trust"},
    "competitor": {"competitor"},
    "quality": {"trust", "no_option", "other"},
    "distance": {"no_option", "other"},
    "assortment": {"no_option"},
    "payment": {"price", "terms", "other"},
    "authority": {"postponed"},
    "need": {"postponed", "no_option", "other"},
}
_OUTCOMES = {
    "booked": {"visit", "agreed"},
    "bought": {"paid", "agreed", "visit"},
    "paid": {"paid"},
    "agreed": {"agreed", "visit"},
    "thinking": {"thinking"},
    "refused": {"refused"},
    "lost_silent": {"answered", "unclear", "thinking"},
    "waiting_us": {"waiting", "call"},
    "served": {"answered", "unclear"},
    "complaint_open": {"waiting", "call", "unclear"},
    "complaint_closed": {"answered", "unclear", "visit"},
}


def corpus_chats() -> list[Chat]:
    """The corpus."""
    return [_of_corpus(dialog) for dialog in corpus.load()]


def exchange_chats() -> list[Chat]:
    """What is only trained on."""
    return [_of_corpus(dialog) for dialog in corpus.exchanges()]


def _of_corpus(dialog: corpus.Dialog) -> Chat:
    talk = tuple(
        Said(line.who, text, line.sent_at, media)
        for line in dialog.lines
        for text, media in [without_placeholders(line.text)]
    )
    outcomes = set(_OUTCOMES.get(dialog.outcome, ()))
    if dialog.outcome == "complaint_open" and dialog.lines[-1].who != "client":
        outcomes.add("answered")
    clients = [line for line in dialog.lines if line.who == "client"]
    may = {"postponed"} if any(line.reason == "thinking" for line in clients) else set()
    return Chat(
        name=dialog.dialog_id,
        group=dialog.business,
        style=dialog.style,
        talk=talk,
        names=tuple(line.name for line in dialog.lines),
        needs=tuple(line.need for line in dialog.lines),
        reasons=tuple(line.reason for line in dialog.lines),
        is_complaint=dialog.is_complaint,
        is_refused=dialog.is_refused,
        outcomes=frozenset(outcomes),
        promises=frozenset(i for i, x in enumerate(dialog.lines) if x.who == "manager" and x.promise is not None),
        objections=tuple(sorted({frozenset(_OBJECTIONS[kind]) for x in clients for kind in x.objections}, key=sorted)),
        objections_may=frozenset(may),
        claims=tuple(_claims(line) for line in dialog.lines),
    )


def _claims(line: corpus.Line) -> frozenset[str]:
    named = {"objection": bool(line.objections), "complaint": line.is_complaint, "refusal": line.is_refusal}
    return frozenset(name for name, is_so in named.items() if is_so)


def foreign_chats() -> list[Chat]:
    """The dialogs beside the tree; none where they are not."""
    path = next((place for place in _FOREIGN_PLACES if place.exists()), None)
    return [] if path is None else [_of_foreign(one) for one in json.loads(path.read_text(encoding="utf-8"))]


def _of_foreign(one: dict[str, Any]) -> Chat:
    labels = one["labels"]
    start = datetime(2026, 11, 2, 4, tzinfo=UTC)
    talk = tuple(
        Said(m["who"], text, start + timedelta(minutes=10 * m["i"]), media)
        for m in one["messages"]
        for text, media in [without_placeholders(m["text"])]
    )
    needs = tuple(
        "" if said.who != "client" else "N" if i in labels["no_reply"] else "S" if i in labels["soft"] else "R"
        for i, said in enumerate(talk)
    )
    # labels name a promise by the lines that hold it: any of them is right, one of them is enough
    ours = [promise["at"] for promise in labels["promises"] if promise["who"] == "manager"]
    return Chat(
        name=f"{one['file']}:{one['dialog']}",
        group="foreign",
        style="foreign",
        talk=talk,
        names=tuple("" for _ in talk),
        needs=needs,
        reasons=tuple("" for _ in talk),
        is_complaint=any(r["kind"] in COMPLAINTS for r in labels["risks"]),
        is_refused=labels["outcome"] == ["refused"],
        outcomes=frozenset(labels["outcome"]),
        promises=frozenset(at[0] for at in ours),
        promises_may=frozenset(i for at in ours for i in at[1:]) | frozenset(labels["promises_may"]),
        objections=tuple(frozenset({o["kind"]}) for o in labels["objections"]),
        objections_may=frozenset(labels["objections_may"]),
    )


def sandbox_chats() -> list[Chat]:
    """The dialogs of the sandbox's companies whose clients write in styles, with the labels of their stories."""
    found = []
    for vertical in SANDBOX_VERTICALS:
        company = generate(7, "small", date(2026, 10, 12), date(2026, 11, 20), corpus.TIMEZONE, vertical=vertical)
        end = datetime(2026, 11, 20, 17, tzinfo=UTC)
        labels = of_dialogs(company, end)
        for chat in company.chats:
            told = labels.get(chat.id)
            if told is not None and told.complaint != "may":
                found.append(_of_sandbox(vertical, chat, told, end))
    return found


def _of_sandbox(vertical: str, chat: SandboxChat, told: DialogLabel, end: datetime) -> Chat:
    said = [message for message in chat.messages if message.at <= end]
    labels = [message.label or Label() for message in said]
    talk = tuple(
        Said(m.kind, m.text or "", m.at, () if m.type == "text" or m.type.startswith("waba") else (media_kind(m.type),))
        for m in said
    )
    return Chat(
        name=f"{vertical}:{chat.id}",
        group="sandbox",
        style=chat.style,
        talk=talk,
        names=tuple("" for _ in said),
        needs=tuple(label.need for label in labels),
        reasons=tuple(label.reason for label in labels),
        is_complaint=told.complaint == "yes",
        is_refused=told.is_refused,
        outcomes=frozenset(_OUTCOMES[told.outcome]),
        promises=frozenset(i for i, label in enumerate(labels) if label.promise == "yes"),
        promises_may=frozenset(i for i, label in enumerate(labels) if label.promise == "may"),
        objections=tuple(sorted({frozenset(_OBJECTIONS[x.objection]) for x in labels if x.objection}, key=sorted)),
        objections_may=frozenset({"postponed"} if any(label.reason == "thinking" for label in labels) else ()),
    )


COMPLAINTS = ("complaint", "refund", "broken_promise", "angry", "ignored")


def messages(chat: Chat, needs_reply: Sequence[bool]) -> list[Message]:
    """The chat as the marts would hold it."""
    return [
        Message(
            str(i), chat.name, said.who, "inbound" if said.who == "client" else "outbound", said.sent_at, said.text,
            bool(set(said.media) - {"sticker", "location"}), chat.names[i] or None, chat.names[i] or None, "event", needs_reply[i],
        )
        for i, said in enumerate(chat.talk)
    ]  # fmt: skip


class Reader(Protocol):
    """Decides for every message, and reads the whole."""

    def needs_reply(self, chat: Chat) -> list[bool]: ...

    def read(self, chat: Chat) -> Reading: ...


@dataclass
class Today:
    """The marts' rule and the rules of analysis."""

    _words: tuple[list[str], list[str]] = field(default_factory=lambda: macro_words())

    def needs_reply(self, chat: Chat) -> list[bool]:
        found, we_wrote = [], False
        for said in chat.talk:
            found.append(said.who == "client" and self._needs(said, we_wrote))
            we_wrote = we_wrote or said.who in ("manager", "bot")
        return found

    def _needs(self, said: Said, we_wrote: bool) -> bool:
        if said.media == ("reaction",):
            return False
        if not we_wrote:
            return True
        if said.media == ("sticker",):
            return False
        if said.media or not said.text or "?" in said.text:
            return True
        return not (self._says_nothing(said.text) or self._is_closing(said.text))

    @staticmethod
    def _says_nothing(text: str) -> bool:
        return re.search("[0-9A-Za-z\u00c0-\u1fff\u3040-\u9fff\uac00-\ud7af]", text) is None

    def _is_closing(self, text: str) -> bool:
        phrases, fillers = self._words
        bare = re.sub("[^0-9a-z\u00e0-\u1fff]+", " ", text.lower().replace("ё", "е")).strip()
        known = {word for phrase in (*phrases, *fillers) for word in phrase.split()}
        if len(text) > 120 or not set(bare.split()) <= known:
            return False
        filler, phrase, both = ("|".join(words) for words in (fillers, phrases, [*phrases, *fillers]))
        return re.fullmatch(f"(({filler}) )*({phrase})( ({both}))*", bare) is not None

    def read(self, chat: Chat) -> Reading:
        return reader.read(messages(chat, self.needs_reply(chat)), corpus.TIMEZONE, model=getattr(self, "model", None))


@lru_cache(maxsize=1)
def macro_words() -> tuple[list[str], list[str]]:
    """``(closing phrases, fillers)`` as the macro lists them."""
    text = (ROOT / "transforms" / "macros" / "speech.sql").read_text(encoding="utf-8")
    found = []
    for name in ("_closing_words", "_filler_words"):
        listed = re.search(rf"macro {name}\(\) -%}}\s*{{{{ return\((\[.*?\])\) }}}}", text, re.S)
        assert listed is not None, name
        found.append(ast.literal_eval(listed[1]))
    return found[0], found[1]


@dataclass
class New(Today):
    """The decision of :mod:`analysis.intents`, and the rules of analysis over it."""

    model: Model | None = None

    def needs_reply(self, chat: Chat) -> list[bool]:
        return [intent is not None and intent.needs_reply for intent in decide(chat.talk, self.model)]
