"""The dead man's switch: a company without a report for 26 hours is told of, by whoever is left alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from cli.commands import doctor
from delivery import destinations, service
from delivery import missing_reports as letters
from delivery.sender import send_due
from services import health
from synkro.core import clock
from synkro.core.errors import SynkroError
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting.delivery import missing_reports
from synkro.runs import leases, queue
from synkro.tenancy import runtime_config, tenants
from tests.delivery.conftest import Company, Telegram

MakeCompany = Callable[..., Company]
WINDOW = Window(datetime(2026, 3, 1, 17, 1, tzinfo=UTC), datetime(2026, 3, 2, 17, 1, tzinfo=UTC))


def reported(company: Company, hours: float | None) -> None:
    """The company's schedule has been on for a month; its last report came so many hours ago, or never."""
    if hours is not None:
        company.publish()
        company.hurry()
        send_due(tenant_id=company.tenant_id)
    with db.as_service("test") as connection:
        runtime_config.change(connection, company.tenant_id, {"is_schedule_enabled": True})
        for query in (
            "update synkro.tenants set status_since = now() - interval '30 days' where tenant_id = %(tenant)s",
            "update synkro.tenant_runtime_configs set created_at = %(month_ago)s where tenant_id = %(tenant)s",
            "update synkro.reports set created_at = now() - make_interval(secs => %(seconds)s) where tenant_id = %(tenant)s",
        ):
            values = {"tenant": company.tenant_id, "seconds": (hours or 0) * 3600}
            connection.execute(query, {**values, "month_ago": clock.now() - timedelta(days=30)})


def silent() -> list[str]:
    with db.as_service("test") as connection:
        return [one.slug for one in missing_reports.found(connection)]


def tell() -> int:
    with db.as_service("test") as connection:
        return letters.tell(connection)


def test_five_silent_companies_are_told_once_each(make_company: MakeCompany, telegram: Telegram) -> None:
    companies = [make_company(telegram.chat()) for _ in range(5)]
    for number, company in enumerate(companies):
        reported(company, None if number == 0 else 26.1 + number)
    noisy = make_company(telegram.chat())
    reported(noisy, 25.9)
    assert silent() == sorted(company.slug for company in companies)

    assert (tell(), tell()) == (5, 0)
    for company in companies:
        # its own letters: other tests may have left some that are older
        send_due(tenant_id=company.tenant_id)
        (chat,) = destinations.chat_ids(company.integration().public)
        told = [text for text in telegram.texts(chat) if "нет ни одного нового отчёта" in text]
        assert len(told) == 1 and "26 часов" in told[0]
    (chat,) = destinations.chat_ids(noisy.integration().public)
    assert not [text for text in telegram.texts(chat) if "нет ни одного" in text]

    # a report ends the silence; the next silence is another one
    reported(companies[1], 0)
    assert companies[1].slug not in silent() and tell() == 0
    reported(companies[1], 27)
    assert tell() == 1


def test_the_cause_of_the_last_failure_is_told(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    reported(company, 30)
    with db.as_service("test") as connection:
        run, _ = queue.request(
            connection, company.tenant_id, WINDOW, mode="radist_only", trigger_type="scheduled", report_type="daily"
        )
        leases.finish(connection, leases.claim(connection, run.run_id), "failed", error="Radist не принимает наш ключ.")
    assert tell() == 1
    send_due()
    assert "Radist не принимает наш ключ." in telegram.texts(chat)[-1]


def test_a_company_at_rest_is_not_missed(make_company: MakeCompany, telegram: Telegram) -> None:
    paused, off, fresh = (make_company(telegram.chat()) for _ in range(3))
    for company in (paused, off):
        reported(company, 50)
    with db.as_service("test") as connection:
        tenants.set_status(connection, paused.tenant_id, "paused")
        # paused long ago: the pause itself is no report
        connection.execute(
            "update synkro.tenants set status_since = now() - interval '30 days' where tenant_id = %s",
            (paused.tenant_id,),
        )
        runtime_config.change(connection, off.tenant_id, {"is_schedule_enabled": False})
        # switched on a moment ago: its first report is not late yet
        runtime_config.change(connection, fresh.tenant_id, {"is_schedule_enabled": True})
    assert silent() == [] and tell() == 0


def test_doctor_and_health_say_it(make_company: MakeCompany, telegram: Telegram) -> None:
    checks = dict(doctor.CHECKS)
    company = make_company(telegram.chat())
    reported(company, 1)
    assert "reports" not in health.check()["unwell"] and "выходят" in checks["отчёты"]()
    reported(company, 30)
    said = health.check()
    assert "reports" in said["unwell"] and company.slug not in str(said)
    with pytest.raises(SynkroError, match=f"{company.slug} с 20.*synkro run list"):
        checks["отчёты"]()


def test_the_sender_asks_by_itself(
    make_company: MakeCompany, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = telegram.chat()
    reported(make_company(chat), 30)
    stop = threading.Event()
    monkeypatch.setattr(service, "PAUSE", 0.05)
    sender = threading.Thread(target=service._send, args=(stop,))
    sender.start()
    deadline = time.monotonic() + 120
    while not telegram.texts(chat)[1:] and time.monotonic() < deadline:
        time.sleep(0.05)
    stop.set()
    sender.join(timeout=120)
    assert [text for text in telegram.texts(chat) if "нет ни одного нового отчёта" in text]
    assert "sender" not in health.check()["unwell"]
    with db.as_service("test") as connection:
        connection.execute(
            "update private.services set heartbeat_at = now() - interval '5 minutes' where service = 'sender'"
        )
    assert "sender" in health.check()["unwell"]
