"""A real Postgres with our migrations, and the sandbox's amoCRM and Radist over real sockets."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

import synkro.http.factory
from ingestion.extract.context import LoadContext, SourceResult
from ingestion.pipelines import READERS
from sandbox import server
from synkro.connectors import integrations
from synkro.core import clock
from synkro.core.windows import Window
from synkro.database import db
from synkro.runs import watermarks
from synkro.tenancy import tenants
from tests.conftest import entry_points_to

READ = {vendor: READERS[vendor] for vendor in ("amocrm", "radist")}


@pytest.fixture(scope="module")
def database(make_database: Callable[[str | None], str], template: str) -> Iterator[str]:
    """URL of a fresh database for the module; the entry points lead to it."""
    with entry_points_to(make_database(template)) as url:
        yield url


@pytest.fixture(scope="module")
def outside() -> Iterator[server.Sandbox]:
    """One small company's vendors for the tests of a module; each test works on it as the last one left it.

    Its stories end days ago: what changes during a test is what the test changes.
    """
    today = clock.now().date()
    with server.start(
        "small", now=clock.now, first_day=today - timedelta(days=11), last_day=today - timedelta(days=3)
    ) as sandbox:
        yield sandbox


@pytest.fixture
def vendors(outside: server.Sandbox) -> Iterator[server.Sandbox]:
    """The vendors without faults and limits, their request logs empty."""
    for name in READ:
        outside.faults[name].clear()
        outside.faults[name].add({"kind": "rate", "per_second": None})
        outside.request_logs[name].clear()
    yield outside
    for name in READ:
        assert outside.request_logs[name].violations() == []


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of tries, shorter pauses between them."""
    usual = synkro.http.factory.Bounds
    monkeypatch.setattr(synkro.http.factory, "Bounds", lambda **given: usual(**{"backoff": 0.02, **given}))


@dataclass
class Company:
    """A tenant whose two integrations point at the sandbox."""

    tenant_id: uuid.UUID
    slug: str
    url: str
    outside: server.Sandbox
    work: list[Path] = field(default_factory=list)
    #: when the last read began
    began: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def context(
        self,
        checkpoint: Callable[[], None] = lambda: None,
        window: Window | None = None,
        **options: Any,
    ) -> LoadContext:
        now = clock.now()
        window = window or Window(now - timedelta(days=1), now)
        run_id = uuid.uuid4()
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "insert into synkro.job_runs (tenant_id, run_id, mode, trigger_type, status, window_start, window_end,"
                " attempt) select %(t)s, %(r)s, 'amocrm_radist', 'manual', 'success', %(s)s, %(e)s, count(*) + 1"
                " from synkro.job_runs where tenant_id = %(t)s",
                {"t": self.tenant_id, "r": run_id, "s": window.start, "e": window.end},
            )
        self.work.append(Path(tempfile.mkdtemp(prefix="ingestion-")))
        return LoadContext(
            self.tenant_id,
            self.slug,
            run_id,
            window,
            self.url,
            self.work[-1],
            checkpoint,
            options.pop("progress", lambda *_: None),
            True,
            **options,
        )

    def read(self, source: str, **options: Any) -> SourceResult:
        self.began = clock.now()
        return READ[source](self.context(**options))

    def sql(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def ids(self, table: str, where: str = "true") -> set[Any]:
        rows = self.sql(f"select id from {table} where tenant_id = %s and {where}", self.tenant_id)
        return {row["id"] for row in rows}

    def content(self, *tables: str) -> list[Any]:
        """Everything that says something, as one comparable value."""
        return [
            self.sql(f"select id, payload from {name} where tenant_id = %s order by id, payload", self.tenant_id)
            for name in tables
        ]

    def marks(self) -> dict[str, watermarks.Watermark]:
        with db.as_service("test") as connection:
            return {mark.stream: mark for mark in watermarks.all_of(connection, self.tenant_id)}

    def integration(self, kind: Any) -> integrations.Integration:
        with db.as_service("test") as connection:
            return integrations.load(connection, self.tenant_id, kind)


@pytest.fixture
def make_company(database: str, vendors: server.Sandbox) -> Iterator[Callable[[], Company]]:
    made: list[Company] = []

    def make() -> Company:
        slug = f"t{uuid.uuid4().hex[:10]}"
        at = vendors.addresses
        with db.as_service("test") as connection:
            tenant = tenants.add(connection, "Окна", slug, "Asia/Almaty").tenant_id
            for kind, public, secrets in (
                ("amocrm", {"base_url": at["amocrm"]["base_url"]}, {"access_token": at["amocrm"]["access_token"]}),
                (
                    "radist",
                    {"base_url": at["radist"]["base_url"], "company_id": str(at["radist"]["company_id"])},
                    {"api_key": at["radist"]["api_key"]},
                ),
            ):
                integrations.save_public(connection, tenant, kind, {**public, "requests_per_second": 1000})  # type: ignore[arg-type]
                integrations.save_secrets(connection, tenant, kind, secrets)  # type: ignore[arg-type]
            connection.execute("delete from private.vendor_limits")
        made.append(Company(tenant, slug, database, vendors))
        return made[-1]

    yield make
    for company in made:
        left = [path for folder in company.work for path in folder.rglob("*") if path.is_file()]
        for folder in company.work:
            with suppress(OSError):
                folder.rmdir()
        assert left == [], "chats were left on the disk"
        schemas = company.sql("select nspname from pg_namespace where nspname like %s", f"%_stg_{company.slug}")
        assert schemas == [], "the staging schema was left"


@pytest.fixture
def company(make_company: Callable[[], Company]) -> Company:
    return make_company()
