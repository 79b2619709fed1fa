"""How well dialogs are read, and for how much: ``python -m bench.ai``.

Always: recall and precision by kind of the reader without a key on :mod:`bench.support.ai_dialogs`, dev and held-out halves apart.
With ``SYNKRO_BENCH_AI_URL``, ``_MODEL`` and ``_KEY``: the same for that OpenAI-compatible server, with tokens, price and
seconds; ``_DIALOGS`` is how many of the 300 (default 40, spread over both halves), ``_CAP_USD`` the most it may cost (1).

With ``SYNKRO_BENCH_AI_RECORD=folder`` the same of answers somebody else's model gave (:mod:`bench.support.recorded`).

Tokens: the dialog's own tokens are those of its transcript as «К: text» lines; what is sent is the user message. The system
text is the same for all calls, providers cache it, so it is counted apart.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from analysis import topics
from analysis.llm import judge, prompts, reader, transcript
from analysis.llm.budget import Budget
from analysis.llm.limits import Limits
from analysis.llm.masking import Mask
from analysis.llm.prices import estimate_tokens, price_of
from analysis.llm.provider import Provider
from analysis.reading.models import Reading
from analysis.rules import reader as rules
from bench.support.ai_dialogs import KINDS, Planted, make
from bench.support.ai_ledger import Notebook
from bench.support.recorded import Recorded, folder
from synkro.core.errors import SynkroError
from synkro.http import allowlist
from synkro.reporting.cards import Card
from synkro.reporting.dialogs import Dialog
from synkro.reporting.spending import Caps
from synkro.tenancy.rubric import DEFAULT

TIMEZONE = "Asia/Almaty"
#: the planted dialogs are a furniture shop's
TOPICS = topics.pack("furniture").catalogue
#: what a planted fact may be called by a reader
_RISKS = {
    "complaint": ("complaint", "refund", "broken_promise", "angry", "ignored"),
    "wrong_price": ("wrong_price",),
    "rude": ("rude_manager",),
}


def found_in(reading: Reading) -> set[tuple[str, int]]:
    """The reading's finds as ``(kind, number of the message)``."""
    found = {("promise", _number(p.message_ids)) for p in reading.promises if p.who == "manager"}
    found |= {("objection", _number(o.message_ids)) for o in reading.objections}
    for kind, names in _RISKS.items():
        found |= {(kind, _number(r.message_ids)) for r in reading.risks if r.kind in names}
    if reading.open_question is not None:
        found.add(("unanswered", _number(reading.open_question.message_ids)))
    return found


def _number(message_ids: Sequence[str]) -> int:
    return int(message_ids[0].removeprefix("m"))


@dataclass
class Scores:
    """Hits, misses and false finds by kind."""

    hit: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    extra: Counter[str] = field(default_factory=Counter)

    def add(self, planted: Planted, found: set[tuple[str, int]]) -> None:
        self.hit.update(kind for kind, _ in planted.facts & found)
        self.missed.update(kind for kind, _ in planted.facts - found)
        self.extra.update(kind for kind, _ in found - planted.facts)

    def recall(self, kind: str) -> float:
        wanted = self.hit[kind] + self.missed[kind]
        return self.hit[kind] / wanted if wanted else 1.0

    def precision(self, kind: str) -> float:
        told = self.hit[kind] + self.extra[kind]
        return self.hit[kind] / told if told else 1.0


def by_rules(dialogs: Iterable[Planted]) -> Scores:
    scores = Scores()
    for planted in dialogs:
        scores.add(planted, found_in(rules.read(planted.messages, TIMEZONE, topics=TOPICS)))
    return scores


def sent_ratio(dialogs: Sequence[Planted]) -> float:
    """Tokens sent ÷ the dialogs' own tokens, all of them together, the shared prefix apart."""
    sent = own = 0
    for planted in dialogs:
        sent += estimate_tokens(_user(planted))
        own += estimate_tokens("\n".join(f"{'К' if m.kind == 'client' else 'М'}: {m.body}" for m in planted.messages))
    return sent / own


def show(title: str, scores: Scores) -> None:
    for kind in KINDS:
        told, wanted = scores.hit[kind] + scores.extra[kind], scores.hit[kind] + scores.missed[kind]
        print(
            f"{title}, {kind}: recall {scores.recall(kind):.2f} of {wanted}, precision {scores.precision(kind):.2f} of {told}"
        )


async def by_model(dialogs: Sequence[Planted], url: str, model: str, key: str, cap: Decimal) -> None:
    """Read with a server and print what it found, took and cost. Raises an error of ``synkro.core.errors`` for a wrong address."""
    public = {"base_url": url, "model": model}
    extra = os.environ.get("SYNKRO_AI_PRICES")
    price, note = price_of(
        model, allowlist.is_loopback_url(allowlist.ai_base_url(public, True)), Path(extra) if extra else None
    )
    notebook = Notebook()
    budget = Budget(price, Caps(cap, cap, cap, cap), notebook)
    started = time.perf_counter()
    async with Provider(public, key, budget=budget, limits=Limits(), allow_local=True) as provider:
        found = await _read(dialogs, provider)
    took = time.perf_counter() - started
    _told(model, found)
    tokens_in, tokens_out = (sum(getattr(s, name) for s in notebook.settled) for name in ("tokens_in", "tokens_out"))
    guess = sum(estimate_tokens(prompts.reading_system(DEFAULT, TOPICS)) + estimate_tokens(_user(p)) for p in dialogs)
    print(
        f"{model}: {len(dialogs)} dialogs, {len(notebook.settled)} requests, failed {dict(found.failed)}, claims dropped {found.dropped.total()}"
    )
    print(
        f"{model}: {tokens_in} tokens in, {tokens_out} out, {took:.1f} s, {took / max(1, len(dialogs)):.2f} s a dialog"
    )
    print(f"{model}: {budget.spent} $, {budget.spent / max(1, len(dialogs)):.6f} $ a dialog. {note}")
    print(f"{model}: tokens in ÷ estimated before sending (schema apart): {tokens_in / max(1, guess):.2f}")


async def by_records(dialogs: Sequence[Planted], records: Path) -> None:
    """The same with answers somebody put into the folder; what has none is written there as a request."""
    recorded = Recorded(records)
    found = await _read(dialogs, recorded)
    if recorded.missing:
        print(f"recorded: {recorded.missing} requests written to {records}, not answered yet")
    if recorded.answered:
        _told("recorded", found)
        print(f"recorded: {found.read} dialogs, claims dropped {found.dropped.total()}")


@dataclass
class _Found:
    """What reading gave: finds, sentences kept, and what was left out and why."""

    scores: Scores = field(default_factory=Scores)
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    read: int = 0
    sentences: int = 0
    kept: int = 0


async def _read(dialogs: Sequence[Planted], provider: Provider | Recorded) -> _Found:
    """Each dialog read, then its sentences judged, by the same provider."""
    found = _Found()
    for planted in dialogs:
        dialog = Dialog(
            planted.name, "c", "Клиент", None, "", None, None, None, None, None, None, None, None, 0, 0, False, ""
        )
        known = _knowledge(planted)
        try:
            read = await reader.read(
                provider,  # type: ignore[arg-type]
                dialog,
                planted.messages,
                (),
                timezone=TIMEZONE,
                own_prompt="",
                topics=TOPICS,
                rubric=DEFAULT,
                knowledge=known,
            )
        except SynkroError as error:
            found.failed[error.kind] += 1
            if not isinstance(provider, Recorded):
                print(f"{planted.name}: {error.message} {error.detail or ''}"[:200])
            continue
        reading = read.reading
        found.sentences += len(reading.unjudged)
        try:
            one = judge.Judged(planted.name, reading, tuple(planted.messages), known, TIMEZONE, "Клиент")
            reading = (await judge.judge(provider, [one]))[planted.name].reading  # type: ignore[arg-type]
            found.kept += len(reading.summary) if reading.summary_by == "model" else 0
        except SynkroError as error:
            found.failed[error.kind] += 1
        found.read += 1
        found.scores.add(planted, found_in(reading))
        found.dropped.update(reading.dropped)
    return found


def _told(model: str, found: _Found) -> None:
    show(model, found.scores)
    print(f"{model}: sentences code let pass {found.sentences}, kept after the judgement {found.kept}")
    print(f"{model}: dropped {dict(sorted(found.dropped.items()))}")


def _user(planted: Planted) -> str:
    """What is sent of the dialog, with the card of a returning client whose deal is under way."""
    people, told = transcript.People.of(planted.messages), _knowledge(planted)
    parts = reader.split(planted.messages)
    return "".join(prompts.fenced(transcript.document(part.pieces, Mask(()), TIMEZONE, people, told)) for part in parts)


def _knowledge(planted: Planted) -> transcript.Knowledge:
    last = planted.messages[-1].sent_at
    card = Card(
        planted.name, "Кухня прямая 3 м", "Переговоры", "open", 450_000, last - timedelta(days=12), is_returning=True
    )
    return transcript.Knowledge(card, None, last)


def main() -> None:
    dialogs = make()
    started = time.perf_counter()
    show("rules, dev", by_rules(d for d in dialogs if not d.is_held_out))
    show("rules, held out", by_rules(d for d in dialogs if d.is_held_out))
    print(f"rules: {len(dialogs)} dialogs in {time.perf_counter() - started:.2f} s, no calls")
    prefix = estimate_tokens(prompts.reading_system(DEFAULT, TOPICS))
    print(f"sent ÷ own tokens: {sent_ratio(dialogs):.2f}; shared prefix {prefix} tokens, the same for every call")
    url, model = os.environ.get("SYNKRO_BENCH_AI_URL"), os.environ.get("SYNKRO_BENCH_AI_MODEL")
    if (records := folder()) is not None:
        most = int(os.environ.get("SYNKRO_BENCH_AI_DIALOGS", "40"))
        asyncio.run(by_records(dialogs[:: max(1, len(dialogs) // most)][:most], records))
        return
    if not url or not model:
        print("no provider: set SYNKRO_BENCH_AI_URL, SYNKRO_BENCH_AI_MODEL and SYNKRO_BENCH_AI_KEY")
        return
    most = int(os.environ.get("SYNKRO_BENCH_AI_DIALOGS", "40"))
    chosen = dialogs[:: max(1, len(dialogs) // most)][:most]
    cap = Decimal(os.environ.get("SYNKRO_BENCH_AI_CAP_USD", "1"))
    asyncio.run(by_model(chosen, url, model, os.environ.get("SYNKRO_BENCH_AI_KEY", "none"), cap))


if __name__ == "__main__":
    main()
