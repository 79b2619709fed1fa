"""One small company served once for all HTTP tests, its clock stopped; faults, edits and request_logs are put back.

Clients do not verify certificates: there are none, and loading the authorities costs more than the request.

``NOW`` is a Friday evening in Almaty, an hour after the business day closed at 22:01.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import httpx
import pytest

from sandbox.company.builder import generate
from sandbox.company.model import Company
from sandbox.server import Sandbox, start
from tests.support.sockets import NO_CERTIFICATES

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
FIRST, LAST = date(2026, 10, 12), date(2026, 11, 20)
FREE = {
    "amocrm": {"api": None},
    "radist": {"all": None, "listings": None},
    "telegram": {"chat": None, "group_per_minute": None, "overall": None},
}


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with start("small", now=NOW, first_day=FIRST, last_day=LAST, rates=FREE) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    yield running
    running.world.set_now(NOW)
    for vendor in running.faults.values():
        vendor.clear()
    for request_log in running.request_logs.values():
        request_log.clear()


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A sandbox of its own, for tests that edit the company or use up tokens."""
    with start("small", now=NOW, first_day=date(2026, 11, 1), last_day=LAST, rates=FREE) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def demo() -> Company:
    """The demo company; making it must take less than three seconds of processor time."""
    started = time.process_time()
    company = generate(7, "demo", FIRST, LAST)
    assert time.process_time() - started < 3
    return company


def amo(sandbox: Sandbox) -> httpx.Client:
    a = sandbox.addresses["amocrm"]
    headers = {"Authorization": f"Bearer {a['access_token']}"}
    return httpx.Client(base_url=f"{a['base_url']}/api/v4", headers=headers, timeout=60, verify=NO_CERTIFICATES)


def radist(sandbox: Sandbox) -> httpx.Client:
    a = sandbox.addresses["radist"]
    url = f"{a['base_url']}/companies/{a['company_id']}"
    return httpx.Client(base_url=url, headers={"X-Api-Key": a["api_key"]}, timeout=60, verify=NO_CERTIFICATES)


def telegram(sandbox: Sandbox) -> httpx.Client:
    a = sandbox.addresses["telegram"]
    return httpx.Client(base_url=f"{a['base_url']}/bot{a['bot_token']}", timeout=60, verify=NO_CERTIFICATES)


def root(sandbox: Sandbox, vendor: str) -> httpx.Client:
    """The control pages of one vendor."""
    return httpx.Client(base_url=f"http://127.0.0.1:{sandbox.ports[vendor]}", timeout=60, verify=NO_CERTIFICATES)
