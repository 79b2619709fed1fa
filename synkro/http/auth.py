"""How a secret gets onto a request, and nowhere else.

In flows a secret or a function that gives it; the secret is put on each request as it leaves, registered for
redaction, and shown by no ``repr``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator

import httpx

from synkro.core.errors import ConfigurationError
from synkro.core.log import register_secret

_BOT_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")


class VendorAuth(httpx.Auth):
    """Puts a secret on a request; asks for it at every try, so that a refreshed one is used at once."""

    def __init__(self, secret: str | Callable[[], str]) -> None:
        self._get = secret if callable(secret) else lambda: secret

    def __repr__(self) -> str:
        return f"{type(self).__name__}(•••)"

    def secret(self) -> str:
        value = self._get()
        register_secret(value)
        return value

    def refresh(self) -> bool:
        """Called once after a 401; True if there is a new secret to try. Refreshable auths override it."""
        return False


class BearerAuth(VendorAuth):
    """``Authorization: Bearer <token>``: amoCRM, Kommo, AI."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.secret()}"
        yield request


class ApiKeyAuth(VendorAuth):
    """``X-Api-Key: <key>``: Radist."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["X-Api-Key"] = self.secret()
        yield request


class SupabaseKeyAuth(VendorAuth):
    """``apikey: <key>``: Supabase. A key of the old kind is a token besides, and is sent as one too."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        key = self.secret()
        request.headers["apikey"] = key
        if key.startswith("eyJ"):
            request.headers["Authorization"] = f"Bearer {key}"
        yield request


class BotTokenAuth(VendorAuth):
    """``/bot<token>`` before the path: Telegram. The URL outside this object never holds the token."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self.secret()
        if not _BOT_TOKEN.fullmatch(token):
            raise ConfigurationError("Неверный вид токена Telegram-бота. Скопируйте его из @BotFather целиком.")
        request.url = request.url.copy_with(raw_path=f"/bot{token}".encode() + request.url.raw_path)
        yield request
