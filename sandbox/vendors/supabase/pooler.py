"""Supavisor, the shared pooler of a project: session mode on one port, transaction mode on another.

Confirmed (supabase/supavisor, lib/supavisor): the user name carries the project (``postgres.<ref>``); in session mode a client
beyond the pool's size is refused at once; there is one pool for a user, database and ``search_path``; of the start-up
parameters only ``search_path`` and the application's name reach the server; in transaction mode the server connection goes
to the next client as it is, with whatever its session was left with. Assumed: passwords are asked in clear in transaction
mode (the real one speaks SCRAM), and a session's server connection is new instead of reset by DISCARD ALL.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from sandbox.vendors.supabase import messages
from sandbox.vendors.supabase.messages import Fatal, Gone, Start
from sandbox.vendors.supabase.transactions import Count, TransactionPools

Key = tuple[str, str, str | None]
#: the smallest computes (docs: compute and disk)
POOL_SIZE, MAX_CLIENTS = 15, 200
#: the text of today and the one before 2025; both are met in the wild
WORDS = {
    "EMAXCONNSESSION": "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: {}",
    "MaxClientsInSessionMode": (
        "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size"
    ),
}


class Pooler:
    """Both modes in a thread of their own. ``database``: host and port of the server behind."""

    def __init__(
        self,
        ref: str,
        database: tuple[str, int],
        sockets: dict[str, socket.socket],
        *,
        pool_size: int = POOL_SIZE,
        max_clients: int = MAX_CLIENTS,
        words: str = "EMAXCONNSESSION",
        checkout_seconds: float = 60,
    ) -> None:
        self.ref, self.database = ref, database
        self.pool_size, self.max_clients, self.words = pool_size, max_clients, words
        #: clients now and at most, by mode
        self.clients = {"session": Count(), "transaction": Count()}
        self.refused = 0
        self._sessions: Counter[Key] = Counter()
        self._transactions = TransactionPools(database, lambda: self.pool_size, checkout_seconds)
        self._sockets = sockets
        self._tasks: set[asyncio.Task[None]] = set()
        self._up, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="supavisor", daemon=True)
        self._thread.start()
        self._up.wait(10)

    @property
    def servers(self) -> Count:
        """Connections of transaction mode to the server."""
        return self._transactions.servers

    def stop(self) -> None:
        """Cut every connection and free the ports."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        modes = {"session": self._session, "transaction": self._transaction}
        servers = [
            await asyncio.start_server(self._client(mode, modes[mode]), sock=sock)
            for mode, sock in self._sockets.items()
        ]
        self._up.set()
        await self._ended.wait()
        for server in servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._transactions.close()

    def _client(
        self, mode: str, serve: Callable[..., Coroutine[Any, Any, None]]
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
        async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                start = await messages.read_start(reader, writer)
                if start.cancel:
                    await self._cancel(mode, start.cancel)
                    return
                with self.clients[mode]:
                    await serve(reader, writer, start)
            except Fatal as fatal:
                with contextlib.suppress(OSError):
                    writer.write(fatal.packet())
                    await writer.drain()
            except (asyncio.IncompleteReadError, OSError, Gone, asyncio.CancelledError):
                pass
            finally:
                self._tasks.discard(task)
                writer.close()

        return met

    async def _cancel(self, mode: str, key: tuple[int, int]) -> None:
        if mode == "transaction":
            return await self._transactions.cancel(key)
        _, writer = await asyncio.open_connection(*self.database)
        writer.write(messages.cancel_packet(*key))
        await writer.drain()
        writer.close()

    def _who(self, start: Start) -> Key:
        """User, database and search path; raises what Supavisor says to a stranger."""
        user, dot, ref = start.parameters.get("user", "").rpartition(".")
        if not dot:
            raise Fatal("(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)")
        if ref != self.ref:
            raise Fatal(f"(ENOTFOUND) tenant/user {user}.{ref} not found")
        return user, start.parameters.get("database", user), messages.search_path_of(start.parameters)

    # --- session mode -----------------------------------------------------------------------------------------------

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, start: Start) -> None:
        key = self._who(start)
        if self._sessions[key] >= self.pool_size:
            self.refused += 1
            raise Fatal(WORDS[self.words].format(self.pool_size))
        self._sessions[key] += 1
        try:
            user, database, search_path = key
            wanted = {"user": user, "database": database}
            wanted["application_name"] = start.parameters.get("application_name", "Supavisor")
            if search_path is not None:
                wanted["options"] = f"--search_path={messages.escaped(search_path)}"
            server, to_server = await asyncio.open_connection(*self.database)
            to_server.write(messages.start_packet(wanted))
            # from here on the client and the server speak with each other, password included
            await _either(_pump(reader, to_server), _pump(server, writer))
            to_server.close()
        finally:
            self._sessions[key] -= 1

    # --- transaction mode -------------------------------------------------------------------------------------------

    async def _transaction(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, start: Start) -> None:
        key = self._who(start)
        if self.clients["transaction"].current > self.max_clients:
            self.refused += 1
            raise Fatal(f"(EMAXCONN) max client connections reached, limit: {self.max_clients}")
        await self._transactions.serve(reader, writer, key)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _either(*jobs: Coroutine[Any, Any, None]) -> None:
    """Until the first of them ends; the other is cut."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
