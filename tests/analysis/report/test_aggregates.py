"""Risks, topics, objections, promises and quality: what is shown, in which order, how many and in which words."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from analysis.reading.vocabulary import OBJECTIONS, RISKS
from analysis.report import aggregates, page_text, quality
from analysis.report.claims import Claims
from analysis.report.context import DialogReading
from synkro.reporting.body import Quality
from synkro.tenancy.rubric import Criterion
from tests.analysis.inputs import DAY, FURNITURE, item, plain, promise, read, score


def risks(*readings: DialogReading, told: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    return [plain(row) for row in aggregates.risks(readings, Claims(), set(told))]


# --- risks --------------------------------------------------------------------------------------------------


def test_the_gravest_risk_comes_first() -> None:
    """Each kind against each lighter one, whichever is read first."""
    order = [
        "rude_manager", "refund", "complaint", "angry", "wrong_price", "contradiction", "wrong_fact", "broken_promise", "missed_chance",
        "ignored", "channel_change", "other",
    ]  # fmt: skip
    assert set(order) == set(RISKS)
    for graver, lighter in itertools.pairwise(order):
        # the lighter one has more money and the smaller id
        pair = (read("z", risks=(item(graver),)), read("a", deal={"price": 10_000_000}, risks=(item(lighter),)))
        assert [row["kind"] for row in risks(*pair)] == [row["kind"] for row in risks(*pair[::-1])] == [graver, lighter]


def test_of_equal_risks_the_dearest_and_then_the_first_by_id() -> None:
    dear, cheap = (
        read("z", deal={"price": 2}, risks=(item("refund"),)),
        read("a", deal={"price": 1}, risks=(item("refund"),)),
    )
    assert [row["dialog_id"] for row in risks(cheap, dear)] == ["z", "a"]
    free = read("b", risks=(item("refund"),))
    assert [row["dialog_id"] for row in risks(free, dear)] == ["z", "b"]
    equal = [read(key, risks=(item("refund"),)) for key in ("b", "a")]
    assert [row["dialog_id"] for row in risks(*equal)] == ["a", "b"]


def test_two_risks_at_most_and_one_a_dialog() -> None:
    many = [read(key, risks=(item("complaint"), item("refund"))) for key in "cab"]
    assert [(row["dialog_id"], row["kind"]) for row in risks(*many)] == [("a", "refund"), ("b", "refund")]
    assert len(risks(many[0])) == 1


def test_a_kind_nobody_knows_comes_last_and_is_called_other() -> None:
    found = risks(read("a", risks=(item("novelty"),)), read("b", risks=(item("other"),)))
    assert [(row["dialog_id"], row["text"].partition(",")[0]) for row in found] == [("b", "Другое"), ("a", "Другое")]


def test_what_the_actions_tell_is_left_to_them_but_for_a_rude_answer() -> None:
    both = read("a", risks=(item("refund"), item("rude_manager")))
    assert [row["kind"] for row in risks(both, told=frozenset("a"))] == ["rude_manager"]
    assert risks(read("a", risks=(item("refund"),)), told=frozenset("a")) == []
    assert [row["kind"] for row in risks(read("a", risks=(item("refund"),)), told=frozenset("b"))] == ["refund"]


@pytest.mark.parametrize(
    ("deal", "risk", "text"),
    [
        ({}, item("complaint", "Всё криво"), "Жалоба, Клиент a: «Всё криво»"),
        ({"client_name": "", "phone": "+77010000002"}, item("refund", "Верните"), "Требуют вернуть деньги, •••• 0002: «Верните»"),
        ({"client_name": ""}, item("ignored", "Ау"), "Клиента не слышат, клиент без имени: «Ау»"),
        ({}, item("rude_manager", "Отстаньте", author="Асель"), "Грубый ответ, Асель (диалог с клиентом Клиент a): «Отстаньте»"),
        ({}, item("rude_manager", "Отстаньте"), "Грубый ответ (диалог с клиентом Клиент a): «Отстаньте»"),
        ({}, item("angry", "Наберите +7 701 555 44 33"), "Клиент недоволен, Клиент a: «Наберите •••• 4433»"),
        ({}, item("complaint", "слово " * 30), "Жалоба, Клиент a: «" + "слово " * 17 + "слово…»"),
    ],
)  # fmt: skip
def test_the_words_of_a_risk(deal: dict[str, Any], risk: Any, text: str) -> None:
    claims = Claims()
    (row,) = aggregates.risks([read("a", deal=deal, risks=(risk,))], claims, set())
    assert plain(row) == {"text": text, "kind": risk.kind, "claims": [0], "dialog_id": "a"}
    (claim,) = claims.rows
    assert plain(claim) == {
        "section": "risks", "text": text, "dialog_id": "a", "message_ids": ["m1"], "quote": risk.quote,
    }  # fmt: skip


def test_dialogs_with_a_risk_are_named_once_in_order() -> None:
    readings = [
        read("b", risks=(item("refund"), item("complaint"))),
        read("a", risks=(item("angry"),)),
        read("c", risks=(item("complaint"),)),
    ]
    assert aggregates.risk_dialogs(readings, ("complaint", "refund")) == ["b", "c"]
    assert aggregates.risk_dialogs(readings, ("angry",)) == ["a"]


# --- topics and objections ----------------------------------------------------------------------------------


def test_topics_by_dialogs_then_by_name() -> None:
    readings = [
        read("d3", topics=(item("delivery"), item("delivery", "ещё"), item("price"))),
        read("d1", topics=(item("price"), item("size"))),
        read("d2", topics=(item("novelty"),)),
    ]
    assert aggregates.topics(readings, FURNITURE) == [
        {"topic": "Цена и расчёт", "kind": "price", "count": 2, "dialog_ids": ["d3", "d1"]},
        {"topic": "Доставка", "kind": "delivery", "count": 1, "dialog_ids": ["d3"]},
        {"topic": "Размеры", "kind": "size", "count": 1, "dialog_ids": ["d1"]},
        {"topic": "Другое", "kind": "other", "count": 1, "dialog_ids": ["d2"]},
    ]


def test_fifty_dialogs_are_listed_and_all_are_counted() -> None:
    readings = [read(f"d{n:02}", topics=(item("price"),), objections=(item("price"),)) for n in range(51)]
    listed = [f"d{n:02}" for n in range(50)]
    (topic,), (objection,) = aggregates.topics(readings, FURNITURE), aggregates.objections(readings, Claims())
    assert (topic["count"], topic["dialog_ids"]) == (objection["count"], objection["dialog_ids"]) == (51, listed)


def test_objections_by_dialogs_then_by_name_with_three_quotes() -> None:
    claims = Claims()
    readings = [
        read("d1", objections=(item("terms", "Долго", "a1"),)),
        read("d2", objections=(item("price", "Дорого 2", "b1"), item("price", "Очень дорого", "b2"))),
        *[read(f"d{n}", objections=(item("price", f"Дорого {n}", "c1"),)) for n in range(3, 6)],
        read("d6", objections=(item("competitor", "Там дешевле", "e1"), item("novelty", "Хм", "e2"))),
    ]
    assert aggregates.objections(readings, claims) == [
        {"topic": "Дорого", "kind": "price", "count": 4, "claims": [0, 1, 2], "dialog_ids": ["d2", "d3", "d4", "d5"]},
        {"topic": "Сравнивают с другими", "kind": "competitor", "count": 1, "claims": [3], "dialog_ids": ["d6"]},
        {"topic": "Другое", "kind": "novelty", "count": 1, "claims": [4], "dialog_ids": ["d6"]},
        {"topic": "Не устраивают сроки", "kind": "terms", "count": 1, "claims": [5], "dialog_ids": ["d1"]},
    ]
    assert [(c["section"], c["text"], c["dialog_id"], c["message_ids"], c["quote"]) for c in claims.rows[:4]] == [
        ("objections", "Дорого", "d2", ["b1"], "Дорого 2"),
        ("objections", "Дорого", "d3", ["c1"], "Дорого 3"),
        ("objections", "Дорого", "d4", ["c1"], "Дорого 4"),
        ("objections", "Сравнивают с другими", "d6", ["e1"], "Там дешевле"),
    ]


def test_kinds_are_called_in_russian() -> None:
    """A label changed by a slip is seen here: reports, the page and the model speak by them."""
    assert FURNITURE.labels() == {
        "price": "Цена и расчёт", "availability": "Наличие", "delivery": "Доставка", "assembly": "Сборка и монтаж", "measure": "Замер",
        "terms": "Сроки", "discount": "Скидки и акции", "credit": "Рассрочка и кредит", "payment": "Оплата", "warranty": "Гарантия",
        "materials": "Материалы и комплектация", "look": "Цвет и внешний вид", "size": "Размеры", "place": "Адрес и график",
        "order": "Статус заказа", "return": "Возврат и обмен", "repair": "Ремонт и сервис", "not_client": "Не о покупке", "other": "Другое",
        # since the topics are the company's own, a shop has the general ones, too
        "booking": "Запись и перенос", "documents": "Документы", "consultation": "Консультация", "source": "Откуда узнали",
    }  # fmt: skip
    assert OBJECTIONS == {
        "price": "Дорого", "competitor": "Сравнивают с другими", "terms": "Не устраивают сроки", "no_option": "Нет нужного варианта",
        "postponed": "Откладывают решение", "trust": "Сомневаются", "other": "Другое",
    }  # fmt: skip
    assert RISKS == {
        "complaint": "Жалоба", "refund": "Требуют вернуть деньги", "broken_promise": "Обещание не сдержано", "rude_manager": "Грубый ответ",
        "angry": "Клиент недоволен", "ignored": "Клиента не слышат", "wrong_price": "Названы разные цены", "other": "Другое",
        "missed_chance": "Клиент готов, менеджер не закрыл", "contradiction": "Менеджеры говорят разное",
        "wrong_fact": "Сказано неверно о компании", "channel_change": "Уводят в другой канал",
    }  # fmt: skip


# --- promises -----------------------------------------------------------------------------------------------


def promises(*readings: DialogReading) -> list[dict[str, Any]]:
    return [plain(row) for row in aggregates.promises(readings, Claims(), DAY)]


def test_promises_by_deadline_ours_first_then_by_dialog_and_message() -> None:
    tomorrow = DAY + timedelta(days=1)
    found = promises(
        read("c", promises=(promise("без срока"), promise("завтра", tomorrow))),
        read("b", promises=(promise("сегодня клиент", DAY, who="client"),)),
        read("e", promises=(promise("сегодня е2", DAY, message_ids=("m2",)), promise("сегодня е1", DAY, message_ids=("m1",)))),
        read("d", promises=(promise("сегодня д", DAY),)),
        read("a", promises=(promise("сдержано", DAY, kept=True), promise("вчера", DAY - timedelta(days=1)))),
    )  # fmt: skip
    assert [(row["text"], row["deadline"], row["deadline_display"]) for row in found] == [
        ("вчера", "2026-11-19", "срок прошёл 19 ноября, четверг"),
        ("сегодня д", "2026-11-20", "до 20 ноября, пятница"),
        ("сегодня е1", "2026-11-20", "до 20 ноября, пятница"),
        ("сегодня е2", "2026-11-20", "до 20 ноября, пятница"),
        ("сегодня клиент", "2026-11-20", "до 20 ноября, пятница"),
        ("завтра", "2026-11-21", "до 21 ноября, суббота"),
        ("без срока", None, "срок не назван"),
    ]


@pytest.mark.parametrize(
    ("changes", "manager", "who"),
    [
        ({"author": "Асель"}, "Данияр", "Асель"),
        ({}, "Данияр", "Данияр"),
        ({}, None, "Менеджер"),
        ({"who": "client", "author": "Асель"}, "Данияр", "Клиент"),
    ],
)
def test_who_promised(changes: dict[str, Any], manager: str | None, who: str) -> None:
    claims = Claims()
    reading = read("a", deal={"manager_name": manager, "client_name": "Олег +7 701 555 44 33"},
                   promises=(promise("Наберу +7 701 000 00 09", DAY, **changes),))  # fmt: skip
    (row,) = aggregates.promises([reading], claims, DAY)
    assert plain(row) == {
        "text": "Наберу •••• 0009", "deadline": "2026-11-20", "deadline_display": "до 20 ноября, пятница", "who": who,
        "client": "Олег •••• 4433", "dialog_id": "a", "claims": [0],
    }  # fmt: skip
    assert [(c["section"], c["quote"], c["message_ids"]) for c in claims.rows] == [
        ("promises", "Наберу +7 701 000 00 09 точно", ["m1"])
    ]


def test_what_the_marts_know_of_a_promise_counts() -> None:
    """A file in another dialog kept it, or what looked like the answer did not; of a message they do not know, what was read."""
    readings = [
        read("a", promises=(promise("сдержано в другом чате", DAY),)),
        read("b", promises=(promise("казалось сдержанным", DAY, kept=True),)),
        read(
            "c", promises=(promise("не знают", DAY), promise("не знают, сдержано", DAY, kept=True, message_ids=("m2",)))
        ),
    ]
    found = aggregates.promises(readings, Claims(), DAY, {("a", "m1"): False, ("b", "m1"): True})
    assert [row["text"] for row in found] == ["казалось сдержанным", "не знают"]


def test_twenty_promises_at_most_and_long_ones_are_cut() -> None:
    found = promises(*[read(f"d{n:02}", promises=(promise(f"№ {n} " + "слово " * 40),)) for n in range(21)])
    assert [row["dialog_id"] for row in found] == [f"d{n:02}" for n in range(20)]
    assert all(len(row["text"]) <= 140 and row["text"].endswith("слово…") for row in found)


# --- quality ------------------------------------------------------------------------------------------------

HELLO, WHOLE = Criterion("Приветствие", 1), Criterion("Полный ответ", 3)


def scored(n: int, points: tuple[int, ...], manager: str = "Асель", prefix: str = "d") -> list[DialogReading]:
    """``n`` dialogs of one manager, each with a score of «Приветствие» out of ``points`` in turn."""
    return [
        read(f"{prefix}{at:02}", deal={"manager_name": manager}, quality=(score("Приветствие", points[at % len(points)]),))
        for at in range(n)
    ]  # fmt: skip


def measured(
    readings: list[DialogReading], claims: Claims | None = None, rubric: tuple[Criterion, ...] = (HELLO, WHOLE)
) -> dict[str, Any]:
    found = quality.quality(readings, rubric, claims or Claims())
    assert found is not None
    return plain(found)


@pytest.mark.parametrize(("n", "share", "display"), [(9, None, "мало данных"), (10, 0.5, "50 %")])
def test_a_share_takes_ten_dialogs(n: int, share: float | None, display: str) -> None:
    found = measured(scored(n, (2, 0)) if n % 2 == 0 else scored(n, (1,)), rubric=(HELLO,))
    for row in (found, found["criteria"][0], found["managers"][0]):
        assert (row["share"], row["display"]) == (share, display)
    assert (found["dialogs"], found["criteria"][0]["n"], found["managers"][0]["n"]) == (n, n, n)


def test_until_every_criterion_has_a_score_there_is_no_share_of_the_whole() -> None:
    found = measured(scored(12, (2,)))
    for row in (found, found["managers"][0]):
        assert (row["share"], row["display"], row["scored"], row["of_criteria"]) == (
            None,
            "оценён 1 из 2 критериев",
            1,
            2,
        )
    assert (found["criteria"][0]["share"], found["criteria"][0]["display"]) == (1.0, "100 %"), "its own share stands"
    assert plain(page_text.quality_lines(Quality.model_validate(found)))[0] == (
        "По рубрике: оценён 1 из 2 критериев, 12 диалогов"
    )
    assert [quality.coverage(n, 7) for n in (1, 3, 5)] == [
        "оценён 1 из 7 критериев",
        "оценены 3 из 7 критериев",
        "оценено 5 из 7 критериев",
    ]


def test_weights_are_of_the_rubric_however_rarely_a_criterion_is_scored() -> None:
    readings = [*scored(10, (2,)), read("z", deal={"manager_name": "Асель"}, quality=(score("Полный ответ", 0),))]
    found = measured(readings)
    assert found["share"] == 0.25, "one of four parts, ten dialogs to one"
    assert [(row["name"], row["weight"], row["n"], row["share"]) for row in found["criteria"]] == [
        ("Приветствие", 1, 10, 1.0),
        ("Полный ответ", 3, 1, None),
    ]


def test_the_weakest_three_quotes_by_score_then_by_dialog() -> None:
    claims = Claims()
    readings = [
        read(key, quality=(score("Приветствие", points, f"{key} сказал"),))
        for key, points in (("e", 1), ("d", 0), ("c", 2), ("b", 1), ("a", 0), ("f", 1))
    ]
    found = measured(readings, claims)
    assert [claims.rows[at]["quote"] for at in found["criteria"][0]["claims"]] == ["a сказал", "d сказал", "b сказал"]
    assert [claims.rows[at]["text"] for at in found["criteria"][0]["claims"]] == [
        "Приветствие: 0 из 2", "Приветствие: 0 из 2", "Приветствие: 1 из 2",
    ]  # fmt: skip
    assert claims.rows[0]["section"] == "quality" and claims.rows[0]["dialog_id"] == "a"


def test_managers_the_weakest_first_and_those_with_few_dialogs_by_name() -> None:
    found = measured(
        [
            *scored(10, (2,), "Вера", "v"),
            *scored(10, (1,), "Яна", "y"),
            *scored(10, (1,), "Анна", "a"),
            *scored(2, (0,), "Борис", "b"),
            *scored(9, (2,), "Алия", "l"),
            *scored(3, (0,), "", "n"),
        ],
        rubric=(HELLO,),
    )
    assert [(row["name"], row["n"], row["display"]) for row in found["managers"]] == [
        ("Анна", 10, "50 %"),
        ("Яна", 10, "50 %"),
        ("Вера", 10, "100 %"),
        ("Алия", 9, "мало данных"),
        ("Борис", 2, "мало данных"),
    ]


def test_the_author_of_a_score_outweighs_the_dialogs_manager() -> None:
    reading = read("a", deal={"manager_name": "Асель"}, quality=(score("Приветствие", 1, author="Данияр"),))
    assert [row["name"] for row in measured([reading])["managers"]] == ["Данияр"]


def test_a_dialog_scored_twice_counts_once_and_foreign_criteria_not_at_all() -> None:
    both = read(
        "a",
        deal={"manager_name": "Асель"},
        quality=(score("Приветствие", 2), score("Полный ответ", 1), score("Иное", 0)),
    )
    found = measured([both])
    assert (found["dialogs"], [row["name"] for row in found["criteria"]], found["managers"][0]["n"]) == (
        1, ["Приветствие", "Полный ответ"], 1,
    )  # fmt: skip
    assert quality.quality([read("a", quality=(score("Иное", 0),))], (HELLO,), Claims()) is None
