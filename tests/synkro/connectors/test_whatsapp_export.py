"""Exports of WhatsApp as phones make them, six layouts of one talk; names and numbers are invented."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from synkro.connectors.whatsapp import archive, chats, export
from synkro.connectors.whatsapp.chats import Chat
from synkro.core.errors import DataError

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LRM = "\u200e"

ANDROID_RU = """02.11.2026, 09:59 - Сообщения и звонки защищены сквозным шифрованием. Подробнее.
02.11.2026, 10:02 - Асель Пример: Здравствуйте!
Сколько стоит кухня?
02.11.2026, 10:05 - Жанна: Добрый день: от 900 000 ₸
02.11.2026, 10:06 - Асель Пример: <Без медиафайлов>
02.11.2026, 10:07 - Асель Пример: Данное сообщение удалено
13.11.2026, 18:30 - Асель Пример: Пропущенный аудиозвонок
13.11.2026, 18:31 - Жанна: Перезвоню <Сообщение изменено>
"""
ANDROID_EN = """11/2/26, 9:59 AM - Messages and calls are end-to-end encrypted. Learn more.
11/2/26, 10:02 AM - Асель Пример: Здравствуйте!
Сколько стоит кухня?
11/2/26, 10:05 AM - Жанна: Добрый день: от 900 000 ₸
11/2/26, 10:06 AM - Асель Пример: <Media omitted>
11/2/26, 10:07 AM - Асель Пример: This message was deleted
11/13/26, 6:30 PM - Асель Пример: Missed voice call
11/13/26, 6:31 PM - Жанна: Перезвоню <This message was edited>
"""
ANDROID_KK = """02.11.2026, 09:59 - Хабарлар мен қоңыраулар ұшынан ұшына дейін шифрланған.
02.11.2026, 10:02 - Асель Пример: Здравствуйте!
Сколько стоит кухня?
02.11.2026, 10:05 - Жанна: Добрый день: от 900 000 ₸
02.11.2026, 10:06 - Асель Пример: <Медиафайл қосылмаған>
02.11.2026, 10:07 - Асель Пример: Бұл хабарлама жойылды
13.11.2026, 18:30 - Асель Пример: Жауап берілмеген дауыстық қоңырау
13.11.2026, 18:31 - Жанна: Перезвоню <Хабарлама өзгертілді>
"""
IOS_RU = f"""[02.11.2026, 10:01:30] Асель Пример: {LRM}Сообщения и звонки защищены сквозным шифрованием.
[02.11.2026, 10:02:00] Асель Пример: Здравствуйте!
Сколько стоит кухня?
[02.11.2026, 10:05:00] Жанна: Добрый день: от 900 000 ₸
{LRM}[02.11.2026, 10:06:00] Асель Пример: {LRM}изображение отсутствует
[02.11.2026, 10:07:00] Асель Пример: {LRM}Данное сообщение удалено.
[13.11.2026, 18:30:00] Асель Пример: {LRM}Пропущенный аудиозвонок. {LRM}Нажмите, чтобы перезвонить
[13.11.2026, 18:31:00] Жанна: Перезвоню {LRM}<Сообщение изменено>
"""
IOS_EN = f"""[11/2/26, 10:01:30\u202fAM] Асель Пример: {LRM}Messages and calls are end-to-end encrypted.
[11/2/26, 10:02:00\u202fAM] Асель Пример: Здравствуйте!
Сколько стоит кухня?
[11/2/26, 10:05:00\u202fAM] Жанна: Добрый день: от 900 000 ₸
{LRM}[11/2/26, 10:06:00\u202fAM] Асель Пример: {LRM}image omitted
[11/2/26, 10:07:00\u202fAM] Асель Пример: {LRM}This message was deleted.
[11/13/26, 6:30:00\u202fPM] Асель Пример: {LRM}Missed voice call, {LRM}Tap to call back
[11/13/26, 6:31:00\u202fPM] Жанна: Перезвоню {LRM}<This message was edited>
"""
IOS_KK = f"""[02.11.2026, 10:01:30] Асель Пример: {LRM}Хабарлар мен қоңыраулар шифрланған.
[02.11.2026, 10:02:00] Асель Пример: Здравствуйте!
Сколько стоит кухня?
[02.11.2026, 10:05:00] Жанна: Добрый день: от 900 000 ₸
{LRM}[02.11.2026, 10:06:00] Асель Пример: {LRM}сурет қосылмаған
[02.11.2026, 10:07:00] Асель Пример: {LRM}Бұл хабарлама жойылды.
[13.11.2026, 18:30:00] Асель Пример: {LRM}Жауап берілмеген дауыстық қоңырау
[13.11.2026, 18:31:00] Жанна: Перезвоню {LRM}<Хабарлама өзгертілді>
"""
LAYOUTS = {
    "android ru": ("Чат WhatsApp с контактом Асель Пример.txt", ANDROID_RU),
    "android en": ("WhatsApp Chat with Асель Пример.txt", ANDROID_EN),
    "android kk": ("chat.txt", ANDROID_KK),
    "ios ru": ("WhatsApp Chat - Асель Пример.zip", IOS_RU),
    "ios en": ("WhatsApp Chat - Асель Пример (1).zip", IOS_EN),
    "ios kk": ("_chat.txt", IOS_KK),
}


def read(name: str, content: bytes, **told: Any) -> Chat:
    return chats.read(
        name, content, **{"managers": ["жанна"], "phone": "", "timezone": "Asia/Almaty", "now": NOW} | told
    )


def zipped(text: str, inside: str = "_chat.txt", **others: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(inside, text)
        for name, content in others.items():
            made.writestr(name, content)
    return file.getvalue()


def upload(layout: str, text: str | None = None) -> tuple[str, bytes]:
    name, usual = LAYOUTS[layout]
    said = text or usual
    return name, zipped(said, photo=b"\xff\xd8") if name.endswith(".zip") else said.encode()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_talk_in_every_layout(layout: str) -> None:
    chat = read(*upload(layout))
    assert chat.name == "Асель Пример" and chat.phone is None
    assert [(m.sent_at.isoformat(), m.direction, m.message_type, m.payload["text"]) for m in chat.messages] == [
        ("2026-11-02T10:02:00+05:00", "inbound", "text", "Здравствуйте!\nСколько стоит кухня?"),
        ("2026-11-02T10:05:00+05:00", "outbound", "text", "Добрый день: от 900 000 ₸"),
        ("2026-11-02T10:06:00+05:00", "inbound", "photo" if "ios" in layout else "file", ""),
        ("2026-11-13T18:30:00+05:00", "inbound", "call_log", chat.messages[3].payload["text"]),
        ("2026-11-13T18:31:00+05:00", "outbound", "text", "Перезвоню"),
    ]
    assert chat.messages[3].payload["text"]
    assert chat.until == chat.messages[-1].sent_at


def test_the_dialog_is_one_whatever_phone_exports_it() -> None:
    """Of a call the wording is kept as it is, so its id is the layout's own; the other lines keep theirs."""
    made = [read(*upload(layout)) for layout in LAYOUTS]
    assert len({chat.id for chat in made}) == 1
    for place in (0, 1, 2, 4):
        assert len({chat.messages[place].id for chat in made}) == 1


def test_ids_stay_in_a_longer_export_and_where_two_overlap() -> None:
    whole = read(*upload("android ru"))
    rows = ANDROID_RU.splitlines(keepends=True)
    early, late = ("".join(part).encode() for part in (rows[:5], rows[3:]))
    name = LAYOUTS["android ru"][0]
    halves = [read(name, early), read(name, late)]
    assert {m.id for half in halves for m in half.messages} == {m.id for m in whole.messages}
    assert {m.id for m in halves[0].messages} & {m.id for m in halves[1].messages}


def test_equal_lines_of_one_minute_are_two_messages() -> None:
    text = "02.11.2026, 10:02 - Асель: Алло\n" * 2 + "02.11.2026, 10:03 - Жанна: Да\n"
    ids = [m.id for m in read("chat.txt", text.encode()).messages]
    assert len(set(ids)) == 3
    assert ids[:2] == [m.id for m in read("chat.txt", text.encode()).messages][:2]


@pytest.mark.parametrize(
    ("name", "text", "managers", "phone", "found"),
    [
        ("chat.txt", "{t} - +7 700 000-00-01: Есть?\n{t} - Жанна: Да\n", [], "", "+77000000001"),
        ("WhatsApp Chat with +7 700 000-00-02.txt", "{t} - Жанна: Добрый день\n", [], "", "+77000000002"),
        ("Чат WhatsApp с Асель.txt", "{t} - Асель: Есть?\n{t} - Жанна: Да\n", [], "8 700 000 00 03", "+77000000003"),
        # the number of the file is the client's own: what is typed does not replace it
        ("chat.txt", "{t} - +7 700 000-00-01: Есть?\n{t} - Жанна: Да\n", [], "8 700 000 00 03", "+77000000001"),
    ],
)
def test_the_clients_phone(name: str, text: str, managers: list[str], phone: str, found: str) -> None:
    chat = read(name, text.format(t="02.11.2026, 10:02").encode(), managers=managers, phone=phone)
    assert chat.phone == found == chat.payload["_synkro"]["phone"]
    assert {m.direction for m in chat.messages if m.payload["author"] == "Жанна"} == {"outbound"}


def test_two_chats_with_one_client_are_two_dialogs() -> None:
    said = "02.11.2026, 10:02 - {}: Есть?\n02.11.2026, 10:03 - Жанна: Да\n"
    made = [read("chat.txt", said.format(name).encode(), phone="+77000000001") for name in ("Асель", "Асель (новый)")]
    assert made[0].id != made[1].id and made[0].phone == made[1].phone


def test_the_order_of_lines_tells_day_and_month_apart() -> None:
    days = "10/11/2026, 10:00 - Асель: раз\n{}, 10:00 - Жанна: два\n"
    assert [m.sent_at.month for m in read("chat.txt", days.format("11/11/2026").encode()).messages] == [11, 11]
    # read as days of one month the second line would lie before the first
    assert [m.sent_at.month for m in read("chat.txt", days.format("11/9/2026").encode()).messages] == [10, 11]


WRONG = {
    "not an export": (b"hello\n02.11.2026, 10:02 - A: b\n", "строка 1 не похожа"),
    "nothing": (b"", "нет ни одного сообщения"),
    "only notices": ("02.11.2026, 09:59 - Сообщения защищены сквозным шифрованием.".encode(), "только служебные"),
    "no such day": ("02.11.2026, 10:00 - Асель: раз\n31.02.2026, 10:00 - Жанна: два".encode(), "строка 2: такой даты"),
    "the future": ("02.11.2026, 10:00 - Асель: раз\n02.12.2026, 10:00 - Жанна: два".encode(), "строка 2: дата 02.12.2026 в будущем"),
    "a picture": (b"\xff\xd8\xff\xe0" * 9, "строка 1"),
    "a group": ("\n".join(f"02.11.2026, 10:0{n} - {who}: да" for n, who in enumerate(("Асель", "Борис", "Вера"))).encode(), "Асель, Борис, Вера"),
    "an archive of pictures": (zipped("x", inside="a.jpg"), "нет файла с перепиской"),
    "a broken archive": (zipped(ANDROID_RU)[:-30], "повреждён"),
    "too large": (b"x" * (archive.LARGEST + 1), "больше 20 МБ"),
    "a bomb": (zipped("x" * (archive.LARGEST + 1)), "больше 20 МБ"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_by_its_name_with_the_cure(case: str) -> None:
    content, why = WRONG[case]
    with pytest.raises(DataError) as told:
        read("выгрузка.txt", content)
    assert told.value.message.startswith("выгрузка.txt: ") and why in told.value.message
    assert len(content) < 25_000 or case == "too large"


def test_a_typed_phone_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="не похоже на номер клиента"):
        read(*upload("android ru"), phone="12")


def test_reading_for_analysis_leaves_an_impossible_line_out() -> None:
    found = export.read("02.11.2026, 10:00 - Асель: раз\n31.02.2026, 10:00 - Жанна: два")
    assert found is not None and [one.text for one in found] == ["раз"]
    assert export.read("{}") is None
