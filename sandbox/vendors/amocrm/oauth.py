"""Tokens: a long-lived one, and pairs that rotate at ``POST /oauth2/access_token``.

``GET /oauth2/account/current/subdomain`` tells a client whose refresh was refused where the account lives now; the
host to ask is ``api_domain`` of the access token. Source: the official PHP client.

Every refresh gives a new pair. ``refresh_reuse`` = ``strict``: the old refresh token is dead at once; ``grace``: it
works until the new access token is first used, which saves a client whose answer got lost.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from sandbox.vendors.amocrm.query import problem_body

LIFE = 86400
#: every account's tokens name such a host besides the account's own
API_DOMAIN = "api-b.amocrm.ru"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a customer types into the settings of the product."""

    access_token: str
    client_id: str
    client_secret: str
    refresh_token: str
    code: str


def _digest(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def jwt(seed: int, salt: str, expires: int) -> str:
    """Looks like the vendor's token; nobody can verify it, its ``exp`` can be read."""
    claims = {
        "aud": _digest(seed, "client")[:8],
        "jti": _digest(seed, salt)[:16],
        "exp": expires,
        "api_domain": API_DOMAIN,
        "scopes": ["crm"],
    }
    parts = [{"typ": "JWT", "alg": "RS256"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts]
    return ".".join([*encoded, _digest(seed, salt, "signature")[:43]])


def credentials(seed: int) -> Credentials:
    """The account's first keys; the same seed has the same ones, so a restart keeps a saved connection alive."""
    h = _digest(seed, "client")
    return Credentials(
        access_token=jwt(seed, "long-lived", 4_102_444_800),
        client_id=f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}",
        client_secret=_digest(seed, "secret"),
        refresh_token="def502" + _digest(seed, "refresh") * 2,
        code="def50200" + _digest(seed, "code"),
    )


class Tokens:
    """Which tokens are good at the moment."""

    def __init__(self, seed: int, switches: Mapping[str, Any]) -> None:
        self.first, self.seed, self.switches = credentials(seed), seed, switches
        self.access: dict[str, float] = {self.first.access_token: 4_102_444_800}
        self.refresh: set[str] = {self.first.refresh_token}
        self.codes: set[str] = {self.first.code}
        #: every refresh token ever given out, the revoked ones too
        self.issued: set[str] = set(self.refresh)
        self._old: dict[str, str] = {}  # grace: new access token -> the refresh token it will kill
        self._count = 0

    def accepts(self, header: str | None) -> bool:
        """Is ``Authorization`` a good bearer? First use of a new token ends the grace of the old pair."""
        token = (header or "").removeprefix("Bearer ")
        if header is None or not header.startswith("Bearer ") or self.access.get(token, 0) <= time.time():
            return False
        self.refresh.discard(self._old.pop(token, ""))
        return True

    def expire(self) -> None:
        """Every access token is too old from now on (test hook ``POST /_expire``)."""
        self.access = dict.fromkeys(self.access, 0.0)

    def exchange(self, body: Mapping[str, Any]) -> Response:
        """``POST /oauth2/access_token``."""
        if body.get("client_id") != self.first.client_id or body.get("client_secret") != self.first.client_secret:
            return oauth_problem(401, "Проверьте client_id и client_secret")
        grant = body.get("grant_type")
        if grant == "authorization_code":
            if body.get("code") not in self.codes:
                return oauth_problem(
                    400, "Код авторизации неверен или уже использован", hint="Authorization code has expired"
                )
            self.codes.discard(str(body.get("code")))
            return self._issue(None)
        if grant != "refresh_token":
            return oauth_problem(
                400, "The authorization grant type is not supported", hint="Check the `grant_type` parameter"
            )
        used = str(body.get("refresh_token"))
        if used not in self.refresh:
            return oauth_problem(401, "Токен был отозван", hint="Token has been revoked")
        return self._issue(used)

    def _issue(self, used: str | None) -> Response:
        self._count += 1
        life = int(self.switches.get("access_token_life", LIFE))
        access = jwt(self.seed, f"access-{self._count}-{time.time_ns()}", int(time.time()) + life)
        refresh = "def502" + _digest(self.seed, "refresh", self._count, time.time_ns()) * 2
        self.access[access] = time.time() + life
        if used and self.switches.get("refresh_reuse") == "grace":
            self._old[access] = used
        elif used:
            self.refresh.discard(used)
        self.refresh.add(refresh)
        self.issued.add(refresh)
        return JSONResponse(
            {"token_type": "Bearer", "expires_in": life, "access_token": access, "refresh_token": refresh}
        )


def oauth_problem(status: int, detail: str, **more: Any) -> Response:
    """A refusal in the words of the token endpoint; clients tell it by its ``type``."""
    body = problem_body(status, detail, "Ошибка авторизации", **more)
    body["type"] = "https://developers.amocrm.ru/v3/errors/OAuthProblemJson"
    return JSONResponse(body, status, media_type="application/problem+json")
