"""Accounts are disabled and enabled, sessions listed and ended, roles taken away: on the page and by command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner

from app import auth, middleware
from cli.commands.people import user as command
from services.access import Forbidden, Viewer
from services.people import accounts as pages
from synkro import accounts
from synkro.accounts import embedded, second_factor, sessions
from synkro.core.errors import AuthenticationError, DataError, NotFoundError
from synkro.database import db
from synkro.tenancy import audit, users
from synkro.tenancy.users import User
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World
from tests.app.pages.test_interactions import element, press
from tests.app.test_middleware import handshake

pytestmark = pytest.mark.postgres
Who = Callable[[str], Viewer]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def person(world: World, slug: str | None = "alpha", role: users.Role = "user") -> User:
    with db.as_service("test") as connection:
        made = embedded.add(connection, f"{uuid4().hex[:10]}@company.example", PASSWORD)
        if slug:
            users.grant(connection, made.user_id, world.tenants[slug].tenant_id, role)
    return made


def ran(*words: str) -> str:
    done = CliRunner().invoke(command, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def said(action: str, user: User) -> list[audit.Entry]:
    with db.as_service("test") as connection:
        found = audit.recent(connection, limit=200)
    return [
        e
        for e in found
        if e.action == action and (e.metadata.get("user_id") == str(user.user_id) or e.message == user.email)
    ]


async def enter(browser: Any, email: str) -> Any:
    return await browser.post("/login", data={"email": email, "password": PASSWORD}, headers=ORIGIN)


@pytest.mark.parametrize("way", ["page", "command"])
async def test_a_disabled_person_is_out_at_once_and_back_when_enabled(
    site: Site, world: World, who: Who, way: str
) -> None:
    user, other = person(world), person(world)
    people = {one.email: await signed_in(site, one) for one in (user, other)}
    pages_open = {email: await browser.open("/t/alpha/reports") for email, browser in people.items()}
    cookies = {email: browser.http_client.cookies["synkro"] for email, browser in people.items()}
    for value in cookies.values():
        middleware.watch.add(auth.opened(value) or "")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    reached = middleware.Guard(app)

    async def socket(email: str) -> str:
        return await handshake(reached, "http://test", f"synkro={cookies[email]}", pages_open[email].id)

    assert await socket(user.email) == "websocket.accept"

    def switch(is_blocked: bool) -> None:
        if way == "page":
            pages.set_blocked(who("operator"), user.user_id, is_blocked)
        else:
            ran("disable" if is_blocked else "enable", user.email)

    await asyncio.to_thread(switch, True)
    await middleware.watch.recheck()
    assert middleware.RECHECK_SECONDS <= 2, "a command reaches the open pages at the next look"
    assert not middleware.watch.is_living(auth.opened(cookies[user.email]))
    assert await socket(user.email) == "websocket.close"
    assert (await people[user.email].http_client.get("/profile")).headers["location"].startswith("/login")
    assert (await people[user.email].http_client.get("/api/v1/tenants")).status_code == 401
    async with site.browser() as browser:
        assert (await enter(browser, user.email)).status_code == 401
    # whoever is not meant stays
    assert (
        middleware.watch.is_living(auth.opened(cookies[other.email]))
        and await socket(other.email) == "websocket.accept"
    )
    await asyncio.to_thread(switch, False)
    async with site.browser() as browser:
        assert (await enter(browser, user.email)).status_code == 303
        assert (await browser.get("/t/alpha/reports")).status_code == 200, "the roles stayed"
    assert (await people[user.email].http_client.get("/profile")).status_code == 303, (
        "the old session does not come back"
    )
    assert len(said("account.disabled", user)) == len(said("account.enabled", user)) == 1


async def signed_in(site: Site, user: User) -> Any:
    from tests.app.conftest import Person

    browser = site.browser()
    await enter(browser, user.email)
    return Person(browser)


def test_links_and_tokens_of_a_disabled_person_open_nothing(world: World, who: Who) -> None:
    user = person(world)
    link = accounts.reset(user).partition("token_hash=")[2].partition("&")[0]
    pages.set_blocked(who("operator"), user.user_id, True)
    with pytest.raises(DataError):
        accounts.confirm_link(link, "recovery", None)
    with pytest.raises(AuthenticationError):
        accounts.sign_in(user.email, PASSWORD)
    with db.as_user(user.user_id) as connection:
        assert not connection.execute("select from synkro.tenants").fetchall()


def test_sessions_are_listed_and_ended_one_by_one(world: World, who: Who) -> None:
    user, other = person(world), person(world)
    first, second, third = (sessions.open_session(user.user_id, f"10.8.0.{n}", FIREFOX) for n in range(3))
    theirs = sessions.open_session(other.user_id, "10.8.1.1", FIREFOX)
    found = pages.detail(who("operator"), user.user_id)
    assert {one.ip_address for one in found.sessions} == {"10.8.0.0", "10.8.0.1", "10.8.0.2"}
    assert first not in str(found) and all(len(one.session_hash) == 64 for one in found.sessions)
    by_address = {one.ip_address: one.session_hash for one in found.sessions}
    pages.end_session(who("operator"), user.user_id, by_address["10.8.0.0"])
    assert sessions.living([first, second, third, theirs]) == {second, third, theirs}
    with pytest.raises(NotFoundError):
        pages.end_session(who("operator"), user.user_id, by_address["10.8.0.0"])
    with pytest.raises(NotFoundError):
        pages.end_session(who("operator"), other.user_id, by_address["10.8.0.1"])
    assert json.loads(ran("sessions", user.email, "--json"))[0]["user_agent"] == FIREFOX
    ran("sessions", user.email, "--end")
    assert sessions.living([second, third, theirs]) == {theirs}
    pages.end_sessions(who("operator"), other.user_id)
    assert sessions.living([theirs]) == set()
    assert said("session.ended", user) and said("session.ended_all", user) and said("session.ended_all", other)


def test_a_person_ends_their_own_sessions_and_nobody_elses(world: World, who: Who) -> None:
    user, other = person(world), person(world)
    viewer, stranger = Viewer(user), Viewer(other)
    here, elsewhere, third = (sessions.open_session(user.user_id, f"10.9.0.{n}", FIREFOX) for n in range(3))
    found = {one.ip_address: one for one in pages.own_sessions(viewer, here)}
    assert [address for address, one in found.items() if one.is_current] == ["10.9.0.0"]
    with pytest.raises(NotFoundError):
        pages.end_own_session(stranger, found["10.9.0.1"].session_hash)
    pages.end_own_session(viewer, found["10.9.0.1"].session_hash)
    assert sessions.living([here, elsewhere, third]) == {here, third}
    pages.end_other_sessions(stranger, "x")
    pages.end_other_sessions(viewer, here)
    assert sessions.living([here, third]) == {here}


def test_any_role_is_taken_away(world: World, who: Who) -> None:
    user = person(world, "beta", "admin_lite")
    beta = world.tenants["beta"].tenant_id
    with db.as_service("test") as connection:
        users.grant(connection, user.user_id, None, "super_admin")
        users.grant(connection, user.user_id, world.tenants["alpha"].tenant_id, "user")

    def roles() -> set[UUID | None]:
        with db.as_service("test") as connection:
            return {one.tenant_id for one in users.memberships(connection, user.user_id)}

    pages.revoke_role(who("operator"), user.user_id, beta)
    with pytest.raises(NotFoundError):
        pages.revoke_role(who("operator"), user.user_id, beta)
    assert roles() == {None, world.tenants["alpha"].tenant_id}
    pages.revoke_role(who("operator"), user.user_id, None)
    assert roles() == {world.tenants["alpha"].tenant_id}
    ran("revoke", user.email, "--tenant", "alpha")
    assert roles() == set()
    with db.as_service("test") as connection:
        users.grant(connection, user.user_id, None, "super_admin")
    ran("revoke", user.email, "--operator")
    assert roles() == set()
    for words in (("revoke", user.email), ("revoke", user.email, "--operator", "--tenant", "beta")):
        assert CliRunner().invoke(command, list(words)).exit_code == 2
    assert {entry.tenant_id for entry in said("person.revoked", user)} == {beta, None, world.tenants["alpha"].tenant_id}


def test_an_operator_does_not_shut_themselves_out(world: World, who: Who) -> None:
    me = who("operator")
    for work in (
        lambda: pages.set_blocked(me, me.user_id, True),
        lambda: pages.revoke_role(me, me.user_id, None),
        lambda: pages.reset_second_factor(me, me.user_id),
    ):
        with pytest.raises(DataError):
            work()
    assert pages.listing(me).total > 3


def test_people_are_found_by_a_part_of_what_they_are_called(world: World, who: Who) -> None:
    user = person(world)
    found = pages.listing(who("operator"), user.email[:8].upper())
    assert [one.user.email for one in found.accounts] == [user.email] and found.total == 1
    assert [(role.company, role.role) for role in found.accounts[0].roles] == [(world.tenants["alpha"].name, "user")]
    for odd in ("%@company", "____@", "\\", "'; drop", "\x00%@", "x" * 5000):
        assert pages.listing(who("operator"), odd).total == 0
    assert pages.listing(who("operator"), "", page=10**9).accounts == []
    listed = {row["email"]: row for row in json.loads(ran("list", "--json"))}
    assert listed[user.email] == {
        "email": user.email, "full_name": "", "is_disabled": False, "has_second_factor": False, "roles": ["user @ alpha"],
    }  # fmt: skip
    with pytest.raises(Forbidden):
        pages.listing(who("admin"))


async def test_the_operator_does_it_on_the_page(site: Site, world: World) -> None:
    user = person(world)
    second_factor.confirm(user, second_factor.pyotp.TOTP(second_factor.begin(user).secret).now())
    open_one = sessions.open_session(user.user_id, "10.10.0.1", FIREFOX, has_second_factor=True)
    operator = await site.person("operator")
    await operator.open(f"/accounts?q={user.email}")
    await operator.should_see(user.email)
    await operator.open(f"/accounts/{user.user_id}")
    await operator.should_see("Firefox, Linux")
    press(operator, "end-session-0")
    # the page is drawn anew then: a dialog opened before would go with what stood there
    await operator.should_not_see("Firefox, Linux")
    assert sessions.living([open_one]) == set()
    press(operator, "reset-factor")
    await operator.should_see(marker="confirm")
    press(operator, "confirm")
    await operator.should_not_see(marker="reset-factor")
    assert not second_factor.status(user.user_id).is_on
    press(operator, "revoke-role-0")
    await operator.should_see(marker="confirm")
    press(operator, "confirm")
    await operator.should_not_see(marker="revoke-role-0")
    press(operator, "disable")
    await operator.should_see(marker="confirm")
    press(operator, "confirm")
    await operator.should_see(marker="enable")
    assert sessions.account_mark(user.user_id) == ""
    press(operator, "enable")
    await operator.should_see(marker="disable")
    assert sessions.account_mark(user.user_id) != ""
    assert element(operator, "title")


async def test_a_person_sees_their_browsers_in_the_profile(site: Site, world: World) -> None:
    user = person(world)
    elsewhere = sessions.open_session(user.user_id, "10.11.0.1", FIREFOX)
    browser = await signed_in(site, user)
    await browser.open("/profile")
    await browser.should_see("Firefox, Linux")
    press(browser, "end-others")
    await browser.should_not_see("Firefox, Linux")
    assert sessions.living([elsewhere]) == set()
    assert (await browser.http_client.get("/profile")).status_code == 200
