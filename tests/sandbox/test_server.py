"""Starting and stopping: addresses, ports, the clock, and that every vendor's app stands alone."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
from starlette.testclient import TestClient

from sandbox.company.builder import generate
from sandbox.company.world import World
from sandbox.faults.catalogue import Faults
from sandbox.faults.request_log import RequestLog
from sandbox.server import PortBusy, Sandbox, _bind, start
from sandbox.vendors import amocrm, telegram
from sandbox.vendors.radist import app as radist
from tests.sandbox.conftest import NOW
from tests.support.sockets import NO_CERTIFICATES, sends_at_once

FEW = {"first_day": date(2026, 11, 17), "last_day": date(2026, 11, 20)}


def free_base() -> int:
    """The first of four free ports in a row."""
    for base in range(21_000 + os.getpid() % 500 * 20, 60_000, 4):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(base, base + 4):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return base
    raise AssertionError("no free ports")


def test_addresses_are_what_the_settings_of_the_product_ask_for(sandbox: Sandbox) -> None:
    a = json.loads(json.dumps(sandbox.addresses))
    assert {k: set(v) for k, v in a.items()} == {
        "amocrm": {"base_url", "access_token", "client_id", "client_secret", "refresh_token"},
        "radist": {"base_url", "api_key", "company_id"},
        "telegram": {"base_url", "bot_token", "chat_id"},
        "llm": {"base_url", "api_key", "model"},
    }
    assert a["radist"]["base_url"].endswith("/v2") and a["radist"]["api_key"].startswith("-")
    models = httpx.get(
        f"{a['llm']['base_url']}/models",
        headers={"Authorization": f"Bearer {a['llm']['api_key']}"},
        verify=NO_CERTIFICATES,
    )
    assert a["llm"]["model"] in {m["id"] for m in models.json()["data"]}
    for url in (a["amocrm"]["base_url"], a["telegram"]["base_url"]):
        assert httpx.get(f"{url}/_violations", verify=NO_CERTIFICATES).json() == []


def test_no_answer_waits_for_an_acknowledgement() -> None:
    assert all(sends_at_once(sock) for sock in _bind(None).values())


def test_ports_follow_the_base_and_a_busy_one_is_named() -> None:
    base = free_base()
    with start("small", now=NOW, port_base=base, **FEW) as one:
        assert list(one.ports.values()) == [base, base + 1, base + 2, base + 3]
        with pytest.raises(PortBusy, match=str(base)):
            start("small", now=NOW, port_base=base, **FEW)
    with start("small", now=NOW, port_base=base, **FEW) as two:
        assert two.ports["amocrm"] == base


def test_a_busy_last_port_frees_the_others() -> None:
    base = free_base()
    with socket.socket() as other:
        other.bind(("127.0.0.1", base + 3))
        with pytest.raises(PortBusy, match=f"{base + 3} for llm"):
            start("small", now=NOW, port_base=base, **FEW)
    with start("small", now=NOW, port_base=base, **FEW):
        pass


def test_after_stop_nobody_answers() -> None:
    with start("small", now=NOW, **FEW) as sandbox:
        url = sandbox.addresses["radist"]["base_url"]
        with httpx.Client(verify=NO_CERTIFICATES) as client:
            assert client.get(f"{url}/users/me").status_code == 401
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/users/me", verify=NO_CERTIFICATES)


def test_the_default_days_are_forty_up_to_now_and_time_goes_on() -> None:
    clock = [NOW]
    with start("small", now=lambda: clock[0]) as sandbox:
        company = sandbox.world.company
        assert (company.first_day, company.last_day) == (date(2026, 10, 12), date(2026, 11, 22))
        before = len(sandbox.world.events(sandbox.world.now()))
        clock[0] = NOW + timedelta(days=1)
        assert len(sandbox.world.events(sandbox.world.now())) > before


def test_every_vendor_tells_the_time_of_its_own_clock() -> None:
    with start("small", now=NOW, **FEW) as outside:
        for name, port in outside.ports.items():
            answer = httpx.get(f"http://127.0.0.1:{port}/", verify=NO_CERTIFICATES)
            told = [parsedate_to_datetime(text) for text in answer.headers.get_list("date")]
            assert told == [NOW.replace(microsecond=0)], name


def test_a_wrong_size_frees_the_ports() -> None:
    base = free_base()
    with pytest.raises(ValueError, match="unknown company size"):
        start("huge", port_base=base)
    with start("small", now=NOW, port_base=base, **FEW):
        pass


@pytest.mark.parametrize(
    ("build", "path"),
    [(amocrm.build_app, "/api/v4/account"), (radist.build_app, "/v2/users/me"), (telegram.build_app, "/botx/getMe")],
)
def test_each_app_stands_alone(build: object, path: str) -> None:
    world = World(generate(1, "small", date(2026, 11, 19), date(2026, 11, 20)), lambda: NOW)
    request_log = RequestLog()
    app = build(world, request_log, Faults())  # type: ignore[operator]
    with TestClient(app) as client:
        assert client.get(path).status_code == 401
        assert (
            [row["status"] for row in client.get("/_journal").json()]
            == [401]
            == [r["status"] for r in request_log.requests()]
        )


def test_the_oracle_counts_half_open_windows_and_nothing_of_the_future() -> None:
    world = World(generate(7, "small", date(2026, 11, 10), date(2026, 11, 20)), lambda: NOW)
    start_, middle, end = (datetime(2026, 11, d, 17, 1, tzinfo=UTC) for d in (12, 14, 16))
    whole, first, second = world.expected(start_, end), world.expected(start_, middle), world.expected(middle, end)
    joined = {chat: first.messages.get(chat, []) + second.messages.get(chat, []) for chat in whole.messages}
    assert joined == whole.messages != {}
    assert first.events + second.events == whole.events != []
    chat = max(world.company.chats, key=lambda c: len(c.messages))
    low, high = chat.messages[3], chat.messages[6]
    assert world.expected(low.at, high.at).messages[chat.id] == [m.id for m in chat.messages[3:6]]
    future = world.expected(NOW, NOW + timedelta(days=1))
    assert future.messages == {} and future.events == [] and future.leads == {}
