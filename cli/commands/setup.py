"""``synkro integration`` and ``synkro runtime``: what a tenant is connected to and how it runs."""

from __future__ import annotations

import json
import select
import sys
from typing import Any

import click

from cli.commands.people import ACTOR
from cli.output import emit, json_option
from synkro.connectors import checks, integrations
from synkro.core.errors import DataError, SynkroError
from synkro.database import db
from synkro.metrics.queries import plain
from synkro.tenancy import audit, runtime_config, tenants

#: a program that pipes a secret does so at once
STDIN_SECONDS = 3.0


@click.group()
def integration() -> None:
    """Подключения компании: amocrm, radist, ai, telegram, supabase."""


@integration.command("set")
@click.argument("slug")
@click.argument("kind", type=click.Choice(integrations.KINDS))
@click.option("--public", default=None, help="Открытая часть, JSON. Секрет — в стандартном вводе.")
@json_option
def integration_set(slug: str, kind: integrations.Kind, public: str | None, as_json: bool) -> None:
    """Сохранить подключение. Секрет читается из стандартного ввода: JSON с полями или одно значение."""
    values = _object("--public", public) if public is not None else None
    sealed = _secret(kind, _standard_input())
    with db.as_service("command line") as connection:
        tenant = tenants.by_slug(connection, slug)
        before = integrations.find(connection, tenant.tenant_id, kind)
        changed = {}
        if values is not None:
            integrations.save_public(connection, tenant.tenant_id, kind, values)
            changed = audit.changes(before.public if before else {}, values)
        if sealed:
            integrations.save_secrets(connection, tenant.tenant_id, kind, sealed)
        audit.write(
            connection,
            "integration.set",
            tenant_id=tenant.tenant_id,
            actor=ACTOR,
            message=kind,
            metadata={"public": changed, "secrets": sorted(sealed)},
        )
        found = integrations.load(connection, tenant.tenant_id, kind)
    emit(
        _json(found),
        as_json,
        f"Подключение {kind} сохранено. Проверьте: synkro integration check {slug} {kind}",
    )


@integration.command("check")
@click.argument("slug")
@click.argument("kind", type=click.Choice(integrations.KINDS))
@json_option
def integration_check(slug: str, kind: integrations.Kind, as_json: bool) -> None:
    """Проверить подключение с сервера."""
    with db.as_service("command line") as connection:
        tenant = tenants.by_slug(connection, slug)
        integrations.load(connection, tenant.tenant_id, kind)
    failure: SynkroError | None = None
    try:
        checks.run(tenant.tenant_id, kind)
    except SynkroError as error:
        failure = error
    with db.as_service("command line") as connection:
        found = integrations.load(connection, tenant.tenant_id, kind)
    emit(_json(found), as_json, "" if failure else f"{kind}: работает.")
    if failure:
        raise failure


def _json(found: integrations.Integration) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "status": found.status,
        "public": found.public,
        "bound": found.bound,
        "secrets": found.hints,
        "last_error": found.last_error,
        "last_checked_at": plain(found.last_checked_at),
    }


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataError(f"{name}: это не JSON ({error}). Проверьте кавычки и скобки.") from None
    if not isinstance(value, dict):
        raise DataError(f'{name}: нужен объект JSON, например {{"company_id": 1001}}.')
    return value


def _standard_input() -> str:
    """What was piped in; empty at a terminal, and when a caller left an open pipe nobody writes to."""
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    ready, _, _ = select.select([sys.stdin], [], [], STDIN_SECONDS)
    return sys.stdin.read().strip() if ready else ""


def _secret(kind: integrations.Kind, text: str) -> dict[str, str]:
    """A JSON object of fields, or the bare value of the kind's main secret."""
    if not text:
        return {}
    if text.startswith("{"):
        return {name: str(value) for name, value in _object("секрет", text).items()}
    return {integrations.FIELDS[kind][1][0]: text}


@click.group("runtime")
def runtime_group() -> None:
    """Настройки запуска компании."""


@runtime_group.command("set")
@click.argument("slug")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE…")
@json_option
def runtime_set(slug: str, pairs: tuple[str, ...], as_json: bool) -> None:
    """Изменить настройки; каждое изменение — новая версия."""
    values = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise click.UsageError(f"«{pair}»: нужно KEY=VALUE, например mode=radist_only.")
        values[key.strip()] = value
    with db.as_service("command line") as connection:
        tenant = tenants.by_slug(connection, slug)
        before = runtime_config.current(connection, tenant.tenant_id)
        config = runtime_config.change(connection, tenant.tenant_id, values)
        changed = audit.changes(runtime_config.by_name(before), runtime_config.by_name(config))
        audit.write(
            connection,
            "runtime.set",
            tenant_id=tenant.tenant_id,
            actor=ACTOR,
            message=", ".join(sorted(values)),
            metadata={"version": config.version, "changed": changed},
        )
    emit(_config(config), as_json, f"Сохранено, версия {config.version}.")


@runtime_group.command("show")
@click.argument("slug")
@json_option
def runtime_show(slug: str, as_json: bool) -> None:
    """Показать действующие настройки."""
    with db.as_service("command line") as connection:
        config = runtime_config.current(connection, tenants.by_slug(connection, slug).tenant_id)
    lines = "\n".join(f"{key} = {value}" for key, value in _config(config).items())
    emit(_config(config), as_json, lines)


def _config(config: runtime_config.RuntimeConfig) -> dict[str, Any]:
    return {
        key: value.strftime("%H:%M") if hasattr(value, "strftime") else value for key, value in config.__dict__.items()
    }
