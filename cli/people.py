"""``synkro tenant`` and ``synkro user``: companies and people, by the operator."""

from __future__ import annotations

import sys

import click

from cli.output import emit, json_option, table
from synkro import accounts, audit, db, runtime, shapes, tenants, users
from synkro.accounts.passwords import one_time_password

ACTOR = "operator (command line)"


@click.group()
def tenant() -> None:
    """Компании."""


@tenant.command("add")
@click.argument("slug")
@click.option("--name", required=True, help="Как называется компания.")
@click.option("--timezone", default="Asia/Almaty", show_default=True, help="Имя часового пояса IANA.")
@json_option
def tenant_add(slug: str, name: str, timezone: str, as_json: bool) -> None:
    """Добавить компанию с кодом SLUG."""
    with db.as_service("command line") as connection:
        made = tenants.add(connection, name, slug, timezone)
        runtime.start(connection, made.tenant_id, timezone)
        audit.write(connection, "tenant.add", tenant_id=made.tenant_id, actor=ACTOR, message=made.name)
    emit(shapes.tenant_json(made), as_json, f"Компания «{made.name}» добавлена: {made.slug}")


@tenant.command("list")
@json_option
def tenant_list(as_json: bool) -> None:
    """Список компаний."""
    with db.as_service("command line") as connection:
        found = tenants.visible(connection)
    emit(
        [shapes.tenant_json(item) for item in found],
        as_json,
        table(
            ["КОД", "СОСТОЯНИЕ", "ЧАСОВОЙ ПОЯС", "НАЗВАНИЕ"],
            [[item.slug, item.status, item.timezone, item.name] for item in found],
            "Компаний пока нет. Добавьте: synkro tenant add КОД --name НАЗВАНИЕ.",
        ),
    )


@tenant.command("pause")
@click.argument("slug")
@click.option("--resume", is_flag=True, help="Снова включить.")
def tenant_pause(slug: str, resume: bool) -> None:
    """Приостановить компанию: расписание молчит, данные остаются."""
    with db.as_service("command line") as connection:
        found = tenants.by_slug(connection, slug)
        tenants.set_status(connection, found.tenant_id, "active" if resume else "paused")
        audit.write(connection, "tenant.resume" if resume else "tenant.pause", tenant_id=found.tenant_id, actor=ACTOR)
    click.echo(f"Компания {slug} {'снова работает' if resume else 'приостановлена'}.")


@click.group()
def user() -> None:
    """Люди."""


@user.command("add")
@click.argument("email")
@click.option("--role", type=click.Choice(users.ROLES), default="user", show_default=True)
@click.option("--tenant", "slug", help="Код компании (для super_admin не нужен).")
@click.option("--name", default="", help="Имя и фамилия.")
@click.option("--password-stdin", is_flag=True, help="Взять пароль из стандартного ввода; иначе он придумывается.")
@json_option
def user_add(email: str, role: users.Role, slug: str | None, name: str, password_stdin: bool, as_json: bool) -> None:
    """Добавить человека с адресом EMAIL; придуманный пароль показывается один раз."""
    if (role == "super_admin") == bool(slug):
        raise click.UsageError("Укажите --tenant для ролей admin_lite и user; для super_admin он не нужен.")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with db.as_service("command line") as connection:
        where = tenants.by_slug(connection, slug).tenant_id if slug else None
    added = accounts.add(email, password, full_name=name)
    made, shown = added.user, added.one_time_password or None
    said = f"\nПароль (больше не покажем): {shown}" if shown else ""
    if added.is_known:
        said = "\nУчётная запись в Supabase уже была: пароль остался прежним."
    with db.as_service("command line") as connection:
        users.grant(connection, made.user_id, where, role)
        audit.write(connection, "user.add", tenant_id=where, actor=ACTOR, message=f"{made.email}: {role}")
    emit(
        {"id": str(made.user_id), "email": made.email, "role": role, "tenant": slug, "password": shown},
        as_json,
        f"{made.email} добавлен, роль {role}.{said}",
    )


@user.command("password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Взять пароль из стандартного ввода; иначе он придумывается.")
def user_password(email: str, password_stdin: bool) -> None:
    """Сменить пароль; все открытые сеансы человека закрываются."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else one_time_password()
    with db.as_service("command line") as connection:
        found = users.by_email(connection, email)
    accounts.set_password(found.user_id, password, must_change=not password_stdin)
    with db.as_service("command line") as connection:
        audit.write(connection, "user.password", actor=ACTOR, message=found.email)
    click.echo("Пароль сменён." if password_stdin else f"Пароль сменён (больше не покажем): {password}")
