"""What a report is written from: numbers, waits and lost deals of the window, read once.

Everything after :func:`gather` is pure: the same facts give the same report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from analysis.reading.grounding import find_quote
from analysis.reading.normalisation import one_line
from analysis.report.context import AnalysisContext
from synkro.connectors import deal_pages, registry
from synkro.database import db
from synkro.metrics import queries
from synkro.metrics.queries import Baseline, Waiting, plain
from synkro.reporting import dialogs

#: waits that get their quote looked up: the report shows ten
_QUOTED = 15
#: dialogs shown for one reason deals were lost
_DIALOGS_OF_A_REASON = 6


@dataclass(frozen=True)
class Facts:
    """The window's numbers with the usual ones, who waits, who works, what was lost and why."""

    numbers: Mapping[str, Any]
    usual: Mapping[str, float] = field(default_factory=dict)
    managers: Sequence[Mapping[str, Any]] = ()
    waiting: Sequence[Waiting] = ()
    #: wait id → (message id, quote) of the client's last question
    quotes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    lost: Sequence[Mapping[str, Any]] = ()
    channels: Sequence[Mapping[str, Any]] = ()
    stages: Sequence[Mapping[str, Any]] = ()
    currency: str | None = None
    #: what a deal's number is added to, see :mod:`synkro.connectors.deal_pages`
    deal_page: str = ""
    #: what the marts were made of: {"rules", "settings", "built_at"}
    marts: Mapping[str, Any] = field(default_factory=dict)
    #: what ``usual`` is told of, and what the numbers were the time before
    baseline: Baseline = field(default_factory=Baseline)
    previous: Baseline = field(default_factory=Baseline)
    #: rows of ``period_changes``: against the usual, or against the time before where nothing is usual yet
    changes: Sequence[Mapping[str, Any]] = ()
    #: (dialog, message) → whether something it promises is still to be kept; a message the marts do not know is not here
    open_promises: Mapping[tuple[str, str], bool] = field(default_factory=dict)

    @property
    def has_chats(self) -> bool:
        return bool(self.numbers.get("messages") or self.usual.get("messages"))

    @property
    def has_deals(self) -> bool:
        return any(self.numbers.get(key) or self.usual.get(key) for key in ("deals", "deals_won", "deals_lost"))


def gather(connection: db.Connection, ctx: AnalysisContext) -> Facts:
    """Read the marts (service entry point)."""
    waits = queries.waiting(connection, ctx.tenant_id, ctx.window)
    quotes: dict[str, tuple[str, str]] = {}
    quoted = [w for w in waits if w.last_text][:_QUOTED]
    ids = list({wait.dialog_id for wait in quoted})
    said_in = dialogs.messages_of_window(connection, ctx.tenant_id, ids, ctx.window)
    for wait in quoted:
        quote = one_line(wait.last_text, 10_000)
        quote = quote if len(quote) <= 200 else quote[:200].rpartition(" ")[0]
        found = find_quote(quote, [m for m in said_in[wait.dialog_id] if m.kind == "client"])
        if found is not None:
            quotes[wait.wait_id] = (found, quote)
    usual = queries.baseline(connection, ctx.tenant_id, ctx.window)
    compared_with = "usual" if usual.windows else "previous"
    return Facts(
        numbers=queries.summary(connection, ctx.tenant_id, ctx.window) or {},
        usual=usual.values,
        baseline=usual,
        previous=queries.baseline(connection, ctx.tenant_id, ctx.window, "previous"),
        changes=queries.changes(connection, ctx.tenant_id, ctx.window, compared_with),
        managers=queries.managers(connection, ctx.tenant_id, ctx.window),
        waiting=waits,
        quotes=quotes,
        lost=_lost(connection, ctx),
        open_promises=_open_promises(connection, ctx),
        channels=queries.channels(connection, ctx.tenant_id, ctx.window),
        stages=queries.stages(connection, ctx.tenant_id, ctx.window),
        currency=_currency(connection, ctx),
        deal_page=deal_pages.prefix(connection, ctx.tenant_id),
        marts=_marts(connection, ctx),
    )


def _open_promises(connection: db.Connection, ctx: AnalysisContext) -> dict[tuple[str, str], bool]:
    """Of the messages of the window that promise: is any of it due or broken, by what happened since."""
    rows = connection.execute(
        "select dialog_id, message_id, bool_or(state in ('due', 'broken')) as is_open from marts.fct_promises"
        " where tenant_id = %s and made_at >= %s and made_at < %s group by 1, 2",
        (ctx.tenant_id, ctx.window.start, ctx.window.end),
    )
    return {(row["dialog_id"], row["message_id"]): row["is_open"] for row in rows}


def _currency(connection: db.Connection, ctx: AnalysisContext) -> str | None:
    """The currency of the CRM's deals: an account of amoCRM has one."""
    row = connection.execute(
        "select currency from marts.fct_deals where tenant_id = %s and currency <> ''"
        " group by currency order by count(*) desc, currency limit 1",
        (ctx.tenant_id,),
    ).fetchone()
    return str(row["currency"]) if row else None


def _lost(connection: db.Connection, ctx: AnalysisContext) -> list[dict[str, Any]]:
    """Reasons of the deals lost in the window, as the CRM has them, with the dialogs and deals behind each."""
    rows = connection.execute(
        "select coalesce(nullif(f.loss_reason, ''), 'Причина не указана') as reason, count(*) as count,"
        " coalesce(sum(f.price), 0) as amount,"
        " array_remove((array_agg(d.dialog_id order by f.price desc nulls last, f.deal_id))[:%(most)s], null) as dialog_ids,"
        " (array_agg(f.deal_id order by f.price desc nulls last, f.deal_id) filter (where d.dialog_id is null))[:%(most)s]"
        "   as deal_ids"
        " from marts.fct_deals f"
        " left join lateral (select x.dialog_id from marts.dim_dialogs x where x.tenant_id = f.tenant_id"
        "   and x.client_id = f.client_id order by x.last_message_at desc nulls last, x.dialog_id limit 1) d on true"
        " where f.tenant_id = %(tenant)s and f.stage_kind = 'lost' and f.is_sales and not f.is_deleted"
        " and f.closed_at >= %(start)s and f.closed_at < %(end)s"
        " group by 1 order by 2 desc, 3 desc, 1",
        {"tenant": ctx.tenant_id, "start": ctx.window.start, "end": ctx.window.end, "most": _DIALOGS_OF_A_REASON},
    )
    return [
        {key: plain(value) for key, value in row.items()}
        | {"dialog_ids": list(dict.fromkeys(row["dialog_ids"] or ())), "deal_ids": list(row["deal_ids"] or ())}
        for row in rows
    ]


def _marts(connection: db.Connection, ctx: AnalysisContext) -> dict[str, Any]:
    """Of which rules and settings the marts were made, and when: what tells two reports of the same rows apart."""
    row = connection.execute(
        "select b.project as rules, b.built_at, c.version as settings from private.mart_builds b"
        " left join synkro.tenant_runtime_configs c on c.tenant_id = b.tenant_id and c.is_current"
        " where b.tenant_id = %s",
        (ctx.tenant_id,),
    ).fetchone()
    return {key: plain(value) for key, value in row.items()} if row else {}


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
