"""Sockets on this machine: what a listener does to those who connect to it, and clients that need no certificates."""

from __future__ import annotations

import asyncio
import socket
import ssl

#: httpx's ``verify``: the system's list takes 20 ms to load, longer than a request, and nothing here speaks TLS
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def sends_at_once(listener: socket.socket) -> bool:
    """Whether asyncio, serving on this bound socket, turns Nagle's delay off for who connects."""

    async def ask() -> bool:
        met = asyncio.get_running_loop().create_future()

        class Peer(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                peer = transport.get_extra_info("socket")
                met.set_result(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                transport.close()

        server = await asyncio.get_running_loop().create_server(Peer, sock=listener)
        async with server:
            with socket.create_connection(listener.getsockname()):
                return bool(await asyncio.wait_for(met, 60))

    return asyncio.run(ask())
