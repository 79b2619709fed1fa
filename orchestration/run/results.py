"""How a run ended, from the first thing that went wrong in it: what people read, and the detail for the operator."""

from __future__ import annotations

import traceback

import psycopg

from synkro.core.disk import no_space
from synkro.core.errors import Cancelled, SynkroError
from synkro.database import db
from synkro.runs import queue


def outcome_of(failure: BaseException | None) -> tuple[queue.Status, str | None, str | None]:
    """``(status, message for people, technical detail)`` of how a run ended."""
    if isinstance(failure, Cancelled):
        return "cancelled", None, None
    if failure is None:
        return (
            "failed",
            "Запуск прервали до конца. Запустите его ещё раз: прочитанное не пропало.",
            "terminated",
        )
    detail = "".join(traceback.format_exception(failure))
    if (full := no_space(failure)) is not None:
        return "failed", full.message, f"{full.detail or ''}\n{detail}".strip()
    if isinstance(failure, SynkroError):
        return "failed", failure.message, f"{failure.detail or ''}\n{detail}".strip()
    if isinstance(failure, psycopg.OperationalError):
        return "failed", db.lost(str(failure)).message, detail
    return (
        "failed",
        "Внутренняя ошибка. Запустите отчёт ещё раз; если повторится, передайте оператору подробности.",
        detail,
    )
