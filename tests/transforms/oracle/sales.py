"""What was sold in a window: sums by manager and channel, and how deals moved through the stages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.transforms.oracle.people import Deal, People
from tests.transforms.oracle.raw import Row
from tests.transforms.oracle.talk import Message, by_client

if TYPE_CHECKING:
    from tests.transforms.oracle.periods import Period

Stage = tuple[int, int]


def of(deals: Iterable[Deal], period: Period) -> Row:
    """The columns that the company, a manager and a channel share."""
    mine = list(deals)
    new = [deal for deal in mine if period.holds(deal.created_at)]
    won = [deal for deal in mine if deal.stage_kind == "won" and period.holds(deal.closed_at)]
    lost = [deal for deal in mine if deal.stage_kind == "lost" and period.holds(deal.closed_at)]
    still = [deal for deal in mine if deal.was_open(period.now)]
    priced = [deal.price for deal in won if deal.price]
    return {
        "deals_new": len(new),
        "deals_new_amount": _sum(new),
        "deals_won": len(won),
        "deals_won_amount": _sum(won),
        "deals_won_priced": len(priced),
        "deals_won_average": _mean(priced),
        "deals_lost": len(lost),
        "deals_lost_amount": _sum(lost),
        "deals_open": len(still),
        "deals_open_amount": _sum(still),
    }


def of_nobody(period: Period) -> Row:
    sums = of([deal for deal in period.living if deal.responsible_id is None], period)
    return {f"{name}_unassigned": sums[name] for name in ("deals_won", "deals_won_amount", "deals_lost")}


def first_channel(people: People, said: list[Message], client: str) -> str | None:
    """Of the client's dialog that began first; those nobody wrote in come last."""
    began: dict[str, datetime] = {}
    for message in said:
        began.setdefault(message.dialog_id, message.sent_at)
    mine = [one for one in people.dialogs.values() if one.client_id == client and not one.is_left_out]
    last = max(began.values(), default=datetime.max)
    mine.sort(key=lambda one: (one.dialog_id not in began, began.get(one.dialog_id, last), one.dialog_id))
    return mine[0].channel if mine else None


def channels(period: Period) -> dict[str, Row]:
    """A deal belongs to the channel its client wrote through first."""
    said = by_client(period.all)
    groups: dict[str, list[Deal]] = defaultdict(list)
    for deal in period.living:
        client = deal.client_id or ""
        groups[first_channel(period.people, said.get(client, []), client) or ""].append(deal)
    rows = {channel: of(deals, period) for channel, deals in groups.items()}
    return {
        channel: row
        for channel, row in rows.items()
        if row["deals_new"] or row["deals_won"] or row["deals_lost"] or row["deals_open"]
    }


def stages(period: Period) -> dict[Stage, Row]:
    living = {deal.deal_id: deal for deal in period.living}
    moves: dict[str, list[tuple[object, str, Stage, Stage]]] = defaultdict(list)
    for event in period.company.events:
        if event["type"] == "lead_status_changed" and str(event["entity_id"]) in living:
            before, after = (_stage(event["payload"][side]) for side in ("value_before", "value_after"))
            if before != after:
                moves[str(event["entity_id"])].append((event["created_at"], event["id"], before, after))
    came: list[tuple[Stage, str]] = []
    went: list[Stage] = []
    for deal_id, deal in living.items():
        path = sorted(moves[deal_id], key=lambda move: move[:2])  # type: ignore[arg-type, return-value]
        if period.holds(deal.created_at):
            came.append((path[0][2] if path else (deal.pipeline_id, deal.status_id), deal_id))
        for moment, _, before, after in path:
            if period.holds(moment):  # type: ignore[arg-type]
                came.append((after, deal_id))
                went.append(before)
    rows: dict[Stage, Row] = {}
    for stage in {stage for stage, _ in came} | set(went):
        cohort = [living[deal_id] for deal_id in {deal_id for at, deal_id in came if at == stage}]
        ended = [deal.stage_kind for deal in cohort if deal.closed_at is not None and deal.closed_at <= period.as_of]
        rows[stage] = {
            "entered": sum(at == stage for at, _ in came),
            "left_stage": went.count(stage),
            "cohort": len(cohort),
            "cohort_won": ended.count("won"),
            "cohort_lost": ended.count("lost"),
        }
    return rows


def _stage(side: list[Row]) -> Stage:
    status = side[0]["lead_status"]
    return status["pipeline_id"], status["id"]


def _sum(deals: Iterable[Deal]) -> Decimal:
    return sum((deal.price or Decimal() for deal in deals), Decimal())


def _mean(prices: list[Decimal]) -> Decimal | None:
    if not prices:
        return None
    mean = Fraction(sum(prices, Decimal())) / len(prices)
    cents = (2 * mean.numerator * 100 + mean.denominator) // (2 * mean.denominator)
    return Decimal(cents).scaleb(-2)
