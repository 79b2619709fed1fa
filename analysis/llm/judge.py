"""A second reader over what code let pass: does each sentence stand in the lines it names, yes or no.

Another prompt, many claims a call, a cheaper model or another provider where the settings name one. What it does not call
supported is left out and counted; what it was not asked about, or did not answer, is shown to nobody until it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from analysis.llm import prompts, transcript
from analysis.llm.masking import Mask
from analysis.llm.provider import Provider
from analysis.llm.transcript import Knowledge, People
from analysis.reading import vocabulary as v
from analysis.reading.models import Reading
from analysis.reading.normalisation import one_line
from synkro.reporting.dialogs import Message

#: claims of one call
BATCH = 24
_LINE = 700
#: findings the second reader sees too: their words are ours, their quotes are proved
_JUDGED = ("objections", "risks", "promises")


@dataclass(frozen=True)
class Judged:
    """A dialog to be judged: what was read of it, from which messages."""

    key: str
    reading: Reading
    messages: tuple[Message, ...]
    knowledge: Knowledge
    timezone: str
    client_name: str = ""


@dataclass(frozen=True)
class _Claim:
    of: str
    #: summary, step or a list of findings, and the place in it
    part: str
    at: int
    text: str
    message_ids: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The reading after the judgement, and what judging it cost."""

    reading: Reading
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)


def needs(reading: Reading) -> bool:
    """Whether there is something nobody has judged yet."""
    return bool(reading.unjudged or reading.unjudged_step)


def claims(one: Judged) -> list[_Claim]:
    reading = one.reading
    found = [_Claim(one.key, "summary", i, said.text, said.message_ids) for i, said in enumerate(reading.unjudged)]
    if reading.unjudged_step is not None:
        found.append(_Claim(one.key, "step", 0, reading.unjudged_step.text, reading.unjudged_step.message_ids))
    labels = {"objections": ("Клиент возражает", v.OBJECTIONS), "risks": ("Риск", v.RISKS)}
    for part, (lead, names) in labels.items():
        found += [
            _Claim(one.key, part, i, f"{lead}: {names.get(item.kind, item.kind).lower()}", item.message_ids)
            for i, item in enumerate(getattr(reading, part))
        ]
    for i, promise in enumerate(reading.promises):
        who = "Менеджер" if promise.who == "manager" else "Клиент"
        found.append(
            _Claim(one.key, "promises", i, f"{who} обещает: «{one_line(promise.quote, 160)}»", promise.message_ids)
        )
    return found


async def judge(provider: Provider, waiting: Sequence[Judged]) -> dict[str, Verdict]:
    """Every dialog's reading with what was supported; raises what :meth:`Provider.ask` raises."""
    of = {one.key: one for one in waiting}
    asked = [(one, claim) for one in waiting for claim in claims(one)]
    verdicts: dict[tuple[str, str, int], str] = {}
    spent: dict[str, tuple[int, int, Decimal]] = {}
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        answer = await provider.ask(
            "reading",
            prompts.JUDGE,
            prompts.fenced(document(batch)),
            name="judgement",
            schema=prompts.JUDGE_SCHEMA,
            check=_shape,
            max_tokens=1200,
        )
        for row in answer.value["verdicts"]:
            number = row.get("id") if isinstance(row, dict) else None
            if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= len(batch):
                claim = batch[number - 1][1]
                verdicts.setdefault((claim.of, claim.part, claim.at), str(row.get("verdict")))
        first = batch[0][0].key
        before = spent.get(first, (0, 0, Decimal(0)))
        spent[first] = (before[0] + answer.tokens_in, before[1] + answer.tokens_out, before[2] + answer.cost_usd)
    return {key: Verdict(_left(one, verdicts), *spent.get(key, (0, 0, Decimal(0)))) for key, one in of.items()}


def _shape(value: dict[str, Any]) -> str | None:
    return None if isinstance(value.get("verdicts"), list) else "нет списка verdicts"


def document(batch: Sequence[tuple[Judged, _Claim]]) -> dict[str, Any]:
    """The claims of one call, by dialog, with the lines they name and nothing else of the dialog."""
    dialogs: list[dict[str, Any]] = []
    for one in dict.fromkeys(judged.key for judged, _ in batch):
        mine = [(number, judged, claim) for number, (judged, claim) in enumerate(batch, 1) if judged.key == one]
        judged = mine[0][1]
        people = People.of(judged.messages)
        mask = mask_of(judged.client_name, judged.messages, people)
        numbers = {message.message_id: n for n, message in enumerate(judged.messages, 1)}
        wanted = {i for _, _, claim in mine for i in claim.message_ids}
        pieces = [
            (numbers[m.message_id], m, one_line(transcript.said(m), _LINE))
            for m in judged.messages
            if m.message_id in wanted
        ]
        shown = transcript.document(pieces, mask, judged.timezone, people, Knowledge())
        entry: dict[str, Any] = {
            "lines": [line for day in shown["days"] for line in (day["day"], *day["lines"])],
            "claims": [
                {
                    "id": number,
                    "text": mask.hide(claim.text),
                    "n": [numbers[i] for i in claim.message_ids if i in numbers],
                }
                for number, _, claim in mine
            ],
        }
        if card := transcript.card_text(judged.knowledge, judged.timezone, mask):
            entry["card"] = card
        dialogs.append(entry)
    return {"task": "judge_claims", "dialogs": dialogs}


def mask_of(client_name: str, messages: Sequence[Message], people: People) -> Mask:
    """One mask a person: the company's people by their marks, the client by К, everybody else by a name without one."""
    roles = {name: mark for mark, name in people.names(messages).items()}
    if client_name:
        roles.setdefault(client_name, "К")
    return Mask({m.author_name or "" for m in messages}, roles)


def _left(one: Judged, verdicts: dict[tuple[str, str, int], str]) -> Reading:
    """What was called supported; a sentence without a verdict stays out, a finding without one stays as its quote proves it."""
    reading, dropped = one.reading, Counter(one.reading.dropped)

    def says(part: str, at: int) -> str:
        return verdicts.get((one.key, part, at), "")

    kept = tuple(said for i, said in enumerate(reading.unjudged) if says("summary", i) == "supported")
    for i in range(len(reading.unjudged)):
        if says("summary", i) != "supported":
            dropped["unsupported" if says("summary", i) else "unjudged"] += 1
    step = reading.unjudged_step
    if step is not None and says("step", 0) not in ("supported", "unclear"):
        dropped["unsupported" if says("step", 0) else "unjudged"] += 1
        step = None
    found: dict[str, Any] = {}
    for part in _JUDGED:
        items = getattr(reading, part)
        plain = [part == "risks" and item.kind in ("complaint", "refund", "rude_manager") for item in items]
        left = tuple(item for i, item in enumerate(items) if plain[i] or says(part, i) != "not")
        if len(left) < len(items):
            dropped["unsupported"] += len(items) - len(left)
        found[part] = left
    if kept:
        found |= {"summary": kept, "summary_by": "model"}
    if step is not None:
        found["step"] = step
    return replace(reading, **found, unjudged=(), unjudged_step=None, dropped=dict(dropped))
