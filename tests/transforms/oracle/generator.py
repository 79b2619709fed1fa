"""Random companies that live on the borders of the rules; the same seed is always the same company.

Hypothesis is not used: an example costs a build of seconds, and its shrinker wants hundreds. The test halves a failing
company by its dialogs instead (``variations.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

from tests.transforms.oracle.profiles import PROFILES, Profile
from tests.transforms.oracle.raw import Company, Row
from tests.transforms.oracle.rows import CHANNELS, DAY, EXCLUDED, HOUR, MANAGERS, ROBOT, SECOND, SPAN_DAYS, Maker

QUESTIONS = ("Сколько стоит?", "Есть в наличии", "Здравствуйте", "Когда привезёте", "Алло", "Хочу заказать")
CLOSERS = (
    "Спасибо!",
    "СПАСИБО",
    "Ок,\nспасибо",
    "ок",
    "Ок, спасибо",
    "Спасибо большое вам",
    "Хорошо, спасибо",
    "рахмет",
    "👍",
    "🙏🙏",
    "👍🏻",
    "❤️",
)
TRICKY = (" ", "Спасибо, а доставка есть?", "ок?", "👍?", "Ок, а когда привезут", "вам", "Хорошо, жду")
COMMON = ("Добрый день!", "Да", "Сейчас уточню")


def company(seed: int, dialogs: int) -> Company:
    """A company of about ``dialogs`` dialogs; seeds take turns through the profiles."""
    return _Scenes(Random(seed), PROFILES[seed % len(PROFILES)]).make(dialogs)


class _Scenes(Maker):
    """Little stories, and a whole company of them."""

    def chatter(self, chats: list[int], contact: int | None, deals: list[int]) -> None:
        """Anybody says anything at any border, in any of the client's dialogs."""
        r, at = self.random, self.moment()
        for _ in range(r.choice((1, 2, 2, 3, 4, 6, 9))):
            chat, who = r.choice(chats), r.random()
            if who < 0.45:
                text = r.choice(QUESTIONS + QUESTIONS + CLOSERS + TRICKY)
                type = r.choice(("text",) * 12 + ("sticker", "reaction", "image", "voice", "system"))
                self.say(chat, at, "client", text if type != "voice" else None, type=type)
            elif who < 0.8:
                text = r.choice(COMMON) if r.random() < 0.05 else f"Ответ {self.number()}"
                type = r.choice(("text",) * 9 + ("image", "voice"))
                self.say(chat, at, "us", text, type=type)
                if contact is not None and r.random() < 0.6:
                    self.name_author(
                        contact, at, r.choice((*MANAGERS, *MANAGERS, 0, 99, ROBOT, 55)), r.choice([None, *deals])
                    )
            elif who < 0.95:
                more: Row = r.choice(({"is_bot": True}, {"sender": "Bot@Shop.test"}, {"sender": "Анна"}, {}))
                type = "text" if more else r.choice(("waba_template", "service", "call_log"))
                self.say(
                    chat,
                    at,
                    r.choice(("us", "us", "client")) if type in ("service",) else "us",
                    "Автоответ",
                    type=type,
                    **more,
                )
            elif contact is not None:
                self.call(contact, at, r.choice([None, *deals]))
            at += self.step()

    def person(self) -> None:
        """One phone, one or two channels, with or without a contact and deals."""
        r, phone = self.random, self.phone() if self.random.random() < 0.8 else None
        chats = [self.chat(phone) for _ in range(r.choice((1, 1, 1, 2)) if phone else 1)]
        contact = self.contact(phone) if phone and r.random() < 0.75 else None
        deals = [self.deal(contact) for _ in range(r.choice((0, 1, 1, 2, 3)))] if contact else []
        if contact and r.random() < 0.05:
            self.put("deleted", entity_type="contact", id=contact, deleted_at=self.moment(), payload={})
        for _ in range(r.choice((1, 1, 2))):
            self.chatter(chats, contact, deals)

    def family(self) -> None:
        """Contacts that share phones in a chain; one of them may have been merged away."""
        r = self.random
        phones = [self.phone() for _ in range(r.choice((2, 3, 4)))]
        contacts = [self.contact(a, b) for a, b in pairwise(phones)]
        contacts.append(self.contact(r.choice(phones)))
        if r.random() < 0.4:
            # the loser of a merge is gone
            self.put("deleted", entity_type="contact", id=contacts[0], deleted_at=self.first + 30 * DAY, payload={})
        deals = [self.deal(r.choice(contacts), *r.sample(contacts, 1)) for _ in range(r.choice((0, 1, 2)))]
        for phone in phones:
            self.chatter([self.chat(phone)], r.choice(contacts), deals)

    def switchboard(self) -> None:
        """A phone of 10 or 11 contacts, or a contact of 10 or 11 phones."""
        r, n = self.random, self.random.choice((10, 11))
        if r.random() < 0.5:
            shared = self.phone()
            own = [self.phone() for _ in range(3)]
            contacts = [self.contact(shared, *own[i : i + 1]) for i in range(n)]
            for phone in (shared, *own):
                self.chatter([self.chat(phone)], r.choice(contacts), [self.deal(r.choice(contacts))])
        else:
            phones = [self.phone() for _ in range(n)]
            contact = self.contact(*phones)
            for phone in phones[-2:]:
                self.chatter([self.chat(phone)], contact, [self.deal(contact)])

    def broadcast(self) -> None:
        """One text to 4, 5 or 6 dialogs in ten minutes, or a second more, or the same dialog again."""
        r, at, text = self.random, self.moment(), f"Скидка {self.number()}"
        n, span = r.choice((4, 5, 5, 6)), r.choice((600, 600, 601, 240))
        offsets = sorted([0, span, *(r.randrange(span) for _ in range(n - 2))])
        chats = [self.chat(self.phone()) for _ in range(n)]
        if r.random() < 0.3:
            chats[1] = chats[0]
        if r.random() < 0.2:
            chats[2] = self.chat(None, is_group=True)
        for chat, offset in zip(chats, offsets, strict=True):
            if r.random() < 0.4:
                self.say(chat, at - HOUR, "client", r.choice(QUESTIONS))
            self.say(chat, at + offset * SECOND, "us", text)
            if r.random() < 0.5:
                self.say(chat, at + offset * SECOND + self.step(), "client", r.choice(QUESTIONS + CLOSERS))

    def left_out(self) -> None:
        """A group, or an internal number; also one of a contact with another phone."""
        phone = self.random.choice(EXCLUDED)
        if self.random.random() < 0.5:
            id = self.chat(None, is_group=self.random.random() < 0.5, source_chat_id=f"{self.number()}@g.us")
        else:
            id = self.chat(phone)
        self.chatter([id], None, [])
        if self.random.random() < 0.3:
            contact = self.contact(phone, self.phone())
            self.chatter([self.chat(self.phone())], contact, [self.deal(contact)])

    def burst(self) -> None:
        """Two managers in one minute, or in one moment, with events beside."""
        r, at, phone = self.random, self.moment(), self.phone()
        chat, contact = self.chat(phone), self.contact(phone)
        deal = self.deal(contact)
        self.say(chat, at, "client", "Вопрос")
        for _ in range(r.choice((2, 3, 5))):
            at += r.choice((timedelta(), SECOND, 3 * SECOND, 8 * SECOND, 20 * SECOND))
            self.say(chat, at, "us", f"Ответ {self.number()}")
            if r.random() < 0.7:
                self.name_author(contact, at, r.choice((*MANAGERS, 0)), deal)
            if r.random() < 0.3:
                self.say(chat, at, "client", "Ещё вопрос?")

    def make(self, dialogs: int) -> Company:
        self.dictionaries()
        scenes = [self.person] * 14 + [self.family, self.broadcast, self.left_out, self.burst, self.burst]
        for _ in range(2):
            self.switchboard()
        while len(self.company.chats) < dialogs:
            self.random.choice(scenes)()
        # a contact amoCRM does not show, and deals of nobody
        stub = self.number()
        self.put("contacts", id=stub, created_at=None, updated_at=None, payload={"_synkro": {"stub": True}})
        for contact in (stub, None, None, None, None):
            self.deal(contact)
        self.windows()
        for deal in list(self.company.leads):
            for _ in range(self.own.choice((0, 0, 1, 1, 2))):
                self.task(deal)
        for message in self.company.messages:
            self.acts(message)
        return self.company

    def dictionaries(self) -> None:
        # connection 5 has no source: the vendor dropped it
        for id, type in CHANNELS[:4]:
            self.put("sources", id=id, type=type)
        for id, name in (*((id, f"Менеджер {id}") for id in MANAGERS), (ROBOT, "Робот Олег")):
            self.put("users", id=id, payload={"name": name, "email": f"{id}@shop.test"})
        # some in the archive; some companies chose theirs, in the archive or not
        r = Random(repr(self.random.getstate()))
        archived = r.choice((None, None, 6))
        chosen: list[list[str]] = [[], [], ["5"], ["6"], ["5", "6"]]
        self.company.settings.sales_pipelines = r.choice(chosen)
        for id in (5, 6):
            statuses = [
                {"id": 1, "name": "Новая"},
                {"id": 2, "name": "Счёт"},
                {"id": 142, "name": "Успех"},
                {"id": 143, "name": "Отказ"},
            ]
            self.put("pipelines", id=id, payload={"name": f"Воронка {id}", "is_archive": id == archived, "_embedded": {"statuses": statuses}})
        self.put("loss_reasons", id=3, payload={"name": "Дорого"})

    def windows(self) -> None:
        """Days in a row, a week, everything, and one cut at messages' own moments; watermarks early and late."""
        r, days = self.random, r_days(self.profile)
        sent = sorted({row["sent_at"] for row in self.company.messages if row["sent_at"] < days[-1][1]})
        cut = sorted(r.sample(sent, 2))
        day = r.randrange(3, len(days) - 9)
        # a wait of somebody's is given up at the very end of this one
        known_until = self.at(self.company.calendar_range[1], time())
        given_up = r.choice([moment for moment in sent if moment + 6 * DAY < known_until]) + 7 * DAY
        spans = [
            *days[day : day + 3],
            (given_up - 30 * HOUR, given_up),
            (days[day][0], days[day + 6][1]),
            (days[0][0], days[-1][1]),
            (cut[0], cut[1]),
        ]
        for start, end in dict.fromkeys(spans):
            late = r.choice((timedelta(), timedelta(), 5 * HOUR, 12 * HOUR, 3 * DAY, 9 * DAY, -2 * HOUR))
            as_of = max(end + late, start + SECOND)
            self.put("windows", window_start=start, window_end=end, as_of=as_of, is_complete=late >= timedelta())
        # any window may be compared with any other: which ones should be is another rule's question
        for window in self.company.windows:
            others = [one for one in self.company.windows if one is not window]
            window["baselines"] = [
                {"compared_with": name, "start": one["window_start"].isoformat(), "end": one["window_end"].isoformat(),
                 "unit": unit, "working_days": 5 if unit == "working_days" else None}
                for name, unit, most in (("usual", r.choice(("weekday", "weekday", "working_days")), 6), ("previous", "week", 1))
                for one in r.sample(others, r.choice((most, most, r.randrange(most + 1))))
            ]  # fmt: skip


def r_days(profile: Profile) -> list[tuple[datetime, datetime]]:
    """The business days of the company's three weeks."""
    zone = ZoneInfo(profile.timezone)
    borders = [
        datetime.combine(profile.first + n * DAY, profile.day_start, zone).astimezone(UTC) for n in range(SPAN_DAYS + 1)
    ]
    return list(pairwise(borders))
