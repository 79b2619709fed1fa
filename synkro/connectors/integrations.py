"""Integrations of a tenant: what is public, what is secret, what the last check said.

The public part lives in ``synkro.integration_configs`` and is shown to the tenant's people. Secrets live in
``private.integration_secrets``, sealed by the vault, and leave this module only towards a vendor: nothing
here returns them to a page. Writers of secrets use the service entry point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from synkro.accounts import second_factor
from synkro.connectors import registry
from synkro.core import vault
from synkro.core.errors import DataError, NotFoundError
from synkro.core.log import redact, register_secret
from synkro.database import db

#: the name of a connector, or one of the other services
Kind = str
#: a token's renewal holds the secrets' rows while the vendor is asked, each try with a deadline of its own: to be cut off
#: between the answer and the commit would lose the only pair there is
REFRESH_SECONDS = 600
#: fields of each kind: the first tuple is public, the second secret
FIELDS: dict[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **{name: (tuple(field.name for field in one.fields), one.secrets) for name, one in registry.CONNECTORS.items()},
    "ai": (("base_url", "model", "prompt", "daily_cap_usd", "monthly_cap_usd"), ("api_key",)),
    "telegram": (("chat_id", "base_url"), ("bot_token",)),
    "supabase": (("url", "publishable_key"), ("secret_key", "db_url")),
}
KINDS: tuple[Kind, ...] = tuple(FIELDS)


#: passes of a rotation: the second finds what was written during the first
_COUNTS = 3
#: who gets the messages of a telegram integration
_RECIPIENTS = ("chat_id", "chat_titles")
#: public fields that say where the account is
_ADDRESS = {"base_url", "url"} | {
    field.name for one in registry.CONNECTORS.values() for field in one.fields if field.is_address
}


@dataclass(frozen=True)
class Integration:
    """The public face of one integration."""

    tenant_id: UUID
    kind: Kind
    status: str = "unknown"
    public: dict[str, Any] = field(default_factory=dict)
    #: what the last good check learned (account id, names); a run refuses another account
    bound: dict[str, Any] = field(default_factory=dict)
    #: {field: {"tail": last four characters, "saved_at": ISO}}
    hints: dict[str, Any] = field(default_factory=dict)
    last_error: str | None = None
    last_checked_at: datetime | None = None
    updated_at: datetime | None = None


_COLUMNS = "tenant_id, kind, status, public_config as public, bound, secret_hints as hints, last_error, last_checked_at, updated_at"


def check_kind(kind: str) -> Kind:
    """``kind`` as a :data:`Kind`; raises :class:`DataError` naming the known ones."""
    if kind not in KINDS:
        raise DataError(f"Неизвестная интеграция «{kind}». Выберите одну из: {', '.join(KINDS)}.")
    return kind


def find(connection: db.Connection, tenant_id: UUID, kind: Kind) -> Integration | None:
    row = connection.execute(
        f"select {_COLUMNS} from synkro.integration_configs where tenant_id = %s and kind = %s",
        (tenant_id, kind),
    ).fetchone()
    return Integration(**row) if row else None


def load(connection: db.Connection, tenant_id: UUID, kind: Kind) -> Integration:
    """Like :func:`find`; raises :class:`NotFoundError` that says what to fill in."""
    found = find(connection, tenant_id, kind)
    if found is None:
        raise NotFoundError(f"Интеграция {kind} не подключена. Заполните её в настройках компании.")
    return found


def all_of(connection: db.Connection, tenant_id: UUID) -> dict[Kind, Integration]:
    rows = connection.execute(
        f"select {_COLUMNS} from synkro.integration_configs where tenant_id = %s order by kind",
        (tenant_id,),
    )
    return {row["kind"]: Integration(**row) for row in rows}


def save_public(
    connection: db.Connection,
    tenant_id: UUID,
    kind: Kind,
    public: Mapping[str, Any],
    actor: UUID | None = None,
) -> None:
    """Replace the public part; the status is unknown again until the next check."""
    allowed, secret = FIELDS[kind]
    for name in public:
        if name in secret:
            raise DataError(f"Поле {name} — секрет: передайте его отдельно, а не в открытой части.")
        if name not in allowed:
            raise DataError(f"У интеграции {kind} нет поля {name}. Есть: {', '.join(allowed)}.")
    before = find(connection, tenant_id, kind)
    if kind == "telegram" and "chat_id" not in public and before is not None:
        # the recipients are bound one by one, not typed into the form (synkro/reporting/delivery/telegram_chats.py)
        public = {**{name: before.public[name] for name in _RECIPIENTS if name in before.public}, **public}
    with _recipients_kept():
        connection.execute(
            "insert into synkro.integration_configs (tenant_id, kind, public_config, status, updated_by)"
            " values (%(tenant)s, %(kind)s, %(public)s, 'unknown', %(actor)s)"
            " on conflict (tenant_id, kind) do update set public_config = excluded.public_config, status = 'unknown',"
            " last_error = null, updated_at = now(), updated_by = excluded.updated_by",
            {"tenant": tenant_id, "kind": kind, "public": Jsonb(dict(public)), "actor": actor},
        )
    if before is not None and any(before.public.get(name) != public.get(name) for name in _ADDRESS):
        # another address may well be another account: the next good check binds it anew
        connection.execute(
            "update synkro.integration_configs set bound = '{}' where tenant_id = %s and kind = %s", (tenant_id, kind)
        )


@contextmanager
def _recipients_kept() -> Iterator[None]:
    """What the database says of recipients (``synkro.guard_telegram_recipients``), in words."""
    try:
        yield
    except psycopg.errors.UniqueViolation:
        raise DataError(
            "Этот чат уже получает отчёты другой компании от того же бота. Сначала его отключают там: в её настройках или "
            "командой /stop в чате."
        ) from None
    except psycopg.errors.CheckViolation:
        raise DataError(
            "chat_id: нужен номер чата, имя с «@» не подходит. Подключите чат кодом: synkro telegram code КОМПАНИЯ."
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        if "by a code" not in str(error):
            raise
        raise DataError("Чат подключается кодом, который отправляют в нём боту, а не номером.") from None


def set_status(
    connection: db.Connection,
    tenant_id: UUID,
    kind: Kind,
    status: str,
    *,
    error: str | None = None,
    bound: Mapping[str, Any] | None = None,
) -> None:
    """Write what a check or a run learned (service entry point)."""
    connection.execute(
        "update synkro.integration_configs set status = %(status)s, last_error = %(error)s, last_checked_at = now(),"
        " bound = coalesce(%(bound)s, bound) where tenant_id = %(tenant)s and kind = %(kind)s",
        {
            "status": status,
            "error": redact(error) if error else None,
            "bound": Jsonb(dict(bound)) if bound is not None else None,
            "tenant": tenant_id,
            "kind": kind,
        },
    )


def save_secrets(connection: db.Connection, tenant_id: UUID, kind: Kind, values: Mapping[str, str]) -> None:
    """Seal and store secrets (service entry point). An empty value removes the field."""
    allowed = FIELDS[kind][1]
    for name, value in values.items():
        if name not in allowed:
            raise DataError(f"У интеграции {kind} нет секрета {name}. Есть: {', '.join(allowed)}.")
        if not value:
            connection.execute(
                "delete from private.integration_secrets where tenant_id = %s and kind = %s and field = %s",
                (tenant_id, kind, name),
            )
            connection.execute(
                "update synkro.integration_configs set secret_hints = secret_hints - %s where tenant_id = %s and kind = %s",
                (name, tenant_id, kind),
            )
            continue
        sealed = vault.seal(value, tenant_id=str(tenant_id), kind=kind, field=name)
        connection.execute(
            "insert into private.integration_secrets (tenant_id, kind, field, key_id, ciphertext)"
            " values (%s, %s, %s, %s, %s) on conflict (tenant_id, kind, field) do update"
            " set key_id = excluded.key_id, ciphertext = excluded.ciphertext, updated_at = now()",
            (tenant_id, kind, name, sealed.key_id, sealed.ciphertext),
        )
        with _recipients_kept():
            connection.execute(
                "insert into synkro.integration_configs (tenant_id, kind, secret_hints)"
                " values (%(tenant)s, %(kind)s, jsonb_build_object(%(field)s::text, jsonb_build_object('tail', %(tail)s::text, 'saved_at', now())))"
                " on conflict (tenant_id, kind) do update set status = 'unknown',"
                " secret_hints = synkro.integration_configs.secret_hints || excluded.secret_hints, updated_at = now()",
                # four characters of a long secret tell people which one it is; of a short one they would be the secret
                {
                    "tenant": tenant_id,
                    "kind": kind,
                    "field": name,
                    "tail": value[-4:] if len(value) >= 16 else "",
                },
            )


def _unseal(rows: Any, tenant_id: UUID, kind: Kind) -> dict[str, str]:
    values = {
        row["field"]: vault.unseal(
            row["ciphertext"], tenant_id=str(tenant_id), kind=kind, field=row["field"], key_id=row["key_id"]
        )
        for row in rows
    }
    for value in values.values():
        # a vendor may repeat it in an error text: from now on no log of this process shows it
        register_secret(value)
    return values


def secrets(tenant_id: UUID, kind: Kind) -> dict[str, str]:
    """The secrets in clear, for a call to the vendor; never for a page."""
    with db.as_service("secrets") as connection:
        rows = connection.execute(
            "select field, key_id, ciphertext from private.integration_secrets where tenant_id = %s and kind = %s",
            (tenant_id, kind),
        ).fetchall()
    return _unseal(rows, tenant_id, kind)


@dataclass(frozen=True)
class Locked:
    """One integration under a row lock; what is written comes with the lock's transaction."""

    secrets: dict[str, str]
    #: why the vendor refused what is stored, ``None`` if it did not
    refused: str | None
    save: Callable[[Mapping[str, str]], None]
    #: note the vendor's refusal on the integration
    refuse: Callable[[str], None]


@contextmanager
def locked_secrets(tenant_id: UUID, kind: Kind) -> Iterator[Locked]:
    """The secrets under a row lock: for a token refresh.

    The second worker waits here and then finds the first one's new pair, or that it was refused.
    """
    with db.as_service("secrets refresh", idle_seconds=REFRESH_SECONDS) as connection:
        status = connection.execute(
            "select status, last_error from synkro.integration_configs where tenant_id = %s and kind = %s for update",
            (tenant_id, kind),
        ).fetchone()
        rows = connection.execute(
            "select field, key_id, ciphertext from private.integration_secrets"
            " where tenant_id = %s and kind = %s for update",
            (tenant_id, kind),
        ).fetchall()
        yield Locked(
            _unseal(rows, tenant_id, kind),
            status["last_error"] if status and status["status"] == "error" else None,
            lambda values: save_secrets(connection, tenant_id, kind, values),
            lambda error: set_status(connection, tenant_id, kind, "error", error=error),
        )


@dataclass(frozen=True)
class Rotation:
    """What became of re-sealing everything with the first key."""

    changed: int
    #: (tenant, kind, field) of what could not be opened, and why: it still needs its key, or to be entered anew
    left: tuple[tuple[UUID, str, str, str], ...]

    @property
    def is_whole(self) -> bool:
        return not self.left


def rotate(progress: Callable[[int, int], None] = lambda done, total: None) -> Rotation:
    """Re-seal every secret with the first key; safe to stop and run again.

    A row that does not open is named and stops no other. What was written with an older key meanwhile is found by counting
    again, a few times at most: a process that goes on doing so has to be restarted.
    """
    changed, left = 0, {}
    for _ in range(_COUNTS):
        keys = [key for key in _of_older_keys() if key not in left]
        for number, key in enumerate(keys, 1):
            try:
                _reseal(*key)
                changed += 1
            except vault.VaultError as error:
                left[key] = error.message
            progress(number, len(keys))
        if not keys:
            break
    # counted once more: what is there now is what an older key is needed for
    return Rotation(changed, tuple((*key, left.get(key, "записан прежним ключом")) for key in _of_older_keys()))


def _of_older_keys() -> list[tuple[UUID, Kind | Literal["totp"], str]]:
    """Companies' secrets, and people's of the second step of their sign-in."""
    with db.as_service("secrets rotate") as connection:
        rows = connection.execute(
            "select tenant_id, kind, field from private.integration_secrets where key_id <> %(key)s"
            " union all select user_id, 'totp', 'secret' from private.second_factors where key_id <> %(key)s order by 1, 2, 3",
            {"key": vault.current_key_id()},
        ).fetchall()
    return [(row["tenant_id"], row["kind"], row["field"]) for row in rows]


def _reseal(tenant_id: UUID, kind: Kind | Literal["totp"], field: str) -> None:
    if kind == "totp":
        second_factor.reseal(tenant_id)
        return
    key = {"tenant_id": tenant_id, "kind": kind, "field": field}
    with db.as_service("secrets rotate") as connection:
        rows = connection.execute(
            "select field, key_id, ciphertext from private.integration_secrets"
            " where tenant_id = %(tenant_id)s and kind = %(kind)s and field = %(field)s for update",
            key,
        ).fetchall()
        for name, value in _unseal(rows, tenant_id, kind).items():
            sealed = vault.seal(value, tenant_id=str(tenant_id), kind=kind, field=name)
            connection.execute(
                "update private.integration_secrets set key_id = %(key_id)s, ciphertext = %(ciphertext)s, updated_at = now()"
                " where tenant_id = %(tenant_id)s and kind = %(kind)s and field = %(field)s",
                {**key, "key_id": sealed.key_id, "ciphertext": sealed.ciphertext},
            )
