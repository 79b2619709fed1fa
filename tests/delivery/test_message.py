"""The report as one message: order, length, what is dropped first."""

from __future__ import annotations

import random

import pytest

from delivery.links import is_public
from delivery.message import LONGEST, visible_length
from delivery.telegram.markup import LIMIT
from sandbox.vendors.telegram.text import parse, utf16
from tests.delivery.bodies import ordinary, quiet
from tests.delivery.bodies import told as telegram_message

URL = "https://app.synkro.example/t/alma/reports/1b2c3d4e-5f60-4711-8123-456789abcdef"
LOCAL = "http://127.0.0.1:8080/t/alma/reports/1b2c3d4e-5f60-4711-8123-456789abcdef"


def long_body() -> dict[str, object]:
    words = "клиент ждёт ответа о сроках доставки, о скидке на второй заказ и о замене фасада"
    body = ordinary()
    for action in body["actions"]:
        action["why"] = words
        action["text"] += ": " + words
    body["risks"] = [{"text": words + "."}, {"text": "второй риск: " + words}]
    body["managers"] = [{"name": f"Менеджер {n}", "text": words + "."} for n in range(5)]
    return body


def test_an_ordinary_day_has_its_sections_in_order_and_its_length() -> None:
    message = telegram_message(ordinary(), report_url=URL)
    titles = ["Мебель <Алма> · Отчёт за 20\u00a0ноября, пятница", "Прочитано 118 из 124 диалогов · данные на 22:05"]
    titles += ["Главное", "Сделать сегодня", "Цифры против обычной пятницы", "Менеджеры", "Риски"]
    places = [message.plain_text.index(title) for title in titles]
    assert places == sorted(places)
    assert 900 <= visible_length(message.text_html) <= 1600
    assert parse(message.text_html, "HTML")[0] == message.plain_text
    assert [button["text"] for button in message.buttons[0]] == ["Открыть отчёт", "Кто ждёт ответа"]
    assert all(is_public(button["url"]) for button in message.buttons[0])


def test_each_number_stands_against_the_usual_day() -> None:
    lines = [line for line in telegram_message(ordinary(), report_url=URL).plain_text.splitlines() if "обычно " in line]
    assert len(lines) == 5
    assert lines[0] == "• Новые диалоги: 124 ↑, обычно 118"


def test_an_action_says_who_what_for_whom_why_how_much_and_where() -> None:
    html = telegram_message(ordinary(), report_url=URL).text_html
    assert "1. <b>Асель Нурланова</b>: Прислать расчёт кухни" in html
    assert "Ирина •••• 0001 · клиент спросил дважды и ждёт 5 ч 20 мин · 1,25 млн ₸" in html
    assert '<a href="https://app.synkro.example/t/alma/dialogs/radist%3A77%2F1">диалог</a>' in html


def test_our_prose_is_calm_and_phones_are_masked() -> None:
    plain = telegram_message(ordinary(), report_url=URL).plain_text
    assert "!" not in plain
    assert "•••• 0003" in plain and "701" not in plain


def test_values_are_escaped() -> None:
    body = ordinary(headline=[{"text": 'Спросили про <b>"A&B"</b>'}])
    message = telegram_message(body, report_url=URL)
    assert "&lt;b&gt;&quot;A&amp;B&quot;&lt;/b&gt;" in message.text_html
    assert 'Спросили про <b>"A&B"</b>' in message.plain_text


def test_the_least_important_goes_first() -> None:
    plain = telegram_message(long_body(), report_url=URL).plain_text
    assert len(plain) <= LONGEST
    assert plain.count("второй риск") == 0
    assert plain.count("• Менеджер") == 2
    assert plain.count("обычно ") == 5
    # nothing is cut while dropping is enough
    assert "…" not in plain


def test_things_are_dropped_one_after_another() -> None:
    seen = []
    for n in range(130):
        body = ordinary(headline=[{"text": "слово " * min(n, 65)}, {"text": "слово " * max(0, n - 65)}])
        body["risks"][1]["text"] += " Длинный хвост второго риска, чтобы шаг был виден."
        plain = telegram_message(body, report_url=URL).plain_text
        risks = plain.partition("Риски")[2].count("•")
        managers = plain.partition("Менеджеры")[2].partition("Риски")[0].count("•")
        whys = sum(why in plain for why in ("спросил дважды", "этапе оплаты", "сравнивает с"))
        state = (risks, managers, "хуже нормы" in plain, whys)
        if state not in seen:
            seen.append(state)
    assert seen == [
        (2, 3, True, 3),
        (1, 3, True, 3),
        (1, 2, True, 3),
        (1, 2, False, 3),
        (1, 2, False, 2),
        (1, 2, False, 1),
        (1, 2, False, 0),
    ]


@pytest.mark.parametrize(
    ("long", "kept"),
    [
        ([], (2, 3, True, 3)),
        (["risk"], (1, 3, True, 3)),
        (["risk", "manager"], (1, 2, True, 3)),
        (["note"], (1, 2, False, 3)),
        (["why 2"], (1, 2, False, 2)),
        (["why 1"], (1, 2, False, 1)),
        (["why 0"], (1, 2, False, 0)),
    ],
)
def test_what_was_dropped_does_not_come_back(long: list[str], kept: tuple[int, int, bool, int]) -> None:
    """One line is too long for any message that holds it: it goes, and what matters less has gone before it."""
    words = "слово " * 65
    body = ordinary(headline=[{"text": words}, {"text": words}])
    for action in body["actions"]:
        action.update(text="дело", why="почему")
    for number in body["numbers"]:
        number["note"] = "заметка"
    body["managers"] = [{"name": "Имя", "text": "ровно"} for _ in range(3)]
    body["risks"] = [{"text": "риск"}, {"text": "риск"}]
    for line in long:
        kind, _, number = line.partition(" ")
        if kind == "why":
            body["actions"][int(number)]["why"] = f"почему {words}"
        elif kind == "note":
            body["numbers"][4]["note"] = f"заметка {words}"
        else:
            body[f"{kind}s"][-1]["text"] = words
    plain = telegram_message(body, report_url=URL).plain_text
    found = (
        plain.count("• риск") + plain.count("• слово"),
        plain.count("• Имя"),
        "заметка" in plain,
        plain.count("почему"),
    )
    assert found == kept and "…" not in plain and len(plain) <= LONGEST


def test_any_body_fits_one_message_and_no_word_is_cut() -> None:
    rng = random.Random(5)
    words = ["клиент", "ждёт", "ответа", "срочно", "доставка", "😀", "цена", "скидка", "договор", "ёлка"]

    def text() -> str:
        return " ".join(rng.choices(words, k=rng.choice((1, 5, 40, 400))))

    for _ in range(25):
        body = ordinary(
            headline=[{"text": text()} for _ in range(rng.randrange(4))],
            actions=[
                {k: text() for k in ("who", "client", "text", "why", "money_display")} | {"dialog_id": "radist:7/1"}
                for _ in range(5)
            ],
            numbers=[{k: text() for k in ("label", "display", "usual_display", "note")} for _ in range(7)],
            managers=[{"name": text(), "text": text()} for _ in range(5)],
            risks=[{"text": text()} for _ in range(4)],
            coverage_line=text(),
        )
        message = telegram_message(body, report_url=URL, repeat=True)
        assert visible_length(message.text_html) <= LONGEST
        assert utf16(message.plain_text) <= LIMIT
        assert parse(message.text_html, "HTML")[0] == message.plain_text
        assert not [
            line for line in message.plain_text.split() if line.endswith("…") and line[:-1] not in words and line != "…"
        ]


def test_a_quiet_day_is_two_lines() -> None:
    message = telegram_message(quiet(), report_url=URL)
    assert message.plain_text.splitlines() == [
        "Мебель <Алма> · Отчёт за 20\u00a0ноября, пятница",
        "Спокойный день: 4 диалога, все отвечены за 5 минут.",
    ]
    assert message.buttons


def test_a_local_site_makes_no_buttons_but_a_line_of_text() -> None:
    message = telegram_message(ordinary(), report_url=LOCAL)
    assert message.buttons == [] and "<a " not in message.text_html
    assert message.plain_text.endswith(f"\n\nОтчёт: {LOCAL}")
    assert "http" not in telegram_message(ordinary(), report_url="").plain_text


def test_an_incomplete_day_says_why_until_when_and_what_next() -> None:
    gap = {
        "cause": "amoCRM не отвечает",
        "until": "2026-11-20T09:30:00+00:00",
        "next_attempt": "2026-11-21T01:10:00+00:00",
    }
    for body in (ordinary(incomplete=gap), quiet() | {"incomplete": gap}):
        assert (
            "Данные неполные: amoCRM не отвечает. Полные до 14:30. Следующая попытка: 21\u00a0ноября, 06:10."
            in telegram_message(body, report_url=URL).plain_text
        )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("2026-11-20T18:59:00Z", "23:59"),
        ("2026-11-20T19:00:00+00:00", "21\u00a0ноября, 00:00"),
        ("2026-11-20T23:59:00", "23:59"),
        ("2026-11-20T05:00:00+05:00", "05:00"),
        ("2026-11-19T23:59:00+05:00", "19\u00a0ноября, 23:59"),
        ("при следующем запуске по расписанию", "при следующем запуске по расписанию"),
        ("слово " * 9 + "ёжики и", "слово " * 9 + "ёжики…"),
        ("слово " * 9 + "ёжики", "слово " * 9 + "ёжики"),
        ("слово " * 9 + "ёжиков", "слово " * 9 + "ёжиков"),
        ("<b>", "<b>"),
    ],
)
def test_moments_are_of_the_companys_zone_and_other_words_stand(said: str, shown: str) -> None:
    gap = {"cause": "x", "until": None, "next_attempt": said}
    plain = telegram_message(ordinary(incomplete=gap), report_url=URL).plain_text
    assert f"Данные неполные: x. Следующая попытка: {shown}.\n" in plain


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"coverage_line": "", "header": {"as_of": "2026-11-20T17:05:00+00:00"}}, "Данные на 22:05"),
        ({"coverage_line": "прочитано всё."}, "Прочитано всё · данные на 22:05"),
        ({"coverage_line": "Прочитано всё", "header": {"as_of": None}}, "Прочитано всё"),
        ({"revision": {"of_version": 1, "gained": "данные Radist."}}, "Уточнённый отчёт: добавлено — данные Radist"),
        ({"revision": {"of_version": 1, "gained": ""}}, "Уточнённый отчёт"),
        ({"incomplete": {"cause": None}}, "Данные неполные: причина не названа."),
    ],
)
def test_the_lines_under_the_title(body: dict[str, object], line: str) -> None:
    whole = ordinary()
    header = whole["header"] | body.pop("header", {})  # type: ignore[operator]
    lines = (
        telegram_message(whole | body | {"header": header}, report_url=URL).plain_text.partition("\n\n")[0].split("\n")
    )
    assert line in lines


def test_how_much_of_each_section_is_said() -> None:
    """Two sentences, three actions, five numbers, three managers, two risks, in the order they came."""
    body = {
        "header": {"report_type": "forced"},
        "headline": [{"text": ""}, {"text": "Раз."}, {"text": "Два."}],
        "actions": [{"text": f"дело {n}", "phone_masked": "+7 701 000 00 0" + str(n)} for n in range(4)],
        "numbers": [{"label": f"число {n}", "display": n, "direction": "up", "usual_display": "" if n else "0"} for n in range(6)],
        "managers": [{"name": f"имя {n}", "text": "молодец!"} for n in range(4)],
        "risks": [{"text": f"риск {n}?!"} for n in range(3)],
    }  # fmt: skip
    assert telegram_message(body, report_url="").plain_text == (
        "Отчёт\n\nГлавное\nРаз.\n\nСделать\n"
        "1. дело 0\n•••• 0000\n2. дело 1\n•••• 0001\n3. дело 2\n•••• 0002\n\n"
        "Цифры\n• число 0: 0 ↑, обычно 0\n• число 1: 1\n• число 2: 2\n• число 3: 3\n• число 4: 4\n\n"
        "Менеджеры\n• имя 0: молодец.\n• имя 1: молодец.\n• имя 2: молодец.\n\n"
        "Риски\n• риск 0?\n• риск 1?"
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [("Ура!", "Ура."), ("Ура!!!", "Ура."), ("Что?!", "Что?"), ("Что!?", "Что?"), ("Ура!.", "Ура."), ("Ура!…", "Ура…"), ("Ура! Ещё!", "Ура. Ещё.")],
)  # fmt: skip
def test_no_exclamation_marks(said: str, shown: str) -> None:
    plain = telegram_message({"headline": [{"text": said}]}, report_url="").plain_text
    assert plain.endswith(f"Главное\n{shown}")


@pytest.mark.parametrize("day", range(7))
def test_the_usual_day_is_named_in_its_case(day: int) -> None:
    names = ("обычного понедельника", "обычного вторника", "обычной среды", "обычного четверга", "обычной пятницы", "обычной субботы", "обычного воскресенья")  # fmt: skip
    body = ordinary()
    body["header"]["date"] = f"2026-11-{16 + day}"
    assert f"\nЦифры против {names[day]}\n" in telegram_message(body, report_url=URL).plain_text


def test_too_little_data_is_said() -> None:
    body = ordinary(too_little_data=True, headline=[])
    plain = telegram_message(body, report_url=URL).plain_text
    assert (
        "Диалогов слишком мало для выводов" in plain
        and "Сделать" not in plain
        and "Цифры" in plain
        and "Менеджеры" not in plain
    )


def test_a_missing_ai_part_is_said() -> None:
    body = ordinary()
    body["header"]["reader"] = {"kind": "rules", "model": "", "note": "Без AI: диалоги разобраны по правилам."}
    assert "Без AI: диалоги разобраны по правилам." in telegram_message(body, report_url=URL).plain_text


@pytest.mark.parametrize(
    ("header", "title"),
    [
        ({"report_type": "weekly"}, "Отчёт за неделю 14–20\u00a0ноября"),
        (
            {"report_type": "weekly", "period_start": "2026-10-28", "period_end": "2026-11-03"},
            "Отчёт за неделю 28\u00a0октября – 3\u00a0ноября",
        ),
        ({"report_type": "monthly"}, "Отчёт за ноябрь 2026"),
        ({"report_type": "forced"}, "Отчёт по запросу за 20\u00a0ноября, пятница"),
        (
            {"report_type": "forced", "period_start": "2026-11-19", "period_end": "2026-11-20"},
            "Отчёт по запросу за 19–20\u00a0ноября",
        ),
        ({"date": None}, "Отчёт"),
    ],
)
def test_headers_of_other_periods(header: dict[str, object], title: str) -> None:
    body = ordinary()
    body["header"] |= header
    assert telegram_message(body, report_url=URL).plain_text.splitlines()[0] == f"Мебель <Алма> · {title}"


def test_numbers_of_a_week_stand_against_a_usual_week() -> None:
    body = ordinary()
    body["header"]["report_type"] = "weekly"
    assert "Цифры против обычной недели" in telegram_message(body, report_url=URL).plain_text


def test_a_copy_names_its_report() -> None:
    plain = telegram_message(ordinary(), report_url=URL, repeat=True).plain_text
    assert plain.startswith("Повтор: отчёт 1b2c3d4e мог прийти раньше.")
    assert "Повтор" not in telegram_message(ordinary(), report_url=URL).plain_text


def test_an_empty_body_is_no_accident() -> None:
    assert telegram_message({}, report_url="").plain_text == "Отчёт"


@pytest.mark.parametrize(
    ("url", "public"),
    [
        (URL, True),
        ("http://app.synkro.example/reports/1", True),
        ("https://8.8.8.8/reports/1", True),
        (LOCAL, False),
        ("https://localhost/reports/1", False),
        ("https://10.0.0.5/reports/1", False),
        ("https://[::1]/reports/1", False),
        ("https://synkro.local/reports/1", False),
        ("ftp://app.synkro.example", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_which_addresses_telegram_takes(url: str, public: bool) -> None:
    assert is_public(url) is public
