"""Attempts to sign in: how many are looked at, whom they lock out and whom not, and what is written about them."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import httpx
import psycopg
import pytest

from app import auth
from synkro import accounts
from synkro.accounts import attempts, embedded
from synkro.accounts.attempts import TooManyAttempts
from synkro.core.errors import AuthenticationError, TransientError
from synkro.database import db
from synkro.tenancy.users import User
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World

pytestmark = pytest.mark.postgres
WRONG = "not the password at all"


def person() -> User:
    with db.as_service("test") as connection:
        return embedded.add(connection, f"{uuid4().hex[:10]}@company.example", PASSWORD)


@pytest.fixture(autouse=True)
def clean(world: World) -> None:
    with db.as_service("test") as connection:
        connection.execute("delete from private.sign_in_counters")
        connection.execute("delete from private.sign_in_failures")


def browser_at(site: Site, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(site.app, client=(address, 5000)), base_url="http://test")


async def enter(browser: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await browser.post("/login", data={"email": email, "password": password}, headers=ORIGIN)


# --- counting ---------------------------------------------------------------------------------------------


def test_parallel_guesses_share_the_ten_places(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    all_are_here = threading.Barrier(24)

    def verify(email: str, password: str, *_: object) -> User:
        looked_at.append(password)
        raise AuthenticationError("no")

    monkeypatch.setattr(embedded, "verify", verify)
    email = person().email

    def guess(number: int) -> None:
        all_are_here.wait(30)
        with pytest.raises(AuthenticationError):
            accounts.sign_in(email, f"guess {number}", f"10.1.0.{number}")

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(guess, range(24)))
    assert len(looked_at) == 10


def test_the_last_place_is_one_of_two_connections(world: World) -> None:
    """The second waits for the first to end, and then finds no place; had the first undone it, it would find one."""
    key = (("account", uuid4().hex),)
    for _ in range(9):
        with db.as_service("test") as connection:
            attempts.take(connection, key)

    def second() -> object:
        try:
            with db.as_service("second") as connection:
                attempts.take(connection, key)
                raise Undone
        except (Undone, TooManyAttempts) as error:
            return type(error)

    with ThreadPoolExecutor(1) as pool:
        for ends_well, expected in ((False, Undone), (True, TooManyAttempts)):
            with suppress(Undone), db.as_service("first") as connection:
                attempts.take(connection, key)
                asked = pool.submit(second)
                wait_until_somebody_waits()
                if not ends_well:
                    raise Undone
            assert asked.result(30) is expected


class Undone(Exception):
    """Rolls a transaction of a test back."""


def wait_until_somebody_waits() -> None:
    """Until a transaction of this database waits for another."""
    deadline = time.monotonic() + 30
    with psycopg.connect(db.owner_url(), autocommit=True) as watching:
        while time.monotonic() < deadline:
            row = watching.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            ).fetchone()
            if row and row[0]:
                return
    raise AssertionError("nobody waits")


def test_only_a_wrong_password_keeps_its_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    email = person().email
    for _ in range(11):
        assert accounts.sign_in(email, PASSWORD, "10.2.0.1").email == email
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "verify", lambda *_: (_ for _ in ()).throw(TransientError("the database is away")))
        for _ in range(11):
            with pytest.raises(TransientError):
                accounts.sign_in(email, PASSWORD, "10.2.0.1")
    for _ in range(9):
        with pytest.raises(AuthenticationError):
            accounts.sign_in(email, WRONG, "10.2.0.1")
    assert accounts.sign_in(email, PASSWORD, "10.2.0.1").email == email
    with pytest.raises(AuthenticationError, match="не подходят"):
        accounts.sign_in(email, WRONG, "10.2.0.1")
    with pytest.raises(TooManyAttempts):
        accounts.sign_in(email, PASSWORD, "10.2.0.1")
    with db.as_service("test") as connection:
        connection.execute(
            "update private.sign_in_counters set taken = array(select m - interval '15 minutes' from unnest(taken) m)"
        )
    assert accounts.sign_in(email, PASSWORD, "10.2.0.1").email == email, "the window is over"


def test_one_address_cannot_try_everybody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(attempts.LIMITS, "address", 12)
    email = person().email
    for number in range(12):
        with pytest.raises(AuthenticationError, match="не подходят"):
            accounts.sign_in(f"{number}@company.example", WRONG, f"2001:db8:1:2::{number}")
    with pytest.raises(TooManyAttempts, match="с этого адреса"):
        accounts.sign_in(email, PASSWORD, "2001:db8:1:2:ffff::1")
    assert accounts.sign_in(email, PASSWORD, "2001:db8:1:3::1").email == email


def test_many_addresses_cannot_try_everybody_and_stop_no_known_browser(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(attempts.LIMITS, "everybody", 12)
    email = person().email
    for number in range(12):
        with pytest.raises(AuthenticationError, match="не подходят"):
            accounts.sign_in(f"{number}@company.example", WRONG, f"10.3.0.{number}")
    with pytest.raises(TooManyAttempts):
        accounts.sign_in(email, PASSWORD, "10.3.1.1")
    assert accounts.sign_in(email, PASSWORD, "10.3.1.1", device="known").email == email


async def test_failures_elsewhere_do_not_lock_a_known_browser_out(site: Site, world: World) -> None:
    email, other = person().email, person().email
    async with browser_at(site, "10.4.0.1") as known, browser_at(site, "10.4.0.2") as elsewhere:
        entered = await enter(known, email)
        device = next(c for c in entered.headers.get_list("set-cookie") if "-device-" in c)
        assert "HttpOnly" in device and "SameSite=lax" in device and email not in device
        await known.post("/logout", headers=ORIGIN)
        await enter(elsewhere, other)
        for _ in range(12):
            refused = await enter(elsewhere, email, WRONG)
        assert refused.status_code == 401 and "Слишком много попыток" in refused.text
        assert (await enter(elsewhere, email)).status_code == 401, "another account's browser is no known one"
        # the same cookie under the name it would have for the other account
        stolen = next(value for name, value in elsewhere.cookies.items() if "-device-" in name)
        elsewhere.cookies.set(auth.device_cookie_name(email), stolen)
        assert (await enter(elsewhere, email)).status_code == 401
        assert (await enter(known, email, WRONG)).status_code == 401
        assert (await enter(known, email)).status_code == 303
        await known.post("/logout", headers=ORIGIN)
        for _ in range(10):
            await enter(known, email, WRONG)
        last = await enter(known, email)
        assert last.status_code == 401 and "Слишком много попыток" in last.text, "a known browser guesses ten times too"


def test_a_device_cookie_is_ours_and_young(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Response:
        def set_cookie(self, name: str, value: str, **_: object) -> None:
            self.cookies = {name: value}

    email = "someone@company.example"
    response = Response()
    auth.set_device_cookie(response, email)
    name, value = next(iter(response.cookies.items()))
    assert auth.device_in(response.cookies, email.upper())
    assert auth.device_in({auth.device_cookie_name("x@y.example"): value}, "x@y.example") is None
    for forged in (
        value[:-1],
        value.replace("device", "divece"),
        value.rpartition(".")[0],
        auth.sealed("device.a.b.c"),
        "",
    ):
        assert auth.device_in({name: forged}, email) is None
    now = auth.time.time()
    monkeypatch.setattr(auth.time, "time", lambda: now + auth.DEVICE_SECONDS + 5)
    assert auth.device_in(response.cookies, email) is None


async def test_a_new_password_by_a_link_ends_the_wait(site: Site, world: World) -> None:
    one = person()
    for _ in range(11):
        with pytest.raises(AuthenticationError):
            accounts.sign_in(one.email, WRONG, "10.5.0.1")
    with pytest.raises(TooManyAttempts):
        accounts.sign_in(one.email, PASSWORD, "10.5.0.2")
    accounts.set_own_password(one, "совсем другая длинная фраза")
    assert accounts.sign_in(one.email, "совсем другая длинная фраза", "10.5.0.2").email == one.email


async def test_the_present_password_is_guessed_ten_times_too(site: Site, world: World) -> None:
    one = person()
    async with site.browser() as browser:
        await enter(browser, one.email)
        form = {"new": "совсем другая длинная фраза", "again": "совсем другая длинная фраза"}
        for _ in range(10):
            answer = await browser.post("/profile/password", data={**form, "old": WRONG}, headers=ORIGIN)
            assert "не подходят" in answer.text
        answer = await browser.post("/profile/password", data={**form, "old": PASSWORD}, headers=ORIGIN)
        assert answer.status_code == 422 and "Слишком много" in answer.text


# --- what is written --------------------------------------------------------------------------------------


def lines() -> list[dict[str, object]]:
    with db.as_service("test") as connection:
        return connection.execute(
            "select actor_id, actor, message, metadata, ip_address from synkro.audit_log where action = 'login.failed'"
            " order by audit_id"
        ).fetchall()


def test_failures_of_a_window_are_one_line_an_account(world: World) -> None:
    one = person()
    typed = ["my secret password typed here", "ghost@company.example", "nul\x00@company.example", "'; drop table x"]
    before = len(lines())
    for number in range(12):
        with pytest.raises(AuthenticationError):
            accounts.sign_in(one.email, WRONG, f"10.6.0.{number % 3}")
    for email in typed:
        with pytest.raises(AuthenticationError):
            accounts.sign_in(email, WRONG, "10.6.1.1")
    attempts.write_down()
    assert len(lines()) == before, "the window goes on"
    with db.as_service("test") as connection:
        connection.execute("update private.sign_in_failures set window_start = window_start - interval '15 minutes'")
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda _: attempts.write_down(), range(2))) == 2, "two processes write each line once"
    by_actor = {line["actor_id"]: line for line in lines()[before:]}
    assert set(by_actor) == {one.user_id, None}
    known, unknown = by_actor[one.user_id]["metadata"], by_actor[None]["metadata"]
    assert (known["failures"], known["refused"]) == (10, 2)  # type: ignore[index]
    assert sorted(known["addresses"]) == ["10.6.0.0", "10.6.0.1", "10.6.0.2"]  # type: ignore[index]
    assert (unknown["failures"], by_actor[None]["ip_address"]) == (4, "10.6.1.1")  # type: ignore[index]
    assert by_actor[one.user_id]["actor"] == f"{one.email[0]}…@company.example"
    with db.as_service("test") as connection:
        kept = [
            str(connection.execute(f"select * from {table}".encode()).fetchall())
            for table in ("synkro.audit_log", "private.sign_in_counters", "private.sign_in_failures")
        ]
    for email in (one.email, *typed):
        # the log of the sign-ins that went well names who signed in
        assert email not in "".join(kept[1:]) and json.dumps(email) not in kept[0], email
        assert email == one.email or email not in kept[0]


async def test_a_text_postgres_cannot_hold_is_nobodys(site: Site, world: World) -> None:
    async with site.browser() as browser:
        for email in (
            "a\x00b@company.example",
            "\x00",
            "x" * 900 + "@company.example",
            "\ud800".encode("utf-8", "replace").decode(),
        ):
            assert (await enter(browser, email, "\x00" + WRONG)).status_code == 401, repr(email[:20])
