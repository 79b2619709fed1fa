"""Invitations: who gets a role by a link, who does not, and what the one who invites learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from services import access
from services.access import Viewer
from services.people import members
from synkro import accounts
from synkro.core.errors import AuthenticationError, DataError, NotFoundError
from synkro.database import db
from synkro.tenancy import users
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World

pytestmark = pytest.mark.postgres
OWN = "Собственный пароль 2042"
Who = Callable[[str], Viewer]


def path_of(link: str) -> str:
    """The link's path: where the installation listens is its own setting."""
    return "/invite/" + link.rpartition("/")[2]


def invite(who: Who, email: str, role: str = "user", slug: str = "alpha", by: str = "admin") -> str:
    return path_of(members.invite(who(by), slug, email, "Новый Человек", role).link)


def somebody() -> str:
    return f"{uuid4().hex[:10]}@company.example"


def roles(email: str) -> dict[str, str]:
    """slug → role of whoever has this address."""
    with db.as_service("test") as connection:
        rows = connection.execute(
            "select t.slug, r.role from synkro.user_roles r join synkro.user_profiles p using (user_id)"
            " join synkro.tenants t using (tenant_id) where p.email = %s and r.is_active",
            (email,),
        ).fetchall()
    return {row["slug"]: row["role"] for row in rows}


def exists(email: str) -> bool:
    with db.as_service("test") as connection:
        return connection.execute("select private.account_of(%s) as id", (email,)).fetchone()["id"] is not None  # type: ignore[index]


async def press(browser: Any, path: str, password: str = "") -> Any:
    return await browser.post(path, data={"new": password, "again": password} if password else {}, headers=ORIGIN)


async def test_a_new_person_chooses_their_own_password(site: Site, world: World, who: Who) -> None:
    email = somebody()
    path = invite(who, email.upper(), "admin_lite")
    assert not exists(email), "nobody has an account before accepting"
    async with site.browser() as browser, site.browser() as another:
        # messengers and mail servers open links to look at them
        for _ in range(2):
            page = await browser.get(path)
            assert page.status_code == 200 and email in page.text and world.tenants["alpha"].name in page.text
        assert not exists(email)
        short = await press(browser, path, "short")
        assert short.status_code == 422 and not exists(email)
        differ = await browser.post(path, data={"new": OWN, "again": OWN + "x"}, headers=ORIGIN)
        assert differ.status_code == 422 and not exists(email)
        assert (await press(browser, path, OWN)).headers["location"] == "/"
        assert (await browser.get("/t/alpha/settings")).status_code == 200
        again = await press(another, path, OWN)
        assert again.status_code == 422 and "уже использовано" in again.text
    assert roles(email) == {"alpha": "admin_lite"}
    assert accounts.sign_in(email, OWN).full_name == "Новый Человек"


async def test_the_holder_of_the_account_accepts(site: Site, world: World, who: Who) -> None:
    """An account of the same address that somebody else made gives them nothing, and its password stays theirs."""
    email = somebody()
    accounts.add(email, PASSWORD, is_one_time=False)
    path = invite(who, email)
    assert roles(email) == {}, "inviting a known address gives no role"
    async with site.browser() as browser:
        taken = await press(browser, path, OWN)
        assert taken.status_code == 422 and "Войдите" in taken.text
        with pytest.raises(AuthenticationError):
            accounts.sign_in(email, OWN)
        page = await browser.get(path)
        assert f"/login?next=%2Finvite%2F{path.rpartition('/')[2]}" in page.text
        form = {"email": email, "password": PASSWORD, "next": path}
        assert (await browser.post("/login", data=form, headers=ORIGIN)).headers["location"] == path
        assert 'data-testid="accept"' in (await browser.get(path)).text and roles(email) == {}
        assert (await press(browser, path)).headers["location"] == "/"
        assert (await browser.get("/t/alpha/reports")).status_code == 200
    assert roles(email) == {"alpha": "user"}


async def test_another_account_gets_nothing(site: Site, world: World, who: Who) -> None:
    path = invite(who, somebody(), "admin_lite")
    browser = await site.signed_in("stranger")
    page = await browser.get(path)
    assert page.status_code == 200 and "stranger@example.com" in page.text and 'data-testid="accept"' not in page.text
    refused = await press(browser, path, OWN)
    assert refused.status_code == 422
    assert "alpha" not in roles("stranger@example.com")


async def test_a_page_of_somebody_else_accepts_nothing(site: Site, world: World, who: Who) -> None:
    path = invite(who, "stranger@example.com")
    browser = await site.signed_in("stranger")
    refused = await browser.post(path, headers={"Origin": "http://evil.example"})
    assert refused.status_code == 403 and "alpha" not in roles("stranger@example.com")


def test_the_answer_is_the_same_for_a_known_address(world: World, who: Who) -> None:
    known, unknown = somebody(), somebody()
    accounts.add(known, PASSWORD, is_one_time=False)
    told = [members.invite(who("admin"), "alpha", email, "", "user") for email in (known, unknown)]
    assert {(len(answer.link), answer.is_written) for answer in told} == {(len(told[0].link), False)}
    assert not hasattr(told[0], "one_time_password")
    shown = members.open_invitations(who("admin"), "alpha")
    assert {known, unknown} <= {found.email for found in shown}
    assert len({(found.full_name, found.role) for found in shown if found.email in (known, unknown)}) == 1


def test_a_link_is_kept_as_a_hash(world: World, who: Who) -> None:
    token = invite(who, somebody()).rpartition("/")[2]
    with db.as_service("test") as connection:
        kept = str(connection.execute("select * from private.invitations").fetchall())
        noted = str(connection.execute("select metadata, message from synkro.audit_log").fetchall())
    assert token not in kept and token not in noted and len(token) >= 40


@pytest.mark.parametrize("end", ["expired", "taken back", "newer", "inviter left", "inviter demoted", "inviter banned"])
async def test_a_link_that_ended_gives_nothing(end: str, site: Site, world: World, who: Who) -> None:
    inviter = somebody()
    boss = accounts.add(inviter, PASSWORD, is_one_time=False).user
    tenant = world.tenants["alpha"].tenant_id
    with db.as_service("test") as connection:
        users.grant(connection, boss.user_id, tenant, "admin_lite")
    email = somebody()
    path = path_of(members.invite(access.viewer(boss), "alpha", email, "", "user").link)
    async with site.browser() as browser:
        assert (await browser.get(path)).status_code == 200, "it worked before"
        if end == "taken back":
            (found,) = [x for x in members.open_invitations(who("admin"), "alpha") if x.email == email]
            members.take_back(who("admin"), "alpha", found.invitation_id)
            with pytest.raises(NotFoundError):
                members.take_back(who("admin"), "alpha", found.invitation_id)
        elif end == "newer":
            assert (await browser.get(invite(who, email))).status_code == 200
        elif end == "inviter left":
            members.revoke(who("admin"), "alpha", boss.user_id)
        elif end == "inviter demoted":
            members.change_role(who("admin"), "alpha", boss.user_id, "user")
        else:
            sql = {
                "expired": "update private.invitations set expires_at = now() - interval '1 second' where email = %s",
                "inviter banned": "update auth.users set banned_until = now() + interval '1 day' where email = %s",
            }[end]
            with db.as_service("test") as connection:
                connection.execute(sql.encode(), (inviter if end == "inviter banned" else email,))
        assert (await browser.get(path)).status_code == 422
        assert (await press(browser, path, OWN)).status_code == 422
    assert not exists(email)
    assert email not in {x.email for x in members.open_invitations(who("admin"), "alpha")} or end == "newer"


def test_somebody_who_is_in_is_not_invited_again(world: World, who: Who) -> None:
    with pytest.raises(DataError, match="уже есть роль"):
        members.invite(who("admin"), "alpha", "user@example.com", "", "admin_lite")


async def test_a_role_given_meanwhile_is_not_changed_by_an_old_link(site: Site, world: World, who: Who) -> None:
    email = somebody()
    person = accounts.add(email, PASSWORD, is_one_time=False).user
    path = invite(who, email, "user")
    with db.as_service("test") as connection:
        users.grant(connection, person.user_id, world.tenants["alpha"].tenant_id, "admin_lite")
    async with site.browser() as browser:
        await browser.post("/login", data={"email": email, "password": PASSWORD}, headers=ORIGIN)
        assert (await press(browser, path)).status_code == 422
    assert roles(email) == {"alpha": "admin_lite"}


async def test_a_one_time_password_is_changed_first(site: Site, world: World, who: Who) -> None:
    email = somebody()
    made = accounts.add(email)
    path = invite(who, email)
    async with site.browser() as browser:
        await browser.post("/login", data={"email": email, "password": made.one_time_password}, headers=ORIGIN)
        assert (await press(browser, path)).headers["location"] == "/profile/password"
    assert roles(email) == {}


def test_open_invitations_are_limited(world: World, who: Who, monkeypatch: pytest.MonkeyPatch) -> None:
    from synkro.tenancy import invitations

    monkeypatch.setattr(invitations, "MAX_OPEN", len(members.open_invitations(who("admin"), "gamma")) + 2)
    first = somebody()
    for email in (first, somebody(), first):
        members.invite(who("admin"), "gamma", email, "", "user")
    with pytest.raises(DataError, match="Отзовите"):
        members.invite(who("admin"), "gamma", somebody(), "", "user")


async def test_a_link_that_never_was(site: Site) -> None:
    async with site.browser() as browser:
        for path in ("/invite/nonsense", "/invite/" + "x" * 4000, "/invite/%00", "/invite/..%2f..%2fetc"):
            assert (await browser.get(path)).status_code in (404, 422)
            assert (await press(browser, path, OWN)).status_code in (404, 422)
