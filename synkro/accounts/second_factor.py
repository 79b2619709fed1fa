"""The second step of a sign-in: codes of an authenticator application (RFC 6238) and recovery codes, for both keepers.

Operators have to have it, others may. A demo is exempt: its companies are made up, and it prints its passwords. A code counts
once: the half-minute of the last accepted one is kept, and no code of it or of an earlier one is accepted again. The
secret is sealed with the installation's keys and bound to the person; recovery codes are kept as hashes.

Functions that take a connection take one of the service entry point. Whoever calls :func:`check` or :func:`confirm` counts the
attempts.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from uuid import UUID

import pyotp

from synkro.accounts import sessions
from synkro.core import vault
from synkro.core.errors import AuthenticationError, DataError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy.users import User

ISSUER = "Synkro"
STEP_SECONDS = 30
#: a telephone's clock may be off by one step
DRIFT = (0, -1, 1)
RECOVERY_CODES = 10
#: what the vault binds a secret to, beside the person
KIND, FIELD = "totp", "secret"
WRONG = "Код не подходит. Введите новый код из приложения или код восстановления."


@dataclass(frozen=True)
class Status:
    is_on: bool
    #: the person cannot sign in without it
    is_required: bool
    #: recovery codes not used yet
    codes_left: int = 0

    @property
    def is_needed(self) -> bool:
        """A sign-in takes the second step, or first sets it up."""
        return self.is_on or self.is_required


@dataclass(frozen=True)
class Setup:
    """What an authenticator application is told."""

    secret: str
    uri: str


def status(user_id: UUID) -> Status:
    with db.as_service("second factor") as connection:
        row = connection.execute(
            "select exists (select from private.second_factors f where f.user_id = %(user)s and f.confirmed_at is not null)"
            "  as is_on, private.needs_second_factor(%(user)s, %(exempt)s) as is_needed,"
            " exists (select from synkro.user_roles r where r.user_id = %(user)s and r.role = 'super_admin' and r.is_active)"
            "  as is_operator,"
            " (select count(*) from private.recovery_codes c where c.user_id = %(user)s and c.used_at is null) as left",
            {"user": user_id, "exempt": settings().is_demo},
        ).fetchone()
    assert row is not None
    return Status(row["is_on"], row["is_operator"] and not settings().is_demo, row["left"])


def begin(user: User) -> Setup:
    """A secret to put into the application; the same one until it is confirmed. Raises :class:`DataError` when it is."""
    with db.as_service("second factor") as connection:
        sealed = vault.seal(pyotp.random_base32(), tenant_id=user.user_id, kind=KIND, field=FIELD)
        row = connection.execute(
            "insert into private.second_factors as f (user_id, key_id, ciphertext) values (%s, %s, %s)"
            " on conflict (user_id) do update set key_id = f.key_id"
            " returning key_id, ciphertext, confirmed_at is not null as is_on",
            (user.user_id, sealed.key_id, sealed.ciphertext),
        ).fetchone()
    assert row is not None
    if row["is_on"]:
        raise DataError("Второй шаг входа уже включён.")
    secret = _opened(user.user_id, row)
    return Setup(secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER))


def confirm(user: User, code: str) -> list[str]:
    """Turn it on by a first code; returns the recovery codes, shown once. Raises :class:`AuthenticationError`."""
    with db.as_service("second factor") as connection:
        row = connection.execute(
            "select key_id, ciphertext from private.second_factors where user_id = %s and confirmed_at is null",
            (user.user_id,),
        ).fetchone()
        step = _step_of(_opened(user.user_id, row), code) if row else None
        if step is None:
            raise AuthenticationError("Код не подходит. Введите код, который приложение показывает сейчас.")
        done = connection.execute(
            "update private.second_factors set confirmed_at = now(), last_step = %s"
            " where user_id = %s and confirmed_at is null and ciphertext = %s",
            (step, user.user_id, row["ciphertext"] if row else ""),
        ).rowcount
        if not done:
            raise AuthenticationError(WRONG)
        return new_codes(connection, user.user_id)


def check(user: User, code: str) -> bool:
    """Take a code of the application or a recovery code; raises :class:`AuthenticationError`.

    Returns whether it was a recovery code. Neither is taken twice, not even by two requests at once.
    """
    with db.as_service("second factor") as connection:
        row = connection.execute(
            "select key_id, ciphertext from private.second_factors where user_id = %s and confirmed_at is not null",
            (user.user_id,),
        ).fetchone()
        if row is None:
            raise AuthenticationError(WRONG)
        step = _step_of(_opened(user.user_id, row), code)
        if step is not None:
            taken = connection.execute(
                "update private.second_factors set last_step = %(step)s where user_id = %(user)s"
                " and confirmed_at is not null and last_step < %(step)s",
                {"step": step, "user": user.user_id},
            ).rowcount
        else:
            taken = connection.execute(
                "update private.recovery_codes set used_at = now()"
                " where user_id = %s and code_hash = %s and used_at is null",
                (user.user_id, _hash(code)),
            ).rowcount
    if not taken:
        raise AuthenticationError(WRONG)
    return step is None


def new_codes(connection: db.Connection, user_id: UUID) -> list[str]:
    """Recovery codes, shown once; earlier ones work no more."""
    connection.execute("delete from private.recovery_codes where user_id = %s", (user_id,))
    codes = ["-".join(pyotp.random_base32(32)[n : n + 4].lower() for n in (0, 4, 8, 12)) for _ in range(RECOVERY_CODES)]
    for code in codes:
        connection.execute(
            "insert into private.recovery_codes (user_id, code_hash) values (%s, %s)", (user_id, _hash(code))
        )
    return codes


def remove(connection: db.Connection, user_id: UUID, *, keeps_sessions: bool = False) -> bool:
    """Forget the secret and the codes; returns whether there was one. The person's sessions end with it."""
    done = connection.execute("delete from private.second_factors where user_id = %s", (user_id,)).rowcount
    if not keeps_sessions:
        sessions.end_all(connection, user_id)
    return bool(done)


def reseal(user_id: UUID) -> None:
    """The same secret under the current key; raises :class:`VaultError`."""
    with db.as_service("secrets rotate") as connection:
        row = connection.execute(
            "select key_id, ciphertext from private.second_factors where user_id = %s", (user_id,)
        ).fetchone()
        if row is None:
            return
        sealed = vault.reseal(row["ciphertext"], tenant_id=user_id, kind=KIND, field=FIELD, key_id=row["key_id"])
        connection.execute(
            "update private.second_factors set key_id = %s, ciphertext = %s where user_id = %s and ciphertext = %s",
            (sealed.key_id, sealed.ciphertext, user_id, row["ciphertext"]),
        )


def _opened(user_id: UUID, row: db.Row) -> str:
    return vault.unseal(row["ciphertext"], tenant_id=user_id, kind=KIND, field=FIELD, key_id=row["key_id"])


def _step_of(secret: str, code: str) -> int | None:
    """The half-minute whose code this is, now or one before or after."""
    typed = re.sub(r"[\s-]", "", code)
    if not re.fullmatch(r"[0-9]{6}", typed):
        return None
    now = int(time.time()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    # all three are compared, so that the time says nothing of the clock
    found = [now + drift for drift in DRIFT if secrets.compare_digest(totp.at((now + drift) * STEP_SECONDS), typed)]
    return found[0] if found else None


def _hash(code: str) -> str:
    """80 bits of chance need no slow hash."""
    return hashlib.sha256(re.sub(r"[\s-]", "", code).lower().encode("utf-8", "replace")).hexdigest()
