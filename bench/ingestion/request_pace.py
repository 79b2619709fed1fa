"""How near a first load comes to the vendors' limits, and how many requests it makes.

A synthetic company (5,000 deals, 8,000 contacts, 20,000 events, 3,000 dialogs with 60,000 messages, times
``--scale``) is served by the sandbox in a process of its own, with the vendors' own limits. Printed per vendor:

- requests sent ÷ the fewest possible: every list in full pages, a dictionary one request, a dialog one per page;
- wall ÷ (requests ÷ the allowed rate), from the first request to the last;
- answers of 429, which must be none;
- how much shorter than our window the vendor's meter saw it: what the margin of ``ratelimit.WINDOW`` is for.

    python -m bench.ingestion.request_pace --scale 0.2 --vendor amocrm
"""

from __future__ import annotations

import argparse
import contextlib
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from bench.support.environment import installation
from ingestion.extract.context import LoadContext, SourceResult
from ingestion.pipelines import READERS
from sandbox import server
from sandbox.company.builder import generate
from sandbox.company.model import Change, Chat, Company, Contact, Deal, Event, Message, RadistContact, Timeline
from sandbox.company.story import ulid
from sandbox.company.world import World
from synkro.connectors import integrations
from synkro.core.windows import Window
from synkro.database import db
from synkro.http import ratelimit
from synkro.runs import queue
from synkro.tenancy import tenants

SIZES = {"leads": 5_000, "contacts": 8_000, "events": 20_000, "chats": 3_000, "messages": 60_000}
#: a first load looks back sixty days
HISTORY = timedelta(days=50)
#: rows a page holds; the sandbox's events have the documented hundred
PAGES = {"leads": 250, "contacts": 250, "events": 100, "chats": 100, "messages": 100}
#: account, event types, users, pipelines, loss reasons; calls on deals and on contacts; three lists of deletions
AMOCRM_SMALL = 10
RADIST_SMALL = 1
#: requests the vendors allow in a second
ALLOWED = {"amocrm": 7, "radist": 5}

READ: dict[str, Callable[[LoadContext], SourceResult]] = {name: READERS[name] for name in ("amocrm", "radist")}


def company(scale: float) -> Company:
    """Rows without a story, evenly spread over the last fifty days."""
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - HISTORY
    made = generate(7, "small", now.date(), now.date())
    size = {name: max(1, round(count * scale)) for name, count in SIZES.items()}

    def moments(count: int) -> Iterator[datetime]:
        return (start + HISTORY * (n / count) for n in range(count))

    def history(at: datetime, **values: Any) -> Timeline:
        timeline = Timeline()
        owner = {"responsible_id": made.managers[0].id, "is_deleted": False}
        timeline.add(Change(at, 0, {**owner, **values}))
        return timeline

    made.contacts = [
        Contact(40_000_000 + n, at, 0, history(at, name=f"Клиент {n}"), [(f"+7700{n:07d}", "MOB")])
        for n, at in enumerate(moments(size["contacts"]))
    ]
    stage = {"status_id": made.pipelines[0].stages[0].id, "pipeline_id": made.pipelines[0].id}
    fields = {**stage, "price": 100_000, "loss_reason_id": None, "closed_at": None}
    made.deals = [
        Deal(20_000_000 + n, at, 0, history(at, name=f"Сделка {n}", **fields), [made.contacts[n].id], [], {})
        for n, at in enumerate(moments(size["leads"]))
    ]
    after = [{"lead_status": {"id": stage["status_id"], "pipeline_id": stage["pipeline_id"]}}]
    made.events = [
        Event(
            ulid(at, str(n)), "lead_status_changed", "lead", made.deals[n % len(made.deals)].id, 0,
            at.replace(microsecond=0), after, after,
        )
        for n, at in enumerate(moments(size["events"]))
    ]  # fmt: skip
    made.notes, made.tasks = [], []
    made.radist_contacts, made.chats = [], []
    each = max(1, size["messages"] // size["chats"])
    for n, at in enumerate(moments(size["chats"])):
        person = RadistContact(80_000_000 + n, f"Клиент {n}")
        chat = Chat(60_000_000 + n, 501, person.id, f"7700{n:07d}@c.us", f"+7700{n:07d}", f"Клиент {n}")
        chat.messages = [
            Message(str(uuid4()), chat.id, at + timedelta(seconds=k), ("client", "manager")[k % 2], "text", "Привет")
            for k in range(each)
        ]
        chat.settle()
        person.chats.append(chat)
        made.radist_contacts.append(person)
        made.chats.append(chat)
    return made


def fewest(made: Company) -> dict[str, int]:
    """Requests of a reader that knows the answer beforehand."""

    def full(name: str, rows: Sequence[Any]) -> int:
        return math.ceil(len(rows) / PAGES[name])

    lists = full("leads", made.deals) + full("contacts", made.contacts) + full("events", made.events)
    dialogs = sum(full("messages", chat.messages) for chat in made.chats)
    return {
        "amocrm": lists + AMOCRM_SMALL,
        "radist": full("chats", made.radist_contacts) + dialogs + RADIST_SMALL,
    }


def serve(scale: float, pipe: Connection) -> None:
    """The vendors, in a process of their own: their work must not hold ours up."""
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    made = company(scale)
    sandbox = server.Sandbox(World(made), server._bind(None), {})
    pipe.send((sandbox.addresses, sandbox.ports, fewest(made)))
    pipe.recv()
    sandbox.stop()


@contextmanager
def outside(scale: float) -> Iterator[tuple[dict[str, Any], dict[str, int], dict[str, int]]]:
    """Addresses, ports and the fewest requests by vendor."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(scale, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
        ours.send("stop")
    finally:
        process.join(10)
        process.kill()


def connect(addresses: dict[str, Any]) -> LoadContext:
    """A new company that points at the sandbox, at the pace of the real vendors."""
    now, slug = datetime.now(UTC), f"pace{uuid4().hex[:6]}"
    window = Window(now - timedelta(days=1), now)
    with db.as_service("bench") as connection:
        tenant = tenants.add(connection, "Окна", slug, "Asia/Almaty").tenant_id
        for kind, public, secret in (("amocrm", (), "access_token"), ("radist", ("company_id",), "api_key")):
            at = addresses[kind]
            shown = {name: str(at[name]) for name in ("base_url", *public)}
            integrations.save_public(connection, tenant, integrations.check_kind(kind), shown)
            integrations.save_secrets(connection, tenant, integrations.check_kind(kind), {secret: at[secret]})
        run, _ = queue.request(
            connection, tenant, window, mode="amocrm_radist", trigger_type="manual", report_type="daily"
        )
    work = Path(tempfile.mkdtemp(prefix="synkro-bench-"))
    return LoadContext(tenant, slug, run.run_id, window, db.owner_url(), work, lambda: None, lambda *_: None, True)


def tell(vendor: str, request_log: list[dict[str, Any]], least: int, whole: float) -> None:
    """Print one vendor's ratios from what its server wrote down."""
    at = sorted(datetime.fromisoformat(row["at"]).timestamp() for row in request_log)
    refused = sum(row["status"] == 429 for row in request_log)
    allowed = ALLOWED[vendor]
    ideal = len(at) / allowed
    spans = sorted(later - first for first, later in zip(at, at[allowed:], strict=False))
    short = [1000 * (ratelimit.WINDOW - span) for span in spans[: max(1, len(spans) // 100)]]
    print(
        f"{vendor}: {len(at)} requests of {least} ({len(at) / least:.3f}), {at[-1] - at[0]:.1f} s of"
        f" {ideal:.1f} ({(at[-1] - at[0]) / ideal:.3f}), {refused} refused; {allowed + 1} requests in"
        f" {spans[0]:.3f} s at least, {short[0]:.0f} ms less than our window ({short[-1]:.0f} ms once in a hundred);"
        f" the whole read {whole:.1f} s"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1, help="1 is the whole company: eleven minutes")
    parser.add_argument("--vendor", choices=[*READ, "both"], default="both")
    chosen = parser.parse_args(arguments)
    with installation(), outside(chosen.scale) as (addresses, ports, least):
        context = connect(addresses)
        for vendor in READ if chosen.vendor == "both" else [chosen.vendor]:
            began = time.perf_counter()
            result = READ[vendor](context)
            if result.status != "complete":
                raise SystemExit(f"{vendor}: {result.status}: {result.error}")
            request_log = httpx.get(f"http://{server.HOST}:{ports[vendor]}/_journal", timeout=60).json()
            tell(vendor, request_log, least[vendor], time.perf_counter() - began)


if __name__ == "__main__":
    main()
