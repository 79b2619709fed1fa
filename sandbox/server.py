"""Starts the outside world: four HTTP servers on 127.0.0.1 in one background thread of this process.

``start()`` makes the company, binds the ports, serves, and returns a :class:`Sandbox` whose ``addresses`` are what a
customer would type into the settings of the product. Stop it with ``stop()`` or use it as a context manager.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Any
from zoneinfo import ZoneInfo

from starlette.types import ASGIApp

from sandbox.company.builder import generate
from sandbox.company.world import World
from sandbox.faults.catalogue import Faults
from sandbox.faults.request_log import RequestLog
from sandbox.serving import HOST, PortBusy, Servers, bind
from sandbox.vendors import amocrm, telegram
from sandbox.vendors.llm import app
from sandbox.vendors.radist import app as radist

__all__ = ["PortBusy", "Sandbox", "start"]

DAYS = 40
BUILDERS: dict[str, Callable[[World, RequestLog, Faults], ASGIApp]] = {
    "amocrm": amocrm.build_app,
    "radist": radist.build_app,
    "telegram": telegram.build_app,
    "llm": app.build_app,
}


class Sandbox:
    """The running servers. ``request_logs`` and ``faults`` are by vendor: amocrm, radist, telegram, llm."""

    def __init__(
        self, world: World, sockets: Mapping[str, socket.socket], rates: Mapping[str, Mapping[str, float | None]]
    ) -> None:
        self.world = world
        self.request_logs = {name: RequestLog() for name in BUILDERS}
        self.faults = {name: Faults() for name in BUILDERS}
        self.ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
        apps = {name: build(world, self.request_logs[name], self.faults[name]) for name, build in BUILDERS.items()}
        for name, buckets in rates.items():
            for bucket, per_second in buckets.items():
                self.faults[name].add({"kind": "rate", "bucket": bucket, "per_second": per_second})
            self.faults[name].settle()
        self._servers = Servers(apps, sockets, world.now)

    @property
    def addresses(self) -> dict[str, dict[str, Any]]:
        """One JSON-ready object: where the vendors are and the keys to them."""
        seed = self.world.company.seed
        keys = amocrm.credentials(seed)
        url = {name: f"http://{HOST}:{port}" for name, port in self.ports.items()}
        return {
            "amocrm": {
                "base_url": url["amocrm"],
                "access_token": keys.access_token,
                "client_id": keys.client_id,
                "client_secret": keys.client_secret,
                "refresh_token": keys.refresh_token,
            },
            "radist": {
                "base_url": f"{url['radist']}/v2",
                "api_key": radist.api_key(seed),
                "company_id": radist.COMPANY_ID,
            },
            "telegram": {
                "base_url": url["telegram"],
                "bot_token": telegram.bot_token(seed),
                "chat_id": telegram.GROUP_CHAT,
            },
            "llm": {"base_url": f"{url['llm']}/v1", "api_key": app.api_key(seed), "model": app.MODEL},
        }

    def stop(self) -> None:
        """Stop serving and free the ports; open connections are cut."""
        self._servers.stop()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    company_size: str = "demo",
    seed: int = 7,
    port_base: int | None = None,
    now: datetime | Callable[[], datetime] | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    timezone: str = "Asia/Almaty",
    progress: Callable[[str], None] | None = None,
    rates: Mapping[str, Mapping[str, float | None]] | None = None,
    vertical: str | None = None,
    variety: bool | None = None,
) -> Sandbox:
    """Make the company and serve it.

    ``port_base``: amoCRM there, then Radist, Telegram and the model on the next ports; None takes free ones; raises
    :class:`PortBusy`. ``now``: a stopped or own clock, real time without it. Days are local dates: by default the forty
    up to ``now`` and two more, so that time can go on. ``rates``: ``{"radist": {"all": None}}`` lifts a vendor's limit.
    ``vertical`` and ``variety`` are those of :func:`sandbox.company.builder.generate`.
    """
    clock = (lambda: now) if isinstance(now, datetime) else now
    today = (clock() if clock else datetime.now(UTC)).astimezone(ZoneInfo(timezone)).date()
    last = last_day or today + timedelta(days=2)
    first = first_day or today - timedelta(days=DAYS - 1)
    sockets = _bind(port_base)
    try:
        world = World(
            generate(seed, company_size, first, last, timezone, progress, vertical=vertical, variety=variety), clock
        )
        return Sandbox(world, sockets, rates or {})
    except BaseException:
        for sock in sockets.values():
            sock.close()
        raise


def _bind(port_base: int | None) -> dict[str, socket.socket]:
    """A listening socket for every vendor, all or none."""
    return bind(BUILDERS, port_base)
