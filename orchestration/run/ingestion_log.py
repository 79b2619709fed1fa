"""What a run says of its reading: progress of both sources at once, a line per stream in its log, the differences.

Nothing is passed over in silence: a refused row, a row that got lost and a stream nobody read are warnings in the
log; a loss makes the report incomplete, with the reason.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestration.run.worker import Worker
from synkro.connectors import integrations, registry
from synkro.core import russian
from synkro.core.errors import SynkroError
from synkro.database import db
from synkro.reporting import reconciliation
from synkro.reporting.reconciliation import ENTITIES, Count, Line

if TYPE_CHECKING:
    from ingestion.pipelines import SourceResult

_STATES = {
    "complete": "прочитано полностью",
    "incomplete": "прочитано не полностью",
    "failed": "не прочитано",
    "not_read": "не прочитано: до него не дошли",
}
_LEFT_OUT = {"group": "группы", "internal": "внутренние номера", "deleted": "удалённые"}


class SourcesProgress:
    """Both sources read side by side and share one line of progress: this keeps the last word of each.

    The counts are those of the source that is furthest behind, so that the bar never runs ahead of the slower one;
    a stream without an end in sight moves nothing.
    """

    def __init__(self, show: Callable[[str, int, int | None, str], None]) -> None:
        self._show = show
        self._said: dict[str, str] = {}
        self._counted: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def __call__(self, source: str, done: int, total: int | None, message: str) -> None:
        name = registry.label(source)
        with self._lock:
            self._said[source] = message if message.startswith(name) else f"{name}: {message}"
            if total:
                self._counted[source] = (done, total)
            text = " · ".join(said for _, said in sorted(self._said.items()))
            slowest = min(self._counted.values(), key=lambda pair: pair[0] / pair[1], default=(done, None))
            self._show("sources", slowest[0], slowest[1], text)


# --- vendor → raw -----------------------------------------------------------------------------------------


def tell(worker: Worker, result: SourceResult) -> None:
    """The outcome of one source in the run's log, stream by stream, and on the integration's badge."""
    name = registry.label(result.source)
    if result.status == "complete":
        worker.log("sources", f"{name}: прочитано полностью")
    else:
        worker.log("sources", f"{name}: {cause_of(result)}", level="warning", status=result.status)
    for line in reconciliation.lines_of(result.loads):
        is_clean = line.is_whole and not line.rejected
        worker.log(
            "sources",
            sentence(line),
            level="info" if is_clean else "warning",
            source=line.source,
            stream=line.stream,
            status=line.status,
            seen=line.seen,
            rejected=line.rejected,
            loaded=line.loaded,
            difference=line.difference,
            requests=line.requests,
            reasons=line.reasons,
        )
    with db.as_service("integration status") as connection:
        kind = integrations.check_kind(result.source)
        error: SynkroError | None = result.error
        integrations.set_status(
            connection,
            worker.tenant.tenant_id,
            kind,
            "ok" if result.status == "complete" else "error",
            error=error.message if error else (None if result.status == "complete" else cause_of(result)),
        )


def sentence(line: Line) -> str:
    """«Radist, сообщения: прочитано полностью; увидено 10, отклонено 1 (нет номера записи: 1), записано 9, …»"""
    from ingestion.extract.rows import NOTES, REASONS

    head = f"{registry.label(line.source)}, {stream_name(line)}: {_STATES[line.status]}"
    if line.status == "not_read":
        return head
    refused = _listed(line.reasons, REASONS)
    noted = _listed(line.reasons, NOTES)
    parts = [
        head,
        f"увидено {russian.number(line.seen)}, отклонено {russian.number(line.rejected)}"
        + (f" ({refused})" if refused else "")
        + f", записано {russian.number(line.loaded)}, разница {russian.number(line.difference)}, "
        + russian.count(line.requests, "запрос", "запроса", "запросов"),
    ]
    if noted:
        parts.append(f"замечено: {noted}")
    if line.error:
        parts.append(line.error.rstrip("."))
    return "; ".join(parts)


def stream_name(line: Line) -> str:
    found = registry.CONNECTORS.get(line.source)
    return next((one.label for one in found.streams if one.name == line.stream), line.stream) if found else line.stream


def shortfall(result: SourceResult) -> str:
    """Why the source is not whole, for the report; empty when every row is in raw or refused with a reason."""
    if result.status != "complete":
        return cause_of(result).rstrip(". ")
    lines = [reconciliation.line_of(load) for load in result.loads]
    refused = [line for line in lines if is_unreadable(line)]
    if refused:
        return "; ".join(
            f"{stream_name(line)}: ни одной строки из {russian.number(line.seen)} не удалось разобрать,"
            " вероятно, сервис изменил их вид"
            for line in refused
        )
    lost = [line for line in lines if line.difference]
    return "; ".join(
        f"{stream_name(line)}: увидено {russian.number(line.seen)}, отклонено {russian.number(line.rejected)},"
        f" записано {russian.number(line.loaded)}, разница {russian.number(line.difference)}"
        for line in lost
    )


def is_unreadable(line: Line) -> bool:
    """Rows came and every one was refused, in a stream the numbers stand on: the vendor's contract has changed."""
    found = registry.CONNECTORS.get(line.source)
    return found is not None and line.stream in found.required_streams and line.seen > 0 and line.rejected == line.seen


def cause_of(result: SourceResult) -> str:
    """The cause without the vendor's name in front: whoever shows it names the vendor."""
    if result.error is None:
        left = [stream_name(line) for line in map(reconciliation.line_of, result.loads) if not line.is_whole]
        return "прочитано не всё: " + ", ".join(left)
    return result.error.message.removeprefix(f"{registry.label(result.source)}: ")


def _listed(reasons: dict[str, int], words: dict[str, str]) -> str:
    return ", ".join(f"{words[key]}: {russian.number(n)}" for key, n in sorted(reasons.items()) if key in words)


# --- raw → marts ------------------------------------------------------------------------------------------


def compare(worker: Worker) -> list[Count]:
    """Count raw against the marts that were just built, store and log it; returns what nobody can explain."""
    config, run, tenant_id = worker.config, worker.run, worker.tenant.tenant_id
    days = run.window.split_days(config.business_day_start, config.timezone)
    with db.as_service("reconciliation") as connection:
        counts = reconciliation.count(connection, tenant_id, days, config.sources)
        reconciliation.save(connection, tenant_id, run.run_id, counts)
    for one in counts:
        if one.day is None or one.difference:
            level = "warning" if one.difference else "info"
            worker.log("marts", f"Сверка, {counted(one)}", level=level, difference=one.difference)
    return [one for one in counts if one.difference]


def counted(one: Count) -> str:
    """«сообщения 20 ноября: в базе 44, исключено 2 (группы: 2), в отчёте 42, разница 0»."""
    when = russian.day(one.day) if one.day else "за всё время"
    out = sum(one.left_out.values())
    return (
        f"{ENTITIES[one.entity]} {when}: в базе {russian.number(one.raw_rows)}, исключено {russian.number(out)}"
        + (f" ({_listed(one.left_out, _LEFT_OUT)})" if out else "")
        + f", в витринах {russian.number(one.mart_rows)}, разница {russian.number(one.difference)}"
    )
