"""Every dialog of a window, each read once: :func:`read_dialogs`.

Cached readings are taken as they are; the others go to the model if there is one and to the rules otherwise. A
model that fails does not stop the report: its dialogs are read by the rules and counted as not read by AI, with
the reason. Needs the service entry point; calls ``ctx.checkpoint`` between dialogs, which may raise to stop the run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal

from analysis.llm import judge, prompts
from analysis.llm import reader as by_model
from analysis.llm.budget import Budget, BudgetExceeded, DatabaseLedger, caps_of
from analysis.llm.prices import price_of
from analysis.llm.provider import Provider
from analysis.llm.transcript import Knowledge
from analysis.reading.models import Read, Reading
from analysis.reading.normalisation import folded
from analysis.report.context import AnalysisContext, DialogReading, ReadingsOutcome
from analysis.rules import reader
from analysis.topics import Catalogue
from analysis.topics.catalogue import changed
from analysis.topics.matching import Matcher
from synkro.core import clock
from synkro.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    PermanentError,
    SynkroError,
    TransientError,
)
from synkro.core.settings import settings
from synkro.database import db
from synkro.http import allowlist
from synkro.reporting import cards, dialogs, readings, spending
from synkro.reporting.dialogs import Dialog, Message
from synkro.reporting.readings import StoredReading

__all__ = ["AnalysisContext", "ReadingsOutcome", "read_dialogs"]

log = logging.getLogger(__name__)

_BATCH = 40
#: lines before the window a model is shown, and may cite
_CONTEXT = 30
_STEP = "dialog_readings"


def read_dialogs(ctx: AnalysisContext) -> ReadingsOutcome:
    """Read all dialogs of ``ctx.window``. Raises only what stops a run: ``Cancelled``, ``LeaseLost``, the database."""
    with db.as_service("readings") as connection:
        found = dialogs.in_window(connection, ctx.tenant_id, ctx.window)
    asks_model = ctx.has_model and len(found) >= ctx.min_dialogs
    outcome = ReadingsOutcome(
        total=len(found), reader="model" if asks_model else "rules", model=ctx.model if asks_model else ""
    )
    started = time.monotonic()
    if asks_model:
        asyncio.run(_by_model(ctx, found, outcome))
    else:
        for batch in _batches(found):
            ctx.checkpoint()
            _by_rules(ctx, batch, outcome, None)
            ctx.progress(_STEP, len(outcome.readings) + sum(outcome.skipped.values()), outcome.total, "")
    order = {dialog.dialog_id: place for place, dialog in enumerate(found)}
    outcome.readings.sort(key=lambda r: order[r.dialog.dialog_id])
    outcome.media_unread += sum(r.reading.media_unread for r in outcome.readings)
    log.info(
        "dialogs read: %s of %s, from cache %s, calls %s, %.1f s",
        outcome.read, outcome.total, outcome.from_cache, outcome.calls, time.monotonic() - started,
    )  # fmt: skip
    return outcome


def _batches(found: Sequence[Dialog]) -> Iterator[Sequence[Dialog]]:
    for at in range(0, len(found), _BATCH):
        yield found[at : at + _BATCH]


def _cached(ctx: AnalysisContext, batch: Sequence[Dialog], version: str, model: str) -> dict[str, StoredReading]:
    with db.as_service("readings") as connection:
        keys = [(d.dialog_id, d.transcript_hash) for d in batch]
        return readings.cached(connection, ctx.tenant_id, keys, version, model)


def _unconcerned(
    ctx: AnalysisContext,
    batch: Sequence[Dialog],
    texts: Mapping[str, list[Message]],
    version_of: Callable[[Catalogue], str],
    model: str,
) -> dict[str, StoredReading]:
    """Readings by an earlier list of topics, of dialogs the change does not concern: kept under the list in force."""
    version, found = version_of(ctx.topics), {}
    left = [dialog for dialog in batch if dialog.dialog_id in texts]
    for before in ctx.earlier_topics:
        if not left or version_of(before) == version:
            continue
        differ = changed(before, ctx.topics, by_model=model != reader.MODEL)
        keys, words = {topic.key for topic in differ}, Matcher(differ)
        for dialog_id, stored in _cached(ctx, left, version_of(before), model).items():
            named = {item.kind for item in Reading.from_json(stored.reading).topics}
            said = [m.body for m in _inside(ctx, texts[dialog_id])[0] if m.kind == "client"]
            if named.isdisjoint(keys) and not any(words.find(folded(body)) for body in said):
                found[dialog_id] = replace(
                    stored, prompt_version=version, tokens_in=0, tokens_out=0, cost_usd=Decimal(0)
                )
        left = [dialog for dialog in left if dialog.dialog_id not in found]
    if found:
        with db.as_service("readings", is_durable=False) as connection:
            for stored in found.values():
                readings.store(connection, ctx.tenant_id, stored)
    return found


def _texts(ctx: AnalysisContext, batch: Sequence[Dialog]) -> dict[str, list[Message]]:
    """Messages of the window and a few before it, by dialog."""
    with db.as_service("readings") as connection:
        ids = [dialog.dialog_id for dialog in batch]
        found = dialogs.messages_of_window(
            connection, ctx.tenant_id, ids, ctx.window, before=_CONTEXT, whole_session=True
        )
        with_media = dialogs.with_media(connection, ctx.tenant_id, [m for said in found.values() for m in said])
    for said in found.values():
        said.clear()
    for message in with_media:
        found[message.dialog_id].append(message)
    return found


def _inside(ctx: AnalysisContext, messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """``(in the window, before it)``."""
    inside = [m for m in messages if ctx.window.start <= m.sent_at < ctx.window.end]
    return inside, [m for m in messages if m.sent_at < ctx.window.start]


def _unseen(before: Sequence[Message], previous: Reading) -> list[Message]:
    """The lines before the window an earlier reading has not seen, and a few of those it has; the card tells the rest."""
    until = str(previous.seen.get("until") or "")
    known = [m for m in before if until and m.sent_at.isoformat() <= until]
    return [*known[-by_model.OVERLAP :], *before[len(known) :]] if known else list(before)


def _store(ctx: AnalysisContext, read: Sequence[tuple[Dialog, Read]], version: str, model: str) -> None:
    """Keep readings, all in one transaction."""
    if not read:
        return
    with db.as_service("readings", is_durable=False) as connection:
        for dialog, one in read:
            readings.store(
                connection,
                ctx.tenant_id,
                StoredReading(
                    dialog.dialog_id,
                    dialog.transcript_hash,
                    version,
                    model,
                    one.reading.to_json(),
                    one.dropped,
                    one.tokens_in,
                    one.tokens_out,
                    one.cost_usd,
                ),
            )


def has_words(messages: Sequence[Message]) -> bool:
    """Anything a person or a robot wrote."""
    return any(m.body.strip() for m in messages if m.kind in ("client", "manager", "bot"))


# --- the rules ----------------------------------------------------------------------------------------------


def _by_rules(ctx: AnalysisContext, batch: Sequence[Dialog], outcome: ReadingsOutcome, instead: str | None) -> None:
    """Read by patterns. ``instead``: why the model did not, counted as skipped; None: the rules were chosen."""
    cached = _cached(ctx, batch, reader.version(ctx.topics), reader.MODEL)
    texts = _texts(ctx, [d for d in batch if d.dialog_id not in cached])
    cached |= _unconcerned(ctx, batch, texts, reader.version, reader.MODEL)
    fresh: list[tuple[Dialog, Read]] = []
    for dialog in batch:
        if (stored := cached.get(dialog.dialog_id)) is not None:
            reading = Reading.from_json(stored.reading)
            outcome.from_cache += 1
        else:
            inside, before = _inside(ctx, texts[dialog.dialog_id])
            if not has_words(inside):
                _no_text(outcome, inside)
                continue
            if reader.is_too_long(inside):
                outcome.skip("too_long")
                continue
            reading = reader.read(inside, ctx.timezone, topics=ctx.topics, is_known=reader.is_ours(before))
            fresh.append((dialog, Read(reading)))
        outcome.readings.append(DialogReading(dialog, reading, "rules"))
        if instead is None:
            outcome.read += 1
        else:
            outcome.skip(instead)
            outcome.by_rules += 1
    _store(ctx, fresh, reader.version(ctx.topics), reader.MODEL)


def _no_text(outcome: ReadingsOutcome, inside: Sequence[Message]) -> None:
    """Only voice notes, pictures or files (or nothing): counted, read by nobody."""
    outcome.skip("no_text")
    outcome.media_unread += sum(1 for m in inside if m.has_media)


# --- the model ----------------------------------------------------------------------------------------------


async def _by_model(ctx: AnalysisContext, found: Sequence[Dialog], outcome: ReadingsOutcome) -> None:
    """Batches in order; within a batch several dialogs at a time."""
    assert ctx.ai is not None
    own = str(ctx.ai.public.get("prompt") or "")
    try:
        budget, outcome.price_note = open_budget(ctx)
        provider = open_provider(ctx, budget)
    except SynkroError as error:
        outcome.ai_down, outcome.note = True, error.message
        for batch in _batches(found):
            ctx.checkpoint()
            _by_rules(ctx, batch, outcome, "provider")
        return
    state = _State(ctx, outcome, time.monotonic() + ctx.limits.reading_seconds)
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(provider)
        if (second := open_judge(ctx, budget)) is not None:
            state.second = await opened.enter_async_context(second)
        for batch in _batches(sorted(found, key=_weight)):
            await state.read_batch(provider, batch, own)
    outcome.calls = provider.calls + (state.second.calls if state.second is not None else 0)
    outcome.cost_usd = budget.spent + (state.second.budget.spent if state.second is not None else 0)


def _weight(dialog: Dialog) -> tuple[bool, int, int, str]:
    """Who waits and what costs most comes first: where time or money ends, the rest is read by the rules."""
    return not dialog.has_open_wait, -(dialog.price or 0), -dialog.messages, dialog.dialog_id


def open_budget(ctx: AnalysisContext) -> tuple[Budget, str]:
    """What this report may still spend, and a note about the price.

    Raises :class:`ConfigurationError` for a cap that is not a sum or a file of prices that cannot be read.
    """
    assert ctx.ai is not None
    env = settings()
    base_url = allowlist.ai_base_url(ctx.ai.public, ctx.allow_local)
    price, note = price_of(ctx.model, allowlist.is_loopback_url(base_url), env.ai_prices)
    with db.as_service("budget") as connection:
        before = spending.of_run(connection, ctx.tenant_id, ctx.run_id)
    caps = replace(caps_of(ctx.ai.public, env), at_once=ctx.limits.concurrency)
    return Budget(price, caps, DatabaseLedger(ctx.tenant_id, ctx.run_id), before), note


def open_provider(ctx: AnalysisContext, budget: Budget) -> Provider:
    """The provider of the context's integration."""
    assert ctx.ai is not None
    return Provider(
        ctx.ai.public, ctx.ai_secrets["api_key"], budget=budget, limits=ctx.limits, allow_local=ctx.allow_local
    )


def open_judge(ctx: AnalysisContext, budget: Budget) -> Provider | None:
    """The second reader's provider where the settings name a model or a server of its own; its caps are the same."""
    assert ctx.ai is not None
    model, address = ctx.ai.public.get("judge_model"), ctx.ai.public.get("judge_base_url")
    if not model and not address:
        return None
    public = {**ctx.ai.public, **({"model": model} if model else {}), **({"base_url": address} if address else {})}
    key = ctx.ai_secrets.get("judge_api_key") or ctx.ai_secrets["api_key"]
    base_url = allowlist.ai_base_url(public, ctx.allow_local)
    price, _ = price_of(str(public["model"]), allowlist.is_loopback_url(base_url), settings().ai_prices)
    own = Budget(price, budget.caps, DatabaseLedger(ctx.tenant_id, ctx.run_id), budget.before)
    return Provider(public, key, budget=own, limits=ctx.limits, allow_local=ctx.allow_local)


class _State:
    """What one pass over the dialogs learns about its provider."""

    def __init__(self, ctx: AnalysisContext, outcome: ReadingsOutcome, until: float) -> None:
        self.ctx, self.outcome, self.until = ctx, outcome, until
        self.failures, self.has_read = 0, False
        self.stopped: str | None = None
        #: by dialog, what is known of it beside its lines
        self.knowledge: dict[str, Knowledge] = {}
        #: who judges, where the settings name another model or server for it
        self.second: Provider | None = None
        #: here and not in the provider: who waits for a place must hear that the provider was left alone meanwhile
        self.places = asyncio.Semaphore(ctx.limits.concurrency)

    async def read_batch(self, provider: Provider, batch: Sequence[Dialog], own: str) -> None:
        ctx, outcome = self.ctx, self.outcome
        version = prompts.version(own, ctx.rubric, ctx.topics)
        ctx.checkpoint()
        cached = _cached(ctx, batch, version, provider.model)
        texts = _texts(ctx, [d for d in batch if d.dialog_id not in cached])
        cached |= _unconcerned(
            ctx, batch, texts, lambda topics: prompts.version(own, ctx.rubric, topics), provider.model
        )
        for dialog in batch:
            if (stored := cached.get(dialog.dialog_id)) is not None:
                outcome.readings.append(DialogReading(dialog, Reading.from_json(stored.reading), "model"))
                outcome.read += 1
                outcome.from_cache += 1
                outcome.dropped_claims += stored.dropped_claims
        fresh = [d for d in batch if d.dialog_id not in cached]
        if self.stopped is not None:
            _by_rules(ctx, fresh, outcome, self.stopped)
            ctx.progress(_STEP, len(outcome.readings) + outcome.skipped.get("no_text", 0), outcome.total, outcome.note)
            return
        self._learn(fresh, version, provider.model)
        tasks = [asyncio.create_task(self._one(provider, d, texts[d.dialog_id], version, own)) for d in fresh]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._judge(provider, batch, version)
        ctx.progress(_STEP, len(outcome.readings) + outcome.skipped.get("no_text", 0), outcome.total, outcome.note)

    async def _one(self, provider: Provider, dialog: Dialog, messages: list[Message], version: str, own: str) -> None:
        ctx, outcome = self.ctx, self.outcome
        inside, before = _inside(ctx, messages)
        if not has_words(inside):
            _no_text(outcome, inside)
            return
        if reader.is_too_long(inside):
            outcome.skip("too_long")
            return
        if not any(m.body.strip() for m in inside if m.kind in ("client", "manager")):
            # robots talking to nobody: nothing a model could add
            read = Read(reader.read(inside, ctx.timezone, topics=ctx.topics))
        else:
            found = await self._ask(provider, dialog, inside, before, own)
            if isinstance(found, str):
                _by_rules(ctx, [dialog], outcome, found)
                return
            read = found
        _store(ctx, [(dialog, read)], version, provider.model)
        outcome.readings.append(DialogReading(dialog, read.reading, "model"))
        outcome.read += 1
        outcome.dropped_claims += read.dropped
        outcome.tokens_in += read.tokens_in
        outcome.tokens_out += read.tokens_out

    def _learn(self, batch: Sequence[Dialog], version: str, model: str) -> None:
        """What the CRM knows of these dialogs, and what was read of them before."""
        ids = [dialog.dialog_id for dialog in batch]
        with db.as_service("readings") as connection:
            known = cards.of_dialogs(connection, self.ctx.tenant_id, ids, self.ctx.window)
            before = readings.last_of(connection, self.ctx.tenant_id, ids, version, model)
        now = min(self.ctx.window.end, clock.now())
        for dialog_id in ids:
            previous = Reading.from_json(before[dialog_id]) if dialog_id in before else None
            self.knowledge[dialog_id] = Knowledge(known.get(dialog_id), previous, now)

    async def _judge(self, provider: Provider, batch: Sequence[Dialog], version: str) -> None:
        """The second reader over what is new of this batch; where it fails, the rules' summaries stand until the next look."""
        ids = {dialog.dialog_id for dialog in batch}
        places = {
            found.dialog.dialog_id: place
            for place, found in enumerate(self.outcome.readings)
            if found.by == "model" and found.dialog.dialog_id in ids and judge.needs(found.reading)
        }
        if not places or self.stopped is not None:
            return
        dialogs_of = [self.outcome.readings[place].dialog for place in places.values()]
        texts = _texts(self.ctx, dialogs_of)
        missing = [dialog for dialog in dialogs_of if dialog.dialog_id not in self.knowledge]
        if missing:
            self._learn(missing, version, provider.model)
        waiting = [
            judge.Judged(
                key, self.outcome.readings[place].reading, tuple(texts[key]), self.knowledge[key], self.ctx.timezone,
                self.outcome.readings[place].dialog.client_name,
            )
            for key, place in places.items()
        ]  # fmt: skip
        try:
            async with asyncio.timeout(max(1.0, self.until - time.monotonic())):
                found = await judge.judge(self.second or provider, waiting)
        except (SynkroError, TimeoutError) as error:
            log.warning("the summaries of %s dialogs were not judged: %s", len(waiting), error)
            return
        with db.as_service("readings", is_durable=False) as connection:
            for key, verdict in found.items():
                place = places[key]
                one = self.outcome.readings[place]
                left = sum(verdict.reading.dropped.values())
                self.outcome.dropped_claims += left - sum(one.reading.dropped.values())
                self.outcome.tokens_in += verdict.tokens_in
                self.outcome.tokens_out += verdict.tokens_out
                self.outcome.readings[place] = replace(one, reading=verdict.reading)
                readings.judged(
                    connection,
                    self.ctx.tenant_id,
                    StoredReading(
                        key, one.dialog.transcript_hash, version, provider.model, verdict.reading.to_json(), left, verdict.tokens_in,
                        verdict.tokens_out, verdict.cost_usd,
                    ),
                )  # fmt: skip

    async def _ask(
        self, provider: Provider, dialog: Dialog, inside: list[Message], before: list[Message], own: str
    ) -> Read | str:
        """The reading, or the reason why there is none."""
        async with self.places:
            return await self._ask_now(provider, dialog, inside, before, own)

    async def _ask_now(
        self, provider: Provider, dialog: Dialog, inside: list[Message], before: list[Message], own: str
    ) -> Read | str:
        if self.stopped is None and (left := self.until - time.monotonic()) <= 0:
            self._time_is_up()
        if self.stopped is not None:
            return self.stopped
        knowledge = self.knowledge.get(dialog.dialog_id, Knowledge())
        earlier = by_model.earlier(inside, knowledge.previous)
        if knowledge.previous is not None and earlier is None:
            before = _unseen(before, knowledge.previous)
        try:
            async with asyncio.timeout(left):
                read = await by_model.read(
                    provider, dialog, inside, before, timezone=self.ctx.timezone, own_prompt=own, topics=self.ctx.topics,
                    rubric=self.ctx.rubric, knowledge=knowledge, earlier=earlier,
                )  # fmt: skip
        except by_model.TooLong:
            return "too_long"
        except BudgetExceeded as error:
            self._note(error.message)
            return "budget"
        except (AuthenticationError, ConfigurationError, PermanentError) as error:
            # a person has to act: the next dialog would hear the same
            self._stop("provider", error.message)
            return "provider"
        except TimeoutError:
            return self._time_is_up()
        except (TransientError, DataError) as error:
            self.failures += 1
            self._note(error.message)
            if self.failures >= self.ctx.limits.breaker:
                self._stop("provider", error.message)
            return "provider"
        self.failures, self.has_read = 0, True
        self.ctx.checkpoint()
        return read

    def _time_is_up(self) -> str:
        """Nothing more is asked. A provider that answered was not fast enough for so many dialogs; one that did not failed."""
        if self.has_read:
            self._stop("time", "не хватило времени, отчёт не мог ждать")
        else:
            self._stop("provider", "AI-провайдер отвечает слишком медленно, отчёт не мог ждать.")
        assert self.stopped is not None
        return self.stopped

    def _note(self, message: str) -> None:
        self.outcome.note = self.outcome.note or message

    def _stop(self, reason: str, message: str) -> None:
        if self.stopped is None:
            log.warning("the model is left alone for this report: %s", message)
            self.stopped, self.outcome.ai_down = reason, True
            self.outcome.note = message
