"""``synkro tenant`` and ``synkro user``: companies and people, by the operator."""

from __future__ import annotations

import sys
from uuid import UUID

import click

from analysis import topics as packs
from cli.output import emit, json_option, table
from synkro import accounts
from synkro.accounts import second_factor, sessions
from synkro.core.errors import NotFoundError
from synkro.database import db
from synkro.reporting import public_json
from synkro.tenancy import audit, invitations, runtime_config, tenants, topics, users
from synkro.tenancy.topics import CORE

ACTOR = "operator (command line)"


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
    packs.pack(pack)
    with db.as_service("command line") as connection:
        made = tenants.add(connection, name, slug, timezone)
        runtime_config.start(connection, made.tenant_id, timezone)
        if pack != CORE:
            topics.save(connection, made.tenant_id, pack, None, after=0)
        audit.write(connection, "tenant.add", tenant_id=made.tenant_id, actor=ACTOR, message=made.name)
    emit(public_json.tenant_json(made), as_json, f"Компания «{made.name}» добавлена: {made.slug}")


@tenant.command("list")
@json_option
def tenant_list(as_json: bool) -> None:
    """Список компаний."""
    with db.as_service("command line") as connection:
        found = tenants.visible(connection)
    emit(
        [public_json.tenant_json(item) for item in found],
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
    """Добавить человека с адресом EMAIL.

    В компанию: печатает ссылку приглашения, роль появится, когда человек её примет. Оператора (super_admin) и с
    --password-stdin: сразу делает учётную запись.
    """
    if (role == "super_admin") == bool(slug):
        raise click.UsageError("Укажите --tenant для ролей admin_lite и user; для super_admin он не нужен.")
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    with db.as_service("command line") as connection:
        tenant = tenants.by_slug(connection, slug) if slug else None
    where = tenant.tenant_id if tenant else None
    if where is not None and password is None:
        email = users.checked_email(email)
        link = _invite(where, email, name, role)
        emit(
            {
                "id": None,
                "email": email,
                "role": role,
                "tenant": slug,
                "password": None,
                "link": link,
            },
            as_json,
            f"Ссылка для {email} (больше не покажем, действует 72 часа): {link}\nРоль {role} появится, когда человек её примет.",
        )
        return
    added = accounts.add(email, password, full_name=name, company=tenant.name if tenant else "")
    made, shown = added.user, added.one_time_password or None
    said = f"\nПароль (больше не покажем): {shown}" if shown else ""
    if added.is_known:
        said = "\nУчётная запись в Supabase уже была: пароль остался прежним."
    with db.as_service("command line") as connection:
        users.grant(connection, made.user_id, where, role)
        audit.write(connection, "user.add", tenant_id=where, actor=ACTOR, message=f"{made.email}: {role}")
    emit(
        {"id": str(made.user_id), "email": made.email, "role": role, "tenant": slug, "password": shown, "link": None},
        as_json,
        f"{made.email} добавлен, роль {role}.{said}",
    )


def _invite(tenant_id: UUID, email: str, name: str, role: users.Role) -> str:
    with db.as_service("command line") as connection:
        _, link = invitations.make(connection, tenant_id, email, name, role, created_by=None)
        audit.write(
            connection, "person.invited", tenant_id=tenant_id, actor=ACTOR, metadata={"email": email, "role": role}
        )
    return link


@user.command("password")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Взять пароль из стандартного ввода; иначе печатается ссылка.")
def user_password(email: str, password_stdin: bool) -> None:
    """Сбросить пароль: печатает ссылку, по которой человек задаст новый. Открытые сеансы закрываются."""
    with db.as_service("command line") as connection:
        found = users.by_email(connection, email)
    link = ""
    if password_stdin:
        accounts.set_password(found.user_id, sys.stdin.readline().rstrip("\n"), must_change=False)
    else:
        link = accounts.reset(found)
    with db.as_service("command line") as connection:
        audit.write(connection, "user.password", actor=ACTOR, message=found.email)
    said = f"Прежний пароль больше не подходит. Ссылка для нового (больше не покажем, действует час): {link}"
    click.echo(said if link else "Пароль сменён.")


@user.command("list")
@json_option
def user_list(as_json: bool) -> None:
    """Все, кто может войти: роли, отключён ли, включён ли второй шаг."""
    with db.as_service("command line") as connection:
        rows = connection.execute(
            "select p.email, p.full_name, coalesce(a.is_blocked, true) as is_disabled,"
            " exists (select from private.second_factors f where f.user_id = p.user_id and f.confirmed_at is not null)"
            "  as has_second_factor, coalesce((select array_agg(r.role || coalesce(' @ ' || t.slug, '') order by t.slug)"
            "  from synkro.user_roles r left join synkro.tenants t using (tenant_id)"
            "  where r.user_id = p.user_id and r.is_active), '{}') as roles"
            " from synkro.user_profiles p left join lateral private.account_state(p.user_id) a on true order by p.email"
        ).fetchall()
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
    with db.as_service("command line") as connection:
        found = users.by_email(connection, email)
    accounts.set_blocked(found.user_id, is_blocked)
    with db.as_service("command line") as connection:
        action = "account.disabled" if is_blocked else "account.enabled"
        audit.write(connection, action, actor=ACTOR, message=found.email)


@user.command("sessions")
@click.argument("email")
@click.option("--end", is_flag=True, help="Закрыть все.")
@json_option
def user_sessions(email: str, end: bool, as_json: bool) -> None:
    """Открытые сеансы человека в браузерах."""
    with db.as_service("command line") as connection:
        found = users.by_email(connection, email)
        opened = sessions.open_of(connection, found.user_id)
        if end:
            sessions.end_all(connection, found.user_id)
            audit.write(connection, "session.ended_all", actor=ACTOR, message=found.email)
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
    with db.as_service("command line") as connection:
        found = users.by_email(connection, email)
        where = tenants.by_slug(connection, slug).tenant_id if slug else None
        if not users.revoke(connection, found.user_id, where):
            raise NotFoundError(f"У {found.email} нет такой роли.")
        audit.write(connection, "person.revoked", tenant_id=where, actor=ACTOR, message=found.email)
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
    with db.as_service("command line") as connection:
        found = users.by_email(connection, email)
        was_on = second_factor.remove(connection, found.user_id)
        audit.write(connection, "second_factor.reset", actor=ACTOR, message=found.email)
    click.echo(f"Второй шаг входа {found.email} {'сброшен' if was_on else 'и не был включён'}. Сеансы закрыты.")
