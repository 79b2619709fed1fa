"""Telegram over HTTP: texts as the real server checks them, chats in trouble, updates and their conflicts."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import pytest

from sandbox.faults.request_log import RequestLog
from sandbox.server import Sandbox
from sandbox.vendors import telegram as vendor
from sandbox.vendors.telegram.text import BadText, parse, utf16
from tests.sandbox.conftest import root, telegram
from tests.support.sockets import NO_CERTIFICATES

GROUP, OWNER = vendor.GROUP_CHAT, vendor.OWNER_CHAT


@pytest.mark.parametrize(
    ("text", "plain", "entities"),
    [
        ("<b>Главное</b> & дело", "Главное & дело", [("bold", 0, 7)]),
        ("📊 <b>x</b> &lt;p&gt; &amp;nbsp; &#128512;", "📊 x <p> &nbsp; 😀", [("bold", 3, 1)]),
        ('  <a href="https://x.example/?a=1&amp;b=2">ссылка</a>\n', "ссылка", [("text_link", 0, 6)]),
        ("<i>a<b>b</b></i>", "ab", [("italic", 0, 2), ("bold", 1, 1)]),
        (
            '<blockquote expandable>q</blockquote><span class="tg-spoiler">s</span>',
            "qs",
            [("expandable_blockquote", 0, 1), ("spoiler", 1, 1)],
        ),
        ("&nbsp;x", "&nbsp;x", []),
        ("/report@synkro_demo_bot да", "/report@synkro_demo_bot да", [("bot_command", 0, 23)]),
    ],
)
def test_html_becomes_text_and_entities(text: str, plain: str, entities: list[tuple[str, int, int]]) -> None:
    found, marks = parse(text, "HTML")
    assert found == plain
    assert [(m["type"], m["offset"], m["length"]) for m in marks] == entities


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("<p>x</p>", "HTML", 'Unsupported start tag "p" at byte offset 0'),
        ("я<br>x", "HTML", 'Unsupported start tag "br" at byte offset 2'),
        ("<b>x", "HTML", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "HTML", "Unexpected end tag"),
        ("<b>x</i>", "HTML", "Unmatched end tag"),
        ("5 < 6", "HTML", "Unclosed start tag|Unsupported start tag"),
        ("10.5", "MarkdownV2", "Character '.' is reserved"),
        ("*x", "MarkdownV2", "Can't find end"),
        ("", "HTML", "message text is empty"),
        ("   ", "HTML", "text must be non-empty"),
        ("x" * 4097, "HTML", "message is too long"),
        ("я" * 16385, "HTML", "text is too long"),
        ("x", "BBCode", "unsupported parse_mode"),
    ],
)
def test_bad_text_is_refused_in_the_vendors_words(text: str, mode: str, why: str) -> None:
    with pytest.raises(BadText, match=why):
        parse(text, mode)


def test_limits_count_the_parsed_text() -> None:
    assert len(parse("<b>" + "x" * 4096 + "</b>", "HTML")[0]) == 4096
    assert parse("\\*10\\.5\\*", "MarkdownV2")[0] == "*10.5*"
    assert utf16("📊x") == 3
    with pytest.raises(BadText, match="caption"):
        parse("x" * 1025, "HTML", caption=True)


def test_a_message_is_sent_edited_and_shown(sandbox: Sandbox) -> None:
    with telegram(sandbox) as client, root(sandbox, "telegram") as control:
        control.delete("/_sent")
        me = client.get("/getMe").json()["result"]
        assert me["is_bot"] and me["can_read_all_group_messages"] is False
        sent = client.post(
            "/sendMessage", json={"chat_id": GROUP, "text": "<b>Отчёт</b>", "parse_mode": "HTML"}
        ).json()["result"]
        assert (sent["text"], sent["entities"][0]["type"], sent["from"]["id"]) == ("Отчёт", "bold", me["id"])
        edit = {"chat_id": GROUP, "message_id": sent["message_id"], "text": "Отчёт 2"}
        assert client.post("/editMessageText", json=edit).json()["result"]["text"] == "Отчёт 2"
        assert "message is not modified" in client.post("/editmessagetext", data=edit).json()["description"]
        shown = control.get("/_sent", params={"chat_id": GROUP}).json()
        assert [m["method"] for m in shown] == ["sendMessage", "editMessageText"] and shown[0][
            "raw_text"
        ] == "<b>Отчёт</b>"
        assert client.post("/sendChatAction", json={"chat_id": GROUP, "action": "typing"}).json()["result"] is True
        assert client.post("/setMyCommands", json={"commands": [{"command": "report", "description": "Отчёт"}]}).json()[
            "ok"
        ]


def test_a_document_and_a_reply(sandbox: Sandbox) -> None:
    with telegram(sandbox) as client:
        first = client.post("/sendMessage", json={"chat_id": OWNER, "text": "раз"}).json()["result"]
        reply = json.dumps({"message_id": first["message_id"]})
        form = {"chat_id": str(OWNER), "caption": "<i>файл</i>", "parse_mode": "HTML", "reply_parameters": reply}
        done = client.post(
            "/sendDocument", data=form, files={"document": ("отчёт.html", b"<p>hi</p>", "text/html")}
        ).json()["result"]
        assert done["document"]["file_name"] == "отчёт.html" and done["caption_entities"][0]["type"] == "italic"
        assert done["reply_to_message"]["message_id"] == first["message_id"]
        lost = {"chat_id": OWNER, "text": "x", "reply_parameters": {"message_id": 99999}}
        assert "message to be replied not found" in client.post("/sendMessage", json=lost).json()["description"]
        lost["reply_parameters"]["allow_sending_without_reply"] = True
        assert client.post("/sendMessage", json=lost).status_code == 200


@pytest.mark.parametrize(
    ("chat_id", "status", "words"),
    [
        (600003, 403, "bot was blocked by the user"),
        (600004, 403, "can't initiate conversation"),
        (600005, 403, "user is deactivated"),
        (-1009000000003, 403, "bot was kicked from the supergroup chat"),
        (-1009000000004, 400, "not enough rights"),
        (-500001, 400, "group chat was upgraded to a supergroup chat"),
        (424242, 400, "chat not found"),
        ("", 400, "chat_id is empty"),
    ],
)
def test_chats_in_trouble(sandbox: Sandbox, chat_id: Any, status: int, words: str) -> None:
    with telegram(sandbox) as client:
        answer = client.post("/sendMessage", json={"chat_id": chat_id, "text": "x"})
    assert answer.status_code == answer.json()["error_code"] == status
    assert words in answer.json()["description"]
    assert (chat_id == -500001) == ("migrate_to_chat_id" in answer.json().get("parameters", {}))


def test_topics_of_a_forum(sandbox: Sandbox) -> None:
    with telegram(sandbox) as client:
        body = {"chat_id": -1009000000002, "text": "x"}
        assert client.post("/sendMessage", json={**body, "message_thread_id": 7}).json()["result"]["is_topic_message"]
        for wrong in (1, 55):
            assert (
                "message thread not found"
                in client.post("/sendMessage", json={**body, "message_thread_id": wrong}).json()["description"]
            )
        assert client.post("/sendMessage", json={**body, "chat_id": GROUP, "message_thread_id": 55}).status_code == 200


def test_a_wrong_token_and_a_wrong_method(sandbox: Sandbox) -> None:
    a = sandbox.addresses["telegram"]
    with telegram(sandbox) as client, root(sandbox, "telegram") as control:
        assert (
            httpx.get(f"{a['base_url']}/bot1:AAwrong/getMe", verify=NO_CERTIFICATES).json()["description"]
            == "Unauthorized"
        )
        assert httpx.get(f"{a['base_url']}/botnonsense/getMe", verify=NO_CERTIFICATES).status_code == 401
        assert client.get("/sendGift").status_code == 404
        written = control.get("/_journal").text
    assert a["bot_token"] not in written and "AAwrong" not in written and "/bot***/sendGift" in written


@pytest.mark.parametrize("path", ["/bot{}/getMe", "/bot{}/sendMessage?chat_id=1", "/file/bot{}/photo.jpg", "/bot{}"])
@pytest.mark.parametrize("token", ["1:AAsecret", "1%3AAAsecret", "AAsecret"])
def test_no_token_stands_in_the_journal(path: str, token: str) -> None:
    request_log, asked = RequestLog(), path.format(token)
    assert "AAsecret" not in request_log.arrived("GET", asked)["path"]
    request_log.violation("GET", asked, "запись")
    written = [row["path"] for row in (*request_log.requests(), *request_log.violations())]
    assert written == [path.format("***")] * 2


def test_updates_are_confirmed_by_their_offset(own: Sandbox) -> None:
    with telegram(own) as client, root(own, "telegram") as control:
        for text in ("/start", "почему просели ответы?"):
            assert control.post("/_inject", json={"chat_id": OWNER, "text": text}).json()["delivered"]
        first = client.get("/getUpdates", params={"limit": 1}).json()["result"]
        assert first[0]["message"]["entities"][0]["type"] == "bot_command"
        both = client.get("/getUpdates", params={"offset": first[0]["update_id"]}).json()["result"]
        assert [u["update_id"] for u in both] == [first[0]["update_id"], first[0]["update_id"] + 1]
        left = client.post("/getUpdates", json={"offset": both[1]["update_id"]}).json()["result"]
        assert [u["message"]["text"] for u in left] == ["почему просели ответы?"]
        assert client.get("/getWebhookInfo").json()["result"]["pending_update_count"] == 1
        assert client.get("/getUpdates", params={"offset": left[0]["update_id"] + 1}).json()["result"] == []
        control.post("/_inject", json={"chat_id": OWNER, "text": "ещё раз", "repeat": 3})
        repeated = client.get("/getUpdates", params={"offset": left[0]["update_id"] + 1}).json()["result"]
        assert len({u["update_id"] for u in repeated}) == 1


def test_a_long_poll_waits_for_a_message_and_a_second_poller_ends_it(own: Sandbox) -> None:
    answers: list[httpx.Response] = []

    def poll() -> None:
        with telegram(own) as client:
            # longer than the client waits: an answer is that of a message or of another poll
            answers.append(client.get("/getUpdates", params={"timeout": 600, "offset": 5}))

    def until_it_waits() -> None:
        give_up = time.monotonic() + 60
        while not any("getUpdates" in row["path"] and row["status"] is None for row in control.get("/_journal").json()):
            assert time.monotonic() < give_up
            time.sleep(0.02)

    with telegram(own) as client, root(own, "telegram") as control:
        waiting = threading.Thread(target=poll)
        waiting.start()
        until_it_waits()
        control.post("/_inject", json={"chat_id": OWNER, "text": "привет"})
        waiting.join()
        assert answers[0].json()["result"][0]["message"]["text"] == "привет"
        offset = answers[0].json()["result"][0]["update_id"] + 1
        client.get("/getUpdates", params={"offset": offset})
        waiting = threading.Thread(target=poll)
        control.delete("/_sent")
        waiting.start()
        until_it_waits()
        client.get("/getUpdates", params={"offset": offset + 1})
        waiting.join()
        assert answers[1].status_code == 409 and "terminated by other getUpdates" in answers[1].json()["description"]


def test_a_webhook_excludes_polling(own: Sandbox) -> None:
    with telegram(own) as client:
        assert client.post("/setWebhook", json={"url": "http://x.example/h"}).status_code == 400
        assert (
            "unallowed"
            in client.post("/setWebhook", json={"url": "https://x.example/h", "secret_token": "ы"}).json()[
                "description"
            ]
        )
        assert client.post("/setWebhook", json={"url": "https://x.example/h", "secret_token": "abc"}).json()["ok"]
        refused = client.get("/getUpdates")
        assert refused.status_code == 409 and "while webhook is active" in refused.json()["description"]
        client.post("/deleteWebhook")
        assert client.get("/getUpdates").status_code == 200


def test_privacy_lets_through_commands_replies_and_mentions(own: Sandbox) -> None:
    with telegram(own) as client, root(own, "telegram") as control:
        report = client.post("/sendMessage", json={"chat_id": GROUP, "text": "отчёт"}).json()["result"]
        said = {"chat_id": GROUP, "from_id": OWNER}
        heard = [
            control.post("/_inject", json={**said, **more}).json()["delivered"]
            for more in (
                {"text": "всем привет"},
                {"text": "почему?", "reply_to": report["message_id"]},
                {"text": "📊 @Synkro_Demo_Bot как дела"},
                {"text": "/report@other_bot"},
            )
        ]
        assert heard == [False, True, True, False]
        updates = client.get("/getUpdates").json()["result"]
        assert updates[0]["message"]["reply_to_message"]["from"]["username"] == "synkro_demo_bot"
        mention = next(e for e in updates[1]["message"]["entities"] if e["type"] == "mention")
        assert (mention["offset"], mention["length"]) == (3, 16)
        own.faults["telegram"].add({"kind": "switch", "name": "privacy", "value": False})
        assert control.post("/_inject", json={**said, "text": "всем привет"}).json()["delivered"]


def test_buttons_are_pressed_and_answered(own: Sandbox) -> None:
    with telegram(own) as client, root(own, "telegram") as control:
        markup = {"inline_keyboard": [[{"text": "Кто ждёт", "callback_data": "who"}]]}
        sent = client.post("/sendMessage", json={"chat_id": OWNER, "text": "x", "reply_markup": markup}).json()[
            "result"
        ]
        assert sent["reply_markup"] == markup
        control.post("/_inject", json={"callback": {"chat_id": OWNER, "message_id": sent["message_id"], "data": "who"}})
        query = client.get("/getUpdates").json()["result"][0]["callback_query"]
        assert query["data"] == "who" and query["message"]["message_id"] == sent["message_id"]
        assert client.post("/answerCallbackQuery", json={"callback_query_id": query["id"]}).json()["result"] is True
        assert client.post("/answerCallbackQuery", json={"callback_query_id": "1"}).status_code == 400


def test_too_many_messages(own: Sandbox) -> None:
    own.faults["telegram"].add({"kind": "rate", "bucket": "chat", "per_second": 1})
    with telegram(own) as client:
        answers = [client.post("/sendMessage", json={"chat_id": OWNER, "text": str(i)}) for i in range(6)]
        assert [a.status_code for a in answers] == [200] * 5 + [429]
        assert answers[-1].json()["parameters"]["retry_after"] == int(answers[-1].headers["retry-after"]) == 1
        own.faults["telegram"].add({"kind": "rate", "bucket": "chat", "per_second": None})
        own.faults["telegram"].add({"kind": "rate", "bucket": "group_per_minute", "per_second": 20})
        codes = [client.post("/sendMessage", json={"chat_id": -500002, "text": str(i)}).status_code for i in range(21)]
        assert codes == [200] * 20 + [429]


def test_a_lost_answer_leaves_the_message_sent(own: Sandbox) -> None:
    with telegram(own) as client, root(own, "telegram") as control:
        control.post("/_faults", json={"kind": "lost_answer", "path": "sendMessage"})
        with pytest.raises(httpx.TransportError):
            client.post("/sendMessage", json={"chat_id": OWNER, "text": "дошло"})
        assert [m["text"] for m in control.get("/_sent").json()] == ["дошло"]
        assert control.get("/_journal").json()[-1]["status"] == 0
