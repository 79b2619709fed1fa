"""``/t/{slug}/reports/{id}/rows/{metric}``: the rows a number was counted from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app import formatting
from app.components.base.html import badge, div, empty, facts, note, pager, span, table, tag
from app.components.report.deal import deal_cell
from app.components.report.parts import client_cell, number_text, part_text, rows_href, section
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import known, language, t
from services.access import Viewer
from services.reports import rows
from services.reports.rows import Rows

Columns = list[tuple[str, str]]


@page("/t/{slug}/reports/{report_id}/rows/{metric}")
async def rows_page(
    viewer: Viewer,
    slug: str,
    report_id: str,
    metric: str,
    p: int = 1,
    manager: str | None = None,
    by: str | None = None,
    part: str | None = None,
    channel: str | None = None,
) -> None:
    of_part = (by, part or "") if by else None
    found = await off_loop(
        rows.behind, viewer, slug, report_id, metric, p, manager_id=manager, part=of_part, channel=channel
    )
    report, zone = found.report, found.tenant.timezone
    period = formatting.span(report.period_start, report.period_end)
    base = f"/t/{slug}/reports/{report.report_id}"
    title = found.entry.label(language())
    if found.manager_name:
        title = f"{title}: {found.manager_name}"
    if found.channel is not None:
        title = f"{title}: {found.channel or t('sales.no_channel')}"
    if found.part:
        title = f"{title}: {part_text(*found.part, found.part_name)}"
    with frame(viewer, title, tenant=found.tenant, on="reports"):
        lead = formatting.plural(found.total, "plural.rows")
        if found.value is not None:
            lead = t("rows.lead", value=_value(found, found.value), rows=lead)
        with heading(title, lead, [(t("reports.title"), f"/t/{slug}/reports"), (period, base)]):
            pass
        _origin(found, zone)
        if not found.rows:
            empty("report", t("rows.empty"), t("rows.empty_text"))
            return
        columns, draw = _TABLES[found.entry.row_set]
        with div("card flush"):
            table(
                columns(), [draw({**row, "deal_page": found.deal_page}, slug, zone) for row in found.rows], mark="rows"
            )
            pager(
                found.page,
                found.pages,
                lambda number: rows_href(base, metric, manager, number, part=of_part, channel=channel),
            )


def _value(found: Rows, value: Any) -> str:
    if not found.entry.is_number:
        return str(value)
    return number_text(found.entry, value, found.currency)


def _origin(found: Rows, zone: str) -> None:
    """Where the number comes from: what it means, which window, and the statement that lists its rows."""
    report = found.report
    with section(t("rows.origin"), mark="origin"):
        span("wrap", found.entry.definition(language()), mark="definition")
        if found.has_changed:
            old, new = _value(found, found.value), _value(found, found.recounted)
            note(t("rows.changed", old=old, new=new), "warn", mark="rows-changed")
        window = f"{formatting.moment(report.window_start, zone)} – {formatting.moment(report.window_end, zone)}"
        pairs = [(t("rows.window"), window), (t("data.as_of"), formatting.moment(report.as_of, zone))]
        if found.entry.is_number:
            pairs.append((t("rows.recounted"), _value(found, found.recounted)))
        facts(pairs)
        with tag("details", "no-print"):
            tag("summary", "small", t("rows.sql"), mark="rows-sql")
            tag("pre", "small wrap", found.sql)


def _client(row: dict[str, Any], slug: str) -> Callable[[], Any]:
    ids = [row["message_id"]] if row.get("message_id") else None
    return client_cell(slug, row.get("client_name"), row.get("phone"), row.get("dialog_id"), ids)


def _waits(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    def outcome() -> None:
        if row["closed_at"] is None or row["closed_at"] > row["edge"]:
            passed = (row["edge"] - row["opened_at"]).total_seconds() / 60
            badge(t("rows.waits", time=formatting.minutes(max(0, passed))), "warn")
        else:
            badge(t(f"closed.{row['closed_by']}") if known(f"closed.{row['closed_by']}") else str(row["closed_by"]))

    return (
        _client(row, slug),
        formatting.moment(row["opened_at"], zone),
        outcome,
        formatting.minutes(_number(row["response_minutes"])) if row["response_minutes"] is not None else "",
        formatting.minutes(_number(row["response_minutes_calendar"]))
        if row["response_minutes_calendar"] is not None
        else "",
        row["manager_name"] or t("waits.nobody"),
    )


def _number(value: Any) -> float:
    return float(value)


def _messages(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    text = formatting.masked(row["body"]) or (t("dialog.media") if row["has_media"] else "")
    return (
        _client(row, slug),
        formatting.moment(row["sent_at"], zone),
        t(f"sender.{row['kind']}") if known(f"sender.{row['kind']}") else row["kind"],
        row["manager_name"] or "",
        lambda: span("small wrap lines2", text),
    )


def _sessions(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    by = row["initiated_by"]
    return (
        _client(row, slug),
        formatting.moment(row["started_at"], zone),
        formatting.moment(row["ended_at"], zone) if row["ended_at"] else "",
        t(f"sender.{by}") if known(f"sender.{by}") else str(by or ""),
        formatting.number(row["message_count"]),
        formatting.minutes(_number(row["first_response_minutes"])) if row["first_response_minutes"] is not None else "",
    )


def _dialogs(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    return (
        _client(row, slug),
        str(row["channel"] or ""),
        formatting.number(row["messages"]),
        formatting.number(row["waits"]),
        t(f"match.{row['match_status']}") if known(f"match.{row['match_status']}") else "",
        deal_cell(row["deal_page"], row["deal_id"], row["deal_name"]) if row["deal_id"] else "",
    )


def _clients(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    return (
        _client(row, slug),
        formatting.moment(row["first_message_at"], zone) if row["first_message_at"] else "",
        formatting.number(row["messages"] or 0),
        t(f"match.{row['match_status']}") if known(f"match.{row['match_status']}") else "",
    )


def _deals(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    stage = " · ".join(part for part in (row["pipeline"], row["stage"]) if part)
    return (
        _client(row, slug),
        deal_cell(row["deal_page"], row["deal_id"], row["deal_name"]),
        formatting.number(row["price"]) if row["price"] else t("rows.no_price"),
        stage + (f" · {row['loss_reason']}" if row["loss_reason"] else ""),
        row["manager_name"] or "",
    )


def _excluded(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    return (
        formatting.masked(row["client_name"]) or t("rows.no_name"),
        str(row["channel"] or ""),
        t(f"excluded.{row['reason']}") if known(f"excluded.{row['reason']}") else str(row["reason"]),
        formatting.number(row["messages"]),
        formatting.moment(row["last_message_at"], zone),
    )


def _windows(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    lacking = [f"{gap.get('source', '')}: {gap.get('reason') or ''}" for gap in row["missing"] or []]
    return (
        f"{formatting.moment(row['window_start'], zone)} – {formatting.moment(row['window_end'], zone)}",
        t(f"type.{row['report_type']}") if known(f"type.{row['report_type']}") else str(row["report_type"]),
        formatting.moment(row["as_of"], zone),
        formatting.moment(row["now_at"], zone),
        t("rows.whole") if row["is_complete"] else ("; ".join(lacking) or t("report.incomplete")),
    )


def _managers(row: dict[str, Any], slug: str, zone: str) -> tuple[Any, ...]:
    return (str(row["manager_name"] or ""), str(row["manager_id"]))


def _titles(*pairs: tuple[str, str]) -> Callable[[], Columns]:
    return lambda: [(t(key), classes) for key, classes in pairs]


_TABLES: dict[str, tuple[Callable[[], Columns], Callable[[dict[str, Any], str, str], tuple[Any, ...]]]] = {
    "waits": (
        _titles(
            ("waits.client", "lead"), ("waits.since", "nowrap"), ("rows.outcome", ""), ("rows.working", "num"),
            ("rows.calendar", "num"), ("waits.manager", ""),
        ),
        _waits,
    ),
    "messages": (
        _titles(
            ("waits.client", "lead"), ("rows.when", "nowrap"), ("rows.sender", ""), ("waits.manager", ""), ("rows.text", "full"),
        ),
        _messages,
    ),
    "sessions": (
        _titles(
            ("waits.client", "lead"), ("rows.started", "nowrap"), ("rows.ended", "nowrap"), ("rows.initiated", ""),
            ("dialogs.messages", "num"), ("rows.first_response", "num"),
        ),
        _sessions,
    ),
    "dialogs": (
        _titles(
            ("waits.client", "lead"), ("dialogs.channel", ""), ("dialogs.messages", "num"), ("rows.waits_n", "num"),
            ("rows.match", ""), ("waits.deal", ""),
        ),
        _dialogs,
    ),
    "clients": (
        _titles(("waits.client", "lead"), ("rows.first_message", "nowrap"), ("dialogs.messages", "num"), ("rows.match", "")),
        _clients,
    ),
    "deals": (
        _titles(
            ("waits.client", "lead"), ("waits.deal", ""), ("waits.money", "num"), ("rows.stage", ""), ("waits.manager", ""),
        ),
        _deals,
    ),
    "deals_by_channel": (
        _titles(
            ("waits.client", "lead"), ("waits.deal", ""), ("waits.money", "num"), ("rows.stage", ""), ("waits.manager", ""),
        ),
        _deals,
    ),
    "excluded": (
        _titles(
            ("waits.client", "lead"), ("dialogs.channel", ""), ("rows.reason", ""), ("dialogs.messages", "num"), ("rows.last", "nowrap"),
        ),
        _excluded,
    ),
    "windows": (
        _titles(
            ("rows.window", "lead"), ("rows.type", ""), ("data.as_of", "nowrap"), ("rows.now", "nowrap"), ("rows.read", ""),
        ),
        _windows,
    ),
    "managers": (_titles(("managers.name", "lead"), ("rows.id", "")), _managers),
}  # fmt: skip
