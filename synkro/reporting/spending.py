"""Money of the AI: reserved before a call is sent, settled after it, in Postgres, so that parallel runs share the caps.

``synkro.ai_calls`` is the journal (sizes and hashes of what was sent, never text), ``synkro.ai_spend`` its sums by tenant
and day. Days and months are UTC. US dollars, to the millionth of a dollar a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from synkro.core.log import redact
from synkro.database import db

#: why a call may not be sent, as journalled, with the sentence for people
OVER: dict[str, str] = {
    "call": "вызов AI дороже разрешённого за один вызов",
    "report": "достигнут предел расхода на AI для одного отчёта",
    "tenant_day": "достигнут дневной предел расхода компании на AI",
    "tenant_month": "достигнут месячный предел расхода компании на AI",
    "installation_day": "достигнут дневной предел расхода на AI для всей установки",
}


@dataclass(frozen=True)
class Caps:
    """What may be spent at most, US dollars. ``tenant_month``: None without a cap."""

    call: Decimal
    report: Decimal
    tenant_day: Decimal
    installation_day: Decimal
    tenant_month: Decimal | None = None
    #: calls of one tenant on the way at the same moment, over all its runs
    at_once: int = 6


@dataclass(frozen=True)
class Sent:
    """A call about to be sent: its purpose and its size. ``worst``: the most it can cost."""

    purpose: str
    model: str
    prompt_hash: str
    prompt_chars: int
    worst: Decimal


@dataclass(frozen=True)
class Settled:
    """What came of a call. ``is_estimate``: no usage came back, the cost is the reserve or counted from the text."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)
    seconds: float = 0.0
    error: str | None = None
    is_estimate: bool = False
    answer_chars: int = 0
    answer_hash: str | None = None


def reserve(
    connection: db.Connection, tenant_id: UUID, run_id: UUID | None, call: Sent, caps: Caps
) -> tuple[UUID | None, str]:
    """``(call id, "")`` when the call may be sent, else ``(None, "busy" or a key of OVER)``.

    Commit at once: everyone who reserves waits for this transaction.
    """
    call_id = uuid4()
    row = connection.execute(
        "select synkro.reserve_ai_call(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) as over",
        (
            tenant_id, call_id, run_id, call.purpose, call.model, call.prompt_hash, call.prompt_chars, call.worst,
            caps.tenant_day, caps.tenant_month, caps.installation_day, caps.at_once,
        ),
    ).fetchone()  # fmt: skip
    assert row is not None
    return (None, row["over"]) if row["over"] else (call_id, "")


def settle(connection: db.Connection, tenant_id: UUID, call_id: UUID, result: Settled) -> None:
    """The real cost in place of the reserve; settling twice changes nothing."""
    connection.execute(
        "select synkro.settle_ai_call(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            tenant_id, call_id, result.tokens_in, result.tokens_out, result.cost_usd, Decimal(f"{result.seconds:.3f}"),
            "error" if result.error else "ok", redact(result.error)[:500] if result.error else None,
            result.is_estimate, result.answer_chars, result.answer_hash,
        ),
    )  # fmt: skip


def refused(connection: db.Connection, tenant_id: UUID, run_id: UUID | None, call: Sent, over: str) -> None:
    """Journal a call that a cap of the call or of the report forbade."""
    connection.execute(
        "insert into synkro.ai_calls (tenant_id, run_id, purpose, model, prompt_hash, prompt_chars, status, error)"
        " values (%s, %s, %s, %s, %s, %s, 'refused', %s)",
        (tenant_id, run_id, call.purpose, call.model, call.prompt_hash, call.prompt_chars, f"budget: {over}"),
    )
    connection.execute(
        "insert into synkro.ai_spend as s (tenant_id, day, refused) values (%s, (now() at time zone 'utc')::date, 1)"
        " on conflict (tenant_id, day) do update set refused = s.refused + 1",
        (tenant_id,),
    )


def of_run(connection: db.Connection, tenant_id: UUID, run_id: UUID | None) -> Decimal:
    """What a run has spent and reserved so far: a re-executed step goes on with its report's cap."""
    if run_id is None:
        return Decimal(0)
    row = connection.execute(
        "select coalesce(sum(case when status = 'sending' then reserved_usd else cost_usd end), 0) as total"
        " from synkro.ai_calls where tenant_id = %s and run_id = %s",
        (tenant_id, run_id),
    ).fetchone()
    assert row is not None
    return Decimal(row["total"])


@dataclass(frozen=True)
class Spend:
    """What a tenant spent: today and this month (UTC), on its last report, and a call of the last 30 days."""

    tenant_id: UUID
    today: Decimal
    month: Decimal
    calls_today: int
    refused_today: int
    last_report: Decimal | None
    call_mean: Decimal | None
    call_most: Decimal | None
    model: str


def overview(connection: db.Connection) -> dict[UUID, Spend]:
    """By tenant, for those the entry point shows."""
    rows: list[dict[str, Any]] = connection.execute(
        "with days as (select tenant_id, coalesce(sum(spent_usd + reserved_usd) filter (where day = d.today), 0) as today,"
        "   coalesce(sum(spent_usd + reserved_usd), 0) as month, coalesce(sum(calls) filter (where day = d.today), 0) as calls_today,"
        "   coalesce(sum(refused) filter (where day = d.today), 0) as refused_today"
        "  from synkro.ai_spend, (select (now() at time zone 'utc')::date as today) d"
        "  where day >= date_trunc('month', d.today)::date group by tenant_id),"
        " sent as (select tenant_id, avg(cost_usd) as call_mean, max(cost_usd) as call_most,"
        "   (array_agg(model order by created_at desc))[1] as model from synkro.ai_calls"
        "  where status in ('ok', 'error') and cost_usd > 0 and created_at > now() - interval '30 days' group by tenant_id),"
        " made as (select distinct on (tenant_id) tenant_id, cost_usd as last_report from synkro.reports"
        "  order by tenant_id, created_at desc)"
        " select t.tenant_id, coalesce(days.today, 0) as today, coalesce(days.month, 0) as month,"
        "   coalesce(days.calls_today, 0) as calls_today, coalesce(days.refused_today, 0) as refused_today, made.last_report,"
        "   sent.call_mean, sent.call_most, coalesce(sent.model, '') as model"
        " from synkro.tenants t left join days using (tenant_id) left join sent using (tenant_id) left join made using (tenant_id)"
    ).fetchall()
    return {row["tenant_id"]: Spend(**row) for row in rows}
