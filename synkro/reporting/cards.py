"""What the CRM knows of a dialog's client at the end of a window: for whoever reads the dialog (service entry point)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics.queries import plain


@dataclass(frozen=True)
class Call:
    """A conversation by phone as the CRM has it."""

    called_at: datetime
    seconds: int
    is_outgoing: bool
    author: str


@dataclass(frozen=True)
class Card:
    """``is_returning``: the client wrote, or had a deal, before the window."""

    dialog_id: str
    deal_name: str = ""
    stage: str = ""
    stage_kind: str = ""
    price: int | None = None
    deal_since: datetime | None = None
    is_returning: bool = False
    calls: tuple[Call, ...] = ()


def of_dialogs(
    connection: db.Connection, tenant_id: UUID, dialog_ids: Sequence[str], window: Window
) -> dict[str, Card]:
    """A card for each dialog of the window."""
    rows = connection.execute(
        "select p.dialog_id, p.client_id, coalesce(f.name, '') as deal_name, coalesce(f.stage, '') as stage,"
        " coalesce(f.stage_kind, '') as stage_kind, f.price, f.created_at as deal_since,"
        " (coalesce(c.deal_count, 0) > 1 or coalesce(c.first_message_at < %(start)s, false)) as is_returning"
        " from marts.period_dialogs p"
        " left join marts.fct_deals f on f.tenant_id = p.tenant_id and f.deal_id = p.deal_id"
        " left join marts.dim_clients c on c.tenant_id = p.tenant_id and c.client_id = p.client_id"
        " where p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s and p.dialog_id = any (%(ids)s)",
        {"tenant": tenant_id, "start": window.start, "end": window.end, "ids": list(dialog_ids)},
    ).fetchall()
    calls: dict[str, list[Call]] = {}
    for row in connection.execute(
        "select k.client_id, k.called_at, k.duration_seconds, k.note_type, coalesce(m.name, '') as author"
        " from intermediate.int_calls k"
        " left join marts.dim_managers m on m.tenant_id = k.tenant_id and m.manager_id = k.author_id"
        " where k.tenant_id = %s and k.client_id = any (%s) and k.called_at >= %s and k.called_at < %s order by k.called_at",
        (tenant_id, [row["client_id"] for row in rows], window.start, window.end),
    ):
        calls.setdefault(row["client_id"], []).append(
            Call(row["called_at"], int(row["duration_seconds"]), row["note_type"] == "call_out", row["author"])
        )
    return {
        row["dialog_id"]: Card(
            row["dialog_id"], row["deal_name"], row["stage"], row["stage_kind"], plain(row["price"]), row["deal_since"],
            row["is_returning"], tuple(calls.get(row["client_id"], ())),
        )
        for row in rows
    }  # fmt: skip
