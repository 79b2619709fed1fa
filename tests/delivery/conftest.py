"""The package against the sandbox Telegram over HTTP and a real Postgres."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen
from uuid import UUID

import pytest

from delivery import deliveries
from delivery.bot import listener as bot_module
from sandbox import server
from sandbox.server import Sandbox
from synkro.connectors import integrations
from synkro.core import clock, settings
from synkro.core.windows import Window
from synkro.database import db, migrations
from synkro.reporting import reports
from synkro.reporting.body import Body
from synkro.reporting.delivery import outbox
from synkro.reporting.delivery.outbox import Item
from synkro.reporting.reports import Report
from synkro.tenancy import runtime_config, tenants
from tests.delivery.bodies import ordinary

END = datetime(2026, 11, 20, 17, 1, tzinfo=UTC)
BASE_URL = "https://app.synkro.example"
_chats = itertools.count(610_001)
_slugs = itertools.count(1)
_offsets = itertools.count(900_000_000)


@dataclass
class Telegram:
    """The sandbox's bot and its hooks."""

    sandbox: Sandbox
    base_url: str
    token: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = Request(self.base_url + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def sent(self, chat: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"/_sent?chat_id={chat}")
        return found

    def texts(self, chat: str) -> list[str]:
        return [message["text"] for message in self.sent(chat)]

    def chat(self, state: str = "ok", kind: str = "private") -> str:
        """A chat nobody used: each has its own burst of the limit."""
        number = next(_chats) if kind == "private" else -1009000000000 - next(_chats)
        self.call(
            "POST", "/_chats", {"id": number, "type": kind, "first_name": "Сауле", "title": "Отдел", "state": state}
        )
        return str(number)

    def fault(self, kind: str, **more: Any) -> None:
        self.sandbox.faults["telegram"].add({"kind": kind, "path": "(?i)sendmessage", **more})

    def say(self, chat: str, text: str, **more: Any) -> dict[str, Any]:
        update: dict[str, Any] = self.call("POST", "/_inject", {"chat_id": int(chat), "text": text, **more})["update"]
        return update

    def requests(self, method: str) -> int:
        return sum(
            row["path"].lower().endswith(method.lower()) for row in self.sandbox.request_logs["telegram"].requests()
        )


@dataclass
class Company:
    """A tenant with Telegram connected."""

    telegram: Telegram
    tenant_id: UUID
    slug: str
    _published: itertools.count[int] = field(default_factory=itertools.count)

    def site(self) -> str:
        """The tenant's part of the web."""
        return f"{BASE_URL}/t/{self.slug}"

    def connect(self, *chats: str, token: str | None = None) -> None:
        public = {"base_url": self.telegram.base_url, "chat_id": list(chats) if len(chats) > 1 else chats[0]}
        with db.as_service("test") as connection:
            integrations.save_public(connection, self.tenant_id, "telegram", public)
            integrations.save_secrets(
                connection, self.tenant_id, "telegram", {"bot_token": token or self.telegram.token}
            )

    def integration(self) -> integrations.Integration:
        with db.as_service("test") as connection:
            return integrations.load(connection, self.tenant_id, "telegram")

    def publish(self, body: dict[str, Any] | None = None, deadline: datetime | None = None) -> Report:
        """A report with one letter per chat, of a day of its own."""
        day = next(self._published)
        window = Window(END + timedelta(days=day - 1), END + timedelta(days=day))
        draft = reports.Draft(
            report_type="daily",
            window=window,
            period_start=date(2026, 11, 20),
            period_end=date(2026, 11, 20),
            as_of=None,
            is_complete=True,
            summary_text="",
            body=Body.read(body or ordinary()),
            numbers={},
            coverage={},
            claims=[],
            followup_deadline_at=deadline,
            awaits_delivery=True,
        )
        with db.as_service("test") as connection:
            made = reports.publish(connection, self.tenant_id, None, draft, [])
            deliveries.tell(connection, self.tenant_id, [made.report_id])
            return reports.get(connection, made.report_id)

    def report(self, report: Report) -> Report:
        with db.as_service("test") as connection:
            return reports.get(connection, report.report_id)

    def rows(self, report: Report) -> list[Item]:
        with db.as_service("test") as connection:
            return outbox.of_report(connection, self.tenant_id, report.report_id)

    def row(self, report: Report) -> Item:
        [row] = self.rows(report)
        return row

    def claim(self) -> Item:
        with db.as_service("test") as connection:
            item = outbox.claim(connection, tenant_id=self.tenant_id)
        assert item is not None
        return item

    def hurry(self) -> None:
        """Time passes: what waits is due, claims have run out, chats are free."""
        with db.as_service("test") as connection:
            connection.execute("update synkro.outbox set next_attempt_at = created_at where status = 'pending'")
            connection.execute(
                "update synkro.outbox set claimed_until = now() - interval '1 s' where status = 'sending'"
            )
            connection.execute("delete from private.vendor_limits")

    def questions(self, report: Report) -> list[reports.Message]:
        with db.as_service("test") as connection:
            return reports.thread(connection, report)


@pytest.fixture(scope="session")
def delivery_url(make_database: Callable[[str | None], str]) -> str:
    url = make_database(None)
    migrations.migrate(url)
    return url


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    today = clock.now().date()
    with server.start("small", now=clock.now, first_day=today, last_day=today) as running:
        yield running


@pytest.fixture
def telegram(sandbox: Sandbox) -> Iterator[Telegram]:
    address = sandbox.addresses["telegram"]
    running = Telegram(sandbox, address["base_url"], address["bot_token"])
    # what the last test left in the queue, its offset went with its rows; the same offset twice would wait 3 s
    running.call("POST", f"/bot{running.token}/getUpdates", {"offset": next(_offsets)})
    yield running
    sandbox.faults["telegram"].clear()
    sandbox.request_logs["telegram"].clear()


@pytest.fixture
def database_of_delivery(delivery_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SYNKRO_DATABASE_URL", delivery_url)
    monkeypatch.setenv("SYNKRO_PUBLIC_URL", BASE_URL)
    settings.settings.cache_clear()
    bot_module._names.clear()
    with db.as_service("test") as connection:
        connection.execute("delete from synkro.tenants")
        connection.execute("delete from private.vendor_limits")
    yield
    db.close()
    monkeypatch.undo()
    settings.settings.cache_clear()


@pytest.fixture
def make_company(database_of_delivery: None, telegram: Telegram) -> Callable[..., Company]:
    def make(*chats: str, token: str | None = None) -> Company:
        slug = f"company{next(_slugs)}"
        with db.as_service("test") as connection:
            tenant = tenants.add(connection, "Мебель", slug, "Asia/Almaty")
            runtime_config.start(connection, tenant.tenant_id, "Asia/Almaty")
        company = Company(telegram, tenant.tenant_id, slug)
        company.connect(*chats, token=token)
        return company

    return make
