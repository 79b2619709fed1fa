"""What a tenant's build has to touch: everything, or the clients something happened to since the last one that stood.

``private.raw_changes`` is filled by triggers in the transaction that changes raw; ``private.mart_builds`` says what the
marts as they stand were made of. :func:`begin` claims the changes it can see and compares the rest; :func:`stood` is
called after the last model and forgets exactly the claimed ones. Between the two nothing is lost by a crash: the claims
stay, and so do the clients the failed build had found (the logs in ``intermediate``), so the next build does more.

Rebuilding is said of clients, not of moments: a change that commits while a build runs is not visible to its claim,
stays unclaimed, and is the next build's. No clock is compared, so no margin is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from synkro.database import connections

Scope = Literal["all", "touched"]

#: what int_touched_phones, int_changes and int_touched have found since the last build that stood
_LOGS = ("intermediate.int_touched_phones", "intermediate.int_changes", "intermediate.int_touched")

#: The settings every client depends on. A target counts from the moment its version was written; bot senders are names,
#: so the users of amoCRM who carry them count too. The dictionaries name the stages, reasons and currency of deals.
_INPUTS = """
select
  (select md5(jsonb_build_array(
      c.timezone, c.business_day_start, c.session_gap_hours, c.sla_target_minutes, c.excluded_phones, c.bot_senders,
      c.sales_pipelines,
      (select jsonb_agg(jsonb_build_array(v.created_at, v.sla_target_minutes) order by v.version)
       from (select version, created_at, sla_target_minutes,
               lag(sla_target_minutes) over (order by version) as before
             from synkro.tenant_runtime_configs where tenant_id = c.tenant_id) as v
       where v.sla_target_minutes is distinct from v.before),
      (select jsonb_agg(u.manager_id order by u.manager_id) from staging.stg_amocrm__users as u
       where u.tenant_id = c.tenant_id and lower(to_jsonb(c.bot_senders)::text)::jsonb ?| array[lower(u.name), lower(u.email), u.manager_id])
    )::text)
   from synkro.tenant_runtime_configs as c where c.tenant_id = %(tenant)s and c.is_current) as settings,
  (select md5(jsonb_build_array(
      (select jsonb_agg(to_jsonb(s) order by s.pipeline_id, s.status_id) from staging.stg_amocrm__stages as s where s.tenant_id = %(tenant)s),
      (select jsonb_agg(to_jsonb(r) order by r.loss_reason_id) from staging.stg_amocrm__loss_reasons as r where r.tenant_id = %(tenant)s),
      (select max(a.currency) from staging.stg_amocrm__account as a where a.tenant_id = %(tenant)s)
    )::text)) as dictionaries,
  (select max(greatest(as_of, looked_at)) from synkro.report_windows where tenant_id = %(tenant)s) as as_of,
  (select min(starts_at) from synkro.working_intervals where tenant_id = %(tenant)s) as calendar_from,
  (select max(ends_at) from synkro.working_intervals where tenant_id = %(tenant)s) as calendar_until
"""

#: working time inside a stretch; the calendar grows by a day each day, what it said of the others must not change
_CALENDAR = """
select md5(coalesce(string_agg(greatest(starts_at, %(from)s)::text || least(ends_at, %(until)s)::text, ',' order by starts_at), '')) as hours
from synkro.working_intervals
where tenant_id = %(tenant)s and starts_at < %(until)s and ends_at > %(from)s
"""


#: the dialogs the build wrote or left out anew: the reconciliation counts them again (synkro/reporting/reconciliation.py). Where
#: nothing has been counted yet, all of them will be.
_TOUCHED_DIALOGS = """
insert into private.reconciled_dialogs (tenant_id, dialog_id)
select %(tenant)s, id from intermediate.int_changes
where tenant_id = %(tenant)s and kind = 'chat' and exists (select from private.reconciled_dialogs where tenant_id = %(tenant)s)
union
select %(tenant)s, dialog_id from intermediate.int_dialogs
where tenant_id = %(tenant)s and exists (select from private.reconciled_dialogs where tenant_id = %(tenant)s)
  and client_id = any (array(select client_id from intermediate.int_touched where tenant_id = %(tenant)s and not is_idle))
on conflict (tenant_id, dialog_id) do update set raw_rows = null, mart_rows = null, counted_at = null
"""


#: inputs that decide what every number means: the SQL itself and the tenant's lists
_RULES = ("project", "settings")


@dataclass(frozen=True)
class Build:
    """A build under way: what it covers, and what the marts will have been made of."""

    tenant_id: UUID
    scope: Scope
    #: every deal, whoever its client is: a stage, a reason or the currency was renamed
    all_deals: bool
    inputs: dict[str, Any]

    @property
    def variables(self) -> dict[str, Any]:
        return {"scope": self.scope, "all_deals": self.all_deals}


def begin(
    url: str,
    tenant_id: UUID,
    project: str,
    *,
    everything: bool = False,
    session: psycopg.Connection[Any] | None = None,
) -> Build:
    """Claim the tenant's changes and decide how much is to be done. One build of a tenant at a time: its run's lock.

    ``session``: an open connection outside a transaction, instead of one more.
    """
    with _transaction(url, session) as connection:
        inputs = _inputs(connection, tenant_id, project)
        mark = _mark(connection, tenant_id)
        scope: Scope = "all" if everything or not _is_comparable(connection, mark, inputs) else "touched"
        if scope == "touched" and mark is not None and not mark["is_building"]:
            for log in _LOGS:
                connection.execute(f"delete from {log} where tenant_id = %s", (tenant_id,))
        if mark is not None and any(mark[name] not in (None, inputs[name]) for name in _RULES):
            # windows this build does not name would show the former rules' numbers for ever: the next run builds them
            connection.execute("update synkro.report_windows set is_outdated = true where tenant_id = %s", (tenant_id,))
        connection.execute(
            "update private.raw_changes set is_claimed = true where tenant_id = %s and not is_claimed", (tenant_id,)
        )
        # a build of everything that dies has left nothing to compare with: the next one is of everything too
        connection.execute(
            "insert into private.mart_builds (tenant_id, scope, is_building) values (%(tenant)s, %(scope)s, true)"
            " on conflict (tenant_id) do update set scope = excluded.scope, is_building = true,"
            " project = case when excluded.scope = 'touched' then mart_builds.project end",
            {"tenant": tenant_id, "scope": scope},
        )
        all_deals = mark is None or mark["dictionaries"] != inputs["dictionaries"]
        return Build(tenant_id, scope, scope == "touched" and all_deals, inputs)


def is_partial(url: str, tenant_id: UUID, project: str, *, session: psycopg.Connection[Any] | None = None) -> bool:
    """Whether a build would cover only the clients something happened to; claims nothing."""
    with _transaction(url, session) as connection:
        return _is_comparable(connection, _mark(connection, tenant_id), _inputs(connection, tenant_id, project))


#: Where no run has set a watermark, the last thing known to have been said, as in int_waits
_WATERMARK = """
insert into synkro.mart_watermarks (tenant_id, as_of)
select %(tenant)s, m.as_of
from (select coalesce(%(as_of)s::timestamptz, (select max(sent_at) from marts.fct_messages where tenant_id = %(tenant)s)) as as_of) as m
where m.as_of is not null
on conflict (tenant_id) do update set as_of = excluded.as_of, built_at = now()
"""


def stood(
    url: str,
    build: Build,
    windows: Sequence[tuple[datetime, datetime]] = (),
    *,
    session: psycopg.Connection[Any] | None = None,
) -> None:
    """The build is complete: what it was made of becomes the mark, the changes it covered are forgotten."""
    names = list(build.inputs)
    with _transaction(url, session) as connection:
        connection.execute(
            "update private.mart_builds set is_building = false, built_at = now(),"
            f" {', '.join(f'{name} = %({name})s' for name in names)} where tenant_id = %(tenant)s",
            {"tenant": build.tenant_id, **build.inputs},
        )
        connection.execute(_WATERMARK, {"tenant": build.tenant_id, "as_of": build.inputs.get("as_of")})
        connection.execute("delete from private.raw_changes where tenant_id = %s and is_claimed", (build.tenant_id,))
        if build.scope == "all":
            connection.execute("delete from private.reconciled_dialogs where tenant_id = %s", (build.tenant_id,))
        else:
            connection.execute(_TOUCHED_DIALOGS, {"tenant": build.tenant_id})
        connection.cursor().executemany(
            "update synkro.report_windows set is_outdated = false"
            " where tenant_id = %s and window_start = %s and window_end = %s and is_outdated",
            [(build.tenant_id, start, end) for start, end in windows],
        )


def last(url: str, tenant_id: UUID) -> Scope:
    """What the tenant's last build covered: as much is there to test."""
    with connections.connect(url, "build", row_factory=dict_row) as connection:
        mark = _mark(connection, tenant_id)
    return mark["scope"] if mark is not None and not mark["is_building"] else "all"


@contextmanager
def _transaction(url: str, session: psycopg.Connection[Any] | None) -> Iterator[psycopg.Connection[Any]]:
    """One transaction whose rows are dictionaries."""
    if session is None:
        with connections.connect(url, "build", row_factory=dict_row) as connection:
            yield connection
        return
    usual, session.row_factory = session.row_factory, dict_row
    try:
        with session.transaction():
            yield session
    finally:
        session.row_factory = usual


def _mark(connection: psycopg.Connection[Any], tenant_id: UUID) -> dict[str, Any] | None:
    row: dict[str, Any] | None = connection.execute(
        "select * from private.mart_builds where tenant_id = %s", (tenant_id,)
    ).fetchone()
    return row


def _inputs(connection: psycopg.Connection[Any], tenant_id: UUID, project: str) -> dict[str, Any]:
    found = dict(connection.execute(_INPUTS, {"tenant": tenant_id}).fetchone() or {})
    found["project"] = project
    found["calendar"] = _calendar(connection, tenant_id, found["calendar_from"], found["calendar_until"])
    return found


def _calendar(
    connection: psycopg.Connection[Any], tenant_id: UUID, start: datetime | None, end: datetime | None
) -> str | None:
    parameters = {"tenant": tenant_id, "from": start, "until": end}
    row = connection.execute(_CALENDAR, parameters).fetchone()
    return None if row is None else str(row["hours"])


def _is_comparable(connection: psycopg.Connection[Any], mark: dict[str, Any] | None, inputs: dict[str, Any]) -> bool:
    """Whether what differs from the last build can be told client by client."""
    if mark is None or any(mark[name] is None for name in ("project", "settings", "as_of", "calendar")):
        return False
    if inputs["as_of"] is None or any(mark[name] != inputs[name] for name in _RULES):
        return False
    return _same_hours(connection, mark, inputs)


def _same_hours(connection: psycopg.Connection[Any], mark: dict[str, Any], inputs: dict[str, Any]) -> bool:
    """Whether the calendar says of the stretch the last build knew what it said then."""
    start, end = mark["calendar_from"], mark["calendar_until"]
    if start is None or inputs["calendar_from"] is None:
        return start is inputs["calendar_from"]
    if inputs["calendar_from"] > start or inputs["calendar_until"] < end:
        return False
    return _calendar(connection, mark["tenant_id"], start, end) == mark["calendar"]
