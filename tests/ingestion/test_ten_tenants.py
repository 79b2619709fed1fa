"""Ten tenants read at once, both vendors each, every vendor account with its own real limits.

Eight small companies, one whose amoCRM token is wrong and whose Radist is down, and one about a hundred times larger.
The eight read twice: by themselves, and beside the two bad ones. Each company is another seed, so its rows are its
own, though ids of companies overlap.

The large one cannot be through before the eight are: its dialogs alone take minutes at Radist's pace. Once the eight
have finished it is stopped, as a person stops a run.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.extract.context import SourceResult
from sandbox import server
from synkro.connectors import integrations
from synkro.core import clock
from synkro.core.errors import AuthenticationError, Cancelled, TransientError
from synkro.database import db
from synkro.http import permits
from synkro.http.ratelimit import pace as pace_of
from synkro.tenancy import tenants
from tests.ingestion.conftest import READ, Company

pytestmark = pytest.mark.slow

SMALL = 8
LARGE_SEED, BROKEN_SEED = 77, 66
#: seconds after which the test gives up
PATIENCE = 600


@dataclass
class Reading:
    """One tenant's read of both vendors at once, as a run does it."""

    company: Company
    results: dict[str, SourceResult] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    began: float = 0.0
    ended: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    #: vendor -> how many rows its progress has told of
    told: dict[str, int] = field(default_factory=dict)

    def start(self) -> None:
        self.began = time.monotonic()
        self._threads = [threading.Thread(target=self._read, args=(vendor,)) for vendor in READ]
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float) -> None:
        for thread in self._threads:
            thread.join(seconds)
            assert not thread.is_alive(), f"{self.company.slug} is still reading"

    @property
    def wall(self) -> float:
        return self.ended - self.began

    def _read(self, vendor: str) -> None:
        def checkpoint() -> None:
            if self.stop.is_set():
                raise Cancelled("Запуск остановлен.")

        try:
            self.results[vendor] = self.company.read(
                vendor, checkpoint=checkpoint, progress=lambda _, done, *__: self.told.update({vendor: done})
            )
        except Cancelled:
            self.stopped.add(vendor)
        self.ended = time.monotonic()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[int, server.Sandbox]]:
    """{seed: the vendors of one company}, at the vendors' real rates."""
    today = clock.now().date()
    days = {"first_day": today - timedelta(days=6), "last_day": today - timedelta(days=3)}
    with ExitStack() as stack:
        made = {
            seed: stack.enter_context(server.start("small", seed, now=clock.now, **days))
            for seed in range(1, SMALL + 1)
        }
        made[BROKEN_SEED] = stack.enter_context(server.start("small", BROKEN_SEED, now=clock.now, **days))
        made[LARGE_SEED] = stack.enter_context(server.start("large", LARGE_SEED, now=clock.now, **days))
        made[BROKEN_SEED].faults["radist"].add({"kind": "down"})
        yield made


def company_of(database: str, outside: server.Sandbox, token: str | None = None) -> Company:
    """A new tenant of these vendors, at the product's own pace."""
    at, slug = outside.addresses, f"t{uuid.uuid4().hex[:10]}"
    with db.as_service("test") as connection:
        tenant = tenants.add(connection, "Окна", slug, "Asia/Almaty").tenant_id
        radist = {"base_url": at["radist"]["base_url"], "company_id": str(at["radist"]["company_id"])}
        integrations.save_public(connection, tenant, "amocrm", {"base_url": at["amocrm"]["base_url"]})
        integrations.save_public(connection, tenant, "radist", radist)
        integrations.save_secrets(connection, tenant, "amocrm", {"access_token": token or at["amocrm"]["access_token"]})
        integrations.save_secrets(connection, tenant, "radist", {"api_key": at["radist"]["api_key"]})
    return Company(tenant, slug, database, outside)


def read_at_once(readings: list[Reading]) -> None:
    for reading in readings:
        reading.start()


def assert_own_and_whole(company: Company) -> None:
    """Raw of this tenant is what its own vendors have to show, and nothing else: ids, and words of its own deals."""
    world, now = company.outside.world, clock.now()
    told = world.expected(datetime(2000, 1, 1, tzinfo=UTC), now)
    names = {deal.id: deal.history.state(now)["name"] for deal in world.company.deals if deal.id in told.leads}
    rows = company.sql(
        "select id, payload ->> 'name' as name from raw_amocrm.leads where tenant_id = %s", company.tenant_id
    )
    assert {row["id"]: row["name"] for row in rows} == names
    assert company.ids("raw_amocrm.contacts", "not payload -> '_synkro' ? 'stub'") == set(told.contacts)
    said = company.sql("select chat_id, id from raw_radist.messages where tenant_id = %s", company.tenant_id)
    assert {(row["chat_id"], row["id"]) for row in said} == {(c, m) for c, ids in told.messages.items() for m in ids}
    events = {event.id for event in world.events(now) if event.type == "incoming_chat_message"}
    assert company.ids("raw_amocrm.events", "type = 'incoming_chat_message'") == events != set()


def assert_within_limits(servers: list[server.Sandbox]) -> None:
    """Nothing but GET, and no account was let go faster than its vendor bears.

    By the moments of the turns: what was sent evenly arrives in a bunch when this machine stalls.
    """
    for vendor in READ:
        assert [outside.request_logs[vendor].violations() for outside in servers] == [[]] * len(servers)
    with db.as_service("test") as connection:
        rows = connection.execute("select account_key, let_go from private.vendor_limits").fetchall()
    pace = {"amocrm": pace_of(7), "radist": pace_of(5)}
    met = set()
    for row in rows:
        vendor = row["account_key"].partition(":")[0]
        places, span = permits.sliding_window(pace[vendor])
        if row["account_key"].endswith("/listing"):
            places, span = permits.sliding_window(pace_of(1))
        moments = sorted(at.timestamp() for at in row["let_go"])
        spans = [later - first for first, later in zip(moments, moments[places:], strict=False)]
        assert not spans or min(spans) > span - 0.001, row["account_key"]
        met |= {vendor} if spans else set()
    assert met == set(READ)


@pytest.mark.assurance
def test_ten_tenants_at_once(database: str, servers: dict[int, server.Sandbox], record_property: Any) -> None:
    eight = [servers[seed] for seed in range(1, SMALL + 1)]
    deals = [len(outside.world.company.deals) for outside in eight]
    assert len(servers[LARGE_SEED].world.company.deals) > 60 * sum(deals) / len(deals)

    alone = [Reading(company_of(database, outside)) for outside in eight]
    read_at_once(alone)
    for reading in alone:
        reading.join(PATIENCE)

    beside = [Reading(company_of(database, outside)) for outside in eight]
    large = Reading(company_of(database, servers[LARGE_SEED]))
    broken = Reading(company_of(database, servers[BROKEN_SEED], token="ffff"))
    read_at_once([large, broken, *beside])
    for reading in beside:
        reading.join(PATIENCE)
    unfinished = set(READ) - set(large.results)
    large.stop.set()
    broken.join(PATIENCE)
    large.join(PATIENCE)

    # the eight: whole, their own, and before the large one
    for reading in (*alone, *beside):
        assert {v: r.status for v, r in reading.results.items()} == dict.fromkeys(READ, "complete")
        assert_own_and_whole(reading.company)
    assert "radist" in unfinished and large.stopped == unfinished
    assert all(reading.ended < large.ended for reading in beside)
    # the large one got its share: it was reading, and it is not counted as read
    assert large.told["radist"] > 0
    assert not {"chats", "messages"} & set(large.company.marks())

    # the broken one: its own errors, no rows, no marks
    errors = {vendor: result.error for vendor, result in broken.results.items()}
    assert isinstance(errors["amocrm"], AuthenticationError) and "amoCRM" in str(errors["amocrm"])
    assert isinstance(errors["radist"], TransientError) and "Radist" in str(errors["radist"])
    assert broken.company.marks() == {}
    raw = broken.company.sql("select tenant_id from raw_amocrm.leads union select tenant_id from raw_radist.messages")
    assert broken.company.tenant_id not in {row["tenant_id"] for row in raw}

    assert_within_limits(list(servers.values()))
    walls = {"alone": [r.wall for r in alone], "beside": [r.wall for r in beside]}
    ratio = max(walls["beside"]) / max(walls["alone"])
    record_property("wall", json.dumps({name: [round(w, 1) for w in each] for name, each in walls.items()}))
    record_property("ratio", round(ratio, 2))
    print(f"walls {walls}, ratio {ratio:.2f}, large told {large.told}, unfinished {unfinished}")
