"""Chats people bring as files: an administrator uploads them, the next run reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services import access
from services.access import Viewer
from synkro.connectors.whatsapp import importing
from synkro.connectors.whatsapp.importing import FileResult, ImportResult, Upload
from synkro.core.errors import DataError
from synkro.database import db

ACTION = "chats.imported"
#: uploads of one company within an hour; each may hold many files
UPLOADS_PER_HOUR = 30


def save(
    who: Viewer,
    slug: str,
    files: Sequence[Upload],
    managers: str,
    progress: Callable[[FileResult], None] = lambda one: None,
) -> ImportResult:
    """Keep what the files bring. ``managers``: names of our people in the chats, with commas; empty: those of the last upload."""
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        row = connection.execute(
            "select count(*) as n from synkro.audit_log where tenant_id = %s and action = %s"
            " and created_at > now() - interval '1 hour'",
            (tenant.tenant_id, ACTION),
        ).fetchone()
        if row and row["n"] >= UPLOADS_PER_HOUR:
            raise DataError(f"Больше {UPLOADS_PER_HOUR} загрузок за час. Подождите и загрузите остальные файлы вместе.")
        # before the work: a try counts, whatever comes of it
        access.note(connection, who, ACTION, tenant_id=tenant.tenant_id, metadata={"files": len(files)})
    done = importing.save(tenant.tenant_id, files, importing.names(managers), progress)
    with db.as_user(who.user_id) as connection:
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
