"""``synkro integration`` and ``synkro runtime``: what a tenant is connected to and how it runs."""

from __future__ import annotations

import json
import select
import sys
from typing import Any

import click

from cli.output import emit, json_option
from services.machine import operator
from services.settings import configuration
from synkro.connectors import integrations
from synkro.core.errors import DataError
from synkro.metrics.queries import plain
from synkro.tenancy import runtime_config

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
    found = configuration.save_integration(operator(), slug, kind, values, sealed)
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
    checked = configuration.check_integration(operator(), slug, kind)
    emit(_json(checked.integration), as_json, f"{kind}: работает." if checked.is_ok else "")
    if checked.failure:
        raise checked.failure


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
    config = configuration.save_runtime(operator(), slug, values)
    emit(_config(config), as_json, f"Сохранено, версия {config.version}.")


@runtime_group.command("show")
@click.argument("slug")
@json_option
def runtime_show(slug: str, as_json: bool) -> None:
    """Показать действующие настройки."""
    config = configuration.runtime(operator(), slug)
    lines = "\n".join(f"{key} = {value}" for key, value in _config(config).items())
    emit(_config(config), as_json, lines)


def _config(config: runtime_config.RuntimeConfig) -> dict[str, Any]:
    return {
        key: value.strftime("%H:%M") if hasattr(value, "strftime") else value for key, value in config.__dict__.items()
    }
