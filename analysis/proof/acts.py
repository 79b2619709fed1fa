"""What a sentence says that somebody did («спросил», «обещал», «отказался»), and what of it a line shows.

An act is shown by patterns the reader has anyway, taken generously: a real act must not be lost, while a sentence that says
the opposite, or says it of the other side, finds nothing to stand on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from analysis.proof import quantities, words
from analysis.proof.evidence import Evidence
from analysis.reading.morphology import tagged
from analysis.reading.sentences import Line
from analysis.rules import patterns, phrases

Shows = Callable[[Line, Evidence], bool]


def _finds(pattern: str) -> Shows:
    compiled = re.compile(pattern)
    return lambda line, evidence: compiled.search(line.folded) is not None


def _asks(line: Line, evidence: Evidence) -> bool:
    return bool(
        patterns.QUESTION.search(line.folded)
        or phrases.ASKS.search(tagged(line.folded).line)
        or re.search(r"интересу|хочу|хотел|нужн|надо|нужен|керек|подскаж|посчита|скажите|расскаж", line.folded)
    )


def _refuses(line: Line, evidence: Evidence) -> bool:
    forms = tagged(line.folded).line
    return bool(
        patterns.REFUSED.search(line.folded)
        or phrases.REFUSES.search(forms)
        or phrases.DENIES.search(forms)
        or re.search(r"\bне (?:буд|над|нужн|хоч|подход|потян|интерес|бер|устра)|\bнет\b|\bотмен|жоқ|керек емес|\bвзяли\b|\bнашли\b|в друг", line.folded)
    )  # fmt: skip


def _agrees(line: Line, evidence: Evidence) -> bool:
    return bool(
        patterns.AGREED.search(line.folded)
        or re.search(
            r"\b(?:да+|ок\w{0,3}|ага|хорошо|давай\w{0,20}|договорил\w{1,20}|подход\w{1,20}|устраива\w{1,20}|соглас\w{1,20}|запис\w{1,20}|бер[уеё]м?|пойд[её]т|иә|жарайды|болады|оформля\w{1,20}|отлично|супер|буду|будем|приед\w{1,20}|подъед\w{1,20}|жду|жд[её]м|го|можно)\b|[👍👌🤝🔥]",
            line.folded,
        )
    )


@dataclass(frozen=True)
class Act:
    """``verbs``: dictionary forms; ``shows``: whether a line of who did it shows it."""

    name: str
    verbs: frozenset[str]
    shows: Shows


def _act(name: str, verbs: str, shows: Shows) -> Act:
    return Act(name, frozenset(verbs.split()), shows)


def _any(line: Line, evidence: Evidence) -> bool:
    return bool(line.text or line.has_media)


ACTS = (
    _act("ask", "спросить спрашивать интересоваться поинтересоваться уточнить уточнять расспросить", _asks),
    _act("want", "просить попросить хотеть захотеть искать заказать запросить потребовать требовать", _any),
    _act("promise", "обещать пообещать", lambda line, evidence: line.message_id in evidence.promise_ids),
    _act("refuse", "отказаться отказываться передумать отказать", _refuses),
    _act("agree", "согласиться соглашаться согласовать", _agrees),
    _act("pay", "оплатить заплатить внести предоплатить", _finds(r"оплат|плати|плач|перев[её]л|перевед|чек|аванс|деньг|внес|зашл|поступ|төле|ақша|каспи")),
    _act("price", "назвать озвучить называть посчитать рассчитать", lambda line, evidence: bool(quantities.numbers(line.text)) or line.has_media),
    _act("think", "подумать думать размышлять сомневаться посоветоваться", _finds(r"дума|реш|совет|позже|потом|пауз|пока|сомнева|ойлан|вернусь|напишу|муж|жен|покаж|обсуд|сравн|рано|неделе|месяц")),
    _act("book", "записать записаться договориться договариваться забронировать назначить", _finds(r"запис|брон|жд[её]м|жду|договор|подъед|приед|приход|встреч|закреп|зафикс|\d[:.]\d\d|жаз|келі|барам|буду|подойд|ставлю|оформ|заед|утвержд|согласов|подтвержд|перен[её]с|\d{1,2} ?(?:час|утра|вечера)|в \d{1,2}\b")),
    _act("thank", "поблагодарить благодарить похвалить хвалить", _finds(r"спасиб|рахмет|благодар|супер|отличн|класс|молод|красот|спс|хорош|здоров|топ|❤|🙏|🔥|👍|керемет|довол")),
    _act("complain", "пожаловаться жаловаться возмутиться возмущаться", _any),
    _act("object", "возразить возражать усомниться засомневаться торговаться поторговаться", _any),
    _act("answer", "ответить отвечать отреагировать откликнуться", _any),
    _act("send", "прислать присылать отправить отправлять скинуть выслать показать", lambda line, evidence: line.has_media or bool(re.search(r"фото|файл|ссылк|отправ|скин|вот|пришл|прикреп|высыла|\[|видео|каталог|смет|договор|сч[её]т|лов", line.folded))),
    _act("say", "написать сообщить сказать подтвердить предложить предупредить объяснить рассказать пояснить заявить признать извиниться напомнить посоветовать порекомендовать", _any),
)  # fmt: skip

OF_VERB = {verb: act for act in ACTS for verb in act.verbs}
#: the subject has it from the other side
RECEIVES = words.OF_RECEIVING
#: carry no claim of what was said
SPEECH = frozenset(OF_VERB) | RECEIVES | words.OF_STANDING
