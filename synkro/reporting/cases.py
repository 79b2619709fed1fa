"""Cases as the marts hold them, and what people and reports say of them.

A case is a thing that needs somebody (``marts.fct_cases``, docs/metrics.md). Its rows are computed; what is said of it is a mark
in ``synkro.case_marks``: a report advised it, a person dismissed it, or took that back. A mark is seen at once, because the mart
is a view over both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from synkro.core import clock
from synkro.core.errors import DataError, NotFoundError
from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics.queries import plain
from synkro.reporting.reports import Report

KINDS = (
    "wait_overdue", "promise_due", "won_complaint", "unmatched_buyer", "offer_silence", "deal_stuck", "deal_without_task",
)  # fmt: skip
Reason = Literal["no_reply_needed", "not_relevant", "done"]
REASONS: tuple[Reason, ...] = ("done", "no_reply_needed", "not_relevant")
#: states in which a case still needs somebody
OPEN = ("open", "advised")
#: reports that advise: those of a day; a week's list repeats what its days said
ADVISING = ("daily", "forced")
_ALREADY = "Этот случай уже закрыт."


@dataclass(frozen=True)
class Case:
    """A case with what a person has to know to act on it."""

    case_id: str
    kind: str
    state: str
    client_id: str | None
    client_name: str
    phone: str | None
    deal_id: str | None
    deal_name: str | None
    stage: str | None
    dialog_id: str | None
    evidence_message_id: str | None
    manager_id: str | None
    manager_name: str | None
    money: int | float | None
    began_at: datetime
    opened_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    closed_by_dialog_id: str | None
    closed_by_message_id: str | None
    closed_by_event_id: str | None
    closed_by_deal_id: str | None
    closed_by_task_id: str | None
    dismissed_reason: str | None
    #: what was promised or offered
    what: str | None
    #: the client's last message
    last_client_at: datetime | None
    #: what the client has said since the case began that decides its class: payment_claimed, complaint
    acts: tuple[str, ...] = ()
    #: the last advice of an earlier report: what was known then, and the first advice ever
    advised_as_of: datetime | None = None
    advised_money: int | float | None = None
    first_advised_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def subject(self) -> str:
        """Whose case it is."""
        return self.client_id or f"deal:{self.deal_id}"


#: the person, the deal and the last advice by a report of another window
_CASES = """
select c.case_id, c.kind, c.state, c.client_id, coalesce(nullif(p.name, ''), d.contact_name, '') as client_name, p.phone, c.deal_id,
  f.name as deal_name, f.stage, coalesce(c.dialog_id, talk.dialog_id) as dialog_id, c.evidence_message_id,
  c.responsible_id as manager_id, m.name as manager_name, c.money, c.began_at, c.opened_at, c.due_at, c.closed_at,
  c.closed_by_dialog_id, c.closed_by_message_id, c.closed_by_event_id, c.closed_by_deal_id, c.closed_by_task_id, c.dismissed_reason, c.what,
  said.last_client_at, advice.as_of as advised_as_of, advice.money as advised_money, advice.first_at as first_advised_at
from marts.fct_cases c
left join marts.dim_clients p on p.tenant_id = c.tenant_id and p.client_id = c.client_id
left join marts.fct_deals f on f.tenant_id = c.tenant_id and f.deal_id = c.deal_id
left join marts.dim_managers m on m.tenant_id = c.tenant_id and m.manager_id = c.responsible_id
left join lateral (
  select x.dialog_id from marts.dim_dialogs x where x.tenant_id = c.tenant_id and x.client_id = c.client_id and c.dialog_id is null
  order by x.last_message_at desc nulls last, x.dialog_id limit 1
) talk on true
left join marts.dim_dialogs d on d.tenant_id = c.tenant_id and d.dialog_id = coalesce(c.dialog_id, talk.dialog_id)
left join lateral (
  select x.sent_at as last_client_at from marts.fct_messages x
  where x.tenant_id = c.tenant_id and x.client_id = c.client_id and x.kind = 'client'
  order by x.sent_at desc limit 1
) said on true
left join lateral (
  select min(a.marked_at) as first_at, max(a.as_of) as as_of, (array_agg(a.money order by a.mark_id desc))[1] as money
  from synkro.case_marks a
  join synkro.reports r on r.tenant_id = a.tenant_id and r.report_id = a.report_id
  where a.tenant_id = c.tenant_id and a.case_id = c.case_id and a.mark = 'advised' and a.marked_at <= %(until)s
    and (r.window_start, r.window_end) is distinct from (%(start)s::timestamptz, %(end)s::timestamptz)
) advice on true
where c.tenant_id = %(tenant)s
"""


def _read(
    connection: db.Connection,
    tenant_id: UUID,
    condition: str,
    window: Window | None = None,
    **values: Any,
) -> list[Case]:
    parameters = {
        "tenant": tenant_id,
        "start": window.start if window else None,
        "end": window.end if window else None,
        "until": values.pop("until", datetime.max.replace(tzinfo=clock.now().tzinfo)),
        **values,
    }
    rows = connection.execute(f"{_CASES} and {condition}", parameters)
    return [Case(**{**row, "money": plain(row["money"]), "advised_money": plain(row["advised_money"])}) for row in rows]


def open_now(
    connection: db.Connection,
    tenant_id: UUID,
    *,
    kind: str | None = None,
    manager_id: str | None = None,
    limit: int = 500,
) -> list[Case]:
    """What needs somebody by what is known now: the dearest first, then the oldest."""
    return _read(
        connection,
        tenant_id,
        "c.state in ('open', 'advised') and (%(kind)s::text is null or c.kind = %(kind)s)"
        " and (%(manager)s::text is null or c.responsible_id = %(manager)s)"
        " order by c.money desc nulls last, c.opened_at, c.case_id limit %(limit)s",
        kind=kind,
        manager=manager_id,
        limit=limit,
    )


def counts(connection: db.Connection, tenant_id: UUID) -> list[dict[str, Any]]:
    """How many open cases of each kind and manager there are: ``{kind, manager_id, manager_name, n}``."""
    return connection.execute(
        "select c.kind, c.responsible_id as manager_id, m.name as manager_name, count(*)::integer as n from marts.fct_cases c"
        " left join marts.dim_managers m on m.tenant_id = c.tenant_id and m.manager_id = c.responsible_id"
        " where c.tenant_id = %s and c.state in ('open', 'advised') group by 1, 2, 3 order by 1, 2",
        (tenant_id,),
    ).fetchall()


def of_window(connection: db.Connection, tenant_id: UUID, window: Window) -> list[Case]:
    """What needed somebody at the window's end; of the newest window, what needs somebody now.

    Advice of the window's own earlier versions does not count: a revision names the same cases.
    """
    if is_newest(connection, tenant_id, window):
        found = _read(connection, tenant_id, "c.state in ('open', 'advised')", window)
    else:
        condition = "c.opened_at <= %(end)s and (c.closed_at is null or c.closed_at > %(end)s)"
        found = _read(connection, tenant_id, condition, window, until=window.end)
    acts = _acts(connection, tenant_id, found)
    return [replace(case, acts=acts.get(case.case_id, ())) for case in found]


def _acts(connection: db.Connection, tenant_id: UUID, found: Sequence[Case]) -> dict[str, tuple[str, ...]]:
    """What the client has done since each case began: claimed a payment, complained (service entry point)."""
    asked = [case for case in found if case.client_id is not None]
    rows = connection.execute(
        "select c.case_id, array_agg(distinct a.act order by a.act) as acts"
        " from unnest(%(ids)s::text[], %(clients)s::text[], %(since)s::timestamptz[]) as c (case_id, client_id, since)"
        " join marts.fct_messages m on m.tenant_id = %(tenant)s and m.client_id = c.client_id and m.sent_at >= c.since and m.kind = 'client'"
        " join private.message_acts a on a.tenant_id = m.tenant_id and a.dialog_id = m.dialog_id and a.message_id = m.message_id"
        " where a.act in ('payment_claimed', 'complaint') group by c.case_id",
        {
            "tenant": tenant_id,
            "ids": [case.case_id for case in asked],
            "clients": [case.client_id for case in asked],
            "since": [case.began_at for case in asked],
        },
    )
    return {row["case_id"]: tuple(row["acts"]) for row in rows}


def is_newest(connection: db.Connection, tenant_id: UUID, window: Window) -> bool:
    """Whether nothing after the window has been looked at yet: a replay of an older one says nothing of today."""
    row = connection.execute(
        "select exists (select from synkro.report_windows where tenant_id = %s and as_of is not null and window_end > %s) as later",
        (tenant_id, window.end),
    ).fetchone()
    return not (row and row["later"])


def by_ids(connection: db.Connection, tenant_id: UUID, case_ids: Sequence[str]) -> dict[str, Case]:
    """The cases of these ids as they are now; one that the data no longer shows is not there."""
    if not case_ids:
        return {}
    found = _read(connection, tenant_id, "c.case_id = any (%(ids)s)", ids=list(case_ids))
    return {case.case_id: case for case in found}


def of_dialog(connection: db.Connection, tenant_id: UUID, dialog_id: str, client_id: str) -> list[Case]:
    """What needs somebody of a dialog and of its client's deals, and what was dismissed in the last week: that may be undone."""
    return _read(
        connection,
        tenant_id,
        "c.client_id = %(client)s and (c.dialog_id = %(dialog)s or c.dialog_id is null)"
        " and (c.state in ('open', 'advised') or c.state = 'dismissed' and c.closed_at > %(since)s)"
        " order by c.opened_at desc, c.case_id limit 10",
        client=client_id,
        dialog=dialog_id,
        since=clock.now() - timedelta(days=7),
    )


def last_advice(connection: db.Connection, tenant_id: UUID, window: Window) -> list[db.Row]:
    """What the day's report before this window advised, in its order: ``{case_id, report_id, period_end}``."""
    return connection.execute(
        "with before as (select r.tenant_id, r.report_id, r.period_end from synkro.reports r"
        "  where r.tenant_id = %(tenant)s and r.is_current and r.report_type = 'daily' and r.window_end < %(end)s"
        "  and exists (select from synkro.case_marks a where a.tenant_id = r.tenant_id and a.report_id = r.report_id and a.mark = 'advised')"
        "  order by r.window_end desc limit 1)"
        " select a.case_id, b.report_id, b.period_end from before b join synkro.case_marks a"
        "  on a.tenant_id = b.tenant_id and a.report_id = b.report_id and a.mark = 'advised' order by a.mark_id",
        {"tenant": tenant_id, "end": window.end},
    ).fetchall()


def advise(connection: db.Connection, report: Report, case_ids: Sequence[str]) -> int:
    """The report has named these cases: one mark each, in the transaction that publishes it. Returns how many.

    Only a report of the newest window advises anything: a replay of an old one leaves today's cases alone.
    """
    window = report.window
    if not case_ids or report.report_type not in ADVISING or not is_newest(connection, report.tenant_id, window):
        return 0
    done = connection.execute(
        "insert into synkro.case_marks (tenant_id, case_id, mark, dialog_id, report_id, money, as_of, channel, marked_at)"
        " select c.tenant_id, c.case_id, 'advised', c.dialog_id, %(report)s, c.money, coalesce(c.as_of, %(now)s), 'report', %(now)s"
        " from unnest(%(ids)s::text[]) with ordinality as named (case_id, place)"
        " join marts.fct_cases c on c.tenant_id = %(tenant)s and c.case_id = named.case_id order by named.place"
        " on conflict do nothing",
        {"tenant": report.tenant_id, "report": report.report_id, "ids": list(case_ids), "now": clock.now()},
    )
    return done.rowcount


def dismiss(
    connection: db.Connection,
    tenant_id: UUID,
    case_id: str,
    reason: str,
    *,
    channel: str,
    author_id: UUID | None = None,
    author_name: str = "",
    report_id: UUID | None = None,
) -> Case:
    """A person says that the case needs nobody. Raises :class:`NotFoundError`, and :class:`DataError` for one that has ended."""
    if reason not in REASONS:
        raise DataError("Такой причины нет.")
    case = _one(connection, tenant_id, case_id)
    if not case.is_open:
        raise DataError(_ALREADY)
    _mark(connection, tenant_id, case, "dismissed", reason, channel, author_id, author_name, report_id)
    return case


def undo(
    connection: db.Connection,
    tenant_id: UUID,
    case_id: str,
    *,
    channel: str,
    author_id: UUID | None = None,
    author_name: str = "",
) -> Case:
    """The dismissal is taken back. Raises :class:`NotFoundError`, and :class:`DataError` where there is none in force."""
    case = _one(connection, tenant_id, case_id)
    if case.state != "dismissed":
        raise DataError("Этот случай никто не снимал.")
    _mark(connection, tenant_id, case, "undone", None, channel, author_id, author_name, None)
    return case


def _one(connection: db.Connection, tenant_id: UUID, case_id: str) -> Case:
    # two people who press at once leave two marks of one meaning: the last word counts
    case = by_ids(connection, tenant_id, [case_id]).get(case_id)
    if case is None:
        raise NotFoundError("Случай не найден.")
    return case


def _mark(
    connection: db.Connection,
    tenant_id: UUID,
    case: Case,
    mark: str,
    reason: str | None,
    channel: str,
    author_id: UUID | None,
    author_name: str,
    report_id: UUID | None,
) -> None:
    connection.execute(
        "insert into synkro.case_marks (tenant_id, case_id, mark, reason, dialog_id, report_id, channel, marked_by, marked_by_name,"
        " marked_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            tenant_id,
            case.case_id,
            mark,
            reason,
            case.dialog_id,
            report_id,
            channel,
            author_id,
            author_name,
            clock.now(),
        ),
    )
