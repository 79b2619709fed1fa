"""A provider that breaks, lies or obeys an attacker: the report comes all the same, and nothing false is in it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from analysis.llm.limits import Limits
from analysis.report.builder import write_report
from analysis.report.dialogs import read_dialogs
from synkro.database import db
from synkro.reporting.reports import Draft
from tests.analysis.conftest import Model
from tests.analysis.mart_fixtures import SILENCE, UNHURRIED, WINDOW, Shop
from tests.analysis.report.test_report import report, ungrounded

#: everything that can break: (fault, its parameters, does the model still read)
FAILURES: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("llm_invalid_json", {}, False),
    ("llm_truncated", {}, False),
    ("llm_hang", {}, False),
    ("llm_10mb", {}, False),
    ("llm_slow", {"seconds": 0.2}, True),
    ("rate_limited_header", {"retry_after": 30}, False),
    ("rate_limited_html", {}, False),
    ("server_error", {}, False),
    ("gateway_errors", {}, False),
    ("reset_mid_body", {}, False),
    ("truncated_json", {}, False),
    ("html_200", {}, False),
    ("empty_body", {}, False),
    ("wrong_shape", {}, False),
    ("unauthorized", {}, False),
    ("blocked_html", {}, False),
    ("down", {}, False),
    ("slow_loris", {}, False),
)


def numbers_are_the_marts(shop: Shop, draft: Draft) -> None:
    """Every number of the text stands in the marts' rows, in a quote, or in a date: none is a model's."""
    plain = json.dumps([draft.numbers, [m["facts"] for m in draft.body.stored()["managers"]]], default=str)
    assert draft.numbers["money_at_risk"] == 1_650_000 and "9900000" not in re.sub(r"\D", "", draft.summary_text)
    assert "1650000" in plain.replace(" ", "")


def test_a_good_model_reads_everything(busy: Shop, model: Model) -> None:
    ctx = busy.context_with_ai(model.base_url, model.api_key)
    draft = report(ctx)
    assert draft.coverage["read"] == 6 and draft.coverage["by_rules"] == 0
    assert draft.body.stored()["header"]["reader"] == {"kind": "model", "model": "sandbox-reader", "note": ""}
    assert ungrounded(ctx, draft) == [] and len(draft.claims) >= 6
    assert draft.metadata["headline_by"] == "model"
    assert (
        draft.body.stored()["headline"][0]["text"].replace("\u00a0", " ")
        == "Ждут ответа 2 клиента, под риском 1 650 000 ₸."
    )
    numbers_are_the_marts(busy, draft)
    bill = model.meter()
    calls = busy.calls()
    assert draft.cost_usd > 0 and draft.cost_usd == sum((c["cost_usd"] for c in calls), Decimal(0))
    assert sum(c["tokens_in"] for c in calls) <= bill["prompt_tokens"]
    # six readings, one judgement of all their sentences, the headline
    assert len(calls) == 8 and {c["status"] for c in calls} == {"ok"}
    assert not any("кухня" in str(value) for call in calls for value in call.values())


def test_the_second_run_makes_no_reading_call(busy: Shop, model: Model) -> None:
    ctx = busy.context_with_ai(model.base_url, model.api_key)
    first = read_dialogs(ctx)
    model.request_log.clear()
    second = read_dialogs(ctx)
    assert (first.calls, second.calls, second.from_cache) == (7, 0, 6)
    assert model.request_log.requests() == []
    assert [r.reading for r in first.readings] == [r.reading for r in second.readings]
    # another wish of the administrator is another reading
    asked = read_dialogs(busy.context_with_ai(model.base_url, model.api_key, public={"prompt": "Смотрите на доставку"}))
    assert asked.calls == 7


def test_every_failure_leaves_a_whole_report(busy: Shop, model: Model, subtests: pytest.Subtests) -> None:
    for kind, more, reads in FAILURES:
        with subtests.test(kind):
            busy.forget()
            model.faults.clear()
            model.request_log.clear()
            a_failure_leaves_a_whole_report(busy, model, kind, more, reads)


def a_failure_leaves_a_whole_report(busy: Shop, model: Model, kind: str, more: dict[str, Any], reads: bool) -> None:
    model.breaks(kind, **more)
    limits = SILENCE if kind in ("llm_hang", "slow_loris") else UNHURRIED
    ctx = busy.context_with_ai(model.base_url, model.api_key, limits=limits)
    draft = report(ctx)
    assert ungrounded(ctx, draft) == []
    numbers_are_the_marts(busy, draft)
    assert (
        len(draft.body.stored()["numbers"]) >= 10 and draft.body.stored()["actions"] and draft.body.stored()["managers"]
    )
    coverage = draft.coverage
    assert coverage["read"] + sum(coverage["skipped"].values()) == coverage["total"] == 7
    if reads:
        assert coverage["read"] == 6
        return
    assert coverage["read"] == 0 and coverage["by_rules"] == 6
    assert draft.body.stored()["header"]["reader"]["kind"] == "rules"
    assert "AI-раздел недоступен" in draft.summary_text and "использованы правила" in draft.summary_text
    assert "AI прочитал 0 из 7" in draft.summary_text.replace("\u00a0", " ")
    # six dialogs, two tries each at most; the breaker usually stops earlier
    assert len(model.request_log.requests()) <= 12
    if limits is SILENCE:
        assert_each_try_was_cut(busy.calls())


def assert_each_try_was_cut(calls: list[dict[str, Any]]) -> None:
    """At its own limit, the two together at twice that, and not at the product's 55 s."""
    seconds = [c["seconds"] for c in calls]
    assert SILENCE.call_seconds - 0.1 < max(seconds) < Limits().call_seconds / 2, seconds


def test_a_lying_model_ships_no_lie(busy: Shop, model: Model, subtests: pytest.Subtests) -> None:
    for kind in ("llm_lies_numbers", "llm_obeys_attacker", "llm_wrong_language"):
        with subtests.test(kind):
            busy.forget()
            model.faults.clear()
            ships_no_lie(busy, model, kind)


def ships_no_lie(busy: Shop, model: Model, kind: str) -> None:
    model.breaks(kind)
    ctx = busy.context_with_ai(model.base_url, model.api_key)
    draft = report(ctx)
    assert ungrounded(ctx, draft) == []
    assert draft.metadata["dropped_claims"] > 0 and draft.metadata["headline_by"] == "code"
    text = draft.summary_text + json.dumps(draft.body.stored(), ensure_ascii=False, default=str)
    for lie in (
        "47 %",
        "9 900 000",
        "500 000",
        "миллион",
        "90 процентов",
        "evil",
        "http://",
        "4400",
        "the client",
        "<img",
    ):
        assert lie not in text, lie
    numbers_are_the_marts(busy, draft)


def test_a_server_without_json_schema_is_asked_without_it(busy: Shop, model: Model) -> None:
    model.faults.add({"kind": "switch", "name": "json_schema", "value": False})
    outcome = read_dialogs(busy.context_with_ai(model.base_url, model.api_key))
    assert outcome.read == 6


def test_a_wrong_key_and_a_wrong_model_say_what_to_do(busy: Shop, model: Model) -> None:
    draft = report(busy.context_with_ai(model.base_url, "sk-wrong-key-000000"))
    assert "не принимает ключ" in draft.summary_text and draft.coverage["read"] == 0
    draft = report(busy.context_with_ai(model.base_url, model.api_key, public={"model": "gone-1"}))
    assert "не знает такой модели" in draft.summary_text


def test_an_address_off_the_list_is_never_called(busy: Shop) -> None:
    draft = report(busy.context_with_ai("https://evil.example/v1", "sk-secret-secret"))
    assert "AI-раздел недоступен" in draft.summary_text and busy.calls() == []
    assert "sk-secret" not in draft.summary_text


def test_the_month_cap_stops_before_sending(busy: Shop, model: Model) -> None:
    ctx = busy.context_with_ai(model.base_url, model.api_key, public={"monthly_cap_usd": "0.004"})
    outcome = read_dialogs(ctx)
    assert 0 < outcome.read < 6 and outcome.skipped["budget"] > 0
    assert outcome.cost_usd <= Decimal("0.004")
    assert {c["status"] for c in busy.calls()} == {"ok", "refused"}
    draft = write_report(ctx, outcome)
    assert "сверх лимита расходов" in draft.summary_text


def test_only_listed_fields_leave_the_house_and_they_are_masked(
    busy: Shop, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandbox.vendors.llm import mind

    seen: list[dict[str, Any]] = []
    honest = mind.answer
    monkeypatch.setattr(mind, "answer", lambda document: (seen.append(document), honest(document))[1])
    busy.dialog(
        "d8",
        "К: Это Айгерим, мой номер +7 701 555 44 33, почта aigerim@mail.kz\nМ: Айгерим, записала",
        client="Айгерим Ким",
    )
    report(busy.context_with_ai(model.base_url, model.api_key))
    sent = json.dumps(seen, ensure_ascii=False)
    for secret in (
        "Айгерим",
        "701 555",
        "aigerim@",
        "Ким",
        "+7701",
        "Асель",
        str(busy.tenant_id),
        "Мебель Алма",
        "1650000",
        "450000",
    ):
        assert secret not in sent.replace("450 000", ""), secret
    readings = [d for d in seen if d["task"] == "read_dialog"]
    assert all(
        set(d) <= {"task", "days", "from", "card", "now"} and all(set(day) == {"day", "lines"} for day in d["days"])
        for d in readings
    )
    judged = [one for d in seen if d["task"] == "judge_claims" for one in d["dialogs"]]
    assert judged and all(set(one) <= {"lines", "claims", "card"} for one in judged)
    assert all(
        set(f) == {"key", "means", "direction", "good"}
        for d in seen
        if d["task"] == "write_headline"
        for f in d["facts"]
    )


def test_a_very_long_dialog_is_read_in_parts_or_said_to_be_too_long(busy: Shop, model: Model) -> None:
    busy.dialog("long", "\n".join(f"К: вопрос {i} " + "про доставку и сборку кухни " * 40 for i in range(60)))
    busy.insert(
        "fct_messages", message_id="huge", dialog_id="d6", client_id="c-d6", kind="client", direction="inbound",
        sent_at=WINDOW.start, body="слово " * 400_000,
    )  # fmt: skip
    outcome = read_dialogs(busy.context_with_ai(model.base_url, model.api_key))
    by_id = {r.dialog.dialog_id: r for r in outcome.readings}
    assert by_id["long"].by == "model", outcome.note
    assert by_id["long"].reading.parts > 2
    assert "d6" not in by_id and outcome.skipped["too_long"] == 1
    assert outcome.read + sum(outcome.skipped.values()) == outcome.total


def test_nothing_of_another_tenant_is_read(busy: Shop, model: Model) -> None:
    from synkro.tenancy import tenants

    with db.as_service("test") as connection:
        other = tenants.add(connection, "Чужая", "chuzhaya", "Asia/Almaty")
    mine = busy.tenant_id
    busy.tenant_id = other.tenant_id
    busy.dialog("d1", "К: чужая тайна, верните деньги", client="Чужой")
    busy.tenant_id = mine
    draft = report(busy.context_with_ai(model.base_url, model.api_key))
    assert "тайна" not in json.dumps(draft.body.stored(), ensure_ascii=False) + draft.summary_text
