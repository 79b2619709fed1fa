"""A vendor that answers byte for byte what a test scripted, on a real socket."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

Script = Callable[[socket.socket, bytes], None]


def answer(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """One HTTP answer; ``length`` lies about the body's."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\nConnection: close\r\n\r\n" + body


def json_answer(body: bytes = b'{"ok": true}', status: int = 200, *headers: str) -> bytes:
    return answer(status, body, "Content-Type: application/json", *headers)


class FakeVendor:
    """Answers the n-th request with the n-th script, the last one for ever; remembers what it received."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.at: list[float] = []
        self.connections = 0
        self.script: list[bytes | Script] = [json_answer()]
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def says(self, *script: bytes | Script) -> None:
        self.script = list(script)

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            request = b""
            while b"\r\n\r\n" not in request:
                chunk = peer.recv(65536)
                if not chunk:
                    return
                request += chunk
            head, _, body = request.partition(b"\r\n\r\n")
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    while len(body) < int(line.split(b":")[1]):
                        body += peer.recv(65536)
            self.received.append(head + b"\r\n\r\n" + body)
            self.at.append(time.monotonic())
            step = self.script[min(len(self.received), len(self.script)) - 1]
            if callable(step):
                step(peer, request)
            else:
                peer.sendall(step)
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)
