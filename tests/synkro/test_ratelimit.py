"""The pace of one account, measured: in threads, in processes, and around blocks."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from synkro import db, ratelimit_turns
from synkro.embedded import EmbeddedPostgres
from synkro.errors import Cancelled, PermanentError, TransientError
from synkro.migrations import migrate
from synkro.ratelimit import AMOCRM_PER_SECOND, Both, Limiter, LocalLimiter, PostgresLimiter
from synkro.settings import settings

Connect = Callable[[], AbstractContextManager[Any]]

#: takes turns until the time is over and prints the moment of each
PROGRAM = """
import sys, threading, time, psycopg
from synkro.ratelimit import PostgresLimiter
url, key, rate, until = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
def work():
    with psycopg.connect(url, autocommit=True) as connection:
        class Held:
            def __enter__(self): return connection
            def __exit__(self, *_): pass
        limiter, log = PostgresLimiter(Held, key, rate), []
        asked = limiter._ask
        def ask(before, max_wait):
            log[:] = [asked(before, max_wait)]
            return log[0]
        limiter._ask = ask
        while time.time() < until:
            limiter.acquire()
            print(f"{log[0].moment.timestamp()}\\n", end="", flush=True)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


def watched(limiter: Limiter, log: list[float]) -> Limiter:
    """Writes down the turns that were granted and kept, by the limiter's own clock: a busy machine wakes us late."""
    inner: Any = getattr(limiter, "_joined", limiter)
    asked = inner._ask

    def stamp(moment: Any) -> float:
        return float(moment.timestamp() if hasattr(moment, "timestamp") else moment)

    def ask(before: Any, max_wait: float) -> Any:
        turn = asked(before, max_wait)
        if before is not None and before.granted:
            log.remove(stamp(before.moment))
        if turn.granted:
            log.append(stamp(turn.moment))
        return turn

    inner._ask = ask
    return limiter


def spans(moments: list[float], count: int) -> list[float]:
    """From each request to the ``count``-th after it."""
    moments = sorted(moments)
    return [later - first for first, later in zip(moments, moments[count:], strict=False)]


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


@pytest.fixture(scope="module")
def pool(url: str) -> Iterator[Connect]:
    """Opening a connection takes longer than a turn."""
    with ConnectionPool(url, min_size=6, max_size=12, kwargs={"prepare_threshold": None}) as made:
        made.wait()
        yield made.connection


Make = Callable[[float], Limiter]


@pytest.fixture(params=["local", "postgres", "both"])
def make(request: pytest.FixtureRequest) -> Make:
    """One account; every call gives a limiter of it, as every process would make its own."""
    key = f"{request.node.name}-{time.time()}"
    if request.param == "postgres":
        pool = request.getfixturevalue("pool")
        return lambda rate: PostgresLimiter(pool, key, rate)
    shared: list[Limiter] = []

    def local(rate: float) -> Limiter:
        if not shared:
            one = LocalLimiter(rate)
            shared.append(one if request.param == "local" else Both(one, LocalLimiter(rate * 2)))
        return shared[0]

    return local


def test_a_pace_fills_its_window_and_no_more(make: Make) -> None:
    """Aimed at: the window of the request N places before is not waited for; turns spaced evenly."""
    moments: list[float] = []
    limiter = watched(make(4), moments)
    for _ in range(13):
        limiter.acquire()
    assert moments[3] - moments[0] < 0.6, "what is free is taken at once"
    assert min(spans(moments, 4)) > 0.999
    assert moments[-1] - moments[0] < 3.6


def test_a_pace_with_a_fraction_counts_in_a_longer_window(make: Make) -> None:
    """2.5 a second are 3 in 1.2 s: 2 in 0.8 s would let four go in one second."""
    moments: list[float] = []
    limiter = watched(make(2.5), moments)
    for _ in range(7):
        limiter.acquire()
    assert busiest_second(moments) == 3
    assert 2.39 < moments[-1] - moments[0] < 3.2


def test_an_idle_account_saves_up_one_window_and_no_more(make: Make) -> None:
    limiter = make(5)
    time.sleep(0.5)
    started = time.monotonic()
    for _ in range(6):
        limiter.acquire()
    assert 0.97 < time.monotonic() - started < 1.4


def test_who_comes_first_goes_first(make: Make) -> None:
    """Aimed at: a newcomer does not count those who wait."""
    limiter = make(1)
    limiter.acquire()
    order: list[int] = []

    def work(number: int) -> None:
        make(1).acquire()
        order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.15)
    started = time.monotonic()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2]
    assert time.monotonic() - started < 3.2


def test_who_gave_up_holds_nobody_up(make: Make) -> None:
    limiter = make(1)
    limiter.acquire()

    def stop() -> None:
        raise Cancelled("Запуск остановлен.")

    for _ in range(3):
        with pytest.raises(Cancelled):
            limiter.acquire(check=stop)
    with pytest.raises(TransientError):
        limiter.acquire(max_wait=0.2)
    # their turns are given up a second after they came
    assert sum(limiter.acquire(max_wait=6) for _ in range(2)) < 6


def test_a_late_waker_does_not_crowd_the_second(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """He writes down when he really went. Aimed at: lateness is not looked at."""
    limiter, moments = make(3), []
    asleep = time.sleep

    def oversleep(seconds: float) -> None:
        # once, when his turn has been granted
        asleep(seconds + (0.4 if len(moments) == 3 and seconds < 0.06 else 0))
        moments.append(-1.0) if len(moments) == 3 and seconds < 0.06 else None

    for number in range(8):
        monkeypatch.setattr(ratelimit_turns.time, "sleep", oversleep if number == 3 else asleep)
        limiter.acquire()
        moments = [moment for moment in moments if moment > 0]
        moments.append(time.monotonic())
    assert all(later - first > 0.97 for first, later in zip(moments, moments[3:], strict=False))


def test_a_block_stops_everyone_even_those_asleep(make: Make) -> None:
    limiter = make(4)
    for _ in range(4):
        limiter.acquire()
    awake: list[float] = []

    def sleeper() -> None:
        limiter.acquire()
        awake.append(time.monotonic())

    thread = threading.Thread(target=sleeper)
    thread.start()
    time.sleep(0.1)
    started = time.monotonic()
    make(4).block(1.6)
    make(4).block(0.1)  # does not shorten the first
    limiter.acquire()
    assert time.monotonic() - started >= 1.58
    thread.join()
    assert awake[0] - started >= 1.58


def test_a_429_slows_the_account_and_spaces_it_evenly(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four fifths of the pace for a while, one at a time; the answers of one storm count once."""
    monkeypatch.setattr(ratelimit_turns, "SLOWED", 1.5)
    moments: list[float] = []
    limiter = watched(make(10), moments)
    for _ in range(3):
        make(10).block(1.0)
    started = time.monotonic()
    while time.monotonic() - started < 2.2:
        limiter.acquire()
    # who was late is later still: the narrowest gap is the pace
    assert min(spans(moments, 1)) == pytest.approx(0.125, abs=0.01)
    time.sleep(max(0.0, started + 3.5 - time.monotonic()))
    moments.clear()
    for _ in range(10):
        limiter.acquire()
    assert min(spans(moments, 1)) < 0.11, "restored"


def test_a_second_429_soon_after_the_first_slows_for_long(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """One may be a stray; two are no accident. Red when both slow for the same while."""
    monkeypatch.setattr(ratelimit_turns, "SLOWED", 0.3)
    moments: list[float] = []
    limiter = watched(make(10), moments)
    for wanted_slow in (False, True):
        make(10).block(0.05)
        time.sleep(0.5)
        moments.clear()
        for _ in range(6):
            limiter.acquire()
        assert (min(spans(moments, 1)) > 0.115) is wanted_slow


def test_a_vendor_that_goes_on_saying_429_is_asked_slower_still(make: Make) -> None:
    """Aimed at: every 429 sets the same pace. Never below half of it."""
    moments: list[float] = []
    limiter = watched(make(10), moments)
    for wanted in (0.125, 0.156, 0.195, 0.2, 0.2):
        make(10).block(0.02)
        time.sleep(0.05)
        moments.clear()
        for _ in range(6):
            limiter.acquire()
        assert min(spans(moments, 1)) == pytest.approx(wanted, abs=0.012)


def test_a_long_block_is_reported_at_once(make: Make) -> None:
    limiter = make(100)
    limiter.block(300)
    started = time.monotonic()
    with pytest.raises(TransientError) as caught:
        limiter.acquire(max_wait=10)
    assert 299 < (caught.value.retry_after or 0) <= 300
    assert time.monotonic() - started < 0.5


def test_an_attempt_during_a_block_reserves_nothing(make: Make) -> None:
    limiter = make(50)
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


def test_accounts_do_not_wait_for_each_other(pool: Connect) -> None:
    one, two = (PostgresLimiter(pool, f"account-{n}", 0.5) for n in "ab")
    one.acquire()
    started = time.monotonic()
    two.acquire()
    assert time.monotonic() - started < 0.5


def pair(place: str, pool: Connect) -> tuple[Limiter, Limiter]:
    """A listing of 2 a second inside an account of 8."""
    if place == "local":
        narrow, wide = LocalLimiter(2), LocalLimiter(8)
        return Both(narrow, wide), wide
    narrow_row, wide_row = (PostgresLimiter(pool, f"pair-{rate}", rate) for rate in (2, 8))
    return Both(narrow_row, wide_row), wide_row


@pytest.mark.parametrize("place", ["local", "postgres"])
def test_a_pair_is_one_turn_of_both(place: str, pool: Connect) -> None:
    """While the listing waits for the wide pace, its narrow turn does not go stale, and the others go on.

    Aimed at: the narrow turn is taken first and slept away in the wide one's queue; a listing that
    waits for its own second keeps a place in the wide one empty.
    """
    listing, wide = pair(place, pool)
    listed: list[float] = []
    others: list[float] = []
    until = time.monotonic() + 4

    def work(limiter: Limiter) -> None:
        while time.monotonic() < until:
            limiter.acquire()

    listing, wide = watched(listing, listed), watched(wide, others)
    threads = [threading.Thread(target=work, args=(limiter,)) for limiter in (listing, wide, wide, wide, wide)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(spans(listed, 2)) > 0.999
    together = listed + others
    assert min(spans(together, 8)) > 0.999
    assert len(listed) >= 4 and len(together) >= 24


def test_a_pair_is_kept_in_one_place(pool: Connect) -> None:
    with pytest.raises(TypeError):
        Both(LocalLimiter(1), PostgresLimiter(pool, "x", 1))


def test_eight_threads_of_two_processes_share_one_pace(url: str) -> None:
    started = time.time()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, "shared", str(AMOCRM_PER_SECOND), str(started + 8)],
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
    # the first seven go at once; a busy machine makes fewer
    assert 0.4 < (len(moments) - 7) / (seconds * AMOCRM_PER_SECOND) < 1.05
    # amoCRM refuses the eighth
    assert busiest_second(moments) <= 7 and min(spans(moments, 7)) > 1.039


def test_a_clock_set_back_stops_nobody(url: str) -> None:
    """Moments in the future count as now; an hour's wait would be a dead account."""
    limiter = PostgresLimiter(lambda: psycopg.connect(url), "clock", 2)
    limiter.acquire()
    with psycopg.connect(url) as connection:
        connection.execute(
            "update private.vendor_limits set let_go = array[now() + interval '1 hour', now() + interval '1 hour'],"
            " waiting = array[now() + interval '1 hour'] where account_key = 'clock'"
        )
    assert limiter.acquire(max_wait=5) < 5


def test_a_turn_costs_two_statements_at_most(url: str) -> None:
    calls = 0

    @contextlib.contextmanager
    def counted() -> Iterator[psycopg.Connection]:
        nonlocal calls
        calls += 1
        yield held

    with psycopg.connect(url, autocommit=True) as held:
        limiter = PostgresLimiter(counted, "statements", 5)
        for _ in range(15):
            limiter.acquire()
    assert calls <= 5 + 2 * 10 + 2, "two of fifteen may have been late on a busy machine"


def test_it_works_through_the_service_door(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNKRO_DATABASE_URL", url)
    settings.cache_clear()
    try:
        limiter = PostgresLimiter(lambda: db.as_service("limits"), "service", 20)
        started = time.monotonic()
        for _ in range(21):
            limiter.acquire()
        assert time.monotonic() - started > 0.9
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
