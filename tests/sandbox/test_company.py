"""The company: the same days for the same seed, and every trait of the metrics somewhere in the demo."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from sandbox.company import wording
from sandbox.company.builder import generate
from sandbox.company.grammar import say
from sandbox.company.model import LOST, WON, Chat, Company, Message
from sandbox.company.people import phone_number
from sandbox.company.world import World
from tests.sandbox.conftest import FIRST, LAST, NOW

DAY_END = datetime(2026, 11, 20, 17, 1, tzinfo=UTC)  # 22:01 in Almaty


def lines(company: Company, since: datetime, until: datetime) -> list[tuple[Any, ...]]:
    rows = [
        (m.chat_id, m.id, m.at, m.kind, m.type, m.text, m.crm_author)
        for c in company.chats
        for m in c.messages
        if since <= m.at < until
    ]
    return sorted(rows, key=str)


def changes(company: Company, since: datetime, until: datetime) -> list[tuple[Any, ...]]:
    rows = [
        (d.id, c.at, c.by, str(c.values))
        for d in (*company.deals, *company.contacts)
        for c in d.history.changes
        if since <= c.at < until
    ]
    return sorted(rows, key=str)


def test_the_same_seed_is_the_same_company() -> None:
    one, two = (generate(3, "small", FIRST, LAST) for _ in range(2))
    assert one == two
    assert generate(4, "small", FIRST, LAST) != one


@pytest.mark.parametrize("size", ["small", "demo"])
def test_a_day_is_the_same_whatever_the_first_and_last_days_are(size: str, demo: Company) -> None:
    """Regenerated tomorrow: everything that both companies know of is word for word and id for id the same."""
    early = demo if size == "demo" else generate(7, size, FIRST, LAST)
    late = generate(7, size, date(2026, 11, 9), date(2026, 11, 22))
    since, until = datetime(2026, 11, 8, 19, tzinfo=UTC), datetime(2026, 11, 20, 19, tzinfo=UTC)
    assert lines(early, since, until) == lines(late, since, until) != []
    assert changes(early, since, until) == changes(late, since, until) != []
    events = [
        {(e.id, e.type, e.entity_id, e.created_by) for e in c.events if since <= e.created_at < until}
        for c in (early, late)
    ]
    assert events[0] == events[1] != set()
    notes = [{(n.id, n.type, str(n.params)) for n in c.notes if since <= n.created_at < until} for c in (early, late)]
    assert notes[0] == notes[1] != set()


def test_ids_are_unique_and_events_are_in_order(demo: Company) -> None:
    for rows in (demo.deals, demo.contacts, demo.chats, demo.radist_contacts, demo.notes, demo.tasks, demo.events):
        ids = [row.id for row in rows]
        assert len(ids) == len(set(ids))
    messages = [m.id for c in demo.chats for m in c.messages]
    assert len(messages) == len(set(messages))
    assert demo.events == sorted(demo.events, key=lambda e: (e.created_at, e.id))
    assert all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{26}", e.id) for e in demo.events)


def test_the_sizes_are_what_was_promised(demo: Company) -> None:
    counts = demo.counts()
    assert 540 <= counts["deals"] <= 700
    assert 10_500 <= counts["messages"] <= 14_000
    small = generate(7, "small", FIRST, LAST).counts()
    assert 45 <= small["deals"] <= 80 and 900 <= small["messages"] <= 1_700


def test_progress_is_told_in_words() -> None:
    told: list[str] = []
    generate(1, "small", FIRST, LAST, progress=told.append)
    assert len(told) >= 4 and "сделок" in told[-1]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="small, demo, large"):
        generate(1, "huge", FIRST, LAST)
    with pytest.raises(ValueError, match="before"):
        generate(1, "small", LAST, FIRST)


# --- traits -----------------------------------------------------------------------------------------------------


def pairs(company: Company) -> list[tuple[Chat, Message, Message]]:
    return [(c, a, b) for c in company.chats for a, b in pairwise(c.messages)]


def is_thanks(message: Message) -> bool:
    if message.type == "sticker":
        return True
    text = (message.text or "").lower()
    return "?" not in text and (
        text in wording.shared_lines()["STICKERS"]
        or bool(re.match(r"(спасибо|ок\b|рахмет|хорошо|поня|супер|ага|угу|\+)", text))
    )


def of_client(company: Company) -> dict[str, list[Chat]]:
    found: dict[str, list[Chat]] = defaultdict(list)
    for chat in company.chats:
        if not chat.is_group:
            digits = "".join(c for c in (chat.phone or chat.source_chat_id.split("@")[0]) if c.isdigit())
            found[digits].append(chat)
    return found


def robot_answers(c: Company) -> int:
    return sum(
        b.kind == "bot" and a.kind == "client" and (b.at - a.at).total_seconds() <= 3 and b.text in c.bot_texts
        for _, a, b in pairs(c)
    )


def fastest_manager(c: Company) -> int:
    """Seconds of the quickest answer of a person: far from the three of a robot."""
    clients = {chat.id for chat in c.chats if not chat.is_group and chat.phone not in c.internal_phones}
    return int(
        min(
            (b.at - a.at).total_seconds()
            for ch, a, b in pairs(c)
            if ch.id in clients and a.kind == "client" and b.kind == "manager"
        )
    )


def broadcasts(c: Company) -> int:
    sent: dict[tuple[str, date], list[Message]] = defaultdict(list)
    for chat in c.chats:
        for m in chat.messages:
            if m.is_broadcast:
                sent[(m.text or "", m.at.date())].append(m)
    full = [ms for ms in sent.values() if len({m.chat_id for m in ms}) >= 5]
    assert all(max(m.at for m in ms) - min(m.at for m in ms) <= timedelta(minutes=10) for ms in full)
    return len(full)


def thanks_after_an_answer(c: Company) -> int:
    return sum(a.kind == "manager" and b.kind == "client" and is_thanks(b) for _, a, b in pairs(c))


def stickers(c: Company) -> int:
    return sum(m.type == "sticker" for ch in c.chats for m in ch.messages)


def emoji_alone(c: Company) -> int:
    return sum(m.text in wording.shared_lines()["STICKERS"] for ch in c.chats for m in ch.messages)


def thanks_with_a_question(c: Company) -> int:
    return sum(
        m.kind == "client" and bool(re.match(r"(?i)(спасибо|ок|рахмет|хорошо).*, а .*\?", m.text or ""))
        for ch in c.chats
        for m in ch.messages
    )


def the_very_words(c: Company) -> int:
    return sum("пасибо, а когда доставка?" in (m.text or "") for ch in c.chats for m in ch.messages)


def asked_here_answered_there(c: Company) -> int:
    return sum({ch.connection_id for ch in r.chats} == {501, 504} for r in c.radist_contacts)


def one_phone_several_dialogs(c: Company) -> int:
    return sum(len(chats) > 1 for chats in of_client(c).values())


def calls(c: Company, low: int, high: int) -> int:
    return sum(n.type in ("call_in", "call_out") and low <= n.params["duration"] < high for n in c.notes)


def calls_that_answer(c: Company) -> int:
    """A question in the chat, then a real call, and only then a message of the manager."""
    found = 0
    by_contact = {ch.crm_contact_id: ch for ch in c.chats if ch.crm_contact_id}
    for note in c.notes:
        chat = by_contact.get(note.entity_id)
        if chat is not None and note.type == "call_out" and note.params["duration"] >= 15:
            before = [m for m in chat.messages if m.at < note.created_at]
            found += bool(before and before[-1].kind == "client")
    return found


def contacts_of_one_phone(c: Company) -> int:
    phones = Counter("".join(x for x in raw if x.isdigit())[-10:] for card in c.contacts for raw, _ in card.phones)
    return sum(count > 1 for phone, count in phones.items() if len(phone) == 10)


def at_night(c: Company) -> int:
    return sum(m.kind == "client" and m.at.astimezone(c.zone).hour < 6 for ch in c.chats for m in ch.messages)


def on_a_weekend(c: Company) -> int:
    return sum(m.kind == "client" and m.at.astimezone(c.zone).weekday() >= 5 for ch in c.chats for m in ch.messages)


def final(c: Company, status: int) -> list[dict[str, Any]]:
    return [s for d in c.deals if (s := d.history.state(NOW)) and s["status_id"] == status]


def lost_with_reasons(c: Company) -> int:
    return len({s["loss_reason_id"] for s in final(c, LOST)} - {None})


def linked(c: Company) -> tuple[set[int], set[int]]:
    return {ch.deal_id for ch in c.chats if ch.deal_id}, {i for d in c.deals for i in d.contact_ids}


def dialogs_without_a_deal(c: Company) -> int:
    return sum(ch.deal_id is None and not ch.is_group for ch in c.chats)


def dialogs_the_crm_does_not_know(c: Company) -> int:
    return sum(ch.crm_contact_id is None and not ch.is_group and ch.phone not in c.internal_phones for ch in c.chats)


def contacts_without_a_deal(c: Company) -> int:
    return sum(card.id not in linked(c)[1] for card in c.contacts)


def deals_without_a_dialog(c: Company) -> int:
    return sum(d.id not in linked(c)[0] for d in c.deals)


def deals_without_a_price(c: Company) -> int:
    return sum(bool(s := d.history.state(NOW)) and not s["price"] for d in c.deals)


def types(c: Company, type_: str, kind: str) -> int:
    return sum(m.type == type_ and m.kind == kind for ch in c.chats for m in ch.messages)


def pictures_with_captions(c: Company) -> int:
    return sum(m.type == "image" and bool(m.text) for ch in c.chats for m in ch.messages)


def groups(c: Company) -> int:
    return sum(len(ch.messages) > 20 for ch in c.chats if ch.is_group)


def internal_numbers(c: Company) -> int:
    return sum(len(ch.messages) > 5 for ch in c.chats if ch.phone in c.internal_phones)


def hidden_numbers(c: Company) -> int:
    return sum(bool(re.fullmatch(r"\d{15}@lid", ch.source_chat_id)) and not ch.phone for ch in c.chats)


def telegram_without_a_phone(c: Company) -> int:
    return sum(ch.connection_id == 504 and not ch.phone and bool(ch.username) for ch in c.chats)


def several_open_deals(c: Company) -> int:
    open_deals = Counter(
        d.contact_ids[0]
        for d in c.deals
        if d.contact_ids and (s := d.history.state(NOW)) and not s["closed_at"] and not s["is_deleted"]
    )
    return sum(n > 1 for n in open_deals.values())


def we_wrote_first(c: Company) -> int:
    return sum(
        ch.messages[0].kind == "manager" and ch.connection_id in (501, 503)
        for ch in c.chats
        if ch.messages and not ch.is_group
    )


def promises_with_a_deadline(c: Company) -> int:
    words = r"(?i)(скину|пришлю|отпишусь|напишу|перезвоню|дам ответ).*(до (пятницы|завтра|понедельника|вторника|среды|четверга|субботы|воскресенья|конца дня)|вечера|обеда)|(до \w+|завтра до обеда|сегодня до вечера) (скину|пришлю)"
    return sum(m.kind == "manager" and bool(re.search(words, m.text or "")) for ch in c.chats for m in ch.messages)


def said(c: Company, kind: str, pattern: str) -> int:
    return sum(m.kind == kind and bool(re.search(pattern, m.text or "", re.I)) for ch in c.chats for m in ch.messages)


def nobody_wrote_back(c: Company) -> int:
    return sum(
        ch.messages[-1].kind == "client" and "?" in (ch.messages[-1].text or "") for ch in c.chats if ch.messages
    )


def two_sessions(c: Company) -> int:
    return sum(a.kind != "client" and b.kind == "client" and b.at - a.at > timedelta(days=2) for _, a, b in pairs(c))


def several_managers(c: Company) -> int:
    return sum(len({m.author_id for m in ch.messages if m.author_id}) > 1 for ch in c.chats if not ch.is_group)


def anonymous_answers(c: Company) -> int:
    return sum(
        m.kind == "manager" and m.crm_author == 0 and m.author_id is not None for ch in c.chats for m in ch.messages
    )


def events_of(c: Company, type_: str) -> int:
    return sum(e.type == type_ for e in c.events)


TRAITS: dict[str, tuple[Callable[[Company], int], int]] = {
    "robot answers within 3 s with its known texts": (robot_answers, 200),
    "no manager answers within 10 s": (fastest_manager, 10),
    "broadcast: one text to 5 dialogs within 10 min": (broadcasts, 4),
    "thanks after an answer": (thanks_after_an_answer, 200),
    "sticker": (stickers, 20),
    "an emoji alone": (emoji_alone, 20),
    "thanks with a question": (thanks_with_a_question, 20),
    "«спасибо, а когда доставка?»": (the_very_words, 1),
    "two channels of one client": (asked_here_answered_there, 10),
    "one phone with several dialogs": (one_phone_several_dialogs, 10),
    "calls of 15 s and more": (lambda c: calls(c, 15, 10_000), 30),
    "calls under 15 s": (lambda c: calls(c, 0, 15), 5),
    "incoming calls": (lambda c: events_of(c, "incoming_call"), 20),
    "a question answered by a call": (calls_that_answer, 10),
    "several contacts of one phone": (contacts_of_one_phone, 5),
    "nights": (at_night, 20),
    "weekends": (on_a_weekend, 200),
    "lost deals with reasons": (lost_with_reasons, 5),
    "won deals": (lambda c: len(final(c, WON)), 40),
    "dialogs without a deal": (dialogs_without_a_deal, 30),
    "dialogs of nobody": (dialogs_the_crm_does_not_know, 10),
    "contacts without a deal": (contacts_without_a_deal, 20),
    "deals without a dialog": (deals_without_a_dialog, 30),
    "deals without a contact": (lambda c: sum(not d.contact_ids for d in c.deals), 3),
    "deals with two contacts": (lambda c: sum(len(d.contact_ids) > 1 for d in c.deals), 3),
    "deals without a price": (deals_without_a_price, 30),
    "voice notes of clients": (lambda c: types(c, "voice", "client"), 50),
    "voice notes of managers": (lambda c: types(c, "voice", "manager"), 10),
    "files": (lambda c: types(c, "file", "manager"), 30),
    "pictures with captions": (pictures_with_captions, 30),
    "templates": (lambda c: types(c, "waba_template", "bot"), 30),
    "interactive messages": (lambda c: types(c, "waba_interactive", "bot"), 30),
    "texts without a text": (
        lambda c: sum(m.type == "text" and m.text is None for ch in c.chats for m in ch.messages),
        5,
    ),
    "a type without a payload": (lambda c: types(c, "location", "client"), 10),
    "right to left": (lambda c: said(c, "client", "السلام"), 3),
    "group chat": (groups, 1),
    "system messages": (lambda c: types(c, "system", "system"), 1),
    "internal numbers": (internal_numbers, 1),
    "15-digit ids instead of a phone": (hidden_numbers, 5),
    "Telegram without a phone": (telegram_without_a_phone, 30),
    "several open deals of one client": (several_open_deals, 5),
    "the manager writes first": (we_wrote_first, 15),
    "last question never answered": (nobody_wrote_back, 20),
    "promises with a deadline": (promises_with_a_deadline, 30),
    "price objections": (lambda c: said(c, "client", "дорог|дешевле|подешевле|скидк"), 50),
    "complaints": (
        lambda c: said(
            c, "client", "верните деньги|недовол|безобрази|жалоб|царапин|никто не (приехал|звонит)|не приехал|как так"
        ),
        20,
    ),
    "competitors": (
        lambda c: said(c, "client", "МебельГрад|Софа Сити|Уют Плюс|Комфорт|Эконом Мебель|Диван Маркет"),
        20,
    ),
    "a rude answer, rarely": (
        lambda c: said(c, "manager", "читайте внимательно|листайте выше|не берите|мне некогда|идите в"),
        1,
    ),
    "a dialog of two sessions": (two_sessions, 20),
    "several managers in a dialog": (several_managers, 20),
    "answers typed in the phone's app": (anonymous_answers, 200),
    "handed over": (lambda c: events_of(c, "entity_responsible_changed"), 5),
    "deleted leads": (lambda c: events_of(c, "lead_deleted"), 5),
    "merged contacts": (lambda c: events_of(c, "entity_merged"), 3),
    "a removed user": (lambda c: sum(card.created_by == 7_000_103 for card in c.contacts), 2),
    "an unknown channel": (lambda c: sum(ch.connection_id == 506 for ch in c.chats), 3),
    "no typos without a typo": (lambda c: said(c, "client", "Подскажите пожалуйста"), 5),
}


@pytest.mark.parametrize("trait", TRAITS)
def test_trait(trait: str, demo: Company) -> None:
    count, least = TRAITS[trait]
    assert count(demo) >= least


def test_a_rude_answer_is_rare(demo: Company) -> None:
    answers = sum(m.kind == "manager" for ch in demo.chats for m in ch.messages)
    assert TRAITS["a rude answer, rarely"][0](demo) < answers / 300


@pytest.mark.parametrize("size", ["small", "demo"])
def test_somebody_with_money_waits_when_the_business_day_closes(size: str, demo: Company) -> None:
    """At 22:01 of every closed day there are overdue questions, and some of their deals have a price."""
    company = demo if size == "demo" else generate(7, size, FIRST, LAST)
    world = World(company)
    for back in range(1 if size == "small" else 7):
        close = DAY_END - timedelta(days=back)
        waiting, money = 0, 0
        for chat in company.chats:
            messages = world.messages(chat, close)
            if chat.is_group or not messages or messages[-1].kind != "client" or is_thanks(messages[-1]):
                continue
            age = close - messages[-1].at
            if timedelta(hours=1) < age < timedelta(days=7):
                waiting += 1
                deal = world.deals.get(chat.deal_id or 0)
                state = deal.history.state(close) if deal else {}
                money += 0 if not state or state["closed_at"] else state["price"]
        assert waiting >= (1 if size == "small" else 5)
        assert money >= 50_000


def test_managers_have_habits(demo: Company) -> None:
    """The first one is fast, the second slow: by the median of answers given in the daytime."""
    took: dict[int, list[float]] = defaultdict(list)
    for _, a, b in pairs(demo):
        if a.kind == "client" and b.kind == "manager" and b.author_id and 11 <= a.at.astimezone(demo.zone).hour < 17:
            took[b.author_id].append((b.at - a.at).total_seconds() / 60)
    median = {manager: sorted(values)[len(values) // 2] for manager, values in took.items()}
    assert all(len(values) > 100 for values in took.values()) and len(took) == 6
    assert median[7_000_001] < 6 < 20 < median[7_000_002]


def test_the_talk_is_varied(demo: Company) -> None:
    """Not twenty repeated templates: the commonest hundred lines are a small part of what clients write."""
    said_lines = Counter(
        m.text for ch in demo.chats for m in ch.messages if m.kind == "client" and m.text and len(m.text) > 12
    )
    assert len(said_lines) > 2_000
    assert sum(n for _, n in said_lines.most_common(100)) < 0.35 * said_lines.total()
    assert not [t for t in said_lines if re.search(r"[\[\]{}|]|//|  ", t)]
    answers = Counter(m.text for ch in demo.chats for m in ch.messages if m.kind == "manager" and m.text)
    assert not [t for t in answers if re.search(r"[\[\]{}|]|//|#photo|  |\.\.$", t)]


def test_the_log_of_the_crm_follows_the_messages_by_at_most_three_seconds(demo: Company) -> None:
    chat = max((c for c in demo.chats if c.crm_contact_id and c.deal_id), key=lambda c: len(c.messages))
    events = [
        e
        for e in demo.events
        if e.contact_id == chat.crm_contact_id and e.after[0]["message"]["talk_id"] == chat.id % 10_000_000
    ]
    assert len(events) == len(chat.messages)
    for event, message in zip(sorted(events, key=lambda e: e.created_at), chat.messages, strict=True):
        assert -1 < (event.created_at - message.at).total_seconds() <= 3
    assert {e.created_by for e in events} <= {0, *(m.id for m in demo.managers)}


def test_a_deal_walks_its_stages_without_a_gap(demo: Company) -> None:
    """The event's ``before`` is the stage of the event before it, and the last ``after`` is the deal's own."""
    moves: dict[int, list[Any]] = defaultdict(list)
    for event in demo.events:
        if event.type == "lead_status_changed":
            moves[event.entity_id].append((event.before[0]["lead_status"]["id"], event.after[0]["lead_status"]["id"]))
    far = datetime(2027, 6, 1, tzinfo=UTC)
    state = {d.id: d.history.state(far) for d in demo.deals}
    assert len(moves) > 300
    for deal_id, steps in moves.items():
        assert all(a[1] == b[0] for a, b in pairwise(steps))
        assert state[deal_id]["status_id"] == steps[-1][1]
        assert bool(state[deal_id]["closed_at"]) == (steps[-1][1] in (WON, LOST))


def test_a_row_begins_with_its_creation(demo: Company) -> None:
    for row in (*demo.deals, *demo.contacts):
        assert row.history.changes[0].at == row.created_at
        assert {"name", "responsible_id", "is_deleted"} <= set(row.history.changes[0].values)


def test_phones_are_invented_and_unique_for_a_hundred_days() -> None:
    numbers = [phone_number(day, n, extra) for day in range(100) for n in range(170) for extra in (0, 1)]
    assert len(numbers) == len(set(numbers))
    assert all(re.fullmatch(r"\+77000\d{6}|\+7700[01]\d{6}|\+7700\d{7}", n) and n.startswith("+7700") for n in numbers)
    assert not {n for n in numbers if n.startswith("+7700099")}


def test_templates_name_only_slots_that_exist() -> None:
    with pytest.raises(KeyError):
        say(random.Random(1), "{nobody}", {})
    with pytest.raises(ValueError, match="unclosed"):
        say(random.Random(1), "[a|b", {})
    assert {say(random.Random(i), "[a|b [c|d]]  x .", {}) for i in range(50)} == {"A x.", "B c x.", "B d x."}
