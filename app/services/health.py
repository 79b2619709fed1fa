"""Is the installation well: the database, the engine that takes runs, Telegram, the reports that come. No tenant is named."""

from __future__ import annotations

from typing import Any

from synkro import db, services, silence
from synkro.errors import SynkroError


def check() -> dict[str, Any]:
    """``{"status": ok | degraded | down, "unwell": [names], "checks": {name: {"ok", "message"}}}``."""
    found: dict[str, dict[str, Any]] = {}
    try:
        with db.as_service("health") as connection:
            found["database"] = _said(True, "")
            found["engine"] = _said(
                services.is_alive(connection, "engine"),
                "Движок запусков не подаёт признаков жизни: отчёты не строятся.",
            )
            found["sender"] = _said(
                # an installation without one (a single command) has never had its beat
                services.is_alive(connection, "sender") or "sender" not in services.last_beats(connection),
                "Отправка не подаёт признаков жизни: письма в Telegram ждут.",
            )
            silent = len(silence.found(connection))
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
