"""The way in: the cookie, sign-in and sign-out, one-time passwords, where one lands afterwards."""

from __future__ import annotations

import pytest

from app import auth
from synkro.accounts import sessions
from synkro.core.errors import ConfigurationError
from synkro.core.settings import settings
from synkro.database import db
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World

ELSEWHERE = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "http:evil.example",
    "javascript:alert(1)", "data:text/html,x", "/%2fevil.example", "/%5cevil.example", "/%09/evil.example", "\t//evil.example",
    " //evil.example", "/\t/evil.example", "/\n/evil.example", "evil.example", "", "/login?next=/", "/logout", "/api/v1/tenants",
    "/\x00/evil.example", "/" + "a" * 2000, "@evil.example", "/\u0000", "/_nicegui_ws/x",
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_next_never_leaves_the_house(target: str) -> None:
    assert auth.safe_next(target) == "/"


@pytest.mark.parametrize("target", ["/", "/t/alpha/reports?p=2", "/t/alpha/dialogs/12%2F3?m=a,b", "/audit?before=3"])
def test_next_inside_the_house_is_kept(target: str) -> None:
    assert auth.safe_next(target) == target


def test_the_cookie_is_signed(world: World) -> None:
    value = auth.sealed("some-id")
    assert auth.opened(value) == "some-id"
    for broken in (value[:-1] + ("0" if value[-1] != "0" else "1"), "some-id.", ".", "", "some-id", None, "x" + value):
        assert auth.opened(broken) is None
    assert auth.session_in(f"a=b; {auth.cookie_name()}={value}; c=d") == "some-id"
    assert auth.session_in("synkro=junk") is None


def test_a_weak_secret_refuses_to_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for weak in ("short", "a" * 40, "12121212121212121212121212121212"):
        monkeypatch.setenv("SYNKRO_WEB_SECRET", weak)
        settings.cache_clear()
        with pytest.raises(ConfigurationError, match="SYNKRO_WEB_SECRET"):
            auth.web_secret()
    monkeypatch.delenv("SYNKRO_WEB_SECRET")
    monkeypatch.setenv("SYNKRO_ENV", "production")
    monkeypatch.delenv("SYNKRO_ALLOW_LOCAL_VENDORS")
    monkeypatch.delenv("SYNKRO_CLOCK_OFFSET_SECONDS")
    settings.cache_clear()
    with pytest.raises(ConfigurationError, match="SYNKRO_WEB_SECRET"):
        auth.web_secret()


def test_production_pins_the_cookie(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert auth.cookie_name() == "synkro"
    monkeypatch.setenv("SYNKRO_PUBLIC_URL", "https://synkro.example")
    settings.cache_clear()
    assert auth.cookie_name() == "__Host-synkro"


async def test_sign_in_flow(site: Site, world: World) -> None:
    async with site.browser() as browser:
        answer = await browser.get("/t/alpha/reports?p=1")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=%2Ft%2Falpha%2Freports%3Fp%3D1"
        wrong = await browser.post("/login", data={"email": "admin@example.com", "password": "x" * 14}, headers=ORIGIN)
        assert wrong.status_code == 401 and "Почта или пароль не подходят." in wrong.text
        unknown = await browser.post(
            "/login", data={"email": "ghost@example.com", "password": "x" * 14}, headers=ORIGIN
        )
        assert unknown.text.replace("ghost@", "admin@") == wrong.text
        right = await browser.post(
            "/login",
            data={"email": "Admin@Example.com", "password": PASSWORD, "next": "//evil.example"},
            headers=ORIGIN,
        )
        assert (right.status_code, right.headers["location"]) == (303, "/")
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie
        assert (await browser.get("/")).status_code == 200
        out = await browser.post("/logout", headers=ORIGIN)
        assert out.headers["location"] == "/login"
    with db.as_service("test") as connection:
        rows = connection.execute(
            "select action from synkro.audit_log where actor <> '' order by audit_id desc limit 4"
        )
        actions = [row["action"] for row in rows][::-1]
    # failures are summed up: tests/app/accounts/test_sign_in.py
    assert actions[-2:] == ["login.ok", "logout"] and "login.failed" not in actions


async def test_the_id_changes_and_the_old_one_dies(site: Site, world: World) -> None:
    browser = await site.signed_in("admin")
    first = browser.cookies["synkro"]
    await browser.post("/login", data={"email": "admin@example.com", "password": PASSWORD}, headers=ORIGIN)
    second = browser.cookies["synkro"]
    assert first != second
    assert sessions.of(auth.opened(first)) is None
    assert sessions.of(auth.opened(second)) is not None
    await browser.post("/logout", headers=ORIGIN)
    browser.cookies.set("synkro", second)
    assert (await browser.get("/")).status_code == 303


async def test_a_one_time_password_is_changed_first(site: Site, world: World) -> None:
    browser = await site.signed_in("newcomer")
    for path in ("/", "/t/alpha/reports", "/profile"):
        assert (await browser.get(path)).headers["location"] == "/profile/password"
    assert (await browser.get("/api/v1/tenants")).status_code == 403
    form = {"old": PASSWORD, "new": "a new and longer phrase", "again": "a new and longer phrase"}
    assert (await browser.post("/profile/password", data=form)).status_code == 403, "no Origin"
    for change, reason in (
        ({"again": "something else entirely"}, "не совпали"),
        ({"old": "not the password"}, "не подходят"),
        ({"new": "short", "again": "short"}, "короче 12"),
        ({"new": PASSWORD, "again": PASSWORD}, "совпадает с нынешним"),
    ):
        answer = await browser.post("/profile/password", data={**form, **change}, headers=ORIGIN)
        assert answer.status_code == 422 and reason in answer.text
    other = await site.signed_in("newcomer")
    answer = await browser.post("/profile/password", data=form, headers=ORIGIN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await browser.get("/")).status_code == 200
    assert (await other.get("/")).headers["location"].startswith("/login"), "the other browser is signed out"


async def test_guesses_are_counted_per_account(site: Site, world: World) -> None:
    async with site.browser() as browser:
        for _ in range(10):
            await browser.post(
                "/login", data={"email": "nobody@example.com", "password": "wrong wrong"}, headers=ORIGIN
            )
        answer = await browser.post(
            "/login", data={"email": "nobody@example.com", "password": PASSWORD}, headers=ORIGIN
        )
        assert answer.status_code == 401 and "Слишком много попыток" in answer.text
        other = await browser.post("/login", data={"email": "admin@example.com", "password": PASSWORD}, headers=ORIGIN)
        assert other.status_code == 303
