"""The model reads one dialog: parts, document, answer, and what of the answer may stand.

What leaves the installation is built by :mod:`analysis.llm.transcript` and masked. Of the answer only what is grounded stays: a kind of
the vocabulary, message numbers of this dialog, a quote found word for word; a deadline is worked out by code from the quote.
Sentences of the model's own are held against the lines they name (:mod:`analysis.proof`) and wait for a second reader
(:mod:`analysis.llm.judge`); until then, and where none of them stands, the summary is the rules'.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from analysis.llm import judge, prompts, transcript
from analysis.llm.masking import Mask
from analysis.llm.prices import estimate_tokens
from analysis.llm.provider import Provider
from analysis.llm.transcript import Knowledge, People
from analysis.proof import quantities
from analysis.proof.checks import refuse
from analysis.proof.evidence import Evidence
from analysis.reading import vocabulary as v
from analysis.reading.grounding import locate
from analysis.reading.models import Item, Promise, Read, Reading, Score, Stated, Step
from analysis.reading.normalisation import folded, one_line
from analysis.rules import deadlines, reader
from analysis.topics import Catalogue
from synkro.core.errors import DataError
from synkro.reporting.dialogs import Dialog, Message
from synkro.tenancy.rubric import DEFAULT, Criterion
from synkro.tenancy.topics import OTHER

#: tokens of one part; a part and its answer stay far below what any model takes
PART_TOKENS = 6_000
#: messages repeated at the head of the next part
OVERLAP = 4
#: more than this is not a dialog a person wrote: read by nobody, and said so
MOST_PARTS = 12
_MOST_ITEMS = 12
#: what the rules see is never left out, whatever the model says
_PLAIN_RISKS = ("complaint", "refund", "rude_manager")
_MOST_SENTENCES = 3
_LONGEST_QUOTE = 600
#: people as a model names them
_MARK = re.compile(r"(?<![\w⟦])(?:М\d{1,2}|К)(?![\w⟧])")


class TooLong(DataError):
    """The dialog does not fit into :data:`MOST_PARTS` parts."""

    kind = "too_long"


@dataclass(frozen=True)
class Part:
    """Messages of one call with the numbers they carry in the document; a huge message spans several parts."""

    pieces: tuple[tuple[int, Message, str], ...]


def split(messages: Sequence[Message], skip: int = 0) -> list[Part]:
    """The messages as parts that overlap, without the first ``skip``; raises :class:`TooLong`."""
    numbered = [(n, m, transcript.said(m)) for n, m in enumerate(messages, 1) if m.kind in transcript.KINDS]
    pieces: list[tuple[int, Message, str]] = []
    size = int(PART_TOKENS * 2)  # characters: a piece of the densest script stays below a part
    for n, message, text in numbered:
        if n > skip and text:
            pieces += [(n, message, text[at : at + size]) for at in range(0, len(text), size)]
    parts: list[Part] = []
    current: list[tuple[int, Message, str]] = []
    tokens = 0
    for piece in pieces:
        weight = estimate_tokens(piece[2]) + 10
        if current and tokens + weight > PART_TOKENS:
            parts.append(Part(tuple(current)))
            current = [p for p in current[-OVERLAP:] if len(p[2]) < 1000]
            tokens = sum(estimate_tokens(p[2]) + 10 for p in current)
        if len(parts) >= MOST_PARTS:
            raise TooLong("Диалог слишком длинный для чтения моделью.")
        current.append(piece)
        tokens += weight
    if current:
        parts.append(Part(tuple(current)))
    return parts


@dataclass(frozen=True)
class Earlier:
    """An earlier reading of the same window, and how many of its first messages that reading saw."""

    reading: Reading
    messages: int


async def read(
    provider: Provider,
    dialog: Dialog,
    messages: Sequence[Message],
    context: Sequence[Message],
    *,
    timezone: str,
    own_prompt: str,
    topics: Catalogue,
    rubric: Sequence[Criterion] = DEFAULT,
    knowledge: Knowledge | None = None,
    earlier: Earlier | None = None,
) -> Read:
    """Read one dialog: ``messages`` of the window, ``context`` before it. Raises what :meth:`Provider.ask` raises, or :class:`TooLong`."""
    lines = [*context, *messages]
    people = People.of(lines)
    knowledge = knowledge or Knowledge()
    skip = max(0, len(context) + earlier.messages - OVERLAP) if earlier else 0
    parts = split(lines, skip)
    system = prompts.with_own(prompts.reading_system(rubric, topics), own_prompt)
    schema = prompts.reading_schema(rubric, topics)
    evidence = Evidence.of(
        lines,
        timezone,
        card=transcript.card_text(knowledge, timezone),
        client_names=(dialog.client_name,),
        manager_names=(dialog.manager_name or "",),
    )
    new = messages[earlier.messages :] if earlier else messages
    start = new[0].sent_at if new else None
    found: list[Read] = [Read(earlier.reading)] if earlier else []
    for number, part in enumerate(parts):
        mask = judge.mask_of(dialog.client_name, lines, people)
        told = knowledge if number == 0 else replace(knowledge, card=None, previous=None)
        sent = transcript.document(part.pieces, mask, timezone, people, told, start)
        answer = await provider.ask(
            "reading",
            system,
            prompts.fenced(sent),
            name="reading",
            schema=schema,
            check=_shape,
        )
        ground_in = Ground(
            part, mask, timezone, topics, evidence, people.names(lines), frozenset(m.message_id for m in new)
        )
        part_read = ground(answer.value, ground_in, rubric)
        found.append(
            replace(part_read, tokens_in=answer.tokens_in, tokens_out=answer.tokens_out, cost_usd=answer.cost_usd)
        )
    by_code = reader.read(messages, timezone, topics=topics, is_known=reader.is_ours(context))
    merged = _merged(found, by_code)
    return replace(merged, reading=replace(merged.reading, seen=seen(messages)))


def seen(messages: Sequence[Message]) -> dict[str, Any]:
    """What a later look needs to know whether its first messages are those that were read."""
    last = messages[-1].sent_at.isoformat() if messages else ""
    return {"messages": len(messages), "digest": digest(messages), "until": last}


def digest(messages: Sequence[Message]) -> str:
    said = [[m.message_id, m.kind, transcript.said(m)] for m in messages]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:24]


def earlier(messages: Sequence[Message], before: Reading | None) -> Earlier | None:
    """The reading before this one, where it saw the beginning of just these messages and something is new."""
    count = int((before.seen if before else {}).get("messages") or 0)
    if before is None or not 0 < count < len(messages) or digest(messages[:count]) != before.seen.get("digest"):
        return None
    return Earlier(before, count)


def _shape(value: Mapping[str, Any]) -> str | None:
    """What is wrong with an answer's shape, said to the model."""
    for name in ("summary", "topics", "objections", "promises", "risks", "quality"):
        if not isinstance(value.get(name), list):
            return f"нет списка {name}"
    return None


@dataclass(frozen=True)
class Ground:
    """What an answer about one part is held against. ``names``: mark → the person's name; ``new``: ids a finding may stand on."""

    part: Part
    mask: Mask
    timezone: str
    topics: Catalogue
    evidence: Evidence
    names: Mapping[str, str]
    new: frozenset[str]


def ground(raw: Mapping[str, Any], of: Ground, rubric: Sequence[Criterion] = DEFAULT) -> Read:
    """The answer about one part as a reading; what does not stand in the messages is dropped and counted."""
    grounder = _Grounder(of, {one.name for one in rubric})
    labels = of.topics.labels()
    reading = Reading(
        topics=_unique(grounder.items(raw.get("topics"), labels)),
        wish=grounder.item(raw.get("wish"), {"wish": ""}, kind="wish"),
        outcome=grounder.item(raw.get("outcome"), v.OUTCOMES),
        objections=_unique(grounder.items(raw.get("objections"), v.OBJECTIONS)),
        promises=grounder.promises(raw.get("promises")),
        risks=_unique(grounder.items(raw.get("risks"), v.RISKS)),
        next_step=grounder.item(raw.get("next_step"), v.NEXT_STEPS),
        quality=grounder.criteria(raw.get("quality")),
        mood=mood if (mood := raw.get("mood")) in v.MOODS else "calm",
        language=language if (language := raw.get("language")) in v.LANGUAGES else "ru",
        state=state if (state := raw.get("state")) in v.STATES else "",
        needs_reply=grounder.item(raw.get("needs_reply"), v.REPLY, who="client"),
        open_questions=_unique(
            grounder.items(raw.get("open_questions"), {"question": ""}, kind="question", who="client")
        ),
        praise=_unique(grounder.items(raw.get("praise"), {"praise": ""}, kind="praise", who="client")),
        client_facts=_unique(grounder.items(raw.get("client_facts"), v.CLIENT_FACTS, who="client")),
        unjudged=grounder.sentences(raw.get("summary")),
        unjudged_step=grounder.step(raw.get("next_step")),
    )
    return Read(replace(reading, dropped=dict(grounder.dropped)), dropped=grounder.dropped.total())


class _Grounder:
    """Judges the pieces of one answer against the messages of its part."""

    def __init__(self, of: Ground, scored: set[str]) -> None:
        self._scored, self._given = scored, of
        self._by_number = {n: message for n, message, _ in of.part.pieces}
        self._mask, self._where = of.mask, ZoneInfo(of.timezone)
        self.dropped: Counter[str] = Counter()

    def sentences(self, raw: Any) -> tuple[Stated, ...]:
        """Sentences code finds nothing against, at most three."""
        found: list[Stated] = []
        for x in (raw if isinstance(raw, list) else [])[:_MOST_SENTENCES]:
            stated = self._stated(x)
            if stated is not None and stated.text not in {one.text for one in found}:
                found.append(stated)
        return tuple(found)

    def step(self, raw: Any) -> Step | None:
        if not isinstance(raw, dict) or not raw.get("text"):
            return None
        stated = self._stated(raw, is_step=True)
        if stated is None:
            return None
        due = None
        if raw.get("due"):
            due = _iso_day(raw["due"])
            known = quantities.said_moments(self._given.evidence.cited(stated.message_ids))
            if due is None or f"d{due.day}.{due.month}" not in known:
                self.dropped["date"] += 1
                due = None
        return Step(stated.text, "client" if raw.get("owner") == "client" else "manager", due, stated.message_ids)

    def _stated(self, raw: Any, *, is_step: bool = False) -> Stated | None:
        text = raw.get("text") if isinstance(raw, dict) else None
        ids = self._ids(raw)
        if not isinstance(text, str) or ids is None:
            self.dropped["message"] += 1
            return None
        why: str | None = "form"
        for written in self._mask.restorations(text):
            named = self._named(written)
            why = refuse(named, ids, self._given.evidence, is_step=is_step)
            if why is None:
                return Stated(named, ids)
        self.dropped[str(why)] += 1
        return None

    def _named(self, text: str) -> str:
        """«М1» as the person's name, «К» as the client."""
        names = self._given.names
        text = _MARK.sub(lambda m: names.get(m[0], "менеджер") if m[0] != "К" else "клиент", text.strip())
        return text[:1].upper() + text[1:]

    def _ids(self, raw: Any) -> tuple[str, ...] | None:
        """The ids behind message numbers of this part, or None."""
        numbers = raw.get("n") if isinstance(raw, dict) else None
        if not isinstance(numbers, list) or not 0 < len(numbers) <= 20:
            return None
        known = [self._by_number.get(n) for n in numbers if isinstance(n, int) and not isinstance(n, bool)]
        if len(known) != len(numbers) or any(message is None for message in known):
            return None
        return tuple(dict.fromkeys(message.message_id for message in known if message is not None))

    def items(self, raw: Any, labels: Mapping[str, str], kind: str | None = None, who: str | None = None) -> list[Item]:
        found = [self.item(x, labels, kind, who) for x in (raw if isinstance(raw, list) else [])[:_MOST_ITEMS]]
        return [item for item in found if item is not None]

    def item(self, raw: Any, labels: Mapping[str, str], kind: str | None = None, who: str | None = None) -> Item | None:
        if raw is None:
            return None
        evidence = self._evidence(raw)
        if evidence is None:
            return None
        kind = kind or (str(raw.get("kind")) if raw.get("kind") in labels else "other")
        if kind not in labels:
            self.dropped["kind"] += 1
            return None
        said = self._of(evidence[0][0]).kind
        if (kind == "rude_manager" and said != "manager") or (who is not None and said != who):
            self.dropped["who"] += 1
            return None
        text = one_line(evidence[1], 160) if kind == "wish" else ""
        return Item(kind, evidence[0], evidence[1], text, self._author(evidence[0]))

    def promises(self, raw: Any) -> tuple[Promise, ...]:
        found = []
        for x in (raw if isinstance(raw, list) else [])[:_MOST_ITEMS]:
            evidence = self._evidence(x)
            if evidence is None:
                continue
            ids, quote = evidence
            said = self._of(ids[0])
            when = deadlines.find(folded(quote), said.sent_at.astimezone(self._where))
            # who promised is who wrote it, whatever the model says
            deadline = when[0] if when else None
            what = str(x.get("what")) if x.get("what") in v.PROMISED else ""
            found.append(
                Promise(
                    one_line(quote, 140),
                    said.kind,
                    deadline,
                    ids,
                    quote,
                    author=self._author(ids),
                    what=what,
                    superseded=x.get("superseded") is True,
                )
            )
        return tuple(p for p in found if p.who in ("manager", "client"))

    def criteria(self, raw: Any) -> tuple[Score, ...]:
        found: dict[str, Score] = {}
        for x in (raw if isinstance(raw, list) else [])[:_MOST_ITEMS]:
            absence = self._absence(x)
            evidence = absence[:2] if absence else self._evidence(x)
            score = x.get("score") if isinstance(x, dict) else None
            known = isinstance(x, dict) and x.get("name") in self._scored
            valid = isinstance(score, int) and not isinstance(score, bool) and 0 <= score <= 2
            if evidence is None:
                continue
            if not known or not valid or self._of(evidence[0][0]).kind != "manager" or (absence and score == 2):
                self.dropped["kind"] += 1
                continue
            assert isinstance(score, int)
            found.setdefault(
                x["name"],
                Score(x["name"], score, *evidence, self._author(evidence[0]), absence[2] if absence else ""),
            )
        return tuple(found.values())

    def _absence(self, raw: Any) -> tuple[tuple[str, ...], str, str] | None:
        """Ids, the line where it should have stood and what is missing: «не спросил, какой цвет», and nobody did."""
        said = raw.get("absence") if isinstance(raw, dict) else None
        ids = self._ids(raw)
        if not isinstance(said, str) or not said.strip() or ids is None or raw.get("quote"):
            return None
        place = self._of(ids[0])
        text = self._named(next(self._mask.restorations(said)))
        sentence = f"Менеджер {text[:1].lower()}{text[1:]}".rstrip(".") + "."
        if place.message_id not in self._given.new or " не " not in sentence or not place.body.strip():
            return None
        if refuse(sentence, ids, self._given.evidence) is not None:
            return None
        line = one_line(place.body, 120).removesuffix("…")
        return (ids, line, text) if locate(line, ids, [place]) else None

    def _of(self, message_id: str) -> Message:
        return next(m for m in self._by_number.values() if m.message_id == message_id)

    def _author(self, ids: tuple[str, ...]) -> str:
        said = self._of(ids[0])
        return (said.author_name or "") if said.kind == "manager" else ""

    def _evidence(self, raw: Any) -> tuple[tuple[str, ...], str] | None:
        """Message ids and the quote, or None (counted) when they do not hold."""
        ids = self._ids(raw)
        quote = raw.get("quote") if isinstance(raw, dict) else None
        if ids is None or not isinstance(quote, str) or len(quote) > _LONGEST_QUOTE:
            self.dropped["message"] += 1
            return None
        messages = [self._of(i) for i in ids]
        for written in self._mask.restorations(quote):
            said = written.strip().strip('«»"“”').strip()
            found = locate(said, list(ids), messages)
            if found:
                if found[0] not in self._given.new:
                    self.dropped["outside_window"] += 1
                    return None
                return tuple(i for i in found if i in self._given.new), said
        self.dropped["quote"] += 1
        return None


def _iso_day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _unique(items: Sequence[Item]) -> tuple[Item, ...]:
    """The first of each kind and message."""
    found: dict[tuple[str, str], Item] = {}
    for item in items:
        found.setdefault((item.kind, item.message_ids[0]), item)
    return tuple(found.values())


def _merged(parts: Sequence[Read], by_code: Reading) -> Read:
    """One reading of all parts; what code knows for certain (open question, files) comes from code."""
    if not parts:
        return Read(by_code)
    readings = [part.reading for part in parts]
    last = readings[-1]
    promises: dict[tuple[str, str], Promise] = {}
    for promise in (p for r in readings for p in r.promises):
        promises.setdefault((promise.who, promise.message_ids[0]), promise)
    kept = {p.message_ids[0] for p in by_code.promises if p.kept}
    criteria: dict[str, Score] = {}
    for criterion in (c for r in readings for c in r.quality):
        # the weakest moment of a long dialog is what an owner wants to see
        if criterion.name not in criteria or criterion.score < criteria[criterion.name].score:
            criteria[criterion.name] = criterion
    topics: dict[tuple[str, str], Item] = {}
    for topic in (t for r in readings for t in r.topics):
        # each question without a topic is one of its own
        topics.setdefault((topic.kind, topic.message_ids[0] if topic.kind == OTHER else ""), topic)
    return Read(
        Reading(
            topics=tuple(topics.values()),
            wish=next((r.wish for r in readings if r.wish), None),
            outcome=next((r.outcome for r in reversed(readings) if r.outcome), None),
            objections=_unique([o for r in readings for o in r.objections]),
            promises=tuple(replace(p, kept=p.message_ids[0] in kept) for p in promises.values()),
            # a model told to keep quiet about a complaint does not get its way where the words are plain
            risks=_unique(
                [*(x for r in readings for x in r.risks), *(x for x in by_code.risks if x.kind in _PLAIN_RISKS)]
            ),
            next_step=next((r.next_step for r in reversed(readings) if r.next_step), None),
            quality=tuple(criteria.values()),
            open_question=by_code.open_question,
            # the rules' summary stands until a second reader has judged the model's
            summary=by_code.summary,
            step=by_code.step,
            state=next((r.state for r in reversed(readings) if r.state), "") or by_code.state,
            needs_reply=next((r.needs_reply for r in reversed(readings) if r.needs_reply), None),
            open_questions=_unique([q for r in readings for q in r.open_questions]),
            praise=_unique([q for r in readings for q in r.praise]),
            client_facts=_unique([q for r in readings for q in r.client_facts]),
            unjudged=tuple(s for r in readings for s in r.unjudged)[-_MOST_SENTENCES:],
            unjudged_step=next((r.unjudged_step for r in reversed(readings) if r.unjudged_step), None),
            dropped=dict(sum((Counter(r.dropped) for r in readings), Counter())),
            mood=last.mood,
            language=readings[0].language,
            media_unread=by_code.media_unread,
            parts=len(parts),
        ),
        dropped=sum(part.dropped for part in parts),
        tokens_in=sum(part.tokens_in for part in parts),
        tokens_out=sum(part.tokens_out for part in parts),
        cost_usd=sum((part.cost_usd for part in parts), Decimal(0)),
    )
