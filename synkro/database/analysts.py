"""Database logins of people who write SQL: they read ``marts`` and ``api`` of the companies named, and nothing else.

A login is a role ``analyst_NAME``, a member of ``synkro_analyst``; which companies it sees are rows of
``synkro.analyst_grants`` that the policies of every mart look up by ``session_user``. Roles belong to the database
server: these functions need the owner's connection, not one of the two entry points.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from synkro.core.errors import DataError, NotFoundError
from synkro.database import db

logger = logging.getLogger(__name__)

#: every analyst's role name begins so; migration 14 refuses their claims by it
PREFIX = "analyst_"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
#: connections at once: a notebook, a BI tool and a console
CONNECTIONS = 5
#: what a session begins with. It may raise these for itself, so they are manners; ``private.end_analyst_sessions`` and the
#: connection limit are what binds
DEFAULTS = {
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "10s",
    "work_mem": "16MB",
    "default_transaction_read_only": "on",
    "search_path": "marts, api",
}
#: bytes of temporary files of one session: only a superuser may give it, and no session raises it
_TEMP_FILES = "2GB"


@dataclass(frozen=True)
class Analyst:
    """One login and the codes of the companies it sees, sorted."""

    name: str
    role: str
    tenants: list[str]


def role_of(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise DataError(
            f"Имя «{name}» не подходит: нужны строчные латинские буквы, цифры и «_», от 2 до 31 знака, сначала буква."
        )
    return PREFIX + name


def add(connection: psycopg.Connection[Any], name: str, tenants: Iterable[UUID], timeout_seconds: int) -> str:
    """Make the login and return its password, which is stored nowhere.

    ``tenants``: ids of the companies it may read. ``timeout_seconds``: a statement that runs longer is cancelled. Raises :class:`DataError` for a bad or taken name.
    """
    role, password = role_of(name), secrets.token_urlsafe(24)
    login = sql.Identifier(role)
    with connection.transaction():
        try:
            connection.execute(
                sql.SQL("create role {} login inherit nocreatedb nocreaterole connection limit {} password {}").format(
                    login, sql.Literal(CONNECTIONS), sql.Literal(password)
                )
            )
        except psycopg.errors.DuplicateObject:
            raise DataError(
                f"Аналитик «{name}» уже есть. Чтобы выдать новый вход, сначала удалите старый: "
                f"synkro analyst remove {name}."
            ) from None
        connection.execute(sql.SQL("grant synkro_analyst to {}").format(login))
        for setting, value in {"statement_timeout": f"{timeout_seconds}s", **DEFAULTS}.items():
            # a list of schemas is a list for Postgres too, not one quoted name
            values = sql.SQL(", ").join(sql.Literal(part.strip()) for part in value.split(","))
            connection.execute(sql.SQL("alter role {} set {} to {}").format(login, sql.Identifier(setting), values))
        # the owner of a hosted project is no superuser
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(
                sql.SQL("alter role {} set temp_file_limit to {}").format(login, sql.Literal(_TEMP_FILES))
            )
        for tenant_id in tenants:
            connection.execute(
                "insert into synkro.analyst_grants (tenant_id, role_name) values (%s, %s)", (tenant_id, role)
            )
    return password


def remove(connection: psycopg.Connection[Any], name: str) -> None:
    """End the login's sessions and drop it; raises :class:`NotFoundError`."""
    role = role_of(name)
    with connection.transaction():
        if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone() is None:
            raise NotFoundError(f"Аналитика «{name}» нет. Список: synkro analyst list.")
        connection.execute("delete from synkro.analyst_grants where role_name = %s", (role,))
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (role,))


def existing(connection: psycopg.Connection[Any]) -> Sequence[Analyst]:
    """All analysts' logins of this server, by name."""
    rows = connection.execute(
        "select r.rolname::text, coalesce(array_agg(t.slug order by t.slug) filter (where t.slug is not null), '{}')"
        " from pg_roles r left join synkro.analyst_grants g on g.role_name = r.rolname"
        " left join synkro.tenants t on t.tenant_id = g.tenant_id"
        " where starts_with(r.rolname, %s) group by 1 order by 1",
        (PREFIX,),
    ).fetchall()
    return [Analyst(role.removeprefix(PREFIX), role, list(slugs)) for role, slugs in rows]


def end_overdue(connection: db.Connection) -> list[str]:
    """End the sessions of analysts that are over their limits; says which login and why. Any process may call this."""
    ended = connection.execute("select login, reason from private.end_analyst_sessions()").fetchall()
    for row in ended:
        logger.warning("an analyst's session was over its limits: %s, %s", row["login"], row["reason"])
    return [f"{row['login']}: {row['reason']}" for row in ended]


def connection_string(owner_url: str, name: str, password: str) -> str:
    """The address to give to the analyst: the owner's, with the analyst's login."""
    return db.with_login(owner_url, role_of(name), password)
