"""amoCRM's hosts on this machine: the sandbox behind TLS, reached through an HTTP tunnel on 127.0.0.1.

A client that only knows ``https://<subdomain>.amocrm.ru`` gets there by the standard variables ``HTTPS_PROXY`` and
``SSL_CERT_FILE`` / ``REQUESTS_CA_BUNDLE``. The tunnel opens amoCRM's hosts and no other, and all of them lead here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.company.world import World
from sandbox.faults.catalogue import Faults
from sandbox.faults.middleware import Protocol
from sandbox.faults.request_log import RequestLog
from sandbox.vendors import amocrm


@dataclass
class Host:
    """The vendor's host, as far as a client on this machine can tell."""

    world: World
    certificate: Path
    request_log: RequestLog = field(default_factory=RequestLog)
    faults: Faults = field(default_factory=Faults)
    #: hosts that clients asked the tunnel for
    asked: list[str] = field(default_factory=list)
    proxy_port: int = 0

    @property
    def url(self) -> str:
        return f"https://{self.world.company.subdomain}.amocrm.ru"

    def paths(self, path: str) -> list[str]:
        return [row["path"] for row in self.request_log.requests() if row["path"].startswith(f"{path}?")]

    def run(self, up: threading.Event, stop: threading.Event) -> None:
        asyncio.run(self._serve(up, stop))

    async def _serve(self, up: threading.Event, stop: threading.Event) -> None:
        app = amocrm.build_app(self.world, self.request_log, self.faults)
        self.faults.add({"kind": "rate", "per_second": None})
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            app, http=Protocol, ws="none", lifespan="off", log_config=None, access_log=False,
            ssl_certfile=self.certificate, ssl_keyfile=self.certificate.with_suffix(".key"),
        )  # fmt: skip
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        tunnel = await asyncio.start_server(lambda r, w: self._tunnel(r, w, port), "127.0.0.1", 0)
        self.proxy_port = tunnel.sockets[0].getsockname()[1]
        while not server.started:
            await asyncio.sleep(0.01)
        up.set()
        await asyncio.to_thread(stop.wait)
        tunnel.close()
        server.should_exit = server.force_exit = True
        await serving

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        """``CONNECT host:443``, for hosts of amoCRM."""
        with suppress(ConnectionError, asyncio.CancelledError):
            await self._connect(reader, writer, port)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode("latin-1").split(" ", 2)
        self.asked.append(target)
        if method != "CONNECT" or not target.endswith(".amocrm.ru:443"):
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        inside, outside = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, outside), _pump(inside, writer))


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.CancelledError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


def self_made_certificate(folder: Path) -> Path:
    """A certificate for amoCRM's hosts that is its own authority; the key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = datetime.now(UTC)
    hosts = x509.SubjectAlternativeName(
        [x509.DNSName("*.amocrm.ru"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(hosts, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "amocrm.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
