"""The sources for programs that are not Synkro: the sandbox's company into files by dlt, and again for what is new."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest

from ingestion.amocrm.dlt_source import amocrm
from ingestion.amocrm.source import CALLS, EVENTS
from ingestion.radist.dlt_source import radist
from sandbox.server import Sandbox
from synkro.core import clock
from synkro.http import factory
from synkro.http.local_limiter import LocalLimiter
from tests.ingestion import oracle


@pytest.fixture
def pipeline(tmp_path: Path, vendors: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Without a pace: the sandbox has none here."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(factory, "_limiters", {})
    monkeypatch.setattr(factory, "LocalLimiter", lambda _: LocalLimiter(1000))
    monkeypatch.setattr("ingestion.radist.dlt_source.LocalLimiter", lambda _: LocalLimiter(1000))
    made = dlt.pipeline(
        "stranger",
        destination=dlt.destinations.filesystem(str(tmp_path / "lake")),
        dataset_name="crm",
        pipelines_dir=str(tmp_path / "work"),
    )
    yield made


def rows(pipeline: Any, tmp_path: Path, table: str) -> list[dict[str, Any]]:
    """Every row the runs have written, in no order."""
    files = [path for path in (tmp_path / "lake" / "crm" / table).rglob("*.jsonl*")]
    return [
        json.loads(line)
        for path in files
        for line in (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).splitlines()
    ]


def of_amocrm(outside: Sandbox) -> Any:
    at = outside.addresses["amocrm"]
    return amocrm(subdomain="", access_token=at["access_token"], base_url=at["base_url"])


def of_radist(outside: Sandbox) -> Any:
    at = outside.addresses["radist"]
    return radist(company_id=str(at["company_id"]), api_key=at["api_key"], base_url=at["base_url"])


def test_amocrm_is_loaded_whole_and_then_what_is_new(
    pipeline: Any, vendors: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pipeline.run(of_amocrm(vendors), loader_file_format="jsonl")
    told = oracle.told(vendors.world, "amocrm")
    for table in ("users", "pipelines", "loss_reasons", "leads", "contacts", "tasks"):
        assert {row["id"] for row in rows(pipeline, tmp_path, table)} == set(told[table]), table
        assert len(rows(pipeline, tmp_path, table)) == len(told[table]), table
    events = {event.id for event in vendors.world.events(clock.now()) if event.type in EVENTS}
    assert {row["id"] for row in rows(pipeline, tmp_path, "events")} == events
    calls = {
        note.id for note in vendors.world.company.notes if note.type in CALLS and note.created_at <= vendors.world.now()
    }
    assert {row["id"] for row in rows(pipeline, tmp_path, "notes")} == calls
    assert {row["method"] for row in vendors.request_logs["amocrm"].requests()} == {"GET"}
    assert vendors.addresses["amocrm"]["access_token"] not in caplog.text

    asked = len(vendors.request_logs["amocrm"].requests())
    pipeline.run(of_amocrm(vendors), loader_file_format="jsonl")
    again = vendors.request_logs["amocrm"].requests()[asked:]
    leads = [row["path"] for row in again if row["path"].startswith("/api/v4/leads?")]
    assert leads and all("updated_at%5D%5Bfrom%5D" in path or "updated_at][from]" in path for path in leads), leads
    assert len(again) < asked


def test_radist_is_loaded_whole_and_then_only_what_changed(
    pipeline: Any, vendors: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pipeline.run(of_radist(vendors), loader_file_format="jsonl")
    told = oracle.told(vendors.world, "radist")
    found = rows(pipeline, tmp_path, "messages")
    assert len(found) > 100
    assert {(row["chat_id"], row["message_id"]) for row in found} == set(told["messages"])
    assert len(found) == len(told["messages"])
    assert {row["chat_id"] for row in rows(pipeline, tmp_path, "chats")} == set(told["chats"])
    assert {row["connection_id"] for row in rows(pipeline, tmp_path, "sources")} == set(told["sources"])
    assert not any("token" in name or "params" in name for row in rows(pipeline, tmp_path, "sources") for name in row)
    assert {row["method"] for row in vendors.request_logs["radist"].requests()} == {"GET"}
    assert vendors.addresses["radist"]["api_key"] not in caplog.text

    asked = len([row for row in vendors.request_logs["radist"].requests() if "messages" in row["path"]])
    pipeline.run(of_radist(vendors), loader_file_format="jsonl")
    every = len([row for row in vendors.request_logs["radist"].requests() if "messages" in row["path"]])
    assert every - asked < asked / 2
