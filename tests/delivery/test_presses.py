"""Buttons under a report: a case is dismissed from the chat, once, by those the chat was chosen for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from delivery import case_buttons
from delivery.bot.listener import poll_once
from delivery.message import telegram_message
from delivery.sender import send_due
from delivery.telegram.updates import Pressed, chat_of, understand
from synkro.database import db
from synkro.reporting import cases
from synkro.reporting.body import Body
from synkro.tenancy import audit
from tests.delivery.bodies import ordinary
from tests.delivery.conftest import Company, Telegram

MakeCompany = Callable[..., Company]
BEGAN = datetime(2026, 11, 19, 6, tzinfo=UTC)
IDS = [f"wait_overdue:7:m{n}" for n in range(1, 4)]


@pytest.fixture(scope="session")
def delivery_url(make_database: Callable[[str | None], str], template: str) -> str:
    """The marts are asked whether a case is still open."""
    return make_database(template)


def body() -> dict[str, Any]:
    """Three actions, each of a case."""
    whole = ordinary()
    first = whole["actions"][0]
    return {
        **whole,
        "actions": [{**first, "case_id": case_id, "text": f"Ответить: клиент {n}"} for n, case_id in enumerate(IDS, 1)],
    }


@pytest.fixture
def company(make_company: MakeCompany, telegram: Telegram, delivery_url: str) -> tuple[Company, str, int]:
    """A company whose report of three cases is in its chat: the company, the chat, the message."""
    chat = telegram.chat()
    made = make_company(chat)
    with psycopg.connect(delivery_url, autocommit=True) as connection:
        for case_id in IDS:
            connection.execute(
                "insert into marts.fct_case_openings (tenant_id, case_id, kind, subject_id, client_id, dialog_id, began_at, opened_at,"
                " expires_at) values (%s, %s, 'wait_overdue', '+77010000001', '+77010000001', '7', %s, %s, %s)",
                (made.tenant_id, case_id, BEGAN, BEGAN, BEGAN + timedelta(days=3650)),
            )
    made.publish(body())
    send_due(tenant_id=made.tenant_id)
    return made, chat, telegram.sent(chat)[0]["message_id"]


def press(telegram: Telegram, company: Company, chat: str, message: int, data: str, **more: Any) -> Any:
    telegram.call("POST", "/_inject", {"callback": {"chat_id": int(chat), "message_id": message, "data": data}, **more})
    return hear(company)


def hear(company: Company) -> Any:
    with db.as_service("test") as connection:
        connection.execute("delete from private.vendor_limits")
    return poll_once(company.tenant_id, answerer=lambda *asked: pytest.fail("nobody asked anything"))


def states(company: Company) -> list[str]:
    with db.as_service("test") as connection:
        found = cases.by_ids(connection, company.tenant_id, IDS)
    return [found[case_id].state for case_id in IDS]


def data_of(number: int, letter: str = "") -> str:
    return f"case:{case_buttons.key_of(IDS[number - 1])}" + (f":{letter}" if letter else "")


def test_a_press_opens_the_menu_and_the_next_notes_what_was_said(
    company: tuple[Company, str, int], telegram: Telegram
) -> None:
    made, chat, message = company
    assert press(telegram, made, chat, message, data_of(2)).answered == 1
    assert states(made) == ["advised", "advised", "advised"], "a menu says nothing of the case yet"
    press(telegram, made, chat, message, data_of(2, "n"))
    assert states(made) == ["advised", "dismissed", "advised"]
    with db.as_service("test") as connection:
        marks = connection.execute(
            "select * from synkro.case_marks where tenant_id = %s and mark <> 'advised'", (made.tenant_id,)
        ).fetchall()
        (line,) = [one for one in audit.recent(connection, tenant_id=made.tenant_id) if one.action == "case.dismissed"]
    (mark,) = marks
    assert (mark["reason"], mark["channel"], mark["marked_by"], mark["marked_by_name"]) == (
        "no_reply_needed",
        "telegram",
        None,
        "Сауле",
    )
    assert line.actor == "Telegram: Сауле" and line.metadata == {"case_id": IDS[1], "reason": "no_reply_needed"}
    assert telegram.requests("answerCallbackQuery") == telegram.requests("editMessageReplyMarkup") == 2
    press(telegram, made, chat, message, data_of(2, "u"))
    assert states(made) == ["advised", "advised", "advised"]


def test_a_press_that_comes_again_is_taken_once(company: tuple[Company, str, int], telegram: Telegram) -> None:
    made, chat, message = company
    press(telegram, made, chat, message, data_of(1, "d"), repeat=4)
    # somebody else presses the same
    press(telegram, made, chat, message, data_of(1, "r"))
    with db.as_service("test") as connection:
        rows = connection.execute(
            "select reason from synkro.case_marks where tenant_id = %s and mark <> 'advised'", (made.tenant_id,)
        ).fetchall()
    assert [row["reason"] for row in rows] == ["done"]


def test_a_foreign_chat_and_a_foreign_key_change_nothing(company: tuple[Company, str, int], telegram: Telegram) -> None:
    made, chat, message = company
    stranger = telegram.chat()
    assert press(telegram, made, stranger, message, data_of(1, "d")).answered == 0
    press(telegram, made, chat, message, "case:0123456789abcdef:d")
    press(telegram, made, chat, message, "something else")
    assert states(made) == ["advised", "advised", "advised"]


# --- without a database ---------------------------------------------------------------------------------------------


def test_the_data_of_a_button_is_short_and_tells_nothing() -> None:
    message = telegram_message(Body.read(body()), report_url="https://app.synkro.example/t/alma/reports/1")
    buttons = [button for row in message.buttons for button in row if "callback_data" in button]
    assert [button["text"] for button in buttons] == ["1. Отметить", "2. Отметить", "3. Отметить"]
    menu = [button for row in case_buttons.menu(case_buttons.key_of("x" * 500)) for button in row]
    assert [button["text"] for button in menu] == ["Сделано", "Ответ не нужен", "Не актуально", "Назад"]
    for button in (*buttons, *menu):
        assert len(button["callback_data"].encode()) <= 64
        assert "wait" not in button["callback_data"] and ":m1" not in button["callback_data"]
    # without an address to come from there is nothing to press
    assert telegram_message(Body.read(body()), report_url="").buttons == []


@pytest.mark.parametrize(
    ("data", "what"),
    [("", "menu"), (":d", "dismiss"), (":n", "dismiss"), (":r", "dismiss"), (":u", "undo"), (":b", "back")],
)
def test_what_a_press_means(data: str, what: str) -> None:
    press = case_buttons.read("case:0123456789abcdef" + data)
    assert press is not None and press.what == what and (press.reason is not None) == (what == "dismiss")


@pytest.mark.parametrize(
    "data", ["", "case:", "case:0123456789abcdef:x", "case:0123456789ABCDEF", "case:0123456789abcdef:d:d", "ask:1"]
)
def test_other_data_means_nothing(data: str) -> None:
    assert case_buttons.read(data) is None


def test_an_update_of_a_press_is_understood() -> None:
    update = {"callback_query": {"id": "9", "from": {"id": 5, "first_name": "Сауле"}, "data": "case:1",
                                 "message": {"message_id": 77, "chat": {"id": -100}}}}  # fmt: skip
    assert chat_of(update) == "-100"
    assert understand(update, 1, "bot") == Pressed("-100", 77, "9", "case:1", "Сауле")
    assert understand({"callback_query": {"id": "9"}}, 1, "bot") is None
