"""Checks of the settings page, and entry points that only read."""

from __future__ import annotations

from typing import Any

import pytest

from synkro.connectors import accounts, checks, integrations
from synkro.core.errors import AuthenticationError, ConfigurationError, ReadOnlyViolation
from synkro.database import db
from synkro.http.factory import client
from synkro.http.ratelimit import LocalLimiter, pace
from tests.ingestion.conftest import Company


@pytest.mark.parametrize("kind", ["amocrm", "radist"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_writing_is_refused_before_a_byte_is_sent(company: Company, kind: Any, method: str) -> None:
    public = company.integration(kind).public
    account = accounts.account(kind, public, True)
    with client(kind, account.base_url, account_key="t", limiter=LocalLimiter(1000), allow_local=True) as http:
        path = "/api/v4/leads" if kind == "amocrm" else "/companies/1001/messaging/messages/"
        with pytest.raises(ReadOnlyViolation):
            http.request(method, path, json={"text": "x"})
    assert company.outside.request_logs[kind].requests() == []


def check(company: Company, kind: Any, **changes: Any) -> dict[str, Any]:
    public, secrets = company.integration(kind).public, integrations.secrets(company.tenant_id, kind)
    secrets |= {name: changes.pop(name) for name in list(changes) if name in integrations.FIELDS[kind][1]}
    done: dict[str, Any] = checks.CHECKS[kind](company.tenant_id, {**public, **changes}, secrets, True)
    return done


def test_checks_say_what_to_bind(company: Company) -> None:
    found = check(company, "amocrm")
    assert found["account_id"] and found["name"] and found["is_api_filter_enabled"] is True
    found = check(company, "radist")
    assert found["company_id"] == 1001 and {"connection_id", "type"} <= found["sources"][0].keys()


def test_a_bound_account_is_the_one_that_is_read(company: Company) -> None:
    for kind in ("amocrm", "radist"):
        with db.as_service("test") as connection:
            integrations.set_status(connection, company.tenant_id, kind, "ok", bound=check(company, kind))
        assert company.read(kind).status == "complete"


def test_checks_of_wrong_credentials(company: Company) -> None:
    with pytest.raises(AuthenticationError):
        check(company, "amocrm", access_token="wrong-token-wrong")
    with pytest.raises(AuthenticationError):
        check(company, "radist", api_key="wrong-key-wrong")
    with pytest.raises(ConfigurationError, match="company_id"):
        check(company, "radist", company_id="../1001")
    with pytest.raises(ConfigurationError, match="requests_per_second"):
        check(company, "radist", requests_per_second="fast")


@pytest.mark.parametrize(("typed", "per_second"), [(None, pace(5)), ("", pace(5)), ("0.5", 0.5), (1000, 1000.0)])
def test_a_pace_left_empty_is_the_usual_one(typed: object, per_second: float) -> None:
    account = accounts.account("radist", {"company_id": 1, "requests_per_second": typed}, allow_local=False)
    assert account.per_second == per_second


def test_checks_of_telegram_and_ai(company: Company) -> None:
    at = company.outside.addresses
    telegram = {"base_url": at["telegram"]["base_url"]}
    found = checks.check_telegram(company.tenant_id, telegram, {"bot_token": at["telegram"]["bot_token"]}, True)
    assert found["bot_id"] and found["username"]
    with pytest.raises(AuthenticationError):
        checks.check_telegram(company.tenant_id, telegram, {}, True)
    ai, key = {"base_url": at["llm"]["base_url"]}, {"api_key": at["llm"]["api_key"]}
    found = checks.check_ai(company.tenant_id, {**ai, "model": at["llm"]["model"]}, key, True)
    assert found["model"] == at["llm"]["model"] and found["models"] >= 1
    with pytest.raises(ConfigurationError, match="нет-такой"):
        checks.check_ai(company.tenant_id, {**ai, "model": "нет-такой"}, key, True)


def test_an_account_the_vendor_blocked_goes_on_after_a_check(company: Company) -> None:
    faults = company.outside.faults["amocrm"]
    faults.add({"kind": "blocked_html"})
    assert company.read("amocrm").status == "failed"
    asked = len(company.outside.request_logs["amocrm"].requests())
    assert company.read("amocrm").status == "failed"
    assert len(company.outside.request_logs["amocrm"].requests()) == asked, "not one request more"
    faults.clear()
    faults.add({"kind": "rate", "per_second": None})
    check(company, "amocrm")
    assert company.read("amocrm").status == "complete"
