"""A chat becomes a recipient by a one-time code said in it, belongs to one company, and asks within its limits."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from delivery.bot import binding, conversation
from delivery.sender import send_due
from synkro.connectors import integrations
from synkro.core import clock
from synkro.core.errors import DataError, TransientError
from synkro.database import db
from synkro.reporting.delivery import telegram_chats
from synkro.reporting.delivery.telegram_chats import Code
from synkro.tenancy import audit, runtime_config
from tests.delivery.conftest import Company, Telegram
from tests.delivery.test_bot import Analyst, poll

MakeCompany = Callable[..., Company]
LATER = clock.now() + timedelta(hours=1)


@pytest.fixture
def analyst() -> Analyst:
    return Analyst()


@pytest.fixture
def company(make_company: MakeCompany, telegram: Telegram) -> Company:
    """A company with a bot and no chat yet."""
    made = make_company("1")
    with db.as_service("test") as connection:
        telegram_chats.unbind(connection, made.tenant_id, "1", actor="test")
    return made


def code_of(company: Company) -> Code:
    with db.as_service("test") as connection:
        return telegram_chats.new_code(connection, company.tenant_id)


def chats(company: Company) -> list[str]:
    return telegram_chats.ids(company.integration().public)


def actions(company: Company) -> list[str]:
    with db.as_service("test") as connection:
        return [entry.action for entry in audit.recent(connection, tenant_id=company.tenant_id)]


def last(telegram: Telegram, chat: str) -> str:
    return telegram.texts(chat)[-1]


def test_a_code_said_in_a_private_chat_binds_it(company: Company, telegram: Telegram, analyst: Analyst) -> None:
    """The first chat of a bot too: it is listened to before it has a recipient."""
    chat = telegram.chat()
    assert chats(company) == []
    telegram.say(chat, f"/start {code_of(company).code}")
    assert poll(company, analyst).answered == 1
    assert chats(company) == [chat] and telegram_chats.chats(company.integration().public)[0].title == "Сауле"
    assert last(telegram, chat) == "Готово: этот чат получает отчёты компании «Мебель». Отключить: /stop"
    assert actions(company)[0] == "telegram.bound"
    company.publish()
    send_due(tenant_id=company.tenant_id)
    assert "Сделать сегодня" in last(telegram, chat)


def test_a_code_said_in_a_group_binds_the_group(company: Company, telegram: Telegram, analyst: Analyst) -> None:
    group = telegram.chat(kind="supergroup")
    made = code_of(company)
    spelled = "-".join((made.code[:4], made.code[4:8], made.code[8:])).lower()
    telegram.say(group, f"/bind@synkro_demo_bot {spelled}", from_id=600001)
    poll(company, analyst)
    assert chats(company) == [group] and telegram_chats.chats(company.integration().public)[0].title == "Отдел"


def test_the_link_and_the_command_name_the_bot(company: Company) -> None:
    with db.as_service("test") as connection:
        integrations.set_status(
            connection, company.tenant_id, "telegram", "ok", bound={"bot_id": 7, "username": "synkro_demo_bot"}
        )
    made = code_of(company)
    assert made.link == f"https://t.me/synkro_demo_bot?start={made.code}"
    assert made.command == f"/bind@synkro_demo_bot {made.code}"
    with db.as_service("test") as connection:
        stored = connection.execute(
            "select code_hash, expires_at - created_at as lives from private.telegram_codes"
        ).fetchall()
    assert [row["lives"] for row in stored] == [timedelta(minutes=10)] and made.code not in str(stored)


def test_a_code_binds_one_chat_once(company: Company, telegram: Telegram, analyst: Analyst) -> None:
    first, second = telegram.chat(), telegram.chat()
    code = code_of(company).code
    telegram.say(first, f"/start {code}")
    telegram.say(second, f"/start {code}")
    poll(company, analyst)
    assert chats(company) == [first]
    assert last(telegram, second).startswith("Код не подошёл")


@pytest.mark.parametrize("end", ["late", "replaced"])
def test_an_old_code_binds_nothing(company: Company, telegram: Telegram, analyst: Analyst, end: str) -> None:
    chat, code = telegram.chat(), code_of(company).code
    if end == "late":
        with db.as_service("test") as connection:
            connection.execute("update private.telegram_codes set expires_at = now() - interval '1 second'")
    else:
        code_of(company)
    telegram.say(chat, f"/start {code}")
    poll(company, analyst)
    assert chats(company) == [] and last(telegram, chat).startswith("Код не подошёл")


def test_an_update_that_comes_twice_binds_once(
    company: Company, telegram: Telegram, analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the binding and the answer: the second delivery says what the first one did."""
    chat = telegram.chat()
    update = telegram.say(chat, f"/start {code_of(company).code}")

    def refuse(*args: Any, **more: Any) -> None:
        raise TransientError("сеть")

    with monkeypatch.context() as broken:
        broken.setattr(conversation.Conversation, "_send", refuse)
        poll(company, analyst)
    assert chats(company) == [chat] and telegram.texts(chat) == []
    poll(company, analyst)
    telegram.call("POST", "/_inject", {"update": update, "repeat": 3})
    poll(company, analyst)
    assert [text.partition(":")[0] for text in telegram.texts(chat)] == ["Готово"]
    assert actions(company).count("telegram.bound") == 1


def test_the_company_of_a_shared_bot_is_bound_once_too(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update is read by the first company's poller; by the second delivery the chat is the second company's."""
    first, second = make_company("5"), make_company("6")
    chat = telegram.chat()
    telegram.say(chat, f"/start {code_of(second).code}")

    def refuse(*args: Any, **more: Any) -> None:
        raise TransientError("сеть")

    with monkeypatch.context() as broken:
        broken.setattr(conversation.Conversation, "_send", refuse)
        poll(first, analyst)
    poll(first, analyst)
    assert chats(second) == ["6", chat] and last(telegram, chat).startswith("Готово")


def test_guesses_are_bounded_and_then_met_with_silence(company: Company, telegram: Telegram, analyst: Analyst) -> None:
    chat, other = telegram.chat(), telegram.chat()
    for _ in range(telegram_chats.WRONG_PER_CHAT + 3):
        guess = "".join(secrets.choice(telegram_chats._ALPHABET) for _ in range(12))
        telegram.say(chat, f"/start {guess}")
        poll(company, analyst)
    assert len(telegram.texts(chat)) == telegram_chats.WRONG_PER_CHAT
    code = code_of(company).code
    telegram.say(chat, f"/start {code}")
    poll(company, analyst)
    assert chats(company) == [], "whoever guessed has to wait, even with a true code"
    telegram.say(other, f"/start {code}")
    poll(company, analyst)
    assert chats(company) == [other], "another chat is not punished"


def test_a_chat_of_one_company_is_not_taken_by_another(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    """Not until the chat itself says goodbye; then the same code works."""
    chat = telegram.chat()
    first, second = make_company(chat), make_company("2")
    code = code_of(second).code
    telegram.say(chat, f"/start {code}")
    poll(first, analyst)
    assert chats(first) == [chat] and chats(second) == ["2"]
    assert last(telegram, chat).startswith("Этот чат получает отчёты другой компании")
    company_letters = first.publish()
    telegram.say(chat, "/stop")
    poll(first, analyst)
    assert chats(first) == [] and last(telegram, chat).startswith("Больше ничего не пришлю")
    assert first.rows(company_letters) == [], "what waited for the chat is not sent"
    assert actions(first)[0] == "telegram.unbound"
    telegram.say(chat, f"/start {code}")
    poll(first, analyst)
    assert chats(second) == ["2", chat]


def test_a_code_of_another_bots_company_binds_nothing(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    ours, other_bot = make_company("3"), make_company("4", token="123456789:" + "A" * 35)
    chat = telegram.chat()
    telegram.say(chat, f"/start {code_of(other_bot).code}")
    poll(ours, analyst)
    assert chats(ours) == ["3"] and chats(other_bot) == ["4"]


def test_another_bot_may_talk_with_the_same_people(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst
) -> None:
    """The chat of a bot is what belongs to a company: each of the two keeps its own, and answers in it."""
    chat = telegram.chat()
    other_bot, ours = make_company(chat, token="123456789:" + "B" * 35), make_company("8")
    telegram.say(chat, f"/start {code_of(ours).code}")
    poll(ours, analyst)
    assert chats(ours) == ["8", chat] and chats(other_bot) == [chat]
    third = make_company("9")
    report = ours.publish(deadline=LATER)
    telegram.say(chat, "Чей отчёт?")
    poll(third, analyst)
    assert [asked[0] for asked in analyst.asked] == [str(report.report_id)], "whichever poller of the bot reads it"


def test_a_token_of_a_shared_bot_takes_no_chat_either(make_company: MakeCompany, telegram: Telegram) -> None:
    """Recipients first and the token after them: the same company is met then."""
    make_company("-1009")
    second = make_company("-1009", token="123456789:" + "C" * 35)
    with db.as_service("test") as connection, pytest.raises(DataError, match="другой компании"):
        integrations.save_secrets(connection, second.tenant_id, "telegram", {"bot_token": telegram.token})


def test_a_stranger_who_says_goodbye_gets_nothing(company: Company, telegram: Telegram, analyst: Analyst) -> None:
    chat = telegram.chat()
    telegram.say(chat, "/stop")
    telegram.say(chat, "/start")
    poll(company, analyst)
    assert telegram.texts(chat) == []


# --- the database's own word ------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["@channel", "chat", "-", "12a", "0", "1; drop table", "9" * 30])
def test_a_recipient_is_a_number(company: Company, typed: str) -> None:
    with db.as_service("test") as connection, pytest.raises(DataError, match="номер чата"):
        integrations.save_public(connection, company.tenant_id, "telegram", {"chat_id": typed})


def test_the_operator_takes_no_chat_of_another_company_either(make_company: MakeCompany, telegram: Telegram) -> None:
    make_company("-1005")
    second = make_company("-1006")
    for chats_ in ("-1005", ["-1006", "-1005"], "-1006, -1005"):
        public = {"chat_id": chats_, "base_url": telegram.base_url}
        with db.as_service("test") as connection, pytest.raises(DataError, match="другой компании"):
            integrations.save_public(connection, second.tenant_id, "telegram", public)


@pytest.mark.parametrize(
    "address", [None, "https://api.telegram.org", "https://api.telegram.org/", "https://API.telegram.org"]
)
def test_another_spelling_of_the_address_is_the_same_bot(make_company: MakeCompany, address: str | None) -> None:
    first, second = make_company("-1010"), make_company("-1011")
    spelled = {"base_url": address} if address else {}
    with db.as_service("test") as connection:
        integrations.save_public(connection, first.tenant_id, "telegram", {"chat_id": "-1010"})
    with db.as_service("test") as connection, pytest.raises(DataError, match="другой компании"):
        integrations.save_public(connection, second.tenant_id, "telegram", {"chat_id": "-1010", **spelled})


def test_recipients_that_were_there_before_stay(make_company: MakeCompany, telegram: Telegram) -> None:
    """A name with «@», and a chat two companies share: written before the rule, kept when the row is written again."""
    first, second = make_company("-1007"), make_company("-1008")
    old = {"chat_id": ["@our_channel", "-1007"], "base_url": telegram.base_url}
    with psycopg.connect(db.owner_url(), autocommit=True) as owner:
        owner.execute("alter table synkro.integration_configs disable trigger guard_telegram_recipients")
        owner.execute(
            "update synkro.integration_configs set public_config = %s where tenant_id = %s",
            (Jsonb(old), second.tenant_id),
        )
        owner.execute("alter table synkro.integration_configs enable trigger guard_telegram_recipients")
    with db.as_service("test") as connection:
        integrations.save_public(connection, second.tenant_id, "telegram", {"base_url": telegram.base_url})
    assert chats(second) == ["@our_channel", "-1007"] and chats(first) == ["-1007"]


# --- limits of a chat -------------------------------------------------------------------------------------


def limited(company: Company, **values: int) -> None:
    with db.as_service("test") as connection:
        runtime_config.change(connection, company.tenant_id, values)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("telegram_questions_per_hour", "Слишком много вопросов: из одного чата не больше 2 в час"),
        ("telegram_questions_per_day", "На сегодня ответы для этого чата закончились: не больше 2 за сутки"),
    ],
)
def test_a_chat_asks_within_its_limits(
    make_company: MakeCompany, telegram: Telegram, analyst: Analyst, setting: str, words: str
) -> None:
    """A flood costs no more answers, is told once, and holds up no other chat."""
    chat, calm = telegram.chat(), telegram.chat()
    company = make_company(chat, calm)
    limited(company, **{setting: 2})
    report = company.publish(deadline=LATER)
    for number in range(5):
        telegram.say(chat, f"Вопрос {number}?")
        poll(company, analyst)
    assert len(analyst.asked) == len(company.questions(report)) == 2
    assert len(telegram.texts(chat)) == 3 and last(telegram, chat).startswith(words)
    telegram.say(calm, "А мне?")
    poll(company, analyst)
    assert len(analyst.asked) == 3
    with db.as_service("test") as connection:
        connection.execute("update synkro.telegram_updates set received_at = received_at - interval '25 hours'")
    telegram.say(chat, "А завтра?")
    poll(company, analyst)
    assert len(analyst.asked) == 4


def test_texts_are_in_the_chats_language(make_company: MakeCompany, telegram: Telegram, analyst: Analyst) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    limited(company, telegram_questions_per_hour=1)
    company.publish(deadline=LATER)
    for text in ("How many deals?", "And now?"):
        update = {
            "message": {
                "message_id": 7000 + len(analyst.asked),
                "date": int(clock.now().timestamp()),
                "chat": {"id": int(chat), "type": "private", "first_name": "Ann"},
                "from": {"id": int(chat), "is_bot": False, "first_name": "Ann", "language_code": "en-GB"},
                "text": text,
            }
        }
        telegram.call("POST", "/_inject", {"update": update})
        poll(company, analyst)
    assert last(telegram, chat).startswith("Too many questions: at most 1 an hour")


def test_every_answer_about_a_chat_has_both_languages() -> None:
    assert all(len(pair) == 2 and pair[0] != pair[1] for pair in binding._TEXTS.values())
