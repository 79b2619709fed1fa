"""A small hand-made company, written straight into raw, and a database with the marts to build it in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.rows import dict_row

from orchestration.dbt import project
from synkro.core.settings import settings
from synkro.core.windows import Window
from synkro.tenancy import runtime_config, tenants

OFFICE = [["09:00", "13:00"], ["14:00", "18:00"]]
CALENDAR = {"weekly": {day: OFFICE for day in ("mon", "tue", "wed", "thu", "fri")}}


@dataclass
class Company:
    """Rows as the vendors would have them; moments are local texts such as ``2026-03-02 10:00``."""

    connection: psycopg.Connection[Any]
    url: str
    slug: str
    timezone: str = "Asia/Almaty"
    tenant_id: UUID = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        self.tenant_id = tenants.add(self.connection, self.slug.title(), self.slug, self.timezone).tenant_id
        if not self.connection.execute(
            "select from synkro.tenant_runtime_configs where tenant_id = %s", (self.tenant_id,)
        ).fetchone():
            runtime_config.start(self.connection, self.tenant_id, self.timezone)
        self.configure(calendar=CALENDAR, business_day_start="06:00")

    def configure(self, **values: Any) -> None:
        config = runtime_config.change(self.connection, self.tenant_id, values)
        runtime_config.fill_working_intervals(
            self.connection, self.tenant_id, config, date(2026, 1, 1), date(2026, 6, 1)
        )

    def at(self, text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(self.timezone)).astimezone(UTC)

    def put(self, table: str, **row: Any) -> None:
        row = {"tenant_id": self.tenant_id, "seen_at": datetime(2026, 3, 20, tzinfo=UTC), **row}
        row |= {"payload": json.dumps(row.get("payload", {})), "_dlt_load_id": "1", "_dlt_id": "1"}
        names = ", ".join(row)
        self.connection.execute(
            f"insert into {table} ({names}) values ({', '.join(['%s'] * len(row))})", list(row.values())
        )

    def manager(self, id: int, name: str) -> None:
        self.put(
            "raw_amocrm.users",
            id=id,
            payload={"name": name, "email": f"{id}@example.test", "rights": {"is_active": True}},
        )

    def pipeline(self, id: int) -> None:
        statuses = [{"id": 1, "name": "Новая", "sort": 10}, {"id": 142, "name": "Продано", "sort": 10000}]
        self.put(
            "raw_amocrm.pipelines",
            id=id,
            payload={"name": f"Воронка {id}", "sort": 1, "_embedded": {"statuses": statuses}},
        )

    def contact(self, id: int, *phones: str, name: str = "Клиент") -> None:
        self.put("raw_amocrm.contacts", id=id, payload={"name": name, "_synkro": {"phones": list(phones)}})

    def deal(self, id: int, contact: int | None, *, manager: int, price: int = 1000, status: int = 1,
             created: str = "2026-02-20 10:00", closed: str | None = None) -> None:  # fmt: skip
        links = [{"id": contact, "is_main": True}] if contact else []
        self.put(
            "raw_amocrm.leads", id=id, created_at=self.at(created), updated_at=self.at(closed or created),
            payload={"name": f"Сделка {id}", "price": price, "pipeline_id": 5, "status_id": status, "responsible_user_id": manager,
                     "closed_at": self.at(closed).timestamp() if closed else None, "_embedded": {"contacts": links}},
        )  # fmt: skip

    def chat(self, id: int, phone: str | None, *, connection: int = 1, is_group: bool = False) -> int:
        payload = {"source_chat_id": f"s{id}", "name": f"Чат {id}", "is_group": is_group, "_synkro": {"phone": phone}}
        self.put("raw_radist.chats", id=id, connection_id=connection, payload=payload)
        return id

    def say(self, chat: int, at: str, who: str, text: str | None = "Вопрос", *, type: str = "text", by: int | None = None,
            contact: int | None = None) -> str:  # fmt: skip
        """``who``: client or us; ``by`` and ``contact`` write the amoCRM event that names the author."""
        self._count += 1
        id = f"m{self._count:05}"
        self.put(
            "raw_radist.messages", chat_id=chat, id=id, connection_id=1, sent_at=self.at(at), message_type=type,
            direction="inbound" if who == "client" else "outbound", payload={"text": {"text": text}} if text else {},
        )  # fmt: skip
        if by is not None:
            self.put(
                "raw_amocrm.events", id=f"e{id}", type="outgoing_chat_message", entity_type="contact", entity_id=contact,
                created_at=self.at(at) + timedelta(seconds=1),
                payload={"created_by": by, "_embedded": {"entity": {"linked_talk_contact_id": contact}}},
            )  # fmt: skip
        return id

    def does(self, chat: int, message_id: str, act: str, what: str = "", due: str | None = None) -> None:
        """What the step before dbt would have decided of the message."""
        self.connection.execute(
            "insert into private.message_acts values (%s, %s, %s, %s, %s, %s)",
            (self.tenant_id, str(chat), message_id, act, what, self.at(due) if due else None),
        )

    def call(self, id: int, contact: int, at: str, seconds: int, by: int) -> None:
        self.put(
            "raw_amocrm.notes", id=id, entity_type="contacts", entity_id=contact, note_type="call_out",
            created_at=self.at(at), payload={"created_by": by, "params": {"duration": seconds}},
        )  # fmt: skip

    def task(self, id: int, deal: int, *, due: str = "2026-03-03 15:00", created: str = "2026-03-02 10:00",
             done: str | None = None, manager: int = 7) -> None:  # fmt: skip
        self.put(
            "raw_amocrm.tasks", id=id, entity_type="leads", entity_id=deal, created_at=self.at(created),
            updated_at=self.at(done or created),
            payload={"text": "Перезвонить", "responsible_user_id": manager, "is_completed": done is not None,
                     "complete_till": self.at(due).timestamp(), "result": []},
        )  # fmt: skip

    def window(self, start: str, end: str, as_of: str | None = None) -> Window:
        window = Window(self.at(start), self.at(end))
        self.connection.execute(
            "insert into synkro.report_windows (tenant_id, window_start, window_end, label_date, as_of, is_complete)"
            " values (%s, %s, %s, %s, %s, true) on conflict (tenant_id, window_start, window_end)"
            " do update set as_of = excluded.as_of",
            (self.tenant_id, window.start, window.end, start[:10], self.at(as_of or end)),
        )
        return window

    def compare(self, window: Window, other: Window) -> None:
        """The window's usual is the other one."""
        baselines = [
            {"compared_with": name, "start": other.start.isoformat(), "end": other.end.isoformat(), "unit": "stretch",
             "working_days": None}
            for name in ("usual", "previous")
        ]  # fmt: skip
        self.connection.execute(
            "update synkro.report_windows set baselines = %s where tenant_id = %s and window_start = %s and window_end = %s",
            (json.dumps(baselines), self.tenant_id, window.start, window.end),
        )

    def build(self, *windows: Window, work: Path, **options: Any) -> list[project.NodeResult]:
        return project.build_tenant(
            self.url, settings().data_dir, tenant_id=self.tenant_id, window_start=windows[0].start,
            window_end=windows[0].end, windows=windows, work_dir=work, **options,
        )  # fmt: skip

    def rows(self, table: str, columns: str = "*", where: str = "true", order: str = "1") -> list[dict[str, Any]]:
        return self.connection.execute(
            f"select {columns} from {table} where tenant_id = %s and {where} order by {order}", (self.tenant_id,)
        ).fetchall()


@pytest.fixture(scope="module")
def marts_db(make_database: Callable[[str | None], str], template: str) -> str:
    """A database with migrations and empty marts, shared by one module."""
    return make_database(template)


@pytest.fixture(scope="module")
def connection(marts_db: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(marts_db, autocommit=True, row_factory=dict_row) as opened:
        yield opened


@pytest.fixture(scope="module")
def company(connection: psycopg.Connection[Any], marts_db: str) -> Callable[..., Company]:
    return lambda slug, **options: Company(connection, marts_db, slug, **options)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt")
