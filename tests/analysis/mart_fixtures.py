"""A tenant with a window, written straight into the marts: what the analysis package reads, without the packages before it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from analysis.llm.limits import Limits
from analysis.report.context import AnalysisContext
from analysis.topics import pack
from synkro.connectors.integrations import Integration
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import dialogs
from synkro.reporting.dialogs import Message
from synkro.reporting.report_windows import ReportWindow, save
from synkro.tenancy import tenants

FURNITURE = pack("furniture").catalogue
WINDOW = Window(datetime(2026, 11, 19, 17, 1, tzinfo=UTC), datetime(2026, 11, 20, 17, 1, tzinfo=UTC))
DAY = date(2026, 11, 20)
_KINDS = {"К": "client", "М": "manager", "Б": "bot"}
_EMPTY: dict[str, Any] = {
    "text": "", "integer": 0, "numeric": 0, "boolean": False, "bigint": 0, "uuid": None, "date": DAY,
    "timestamp with time zone": WINDOW.start,
}  # fmt: skip


def said_in(tenant_id: UUID, dialog_id: str) -> list[Message]:
    """The dialog's messages of :data:`WINDOW`, as the database has them."""
    with db.as_service("test") as connection:
        return dialogs.messages_of_window(connection, tenant_id, [dialog_id], WINDOW)[dialog_id]


#: a slow machine must not look like a slow provider: its second try would be a call more
UNHURRIED = Limits(call_seconds=60.0, reading_seconds=600.0, patience_seconds=0.2)
#: for a provider that answers after an hour or never
SILENCE = Limits(call_seconds=1.0, reading_seconds=600.0, patience_seconds=0.2)


@dataclass
class Shop:
    """Adds rows; everything not named takes a neutral value."""

    url: str
    tenant_id: UUID
    _columns: dict[str, list[tuple[str, str, bool]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(self.url, autocommit=True)

    def insert(self, table: str, **values: Any) -> None:
        connection = self.connection
        if table not in self._columns:
            self._columns[table] = [
                (name, kind, null == "YES")
                for name, kind, null in connection.execute(
                    "select column_name, data_type, is_nullable from information_schema.columns"
                    " where table_schema = 'marts' and table_name = %s",
                    (table,),
                )
            ]
        row = {name: _EMPTY[kind] for name, kind, nullable in self._columns[table] if not nullable}
        if table == "fct_deals":
            row |= {"is_sales": True, "created_at": WINDOW.start - timedelta(days=30)}
        row |= {"tenant_id": self.tenant_id, **values}
        connection.execute(
            sql.SQL("insert into marts.{} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(sql.Placeholder() * len(row)),
            ),
            list(row.values()),
        )

    def manager(self, manager_id: str, name: str, **period: Any) -> None:
        self.insert("dim_managers", manager_id=manager_id, name=name, is_active=True)
        if period:
            self.insert(
                "period_managers", manager_id=manager_id, window_start=WINDOW.start, window_end=WINDOW.end, **period
            )

    def dialog(
        self,
        dialog_id: str,
        text: str,
        *,
        client: str = "",
        phone: str = "+77010000001",
        at: datetime = WINDOW.start + timedelta(hours=10),
        price: int | None = None,
        media: str = "",
        waits_since: datetime | None = None,
    ) -> None:
        """``text``: lines ``К: …`` or ``М: …``, ten minutes apart. ``waits_since``: an open, overdue wait."""
        client_id = f"c-{dialog_id}"
        deal_id = f"deal-{dialog_id}" if price is not None else None
        self.insert(
            "dim_clients", client_id=client_id, phone=phone, name=client or f"Клиент {dialog_id}", match_status="deal"
        )
        self.insert("dim_dialogs", dialog_id=dialog_id, client_id=client_id, channel="whatsapp")
        if deal_id:
            self.insert(
                "fct_deals", deal_id=deal_id, client_id=client_id, name="Сделка", stage_kind="open", price=price,
                currency="KZT", responsible_id="7",
            )  # fmt: skip
        lines = [line for line in text.split("\n") if line.strip()]
        if waits_since is not None:
            at = waits_since - timedelta(minutes=10 * (len(lines) - 1))
        for i, line in enumerate(lines):
            kind = _KINDS[line[0]]
            self.insert(
                "fct_messages", message_id=f"{dialog_id}/{i}", dialog_id=dialog_id, client_id=client_id, kind=kind,
                direction="inbound" if kind == "client" else "outbound", sent_at=at + timedelta(minutes=10 * i),
                body=line[2:].strip(), needs_reply=kind == "client", author_id="7" if kind == "manager" else None,
            )  # fmt: skip
        for i in range(len(media)):
            self.insert(
                "fct_messages", message_id=f"{dialog_id}/media{i}", dialog_id=dialog_id, client_id=client_id,
                kind="client", direction="inbound", sent_at=at + timedelta(hours=2, minutes=i), body=None, has_media=True,
            )  # fmt: skip
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        self.insert(
            "period_dialogs", dialog_id=dialog_id, client_id=client_id, window_start=WINDOW.start, window_end=WINDOW.end,
            deal_id=deal_id, messages=len(lines) + len(media), has_open_wait=waits_since is not None, transcript_hash=digest,
        )  # fmt: skip
        if waits_since is not None:
            self.insert(
                "fct_waits", wait_id=f"w-{dialog_id}", client_id=client_id, dialog_id=dialog_id, opened_at=waits_since,
                last_client_at=waits_since, sla_target_minutes=15, sla_deadline_at=waits_since + timedelta(minutes=15),
                is_breached=True, is_open=True, responsible_at_open="7",
            )  # fmt: skip

    def summary(self, window: Window = WINDOW, *, is_complete: bool = True, **values: Any) -> None:
        self.insert(
            "period_summary", window_start=window.start, window_end=window.end, as_of=window.end, now_at=window.end,
            report_type="daily", is_complete=is_complete, **values,
        )  # fmt: skip

    def usual(self, values: dict[str, Any], window: Window = WINDOW, compared_with: str = "usual", **told: Any) -> None:
        """What the window's numbers usually are, told of four weekdays."""
        for metric, value in values.items():
            self.insert(
                "period_usual", window_start=window.start, window_end=window.end, compared_with=compared_with, metric=metric,
                value=value, **{"windows": 4, "unit": "weekday", **told},
            )  # fmt: skip

    def change(self, metric: str, dimension: str, part: str, contribution: float, **values: Any) -> None:
        self.insert(
            "period_changes", window_start=WINDOW.start, window_end=WINDOW.end, compared_with="usual", metric=metric,
            dimension=dimension, part=part, contribution=contribution, **{"part_label": part, **values},
        )  # fmt: skip

    def context(self, **changes: Any) -> AnalysisContext:
        ctx = AnalysisContext(
            tenant_id=self.tenant_id, company="Мебель Алма", run_id=None, window=WINDOW, report_type="daily",
            timezone="Asia/Almaty", period_start=DAY, period_end=DAY, allow_local=True, topics=FURNITURE,
        )  # fmt: skip
        return replace(ctx, **changes)

    def context_with_ai(self, base_url: str, api_key: str, **changes: Any) -> AnalysisContext:
        public = {"base_url": base_url, "model": "sandbox-reader", **changes.pop("public", {})}
        return self.context(
            **{
                "ai": Integration(self.tenant_id, "ai", public=public),
                "ai_secrets": {"api_key": api_key},
                "limits": UNHURRIED,
                **changes,
            }
        )

    def forget(self) -> None:
        """No readings and no calls, as if nothing had been read yet."""
        self.connection.execute("delete from synkro.dialog_readings")
        self.connection.execute("delete from synkro.ai_calls")
        self.connection.execute("delete from synkro.ai_spend")

    def calls(self) -> list[dict[str, Any]]:
        with db.as_service("test") as connection:
            return connection.execute(
                "select * from synkro.ai_calls where tenant_id = %s", (self.tenant_id,)
            ).fetchall()


def open_shop(url: str) -> Shop:
    with db.as_service("test") as connection:
        tenant = tenants.add(
            connection,
            "Мебель Алма",
            f"alma{hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()[:6]}",
            "Asia/Almaty",
        )
        save(connection, tenant.tenant_id, [ReportWindow(WINDOW, DAY)])
    return Shop(url, tenant.tenant_id)


def busy_day(shop: Shop) -> Shop:
    """A believable day: waits with money, a promise, a complaint, objections, four usual weeks."""
    shop.manager(
        "7",
        "Асель Ахметова",
        waits_answered=24,
        response_n=24,
        response_p50=6,
        within_target=0.92,
        within_target_n=25,
        open_overdue=2,
    )
    shop.manager(
        "8", "Данияр Серик", waits_answered=4, response_n=4, response_p50=31, within_target=0.5, within_target_n=4
    )
    shop.dialog("d1", "К: Здравствуйте, сколько стоит кухня?\nМ: Добрый день! До пятницы скину расчёт\nК: А доставка когда будет?",
                client="Айгерим", price=450_000, waits_since=WINDOW.end - timedelta(hours=5))  # fmt: skip
    shop.dialog(
        "d2", "К: Привезли с царапиной, верните деньги\nМ: Сейчас разберусь", client="Олег", phone="+77010000002"
    )
    shop.dialog(
        "d3",
        "К: Дорого, у Мебель Сити дешевле\nМ: Могу сделать скидку",
        client="Ирина",
        phone="+77010000003",
        price=90_000,
    )
    shop.dialog("d4", "К: Диван ещё есть?\nМ: Мне некогда, читайте внимательно", client="Жанна", phone="+77010000004")
    shop.dialog("d5", "", client="Тимур", phone="+77010000005", media="..")
    shop.dialog("d6", "К: Спасибо, всё супер!", client="Марат", phone="+77010000006")
    shop.dialog("d7", "К: Скидка на матрас будет?", client="Света", phone="+77010000007", price=1_200_000,
                waits_since=WINDOW.end - timedelta(minutes=50))  # fmt: skip
    numbers = {
        "messages": 48, "client_messages": 26, "manager_messages": 22, "waits": 31, "sessions": 9, "dialogs": 7, "clients": 7,
        "deals": 5, "new_clients": 3, "first_response_p50": 12.0, "first_response_p90": 40.0, "first_response_n": 21,
        "response_p50": 9.0, "response_p90": 35.0, "answered_within_target": 0.84, "answered_within_target_n": 29,
        "unanswered_now": 2, "unanswered_overdue": 2, "breached": 5, "money_at_risk": 1_650_000, "deals_won": 3,
        "deals_won_amount": 870_000, "deals_lost": 1, "match_rate": 0.9,
    }  # fmt: skip
    shop.summary(**numbers)
    usual = {**numbers, "first_response_p50": 8.0, "deals_won": 5, "unanswered_now": 1}
    for week in range(1, 5):
        past = Window(WINDOW.start - timedelta(weeks=week), WINDOW.end - timedelta(weeks=week))
        shop.summary(past, **usual)
    shop.usual(usual, spread=0.5)
    for part, contribution, value, base in (("7", 3.0, 14.0, 8.0), ("8", 1.0, 31.0, 20.0)):
        shop.change(
            "first_response_p50", "manager", part, contribution, value=12.0, base=8.0, denominator=10, part_value=value, part_base=base,
            n=10, base_n=10 if part == "8" else 2, part_label="Асель Ахметова" if part == "7" else "Данияр Серик",
        )  # fmt: skip
    shop.insert("fct_deals", deal_id="lost1", client_id="c-x", stage_kind="lost", price=150_000, loss_reason="Дорого",
                closed_at=WINDOW.start + timedelta(hours=3), currency="KZT")  # fmt: skip
    return shop
