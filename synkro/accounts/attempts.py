"""Attempts to sign in: how many may fail, and what is written about those that did.

An attempt takes a place in its buckets before the password is looked at and gives it back unless the password was wrong.
One statement looks and takes, so parallel attempts cannot share a place. Buckets: the account, the address and the whole
installation. A browser that signed in to this account before has a bucket of its own, and only that one: whoever fails
elsewhere does not lock it out.

Accounts, devices and addresses are kept as keyed hashes. Failures are summed up in a row a window and written to the audit
log once the window is over, one line an account; e-mails that nobody has share a line.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from synkro.core.errors import AuthenticationError
from synkro.core.files import secret_file
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import audit

Kind = Literal["password", "code", "change"]
WINDOW = timedelta(minutes=15)
#: wrong passwords (or codes) in a window
LIMITS = {"account": 10, "device": 10, "code": 10, "change": 10, "address": 50, "everybody": 1000}
#: stands for every e-mail that no account has
NOBODY = UUID(int=0)
#: distinct addresses named in a line of the audit log
MAX_ADDRESSES = 20
_SAID = {
    "account": "Слишком много попыток входа. Подождите 15 минут, войдите из браузера, где уже входили, или задайте новый"
    " пароль по ссылке.",
    "address": "Слишком много попыток входа с этого адреса. Подождите 15 минут.",
    "everybody": "Слишком много попыток входа. Подождите 15 минут или войдите из браузера, где уже входили.",
}


class TooManyAttempts(AuthenticationError):
    """Refused without a look at the password."""


@dataclass(frozen=True)
class Place:
    """What an attempt took: (bucket, key) and when."""

    buckets: tuple[tuple[str, str], ...]
    taken_at: datetime


def keyed(purpose: str, value: str) -> str:
    """A hash of what must not be kept in clear; without the installation's secret nobody can try values."""
    configured = settings().web_secret
    secret = configured.get_secret_value() if configured else secret_file(settings().data_dir / "web_secret")
    # a key of its own: the secret itself signs cookies
    key = hmac.new(secret.encode(), b"sign-in counters", hashlib.sha256).digest()
    return hmac.new(key, f"{purpose}:{value}".encode(), hashlib.sha256).hexdigest()


def account_key(email: str) -> str:
    return keyed("account", email.strip().lower())


def _network(ip_address: str | None) -> str:
    """A household owns a whole /64 of IPv6, so all its addresses count as one."""
    try:
        parsed = ipaddress.ip_address(ip_address or "")
    except ValueError:
        return ip_address or ""
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


def _buckets(email: str, ip_address: str | None, device: str | None, kind: Kind) -> tuple[tuple[str, str], ...]:
    account = account_key(email)
    if kind == "change":
        # whoever asks has a session already: no stranger can fill this one
        return (("change", account),)
    if device is not None:
        return (("device", keyed("device", f"{kind}:{account}:{device}")),)
    own = ("code" if kind == "code" else "account", account)
    # always in this order, so that two attempts never wait for each other
    return (own, ("address", keyed("address", _network(ip_address))), ("everybody", ""))


@contextmanager
def counted(
    email: str, ip_address: str | None, *, device: str | None = None, kind: Kind = "password"
) -> Iterator[None]:
    """Around the look at a password or a code; raises :class:`TooManyAttempts` instead of a look.

    ``device``: the id of a browser that signed in to this account before; whoever calls has checked that it did.
    An :class:`AuthenticationError` inside counts as a failure. Any other error does not: nothing was guessed.
    """
    buckets = _buckets(email, ip_address, device, kind)
    try:
        with db.as_service("login") as connection:
            place = take(connection, buckets)
    except TooManyAttempts:
        _note(email, ip_address, is_refused=True)
        raise
    try:
        yield
    except AuthenticationError:
        _note(email, ip_address, is_refused=False)
        raise
    except BaseException:
        _give_back(place)
        raise
    _give_back(place)


def take(connection: db.Connection, buckets: Sequence[tuple[str, str]]) -> Place:
    """A place in every bucket, or in none; raises :class:`TooManyAttempts`. The caller's transaction is rolled back then."""
    taken_at: datetime | None = None
    for bucket, key in buckets:
        row = connection.execute(
            "insert into private.sign_in_counters as c (bucket, key_hash, taken) values (%(bucket)s, %(key)s, array[now()])"
            " on conflict (bucket, key_hash) do update set used_at = now(),"
            "  taken = array(select m from unnest(c.taken) as m where m > now() - %(window)s) || now()"
            " where (select count(*) from unnest(c.taken) as m where m > now() - %(window)s) < %(limit)s"
            " returning now() as at",
            {"bucket": bucket, "key": key, "window": WINDOW, "limit": LIMITS[bucket]},
        ).fetchone()
        if row is None:
            raise TooManyAttempts(_SAID.get(bucket, "Слишком много попыток. Подождите 15 минут."), detail=bucket)
        taken_at = row["at"]
    assert taken_at is not None
    return Place(tuple(buckets), taken_at)


def _give_back(place: Place) -> None:
    with db.as_service("login") as connection:
        for bucket, key in place.buckets:
            connection.execute(
                "update private.sign_in_counters set taken = array_remove(taken, %s) where bucket = %s and key_hash = %s",
                (place.taken_at, bucket, key),
            )


def forgive(connection: db.Connection, email: str) -> None:
    """The person proved the account another way (a link of a letter): their account is not held up by earlier failures.

    A command on a machine without the web's secret and without a place to keep one leaves the count to run out.
    """
    with suppress(OSError):
        connection.execute(
            "delete from private.sign_in_counters where bucket = any(array['account', 'code', 'change']) and key_hash = %s",
            (account_key(email),),
        )


# --- the audit log ----------------------------------------------------------------------------------------


def _note(email: str, ip_address: str | None, *, is_refused: bool) -> None:
    with db.as_service("login") as connection:
        connection.execute(
            "insert into private.sign_in_failures as f (subject, window_start, failures, refused, addresses)"
            " values (coalesce(private.account_of(%(email)s), %(nobody)s), date_bin(%(window)s, now(), 'epoch'),"
            "  %(failures)s, %(refused)s, array_remove(array[%(ip)s::text], null))"
            " on conflict (subject, window_start) do update set failures = f.failures + excluded.failures,"
            "  refused = f.refused + excluded.refused, addresses = case when excluded.addresses <@ f.addresses"
            "   or cardinality(f.addresses) >= %(most)s then f.addresses else f.addresses || excluded.addresses end",
            {
                # a text that Postgres cannot hold is nobody's address
                "email": email.replace("\x00", "")[:320],
                "nobody": NOBODY,
                "window": WINDOW,
                "failures": int(not is_refused),
                "refused": int(is_refused),
                "ip": ip_address,
                "most": MAX_ADDRESSES,
            },
        )


def masked(email: str) -> str:
    """Enough to recognise an address one knows: ``a…@example.com``."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}" if domain else "…"


def write_down() -> int:
    """Write the windows that are over to the audit log, one line each; returns how many lines. Also forgets old counters."""
    with db.as_service("login") as connection:
        rows = connection.execute(
            "delete from private.sign_in_failures f where f.window_start + %s <= now()"
            " returning f.*, (select p.email from synkro.user_profiles p where p.user_id = f.subject) as email",
            (WINDOW,),
        ).fetchall()
        for row in rows:
            is_known = row["subject"] != NOBODY
            addresses = row["addresses"]
            audit.write(
                connection,
                "login.failed",
                actor_id=row["subject"] if is_known else None,
                actor=masked(row["email"] or "") if is_known else "",
                message="" if is_known else "Почта, которой ни у кого нет",
                metadata={
                    "failures": row["failures"],
                    "refused": row["refused"],
                    "addresses": addresses,
                    "from": row["window_start"].isoformat(),
                    "minutes": int(WINDOW.total_seconds() // 60),
                },
                ip_address=addresses[0] if len(addresses) == 1 else None,
            )
    for bucket in LIMITS:
        # a bucket at a time: an attempt holds one row of each and never waits for us in a circle
        with db.as_service("login") as connection:
            connection.execute(
                "delete from private.sign_in_counters where bucket = %s and used_at < now() - %s", (bucket, WINDOW)
            )
    return len(rows)
