"""What of false sentences the proof lets pass, and what of true ones it keeps: ``python -m bench.claims``.

Six hundred false sentences made of true ones (:mod:`bench.support.planted_claims`). Printed: unsupported kept a thousand with the checks of
code alone, with the sandbox's judge in its modes, and, with ``SYNKRO_BENCH_AI_URL``, ``_MODEL`` and ``_KEY``, with any provider. With
``SYNKRO_BENCH_AI_RECORD=folder`` requests are written there and answers are read from there by their hash
(:mod:`bench.support.recorded`): a model nobody can reach from here may judge them elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from analysis.llm import judge
from analysis.llm.budget import Budget
from analysis.llm.limits import Limits
from analysis.llm.prices import price_of
from analysis.llm.provider import Provider
from analysis.llm.transcript import Knowledge
from analysis.proof.checks import refuse
from analysis.reading.models import Reading, Stated
from bench import corpus
from bench.support.ai_ledger import Notebook
from bench.support.planted_claims import KINDS, Planted, Told, dialogs, make
from bench.support.recorded import Recorded, folder
from sandbox.vendors.llm import mind
from synkro.core.errors import SynkroError
from synkro.http import allowlist
from synkro.reporting.spending import Caps

#: modes of the sandbox's judge: honest, one that agrees with everything, one that obeys its attacker
MODES: Mapping[str, str] = {"honest": "", "agrees": "llm_judge_agrees", "obeys": "llm_obeys_attacker"}
#: how many of the true ones are judged with a provider
_TRUE_JUDGED = 300


def passes(one: Planted, told: Mapping[str, Told]) -> bool:
    """The checks of code."""
    return refuse(one.text, one.message_ids, told[one.dialog].evidence) is None


def judged(one: Planted, told: Mapping[str, Told]) -> judge.Judged:
    reading = Reading(unjudged=(Stated(one.text, one.message_ids),))
    return judge.Judged(f"{one.dialog}|{one.text}", reading, told[one.dialog].messages, Knowledge(), corpus.TIMEZONE)


def by_sandbox(claims: Sequence[Planted], told: Mapping[str, Told], mode: str) -> list[bool]:
    """What the sandbox's judge calls supported."""
    found: list[bool] = []
    for start in range(0, len(claims), judge.BATCH):
        batch = claims[start : start + judge.BATCH]
        document = judge.document([(one, judge.claims(one)[0]) for one in (judged(claim, told) for claim in batch)])
        value: dict[str, Any] = mind.answer(document)
        if MODES[mode]:
            value = mind.BENT[MODES[mode]](value, document)
        said = {row["id"]: row["verdict"] for row in value["verdicts"]}
        found += [said.get(number) == "supported" for number in range(1, len(batch) + 1)]
    return found


async def by_provider(claims: Sequence[Planted], told: Mapping[str, Told], provider: Provider | Recorded) -> list[bool]:
    """What a provider calls supported; a batch it fails on supports nothing."""
    found: list[bool] = []
    for start in range(0, len(claims), judge.BATCH):
        waiting = [judged(one, told) for one in claims[start : start + judge.BATCH]]
        try:
            answers = await judge.judge(provider, waiting)  # type: ignore[arg-type]
        except SynkroError as error:
            print(f"claims {start}–{start + len(waiting)}: {error.message}")
            found += [False] * len(waiting)
            continue
        found += [bool(answers[one.key].reading.summary) for one in waiting]
    return found


def show(title: str, true: Sequence[bool], false: Sequence[Planted], kept: Sequence[bool]) -> float:
    """Prints and returns unsupported kept a thousand."""
    by_kind = Counter(one.kind for one, is_kept in zip(false, kept, strict=True) if is_kept)
    rate = 1000 * sum(kept) / len(false)
    print(
        f"{title}: unsupported kept {rate:.1f} a thousand of {len(false)} ("
        + ", ".join(f"{kind} {by_kind[kind]}" for kind in KINDS)
        + f"), true kept {100 * sum(true) / max(1, len(true)):.1f} % of {len(true)}"
    )
    return rate


def main(judge_of: Callable[[], Provider | Recorded | None] | None = None) -> None:
    told = dialogs()
    true, false = make(told)
    code_true, code_false = [passes(one, told) for one in true], [passes(one, told) for one in false]
    show("code alone", code_true, false, code_false)
    left_true = [one for one, is_kept in zip(true, code_true, strict=True) if is_kept][:_TRUE_JUDGED]
    for mode in MODES:
        said = by_sandbox(false, told, mode)
        kept_true = by_sandbox(left_true, told, mode)
        show(f"sandbox judge, {mode}, without code", kept_true, false, said)
        show(
            f"code and sandbox judge, {mode}",
            kept_true,
            false,
            [a and b for a, b in zip(code_false, said, strict=True)],
        )
    asyncio.run(_with_provider(left_true, false, code_false, told))


async def _with_provider(
    true: Sequence[Planted], false: Sequence[Planted], code: Sequence[bool], told: Mapping[str, Told]
) -> None:
    if (records := folder()) is not None:
        recorded = Recorded(records)
        said, kept = await by_provider(false, told, recorded), await by_provider(true, told, recorded)
        if recorded.missing:
            print(f"recorded: {recorded.missing} requests written to {records}, not answered yet")
        if recorded.answered:
            show("recorded judge, without code", kept, false, said)
            show("code and recorded judge", kept, false, [a and b for a, b in zip(code, said, strict=True)])
        return
    url, model = os.environ.get("SYNKRO_BENCH_AI_URL"), os.environ.get("SYNKRO_BENCH_AI_MODEL")
    if not url or not model:
        print("no provider: set SYNKRO_BENCH_AI_URL, SYNKRO_BENCH_AI_MODEL and SYNKRO_BENCH_AI_KEY")
        return
    public = {"base_url": url, "model": model}
    price, note = price_of(model, allowlist.is_loopback_url(allowlist.ai_base_url(public, True)), None)
    cap = Decimal(os.environ.get("SYNKRO_BENCH_AI_CAP_USD", "1"))
    budget = Budget(price, Caps(cap, cap, cap, cap), Notebook())
    async with Provider(
        public, os.environ.get("SYNKRO_BENCH_AI_KEY", "none"), budget=budget, limits=Limits(), allow_local=True
    ) as provider:
        said, kept = await by_provider(false, told, provider), await by_provider(true, told, provider)
    show(f"{model}, without code", kept, false, said)
    show(f"code and {model}", kept, false, [a and b for a, b in zip(code, said, strict=True)])
    print(f"{model}: {budget.spent} $. {note}")


if __name__ == "__main__":
    main()
