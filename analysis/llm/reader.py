"""The model reads one dialog: parts, document, answer, and what of the answer may stand.

Only four fields of a message leave the installation: its number, who wrote it, its day and its masked text. Of the answer
only what is grounded stays: a kind of the vocabulary, message numbers of this dialog, a quote found word for word;
a deadline is worked out by code from the quote. No word of the model's own is kept: its place is between the quotes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from analysis.llm import prompts
from analysis.llm.masking import Mask
from analysis.llm.prices import estimate_tokens
from analysis.llm.provider import Provider
from analysis.reading import vocabulary as v
from analysis.reading.grounding import locate
from analysis.reading.models import Item, Promise, Read, Reading, Score
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
_WHO = {"client": "К", "manager": "М", "bot": "Б"}
_WEEKDAYS = ("пн", "вт", "ср", "чт", "пт", "сб", "вс")


class TooLong(DataError):
    """The dialog does not fit into :data:`MOST_PARTS` parts."""

    kind = "too_long"


@dataclass(frozen=True)
class Part:
    """Messages of one call with the numbers they carry in the document; a huge message spans several parts."""

    pieces: tuple[tuple[int, Message, str], ...]


def split(messages: Sequence[Message]) -> list[Part]:
    """The messages with text as parts that overlap; raises :class:`TooLong`."""
    numbered = [(n, m) for n, m in enumerate(messages, 1) if m.kind in _WHO and m.body.strip()]
    pieces: list[tuple[int, Message, str]] = []
    size = int(PART_TOKENS * 2)  # characters: a piece of the densest script stays below a part
    for n, message in numbered:
        pieces += [(n, message, message.body[at : at + size]) for at in range(0, len(message.body), size)]
    parts: list[Part] = []
    current: list[tuple[int, Message, str]] = []
    tokens = 0
    for piece in pieces:
        weight = estimate_tokens(piece[2]) + 8
        if current and tokens + weight > PART_TOKENS:
            parts.append(Part(tuple(current)))
            current = [p for p in current[-OVERLAP:] if len(p[2]) < 1000]
            tokens = sum(estimate_tokens(p[2]) + 8 for p in current)
        if len(parts) >= MOST_PARTS:
            raise TooLong("Диалог слишком длинный для чтения моделью.")
        current.append(piece)
        tokens += weight
    if current:
        parts.append(Part(tuple(current)))
    return parts


def document(part: Part, context: Sequence[Message], mask: Mask, timezone: str) -> dict[str, Any]:
    """What is sent of a part: days with lines «number who text», each a JSON string of its own."""
    where = ZoneInfo(timezone)
    days: list[dict[str, Any]] = []
    for n, message, text in part.pieces:
        local = message.sent_at.astimezone(where)
        label = f"{local.date().isoformat()} {_WEEKDAYS[local.weekday()]}"
        if not days or days[-1]["day"] != label:
            days.append({"day": label, "lines": []})
        days[-1]["lines"].append(f"{n} {_WHO[message.kind]} {mask.hide(text)}")
    found: dict[str, Any] = {"task": "read_dialog", "days": days}
    if context:
        found["context"] = [
            f"{_WHO[m.kind]} {one_line(mask.hide(m.body), 200)}" for m in context if m.kind in _WHO and m.body
        ]
    return found


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
) -> Read:
    """Read one dialog; raises what :meth:`Provider.ask` raises, or :class:`TooLong`."""
    names = {dialog.client_name, dialog.manager_name or "", *(m.author_name or "" for m in messages)}
    parts = split(messages)
    system = prompts.with_own(prompts.reading_system(rubric, topics), own_prompt)
    schema = prompts.reading_schema(rubric, topics)
    found: list[Read] = []
    for number, part in enumerate(parts):
        mask = Mask(names)
        sent = document(part, context if number == 0 else (), mask, timezone)
        answer = await provider.ask(
            "reading",
            system,
            prompts.fenced(sent),
            name="reading",
            schema=schema,
            check=_shape,
        )
        part_read = ground(answer.value, part, mask, timezone, topics, rubric)
        found.append(
            replace(part_read, tokens_in=answer.tokens_in, tokens_out=answer.tokens_out, cost_usd=answer.cost_usd)
        )
    by_code = reader.read(messages, timezone, topics=topics)
    return _merged(found, by_code)


def _shape(value: Mapping[str, Any]) -> str | None:
    """What is wrong with an answer's shape, said to the model."""
    for name in ("topics", "objections", "promises", "risks", "quality"):
        if not isinstance(value.get(name), list):
            return f"нет списка {name}"
    return None


def ground(
    raw: Mapping[str, Any],
    part: Part,
    mask: Mask,
    timezone: str,
    topics: Catalogue,
    rubric: Sequence[Criterion] = DEFAULT,
) -> Read:
    """The answer about one part as a reading; what does not stand in the messages is dropped and counted."""
    grounder = _Grounder(part, mask, timezone, {one.name for one in rubric})
    return Read(
        Reading(
            topics=_unique(grounder.items(raw.get("topics"), topics.labels())),
            wish=grounder.item(raw.get("wish"), {"wish": ""}, kind="wish"),
            outcome=grounder.item(raw.get("outcome"), v.OUTCOMES),
            objections=_unique(grounder.items(raw.get("objections"), v.OBJECTIONS)),
            promises=grounder.promises(raw.get("promises")),
            risks=_unique(grounder.items(raw.get("risks"), v.RISKS)),
            next_step=grounder.item(raw.get("next_step"), v.NEXT_STEPS),
            quality=grounder.criteria(raw.get("quality")),
            mood=mood if (mood := raw.get("mood")) in v.MOODS else "calm",
            language=language if (language := raw.get("language")) in v.LANGUAGES else "ru",
        ),
        dropped=grounder.dropped,
    )


class _Grounder:
    """Judges the pieces of one answer against the messages of its part."""

    def __init__(self, part: Part, mask: Mask, timezone: str, scored: set[str]) -> None:
        self._scored = scored
        self._by_number = {n: message for n, message, _ in part.pieces}
        self._mask, self._where = mask, ZoneInfo(timezone)
        self.dropped = 0

    def items(self, raw: Any, labels: Mapping[str, str]) -> list[Item]:
        found = [self.item(x, labels) for x in (raw if isinstance(raw, list) else [])[:_MOST_ITEMS]]
        return [item for item in found if item is not None]

    def item(self, raw: Any, labels: Mapping[str, str], kind: str | None = None) -> Item | None:
        if raw is None:
            return None
        evidence = self._evidence(raw)
        if evidence is None:
            return None
        kind = kind or (str(raw.get("kind")) if raw.get("kind") in labels else "other")
        if kind not in labels:
            self.dropped += 1
            return None
        if kind == "rude_manager" and self._of(evidence[0][0]).kind != "manager":
            self.dropped += 1
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
            found.append(Promise(one_line(quote, 140), said.kind, deadline, ids, quote, author=self._author(ids)))
        return tuple(p for p in found if p.who in ("manager", "client"))

    def criteria(self, raw: Any) -> tuple[Score, ...]:
        found: dict[str, Score] = {}
        for x in (raw if isinstance(raw, list) else [])[:_MOST_ITEMS]:
            evidence = self._evidence(x)
            score = x.get("score") if isinstance(x, dict) else None
            known = isinstance(x, dict) and x.get("name") in self._scored
            valid = isinstance(score, int) and not isinstance(score, bool) and 0 <= score <= 2
            if evidence is None:
                continue
            if not known or not valid or self._of(evidence[0][0]).kind != "manager":
                self.dropped += 1
                continue
            assert isinstance(score, int)
            found.setdefault(x["name"], Score(x["name"], score, *evidence, self._author(evidence[0])))
        return tuple(found.values())

    def _of(self, message_id: str) -> Message:
        return next(m for m in self._by_number.values() if m.message_id == message_id)

    def _author(self, ids: tuple[str, ...]) -> str:
        said = self._of(ids[0])
        return (said.author_name or "") if said.kind == "manager" else ""

    def _evidence(self, raw: Any) -> tuple[tuple[str, ...], str] | None:
        """Message ids and the quote, or None (counted) when they do not hold."""
        numbers = raw.get("n") if isinstance(raw, dict) else None
        quote = raw.get("quote") if isinstance(raw, dict) else None
        if isinstance(numbers, list) and isinstance(quote, str) and 0 < len(numbers) <= 20 and len(quote) <= 600:
            known = [self._by_number.get(n) for n in numbers if isinstance(n, int)]
            if len(known) == len(numbers) and all(known):
                messages = [m for m in known if m is not None]
                quote = self._mask.restore(quote).strip().strip('«»"“”').strip()
                ids = locate(quote, [m.message_id for m in messages], messages)
                if ids:
                    return tuple(ids), quote
        self.dropped += 1
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
