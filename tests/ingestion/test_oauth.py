"""Tokens that live a day and renew once, however many workers meet the expired one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sandbox import server
from synkro import db, integrations
from synkro.amocrm_auth import NEEDS_REAUTH, AmocrmAuth
from synkro.errors import AuthenticationError
from synkro.http import VendorClient, client
from synkro.ratelimit import LocalLimiter
from tests.ingestion.conftest import Company


@pytest.fixture
def outside() -> Iterator[server.Sandbox]:
    """Vendors of one test: a refresh token is good for one use."""
    with server.start("small", first_day=(datetime.now(UTC) - timedelta(days=3)).date()) as sandbox:
        yield sandbox


@pytest.fixture
def oauth(company: Company) -> Company:
    """The company's amoCRM by OAuth, its access token expired."""
    at = company.outside.addresses["amocrm"]
    httpx.post(f"{at['base_url']}/_expire")
    public = {"base_url": at["base_url"], "client_id": at["client_id"], "redirect_uri": "https://example.test"}
    with db.as_service("test") as connection:
        integrations.save_public(connection, company.tenant_id, "amocrm", {**public, "requests_per_second": 1000})
        secrets = {name: at[name] for name in ("client_secret", "access_token", "refresh_token")}
        integrations.save_secrets(connection, company.tenant_id, "amocrm", secrets)
    return company


def exchanges(company: Company) -> int:
    return sum(row["method"] == "POST" for row in company.outside.journals["amocrm"].requests())


def worker(company: Company, secrets: Mapping[str, str]) -> VendorClient:
    """A client as another process would make it: with an auth of its own."""
    public = company.integration("amocrm").public
    auth = AmocrmAuth(company.tenant_id, public, secrets)
    http = client(
        "amocrm", public["base_url"], auth=auth, account_key="t", limiter=LocalLimiter(1000), allow_local=True
    )
    auth.bind(http)
    return http


def test_eight_workers_meet_an_expired_token_and_refresh_once(oauth: Company) -> None:
    secrets = integrations.secrets(oauth.tenant_id, "amocrm")
    workers = [worker(oauth, secrets) for _ in range(8)]
    barrier, answers = threading.Barrier(8), []

    def work(http: VendorClient) -> None:
        barrier.wait()
        answers.append(http.get("/api/v4/account")["id"])

    threads = [threading.Thread(target=work, args=(http,)) for http in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and exchanges(oauth) == 1
    stored = integrations.secrets(oauth.tenant_id, "amocrm")
    assert all(stored[name] != secrets[name] for name in ("access_token", "refresh_token"))


def test_a_read_renews_its_token_and_goes_on(oauth: Company) -> None:
    assert oauth.read("amocrm").status == "complete"
    assert exchanges(oauth) == 1
    assert {
        row["path"].partition("?")[0] for row in oauth.outside.journals["amocrm"].requests() if row["method"] != "GET"
    } == {"/oauth2/access_token"}


def test_a_refresh_that_is_refused_asks_a_person(oauth: Company) -> None:
    oauth.outside.faults["amocrm"].add({"kind": "refresh_refused", "path": "/oauth2/"})
    before = integrations.secrets(oauth.tenant_id, "amocrm")
    result = oauth.read("amocrm")
    assert result.status == "failed" and isinstance(result.error, AuthenticationError)
    assert result.error.message == NEEDS_REAUTH and exchanges(oauth) == 1
    integration = oauth.integration("amocrm")
    assert (integration.status, integration.last_error) == ("error", NEEDS_REAUTH)
    assert integrations.secrets(oauth.tenant_id, "amocrm") == before


def test_the_new_pair_is_stored_before_it_is_used(oauth: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor refuses even the new token: the pair is kept all the same, the old one is dead."""
    oauth.outside.faults["amocrm"].add({"kind": "unauthorized_after_refresh"})
    before = integrations.secrets(oauth.tenant_id, "amocrm")
    assert oauth.read("amocrm").status == "failed"
    assert integrations.secrets(oauth.tenant_id, "amocrm")["refresh_token"] != before["refresh_token"]
    assert exchanges(oauth) == 1, "never a loop of refreshes"
