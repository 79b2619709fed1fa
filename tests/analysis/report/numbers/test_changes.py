"""«Почему изменилось»: what is said, of which numbers, and what is left unsaid."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.report.inputs import Facts
from analysis.report.numbers import changes, figures, noise
from synkro.metrics.queries import Baseline
from synkro.metrics.registry import SUMMARY
from tests.analysis.inputs import facts, numbers_of, plain


def part(dimension: str, key: str, contribution: float, *, metric: str = "first_response_p50", value: float = 14.0,
         base: float = 8.0, n: int = 10, base_n: float = 10.0, label: str = "", **alone: Any) -> dict[str, Any]:  # fmt: skip
    return {
        "metric": metric, "dimension": dimension, "part": key, "part_label": label or key, "value": value, "base": base,
        "contribution": contribution, "part_value": alone.get("part_value", 14.0), "part_base": alone.get("part_base", 8.0), "n": n,
        "base_n": base_n,
    }  # fmt: skip


def sheet(
    rows: list[dict[str, Any]], usual: dict[str, float], spread: dict[str, float] | None = None, **numbers: Any
) -> Facts:
    baseline = Baseline(windows=4, unit="weekday", values=usual, spread=spread or {}, cases=dict.fromkeys(usual, 80))
    return facts(numbers_of(**numbers), usual=usual, baseline=baseline, changes=rows)


def told(given: Facts, report_type: str = "daily") -> list[dict[str, Any]]:
    return plain(changes.build(given, figures.rows(given, None), report_type))


def slower(*rows: dict[str, Any], **changes_of: Any) -> Facts:
    return sheet(
        list(rows), {"first_response_p50": 8.0}, **{"first_response_p50": 14.0, "first_response_n": 30, **changes_of}
    )


VYACHESLAV = part("manager_hours", "5/17-24", 4.0, label="Вячеслав 17-24", base_n=3.0)
OTHERS = [
    part("manager_hours", "5/09-13", 0.5, label="Вячеслав 09-13", base_n=12.0),
    part("manager_hours", "6/09-13", 1.5, label="Дана 09-13", base_n=15.0),
]


def test_the_two_largest_parts_in_words() -> None:
    (change,) = told(slower(VYACHESLAV, *OTHERS))
    assert (
        change["text"]
        == "Первый ответ медленнее обычного на 6 мин: 4 мин из них — Вячеслав после 17:00, ещё 2 мин — Дана с 9 до 13."
    )
    assert (change["delta"], change["delta_display"], change["good"], change["dimension"]) == (
        6.0,
        "+6 мин",
        False,
        "manager_hours",
    )
    assert (change["value_display"], change["base_display"], change["base_of"]) == ("14 мин", "8 мин", "по 4 пятницам")


def test_parts_that_pull_both_ways_are_told_with_their_signs() -> None:
    rows = [
        part("manager", "5", 8.0, label="Вячеслав", base_n=5.0),
        part("manager", "6", -2.0, label="Дана", base_n=25.0),
    ]
    (change,) = told(slower(*rows))
    assert change["text"] == "Первый ответ медленнее обычного на 6 мин: сильнее всего — Вячеслав (+8 мин)."


def test_a_good_change_is_told_after_the_bad() -> None:
    rows = [VYACHESLAV, *OTHERS, *(
        part("channel", key, amount, metric="new_clients", value=30, base=12.0, n=n, base_n=6.0)
        for key, amount, n in (("whatsapp", 1.0, 7), ("instagram", 17.0, 23))
    )]  # fmt: skip
    given = sheet(
        rows,
        {"first_response_p50": 8.0, "new_clients": 12.0},
        first_response_p50=14.0,
        first_response_n=30,
        new_clients=30,
    )
    assert [one["text"] for one in told(given)][1:] == ["Новых клиентов больше обычного на 18: 17 из них — Instagram."]
    assert [one["good"] for one in told(given)] == [False, True]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        # each part is of the difference what it is of the usual: nobody stands out
        ([part("manager", "5", 3.0), part("manager", "6", 3.0)], "Первый ответ медленнее обычного на 6 мин."),
        # the only part of a dimension explains all of it, and says nothing
        ([part("channel", "whatsapp", 6.0)], "Первый ответ медленнее обычного на 6 мин."),
        # two answers tell nothing of a person's speed
        ([part("manager", "5", 5.0, n=2, base_n=1.0), part("manager", "6", 1.0, base_n=29.0)], "Первый ответ медленнее обычного на 6 мин."),
        ([part("hours", "17-24", 5.0, base_n=5.0), part("hours", "00-09", 1.0, base_n=25.0)],
         "Первый ответ медленнее обычного на 6 мин: 5 мин из них — после 17:00, ещё 1 мин — до 9:00."),
        ([part("clients", "new", 5.7, base_n=5.0), part("clients", "returning", 0.3, base_n=25.0)],
         "Первый ответ медленнее обычного на 6 мин: 6 мин из них — кто написал впервые."),
    ],
)  # fmt: skip
def test_a_part_is_named_if_it_explains_more_than_its_share(rows: list[dict[str, Any]], text: str) -> None:
    assert [one["text"] for one in told(slower(*rows))] == [text]


def test_speed_is_told_once_by_the_most_telling_number() -> None:
    rows = [
        VYACHESLAV,
        *OTHERS,
        part("manager", "5", 20.0, metric="breached", value=30, base=10.0),
        part("manager", "6", 0.0, metric="breached", value=30, base=10.0),
    ]
    given = sheet(
        rows, {"first_response_p50": 8.0, "breached": 10.0}, first_response_p50=14.0, first_response_n=30, breached=30
    )
    assert [one["metric"] for one in told(given)] == ["first_response_p50"]
    # where the first of the story is as usual, the next one tells it
    given = sheet(
        rows, {"first_response_p50": 14.0, "breached": 10.0}, first_response_p50=14.0, first_response_n=30, breached=30
    )
    assert [one["metric"] for one in told(given)] == ["breached"]


def test_the_end_of_the_period_is_named() -> None:
    rows = [
        part("manager", "5", 11.0, metric="unanswered_now", value=25, base=12.0, base_n=3.0),
        part("manager", "6", 2.0, metric="unanswered_now", value=25, base=12.0, base_n=9.0),
    ]
    given = sheet(rows, {"unanswered_now": 12.0}, unanswered_now=25)
    assert told(given)[0]["text"].startswith("Ждущих ответа на конец дня больше обычного на 13: 11 из них — 5")
    assert told(given, "weekly")[0]["text"].startswith("Ждущих ответа на конец недели")
    assert told(given, "forced")[0]["text"].startswith("Ждущих ответа на конец периода")


def test_shares_are_told_in_points() -> None:
    rows = [part("manager", "5", -0.18, metric="answered_within_target", value=0.6, base=0.84, base_n=8.0, part_value=0.2, part_base=0.9),
            part("manager", "6", -0.06, metric="answered_within_target", value=0.6, base=0.84, base_n=40.0)]  # fmt: skip
    (change,) = told(
        sheet(rows, {"answered_within_target": 0.84}, answered_within_target=0.6, answered_within_target_n=60)
    )
    assert change["text"] == "Ответов в срок меньше обычного на 24 п. п.: 18 п. п. из них — 5, ещё 6 п. п. — 6."
    assert change["splits"][0]["parts"][0]["value_display"] == "20 %"


def test_before_anything_is_usual_the_time_before_is_told() -> None:
    previous = Baseline(windows=1, unit="month", values={"new_clients": 100.0})
    rows = [
        part("channel", key, amount, metric="new_clients", value=200, base=100.0, base_n=base_n)
        for key, amount, base_n in (("whatsapp", 90.0, 50), ("telegram", 10.0, 50))
    ]
    given = facts(numbers_of(new_clients=200), previous=previous, changes=rows)
    (change,) = told(given, "monthly")
    assert (
        change["text"] == "Новых клиентов больше, чем месяцем раньше, на 100: 90 из них — WhatsApp, ещё 10 — Telegram."
    )
    assert (change["compared_with"], change["base_of"], change["base_display"]) == ("previous", "месяцем раньше", "100")


def test_nothing_is_said_of_incomplete_data() -> None:
    given = slower(VYACHESLAV, *OTHERS)
    gap = {"sources": [], "cause": "", "until": None, "next_attempt": ""}
    assert changes.build(given, figures.rows(given, gap), "daily") == []


def test_many_parts_are_seven_and_the_rest() -> None:
    rows = [part("manager", str(n), 0.5, label=f"Менеджер {n}") for n in range(12)]
    (change,) = told(slower(*rows))
    parts = change["splits"][0]["parts"]
    assert len(parts) == 8 and (parts[-1]["part"], parts[-1]["label"], parts[-1]["contribution"]) == (
        None,
        "остальные",
        2.5,
    )
    assert sum(one["contribution"] for one in parts) == change["delta"]


@pytest.mark.parametrize(
    ("part_of", "key", "name", "label"),
    [
        ("manager", "", "", "без ответственного"), ("manager_hours", "/17-24", " 17-24", "без ответственного после 17:00"),
        ("channel", "", "", "без переписки"), ("channel", "avito", "avito", "Avito"), ("channel", "new_one", "new_one", "new_one"),
        ("stage", "5:1", "Воронка · Новая", "этап «Воронка · Новая»"), ("stage", "", "", "этап неизвестен"),
        ("clients", "", "", "кто ещё не писал"), ("hours", "13-17", "13-17", "с 13 до 17"),
    ],
)  # fmt: skip
def test_parts_in_words(part_of: str, key: str, name: str, label: str) -> None:
    assert changes.part_label(part_of, key, name) == label


@pytest.mark.parametrize(
    ("metric", "value", "base", "numbers", "spread", "is_said"),
    [
        ("new_clients", 30.0, 12.0, {"new_clients": 30}, {}, True),
        # of fewer than ten nothing is said, whatever the difference
        ("new_clients", 9.0, 1.0, {"new_clients": 9}, {}, False),
        # two deviations of a count of twenty are ten
        ("new_clients", 29.0, 20.0, {"new_clients": 29}, {}, False),
        ("new_clients", 33.0, 20.0, {"new_clients": 33}, {}, True),
        # a number that goes up and down by itself
        ("new_clients", 33.0, 20.0, {"new_clients": 33}, {"new_clients": 8.0}, False),
        ("answered_within_target", 0.7, 0.84, {"answered_within_target_n": 30}, {}, False),
        ("answered_within_target", 0.7, 0.84, {"answered_within_target_n": 300}, {}, True),
        # less than a minute is no news, nor is less than a tenth
        ("first_response_p50", 2.9, 2.0, {"first_response_n": 50}, {}, False),
        ("first_response_p50", 108.0, 100.0, {"first_response_n": 50}, {}, False),
        ("first_response_p50", 14.0, 8.0, {"first_response_n": 50}, {"first_response_p50": 2.0}, True),
        ("first_response_p50", 14.0, 8.0, {"first_response_n": 9}, {"first_response_p50": 2.0}, False),
        # money is of deals
        ("deals_won_amount", 900_000.0, 100_000.0, {"deals_won": 9}, {}, False),
        ("deals_won_amount", 900_000.0, 100_000.0, {"deals_won": 12}, {}, True),
    ],
)  # fmt: skip
def test_noise(
    metric: str, value: float, base: float, numbers: dict[str, Any], spread: dict[str, float], is_said: bool
) -> None:
    given = sheet([], {metric: base}, spread, **{metric: value, **numbers})
    assert noise.is_beyond(SUMMARY[metric], value, base, given) is is_said
