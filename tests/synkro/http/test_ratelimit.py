"""The pace of one account: what is decided, by a clock of the test; and in real processes, by the database's clock."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from synkro.core.errors import Cancelled, PermanentError, TransientError
from synkro.core.settings import settings
from synkro.database import db
from synkro.database.embedded.postgres import EmbeddedPostgres
from synkro.database.migrations import migrate
from synkro.http import local_limiter, permits
from synkro.http.ratelimit import CompositeLimiter, Limiter, LocalLimiter, PostgresLimiter, pace
from tests.support.virtual_time import VirtualTime

Connect = Callable[[], AbstractContextManager[Any]]

#: the database reads the clock of the test where a connection was told one, its own otherwise
CLOCK = """
create schema virtual;
grant usage on schema virtual to public;
create function virtual.clock_timestamp() returns timestamptz language sql volatile as $$
  select coalesce(nullif(current_setting('virtual.now', true), '')::timestamptz, pg_catalog.clock_timestamp())
$$;
alter function private.take_turn set search_path = virtual, pg_catalog;
"""
SEARCH_PATH = "-c search_path=virtual,pg_catalog,public"

#: takes permits in four threads and prints the moment of each
PROGRAM = """
import sys, threading, psycopg
from synkro.http.ratelimit import PostgresLimiter
url, key, rate, permits = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
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
        for _ in range(permits):
            limiter.acquire()
            print(f"{log[0].moment.timestamp()}\\n", end="", flush=True)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


def watched(limiter: Limiter, log: list[float]) -> Limiter:
    """Writes down the permits that were granted and kept, by the limiter's own clock."""
    inner: Any = getattr(limiter, "_joined", limiter)
    asked = inner._ask

    def stamp(moment: Any) -> float:
        return float(moment.timestamp() if hasattr(moment, "timestamp") else moment)

    def ask(before: Any, max_wait: float) -> Any:
        permit = asked(before, max_wait)
        if before is not None and before.granted:
            log.remove(stamp(before.moment))
        if permit.granted:
            log.append(stamp(permit.moment))
        return permit

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
        with psycopg.connect(server.url()) as connection:
            connection.execute(CLOCK)
        yield server.url()
    finally:
        server.destroy()


@pytest.fixture(scope="module")
def pool(url: str) -> Iterator[ConnectionPool]:
    with ConnectionPool(url, min_size=1, max_size=4, kwargs={"options": SEARCH_PATH}) as made:
        made.wait()
        yield made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """The limiters' clock in this process; a statement takes no time."""
    made = VirtualTime()
    for module in (permits, local_limiter):
        monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def connect(pool: ConnectionPool, clock: VirtualTime) -> Connect:
    """Opens the database with the same clock."""

    @contextlib.contextmanager
    def opened() -> Iterator[psycopg.Connection]:
        with pool.connection() as connection:
            now = datetime.fromtimestamp(1_800_000_000 + clock.monotonic(), UTC)
            connection.execute("select set_config('virtual.now', %s, false)", [now.isoformat()])
            yield connection

    return opened


Make = Callable[[float], Limiter]


@pytest.fixture(params=["local", "postgres", "both"])
def make(request: pytest.FixtureRequest, clock: VirtualTime) -> Make:
    """One account; every call gives a limiter of it, as every process would make its own."""
    if request.param == "postgres":
        connect = request.getfixturevalue("connect")
        return lambda rate: PostgresLimiter(connect, request.node.name, rate)
    shared: list[Limiter] = []

    def local(rate: float) -> Limiter:
        if not shared:
            one = LocalLimiter(rate)
            shared.append(one if request.param == "local" else CompositeLimiter(one, LocalLimiter(rate * 2)))
        return shared[0]

    return local


def about(seconds: float) -> Any:
    """Moments of the database differ by a microsecond."""
    return pytest.approx(seconds, abs=0.001)


def test_a_pace_fills_its_window_and_no_more(make: Make) -> None:
    """Aimed at: the window of the request N places before is not waited for; permits spaced evenly."""
    moments: list[float] = []
    limiter = watched(make(4), moments)
    for _ in range(13):
        limiter.acquire()
    assert moments[3] - moments[0] == about(0), "what is free is taken at once"
    assert min(spans(moments, 4)) > 0.999
    assert moments[-1] - moments[0] == about(3)


def test_a_pace_with_a_fraction_counts_in_a_longer_window(make: Make) -> None:
    """2.5 a second are 3 in 1.2 s: 2 in 0.8 s would let four go in one second."""
    moments: list[float] = []
    limiter = watched(make(2.5), moments)
    for _ in range(7):
        limiter.acquire()
    assert busiest_second(moments) == 3
    assert moments[-1] - moments[0] == about(2.4)


def test_an_idle_account_saves_up_one_window_and_no_more(make: Make, clock: VirtualTime) -> None:
    limiter = make(5)
    clock.sleep(0.5)
    started = clock.monotonic()
    for _ in range(6):
        limiter.acquire()
    assert clock.monotonic() - started == about(1)


def test_who_comes_first_goes_first(make: Make, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aimed at: a newcomer does not count those who wait."""
    limiter = make(1)
    limiter.acquire()
    started = clock.monotonic()
    order: list[int] = []
    promised: list[float] = []
    inner: Any = getattr(limiter, "_joined", limiter)
    asked = inner._ask

    def ask(before: Any, max_wait: float) -> Any:
        permit = asked(before, max_wait)
        if before is None:
            promised.append(clock.monotonic() - started + permit.wait)
        return permit

    monkeypatch.setattr(inner, "_ask", ask)

    def work(number: int) -> None:
        limiter.acquire()
        order.append(number)

    actors = []
    for number in range(3):
        actors.append(clock.start(lambda number=number: work(number)))
        clock.sleep(0.15)
    for actor in actors:
        actor.join()
    assert promised == [about(1), about(2), about(3)]
    assert order == [0, 1, 2]
    assert clock.monotonic() - started == about(3)


def test_eight_callers_fill_one_pace(make: Make, clock: VirtualTime) -> None:
    """Nobody's wait makes a place stand empty. Aimed at: permits that go stale while others are slept for."""
    moments: list[float] = []
    limiter = watched(make(pace(7)), moments)

    def work() -> None:
        for _ in range(4):
            limiter.acquire()

    for actor in [clock.start(work) for _ in range(8)]:
        actor.join()
    assert len(moments) == 32 and min(spans(moments, 7)) > 1.039
    # 32 = 4 * 7 + 4: the last ones go in the fifth window
    assert max(moments) - min(moments) == about(4 * 1.04)


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
    # their permits are given up a second after they came
    assert sum(limiter.acquire(max_wait=6) for _ in range(2)) < 6


def test_a_late_waker_does_not_crowd_the_second(
    make: Make, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He writes down when he really went. Aimed at: lateness is not looked at."""
    limiter, moments = make(3), []
    asleep, late = clock.sleep, []

    def oversleep(seconds: float) -> None:
        # once, when his permit has been granted
        too_long = 0.4 if len(moments) == 3 and not late and 0 < seconds < 0.06 else 0.0
        late.extend([too_long] * (too_long > 0))
        asleep(seconds + too_long)

    monkeypatch.setattr(clock, "sleep", oversleep)
    for _ in range(8):
        limiter.acquire()
        moments.append(clock.monotonic())
    assert late == [0.4]
    assert moments[3] - moments[0] == about(1.4)
    assert min(spans(moments, 3)) > 0.999


def test_a_block_stops_everyone_even_those_asleep(make: Make, clock: VirtualTime) -> None:
    limiter = make(4)
    for _ in range(4):
        limiter.acquire()
    awake: list[float] = []

    def sleeper() -> None:
        limiter.acquire()
        awake.append(clock.monotonic())

    actor = clock.start(sleeper)
    clock.sleep(0.1)
    started = clock.monotonic()
    make(4).block(1.6)
    make(4).block(0.1)  # does not shorten the first
    limiter.acquire()
    assert clock.monotonic() - started >= 1.599
    actor.join()
    assert awake[0] - started >= 1.599


def test_a_429_slows_the_account_and_spaces_it_evenly(
    make: Make, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four fifths of the pace for a while, one at a time; the answers of one storm count once."""
    monkeypatch.setattr(permits, "SLOWED", 1.5)
    moments: list[float] = []
    limiter = watched(make(10), moments)
    for _ in range(3):
        make(10).block(1.0)
    started = clock.monotonic()
    while clock.monotonic() - started < 2.2:
        limiter.acquire()
    gaps = spans(moments, 1)
    assert (min(gaps), max(gaps)) == (about(0.125), about(0.125))
    clock.sleep(started + 3.5 - clock.monotonic())
    moments.clear()
    for _ in range(10):
        limiter.acquire()
    assert max(moments) - min(moments) == about(0), "restored"


@pytest.mark.parametrize("pause", [0.1, 0.4, 0.9])
def test_a_burst_before_a_429_is_still_counted_after_it(make: Make, clock: VirtualTime, pause: float) -> None:
    """Red when a slowed account looks at its last request only: the vendor's second holds the refused burst too."""
    moments: list[float] = []
    limiter = watched(make(5), moments)
    for _ in range(5):
        limiter.acquire()
    make(5).block(pause)
    for _ in range(10):
        limiter.acquire()
    assert min(spans(moments, 5)) > 0.999
    assert max(spans(moments, 1)) == about(1.0), "the next one waits for the vendor's second and no longer"


def test_a_second_429_soon_after_the_first_slows_for_long(
    make: Make, clock: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One may be a stray; two are no accident. Red when both slow for the same while."""
    monkeypatch.setattr(permits, "SLOWED", 0.3)
    moments: list[float] = []
    limiter = watched(make(10), moments)
    for gap in (0, 0.125):
        make(10).block(0.05)
        clock.sleep(0.5)
        moments.clear()
        for _ in range(6):
            limiter.acquire()
        assert min(spans(moments, 1)) == about(gap)


def test_a_vendor_that_goes_on_saying_429_is_asked_slower_still(make: Make, clock: VirtualTime) -> None:
    """Aimed at: every 429 sets the same pace. Never below half of it."""
    moments: list[float] = []
    limiter = watched(make(10), moments)
    for wanted in (0.125, 0.15625, 0.1953, 0.2, 0.2):
        make(10).block(0.02)
        clock.sleep(0.05)
        moments.clear()
        for _ in range(6):
            limiter.acquire()
        assert min(spans(moments, 1)) == about(wanted)


def test_a_long_block_is_reported_at_once(make: Make, clock: VirtualTime) -> None:
    limiter = make(100)
    limiter.block(300)
    started = clock.monotonic()
    with pytest.raises(TransientError) as caught:
        limiter.acquire(max_wait=10)
    assert caught.value.retry_after == about(300)
    assert clock.monotonic() == started


def test_an_attempt_during_a_block_reserves_nothing(make: Make, clock: VirtualTime) -> None:
    limiter = make(50)
    limiter.block(0.5)
    for _ in range(10):
        with pytest.raises(TransientError):
            limiter.acquire(max_wait=0.01)
    clock.sleep(0.5)
    assert limiter.acquire() < 0.15


def test_an_operators_block_lasts_until_he_looked(make: Make, clock: VirtualTime) -> None:
    limiter = make(100)
    limiter.block_until_operator("API заблокирован")
    limiter.block(0.01)
    limiter.block_until_operator("другая причина")
    clock.sleep(86_400)
    for _ in range(3):
        with pytest.raises(PermanentError, match="остановлены"):
            make(100).acquire()
    limiter.unblock()
    limiter.acquire()


def test_waiting_can_be_cancelled(make: Make, clock: VirtualTime) -> None:
    """At the next look up, half a second later at most."""
    limiter = make(100)
    limiter.block(30)
    started = clock.monotonic()

    def check() -> None:
        if clock.monotonic() - started > 0.2:
            raise Cancelled("Запуск остановлен.")

    with pytest.raises(Cancelled):
        limiter.acquire(check=check)
    assert clock.monotonic() - started <= 0.2 + 0.5


def test_accounts_do_not_wait_for_each_other(connect: Connect, clock: VirtualTime) -> None:
    one, two = (PostgresLimiter(connect, f"account-{n}", 0.5) for n in "ab")
    one.acquire()
    started = clock.monotonic()
    two.acquire()
    assert clock.monotonic() == started


def pair(place: str, connect: Connect) -> tuple[Limiter, Limiter]:
    """A listing of 2 a second inside an account of 8."""
    if place == "local":
        narrow, wide = LocalLimiter(2), LocalLimiter(8)
        return CompositeLimiter(narrow, wide), wide
    narrow_row, wide_row = (PostgresLimiter(connect, f"pair-{rate}", rate) for rate in (2, 8))
    return CompositeLimiter(narrow_row, wide_row), wide_row


@pytest.mark.parametrize("place", ["local", "postgres"])
def test_a_pair_is_one_turn_of_both(place: str, connect: Connect, clock: VirtualTime) -> None:
    """While the listing waits for the wide pace, its narrow permit does not go stale, and the others go on.

    Aimed at: the narrow permit is taken first and slept away in the wide one's queue; a listing that
    waits for its own second keeps a place in the wide one empty.
    """
    listing, wide = pair(place, connect)
    listed: list[float] = []
    others: list[float] = []
    until = clock.monotonic() + 4

    def work(limiter: Limiter) -> None:
        while clock.monotonic() < until:
            limiter.acquire()

    listing, wide = watched(listing, listed), watched(wide, others)
    for actor in [clock.start(lambda limiter=limiter: work(limiter)) for limiter in (listing, wide, wide, wide, wide)]:
        actor.join()
    assert min(spans(listed, 2)) > 0.999
    together = listed + others
    assert min(spans(together, 8)) > 0.999
    assert max(spans(together, 8)) == about(1) and len(listed) >= 8, "no place stays empty"


def test_a_pair_is_kept_in_one_place(connect: Connect) -> None:
    with pytest.raises(TypeError):
        CompositeLimiter(LocalLimiter(1), PostgresLimiter(connect, "x", 1))


def test_eight_threads_of_two_processes_share_one_pace(url: str) -> None:
    """In real time, by the moments in the database."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, "shared", str(pace(7)), "4"],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        )
        for _ in range(2)
    ]  # fmt: skip
    moments: list[float] = []
    for child in children:
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0
        moments += [float(line) for line in out.splitlines()]
    assert len(moments) == 2 * 4 * 4
    # amoCRM refuses the eighth
    assert busiest_second(moments) <= 7 and min(spans(moments, 7)) > 1.039


def test_a_clock_set_back_stops_nobody(connect: Connect) -> None:
    """Moments in the future count as now; an hour's wait would be a dead account."""
    limiter = PostgresLimiter(connect, "clock", 2)
    limiter.acquire()
    with connect() as connection:
        connection.execute(
            "update private.vendor_limits set let_go = array[an_hour_on, an_hour_on], waiting = array[an_hour_on]"
            " from (select clock_timestamp() + interval '1 hour' an_hour_on) later where account_key = 'clock'"
        )
    assert limiter.acquire(max_wait=5) < 5


def test_a_turn_costs_two_statements_at_most(connect: Connect) -> None:
    calls = 0

    @contextlib.contextmanager
    def counted() -> Iterator[psycopg.Connection]:
        nonlocal calls
        calls += 1
        with connect() as connection:
            yield connection

    limiter = PostgresLimiter(counted, "statements", 5)
    for _ in range(5):
        limiter.acquire()
    assert calls == 5, "what is free is taken by one"
    for _ in range(10):
        limiter.acquire()
    assert calls <= 5 + 2 * 10


def test_it_works_through_the_service_door(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In real time."""
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


def test_infinity_is_no_problem_for_waiting(clock: VirtualTime) -> None:
    limiter = LocalLimiter(1000)
    assert limiter.acquire(max_wait=math.inf) == 0
    with contextlib.suppress(TransientError):
        limiter.acquire(max_wait=0.0)
