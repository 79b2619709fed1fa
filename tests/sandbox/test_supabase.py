"""The stand-in of a hosted project: what its roles may, what its Auth API says to the real client, how its poolers share."""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from supabase_auth.errors import AuthRetryableError, AuthWeakPasswordError

from sandbox.vendors.supabase.project import HostedProject
from supabase import AuthApiError, Client, ClientOptions, create_client
from tests.conftest import system_binaries
from tests.support.sockets import NO_CERTIFICATES

pytestmark = pytest.mark.postgres

PASSWORD, OTHER = "correct-horse-battery", "another-horse-battery"
POOL = 3


@pytest.fixture(scope="module")
def running(pytestconfig: pytest.Config) -> Iterator[HostedProject]:
    bin_dir = system_binaries() if pytestconfig.getoption("--postgres") == "system" else None
    with HostedProject(pool_size=POOL, bin_dir=bin_dir) as project:
        yield project


@pytest.fixture
def project(running: HostedProject) -> Iterator[HostedProject]:
    running.set(email_seconds=0, emails_per_hour=1000, limit_burst=1000)
    yield running
    running.faults.clear()
    running.auth.limits.clear()
    running.mails.clear()


class Person:
    """Somebody with an account and a client of their own."""

    def __init__(self, project: HostedProject, flow: str = "implicit") -> None:
        self.email = f"{uuid4().hex[:12]}@example.test"
        self.user_id = project.create_user(self.email, PASSWORD)
        self.client = client(project, flow=flow)

    def sign_in(self, password: str = PASSWORD) -> Any:
        return self.client.auth.sign_in_with_password({"email": self.email, "password": password})


def client(project: HostedProject, key: str | None = None, flow: str = "implicit") -> Client:
    http = httpx.Client(verify=NO_CERTIFICATES, timeout=30)
    options = ClientOptions(auto_refresh_token=False, flow_type=flow, httpx_client=http)  # type: ignore[arg-type]
    return create_client(project.api_url, key or project.publishable_key, options)


def refused(code: str, status: int, call: Any, *arguments: Any) -> AuthApiError:
    with pytest.raises(AuthApiError) as caught:
        call(*arguments)
    assert (caught.value.code, caught.value.status) == (code, status)
    return caught.value


def rows(project: HostedProject, query: str, *values: Any) -> list[Any]:
    with psycopg.connect(project.superuser_url) as connection:
        return [row[0] for row in connection.execute(query.encode(), values)]


# --- the database -------------------------------------------------------------------------------------------------


def test_the_projects_login_is_no_superuser_and_owns_the_database(project: HostedProject) -> None:
    with psycopg.connect(project.direct_url) as connection:
        row = connection.execute(
            "select current_user, rolsuper, rolcreaterole, rolbypassrls, pg_get_userbyid(datdba),"
            " current_setting('statement_timeout'), current_setting('search_path')"
            " from pg_roles, pg_database where rolname = current_user and datname = current_database()"
        ).fetchone()
        assert row == ("postgres", False, True, True, "postgres", "2min", '"\\$user", public, extensions')
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("create table auth.mine (id int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("alter table auth.users force row level security")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("grant insert on auth.users to service_role")
            connection.execute("set local role service_role")
            connection.execute("insert into auth.users (id) values (gen_random_uuid())")


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_no_role_of_the_api_may_touch_auth(project: HostedProject, role: str) -> None:
    allowed = rows(
        project,
        "select c.relname || ' ' || p from pg_class c, unnest(array['select', 'insert', 'update', 'delete']) p"
        " where relnamespace = 'auth'::regnamespace and relkind = 'r' and has_table_privilege(%s, c.oid, p)",
        role,
    )
    assert allowed == []
    assert rows(project, "select has_schema_privilege(%s, 'auth', 'usage')", role) == [True]


def test_the_login_may_hand_on_reading_and_the_roles_of_the_api(project: HostedProject) -> None:
    with psycopg.connect(project.direct_url) as connection:
        connection.execute("create role an_app login noinherit")
        connection.execute("grant authenticated, service_role to an_app")
        connection.execute("grant select on auth.users to service_role")
        connection.execute("set local role service_role")
        assert connection.execute("select count(*) from auth.users").fetchone()
        connection.rollback()


def test_statements_end_by_the_role(project: HostedProject) -> None:
    # a role one becomes keeps the settings of the login, as everywhere in Postgres
    settings = rows(
        project, "select rolname || ' ' || array_to_string(rolconfig, ',') from pg_roles where rolconfig is not null"
    )
    assert {"anon statement_timeout=3s", "authenticated statement_timeout=8s"} <= set(settings)


def test_claims_are_read_from_the_settings_of_the_request(project: HostedProject) -> None:
    with psycopg.connect(project.direct_url) as connection:
        user_id = uuid4()
        connection.execute(
            "select set_config('request.jwt.claims', %s, true)", (f'{{"sub": "{user_id}", "role": "x"}}',)
        )
        assert connection.execute("select auth.uid(), auth.role(), auth.jwt() ->> 'role'").fetchone() == (
            user_id,
            "x",
            "x",
        )
    assert set(
        rows(project, "select pg_get_userbyid(proowner) from pg_proc where pronamespace = 'auth'::regnamespace")
    ) == {"supabase_auth_admin"}


# --- the gateway --------------------------------------------------------------------------------------------------


def test_the_gateway_looks_at_the_key_first(project: HostedProject) -> None:
    def ask(**headers: str) -> tuple[int, Any]:
        answer = httpx.get(f"{project.api_url}/auth/v1/admin/users", headers=headers, verify=NO_CERTIFICATES)
        return answer.status_code, answer.json().get("message") or answer.json().get("code")

    assert ask() == (401, "No API key found in request")
    assert ask(apikey="sb_secret_wrong") == (401, "Invalid API key")
    assert ask(Authorization=f"Bearer {project.secret_key}") == (401, "No API key found in request")
    assert ask(apikey=project.secret_key)[0] == 200
    assert ask(apikey=project.secret_key, **{"User-Agent": "Mozilla/5.0"})[0] == 401
    version = {"X-Supabase-Api-Version": "2024-01-01"}
    assert ask(apikey=project.publishable_key, **version) == (403, "User not allowed")
    keys = project.auth.keys
    assert ask(apikey=keys.service_role)[0] == 200
    project.set(legacy_keys=False)
    assert ask(apikey=keys.service_role) == (401, "Invalid API key")


def test_errors_have_two_shapes(project: HostedProject) -> None:
    def ask(**headers: str) -> httpx.Response:
        url = f"{project.api_url}/auth/v1/token?grant_type=password"
        body = {"email": "nobody@example.test", "password": "x"}
        return httpx.post(
            url, headers={"apikey": project.publishable_key, **headers}, json=body, verify=NO_CERTIFICATES
        )

    new, old = ask(**{"X-Supabase-Api-Version": "2024-01-01"}), ask()
    assert new.json() == {"code": "invalid_credentials", "message": "Invalid login credentials"}
    assert new.headers["x-supabase-api-version"] == "2024-01-01"
    assert old.json() == {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
    assert "x-supabase-api-version" not in old.headers and old.headers["x-sb-error-code"] == "invalid_credentials"


def test_outages_are_switched_on(project: HostedProject) -> None:
    person = Person(project)
    project.faults.add({"kind": "gateway_errors", "path": "/token", "times": 1})
    with pytest.raises(AuthRetryableError):
        person.sign_in()
    project.faults.add({"kind": "status", "path": "/token", "status": 500, "detail": "Unexpected failure"})
    refused("unexpected_failure", 500, person.sign_in)
    assert person.sign_in().user


# --- signing in -----------------------------------------------------------------------------------------------------


def test_a_sign_in_gives_a_token_that_can_be_checked(project: HostedProject) -> None:
    person = Person(project)
    session = person.sign_in().session
    claims = person.client.auth.get_claims()
    assert claims is not None and claims["headers"]["alg"] == "ES256"
    told = claims["claims"]
    assert (told["sub"], told["email"], told["role"], told["aud"]) == (
        str(person.user_id), person.email, "authenticated", "authenticated",
    )  # fmt: skip
    assert told["iss"] == f"{project.api_url}/auth/v1" and told["amr"][0]["method"] == "password"
    assert rows(project, "select id::text from auth.sessions where user_id = %s", person.user_id) == [
        told["session_id"]
    ]
    assert person.client.auth.get_user(session.access_token).user.id == str(person.user_id)


@pytest.mark.parametrize("email", ["NOBODY@example.test", None])
def test_who_is_unknown_and_who_is_wrong_hear_the_same(project: HostedProject, email: str | None) -> None:
    person = Person(project)
    person.email = email or person.email
    refused("invalid_credentials", 400, person.sign_in, "wrong")


def test_an_unconfirmed_address_and_a_ban(project: HostedProject) -> None:
    email = f"{uuid4().hex}@example.test"
    user_id = project.create_user(email, PASSWORD, is_confirmed=False)
    credentials: Any = {"email": email, "password": PASSWORD}
    refused("email_not_confirmed", 400, client(project).auth.sign_in_with_password, credentials)
    project.ban(user_id, "1h30m")
    refused("user_banned", 400, client(project).auth.sign_in_with_password, credentials)
    project.ban(user_id, "none")
    refused("email_not_confirmed", 400, client(project).auth.sign_in_with_password, credentials)


def test_a_ban_ends_no_session_but_its_use(project: HostedProject) -> None:
    person = Person(project)
    session = person.sign_in().session
    project.ban(person.user_id)
    assert len(rows(project, "select id from auth.sessions where user_id = %s", person.user_id)) == 1
    refused("user_banned", 403, person.client.auth.get_user, session.access_token)
    refused("user_banned", 400, person.client.auth.refresh_session, session.refresh_token)


def test_requests_of_an_address_run_out(project: HostedProject) -> None:
    person = Person(project)
    project.set(limit_burst=2, limit_token=0.0)
    person.sign_in(), person.sign_in()
    assert "rate limit" in str(refused("over_request_rate_limit", 429, person.sign_in))
    server = client(project, project.secret_key)
    server.auth._headers["Sb-Forwarded-For"] = "203.0.113.7"
    credentials: Any = {"email": person.email, "password": PASSWORD}
    refused("over_request_rate_limit", 429, server.auth.sign_in_with_password, credentials)
    project.set(forwarded_for=True)
    assert server.auth.sign_in_with_password(credentials).user
    # the publishable key is not believed
    person.client.auth._headers["Sb-Forwarded-For"] = "203.0.113.8"
    refused("over_request_rate_limit", 429, person.sign_in)


def test_a_refresh_token_works_once(project: HostedProject) -> None:
    person = Person(project)
    first = person.sign_in().session.refresh_token
    second = person.client.auth.refresh_session(first).session.refresh_token
    assert second != first
    # the answer may have been lost: the present token is given again
    assert person.client.auth.refresh_session(first).session.refresh_token == second
    person.client.auth.refresh_session(second)
    project.set(refresh_reuse_seconds=-1)
    refused("refresh_token_already_used", 400, person.client.auth.refresh_session, first)
    assert rows(
        project, "select count(*) from auth.refresh_tokens where user_id = %s and not revoked", str(person.user_id)
    ) == [0]
    refused("refresh_token_not_found", 400, person.client.auth.refresh_session, "aaaaaaaaaaaa")


@pytest.mark.parametrize(("scope", "left"), [("global", 0), ("local", 1), ("others", 1)])
def test_signing_out_deletes_sessions(project: HostedProject, scope: Any, left: int) -> None:
    person = Person(project)
    other = person.sign_in().session
    own = person.sign_in().session
    person.client.auth.sign_out({"scope": scope})
    sessions = rows(project, "select id from auth.sessions where user_id = %s", person.user_id)
    assert len(sessions) == left
    gone = {"global": [own, other], "local": [own], "others": [other]}[scope]
    for session in gone:
        refused("session_not_found", 403, person.client.auth.get_user, session.access_token)
        refused("refresh_token_not_found", 400, person.client.auth.refresh_session, session.refresh_token)


def test_a_former_key_is_published_until_it_is_revoked(project: HostedProject) -> None:
    person = Person(project)
    before = person.sign_in().session.access_token
    old = project.auth.keys.signing[0].kid
    new = project.rotate_key()
    after = person.sign_in().session.access_token
    published = httpx.get(f"{project.api_url}/auth/v1/.well-known/jwks.json", verify=NO_CERTIFICATES).json()["keys"]
    assert [key["kid"] for key in published] == [new, old] and all("d" not in key for key in published)
    for token in (before, after):
        assert person.client.auth.get_user(token)
    project.auth.keys.revoke(old)
    refused("bad_jwt", 403, person.client.auth.get_user, before)
    assert person.client.auth.get_user(after)


@pytest.mark.parametrize(("seconds", "token"), [(-5, None), (3600, "a.b.c")])
def test_a_token_that_is_none(project: HostedProject, seconds: int, token: str | None) -> None:
    person = Person(project)
    project.set(jwt_seconds=seconds)
    session = person.client.auth._request(
        "POST", "token?grant_type=password", body={"email": person.email, "password": PASSWORD}
    ).json()
    refused("bad_jwt", 403, person.client.auth.get_user, token or session["access_token"])


# --- passwords --------------------------------------------------------------------------------------------------------


def test_a_new_password_ends_the_other_sessions(project: HostedProject) -> None:
    person = Person(project)
    other = person.sign_in().session
    own = person.sign_in().session
    person.client.auth.update_user({"password": OTHER})
    refused("session_not_found", 403, person.client.auth.get_user, other.access_token)
    assert person.client.auth.get_user(own.access_token)
    refused("invalid_credentials", 400, person.sign_in)
    assert person.sign_in(OTHER).user
    stored = rows(project, "select encrypted_password from auth.users where id = %s", person.user_id)[0]
    assert stored.startswith("$2b$")


def test_a_password_is_refused(project: HostedProject) -> None:
    person = Person(project)
    person.sign_in()
    refused("same_password", 422, person.client.auth.update_user, {"password": PASSWORD})
    project.set(min_password_length=40, required_characters=["0123456789"])
    with pytest.raises(AuthWeakPasswordError) as weak:
        person.client.auth.update_user({"password": "short"})
    assert weak.value.reasons == ["length", "characters"]
    refused("validation_failed", 400, person.client.auth.update_user, {"password": "x" * 73})


def test_the_present_password_may_be_asked_for(project: HostedProject) -> None:
    person = Person(project)
    person.sign_in()
    project.set(require_current_password=True)
    update = person.client.auth.update_user
    refused("current_password_required", 400, update, {"password": OTHER})
    refused("current_password_mismatch", 400, update, {"password": OTHER, "current_password": "no"})
    assert update({"password": OTHER, "current_password": PASSWORD})


def test_an_old_session_has_to_prove_itself(project: HostedProject) -> None:
    person = Person(project)
    person.sign_in()
    project.set(reauthentication=True)
    assert person.client.auth.update_user({"password": OTHER}), "a session of today is young enough"
    with psycopg.connect(project.superuser_url) as connection:
        connection.execute("update auth.sessions set created_at = now() - interval '25 hours'")
    refused("reauthentication_needed", 400, person.client.auth.update_user, {"password": PASSWORD})
    person.client.auth.reauthenticate()
    refused("reauthentication_not_valid", 422, person.client.auth.update_user, {"password": PASSWORD, "nonce": "000"})
    nonce = project.mails[-1].code
    assert person.client.auth.update_user({"password": PASSWORD, "nonce": nonce})


def test_an_administrators_password_ends_every_session(project: HostedProject) -> None:
    person = Person(project)
    person.sign_in()
    project.reset_password(person.user_id, OTHER)
    assert rows(project, "select id from auth.sessions where user_id = %s", person.user_id) == []
    assert person.sign_in(OTHER).user


# --- mails ------------------------------------------------------------------------------------------------------------


def follow(link: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Where a click leads: address, query, fragment."""
    answer = httpx.get(link, verify=NO_CERTIFICATES)
    assert answer.status_code == 303
    parts = urlsplit(answer.headers["location"])
    query, fragment = (
        {name: value[0] for name, value in parse_qs(text).items()} for text in (parts.query, parts.fragment)
    )
    return f"{parts.scheme}://{parts.netloc}{parts.path}", query, fragment


def test_a_recovery_link_of_the_implicit_flow(project: HostedProject) -> None:
    person = Person(project)
    back = f"{project.auth.switches['site_url']}/password"
    person.client.auth.reset_password_for_email(person.email, {"redirect_to": back})
    mail = project.mails[-1]
    assert (mail.to, mail.kind, mail.text) == (person.email, "recovery", mail.link)
    address, query, fragment = follow(mail.link)
    assert address == back and not query and fragment["type"] == "recovery"
    assert person.client.auth.get_user(fragment["access_token"]).user.id == str(person.user_id)
    # a scanner of mails has used it up
    _, _, fragment = follow(mail.link)
    assert (fragment["error"], fragment["error_code"]) == ("access_denied", "otp_expired")


def test_a_recovery_link_of_the_pkce_flow(project: HostedProject) -> None:
    person = Person(project, flow="pkce")
    person.client.auth.reset_password_for_email(person.email, {"redirect_to": "https://evil.example/x"})
    mail = project.mails[-1]
    assert mail.token_hash.startswith("pkce_") and mail.redirect_to == project.auth.switches["site_url"]
    _, query, fragment = follow(mail.link)
    assert not fragment
    wrong = {"auth_code": query["code"], "code_verifier": "x" * 43}
    refused("bad_code_verifier", 400, person.client.auth.exchange_code_for_session, wrong)
    got = person.client.auth.exchange_code_for_session({"auth_code": query["code"]})
    assert got.user.id == str(person.user_id)
    refused("flow_state_not_found", 404, person.client.auth.exchange_code_for_session, wrong)


def test_a_code_and_a_hash_are_taken_once(project: HostedProject) -> None:
    person = Person(project)
    for way in ("code", "hash"):
        person.client.auth.reset_password_for_email(person.email)
        mail = project.mails[-1]
        by: Any = {"token_hash": mail.token_hash} if way == "hash" else {"email": person.email, "token": mail.code}
        asked: Any = {"type": "recovery", **by}
        assert person.client.auth.verify_otp(asked).user.id == str(person.user_id)
        refused("otp_expired", 403, person.client.auth.verify_otp, asked)
    person.client.auth.reset_password_for_email(person.email)
    project.set(otp_seconds=-1)
    refused(
        "otp_expired",
        403,
        person.client.auth.verify_otp,
        {"type": "recovery", "token_hash": project.mails[-1].token_hash},
    )


def test_an_unknown_address_gets_the_same_answer_and_no_mail(project: HostedProject) -> None:
    client(project).auth.reset_password_for_email("nobody@example.test")
    assert project.mails == []


def test_mails_are_limited(project: HostedProject) -> None:
    person = Person(project)
    project.set(email_seconds=60)
    person.client.auth.reset_password_for_email(person.email)
    error = refused("over_email_send_rate_limit", 429, person.client.auth.reset_password_for_email, person.email)
    assert "you can only request this after" in str(error)
    project.set(emails_per_hour=0)
    other = Person(project)
    refused("over_email_send_rate_limit", 429, other.client.auth.reset_password_for_email, other.email)


def test_a_template_of_ones_own(project: HostedProject) -> None:
    person = Person(project)
    project.set(templates={"recovery": "{{ .SiteURL }}/confirm?token_hash={{ .TokenHash }}&type=recovery"})
    person.client.auth.reset_password_for_email(person.email)
    mail = project.mails[-1]
    assert mail.text == f"{project.auth.switches['site_url']}/confirm?token_hash={mail.token_hash}&type=recovery"
    shown = httpx.get(f"{project.api_url}/_sandbox/mails", verify=NO_CERTIFICATES).json()
    assert [row["to"] for row in shown] == [person.email]


def test_an_invitation(project: HostedProject) -> None:
    admin, email = client(project, project.secret_key).auth.admin, f"{uuid4().hex}@example.test"
    made = admin.invite_user_by_email(email, {"data": {"name": "Имя"}}).user
    assert made.user_metadata == {"name": "Имя"} and made.invited_at and not made.email_confirmed_at
    person = client(project)
    got = person.auth.verify_otp({"type": "invite", "token_hash": project.mails[-1].token_hash})
    assert got.user.id == made.id and got.user.email_confirmed_at
    person.auth.update_user({"password": PASSWORD})
    assert person.auth.sign_in_with_password({"email": email, "password": PASSWORD}).user
    refused("email_exists", 422, admin.invite_user_by_email, email)
    refused("not_admin", 403, person.auth.admin.invite_user_by_email, "x@example.test")


def test_a_changed_address_is_confirmed_twice(project: HostedProject) -> None:
    person, new = Person(project), f"{uuid4().hex}@example.test"
    person.sign_in()
    person.client.auth.update_user({"email": new})
    links = {mail.to: mail.link for mail in project.mails}
    assert set(links) == {person.email, new}
    assert follow(links[person.email])[2]["message"].startswith("Confirmation link accepted")
    assert rows(project, "select email from auth.users where id = %s", person.user_id) == [person.email]
    assert follow(links[new])[2]["access_token"]
    assert rows(project, "select email from auth.users where id = %s", person.user_id) == [new]


def test_strangers_can_sign_up_unless_it_is_switched_off(project: HostedProject) -> None:
    asked: Any = {"email": f"{uuid4().hex}@example.test", "password": PASSWORD}
    assert client(project).auth.sign_up(asked).session is None
    assert follow(project.mails[-1].link)[2]["access_token"]
    project.set(disable_signup=True)
    refused("signup_disabled", 422, client(project).auth.sign_up, {**asked, "email": "z@example.test"})


# --- administration -----------------------------------------------------------------------------------------------------


def test_people_are_made_listed_changed_and_deleted(project: HostedProject) -> None:
    admin = client(project, project.secret_key).auth.admin
    email, own_id = f"{uuid4().hex}@example.test", str(uuid4())
    made = admin.create_user({"email": email.upper(), "password": PASSWORD, "email_confirm": True, "id": own_id}).user
    assert (made.id, made.email, made.app_metadata["provider"]) == (own_id, email, "email")
    refused("email_exists", 422, admin.create_user, {"email": email})
    page = admin.list_users(page=1, per_page=1)
    assert [user.id for user in page] == [own_id], "the newest comes first"
    assert admin.list_users(page=2, per_page=1)[0].id != own_id
    changed = admin.update_user_by_id(own_id, {"app_metadata": {"tenants": ["a"]}, "user_metadata": {"x": 1}}).user
    assert changed.app_metadata["tenants"] == ["a"] and changed.user_metadata == {"x": 1}
    admin.delete_user(own_id)
    refused("user_not_found", 404, admin.get_user_by_id, own_id)
    assert rows(project, "select 1 from auth.identities where user_id = %s", UUID(own_id)) == []


def test_a_soft_deletion_leaves_an_unreadable_row(project: HostedProject) -> None:
    person = Person(project)
    person.sign_in()
    project.delete(person.user_id, is_soft=True)
    refused("invalid_credentials", 400, person.sign_in)
    found = rows(project, "select array[email, encrypted_password] from auth.users where id = %s", person.user_id)
    assert "@" not in found[0][0] and found[0][1] is None


def test_what_the_database_refuses_is_a_failure_of_the_service(project: HostedProject) -> None:
    person = Person(project)
    with psycopg.connect(project.direct_url) as connection:
        connection.execute("create table public.mine (user_id uuid references auth.users)")
        connection.execute("insert into public.mine values (%s)", (person.user_id,))
    admin = client(project, project.secret_key).auth.admin
    error = refused("unexpected_failure", 500, admin.delete_user, str(person.user_id))
    assert str(error) == "Database error deleting user"


def test_a_row_written_past_the_service_is_not_seen_or_breaks_it(project: HostedProject) -> None:
    person, email = Person(project), f"{uuid4().hex}@example.test"
    with psycopg.connect(project.direct_url) as connection:
        connection.execute(
            "insert into auth.users (id, email, encrypted_password, email_confirmed_at)"
            " select gen_random_uuid(), %s, encrypted_password, now() from auth.users where id = %s",
            (email, person.user_id),
        )
    person.email = email
    refused("invalid_credentials", 400, person.sign_in)
    with psycopg.connect(project.direct_url) as connection:
        connection.execute(
            "update auth.users set instance_id = '00000000-0000-0000-0000-000000000000', aud = 'authenticated'"
            " where email = %s",
            (email,),
        )
    # NULL in a column of tokens
    refused("unexpected_failure", 500, person.sign_in)


@pytest.mark.parametrize("kind", ["invite", "recovery", "magiclink", "signup"])
def test_a_link_without_a_mail(project: HostedProject, kind: Any) -> None:
    person, admin = Person(project), client(project, project.secret_key).auth.admin
    email = person.email if kind in ("recovery", "magiclink") else f"{uuid4().hex}@example.test"
    asked: Any = {"type": kind, "email": email, **({"password": PASSWORD} if kind == "signup" else {})}
    link = admin.generate_link(asked)
    assert link.properties.verification_type == kind and project.mails == []
    assert follow(link.properties.action_link)[2]["type"] == kind
    if kind == "recovery":
        refused("user_not_found", 404, admin.generate_link, {**asked, "email": "nobody@example.test"})


# --- the poolers --------------------------------------------------------------------------------------------------------


def test_the_session_pool_refuses_one_too_many(project: HostedProject) -> None:
    held = [psycopg.connect(project.session_url) for _ in range(POOL)]
    try:
        with pytest.raises(psycopg.OperationalError, match=r"\(EMAXCONNSESSION\) max clients reached in session mode"):
            psycopg.connect(project.session_url)
        # another search path is another pool
        psycopg.connect(project.session_url, options="-c search_path=extensions").close()
    finally:
        for connection in held:
            connection.close()
    assert project.peak_connections() >= POOL and project.pooler.refused


@pytest.mark.parametrize(
    ("options", "path", "timeout"),
    [
        ("-c search_path=extensions", "extensions", "2min"),
        ("--search_path=extensions,\\ public", "extensions, public", "2min"),
        ("-csearch_path=extensions", '"\\$user", public, extensions', "2min"),
        ("-c statement_timeout=0 -c search_path=extensions", "extensions", "2min"),
    ],
)
def test_the_pooler_hands_on_search_path_alone(project: HostedProject, options: str, path: str, timeout: str) -> None:
    with psycopg.connect(project.session_url, options=options) as connection:
        found = connection.execute(
            "select current_user, current_setting('search_path'), current_setting('statement_timeout')"
        ).fetchone()
    assert found == ("postgres", path, timeout)


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize(
    ("user", "password", "words"),
    [
        ("postgres", "wrong", 'password authentication failed for user "postgres"'),
        (None, None, "no tenant identifier provided"),
        ("other", None, "ENOTFOUND"),
    ],
)
def test_strangers_are_turned_away(
    project: HostedProject, mode: str, user: str | None, password: str | None, words: str
) -> None:
    # somebody known is there already: a pool that is open is no entry point for others
    psycopg.connect(project.pooled_url(mode)).close()
    url = project.pooled_url(mode, password=password)
    if user != "postgres":
        url = url.replace(f".{project.ref}", f".{user}" if user else "")
    with pytest.raises(psycopg.OperationalError, match=words):
        psycopg.connect(url)


def test_clients_take_turns_at_few_server_connections(project: HostedProject) -> None:
    connections = [psycopg.connect(project.transaction_url, autocommit=True, prepare_threshold=None) for _ in range(8)]
    wrong: list[Any] = []

    def work(connection: psycopg.Connection[Any], own: str) -> None:
        for _ in range(10):
            with connection.transaction():
                connection.execute("select set_config('request.jwt.claims', %s, true)", (own,))
                found = connection.execute("select current_setting('request.jwt.claims')").fetchone()
                wrong.extend(() if found == (own,) else (found,))

    threads = [threading.Thread(target=work, args=(c, str(number))) for number, c in enumerate(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    assert wrong == [] and project.peak_connections("transaction") == 8
    assert 1 < project.pooler.servers.peak <= POOL


def test_a_session_of_transaction_mode_leaves_its_things_to_the_next(project: HostedProject) -> None:
    with psycopg.connect(project.transaction_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(4242)")
        connection.execute("set application_name = 'left behind'")
    query = "select count(*) from pg_locks where locktype = 'advisory' and objid = 4242"
    assert rows(project, query) == [1]
    assert rows(project, "select count(*) from pg_stat_activity where application_name = 'left behind'") == [1]
    with psycopg.connect(project.transaction_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_unlock_all()")


def test_a_question_that_is_not_ended_keeps_the_connection(project: HostedProject) -> None:
    """A pipeline asks its second question before the first is answered, and ends it later."""
    with contextlib.closing(psycopg.connect(project.transaction_url, autocommit=True)) as connection:
        wire = connection.pgconn
        wire.nonblocking = 1
        wire.enter_pipeline_mode()
        wire.send_query_params(b"select 'one'", [])
        wire.pipeline_sync()
        wire.send_query_params(b"select 'two' from pg_sleep(0.3)", [])
        wire.send_flush_request()
        wire.flush()
        got: list[bytes | None] = []
        while len(got) < 2:
            assert select.select([wire.socket], [], [], 5)[0], "the second answer does not come"
            wire.consume_input()
            while not wire.is_busy() and len(got) < 2:
                result = wire.get_result()
                if result is not None and result.ntuples:
                    got.append(result.get_value(0, 0))
        assert got == [b"one", b"two"]


def test_a_named_statement_meets_another_client(project: HostedProject) -> None:
    first, second = (psycopg.connect(project.transaction_url, prepare_threshold=0) for _ in range(2))
    first.execute("select %s::int", (1,))
    first.commit()
    with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
        second.execute("select %s::int", (1,))
    for connection in (first, second):
        connection.close()


def test_who_hangs_up_in_a_transaction_is_rolled_back(project: HostedProject) -> None:
    connection = psycopg.connect(project.transaction_url)
    connection.execute("create table public.never (id int)")
    connection.close()
    with psycopg.connect(project.transaction_url, autocommit=True) as other:
        # waits for the lock of whoever still makes it
        other.execute("create table if not exists public.never (other int)")
        column = "select attname from pg_attribute where attrelid = 'public.never'::regclass and attnum = 1"
        assert other.execute(column).fetchone() == ("other",)


def test_a_statement_is_cancelled_through_the_pooler(project: HostedProject) -> None:
    for url in (project.session_url, project.transaction_url):
        with psycopg.connect(url, autocommit=True) as connection:
            timer = threading.Timer(0.3, connection.cancel_safe)
            timer.start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("select pg_sleep(60)")
            timer.join()


def test_rows_are_copied_in_and_out_in_transaction_mode(project: HostedProject) -> None:
    with psycopg.connect(project.transaction_url, autocommit=True) as connection:
        connection.execute("create table public.copied (id int)")
        with connection.cursor().copy("copy public.copied from stdin") as copy:
            for number in range(20_000):
                copy.write_row((number,))
        found = connection.execute("select id from public.copied").fetchall()
    assert len(found) == 20_000


def test_the_old_words_of_a_full_pool(project: HostedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project.pooler, "words", "MaxClientsInSessionMode")
    monkeypatch.setattr(project.pooler, "pool_size", 0)
    with pytest.raises(psycopg.OperationalError, match="MaxClientsInSessionMode: max clients reached"):
        psycopg.connect(project.session_url)
