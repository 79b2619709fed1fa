"""Trades of data files, styles of writing, and the labels that come with a story."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from analysis.intents.linear import CLOSED_REASONS, OPEN_REASONS
from bench import corpus
from cli.commands import demo
from cli.commands import sandbox as command
from sandbox.company import labels, verticals
from sandbox.company.builder import SIZES, VERTICALS, generate
from sandbox.company.grammar import marked, say_many, spoken
from sandbox.company.labels import Label, label, of_dialogs
from sandbox.company.model import Chat, Company, Deal, Message
from sandbox.company.styles import STYLES, Writer
from sandbox.company.wording import Wording
from tests.sandbox.conftest import FIRST, LAST, NOW

NEW = ("auto_service", "clinic", "education")


@pytest.fixture(scope="module", params=NEW)
def company(request: pytest.FixtureRequest) -> Company:
    return generate(7, "demo", FIRST, LAST, vertical=request.param)


def talk(company: Company) -> list[tuple[Chat, Message]]:
    return [(chat, m) for chat in company.chats for m in chat.messages if any(x.label for x in chat.messages)]


# --- verticals -------------------------------------------------------------------------------------------------------


def test_the_verticals_are_the_two_of_before_and_one_a_file() -> None:
    assert ("furniture", "windows", *NEW) == VERTICALS
    assert {name: size.vertical for name, size in SIZES.items()} == {
        "small": "windows",
        "demo": "furniture",
        "large": "furniture",
    }
    assert generate(1, "small", LAST, LAST).vertical == "windows"


def test_the_command_line_offers_every_vertical() -> None:
    assert command.VERTICALS == VERTICALS
    third = demo._of_vertical("clinic")
    assert (third.slug, third.name, third.vertical) == ("demo_clinic", "Клиника Айгерим", "clinic")
    assert third.slug not in {company.slug for company in demo.COMPANIES}


def test_a_trade_is_named_and_its_file_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="auto_service, clinic, education"):
        generate(1, "small", FIRST, LAST, vertical="bakery")
    whole = (verticals.FOLDER / "clinic.toml").read_text(encoding="utf-8")
    monkeypatch.setattr(verticals, "FOLDER", tmp_path)
    monkeypatch.setattr(verticals, "VERTICALS", (*VERTICALS, "bad"))
    for broken, said in (
        (whole.replace("[lines]", "[lines]\nOPEN_TALE = []", 1), "OPEN_TALE"),
        (whole.replace('city = "Шымкент"', ""), "city"),
        (whole.replace("products = [", "products = ", 1), "bad.toml"),
    ):
        (tmp_path / "bad.toml").write_text(broken, encoding="utf-8")
        with pytest.raises(ValueError, match=said):
            verticals.vertical("bad")


def test_nothing_of_a_template_is_left_in_a_line(company: Company) -> None:
    said = [m.text for _, m in talk(company) if m.text]
    assert len(said) > 8_000
    assert [t for t in said if re.search(r"[\[\]{}|<>]|//|#photo|  ", t)] == []
    clients = Counter(m.text for _, m in talk(company) if m.kind == "client" and m.text and len(m.text) > 12)
    assert len(clients) > 1_200, "not twenty repeated templates"
    foreign = r"(?i)диван|мебел|замерщик|монтаж|балкон"
    assert [t for t in said if re.search(foreign, t)] == [], "a vertical speaks of what it sells"


def test_the_same_seed_is_the_same_company_day_by_day() -> None:
    one, two = (generate(3, "small", FIRST, LAST, vertical="clinic") for _ in range(2))
    assert one == two and one != generate(4, "small", FIRST, LAST, vertical="clinic")
    late = generate(3, "small", date(2026, 11, 9), date(2026, 11, 22), vertical="clinic")
    since, until = datetime(2026, 11, 8, 19, tzinfo=UTC), datetime(2026, 11, 20, 19, tzinfo=UTC)
    days = [
        sorted((m.id, m.at, m.text, m.label) for c in made.chats for m in c.messages if since <= m.at < until)
        for made in (one, late)
    ]
    assert days[0] == days[1] != []


# --- styles -------------------------------------------------------------------------------------------------------


def test_a_client_writes_in_one_style_throughout(company: Company) -> None:
    styles: dict[int, set[str]] = defaultdict(set)
    for chat, _ in talk(company):
        styles[chat.crm_contact_id or -chat.id].add(chat.style)
    assert all(len(found) == 1 for found in styles.values())
    share = Counter(style for (style,) in styles.values())
    assert set(share) == set(STYLES) and min(share.values()) > 30


def test_each_style_can_be_told(company: Company) -> None:
    said: dict[str, list[str]] = defaultdict(list)
    voices: Counter[str] = Counter()
    for chat, m in talk(company):
        # a sticker's emoji and a caption under a picture are the same in every style
        if m.kind == "client" and m.type == "text" and m.text and m.label and m.label.reason != "sticker":
            said[chat.style].append(m.text)
        voices[chat.style] += m.type == "voice"
    assert [t for t in said["nopunct"] if len(t) > 2 and re.search(r"[,!?]", t)] == []
    assert sum(t == t.lower() for t in said["shorthand"]) > 0.95 * len(said["shorthand"])
    assert (
        sum(bool(re.search(r"\b(спс|скок\w?|пж|плиз|мона|мож|щас|чё|норм|хор|дд|здр)\b", t)) for t in said["shorthand"])
        > 60
    )
    assert (
        sum(
            bool(re.search(r"(?i)рахмет|қанша|канша|жарайды|бар ма|керек|күтемін|кутемин|қашан|кашан", t))
            for t in said["kazmix"]
        )
        > 60
    )
    assert sum(t[-1] in ".!?" for t in said["formal"]) > 0.97 * len(said["formal"])
    assert voices["voice"] > 2 * max(count for style, count in voices.items() if style != "voice")
    words = {style: sum(len(t.split()) for t in texts) / len(texts) for style, texts in said.items()}
    assert words["bursts"] < words["formal"] - 1


@pytest.mark.parametrize("size", ["small", "demo"])
def test_styles_change_neither_what_happens_nor_what_is_meant(size: str) -> None:
    """With ``variety`` ours say the same at the same moments, and the client's lines, bursts taken together, mean the same."""
    plain, varied = (generate(7, size, FIRST, LAST, variety=one) for one in (False, True))
    assert {chat.style for chat in plain.chats} == {""}

    def ours(made: Company) -> list[Message]:
        return [m for chat in made.chats for m in chat.messages if m.kind == "manager"]

    def changes(deal: Deal) -> list[dict[str, object]]:
        return [{k: v for k, v in one.values.items() if k != "closed_at"} for one in deal.history.changes]

    def meant(chat: Chat) -> list[list[str]]:
        """The needs of each run of the client, what stands in pieces or is only heard left out."""
        runs: list[list[str]] = [[]]
        for m in chat.messages:
            if m.kind == "client" and m.label and m.label.need != "S" and m.label.reason not in ("greeting", "media"):
                runs[-1].append(m.label.need)
            elif m.kind == "manager":
                runs.append([])
        return [sorted(set(run)) for run in runs]

    assert len(ours(plain)) > 300
    for before, after in zip(ours(plain), ours(varied), strict=True):
        assert (before.text, before.label, before.author_id) == (after.text, after.label, after.author_id)
        assert abs(before.at - after.at) < timedelta(seconds=2), "some messengers count whole seconds"
    assert [changes(d) for d in plain.deals] == [changes(d) for d in varied.deals]
    assert [n.params for n in plain.notes] == [n.params for n in varied.notes]
    compared = heard = 0
    for one, two in zip(plain.chats, varied.chats, strict=True):
        assert len(one.messages) <= len(two.messages)
        assert two.times == sorted(two.times)
        if two.style == "voice":
            heard += 1
            continue
        compared += 1
        assert meant(one) == meant(two), (one.id, two.style)
    assert compared > 5 * heard > 0


def test_pieces_of_a_burst_come_in_order_before_the_answer(company: Company) -> None:
    bursts = [chat for chat, _ in talk(company) if chat.style == "bursts"]
    runs = 0
    for chat in bursts:
        for before, after in zip(chat.messages, chat.messages[1:], strict=False):
            assert before.at <= after.at
            are_lines = before.kind == after.kind == "client" and before.type == "text" and before.text
            if are_lines and after.at - before.at < timedelta(seconds=25):
                runs += 1
                assert after.label and after.label.reason != "greeting", "a greeting comes first"
    assert runs > 300


def test_a_formal_letter_is_signed_and_a_bare_line_may_become_another() -> None:
    by_style: dict[str, Writer] = {}
    for seed in range(200):
        writer = Writer(random.Random(seed), "Ким Асель")
        by_style.setdefault(writer.style, writer)
    assert set(by_style) == set(STYLES)
    formal = [by_style["formal"].write("Сколько стоит окно?", "R question", is_first=True)[0].text for _ in range(40)]
    assert any(t and t.endswith("С уважением, Ким Асель.") for t in formal)
    thanks = {by_style["shorthand"].write("Спасибо", "N thanks", is_first=False)[0] for _ in range(60)}
    assert {piece.mark for piece in thanks} == {"N thanks"} and len(thanks) > 3
    pieces = by_style["bursts"].write(
        "Добрый день! Скажите, а доставка есть, и сколько ждать?", "R question", is_first=True
    )
    assert [piece.mark for piece in pieces] == ["R greeting", "S question", "S question", "R question"]
    assert pieces[0].text == "добрый день"


# --- labels -------------------------------------------------------------------------------------------------------


def test_the_words_are_those_of_the_corpus(company: Company) -> None:
    assert labels.OUTCOMES == corpus.OUTCOMES
    check_words(company)
    ours = [m.label for _, m in talk(company) if m.kind == "manager" and m.label]
    assert {one.need for one in ours} == {""} and sum(one.due is not None for one in ours) > 100
    assert any(one.is_rude for one in ours)


@pytest.mark.parametrize("vertical", ["furniture", "windows"])
def test_the_verticals_of_before_have_the_same_labels(vertical: str) -> None:
    check_words(generate(7, "small", FIRST, LAST, vertical=vertical))


def check_words(company: Company) -> None:
    found = [m.label for _, m in talk(company) if m.kind == "client"]
    assert None not in found, "every line of a client has its label"
    known = [one for one in found if one is not None]
    assert {one.reason for one in known if one.need == "R"} <= set(OPEN_REASONS)
    assert {one.reason for one in known if one.need == "N"} <= set(CLOSED_REASONS)
    assert {one.reason for one in known if one.need == "S"} <= {*OPEN_REASONS, *CLOSED_REASONS}
    assert {one.need for one in known} == {"R", "N", "S"}
    assert {one.objection for one in known} - {""} <= set(corpus.OBJECTIONS)
    assert {one.outcome for one in known} - {""} <= set(labels.OUTCOMES)


@pytest.mark.parametrize("mark", ["R question, sadness", "X question", "promise=soon", "outcome=rich"])
def test_an_unknown_word_of_a_label_is_refused(mark: str) -> None:
    with pytest.raises(ValueError):
        label(mark)


def test_a_mark_is_read_and_left_out_of_the_line() -> None:
    rng = random.Random(1)
    assert spoken(rng, "да<N consent>, приду<R request>", {}) == ("Да, приду", "N consent"), "the first one counts"
    assert say_many(rng, [marked("раз // два {x}<N thanks>", "R question")], {"x": "три"}) == [
        ("Раз", "R question"),
        ("Два три", "N thanks"),
    ]
    assert label("N refusal, refusal, objection=price, outcome=refused") == Label(
        "N", "refusal", objection="price", is_refusal=True, outcome="refused"
    )
    assert label("promise=2026-11-20") == Label(promise="yes", due=date(2026, 11, 20))
    assert label("R question, may complaint").complaint == "may"
    with pytest.raises(AttributeError, match="NOTHING"):
        _ = Wording().NOTHING


def test_a_deadline_is_the_day_its_words_name(company: Company) -> None:
    """«до пятницы» is the Friday after the message, «до завтра» the next day, in the company's own time."""
    weekdays = {
        "понедельника": 0,
        "вторника": 1,
        "среды": 2,
        "четверга": 3,
        "пятницы": 4,
        "субботы": 5,
        "воскресенья": 6,
    }
    checked: Counter[str] = Counter()
    for _, m in talk(company):
        if m.kind == "manager" and m.label and m.label.due and m.text:
            said = re.search(
                r"(?i)до (\w+ника|среды|четверга|пятницы|субботы|воскресенья)|до завтра|завтра до|до конца дня", m.text
            )
            ahead = (m.label.due - m.at.astimezone(company.zone).date()).days
            if said is None:
                continue
            if said[1]:
                # ours may be minutes behind the moment the words were chosen
                assert m.label.due.weekday() == weekdays[said[1].lower()] and 0 <= ahead <= 3
            elif "завтра" in said[0].lower():
                assert 0 <= ahead <= 1
            else:
                assert ahead <= 0
            checked[said[0].lower()[:8]] += 1
    assert len(checked) >= 4 and checked.total() > 60


def at(hour: float) -> datetime:
    return datetime(2026, 11, 16, 4, tzinfo=UTC) + timedelta(hours=hour)


def alone(*said: tuple[float, str, str]) -> tuple[Company, Chat]:
    """A company with one dialog, by hand: hours, who and the mark."""
    made = generate(1, "small", LAST, LAST)
    chat = Chat(1, 501, 1, "77000000001@c.us", "", "Алия", crm_contact_id=5)
    for i, (hour, who, mark) in enumerate(said):
        chat.messages.append(Message(f"m{i}", 1, at(hour), who, "text", "…", label=label(mark) if mark else None))
    chat.settle()
    made.chats, made.notes = [chat], []
    return made, chat


@pytest.mark.parametrize(
    "said,waits,outcome",
    [
        ([(0, "client", "R question")], "R", "waiting_us"),
        ([(0, "client", "R question"), (0.1, "bot", "")], "R", "waiting_us"),
        ([(0, "client", "R question"), (1, "manager", "")], "N", "served"),
        ([(0, "client", "R question"), (1, "manager", ""), (2, "client", "N thanks")], "N", "served"),
        ([(0, "client", "R question"), (1, "manager", ""), (2, "client", "S media")], "S", "served"),
        ([(0, "client", "R question"), (1, "manager", ""), (2, "client", "R question"), (3, "client", "N thanks")], "R", "waiting_us"),
        ([(-96, "client", "R question"), (-95, "manager", "")], "N", "lost_silent"),
        ([(0, "client", "R payment_claim, outcome=paid"), (1, "manager", "")], "N", "paid"),
        ([(0, "client", "R complaint, complaint, outcome=complaint_open")], "R", "complaint_open"),
        ([(0, "client", "N refusal, refusal, outcome=refused"), (1, "manager", "")], "N", "refused"),
    ],
)  # fmt: skip
def test_the_label_of_a_dialog(said: list[tuple[float, str, str]], waits: str, outcome: str) -> None:
    made, chat = alone(*said)
    found = of_dialogs(made, at(5))[chat.id]
    assert (found.waits, found.outcome) == (waits, outcome)
    assert (found.since is not None) == (waits == "R")
    assert found.complaint == ("yes" if "complaint" in said[0][2] else "")
    assert found.is_refused == ("refusal" in said[0][2])


def test_what_is_not_yet_said_does_not_count_and_a_talk_by_phone_answers() -> None:
    made, chat = alone((0, "client", "R request"), (3, "manager", "promise=2026-11-18"))
    assert of_dialogs(made, at(2))[1].waits == "R" and of_dialogs(made, at(2))[1].promises == {}
    assert of_dialogs(made, at(4))[1].promises == {"m1": Label(promise="yes", due=date(2026, 11, 18))}
    calls = generate(7, "demo", FIRST, LAST).notes
    for seconds, waits in ((14, "R"), (15, "N")):
        note = next(one for one in calls if one.type == "call_out")
        note.params, note.created_at, note.entity_id = {**note.params, "duration": seconds}, at(1), 5
        made.notes = [note]
        assert of_dialogs(made, at(2))[1].waits == waits
    second = Chat(2, 504, 1, "900", "", "Алия", crm_contact_id=5)
    second.messages = [Message("x", 2, at(1.5), "manager", "text", "Отвечаю здесь", label=label("may promise"))]
    made.notes, made.chats = [], [chat, second]
    assert of_dialogs(made, at(2))[1].waits == "N", "the same person was answered in another dialog"


def test_who_is_forgotten_waits_and_who_was_answered_does_not(company: Company) -> None:
    found = of_dialogs(company, NOW)
    states = Counter(one.waits for one in found.values())
    assert len(found) > 400 and states["R"] > 20 and states["N"] > 300
    outcomes = Counter(one.outcome for one in found.values())
    assert set(outcomes) >= {
        "booked",
        "thinking",
        "refused",
        "lost_silent",
        "waiting_us",
        "served",
        "complaint_open",
        "complaint_closed",
    }
    assert sum(one.complaint == "yes" for one in found.values()) > 20
    assert not any(chat.is_group or chat.phone in company.internal_phones for chat in company.chats if chat.id in found)
