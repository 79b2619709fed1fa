"""One running Auth API: its database, keys, switches, mails and limits, and what a request of it looks like."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from sandbox.vendors.supabase import accounts
from sandbox.vendors.supabase.accounts import Connection, Row
from sandbox.vendors.supabase.keys import BadToken, Keys
from sandbox.vendors.supabase.refusals import Refusal, invalid

#: what the dashboard's Authentication pages set; values are a new project's
SWITCHES: dict[str, Any] = {
    "site_url": "http://127.0.0.1:8080",
    "redirect_urls": [],
    "disable_signup": False,
    # «secure password change»: a session older than a day needs a code from a mail
    "reauthentication": False,
    "require_current_password": False,
    "secure_email_change": True,
    "min_password_length": 6,
    "required_characters": [],
    "otp_seconds": 3600,
    "jwt_seconds": 3600,
    "refresh_reuse_seconds": 10,
    # «IP address forwarding», off in a new project
    "forwarded_for": False,
    "legacy_keys": True,
    # one mail to a person a minute; the limit of the hour is the whole project's
    "email_seconds": 60,
    "emails_per_hour": 30,
    # by kind of mail, in the service's own syntax; the default is {{ .ConfirmationURL }}
    "templates": {},
    # requests at once and a second, for each address
    "limit_burst": 30,
    "limit_token": 150 / 300,
    "limit_verify": 30 / 300,
    "limit_otp": 30 / 300,
}


@dataclass
class Ask:
    """One request that passed the gateway."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Row
    headers: Mapping[str, str]
    address: str
    bearer: str | None

    def text(self, name: str) -> str:
        """A field of the body as text; null and absent are the same."""
        value = self.body.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Refusal(400, "bad_json", f"Could not parse request body as JSON: {name} must be a string")
        return value

    def mapping(self, name: str) -> Row | None:
        value = self.body.get(name)
        if value is not None and not isinstance(value, dict):
            raise Refusal(400, "bad_json", f"Could not parse request body as JSON: {name} must be an object")
        return value


@dataclass
class Mail:
    """A mail that was not sent: what its reader would have seen."""

    to: str
    kind: str
    link: str
    code: str
    token_hash: str
    redirect_to: str
    text: str
    at: datetime = field(default_factory=accounts.now)


class Limits:
    """Token buckets by group and address (confirmed: a burst of 30, refilled at the rate of the group)."""

    def __init__(self, switches: Mapping[str, Any]) -> None:
        self.switches = switches
        self._lock = Lock()
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, group: str, address: str) -> None:
        """One request; raises the refusal of an empty bucket."""
        burst, rate, at = float(self.switches["limit_burst"]), self.switches[f"limit_{group}"], time.monotonic()
        with self._lock:
            left, before = self._buckets.get((group, address), (burst, at))
            left = min(burst, left + (at - before) * rate)
            self._buckets[group, address] = (max(0.0, left - 1), at)
        if left < 1:
            raise Refusal(429, "over_request_rate_limit", "Request rate limit reached")

    def clear(self) -> None:
        with self._lock:
            self._buckets.clear()


class Auth:
    """The state behind the API; handlers get it with each request."""

    def __init__(self, database_url: str, api_url: str, switches: dict[str, Any]) -> None:
        self.api_url = api_url
        self.issuer = f"{api_url}/auth/v1"
        self.keys = Keys(self.issuer)
        self.switches = switches
        self.limits = Limits(switches)
        self.mails: list[Mail] = []
        self._sent: dict[str, list[float]] = defaultdict(list)
        self.pool: ConnectionPool[Connection] = ConnectionPool(
            database_url,
            min_size=1,
            max_size=8,
            open=True,
            kwargs={"row_factory": dict_row},
            connection_class=psycopg.Connection[Row],
        )

    def close(self) -> None:
        self.pool.close()

    # --- who asks ---------------------------------------------------------------------------------------------------

    def claims(self, ask: Ask) -> Row:
        if not ask.bearer:
            raise Refusal(401, "no_authorization", "This endpoint requires a valid Bearer token")
        try:
            return self.keys.read(ask.bearer)
        except BadToken as error:
            message = f"invalid JWT: unable to parse or verify signature, {error}"
            raise Refusal(403, "bad_jwt", message) from None

    def require_admin(self, ask: Ask) -> None:
        if self.claims(ask).get("role") not in ("service_role", "supabase_admin"):
            raise Refusal(403, "not_admin", "User not allowed")

    def signed_in(self, ask: Ask, connection: Connection) -> tuple[Row, Row | None]:
        """The person and the session of the access token; both have to exist, and the person not to be banned."""
        claims = self.claims(ask)
        if not claims.get("sub"):
            raise Refusal(403, "bad_jwt", "invalid claim: missing sub claim")
        user = accounts.by_id(connection, claims["sub"])
        if user is None:
            raise Refusal(403, "user_not_found", "User from sub claim in JWT does not exist")
        session = None
        if claims.get("session_id"):
            session = accounts.session_of(connection, claims["session_id"])
            if session is None:
                message = "Session from session_id claim in JWT does not exist"
                raise Refusal(403, "session_not_found", message)
        if accounts.is_banned(user):
            raise Refusal(403, "user_banned", "User is banned")
        return user, session

    # --- what is given ------------------------------------------------------------------------------------------------

    def tokens(self, connection: Connection, user: Row, session_id: UUID, refresh_token: str) -> Row:
        """The body of a successful sign-in."""
        user, at = accounts.again(connection, user), int(time.time())
        until = at + int(self.switches["jwt_seconds"])
        methods = connection.execute(
            "select authentication_method as method, extract(epoch from created_at)::int as timestamp"
            " from mfa_amr_claims where session_id = %s",
            (session_id,),
        ).fetchall()
        claims = {
            **{"iss": self.issuer, "sub": str(user["id"]), "aud": user["aud"], "exp": until, "iat": at},
            **{"email": user["email"] or "", "phone": user["phone"] or "", "role": user["role"]},
            **{"app_metadata": user["raw_app_meta_data"] or {}, "user_metadata": user["raw_user_meta_data"] or {}},
            **{"aal": "aal1", "amr": methods, "session_id": str(session_id), "is_anonymous": user["is_anonymous"]},
        }
        return {
            "access_token": self.keys.sign(claims),
            "token_type": "bearer",
            "expires_in": until - at,
            "expires_at": until,
            "refresh_token": refresh_token,
            "user": accounts.shown(connection, user),
        }

    def open_session(self, ask: Ask, connection: Connection, user: Row, method: str) -> Row:
        agent = ask.headers.get("user-agent", "")
        session_id, refresh_token = accounts.open_session(connection, user, method, ask.address, agent)
        return self.tokens(connection, user, session_id, refresh_token)

    # --- passwords and addresses ----------------------------------------------------------------------------------------

    def check_strength(self, password: str) -> None:
        """Raises what the service answers to a weak password."""
        if len(password.encode()) > accounts.MAX_PASSWORD:
            raise invalid(f"Password cannot be longer than {accounts.MAX_PASSWORD} characters")
        reasons, messages = [], []
        if len(password) < self.switches["min_password_length"]:
            reasons.append("length")
            messages.append(f"Password should be at least {self.switches['min_password_length']} characters.")
        wanted = self.switches["required_characters"]
        if any(not set(characters) & set(password) for characters in wanted):
            reasons.append("characters")
            messages.append(f"Password should contain at least one character of each: {', '.join(wanted)}.")
        if reasons:
            raise Refusal(422, "weak_password", " ".join(messages), weak_password={"reasons": reasons})

    @staticmethod
    def check_email(email: str) -> str:
        if not email:
            raise invalid("An email address is required")
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            raise invalid("Unable to validate email address: invalid format")
        return email.lower()

    # --- mails ----------------------------------------------------------------------------------------------------------

    def referrer(self, ask: Ask) -> str:
        """Where a link leads back to: the wanted address when it is allowed, else the site's."""
        for wanted in (ask.query.get("redirect_to", ""), ask.text("redirect_to"), ask.headers.get("referer", "")):
            if wanted and self._is_allowed(wanted):
                return wanted
        return str(self.switches["site_url"])

    def _is_allowed(self, wanted: str) -> bool:
        site, asked = urlsplit(self.switches["site_url"]), urlsplit(wanted)
        if (site.hostname, site.scheme) == (asked.hostname, asked.scheme) and (
            site.port == asked.port or asked.hostname in ("localhost", "127.0.0.1", "::1")
        ):
            return True
        return any(fnmatchcase(wanted.partition("#")[0], pattern) for pattern in self.switches["redirect_urls"])

    def link(self, token: str, kind: str, redirect_to: str) -> str:
        query = urlencode({"token": token, "type": kind, "redirect_to": redirect_to})
        return f"{self.issuer}/verify?{query}"

    def send(self, to: str, kind: str, code: str, token: str, redirect_to: str, *, last: datetime | None) -> None:
        """Put a mail into the list; ``last``: when this person got one of the kind, None when that does not count."""
        wait = self.switches["email_seconds"] - ((accounts.now() - last).total_seconds() if last else float("inf"))
        if wait > 0:
            message = f"For security purposes, you can only request this after {int(wait) + 1} seconds."
            raise Refusal(429, "over_email_send_rate_limit", message)
        hour = [at for at in self._sent[""] if time.monotonic() - at < 3600]
        if len(hour) >= self.switches["emails_per_hour"]:
            raise Refusal(429, "over_email_send_rate_limit", "email rate limit exceeded")
        self._sent[""] = [*hour, time.monotonic()]
        link = self.link(token, kind, redirect_to)
        values = {
            **{"ConfirmationURL": link, "Token": code, "TokenHash": token, "SiteURL": self.switches["site_url"]},
            **{"RedirectTo": redirect_to, "Email": to},
        }
        template = self.switches["templates"].get(kind, "{{ .ConfirmationURL }}")
        text = re.sub(r"{{\s*\.(\w+)\s*}}", lambda found: str(values.get(found[1], "")), template)
        self.mails.append(Mail(to, kind, link, code, token, redirect_to, text))
