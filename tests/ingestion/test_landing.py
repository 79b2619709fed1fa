"""What is written is what stands in raw, to the last sign."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from ingestion.extract.context import Session
from ingestion.extract.rows import Row, RowStats
from ingestion.load import batches, streams
from ingestion.load.batches import Limits, Stream
from synkro.database import connections
from synkro.runs.watermarks import StreamLoad
from tests.ingestion.conftest import Company
from tests.support.pooled import pooled

NOW = datetime(2026, 2, 10, 12, 0, 0, 123456, tzinfo=UTC)
TEXTS = {
    "empty": "",
    "null word": "null",
    "copy's null": "\\N",
    "copy's end": "\\.",
    "end on a line": "a\n\\.\nb",
    "quotes": '«» " \'\' "" ,"," ;\t|',
    "lines": "a\nb\r\nc\rd\u2028e",
    "backslashes": "\\ \\\\ \\n \\u0000 \\x00 C:\\нет",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x85\x9f",
    "nul": "до\x00после",
    "half a pair": "до\ud83dпосле",
    "emoji": "🙂👨‍👩‍👧🇰🇿 e\u0301 \u202eсправа",
    "printable": string.printable,
    "megabyte": 'ы"\\' * 350_000,
}


def as_stored(text: str) -> str:
    return text.replace("\x00", "").replace("\ud83d", "\ufffd")


def event(company: Company, number: str, text: str, **more: Any) -> Row:
    return {
        "tenant_id": str(company.tenant_id),
        "id": number,
        "type": "note",
        "entity_type": None,
        "entity_id": None,
        "created_at": NOW,
        "payload": {"text": text, text: [None, True, 1.5, -(2**62), {}]},
        "seen_at": NOW,
        **more,
    }


def land(company: Company, rows: list[Row], page: int = 3) -> StreamLoad:
    """Load these rows as a stream of events."""
    row_stats = RowStats(StreamLoad("amocrm", "events"))

    def read() -> Iterator[list[Row]]:
        for first in range(0, len(rows), page):
            yield row_stats.keep(rows[first : first + page], lambda row: row, lambda row: row["id"])

    result = streams.run(Session(company.context(), "amocrm"), [Stream("events", row_stats, read)])
    assert (result.status, result.error) == ("complete", None)
    return row_stats.load


def test_every_text_comes_back(company: Company) -> None:
    load = land(company, [event(company, name, text) for name, text in TEXTS.items()])
    assert (load.seen, load.loaded, load.rejected) == (len(TEXTS), len(TEXTS), 0)
    rows = company.sql("select id, payload from raw_amocrm.events where tenant_id = %s", company.tenant_id)
    found = {row["id"]: row["payload"] for row in rows}
    for name, text in TEXTS.items():
        assert found[name]["text"] == as_stored(text), name
        assert found[name][as_stored(text)] == [None, True, 1.5, -(2**62), {}]


def test_ids_and_times_come_back(company: Company) -> None:
    ids = ["a,b", 'a"b', "a\nb", "\\.", "\\N", "a\n\\.\nb", " a ", "ы🙂", "\x01\x7f"]
    offset = NOW.astimezone(timezone(timedelta(hours=-3, minutes=-30)))
    more = {"entity_type": "lead", "entity_id": -(2**63), "type": "", "created_at": offset}
    land(company, [event(company, number, "", **more) for number in ids])
    rows = company.sql("select * from raw_amocrm.events where tenant_id = %s", company.tenant_id)
    assert {row["id"] for row in rows} == set(ids)
    assert {(row["type"], row["entity_type"], row["entity_id"], row["created_at"]) for row in rows} == {
        ("", "lead", -(2**63), NOW)
    }
    land(company, [event(company, ids[0], "")])
    again = company.sql("select * from raw_amocrm.events where tenant_id = %s and id = %s", company.tenant_id, ids[0])
    assert [(row["entity_type"], row["entity_id"], row["type"]) for row in again] == [(None, None, "note")]


def test_a_row_that_comes_again_in_another_part_is_the_newer_one(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "LIMITS", Limits(rows=2))
    rows = [event(company, f"e{number}", "старый") for number in range(12)] + [event(company, "e0", "новый")]
    load = land(company, rows, page=1)
    assert load.seen == load.loaded == 13
    found = company.sql("select payload from raw_amocrm.events where tenant_id = %s and id = 'e0'", company.tenant_id)
    assert [row["payload"]["text"] for row in found] == ["новый"]


def test_a_row_twice_in_one_part_is_one_row(company: Company) -> None:
    load = land(company, [event(company, "one", "раз"), event(company, "one", "два"), event(company, "two", "три")])
    assert (load.seen, load.loaded, load.reasons) == (2, 2, {"repeated": 1})


def test_a_schema_version_is_written_once(company: Company) -> None:
    def versions() -> int:
        return len(company.sql("select from raw_amocrm._dlt_version"))

    land(company, [event(company, "one", "раз")])
    before = versions()
    company.read("amocrm")
    land(company, [event(company, "two", "два")])
    assert versions() == before


def test_a_pool_that_stays_lent_is_named_as_the_cause(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong with the disk then, and the rows are read again."""
    monkeypatch.setattr(connections, "PATIENCE", 0.3)
    rows = [event(company, "1", "")]
    row_stats = RowStats(StreamLoad("amocrm", "events"))

    def read() -> Iterator[list[Row]]:
        yield row_stats.keep(rows, lambda row: row, lambda row: row["id"])

    with pooled(company.url, size=2) as made, psycopg.connect(made.url(company.url)):
        # the second one holds the lock of the load: dlt gets none
        context = dataclasses.replace(company.context(), database_url=made.url(company.url))
        result = streams.run(Session(context, "amocrm"), [Stream("events", row_stats, read)])
        assert made.pooler.refused > 1
    assert result.status == "failed" and result.error is not None
    assert "Пул соединений Supabase занят" in result.error.message
    assert "диск" not in result.error.message


def test_the_destination_can_what_dlts_own_can() -> None:
    """Without resolving a configuration each time: dlt asks twenty times a load."""
    from dlt.destinations import postgres

    from ingestion.load.destination import Postgres

    url = "postgresql://nobody:x@localhost/none"
    ours, theirs = Postgres(url).capabilities(), postgres(url).capabilities()
    differing = {name for name in theirs if ours[name] != theirs[name] and not callable(theirs[name])}
    assert set(ours) == set(theirs) and differing == set()


def test_asking_what_the_destination_can_resolves_no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.load.destination import Postgres

    made = Postgres("postgresql://nobody:x@localhost/none")
    # counted, for dlt passes over what goes wrong there
    calls: list[int] = []
    monkeypatch.setattr(Postgres, "configuration", lambda *_, **__: calls.append(1))
    made.capabilities()
    assert calls == []
