"""``synkro doctor``: what is well, what is not, and what to do about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import psycopg

from cli.output import emit, json_option
from synkro.connectors import integrations, supabase_auth
from synkro.connectors.registry import label
from synkro.core import vault
from synkro.core.errors import SynkroError
from synkro.core.settings import settings
from synkro.database import addresses, app_login, connections, db, migrations, rls_audit
from synkro.http import ratelimit
from synkro.reporting.delivery import missing_reports
from synkro.runs import heartbeats, history
from synkro.tenancy import runtime_config, tenants

#: below this a run may not finish
MIN_FREE_BYTES = 1_000_000_000


@click.command()
@json_option
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Проверить установку: настройки, базу, миграции, ключи, диск, процессы."""
    findings = [_look(name, check) for name, check in CHECKS]
    lines = [f"{'✓' if item['ok'] else '✗'} {item['name']}: {item['message']}" for item in findings]
    emit(findings, as_json, "\n".join(lines))
    if not all(item["ok"] for item in findings):
        context.exit(1)


def _look(name: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "message": check()}
    except SynkroError as error:
        return {"name": name, "ok": False, "message": error.message}
    except psycopg.Error as error:
        return {
            "name": name,
            "ok": False,
            "message": f"база ответила отказом ({type(error).__name__}). Проверьте SYNKRO_DATABASE_URL.",
        }


def _environment() -> str:
    settings().check()
    return f"режим {settings().env}, папка {settings().data_dir}"


def _keys() -> str:
    return f"первый ключ {vault.current_key_id()}, всего {len(settings().secret_keys)}"


def _database() -> str:
    with connections.connect(db.owner_url(), "question") as connection:
        row = connection.execute(
            "select current_setting('server_version'), r.rolbypassrls or r.rolsuper from pg_roles r where r.rolname = current_user"
        ).fetchone()
    assert row is not None
    if not row[1]:
        raise SynkroError(
            "Владелец схем должен обходить RLS (BYPASSRLS), иначе он не увидит собственных строк. Дайте ему это право."
        )
    return f"Postgres {row[0]}"


def _addresses() -> str:
    """Every configured address of the database: what stands between, and whether it is encrypted."""
    configured = {
        "SYNKRO_DATABASE_URL": settings().database_url,
        "SYNKRO_APP_DATABASE_URL": settings().app_database_url,
        "SYNKRO_DAGSTER_DATABASE_URL": settings().dagster_database_url,
    }
    said, wrong = [], []
    for variable, url in configured.items():
        if url is None:
            continue
        # what goes through the app's entry points is over with its transaction
        may_share = variable == "SYNKRO_APP_DATABASE_URL"
        try:
            well = addresses.judge(variable, url.get_secret_value(), may_share=may_share)
            said.append(f"{variable}: {well}")
        except SynkroError as error:
            wrong.append(error.message)
    if wrong:
        raise SynkroError(" ".join([*wrong, *said]))
    return "; ".join(said) or "встроенный Postgres"


def _supabase_auth() -> str:
    return supabase_auth.check() if settings().supabase_url else "не настроен: люди входят паролем Synkro"


def _migrations() -> str:
    missing = migrations.pending(db.owner_url())
    if missing:
        raise SynkroError(f"Не применены: {', '.join(m.version for m in missing)}. Выполните: synkro db migrate.")
    return f"все {len(migrations.available())} применены"


def _isolation() -> str:
    holes = rls_audit.findings(db.owner_url())
    if holes:
        raise SynkroError(
            f"Найдены открытые места: {'; '.join(holes[:3])}. Выполните synkro db migrate; если останутся, закройте доступ."
        )
    return "строки каждой компании закрыты от остальных"


def _doors() -> str:
    with db.as_service("doctor") as connection:
        connection.execute("select from synkro.tenants limit 1")
    app_login.check()
    return "приложение входит в базу своей ролью"


def _history() -> str:
    """How far back each company's sources reach: a report that compares needs five weeks."""
    said = []
    with db.as_service("doctor") as connection:
        for tenant in tenants.visible(connection):
            found = history.depths(connection, tenant.tenant_id)
            config = runtime_config.current(connection, tenant.tenant_id)
            days = {source: history.since(found, source, config) for source in config.sources}
            parts = [f"{label(name)} {f'с {day}' if day else 'ещё не загружен'}" for name, day in days.items()]
            said.append(f"{tenant.slug}: {', '.join(parts)}")
    return "; ".join(said) or "компаний пока нет"


def sources() -> str:
    """Accounts the vendors stopped, and connections that do not work: a person has to act."""
    with db.as_service("doctor") as connection:
        said = [f"{account}: {reason}" for account, reason in ratelimit.stopped_accounts(connection).items()]
        for tenant in tenants.visible(connection):
            said += [
                f"{tenant.slug}, {kind}: {found.last_error}"
                for kind, found in integrations.all_of(connection, tenant.tenant_id).items()
                if found.status == "error"
            ]
    if said:
        raise SynkroError(
            f"Нужен человек. {' '.join(said)} Устраните причину и выполните synkro integration check КОМПАНИЯ СЕРВИС."
        )
    return "ни один сервис не остановлен"


def _reports() -> str:
    """Companies whose reports have stopped coming: nobody misses what does not arrive."""
    with db.as_service("doctor") as connection:
        silent = missing_reports.found(connection)
    if silent:
        hours = int(missing_reports.LIMIT.total_seconds() // 3600)
        said = [
            f"{one.slug} с {one.since:%Y-%m-%d %H:%M} UTC{f' ({one.error})' if one.error else ''}" for one in silent
        ]
        raise SynkroError(f"Больше {hours} ч нет отчётов: {'; '.join(said)}. Посмотрите synkro run list КОМПАНИЯ.")
    return "у каждой компании с расписанием отчёты выходят"


def _disk() -> str:
    settings().data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings().data_dir).free
    if free < MIN_FREE_BYTES:
        raise SynkroError(f"Свободно {free // 1_000_000} МБ, нужен хотя бы 1 ГБ. Освободите место.")
    return f"свободно {free / 1e9:.0f} ГБ"


def _engine() -> str:
    with db.as_service("doctor") as connection:
        beats = heartbeats.last_beats(connection)
    if not beats:
        return "процессы не запускались (synkro serve); отчёты строит synkro report run --wait"
    now = datetime.now(UTC)
    return ", ".join(f"{name}: {int((now - at).total_seconds())} с назад" for name, at in sorted(beats.items()))


CHECKS: list[tuple[str, Callable[[], str]]] = [
    ("настройки", _environment),
    ("ключи", _keys),
    ("диск", _disk),
    ("адреса базы", _addresses),
    ("база", _database),
    ("миграции", _migrations),
    ("изоляция", _isolation),
    ("вход приложения", _doors),
    ("Supabase Auth", _supabase_auth),
    ("история", _history),
    ("сервисы", sources),
    ("отчёты", _reports),
    ("процессы", _engine),
]
