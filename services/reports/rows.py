"""The rows behind a number: every number of a report opens the list it was counted from (metrics.md).

Which rows those are is said in ``synkro/metrics``; here they get names and are listed, 50 a page, and the number is
counted from them once more: a difference means that the rows changed after the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.access import Viewer
from services.reports import view
from synkro.connectors import deal_pages
from synkro.core.errors import NotFoundError
from synkro.database import db
from synkro.metrics import lineage, parts, queries
from synkro.metrics.metric import Metric
from synkro.metrics.queries import plain
from synkro.metrics.registry import CHANNELS, MANAGERS, SUMMARY
from synkro.reporting.reports import Report
from synkro.tenancy.tenants import Tenant

PAGE_SIZE = 50

_CLIENT = " left join marts.dim_clients c on c.tenant_id = r.tenant_id and c.client_id = r.client_id"
_DIALOG = " left join marts.dim_dialogs d on d.tenant_id = r.tenant_id and d.dialog_id = r.dialog_id"
_NAME = "coalesce(nullif(c.name, ''), d.contact_name, '') as client_name, c.phone"
_LAST_DIALOG = (
    "(select x.dialog_id from marts.dim_dialogs x where x.tenant_id = r.tenant_id and x.client_id = r.client_id"
    " order by x.last_message_at desc nulls last limit 1) as dialog_id"
)


def _manager(alias: str, column: str) -> str:
    return (
        f" left join marts.dim_managers {alias} on {alias}.tenant_id = r.tenant_id and {alias}.manager_id = r.{column}"
    )


#: row set → what is shown of its rows, and from where, and in what order
_SHOWN: dict[str, tuple[str, str, str]] = {
    "waits": (
        f"{_NAME}, r.opened_by_message_id as message_id, coalesce(a.name, o.name) as manager_name, r.now_at as edge",
        _DIALOG + _CLIENT + _manager("a", "replied_by") + _manager("o", "responsible_at_open"),
        "r.is_open_now desc, r.opened_at, r.wait_id",
    ),
    "messages": (
        f"{_NAME}, a.name as manager_name",
        _DIALOG + _CLIENT + _manager("a", "author_id"),
        "r.sent_at desc, r.message_id",
    ),
    "sessions": (
        f"{_LAST_DIALOG}, coalesce(c.name, '') as client_name, c.phone",
        _CLIENT,
        "r.started_at desc, r.session_id",
    ),
    "dialogs": (
        f"{_NAME}, d.channel, f.name as deal_name, f.price",
        _DIALOG + _CLIENT + " left join marts.fct_deals f on f.tenant_id = r.tenant_id and f.deal_id = r.deal_id",
        "r.messages desc, r.dialog_id",
    ),
    "clients": (
        f"{_LAST_DIALOG}, r.name as client_name,"
        " (select count(*) from marts.fct_messages m where m.tenant_id = r.tenant_id and m.client_id = r.client_id"
        " and m.sent_at >= %(start)s and m.sent_at < %(end)s) as messages",
        "",
        "r.first_message_at desc nulls last, r.client_id",
    ),
    "deals": (
        f"{_LAST_DIALOG}, r.name as deal_name, coalesce(c.name, '') as client_name, c.phone, m.name as manager_name",
        _CLIENT + _manager("m", "responsible_id"),
        "r.price desc nulls last, r.deal_id",
    ),
    "deals_by_channel": (
        f"{_LAST_DIALOG}, r.name as deal_name, coalesce(c.name, '') as client_name, c.phone, m.name as manager_name",
        _CLIENT + _manager("m", "responsible_id"),
        "r.price desc nulls last, r.deal_id",
    ),
    "excluded": ("r.contact_name as client_name", "", "r.messages desc, r.dialog_id"),
    "windows": ("1 as window", "", "r.window_start"),
    "managers": ("r.name as manager_name", "", "r.manager_id"),
}


@dataclass(frozen=True)
class Rows:
    tenant: Tenant
    report: Report
    entry: Metric
    #: the manager whose number it is, and their name
    manager_id: str | None
    manager_name: str | None
    rows: list[dict[str, Any]]
    total: int
    page: int
    #: as the report says it; ``None`` too where the report does not have it
    value: Any
    #: the same, counted from the rows as they are now
    recounted: Any
    currency: str | None
    #: (dimension, part) of which these rows are, and the name of a manager or a stage in it
    part: tuple[str, str] | None = None
    part_name: str = ""
    #: the channel whose number it is; empty: deals without a dialog, None: not of a channel
    channel: str | None = None
    #: what a deal's number is added to
    deal_page: str = ""

    @property
    def metric(self) -> str:
        return self.entry.column

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE_SIZE))

    @property
    def has_changed(self) -> bool:
        return self.value is not None and self.value != self.recounted

    @property
    def sql(self) -> str:
        """The rows as a statement that a person can run."""
        part = self.part[1] if self.part else self.channel
        return lineage.literal(self.entry.rows_sql(), self.tenant.tenant_id, self.report.window, self.manager_id, part)


def behind(
    who: Viewer,
    slug: str,
    report_id: UUID | str,
    metric: str,
    page: int = 1,
    *,
    manager_id: str | None = None,
    part: tuple[str, str] | None = None,
    channel: str | None = None,
    limit: int = PAGE_SIZE,
) -> Rows:
    """The rows of a number of the report, of one manager's, of one channel's, or of one part of it (dimension, part). For
    members.

    Raises :class:`NotFoundError` for an unknown metric, manager, channel or part, like for an unknown report.
    """
    with db.as_user(who.user_id) as connection:
        tenant, report = view.find(connection, who, slug, report_id)
        if part is None:
            entry = (MANAGERS if manager_id is not None else SUMMARY if channel is None else CHANNELS).get(metric)
        else:
            entry = parts.of_part(metric, part[0]) if manager_id is None else None
        if entry is None or (channel is not None and (manager_id, part) != (None, None)):
            raise NotFoundError("Такого показателя нет.")
        part_name = ""
        if part is None:
            value, name = _said(connection, report, metric, manager_id, channel)
        else:
            value, part_name, name = *_of_part(connection, report, metric, part), None
        page = max(1, min(page, 10_000))
        key = part[1] if part else channel
        wanted = lineage.parameters(tenant.tenant_id, report.window, manager_id, key)
        shown, joins, order = _SHOWN[entry.row_set]
        query = (
            f"{entry.rows()}select r.*, {shown}, n.total from (select count(*) as total from rows) n cross join rows r{joins}"
            f" order by {order} limit %(limit)s offset %(offset)s"
        )
        found = connection.execute(query.encode(), {**wanted, "limit": limit, "offset": (page - 1) * limit}).fetchall()
        return Rows(
            tenant=tenant,
            report=report,
            entry=entry,
            manager_id=manager_id,
            manager_name=name,
            rows=[{key: plain(value) if key == "price" else value for key, value in row.items()} for row in found],
            total=found[0]["total"] if found else 0,
            page=page,
            value=value,
            recounted=plain(lineage.recount(connection, entry, tenant.tenant_id, report.window, manager_id, key)),
            currency=view.currency_of(connection, tenant.tenant_id),
            part=part,
            channel=channel,
            deal_page=deal_pages.prefix(connection, tenant.tenant_id),
            part_name=part_name,
        )


def _said(
    connection: db.Connection, report: Report, metric: str, manager_id: str | None, channel: str | None
) -> tuple[Any, str | None]:
    """The number as it was published and, for a manager's, whose it is."""
    if channel is not None:
        for row in queries.channels(connection, report.tenant_id, report.window):
            if row["channel"] == channel:
                return row.get(metric), None
        raise NotFoundError("Такого канала в отчёте нет.")
    if manager_id is None:
        return report.numbers.get(metric), None
    for row in queries.managers(connection, report.tenant_id, report.window):
        if row["manager_id"] == manager_id:
            return row.get(metric), row["name"]
    raise NotFoundError("Такого сотрудника в отчёте нет.")


def _of_part(connection: db.Connection, report: Report, metric: str, part: tuple[str, str]) -> tuple[Any, str]:
    """The number in one part as the marts have it, and the name of the manager or the stage."""
    row = connection.execute(
        "select part_value, part_label from marts.period_changes where tenant_id = %s and window_start = %s and window_end = %s"
        " and metric = %s and dimension = %s and part = %s limit 1",
        (report.tenant_id, report.window_start, report.window_end, metric, *part),
    ).fetchone()
    if row is None:
        raise NotFoundError("Такой части у этого числа нет.")
    name = str(row["part_label"])
    return plain(row["part_value"]), name.rpartition(" ")[0] if part[0] == "manager_hours" else name
