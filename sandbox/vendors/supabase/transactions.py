"""Transaction mode: many clients take turns at few server connections, a turn is one transaction.

A client gets a server connection with its first message and keeps it until every question is answered and the server is
outside a transaction. Nothing is reset in between: a SET, an advisory lock or a named statement of the session stays behind
and meets the next client.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from sandbox.vendors.supabase import messages
from sandbox.vendors.supabase.messages import Fatal, Frames, Gone

Key = tuple[str, str, str | None]
#: what a driver reads of a session before its first question
REPORTED = (
    "server_version", "server_encoding", "client_encoding", "DateStyle", "IntervalStyle", "TimeZone",
    "integer_datetimes", "standard_conforming_strings", "is_superuser", "session_authorization",
)  # fmt: skip
#: messages after which the server says once that it is ready: a query, the end of an extended one, a function call
ASKS = {ord(letter) for letter in "QSF"}
#: parts of an extended query, which is not over before its end is sent
PARTS = {ord(letter) for letter in "PBDECH"}
READY, TERMINATE, PASSWORD = ord("Z"), ord("X"), ord("p")


class Count:
    """How many there are, and how many there were at most."""

    def __init__(self) -> None:
        self.current = self.peak = 0

    def add(self, number: int) -> None:
        self.current += number
        self.peak = max(self.peak, self.current)

    def __enter__(self) -> None:
        self.add(1)

    def __exit__(self, *error: object) -> None:
        self.add(-1)


@dataclass
class Server:
    """A connection to the server: libpq opened it and proved the password, the bytes on it are ours."""

    connection: psycopg.Connection[tuple[object, ...]]
    answers: Frames
    writer: asyncio.StreamWriter

    def close(self) -> None:
        self.writer.close()
        self.connection.close()


@dataclass
class Pool:
    """Server connections of one user, database and search path."""

    password: str
    #: what the server reported when the first connection was made
    reported: list[tuple[bytes, bytes]] = field(default_factory=list)
    free: list[Server] = field(default_factory=list)
    made: int = 0
    turn: asyncio.Condition = field(default_factory=asyncio.Condition)


@dataclass
class Client:
    """A client and the server connection it has at the moment."""

    writer: asyncio.StreamWriter
    key: tuple[int, int]
    server: Server | None = None
    answering: asyncio.Task[None] | None = None
    #: questions the server has not finished with
    waiting: int = 0
    #: an extended query was begun and not ended
    is_open: bool = False

    async def ask(self, questions: list[bytes]) -> None:
        """Send messages on to the server."""
        assert self.server is not None
        for question in questions:
            if question[0] in ASKS:
                self.waiting, self.is_open = self.waiting + 1, False
            elif question[0] in PARTS:
                self.is_open = True
            elif question[0] == TERMINATE:
                raise Gone
        self.server.writer.write(b"".join(questions))
        await self.server.writer.drain()


class TransactionPools:
    """All pools, and the clients at them."""

    def __init__(self, database: tuple[str, int], size: Callable[[], int], checkout_seconds: float) -> None:
        self._database, self._size, self._checkout_seconds = database, size, checkout_seconds
        self._pools: dict[Key, Pool] = {}
        self._working: dict[tuple[int, int], Server] = {}
        self.servers = Count()

    def close(self) -> None:
        for pool in self._pools.values():
            for server in pool.free:
                server.close()

    async def cancel(self, key: tuple[int, int]) -> None:
        """Cancel what the client with this key is waiting for."""
        server = self._working.get(key)
        if server:
            await asyncio.to_thread(server.connection.pgconn.get_cancel().cancel)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: Key) -> None:
        """One client from its password to its farewell."""
        asked = Frames(reader)
        pool = await self._enter(asked, writer, key)
        client = Client(writer, (secrets.randbits(31), secrets.randbits(31)))
        await self._greet(writer, pool, client.key)
        try:
            while True:
                packets = await asked.next()
                if packets[0][0] == TERMINATE:
                    return
                if client.server is None:
                    client.server = await self._take(key, pool)
                    self._working[client.key] = client.server
                    client.answering = asyncio.ensure_future(self._answer(pool, client))
                await client.ask(packets)
        finally:
            if client.answering is not None and client.server is not None:
                # in the middle of a transaction: only its end by the server rolls it back
                client.answering.cancel()
                await self._drop(pool, client.server)
            self._working.pop(client.key, None)

    async def _answer(self, pool: Pool, client: Client) -> None:
        """Carry answers to the client until all are given outside a transaction; then the server is free."""
        server = client.server
        assert server is not None
        try:
            while True:
                answers = await server.answers.next()
                client.writer.write(b"".join(answers))
                await client.writer.drain()
                client.waiting -= sum(answer[0] == READY for answer in answers)
                # nothing is awaited between this look and the release: no question can slip in
                is_idle = answers[-1][0] == READY and answers[-1][5:] == b"I"
                if is_idle and not client.waiting and not client.is_open:
                    client.server = None
                    del self._working[client.key]
                    await self._give(pool, server)
                    return
        except (Gone, OSError):
            client.server = None
            await self._drop(pool, server)
            client.writer.close()

    async def _enter(self, asked: Frames, writer: asyncio.StreamWriter, key: Key) -> Pool:
        writer.write(messages.frame(b"R", b"\0\0\0\3"))
        await writer.drain()
        packet = (await asked.next())[0]
        password = packet[5:-1].decode() if packet[0] == PASSWORD else ""
        pool = self._pools.get(key)
        if pool is None or not secrets.compare_digest(pool.password, password):
            server = await self._connect(key, password)
            pool = self._pools.setdefault(key, Pool(password))
            pool.password = password
            reported = ((name.encode(), server.connection.pgconn.parameter_status(name.encode())) for name in REPORTED)
            pool.reported = [(name, value) for name, value in reported if value is not None]
            pool.made += 1
            await self._give(pool, server)
        return pool

    @staticmethod
    async def _greet(writer: asyncio.StreamWriter, pool: Pool, own: tuple[int, int]) -> None:
        writer.write(messages.frame(b"R", b"\0\0\0\0"))
        for name, value in pool.reported:
            writer.write(messages.frame(b"S", name + b"\0" + value + b"\0"))
        writer.write(messages.frame(b"S", b"application_name\0Supavisor\0"))
        writer.write(messages.frame(b"K", own[0].to_bytes(4, "big") + own[1].to_bytes(4, "big")))
        writer.write(messages.frame(b"Z", b"I"))
        await writer.drain()

    # --- server connections -------------------------------------------------------------------------------------------

    async def _connect(self, key: Key, password: str) -> Server:
        user, database, search_path = key
        host, port = self._database
        options = "" if search_path is None else f"--search_path={messages.escaped(search_path)}"
        wanted = {
            **{"host": host, "port": str(port), "user": user, "password": password, "dbname": database},
            **{"application_name": "Supavisor", "options": options, "sslmode": "disable"},
        }
        try:
            connection = await asyncio.to_thread(lambda: psycopg.connect(make_conninfo(**wanted), autocommit=True))
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Fatal(f'password authentication failed for user "{user}"', "28P01") from None
            raise Fatal(str(error).strip().splitlines()[-1]) from None
        assert connection.pgconn.status == pq.ConnStatus.OK
        raw = socket.socket(fileno=os.dup(connection.pgconn.socket))
        raw.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=raw)
        self.servers.add(1)
        return Server(connection, Frames(reader), writer)

    async def _take(self, key: Key, pool: Pool) -> Server:
        async with pool.turn:
            try:
                async with asyncio.timeout(self._checkout_seconds):
                    await pool.turn.wait_for(lambda: bool(pool.free) or pool.made < self._size())
            except TimeoutError:
                waited = int(self._checkout_seconds * 1000)
                words = f"unable to check out connection from the pool after {waited}ms in Transaction mode"
                raise Fatal(f"(ECHECKOUTTIMEOUT) {words}") from None
            if pool.free:
                return pool.free.pop()
            pool.made += 1
        try:
            return await self._connect(key, pool.password)
        except BaseException:
            async with pool.turn:
                pool.made -= 1
                pool.turn.notify()
            raise

    async def _give(self, pool: Pool, server: Server) -> None:
        async with pool.turn:
            pool.free.append(server)
            pool.turn.notify()

    async def _drop(self, pool: Pool, server: Server) -> None:
        server.close()
        self.servers.add(-1)
        async with pool.turn:
            pool.made -= 1
            pool.turn.notify()
