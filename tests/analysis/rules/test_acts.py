"""What messages do: promises with their deadlines, offers, complaints, payments, orders and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from analysis.intents import Said, decide
from analysis.rules import acts, due, offers
from synkro.core import calendar
from synkro.reporting.dialogs import Message

ZONE = ZoneInfo("Asia/Almaty")
OFFICE = [["09:00", "13:00"], ["14:00", "18:00"]]
CALENDAR = {"weekly": {day: OFFICE for day in ("mon", "tue", "wed", "thu", "fri")}, "holidays": ["2026-03-09"]}
HOURS = due.WorkingHours(calendar.parse(CALENDAR), "Asia/Almaty")
#: a Wednesday, 10:00
NOW = datetime(2026, 3, 4, 10, tzinfo=ZONE)


def done(*lines: tuple[str, str], files: Sequence[str] = ()) -> list[acts.Act]:
    """Acts of lines said a minute apart."""
    talk = [Said(who, text, NOW + timedelta(minutes=i)) for i, (who, text) in enumerate(lines)]
    found = decide(talk)
    messages = [
        Message(
            *(f"m{i}", "1", one.who, "inbound" if one.who == "client" else "outbound", one.sent_at, one.text, False),
            *(None, None, None),
            needs_reply=intent is not None and intent.needs_reply,
        )
        for i, (one, intent) in enumerate(zip(talk, found, strict=True))
    ]
    return acts.of(messages, found, talk, HOURS, files)


def kinds(*lines: tuple[str, str], files: Sequence[str] = ()) -> set[str]:
    """Acts of the last line."""
    return {act.act for act in done(*lines, files=files) if act.message_id == f"m{len(lines) - 1}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Перезвоню вам через час", "2026-03-04 11:00"),
        ("Отвечу через полчаса", "2026-03-04 10:30"),
        ("Сейчас посчитаю и отправлю", "2026-03-04 11:00"),
        # working time: the lunch and the night are left out
        ("Отвечу через 4 часа", "2026-03-04 15:00"),
        ("Напишу через 8 часов", "2026-03-05 10:00"),
        ("Пришлю сегодня", "2026-03-04 18:00"),
        ("Пришлю до вечера", "2026-03-04 18:00"),
        ("Пришлю до обеда", "2026-03-04 14:00"),
        ("Завтра утром позвоню", "2026-03-05 12:00"),
        ("Отправлю завтра", "2026-03-05 18:00"),
        ("Завтра к 15:30 пришлю счёт", "2026-03-05 15:30"),
        ("Пришлю сегодня до 16", "2026-03-04 16:00"),
        ("Позвоню вам после 16:00", "2026-03-04 18:00"),
        ("В пятницу скину фото", "2026-03-06 18:00"),
        # Saturday is off, and Monday is a holiday
        ("Пришлю в субботу", "2026-03-10 18:00"),
        ("Пришлю до конца недели", "2026-03-06 18:00"),
        ("Отправлю 12 марта", "2026-03-12 18:00"),
        ("Отправлю до 12-го", "2026-03-12 18:00"),
        ("Новый каталог пришлю в апреле", "2026-04-30 18:00"),
        # nothing named: the end of the next working day
        ("Пришлю вам расчёт", "2026-03-05 18:00"),
        # an hour before something else is no deadline
        ("Наберу вас за час до выезда", "2026-03-05 18:00"),
        ("Монтаж в пятницу. Позвоню накануне.", "2026-03-06 18:00"),
    ],
)
def test_a_promise_falls_due(text: str, expected: str) -> None:
    act = [one for one in done(("client", "Хорошо"), ("manager", text)) if one.act == "promise"][-1]
    assert act.due_at is not None
    # the promise was said a minute past ten; a span counts from there
    rounded = act.due_at - timedelta(minutes=1) if act.due_at.minute % 30 == 1 else act.due_at
    assert f"{rounded:%Y-%m-%d %H:%M}" == expected


def test_today_said_after_work_is_the_rest_of_the_day() -> None:
    late = NOW.replace(hour=20)
    assert due.of("пришлю сегодня", late, late.date(), HOURS) == datetime(2026, 3, 5, tzinfo=ZONE)
    friday = datetime(2026, 3, 6, 20, tzinfo=ZONE)
    assert due.of("пришлю", friday, None, HOURS) == datetime(2026, 3, 10, 18, tzinfo=ZONE)


def test_around_the_clock_a_day_ends_at_midnight() -> None:
    always = due.WorkingHours(calendar.parse(None), "Asia/Almaty")
    assert due.of("пришлю завтра", NOW, (NOW + timedelta(days=1)).date(), always) == datetime(2026, 3, 6, tzinfo=ZONE)
    assert due.of("через 2 часа", NOW, None, always) == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Договор вышлю завтра", "document"), ("Завтра пришлю счёт", "document"), ("Скину фото сегодня", "photo"),
        ("Перезвоню вам через час", "call"), ("Посчитаю и скажу стоимость", "price"), ("Завтра узнаю про скидку", "discount"),
        ("Завтра привезём до обеда", "delivery"), ("Уточню и напишу вам", "answer"), ("Прокладку вам отложу", "other"),
        # what the client is asked for is not what we promise
        ("Скиньте фото, передам мастеру", "delivery"), ("Заменим за наш счёт завтра", "delivery"),
        ("Ертең қоңырау шаламын", "call"),
        # who comes calls from a phone no telephony logs; a link and a bill in a bank's app are words
        ("Водитель наберёт вас завтра", "delivery"), ("Пришлю ссылку на оплату", "answer"), ("Выставлю счёт в Kaspi", "other"),
    ],
)  # fmt: skip
def test_what_is_promised(text: str, what: str) -> None:
    assert [one.what for one in done(("client", "Хорошо"), ("manager", text)) if one.act == "promise"] == [what]


def test_the_same_promised_twice_in_a_message_falls_due_at_the_nearer() -> None:
    (act,) = done(("manager", "Пришлю счёт завтра. Счёт отправлю сегодня до 17:00."))
    assert (act.act, act.what, f"{act.due_at:%d %H:%M}") == ("promise", "document", "04 17:00")


@pytest.mark.parametrize(
    ("text", "acts_"),
    [
        ("оплачу завтра утром", [("client_promise", "payment")]), ("в пятницу приеду к вам", [("client_promise", "visit")]),
        ("вечером скину размеры", [("client_promise", "answer")]), ("мы сегодня не приедем", []), ("подумаю", []),
    ],
)  # fmt: skip
def test_what_a_client_promises(text: str, acts_: list[tuple[str, str]]) -> None:
    found = done(("manager", "Ждём вас"), ("client", text))
    assert [(one.act, one.what) for one in found if one.message_id == "m1" and "promise" in one.act] == acts_


@pytest.mark.parametrize(
    "text",
    [
        "Кухня выйдет 1 250 000 тг", "Стоимость с монтажом 48 000", "От 90 тыс за метр", "Итого 15000", "2 200 ₽", "46 мыңнан",
        "Диван 320 000, доставка бесплатно",
    ],
)  # fmt: skip
def test_a_sum_of_ours_is_an_offer(text: str) -> None:
    assert "offer" in kinds(("client", "Добрый день"), ("manager", text))


@pytest.mark.parametrize(
    "text",
    [
        "Позвоните: +7 700 123 45 67", "8 (727) 250-00-00, доб. 1204", "Работаем с 2015 года", "Размер 1200 мм на 600", "Завтра в 15:00 или 16:30",
        "Оплату 50 000 тг получили, спасибо", "За вами остаток 42 000", "Заказ №104522 готов", "Какой у вас бюджет: до 500 000?",
        "Абая 150, офис 304", "Вернём 3 360 тг на карту",
    ],
)  # fmt: skip
def test_another_number_is_none(text: str) -> None:
    assert "offer" not in kinds(("client", "Добрый день"), ("manager", text))


def test_a_bare_number_is_a_price_where_one_was_asked_for() -> None:
    assert "offer" in kinds(("client", "сколько стоит чистка?"), ("manager", "6500"))
    assert "offer" not in kinds(("client", "какой у вас номер договора?"), ("manager", "6500"))
    # the client names sums too, and a robot's list of prices is nobody's offer
    assert "offer" not in kinds(("client", "кухня 1 250 000 тг"))
    assert kinds(("bot", "Кухни от 450 000 тг")) == set()


@pytest.mark.parametrize(
    "name", ["КП_Лаура.pdf", "расчет кухни.xlsx", "Счёт на оплату 12.pdf", "смета_2.pdf", "price 2026.xlsx"]
)
def test_a_file_with_a_price_is_an_offer(name: str) -> None:
    found = done(("client", "Добрый день"), ("manager", ""), files=["", name])
    assert [(one.act, one.what) for one in found if one.act == "offer"] == [("offer", "file")]
    assert not offers.is_offer_file("IMG_0001.jpg", "") and not offers.is_offer_file("счётчики.pdf", "")


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("Оплатила, проверьте пожалуйста", "payment_claimed"), ("Деньги перевёл сегодня утром, чек отправил", "payment_claimed"),
        ("Хочу заказать такой же шкаф", "asks_to_buy"), ("Выставьте счёт на нашу компанию", "asks_to_buy"), ("Берём, оформляйте", "asks_to_buy"),
        ("Спасибо, неактуально, купили в другом месте", "refusal"),
        ("Вы обещали позвонить вчера, и до сих пор тишина!", "complaint"), ("Дверца сломана, привезли не тот цвет", "complaint"),
    ],
)  # fmt: skip
def test_what_a_client_does(text: str, act: str) -> None:
    assert act in kinds(("client", "Добрый день"), ("manager", "Здравствуйте, ваш заказ доставили?"), ("client", text))


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("Ещё не оплатила, завтра", "payment_claimed"), ("Когда оплачу, сообщу", "payment_claimed"),
        ("Мы обычно берём 28", "asks_to_buy"), ("Спасибо, всё отлично, очень довольны", "complaint"), ("Спасибо, жду", "refusal"),
    ],
)  # fmt: skip
def test_what_a_client_does_not(text: str, act: str) -> None:
    assert act not in kinds(("manager", "Здравствуйте"), ("client", text))


def test_what_brought_a_client_is_no_complaint_about_us() -> None:
    """Also where nobody has answered yet."""
    assert "complaint" not in kinds(("client", "Дует из окна, ремонт делаете?"))
    assert "complaint" not in kinds(("client", "Створка провисла, мастер приедет?"), ("bot", "Мы скоро ответим"))
