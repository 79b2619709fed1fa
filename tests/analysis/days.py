"""Days a report can have, each made of hand-written inputs: the ground of the golden reports.

``python -m tests.analysis.days`` writes what the code makes of them now into ``golden/``: read the difference before it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from analysis.report.builder import compose
from analysis.report.context import ReadingsOutcome
from analysis.report.inputs import Facts
from delivery.message import telegram_message
from synkro.metrics.queries import Baseline
from synkro.reporting.body import Body
from synkro.reporting.reports import Draft
from tests.analysis.inputs import (
    DAY,
    FURNITURE,
    context,
    facts,
    item,
    numbers_of,
    outcome,
    plain,
    promise,
    read,
    score,
    wait,
)

HERE = Path(__file__).parent
BODIES, MESSAGES = HERE / "golden", HERE.parent / "delivery" / "golden"
URL = "https://app.synkro.example/t/alma/reports/1b2c3d4e-5f60-4711-8123-456789abcdef"
_ASEL = {"manager_id": "7", "manager_name": "Асель Ахметова"}
_DANIYAR = {"manager_id": "8", "manager_name": "Данияр"}
_USUAL = {
    "messages": 40.0, "dialogs": 10.0, "first_response_p50": 8.0, "answered_within_target": 0.84, "unanswered_now": 1.0,
    "deals_won": 5.0, "deals_lost": 1.0, "money_at_risk": 900_000.0, "new_clients": 3.0, "clients": 7.0, "breached": 9.0,
}  # fmt: skip
_BASELINE = Baseline(
    windows=4, unit="weekday", values=_USUAL, spread={"first_response_p50": 1.5, "deals_won": 2.0}, cases={"first_response_p50": 80}
)  # fmt: skip


def _part(
    dimension: str, part: str, contribution: float, now: float, usual: float, n: int, base_n: float, label: str = ""
) -> dict[str, Any]:
    return {
        "metric": "first_response_p50", "dimension": dimension, "part": part, "part_label": label or part, "value": 12.0, "base": 8.0,
        "contribution": contribution, "part_value": now, "part_base": usual, "n": n, "base_n": base_n,
    }  # fmt: skip


#: the first response is slower than usual by four minutes: mostly Daniyar in the evening
_CHANGES = [
    _part("manager", "8", 3.1, 31.0, 12.0, 6, 5.0, "Данияр"),
    _part("manager", "7", 0.9, 6.0, 6.0, 15, 15.0, "Асель Ахметова"),
    _part("manager_hours", "8/17-24", 3.4, 45.0, 12.0, 4, 2.0, "Данияр 17-24"),
    _part("manager_hours", "7/13-17", 0.7, 7.0, 6.0, 8, 7.0, "Асель Ахметова 13-17"),
    _part("manager_hours", "7/09-13", -0.1, 5.0, 6.0, 9, 11.0, "Асель Ахметова 09-13"),
    _part("hours", "17-24", 2.6, 40.0, 12.0, 5, 5.0),
    _part("hours", "09-13", 1.4, 7.0, 6.0, 16, 15.0),
    _part("channel", "whatsapp", 4.0, 12.0, 8.0, 21, 20.0),
    _part("clients", "new", 2.2, 14.0, 9.0, 9, 8.0),
    _part("clients", "returning", 1.8, 10.0, 7.0, 12, 12.0),
]


def _facts(**changes: Any) -> Facts:
    """Three clients wait, three managers work, two reasons of loss."""
    values: dict[str, Any] = {
        "numbers": numbers_of(unanswered_now=3, unanswered_overdue=2, money_at_risk_unpriced=2),
        "usual": _USUAL,
        "baseline": _BASELINE,
        "previous": Baseline(windows=1, unit="weekday", values={"dialogs": 9.0, "deals_won": 4.0}),
        "changes": _CHANGES,
        "managers": [
            {"manager_id": "8", "name": "Данияр", "waits_answered": 4, "response_p50": 31, "within_target": 0.5, "within_target_n": 4,
             "open_overdue": 1, "messages_sent": 9},
            {"manager_id": "7", "name": "Асель Ахметова", "waits_answered": 24, "response_p50": 6, "within_target": 0.92,
             "within_target_n": 25, "open_overdue": 0, "messages_sent": 40, "deals_won": 2, "deals_won_amount": 870_000, "deals_lost": 1},
            {"manager_id": "9", "name": "Бахыт", "waits_answered": 0, "messages_sent": 2, "deals_won": 0, "deals_won_amount": 0, "deals_lost": 2},
        ],
        "waiting": [
            wait("w1", 300, client_name="Айгерим", phone="+77010000001", is_overdue=True, deal_id="1001", deal_name="Кухня", price=450_000, **_ASEL),
            wait("w2", 50, client_name="Света & Ко", phone="+77010000002", is_overdue=True, deal_id="1002", deal_name="Шкаф", price=1_200_000, **_DANIYAR),
            wait("w3", 20, client_name="+7 701 000 00 03", phone="+77010000003"),
        ],
        "quotes": {"w-w1": ("w1/3", "А доставка когда будет? Мой номер +7 701 000 00 01")},
        "lost": [
            {"reason": "Дорого", "count": 2, "amount": 240_000, "dialog_ids": ["d2", "d3"], "deal_ids": ["1009"]},
            {"reason": "Причина не указана", "count": 1, "amount": 0},
        ],
        "channels": [
            {"channel": "whatsapp", "deals_new": 3, "deals_won": 2, "deals_won_amount": 700_000, "deals_won_average": 350_000,
             "deals_lost": 1, "deals_lost_amount": 150_000, "deals_open": 9, "deals_open_amount": 4_100_000},
            {"channel": "", "deals_new": 1, "deals_won": 1, "deals_won_amount": 170_000, "deals_won_average": 170_000,
             "deals_lost": 0, "deals_lost_amount": 0, "deals_open": 0, "deals_open_amount": 0},
        ],
        "stages": [
            {"pipeline": "Продажи", "stage": "Счёт", "status_id": 2, "entered": 14, "left_stage": 11, "cohort": 12, "cohort_won": 3, "cohort_lost": 4},
            {"pipeline": "Продажи", "stage": "Успех", "status_id": 142, "entered": 3, "left_stage": 0, "cohort": 3, "cohort_won": 3, "cohort_lost": 0},
        ],
        "deal_page": "https://alma.amocrm.ru/leads/detail/",
        "marts": {"rules": "0a1b2c3d4e5f 7", "settings": 3, "built_at": "2026-11-20T17:05:00+00:00"},
    }  # fmt: skip
    return facts(**{**values, **changes})


def _outcome(**changes: Any) -> ReadingsOutcome:
    tomorrow = DAY + timedelta(days=1)
    return outcome(
        read("w1", deal={"client_id": "w1", "client_name": "Айгерим", "price": 450_000, **_ASEL},
             topics=(item("delivery", "А доставка когда будет?", "w1/3"), item("price", "Сколько стоит?", "w1/1"),
                     item("other", "А шторы тоже шьёте?", "w1/2")),
             promises=(promise("Скину расчёт", tomorrow, message_ids=("w1/2",), author="Асель Ахметова"),),
             quality=(score("Приветствие", 2, "Добрый день", "Асель Ахметова"), score("Полный ответ", 0, "Скину расчёт", "Асель Ахметова"))),
        read("w2", deal={"client_id": "w2", "client_name": "Света & Ко", **_DANIYAR}, outcome=item("call", "Наберите меня", "w2/1")),
        read("d1", deal={"client_name": "Олег", "phone": "+77010000011", "price": 90_000, "stage_kind": "open", "deal_id": "1003", **_ASEL},
             risks=(item("refund", "Верните деньги", "d1/1"),), topics=(item("return", "Верните деньги", "d1/1"),)),
        read("d2", deal={"client_name": "Ирина", "phone": "+77010000012", **_DANIYAR},
             risks=(item("rude_manager", "Мне некогда", "d2/2", author="Данияр"), item("angry", "Безобразие", "d2/3")),
             objections=(item("price", "Дорого", "d2/1"),), topics=(item("price", "Почём?", "d2/0"), item("other", "Шторы к дивану есть?", "d2/2"))),
        read("d3", deal={"client_name": "Жанна"}, objections=(item("price", "Дороговато", "d3/1"), item("terms", "Долго ждать", "d3/2")),
             risks=(item("wrong_price", "Вчера было 90", "d3/3"), item("ignored", "Ау", "d3/4"))),
        read("d4", deal={"client_name": "Марат", **_ASEL}, promises=(promise("Привезём замену", DAY - timedelta(days=1), message_ids=("d4/1",)),)),
        read("d5", deal={"client_name": "Тимур"}, promises=(promise("Оплачу", None, who="client", message_ids=("d5/1",)),)),
        **{"total": 9, "skipped": {"too_long": 1, "no_text": 1}, "media_unread": 2, **changes},
    )  # fmt: skip


def _gap(source: str, reason: str, until: str | None = "2026-11-20T13:40:00+00:00") -> dict[str, Any]:
    return {"source": source, "reason": reason, "until": until, "next_attempt": "2026-11-21T01:10:00+00:00"}


_WEEK = {"report_type": "weekly", "period_start": date(2026, 11, 14)}
_NO_DEALS = {
    key: value
    for key, value in numbers_of(unanswered_now=3, unanswered_overdue=2).items()
    if not key.startswith(("deals", "money"))
}
_DEALS = {
    "deals": 12,
    "deals_new": 5,
    "deals_won": 4,
    "deals_won_amount": 900_000,
    "deals_lost": 2,
    "deals_lost_amount": 70_000,
}
_NO_CHATS = {key: value for key, value in _USUAL.items() if key.startswith("deals")}


def _radist_only() -> Draft:
    waits = [replace(one, price=None, deal_id=None, deal_name=None) for one in _facts().waiting]
    usual = {key: value for key, value in _USUAL.items() if not key.startswith(("deals", "money"))}
    read_ = _outcome()
    read_.readings = [
        replace(one, dialog=replace(one.dialog, price=None, deal_id=None, stage_kind=None)) for one in read_.readings
    ]
    return compose(context(), read_, _facts(numbers=_NO_DEALS, usual=usual, waiting=waits, lost=()))


def _deals_alone() -> Facts:
    """Of a company whose chats are not read: its managers are known by their deals."""
    sold = {
        "deals_won": 4,
        "deals_won_amount": 900_000,
        "deals_won_average": 225_000,
        "deals_lost": 2,
        "deals_lost_amount": 70_000,
    }
    managers = [
        {"manager_id": "7", "name": "Асель Ахметова", "deals_won": 1, "deals_won_amount": 100_000, "deals_won_average": 100_000, "deals_open": 3, "deals_open_amount": 640_000},
        {"manager_id": "8", "name": "Данияр", **sold, "deals_open": 0, "deals_open_amount": 0},
        {"manager_id": "9", "name": "Вера", "deals_open": 0},
    ]  # fmt: skip
    whole = _facts()
    return facts(
        _DEALS, usual=_NO_CHATS, lost=whole.lost, managers=managers, stages=whole.stages, deal_page=whole.deal_page
    )


def _model(**changes: Any) -> ReadingsOutcome:
    found = _outcome(reader="model", model="small-1", **changes)
    by_rules = changes.get("by_rules", 0)
    found.readings = [replace(one, by="model" if n >= by_rules else "rules") for n, one in enumerate(found.readings)]
    return found


def _revised() -> Draft:
    """What a revision adds to the body stands there when it is sent."""
    draft = compose(context(), _outcome(), _facts())
    return replace(
        draft,
        body=Body.read({**draft.body.stored(), "revision": {"of_version": 1, "gained": "данные Radist и AI-раздел"}}),
    )


DAYS: dict[str, Callable[[], Draft]] = {
    "amocrm_radist": lambda: compose(context(), _outcome(), _facts()),
    "radist_only": _radist_only,
    "amocrm_only": lambda: compose(context(), outcome(), _deals_alone()),
    "quiet": lambda: compose(context(), outcome(), facts({"messages": 0, "as_of": "2026-11-20T17:01:00+00:00"}, usual=_USUAL)),
    "incomplete": lambda: compose(context(missing=[_gap("radist", "сервис не отвечал с 18:40.")]), _outcome(), _facts()),
    "incomplete_of_two": lambda: compose(
        context(missing=[_gap("radist", "ключ отозван", None), _gap("amocrm", "", "2026-11-20T11:00:00+00:00")]), _outcome(), _facts()
    ),
    "little": lambda: compose(context(min_dialogs=50), _outcome(), _facts()),
    "model": lambda: compose(context(), _model(), _facts(), [{"text": "Три клиента ждут ответа.", "claims": []}]),
    "model_in_part": lambda: compose(
        context(), _model(by_rules=3, skipped={"budget": 2, "time": 1}, note="Лимит расходов исчерпан."), _facts()
    ),
    "model_down": lambda: compose(
        context(), _model(by_rules=7, read=0, skipped={"provider": 9}, note="Ключ AI отозван.", ai_down=True), _facts()
    ),
    "weekly": lambda: compose(context(**_WEEK), _outcome(), _facts(baseline=replace(_BASELINE, unit="week"))),
    "quiet_week": lambda: compose(context(**_WEEK), outcome(), facts({"messages": 0})),
    "revised": _revised,
}  # fmt: skip


def body_text(draft: Draft) -> str:
    """The page's text, then every part of the draft, a row a line; what differs by chance and by cost is left out.

    So is the digest of the topics: a word more in a pack is no other report.
    """
    whole = asdict(draft) | {"body": draft.body.stored()}
    for name in ("cost_usd", "report_id", "summary_text"):
        del whole[name]
    whole["window"] = [draft.window.start, draft.window.end]
    lines = [draft.summary_text, "=" * 5]
    for name, part in {**{f"body.{key}": part for key, part in whole.pop("body").items()}, **whole}.items():
        rows = part if isinstance(part, list) and part and isinstance(part[0], dict) else [part]
        lines += [f"{name}: {json.dumps(row, ensure_ascii=False, default=str)}" for row in rows]
    text = "\n".join(lines).replace(FURNITURE.rules_digest, "TOPICS").replace(FURNITURE.prompt_digest, "TOPICS")
    return str(plain(text)) + "\n"


def message_text(draft: Draft) -> str:
    """The message in both spellings with its buttons."""
    message = telegram_message(draft.body, report_url=URL)
    buttons = "\n".join(f"[{button['text']}]({button['url']})" for row in message.buttons for button in row)
    return str(plain("\n=====\n".join((message.text_html, message.plain_text, buttons)))) + "\n"


def main() -> None:
    for folder, text_of in ((BODIES, body_text), (MESSAGES, message_text)):
        folder.mkdir(exist_ok=True)
        for name, day in DAYS.items():
            (folder / f"{name}.txt").write_text(text_of(day()), encoding="utf-8")


if __name__ == "__main__":
    main()
