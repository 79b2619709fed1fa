"""A whole hosted project: ``with HostedProject() as project`` and the addresses and keys a customer would be given.

A Postgres cluster of its own (roles belong to a cluster), started and laid out in a second or two, with the project's login
called ``postgres`` and no superuser's address handed out by :meth:`HostedProject.environment`.
"""

from __future__ import annotations

import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import psycopg
from psycopg import sql

from sandbox.faults.catalogue import Faults
from sandbox.faults.request_log import RequestLog
from sandbox.serving import HOST, Servers, bind
from sandbox.vendors.supabase.auth_api import PREFIX, build_app
from sandbox.vendors.supabase.database import lay_out
from sandbox.vendors.supabase.pooler import POOL_SIZE, Pooler
from sandbox.vendors.supabase.service import Auth, Mail
from synkro.database.embedded.postgres import EmbeddedPostgres

LOGIN = "postgres"
OWNER = "supabase_admin"
#: a direct connection of the smallest computes; everything a project runs shares them (docs: compute and disk)
MAX_CONNECTIONS = 60
#: nothing of a stand-in has to survive a power cut
HASTY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "128MB"}


class HostedProject:
    """One project; starts when entered. ``switches`` are those of the Auth API, see ``sandbox.supabase.service``."""

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        bin_dir: Path | None = None,
        max_connections: int = MAX_CONNECTIONS,
        pool_size: int = POOL_SIZE,
        pool_words: str = "EMAXCONNSESSION",
        switches: dict[str, Any] | None = None,
    ) -> None:
        self.ref = "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(20))
        self.password = secrets.token_urlsafe(18)
        self.request_log, self.faults = RequestLog(), Faults()
        self._folder = None if data_dir else tempfile.TemporaryDirectory(prefix="supabase-project-")
        self._switches, self._pool_size, self._pool_words = switches or {}, pool_size, pool_words
        settings = {**HASTY, "max_connections": str(max_connections)}
        folder = data_dir or Path(self._folder.name)  # type: ignore[union-attr]
        # the project lies in the database «postgres», which the logins of its services enter
        self._server = EmbeddedPostgres(folder, bin_dir=bin_dir, settings=settings, closed=())

    def __enter__(self) -> HostedProject:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> None:
        self._auth: Auth | None = None
        self._servers: Servers | None = None
        self._pooler: Pooler | None = None
        self._server.start()
        _rename_superuser(self._server.url("postgres"), self.password)
        self._address = self._server.url("postgres").rpartition("@")[2].partition("/")[0]
        lay_out(self.superuser_url, login=LOGIN, password=self.password)
        sockets = bind(["auth"])
        self.api_url = f"http://{HOST}:{sockets['auth'].getsockname()[1]}"
        self._auth = Auth(self._url("supabase_auth_admin"), self.api_url, dict(self._switches))
        app = build_app(self._auth, self.request_log, self.faults)
        self._servers = Servers({"auth": app}, sockets, lambda: datetime.now(UTC))
        sockets = bind(["session", "transaction"])
        self._ports = {mode: sock.getsockname()[1] for mode, sock in sockets.items()}
        host, _, port = self._address.partition(":")
        self._pooler = Pooler(self.ref, (host, int(port)), sockets, pool_size=self._pool_size, words=self._pool_words)

    def _stop(self) -> None:
        if self._pooler:
            self._pooler.stop()
        if self._servers:
            self._servers.stop()
        if self._auth:
            self._auth.close()
        self._server.destroy()
        if self._folder:
            self._folder.cleanup()

    # --- what a customer is given -----------------------------------------------------------------------------------

    def _url(self, user: str, address: str | None = None) -> str:
        return f"postgresql://{user}:{quote(self.password, safe='')}@{address or self._address}/postgres"

    @property
    def direct_url(self) -> str:
        """The direct connection, as the project's login."""
        return self._url(LOGIN)

    @property
    def session_url(self) -> str:
        """The pooler in session mode (5432 of a real one)."""
        return self.pooled_url("session")

    @property
    def transaction_url(self) -> str:
        """The pooler in transaction mode (6543 of a real one)."""
        return self.pooled_url("transaction")

    def pooled_url(self, mode: str, login: str = LOGIN, password: str | None = None) -> str:
        """A pooler's address for a login; the name of the project is part of the user's."""
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{login}.{self.ref}:{secret}@{HOST}:{self._ports[mode]}/postgres"

    @property
    def superuser_url(self) -> str:
        """What no customer gets: for looking at the database from outside its rights."""
        return self._url(OWNER)

    @property
    def auth(self) -> Auth:
        assert self._auth is not None, "the project was not started"
        return self._auth

    @property
    def pooler(self) -> Pooler:
        assert self._pooler is not None, "the project was not started"
        return self._pooler

    def peak_connections(self, mode: str = "session") -> int:
        """How many clients a pooler had at once at most."""
        return self.pooler.clients[mode].peak

    @property
    def publishable_key(self) -> str:
        return self.auth.keys.publishable

    @property
    def secret_key(self) -> str:
        return self.auth.keys.secret

    def environment(self, database_url: str | None = None) -> dict[str, str]:
        """The variables of an installation on this project; the direct connection unless another address is given."""
        return {
            "SYNKRO_DATABASE_URL": database_url or self.direct_url,
            "SYNKRO_SUPABASE_URL": self.api_url,
            "SYNKRO_SUPABASE_PUBLISHABLE_KEY": self.publishable_key,
            "SYNKRO_SUPABASE_SECRET_KEY": self.secret_key,
        }

    # --- the dashboard ------------------------------------------------------------------------------------------------

    def _admin(self, method: str, page: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"apikey": self.secret_key}
        answer = httpx.request(method, f"{self.api_url}{PREFIX}/admin/{page}", headers=headers, json=body, timeout=30)
        answer.raise_for_status()
        return dict(answer.json())

    def create_user(self, email: str, password: str, *, is_confirmed: bool = True) -> UUID:
        """A person made in the dashboard."""
        body = {"email": email, "password": password, "email_confirm": is_confirmed}
        return UUID(self._admin("POST", "users", body)["id"])

    def ban(self, user_id: UUID, duration: str = "24h") -> None:
        """Ban a person; «none» ends a ban."""
        self._admin("PUT", f"users/{user_id}", {"ban_duration": duration})

    def delete(self, user_id: UUID, *, is_soft: bool = False) -> None:
        self._admin("DELETE", f"users/{user_id}", {"should_soft_delete": is_soft})

    def reset_password(self, user_id: UUID, password: str) -> None:
        """Another password by the administrator: every session of the person ends."""
        self._admin("PUT", f"users/{user_id}", {"password": password})

    def rotate_key(self) -> str:
        """Tokens are signed by a new key from now on; its id."""
        return self.auth.keys.rotate()

    @property
    def mails(self) -> list[Mail]:
        """Mails the project would have sent, oldest first."""
        return self.auth.mails

    def set(self, **switches: Any) -> None:
        """Turn switches of the Auth API."""
        for name, value in switches.items():
            self.faults.add({"kind": "switch", "name": name, "value": value})


def _rename_superuser(url: str, password: str) -> None:
    """The cluster's superuser gets its name on a real project: ``postgres`` is that of the project's own login."""
    helper = "sandbox_bootstrap"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login superuser password {}").format(sql.Identifier(helper), sql.Literal(password))
        )
    # nobody can rename the role of the present connection
    with psycopg.connect(url, user=helper, password=password, autocommit=True) as connection:
        connection.execute(sql.SQL("alter role {} rename to {}").format(sql.Identifier(LOGIN), sql.Identifier(OWNER)))
        connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(OWNER), sql.Literal(password)))
    with psycopg.connect(url, user=OWNER, password=password, autocommit=True) as connection:
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(helper)))
