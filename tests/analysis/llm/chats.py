"""Synthetic chats full of personal data, in the ways people really type it. Each value is invented.

:func:`chat` gives ``(text, values that must not leave, names the CRM knows)``.
"""

from __future__ import annotations

import random

NAMES = (
    "Айгерим",
    "Данияр",
    "Ольга",
    "Тимур",
    "Жанна",
    "Руслан",
    "Сауле",
    "Пётр",
    "Гульнара",
    "Евгений",
    "Мадина",
    "Юлия",
)
SURNAMES = ("Ахметова", "Серик", "Ким", "Ибраева", "Петренко", "Жумабаев", "Соколова", "Ли")
#: in no CRM: the client introduces somebody else
STRANGERS = ("Светлана", "Нурлан", "Екатерина", "Азамат", "Наталья", "Ерлан", "Марина", "Виктор", "Алия", "Сергей")
_PHONES = (
    "+7 7{a} {b}-{c}-{d}", "87{a}{b}{c}{d}", "8(7{a}){b}{c}{d}", "+77{a}{b}{c}{d}", "8 7{a} {b} {c} {d}", "8-7{a}-{b}-{c}-{d}",
    "+7(9{a}){b}-{c}-{d}", "7 9{a} {b} {c} {d}", "8.9{a}.{b}.{c}.{d}", "7{a} {b} {c} {d}", "9{a} {b}-{c}-{d}", "+996 5{a} {b} {c}{d}",
    "+998 9{a:.1} {b} {c} {d}", "87{a} {b}{c}{d}", "+7 7{a}{b}{c}{d}", "8/7{a}/{b}{c}{d}", "+7-7{a}-{b}{c}{d}",
)  # fmt: skip
_MAILS = (
    "user{n}@mail.kz",
    "i.petrov.{n}@gmail.com",
    "name_{n}@company-{n}.ru",
    "Info{n}@Yandex.ru",
    "почта{n}@почта.рф",
)
_STREETS = (
    "ул. Абая {h}, кв {n}", "проспект Назарбаева {h}", "мкр Самал-{s}, дом {h}, кв. {n}", "улица Розыбакиева {h}", "пр. Достык {h}/{s}",
    "ул Сатпаева д {h} кв {n}", "переулок Садовый, {h}", "микрорайон Аксай {s}, {h}", "Абая {h}, кв {n}", "пр-т Аль-Фараби {h}",
    "бульвар Мира {h}, подъезд {s}", "ул. 8 Марта {h}",
)  # fmt: skip
_FILLER = (
    "Цена 250 000 подойдёт",
    "Размер 180 на 200",
    "Когда привезёте?",
    "Жду ответа",
    "Заказ от 12.11, оплата 50 %",
    "Спасибо",
)


def _digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(n))


def phone(rng: random.Random) -> str:
    return rng.choice(_PHONES).format(a="0" + _digits(rng, 1), b=_digits(rng, 3), c=_digits(rng, 2), d=_digits(rng, 2))


def card(rng: random.Random) -> str:
    groups = [rng.choice("2456") + _digits(rng, 3), *(_digits(rng, 4) for _ in range(3))]
    return rng.choice((" ", "", "-")).join(groups)


def identity(rng: random.Random) -> str:
    return f"{rng.randrange(50, 100):02d}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}{rng.randrange(1, 7)}{_digits(rng, 5)}"


def declined(name: str, rng: random.Random) -> str:
    """A name as it stands in a sentence: now and then in another case, as a rule without the dots of ё."""
    if rng.random() < 0.7:
        name = name.replace("ё", "е")
    if rng.random() < 0.5:
        return name
    if name.endswith("а"):
        return name[:-1] + rng.choice("еуы")
    if name.endswith("я"):
        return name[:-1] + rng.choice("ию")
    return name + rng.choice(("у", "а", "ом")) if name[-1] not in "еиь" else name


def chat(rng: random.Random) -> tuple[str, list[str], list[str]]:
    known = [f"{rng.choice(NAMES)} {rng.choice(SURNAMES)}", rng.choice(NAMES)]
    said: list[tuple[str, str]] = []
    for _ in range(rng.randrange(2, 6)):
        kind = rng.randrange(7)
        if kind == 0:
            value = phone(rng)
            frame = rng.choice(
                (
                    "мой номер {}",
                    "звоните {}",
                    "ватсап: {}",
                    "{}",
                    "тел.{}",
                    "наберите {} после обеда",
                    "тел:{},жду",
                    "тел{}",
                )
            )
        elif kind == 1:
            value, frame = (
                rng.choice(_MAILS).format(n=rng.randrange(1000)),
                rng.choice(("почта {}", "пришлите на {}", "({})")),
            )
        elif kind == 2:
            value, frame = card(rng), rng.choice(("карта {}", "перевела на {}", "№ карты: {}"))
        elif kind == 3:
            value, frame = identity(rng), rng.choice(("ИИН {}", "иин:{}", "мой ИИН {} для договора"))
        elif kind == 4:
            value = rng.choice(_STREETS).format(h=rng.randrange(1, 200), n=rng.randrange(1, 200), s=rng.randrange(1, 9))
            frame = rng.choice(("адрес: {}", "доставка на {}", "живу {}", "привезите: {}"))
        elif kind == 5:
            value = declined(rng.choice(" ".join(known).split()), rng)
            frame = rng.choice(("это {}", "передайте {}", "{} звонила", "{}, добрый день", "спросите {} пожалуйста"))
        else:
            value = rng.choice(STRANGERS)
            frame = rng.choice(
                ("меня зовут {}", "Это {}, по поводу кухни", "заказ оформлен на имя {}", "зовут {}", "С уважением, {}")
            )
        said.append((frame.format(value), value))
    lines = [text for text, _ in said] + rng.sample(_FILLER, 2)
    rng.shuffle(lines)
    return "\n".join(lines), [value for _, value in said], known
