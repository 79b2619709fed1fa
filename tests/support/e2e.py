"""A small company with its simulated vendors, connected to a tenant: what tests of the whole line start from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from sandbox.server import Sandbox, start
from synkro.connectors import integrations
from synkro.core import clock, windows
from synkro.core.windows import Window
from synkro.database import db
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants
from tests.support.sockets import NO_CERTIFICATES

TIMEZONE = "Asia/Almaty"


@dataclass
class Environment:
    sandbox: Sandbox
    tenant_id: UUID
    slug: str
    window: Window

    def request_log(self, vendor: str) -> list[dict[str, Any]]:
        return list(httpx.get(f"http://127.0.0.1:{self.sandbox.ports[vendor]}/_journal", verify=NO_CERTIFICATES).json())

    def violations(self, vendor: str) -> list[dict[str, Any]]:
        return list(
            httpx.get(f"http://127.0.0.1:{self.sandbox.ports[vendor]}/_violations", verify=NO_CERTIFICATES).json()
        )

    def sent(self) -> list[dict[str, Any]]:
        return list(
            httpx.get(f"http://127.0.0.1:{self.sandbox.ports['telegram']}/_sent", verify=NO_CERTIFICATES).json()
        )

    def fault(self, vendor: str, **fault: Any) -> None:
        httpx.post(
            f"http://127.0.0.1:{self.sandbox.ports[vendor]}/_faults", json=fault, verify=NO_CERTIFICATES
        ).raise_for_status()

    def mend(self) -> None:
        """Clear every fault, and let a stopped account go on."""
        for vendor in ("amocrm", "radist", "telegram", "llm"):
            httpx.delete(
                f"http://127.0.0.1:{self.sandbox.ports[vendor]}/_faults", verify=NO_CERTIFICATES
            ).raise_for_status()
            if vendor in ("amocrm", "radist"):
                self.fault(vendor, kind="rate", per_second=None)
        with db.as_service("test") as connection:
            connection.execute("delete from private.vendor_limits")

    def request(self, **wanted: Any) -> queue.Run:
        values = {"mode": "amocrm_radist", "trigger_type": "manual", "report_type": "daily"} | wanted
        with db.as_service("test") as connection:
            return queue.request(connection, self.tenant_id, self.window, **values)[0]

    def build(self) -> queue.Run:
        """Ask for the report of the last closed day and execute it here, through Dagster."""
        from orchestration.process.launch import execute

        return execute(self.request().run_id)


@contextmanager
def open_environment(
    slug: str, *, seed: int = 11, with_ai: bool = True, vertical: str | None = None
) -> Iterator[Environment]:
    """Needs the entry points to lead to a database that holds the migrations and the marts."""
    with start("small", seed=seed, now=clock.now, vertical=vertical) as sandbox:
        tenant_id = connect(slug, sandbox.addresses, with_ai=with_ai)
        with db.as_service("test") as connection:
            config = runtime_config.current(connection, tenant_id)
        window = windows.last_closed(sandbox.world.now(), config.business_day_start, config.timezone)
        e2e = Environment(sandbox, tenant_id, slug, window)
        e2e.mend()
        yield e2e


def connect(slug: str, at: dict[str, dict[str, Any]], *, with_ai: bool = True) -> UUID:
    """A tenant whose integrations point at the sandbox."""
    settled: dict[integrations.Kind, tuple[dict[str, Any], dict[str, str]]] = {
        "amocrm": (
            {"base_url": at["amocrm"]["base_url"], "requests_per_second": 500},
            {"access_token": at["amocrm"]["access_token"]},
        ),
        "radist": (
            {
                "base_url": at["radist"]["base_url"],
                "company_id": at["radist"]["company_id"],
                "requests_per_second": 500,
            },
            {"api_key": at["radist"]["api_key"]},
        ),
        "telegram": (
            {"base_url": at["telegram"]["base_url"], "chat_id": _chat(at["telegram"])},
            {"bot_token": at["telegram"]["bot_token"]},
        ),
    }
    if with_ai:
        settled["ai"] = (
            {"base_url": at["llm"]["base_url"], "model": at["llm"]["model"]},
            {"api_key": at["llm"]["api_key"]},
        )
    with db.as_service("test") as connection:
        tenant = tenants.add(connection, f"Компания {slug}", slug, TIMEZONE)
        runtime_config.start(connection, tenant.tenant_id, TIMEZONE)
        for kind, (public, sealed) in settled.items():
            integrations.save_public(connection, tenant.tenant_id, kind, public)
            integrations.save_secrets(connection, tenant.tenant_id, kind, sealed)
    return tenant.tenant_id


def _chat(telegram: dict[str, Any]) -> int:
    """The sandbox's first group; one of its own for every further company of the database, as a chat belongs to one."""
    with db.as_service("test") as connection:
        row = connection.execute(
            "select count(*) as n from synkro.integration_configs where kind = 'telegram' and public_config ? 'chat_id'"
        ).fetchone()
    further = row["n"] if row else 0
    if not further:
        return int(telegram["chat_id"])
    chat_id = int(telegram["chat_id"]) - 1000 - further
    httpx.post(
        f"{telegram['base_url']}/_chats",
        json={"id": chat_id, "type": "supergroup", "title": f"Отдел {further}"},
        verify=NO_CERTIFICATES,
    )
    return chat_id
