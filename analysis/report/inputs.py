"""What a report is written from: numbers, waits and lost deals of the window, read once.

Everything after :func:`gather` is pure: the same facts give the same report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from analysis.reading.normalisation import one_line
from analysis.report.context import AnalysisContext
from synkro.connectors import registry
from synkro.database import db
from synkro.metrics import queries
from synkro.metrics.queries import Baseline, Waiting, plain
from synkro.reporting import cases
from synkro.reporting.cases import Case

#: characters of a quote
_LONGEST = 200


@dataclass(frozen=True)
class Facts:
    """The window's numbers with the usual ones, who waits, who works, what was lost and why."""

    numbers: Mapping[str, Any]
    usual: Mapping[str, float] = field(default_factory=dict)
    managers: Sequence[Mapping[str, Any]] = ()
    waiting: Sequence[Waiting] = ()
    #: what needs somebody at the moment looked at
    cases: Sequence[Case] = ()
    looked_at: datetime | None = None
    #: case id → (dialog id, message id, quote) of the client's last question, else of the message that opened the case
    quotes: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    #: what the last report of a day advised, as it is now (None: the data no longer shows it), and that report's date
    advised: Sequence[tuple[str, Case | None]] = ()
    advised_for: date | None = None
    lost: Sequence[Mapping[str, Any]] = ()
    currency: str | None = None
    #: what ``usual`` is told of, and what the numbers were the time before
    baseline: Baseline = field(default_factory=Baseline)
    previous: Baseline = field(default_factory=Baseline)
    #: rows of ``period_changes``: against the usual, or against the time before where nothing is usual yet
    changes: Sequence[Mapping[str, Any]] = ()

    @property
    def has_chats(self) -> bool:
        return bool(self.numbers.get("messages") or self.usual.get("messages"))

    @property
    def has_deals(self) -> bool:
        return any(self.numbers.get(key) or self.usual.get(key) for key in ("deals", "deals_won", "deals_lost"))


def gather(connection: db.Connection, ctx: AnalysisContext) -> Facts:
    """Read the marts (service entry point)."""
    found = cases.of_window(connection, ctx.tenant_id, ctx.window)
    advised = cases.last_advice(connection, ctx.tenant_id, ctx.window)
    known = cases.by_ids(connection, ctx.tenant_id, [row["case_id"] for row in advised])
    usual = queries.baseline(connection, ctx.tenant_id, ctx.window)
    compared_with = "usual" if usual.windows else "previous"
    return Facts(
        numbers=queries.summary(connection, ctx.tenant_id, ctx.window) or {},
        usual=usual.values,
        baseline=usual,
        previous=queries.baseline(connection, ctx.tenant_id, ctx.window, "previous"),
        changes=queries.changes(connection, ctx.tenant_id, ctx.window, compared_with),
        managers=queries.managers(connection, ctx.tenant_id, ctx.window),
        waiting=queries.waiting(connection, ctx.tenant_id, ctx.window),
        cases=found,
        looked_at=_looked_at(connection, ctx),
        quotes=_quotes(connection, ctx, found),
        advised=[(row["case_id"], known.get(row["case_id"])) for row in advised],
        advised_for=advised[0]["period_end"] if advised else None,
        lost=_lost(connection, ctx),
        currency=_currency(connection, ctx),
    )


def _looked_at(connection: db.Connection, ctx: AnalysisContext) -> datetime:
    """What «now» is for the cases: what is known of the newest window, the end of an older one."""
    if not cases.is_newest(connection, ctx.tenant_id, ctx.window):
        return ctx.window.end
    row = connection.execute(
        "select as_of from synkro.mart_watermarks where tenant_id = %s", (ctx.tenant_id,)
    ).fetchone()
    return row["as_of"] if row and row["as_of"] else ctx.window.end


def _quotes(connection: db.Connection, ctx: AnalysisContext, found: Sequence[Case]) -> dict[str, tuple[str, str, str]]:
    """The client's own line of each case: the last that asks for something, else the message that opened it."""
    rows = connection.execute(
        "select c.case_id, m.dialog_id, m.message_id, m.body from unnest(%(ids)s::text[], %(dialogs)s::text[], %(messages)s::text[],"
        "   %(since)s::timestamptz[]) as c (case_id, dialog_id, message_id, since)"
        " cross join lateral (select f.dialog_id, f.message_id, f.body from marts.fct_messages f where f.tenant_id = %(tenant)s"
        "   and f.dialog_id = c.dialog_id and coalesce(f.body, '') <> ''"
        "   and (f.message_id = c.message_id or f.kind = 'client' and f.needs_reply and f.sent_at >= c.since and f.sent_at <= %(until)s)"
        "   order by f.kind = 'client' and f.needs_reply desc, f.sent_at desc, f.message_id desc limit 1) m",
        {
            "tenant": ctx.tenant_id,
            "ids": [case.case_id for case in found],
            "dialogs": [case.dialog_id for case in found],
            "messages": [case.evidence_message_id for case in found],
            "since": [case.began_at for case in found],
            "until": _looked_at(connection, ctx),
        },
    )
    return {row["case_id"]: (row["dialog_id"], row["message_id"], _cut(row["body"])) for row in rows}


def _cut(text: str) -> str:
    quote = one_line(text, 10_000)
    return quote if len(quote) <= _LONGEST else quote[:_LONGEST].rpartition(" ")[0]


def _currency(connection: db.Connection, ctx: AnalysisContext) -> str | None:
    """The currency of the CRM's deals: an account of amoCRM has one."""
    row = connection.execute(
        "select currency from marts.fct_deals where tenant_id = %s and currency <> ''"
        " group by currency order by count(*) desc, currency limit 1",
        (ctx.tenant_id,),
    ).fetchone()
    return str(row["currency"]) if row else None


def _lost(connection: db.Connection, ctx: AnalysisContext) -> list[dict[str, Any]]:
    """Reasons of the deals lost in the window, as the CRM has them."""
    rows = connection.execute(
        "select coalesce(nullif(loss_reason, ''), 'Причина не указана') as reason, count(*) as count,"
        " coalesce(sum(price), 0) as amount from marts.fct_deals"
        " where tenant_id = %s and stage_kind = 'lost' and not is_deleted and closed_at >= %s and closed_at < %s"
        " group by 1 order by 2 desc, 3 desc, 1",
        (ctx.tenant_id, ctx.window.start, ctx.window.end),
    )
    return [{key: plain(value) for key, value in row.items()} for row in rows]


def incomplete(ctx: AnalysisContext, facts: Facts) -> dict[str, Any] | None:
    """Why and until when the data is complete, and what happens next; None for a whole window."""
    if not ctx.missing and facts.numbers.get("is_complete", True):
        return None
    causes = []
    for gap in ctx.missing:
        name = registry.name_in_report(str(gap.get("source") or "Источник"))
        causes.append(f"{name}: {str(gap.get('reason') or 'данные не получены').rstrip('. ')}")
    untils = [str(gap["until"]) for gap in ctx.missing if gap.get("until")]
    attempts = [str(gap["next_attempt"]) for gap in ctx.missing if gap.get("next_attempt")]
    as_of = facts.numbers.get("as_of")
    # «полные до» of a moment after the window would contradict the line it stands in
    is_inside = as_of is not None and datetime.fromisoformat(str(as_of)) < ctx.window.end
    return {
        "cause": "; ".join(causes) or "данные прочитаны не до конца окна",
        "until": min(untils) if untils else as_of if is_inside else None,
        "next_attempt": attempts[0] if attempts else "при следующем запуске по расписанию",
        "sources": sorted({str(gap.get("source")) for gap in ctx.missing if gap.get("source")}),
    }
