"""How long a name, a quote or a reason may be where a report shows it: cut at a word, so that the whole line stays readable."""

from __future__ import annotations

import pytest

from analysis.report.builder import compose
from tests.analysis.inputs import DAY, case, context, facts, item, outcome, plain, promise, read, score


def text_of(length: int) -> str:
    """Exactly so many characters; one less, and the last word is cut."""
    return ("слово " * (length // 6 + 1))[: length - 2] + "ёё"


@pytest.mark.parametrize("length", [80, 81])
def test_names_of_eighty_characters_are_whole(length: int) -> None:
    client, manager = text_of(length), text_of(length).replace("слово", "автор")
    reading = read(
        "a", deal={"client_name": client, "manager_name": manager}, promises=(promise("Скину", DAY, author=manager),),
        risks=(item("rude_manager", "грубо", author=manager),), quality=(score("Вежливость", 0, author=manager),),
    )  # fmt: skip
    angry = read("b", deal={"client_name": client}, risks=(item("angry", "зло"),))
    cases = [case("w", client_name=client, manager_name=manager)]
    managers = [{"manager_id": "1", "name": manager, "messages_sent": 2}]
    found = compose(context(), outcome(reading, angry), facts(managers=managers, cases=cases)).body.stored()
    rude, other = (row["text"] for row in found["risks"])
    for texts, whole in (
        ({row["client"] for row in (*found["actions"], *found["promises"])}, client),
        ({other.removeprefix("Клиент недоволен, ").partition(":")[0]}, client),
        ({rude.partition("клиентом ")[2].partition(")")[0]}, client),
        ({rude.removeprefix("Грубый ответ, ").partition(" (")[0]}, manager),
        ({row["who"] for row in (*found["actions"], *found["promises"])}, manager),
        ({found["managers"][0]["name"], found["quality"]["managers"][0]["name"]}, manager),
    ):
        (text,) = texts
        assert len(text) <= 80 and (text == whole) == (length == 80), text


@pytest.mark.parametrize("over", [0, 1])
def test_other_texts_have_their_own_limits(over: int) -> None:
    """A promise 140, a reason of loss 120, a quote of a risk 110; in an action a name 60, a deal's 50, a stage's 40."""
    name, deal, stage = text_of(60 + over), text_of(50 + over), text_of(40 + over)
    readings = [
        read("a", promises=(promise(text_of(140 + over), DAY),)),
        read("b", risks=(item("angry", text_of(110 + over)),)),
    ]
    cases = [
        case("w", client_name=name), case("v", "deal_stuck", deal_name=deal), case("u", "deal_stuck", deal_name="Стол", stage=stage)
    ]  # fmt: skip
    lost = [{"reason": text_of(120 + over), "count": 1, "amount": 0}]
    found = compose(context(), outcome(*readings), facts(cases=cases, lost=lost)).body.stored()
    assert (found["promises"][0]["text"] == text_of(140 + over)) == (not over)
    assert (found["lost_reasons"][0]["reason"] == text_of(120 + over)) == (not over)
    assert (f"«{text_of(110 + over)}»" in found["risks"][0]["text"]) == (not over)
    whole = {
        f"Ответить: {name}, ждёт 1 день",
        f"Сдвинуть с места: сделка «{deal}», стоит 1 день",
        f"Сдвинуть с места: сделка «Стол», стоит в этапе «{stage}» 1 день",
    }
    texts = {str(plain(row["text"])) for row in found["actions"]}
    assert len(texts) == 3 and (texts & whole) == (set() if over else whole)
