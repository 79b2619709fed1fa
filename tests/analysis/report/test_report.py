"""The report of a normal, a quiet, an incomplete, a small and an AI-less day."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest

from analysis.reading.grounding import find_quote
from analysis.report import headline
from analysis.report.builder import write_report
from analysis.report.context import AnalysisContext
from analysis.report.dialogs import read_dialogs
from analysis.report.inputs import Facts
from synkro.core.errors import Cancelled
from synkro.reporting.reports import Draft
from tests.analysis.conftest import Model
from tests.analysis.mart_fixtures import WINDOW, Shop, said_in


def report(ctx: AnalysisContext) -> Draft:
    return write_report(ctx, read_dialogs(ctx))


def ungrounded(ctx: AnalysisContext, draft: Draft) -> list[dict[str, Any]]:
    """Claims whose quote does not stand in a message of their dialog and window: looked up in the database again."""
    wrong = []
    for claim in draft.claims:
        said = said_in(ctx.tenant_id, claim["dialog_id"])
        named = [m for m in said if m.message_id in claim["message_ids"]]
        if len(named) != len(claim["message_ids"]) or find_quote(claim["quote"], named) is None:
            wrong.append(claim)
    return wrong


def test_a_normal_day(busy: Shop) -> None:
    ctx = busy.context()
    draft = report(ctx)
    body = draft.body.stored()
    print(draft.summary_text)
    assert ungrounded(ctx, draft) == [] and len(draft.claims) >= 6
    assert draft.coverage == {"read": 6, "total": 7, "skipped": {"no_text": 1}, "by_rules": 0, "media_unread": 2}
    assert body["coverage_line"].replace("\u00a0", " ") == (
        "Прочитано 6 из 7 диалогов (1 без текста), не открыто вложений: 2"
    )
    assert (
        body["headline"][0]["text"].replace("\u00a0", " ")
        == "На конец дня ответа ждали 2 клиента, все дольше цели; под риском 1 650 000 ₸."
    )
    assert [row["key"] for row in body["numbers"][:5]] == [
        "dialogs", "first_response_p50", "answered_within_target", "unanswered_now", "deals_won",
    ]  # fmt: skip
    first = body["numbers"][1]
    assert (first["display"], first["usual_display"], first["direction"], first["good"]) == (
        "12\u00a0мин",
        "8\u00a0мин",
        "up",
        False,
    )
    assert {a["client"] for a in body["actions"][:3]} == {"Айгерим", "Света"}
    assert all(re.fullmatch(r"•••• \d{4}", a["phone_masked"]) for a in body["actions"])
    assert body["risks"][0]["text"].startswith("Грубый ответ, Асель Ахметова")
    assert [m["name"] for m in body["managers"]] == ["Асель Ахметова", "Данияр Серик"]
    assert "%" in body["managers"][0]["text"] and "%" not in body["managers"][1]["text"]
    assert body["lost_reasons"] == [
        {"reason": "Дорого", "count": 1, "amount": 150_000, "dialog_ids": [], "deal_ids": ["lost1"]}
    ]
    assert [(p["text"], p["deadline"], p["who"]) for p in body["promises"]] == [
        ("До пятницы скину расчёт", "2026-11-27", "Асель Ахметова"),
        ("Сейчас разберусь", None, "Асель Ахметова"),
    ]
    assert "!" not in re.sub(r"«[^»]*»", "", draft.summary_text)
    assert body["header"]["reader"]["kind"] == "rules" and "по правилам" in draft.summary_text
    assert not re.search(r"\+?7701\d{7}", draft.summary_text)


def test_the_same_window_twice_gives_the_same_text(busy: Shop) -> None:
    ctx = busy.context()
    first, second = report(ctx), report(ctx)
    assert first.body == second.body and first.claims == second.claims and first.summary_text == second.summary_text


def test_a_quiet_day_is_two_lines(shop: Shop) -> None:
    shop.summary(messages=0)
    draft = report(shop.context())
    assert draft.body.stored()["quiet"] and len(draft.body.stored()["headline"]) == 2 and not draft.claims
    assert len(draft.summary_text) < 250


@pytest.mark.parametrize(
    ("report_type", "quiet", "to_do"),
    [("weekly", "Тихая неделя", "Сделать на этой неделе"), ("monthly", "Тихий месяц", "Сделать в этом месяце")],
)
def test_a_week_and_a_month_are_called_so(busy: Shop, report_type: str, quiet: str, to_do: str) -> None:
    ctx = busy.context(report_type=report_type, period_start=date(2026, 11, 14))
    assert to_do in report(ctx).summary_text and "Сделать сегодня" not in report(ctx).summary_text
    sentences = headline.by_code(Facts({}), (), (), True, report_type)
    assert sentences[0]["text"].startswith(quiet)


def test_an_incomplete_day_says_so(busy: Shop) -> None:
    gap = {
        "source": "radist",
        "reason": "сервис не отвечал с 18:40",
        "until": "2026-11-20T13:40:00+00:00",
        "next_attempt": "2026-11-20T18:00:00+00:00",
    }
    draft = report(busy.context(missing=[gap]))
    text = draft.summary_text.replace("\u00a0", " ")
    assert not draft.is_complete
    assert (
        "Данные неполные: Radist.Online: сервис не отвечал с 18:40. Полные до 20 ноября, 18:40. Следующая попытка: 20 ноября, 23:00."
        in text
    )
    notes = {row["key"]: row for row in draft.body.stored()["numbers"]}
    assert notes["dialogs"]["note"] == "данные неполные" and notes["dialogs"]["direction"] == "none"
    assert (notes["deals_won"]["direction"], notes["deals_won"]["usual"]) == ("none", 5), "three sales are no trend"


def test_an_incomplete_empty_day_is_not_called_quiet(shop: Shop) -> None:
    shop.summary(messages=0, is_complete=False)
    draft = report(shop.context(missing=[{"source": "radist", "reason": "ключ отозван", "until": None}]))
    assert not draft.body.stored()["quiet"] and "ключ отозван" in draft.summary_text


def test_too_few_dialogs_make_a_short_report(busy: Shop) -> None:
    draft = report(busy.context(min_dialogs=50))
    assert draft.body.stored()["too_little_data"]
    assert (
        draft.body.stored()["headline"][0]["text"].replace("\u00a0", " ")
        == "Мало данных для выводов: 7 диалогов, нужно не меньше 50."
    )
    assert draft.body.stored()["topics"] == [] and draft.body.stored()["numbers"]


def test_deals_only(shop: Shop) -> None:
    shop.summary(deals=12, deals_won=4, deals_won_amount=900_000, deals_lost=2, deals_new=5)
    draft = report(shop.context())
    assert [row["key"] for row in draft.body.stored()["numbers"]][:5] == [
        "deals_new",
        "deals_won",
        "deals_won_amount",
        "deals_lost",
        "deals",
    ]
    assert draft.body.stored()["headline"][0]["text"].replace("\u00a0", " ").startswith("Закрыты 4 продажи на 900 000")
    assert draft.body.stored()["coverage_line"] == "" and not draft.body.stored()["too_little_data"]


def test_a_window_never_built_still_gives_a_report(shop: Shop) -> None:
    draft = report(shop.context())
    assert draft.numbers == {} and draft.body.stored()["headline"]


def test_a_stop_is_obeyed(busy: Shop) -> None:
    def stop() -> None:
        raise Cancelled("Остановлено.")

    with pytest.raises(Cancelled):
        read_dialogs(busy.context(checkpoint=stop))


def test_progress_is_told(busy: Shop) -> None:
    told: list[tuple[str, int, int | None]] = []
    report(busy.context(progress=lambda step, done, total, note: told.append((step, done, total))))
    assert ("dialog_readings", 7, 7) in told and ("report", 1, 1) in told


def test_messages_of_another_window_are_no_evidence(busy: Shop) -> None:
    """A complaint of last week, in the same dialog, is not in this window's report."""
    from datetime import timedelta

    busy.insert(
        "fct_messages", message_id="old", dialog_id="d6", client_id="c-d6", kind="client", direction="inbound",
        sent_at=WINDOW.start - timedelta(days=3), body="Верните деньги, это обман",
    )  # fmt: skip
    draft = report(busy.context())
    assert all("old" not in claim["message_ids"] for claim in draft.claims)
    assert all(action["client"] != "Марат" for action in draft.body.stored()["actions"])


@pytest.mark.parametrize("wrote", ["manager", "bot"])
def test_what_breaks_after_we_spoke_is_a_complaint(shop: Shop, model: Model, wrote: str) -> None:
    """Also when nobody of ours has written in the window; a robot before it is nobody."""
    shop.dialog("d1", "К: Диван сломался")
    shop.insert(
        "fct_messages", message_id="old", dialog_id="d1", client_id="c-d1", kind=wrote, session_id="s", direction="outbound",
        sent_at=WINDOW.start - timedelta(days=2), body="Диван привезут завтра", author_id="7",
    )  # fmt: skip
    shop.summary(messages=1)
    model.breaks("llm_obeys_attacker")
    for ctx in (shop.context(), shop.context_with_ai(model.base_url, model.api_key)):
        (found,) = read_dialogs(ctx).readings
        assert ("complaint" in {item.kind for item in found.reading.risks}) is (wrote == "manager")
