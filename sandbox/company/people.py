"""Invented people: names of clients and managers, phone numbers of an unassigned block, the ways to write them.

Numbers are ``+7 700 0xx xx xx``; managers own ``+7 700 099 00 xx``. One client's number is unique within any
hundred days, whatever the first day of the company is.
"""

from __future__ import annotations

import random

from sandbox.company.model import Habit, Manager

MEN = [
    "Ерлан",
    "Алмас",
    "Данияр",
    "Тимур",
    "Руслан",
    "Азамат",
    "Нурлан",
    "Сергей",
    "Андрей",
    "Дмитрий",
    "Асхат",
    "Бауыржан",
    "Канат",
    "Олжас",
    "Игорь",
    "Марат",
    "Виктор",
    "Талгат",
    "Айдос",
    "Жандос",
    "Павел",
    "Роман",
    "Мейрам",
    "Санжар",
    "Арман",
    "Евгений",
    "Рустам",
    "Дархан",
    "Самат",
    "Владимир",
]
WOMEN = [
    "Айгуль",
    "Динара",
    "Асель",
    "Мадина",
    "Гульнара",
    "Светлана",
    "Ольга",
    "Жанар",
    "Сауле",
    "Камила",
    "Айжан",
    "Наталья",
    "Елена",
    "Алия",
    "Дана",
    "Меруерт",
    "Татьяна",
    "Ирина",
    "Жулдыз",
    "Карина",
    "Индира",
    "Лаура",
    "Зарина",
    "Анна",
    "Виктория",
    "Салтанат",
    "Назгуль",
    "Юлия",
    "Акмарал",
    "Марина",
]
FAMILIES = [
    "Ахметов",
    "Сулейменов",
    "Ким",
    "Иванов",
    "Оспанов",
    "Петров",
    "Жумабаев",
    "Касымов",
    "Ли",
    "Смирнов",
    "Абдрахманов",
    "Нурпеисов",
    "Цой",
    "Кузнецов",
    "Байжанов",
    "Тлеубаев",
    "Попов",
    "Исаев",
    "Калиев",
    "Серикбаев",
    "Мусин",
    "Соколов",
    "Ибраев",
    "Досжанов",
    "Волков",
    "Рахимов",
    "Шарипов",
    "Пак",
]

#: one fast, one slow, one who forgets, one who answers from home, two ordinary people
HABITS = (
    Habit(minutes=3, spread=0.6, forgets=0.01, phone_app=0.03, shift=(9, 19), days_off=(6,)),
    Habit(minutes=38, spread=0.9, forgets=0.05, phone_app=0.06, shift=(10, 19), days_off=(0,)),
    Habit(minutes=11, spread=0.9, forgets=0.13, phone_app=0.05, shift=(9, 18), days_off=(5, 6)),
    Habit(minutes=8, spread=0.8, forgets=0.03, phone_app=0.22, late_hours=0.45, shift=(11, 21), days_off=(2,)),
    Habit(minutes=14, spread=0.7, forgets=0.04, phone_app=0.08, shift=(10, 20), days_off=(1,)),
    Habit(minutes=6, spread=0.9, forgets=0.03, phone_app=0.1, shift=(9, 20), days_off=(3,)),
)

#: once an employee: the account no longer lists him, old rows still name him
REMOVED_USER = 7_000_103

_STAFF = (
    ("Динара Сапарова", "dinara"),
    ("Вячеслав Тен", "slava"),
    ("Айбек Жаксылыков", "aibek"),
    ("Марина Лобанова", "marina"),
    ("Нургуль Бекова", "nurgul"),
    ("Тимур Галиев", "timur"),
)


def hire(rng: random.Random, count: int, domain: str) -> list[Manager]:
    """``count`` selling managers, then the head of sales (administrator) and one who left before the story."""
    managers = []
    for i in range(count):
        if i < len(_STAFF):
            name, login = _STAFF[i]
        else:
            name, login = full_name(rng), f"sales{i + 1}"
        habit = HABITS[i % len(HABITS)]
        managers.append(Manager(7_000_001 + i, name, f"{login}@{domain}", f"+7700099{i + 1:04d}", habit))
    head = Manager(7_000_101, "Сауле Омарова", f"head@{domain}", "+77000990101", HABITS[4], is_admin=True)
    left = Manager(7_000_102, "Олег Рябов", f"oleg@{domain}", "+77000990102", HABITS[2], is_active=False)
    return [*managers, head, left]


def full_name(rng: random.Random) -> str:
    """«Асель Оспанова», «Данияр Ким»."""
    if rng.random() < 0.62:
        family = rng.choice(FAMILIES)
        return f"{rng.choice(WOMEN)} {family + 'а' if family.endswith(('ов', 'ев', 'ин')) else family}"
    return f"{rng.choice(MEN)} {rng.choice(FAMILIES)}"


def is_woman(name: str) -> bool:
    """By the first name; the names above leave no doubt."""
    return name.split()[0] in WOMEN or name.split()[0] == "Нургуль"


def messenger_name(rng: random.Random, name: str) -> str:
    """What the person called himself in the messenger: rarely the full name."""
    first, family = name.split()
    woman = is_woman(name)
    return rng.choice(
        [
            first,
            first,
            name,
            f"{first} {family[0]}.",
            first.lower(),
            f"{first}🌸" if woman else f"{first} ⚡",
            f"{first} {rng.choice('АБДЖКС')}",
            "~",
            f"мама {rng.choice(WOMEN)}" if woman else f"{first} Алматы",
        ]
    )


def phone_number(day_number: int, n: int, extra: int = 0) -> str:
    """E.164 number of the ``n``-th client of a day; ``extra`` 1 is his second number."""
    tail = ((n * 37 + day_number * 11) % 100) + (day_number % 100) * 100
    return f"+7700{n // 100 + 50 * extra:03d}{tail:04d}"


def spell_phone(rng: random.Random, phone: str) -> str:
    """The same number as people type it into a CRM card."""
    d = phone[2:]
    return rng.choice(
        [
            phone,
            phone,
            f"8{d}",
            f"7{d}",
            f"+7 ({d[:3]}) {d[3:6]}-{d[6:8]}-{d[8:]}",
            f"8 {d[:3]} {d[3:6]} {d[6:8]} {d[8:]}",
            f"+7 {d[:3]} {d[3:6]} {d[6:]}",
            f"8({d[:3]}){d[3:]}",
        ]
    )


def username(rng: random.Random, name: str) -> str:
    """A Telegram name made of letters nobody would guess back."""
    syllables = ("as", "dan", "kz", "mar", "tim", "ol", "zha", "sau", "ru", "al", "nur", "ker")
    return "".join(rng.choice(syllables) for _ in range(3)) + str(rng.randrange(10, 9999))
