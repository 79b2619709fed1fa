"""Steps every scenario is put together from: the first question, the CRM's card, the answer, the price, the decision.

Each takes the story, writes what is said and moves its clock forward.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from sandbox.company import people
from sandbox.company.grammar import marked, say, spoken
from sandbox.company.model import LOST, WON, Chat, Contact, Deal
from sandbox.company.story import Story
from sandbox.company.talk import FIRST_STAGE

IN_WORK, CHOICE, QUOTED, PAID = FIRST_STAGE + 1, FIRST_STAGE + 2, FIRST_STAGE + 3, FIRST_STAGE + 4
#: ids of a story's tasks
_MOST_TASKS = 16


def any_connection(s: Story) -> int:
    return s.rng.choices((501, 503, 504, 506), (54, 24, 20, 2))[0]


def ask_first(s: Story, chat: Chat) -> None:
    """The client's first lines, at night with an excuse, sometimes with a picture from Instagram."""
    night = not 8 <= s.local(s.t).hour < 22
    aside = s.rng.choice(s.texts.NIGHT_ASIDE) if night else ""
    if s.rng.random() < 0.1:
        s.put(
            chat,
            "client",
            s.rng.choice(s.texts.PICTURE_CAPTION),
            "image",
            mark="R question",
        )
        s.wait(s.rng.uniform(0.1, 0.6))
    s.client(chat, (greeting(s, aside),))
    if s.rng.random() < 0.75 or night:
        s.robot(chat)
    if s.rng.random() < 0.12:
        s.wait(s.rng.uniform(0.5, 3))
        s.client(
            chat,
            s.texts.OPEN_ADDITION,
        )


def greeting(s: Story, aside: str) -> str:
    """«Добрый день! …», «салам, а диван…», a greeting sent on its own, or none."""
    tail, mark = spoken(s.rng, s.rng.choice(s.texts.OPEN_TAIL), s.words())
    hello = say(s.rng, s.rng.choice(s.texts.OPEN_HELLO), s.words())
    roll = s.rng.random()
    if not hello or roll < 0.2:
        return marked(tail + aside, mark)
    if roll < 0.4:
        return f"{marked(f'{hello}!', 'R greeting')} // {marked(tail + aside, mark)}"
    if roll < 0.6:
        return marked(f"{hello}, {tail[:1].lower()}{tail[1:]}{aside}", mark)
    return marked(f"{hello}{s.rng.choice('!.')} {tail}{aside}", mark)


def enter_crm(s: Story, chat: Chat, *, with_deal: bool = True) -> tuple[Contact, Deal | None]:
    """The CRM's integration makes a card and a deal seconds after the first message."""
    at = chat.messages[0].at + timedelta(seconds=s.rng.uniform(2, 20))
    contact = s.contact(at, name=None if s.rng.random() < 0.85 else f"{s.slots['name']} вотсап")
    chat.crm_contact_id = contact.id
    if not with_deal:
        return contact, None
    deal = s.deal(at + timedelta(seconds=1), [contact])
    chat.deal_id = deal.id
    return contact, deal


def greet(s: Story, chat: Chat, deal: Deal | None) -> None:
    author = s.reply(chat, s.texts.MANAGER_HELLO)
    if deal:
        s.stage(deal, IN_WORK, by=author.id)
    if s.rng.random() < 0.6:
        s.wait(s.rng.uniform(0.2, 2))
        back = s.rng.choice(s.texts.QUALIFY)
        s.say(chat, back.ask, author)
        s.client_pause()
        s.client(chat, back.answer)
        s.reply(chat, s.texts.WORKING)


def talk_over(s: Story, chat: Chat, low: int, high: int) -> None:
    """Some of the subjects of the vertical: question, answer, and what the client says to it."""
    topics = [
        topic for topic in s.cast.vertical.topics if topic.key not in s.discussed and topic.suits(s.slots["product"])
    ]
    for topic in s.rng.sample(topics, min(s.rng.randint(low, high), len(topics))):
        s.discussed.add(topic.key)
        s.client_pause()
        s.client(chat, topic.ask)
        s.reply(chat, topic.answer)
        roll = s.rng.random()
        if topic.react and roll < 0.45:
            s.client_pause()
            line = s.client(chat, topic.react)
            s.reply(chat, s.texts.SHORT_ANSWER if line.endswith("?") else s.texts.ACKNOWLEDGE)
        elif roll < 0.6:
            s.thanks(chat)
        elif roll < 0.7:
            s.client_pause()
            aside = s.rng.choice(s.texts.THANKS_QUESTION)
            s.client(chat, aside.ask, plain=True)
            s.reply(chat, aside.answer)


def quote(s: Story, chat: Chat, deal: Deal | None) -> None:
    """The price is named, sometimes as promised before and sometimes only after the client asks again."""
    s.wait(s.rng.uniform(0.7, 6))
    if s.rng.random() < 0.32:
        s.say(chat, s.texts.PROMISE)
        if s.rng.random() < 0.5:
            s.thanks(chat)
        s.next_days(0.2, 2.2)
        if s.rng.random() < 0.35:
            s.next_days(0.5, 2)
            s.client(chat, s.texts.PROMISE_CHASE)
            s.reply(chat, s.texts.PROMISE_KEPT)
        else:
            s.say(chat, s.texts.PROMISE_KEPT)
    else:
        s.wait(s.rng.uniform(1, 25))
        s.say(chat, s.texts.QUOTE)
    if s.rng.random() < 0.3:
        s.wait(s.rng.uniform(0.3, 3))
        s.put(
            chat,
            "manager",
            s.rng.choice(s.texts.FILE_CAPTION),
            "file",
            by=s.manager,
        )
    if deal:
        s.stage(deal, CHOICE, at=s.t)
        if s.rng.random() < 0.85:
            s.set_price(deal, s.price)
        s.wait(0.5)
        s.stage(deal, QUOTED, at=s.t)
    if s.rng.random() < 0.42:
        s.client_pause()
        s.client(chat, s.texts.PRICE_OBJECTION if s.rng.random() < 0.8 else s.texts.COMPETITOR[:1])
        s.reply(chat, s.texts.RUDE_MANAGER if s.rng.random() < 0.015 else s.texts.PRICE_DEFENCE)


def decide(s: Story, chat: Chat, deal: Deal | None) -> None:
    """Bought, refused, vanished, or still thinking."""
    roll = s.rng.random()
    if roll < 0.36:
        buy(s, chat, deal)
    elif roll < 0.62:
        reason = s.rng.choice(list(s.texts.REFUSAL))
        s.client_pause()
        if s.rng.random() < 0.5:
            s.next_days(0.5, 2)
        s.client(chat, s.texts.REFUSAL[reason], plain=True)
        s.reply(chat, s.texts.FAREWELL)
        if deal:
            s.stage(deal, LOST, reason=reason)
    else:
        s.thanks(chat)
        s.next_days(1, 4)
        s.say(chat, s.texts.FOLLOW_UP)
        if s.rng.random() < 0.45:
            s.client_pause()
            s.client(chat, s.texts.THINKING)
            s.reply(chat, s.texts.FAREWELL)
        elif deal and s.rng.random() < 0.6:
            s.next_days(2, 6)
            s.stage(deal, LOST, reason="Не отвечает")


def buy(s: Story, chat: Chat, deal: Deal | None) -> None:
    s.client_pause()
    if s.rng.random() < 0.5:
        s.next_days(0.3, 2)
    s.client(chat, s.texts.AGREE)
    s.reply(chat, s.texts.PAYMENT, forgettable=False)
    s.client_pause()
    s.client(chat, s.texts.PAID)
    s.reply(chat, s.texts.CONFIRM_ORDER, forgettable=False)
    if deal:
        if not deal.history.state(s.t).get("price") and s.rng.random() < 0.8:
            s.set_price(deal, s.price)
        s.stage(deal, PAID)
    s.thanks(chat)
    s.next_days(4, 9)
    if s.rng.random() < 0.4:
        s.say(chat, s.texts.REMINDER)
        s.client_pause()
        s.client(chat, s.texts.REMINDER_ANSWER, plain=True)
        s.reply(chat, s.texts.REMINDER_CLOSE)
        s.thanks(chat)
        s.next_days(0.5, 1.5)
    if deal:
        s.stage(deal, WON)
    if s.rng.random() < 0.3:
        s.client(chat, s.texts.DELIVERED, plain=True)
        s.reply(chat, s.texts.GLAD, forgettable=False)


def small_chores(s: Story, contact: Contact, deal: Deal) -> None:
    """Tasks, notes and hand-overs that go with a deal."""
    if s.rng.random() < 0.5:
        due = s.t + timedelta(days=s.rng.uniform(0.3, 4))
        done = due - timedelta(hours=s.rng.uniform(0, 6)) if s.rng.random() < 0.7 else None
        text = say(
            s.rng,
            s.texts.TASK,
            s.slots,
        )
        s.task(deal, text, due, done)
    if s.rng.random() < 0.18:
        text = say(
            s.rng,
            s.texts.NOTE,
            s.slots,
        )
        s.note("leads", deal.id, "common", {"text": text}, s.manager.id)
    if s.rng.random() < 0.05:
        s.hand_over(deal)
    if s.rng.random() < 0.05:
        second = s.contact(
            s.t,
            name=f"{people.full_name(s.rng).split()[0]} (супруг)",
            phones=[people.phone_number(s.day.toordinal(), s.n, 1)],
            by=s.manager.id,
        )
        deal.contact_ids.append(second.id)


def follow_ups(s: Story, ends: datetime) -> None:
    """Tasks about the deals of a finished story: most managers plan the next step, some once, some never.

    Drawn by dice of its own, so that nothing else of the story depends on it; nothing happens after ``ends``.
    """
    for deal in s.arc.deals:
        dice = random.Random(f"{s.key}|tasks|{deal.id}")
        kind = dice.choices(("steady", "once", "never"), (55, 20, 25))[0]
        at = deal.created_at + timedelta(hours=dice.uniform(0.1, 5))
        while kind != "never" and at < ends and len(s.arc.tasks) < _MOST_TASKS:
            state = deal.history.state(at)
            if state["is_deleted"] or state["status_id"] in (WON, LOST):
                break
            day = (at + timedelta(days=dice.choice((1, 1, 2, 3, 5)))).astimezone(s.cast.zone)
            due = day.replace(hour=dice.randrange(10, 18), minute=dice.choice((0, 0, 30)), second=0, microsecond=0)
            due = due.astimezone(UTC)
            done: datetime | None
            done = max(at + timedelta(minutes=20), due + timedelta(hours=dice.triangular(-20, 30, -1)))
            closed = deal.history.state(done)["closed_at"]
            done = closed if closed and closed < done else done
            if done > ends:
                due += timedelta(days=dice.choice((0, 0, 7, 14, 21)))
            if kind == "once" or done > ends or dice.random() < 0.08:
                done = None
            owner = state["responsible_id"] or s.manager.id
            s.task(deal, say(dice, s.texts.TASK, s.slots), due, done, at=at.replace(microsecond=0), by=owner)
            if done is None:
                break
            at = done + timedelta(hours=dice.uniform(0.05, 6))


def carry_on(s: Story, chat: Chat, contact: Contact, deal: Deal) -> None:
    greet(s, chat, deal)
    talk_over(s, chat, 1, 4)
    small_chores(s, contact, deal)
    quote(s, chat, deal)
    talk_over(s, chat, 0, 3)
    decide(s, chat, deal)
