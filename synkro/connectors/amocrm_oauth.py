"""Who we are for amoCRM: a long-lived token, or an OAuth pair that has to be renewed.

An access token lives a day and every refresh hands out a new refresh token, the old one being good for one
use only. So the pair is renewed under a row lock, the new one is stored before anyone uses it, and whoever
meets a 401 first looks whether somebody else has renewed already: any number of workers make one refresh. A
refresh that amoCRM refuses is written on the integration under the same lock and not tried again by anyone: a
person has to connect anew, or to press «Проверить», which tries once more.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from synkro.connectors import integrations
from synkro.core.errors import AuthenticationError, DataError, PermanentError
from synkro.core.log import register_secret
from synkro.http.auth import BearerAuth
from synkro.http.factory import VendorClient

NEEDS_REAUTH = "Подключите amoCRM заново: доступ отозван или истёк. Откройте настройки и сохраните новый доступ."

_locks: dict[UUID, threading.Lock] = {}
_locks_lock = threading.Lock()


class AmocrmAuth(BearerAuth):
    """Bearer token of one tenant's amoCRM. Safe to share between threads.

    ``secrets``: ``access_token`` alone (long-lived), or ``client_secret`` and ``refresh_token`` with or
    without an access token; ``public`` then holds ``client_id`` and ``redirect_uri``. ``by_person``: somebody
    asks for it now, so a refresh that was refused is tried again.
    """

    def __init__(
        self, tenant_id: UUID, public: Mapping[str, Any], secrets: Mapping[str, str], *, by_person: bool = False
    ) -> None:
        super().__init__(self._current)
        self._tenant_id = tenant_id
        self._public = public
        self._by_person = by_person
        self._token = secrets.get("access_token", "")
        self._can_renew = bool(secrets.get("refresh_token"))
        self._client: VendorClient | None = None
        # the token each thread sent last: what a 401 is about
        self._sent = threading.local()
        if not self._token and not self._can_renew:
            raise AuthenticationError("amoCRM не подключён: в настройках нет ни токена, ни доступа по OAuth.")

    def bind(self, client: VendorClient) -> None:
        """The client that carries the refresh; call once, after the client was made."""
        self._client = client

    def _current(self) -> str:
        if not self._token:
            self._renew("")
        self._sent.token = self._token
        return self._token

    def refresh(self) -> bool:
        if self._can_renew:
            self._renew(self._sent.token)
        return self._can_renew

    def _renew(self, refused: str) -> None:
        """Replace the refused token; raises :class:`AuthenticationError` when a person has to act."""
        with _locks_lock:
            lock = _locks.setdefault(self._tenant_id, threading.Lock())
        # one thread of this process at a time: waiters would hold the pool's connections on the row lock
        with lock:
            if self._token != refused:
                return
            with integrations.locked_secrets(self._tenant_id, "amocrm") as row:
                token, refusal = self._renewed(row, refused)
            # raised out here: inside, the note of the refusal would be rolled back
            if refusal is not None:
                raise refusal
            register_secret(token)
            self._token = token

    def _renewed(self, row: integrations.Locked, refused: str) -> tuple[str, AuthenticationError | None]:
        """The token to go on with, by whoever it was renewed; or why there is none."""
        token = row.secrets.get("access_token", "")
        if token and token != refused:
            return token, None
        if row.refused == NEEDS_REAUTH and not self._by_person:
            return "", AuthenticationError(NEEDS_REAUTH, detail="an earlier refresh was refused")
        try:
            pair = self._exchange(row.secrets)
        except AuthenticationError as error:
            row.refuse(NEEDS_REAUTH)
            return "", error
        row.save(pair)
        return pair["access_token"], None

    def _exchange(self, stored: Mapping[str, str]) -> dict[str, str]:
        missing = not (stored.get("refresh_token") and stored.get("client_secret") and self._public.get("client_id"))
        if missing or self._client is None:
            raise AuthenticationError(NEEDS_REAUTH, detail="no refresh token, client secret or client_id is stored")
        try:
            answer = self._client.post(
                "/oauth2/access_token",
                json={
                    "client_id": self._public["client_id"],
                    "client_secret": stored["client_secret"],
                    "grant_type": "refresh_token",
                    "refresh_token": stored["refresh_token"],
                    "redirect_uri": self._public.get("redirect_uri", ""),
                },
                anonymous=True,
            )
        except (AuthenticationError, PermanentError) as error:
            status = getattr(error, "status", None)
            if status not in (400, 401):
                raise
            raise AuthenticationError(NEEDS_REAUTH, detail=error.detail) from None
        pair = {name: (answer or {}).get(name) for name in ("access_token", "refresh_token")}
        if not all(isinstance(value, str) and value for value in pair.values()):
            raise DataError("amoCRM не прислал новый ключ доступа. Повторите позже или подключите её заново.")
        return {name: str(value) for name, value in pair.items()}
