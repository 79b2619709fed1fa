"""Access tokens of Supabase Auth: a program of a member calls our REST API with the token it has from the project.

A token is believed when its signature is that of a key the project publishes now, it is not over, and it was made by
this project for a signed-in person. Keys are read again when a token names one we do not know, so a rotated key works
at once and a revoked one is forgotten within :data:`KEYS_FOR`.
Facts: supabase.com/docs/guides/auth/signing-keys, RFC 7517, RFC 7519.
"""

from __future__ import annotations

import threading
import time
from typing import Any
from uuid import UUID

import jwt

from synkro.accounts import supabase
from synkro.core.errors import AuthenticationError, NotFoundError, TransientError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy.users import User, get, make_profile

#: seconds the published keys are believed
KEYS_FOR = 600.0
#: readings a minute that tokens with unknown keys may cause: a new key is known at once, made-up ones cost nothing
READINGS_A_MINUTE = 6
#: asymmetric only: a secret that signs tokens does not belong on this server
_ALGORITHMS = ["ES256", "RS256", "EdDSA"]
_REFUSED = "Токен не подходит: он просрочен, отозван или выдан не этим проектом. Получите новый в Supabase Auth."

_lock = threading.Lock()
_keys: dict[str, Any] = {}
_readings: list[float] = []


def person_of(token: str) -> User:
    """The person a token belongs to; raises :class:`AuthenticationError`. Asks the project for its keys when needed."""
    claims = _claims(token)
    try:
        user_id = UUID(claims["sub"])
    except (KeyError, TypeError, ValueError):
        raise AuthenticationError(_REFUSED) from None
    with db.as_service("token") as connection:
        state = connection.execute("select is_blocked from private.account_state(%s)", (user_id,)).fetchone()
        if state is None or state["is_blocked"]:
            raise AuthenticationError(_REFUSED)
        try:
            return get(connection, user_id)
        except NotFoundError:
            return make_profile(connection, user_id, str(claims.get("email") or ""))


def _claims(token: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in _ALGORITHMS:
            raise AuthenticationError(_REFUSED, detail=f"alg {header.get('alg')}")
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(str(header.get("kid") or "")),
            algorithms=_ALGORITHMS,
            audience="authenticated",
            issuer=f"{settings().supabase_url.rstrip('/')}/auth/v1",
            options={"require": ["exp", "sub", "iss", "aud"]},
            leeway=5,
        )
    except jwt.PyJWTError as error:
        raise AuthenticationError(_REFUSED, detail=repr(error)) from None
    if claims.get("role") != "authenticated" or claims.get("is_anonymous"):
        raise AuthenticationError(_REFUSED, detail="role")
    return claims


def _key(kid: str) -> Any:
    global _keys
    with _lock:
        now = time.monotonic()
        _readings[:] = [at for at in _readings if now - at < KEYS_FOR]
        is_old = not _readings
        if is_old or (kid not in _keys and sum(now - at < 60.0 for at in _readings) < READINGS_A_MINUTE):
            try:
                published = jwt.PyJWKSet.from_dict(supabase.published_keys())
            except (TransientError, jwt.PyJWTError) as error:
                # an outage of Supabase must not make an unknown key good, nor a token wrong
                raise TransientError("Supabase Auth не отвечает. Повторите через минуту.", detail=repr(error)) from None
            _keys = {key.key_id: key for key in published.keys if key.key_id}
            _readings.append(now)
        if kid not in _keys:
            raise AuthenticationError(_REFUSED, detail=f"kid {kid}")
        return _keys[kid]


def forget_keys() -> None:
    """Read the keys anew at the next token (another project, a test)."""
    with _lock:
        _keys.clear()
        _readings.clear()
