"""Rows of another shape than yesterday's, in every stream of both vendors: a field more, a field less, another type,
five hundred where there was one, texts that a database refuses.

One row of each stream is changed on its way out of the sandbox, all streams at once; the row must stand in raw as it
came, its key and its times in their columns, its neighbours untouched, and the marts' views must be able to read it.
A row that cannot be kept at all is another matter (``test_rows.py``).

Seen red: a payload that keeps known fields only (``a field more``), a NUL that is not taken out (``any text``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from starlette.responses import Response

from orchestration.dbt import project
from sandbox.vendors.amocrm import account_pages, log_pages, query
from sandbox.vendors.radist import app
from synkro.core import clock
from synkro.core.settings import settings
from synkro.core.windows import Window
from synkro.database import db
from synkro.tenancy import runtime_config
from tests.ingestion.conftest import Company
from tests.ingestion.contract import EVERY, STREAMS, VENDORS, outside

__all__ = ["outside"]  # the company of the contract: every stream of it has rows

Row = dict[str, Any]
Change = Callable[[Row], None]

ID = {"sources": "connection_id", "chats": "chat_id", "messages": "message_id"}
TIME = {"created_at": "created_at", "updated_at": "updated_at", "sent_at": "created_at"}


def setting(**values: Any) -> Change:
    return lambda row: row.update(values)


def without(*names: str) -> Change:
    return lambda row: [row.pop(name, None) for name in names] and None


def textual(*names: str) -> Change:
    """Numbers as strings of digits, as PHP sends them now and then."""
    return lambda row: row.update({name: str(row[name]) for name in names})


def both(*changes: Change) -> Change:
    return lambda row: [change(row) for change in changes] and None


NEW = setting(brand_new={"deep": [1, {"er": None}]}, flag=True)
BAD = "🙂🇰🇿 ‏שלום‏ a\x00b \ud800 " + "ы" * 10
LONG = BAD + "очень длинно 🙂 " * 40_000  # more than a megabyte
MANY = [{"id": n, "name": f"тег {n}", "color": None} for n in range(500)]
OBJECT = {"0": {"field_id": 201, "values": {"value": "+77000990009"}}}

#: kind of drift -> stream -> what happens to one row of it
DRIFTS: dict[str, dict[str, Change]] = {
    "a field more": dict.fromkeys((stream for _, stream in EVERY), NEW),
    "a field less": {
        "account": without("currency", "name"), "users": without("rights", "email"), "pipelines": without("sort", "name"),
        "loss_reasons": without("name"), "leads": without("price", "custom_fields_values", "closed_at", "_embedded"),
        "contacts": without("custom_fields_values", "name"), "events": without("value_after", "_embedded"),
        "notes": without("params", "created_by"),
        "tasks": without("complete_till", "text", "result"), "deleted": without("_links"), "sources": without("name"),
        "chats": without("phone", "name", "username"), "messages": without("text", "delivered_at", "read_at"),
    },
    "another type": {
        "account": setting(currency=398, name=["ТОО"]), "users": setting(rights=[], name=7),
        "pipelines": both(textual("id", "sort"), setting(is_archive="0")), "loss_reasons": textual("id", "sort"),
        "leads": both(textual("id", "price", "status_id", "pipeline_id"), setting(custom_fields_values=OBJECT, name=5)),
        "contacts": both(textual("id", "responsible_user_id"), setting(custom_fields_values=OBJECT, is_deleted="false")),
        "events": both(textual("entity_id", "created_by"), setting(value_after={"0": {"x": 1}})),
        "notes": both(textual("id", "entity_id"), setting(params=[])),
        "tasks": both(textual("id", "entity_id", "complete_till"), setting(text=5, is_completed="1")), "deleted": textual("id"),
        "sources": both(textual("connection_id"), setting(name=5)),
        "chats": both(textual("chat_id", "connection_id"), setting(phone=77000990001, name=["Айгуль"])),
        "messages": both(textual("chat_id"), setting(text="без обёртки", delivered_at=0)),
    },
    "five hundred": {
        "leads": lambda row: row["_embedded"].update(tags=MANY), "contacts": lambda row: row["_embedded"].update(tags=MANY),
        "users": setting(rights={"status_rights": MANY}), "events": setting(value_after=MANY),
        "messages": setting(attachments=MANY), "chats": setting(last_message={"reactions": MANY}),
    },
    "any text": {
        "account": setting(name=BAD), "users": setting(name=BAD), "pipelines": setting(name=BAD),
        "loss_reasons": setting(name=BAD), "leads": setting(name=LONG), "contacts": setting(name=BAD),
        "events": setting(value_after=[{"message": {"text": BAD}}]), "notes": setting(params={"text": BAD}),
        "tasks": setting(text=BAD),
        "sources": setting(name=BAD), "chats": setting(name=BAD), "messages": setting(text={"text": LONG}),
    },
}  # fmt: skip


class Drift:
    """Changes the first row of each stream that goes out, and that row again whenever it goes out again."""

    def __init__(self, changes: dict[str, Change]) -> None:
        self._changes = changes
        self._targets: dict[str, Any] = {}
        #: stream -> (the row as it was, the row as it went out)
        self.sent: dict[str, tuple[Row, Row]] = {}

    def play(self, payload: Any) -> Any:
        payload = json.loads(json.dumps(payload))
        for stream, row in list(rows_of(payload)):
            key = row[ID.get(stream, "id")]
            if stream in self._changes and self._targets.setdefault(stream, key) == key:
                before = json.loads(json.dumps(row))
                self._changes[stream](row)
                self.sent[stream] = (before, json.loads(json.dumps(row)))
        return payload

    def answer(self, payload: Any, media_type: str) -> Response:
        """Escaped, as PHP does it: a lone surrogate has no UTF-8."""
        return Response(json.dumps(self.play(payload)).encode(), media_type=media_type)


def rows_of(payload: Any) -> Iterator[tuple[str, Row]]:
    """(stream, row) of everything a page of either vendor shows."""
    if isinstance(payload, list):
        for row in payload:
            yield ("messages" if "message_id" in row else "sources"), row
    elif "data" in payload:
        for contact in payload["data"]:
            for chat in contact["chats"] or ():
                yield "chats", chat
    elif "subdomain" in payload:
        yield "account", payload
    else:
        for key, rows in payload.get("_embedded", {}).items():
            for row in rows:
                calls = key != "notes" or row["note_type"] in ("call_in", "call_out")
                if key in STREAMS["amocrm"] and calls:
                    yield ("deleted" if key == "leads" and row["is_deleted"] else key), row


@pytest.fixture
def drifting(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Change]], Drift]:
    def start(changes: dict[str, Change]) -> Drift:
        drift = Drift(changes)
        for module in (query, account_pages, log_pages):
            monkeypatch.setattr(module, "hal", lambda payload: drift.answer(payload, "application/hal+json"))
        monkeypatch.setattr(app, "_json", lambda payload: drift.answer(payload, "application/json"))
        return drift

    return start


def kept(value: Any) -> Any:
    """What raw holds of a value: no NUL, and nothing in the place of a lone surrogate but the sign for it."""
    return json.loads(json.dumps(value).replace("\\u0000", "").replace("\\ud800", "\\ufffd"))


def row_of(company: Company, vendor: str, stream: str, row: Row) -> Row:
    """The raw row of a vendor's row."""
    number = "id::text = %s"
    (found,) = company.sql(
        f"select * from raw_{vendor}.{stream} where tenant_id = %s and {number}"
        + (" and entity_type = 'lead'" if stream == "deleted" else ""),
        company.tenant_id,
        str(row[ID.get(stream, "id")]),
    )
    return found


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", list(DRIFTS))
def test_the_row_is_kept_as_it_came(
    company: Company, drifting: Callable[[dict[str, Change]], Drift], vendor: str, kind: str
) -> None:
    drift = drifting(DRIFTS[kind])
    result = company.read(vendor)
    assert result.status == "complete", result.error and (result.error.message, result.error.detail)
    loads = {load.stream: load for load in result.loads}
    mine = {stream for stream in DRIFTS[kind] if stream in STREAMS[vendor]}
    assert mine == set(drift.sent)
    for stream in mine:
        before, after = drift.sent[stream]
        found = row_of(company, vendor, stream, before)
        wanted = kept(after)
        assert {name: found["payload"].get(name) for name in wanted} == wanted, stream
        assert set(found["payload"]) >= set(wanted) and str(found["id"]) == str(before[ID.get(stream, "id")])
        for column, name in TIME.items():
            if column in found and name in before:
                moment = before[name]
                at = datetime.fromtimestamp(moment, UTC) if isinstance(moment, int) else datetime.fromisoformat(moment)
                assert found[column] == (at if at.tzinfo else at.replace(tzinfo=UTC)), stream
        load = loads[stream]
        assert (load.status, load.rejected, load.seen) == ("complete", 0, load.loaded), stream
        if kind == "any text":
            assert load.reasons["cleaned"] >= 1, stream


@pytest.mark.parametrize("vendor", VENDORS)
def test_another_type_is_said(
    make_company: Callable[[], Company], drifting: Callable[[dict[str, Change]], Drift], vendor: str
) -> None:
    """``stream_loads.reasons`` counts the rows whose known fields came with another type."""
    usual = [load.stream for load in make_company().read(vendor).loads if load.reasons.get("changed_type")]
    assert usual == [], "rows as they always came are not called changed"
    drifting(DRIFTS["another type"])
    silent = [load.stream for load in make_company().read(vendor).loads if not load.reasons.get("changed_type")]
    assert silent == []


def test_known_fields_of_a_changed_row_are_still_right(
    company: Company, drifting: Callable[[dict[str, Change]], Drift]
) -> None:
    """The phone of a contact whose first value changed its type is found in its second; a phone as a number counts."""

    def fields(row: Row) -> None:
        first = {"field_code": "PHONE", "values": {"value": "+77000990008"}}
        second = {"field_code": "PHONE", "values": [{"value": 77000990009}, {"value": "8 700 099 00 10"}]}
        row["custom_fields_values"] = [None, first, second]

    drift = drifting({"contacts": fields})
    assert company.read("amocrm").status == "complete"
    found = row_of(company, "amocrm", "contacts", drift.sent["contacts"][0])
    assert "+77000990010" in found["payload"]["_synkro"]["phones"]


@pytest.mark.parametrize("kind", ["a field less", "another type", "five hundred"])
def test_the_marts_can_read_them(company: Company, drifting: Callable[[dict[str, Change]], Drift], kind: str) -> None:
    """Every staging view, every column of every row; a view that fails on one row fails for the whole report."""
    drifting(DRIFTS[kind])
    for vendor in VENDORS:
        assert company.read(vendor).status == "complete"
    assert read_staging(company) > 500


@pytest.mark.slow
def test_the_marts_are_built_over_them(
    company: Company, drifting: Callable[[dict[str, Change]], Drift], tmp_path: Path
) -> None:
    """The whole way: a row of another type in every stream, then the tenant's marts."""
    drifting(DRIFTS["another type"])
    for vendor in VENDORS:
        assert company.read(vendor).status == "complete"
    now = clock.now()
    window = Window(now - timedelta(days=10), now)
    with db.as_service("test") as connection:
        config = runtime_config.start(connection, company.tenant_id, "Asia/Almaty")
        first = (now - timedelta(days=60)).date()
        runtime_config.fill_working_intervals(
            connection, company.tenant_id, config, first, now.date() + timedelta(days=30)
        )
        connection.execute(
            "insert into synkro.report_windows (tenant_id, window_start, window_end, label_date, as_of, is_complete)"
            " values (%s, %s, %s, %s, %s, true)",
            (company.tenant_id, window.start, window.end, now.date(), now),
        )
    nodes = project.build_tenant(
        company.url, settings().data_dir, tenant_id=company.tenant_id, window_start=window.start,
        window_end=window.end, windows=[window], work_dir=tmp_path,
    )  # fmt: skip
    assert len(nodes) > 10 and {node.status for node in nodes} == {"success"}
    counted = company.sql("select count(*) as n from marts.fct_messages where tenant_id = %s", company.tenant_id)
    assert counted[0]["n"] > len(company.ids("raw_radist.messages")) / 2


def read_staging(company: Company) -> int:
    """Evaluate every column of the tenant's rows in every staging view; how many rows that was."""
    views = company.sql(
        "select table_name as name from information_schema.columns where table_schema = 'staging'"
        " and column_name = 'tenant_id' order by 1"
    )
    return sum(
        len(company.sql(f"select md5(v::text) from staging.{view['name']} v where tenant_id = %s", company.tenant_id))
        for view in views
    )


#: what is no number, no date and no list although the vendor's documents promise one: (stream, path, value)
HOPELESS: list[tuple[str, str, Any]] = [
    ("leads", "{price}", "55 000 ₸"),
    ("leads", "{price}", "55000,50"),
    ("leads", "{price}", {"amount": 55000}),
    ("leads", "{pipeline_id}", "501.0"),
    ("leads", "{status_id}", {"id": 142}),
    ("leads", "{loss_reason_id}", ""),
    ("leads", "{is_deleted}", "нет"),
    ("leads", "{closed_at}", "2026-11-01"),
    ("leads", "{_embedded,contacts}", {"0": {"id": 1}}),
    ("leads", "{_embedded,contacts}", [5, {"id": 1, "is_main": "да"}]),
    ("contacts", "{is_deleted}", "нет"),
    ("contacts", "{_synkro,phones}", "+77000990009"),
    ("users", "{rights}", {"is_active": "да"}),
    ("pipelines", "{sort}", "первая"),
    ("pipelines", "{_embedded,statuses}", {"0": {"id": 1}}),
    ("pipelines", "{_embedded,statuses}", [5, {"id": "142.0", "sort": "x"}]),
    ("events", "{value_after}", [{"lead_status": {"id": "новый", "pipeline_id": None}}]),
    ("notes", "{params}", {"duration": "две минуты"}),
    ("notes", "{created_at}", "2026-11-01"),
    ("tasks", "{complete_till}", "завтра"),
    ("tasks", "{is_completed}", "да"),
    ("tasks", "{result}", [5]),
]


def test_the_marts_can_read_what_no_type_fits(company: Company) -> None:
    """One such value in one row costs that value, not the report. Cases are put into raw one after another."""
    assert company.read("amocrm").status == "complete"
    failed = []
    for stream, path, value in HOPELESS:
        table = f"raw_amocrm.{stream}"
        (row,) = company.sql(
            f"select id, payload from {table} where tenant_id = %s"
            + (" and type = 'lead_status_changed'" if stream == "events" else "") + " order by id limit 1",
            company.tenant_id,
        )  # fmt: skip
        change = f"update {table} set payload = %s where tenant_id = %s and id = %s returning id"
        broken = dict(row["payload"])
        company.sql(
            f"update {table} set payload = jsonb_set(payload, %s, %s) where tenant_id = %s and id = %s returning id",
            path, json.dumps(value), company.tenant_id, row["id"],
        )  # fmt: skip
        try:
            read_staging(company)
        except psycopg.Error as error:
            failed.append((stream, path, value, str(error).splitlines()[0]))
        company.sql(change, json.dumps(broken), company.tenant_id, row["id"])
    assert failed == []
