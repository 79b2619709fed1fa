"""Database logins of analysts: given and taken by the machine's operator alone.

A login is a role of the database server, which only the owner of the schemas makes: no person of the app has that entry
point, whatever their role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services import access
from services.machine import Operator
from synkro.database import analysts, connections, db
from synkro.database.analysts import Analyst
from synkro.tenancy.tenants import Tenant


@dataclass(frozen=True)
class Given:
    """A login that was just made."""

    name: str
    role: str
    tenants: tuple[Tenant, ...]
    #: the address to connect by, with its password: shown once, stored nowhere
    url: str


def add(who: Operator, name: str, slugs: Sequence[str], timeout_seconds: int) -> Given:
    """A login that reads the marts of these companies. Audited as ``analyst.added``, a line for each company.

    Raises :class:`NotFoundError` for an unknown company and :class:`DataError` for a bad or taken name.
    """
    access.check_machine(who)
    found = tuple(access.tenant(who, slug) for slug in dict.fromkeys(slugs))
    with connections.connect(db.owner_url(), "question", autocommit=True) as owner:
        password = analysts.add(owner, name, [tenant.tenant_id for tenant in found], timeout_seconds)
    with access.transaction(who) as connection:
        for tenant in found:
            access.note(
                connection, who, "analyst.added", tenant_id=tenant.tenant_id, message=name, metadata={"name": name}
            )
    return Given(name, analysts.role_of(name), found, analysts.connection_string(db.owner_url(), name, password))


def listing(who: Operator) -> Sequence[Analyst]:
    """Every login and the companies it sees."""
    access.check_machine(who)
    with connections.connect(db.owner_url(), "question") as owner:
        return analysts.existing(owner)


def remove(who: Operator, name: str) -> None:
    """Drop the login and end its connections. Audited as ``analyst.removed``; raises :class:`NotFoundError`."""
    access.check_machine(who)
    with connections.connect(db.owner_url(), "question", autocommit=True) as owner:
        analysts.remove(owner, name)
    with access.transaction(who) as connection:
        access.note(connection, who, "analyst.removed", message=name, metadata={"name": name})
