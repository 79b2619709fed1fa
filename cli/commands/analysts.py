"""``synkro analyst``: database logins for people who write SQL."""

from __future__ import annotations

import click

from cli.output import emit, json_option, table
from services import analysts
from services.machine import operator


@click.group()
def analyst() -> None:
    """Аналитики: вход в базу только для чтения витрин."""


@analyst.command("add")
@click.argument("name")
@click.option("--tenant", "slugs", multiple=True, required=True, help="Код компании; можно повторить.")
@click.option(
    "--timeout",
    type=click.IntRange(1, 3600),
    default=60,
    show_default=True,
    help="Сколько секунд может идти один запрос.",
)
@json_option
def analyst_add(name: str, slugs: tuple[str, ...], timeout: int, as_json: bool) -> None:
    """Завести вход NAME; строка подключения показывается один раз."""
    made = analysts.add(operator(), name, slugs, timeout)
    codes = [tenant.slug for tenant in made.tenants]
    emit(
        {"name": made.name, "role": made.role, "tenants": codes, "url": made.url},
        as_json,
        f"Аналитик «{name}» видит: {', '.join(codes)}.\nСтрока подключения (больше не покажем):\n{made.url}",
    )


@analyst.command("list")
@json_option
def analyst_list(as_json: bool) -> None:
    """Кому выдан вход и какие компании он видит."""
    found = analysts.listing(operator())
    emit(
        [{"name": item.name, "role": item.role, "tenants": item.tenants} for item in found],
        as_json,
        table(
            ["ИМЯ", "РОЛЬ В БАЗЕ", "КОМПАНИИ"],
            [[item.name, item.role, ", ".join(item.tenants) or "—"] for item in found],
            "Аналитиков пока нет. Добавьте: synkro analyst add ИМЯ --tenant КОД.",
        ),
    )


@analyst.command("remove")
@click.argument("name")
def analyst_remove(name: str) -> None:
    """Удалить вход NAME и закрыть его соединения."""
    analysts.remove(operator(), name)
    click.echo(f"Вход «{name}» удалён.")
