"""A shop in a fresh database, and the simulated model on a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import httpx
import pytest
import uvicorn

from sandbox.faults.catalogue import Faults
from sandbox.faults.request_log import RequestLog
from sandbox.vendors.llm import app
from tests.analysis.mart_fixtures import Shop, busy_day, open_shop
from tests.support.sockets import NO_CERTIFICATES


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    opened = open_shop(database)
    yield opened
    opened.connection.close()


@pytest.fixture
def busy(shop: Shop) -> Shop:
    return busy_day(shop)


@dataclass
class Model:
    """The simulated provider: its address, its request log, its faults."""

    base_url: str
    api_key: str
    faults: Faults
    request_log: RequestLog

    def breaks(self, kind: str, **more: object) -> None:
        self.faults.add({"kind": kind, "path": "/v1/chat", "times": None, **more})

    def meter(self) -> dict[str, int]:
        return dict(httpx.get(self.base_url.removesuffix("/v1") + "/_meter", verify=NO_CERTIFICATES).json())


@pytest.fixture(scope="session")
def _model_server() -> Iterator[Model]:
    from sandbox.faults.middleware import Protocol

    world = SimpleNamespace(company=SimpleNamespace(seed=7))
    request_log, faults = RequestLog(), Faults()
    config = uvicorn.Config(app.build_app(world, request_log, faults), port=0, log_level="warning", http=Protocol)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Model(f"http://127.0.0.1:{port}/v1", app.api_key(7), faults, request_log)
    server.should_exit = True
    server.force_exit = True
    thread.join(5)


@pytest.fixture
def model(_model_server: Model) -> Model:
    _model_server.faults.clear()
    _model_server.request_log.clear()
    return _model_server
