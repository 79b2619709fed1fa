"""``synkro analyst``: database logins for people who write SQL."""

from __future__ import annotations

import click

from cli.output import emit, json_option, table
from synkro.database import analysts, connections, db
from synkro.tenancy import audit, tenants

ACTOR = "operator (command line)"


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
    with db.as_service("command line") as connection:
        found = [tenants.by_slug(connection, slug) for slug in dict.fromkeys(slugs)]
    with connections.connect(db.owner_url(), "question", autocommit=True) as owner:
        password = analysts.add(owner, name, [tenant.tenant_id for tenant in found], timeout)
    with db.as_service("command line") as connection:
        for tenant in found:
            audit.write(connection, "analyst.add", tenant_id=tenant.tenant_id, actor=ACTOR, message=name)
    address = analysts.connection_string(db.owner_url(), name, password)
    shown = {"name": name, "role": analysts.role_of(name), "tenants": [t.slug for t in found], "url": address}
    emit(
        shown,
        as_json,
        f"Аналитик «{name}» видит: {', '.join(t.slug for t in found)}.\n"
        f"Строка подключения (больше не покажем):\n{address}",
    )


@analyst.command("list")
@json_option
def analyst_list(as_json: bool) -> None:
    """Кому выдан вход и какие компании он видит."""
    with connections.connect(db.owner_url(), "question") as owner:
        found = analysts.existing(owner)
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
    with connections.connect(db.owner_url(), "question", autocommit=True) as owner:
        analysts.remove(owner, name)
    with db.as_service("command line") as connection:
        audit.write(connection, "analyst.remove", actor=ACTOR, message=name)
    click.echo(f"Вход «{name}» удалён.")
