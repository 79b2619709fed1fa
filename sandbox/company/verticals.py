"""The verticals the sandbox knows: what a company of each sells, its pipeline, its connections and its robot's lines.

Each is a file of ``verticals/``, read when it is asked for. Ids are fixed: they belong to the account, not to a day of the story.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sandbox.company.model import LOST, WON, Connection, Pipeline, Stage
from sandbox.company.wording import Topic, Wording, frozen, lines_of

FOLDER = Path(__file__).parent / "verticals"

WEEKDAYS = ("в понедельник", "во вторник", "в среду", "в четверг", "в пятницу", "в субботу", "в воскресенье")
DEADLINES = (
    "до понедельника",
    "до вторника",
    "до среды",
    "до четверга",
    "до пятницы",
    "до субботы",
    "до воскресенья",
)

PHONE_FIELD, EMAIL_FIELD, SOURCE_FIELD, DISTRICT_FIELD, DELIVERY_FIELD = 201, 202, 210, 211, 212
SOURCES = {401: "Instagram", 402: "2ГИС", 403: "Сайт", 404: "Рекомендация", 405: "WhatsApp"}


@dataclass(frozen=True, slots=True)
class Vertical:
    """Everything that tells one vertical from another."""

    key: str
    name: str
    subdomain: str
    city: str
    products: tuple[tuple[str, str, str, int, int, tuple[str, ...]], ...]
    topics: tuple[Topic, ...]
    colors: tuple[str, ...]
    districts: tuple[str, ...]
    competitors: tuple[str, ...]
    showrooms: tuple[str, ...]
    included: str
    delivered: str
    handover: str
    stages: tuple[str, str, str, str, str]
    bot_day: str
    bot_night: str
    broadcasts: tuple[str, ...]
    days: tuple[int, int]
    wording: Wording = field(default_factory=Wording)
    #: the group chat and the one colleague the rule list leaves out
    inner_group: str = "Доставка и склад"
    inner_person: str = "Ерлан замерщик"
    #: its clients write in styles of their own unless a company asks for none
    has_styles: bool = False


def _marked(topics: tuple[Topic, ...]) -> tuple[Topic, ...]:
    return tuple(topic.with_marks() for topic in topics)


#: furniture and windows first: their companies were there before the others
VERTICALS = tuple(
    sorted((path.stem for path in FOLDER.glob("*.toml")), key=lambda key: (key not in ("furniture", "windows"), key))
)


@lru_cache
def vertical(key: str) -> Vertical:
    """One of :data:`VERTICALS`; raises ``ValueError`` for another name or a file that does not hold what a vertical needs."""
    if key not in VERTICALS:
        raise ValueError(f"unknown vertical {key!r}: one of {', '.join(VERTICALS)}")
    path = FOLDER / f"{key}.toml"
    try:
        return _of_file(key, tomllib.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _of_file(key: str, raw: dict[str, Any]) -> Vertical:
    """Names in capitals under ``lines`` stand for those of :mod:`sandbox.company.wording`."""
    lines = lines_of(raw.pop("lines", {}))
    topics = _marked(tuple(Topic(**frozen(topic)) for topic in raw.pop("topics")))
    return Vertical(
        key=key, topics=topics, wording=Wording(lines), **{"has_styles": True, **frozen(raw)}
    )  # fmt: skip


def pipelines(vertical: Vertical) -> list[Pipeline]:
    """The selling pipeline, the one for complaints, and an archived one."""
    colors = ("#99ccff", "#ffff99", "#ffcc66", "#ffdc7f", "#deff81")
    ends = (
        Stage(WON, "Успешно реализовано", 10000, "#CCFF66"),
        Stage(LOST, "Закрыто и не реализовано", 11000, "#D5D8DB"),
    )
    sales = tuple(Stage(60002 + i, name, 20 + 10 * i, colors[i]) for i, name in enumerate(vertical.stages))
    service = (Stage(61002, "Обращение", 20), Stage(61003, "Мастер назначен", 30))
    return [
        Pipeline(
            501,
            "Продажи",
            1,
            (Stage(60001, "Неразобранное", 10, "#c1c1c1", True), *sales, *ends),
            is_main=True,
        ),
        Pipeline(502, "Рекламации", 2, (Stage(61001, "Неразобранное", 10, "#c1c1c1", True), *service, *ends)),
        Pipeline(
            503,
            "Опт (не используется)",
            3,
            (Stage(62001, "Неразобранное", 10, "#c1c1c1", True), *ends),
            is_archive=True,
        ),
    ]


LOSS_REASONS = {
    41: "Дорого",
    42: "Выбрали конкурента",
    43: "Передумали",
    44: "Не устроили сроки",
    45: "Нет нужного варианта",
    46: "Не отвечает",
    47: "Спам или ошибка",
}
TAGS = {31: "instagram", 32: "повторный", 33: "срочно", 34: "салон", 35: "опт?"}


def connections() -> list[Connection]:
    """Messenger accounts; the last type is one no extractor has heard of."""
    return [
        Connection(501, "whatsapp", "WhatsApp отдела продаж", "+77000990001"),
        Connection(503, "waba", "WhatsApp Business API", "+77000990002"),
        Connection(504, "telegram", "Telegram"),
        Connection(506, "max_personal", "MAX", "+77000990001"),
    ]


def cast_slots(rng: random.Random, vertical: Vertical, name: str) -> dict[str, str]:
    """What one client talks about: a product, its price, his district and the rest of the slots that do not move."""
    product, product_acc, product_dat, low, high, sizes = rng.choice(vertical.products)
    price = rng.randrange(low, high + 1) * 1000 - rng.choice((0, 0, 100, 1000 if low > 90 else 0))
    months = rng.choice((6, 12, 12, 24))
    return {
        "name": name,
        "company": f"«{vertical.name}»",
        "product": product,
        "product_acc": product_acc,
        "product_dat": product_dat,
        "price_number": str(price),
        "price": rng.choice(
            (
                f"{price:,} тг".replace(",", " "),
                f"{price:,} ₸".replace(",", " "),
                f"{price:,} тенге".replace(",", " "),
            )
        ),
        "price_short": f"{round(price / 1000 / 10) * 10 or 30} тыс",
        "discount_price": f"{round(price * rng.choice((0.95, 0.93, 0.9)) / 1000) * 1000:,} тг".replace(",", " "),
        "monthly": f"{round(price / months / 100) * 100:,} тг".replace(",", " "),
        "months": str(months),
        "prepay": f"{round(price * rng.choice((0.3, 0.5, 0.7)) / 1000) * 1000:,} тг".replace(",", " "),
        "size": rng.choice(sizes),
        "color": rng.choice(vertical.colors),
        "district": rng.choice(vertical.districts),
        "showroom": rng.choice(vertical.showrooms),
        "competitor": rng.choice(vertical.competitors),
        "order": str(rng.randrange(1200, 9800)),
        "days": str(rng.randrange(*vertical.days)),
        "included": vertical.included,
        "delivered": vertical.delivered,
        "handover": vertical.handover,
    }


def moment_slots(rng: random.Random, local: datetime) -> Mapping[str, Any]:
    """The slots that depend on when something is said: the greeting, the promised day, the hour."""
    hello = "Доброе утро" if 5 <= local.hour < 11 else "Добрый день" if local.hour < 17 else "Добрый вечер"
    hello = hello if rng.random() < 0.6 else "Здравствуйте"
    ahead = local + timedelta(days=rng.choice((1, 2, 3)))
    far = local + timedelta(days=rng.choice((2, 3, 5, 6)))
    by_weekday = (DEADLINES[ahead.weekday()], ahead)
    tomorrow = local + timedelta(days=1)
    deadline, due = rng.choice(
        (
            by_weekday,
            by_weekday,
            ("до завтра", tomorrow),
            ("до конца дня", local),
            ("сегодня до вечера", local),
            ("завтра до обеда", tomorrow),
        )
    )
    day, day_on = rng.choice(
        ((WEEKDAYS[ahead.weekday()], ahead), (WEEKDAYS[ahead.weekday()], ahead), ("завтра", tomorrow))
    )
    return {
        "hello": hello,
        "hello_low": hello.lower(),
        "deadline": deadline,
        "deadline_cap": deadline.capitalize(),
        "day": day,
        "delivery_day": f"{WEEKDAYS[far.weekday()]}, {far.day:02d}.{far.month:02d}",
        "time": f"{rng.randrange(10, 19)}:{rng.choice(('00', '30'))}",
        # for the marks of promises
        "due": due.date(),
        "day_on": day_on.date(),
        "today": local.date(),
    }
