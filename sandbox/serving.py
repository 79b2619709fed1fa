"""Serves ASGI apps on sockets of 127.0.0.1 from one background thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import uvicorn
from starlette.types import ASGIApp

from sandbox.faults.middleware import Protocol, dated

HOST = "127.0.0.1"


class PortBusy(OSError):
    """Somebody listens on the wanted port; the message names it."""


class Servers:
    """One server for each app, on the socket of the same name. Serves from the moment it is made."""

    def __init__(
        self, apps: Mapping[str, ASGIApp], sockets: Mapping[str, socket.socket], now: Callable[[], datetime]
    ) -> None:
        self._servers: list[uvicorn.Server] = []
        self._failure: BaseException | None = None
        self._apps, self._sockets, self._now = apps, sockets, now
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._thread.start()
        self._wait_until_up()

    def stop(self) -> None:
        """Stop serving and free the ports; open connections are cut."""
        for server in self._servers:
            server.should_exit = server.force_exit = True
        self._thread.join(10)

    # --- the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error

    async def _serve(self) -> None:
        for app in self._apps.values():
            config = uvicorn.Config(
                dated(app, self._now),
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                timeout_keep_alive=60,
            )
            self._servers.append(uvicorn.Server(config))
        jobs = [
            server.serve(sockets=[self._sockets[name]]) for server, name in zip(self._servers, self._apps, strict=True)
        ]
        await asyncio.gather(*jobs)

    def _wait_until_up(self) -> None:
        for _ in range(1000):
            if self._failure is not None:
                raise RuntimeError("the sandbox did not start") from self._failure
            if len(self._servers) == len(self._apps) and all(server.started for server in self._servers):
                return
            time.sleep(0.01)
        raise RuntimeError("the sandbox did not start within 10 s")


def bind(names: Iterable[str], port_base: int | None = None) -> dict[str, socket.socket]:
    """Listening sockets, all or none: on ``port_base`` and the next ports, or on free ones; raises PortBusy."""
    sockets: dict[str, socket.socket] = {}
    for number, name in enumerate(names):
        port = port_base + number if port_base else 0
        # with the protocol named asyncio sends every piece at once; without it each answer waits 40 ms for an ACK
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
            sock.listen(128)  # from here on nobody else can have the port, and early callers queue
        except OSError as error:
            for other in (sock, *sockets.values()):
                with contextlib.suppress(OSError):
                    other.close()
            raise PortBusy(f"port {port} for {name} is busy or not allowed: {error.strerror}") from None
        sockets[name] = sock
    return sockets
