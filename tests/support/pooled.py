"""A test's database behind the sandbox's pooler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from sandbox.serving import HOST, bind
from sandbox.vendors.supabase.pooler import POOL_SIZE, Pooler

REF = "abcdefghijklmnopqrst"


@dataclass
class Pooled:
    pooler: Pooler
    ports: dict[str, int]

    def url(self, url: str, mode: str = "session") -> str:
        """The same login and database through the pooler."""
        parts = urlsplit(url)
        login, _, password = parts.netloc.rpartition("@")[0].partition(":")
        return urlunsplit(parts._replace(netloc=f"{login}.{REF}:{password}@{HOST}:{self.ports[mode]}"))


@contextmanager
def pooled(url: str, *, size: int = POOL_SIZE, words: str = "EMAXCONNSESSION") -> Iterator[Pooled]:
    """A pooler in front of the server of this address."""
    sockets = bind(["session", "transaction"])
    ports = {mode: sock.getsockname()[1] for mode, sock in sockets.items()}
    server = urlsplit(url)
    pooler = Pooler(REF, (str(server.hostname), int(server.port or 5432)), sockets, pool_size=size, words=words)
    try:
        yield Pooled(pooler, ports)
    finally:
        pooler.stop()
