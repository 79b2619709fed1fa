"""The pace of one account, measured: in threads, in processes, and around blocks."""

from __future__ import annotations

import contextlib
import itertools
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from synkro import db
from synkro.embedded import EmbeddedPostgres
from synkro.errors import Cancelled, PermanentError, TransientError
from synkro.migrations import migrate
from synkro.ratelimit import AMOCRM_PER_SECOND, Both, Limiter, LocalLimiter, PostgresLimiter
from synkro.settings import settings

#: takes slots until the time is over and prints when it had each
PROGRAM = """
import sys, threading, time, psycopg
from synkro.ratelimit import PostgresLimiter
url, key, rate, until = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
def work():
    with psycopg.connect(url, autocommit=True) as connection:
        class Held:
            def __enter__(self): return connection
            def __exit__(self, *_): pass
        limiter = PostgresLimiter(Held, key, rate)
        while time.time() < until:
            limiter.acquire()
            print(time.time(), flush=True)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


def busiest_second(moments: list[float]) -> int:
    moments = sorted(moments)
    return max(sum(1 for m in moments[i:] if m < start + 1.0) for i, start in enumerate(moments))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("limits"))
    server.start()
    try:
        migrate(server.url())
        yield server.url()
    finally:
        server.destroy()


Make = Callable[[float], Limiter]


@pytest.fixture(params=["local", "postgres", "both"])
def make(request: pytest.FixtureRequest) -> Make:
    """One account; every call gives a limiter of it, as every process would make its own."""
    key = f"{request.node.name}-{time.time()}"
    if request.param == "postgres":
        url = request.getfixturevalue("url")
        return lambda rate: PostgresLimiter(lambda: psycopg.connect(url), key, rate)
    shared: list[Limiter] = []

    def local(rate: float) -> Limiter:
        if not shared:
            one = LocalLimiter(rate)
            shared.append(one if request.param == "local" else Both(one, LocalLimiter(rate * 2)))
        return shared[0]

    return local


def test_slots_are_spaced(make: Make) -> None:
    limiter, moments = make(20), []
    for _ in range(11):
        limiter.acquire()
        moments.append(time.monotonic())
    assert 0.48 < moments[-1] - moments[0] < 0.9
    assert min(b - a for a, b in itertools.pairwise(moments)) > 0.02


def test_an_idle_account_saves_up_no_burst(make: Make) -> None:
    limiter = make(20)
    limiter.acquire()
    time.sleep(0.4)
    started = time.monotonic()
    for _ in range(5):
        limiter.acquire()
    assert time.monotonic() - started > 0.18


def test_a_block_stops_everyone_even_those_asleep(make: Make) -> None:
    limiter = make(4)
    limiter.acquire()
    awake: list[float] = []

    def sleeper() -> None:
        limiter.acquire()
        awake.append(time.monotonic())

    thread = threading.Thread(target=sleeper)
    thread.start()
    time.sleep(0.1)
    started = time.monotonic()
    make(4).block(0.6)
    make(4).block(0.1)  # does not shorten the first
    limiter.acquire()
    assert time.monotonic() - started >= 0.58
    thread.join()
    assert awake[0] - started >= 0.58


def test_a_long_block_is_reported_at_once(make: Make) -> None:
    limiter = make(100)
    limiter.block(300)
    started = time.monotonic()
    with pytest.raises(TransientError) as caught:
        limiter.acquire(max_wait=10)
    assert 299 < (caught.value.retry_after or 0) <= 300
    assert time.monotonic() - started < 0.5


def test_an_attempt_during_a_block_reserves_nothing(make: Make) -> None:
    limiter = make(5)
    limiter.block(0.5)
    for _ in range(10):
        with pytest.raises(TransientError):
            limiter.acquire(max_wait=0.01)
    time.sleep(0.5)
    assert limiter.acquire() < 0.15


def test_an_operators_block_lasts_until_he_looked(make: Make) -> None:
    limiter = make(100)
    limiter.block_until_operator("API заблокирован")
    limiter.block(0.01)
    limiter.block_until_operator("другая причина")
    time.sleep(0.05)
    for _ in range(3):
        with pytest.raises(PermanentError, match="остановлены"):
            make(100).acquire()
    limiter.unblock()
    limiter.acquire()


def test_waiting_can_be_cancelled(make: Make) -> None:
    limiter = make(100)
    limiter.block(30)
    started = time.monotonic()

    def check() -> None:
        if time.monotonic() - started > 0.2:
            raise Cancelled("Запуск остановлен.")

    with pytest.raises(Cancelled):
        limiter.acquire(check=check)
    assert time.monotonic() - started < 1.2


def test_accounts_do_not_wait_for_each_other(url: str) -> None:
    one, two = (PostgresLimiter(lambda: psycopg.connect(url), f"account-{n}", 0.5) for n in "ab")
    one.acquire()
    started = time.monotonic()
    two.acquire()
    assert time.monotonic() - started < 0.5


def test_the_narrow_pace_rules_a_pair() -> None:
    narrow, wide = LocalLimiter(5), LocalLimiter(50)
    listing, started = Both(narrow, wide), time.monotonic()
    for _ in range(4):
        listing.acquire()
    assert 0.58 < time.monotonic() - started < 0.9
    wide.acquire(max_wait=0.1)


def test_eight_threads_of_two_processes_share_one_pace(url: str) -> None:
    started = time.time()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, "shared", str(AMOCRM_PER_SECOND), str(started + 4)],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )
        for _ in range(2)
    ]  # fmt: skip
    moments: list[float] = []
    for child in children:
        out, _ = child.communicate(timeout=30)
        assert child.returncode == 0
        moments += [float(line) for line in out.splitlines()]
    seconds = max(moments) - min(moments)
    assert seconds > 2
    assert len(moments) - 1 == pytest.approx(seconds * AMOCRM_PER_SECOND, rel=0.1)
    # amoCRM refuses the eighth
    assert busiest_second(moments) <= 7


def test_it_works_through_the_service_door(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNKRO_DATABASE_URL", url)
    settings.cache_clear()
    try:
        limiter = PostgresLimiter(lambda: db.as_service("limits"), "service", 20)
        started = time.monotonic()
        for _ in range(3):
            limiter.acquire()
        assert time.monotonic() - started > 0.09
        limiter.block_until_operator("API заблокирован")
        with pytest.raises(PermanentError, match="API заблокирован"):
            limiter.acquire()
        limiter.unblock()
        limiter.acquire()
    finally:
        db.close()
        monkeypatch.undo()
        settings.cache_clear()


def test_infinity_is_no_problem_for_waiting() -> None:
    limiter = LocalLimiter(1000)
    assert limiter.acquire(max_wait=math.inf) < 0.1
    with contextlib.suppress(TransientError):
        limiter.acquire(max_wait=0.0)
