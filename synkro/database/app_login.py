"""The login by which pages, the API and the sender come to the database: it must be held back by the row policies.

A superuser, a login with ``BYPASSRLS`` or the owner of a table is not: one mistake of a page would then show a company another's
rows, and every test, which logs in as ``synkro_app``, would have proved something else. So they do not start with one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from synkro.core.errors import ConfigurationError
from synkro.core.settings import settings
from synkro.database import connections, db, rls_audit

#: what the login is, and may become: ``service_role`` may pass the policies, the workers' entry point needs it; it owns nothing
_RIGHTS = f"""
select session_user as login,
  exists (select from pg_roles r where r.rolsuper and pg_has_role(session_user, r.oid, 'member')) as is_superuser,
  exists (select from pg_roles r where r.rolbypassrls and r.rolname <> 'service_role'
          and pg_has_role(session_user, r.oid, 'member')) as bypasses,
  exists (select from pg_roles r where r.rolcreaterole and pg_has_role(session_user, r.oid, 'member')) as makes_roles,
  (select min(n.nspname || '.' || c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'f') and {rls_audit.OURS}
     and pg_has_role(session_user, c.relowner, 'member')) as owned
"""


def settle(owner_url: str) -> None:
    """Let the login of ``SYNKRO_APP_DATABASE_URL`` in: ``synkro_app`` gets the password that stands in that address.

    A password that fits already is left alone: poolers remember it. Another login is the operator's own business.
    """
    configured = settings().app_database_url
    if configured is None:
        return
    parts = urlsplit(configured.get_secret_value())
    # behind a pooler of Supabase the project's name follows the login's
    if (parts.username or "").partition(".")[0] != db.APP_ROLE:
        return
    if not parts.password:
        raise ConfigurationError(f"В SYNKRO_APP_DATABASE_URL нет пароля входа {db.APP_ROLE}: допишите его в адрес.")
    if db.refusal(configured.get_secret_value()) is not None:
        with connections.connect(owner_url, "migration", autocommit=True) as connection:
            db.set_app_password(connection, unquote(parts.password))


def check() -> None:
    """Raise :class:`ConfigurationError`, naming the setting and the cure, unless the policies hold the app's login back."""
    with db.as_service("login check") as connection:
        row: dict[str, Any] | None = connection.execute(_RIGHTS, {"foreign": list(rls_audit.FOREIGN)}).fetchone()
    assert row is not None
    found = [
        what
        for what, is_so in (
            ("суперпользователь", row["is_superuser"]),
            ("обходит политики строк (BYPASSRLS)", row["bypasses"]),
            ("создаёт роли (CREATEROLE)", row["makes_roles"]),
            (f"владеет таблицами, например {row['owned']}", row["owned"]),
        )
        if is_so
    ]
    if found:
        where = "SYNKRO_APP_DATABASE_URL" if settings().app_database_url is not None else "SYNKRO_DATABASE_URL"
        raise ConfigurationError(
            f"Приложение входит в базу как «{row['login']}» ({where}), а этот вход {', '.join(found)}: политики строк его не "
            f"держат. Дайте приложению его собственный вход: SYNKRO_APP_DATABASE_URL, адрес с пользователем {db.APP_ROLE}. "
            "Его печатает synkro db app-url; пароль из такого адреса synkro db migrate даёт ему сама."
        )
