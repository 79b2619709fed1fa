"""Exports as CSV that a spreadsheet opens without running anything: numbers and waits of a report, the audit log.

The form is the one a Russian Excel reads by a double click: UTF-8 with its mark, semicolons, a decimal comma.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app import formatting
from app.texts import language, t
from services import audit_log
from services.access import Viewer
from services.reports import export
from synkro.connectors import deal_pages
from synkro.metrics.metric import UNIT_NAMES
from synkro.metrics.registry import NUMBERS, SUMMARY

#: a cell that begins with one of these is a formula to some spreadsheet
_FORMULA = ("=", "+", "-", "@", "|", "%")
#: … and so is what follows a separator inside a text, to one that splits the file by another separator than ours. Twins of the
#: signs, full-width and small, are read like them
_SPLIT = re.compile(
    "([;,|\\t])(?=[\\s\"'`\u200b\ufeff]{0,40}[=+\\-@|%\uff1d\uff0b\uff0d\uff20\uff5c\uff05\ufe66\ufe62\ufe63\ufe6b\ufe6a\u207a\u207b\u207c\u208a\u208b\u208c\u2212])"
)
_BOM = "\ufeff"


def cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: numbers stay numbers, a suspicious text gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return str(value).replace(".", ",")
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    # NUL and other control characters hide the first real one; full-width signs are read like their plain twins
    text = "".join(" " if unicodedata.category(c).startswith("C") else c for c in str(value))
    text = _SPLIT.sub(r"\1'", text)
    start = unicodedata.normalize("NFKC", text).lstrip(" \"'`\u200b\ufeff")
    return "'" + text if start.startswith(_FORMULA) or text[:1] in ("\t", "\r", "\n") else text


def csv_text(rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([[cell(value) for value in row] for row in rows])
    return _BOM + out.getvalue()


def report_csv(who: Viewer, slug: str, report_id: UUID | str, what: str) -> tuple[str, str]:
    """``(file name, text)`` of the report's ``numbers`` or ``waits``."""
    exported = export.report(who, slug, report_id, what)
    rows = _waits(exported) if exported.what == "waits" else _numbers(exported)
    return f"{exported.name}.csv", csv_text(rows)


def audit_csv(who: Viewer, slug: str | None = None) -> tuple[str, str]:
    """``(file name, text)`` of every line of the audit log the person may read."""
    name, lines = audit_log.exported(who, slug)
    columns = ["when", "action", "actor", "company", "detail", "ip"]
    return f"{name}.csv", csv_text([[t(f"audit.{column}") for column in columns], *lines])


def _numbers(exported: export.Exported) -> list[list[Any]]:
    usual = t("export.usual") + (f" (n = {exported.usual_n})" if exported.usual_n else "")
    rows: list[list[Any]] = [[t("export.number"), t("export.value"), usual, t("export.unit")]]
    for key in NUMBERS:
        if key in exported.numbers:
            metric = SUMMARY[key]
            unit = UNIT_NAMES[metric.unit][0 if language() == "ru" else 1]
            rows.append([metric.label(language()), exported.numbers[key], exported.usual.get(key), unit])
    return rows


def _waits(exported: export.Exported) -> list[list[Any]]:
    """The sums of the column of money add up to the report's money at risk."""
    zone = ZoneInfo(exported.timezone)
    rows: list[list[Any]] = [
        [
            t("waits.client"),
            t("waits.phone"),
            f"{t('waits.since')} ({exported.timezone})",
            t("export.minutes"),
            t("waits.overdue"),
            t("waits.manager"),
            t("waits.deal"),
            t("export.deal_page"),
            SUMMARY["money_at_risk"].label(language()),
            t("waits.said"),
        ]
    ]
    for wait in exported.waits:
        rows.append(
            [
                formatting.person(wait.client_name, wait.phone),
                formatting.phone(wait.phone),
                # as a spreadsheet knows a moment; the zone stands in the title
                wait.opened_at.astimezone(zone).strftime("%d.%m.%Y %H:%M"),
                round(wait.waiting_minutes),
                t("words.yes") if wait.is_overdue else t("words.no"),
                wait.manager_name or t("waits.nobody"),
                formatting.masked(wait.deal_name),
                deal_pages.address(exported.deal_page, wait.deal_id),
                wait.price,
                formatting.masked(wait.last_text),
            ]
        )
    return rows
