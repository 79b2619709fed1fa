"""The client against a vendor that throttles, breaks, lies and drips."""

from __future__ import annotations

import datetime
import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from synkro.core import clock
from synkro.core.errors import (
    AuthenticationError,
    Cancelled,
    ConfigurationError,
    DataError,
    NotFoundError,
    PermanentError,
    ReadOnlyViolation,
    SynkroError,
    TransientError,
)
from synkro.http import destination, factory, local_limiter, permits, transport
from synkro.http.factory import Bounds, VendorUnavailable
from synkro.http.ratelimit import LocalLimiter
from tests.support.virtual_time import VirtualTime
from tests.synkro.http.scripted_vendor import FakeVendor, answer, json_answer

#: repeated at once; a busy machine must not look like a slow vendor
FAST = Bounds(connect=60, read=60, total=60, body_bytes=1024 * 1024, backoff=0.01)
#: of one try, where the vendor is slow
SHORT = Bounds(connect=60, read=60, total=1.0, body_bytes=1024 * 1024, backoff=0.01)
TOKEN = "eyJ-canary-token-9f8e7d6c5b4a"


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    fake = FakeVendor()
    yield fake
    fake.close()


def make(vendor: FakeVendor, kind: Any = "amocrm", **options: Any) -> factory.VendorClient:
    options = {"limiter": LocalLimiter(1000), "bounds": FAST, "auth": factory.BearerAuth(TOKEN)} | options
    return factory.client(kind, vendor.url, account_key="test", allow_local=True, **options)


# --- what comes back -------------------------------------------------------------------------------------


def test_a_page_comes_back_decoded(vendor: FakeVendor) -> None:
    vendor.says(json_answer('{"имя": "Ёлка 🎄"}'.encode()))
    assert make(vendor).get("/api/v4/leads", {"page": 1}) == {"имя": "Ёлка 🎄"}
    assert b"authorization: bearer eyj-canary" in vendor.received[0].lower()
    assert b"GET /api/v4/leads?page=1 " in vendor.received[0]


@pytest.mark.parametrize("empty", [answer(204), answer(200), json_answer(b" \n")])
def test_an_empty_answer_is_none(vendor: FakeVendor, empty: bytes) -> None:
    vendor.says(empty)
    assert make(vendor).get("/x") is None


def test_gzip_is_unpacked(vendor: FakeVendor) -> None:
    vendor.says(json_answer(gzip.compress(b'{"a": 1}'), 200, "Content-Encoding: gzip"))
    assert make(vendor).get("/x") == {"a": 1}


def test_a_bare_list_is_wanted_explicitly(vendor: FakeVendor) -> None:
    vendor.says(json_answer(b"[1]"))
    assert make(vendor).get("/x", expect=list) == [1]
    with pytest.raises(DataError):
        make(vendor).get("/x")
    assert len(vendor.received) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, PermanentError), (401, AuthenticationError), (402, PermanentError), (403, PermanentError),
     (404, NotFoundError), (405, PermanentError), (409, PermanentError), (422, PermanentError)],
)  # fmt: skip
def test_a_refusal_is_not_repeated(vendor: FakeVendor, status: int, kind: type[SynkroError]) -> None:
    vendor.says(json_answer(f'{{"detail": "bad {TOKEN}", "status": {status}}}'.encode(), status))
    with pytest.raises(kind) as caught:
        make(vendor).get("/x")
    assert len(vendor.received) == 1
    assert caught.value.status == status  # type: ignore[attr-defined]
    assert caught.value.answer["status"] == status  # type: ignore[attr-defined]
    assert "bad" in (caught.value.detail or "") and TOKEN not in repr(vars(caught.value) | {"answer": ""})


BROKEN: dict[str, bytes] = {
    "html with 200": answer(200, b"<html>gateway</html>", "Content-Type: text/html"),
    "html without a type": answer(200, b"<html>gateway</html>"),
    "truncated json": json_answer(b'{"a": [1, 2'),
    "shorter than promised": answer(200, b'{"a": 1}', "Content-Type: application/json", length=100),
    "not utf-8": json_answer(b'{"a": "\xff\xfe"}'),
    "NaN": json_answer(b'{"a": NaN}'),
    "nested without end": json_answer(b"[" * 100_000),
    "broken gzip": json_answer(b"not gzip at all", 200, "Content-Encoding: gzip"),
    "cut gzip": json_answer(gzip.compress(b'{"a": "' + bytes(range(32, 127)) * 20)[:-30], 200, "Content-Encoding: gzip"),
    "gzip without its checksum": json_answer(
        gzip.compress(b'{"a": 1}')[:-4], 200, "Content-Encoding: gzip"
    ),
    "500": json_answer(b'{"title": "Internal Server Error"}', 500),
    "502 html": answer(502, b"<html>bad gateway</html>", "Content-Type: text/html"),
    "503": answer(503),
    "504": answer(504),
    "not http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_tried_four_times(vendor: FakeVendor, name: str) -> None:
    vendor.says(BROKEN[name])
    with pytest.raises(TransientError) as caught:
        make(vendor).get("/x")
    assert len(vendor.received) == 4
    assert caught.value.retry_after is not None


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_survived(vendor: FakeVendor, name: str) -> None:
    vendor.says(BROKEN[name], BROKEN[name], json_answer())
    assert make(vendor).get("/x") == {"ok": True}
    assert len(vendor.received) == 3


def reset(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def test_a_reset_in_the_body_is_survived(vendor: FakeVendor) -> None:
    vendor.says(reset, json_answer())
    assert make(vendor).get("/x") == {"ok": True}


def test_the_vendors_clock_is_that_of_its_first_answer(vendor: FakeVendor) -> None:
    vendor.says(
        json_answer(b"{}", 200, "Date: Wed, 01 Jan 2020 00:00:00 GMT"), json_answer(b"{}", 200, "Date: tomorrow")
    )
    client = make(vendor)
    assert client.vendor_clocks == []
    client.get("/x")
    client.get("/x")
    assert client.vendor_clocks == [datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)]


# --- how long, how much ----------------------------------------------------------------------------------


def drip(text: bytes, ended: threading.Event | None = None) -> Any:
    def slowly(peer: socket.socket, _: bytes) -> None:
        for byte in text:
            peer.sendall(bytes([byte]))
            time.sleep(0.05)
        if ended:
            ended.set()

    return slowly


def silent(peer: socket.socket, _: bytes) -> None:
    """Until the client hangs up."""
    peer.recv(1)


@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_dripping_server_meets_the_deadline_once(vendor: FakeVendor, where: str) -> None:
    """It is left alone long before it has said all: that would take half a minute."""
    whole = json_answer(b'{"a": "' + b"x" * 500 + b'"}')
    ended = threading.Event()
    vendor.says(
        drip(whole, ended)
        if where == "headers"
        else lambda peer, _: (peer.sendall(whole[:90]), drip(whole[90:], ended)(peer, _))[1]
    )
    started = time.monotonic()
    with pytest.raises(TransientError, match="слишком медленно"):
        make(vendor, bounds=SHORT).get("/x")
    assert time.monotonic() - started > 0.9 and not ended.is_set()
    assert len(vendor.received) == 1


def test_a_client_has_bounds_unless_told_otherwise() -> None:
    """Those of amoCRM's own SDK, a minute for the whole of a try, four tries."""
    with factory.client("amocrm", "https://acme.amocrm.ru", account_key="t", limiter=LocalLimiter(99)) as client:
        bounds = client._bounds
        assert (bounds.connect, bounds.read, bounds.total, bounds.tries) == (5.0, 20.0, 60.0, 4)
        assert (client._http.timeout.connect, client._http.timeout.read) == (5.0, 20.0)


def test_silence_meets_the_read_timeout(vendor: FakeVendor) -> None:
    vendor.says(silent)
    tries: list[int | None] = []
    with pytest.raises(TransientError, match="не ответил вовремя"):
        make(
            vendor,
            bounds=Bounds(connect=60, read=0.1, total=60, backoff=0.01),
            on_request=lambda method, path, status, seconds, received: tries.append(status),
        ).get("/x")
    assert tries == [None] * 4


def test_silence_meets_the_deadline_before_the_read_timeout(vendor: FakeVendor) -> None:
    """Which of the two it met is said."""
    vendor.says(silent)
    with pytest.raises(TransientError, match="слишком медленно"):
        make(vendor, bounds=Bounds(connect=60, read=60, total=0.2)).get("/x")


def test_a_gzip_bomb_ends_at_the_limit(vendor: FakeVendor) -> None:
    import tracemalloc

    vendor.says(json_answer(gzip.compress(b"0" * 60_000_000), 200, "Content-Encoding: gzip"))
    tracemalloc.start()
    with pytest.raises(DataError, match="слишком большой"):
        make(vendor).get("/x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000
    assert len(vendor.received) == 1


def test_an_endless_body_ends_at_the_limit(vendor: FakeVendor) -> None:
    def endless(peer: socket.socket, _: bytes) -> None:
        peer.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    vendor.says(endless)
    with pytest.raises(DataError, match="слишком большой"):
        make(vendor).get("/x")


def test_a_long_refusal_is_cut_not_raised_as_too_large(vendor: FakeVendor) -> None:
    vendor.says(answer(400, b"x" * 2_000_000))
    with pytest.raises(PermanentError) as caught:
        make(vendor).get("/x")
    assert len(caught.value.detail or "") < 400


def test_other_encodings_are_refused(vendor: FakeVendor) -> None:
    vendor.says(json_answer(b"....", 200, "Content-Encoding: br"))
    with pytest.raises(DataError):
        make(vendor).get("/x")


# --- 429 -------------------------------------------------------------------------------------------------

THROTTLED = {
    "header": (json_answer(b"{}", 429, "Retry-After: 0.4"), 0.4),
    "body of Kommo": (json_answer(b'{"retry_after": 0.4}', 429), 0.4),
    "body of Telegram": (json_answer(b'{"ok": false, "parameters": {"retry_after": 0.4}}', 429), 0.4),
    # our own pause: a fifth more or less of the first one
    "html": (answer(429, b"<html>slow down</html>", "Content-Type: text/html"), pytest.approx(0.01, rel=0.21)),
    "rubbish": (json_answer(b'{"retry_after": "soon"}', 429, "Retry-After: later"), pytest.approx(0.01, rel=0.21)),
}


class Blocks(LocalLimiter):
    """How long the account was stopped, each time, and that it was."""

    def __init__(self) -> None:
        super().__init__(1000)
        self.seconds: list[float] = []
        self.stopped = threading.Event()

    def block(self, seconds: float) -> None:
        super().block(seconds)
        self.seconds.append(seconds)
        self.stopped.set()


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """The limiters' clock."""
    made = VirtualTime()
    for module in (permits, local_limiter):
        monkeypatch.setattr(module, "time", made)
    return made


@pytest.mark.parametrize("name", THROTTLED)
def test_throttling_is_obeyed(vendor: FakeVendor, name: str) -> None:
    refusal, pause = THROTTLED[name]
    vendor.says(refusal, json_answer())
    limiter = Blocks()
    assert make(vendor, limiter=limiter).get("/x") == {"ok": True}
    assert limiter.seconds == [pause]
    assert vendor.at[1] - vendor.at[0] >= limiter.seconds[0]


def test_throttling_until_a_date_goes_by_the_vendors_clock(vendor: FakeVendor) -> None:
    there = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    headers = (
        f"Date: {format_datetime(there)}",
        f"Retry-After: {format_datetime(there + datetime.timedelta(seconds=1))}",
    )
    vendor.says(json_answer(b"{}", 429, *headers), json_answer())
    limiter = Blocks()
    assert make(vendor, limiter=limiter).get("/x") == {"ok": True}
    assert limiter.seconds == [1.0]
    assert vendor.at[1] - vendor.at[0] >= 1.0


@pytest.mark.parametrize("where", ["header", "body"])
def test_throttling_until_a_date_without_the_vendors_clock(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Ours, then."""
    now = clock.now().replace(microsecond=0)
    monkeypatch.setattr(clock, "now", lambda: now)
    date = format_datetime(now + datetime.timedelta(seconds=1), usegmt=True)
    refusal = (
        json_answer(b"{}", 429, f"Retry-After: {date}")
        if where == "header"
        else json_answer(f'{{"retry_after": "{date}"}}'.encode(), 429)
    )
    vendor.says(refusal, json_answer())
    limiter = Blocks()
    assert make(vendor, limiter=limiter).get("/x") == {"ok": True}
    assert limiter.seconds == [1.0]
    assert vendor.at[1] - vendor.at[0] >= 1.0


def test_throttling_stops_the_whole_account(vendor: FakeVendor) -> None:
    vendor.says(json_answer(b"{}", 429, "Retry-After: 0.5"), json_answer())
    limiter = Blocks()
    client = make(vendor, limiter=limiter)
    first = threading.Thread(target=lambda: client.get("/first"))
    first.start()
    assert limiter.stopped.wait(60)
    client.get("/second")
    first.join()
    assert len(vendor.received) == 3
    assert min(vendor.at[1:]) - vendor.at[0] >= 0.5


def test_a_pause_beyond_the_patience_is_reported(vendor: FakeVendor, pace: VirtualTime) -> None:
    """At once."""
    vendor.says(json_answer(b'{"retry_after": 300}', 429))
    client = make(vendor)
    started = pace.monotonic()
    with pytest.raises(TransientError) as caught:
        client.get("/x", patience=5)
    assert caught.value.retry_after == 300
    with pytest.raises(TransientError) as caught:
        client.get("/y", patience=5)
    assert caught.value.retry_after == 300
    assert pace.monotonic() == started
    assert len(vendor.received) == 1


def test_a_throttling_storm_ends_after_four_tries(vendor: FakeVendor) -> None:
    vendor.says(json_answer(b"{}", 429))
    with pytest.raises(TransientError):
        make(vendor).get("/x")
    assert len(vendor.received) == 4


class Counting(LocalLimiter):
    """How many permits were taken."""

    permits = 0

    def acquire(self, **options: Any) -> float:
        self.permits += 1
        return super().acquire(**options)


@pytest.mark.parametrize(("seconds", "permits"), [(0.0, 1), (0.1, 2)])
def test_a_turn_that_went_stale_while_a_connection_was_opened_is_taken_again(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch, seconds: float, permits: int
) -> None:
    """A handshake holds a request up: the vendor's second begins when it arrives, not when its permit came."""
    connect, stopwatch = socket.create_connection, VirtualTime()
    monkeypatch.setattr(transport, "time", stopwatch)

    def slowly(*args: Any, **options: Any) -> socket.socket:
        stopwatch.sleep(seconds)
        return connect(*args, **options)

    monkeypatch.setattr(socket, "create_connection", slowly)
    limiter = Counting(1000)
    assert make(vendor, limiter=limiter).get("/x") == {"ok": True}
    assert limiter.permits == permits


# --- 401, 403 --------------------------------------------------------------------------------------------


class Refreshing(factory.BearerAuth):
    def __init__(self) -> None:
        self.tokens = ["old-token-value", "new-token-value", "newer-token-value"]
        self.refreshed = 0
        super().__init__(lambda: self.tokens[self.refreshed])

    def refresh(self) -> bool:
        self.refreshed += 1
        return True


def test_an_expired_token_is_refreshed_once_and_the_call_repeated(vendor: FakeVendor) -> None:
    vendor.says(json_answer(b"{}", 401), json_answer())
    auth = Refreshing()
    assert make(vendor, auth=auth).get("/x") == {"ok": True}
    assert b"new-token-value" in vendor.received[1]
    assert auth.refreshed == 1


def test_a_token_refused_after_its_refresh_is_the_end(vendor: FakeVendor) -> None:
    vendor.says(json_answer(b"{}", 401))
    auth = Refreshing()
    with pytest.raises(AuthenticationError):
        make(vendor, auth=auth).get("/x")
    assert (auth.refreshed, len(vendor.received)) == (1, 2)


def test_a_blocked_account_is_not_called_again_until_somebody_looked(vendor: FakeVendor) -> None:
    vendor.says(answer(403, b"<html>Forbidden</html>", "Content-Type: text/html"))
    limiter = LocalLimiter(1000)
    client = make(vendor, limiter=limiter)
    with pytest.raises(PermanentError, match="API заблокирован или нет прав"):
        client.get("/x", forbidden_ok=True)
    for _ in range(5):
        with pytest.raises(PermanentError, match="остановлены"):
            client.get("/y")
    assert len(vendor.received) == 1
    limiter.unblock()
    vendor.says(json_answer())
    assert client.get("/y") == {"ok": True}


def test_a_right_that_may_be_missing_does_not_stop_the_account(vendor: FakeVendor) -> None:
    vendor.says(json_answer(b'{"title": "Forbidden"}', 403), json_answer())
    client = make(vendor)
    with pytest.raises(factory.VendorForbidden):
        client.get("/api/v4/users", forbidden_ok=True)
    assert client.get("/api/v4/leads") == {"ok": True}


# --- what may leave, and where to ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["amocrm", "radist"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "post", "get/", "TRACE"])
def test_a_read_only_vendor_receives_nothing_but_get(vendor: FakeVendor, kind: str, method: str) -> None:
    client = make(vendor, kind)
    for send in (client.request, lambda m, p: client._http.request(m, vendor.url + p)):
        with pytest.raises(ReadOnlyViolation):
            send(method, "/api/v4/leads")
    with pytest.raises(ReadOnlyViolation):
        client._http.get(vendor.url, headers={"X-HTTP-Method-Override": "DELETE"})
    assert (vendor.connections, vendor.received) == (0, [])


def test_the_token_endpoint_is_the_exception(vendor: FakeVendor) -> None:
    make(vendor).post("/oauth2/access_token", json={"a": 1}, anonymous=True)
    assert b"authorization" not in vendor.received[0].lower()
    for path in (
        "/oauth2/access_token/",
        "/oauth2/access_token/x",
        "/x?/oauth2/access_token",
        "//oauth2/access_token",
    ):
        with pytest.raises(SynkroError):
            make(vendor).post(path)
    with pytest.raises(ReadOnlyViolation):
        make(vendor, "radist").post("/oauth2/access_token")
    assert len(vendor.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", ["amocrm", "telegram"])
def test_a_redirect_is_not_followed(vendor: FakeVendor, status: int, kind: str) -> None:
    other = FakeVendor()
    vendor.says(answer(status, b"", f"Location: {other.url}/steal"))
    client = make(vendor, kind)
    with pytest.raises(PermanentError, match="перенаправляет"):
        client.get("/x")
    with pytest.raises(PermanentError):
        client._http.get(vendor.url, follow_redirects=True)
    assert (other.connections, len(vendor.received)) == (0, 2)


def test_a_next_link_is_followed_at_home_only(vendor: FakeVendor) -> None:
    other = FakeVendor()
    client = make(vendor)
    client.get(f"{vendor.url}/api/v4/leads?page=2&limit=250", {"with": "contacts"})
    assert b"GET /api/v4/leads?page=2&limit=250&with=contacts " in vendor.received[0]
    port = vendor.url.rpartition(":")[2]
    for link in (
        f"{other.url}/api/v4/leads?page=2",
        vendor.url.replace("http:", "https:") + "/x",
        f"http://localhost:{port}/x",
        f"http://user:pw@127.0.0.1:{port}/x",
        f"http://127.0.0.1:{port}@evil.example/x",
        f"http://127.0.0.1:{port}\\@evil.example/x",
        "//evil.example/x",
        "file:///etc/passwd",
        "gopher://127.0.0.1/x",
        "http://[::1/x",
        "/../../etc",
        "/x\r\nHost: evil",
        "/x#y",
        "/%00\x00",
    ):
        with pytest.raises(DataError):
            client.get(link)
    assert (other.connections, len(vendor.received)) == (0, 1)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "192.88.99.1", "198.18.0.1", "::1", "fc00::1", "fe80::1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:127.0.0.1",
     "2001:0:1::1", "ff02::1", "::"],
)  # fmt: skip
def test_a_name_that_points_inside_is_not_connected_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    connected: list[Any] = []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(socket.AF_INET, 1, 6, "", ("93.184.216.34", 443)), (family, 1, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: connected.append(a))
    with (
        factory.client("amocrm", "https://acme.amocrm.ru", account_key="t", limiter=LocalLimiter(99)) as client,
        pytest.raises(PermanentError, match="внутренний адрес"),
    ):
        client.get("/x")
    assert connected == []


def test_the_address_checked_is_the_address_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []
    answers = iter(["93.184.216.34", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(2, 1, 6, "", (next(answers), 443))])

    def connect(address: Any, *_: Any, **__: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    bounds = Bounds(tries=1)
    with (
        factory.client(
            "amocrm", "https://a.amocrm.ru", account_key="t", limiter=LocalLimiter(99), bounds=bounds
        ) as client,
        pytest.raises(TransientError, match="не принимает соединения"),
    ):
        client.get("/x")
    assert connected == [("93.184.216.34", 443)]


def test_a_client_is_made_for_allowed_hosts_only() -> None:
    for kind, url in [
        ("amocrm", "https://evil.example"), ("amocrm", "http://acme.amocrm.ru"), ("radist", "https://acme.amocrm.ru"),
        ("telegram", "https://api.telegram.org.evil.example"), ("ai", "https://api.openai.com@evil.example/v1"),
        ("amocrm", "http://127.0.0.1:1"),
    ]:  # fmt: skip
        with pytest.raises(ConfigurationError):
            factory.client(kind, url, account_key="t", allow_local=False)  # type: ignore[arg-type]


# --- sends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [reset, answer(502), silent, BROKEN["html with 200"]])
def test_a_send_that_may_have_arrived_is_not_repeated(vendor: FakeVendor, script: Any) -> None:
    vendor.says(script)
    with pytest.raises(VendorUnavailable) as caught:
        make(
            vendor,
            "telegram",
            auth=factory.BotTokenAuth("123456:AAcanary-token_x"),
            bounds=SHORT if script is silent else FAST,
        ).post("sendMessage", json={"text": "a"})
    assert caught.value.maybe_delivered
    assert len(vendor.received) == 1
    assert b"POST /bot123456:AAcanary-token_x/sendMessage " in vendor.received[0]
    assert "AAcanary" not in str(caught.value) + str(caught.value.detail)


def test_a_throttled_send_is_repeated(vendor: FakeVendor) -> None:
    vendor.says(json_answer(b'{"ok": false, "parameters": {"retry_after": 0.1}}', 429), json_answer())
    assert make(vendor, "telegram").post("sendMessage", json={}) == {"ok": True}


def test_a_refused_connection_is_repeated_even_for_a_send() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    tries: list[int | None] = []
    client = factory.client(
        "telegram", url, account_key="t", limiter=LocalLimiter(999), bounds=FAST, allow_local=True,
        on_request=lambda method, path, status, seconds, received: tries.append(status),
    )  # fmt: skip
    with pytest.raises(VendorUnavailable, match="не принимает соединения") as caught:
        client.post("sendMessage", json={})
    assert not caught.value.maybe_delivered
    assert tries == [None] * 4


# --- hooks, texts, secrets -------------------------------------------------------------------------------


def test_the_hooks_see_every_try_and_no_secret(vendor: FakeVendor) -> None:
    before: list[int] = []
    seen: list[tuple[Any, ...]] = []
    vendor.says(answer(503), json_answer())
    client = make(
        vendor, "telegram", auth=factory.BotTokenAuth("123456:AAcanary-token_x"),
        before_request=lambda: before.append(1), on_request=lambda *call: seen.append(call),
    )  # fmt: skip
    client.get("getMe", {"token": "x"})
    assert len(before) >= 2
    assert [call[:3] + call[4:] for call in seen] == [("GET", "/getMe", 503, 0), ("GET", "/getMe", 200, 12)]
    assert all(0 < call[3] < 60 for call in seen)


def test_a_cancelled_run_sends_nothing_more(vendor: FakeVendor, pace: VirtualTime) -> None:
    def stop() -> None:
        if vendor.received:
            raise Cancelled("Запуск остановлен.")

    vendor.says(json_answer(b"{}", 429, "Retry-After: 30"))
    started = pace.monotonic()
    with pytest.raises(Cancelled):
        make(vendor, before_request=stop).get("/x")
    assert pace.monotonic() - started <= 0.5, "not the half minute"
    assert len(vendor.received) == 1


def test_reprs_hold_no_secret(vendor: FakeVendor) -> None:
    for auth in (factory.BearerAuth(TOKEN), factory.ApiKeyAuth(TOKEN), factory.BotTokenAuth(TOKEN)):
        assert TOKEN not in repr(auth) + str(vars(make(vendor, auth=auth)))


def test_a_name_that_does_not_exist_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(destination.socket, "getaddrinfo", unknown)
    client = factory.client(
        "radist", "https://api.radist.online/v2", account_key="t", limiter=LocalLimiter(99), bounds=FAST
    )
    with pytest.raises(TransientError, match=r"Radist: не удалось найти адрес api\.radist\.online"):
        client.get("/x")


def test_a_dead_resolver_does_not_hold_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: given_up.wait(600) and [])
    bounds = Bounds(connect=0.2, tries=1)
    client = factory.client(
        "radist", "https://api.radist.online/v2", account_key="t", limiter=LocalLimiter(99), bounds=bounds
    )
    with pytest.raises(TransientError, match="не отвечает"):
        client.get("/x")
    given_up.set()


def self_signed(folder: Path) -> ssl.SSLContext:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


def test_an_unknown_certificate_is_refused(tmp_path: Path) -> None:
    context, received = self_signed(tmp_path), []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = server.accept()
        try:
            received.append(context.wrap_socket(peer, server_side=True).recv(1000))
        except OSError:
            peer.close()

    threading.Thread(target=serve, daemon=True).start()
    client = factory.client(
        "amocrm", f"https://localhost:{server.getsockname()[1]}", account_key="t", limiter=LocalLimiter(99),
        bounds=FAST, allow_local=True,
    )  # fmt: skip
    with pytest.raises(PermanentError, match="сертификат"):
        client.get("/x")
    assert received in ([], [b""])


# --- the AI's client -------------------------------------------------------------------------------------


async def test_the_ai_client_is_under_the_same_guards(vendor: FakeVendor) -> None:
    other = FakeVendor()
    async with factory.async_client_for_ai(f"{vendor.url}/v1", bounds=FAST, allow_local=True) as client:
        assert (await client.post(f"{vendor.url}/v1/chat", json={})).json() == {"ok": True}
        with pytest.raises(DataError):
            await client.get(other.url)
        vendor.says(answer(307, b"", f"Location: {other.url}"))
        with pytest.raises(PermanentError):
            await client.get(vendor.url, follow_redirects=True)
        vendor.says(json_answer(gzip.compress(b"0" * 20_000_000), 200, "Content-Encoding: gzip"))
        with pytest.raises(DataError, match="слишком большой"):
            await client.get(vendor.url)
    assert other.connections == 0


@pytest.mark.parametrize("said_at_once", [0, 80], ids=["headers", "body"])
async def test_the_ai_client_leaves_a_dripping_server_alone(vendor: FakeVendor, said_at_once: int) -> None:
    """Long before it has said all, as above."""
    whole, ended = json_answer(b"0" * 600), threading.Event()
    vendor.says(lambda peer, _: (peer.sendall(whole[:said_at_once]), drip(whole[said_at_once:], ended)(peer, _))[1])
    async with factory.async_client_for_ai(f"{vendor.url}/v1", bounds=SHORT, allow_local=True) as client:
        started = time.monotonic()
        with pytest.raises(httpx.ReadTimeout):
            await client.get(vendor.url)
        assert time.monotonic() - started > 0.9 and not ended.is_set()


async def test_the_openai_sdk_takes_it(vendor: FakeVendor) -> None:
    openai = pytest.importorskip("openai")
    vendor.says(json_answer(b'{"object": "list", "data": []}'))
    client = openai.AsyncOpenAI(
        api_key="sk-canary-000000", base_url=f"{vendor.url}/v1", max_retries=0,
        http_client=factory.async_client_for_ai(f"{vendor.url}/v1", bounds=FAST, allow_local=True),
    )  # fmt: skip
    assert [model async for model in client.models.list()] == []
    vendor.says(answer(302, b"", "Location: http://127.0.0.1:9/"))
    with pytest.raises(PermanentError, match="перенаправляет"):
        await client.models.list()
    vendor.says(reset)
    with pytest.raises(openai.APIConnectionError):
        await client.models.list()
    await client.close()
