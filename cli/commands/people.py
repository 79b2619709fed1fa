"""``synkro tenant`` and ``synkro user``: companies and people, by the operator of this machine."""

from __future__ import annotations

import sys
from typing import Any

import click

from analysis import topics as packs
from cli.output import emit, json_option, table
from services import access, companies
from services.machine import operator
from services.people import accounts, members
from services.people.accounts import Account
from synkro.reporting import public_json
from synkro.tenancy import users
from synkro.tenancy.topics import CORE


@click.group()
def tenant() -> None:
    """Компании."""


@tenant.command("add")
@click.argument("slug")
@click.option("--name", required=True, help="Как называется компания.")
@click.option("--timezone", default="Asia/Almaty", show_default=True, help="Имя часового пояса IANA.")
@click.option("--business", "pack", default=CORE, metavar="НАБОР", help=f"Набор тем: {', '.join(packs.names())}.")
@json_option
def tenant_add(slug: str, name: str, timezone: str, pack: str, as_json: bool) -> None:
    """Добавить компанию с кодом SLUG."""
    made = companies.add_tenant(operator(), name, slug, timezone, pack)
    emit(public_json.tenant_json(made), as_json, f"Компания «{made.name}» добавлена: {made.slug}")


@tenant.command("list")
@json_option
def tenant_list(as_json: bool) -> None:
    """Список компаний."""
    found = access.visible(operator())
    emit(
        [public_json.tenant_json(item) for item in found],
        as_json,
        table(
            ["КОД", "СОСТОЯНИЕ", "ЧАСОВОЙ ПОЯС", "НАЗВАНИЕ"],
            [[item.slug, item.status, item.timezone, item.name] for item in found],
            "Компаний пока нет. Добавьте: synkro tenant add КОД --name НАЗВАНИЕ.",
        ),
    )


@tenant.command("edit")
@click.argument("slug")
@click.option("--name", default=None, help="Новое название.")
@click.option("--timezone", default=None, help="Имя часового пояса IANA; станет новой версией настроек.")
@click.option("--status", type=click.Choice(["active", "paused", "disabled"]), default=None, help="Состояние.")
@json_option
def tenant_edit(slug: str, name: str | None, timezone: str | None, status: str | None, as_json: bool) -> None:
    """Изменить название, пояс или состояние компании. Код не меняется."""
    if name is None and timezone is None and status is None:
        raise click.UsageError("Укажите --name, --timezone или --status.")
    edited = companies.edit(operator(), slug, name=name, timezone=timezone)
    if status is not None and status != edited.status:
        edited = companies.set_status(operator(), slug, status)
    emit(
        public_json.tenant_json(edited),
        as_json,
        f"Компания {slug}: «{edited.name}», {edited.timezone}, {edited.status}.",
    )


@tenant.command("pause")
@click.argument("slug")
@click.option("--resume", is_flag=True, help="Снова включить.")
def tenant_pause(slug: str, resume: bool) -> None:
    """Приостановить компанию: расписание молчит, данные остаются."""
    companies.set_status(operator(), slug, "active" if resume else "paused")
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
    """Добавить человека с адресом EMAIL.

    В компанию: печатает ссылку приглашения, роль появится, когда человек её примет. Оператора (super_admin) и с
    --password-stdin: сразу делает учётную запись.
    """
    if (role == "super_admin") == bool(slug):
        raise click.UsageError("Укажите --tenant для ролей admin_lite и user; для super_admin он не нужен.")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    if slug and password is None:
        invited = members.invite(operator(), slug, email, name, role)
        emit(
            {
                "id": None,
                "email": invited.email,
                "role": role,
                "tenant": slug,
                "password": None,
                "link": invited.link,
            },
            as_json,
            f"Ссылка для {invited.email} (больше не покажем, действует 72 часа): {invited.link}\n"
            f"Роль {role} появится, когда человек её примет.",
        )
        return
    added = accounts.add(operator(), email, role, slug, full_name=name, password=password)
    made, shown = added.user, added.one_time_password or None
    said = f"\nПароль (больше не покажем): {shown}" if shown else ""
    if added.is_known:
        said = "\nУчётная запись в Supabase уже была: пароль остался прежним."
    emit(
        {"id": str(made.user_id), "email": made.email, "role": role, "tenant": slug, "password": shown, "link": None},
        as_json,
        f"{made.email} добавлен, роль {role}.{said}",
    )


@user.command("password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Взять пароль из стандартного ввода; иначе печатается ссылка.")
def user_password(email: str, password_stdin: bool) -> None:
    """Сбросить пароль: печатает ссылку, по которой человек задаст новый. Открытые сеансы закрываются."""
    who = operator()
    found = accounts.by_email(who, email)
    if password_stdin:
        accounts.set_password(who, found.user_id, sys.stdin.readline().rstrip("\n"))
        click.echo("Пароль сменён.")
        return
    link = accounts.reset_password(who, found.user_id)
    click.echo(f"Прежний пароль больше не подходит. Ссылка для нового (больше не покажем, действует час): {link}")


@user.command("list")
@json_option
def user_list(as_json: bool) -> None:
    """Все, кто может войти: роли, отключён ли, включён ли второй шаг."""
    rows = [_row(one) for one in accounts.everybody(operator())]
    emit(
        rows,
        as_json,
        table(
            ["ПОЧТА", "СОСТОЯНИЕ", "ВТОРОЙ ШАГ", "РОЛИ"],
            [
                [
                    row["email"],
                    "отключён" if row["is_disabled"] else "действует",
                    "да" if row["has_second_factor"] else "нет",
                    ", ".join(row["roles"]),
                ]
                for row in rows
            ],
            "Никого пока нет. Добавьте: synkro user add ПОЧТА --role super_admin.",
        ),
    )


def _row(one: Account) -> dict[str, Any]:
    # the installation's own role, which has no company, stands last
    roles = sorted(one.roles, key=lambda role: (not role.slug, role.slug))
    return {
        "email": one.user.email,
        "full_name": one.user.full_name,
        "is_disabled": one.is_blocked,
        "has_second_factor": one.has_second_factor,
        "roles": [f"{role.role} @ {role.slug}" if role.slug else role.role for role in roles],
    }


@user.command("disable")
@click.argument("email")
def user_disable(email: str) -> None:
    """Отключить учётную запись: человек не войдёт, открытые сеансы и страницы закроются. Роли и данные остаются."""
    _set_blocked(email, True)
    click.echo(f"{email} отключён, сеансы закрыты. Включить снова: synkro user enable {email}")


@user.command("enable")
@click.argument("email")
def user_enable(email: str) -> None:
    """Снова включить учётную запись."""
    _set_blocked(email, False)
    click.echo(f"{email} снова может войти.")


def _set_blocked(email: str, is_blocked: bool) -> None:
    who = operator()
    accounts.set_blocked(who, accounts.by_email(who, email).user_id, is_blocked)


@user.command("sessions")
@click.argument("email")
@click.option("--end", is_flag=True, help="Закрыть все.")
@json_option
def user_sessions(email: str, end: bool, as_json: bool) -> None:
    """Открытые сеансы человека в браузерах."""
    who = operator()
    found = accounts.by_email(who, email)
    opened = accounts.detail(who, found.user_id).sessions
    if end:
        accounts.end_sessions(who, found.user_id)
    emit(
        [
            {
                "created_at": one.created_at,
                "last_seen_at": one.last_seen_at,
                "ip_address": one.ip_address,
                "user_agent": one.user_agent,
                "is_ended": end,
            }
            for one in opened
        ],
        as_json,
        f"Закрыто сеансов — {len(opened)}."
        if end
        else table(
            ["ВОШЁЛ", "БЫЛ", "АДРЕС", "БРАУЗЕР"],
            [
                [
                    f"{one.created_at:%Y-%m-%d %H:%M}",
                    f"{one.last_seen_at:%Y-%m-%d %H:%M}",
                    one.ip_address,
                    one.user_agent,
                ]
                for one in opened
            ],
            "Открытых сеансов нет.",
        ),
    )


@user.command("revoke")
@click.argument("email")
@click.option("--tenant", "slug", help="Код компании, роль в которой забрать.")
@click.option("--operator", "is_operator", is_flag=True, help="Забрать роль оператора (super_admin).")
def user_revoke(email: str, slug: str | None, is_operator: bool) -> None:
    """Забрать роль в компании или роль оператора."""
    if is_operator == bool(slug):
        raise click.UsageError("Укажите одно из двух: --tenant КОД или --operator.")
    who = operator()
    found = accounts.by_email(who, email)
    accounts.revoke_role(who, found.user_id, access.tenant(who, slug).tenant_id if slug else None)
    click.echo(f"{found.email}: роль {f'в компании {slug}' if slug else 'оператора'} забрана.")


@user.group("totp")
def user_totp() -> None:
    """Второй шаг входа."""


@user_totp.command("reset")
@click.argument("email")
def user_totp_reset(email: str) -> None:
    """Снять второй шаг у человека, который потерял телефон и коды. Открытые сеансы закрываются.

    Оператор настроит его заново при следующем входе.
    """
    who = operator()
    found = accounts.by_email(who, email)
    was_on = accounts.reset_second_factor(who, found.user_id)
    click.echo(f"Второй шаг входа {found.email} {'сброшен' if was_on else 'и не был включён'}. Сеансы закрыты.")
