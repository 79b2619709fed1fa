"""The follow-up bot: each update once, only for the chats of the tenant, until the deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from delivery.bot import conversation, inbox
from delivery.bot.listener import poll_once, run_bot
from delivery.sender import send_due
from synkro.core import clock
from synkro.core.errors import TransientError
from synkro.database import db, rls_audit
from synkro.reporting.reports import Message, Report
from tests.delivery.conftest import Company, Telegram

MakeCompany = Callable[..., Company]
LATER = clock.now() + timedelta(hours=1)


@dataclass
class Said:
    text: str
    evidence: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Analyst:
    """Answers, and remembers what it was asked."""

    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def __call__(self, report: Report, question: str, history: list[Message]) -> Said:
        self.asked.append((str(report.report_id), question, len(history)))
        return Said(f"Ответ на «{question}» <&>", [{"dialog_id": "radist:7/1", "quote": "жду"}])


@pytest.fixture
def analyst() -> Analyst:
    return Analyst()


def texts_after_report(telegram: Telegram, chat: str) -> list[str]:
    return [text for text in telegram.texts(chat) if "Сделать сегодня" not in text]


def poll(company: Company, analyst: Analyst) -> Any:
    with db.as_service("test") as connection:
        connection.execute("delete from private.vendor_limits")
    return poll_once(company.tenant_id, answerer=analyst)


def test_a_private_question_is_about_the_latest_report(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    company.publish(deadline=LATER)
    latest = company.publish(deadline=LATER)
    update = telegram.say(chat, "Кто ждёт дольше всех?")
    outcome = poll(company, analyst)
    assert (outcome.received, outcome.answered) == (1, 1)
    assert analyst.asked == [(str(latest.report_id), "Кто ждёт дольше всех?", 0)]
    [reply] = telegram.sent(chat)
    assert reply["text"] == "Ответ на «Кто ждёт дольше всех?» <&>\n\nдиалог 1"
    assert reply["reply_to_message"]["message_id"] == update["message"]["message_id"]
    assert reply["entities"][-1]["url"] == f"{company.site()}/dialogs/radist%3A7%2F1"
    [stored] = company.questions(latest)
    assert (stored.question, stored.channel, stored.author_name) == ("Кто ждёт дольше всех?", "telegram", "Сауле")
    assert stored.answer == "Ответ на «Кто ждёт дольше всех?» <&>" and stored.evidence[0]["quote"] == "жду"


def test_a_reply_is_about_the_report_it_answers_and_so_is_the_next(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    chat = telegram.chat(kind="supergroup")
    company = make_company(chat)
    first = company.publish(deadline=LATER)
    send_due(tenant_id=company.tenant_id)
    sent = telegram.sent(chat)[0]["message_id"]
    company.publish(deadline=LATER)
    telegram.say(chat, "А почему?", reply_to=sent, from_id=600001)
    poll(company, analyst)
    answer = telegram.sent(chat)[-1]["message_id"]
    telegram.say(chat, "А вчера?", reply_to=answer, from_id=600001)
    poll(company, analyst)
    assert analyst.asked == [(str(first.report_id), "А почему?", 0), (str(first.report_id), "А вчера?", 1)]


def test_the_same_update_ten_times_is_one_answer(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish(deadline=LATER)
    update = telegram.say(chat, "Сколько?", repeat=5)
    poll(company, analyst)
    telegram.call("POST", "/_inject", {"update": update, "repeat": 5})
    for _ in range(2):
        poll(company, analyst)
    assert len(analyst.asked) == len(telegram.sent(chat)) == len(company.questions(report)) == 1


def test_a_foreign_chat_gets_nothing(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    stranger, chat = telegram.chat(), telegram.chat()
    company = make_company(chat)
    report = company.publish(deadline=LATER)
    for text in ("/start", "/report", "/help", "Сколько у вас сделок?"):
        telegram.say(stranger, text)
    group = telegram.chat(kind="supergroup")
    telegram.say(group, "@synkro_demo_bot покажи отчёт")
    outcome = poll(company, analyst)
    assert (outcome.received, outcome.answered) == (5, 0)
    assert telegram.sent(stranger) == telegram.sent(group) == []
    assert analyst.asked == [] and company.questions(report) == []
    telegram.say(chat, "А сюда?")
    assert poll(company, analyst).answered == 1


def test_two_tenants_of_one_bot_are_told_apart_by_the_chat(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    chat_a, chat_b, chat_c = telegram.chat(), telegram.chat(), telegram.chat()
    a, b = make_company(chat_a), make_company(chat_b)
    other_bot = make_company(chat_c, token="123456789:" + "A" * 35)
    report_b = b.publish(deadline=LATER)
    other_bot.publish(deadline=LATER)
    a.publish(deadline=LATER)
    telegram.say(chat_b, "Чей отчёт?")
    telegram.say(chat_c, "А мой?")
    assert poll(a, analyst).answered == 1
    assert analyst.asked == [(str(report_b.report_id), "Чей отчёт?", 0)]
    assert telegram.sent(chat_c) == []


def test_after_the_deadline_the_way_is_the_web(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish(deadline=datetime(2026, 3, 2, 18, 10, tzinfo=UTC))
    telegram.say(chat, "Успел?")
    poll(company, analyst)
    [reply] = telegram.sent(chat)
    assert reply["text"].startswith("Время вопросов к этому отчёту закончилось (2\u00a0марта, 23:10).")
    assert reply["entities"][-1]["url"] == f"{company.site()}/reports/{report.report_id}"
    assert analyst.asked == [] and company.questions(report) == []


def test_a_question_asked_in_time_is_answered_late(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    """The bot was down when the question came: what counts is when it was asked."""
    chat = telegram.chat()
    company = make_company(chat)
    telegram.say(chat, "Вовремя?")
    time.sleep(1.1)
    company.publish(deadline=clock.now())
    assert poll(company, analyst).answered == 1
    assert len(analyst.asked) == 1


@pytest.mark.parametrize("text", ["/start", "/help"])
def test_help(make_company: MakeCompany, telegram: Telegram, analyst: Analyst, text: str) -> None:
    chat = telegram.chat()
    poll_company = make_company(chat)
    telegram.say(chat, text)
    poll(poll_company, analyst)
    assert telegram.texts(chat) == [conversation.HELP]


def test_report_command_in_a_group(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    chat = telegram.chat(kind="supergroup")
    company = make_company(chat)
    report = company.publish(deadline=LATER)
    telegram.call("POST", "/_inject", {"update": _command(chat, "/report@other_bot")})
    telegram.say(chat, "/report@synkro_demo_bot", from_id=600001)
    poll(company, analyst)
    [reply] = telegram.sent(chat)
    assert "Сделать сегодня" in reply["text"]
    assert reply["reply_markup"]["inline_keyboard"][0][0]["url"] == f"{company.site()}/reports/{report.report_id}"


def _command(chat: str, text: str) -> dict[str, Any]:
    message = {
        "message_id": 9001,
        "date": int(clock.now().timestamp()),
        "chat": {"id": int(chat), "type": "supergroup"},
        "from": {"id": 600001, "is_bot": False, "first_name": "Сауле"},
        "text": text,
        "entities": [{"type": "bot_command", "offset": 0, "length": len(text)}],
    }
    return {"message": message}


def test_no_report_yet(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    telegram.say(chat, "/report")
    telegram.say(chat, "Ну как?")
    for _ in range(2):
        poll(company, analyst)
    assert [text.startswith("Отчётов пока нет") for text in telegram.texts(chat)] == [True, True]


def test_a_failed_answer_is_said_and_the_question_is_kept(make_company: MakeCompany, telegram: Telegram) -> None:
    def tired(*_: object) -> Said:
        raise TransientError("AI-провайдер не отвечает.")

    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish(deadline=LATER)
    telegram.say(chat, "Сколько?")
    assert poll_once(company.tenant_id, answerer=tired).answered == 1
    assert telegram.texts(chat)[0].startswith("Ответить не получилось: AI-провайдер не отвечает.")
    assert [(q.question, q.answer) for q in company.questions(report)] == [("Сколько?", None)]


def test_the_analysis_room_answers(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish(deadline=LATER)
    telegram.say(chat, "Что срочно сделать?")
    assert poll_once(company.tenant_id).answered == 1
    [stored] = company.questions(report)
    assert stored.answer and "Назвать срок доставки в Астану" in stored.answer
    assert telegram.texts(chat) == [stored.answer]


def test_whatever_breaks_the_person_is_answered(make_company: MakeCompany, telegram: Telegram) -> None:
    def broken(*_: object) -> Said:
        raise ZeroDivisionError("secret detail")

    chat = telegram.chat()
    company = make_company(chat)
    company.publish(deadline=LATER)
    telegram.say(chat, "Сколько?")
    assert poll_once(company.tenant_id, answerer=broken).answered == 1
    assert telegram.texts(chat)[0].startswith("Ответить не получилось: внутренняя ошибка")
    assert "secret" not in telegram.texts(chat)[0]


def test_killed_between_the_answer_and_the_reply_nothing_is_asked_twice(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish(deadline=LATER)
    telegram.say(chat, "Сколько?")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(inbox, "note_reply", die)
        poll(company, analyst)
    assert telegram.sent(chat) == []
    poll(company, analyst)
    assert len(analyst.asked) == len(company.questions(report)) == 1
    assert ["Повтор" in text for text in telegram.texts(chat)] == [False]


def test_killed_between_the_reply_and_its_mark_the_copy_says_so(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    company.publish(deadline=LATER)
    telegram.say(chat, "Сколько?")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(inbox, "mark_handled", die)
        poll(company, analyst)
    for _ in range(2):
        poll(company, analyst)
    assert ["Повтор ответа" in text for text in telegram.texts(chat)] == [False, True]
    assert len(analyst.asked) == 1


def test_a_reply_that_was_throttled_comes_later_unmarked(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    company.publish(deadline=LATER)
    telegram.say(chat, "Сколько?")
    telegram.fault("rate_limited_body", retry_after=60)
    outcome = poll(company, analyst)
    assert (outcome.answered, outcome.pause) == (0, 60.0)
    assert poll(company, analyst).answered == 1
    assert ["Повтор" in text for text in telegram.texts(chat)] == [False]
    assert len(analyst.asked) == 1


def test_an_update_nobody_foresaw_does_not_hold_back_the_next(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    company.publish(deadline=LATER)
    strange = _command(chat, "x")
    strange["message"] |= {"message_id": "не число", "reply_to_message": 7, "entities": [{"offset": -5, "type": 3}]}
    strange["message"]["chat"]["type"] = "private"
    telegram.call("POST", "/_inject", {"update": strange})
    telegram.say(chat, "А я?")
    assert poll(company, analyst).answered == 1


def test_only_one_poller_per_bot(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    poll(company, analyst)
    asked = telegram.requests("getUpdates")
    waiting = threading.Thread(target=poll_once, args=(company.tenant_id,), kwargs={"timeout": 50, "answerer": analyst})
    waiting.start()
    give_up = time.monotonic() + 60
    while telegram.requests("getUpdates") == asked:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert poll_once(company.tenant_id, answerer=analyst).busy
    telegram.say(chat, "Хватит ждать")
    waiting.join()
    assert not poll_once(company.tenant_id, answerer=analyst).busy


def test_a_webhook_is_taken_off(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    company = make_company(telegram.chat())
    telegram.call("POST", f"/bot{telegram.token}/setWebhook", {"url": "https://x.example/hook"})
    assert poll(company, analyst).conflict
    assert not poll(company, analyst).conflict


def test_a_revoked_token_is_shown(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    company = make_company(telegram.chat())
    telegram.sandbox.faults["telegram"].add({"kind": "switch", "name": "revoked", "value": True})
    assert poll(company, analyst).pause == 300
    assert "не принимает токен" in (company.integration().last_error or "")


def test_service_messages_change_the_settings(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    old, new = telegram.chat(kind="group"), telegram.chat(kind="supergroup")
    company = make_company(old)
    moved = _command(old, "")
    moved["message"]["migrate_to_chat_id"] = int(new)
    telegram.call("POST", "/_inject", {"update": moved})
    poll(company, analyst)
    assert company.integration().public["chat_id"] == new
    kicked = {"chat": {"id": int(new), "type": "supergroup"}, "new_chat_member": {"status": "kicked"}}
    telegram.call("POST", "/_inject", {"update": {"my_chat_member": kicked}})
    poll(company, analyst)
    assert "бота убрали из чата" in (company.integration().last_error or "")


def test_the_offset_confirms_only_what_is_handled(database_of_delivery: None, make_company: MakeCompany) -> None:
    company = make_company("1")
    with db.as_service("test") as connection:
        assert inbox.next_offset(connection, 5) is None
        rows = [inbox.receive(connection, company.tenant_id, 5, number, "1") for number in (10, 11, 12)]
        for row in (rows[0], rows[2]):
            inbox.mark_handled(connection, row)
        assert inbox.next_offset(connection, 5) == 11
        assert inbox.next_offset(connection, 6) is None, "another bot counts anew"
        inbox.mark_handled(connection, rows[1])
        assert inbox.next_offset(connection, 5) == 13
        stuck = inbox.receive(connection, company.tenant_id, 5, 13, "1")
        connection.execute(
            "update synkro.telegram_updates set received_at = now() - interval '20 min' where update_id = 13"
        )
        assert inbox.next_offset(connection, 5) == 14, "what cannot be handled is given up"
        assert inbox.receive(connection, company.tenant_id, 5, stuck.update_id, "1").handled
        connection.execute("update synkro.telegram_updates set received_at = now() - interval '7 days'")
        assert inbox.next_offset(connection, 5) is None, "after a quiet week updates count from any number"


def test_the_table_is_closed_to_people(delivery_url: str, database_of_delivery: None) -> None:
    assert [finding for finding in rls_audit.findings(delivery_url) if "telegram_updates" in finding] == []
    with (
        pytest.raises(Exception, match="permission denied"),
        db.as_user("00000000-0000-0000-0000-000000000001") as connection,
    ):
        connection.execute("select * from synkro.telegram_updates")


def test_the_loop_serves_and_stops(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.bot.listener.POLL_SECONDS", 1)
    chat = telegram.chat()
    company = make_company(chat)
    company.publish(deadline=LATER)
    stop = threading.Event()
    loop = threading.Thread(target=run_bot, args=(stop,), kwargs={"answerer": analyst})
    loop.start()
    telegram.say(chat, "Слышно?")
    for _ in range(600):
        if telegram.sent(chat):
            break
        time.sleep(0.1)
    stop.set()
    loop.join(60)
    assert not loop.is_alive()
    assert texts_after_report(telegram, chat) == ["Ответ на «Слышно?» <&>\n\nдиалог 1"]
