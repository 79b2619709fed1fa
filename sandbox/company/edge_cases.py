"""Scenarios of the odd cases: two channels, hidden numbers, doubled cards, deals without dialogs and dialogs without deals."""

from __future__ import annotations

from datetime import timedelta

from sandbox.company import people
from sandbox.company.grammar import spoken
from sandbox.company.model import LOST, WON, Change, Contact
from sandbox.company.steps import (
    IN_WORK,
    any_connection,
    ask_first,
    carry_on,
    decide,
    enter_crm,
    greet,
    quote,
    small_chores,
    talk_over,
)
from sandbox.company.story import Story


def two_channels(s: Story) -> None:
    """Asked in WhatsApp, answered in Telegram."""
    first = s.open_chat(501)
    first.phone = s.phone
    ask_first(s, first)
    contact, deal = enter_crm(s, first)
    s.reply(first, s.texts.MANAGER_HELLO)
    topic = s.rng.choice([t for t in s.cast.vertical.topics if t.suits(s.slots["product"])])
    s.client_pause()
    s.client(first, topic.ask, plain=True)
    s.wait(s.rng.uniform(6, 90))
    second = s.open_chat(504, contact=s.arc.radist_contacts[0])
    second.phone = s.phone
    second.crm_contact_id, second.deal_id = contact.id, deal.id if deal else None
    answer, mark = spoken(s.rng, s.rng.choice(topic.answer).replace("#photo", "").replace("//", ""), s.words())
    line, _ = spoken(s.rng, s.rng.choice(s.texts.MOVED_CHANNEL), {**s.words(), "answer": answer})
    s.put(second, "manager", line, by=s.manager, mark=mark)
    s.client_pause()
    s.client(second, s.texts.THANKS_QUESTION[0].ask, plain=True)
    s.reply(second, s.texts.THANKS_QUESTION[0].answer)
    quote(s, second, deal)
    decide(s, second, deal)


def by_phone_only(s: Story) -> None:
    """A deal without a dialog: the client called, or came to the shop; some of them have no contact at all."""
    contacts = []
    if s.rng.random() < 0.8:
        contacts = [s.contact(s.t, name=s.full_name, by=s.manager.id)]
        s.call(contacts[0], s.rng.randrange(5, 500), incoming=True)
    deal = s.deal(s.t, contacts, price=s.price if s.rng.random() < 0.6 else 0, by=s.manager.id)
    s.next_days(0.2, 2)
    s.stage(deal, IN_WORK)
    if contacts and s.rng.random() < 0.5:
        s.call(contacts[0], s.rng.randrange(20, 300))
        small_chores(s, contacts[0], deal)
    s.next_days(2, 9)
    roll = s.rng.random()
    if roll < 0.35:
        s.stage(deal, WON)
    elif roll < 0.6:
        s.stage(deal, LOST, reason=s.rng.choice(list(s.texts.REFUSAL)))


def no_deal(s: Story) -> None:
    """The CRM knows the person, nobody made a deal."""
    chat = s.open_chat(any_connection(s))
    ask_first(s, chat)
    enter_crm(s, chat, with_deal=False)
    greet(s, chat, None)
    talk_over(s, chat, 1, 2)
    s.thanks(chat)


def stranger(s: Story) -> None:
    """Nobody the CRM knows: a job seeker, a supplier, a wrong number."""
    chat = s.open_chat(any_connection(s))
    s.client(chat, s.texts.WHO_ARE_YOU, plain=True)
    s.robot(chat)
    if s.rng.random() < 0.6:
        s.reply(chat, s.texts.TO_STRANGER)
        s.thanks(chat)


def hidden_number(s: Story) -> None:
    """WhatsApp shows a 15-digit id instead of the phone; the CRM has the phone because the client wrote it."""
    lid = f"{1_0000_0000_0000 + s.slot * 97_003 + 23:015d}"
    chat = s.open_chat(501, source=f"{lid}@lid")
    ask_first(s, chat)
    if s.rng.random() < 0.4:
        s.reply(chat, s.texts.MANAGER_HELLO)
        talk_over(s, chat, 1, 3)
        return
    contact, deal = enter_crm(s, chat)
    contact.phones = contact.phones if s.rng.random() < 0.5 else []
    assert deal is not None
    carry_on(s, chat, contact, deal)


def two_cards(s: Story) -> None:
    """Two contacts with one phone; sometimes somebody merges them."""
    chat = s.open_chat(s.rng.choice((501, 503)))
    chat.phone = s.phone
    ask_first(s, chat)
    contact, deal = enter_crm(s, chat)
    twin = s.contact(s.t + timedelta(hours=1), name=s.full_name, by=s.rng.choice((s.manager.id, people.REMOVED_USER)))
    assert deal is not None
    greet(s, chat, deal)
    talk_over(s, chat, 1, 3)
    if s.rng.random() < 0.5:
        s.next_days(1, 3)
        merge(s, contact, twin)
    quote(s, chat, deal)
    decide(s, chat, deal)


def merge(s: Story, survivor: Contact, loser: Contact) -> None:
    """The loser's id disappears from every list; the log says which one stayed."""
    loser.history.add(Change(s.t, s.manager.id, {"is_deleted": True, "is_merged": True}))
    survivor.history.add(Change(s.t, s.manager.id, {}))
    pair = [{"entity": {"type": "contact", "id": row.id}} for row in (survivor, loser)]
    s.event("entity_merged", "contact", survivor.id, s.manager.id, s.t, pair[:1], pair[1:])


def two_dialogs(s: Story) -> None:
    """One phone, two dialogs: the sales number and the business API."""
    first = s.open_chat(501)
    first.phone = s.phone
    ask_first(s, first)
    contact, deal = enter_crm(s, first)
    s.reply(first, s.texts.MANAGER_HELLO)
    talk_over(s, first, 1, 2)
    s.next_days(0.5, 4)
    second = s.open_chat(503, contact=s.arc.radist_contacts[0] if s.rng.random() < 0.5 else None)
    second.phone = s.phone
    second.crm_contact_id, second.deal_id = contact.id, deal.id if deal else None
    s.client(second, s.texts.OPEN_TAIL)
    s.robot(second)
    s.reply(second, s.texts.MANAGER_HELLO)
    quote(s, second, deal)
    decide(s, second, deal)


def two_deals(s: Story) -> None:
    """One client, two open deals."""
    chat = s.open_chat(any_connection(s))
    ask_first(s, chat)
    contact, deal = enter_crm(s, chat)
    greet(s, chat, deal)
    talk_over(s, chat, 1, 2)
    quote(s, chat, deal)
    s.client_pause()
    s.client(chat, s.texts.ONE_MORE, plain=True)
    s.reply(chat, s.texts.QUOTE)
    s.deal(s.t + timedelta(minutes=3), [contact], price=round(s.price * 0.8), by=s.manager.id)
    talk_over(s, chat, 1, 2)
    s.thanks(chat)


def card_only(s: Story) -> None:
    """A contact without a deal and without a dialog, from a list of an exhibition; sometimes its phone is junk."""
    phones = s.rng.choice(
        (
            [],
            ["нет"],
            [f"{people.spell_phone(s.rng, s.phone)}, 8 700 000"],
            [people.spell_phone(s.rng, s.phone)],
        )
    )
    s.contact(s.t, name=s.full_name, phones=list(phones), by=s.manager.id)


def binned(s: Story) -> None:
    """Spam that became a deal and went to the recycle bin."""
    chat = s.open_chat(501)
    s.client(chat, s.texts.WHO_ARE_YOU[1:2], plain=True)
    s.robot(chat)
    _, deal = enter_crm(s, chat)
    assert deal is not None
    s.next_days(0.2, 2)
    deal.history.add(Change(s.t, s.manager.id, {"is_deleted": True}))
    s.event("lead_deleted", "lead", deal.id, s.manager.id, s.t)
