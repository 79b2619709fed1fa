"""Where a request may go: one origin per client, and an address of the right kind behind its name.

In flows a request that is about to leave, or the addresses a name resolved to; out comes nothing, or an
error raised before a byte was sent. Needs the resolver of the system.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from synkro.connectors import registry
from synkro.core.errors import DataError, PermanentError, ReadOnlyViolation

#: a connector, or one of the other kinds below
Vendor = str

NAMES: dict[str, str] = {
    **{name: registry.label(name) for name in registry.apis()},
    "telegram": "Telegram",
    "ai": "AI-провайдер",
    "supabase": "Supabase",
}

#: vendors we only read, with the few requests that are not GET and change nothing there
READ_ONLY: dict[str, frozenset[tuple[str, str]]] = {
    name: api.harmless_requests for name, api in registry.apis().items()
}


def is_public(address: str) -> bool:
    """True for an address of the open internet.

    ``ipaddress.is_global`` alone says yes to multicast and to tunnels that carry 127.0.0.1 inside
    (NAT64 ``64:ff9b::7f00:1``, 6to4 ``2002:7f00:1::``), so what is carried is judged too.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.is_multicast or ip.is_unspecified or not ip.is_global:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip not in ipaddress.ip_network("192.88.99.0/24")
    if ip in ipaddress.ip_network("64:ff9b::/96"):
        return is_public(str(ipaddress.IPv4Address(ip.packed[-4:])))
    carried = ip.ipv4_mapped or ip.sixtofour
    return ip.teredo is None and (carried is None or is_public(str(carried)))


@dataclass(frozen=True)
class Destination:
    """The one origin a client may talk to, and the kind of address its name may have."""

    vendor: Vendor
    scheme: str
    host: str
    port: int
    loopback: bool
    #: the operator named this host in SYNKRO_AI_HOSTS: it may live in his own network
    private_ok: bool = False

    def check_request(self, request: httpx.Request) -> None:
        """Refuse what must not be sent; nothing was sent yet."""
        name, method = NAMES[self.vendor], request.method.upper()
        url = request.url
        if (url.scheme, url.host, url.port or {"https": 443}.get(url.scheme, 80)) != self.origin:
            raise DataError(f"{name}: ответ ссылается на чужой адрес. Запрос не отправлен.", detail=f"host {url.host}")
        allowed = READ_ONLY.get(self.vendor)
        path = url.raw_path.partition(b"?")[0].decode("ascii", "replace")
        overridden = any("method-override" in header.lower() for header in request.headers)
        if allowed is not None and (overridden or (method != "GET" and (method, path) not in allowed)):
            raise ReadOnlyViolation(
                f"{name} подключён только для чтения: запрос {method} {path} не отправлен.",
                detail=f"{method} {path}",
            )

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def checked(self, found: Iterable[Any]) -> list[str]:
        """The addresses of a getaddrinfo answer, all of them acceptable; one bad address refuses the name."""
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            ip = ipaddress.ip_address(address.partition("%")[0])
            if self.loopback:
                good = ip.is_loopback
            elif self.private_ok:
                good = is_public(address) or (ip.is_private and not ip.is_loopback and not ip.is_link_local)
            else:
                good = is_public(address)
            if not good:
                raise PermanentError(
                    f"{NAMES[self.vendor]}: имя {self.host} указывает на внутренний адрес. "
                    "Запрос не отправлен; проверьте DNS сервера.",
                    detail=f"{self.host} -> {address}",
                )
        return addresses


def resolve(host: str, port: int, timeout: float | None) -> list[Any]:
    """getaddrinfo with a time-out: it has none itself, and a dead resolver holds it for half a minute."""
    answer: list[Any] = []
    failure: list[Exception] = []

    def look_up() -> None:
        try:
            answer.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failure.append(error)

    thread = threading.Thread(target=look_up, daemon=True, name="synkro-dns")
    thread.start()
    thread.join(timeout)
    try:
        for error in failure:
            raise error
    except (OSError, UnicodeError) as error:
        # inside the handler: httpcore's pool drops __cause__ and keeps __context__, which tells DNS apart later
        raise httpcore.ConnectError(str(error)) from error
    if not answer:
        raise httpcore.ConnectTimeout("name resolution timed out")
    return answer
