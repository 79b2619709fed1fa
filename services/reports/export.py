"""Exports: numbers and waits of a report as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services import access
from services.access import Viewer
from services.reports import view
from synkro import evidence, numbers
from synkro.core import phones
from synkro.database import db
from synkro.reporting.reports import Report

#: a cell that begins with one of these is a formula to some spreadsheet
_FORMULA = ("=", "+", "-", "@", "|", "%")
#: … and so is what follows a separator inside a text, to one that splits the file by another separator than ours. Twins of the
#: signs, full-width and small, are read like them
_SPLIT = re.compile(
    "([;,|\\t])(?=[\\s\"'`\u200b\ufeff]{0,40}[=+\\-@|%\uff1d\uff0b\uff0d\uff20\uff5c\uff05\ufe66\ufe62\ufe63\ufe6b\ufe6a\u207a\u207b\u207c\u208a\u208b\u208c\u2212])"
)
_BOM = "\ufeff"
#: the text of a key in the language of whoever reads the file
Texts = Callable[[str], str]


def cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: numbers stay numbers, a suspicious text gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int | float):
        return value
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


def report_csv(who: Viewer, slug: str, report_id: UUID | str, what: str, t: Texts) -> tuple[str, str]:
    """``(file name, text)`` of the report's ``numbers`` or ``waits``. For members; audited as ``report.exported``."""
    with db.as_user(who.user_id) as connection:
        tenant, report = view.find(connection, who, slug, report_id)
        if what == "waits":
            text = csv_text(_waits(connection, report, t))
        else:
            what, text = "numbers", csv_text(_numbers(connection, report, t))
        access.note(
            connection,
            who,
            "report.exported",
            tenant_id=tenant.tenant_id,
            metadata={"report_id": str(report.report_id), "what": what},
        )
    return f"synkro-{tenant.slug}-{report.period_end.isoformat()}-{what}.csv", text


def _numbers(connection: db.Connection, report: Report, t: Texts) -> list[list[Any]]:
    usual = numbers.usual(connection, report.tenant_id, report.window)
    rows: list[list[Any]] = [[t("export.number"), t("export.value"), t("export.usual"), t("export.unit")]]
    for key in evidence.NUMBERS:
        if key in report.numbers:
            unit = evidence.SUMMARY[key].unit
            rows.append([t(f"number.{key}"), report.numbers[key], usual.get(key), t(f"unit.{unit}")])
    return rows


def _waits(connection: db.Connection, report: Report, t: Texts) -> list[list[Any]]:
    rows: list[list[Any]] = [
        [
            t("waits.client"),
            t("waits.phone"),
            t("waits.since"),
            t("export.minutes"),
            t("waits.overdue"),
            t("waits.manager"),
            t("waits.deal"),
            t("waits.money"),
            t("waits.said"),
        ]
    ]
    for wait in numbers.waiting(connection, report.tenant_id, report.window):
        rows.append(
            [
                phones.person(wait.client_name, wait.phone, t("words.nameless")),
                phones.mask(wait.phone) if wait.phone else "",
                wait.opened_at,
                round(wait.waiting_minutes),
                wait.is_overdue,
                wait.manager_name,
                phones.mask_in(wait.deal_name or ""),
                wait.price,
                phones.mask_in(wait.last_text or ""),
            ]
        )
    return rows
