"""What a report is written from: numbers, waits and lost deals of the window, read once.

Everything after :func:`gather` is pure: the same facts give the same report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from analysis.reading.normalisation import one_line
from analysis.report.context import AnalysisContext
from synkro.connectors import deal_pages, registry
from synkro.connectors.connector import Capability
from synkro.database import db
from synkro.metrics import dialog_channels, pipeline, queries
from synkro.metrics.dialog_channels import Channel, Hour
from synkro.metrics.pipeline import Pipeline
from synkro.metrics.queries import Baseline, Waiting, plain
from synkro.metrics.registry import SUMMARY
from synkro.reporting import cases
from synkro.reporting.cases import Case

#: kinds of cases that only deals show
OF_DEALS = ("deal_stuck", "deal_without_task")
#: characters of a quote
_LONGEST = 200
#: dialogs shown for one reason deals were lost
_DIALOGS_OF_A_REASON = 6


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
    #: of a company whose dialogs are not read
    pipeline: Pipeline | None = None
    #: of a company without a CRM
    dialog_channels: Sequence[Channel] = ()
    dialog_hours: Sequence[Hour] = ()

    @property
    def reads_dialogs(self) -> bool:
        """Whether the window's mode reads dialogs: without them nobody can be said to wait, or not to."""
        return self.numbers.get("has_dialogs") is not False

    @property
    def reads_deals(self) -> bool:
        return self.numbers.get("has_deals") is not False

    @property
    def open_cases(self) -> Sequence[Case]:
        """The cases of what the window's mode reads: a side read no more leaves its rows behind, as they were then."""
        found = [case for case in self.cases if (self.reads_deals if case.kind in OF_DEALS else self.reads_dialogs)]
        if self.reads_deals:
            return found
        return [
            replace(case, money=None, deal_id=None, deal_name=None, stage=None, manager_id=None, manager_name=None)
            for case in found
        ]

    @property
    def has_chats(self) -> bool:
        return self.reads_dialogs and bool(self.numbers.get("messages") or self.usual.get("messages"))

    @property
    def has_deals(self) -> bool:
        return self.reads_deals and any(
            self.numbers.get(key) or self.usual.get(key) for key in ("deals", "deals_won", "deals_lost")
        )


def gather(connection: db.Connection, ctx: AnalysisContext) -> Facts:
    """Read the marts (service entry point)."""
    where = (connection, ctx.tenant_id, ctx.window)
    found = cases.of_window(*where)
    advised = cases.last_advice(*where)
    known = cases.by_ids(connection, ctx.tenant_id, [row["case_id"] for row in advised])
    numbers = queries.summary(*where) or {}
    reads_dialogs, reads_deals = (numbers.get(name) is not False for name in ("has_dialogs", "has_deals"))
    usual = queries.baseline(*where)
    compared_with = "usual" if usual.windows else "previous"
    return Facts(
        numbers=numbers,
        pipeline=None if reads_dialogs else pipeline.of_window(*where),
        dialog_channels=() if reads_deals else dialog_channels.of_window(*where),
        dialog_hours=() if reads_deals else dialog_channels.hours_of_window(*where),
        usual=usual.values,
        baseline=usual,
        previous=queries.baseline(*where, "previous"),
        changes=[
            row
            for row in queries.changes(*where, compared_with)
            if all(
                (reads_deals if what is Capability.DEALS else reads_dialogs) for what in SUMMARY[row["metric"]].needs
            )
        ],
        managers=queries.managers(connection, ctx.tenant_id, ctx.window),
        waiting=queries.waiting(*where),
        cases=found,
        looked_at=_looked_at(connection, ctx),
        quotes=_quotes(connection, ctx, found),
        advised=[(row["case_id"], known.get(row["case_id"])) for row in advised],
        advised_for=advised[0]["period_end"] if advised else None,
        lost=_lost(connection, ctx) if reads_deals else (),
        open_promises=_open_promises(connection, ctx),
        channels=queries.channels(connection, ctx.tenant_id, ctx.window),
        stages=queries.stages(connection, ctx.tenant_id, ctx.window),
        currency=_currency(connection, ctx),
        deal_page=deal_pages.prefix(connection, ctx.tenant_id),
        marts=_marts(connection, ctx),
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
