"""How a vendor is treated that says no, over real HTTP with the sandbox's meter: by threads and by two processes.

A mutant seen to be killed: a 429 that stops its own thread only. Aimed at: a 403 that does not stop the account, a
check that does not let the account go on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.commands import doctor
from synkro.connectors import accounts, checks
from synkro.core.errors import PermanentError, SynkroError
from synkro.database import db
from synkro.http import permits, ratelimit
from synkro.http.factory import BearerAuth, Bounds, VendorClient, client
from tests.ingestion.conftest import Company

ROOT = Path(__file__).parents[2]

#: another process of the installation: four threads that call until its standard input ends
CALLER = """
import sys, threading
from synkro.database import db; from synkro.connectors import accounts
from synkro.core.errors import SynkroError
from synkro.http.factory import BearerAuth, client
from uuid import UUID
base_url, token, tenant = sys.argv[1:]
over = threading.Event()
account = accounts.account("amocrm", {"base_url": base_url, "requests_per_second": 40}, True)
def work():
    with client("amocrm", account.base_url, auth=BearerAuth(token), account_key="t", limiter=account.limiter(UUID(tenant)), allow_local=True) as http:
        while not over.is_set():
            try:
                http.get("/api/v4/account")
            except SynkroError as error:
                print(f"{error.kind}\\n", end="", flush=True)
                return
threads = [threading.Thread(target=work) for _ in range(4)]
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
[t.start() for t in threads]; [t.join() for t in threads]
db.close()
"""


def other_process(company: Company) -> subprocess.Popen[str]:
    at = company.outside.addresses["amocrm"]
    return subprocess.Popen(
        [sys.executable, "-c", CALLER, at["base_url"], at["access_token"], str(company.tenant_id)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ),
    )  # fmt: skip


def caller(company: Company) -> VendorClient:
    at = company.outside.addresses["amocrm"]
    account = accounts.account("amocrm", {"base_url": at["base_url"], "requests_per_second": 40}, True)
    auth, limiter = BearerAuth(at["access_token"]), account.limiter(company.tenant_id)
    return client("amocrm", account.base_url, auth=auth, account_key="t", limiter=limiter, allow_local=True)


def request_log(company: Company) -> list[dict[str, Any]]:
    return company.outside.request_logs["amocrm"].requests()


def moments(company: Company, status: int | None = None) -> list[float]:
    """When requests arrived, in order."""
    rows = [row for row in request_log(company) if status is None or row["status"] == status]
    return sorted(datetime.fromisoformat(row["at"]).timestamp() for row in rows)


@pytest.mark.parametrize("kind", ["rate_limited_header", "rate_limited_body"])
def test_one_429_stops_the_whole_installation(company: Company, kind: str) -> None:
    """Three seconds, by the header or by the body: no thread of either process is let go meanwhile."""
    child = other_process(company)
    with caller(company) as http:
        http.get("/api/v4/account")
        for _ in range(2400):
            if len(request_log(company)) > 1:  # the other process is there
                break
            time.sleep(0.05)
        company.outside.faults["amocrm"].add({"kind": kind, "retry_after": 3, "after": 20})
        give_up = time.monotonic() + 120

        def work() -> None:
            # until the account has gone on for a while
            while not (refused := moments(company, 429)) or sum(at > refused[0] for at in moments(company)) < 25:
                assert time.monotonic() < give_up
                http.get("/api/v4/account")

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    said, _ = child.communicate(timeout=120)
    assert said == "" and child.returncode == 0
    refused = moments(company, 429)
    assert len(refused) == 1
    arrived = moments(company)
    (row,) = company.sql("select let_go, blocked_until from private.vendor_limits where blocked_until is not null")
    let_go, goes_on = [at.timestamp() for at in row["let_go"]], row["blocked_until"].timestamp()
    assert goes_on - refused[0] >= 2.99
    # a turn is granted so much ahead
    assert [at for at in let_go if goes_on - 3 + permits.LEAD < at < goes_on] == []
    # what was on its way when the account was stopped still comes: one request of each of the other six threads
    assert len([at for at in arrived if goes_on - 3 + permits.LEAD < at < goes_on]) <= 6
    assert sum(at < refused[0] for at in arrived) >= 20 and sum(at >= goes_on for at in let_go) >= 10


def test_a_storm_costs_at_most_twice_the_calls(make_company: Any) -> None:
    """Sixty seconds of 429, scaled down to two and a half: the read waits, goes on and is whole."""
    calm: Company = make_company()
    assert calm.read("amocrm").status == "complete"
    usual = len(request_log(calm))
    calm.outside.request_logs["amocrm"].clear()
    stormy: Company = make_company()
    stormy.outside.faults["amocrm"].add({"kind": "rate_limit_storm", "seconds": 2.5, "retry_after": 1, "after": 3})
    assert stormy.read("amocrm").status == "complete"
    assert usual < len(request_log(stormy)) <= 2 * usual
    assert 0 < len(moments(stormy, 429)) <= usual / 2


def test_a_block_is_met_once_by_everybody_and_shown_until_a_person_acts(company: Company) -> None:
    """403 of the gateway: no further call from any process; the reason is told; «Проверить» lets it go on."""
    faults = company.outside.faults["amocrm"]
    faults.add({"kind": "blocked_html"})
    with caller(company) as http, pytest.raises(PermanentError, match="API заблокирован"):
        http.get("/api/v4/account")
    child = other_process(company)
    assert company.read("amocrm").status == "failed"
    assert child.wait(120) == 0
    assert child.communicate()[0].split() == ["permanent"] * 4
    assert len(request_log(company)) == 1, "not one request more"
    with db.as_service("test") as connection:
        stopped = ratelimit.stopped_accounts(connection)
    assert ["API заблокирован" in reason for reason in stopped.values()] == [True]
    # a person presses the button too early: one call, the reason stands on the integration
    with pytest.raises(SynkroError):
        checks.run(company.tenant_id, "amocrm")
    integration = company.integration("amocrm")
    assert integration.status == "error" and "API заблокирован" in (integration.last_error or "")
    with pytest.raises(SynkroError, match=f"{company.slug}, amocrm: amoCRM отказывает"):
        doctor.sources()
    assert company.read("amocrm").status == "failed"
    assert len(request_log(company)) == 2
    faults.clear()
    faults.add({"kind": "rate", "per_second": None})
    checks.run(company.tenant_id, "amocrm")
    assert company.integration("amocrm").status == "ok" and company.read("amocrm").status == "complete"
    with db.as_service("test") as connection:
        assert ratelimit.stopped_accounts(connection) == {}


def test_two_companies_of_one_account_are_stopped_and_go_on_alone(make_company: Any) -> None:
    """A revoked key of one is no reason to stop the other, and the other's «Проверить» is no reason to go on."""
    ours, theirs = make_company(), make_company()
    faults = ours.outside.faults["amocrm"]

    def refused(company: Company) -> None:
        faults.add({"kind": "blocked_html"})
        with caller(company) as http, pytest.raises(PermanentError, match="API заблокирован"):
            http.get("/api/v4/account")
        faults.clear()
        faults.add({"kind": "rate", "per_second": None})

    refused(ours)
    with caller(theirs) as http:
        assert http.get("/api/v4/account")["id"]
    checks.run(theirs.tenant_id, "amocrm")
    before = len(request_log(ours))
    with caller(ours) as http, pytest.raises(PermanentError, match="API заблокирован"):
        http.get("/api/v4/account")
    assert len(request_log(ours)) == before, "ours waits for its own people"
    refused(theirs)
    checks.run(ours.tenant_id, "amocrm")
    with caller(ours) as http:
        assert http.get("/api/v4/account")["id"]
    with caller(theirs) as http, pytest.raises(PermanentError, match="API заблокирован"):
        http.get("/api/v4/account")
    with db.as_service("test") as connection:
        assert [name.rpartition(" ")[2] for name in ratelimit.stopped_accounts(connection)] == [f"({theirs.slug})"]
    checks.run(theirs.tenant_id, "amocrm")


def test_a_check_does_not_shorten_the_pause_of_the_account(make_company: Any) -> None:
    """The pace is shared: after a 429 of one company the other's «Проверить» waits like every request."""
    ours, theirs = make_company(), make_company()
    at = ours.outside.addresses["amocrm"]
    account = accounts.account("amocrm", {"base_url": at["base_url"]}, True)
    account.limiter(ours.tenant_id).block(1.5)
    started = time.monotonic()
    checks.run(theirs.tenant_id, "amocrm")
    assert time.monotonic() - started >= 1.4


def test_a_vendor_that_breaks_is_asked_four_times_a_request(company: Company) -> None:
    company.outside.faults["amocrm"].add({"kind": "gateway_errors", "times": None})
    with caller(company) as http, pytest.raises(SynkroError):
        http.get("/api/v4/account")
    assert len(request_log(company)) == 4


def test_a_slow_loris_is_cut_at_the_deadline(company: Company) -> None:
    """A byte every 0.2 s never trips the read time-out; one try, because it would drip again."""
    company.outside.faults["amocrm"].add({"kind": "slow_loris", "every": 0.2})
    started = time.monotonic()
    with caller(company) as http, pytest.raises(SynkroError, match="слишком медленно"):
        http.get("/api/v4/account", bounds=Bounds(read=60.0, total=1.5))
    assert time.monotonic() - started > 1.4
    assert len(request_log(company)) == 1
