"""Invented dialogs with planted facts, for measuring a reader of dialogs.

The wordings stand in ``phrases/dev.toml``, which rules may be tuned on, and ``phrases/held_out.toml``, written first and
only counted. Every wording stands in exactly one dialog, so that recall is the share of wordings found; near misses
(«недорого», «сломается ли») stand among them, and a reader that sees facts there loses its precision. A fact is
``(kind, number of the message)``.
"""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from synkro.reporting.dialogs import Message

START = datetime(2026, 11, 18, 4, 0, tzinfo=UTC)
KINDS = ("promise", "objection", "complaint", "wrong_price", "rude", "unanswered")
_PHRASES = Path(__file__).parents[1] / "phrases"
_WHO = {"client": "К", "manager": "М"}
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


def bank(is_held_out: bool) -> dict[str, dict[str, list[str]]]:
    """``{"client" | "manager": {kind: wordings}, "nothing": {"client" | "manager" | "last": wordings}}``."""
    with (_PHRASES / ("held_out.toml" if is_held_out else "dev.toml")).open("rb") as file:
        return tomllib.load(file)


def make(seed: int = 20) -> list[Planted]:
    """The same dialogs every time, dev ones first."""
    rng = random.Random(seed)
    return [*_dialogs(bank(False), "d", False, rng), *_dialogs(bank(True), "h", True, rng)]


def _dialogs(
    wordings: dict[str, dict[str, list[str]]], prefix: str, is_held_out: bool, rng: random.Random
) -> list[Planted]:
    """One or two wordings a dialog, near misses in every third, half of the dialogs with a last word of the client."""
    said = [
        (f"{_WHO[who]}: {text}", kind)
        for who in _WHO
        for kind, texts in wordings[who].items()
        if kind != "unanswered"
        for text in texts
    ]
    near = [(f"{_WHO[who]}: {text}", "") for who in _WHO for text in wordings["nothing"][who]]
    asked = [(f"К: {text}", "unanswered") for text in wordings["client"]["unanswered"]]
    last = [(f"К: {text}", "") for text in wordings["nothing"]["last"]]
    for pile in (said, near, asked):
        rng.shuffle(pile)
    made: list[Planted] = []
    while said or near or asked:
        lines: list[tuple[str, str]] = [(line, "") for pair in rng.sample(_IDLE, rng.randrange(2, 5)) for line in pair]
        # every fourth dialog holds nothing but near misses
        chosen = [near.pop() for _ in range(rng.choice((0, 1, 2))) if near]
        if len(made) % 4 != 3:
            chosen += [said.pop() for _ in range(rng.choice((1, 1, 2))) if said]
        for line in chosen:
            at = rng.randrange(1, len(lines) // 2 + 1) * 2
            at = min(at, len(lines))
            lines.insert(at, line)
            # somebody answers what a client said; a second line of ours keeps the turns
            lines.insert(at + 1, ("М: Поняла вас" if line[0][0] == "К" else "К: Поняла", ""))
        if lines[-1][0][0] == "К":
            lines.append(("М: Хорошо", ""))
        if asked and len(made) % 2 == 0:
            lines.append(asked.pop())
        elif len(made) % 4 == 1:
            lines.append(rng.choice(last))
        messages = [_message(i, line) for i, (line, _) in enumerate(lines)]
        facts = frozenset((kind, i) for i, (_, kind) in enumerate(lines) if kind)
        made.append(Planted(f"{prefix}{len(made):03d}", messages, facts, is_held_out))
    return made


def _message(number: int, line: str) -> Message:
    kind = {"К": "client", "М": "manager"}[line[0]]
    return Message(
        f"m{number}", "d", kind, "inbound" if kind == "client" else "outbound", START + timedelta(minutes=7 * number),
        line[2:].strip(), False, "7" if kind == "manager" else None, "Асель Ахметова" if kind == "manager" else None,
        "event", True,
    )  # fmt: skip
