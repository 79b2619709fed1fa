"""Scenarios of ordinary trade: sold or not, forgotten, promised and not kept, answered by phone, complained about."""

from __future__ import annotations

from datetime import timedelta

from sandbox.company.model import LOST, WON
from sandbox.company.steps import (
    IN_WORK,
    QUOTED,
    any_connection,
    ask_first,
    carry_on,
    decide,
    enter_crm,
    greet,
    quote,
    talk_over,
)
from sandbox.company.story import Story
from sandbox.company.talk import Silence


def sale(s: Story, connection: int | None = None) -> None:
    """The ordinary story."""
    chat = s.open_chat(connection or any_connection(s))
    ask_first(s, chat)
    contact, deal = enter_crm(s, chat)
    assert deal is not None
    carry_on(s, chat, contact, deal)


def forgotten(s: Story) -> None:
    """A deal worth money, a last question, no answer."""
    chat = s.open_chat(any_connection(s))
    ask_first(s, chat)
    _, deal = enter_crm(s, chat)
    s.reply(chat, s.texts.MANAGER_HELLO, forgettable=False)
    s.wait(s.rng.uniform(1, 20))
    s.say(chat, s.texts.QUOTE)
    if deal:
        s.set_price(deal, s.price)
        s.stage(deal, QUOTED)
    talk_over(s, chat, 0, 2)
    s.client_pause()
    s.client(chat, s.texts.WAITING_QUESTION, plain=True)
    if s.rng.random() < 0.4:
        s.next_days(0.6, 1.5)
        s.client(chat, s.texts.BUMP_CLIENT, plain=True)
    raise Silence


def broken_promise(s: Story) -> None:
    """«до пятницы скину расчёт», and the client has to ask, and then nobody answers."""
    chat = s.open_chat(any_connection(s))
    ask_first(s, chat)
    _, deal = enter_crm(s, chat)
    greet(s, chat, deal)
    if deal and s.rng.random() < 0.7:
        s.set_price(deal, s.price)
    s.wait(s.rng.uniform(0.7, 6))
    s.say(chat, s.texts.PROMISE)
    s.thanks(chat)
    s.next_days(3, 5)
    s.client(chat, s.texts.PROMISE_CHASE)
    if s.rng.random() < 0.5:
        raise Silence
    s.reply(chat, s.texts.APOLOGY)
    s.next_days(0.5, 1)
    s.say(chat, s.texts.PROMISE_KEPT)
    decide(s, chat, deal)


def answered_by_call(s: Story) -> None:
    """The question in the chat is answered by a real phone call."""
    chat = s.open_chat(s.rng.choice((501, 503)))
    chat.phone = s.phone
    ask_first(s, chat)
    contact, deal = enter_crm(s, chat)
    greet(s, chat, deal)
    s.client_pause()
    s.client(chat, s.texts.PLEASE_CALL, plain=True)
    s.wait(s.rng.uniform(4, 70))
    s.call(contact, s.rng.randrange(40, 420))
    s.wait(s.rng.uniform(2, 40))
    s.client(chat, s.texts.AFTER_CALL, plain=True)
    quote(s, chat, deal)
    decide(s, chat, deal)


def missed_call(s: Story) -> None:
    """A call of a few seconds reaches nobody; the written answer comes later."""
    chat = s.open_chat(s.rng.choice((501, 503)))
    ask_first(s, chat)
    contact, deal = enter_crm(s, chat)
    s.reply(chat, s.texts.MANAGER_HELLO)
    s.client_pause()
    s.client(chat, s.texts.PLEASE_CALL, plain=True)
    s.wait(s.rng.uniform(5, 40))
    s.call(contact, s.rng.randrange(0, 14))
    s.wait(s.rng.uniform(15, 90))
    s.say(chat, s.texts.CALL_MISSED)
    s.client_pause()
    s.client(chat, s.texts.CALL_ME_LATER)
    s.wait(s.rng.uniform(2, 30))
    s.call(contact, s.rng.randrange(60, 300))
    quote(s, chat, deal)
    decide(s, chat, deal)


def we_write_first(s: Story) -> None:
    """A lead from the site or a missed call: the manager opens the dialog."""
    local = s.local(s.t)
    if not 9 <= local.hour < 20:
        s.t = local.replace(hour=s.rng.randrange(9, 20)).astimezone(s.t.tzinfo)
    contact = s.contact(s.t - timedelta(minutes=s.rng.uniform(3, 60)))
    deal = s.deal(contact.created_at + timedelta(seconds=1), [contact])
    chat = s.open_chat(s.rng.choice((501, 503)))
    chat.crm_contact_id, chat.deal_id = contact.id, deal.id
    chat.phone = s.phone
    s.say(chat, s.texts.FIRST_BY_US)
    s.stage(deal, IN_WORK)
    if s.rng.random() < 0.25:
        s.next_days(4, 8)
        s.stage(deal, LOST, reason="Не отвечает")
        return
    s.client_pause()
    s.client(chat, s.texts.OPEN_TAIL)
    talk_over(s, chat, 1, 3)
    quote(s, chat, deal)
    decide(s, chat, deal)


def complaint(s: Story) -> None:
    """An order from before, a delay or a defect, a service deal, an apology; sometimes anger, rarely rudeness."""
    chat = s.open_chat(any_connection(s))
    chat.phone = s.phone if chat.connection_id != 504 else ""
    s.client(chat, s.texts.COMPLAINT)
    s.robot(chat)
    contact, _ = enter_crm(s, chat, with_deal=False)
    s.reply(chat, s.texts.APOLOGY)
    deal = s.deal(s.t + timedelta(minutes=4), [contact], by=s.manager.id, pipeline=502, status=61002)
    chat.deal_id = deal.id
    s.client_pause()
    s.client(chat, s.texts.ANGRY if s.rng.random() < 0.6 else s.texts.PROMISE_CHASE)
    if s.rng.random() < 0.12:
        s.reply(chat, s.texts.RUDE_MANAGER)
        s.client_pause()
        s.client(chat, s.texts.ANGRY)
        raise Silence
    s.reply(chat, s.texts.APOLOGY)
    s.next_days(0.6, 3)
    s.client(chat, s.texts.COMPLAINT_END)
    s.reply(chat, s.texts.COMPLAINT_CLOSE)
    s.stage(deal, WON, at=s.t + timedelta(hours=2))


def comes_back(s: Story) -> None:
    """A finished talk, silence for days, a new question: two sessions of one dialog."""
    chat = s.open_chat(any_connection(s))
    ask_first(s, chat)
    contact, deal = enter_crm(s, chat)
    s.reply(chat, s.texts.MANAGER_HELLO, forgettable=False)
    talk_over(s, chat, 1, 2)
    s.thanks(chat)
    s.next_days(2.5, 8)
    s.client(chat, (s.texts.COMES_BACK + s.rng.choice(s.texts.OPEN_TAIL),))
    assert deal is not None
    carry_on(s, chat, contact, deal)
