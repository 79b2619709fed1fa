"""True sentences about the corpus's dialogs, and false ones made of them by code.

True: the summaries of the rules, and lines told in indirect speech («Менеджер написал, что …»), with the numbers of the lines they stand on.
False, a hundred and twenty of each kind: a negation put in or taken out, two people changed over, a day or an hour moved, a sum changed, a promise
nobody made. Each false sentence differs from a true one in just that.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.intents import decide
from analysis.proof.evidence import Evidence
from analysis.reading import sentences as line_cutting
from analysis.rules import reader
from bench import corpus
from bench.support.readers import Chat, corpus_chats
from synkro.reporting.dialogs import Message

KINDS = ("negation", "person", "date", "sum", "promise")
OF_EACH = 120
_WEEKDAYS = ("понедельник", "вторник", "среду", "четверг", "пятницу", "субботу", "воскресенье")
_MOVED = {"завтра": "послезавтра", "сегодня": "завтра", "вчера": "сегодня", "утром": "вечером", "вечером": "утром"}
_DAY = re.compile(r"\b(?:" + "|".join((*_WEEKDAYS, *_MOVED)) + r")\b|\b\d{1,2}:\d\d\b|\b(?:к|до|после) \d{1,2}\b", re.I)
_SUM = re.compile(r"(?<![\d:.,/])\d{1,3}(?: \d{3})+|(?<![\d:.,/])\d{3,7}(?![\d:.,/])|(?<![\d:.,/])\d{1,3}(?= ?тыс)")
#: promises of other trades and other days, in indirect speech
_PROMISES = (
    "обещал прислать каталог фурнитуры", "пообещал скидку на следующий заказ", "обещал перезвонить после обеда", "обещал бесплатную доставку",
    "пообещал вернуть предоплату", "обещал подготовить договор", "пообещал выслать видео со склада", "обещал отправить мастера бесплатно",
    "пообещал подарить подушки", "обещал согласовать рассрочку с директором",
)  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A sentence about a dialog; ``kind``: empty for a true one."""

    dialog: str
    text: str
    message_ids: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Told:
    """A dialog as a reader of claims has it."""

    name: str
    messages: tuple[Message, ...]
    evidence: Evidence


def dialogs() -> dict[str, Told]:
    """Every dialog of the corpus."""
    found = {}
    for chat in corpus_chats():
        messages = messages_of(chat)
        found[chat.name] = Told(chat.name, tuple(messages), Evidence.of(messages, corpus.TIMEZONE))
    return found


def messages_of(chat: Chat) -> list[Message]:
    intents = decide(list(chat.talk))
    return [
        Message(
            f"m{i}", chat.name, said.who, "inbound" if said.who == "client" else "outbound", said.sent_at, said.text, bool(said.media),
            name or "менеджер" if said.who == "manager" else None, name or None if said.who == "manager" else None, None,
            bool(intent and intent.needs_reply),
        )
        for i, (said, name, intent) in enumerate(zip(chat.talk, chat.names, intents, strict=True))
    ]  # fmt: skip


def make(told: dict[str, Told], seed: int = 19) -> tuple[list[Planted], list[Planted]]:
    """``(true, false)``: the same every time."""
    rng = random.Random(seed)
    true = [one for dialog in told.values() for one in _true(dialog)]
    rng.shuffle(true)
    false: list[Planted] = []
    for kind in KINDS:
        made = (other for one in true for other in _bent(one, kind, told[one.dialog], rng))
        for other in made:
            if sum(1 for one in false if one.kind == kind) == OF_EACH:
                break
            false.append(other)
    return true, false


def _true(dialog: Told) -> Iterator[Planted]:
    for said in reader.read(dialog.messages, corpus.TIMEZONE).summary:
        yield Planted(dialog.name, said.text, said.message_ids, "")
    for line in dialog.evidence.lines:
        if line.kind not in ("client", "manager"):
            continue
        for sentence in line_cutting.sentences([line]):
            text = sentence.text.strip(" .)…")
            if (
                20 <= len(text) <= 120
                and not re.search(r"[?!«»\"\[\]<>*+@/\n]|https?", text)
                and re.match(r"[А-Яа-яЁё]", text)
            ):
                who = "Клиент" if line.kind == "client" else line.author or "Менеджер"
                yield Planted(dialog.name, f"{who} написал, что {text[:1].lower()}{text[1:]}.", (line.message_id,), "")


def _bent(one: Planted, kind: str, dialog: Told, rng: random.Random) -> Iterator[Planted]:
    lead, mark, rest = one.text.partition(", что ")
    texts: list[str] = []
    if kind == "negation":
        texts = [_negated(one.text)]
    elif kind == "person":
        texts = [_swapped(one.text, dialog)]
    elif kind == "date" and mark:
        texts = [lead + mark + moved for moved in _moved(rest, rng)]
    elif kind == "sum" and (mark or "назвал" in lead):
        texts = [_SUM.sub(lambda m: _other(m[0], rng), one.text, count=1)]
    elif kind == "promise" and mark and rng.random() < 0.2:
        texts = [f"{lead.removesuffix(' написал')} {rng.choice(_PROMISES)}."]
    for text in texts:
        if text and text != one.text:
            yield Planted(one.dialog, text, one.message_ids, kind)


def _negated(text: str) -> str:
    """«не» taken out of the words told, or put before the verb that leads."""
    lead, mark, rest = text.partition(", что ")
    if mark and re.search(r"\bне ", rest):
        return lead + mark + re.sub(r"\bне ", "", rest, count=1)
    verb = re.search(
        r"\b(?:спросил|назвал|обещал|согласился|записал|подтвердил|договорился|отказался|пожаловался|сообщил|возразил|ответил)\b",
        text,
    )
    if verb is not None and not mark:
        return f"{text[: verb.start()]}не {text[verb.start() :]}"
    if mark and (
        said := re.search(
            r"\b(?:есть|можно|будет|могу|можем|готов\w*|делаем|работаем|успею|надо|нужно|хочу|знаю|приеду|подходит|входит|привезём|привезем)\b",
            rest,
        )
    ):
        return lead + mark + rest[: said.start()] + "не " + rest[said.start() :]
    return ""


def _swapped(text: str, dialog: Told) -> str:
    """The client for the company and the other way round; a name for another of the company's."""
    first, _, rest = text.partition(" ")
    if "; " in text or " и " in text.split("«")[0] or ", клиент" in text or ", менеджер" in text or ", вопрос" in text:
        return ""
    if first == "Клиент":
        return f"Менеджер {rest}"
    if first == "Менеджер" or first in dialog.evidence.manager_names:
        return f"Клиент {rest}"
    return ""


def _moved(text: str, rng: random.Random) -> Sequence[str]:
    match = _DAY.search(text)
    if match is None:
        return ()
    word = match[0].lower()
    if word in _WEEKDAYS:
        other = rng.choice([day for day in _WEEKDAYS if day != word])
    elif word in _MOVED:
        other = _MOVED[word]
    elif ":" in word:
        hour, minute = word.split(":")
        other = f"{(int(hour) + rng.choice((1, 2, 3))) % 24}:{minute}"
    else:
        lead, number = word.split(" ")
        other = f"{lead} {int(number) + rng.choice((1, 2, 3))}"
    return (text[: match.start()] + other + text[match.end() :],)


def _other(number: str, rng: random.Random) -> str:
    value = int(number.replace(" ", ""))
    changed = value + rng.choice((1, 2, 3, 5)) * 10 ** max(0, len(str(value)) - 2)
    return f"{changed:,}".replace(",", " ") if " " in number else str(changed)
