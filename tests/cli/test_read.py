"""``synkro read``: a file in, a JSON line a chat out; no database, no network, no key."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from analysis.chats import files
from cli.main import main

ASKED = {
    "dialog": "d-1",
    "timezone": "Asia/Almaty",
    "messages": [
        {"at": "2026-11-02T10:00:00+05:00", "who": "client", "name": "Лена", "text": "Здравствуйте, сколько стоит стрижка?", "media": None},
        {"at": "2026-11-02T10:05:00+05:00", "who": "manager", "name": "Айгуль", "text": "4 500, записать вас?", "media": None},
        {"at": "2026-11-02T10:06:00+05:00", "who": "client", "name": "Лена", "text": "спасибо, я подумаю", "media": None},
    ],
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_connected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a connection was tried")

    for name in ("SYNKRO_DATABASE_URL", "SYNKRO_SECRET_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNKRO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(socket.socket, "connect", refuse)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["read", *words])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def write(folder: Path, text: str, name: str = "chats.jsonl") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def rows(said: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in said.splitlines()]


def test_a_line_a_dialog_with_the_reading_and_every_message(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    second = {**ASKED, "dialog": "d-2", "messages": ASKED["messages"][:1]}
    file = write(tmp_path, "\n".join(json.dumps(one, ensure_ascii=False) for one in (ASKED, second)) + "\n\n")
    status, out, err = run(capsys, file)
    assert (status, err) == (0, "")
    first, last = rows(out)
    assert (first["dialog"], last["dialog"]) == ("d-1", "d-2")
    asked, ours, closed = first["messages"]
    assert [one["i"] for one in first["messages"]] == [0, 1, 2]
    assert (asked["needs_reply"], asked["reason"]) == (True, "question")
    assert ours == {"i": 1, "needs_reply": False, "reason": None, "confidence": None}
    assert (closed["needs_reply"], closed["reason"]) == (False, "thinking")
    assert 0.5 < closed["confidence"] <= 1
    assert first["reading"]["outcome"]["kind"] == "thinking"
    assert first["reading"]["outcome"]["message_ids"] == ["2"]
    # the open question of the second dialog is a wait
    assert last["reading"]["outcome"]["kind"] == "waiting"
    assert not (tmp_path / "data").exists()


def test_messages_are_judged_in_order_of_time_and_named_by_their_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    messages = ASKED["messages"]
    assert isinstance(messages, list)
    file = write(tmp_path, json.dumps({**ASKED, "messages": messages[::-1]}))
    _, out, _ = run(capsys, file)
    (row,) = rows(out)
    assert [one["needs_reply"] for one in row["messages"]] == [False, False, True]
    assert (row["reading"]["wish"]["message_ids"], row["reading"]["outcome"]["message_ids"]) == (["2"], ["0"])
    parsed = files.parse(Path(file).read_text(encoding="utf-8"), name="chats.jsonl").chats[0]
    assert [message.number for message in parsed.messages] == [2, 1, 0]


def test_a_moment_without_an_offset_is_local(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    messages = [
        {"at": "2026-11-02T10:00:00", "who": "client", "text": "когда готово?"},
        {"at": "2026-11-02T10:10:00", "who": "manager", "text": "Завтра до обеда пришлю"},
    ]
    file = write(tmp_path, json.dumps({"dialog": 7, "timezone": "Europe/Moscow", "messages": messages}))
    _, out, _ = run(capsys, file, "--business", "clinic")
    (row,) = rows(out)
    assert (row["dialog"], row["timezone"], row["business"]) == ("7", "Europe/Moscow", "clinic")
    assert row["reading"]["promises"][0]["deadline"] == "2026-11-03"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"messages": [}', "Строка 1: это не JSON"),
        ('{"dialog": "a"}', "Строка 1, поле messages"),
        ('{"dialog": true, "messages": [{}]}', "Строка 1, поле dialog"),
        ('{"timezone": "+05:00", "messages": [{}]}', "Строка 1, поле timezone"),
        ('{"messages": ["a"]}', "Строка 1, messages[0]"),
        ('{"messages": [{"who": "me"}]}', "Строка 1, messages[0], поле who"),
        ('{"messages": [{"who": "client", "at": "вчера"}]}', "Строка 1, messages[0], поле at"),
        ('{"messages": [{"who": "client", "at": "2026-11-02", "text": 5}]}', "Строка 1, messages[0], поле text"),
        ('{"messages": [{"who": "client", "at": "2026-11-02", "media": 5}]}', "Строка 1, messages[0], поле media"),
        ("просто письмо", "не похож"),
        ("", "не похож"),
    ],
)
def test_a_wrong_line_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, said: str) -> None:
    good = json.dumps(ASKED) + "\n"
    status, out, err = run(capsys, write(tmp_path, text))
    assert (status, out) == (1, "")
    assert said in err
    if said.startswith("Строка 1"):
        status, out, err = run(capsys, write(tmp_path, good + text))
        assert (status, out) == (1, "")
        assert said.replace("Строка 1", "Строка 2") in err


def test_no_file_is_a_failure_and_no_argument_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, err = run(capsys, str(tmp_path / "none"))
    assert status == 1 and "не прочитан" in err
    assert run(capsys)[0] == 2
    status, out, err = run(capsys, write(tmp_path, json.dumps(ASKED)), "--business", "zoo")
    assert (status, out) == (2, "")
    assert "Набора тем «zoo» нет. Есть: core, auto_service, clinic, education, furniture" in err


def test_a_pack_gives_the_topics_of_its_vertical(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = [{"at": "2026-11-02T10:00:00", "who": "client", "text": "Пломба сколько стоит?"}]
    file = write(tmp_path, json.dumps({"dialog": "d", "messages": asked}))

    def kinds(*words: str) -> list[str]:
        return [one["kind"] for one in rows(run(capsys, file, *words)[1])[0]["reading"]["topics"]]

    assert (kinds(), kinds("--business", "clinic")) == (["price"], ["price", "dentistry"])
    assert "Цена и расчёт<br>Стоматология" in run(capsys, file, "--business", "clinic", "--html")[1]


@pytest.mark.parametrize(
    "text",
    [
        "[02.11.2026, 10:02:33] \u200eСообщения защищены сквозным шифрованием.\n"
        "[02.11.2026, 10:02:40] Лена: здравствуйте\nсколько стоит стрижка\n"
        "[02.11.2026, 10:12:33] Салон: 4500\n"
        "[13.11.2026, 10:13:01] Лена: \u200eизображение отсутствует\n",
        "[11/2/26, 10:02:40\u202fAM] Лена: здравствуйте\nсколько стоит стрижка\n"
        "[11/2/26, 10:12:33\u202fAM] Салон: 4500\n"
        "[11/13/26, 10:13:01\u202fAM] Лена: \u200eimage omitted\n",
        "02.11.2026, 10:02 - Сообщения защищены сквозным шифрованием.\n"
        "02.11.2026, 10:02 - Лена: здравствуйте\nсколько стоит стрижка\n"
        "02.11.2026, 10:12 - Салон: 4500\n"
        "13.11.2026, 10:13 - Лена: <Без медиафайлов>\n",
        "11/2/26, 10:02 AM - Лена: здравствуйте\nсколько стоит стрижка\n"
        "11/2/26, 10:12 AM - Салон: 4500\n"
        "11/13/26, 10:13 AM - Лена: IMG-20261113-WA0001.jpg (file attached)\n",
    ],
    ids=["ios-ru", "ios-en", "android-ru", "android-en"],
)
def test_what_whatsapp_exports(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    status, out, err = run(capsys, write(tmp_path, text, "chat.txt"), "--us", "Салон")
    assert status == 0 and "Салон (указано)" in err
    (row,) = rows(out)
    assert [one["needs_reply"] for one in row["messages"]] == [True, False, True]
    assert row["reading"]["wish"]["text"] == "сколько стоит стрижка"
    asked, ours, picture = files.parse(text, name="chat.txt", us=["Салон"]).chats[0].messages
    assert asked.text == "здравствуйте\nсколько стоит стрижка"
    assert (picture.text, picture.media) in {("", ("photo",)), ("", ("file",))}
    assert [(m.at.month, m.at.day, m.at.hour, m.at.minute) for m in (asked, ours, picture)] == [
        (11, 2, 10, 2),
        (11, 2, 10, 12),
        (11, 13, 10, 13),
    ]


@pytest.mark.parametrize(
    ("name", "first", "second", "ours"),
    [
        ("_chat.txt", "+7 701 000 00 00", "Студия", "Студия"),
        ("_chat.txt", "Студия", "+7 701 000 00 00", "Студия"),
        ("Чат WhatsApp с контактом Студия.txt", "Студия", "Лена", "Лена"),
        ("_chat.txt", "Лена", "Студия", "Лена"),
    ],
)
def test_which_side_is_ours_is_told_and_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, first: str, second: str, ours: str
) -> None:
    text = f"02.11.2026, 10:02 - {first}: добрый день\n02.11.2026, 10:03 - {second}: здравствуйте\n"
    status, out, err = run(capsys, write(tmp_path, text, name))
    assert status == 0
    assert f"Наша сторона: {ours}" in err
    clients = [one["i"] for one in rows(out)[0]["messages"] if one["reason"]]
    assert clients == [0 if second == ours else 1]
    status, _, err = run(capsys, write(tmp_path, text, name), "--us", "Никто")
    assert status == 1 and "Никто" in err


def test_the_page_holds_the_words_and_runs_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = "<script>alert(1)</script> сколько стоит?"
    messages = [{"at": "2026-11-02T10:00:00", "who": "client", "name": "<b>", "text": words}]
    status, out, _ = run(capsys, write(tmp_path, json.dumps({"dialog": "<i>", "messages": messages})), "--html")
    assert status == 0
    assert "&lt;script&gt;alert(1)&lt;/script&gt; сколько стоит?" in out
    assert "<script" not in out and "<b>" not in out and "<i>" not in out and "http" not in out
    assert "Клиент ждёт ответа" in out and "нужен ответ: вопрос" in out
