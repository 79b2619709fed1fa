"""What each message does: promises, names a price, complains, claims a payment, asks to buy, refuses.

One home of each rule: promises are :mod:`analysis.rules.promises`, complaints and refusals those of the reader, weighed by the
trained claims; why a client's line wants an answer is :mod:`analysis.intents`. Robots do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from analysis.intents import Intent, Said
from analysis.intents.linear import Model, load
from analysis.reading import sentences as line_cutting
from analysis.reading.sentences import Line, Sentence
from analysis.rules import deadlines, due, offers, promises, reader
from analysis.rules import patterns as p
from synkro.reporting.dialogs import Message

#: part of the key of what is stored, beside that of the intents
VERSION = "acts-1"

#: what is promised, the first that fits; a deed of the physical world last but one
_WHAT = (
    ("photo", re.compile(r"\b(?:фот(?:о|ки|ку|ографи\w{1,3})|видео|сфотк\w{2,4}|сфотографир\w{2,5}|снимк\w{1,3}|скрин\w{0,4}|сурет\w{0,5})")),
    ("discount", re.compile(r"\b(?:скидк\w{1,3}|уступ\w{2,4}|дешевле|промокод\w{0,2}|бонус\w{0,3}|жеңілдік\w{0,5})")),
    ("document", re.compile(
        r"\b(?:договор\w{0,3}|сч[её]т(?!а[лю]|чик)\w{0,3}|смет[аыуео]\w{0,2}|кп\b|коммерческ\w{2,3}|акт\w{0,3}\b|накладн\w{2,3}|чек\w{0,3}\b|документ\w{0,4}|эскиз\w{0,3}|проект\w{0,3}|чертеж\w{0,3}|каталог\w{0,3}"
        r"|презентаци\w{1,3}|спецификаци\w{1,3}|сертификат\w{0,3}|справк\w{1,3}|файл\w{0,3}|образц\w{1,3}|шарт\w{0,5}|құжат\w{0,5})"
    )),
    ("price", re.compile(
        r"\b(?:цен[аыуео]\w{0,2}|стоимост\w{1,3}|прайс\w{0,3}|расч[её]т\w{0,3}|просч[её]т\w{0,3}|(?:по|рас|про|пере|об)?сч(?:ита|та)(?:ю|ем|ет|ют)\b|рассчита(?:ю|ем)|посчитаем|сориентир\w{2,5}|есеп\w{0,6}|баға\w{0,5})"
    )),
    ("call", re.compile(
        r"\b(?:(?:по|пере|со|до|от)?звон(?:ю|им|ит|ят|ок|ку|ка|юсь|имся)\b|набер(?:у|ем|ет|ут)\b|наберу вас|на связи|созвон\w{1,4}|звонок|қоңырау\w{0,4})"
    )),
    ("delivery", re.compile(
        r"\b(?:достав\w{1,5}|привез\w{1,4}|отвез\w{1,4}|завез\w{1,4}|подвез\w{1,4}|отгруз\w{1,5}|курьер\w{0,3}|машин\w{1,3}|монтаж\w{0,3}|установ\w{1,5}|замер\w{0,5}|мастер\w{0,3}|приед\w{1,3}|подъед\w{1,3}|выезд\w{0,3}|выед\w{1,3}|бригад\w{1,3}|заказ\w{0,3} (?:будет|придет|приедет)"
        r"|сборк\w{1,3}|соб(?:ер|р)\w{1,4}|замен\w{1,4}|вернем деньги|возврат\w{0,3}|перечисл\w{1,4}|жеткіз\w{1,8}|апарам\w{0,3}|әкелем\w{0,3}|готов\w{0,2} (?:будет|завтра|сегодня)|будет готов\w{0,2})"
    )),
    ("answer", re.compile(
        r"\b(?:(?:на|от)пиш\w{1,4}|отвеч\w{1,3}|ответ\w{0,3}|сообщ\w{1,3}|дам знать|дадим знать|скаж(?:у|ем)|подскаж(?:у|ем)|уточн\w{1,3}|узна(?:ю|ем)|спрош(?:у|им)|провер(?:ю|им)|верн(?:усь|емся)|свяж\w{2,6}|передам|передадим|посмотр(?:ю|им)|гляну|доложу|напомню|озвуч\w{1,3}"
        r"|ссылк\w{1,3}|реквизит\w{0,4}|скин(?:у|ем)|пришл(?:ю|ем)|отправ(?:лю|им)|вышл(?:ю|ем)|жаза\w{1,4}|айта\w{1,4}|хабарла\w{1,8}|жібер\w{1,6}|сұра\w{1,6})"
    )),
)  # fmt: skip
#: what we ask of the client in the same breath, and words that only look like a thing
_ASIDE = re.compile(
    r"\b(?:скиньте|пришлите|отправьте|дайте|напишите|кидайте|кидай|укажите|посмотрите|подпишите)\b[^,.;!]*|\bза (?:ваш|свой|наш) сч[её]т\b|\bпо (?:фото|видео|договору|счету|смете|акту)\b|\bсч[её]т\w{0,2} (?:в |на )?(?:kaspi|каспи)\w{0,3}"
)
#: people of ours who come to the client
_FIELD = re.compile(
    r"\b(?:водител\w{1,3}|мастер\w{0,3}|замерщик\w{0,3}|курьер\w{0,3}|логист\w{0,3}|сборщик\w{0,3}|монтажник\w{0,3}|бригад\w{1,3}|электрик\w{0,3}|сантехник\w{0,3}|экспедитор\w{0,3}|грузчик\w{0,3})\b"
)
#: before something else of the same message
_BEFORE = re.compile(r"\b(?:за (?:час|полчаса|пару часов|день|сутки)|накануне)\b")
#: of the client: what they will do themselves
_PAY = re.compile(
    r"\b(?:оплач\w{1,3}|оплат\w{1,3}|перевед\w{1,3}|внес\w{1,3}|предоплат\w{1,3}|төле\w{1,6}|аудара\w{1,4})"
)
_COME = re.compile(
    r"\b(?:приед\w{1,3}|подъед\w{1,3}|заед\w{1,3}|зайд\w{1,3}|прид\w{1,3}|подойд\w{1,3}|буд(?:у|ем) у вас|бара\w{1,5}|келе\w{1,5})"
)
_ASKS_TO_BUY = re.compile(
    r"\b(?:хочу|хотим|хотел[аи]? бы|хотели|готов[аы]?|планиру(?:ю|ем)|можно|нужно|надо) (?:\S{1,30} ){0,3}?(?:купить|заказать|приобрести|оформить|записаться|записать|забронировать|взять|оплатить)\b"
    r"|\b(?:выстав(?:ьте|ите|ляйте)|выпишите|скиньте|пришлите|отправьте) (?:\S{1,30} ){0,3}?(?:сч[её]т|реквизит\w{0,2})\b|\bкуда (?:оплатить|перевести|платить)\b"
    r"|\bзапиш(?:ите|и)\b|\bзаписывайте\b|\bпишите (?:меня|нас)\b|\bжазыңыз\b|\bзабронируйте\b|\bоформ(?:ите|ляйте|ляем)\b|\bкак (?:заказать|купить|оформить|оплатить)\b|\bтапсырыс (?:бер|жаса)\w{0,6}|\bсатып ал\w{1,6}|\bжазып қой\w{0,6}"
)  # fmt: skip
#: paid, in the past and by the writer; «не оплатил» and «когда оплатил» are none
_PAID_BY_ME = re.compile(
    r"\b(?:оплатил[аи]?|перев[её]л[аи]?|перевели|перечислил[аи]?|закинул[аи]?|перекинул[аи]?|внес(?:ла|ли)|оплачено|оплата (?:произведена|прошла)|плат[её]ж (?:отправлен|проведен|перечислен)|(?:задолженность|счет) (?:погашен|оплачен)\w?|төледі[мк]|аударды[мқ])\b"
)
_PAID_NOT = re.compile(
    r"\b(?:не|когда|если|чтобы|как только|пока) (?:\S{1,20} ){0,2}?(?:оплат|перев|внес|закин)|\bдоговор\w* перев|\bперевел[аи]? (?:меня|на другого|дату|запись)"
)
_PAID_WORD = re.compile(
    r"\b(?:оплат\w{1,4}|перев[её]л\w?|перечисл\w{1,4}|деньг\w|чек\w?|плат[её]ж\w?|погаш\w{1,4}|закинул\w?|төле\w{1,5}|аудар\w{1,5}|ақша\w{0,4})\b"
)
#: what they always do is no order
_HABIT = re.compile(r"\b(?:обычно|всегда|каждый|каждую|раньше|год|говорит|говорят|әдетте)\b")


@dataclass(frozen=True)
class Act:
    """One thing a message does. ``what`` and ``due_at`` of promises, ``what`` of offers: sum or file."""

    message_id: str
    act: str
    what: str = ""
    due_at: datetime | None = None


def of(
    messages: Sequence[Message],
    intents: Sequence[Intent | None],
    talk: Sequence[Said],
    hours: due.WorkingHours,
    files: Sequence[str] = (),
    model: Model | None = None,
) -> list[Act]:
    """What the messages of one dialog do, in order, each act of a kind once a message.

    ``talk``: the same messages as the intents saw them; ``files``: the name of the file each brought, empty for none.
    """
    lines = line_cutting.of(messages, hours.timezone)
    people = [line for line in lines if line.kind in ("client", "manager")]
    sentences = line_cutting.sentences(people)
    names = {m.message_id: name for m, name in zip(messages, files, strict=True)} if files else {}
    found = [*_promised(sentences, hours), *_offered(people, sentences, names)]
    found += _by_client(messages, sentences, intents, talk, model or load())
    order = {line.message_id: line.order for line in lines}
    kept: dict[tuple[str, str, str], Act] = {}
    for one in sorted(found, key=lambda act: order[act.message_id]):
        key = (one.message_id, one.act, one.what)
        # two sentences that promise the same: the nearer deadline counts
        if key not in kept or (one.due_at and (before := kept[key].due_at) and one.due_at < before):
            kept[key] = one
    return list(kept.values())


def _promised(sentences: Sequence[Sentence], hours: due.WorkingHours) -> Iterable[Act]:
    for sentence, day in promises.said(sentences):
        if day is None and _BEFORE.search(sentence.folded):
            day = max(_days(sentence.line), default=None)
        at = due.of(sentence.folded, sentence.line.sent_at, day, hours)
        if sentence.line.kind == "manager":
            yield Act(sentence.line.message_id, "promise", what(sentence.folded), at)
        else:
            yield Act(sentence.line.message_id, "client_promise", _clients_what(sentence.folded), at)


def _days(line: Line) -> Iterable[date]:
    """The dates the sentences of a message name."""
    found = (deadlines.find(part, line.sent_at) for part in re.split(r"[.!?\n] ?", line.folded))
    return [one[0] for one in found if one is not None]


def what(text: str) -> str:
    """What the folded text of a promise of ours promises."""
    ours = _ASIDE.sub(" ", text)
    found = next((name for name, pattern in _WHAT if pattern.search(ours)), "other")
    # whoever comes calls from a phone of his own, which no telephony logs
    return "delivery" if found == "call" and _FIELD.search(ours) else found


def _clients_what(text: str) -> str:
    if _PAY.search(text):
        return "payment"
    return "visit" if _COME.search(text) else what(text)


def _offered(people: Sequence[Line], sentences: Sequence[Sentence], names: dict[str, str]) -> Iterable[Act]:
    for line in people:
        if line.kind == "manager" and (name := names.get(line.message_id)) and offers.is_offer_file(name, line.folded):
            yield Act(line.message_id, "offer", "file")
    is_price_asked = False
    for sentence in sentences:
        if sentence.line.kind == "client":
            is_price_asked = offers.asks_price(sentence.folded)
        elif offers.names_sum(sentence.folded, is_price_asked):
            yield Act(sentence.line.message_id, "offer", "sum")


def _paid(text: str, reason: str) -> bool:
    """The folded text says that its writer has paid; ``reason``: why the line was decided to want an answer."""
    if _PAID_NOT.search(text):
        return False
    return bool(_PAID_BY_ME.search(text) or (reason == "payment_claim" and _PAID_WORD.search(text)))


def _by_client(
    messages: Sequence[Message],
    sentences: list[Sentence],
    intents: Sequence[Intent | None],
    talk: Sequence[Said],
    model: Model,
) -> Iterable[Act]:
    reasons = reader.reasons_of(messages, intents)
    fired = reader.rules_fired(sentences)
    claimed = reader.Claims(messages, talk, fired, model)
    for message_id in reader.complaints(sentences, fired, claimed):
        yield Act(message_id, "complaint")
    for sentence in sentences:
        if sentence.line.kind != "client":
            continue
        message_id, text = sentence.line.message_id, sentence.folded
        reason = reasons.get(message_id, "")
        asks = text.rstrip(" )").endswith("?")
        if not asks and (p.PAID.search(text) or _paid(text, reason)):
            yield Act(message_id, "payment_claimed")
        if reader.refuses(sentence, reason, "", claimed):
            yield Act(message_id, "refusal")
        elif (_ASKS_TO_BUY.search(text) or p.AGREED.search(text)) and not (
            p.NOT_AGREED.search(text) or _HABIT.search(text)
        ):
            yield Act(message_id, "asks_to_buy")
