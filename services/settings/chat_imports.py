"""Chats people bring as files: an administrator uploads them, the next run reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services import access
from services.access import Actor, Viewer
from synkro.connectors.whatsapp import importing
from synkro.connectors.whatsapp.importing import FileResult, ImportResult, Upload
from synkro.core.errors import DataError
from synkro.database import db
from synkro.tenancy.audit.actions import Action
from synkro.tenancy.tenants import Tenant

ACTION: Action = "chats.imported"
#: uploads of one company within an hour; each may hold many files
UPLOADS_PER_HOUR = 30


def save(
    who: Actor,
    slug: str,
    files: Sequence[Upload],
    managers: str,
    progress: Callable[[FileResult], None] = lambda one: None,
) -> ImportResult:
    """Keep what the files bring. ``managers``: names of our people in the chats, with commas; empty: those of the last upload.

    For administrators. Audited as ``chats.imported`` before the work and ``chats.stored`` after it. A person may upload
    :data:`UPLOADS_PER_HOUR` times an hour, and is told so by :class:`DataError`.
    """
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
    # people hold no lock: their role has none of the server's functions
    with db.as_service("uploads") as connection:
        if isinstance(who, Viewer):
            _check_uploads(connection, tenant)
        # before the work: a try counts, whatever comes of it
        access.note(connection, who, ACTION, tenant_id=tenant.tenant_id, metadata={"files": len(files)})
    done = importing.save(tenant.tenant_id, files, importing.names(managers), progress)
    with access.transaction(who) as connection:
        access.note(
            connection,
            who,
            "chats.stored",
            tenant_id=tenant.tenant_id,
            metadata={
                "chats": done.chats, "messages": done.messages, "repeated": done.repeated, "failed": len(done.failed),
            },
        )  # fmt: skip
    return done


def _check_uploads(connection: db.Connection, tenant: Tenant) -> None:
    # two uploads at once: the second counts the first
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"uploads:{tenant.tenant_id}",))
    row = connection.execute(
        "select count(*) as n from synkro.audit_log where tenant_id = %s and action = %s"
        " and created_at > now() - interval '1 hour'",
        (tenant.tenant_id, ACTION),
    ).fetchone()
    if row and row["n"] >= UPLOADS_PER_HOUR:
        raise DataError(f"Больше {UPLOADS_PER_HOUR} загрузок за час. Подождите и загрузите остальные файлы вместе.")
