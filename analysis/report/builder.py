"""One report from readings and numbers: :func:`write_report`.

The shell reads the marts and may ask a model for the headline; :func:`compose` is pure and makes the whole body. The
numbers and the rule-based findings go out whatever happens to the provider. ``Draft.telegram_text`` stays empty:
delivery builds it from the body.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from analysis.llm import prompts
from analysis.reading.normalisation import shown
from analysis.report import actions, advice, aggregates, dialogs, headline, modes, page_text, quality, sales, summaries
from analysis.report import inputs as fact_sheet
from analysis.report.claims import Claims
from analysis.report.context import AnalysisContext, ReadingsOutcome
from analysis.report.inputs import OF_DEALS, Facts
from analysis.report.numbers import changes, figures
from analysis.rules import reader
from synkro.core import russian
from synkro.core.errors import SynkroError
from synkro.database import db
from synkro.reporting import cases, spending
from synkro.reporting.body import Body
from synkro.reporting.reports import Draft

__all__ = ["AnalysisContext", "ReadingsOutcome", "compose", "write_report"]

log = logging.getLogger(__name__)

_NO_KEY = "Диалоги разобраны по правилам: модель AI не подключена."
_COMPLAINTS = ("complaint", "refund")
_SKIPPED = {
    "no_text": "без текста",
    "budget": "сверх лимита расходов",
    "provider": "без ответа AI",
    "time": "не успели",
    "too_long": "слишком длинные",
}


def write_report(ctx: AnalysisContext, outcome: ReadingsOutcome) -> Draft:
    """The draft of the window's report. Raises only what stops a run; a failing model changes a note."""
    ctx.checkpoint()
    ctx.progress("report", 0, 1, "")
    with db.as_service("report") as connection:
        facts = fact_sheet.gather(connection, ctx)
    draft = compose(ctx, outcome, facts)
    if outcome.reader == "model" and not outcome.ai_down and not draft.body.quiet and not draft.body.too_little_data:
        phrased = _phrase(ctx, outcome, facts, draft)
        if phrased is not None:
            draft = compose(ctx, outcome, facts, phrased)
    with db.as_service("report cost") as connection:
        # a step executed again finds its readings in the cache: what they cost the run is in the journal
        spent = spending.of_run(connection, ctx.tenant_id, ctx.run_id)
    ctx.progress("report", 1, 1, "")
    return replace(draft, cost_usd=max(spent, outcome.cost_usd))


def _phrase(ctx: AnalysisContext, outcome: ReadingsOutcome, facts: Facts, draft: Draft) -> list[dict[str, Any]] | None:
    """The model's headline, or None; its cost is added to the outcome either way."""
    assert ctx.ai is not None
    complaints = aggregates.risk_dialogs(outcome.readings, _COMPLAINTS)
    sheet = headline.sheet(facts, figures.rows(facts, fact_sheet.incomplete(ctx, facts)), complaints)

    async def ask() -> list[dict[str, Any]] | None:
        budget, _ = dialogs.open_budget(ctx)
        # a run's own journal already knows what the readings cost
        budget.before = max(budget.before, outcome.cost_usd)
        provider = dialogs.open_provider(ctx, budget)
        try:
            async with provider:
                own = str(ctx.ai.public.get("prompt") or "") if ctx.ai else ""
                return await headline.by_model(provider, sheet, own, [str(row["name"]) for row in facts.managers])
        finally:
            outcome.calls += provider.calls
            outcome.cost_usd += budget.spent

    try:
        return asyncio.run(ask())
    except SynkroError as error:
        log.warning("the headline is written by code: %s", error.detail or error.message)
        return None


def compose(
    ctx: AnalysisContext, outcome: ReadingsOutcome, facts: Facts, phrased: list[dict[str, Any]] | None = None
) -> Draft:
    """The whole report from what is known; pure, and the same input gives the same text."""
    gap = fact_sheet.incomplete(ctx, facts)
    quiet = is_quiet(facts, outcome, gap)
    little = not quiet and facts.has_chats and outcome.total < ctx.min_dialogs
    claims = Claims()
    rows = figures.rows(facts, gap)
    repeats = ctx.report_type not in cases.ADVISING
    to_do = [] if quiet else actions.build(facts, outcome.readings, claims, ctx.timezone, repeats)
    told = {row["dialog_id"] for row in to_do[:3]}
    risks = [] if quiet or little else aggregates.risks(outcome.readings, claims, told)
    complaints = [] if little else aggregates.risk_dialogs(outcome.readings, _COMPLAINTS)
    changed = [] if quiet or little else changes.build(facts, rows, ctx.report_type)
    if little:
        sentences = [_little(ctx, outcome)]
    else:
        sentences = phrased or headline.by_code(
            facts, rows, complaints, quiet, ctx.report_type, [one["text"] for one in changed]
        )
        if not sentences:
            sentences = [{"text": "Цифр за это время нет.", "claims": []}]
    as_of = facts.numbers.get("as_of")
    mode = modes.build(facts)
    body = Body.written(
        {
            **({"mode": mode} if mode else {}),
            "header": _header(ctx, facts, outcome, as_of, gap),
            "coverage_line": coverage_line(outcome),
            # «мало данных» speaks of no client: nothing is quoted for it
            "headline": headline.with_claims([dict(s, claims=[]) for s in sentences], [] if little else to_do, claims),
            "actions": to_do,
            "advice": None if repeats else advice.build(facts, ctx.period_end),
            "numbers": rows,
            "changes": changed,
            "managers": figures.managers(facts),
            "risks": risks,
            "topics": [] if little else aggregates.topics(outcome.readings, ctx.topics),
            "objections": [] if little else aggregates.objections(outcome.readings, claims),
            "promises": []
            if little
            else aggregates.promises(outcome.readings, claims, ctx.period_end, facts.open_promises),
            "quality": None if little else quality.quality(outcome.readings, ctx.rubric, claims),
            # after all else: its quotes are the last of the claims
            "uncovered": None if little else aggregates.uncovered(outcome.readings, ctx.topics, claims),
            "lost_reasons": [{**row, "reason": shown(str(row["reason"]), 120)} for row in facts.lost],
            "sales": sales.build(facts),
            "summaries": summaries.summaries(outcome.readings),
            "dropped": summaries.dropped(outcome.readings),
            "channels": sales.channels(facts),
            "stages": sales.stages(facts),
            "quiet": quiet,
            "too_little_data": little,
            "incomplete": gap,
        }
    )
    return Draft(
        report_type=ctx.report_type,
        window=ctx.window,
        period_start=ctx.period_start,
        period_end=ctx.period_end,
        as_of=_moment(as_of),
        is_complete=gap is None,
        summary_text=page_text.build(body, ctx.timezone),
        body=body,
        numbers={key: value for key, value in facts.numbers.items() if key not in ("window_start", "window_end")},
        coverage=outcome.coverage,
        claims=claims.rows,
        cost_usd=outcome.cost_usd,
        metadata=_metadata(ctx, outcome, facts, body, bool(phrased)),
        data_ref={
            "window_start": ctx.window.start.isoformat(),
            "window_end": ctx.window.end.isoformat(),
            "numbers": "marts.period_summary",
            "managers": "marts.period_managers",
            "dialogs": "marts.period_dialogs",
            "channels": "marts.period_channels",
            "stages": "marts.period_stages",
            "marts": dict(facts.marts),
        },
    )


def is_quiet(facts: Facts, outcome: ReadingsOutcome, gap: Mapping[str, Any] | None) -> bool:
    """Nothing happened and nobody waits; never said of a day whose data is incomplete."""
    if gap is not None or not facts.numbers:
        return False
    happened = ("client_messages", "waits", "unanswered_now", "deals_won", "deals_lost", "deals_new")
    # a deal that stands or has no task was so yesterday: it makes no day a busy one
    asked = any(case.client_id and case.kind not in OF_DEALS for case in facts.open_cases)
    moved = facts.pipeline is not None and bool(facts.pipeline.moved)
    if any(facts.numbers.get(key) for key in happened) or facts.waiting or asked or moved:
        return False
    return not any(found.reading.risks or found.reading.open_question for found in outcome.readings)


def _little(ctx: AnalysisContext, outcome: ReadingsOutcome) -> dict[str, Any]:
    had = russian.count(outcome.total, "диалог", "диалога", "диалогов")
    text = f"Мало данных для выводов: {had}, нужно не меньше {russian.number(ctx.min_dialogs)}."
    return {"text": text, "claims": []}


def coverage_line(outcome: ReadingsOutcome) -> str:
    """«Прочитано 118 из 124 диалогов (4 без текста, 2 слишком длинные), не открыто вложений: 3»; empty when there was nothing
    to read."""
    if not outcome.total:
        return ""
    of_all = f"{russian.number(outcome.read)} из {russian.count(outcome.total, 'диалога', 'диалогов', 'диалогов')}"
    left = ", ".join(
        f"{russian.number(n)} {_SKIPPED.get(reason, reason)}" for reason, n in sorted(outcome.skipped.items())
    )
    media = f", не открыто вложений: {russian.number(outcome.media_unread)}" if outcome.media_unread else ""
    if outcome.by_rules:
        return f"AI прочитал {of_all} ({left}); {russian.number(outcome.by_rules)} разобраны по правилам{media}"
    return f"Прочитано {of_all}" + (f" ({left})" if left else "") + media


def _header(
    ctx: AnalysisContext, facts: Facts, outcome: ReadingsOutcome, as_of: Any, gap: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "company": ctx.company,
        "date": ctx.period_end.isoformat(),
        "date_display": page_text.period(ctx.period_start, ctx.period_end),
        "report_type": ctx.report_type,
        "period_start": ctx.period_start.isoformat(),
        "period_end": ctx.period_end.isoformat(),
        "as_of": as_of,
        "is_complete": gap is None,
        "timezone": ctx.timezone,
        "currency": facts.currency,
        "deal_page": facts.deal_page,
        "reader": reader_of(ctx, outcome),
    }


def reader_of(ctx: AnalysisContext, outcome: ReadingsOutcome) -> dict[str, str]:
    """``{"kind", "model", "note"}``: who read, and what a person has to know about it."""
    if not outcome.total:
        return {"kind": outcome.reader, "model": outcome.model, "note": ""}
    kind = outcome.kind
    if outcome.reader == "rules":
        # a connected model that was not asked (too few dialogs) is not missing
        return {"kind": "rules", "model": "", "note": "" if ctx.has_model else _NO_KEY}
    note = ""
    if outcome.by_rules and kind == "rules":
        note = f"AI-раздел недоступен: {(outcome.note or 'нет ответа').rstrip('. ')}; использованы правила."
    elif outcome.by_rules:
        note = (
            f"AI прочитал не всё: {(outcome.note or 'часть диалогов не подошла').rstrip('. ')}; остальное по правилам."
        )
    return {"kind": kind, "model": outcome.model, "note": note}


def _metadata(
    ctx: AnalysisContext, outcome: ReadingsOutcome, facts: Facts, body: Body, by_model: bool
) -> dict[str, Any]:
    own = str(ctx.ai.public.get("prompt") or "") if ctx.ai else ""
    return {
        "reader": body.header.reader.model_dump(),
        "headline_by": "model" if by_model else "code",
        "prompt_version": (
            prompts.version(own, ctx.rubric, ctx.topics) if outcome.reader == "model" else reader.version(ctx.topics)
        ),
        "from_cache": outcome.from_cache,
        "calls": outcome.calls,
        "dropped_claims": outcome.dropped_claims,
        "rubric": [one.line for one in ctx.rubric],
        "tokens_in": outcome.tokens_in,
        "tokens_out": outcome.tokens_out,
        "price_note": outcome.price_note,
        "currency": facts.currency,
        "timezone": ctx.timezone,
    }


def _moment(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
