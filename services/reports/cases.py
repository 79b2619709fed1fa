"""Cases as people see and dismiss them: the list of what needs somebody, a dismissal and its undoing."""

from __future__ import annotations

from dataclasses import dataclass

from services import access
from services.access import Actor
from services.reports.view import currency_of
from synkro.database import db
from synkro.reporting import cases
from synkro.reporting.cases import KINDS, Case
from synkro.tenancy import runtime_config
from synkro.tenancy.tenants import Tenant

#: rows of one list; a filter shows the rest
MOST = 200


@dataclass(frozen=True)
class Filter:
    """One choice of a filter and how many open cases it has; ``key`` is None for managers nobody names."""

    key: str | None
    name: str
    n: int


@dataclass(frozen=True)
class OpenCases:
    tenant: Tenant
    timezone: str
    currency: str | None
    rows: list[Case]
    #: of the chosen kind and manager, also those that are not shown
    total: int
    kinds: list[Filter]
    managers: list[Filter]
    kind: str | None
    manager_id: str | None


def load(who: Actor, slug: str, kind: str | None = None, manager_id: str | None = None) -> OpenCases:
    """What needs somebody now. For members; reads only. A kind that does not exist is no filter."""
    tenant = access.tenant(who, slug)
    kind = kind if kind in KINDS else None
    with access.transaction(who) as connection:
        found = cases.counts(connection, tenant.tenant_id)
        rows = cases.open_now(connection, tenant.tenant_id, kind=kind, manager_id=manager_id, limit=MOST)
        kinds = {one: 0 for one in KINDS}
        managers: dict[str, Filter] = {}
        total = 0
        for row in found:
            mine = manager_id is None or row["manager_id"] == manager_id
            kinds[row["kind"]] += row["n"] if mine else 0
            total += row["n"] if mine and kind in (None, row["kind"]) else 0
            if row["manager_id"] is not None and kind in (None, row["kind"]):
                known = managers.get(row["manager_id"])
                name = row["manager_name"] or row["manager_id"]
                managers[row["manager_id"]] = Filter(row["manager_id"], name, row["n"] + (known.n if known else 0))
        return OpenCases(
            tenant=tenant,
            timezone=runtime_config.current(connection, tenant.tenant_id).timezone,
            currency=currency_of(connection, tenant.tenant_id),
            rows=rows,
            total=total,
            kinds=[Filter(one, one, n) for one, n in kinds.items() if n or one == kind],
            managers=sorted(managers.values(), key=lambda one: (-one.n, one.name)),
            kind=kind,
            manager_id=manager_id,
        )


def dismiss(who: Actor, slug: str, case_id: str, reason: str) -> Case:
    """A member says that a case needs nobody: ``done``, ``no_reply_needed`` or ``not_relevant``. Returns it as it is now.

    Audited as ``case.dismissed``. Raises :class:`NotFoundError` for a case that is not there, :class:`DataError` for one that has ended.
    """
    tenant = access.tenant(who, slug)
    with access.transaction(who) as connection:
        cases.dismiss(
            connection, tenant.tenant_id, case_id, reason, channel=_channel(who), author_id=who.user_id, author_name=who.name
        )  # fmt: skip
        access.note(
            connection,
            who,
            "case.dismissed",
            tenant_id=tenant.tenant_id,
            metadata={"case_id": case_id, "reason": reason},
        )
        return _now(connection, tenant, case_id)


def undo(who: Actor, slug: str, case_id: str) -> Case:
    """A member takes a dismissal back, their own or another's. Audited as ``case.restored``. Raises as :func:`dismiss` does."""
    tenant = access.tenant(who, slug)
    with access.transaction(who) as connection:
        cases.undo(
            connection, tenant.tenant_id, case_id, channel=_channel(who), author_id=who.user_id, author_name=who.name
        )
        access.note(connection, who, "case.restored", tenant_id=tenant.tenant_id, metadata={"case_id": case_id})
        return _now(connection, tenant, case_id)


def _channel(who: Actor) -> str:
    return "web" if isinstance(who, access.Viewer) else "command"


def _now(connection: db.Connection, tenant: Tenant, case_id: str) -> Case:
    return cases.by_ids(connection, tenant.tenant_id, [case_id])[case_id]
