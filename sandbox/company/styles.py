"""How one client writes: the same line in chat shorthand, without punctuation, in bursts, as a voice note, half in Kazakh, or formally.

A style changes letters and the number of messages, never what is meant: each piece of a burst has a label of its own, and a
line whose label is bare («N thanks») may become another of the same meaning. Drawn from a generator of its own.
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

from sandbox.company.grammar import slip

STYLES = {"shorthand": 24, "nopunct": 20, "bursts": 18, "voice": 12, "kazmix": 14, "formal": 12}


class Piece(NamedTuple):
    text: str | None
    type: str
    mark: str


#: other words of the same meaning, by style and by the whole label
_INSTEAD: dict[str, dict[str, tuple[str, ...]]] = {
    "shorthand": {
        "N thanks": ("спс", "пасиб", "пасибки", "спс большое", "благодарочка", "сяп"),
        "N acknowledgement": ("ок", "пон", "ясн", "ага", "угу", "оки", "ок пон", "хор", "понял принял"),
        "R reminder": ("ау", "алё", "ну чё там", "ну как", "вы там живы", "?", "чё молчим", "есть кто"),
    },
    "nopunct": {
        "N thanks": ("спасибо", "спасибо вам", "благодарю", "ок спасибо", "спасибо большое"),
        "N acknowledgement": ("хорошо", "понятно", "ясно", "ну ладно", "все понятно"),
        "R reminder": ("ну что там", "вы ответите", "жду ответа", "так что", "мне ждать или нет"),
    },
    "kazmix": {
        "N thanks": ("рахмет", "рахмет вам", "көп рахмет", "ок рахмет", "үлкен рахмет сізге", "рахмет аман болыңыз"),
        "N acknowledgement": ("жарайды", "жаксы", "түсінікті", "мақұл", "ок жаксы", "болды түсіндім"),
        "R reminder": ("жауап бар ма", "алло қайдасыздар", "жауап күтіп отырмын", "не болды сонымен", "естисіз бе"),
    },
    "formal": {
        "N thanks": ("Благодарим за информацию.", "Благодарю за ответ.", "Спасибо, вопрос снят.", "Благодарим."),
        "N acknowledgement": ("Принято.", "Принято к сведению.", "Хорошо, информацию получили.", "Всё понятно."),
        "R reminder": (
            "Повторно обращаемся: ответа не получили.",
            "Просим дать ответ на наше обращение.",
            "Прошу сообщить, когда ожидать ответ.",
        ),
    },
}
_SHORT = (
    ("здравствуйте", "здр"), ("здравствуйте", "здрасьте"), ("добрый день", "дд"), ("добрый вечер", "добр вечер"), ("доброе утро", "доброе"),
    ("подскажите", "подскаж"), ("пожалуйста", "пж"), ("пожалуйста", "плиз"), ("спасибо", "спс"), ("сколько", "скок"), ("сколько", "скока"),
    ("хорошо", "хор"), ("когда", "када"), ("можно", "мож"), ("можно", "мона"), ("сегодня", "сёдня"), ("сейчас", "щас"), ("что", "чё"),
    ("нормально", "норм"), ("понедельник", "пн"), ("вторник", "вт"), ("среду", "ср"), ("четверг", "чт"), ("пятницу", "пт"),
    ("субботу", "сб"), ("воскресенье", "вс"), ("человек", "чел"), ("вообще", "ваще"), ("тысяч", "т"), ("тыс", "т"), ("минут", "мин"),
    ("ребёнок", "реб"), ("потом", "птм"), ("только", "тока"), ("это", "эт"), ("есть", "ест"), ("если", "есл"), ("или", "ил"),
    ("напишите", "напиш"), ("скиньте", "скинь"), ("меня", "мя"), ("ничего", "ниче"), ("примерно", "прим"), ("месяц", "мес"),
)  # fmt: skip
_KAZAKH = (
    ("здравствуйте", "сәлеметсіз бе"), ("добрый день", "қайырлы күн"), ("добрый вечер", "қайырлы кеш"), ("доброе утро", "қайырлы таң"),
    ("спасибо большое", "үлкен рахмет"), ("спасибо", "рахмет"), ("благодарю", "рахмет"), ("сколько стоит", "қанша тұрады"), ("сколько", "қанша"),
    ("хорошо", "жарайды"), ("понятно", "түсінікті"), ("понял", "түсіндім"), ("поняла", "түсіндім"), ("когда", "қашан"), ("завтра", "ертең"),
    ("сегодня", "бүгін"), ("дорого", "қымбат"), ("извините", "кешіріңіз"), ("где вы", "қайдасыздар"), ("адрес", "мекенжай"), ("жду", "күтемін"),
    ("сейчас", "қазір"), ("подскажите", "айтыңызшы"), ("можно", "болады ма"), ("нужен", "керек"), ("нужна", "керек"), ("нужно", "керек"),
    ("есть", "бар ма"), ("почему", "неге"), ("деньги", "ақша"), ("ребёнок", "бала"), ("дети", "балалар"), ("мастер", "шебер"),
)  # fmt: skip
#: polite words that may stand alone before what is asked
_POLITE = re.compile(
    r"(?i)(здравствуйте|здрасте|добр\w+ (день|вечер|утро)|доброго времени|салам|салем|приветствую|ассалаумагалейкум)\W*"
)
_CLOSES = re.compile(r"(?i)(спасибо\w*|благодарю|рахмет|ок|хорошо|поня(л|ла|тно)|ясно|отлично|супер)\W*")
_BREAKS = re.compile(r"(?<=[.!?…])\s+|,\s+(?=(?:а|и|но|мы|у|или|как|когда|сколько|можно|где|нам|я|мне|вы|там|тут)\b)")
_RUSSIAN_LETTERS = str.maketrans("әғқңөұүһі", "агкноуухи")


class Writer:
    """One client's way of writing; ``name`` signs formal letters."""

    def __init__(self, rng: random.Random, name: str) -> None:
        self.rng, self.name = rng, name
        self.style = rng.choices(list(STYLES), list(STYLES.values()))[0]
        # half of those who mix have no Kazakh keyboard
        self._has_letters = rng.random() < 0.5

    def write(self, line: str, mark: str, *, is_first: bool) -> list[Piece]:
        """The line as this client sends it, one piece a message."""
        if self.style == "voice":
            return [self._heard(line, mark)]
        instead = _INSTEAD.get(self.style, {}).get(mark.replace("S ", "N "))
        if instead and len(line) < 34 and self.rng.random() < 0.6:
            line = self.rng.choice(instead)
            return [Piece(self._letters(line) if self.style == "kazmix" else line, "text", mark)]
        if self.style == "bursts":
            return self._burst(line, mark)
        written = getattr(self, f"_{self.style}")(line, mark, is_first)
        return [Piece(written, "text", mark)]

    # --- the styles -----------------------------------------------------------------------------------------

    def _heard(self, line: str, mark: str) -> Piece:
        """He speaks rather than types, and shows rather than tells."""
        roll = self.rng.random()
        if mark[:1] == "R" and len(line) > 18 and roll < 0.28 and "refusal" not in mark:
            return Piece(None, "voice", "R media")
        if mark[:1] == "R" and "?" in line and roll < 0.4:
            return Piece(line.rstrip("."), "image", mark)
        return Piece(line.rstrip(".!"), "text", mark)

    def _shorthand(self, line: str, mark: str, is_first: bool) -> str:
        line = self._swap(line.lower(), _SHORT, 0.75)
        line = line.replace("!", "").rstrip(".").replace(", ", " " if self.rng.random() < 0.6 else ", ")
        if line.endswith("?") and self.rng.random() < 0.35:
            line = line[:-1]
        return slip(self.rng, line) if len(line) > 10 and self.rng.random() < 0.25 else line

    def _nopunct(self, line: str, mark: str, is_first: bool) -> str:
        bare = re.sub(r"[,.!?;:…«»()]+(?=\s|$)|[«»()]", "", line.lower())
        return re.sub(r"\s+", " ", bare).replace("ё", "е").strip() or line

    def _burst(self, line: str, mark: str) -> list[Piece]:
        """A thought a message. What comes before the last piece is half a thought: a greeting, a thank-you, a beginning."""
        parts = [part for part in (one.strip(" ,.") for one in _BREAKS.split(line)) if part]
        if (hello := _POLITE.match(line)) and hello.end() < len(line) - 3:
            rest = line[hello.end() :]
            parts = [hello[1], *(part for part in (one.strip(" ,.") for one in _BREAKS.split(rest)) if part)]
        if len(parts) < 2 or len(parts) > 5:
            return [Piece(line.lower().rstrip(".") or line, "text", mark)]
        pieces = []
        for part in parts[:-1]:
            reason = mark.split(", ")[0][2:]
            if _POLITE.fullmatch(part):
                own = "R greeting" if mark[0] == "R" else "S greeting"
            elif _CLOSES.fullmatch(part):
                own = "S acknowledgement"
            else:
                own = f"N {reason}" if mark[0] == "N" else f"S {reason}"
            pieces.append(Piece(part.lower(), "text", own))
        return [*pieces, Piece(parts[-1].lower(), "text", mark)]

    def _kazmix(self, line: str, mark: str, is_first: bool) -> str:
        is_asking = mark[:1] == "R"
        swaps = _KAZAKH if is_asking else tuple(pair for pair in _KAZAKH if not pair[1].endswith(" ма"))
        line = self._swap(line.lower(), swaps, 0.85).rstrip(".")
        return self._letters(line)

    def _formal(self, line: str, mark: str, is_first: bool) -> str:
        """Whole sentences, a signature under the first letter."""
        line = line.rstrip("👍🙏❤️🔥😅 ")
        line = re.sub(r"(?i)\bспс\b|\bрахмет( сізге)?\b", "благодарю", line)
        line = re.sub(r"(?i)\bскиньте\b", "направьте", line)
        line = re.sub(r"^(Ок|Ага|Угу|\+)(?=\W|$)", "Хорошо", line)
        line = f"{line[:1].upper()}{line[1:]}"
        if line and line[-1] not in ".!?…":
            line += "."
        roll = self.rng.random()
        if mark.startswith(("R question", "R request", "R booking")):
            if roll < 0.25 and not _POLITE.match(line):
                line = f"{self.rng.choice(('Просьба уточнить', 'Уточните, пожалуйста', 'Просим сообщить'))}: {line[:1].lower()}{line[1:]}"
            elif roll < 0.45:
                line += self.rng.choice(
                    (" Заранее благодарю.", " Будем признательны за ответ.", " Ответ просим направить сюда.")
                )
        if is_first and roll > 0.6:
            line += f" С уважением, {self.name}."
        return line

    # --- helpers --------------------------------------------------------------------------------------------

    def _swap(self, line: str, pairs: tuple[tuple[str, str], ...], chance: float) -> str:
        """Whole words for others; a word with two ways to write it takes the first one drawn."""
        for word, other in pairs:
            if word in line and self.rng.random() < chance:
                line = re.sub(rf"(?<!\w){word}(?!\w)", other, line)
        return line

    def _letters(self, line: str) -> str:
        return line if self._has_letters else line.translate(_RUSSIAN_LETTERS)
