"""Questions about a report: numbers by the registry, findings with quotes, messages by search, or «Не знаю»."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import uuid4

from analysis.asking import Answer, answer
from analysis.grounding import find_quote
from synkro import db, dialogs
from synkro.reports import Report, publish
from tests.analysis.shop import WINDOW, Shop
from tests.analysis.test_report import report


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
        ("сколько денег под риском?", "Деньги под риском: 1 650 000 ₸"),
        ("Сколько продаж вчера?", "Продажи: 3"),
        ("На какую сумму продали", "Сумма продаж: 870 000 ₸"),
        ("сколько новых клиентов", "Новые клиенты: 3"),
        ("Сколько ответили в срок?", "Ответы в срок: 84 %"),
        ("Как работала Асель?", "Асель Ахметова: 24 ответа"),
        ("а у Данияра как дела", "Данияр Серик: 4 ответа"),
        ("Кто ждёт ответа?", "Скидка на матрас будет?"),
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
            with db.as_service("test") as connection:
                said = dialogs.messages(connection, busy.tenant_id, claim["dialog_id"], window=WINDOW)
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
