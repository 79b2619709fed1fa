"""Quality by criteria the administrator wrote: kept, versioned, part of the reading's key, scored with messages under it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.llm import prompts
from analysis.reading.models import Reading, Score
from analysis.report import quality
from analysis.report.claims import Claims
from analysis.report.context import DialogReading
from analysis.report.dialogs import read_dialogs
from analysis.rules import reader
from analysis.topics import pack
from synkro.core.errors import DataError
from synkro.database import db
from synkro.reporting.dialogs import Dialog
from synkro.tenancy import rubric, runtime_config
from synkro.tenancy.rubric import DEFAULT, Criterion
from tests.analysis.conftest import Model
from tests.analysis.mart_fixtures import Shop
from tests.analysis.report.test_report import report
from tests.analysis.rules.test_rules import dialog as dialog_of

GENERAL = pack("core").catalogue
OWN = (Criterion("Приветствие", 2, "называет имя"), Criterion("Предложил замер", 5))


def test_lines_there_and_back() -> None:
    lines = rubric.parse("Приветствие: 2: называет имя\n\n Предложил замер:5 ")
    assert lines == ["Приветствие: 2: называет имя", "Предложил замер: 5"] and rubric.of(lines) == OWN
    assert rubric.of([]) == DEFAULT
    assert rubric.parse("") == rubric.parse([]) == rubric.parse("\n".join(one.line for one in DEFAULT)) == []


@pytest.mark.parametrize(
    "text",
    ["Приветствие", "Приветствие: много", "Приветствие: 0", "Приветствие: 11", "1: 2", "А: 1\nа: 2", "x" * 90 + ": 1", 3,
     "Вежливость: 1: ```", "Вежливость: 1: {unanswered_now}", "Вежливость: 1\nвежливость: 2", "\n".join(f"Критерий {c}: 1" for c in "абвгдежзиклмн")],
)  # fmt: skip
def test_a_wrong_line_names_the_field(text: object) -> None:
    with pytest.raises(DataError, match="quality_rubric"):
        rubric.parse(text)


def test_it_is_a_version_of_the_settings(shop: Shop) -> None:
    with db.as_service("test") as connection:
        runtime_config.start(connection, shop.tenant_id, "Asia/Almaty")
        changed = runtime_config.change(connection, shop.tenant_id, {"quality_rubric": "Предложил замер: 5"})
        assert changed.version == 2 and runtime_config.current(connection, shop.tenant_id).quality_rubric == [
            "Предложил замер: 5"
        ]
        assert (
            runtime_config.change(connection, shop.tenant_id, {"quality_rubric": ["Предложил замер: 5"]}).version == 2
        )
        assert runtime_config.history(connection, shop.tenant_id)[1]["quality_rubric"] == []


def test_another_criterion_is_another_reading_and_another_weight_is_not() -> None:
    heavier = (OWN[0], Criterion("Предложил замер", 9))
    assert prompts.version("", OWN, GENERAL) == prompts.version("", heavier, GENERAL)
    assert (
        len(
            {
                prompts.version(own, rubric, GENERAL)
                for own, rubric in (("", OWN), ("", DEFAULT), ("", OWN[:1]), ("x", OWN))
            }
        )
        == 4
    )
    assert "Предложил замер" in prompts.reading_system(OWN, GENERAL) and "Вежливость" not in prompts.reading_system(
        OWN, GENERAL
    )


def test_the_model_is_asked_again_and_scores_only_what_is_asked(busy: Shop, model: Model) -> None:
    ctx = busy.context_with_ai(model.base_url, model.api_key)
    assert read_dialogs(ctx).calls == 7 and read_dialogs(ctx).calls == 0
    own = read_dialogs(busy.context_with_ai(model.base_url, model.api_key, rubric=OWN[1:]))
    assert own.calls == 7
    # the model still scores «Приветствие», which is no criterion now
    assert all(found.reading.quality == () for found in own.readings)


def test_the_whole_is_weighted_and_the_weak_are_quoted(busy: Shop) -> None:
    dialog = read_dialogs(busy.context()).readings[0].dialog
    read = [
        DialogReading(
            dialog, Reading(quality=(Score("Приветствие", 2, ("m",), "q"), Score("Предложил замер", n % 2, (f"m{n}",), "q"))), "model"
        )
        for n in range(12)
    ]  # fmt: skip
    claims = Claims()
    found = quality.quality(read, OWN, claims)
    assert found is not None
    # one dialog twelve times is one dialog: too few for a share
    assert found["display"] == "мало данных" and [row["share"] for row in found["criteria"]] == [1.0, 0.25]
    assert [len(row["claims"]) for row in found["criteria"]] == [0, 3]
    assert all("0 из 2" in claims.rows[i]["text"] for i in found["criteria"][1]["claims"])
    assert quality.quality([], OWN, claims) is None


def test_managers_are_scored_and_not_ranked_by_chance() -> None:
    """Twelve dialogs of one manager make a share, three of another do not; whose words were scored is who wrote them."""
    dialog = Dialog(
        "d", "c", "Клиент", None, "", None, None, None, None, None, None, "7", "Асель Ахметова", 4, 0, False, ""
    )

    def scored(n: int, author: str, score: int) -> DialogReading:
        one = Score("Вежливость", score, (f"m{n}",), f"q{n}", author)
        return DialogReading(replace(dialog, dialog_id=f"d{n:02d}"), Reading(quality=(one,)), "model")

    read = [scored(n, "Яна", 2 * (n % 3 > 0)) for n in range(12)] + [scored(20 + n, "Борис", 0) for n in range(3)]
    read.append(scored(30, "", 1))
    claims = Claims()
    polite = tuple(one for one in DEFAULT if one.name == "Вежливость")
    found = quality.quality(read, polite, claims)
    assert found is not None and found["dialogs"] == 16 and found["criteria"][0]["n"] == 16
    yana, asel, boris = found["managers"]
    assert (yana["name"], yana["n"], yana["share"], yana["display"].replace("\u00a0", " ")) == (
        "Яна",
        12,
        0.6667,
        "67 %",
    )
    assert (asel["name"], asel["n"]) == (dialog.manager_name, 1), "a score without an author is the deal's manager's"
    assert (boris["name"], boris["n"], boris["share"], boris["display"]) == ("Борис", 3, None, "мало данных")
    assert [claims.rows[i]["quote"] for i in yana["claims"]] == ["q0", "q3", "q6"]
    few = quality.quality(read[12:], polite, Claims())
    assert few is not None and [m["name"] for m in few["managers"]] == sorted([dialog.manager_name or "", "Борис"])


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("К: Здравствуйте, цена?\nМ: Добрый день! 100 000", {"Приветствие": 2}),
        ("К: Здравствуйте, цена?\nМ: 100 000", {"Приветствие": 0}),
        ("К: Цена?\nМ: 100 000", {}),
        ("К: Цена?\nМ: Подскажите, пожалуйста, размер", {"Вежливость": 2}),
        ("К: Цена?\nМ: Читать умеете? Спасибо", {"Вежливость": 0}),
    ],
)
def test_the_rules_score_both_ways(text: str, scores: dict[str, int]) -> None:
    """A criterion that can only be met or only be missed would say a hundred per cent, or none, of everybody."""
    found = reader.read(dialog_of(text), "Asia/Almaty").quality
    assert {one.name: one.score for one in found} == scores
    assert all(one.author == "Асель Ахметова" for one in found)


def test_the_rules_score_what_they_can_and_the_report_shows_it(busy: Shop) -> None:
    draft = report(busy.context())
    names = {row["name"] for row in draft.body.stored()["quality"]["criteria"]}
    assert {"Приветствие", "Вежливость"} <= names and "Качество ответов" in draft.summary_text
    assert all(set(row) >= {"weight", "n", "display"} for row in draft.body.stored()["quality"]["criteria"])
