"""The second step of a sign-in: whom it stops and whom not, that a code counts once, and what is kept of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pyotp
import pytest

from app import auth, middleware
from synkro import accounts
from synkro.accounts import attempts, embedded, second_factor, sessions
from synkro.connectors import integrations
from synkro.core import vault
from synkro.core.errors import AuthenticationError, DataError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import audit, users
from synkro.tenancy.users import User
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World
from tests.app.test_middleware import handshake

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def no_demo(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working installation; nobody failed before."""
    monkeypatch.setenv("SYNKRO_ENV", "development")
    settings.cache_clear()
    with db.as_service("test") as connection:
        connection.execute("delete from private.sign_in_counters")


def person(world: World, role: users.Role | None = None) -> User:
    with db.as_service("test") as connection:
        made = embedded.add(connection, f"{uuid4().hex[:10]}@company.example", PASSWORD)
        if role is not None:
            tenant_id = None if role == "super_admin" else world.tenants["alpha"].tenant_id
            users.grant(connection, made.user_id, tenant_id, role)
    return made


class Phone:
    """An authenticator application whose clock stands where it is put."""

    def __init__(self, secret: str) -> None:
        self.totp = pyotp.TOTP(secret)

    def code(self, steps: int = 0) -> str:
        return self.totp.at(int(time.time()) + 30 * steps)

    def wrong(self) -> str:
        taken = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in (f"{n:06}" for n in range(9)) if code not in taken)


@pytest.fixture
def clock_stands(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """In the middle of a half-minute, until it is moved on."""
    at = [time.time() // 30 * 30 + 15]
    monkeypatch.setattr(second_factor.time, "time", lambda: at[0])

    def move(steps: int = 1) -> None:
        at[0] += 30 * steps

    yield move


def with_phone(user: User) -> tuple[Phone, list[str]]:
    """The step turned on, without a browser."""
    phone = Phone(second_factor.begin(user).secret)
    codes = second_factor.confirm(user, phone.code())
    return phone, codes


async def enter(browser: httpx.AsyncClient, email: str, password: str = PASSWORD, next: str = "/") -> httpx.Response:
    return await browser.post("/login", data={"email": email, "password": password, "next": next}, headers=ORIGIN)


async def send(browser: httpx.AsyncClient, code: str, path: str = "/login/code", **more: str) -> httpx.Response:
    return await browser.post(path, data={"code": code, **more}, headers=ORIGIN)


def secret_on(page: httpx.Response) -> str:
    found = re.search(r"data-testid='secret'>([A-Z2-7 ]+)<", page.text)
    assert found, page.text
    return found[1].replace(" ", "")


def step_value(browser: httpx.AsyncClient) -> str:
    return browser.cookies[auth.step_cookie_name()]


# --- who has to -------------------------------------------------------------------------------------------


async def test_an_operator_sets_it_up_before_anything_else(
    site: Site,
    world: World,
    clock_stands: Any,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    reached = middleware.Guard(app)
    operator = person(world, "super_admin")
    async with site.browser() as browser:
        entered = await enter(browser, operator.email, next="/tenants")
        assert entered.headers["location"] == "/login/code?next=%2Ftenants"
        cookie = next(c for c in entered.headers.get_list("set-cookie") if c.startswith(auth.step_cookie_name()))
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie
        assert "synkro" not in browser.cookies, "no session is open yet"
        for path in (
            "/",
            "/tenants",
            "/profile",
            "/profile/password",
            "/profile/second-factor",
            "/t/alpha/reports",
            "/audit",
        ):
            assert (await browser.get(path)).headers["location"].startswith("/login?next="), path
        assert (await browser.get("/api/v1/tenants")).status_code == 401
        for value in (step_value(browser), auth.opened(step_value(browser))):
            assert await handshake(reached, "http://test", f"synkro={value}") == "websocket.close"
        assert (await browser.get(entered.headers["location"])).headers["location"].startswith("/login/second-factor")
        page = await browser.get("/login/second-factor?next=/tenants")
        phone = Phone(secret_on(page))
        assert "<svg" in page.text and secret_on(await browser.get("/login/second-factor")) == phone.totp.secret
        wrong = await send(browser, phone.wrong(), "/login/second-factor", next="/tenants")
        assert wrong.status_code == 401 and "synkro" not in browser.cookies
        done = await send(browser, phone.code(), "/login/second-factor", next="/tenants")
        assert done.status_code == 200 and 'href="/tenants"' in done.text
        assert len(re.findall(r"<li><code>[a-z2-7]{4}(?:-[a-z2-7]{4}){3}</code>", done.text)) == 10
        assert (await browser.get("/tenants")).status_code == 200
        assert auth.step_cookie_name() not in browser.cookies
        await browser.post("/logout", headers=ORIGIN)
        clock_stands(2)
        # the second time it asks for a code
        await enter(browser, operator.email)
        asked = await browser.get("/login/code?next=//evil.example")
        assert asked.status_code == 200 and "evil" not in asked.text
        assert (await browser.get("/login/second-factor")).headers["location"] == "/login/code"
        assert (await send(browser, phone.wrong())).status_code == 401
        let_in = await send(browser, phone.code(), next="//evil.example")
        assert (let_in.status_code, let_in.headers["location"]) == (303, "/")
        assert (await browser.get("/tenants")).status_code == 200
    with db.as_service("test") as connection:
        said = [entry.action for entry in audit.recent(connection) if entry.actor == operator.email]
    assert said == ["login.ok", "logout", "login.ok", "second_factor.on"]


async def test_others_need_none_and_administrators_are_offered_it(site: Site, world: World, clock_stands: Any) -> None:
    admin = person(world, "admin_lite")
    async with site.browser() as browser, site.browser() as elsewhere:
        for one in (browser, elsewhere):
            assert (await enter(one, admin.email)).headers["location"] == "/"
        profile = await browser.get("/profile")
        assert "factor-advised" in profile.text and "demo-exempt" not in profile.text
        phone = Phone(secret_on(await browser.get("/profile/second-factor")))
        path = "/profile/second-factor"
        for refused in (
            {"password": "not the password", "code": phone.code()},
            {"password": PASSWORD, "code": phone.wrong()},
        ):
            assert (await browser.post(path, data=refused, headers=ORIGIN)).status_code == 401
        assert not second_factor.status(admin.user_id).is_on
        done = await browser.post(path, data={"password": PASSWORD, "code": phone.code()}, headers=ORIGIN)
        assert "recovery-codes" in done.text
        assert (await browser.get("/profile")).status_code == 200, "this browser made the step"
        assert (await elsewhere.get("/profile")).headers["location"].startswith("/login"), "the other did not"
        assert (await enter(elsewhere, admin.email)).headers["location"].startswith("/login/code")
        clock_stands(2)
        renewed = await browser.post(path, data={"what": "codes", "code": phone.code()}, headers=ORIGIN)
        assert "recovery-codes" in renewed.text and renewed.text != done.text
        old = re.findall(r"<code>([a-z2-7-]{19})</code>", done.text)[0]
        assert (await send(elsewhere, old)).status_code == 401
        clock_stands(2)
        off = await browser.post(path, data={"what": "off", "code": phone.wrong()}, headers=ORIGIN)
        assert off.status_code == 401 and second_factor.status(admin.user_id).is_on
        off = await browser.post(path, data={"what": "off", "code": phone.code()}, headers=ORIGIN)
        assert off.headers["location"] == "/profile" and not second_factor.status(admin.user_id).is_on
        assert (await enter(elsewhere, admin.email)).headers["location"] == "/"


async def test_a_demo_is_exempt_and_says_so(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from cli.commands import demo

    operator = person(world, "super_admin")
    # keys and local vendors are set here as a developer may have set them: `synkro demo` is a demo all the same
    assert not settings().is_demo and settings().secret_keys and settings().allow_local_vendors
    demo._settle_environment()
    assert settings().is_demo
    async with site.browser() as browser:
        assert (await enter(browser, operator.email)).headers["location"] == "/"
        assert "demo-exempt" in (await browser.get("/profile")).text
        monkeypatch.setenv("SYNKRO_ENV", "production")
        monkeypatch.delenv("SYNKRO_ALLOW_LOCAL_VENDORS")
        monkeypatch.delenv("SYNKRO_CLOCK_OFFSET_SECONDS")
        settings.cache_clear()
        session_id = auth.opened(browser.cookies["synkro"])
        assert session_id and auth.identify(session_id) is None and sessions.living([session_id]) == set()


def test_an_operator_cannot_turn_it_off(world: World, clock_stands: Any) -> None:
    operator = person(world, "super_admin")
    phone, _ = with_phone(operator)
    clock_stands(2)
    with pytest.raises(DataError, match="выключить его нельзя"):
        auth.turn_off(auth.Caller(operator, "x", has_second_factor=True), phone.code(), None)
    assert second_factor.status(operator.user_id).is_on


def test_who_becomes_an_operator_signs_in_anew(world: World) -> None:
    """Also over an open page: the list of living sessions is what its socket is checked against."""
    user = person(world)
    session_id = sessions.open_session(user.user_id, None, None)
    assert auth.identify(session_id) is not None
    with db.as_service("test") as connection:
        users.grant(connection, user.user_id, None, "super_admin")
    assert auth.identify(session_id) is None and sessions.living([session_id]) == set()
    proved = sessions.open_session(user.user_id, None, None, has_second_factor=True)
    assert auth.identify(proved) is not None and sessions.living([proved]) == {proved}


# --- a code counts once -----------------------------------------------------------------------------------


def test_a_code_is_taken_once_and_near_its_time(world: World, clock_stands: Any) -> None:
    user = person(world)
    phone, _ = with_phone(user)
    taken_at_setup = phone.code()
    with pytest.raises(AuthenticationError):
        second_factor.check(user, taken_at_setup)
    clock_stands(3)
    now = int(second_factor.time.time())
    for far in (-2, 2, -20):
        with pytest.raises(AuthenticationError):
            second_factor.check(user, phone.totp.at(now + 30 * far))
    # one before, spaced as some applications show it; then one after; then none that lies before it
    before, at, after = (phone.totp.at(now + 30 * steps) for steps in (-1, 0, 1))
    assert second_factor.check(user, f" {before[:3]} {before[3:]} ") is False
    assert second_factor.check(user, after) is False
    for again in (before, at, after):
        with pytest.raises(AuthenticationError):
            second_factor.check(user, again)
    clock_stands(2)
    assert second_factor.check(user, phone.totp.at(int(second_factor.time.time()))) is False


def test_two_at_once_take_one(world: World, clock_stands: Any) -> None:
    user = person(world)
    phone, codes = with_phone(user)
    clock_stands(2)
    for code in (phone.totp.at(int(second_factor.time.time())), codes[0]):

        def take(_: int, code: str = code) -> bool:
            try:
                second_factor.check(user, code)
            except AuthenticationError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take, range(8))) == 1


def test_a_recovery_code_stands_for_the_phone_once(world: World, clock_stands: Any) -> None:
    user, other = person(world), person(world)
    (_, codes), (_, others) = with_phone(user), with_phone(other)
    assert len(set(codes)) == 10
    for junk in ("", "0" * 6, "x" * 19, "\x00", "１２３４５６", others[0], codes[0][:-1]):
        with pytest.raises(AuthenticationError):
            second_factor.check(user, junk)
    assert second_factor.check(user, codes[3].upper().replace("-", " ")) is True
    assert second_factor.status(user.user_id).codes_left == 9
    with pytest.raises(AuthenticationError):
        second_factor.check(user, codes[3])
    assert second_factor.check(user, codes[4]) and second_factor.check(other, others[3])


def test_what_is_kept_opens_nothing(world: World, clock_stands: Any) -> None:
    user, other = person(world), person(world)
    secret = second_factor.begin(user).secret
    codes = second_factor.confirm(user, Phone(secret).code())
    with db.as_service("test") as connection:
        kept = str(
            [
                connection.execute(f"select * from private.{name}".encode()).fetchall()
                for name in ("second_factors", "recovery_codes")
            ]
        )
        row = connection.execute("select * from private.second_factors where user_id = %s", (user.user_id,)).fetchone()
        assert row is not None
        assert secret not in kept and not [code for code in codes if code in kept or code.replace("-", "") in kept]
        # moved into another person's row it is no secret of theirs
        connection.execute(
            "insert into private.second_factors (user_id, key_id, ciphertext, confirmed_at) values (%s, %s, %s, now())",
            (other.user_id, row["key_id"], row["ciphertext"]),
        )
    with pytest.raises(vault.VaultError):
        second_factor.check(other, Phone(secret).code())


def test_a_new_key_seals_it_anew(world: World, monkeypatch: pytest.MonkeyPatch, clock_stands: Any) -> None:
    user, damaged = person(world), person(world)
    phone, _ = with_phone(user)
    with_phone(damaged)
    old = settings().secret_keys[0].get_secret_value()
    new = vault.generate_key()
    with db.as_service("test") as connection:
        connection.execute(
            "delete from private.second_factors where user_id <> all (%s)", ([user.user_id, damaged.user_id],)
        )
        connection.execute("update private.second_factors set ciphertext = 'x' where user_id = %s", (damaged.user_id,))
    with monkeypatch.context() as patch:
        patch.setenv("SYNKRO_SECRET_KEYS", f"{new},{old}")
        settings.cache_clear()
        done = integrations.rotate()
        assert [(key, kind) for key, kind, _, _ in done.left] == [(damaged.user_id, "totp")], (
            "named, and not in the way"
        )
        with db.as_service("test") as connection:
            connection.execute("delete from private.second_factors where user_id = %s", (damaged.user_id,))
        assert integrations.rotate().is_whole
        patch.setenv("SYNKRO_SECRET_KEYS", new)
        settings.cache_clear()
        clock_stands(2)
        assert second_factor.check(user, phone.totp.at(int(second_factor.time.time()))) is False
        patch.setenv("SYNKRO_SECRET_KEYS", f"{old},{new}")
        settings.cache_clear()
        integrations.rotate()
    settings.cache_clear()


# --- guessing, and ways around ----------------------------------------------------------------------------


async def test_codes_are_guessed_ten_times(site: Site, world: World, clock_stands: Any) -> None:
    user, other = person(world), person(world)
    phone, codes = with_phone(user)
    others_phone, _ = with_phone(other)
    clock_stands(2)
    at = int(second_factor.time.time())

    def browser_at(address: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(site.app, client=(address, 5000)), base_url="http://test"
        )

    async with browser_at("10.7.0.1") as known:
        await enter(known, user.email)
        assert (await send(known, codes[0])).status_code == 303
        await known.post("/logout", headers=ORIGIN)
        for number in range(attempts.LIMITS["code"]):
            async with browser_at(f"10.7.1.{number}") as guessing:
                await enter(guessing, user.email)
                assert "не подходит" in (await send(guessing, phone.wrong())).text
        async with browser_at("10.7.2.1") as guessing:
            await enter(guessing, user.email)
            for code in (phone.totp.at(at), codes[1]):
                refused = await send(guessing, code)
                assert refused.status_code == 401 and "Слишком много" in refused.text
            # another person's, and the person's own known browser
            await enter(guessing, other.email)
            assert (await send(guessing, others_phone.totp.at(at))).status_code == 303
        await enter(known, user.email)
        assert (await send(known, phone.totp.at(at))).status_code == 303


async def test_a_step_is_bound_to_the_password_and_to_its_time(
    site: Site, world: World, monkeypatch: pytest.MonkeyPatch, clock_stands: Any
) -> None:
    user = person(world)
    _, codes = with_phone(user)
    async with site.browser() as browser, site.browser() as forging:
        await enter(browser, user.email)
        value = step_value(browser)
        session_id = sessions.open_session(person(world).user_id, None, None)
        for forged in (
            value[:-2],
            value.replace(str(user.user_id), str(UUID(int=5))),
            auth.sealed(session_id),
            "",
            "step.a.b.c.d",
        ):
            forging.cookies.set(auth.step_cookie_name(), forged)
            assert (await send(forging, codes[0])).headers["location"] == "/login"
            assert (await forging.get("/login/second-factor")).headers["location"] == "/login"
        assert (await browser.post("/login/code", data={"code": codes[0]})).status_code == 403, "no Origin"
        later = auth.time.time() + auth.STEP_SECONDS + 5
        with monkeypatch.context() as patch:
            patch.setattr(auth.time, "time", lambda: later)
            assert (await send(browser, codes[0])).headers["location"] == "/login"
        accounts.set_own_password(user, "совсем другая длинная фраза")
        browser.cookies.set(auth.step_cookie_name(), value)
        assert (await send(browser, codes[0])).headers["location"] == "/login", "the password was changed"
        await enter(browser, user.email, "совсем другая длинная фраза")
        assert (await send(browser, codes[0])).status_code == 303


async def test_a_link_of_a_letter_is_no_second_step(site: Site, world: World, clock_stands: Any) -> None:
    user, plain_one = person(world), person(world)
    _, codes = with_phone(user)
    for who in (user, plain_one):
        link = accounts.reset(who)
        token = re.search(r"token_hash=([^&]+)", link)
        assert token
        async with site.browser() as browser:
            form = {"token_hash": token[1], "type": "recovery"}
            answer = await browser.post("/auth/confirm", data=form, headers=ORIGIN)
            if who is user:
                assert answer.headers["location"] == "/login/code?next=%2Fprofile%2Fpassword"
                assert (await browser.get("/profile/password")).headers["location"].startswith("/login")
                answer = await send(browser, codes[0], next="/profile/password")
            assert answer.headers["location"] == "/profile/password"
            assert (await browser.get("/")).headers["location"] == "/profile/password", "a password comes first"
            new = {"new": "совсем другая длинная фраза", "again": "совсем другая длинная фраза"}
            assert (await browser.post("/profile/password", data=new, headers=ORIGIN)).headers["location"] == "/"
            assert (await browser.get("/profile")).status_code == 200, "the new session made the step as well"


async def test_a_reset_takes_the_step_and_the_sessions(site: Site, world: World, clock_stands: Any) -> None:
    from click.testing import CliRunner

    from cli.commands.people import user as command

    user = person(world)
    with_phone(user)
    session_id = sessions.open_session(user.user_id, None, None, has_second_factor=True)
    done = CliRunner().invoke(command, ["totp", "reset", user.email], catch_exceptions=False)
    assert done.exit_code == 0 and user.email in done.output
    assert sessions.living([session_id]) == set() and not second_factor.status(user.user_id).is_on
    async with site.browser() as browser:
        assert (await enter(browser, user.email)).headers["location"] == "/"
    with db.as_service("test") as connection:
        assert "second_factor.reset" in [
            entry.action for entry in audit.recent(connection) if entry.message == user.email
        ]
    assert attempts.LIMITS["code"] <= 10


async def test_every_cookie_of_the_sign_in_is_pinned_over_https(
    site: Site, world: World, monkeypatch: pytest.MonkeyPatch, clock_stands: Any
) -> None:
    """Also the ones that take a cookie away: a browser ignores them otherwise, and the cookie stays."""
    monkeypatch.setenv("SYNKRO_PUBLIC_URL", "https://test")
    settings.cache_clear()
    user = person(world)
    _, codes = with_phone(user)
    seen: dict[str, str] = {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site.app), base_url="https://test") as browser:
        secure = {"Origin": "https://test"}
        form = {"email": user.email, "password": PASSWORD}
        answers = [await browser.post("/login", data=form, headers=secure)]
        answers.append(await browser.post("/login/code", data={"code": codes[0]}, headers=secure))
        answers.append(await browser.post("/logout", headers=secure))
    for answer in answers:
        for cookie in answer.headers.get_list("set-cookie"):
            seen[cookie.partition("=")[0]] = cookie
            assert cookie.startswith("__Host-synkro")
            assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; ")), cookie
    assert set(seen) == {auth.cookie_name(), auth.step_cookie_name(), auth.device_cookie_name(user.email)}
