"""Three hundred invented dialogs with planted facts, for measuring a reader of dialogs.

The wordings were written by hand as people put things, before looking at what the rules find, and not from the rules'
patterns. Each bank is cut in two: the first half of it makes the first 150 dialogs («dev»), the second half the other 150
(«held out»): nobody tunes on those. A fact is ``(kind, number of the message)``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from synkro.dialogs import Message

START = datetime(2026, 11, 18, 4, 0, tzinfo=UTC)
KINDS = ("promise", "objection", "complaint", "wrong_price", "rude", "unanswered")

#: who says it → wordings; an even number, cut in the middle
_SAID: dict[str, tuple[str, tuple[str, ...]]] = {
    "promise": (
        "М",
        (
            "До вечера пришлю вам просчёт на почту", "Завтра с утра позвоню и всё скажу", "Сегодня уточню на складе и напишу",
            "В понедельник отправим вам договор", "К пятнице подготовлю три варианта", "Через час отвечу точно",
            "Уточню у мастера и дам знать до обеда", "В четверг выезжает замерщик, он наберёт вас", "Сделаю вам эскиз к среде",
            "Вернусь к вам с ответом завтра", "Фото ткани будет у вас сегодня вечером", "Договорюсь с цехом и отпишусь в течение дня",
        ),
    ),
    "objection": (
        "К",
        (
            "Ой, для нас это дороговато", "Соседям такую же сделали дешевле", "Надо с мужем посоветоваться, потом вернусь",
            "Столько ждать мы не готовы, долго", "Честно говоря, дорого выходит", "Пока подумаем",
            "Ценник кусается", "Такую сумму мы не осилим", "В соседнем салоне просят в полтора раза меньше",
            "Месяц ждать не вариант", "Возьму паузу, решу на той неделе", "Есть сомнения, ещё посмотрим у других",
        ),
    ),
    "complaint": (
        "К",
        (
            "Дверца у шкафа перекошена, это брак", "Мастер опоздал на четыре часа и даже не извинился", "Привезли не тот цвет",
            "Ящик скрипит и не закрывается, разочарованы", "Сборщики поцарапали ламинат", "Обещали ещё на прошлой неделе, и тишина",
            "Столешница вздулась через месяц", "Второй раз переносите доставку, так не делается", "На фасаде скол, как это могли отгрузить",
            "Качество ужасное, хочу вернуть", "Не хватает половины фурнитуры в коробке", "Мне нахамил ваш водитель",
        ),
    ),
    "wrong_price": (
        "К",
        (
            "Почему теперь 320 тысяч, вчера было 280", "На сайте стоит 190 000, а вы называете 240 000", "Вы же говорили 150, откуда 175",
            "Сначала сказали одну цену, теперь другую", "В магазине цена была ниже, чем вы пишете", "Другой менеджер называл 99 тысяч",
            "Цифры не сходятся: в договоре больше, чем мы обсуждали", "Сумма выросла на сорок тысяч без объяснений",
            "Ваш же прайс показывает меньше", "В прошлый раз насчитали 210, а в счёте 260", "По телефону мне озвучили дешевле, чем сейчас",
            "Ценник на витрине и ваш расчёт отличаются",
        ),
    ),
    "rude": (
        "М",
        (
            "Читать умеете? Всё написано выше", "Не нравится — идите в другое место", "Мне некогда вам это объяснять",
            "Вы мне уже надоели с вопросами", "Сколько можно спрашивать одно и то же", "Женщина, успокойтесь",
            "Глаза разуйте, там указан размер", "Это ваши проблемы", "За такие деньги чего вы хотели", "Я вам не справочная",
            "Ну и не покупайте, мне всё равно", "Думать надо было раньше",
        ),
    ),
    "unanswered": (
        "К",
        (
            "А подъём на этаж сколько?", "Скажите, есть ли такой в сером?", "Когда можно подъехать посмотреть?", "Рассрочка через какой банк?",
            "Гарантию даёте?", "Можно сделать глубину меньше?", "Подскажите, доставка в Талгар есть?",
            "А матрас в комплекте идёт?", "Сколько дней займёт изготовление", "Вы по воскресеньям открыты?",
            "Ножки можно заменить на металлические?", "Так что с моим вопросом про фасады",
        ),
    ),
}  # fmt: skip
#: an exchange with nothing in it
_IDLE = (
    ("К: Здравствуйте, увидела у вас на сайте угловой диван, хочу узнать подробнее", "М: Добрый день! Какой размер вам подойдёт?"),
    ("К: Комната небольшая, стена два метра семьдесят", "М: Поняла, под такую стену хорошо встаёт модель с коротким боком"),
    ("К: А ткань какая?", "М: Велюр и рогожка, обе немаркие"),
    ("К: Нам для детской, чтобы легко чистилось", "М: Тогда лучше рогожка, пятна снимаются влажной салфеткой"),
    ("К: Спасибо, поняла вас", "М: Обращайтесь"),
    ("К: Дочке нужен стол у окна, высота подоконника восемьдесят сантиметров", "М: Стол у нас семьдесят пять, под подоконник встанет"),
    ("К: Цвет хотелось бы посветлее, под дуб", "М: Есть сонома и белёный дуб, образцы в салоне"),
    ("К: Кухня прямая, без верхних шкафов", "М: Хорошо, считаем только низ и столешницу"),
    ("К: Мы сейчас делаем ремонт, закончим к весне", "М: Хорошо, размеры лучше снимать после плитки"),
    ("К: Шкаф нужен до потолка, два шестьдесят", "М: Такие делаем с антресолью"),
)  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """One dialog with what a careful reader would find in it."""

    name: str
    messages: list[Message]
    facts: frozenset[tuple[str, int]]
    is_held_out: bool


def _message(number: int, line: str) -> Message:
    kind = {"К": "client", "М": "manager"}[line[0]]
    return Message(
        f"m{number}", "d", kind, "inbound" if kind == "client" else "outbound", START + timedelta(minutes=7 * number),
        line[2:].strip(), False, "7" if kind == "manager" else None, "Асель Ахметова" if kind == "manager" else None,
        "event", True,
    )  # fmt: skip


def make(count: int = 300, seed: int = 20) -> list[Planted]:
    """The same dialogs every time."""
    rng = random.Random(seed)
    made = []
    for n in range(count):
        is_held_out = n >= count // 2
        lines: list[tuple[str, str]] = [(line, "") for pair in rng.sample(_IDLE, rng.randrange(2, 5)) for line in pair]
        # a third of the dialogs holds nothing: a reader that sees facts everywhere loses its precision there
        wanted = [] if n % 3 == 2 else rng.sample(KINDS[:-1], rng.choice((1, 1, 2)))
        for kind in wanted:
            at = rng.randrange(1, len(lines) // 2 + 1) * 2
            lines.insert(at, (_wording(kind, is_held_out, rng), kind))
            if lines[at][0][0] == "К":
                lines.insert(at + 1, ("М: Поняла вас", ""))
        if n % 3 == 0 or (n % 3 == 1 and rng.random() < 0.3):
            lines.append((_wording("unanswered", is_held_out, rng), "unanswered"))
        messages = [_message(i, line) for i, (line, _) in enumerate(lines)]
        facts = frozenset((kind, i) for i, (_, kind) in enumerate(lines) if kind)
        made.append(Planted(f"b{n:03d}", messages, facts, is_held_out))
    return made


def _wording(kind: str, is_held_out: bool, rng: random.Random) -> str:
    who, bank = _SAID[kind]
    half = len(bank) // 2
    return f"{who}: {rng.choice(bank[half:] if is_held_out else bank[:half])}"
