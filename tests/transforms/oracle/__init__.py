"""An independent second opinion on every number: the marts, computed in plain Python from raw rows.

Written from metrics.md and the decisions in transforms/README.md, never from the SQL: a rule that both
misread the same way is the only kind of mistake that the comparison cannot see. It is slow and simple on purpose,
and shares no code with the product; ``database.py`` alone knows it, to load a company and to build its marts.

:func:`compute` gives ``{table: {key: {column: value}}}`` for the columns of metrics.md §5; a key is the row's
identity without the tenant.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.transforms.oracle import sales
from tests.transforms.oracle.changes import Compared, against
from tests.transforms.oracle.clock import Clock, minutes
from tests.transforms.oracle.people import People
from tests.transforms.oracle.periods import Period, Timed, rounded
from tests.transforms.oracle.promises import fct_promises
from tests.transforms.oracle.raw import Company, Row, Settings
from tests.transforms.oracle.tasks import fct_tasks
from tests.transforms.oracle.talk import Message, by_client, messages
from tests.transforms.oracle.waits import Session, Wait, talks

__all__ = ["Company", "Settings", "Table", "compute"]

Table = dict[tuple[Any, ...], Row]


def compute(company: Company) -> dict[str, Table]:
    clock, people = Clock(company), People(company)
    as_of = max(window["as_of"] for window in company.windows)
    found = messages(company, people)
    waits, sessions = talks(company, people, found, as_of)
    timed = [_timed(wait, company, clock) for wait in waits]
    tables = {
        "fct_messages": _fct_messages(found, clock),
        "fct_waits": {(one.wait.wait_id,): _fct_wait(one, company, clock, as_of) for one in timed},
        "fct_sessions": {(one.session_id,): _fct_session(one, company, clock, as_of) for one in sessions},
        "fct_deals": _fct_deals(company, people),
        "fct_tasks": fct_tasks(company, people),
        "dim_clients": _dim_clients(people, found),
        "dim_dialogs": _dim_dialogs(people, found),
        "fct_promises": fct_promises(company, people, found, as_of),
        "period_summary": {},
        "period_managers": {},
        "period_dialogs": {},
        "period_hours": {},
        "period_excluded": {},
        "fct_funnel": _fct_funnel(people),
        "period_channels": {},
        "period_stages": {},
        "period_usual": {},
        "period_changes": {},
        "waits_open": {
            (one.wait.wait_id,): _open_wait(one, people, as_of) for one in timed if one.wait.closed_at is None
        },
    }
    zone = ZoneInfo(company.settings.timezone)
    periods = {}
    for row in company.windows:
        period = Period(row, company, people, clock, found, timed)
        span = (row["window_start"], row["window_end"])
        periods[span] = Compared(period, zone)
        tables["period_summary"][span] = period.summary()
        tables["period_managers"] |= {(*span, manager): line for manager, line in period.managers().items()}
        tables["period_dialogs"] |= {(*span, dialog): line for dialog, line in period.dialogs().items()}
        tables["period_hours"] |= {(*span, *hour): line for hour, line in period.hours(zone).items()}
        tables["period_channels"] |= {(*span, channel): line for channel, line in sales.channels(period).items()}
        tables["period_stages"] |= {(*span, *stage): line for stage, line in sales.stages(period).items()}
        tables["period_excluded"] |= {(*span, dialog): line for dialog, line in period.excluded().items()}
    for span, compared in periods.items():
        usual, changes = against(compared, periods)
        tables["period_usual"] |= {(*span, *key): line for key, line in usual.items()}
        tables["period_changes"] |= {(*span, *key): line for key, line in changes.items()}
    return tables


def _target(company: Company, moment: datetime) -> int:
    """The target in force then; before the first was set, the one of now."""
    targets = company.settings.targets
    return next((target for since, target in reversed(targets) if since <= moment), targets[-1][1])


def _timed(wait: Wait, company: Company, clock: Clock) -> Timed:
    spent = clock.bh(wait.opened_at, wait.closed_at) if wait.is_answered and wait.closed_at else None
    return Timed(
        wait,
        deadline=clock.bh_add(wait.opened_at, _target(company, wait.opened_at)),
        minutes=spent,
        is_off_hours=spent == 0 and not clock.is_working(wait.opened_at),
    )


def _fct_messages(found: list[Message], clock: Clock) -> Table:
    return {
        (one.dialog_id, one.message_id): {
            "client_id": one.client_id,
            "session_id": one.session_id,
            "channel": one.channel,
            "direction": one.direction,
            "kind": one.kind,
            "bot_sign": one.bot_sign,
            "author_id": one.author_id,
            "author_source": one.author_source,
            "sent_at": one.sent_at,
            "business_date": clock.business_date(one.sent_at),
            "body": one.body,
            "has_media": one.has_media,
            "needs_reply": one.needs_reply,
        }
        for one in found
    }


def _fct_wait(one: Timed, company: Company, clock: Clock, as_of: datetime) -> Row:
    wait = one.wait
    ended = wait.closed_at if wait.is_answered else None
    return {
        "client_id": wait.opening.client_id,
        "dialog_id": wait.opening.dialog_id,
        "session_id": wait.session_id,
        "opened_at": wait.opened_at,
        "last_client_at": wait.last_client_at,
        "closed_at": wait.closed_at,
        "closed_by": wait.closed_by,
        "replied_by": wait.replied_by,
        "responsible_at_open": wait.responsible,
        "response_minutes": rounded(one.minutes, 4),
        "response_minutes_calendar": rounded(minutes(ended - wait.opened_at), 4) if ended else None,
        "response_minutes_from_last": rounded(clock.bh(wait.last_client_at, ended), 4) if ended else None,
        "is_first_response": wait.is_first,
        "is_off_hours": one.is_off_hours,
        "sla_target_minutes": _target(company, wait.opened_at),
        "sla_deadline_at": one.deadline,
        "is_breached": one.deadline is not None and (wait.closed_at or as_of) > one.deadline,
        "is_open": wait.closed_at is None,
        "business_date": clock.business_date(wait.opened_at),
    }


def _fct_session(one: Session, company: Company, clock: Clock, as_of: datetime) -> Row:
    first = one.waits[0] if one.waits and one.initiated_by == "client" else None
    spent = clock.bh(first.opened_at, first.closed_at) if first and first.is_answered and first.closed_at else None
    ended_at = one.messages[-1].sent_at
    if any(wait.closed_at is None for wait in one.waits):
        state = "waiting"
    else:
        state = "ended" if as_of - ended_at > timedelta(hours=company.settings.session_gap_hours) else "active"
    return {
        "client_id": one.client_id,
        "started_at": one.messages[0].sent_at,
        "ended_at": ended_at,
        "initiated_by": one.initiated_by,
        "state": state,
        "message_count": len(one.messages),
        "first_response_minutes": rounded(spent, 4),
    }


def _fct_deals(company: Company, people: People) -> Table:
    pipelines = {row["id"]: row["payload"]["name"] for row in company.pipelines}
    stages = {
        (row["id"], status["id"]): status["name"]
        for row in company.pipelines
        for status in row["payload"]["_embedded"]["statuses"]
    }
    reasons = {row["id"]: row["payload"]["name"] for row in company.loss_reasons}
    return {
        (one.deal_id,): {
            "client_id": one.client_id,
            "name": one.name,
            "pipeline_id": one.pipeline_id,
            "pipeline": pipelines.get(one.pipeline_id),
            "status_id": one.status_id,
            "stage": stages.get((one.pipeline_id, one.status_id), f"№ {one.status_id}"),
            "stage_kind": one.stage_kind,
            "price": one.price,
            "responsible_id": one.responsible_id,
            "loss_reason": reasons.get(one.loss_reason_id or 0) if one.stage_kind == "lost" else None,
            "created_at": one.created_at,
            "updated_at": one.updated_at,
            "closed_at": one.closed_at,
            "is_deleted": one.is_deleted,
            "is_sales": one.is_sales,
        }
        for one in people.deals.values()
    }


def _fct_funnel(people: People) -> Table:
    rows: Table = {}
    for deal in people.deals.values():
        if deal.stage_kind == "open" and not deal.is_deleted and deal.is_sales:
            row = rows.setdefault((deal.pipeline_id, deal.status_id), {"deals": 0, "amount": Decimal(), "unpriced": 0})
            row["deals"] += 1
            row["amount"] += deal.price or Decimal()
            row["unpriced"] += not deal.price
    return rows


def _open_wait(one: Timed, people: People, as_of: datetime) -> Row:
    """A wait nobody has ended by the last moment known; a client has one at most, so its deals are counted once."""
    opening = one.wait.opening
    deals = [
        deal
        for deal in people.deals.values()
        if deal.client_id == opening.client_id and deal.stage_kind == "open" and not deal.is_deleted and deal.is_sales
    ]
    dearest = min(deals, key=lambda deal: (deal.price is None, -(deal.price or 0), deal.deal_id), default=None)
    is_overdue = one.deadline is not None and as_of > one.deadline
    return {
        "client_id": opening.client_id,
        "dialog_id": opening.dialog_id,
        "deal_id": dearest.deal_id if dearest else None,
        "opened_at": one.opened_at,
        "as_of": as_of,
        "age_minutes": rounded(max(minutes(as_of - one.opened_at), Fraction(0)), 4),
        "is_overdue": is_overdue,
        "money": sum((deal.price or Decimal() for deal in deals), Decimal()) if deals and is_overdue else None,
        "responsible_id": one.wait.responsible,
    }


def _dim_clients(people: People, found: list[Message]) -> Table:
    said = by_client(found)
    dialogs = {one.client_id for one in people.dialogs.values() if not one.is_left_out}
    contacts: dict[str, list[Row]] = defaultdict(list)
    for id, row in people.contacts.items():
        contacts[people.client_of_contact[id] or ""].append(row)
    clients = dialogs | {client for client, deals in people.deals_of.items() if deals}
    table: Table = {}
    for client in clients:
        phone = client if client.startswith("+") else None
        known = sorted(contacts[client], key=lambda row: str(row["id"]))
        known.sort(key=lambda row: row["updated_at"], reverse=True)
        if people.deals_of[client]:
            status = "matched"
        elif phone is None:
            status = "no_phone"
        else:
            status = "contact_without_deal" if known else "no_contact"
        names = [row["payload"]["name"] for row in known] + _names_in_messengers(people, said.get(client, []), client)
        table[(client,)] = {
            "phone": phone,
            "name": next((name for name in names if name), None),
            "first_message_at": next((one.sent_at for one in said.get(client, []) if one.kind == "client"), None),
            "match_status": status,
            "first_channel": sales.first_channel(people, said.get(client, []), client),
        }
    return table


def _names_in_messengers(people: People, said: list[Message], client: str) -> list[str | None]:
    """Of the client's dialogs, the one spoken in last first."""
    last = {one.dialog_id: one.sent_at for one in said}
    mine = [one for one in people.dialogs.values() if one.client_id == client and not one.is_left_out]
    silent = sorted((one for one in mine if one.dialog_id not in last), key=lambda one: one.dialog_id)
    spoken = sorted((one for one in mine if one.dialog_id in last), key=lambda one: one.dialog_id)
    spoken.sort(key=lambda one: last[one.dialog_id], reverse=True)
    return [one.contact_name for one in spoken + silent]


def _dim_dialogs(people: People, found: list[Message]) -> Table:
    said: dict[str, list[Message]] = defaultdict(list)
    for message in found:
        said[message.dialog_id].append(message)
    return {
        (one.dialog_id,): {
            "client_id": one.client_id,
            "channel": one.channel,
            "connection_id": one.connection_id,
            "contact_name": one.contact_name,
            "first_message_at": said[one.dialog_id][0].sent_at if said[one.dialog_id] else None,
            "last_message_at": said[one.dialog_id][-1].sent_at if said[one.dialog_id] else None,
            "message_count": len(said[one.dialog_id]),
        }
        for one in people.dialogs.values()
        if not one.is_left_out
    }
