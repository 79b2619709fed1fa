"""``synkro read --ai``: a file's chats read by a company's provider, and by rules where it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cli.main import main
from synkro.connectors import integrations
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import tenants
from tests.analysis.conftest import Model

CHAT = {
    "dialog": "d-1",
    "messages": [
        {"at": "2026-11-02T10:00:00", "who": "client", "name": "Лена Ким", "text": "Здравствуйте, сколько стоит диван?"},
        {"at": "2026-11-02T10:05:00", "who": "manager", "name": "Айгуль", "text": "180 000, завтра скину расчёт"},
        {"at": "2026-11-02T10:06:00", "who": "client", "name": "Лена Ким", "text": "дорого, я подумаю"},
    ],
}  # fmt: skip


def _company(slug: str, model: Model | None) -> UUID:
    with db.as_service("test") as connection:
        tenant_id = tenants.add(connection, slug, slug, "Asia/Almaty").tenant_id
        if model is not None:
            public = {"base_url": model.base_url, "model": "sandbox-reader"}
            integrations.save_public(connection, tenant_id, "ai", public)
            integrations.save_secrets(connection, tenant_id, "ai", {"api_key": model.api_key})
    return tenant_id


@pytest.fixture(autouse=True)
def local_vendors(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNKRO_ALLOW_LOCAL_VENDORS", "1")
    settings.cache_clear()


def run(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, list[dict[str, Any]], str]:
    file = folder / "chats.jsonl"
    file.write_text(json.dumps(CHAT, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["read", str(file), *words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, [json.loads(row) for row in said.out.splitlines()], said.err


def _calls(tenant_id: UUID) -> list[dict[str, Any]]:
    with db.as_service("test") as connection:
        return connection.execute("select * from synkro.ai_calls where tenant_id = %s", (tenant_id,)).fetchall()


def test_the_model_reads_masked_words_and_the_calls_are_journalled(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Model
) -> None:
    tenant_id = _company("alma", model)
    status, (row,), err = run(capsys, tmp_path, "--ai")
    assert status == 0, err
    assert (row["read_by"], row["note"]) == ("sandbox-reader", "")
    assert {item["kind"] for item in row["reading"]["objections"]} >= {"price"}
    assert row["reading"]["promises"][0]["deadline"] == "2026-11-03"
    assert [one["needs_reply"] for one in row["messages"]] == [True, False, False]
    assert "прочитано 1 из 1" in err
    assert model.meter()["requests"] > 0
    (call,) = _calls(tenant_id)
    assert (call["run_id"], call["status"], call["purpose"]) == (None, "ok", "reading")


def test_what_the_model_fails_on_the_rules_read_and_it_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Model
) -> None:
    _company("alma", model)
    model.breaks("unauthorized")
    status, (row,), err = run(capsys, tmp_path, "--ai")
    assert status == 0
    assert row["read_by"] == "rules" and row["note"]
    assert {item["kind"] for item in row["reading"]["objections"]} >= {"price"}
    assert "По правилам прочитано 1" in err


def test_whose_provider_it_is_must_be_plain(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Model) -> None:
    status, rows, err = run(capsys, tmp_path, "--ai")
    assert (status, rows) == (1, []) and "AI не подключён" in err
    _company("alma", model)
    _company("plain", None)
    assert run(capsys, tmp_path, "--ai")[0] == 0
    _company("tau", model)
    status, rows, err = run(capsys, tmp_path, "--ai")
    assert (status, rows) == (1, []) and "--tenant" in err and "alma" in err and "tau" in err
    assert run(capsys, tmp_path, "--ai", "--tenant", "tau")[0] == 0
    assert run(capsys, tmp_path, "--ai", "--tenant", "plain")[0] == 1
    assert run(capsys, tmp_path, "--tenant", "tau")[0] == 2
