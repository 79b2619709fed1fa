"""Summaries of the window's dialogs: whoever writes them, only what is proved is shown, and what is known is not sent again."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from analysis.llm import transcript
from analysis.proof.checks import refuse
from analysis.proof.evidence import Evidence
from analysis.reading import vocabulary
from analysis.report.dialogs import read_dialogs
from sandbox.vendors.llm import mind
from synkro.database import db
from synkro.reporting import dialogs
from synkro.reporting.dialogs import Message
from tests.analysis.conftest import Model
from tests.analysis.mart_fixtures import WINDOW, Shop
from tests.analysis.report.test_report import report


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every document the simulated model is given."""
    seen: list[dict[str, Any]] = []
    honest = mind.answer
    monkeypatch.setattr(mind, "answer", lambda document: (seen.append(document), honest(document))[1])
    return seen


def lines_of(document: dict[str, Any]) -> list[str]:
    return [line for day in document["days"] for line in day["lines"]]


def proved(shop: Shop, draft: Any) -> None:
    """Each dialog that was read has a summary, and each of its sentences passes the proof once more."""
    assert {one.dialog_id for one in draft.body.summaries} == {"d1", "d2", "d3", "d4", "d6", "d7"}
    for one in draft.body.summaries:
        assert 1 <= len(one.sentences) <= 3 and one.state in vocabulary.STATES
        with db.as_service("test") as connection:
            said = dialogs.messages_of_window(connection, shop.tenant_id, [one.dialog_id], WINDOW, before=30)
        evidence = Evidence.of(said[one.dialog_id], "Asia/Almaty")
        for sentence in one.sentences:
            assert refuse(sentence.text, sentence.message_ids, evidence) is None, sentence


def test_without_a_key_the_rules_say_it_in_sentences(busy: Shop) -> None:
    draft = report(busy.context())
    proved(busy, draft)
    told = {one.dialog_id: one for one in draft.body.summaries}
    assert (
        told["d2"].state == "complaint"
        and told["d1"].sentences[0].text == "Клиент спросил: «Здравствуйте, сколько стоит кухня?»."
    )
    assert told["d1"].next_step == "Менеджер: ответить на вопрос клиента: «А доставка когда будет?»"


@pytest.mark.parametrize(
    "mode",
    ["", "llm_wrong_quote", "llm_unsupported", "llm_wrong_person", "llm_wrong_language", "llm_lies_numbers", "llm_empty", "llm_refuses"],
)  # fmt: skip
def test_whatever_the_model_says_only_the_proved_is_shown(busy: Shop, model: Model, mode: str) -> None:
    if mode:
        model.breaks(mode)
    draft = report(busy.context_with_ai(model.base_url, model.api_key))
    proved(busy, draft)
    by_model = {
        r[0]["summary_by"]
        for r in busy.connection.execute("select reading from synkro.dialog_readings where model = 'sandbox-reader'")
    }
    assert ("model" in by_model) == (mode == ""), by_model
    if mode in ("llm_wrong_quote", "llm_unsupported", "llm_wrong_person", "llm_wrong_language", "llm_lies_numbers"):
        assert sum(draft.body.dropped.values()) >= 3, draft.body.dropped
    assert draft.metadata["dropped_claims"] == sum(draft.body.dropped.values())


def test_what_was_not_judged_is_not_shown_and_is_judged_later(
    busy: Shop, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis.llm import judge
    from synkro.core.errors import TransientError

    honest = judge.judge

    async def down(*what: Any) -> Any:
        raise TransientError("нет ответа")

    ctx = busy.context_with_ai(model.base_url, model.api_key)
    monkeypatch.setattr(judge, "judge", down)
    first = read_dialogs(ctx)
    assert {one.reading.summary_by for one in first.readings} == {"rules"} and any(
        one.reading.unjudged for one in first.readings
    )
    monkeypatch.setattr(judge, "judge", honest)
    second = read_dialogs(ctx)
    assert second.from_cache == 6 and second.calls == 1
    assert "model" in {one.reading.summary_by for one in second.readings}
    assert read_dialogs(ctx).calls == 0


def test_a_dialog_that_went_on_is_sent_from_where_it_was_left(
    shop: Shop, model: Model, sent: list[dict[str, Any]]
) -> None:
    shop.dialog(
        "d1",
        "\n".join(f"К: вопрос номер {n}, сколько стоит?\nМ: стоит {n} 500 тенге" for n in range(1, 8)),
        price=450_000,
    )
    shop.summary(messages=14)
    ctx = shop.context_with_ai(model.base_url, model.api_key)
    first = read_dialogs(ctx)
    (document,) = [one for one in sent if one["task"] == "read_dialog"]
    assert len(lines_of(document)) == 14 and "450 000" in document["card"] and "раньше" not in document["card"]
    assert lines_of(document)[1].startswith("2М1 ")
    sent.clear()
    said = dict(
        message_id="d1/new", dialog_id="d1", client_id="c-d1", kind="client", direction="inbound", needs_reply=True
    )
    shop.insert("fct_messages", **said, sent_at=WINDOW.start + timedelta(hours=20), body="дорого, не потянем")
    changed = hashlib.md5(b"changed", usedforsecurity=False).hexdigest()
    shop.connection.execute("update marts.period_dialogs set transcript_hash = %s, messages = 15", (changed,))
    second = read_dialogs(ctx)
    (document,) = [one for one in sent if one["task"] == "read_dialog"]
    assert len(lines_of(document)) <= 5 and "не потянем" in lines_of(document)[-1]
    assert document["from"] == 15 and "раньше: " in document["card"]
    # what was found before stays found
    before, after = first.readings[0].reading, second.readings[0].reading
    assert {one.kind for one in before.topics} <= {one.kind for one in after.topics} and after.state == "refused"
    sent.clear()
    assert read_dialogs(ctx).calls == 0 and sent == []


def test_thirty_lines_before_the_window_are_there_and_may_be_cited(
    shop: Shop, model: Model, sent: list[dict[str, Any]]
) -> None:
    shop.dialog("d1", "К: ну что решили?", price=1)
    for n in range(40):
        shop.insert(
            "fct_messages", message_id=f"old{n:02}", dialog_id="d1", client_id="c-d1", kind="client" if n % 2 else "manager", session_id="s",
            direction="inbound", sent_at=WINDOW.start - timedelta(days=2, minutes=100 - n), body=f"прежняя строка {n}", author_id=None if n % 2 else "7",
        )  # fmt: skip
    shop.summary(messages=1)
    read_dialogs(shop.context_with_ai(model.base_url, model.api_key))
    (document,) = [one for one in sent if one["task"] == "read_dialog"]
    assert len(lines_of(document)) == 31 and document["from"] == 31


def test_files_have_their_names_and_voices_their_length() -> None:
    def message(kind: str, **more: Any) -> Message:
        return Message(
            "m",
            "d",
            "client",
            "inbound",
            WINDOW.start,
            more.pop("body", ""),
            True,
            None,
            None,
            None,
            True,
            message_type=kind,
            **more,
        )

    said = [
        (message("voice", seconds=14), "[голосовое 0:14]"),
        (message("image"), "[фото]"),
        (message("file", file_name="чек.pdf"), "[файл чек.pdf]"),
        (message("document", body="вот чек"), "[файл] вот чек"),
        (message("image", body="такой цвет"), "[фото] такой цвет"),
    ]
    assert [transcript.said(one) for one, _ in said] == [text for _, text in said]
