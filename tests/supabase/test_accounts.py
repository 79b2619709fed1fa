"""People of an installation on a hosted project: nobody of ours reads or writes a table of ``auth``."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import psycopg
import pyotp
import pytest

from app import auth
from sandbox.vendors.supabase.project import HostedProject
from services import access
from services.access import Viewer
from services.people import members
from synkro import accounts
from synkro.accounts import second_factor, sessions, supabase, tokens
from synkro.core.errors import AuthenticationError, ConfigurationError, DataError, SynkroError, TransientError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import tenants, users
from tests.app.conftest import ORIGIN, Site
from tests.support.sockets import NO_CERTIFICATES

pytestmark = pytest.mark.postgres
PASSWORD = "Пять разных слов и 1 число"
ANOTHER = "Совсем другие слова и 2 числа"


@pytest.fixture
def somebody(project: HostedProject) -> tuple[str, UUID]:
    """A person made in the dashboard, whom we do not know yet."""
    email = f"{uuid4().hex[:10]}@company.example"
    return email, project.create_user(email, PASSWORD)


@pytest.fixture
def switched(project: HostedProject) -> Iterator[Any]:
    """Turn switches of the project; they stand as before after the test."""
    before = dict(project.auth.switches)
    yield lambda **switches: project.auth.switches.update(switches)
    project.auth.switches.clear()
    project.auth.switches.update(before)
    project.auth.limits._buckets.clear()


@pytest.fixture
def setting(project: HostedProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def change(name: str, value: str) -> None:
        monkeypatch.setenv(f"SYNKRO_{name}", value)
        settings.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


async def enter(browser: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await browser.post("/login", data={"email": email, "password": password}, headers=ORIGIN)


def mail_to(project: HostedProject, email: str) -> str:
    """The link of the last mail to an address."""
    return next(mail.link for mail in reversed(project.mails) if mail.to == email)


async def followed(link: str) -> str:
    """Where Supabase sends a browser that opens a link of a mail."""
    async with httpx.AsyncClient() as outside:
        answer = await outside.get(link)
    assert answer.status_code in (302, 303), answer.text
    return answer.headers["location"]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


# --- the database ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["select", "insert", "update", "delete"])
def test_no_role_of_ours_has_a_right_on_the_accounts(project: HostedProject, verb: str) -> None:
    with psycopg.connect(project.superuser_url) as connection:
        for role in ("service_role", "authenticated", "anon", "synkro_app", "synkro_analyst"):
            held = connection.execute("select has_table_privilege(%s, 'auth.users', %s)", (role, verb)).fetchone()
            assert held == (False,), role


def test_people_cannot_ask_what_the_service_asks(project: HostedProject, somebody: tuple[str, UUID]) -> None:
    person = accounts.sign_in(somebody[0], PASSWORD)
    for question in ("private.account_state(%s)", "private.account_of(%s::text)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(person.user_id) as connection:
            connection.execute(f"select * from {question}".encode(), (str(person.user_id),))


# --- sign-in --------------------------------------------------------------------------------------------------------


async def test_a_person_of_the_dashboard_signs_in_and_out(site: Site, somebody: tuple[str, UUID]) -> None:
    async with site.browser() as browser:
        wrong = await enter(browser, somebody[0], "not the password at all")
        assert wrong.status_code == 401 and "не подходят" in wrong.text
        assert (await enter(browser, somebody[0], PASSWORD)).headers["location"] == "/"
        assert somebody[0] in (await browser.get("/profile")).text
        assert (await browser.post("/logout", headers=ORIGIN)).headers["location"] == "/login"
        assert (await browser.get("/profile")).headers["location"].startswith("/login")


@pytest.mark.parametrize(
    ("switches", "change", "error", "words"),
    [
        ({}, ("SUPABASE_SECRET_KEY", "sb_secret_wrong"), ConfigurationError, "SYNKRO_SUPABASE_SECRET_KEY"),
        (
            {},
            ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_wrong"),
            ConfigurationError,
            "SYNKRO_SUPABASE_PUBLISHABLE_KEY",
        ),
        ({"limit_burst": 0, "limit_token": 0}, None, TransientError, "Слишком много попыток"),
        ({}, ("SUPABASE_URL", "http://127.0.0.1:9"), TransientError, "не отвечает"),
    ],
    ids=["the secret key", "the publishable key", "the limit", "nobody there"],
)
def test_what_is_wrong_is_named(
    somebody: tuple[str, UUID],
    switched: Any,
    setting: Any,
    switches: dict[str, Any],
    change: tuple[str, str] | None,
    error: type[SynkroError],
    words: str,
) -> None:
    """A wrong key is not a wrong password, a limit is neither, an outage is none of them."""
    switched(**switches)
    if change:
        setting(*change)
        if change[0].endswith("PUBLISHABLE_KEY"):
            setting("SUPABASE_SECRET_KEY", "")
    with pytest.raises(error, match=words):
        accounts.sign_in(somebody[0], PASSWORD, "203.0.113.9")


def test_an_unconfirmed_and_a_banned_person_are_told_so(project: HostedProject, somebody: tuple[str, UUID]) -> None:
    email = f"{uuid4().hex[:10]}@company.example"
    project.create_user(email, PASSWORD, is_confirmed=False)
    with pytest.raises(AuthenticationError, match="не подтверждена"):
        accounts.sign_in(email, PASSWORD)
    project.ban(somebody[1])
    with pytest.raises(AuthenticationError, match="закрыт администратором"):
        accounts.sign_in(somebody[0], PASSWORD)


def test_one_address_does_not_use_up_the_limit_of_another(
    project: HostedProject, somebody: tuple[str, UUID], switched: Any
) -> None:
    switched(limit_burst=2, limit_token=0.0)
    for _ in range(2):
        accounts.sign_in(somebody[0], PASSWORD, "203.0.113.20")
    with pytest.raises(TransientError, match="Слишком много попыток"):
        accounts.sign_in(somebody[0], PASSWORD, "203.0.113.20")
    assert accounts.sign_in(somebody[0], PASSWORD, "203.0.113.21").email == somebody[0]


def test_many_sign_ins_leave_no_thread_socket_or_session(project: HostedProject, somebody: tuple[str, UUID]) -> None:
    accounts.sign_in(somebody[0], PASSWORD)
    threads, files = threading.active_count(), open_files()
    for _ in range(200):
        accounts.sign_in(somebody[0], PASSWORD)
    until = time.monotonic() + 20
    while threading.active_count() > threads and time.monotonic() < until:
        time.sleep(0.05)
    assert threading.active_count() <= threads
    assert open_files() <= files + 2
    with psycopg.connect(project.superuser_url) as connection:
        left = connection.execute("select count(*) from auth.sessions where user_id = %s", (somebody[1],)).fetchone()
    assert left == (0,), "a session at Supabase that nobody needs"


# --- what the dashboard does ends our sessions ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["ban", "delete", "soft delete", "reset"])
async def test_the_dashboard_ends_our_sessions(
    site: Site, project: HostedProject, somebody: tuple[str, UUID], what: str
) -> None:
    email, user_id = somebody
    async with site.browser() as browser:
        await enter(browser, email, PASSWORD)
        assert (await browser.get("/profile")).status_code == 200
        session_id = auth.opened(browser.cookies["synkro"])
        assert session_id and sessions.living([session_id]) == {session_id}
        act = {
            "ban": lambda: project.ban(user_id),
            "delete": lambda: project.delete(user_id),
            "soft delete": lambda: project.delete(user_id, is_soft=True),
            "reset": lambda: project.reset_password(user_id, ANOTHER),
        }
        act[what]()
        assert sessions.living([session_id]) == set(), "open pages are closed"
        assert (await browser.get("/profile")).headers["location"].startswith("/login")


# --- passwords ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switch", ["", "require_current_password", "reauthentication"])
async def test_a_one_time_password_is_changed(site: Site, switched: Any, switch: str) -> None:
    """Also where the project asks for the present password, or for a fresh sign-in."""
    switched(**({switch: True} if switch else {}))
    made = accounts.add(f"{uuid4().hex[:10]}@company.example", full_name="Новый Человек")
    async with site.browser() as browser, site.browser() as other:
        for one in (browser, other):
            entered = await enter(one, made.user.email, made.one_time_password)
            assert entered.headers["location"] == "/profile/password"
        form = {"old": made.one_time_password, "new": ANOTHER, "again": ANOTHER}
        wrong = await browser.post("/profile/password", data={**form, "old": "not the password"}, headers=ORIGIN)
        assert wrong.status_code == 422 and "не подходят" in wrong.text
        done = await browser.post("/profile/password", data=form, headers=ORIGIN)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert (await browser.get("/profile")).status_code == 200
        assert (await other.get("/profile")).headers["location"].startswith("/login")
    assert not accounts.sign_in(made.user.email, ANOTHER).must_change_password
    with pytest.raises(AuthenticationError):
        accounts.sign_in(made.user.email, made.one_time_password)


def test_a_change_that_got_half_way_is_finished_by_the_second_try(
    project: HostedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = accounts.add(f"{uuid4().hex[:10]}@company.example")

    def cut_off(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "after_new_password", cut_off)
        with pytest.raises(psycopg.OperationalError):
            accounts.change_password(made.user, made.one_time_password, ANOTHER)
    assert accounts.sign_in(made.user.email, ANOTHER).must_change_password, "the first try stopped between the two"
    accounts.change_password(made.user, made.one_time_password, ANOTHER)
    assert not accounts.sign_in(made.user.email, ANOTHER).must_change_password


def test_the_projects_own_rules_are_told_in_words(somebody: tuple[str, UUID], switched: Any) -> None:
    person = accounts.sign_in(somebody[0], PASSWORD)
    switched(required_characters=["0123456789", "!@#"])
    with pytest.raises(DataError, match="слишком простым"):
        accounts.change_password(person, PASSWORD, "четыре слова без знаков")
    assert accounts.sign_in(somebody[0], PASSWORD).user_id == person.user_id


# --- new people -----------------------------------------------------------------------------------------------------


def test_somebody_auth_knows_is_taken_in_and_keeps_the_password(
    project: HostedProject, somebody: tuple[str, UUID]
) -> None:
    made = accounts.add(somebody[0].upper(), full_name="Айгуль")
    assert (made.user.user_id, made.one_time_password, made.is_known) == (somebody[1], "", True)
    assert accounts.sign_in(somebody[0], PASSWORD).full_name == "Айгуль"
    with pytest.raises(DataError, match="уже есть"):
        accounts.add(somebody[0])


def test_the_first_administrator_is_made_once(project: HostedProject, setting: Any) -> None:
    from cli.process.serve import bootstrap

    setting("BOOTSTRAP_EMAIL", "first@company.example")
    setting("BOOTSTRAP_PASSWORD", PASSWORD)
    bootstrap()
    bootstrap()
    first = accounts.sign_in("first@company.example", PASSWORD)
    assert first.must_change_password
    with db.as_service("test") as connection:
        assert [m.role for m in users.memberships(connection, first.user_id)] == ["super_admin"]
    setting("BOOTSTRAP_EMAIL", "second@company.example")
    bootstrap()
    with pytest.raises(AuthenticationError):
        accounts.sign_in("second@company.example", PASSWORD)


def test_the_operator_sets_a_password(project: HostedProject, somebody: tuple[str, UUID]) -> None:
    session_id = sessions.open_session(accounts.sign_in(somebody[0], PASSWORD).user_id, None, None)
    accounts.set_password(somebody[1], ANOTHER, must_change=True)
    assert sessions.of(session_id) is None
    assert accounts.sign_in(somebody[0], ANOTHER).must_change_password


# --- links of letters -----------------------------------------------------------------------------------------------


async def set_password_by(browser: httpx.AsyncClient, landed: httpx.Response) -> None:
    """A link that proved a person leads to the form for a password, which does not ask for the present one."""
    assert (landed.status_code, landed.headers.get("location")) == (303, "/profile/password"), landed.text
    page = await browser.get("/profile/password")
    assert 'name="old"' not in page.text
    assert (await browser.get("/profile")).headers["location"] == "/profile/password", "first the password"
    done = await browser.post("/profile/password", data={"new": ANOTHER, "again": ANOTHER}, headers=ORIGIN)
    assert done.headers["location"] == "/"
    assert (await browser.get("/profile")).status_code == 200


async def test_a_forgotten_password_by_code(site: Site, project: HostedProject, somebody: tuple[str, UUID]) -> None:
    """The letter as a new project sends it: the link comes back with a code for the browser that asked."""
    async with site.browser() as browser, site.browser() as stranger:
        asked = await browser.post("/forgot", data={"email": somebody[0]}, headers=ORIGIN)
        unknown = await stranger.post("/forgot", data={"email": "nobody@company.example"}, headers=ORIGIN)
        assert asked.status_code == unknown.status_code == 200
        assert asked.text.replace(somebody[0], "") == unknown.text.replace("nobody@company.example", "")
        target = await followed(mail_to(project, somebody[0]))
        assert target.startswith("http://test/auth/confirm?code=")
        elsewhere = await stranger.get(target)
        assert elsewhere.status_code == 422 and "в том браузере" in elsewhere.text
        await set_password_by(browser, await browser.get(target))
    assert accounts.sign_in(somebody[0], ANOTHER)


async def test_a_forgotten_password_by_token_hash(
    site: Site, project: HostedProject, somebody: tuple[str, UUID], switched: Any
) -> None:
    """The letter with a link to our own page: opened in any browser, taken by a press and once."""
    await_link = "{{ .SiteURL }}/auth/confirm?token_hash={{ .TokenHash }}&type=recovery"
    switched(site_url="http://test", templates={"recovery": await_link})
    async with site.browser() as browser, site.browser() as other:
        await browser.post("/forgot", data={"email": somebody[0]}, headers=ORIGIN)
        text = next(mail.text for mail in reversed(project.mails) if mail.to == somebody[0])
        page = await other.get(text)
        assert page.status_code == 200 and 'name="token_hash"' in page.text
        form = dict(re.findall(r'name="(token_hash|type)" value="([^"]*)"', page.text))
        await set_password_by(other, await other.post("/auth/confirm", data=form, headers=ORIGIN))
        again = await browser.post("/auth/confirm", data=form, headers=ORIGIN)
        assert again.status_code == 422 and "устарела" in again.text


async def test_an_invitation_of_the_dashboard_lands_on_our_page(site: Site, project: HostedProject) -> None:
    """It carries its token behind ``#``, which the page puts into a form."""
    email = f"{uuid4().hex[:10]}@company.example"
    supabase.invite(email, "http://test/auth/confirm")
    target = await followed(mail_to(project, email))
    address, _, fragment = target.partition("#")
    assert address == "http://test/auth/confirm"
    form = {key: value for key, value in httpx.QueryParams(fragment).items() if key in ("access_token", "type")}
    async with site.browser() as browser:
        assert 'name="access_token"' in (await browser.get(address)).text
        await set_password_by(browser, await browser.post("/auth/confirm", data=form, headers=ORIGIN))
    assert accounts.sign_in(email, ANOTHER).email == email


@pytest.fixture
def boss(project: HostedProject) -> tuple[Viewer, str]:
    """An administrator and their company's slug."""
    email, slug = f"{uuid4().hex[:10]}@company.example", f"t{uuid4().hex[:8]}"
    user = accounts.add(email, PASSWORD, is_one_time=False).user
    with db.as_service("test") as connection:
        tenant = tenants.add(connection, "Компания", slug, "Asia/Almaty")
        users.grant(connection, user.user_id, tenant.tenant_id, "admin_lite")
    return access.viewer(user), slug


async def test_supabases_letter_accepts_the_invitation(
    site: Site, project: HostedProject, boss: tuple[Viewer, str], somebody: tuple[str, UUID]
) -> None:
    """Without a mail server of ours: whoever opens it holds the address. One whom Auth knows gets no letter, only our link."""
    email, (who, slug) = f"{uuid4().hex[:10]}@company.example", boss
    for address in (email, email, somebody[0]):
        assert members.invite(who, slug, address, "По Письму", "user", by_letter=True).is_written
    assert [mail.to for mail in project.mails if mail.to in (email, somebody[0])] == [email]
    target = await followed(mail_to(project, email))
    address, _, fragment = target.partition("#")
    form = {key: value for key, value in httpx.QueryParams(fragment).items() if key in ("access_token", "type")}
    async with site.browser() as browser:
        await set_password_by(browser, await browser.post("/auth/confirm", data=form, headers=ORIGIN))
    assert [tenant.slug for tenant in access.viewer(accounts.sign_in(email, ANOTHER)).tenants] == [slug]
    assert access.viewer(accounts.sign_in(somebody[0], PASSWORD)).tenants == (), "our link was not accepted"


async def test_a_letter_opens_the_door_to_one_who_is_in_already(
    site: Site, project: HostedProject, boss: tuple[Viewer, str]
) -> None:
    """A role given another way meanwhile is no reason for the letter to fail."""
    email, (who, slug) = f"{uuid4().hex[:10]}@company.example", boss
    members.invite(who, slug, email, "", "user", by_letter=True)
    person = accounts.add(email, PASSWORD).user
    with db.as_service("test") as connection:
        users.grant(connection, person.user_id, who.tenants[0].tenant_id, "admin_lite")
    fragment = (await followed(mail_to(project, email))).partition("#")[2]
    form = {key: value for key, value in httpx.QueryParams(fragment).items() if key in ("access_token", "type")}
    async with site.browser() as browser:
        await set_password_by(browser, await browser.post("/auth/confirm", data=form, headers=ORIGIN))
    assert access.viewer(person).roles == {who.tenants[0].tenant_id: "admin_lite"}


async def test_an_operator_resets_a_password_without_seeing_it(site: Site, somebody: tuple[str, UUID]) -> None:
    person = accounts.sign_in(somebody[0], PASSWORD)
    link = accounts.reset(person)
    with pytest.raises(AuthenticationError):
        accounts.sign_in(somebody[0], PASSWORD)
    async with site.browser() as browser:
        page = await browser.get("/auth/confirm?" + link.partition("?")[2])
        form = dict(re.findall(r'name="(token_hash|type)" value="([^"]*)"', page.text))
        await set_password_by(browser, await browser.post("/auth/confirm", data=form, headers=ORIGIN))
    assert accounts.sign_in(somebody[0], ANOTHER).user_id == person.user_id


async def test_a_token_of_a_sign_in_is_no_link(site: Site, project: HostedProject, somebody: tuple[str, UUID]) -> None:
    """Whoever got hold of a person's token must not set a password with it."""
    form = {"access_token": token_of(project, somebody[0]), "type": "recovery"}
    async with site.browser() as browser:
        refused = await browser.post("/auth/confirm", data=form, headers=ORIGIN)
        assert refused.status_code == 422
        assert (await browser.get("/profile")).status_code == 303


async def test_another_address(site: Site, project: HostedProject, somebody: tuple[str, UUID], switched: Any) -> None:
    new = f"{uuid4().hex[:10]}@elsewhere.example"
    switched(secure_email_change=False)
    async with site.browser() as browser:
        await enter(browser, somebody[0], PASSWORD)
        wrong = await browser.post("/profile/email", data={"password": "no", "email": new}, headers=ORIGIN)
        assert wrong.status_code == 401
        await browser.post("/profile/email", data={"password": PASSWORD, "email": new}, headers=ORIGIN)
        landed = await browser.get(await followed(mail_to(project, new)))
        assert landed.headers.get("location") == "/profile", landed.text
        assert new in (await browser.get("/profile")).text
    assert accounts.sign_in(new, PASSWORD).email == new


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("error=access_denied&error_code=otp_expired&error_description=x", "устарела"),
        ("error=server_error&error_description=x", "не сработала"),
        ("message=Confirmation+link+accepted", "второе письмо"),
        ("token_hash=&type=recovery", "неполная"),
        ("code=made-up", "в том браузере"),
    ],
)
async def test_links_that_do_not_work_say_so(site: Site, project: HostedProject, query: str, words: str) -> None:
    async with site.browser() as browser:
        assert words in (await browser.get(f"/auth/confirm?{query}")).text


# --- tokens ---------------------------------------------------------------------------------------------------------


def token_of(project: HostedProject, email: str) -> str:
    answer = httpx.post(
        f"{project.api_url}/auth/v1/token?grant_type=password",
        json={"email": email, "password": PASSWORD},
        headers={"apikey": project.publishable_key},
        verify=NO_CERTIFICATES,
    )
    return str(answer.json()["access_token"])


async def test_a_members_token_opens_the_api_and_nothing_else(
    site: Site, project: HostedProject, somebody: tuple[str, UUID]
) -> None:
    token = token_of(project, somebody[0])
    with_it = {"Authorization": f"Bearer {token}"}
    async with site.browser() as program:
        assert (await program.get("/api/v1/tenants", headers=with_it)).json() == []
        assert (await program.get("/profile", headers=with_it)).headers["location"].startswith("/login")
        assert (await program.get("/api/v1/tenants", headers={"Authorization": "Bearer made-up"})).status_code == 401
        health = await program.get("/api/health", headers={"Authorization": "Bearer made-up"})
        assert health.status_code != 401, "nobody is asked who they are there"
        project.rotate_key()
        assert (await program.get("/api/v1/tenants", headers=with_it)).status_code == 200, "the old key is published"
        fresh = {"Authorization": f"Bearer {token_of(project, somebody[0])}"}
        assert (await program.get("/api/v1/tenants", headers=fresh)).status_code == 200, "so is the new one"
        project.ban(somebody[1])
        assert (await program.get("/api/v1/tenants", headers=fresh)).status_code == 401


async def test_an_operator_disables_an_account_of_the_project(
    site: Site, project: HostedProject, somebody: tuple[str, UUID]
) -> None:
    person = accounts.sign_in(somebody[0], PASSWORD)
    with_token = {"Authorization": f"Bearer {token_of(project, somebody[0])}"}
    async with site.browser() as browser:
        await enter(browser, somebody[0], PASSWORD)
        accounts.set_blocked(person.user_id, True)
        assert (await browser.get("/profile")).headers["location"].startswith("/login")
        assert (await browser.get("/api/v1/tenants", headers=with_token)).status_code == 401
        assert (await enter(browser, somebody[0], PASSWORD)).status_code == 401
        accounts.set_blocked(person.user_id, False)
        assert (await enter(browser, somebody[0], PASSWORD)).status_code == 303
        assert (await browser.get("/api/v1/tenants", headers=with_token)).status_code == 200


async def test_the_second_step_is_ours_with_supabase_too(
    site: Site, project: HostedProject, somebody: tuple[str, UUID]
) -> None:
    """Supabase proves the password; the code comes after it, and a token of Supabase is no way around."""
    person = accounts.sign_in(somebody[0], PASSWORD)
    with_token = {"Authorization": f"Bearer {token_of(project, somebody[0])}"}
    with db.as_service("test") as connection:
        users.grant(connection, person.user_id, None, "super_admin")
    async with site.browser() as browser:
        assert (await browser.get("/api/v1/tenants", headers=with_token)).status_code == 401
        assert (await enter(browser, somebody[0], PASSWORD)).headers["location"].startswith("/login/code")
        assert (await browser.get("/tenants")).headers["location"].startswith("/login?next=")
        shown = re.search(r"data-testid='secret'>([A-Z2-7 ]+)<", (await browser.get("/login/second-factor")).text)
        assert shown
        code = pyotp.TOTP(shown[1].replace(" ", "")).now()
        done = await browser.post("/login/second-factor", data={"code": code}, headers=ORIGIN)
        assert "recovery-codes" in done.text and (await browser.get("/tenants")).status_code == 200
        recovery = re.findall(r"<code>([a-z2-7-]{19})</code>", done.text)[0]
    async with site.browser() as another:
        await enter(another, somebody[0], PASSWORD)
        assert (await another.post("/login/code", data={"code": code}, headers=ORIGIN)).status_code == 401, "used"
        assert (await another.post("/login/code", data={"code": recovery}, headers=ORIGIN)).status_code == 303
        assert (await another.get("/tenants")).status_code == 200
    with db.as_service("test") as connection:
        users.revoke(connection, person.user_id, None)
        second_factor.remove(connection, person.user_id)
    async with site.browser() as program:
        assert (await program.get("/api/v1/tenants", headers=with_token)).status_code == 200, "a member's token works"


@pytest.mark.parametrize("what", ["expired", "foreign", "unsigned", "anon", "torn", "another project"])
def test_other_tokens_are_refused(project: HostedProject, somebody: tuple[str, UUID], what: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    good = token_of(project, somebody[0])
    assert tokens.person_of(good).user_id == somebody[1]
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = jwt.get_unverified_header(good)["kid"]
    foreign = ec.generate_private_key(ec.SECP256R1())
    sign = project.auth.keys.sign
    made = {
        "expired": lambda: sign({**claims, "exp": int(time.time()) - 60}),
        "foreign": lambda: jwt.encode(claims, foreign, algorithm="ES256", headers={"kid": kid}),
        "unsigned": lambda: jwt.encode(claims, None, algorithm="none", headers={"kid": kid}),
        "anon": lambda: sign({**claims, "role": "anon"}),
        "torn": lambda: good[:-8],
        "another project": lambda: sign({**claims, "iss": "http://127.0.0.1:1/auth/v1"}),
    }[what]()
    with pytest.raises(AuthenticationError, match="Токен не подходит"):
        tokens.person_of(made)
