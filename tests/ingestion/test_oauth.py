"""Tokens that live a day and renew once, however many workers meet the expired one.

Over the sandbox's real token endpoint. Mutants these tests were seen to kill: a refresh without the row lock (one a
process), a pair that is not stored before its first use, a refusal that nobody remembers (a refresh per worker), and the look
for somebody else's newer token left out (a refresh per worker, each killing the pair before).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import server
from synkro.connectors import checks, integrations
from synkro.connectors.amocrm_oauth import NEEDS_REAUTH, AmocrmAuth
from synkro.core import clock
from synkro.core.errors import AuthenticationError
from synkro.database import db
from synkro.http.factory import VendorClient, client
from synkro.http.ratelimit import LocalLimiter
from tests.ingestion.conftest import Company
from tests.support.sockets import NO_CERTIFICATES

ROOT = Path(__file__).parents[2]

#: a worker process: so many threads, each with an auth of its own, make one call as soon as a line comes in
WORKERS = """
import sys, threading
from uuid import UUID
from synkro.database import db; from synkro.connectors import integrations
from synkro.connectors.amocrm_oauth import AmocrmAuth
from synkro.core.errors import SynkroError
from synkro.http.factory import client
from synkro.http.ratelimit import LocalLimiter
tenant, count = UUID(sys.argv[1]), int(sys.argv[2])
with db.as_service("test") as connection:
    public = integrations.load(connection, tenant, "amocrm").public
secrets = integrations.secrets(tenant, "amocrm")
def say(word):
    # one write: the lines of two threads must not run into each other
    print(f"{word}\\n", end="", flush=True)
def work():
    auth = AmocrmAuth(tenant, public, secrets)
    with client("amocrm", public["base_url"], auth=auth, account_key="t", limiter=LocalLimiter(1000), allow_local=True) as http:
        auth.bind(http)
        try:
            say(http.get("/api/v4/account")["id"])
        except SynkroError as error:
            say(error.kind)
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=work) for _ in range(count)]
[t.start() for t in threads]; [t.join() for t in threads]
db.close()
"""

#: a worker that is killed when the vendor has answered and nothing is committed
KILLED = (
    """
import os, signal
from synkro.connectors import integrations
integrations.save_secrets = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
"""
    + WORKERS
)


@pytest.fixture
def outside() -> Iterator[server.Sandbox]:
    """Vendors of one test: a refresh token is good for one use."""
    with server.start("small", now=clock.now, first_day=(clock.now() - timedelta(days=3)).date()) as sandbox:
        yield sandbox


@pytest.fixture
def oauth(company: Company) -> Company:
    """The company's amoCRM by OAuth, its access token expired."""
    at = company.outside.addresses["amocrm"]
    httpx.post(f"{at['base_url']}/_expire", verify=NO_CERTIFICATES)
    public = {"base_url": at["base_url"], "client_id": at["client_id"], "redirect_uri": "https://example.test"}
    with db.as_service("test") as connection:
        integrations.save_public(connection, company.tenant_id, "amocrm", {**public, "requests_per_second": 1000})
        secrets = {name: at[name] for name in ("client_secret", "access_token", "refresh_token")}
        integrations.save_secrets(connection, company.tenant_id, "amocrm", secrets)
    return company


def exchanges(company: Company) -> int:
    return sum(row["method"] == "POST" for row in company.outside.request_logs["amocrm"].requests())


def worker(company: Company, secrets: Mapping[str, str]) -> VendorClient:
    """A client as another process would make it: with an auth of its own."""
    public = company.integration("amocrm").public
    auth = AmocrmAuth(company.tenant_id, public, secrets)
    http = client(
        "amocrm", public["base_url"], auth=auth, account_key="t", limiter=LocalLimiter(1000), allow_local=True
    )
    auth.bind(http)
    return http


def together(company: Company, processes: int, threads: int, program: str = WORKERS) -> list[str]:
    """What the workers say that all begin at once; the processes must live."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(company.tenant_id), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ),
        )
        for _ in range(processes)
    ]  # fmt: skip
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    said: list[str] = []
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        said += child.communicate(timeout=180)[0].split()
        assert child.returncode in (0, -signal.SIGKILL)
    return said


def test_twenty_workers_meet_an_expired_token_and_refresh_once(oauth: Company) -> None:
    """Four processes of five threads."""
    before = integrations.secrets(oauth.tenant_id, "amocrm")
    said = together(oauth, 4, 5)
    assert len(said) == 20 and len(set(said)) == 1 and said[0].isdigit()
    assert exchanges(oauth) == 1
    stored = integrations.secrets(oauth.tenant_id, "amocrm")
    assert all(stored[name] != before[name] for name in ("access_token", "refresh_token"))


def test_a_refusal_is_met_once_by_twenty_workers_and_shown(oauth: Company) -> None:
    """Nobody asks again until a person does; the person sees why at once, not at the end of the run."""
    oauth.outside.faults["amocrm"].add({"kind": "refresh_refused", "path": "/oauth2/"})
    assert together(oauth, 4, 5) == ["authentication"] * 20
    assert exchanges(oauth) == 1
    integration = oauth.integration("amocrm")
    assert (integration.status, integration.last_error) == ("error", NEEDS_REAUTH)
    # the next run asks the vendor for nothing it has refused
    assert oauth.read("amocrm").status == "failed"
    assert exchanges(oauth) == 1
    # a person may try once more with the same pair
    with pytest.raises(AuthenticationError):
        checks.run(oauth.tenant_id, "amocrm")
    assert exchanges(oauth) == 2
    oauth.outside.faults["amocrm"].clear()
    assert checks.run(oauth.tenant_id, "amocrm")["account_id"]
    assert exchanges(oauth) == 3 and oauth.integration("amocrm").status == "ok"
    assert oauth.read("amocrm").status == "complete"


def test_a_new_pair_after_a_refusal_is_used(oauth: Company) -> None:
    """Saving a secret forgets the refusal."""
    oauth.outside.faults["amocrm"].add({"kind": "refresh_refused", "path": "/oauth2/"})
    assert together(oauth, 1, 1) == ["authentication"]
    oauth.outside.faults["amocrm"].clear()
    with db.as_service("test") as connection:
        stored = oauth.outside.addresses["amocrm"]["refresh_token"]
        integrations.save_secrets(connection, oauth.tenant_id, "amocrm", {"refresh_token": stored})
    assert together(oauth, 1, 1)[0].isdigit()


@pytest.mark.parametrize("reuse", ["strict", "grace"])
def test_killed_between_the_answer_and_the_commit(oauth: Company, reuse: str) -> None:
    """The new pair is lost. If the vendor still takes the old one, nothing happened; else a person is asked, once."""
    oauth.outside.faults["amocrm"].add({"kind": "switch", "name": "refresh_reuse", "value": reuse})
    before = integrations.secrets(oauth.tenant_id, "amocrm")
    assert together(oauth, 1, 1, KILLED) == []
    assert integrations.secrets(oauth.tenant_id, "amocrm") == before and exchanges(oauth) == 1
    said = together(oauth, 2, 2)
    assert exchanges(oauth) == 2, "one more try by the four of them"
    if reuse == "grace":
        assert len(said) == 4 and all(text.isdigit() for text in said)
    else:
        assert said == ["authentication"] * 4
        assert oauth.integration("amocrm").last_error == NEEDS_REAUTH
        assert oauth.read("amocrm").status == "failed" and exchanges(oauth) == 2


def test_a_token_that_expires_in_mid_walk_is_renewed_each_time(oauth: Company) -> None:
    """Twice in one read, under several threads: each time once, and not a row is lost."""
    asked: list[Any] = []

    def checkpoint() -> None:
        asked.append(None)
        if len(asked) in (8, 30):
            httpx.post(f"{oauth.outside.addresses['amocrm']['base_url']}/_expire", verify=NO_CERTIFICATES)

    assert oauth.read("amocrm", checkpoint=checkpoint).status == "complete"
    assert len(asked) > 30 and exchanges(oauth) == 3, "the one it met and the two on the way"
    window = oauth.outside.world
    assert oauth.ids("raw_amocrm.leads") >= {
        row.id for row in window.company.deals if not row.history.state(window.now()).get("is_deleted", True)
    }


def test_a_long_lived_token_is_not_renewed(oauth: Company) -> None:
    """There is nothing to renew it with: 401 asks a person, and the token endpoint is never called."""
    with db.as_service("test") as connection:
        integrations.save_secrets(connection, oauth.tenant_id, "amocrm", {"refresh_token": "", "client_secret": ""})
    result = oauth.read("amocrm")
    assert result.status == "failed" and isinstance(result.error, AuthenticationError)
    assert exchanges(oauth) == 0
    integration = oauth.integration("amocrm")
    assert integration.status == "error" and "Проверьте подключение amoCRM" in (integration.last_error or "")


def test_a_read_renews_its_token_and_goes_on(oauth: Company) -> None:
    assert oauth.read("amocrm").status == "complete"
    assert exchanges(oauth) == 1
    assert {
        row["path"].partition("?")[0]
        for row in oauth.outside.request_logs["amocrm"].requests()
        if row["method"] != "GET"
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
