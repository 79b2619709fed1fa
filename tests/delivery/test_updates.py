"""Updates understood: commands, mentions, replies, and talk that is none of ours."""

from __future__ import annotations

import re
from typing import Any

import pytest

from delivery.telegram.updates import Incoming, Moved, Removed, slice_utf16, understand
from tests.analysis.llm.test_injections import INJECTIONS

BOT, NAME = 700100200, "synkro_demo_bot"
GROUP = {"id": -1009000000001, "type": "supergroup", "title": "Отдел продаж"}
PRIVATE = {"id": 600001, "type": "private", "first_name": "Сауле"}
ANNA = {"id": 600001, "is_bot": False, "first_name": "Анна", "last_name": "Демо"}
REPORT = {"message_id": 41, "from": {"id": BOT, "is_bot": True}}


def said(text: str, chat: dict[str, Any] = PRIVATE, entities: Any = (), **more: Any) -> dict[str, Any]:
    message = {"message_id": 55, "date": 1760000000, "chat": chat, "from": ANNA, "text": text, **more}
    return {"update_id": 1, "message": message | ({"entities": list(entities)} if entities else {})}


def heard(update: dict[str, Any]) -> Incoming:
    meant = understand(update, BOT, NAME)
    assert isinstance(meant, Incoming)
    return meant


def command(text: str) -> dict[str, Any]:
    return {"type": "bot_command", "offset": 0, "length": len(text.split()[0])}


def test_a_private_text_is_a_question() -> None:
    meant = heard(said("Почему упала скорость?"))
    assert (meant.text, meant.command, meant.author, meant.chat) == (
        "Почему упала скорость?",
        None,
        "Анна Демо",
        "600001",
    )


def test_a_mention_after_an_emoji_is_cut_by_utf16_units() -> None:
    text = "📊 @Synkro_Demo_Bot почему?"
    meant = heard(said(text, GROUP, [{"type": "mention", "offset": 3, "length": 16}]))
    assert meant.text == "📊  почему?"
    assert slice_utf16(text, 3, 16) == "@Synkro_Demo_Bot"


def test_a_mention_without_a_name_counts_too() -> None:
    entity = {"type": "text_mention", "offset": 0, "length": 6, "user": {"id": BOT}}
    assert heard(said("Отчёты кто ждёт?", GROUP, [entity])).text == "кто ждёт?"


@pytest.mark.parametrize("text", ["/report", "/report@synkro_demo_bot", "/REPORT@Synkro_Demo_Bot 2026-02"])
def test_commands(text: str) -> None:
    meant = heard(said(text, GROUP, [command(text)]))
    assert meant.command == "report"
    assert meant.text == ("2026-02" if " " in text else "")


@pytest.mark.parametrize(
    "update",
    [
        said("/report@other_bot", GROUP, [command("/report@other_bot")]),
        said("Обед в час", GROUP),
        said("Ответ коллеге", GROUP, reply_to_message={"message_id": 3, "from": ANNA}),
        said("Пишет бот", PRIVATE, **{"from": {"id": 5, "is_bot": True}}),
        # a plain message in a topic that the bot opened
        said("В теме", GROUP, reply_to_message={**REPORT, "forum_topic_created": {"name": "Отчёты"}}),
        {"update_id": 1, "edited_message": said("исправлено")["message"]},
        {"update_id": 1, "callback_query": {"id": "1"}},
        {"update_id": 1},
    ],
)
def test_what_is_none_of_ours(update: dict[str, Any]) -> None:
    assert understand(update, BOT, NAME) is None


def test_a_reply_to_the_bot_keeps_the_message_and_the_topic() -> None:
    meant = heard(said("А вчера?", GROUP, reply_to_message=REPORT, message_thread_id=7, is_topic_message=True))
    assert (meant.reply_to, meant.thread_id) == (41, 7)
    # an ordinary reply thread carries a thread id that must not be echoed
    assert heard(said("А вчера?", GROUP, reply_to_message=REPORT, message_thread_id=41)).thread_id is None


def test_an_anonymous_administrator_is_named_by_the_group() -> None:
    update = said(
        "А вчера?", GROUP, reply_to_message=REPORT, sender_chat=GROUP, **{"from": {"id": 1087968824, "is_bot": True}}
    )
    assert heard(update).author == "Отдел продаж"


@pytest.mark.parametrize("text", INJECTIONS)
def test_whatever_a_person_calls_themselves_is_a_name(text: str) -> None:
    """It stands beside the question on the report's page: one line, no address, nothing unseen."""
    name = heard(
        said("Сколько ждут?", **{"from": {"id": 9, "first_name": text, "last_name": "evil.example/x\n+77010001122"}})
    ).author
    assert 0 < len(name) <= 80 and name.splitlines() == [name] and "7010001122" not in name
    assert not re.search("[\u200b-\u200f\u202a-\u202e\U000e0000-\U000e0fff]", name)
    assert not re.search(r"https?://|www\.|\bevil\.example|@evil_bot", name)


@pytest.mark.parametrize(
    ("person", "name"), [({"username": "anna_d"}, "anna_d"), ({}, "Telegram"), ({"first_name": "\u200b"}, "Telegram")]
)
def test_a_person_without_a_name(person: dict[str, str], name: str) -> None:
    assert heard(said("Сколько?", **{"from": {"id": 9, **person}})).author == name


def test_a_caption_is_a_text() -> None:
    update = said("", PRIVATE)
    del update["message"]["text"]
    update["message"]["caption"] = "Что это за клиент?"
    assert heard(update).text == "Что это за клиент?"


def test_service_messages() -> None:
    assert understand(said("", {"id": -5, "type": "group"}, migrate_to_chat_id=-100), BOT, NAME) == Moved("-5", "-100")
    member = {"chat": GROUP, "from": ANNA, "new_chat_member": {"status": "kicked"}}
    assert understand({"update_id": 1, "my_chat_member": member}, BOT, NAME) == Removed(str(GROUP["id"]))
    member["new_chat_member"] = {"status": "member"}
    assert understand({"update_id": 1, "my_chat_member": member}, BOT, NAME) is None
