"""Is the installation well: the database, the engine that takes runs, Telegram, the reports that come. No tenant is named.

Anybody may ask, as often as they like: strangers get an answer of the last seconds, without how many of anything there are.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from synkro.core.errors import SynkroError
from synkro.database import db
from synkro.reporting.delivery import missing_reports
from synkro.runs import heartbeats

#: so long an answer for strangers is given again
CACHE_SECONDS = 3.0
#: what strangers are told of each check that fails
_QUIET = {
    "database": "База данных не отвечает или отвечает с ошибкой.",
    "engine": "Движок запусков не подаёт признаков жизни: отчёты не строятся.",
    "sender": "Отправка не подаёт признаков жизни: письма в Telegram ждут.",
    "queue": "Есть запуски, которые ждут или перестали отвечать.",
    "telegram": "Есть письма, которые не отправлены или задерживаются.",
    "reports": "Есть компании, у которых больше суток нет отчётов.",
}

_lock = threading.Lock()
#: by the database: when it was looked at, by time.monotonic, and what was found
_last: dict[str, tuple[float, dict[str, Any]]] = {}


def for_strangers() -> dict[str, Any]:
    """As :func:`check`, a moment old, in words without counts. One caller looks, the others get what was found before."""
    key = db.app_url()
    found = _last.get(key)
    if found is None or time.monotonic() - found[0] > CACHE_SECONDS:
        # while one looks, the others take the older answer; only the very first one is waited for
        if not _lock.acquire(blocking=found is None):
            assert found is not None
            return found[1]
        try:
            found = _last.get(key)
            if found is None or time.monotonic() - found[0] > CACHE_SECONDS:
                found = time.monotonic(), _quiet(check())
                _last.clear()
                _last[key] = found
        finally:
            _lock.release()
    return found[1]


def _quiet(said: dict[str, Any]) -> dict[str, Any]:
    checks = {name: _said(one["ok"], _QUIET[name]) for name, one in said["checks"].items()}
    return {**said, "checks": checks}


def check() -> dict[str, Any]:
    """``{"status": ok | degraded | down, "unwell": [names], "checks": {name: {"ok", "message"}}}``."""
    found: dict[str, dict[str, Any]] = {}
    try:
        with db.as_service("health") as connection:
            found["database"] = _said(True, "")
            found["engine"] = _said(
                heartbeats.is_alive(connection, "engine"),
                "Движок запусков не подаёт признаков жизни: отчёты не строятся.",
            )
            found["sender"] = _said(
                # an installation without one (a single command) has never had its beat
                heartbeats.is_alive(connection, "sender") or "sender" not in heartbeats.last_beats(connection),
                "Отправка не подаёт признаков жизни: письма в Telegram ждут.",
            )
            silent = len(missing_reports.found(connection))
            row = connection.execute(
                "select (select count(*) from synkro.job_runs where status = 'pending'"
                "  and coalesce(picked_at, created_at) < now() - interval '5 minutes') as waiting,"
                " (select count(*) from synkro.job_runs where status in ('running', 'cancelling') and lease_until < now()) as silent,"
                " (select count(*) from synkro.outbox where status = 'failed' and created_at > now() - interval '1 day') as failed,"
                " (select count(*) from synkro.outbox where status = 'pending' and next_attempt_at < now() - interval '10 minutes') as late"
            ).fetchone()
        assert row is not None
        found["queue"] = _said(
            not row["waiting"] and not row["silent"],
            f"Ждут запуска: {row['waiting']}; перестали отвечать: {row['silent']}.",
        )
        found["telegram"] = _said(
            not row["failed"] and not row["late"],
            f"Не отправлено: {row['failed']}; задерживается: {row['late']}.",
        )
        found["reports"] = _said(not silent, f"Компаний, у которых больше суток нет отчётов: {silent}.")
    except SynkroError as error:
        found["database"] = _said(False, error.message)
    except Exception:
        found["database"] = _said(False, "База данных отвечает с ошибкой: проверьте, применены ли миграции.")
    unwell = sorted(name for name, said in found.items() if not said["ok"])
    status = "ok" if not unwell else "down" if "database" in unwell else "degraded"
    return {"status": status, "unwell": unwell, "checks": found}


def _said(is_ok: bool, message: str) -> dict[str, Any]:
    return {"ok": is_ok, "message": "" if is_ok else message}
