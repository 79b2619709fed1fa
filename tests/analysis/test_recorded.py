"""Requests for a model that is elsewhere: written once, answered by hash, and an answer to another request is none."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bench import ai
from bench.support.ai_dialogs import make
from sandbox.vendors.llm import app, mind


def test_what_was_written_is_answered_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dialogs = make()[:3]
    for requests in (3, 3):
        asyncio.run(ai.by_records(dialogs, tmp_path))
        assert f"{requests} requests written" in capsys.readouterr().out
        assert len(list(tmp_path.glob("*.request.json"))) == 3
    for _ in range(2):  # readings, then their judgements
        for path in tmp_path.glob("*.request.json"):
            document = app._document([json.loads(path.read_text(encoding="utf-8"))["user"]])
            assert document is not None
            answer = json.dumps(mind.answer(document), ensure_ascii=False)
            path.with_name(path.name.replace(".request.", ".answer.")).write_text(answer, encoding="utf-8")
        asyncio.run(ai.by_records(dialogs, tmp_path))
    told = capsys.readouterr().out
    assert (
        "recorded: 3 dialogs" in told
        and "recorded, promise: recall" in told
        and len(list(tmp_path.glob("*.answer.json"))) == 6
    )
    asyncio.run(ai.by_records(make()[3:5], tmp_path))
    assert "2 requests written" in capsys.readouterr().out
