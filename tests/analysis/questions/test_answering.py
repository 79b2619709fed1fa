"""Questions about a report: numbers by the registry, findings with quotes, messages by search, or «Не знаю»."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from analysis.questions import metrics
from analysis.questions.answering import _COMPARED, Answer, answer, pick, suggestions
from analysis.questions.metrics import Pick, compute, validated
from analysis.reading.grounding import find_quote
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting.body import Body
from synkro.reporting.report_windows import ReportWindow, save
from synkro.reporting.reports import Report, publish
from tests.analysis.conftest import Model
from tests.analysis.mart_fixtures import DAY, SILENCE, UNHURRIED, WINDOW, Shop, said_in
from tests.analysis.report.test_report import report


def published(shop: Shop) -> Report:
    draft = report(shop.context())
    with db.as_service("test") as connection:
        return publish(connection, shop.tenant_id, None, draft, [])


def ask(made: Report, question: str, history: list[object] | None = None) -> Answer:
    with db.as_service("test") as connection:
        found = answer(connection, made, question, history or [])  # type: ignore[arg-type]
    return Answer(found.text.replace("\u00a0", " "), found.evidence)


def test_questions_in_the_words_of_people(busy: Shop) -> None:
    made = published(busy)
    for question, expected in (
        ("Сколько было диалогов?", "Диалоги: 7"),
        ("какая скорость первого ответа", "Первый ответ (медиана): 12 мин"),
        ("сколько денег под риском?", "Деньги под риском на конец дня: 1 650 000 ₸"),
        ("Сколько продаж вчера?", "Продажи: 3"),
        ("На какую сумму продали", "Сумма продаж: 870 000 ₸"),
        ("сколько новых клиентов", "Новые клиенты: 3"),
        ("Сколько ответили в срок?", "Ответы в срок: 84 %"),
        ("Как работала Асель?", "Асель Ахметова: 24 ответа"),
        ("а у Данияра как дела", "Данияр Серик: 4 ответа"),
        ("Кто ждёт ответа?", "Ответить: Света, ждёт 50"),
        ("Что мне сделать в первую очередь?", "Света"),
        ("Какие были возражения?", "Дорого: 1 диалог"),
        ("Что мы обещали клиентам?", "До пятницы скину расчёт"),
        ("Есть жалобы?", "Олег"),
        ("Почему теряем сделки?", "Дорого: 1 сделка"),
        ("О чём спрашивают клиенты?", "Доставка: 1 диалог"),
        ("Все ли диалоги прочитаны?", "Прочитано 6 из 7"),
        ("Кто писал про царапину?", "Привезли с царапиной"),
        ("сколько сообщений", "Сообщения: 48"),
    ):
        assert expected in ask(made, question).text, question


def test_every_quote_of_an_answer_stands_in_its_message(busy: Shop) -> None:
    made = published(busy)
    for question in ("Есть жалобы?", "Какие возражения?", "Что обещали?", "царапина", "кухня или диван"):
        evidence = ask(made, question).evidence
        assert evidence, question
        for claim in evidence:
            said = said_in(busy.tenant_id, claim["dialog_id"])
            assert find_quote(claim["quote"], [m for m in said if m.message_id in claim["message_ids"]])


def test_what_is_not_there_is_not_known(busy: Shop) -> None:
    made = published(busy)
    for question in (
        "Какая погода в Париже?",
        "??",
        "",
        "'; drop table synkro.reports; --",
        "select * from auth.users",
        "яблоки & | ! <-> :*",
    ):
        assert ask(made, question).text.startswith("Не знаю: в данных"), question


def test_a_short_question_leans_on_the_one_before(busy: Shop) -> None:
    made = published(busy)
    before = SimpleNamespace(question="сколько продаж?")
    assert "Сумма продаж" in ask(made, "а на какую сумму?", [before]).text


def test_messages_of_others_are_not_found(busy: Shop) -> None:
    made = published(busy)
    mine = busy.tenant_id
    busy.tenant_id = uuid4()
    busy.dialog("other", "К: секретный гарнитур из ореха", client="Чужой")
    busy.tenant_id = mine
    assert "ореха" not in ask(made, "гарнитур из ореха").text


def test_the_model_picks_and_code_computes(busy: Shop, model: Model) -> None:
    """Its whole say is a metric, a manager and a period of the registry; the number is the mart's."""
    made = published(busy)
    ctx = busy.context_with_ai(model.base_url, model.api_key)
    picked = pick(ctx, made, "Назови деньги под риском")
    assert picked == Pick("money_at_risk")
    with db.as_service("test") as connection:
        found = answer(connection, made, "Назови деньги под риском", [], picked)
    assert "1 650 000 ₸" in found.text.replace("\u00a0", " ") and found.evidence[0]["metric"] == "money_at_risk"
    (call,) = [c for c in busy.calls() if c["purpose"] == "asking"]
    assert call["status"] == "ok" and call["cost_usd"] > 0


def test_names_and_phones_of_a_question_are_not_sent(busy: Shop, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox.vendors.llm import mind

    seen: list[dict[str, Any]] = []
    honest = mind.answer

    def watch(document: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(dict(document))
        return honest(document)

    monkeypatch.setattr(mind, "answer", watch)
    made = published(busy)
    before = SimpleNamespace(question="Как отвечала Асель Свете?")
    pick(
        busy.context_with_ai(model.base_url, model.api_key),
        made, "Сколько сообщений у Асели, тел. +7 701 000 00 01, Айгерим", [before],  # type: ignore[list-item]
    )  # fmt: skip
    told = str([d["question"] for d in seen] + [d["before"] for d in seen])
    assert seen and "М1" in told
    for secret in ("Асел", "Айгерим", "Свет", "701", "Ахметов"):
        assert secret not in str(seen), secret


@pytest.mark.parametrize(
    "raw",
    [
        {}, {"metric": "none"}, {"metric": "select 1"}, {"metric": "deals_won", "period": "all"}, {"metric": "deals_won", "manager": "М9"},
        {"metric": "deals_won", "manager": "7"}, {"metric": ["deals_won"]}, {"metric": "deals_won", "period": "1 = 1"}, {"metric": None},
    ],
)  # fmt: skip
def test_what_is_not_in_the_registry_is_no_pick(raw: dict[str, Any]) -> None:
    assert validated({**raw, **({"metric": "x"} if isinstance(raw.get("metric"), list) else {})}, ["7", "8"]) is None


def yesterday(shop: Shop) -> None:
    """The window before: five sales."""
    past = Window(WINDOW.start - timedelta(days=1), WINDOW.end - timedelta(days=1))
    with db.as_service("test") as connection:
        save(connection, shop.tenant_id, [ReportWindow(past, DAY - timedelta(days=1))])
    shop.summary(past, deals_won=5, dialogs=4)


def test_filters_of_a_pick(busy: Shop) -> None:
    yesterday(busy)
    made = published(busy)
    with db.as_service("test") as connection:
        for chosen, expected in (
            (Pick("answered_within_target", "7"), "ответы в срок — 92 %"),
            (Pick("first_response_p50", "", "usual"), "8 мин"),
            (Pick("deals_won", "", "previous"), ": 5."),
            (Pick("match_rate", "", "previous"), "Не знаю"),
            (Pick("deals_won", "нет такого"), "Не знаю"),
        ):
            text = compute(connection, made, chosen).text.replace("\u00a0", " ")
            assert expected.lower() in text.lower(), text


def test_periods_in_the_words_of_people(busy: Shop) -> None:
    yesterday(busy)
    made = published(busy)
    assert "8 мин" in ask(made, "Какая скорость первого ответа обычно?").text
    assert "Продажи, прошлый период" in ask(made, "сколько продаж было в прошлый раз").text


def test_a_model_that_fails_leaves_the_words(busy: Shop, model: Model) -> None:
    made = published(busy)
    for fault in ("llm_invalid_json", "server_error", "llm_hang", "unauthorized", "llm_obeys_attacker"):
        model.faults.clear()
        model.breaks(fault)
        ctx = busy.context_with_ai(model.base_url, model.api_key, limits=SILENCE if fault == "llm_hang" else UNHURRIED)
        assert pick(ctx, made, "сколько было диалогов") is None
    assert "Диалоги: 7" in ask(made, "сколько было диалогов").text


def test_a_question_over_the_cap_is_not_sent(busy: Shop, model: Model) -> None:
    made = published(busy)
    ctx = busy.context_with_ai(model.base_url, model.api_key, public={"daily_cap_usd": 0})
    model.request_log.clear()
    assert pick(ctx, made, "сколько было диалогов") is None
    assert [c["status"] for c in busy.calls()] == ["refused"] and model.request_log.requests() == []


def test_readings_are_searched_before_messages(busy: Shop) -> None:
    made = published(busy)
    found = ask(made, "про царапину")
    assert found.evidence[0]["section"] == "readings" and "Требуют вернуть деньги" in found.text


def test_every_suggested_question_has_an_answer(busy: Shop) -> None:
    made = published(busy)
    asked = suggestions(made.body)
    assert 3 <= len(asked) <= 4 and asked[0] == "Кто ждёт ответа?"
    for question in asked:
        assert not ask(made, question).text.startswith("Не знаю"), question
    assert suggestions(Body()) == []
    for question in _COMPARED.values():
        assert metrics.by_words(made, question.lower().replace("ё", "е")), question
