"""A dialog in one to three sentences, its state and what is next, from what the rules found: no model, nothing invented.

Words of ours say who did what, words of the dialog say the rest in quotes. Every sentence passes :func:`analysis.proof.checks.refuse`
like a model's; one that does not is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise

from analysis.proof import acts, quantities
from analysis.proof.checks import refuse
from analysis.proof.evidence import Evidence, is_of_future
from analysis.reading import sentences as line_cutting
from analysis.reading.models import Item, Promise, Reading, Stated, Step
from analysis.reading.normalisation import folded, visible
from analysis.reading.sentences import Line
from analysis.rules import deadlines
from analysis.rules import patterns as p
from synkro.reporting.dialogs import Message

_LONGEST_QUOTE = 110
_COMPLAINTS = ("complaint", "refund", "broken_promise", "angry", "ignored")
#: what a quote inside « » may not hold, and what a sentence of ours may not
_UNQUOTABLE = re.compile(r"[«»\"“”„\n⟪⟫<>{}]|\*{1,3}|_{2,3}")
_SUM = re.compile(
    r"(?<![\w.,/])\d{1,3}(?:[ \u00a0]\d{3}){1,4}(?:\s?(?:₸|тг|тенге|руб\w{0,20}|₽))?(?![\w])|(?<![\w.,/])\d{2,7}\s?(?:₸|тг|тенге|₽|руб\w{0,20}|тыс\w{0,20}|к\b)"
)
_SERVICE = re.compile(r"\b(?:гаранти|регулировк|ремонт|сломал|не работает|провис|скрип|отклеил|замен)")
_PRODUCTION = re.compile(
    r"\b(?:в работе|в производстве|в цех|изготавлива|запустил[аи]? в|собираем ваш|уже делаем|на раскрое|заказ запущен)"
)
_DELIVERY = re.compile(
    r"\b(?:привез[её]м|доставим|доставка|машина|отгруз\w{1,20}|курьер)\b.{0,60}(?:завтра|сегодня|понедельник|вторник|сред|четверг|пятниц|суббот|воскресень|\d{1,2}[.: ]\d\d|числ|утр|вечер|после)"
)
_DELIVERED = re.compile(r"\b(?:привезли|доставили|получил[аи]?|забрал[аи]?|установили|собрали|приехал)\b")
_FILE = re.compile(r"смет|расч[её]т|кп\b|предложени|счет|сч[её]т|договор", re.I)


def add(reading: Reading, messages: Sequence[Message], timezone: str) -> Reading:
    """The reading with summary, state and step."""
    evidence = Evidence.of(messages, timezone)
    return replace(
        reading,
        summary=tuple(sentences(reading, evidence)),
        state=state(reading, evidence),
        step=step(reading, evidence),
        summary_by="rules",
    )


def sentences(reading: Reading, evidence: Evidence) -> list[Stated]:
    """What the client came for, where it stands, what is open; each once proved."""
    told: list[Stated] = []
    used: set[str] = set()
    wish = _wish(reading, evidence)
    for made in (wish, _stands(reading, evidence), _open(reading, evidence)):
        if made is None or any(quote in used for quote in _quotes(made.text)):
            continue
        if refuse(made.text, made.message_ids, evidence) is None:
            told.append(made)
            used.update(_quotes(made.text))
    if not told:
        told = _last_words(evidence)
    return told


def _quotes(text: str) -> list[str]:
    return re.findall(r"«([^«»]+)»", text)


def _quoted(text: str) -> str:
    """A piece of the line fit to stand in « », cut at words; empty when nothing is left."""
    text = visible(text)
    pieces = [piece.strip(" ,;:—–-*_#") for piece in _UNQUOTABLE.split(text)]
    piece = max(pieces, key=len, default="").rstrip(".")
    if len(piece) > _LONGEST_QUOTE:
        cut = piece[:_LONGEST_QUOTE]
        piece = (cut[: cut.rfind(" ")] if " " in cut[40:] else cut).rstrip(" ,;:—–-(") + "…"
    return piece if sum(map(str.isalnum, piece)) >= 2 else ""


def _line(evidence: Evidence, message_id: str) -> Line | None:
    found = evidence.cited([message_id])
    return found[0] if found else None


def _say(who: str, verb: str, item: Item, evidence: Evidence) -> str:
    quote = _quoted(item.quote)
    return f"{who} {verb}: «{quote}»" if quote else ""


def _wish(reading: Reading, evidence: Evidence) -> Stated | None:
    wish = reading.wish
    if wish is None or wish.message_ids[0] not in {line.message_id for line in _first_lines(evidence)}:
        wish = _first_words(evidence) or wish
    if wish is None:
        return None
    complaint = next((r for r in reading.risks if r.kind in _COMPLAINTS and wish.quote in r.quote), None)
    line = _line(evidence, wish.message_ids[0])
    if line is None or line.kind != "client":
        return None
    quote = _quoted(wish.quote)
    if not quote:
        return None
    verb = "пожаловался" if complaint is not None else "спросил" if _is_question(wish.quote) else "написал"
    return Stated(f"Клиент {verb}: «{quote}».", (wish.message_ids[0],))


def _is_question(quote: str) -> bool:
    return quote.rstrip(" )🙂😊").endswith("?") or p.QUESTION.search(quote.lower().replace("ё", "е")) is not None


def _first_lines(evidence: Evidence) -> list[Line]:
    """What the client wrote before our second answer."""
    found: list[Line] = []
    turns, before = 0, "client"
    for line in evidence.lines:
        turns += line.kind == "manager" and before != "manager"
        before = line.kind if line.kind in ("client", "manager") else before
        if turns == 2:
            break
        if line.kind == "client" and line.text:
            found.append(line)
    return found


def _first_words(evidence: Evidence) -> Item | None:
    """The sentence of those lines that says most: more than a greeting or a nod."""
    said = [one for one in line_cutting.sentences(_first_lines(evidence)) if not _is_greeting(one.folded)]
    said = [one for one in said if not p.NO_PURPOSE.match(one.folded)]
    if not said:
        said = line_cutting.sentences(_first_lines(evidence))
    if not said:
        return None
    best = max(said, key=lambda one: min(len(one.text), _LONGEST_QUOTE))
    return Item("wish", (best.line.message_id,), best.quote())


def _is_greeting(text: str) -> bool:
    return (p.GREETING.search(text) is not None or re.search(r"\bдоброе\b|\bпривет\b", text) is not None) and len(
        text.split()
    ) <= 4


def _stands(reading: Reading, evidence: Evidence) -> Stated | None:
    """Price and outcome in one sentence, an objection where nothing was decided."""
    parts: list[str] = []
    ids: list[str] = []
    last = _outcome_words(reading, evidence)
    price = _price(evidence)
    if price is not None and (last is None or price[1] not in last.message_ids):
        parts.append(f"менеджер назвал {price[0]}")
        ids.append(price[1])
    objection = reading.objections[-1] if reading.objections else None
    kind = reading.outcome.kind if reading.outcome else ""
    complaint = next((risk for risk in reading.risks if risk.kind in _COMPLAINTS), None)
    wished = reading.wish.message_ids[0] if reading.wish else ""
    settled = reading.outcome.quote if reading.outcome else ""
    if complaint is not None and complaint.message_ids[0] != wished and complaint.quote != settled:
        parts.append(_say("клиент", "пожаловался", complaint, evidence))
        ids.append(complaint.message_ids[0])
    elif (
        objection is not None
        and kind not in ("paid", "agreed", "visit")
        and (last is None or objection.message_ids[0] not in last.message_ids)
    ):
        asks = objection.quote.rstrip(" )").endswith("?")
        parts.append(_say("клиент", "спросил" if asks else "возразил", objection, evidence))
        ids.append(objection.message_ids[0])
    if last is not None:
        parts.append(last.text)
        ids += last.message_ids
    parts = [part for part in parts if part]
    if not parts:
        return None
    text = parts[0]
    for before, part in pairwise(parts):
        who = before.split(" ", 1)[0]
        # said of the same side: once is enough
        text += (
            f" и {part.removeprefix(f'{who} ')}"
            if who in ("менеджер", "клиент") and part.startswith(f"{who} ")
            else f", {part}"
        )
    return Stated(text[0].upper() + text[1:] + ".", tuple(dict.fromkeys(ids)))


def _price(evidence: Evidence) -> tuple[str, str] | None:
    """The one sum our last priced line names, as it stands there."""
    for line in reversed(evidence.lines):
        if line.kind != "manager":
            continue
        found = _SUM.findall(line.text)
        if found:
            return (
                (found[0].strip(), line.message_id)
                if len(set(found)) == 1 and len(quantities.numbers(line.text)) <= 3
                else None
            )
    return None


#: outcome → what the client, or we, did in these words
_OF_OUTCOME = {
    "paid": ("клиент сообщил об оплате", "менеджер подтвердил оплату"),
    "agreed": ("клиент согласился", "менеджер подтвердил"),
    "visit": ("клиент договорился о визите", "менеджер записал клиента"),
    "call": ("клиент просит позвонить", "менеджер предложил звонок"),
    "thinking": ("клиент думает", "менеджер ответил"),
    "refused": ("клиент отказался", "менеджер отказал"),
    "waiting": ("клиент ждёт ответа", "менеджер написал"),
    "answered": ("клиент ответил", "менеджер ответил"),
}


def _outcome_words(reading: Reading, evidence: Evidence) -> Stated | None:
    outcome = reading.outcome
    if outcome is None or outcome.kind not in _OF_OUTCOME:
        return None
    line = _line(evidence, outcome.message_ids[0])
    quote = _quoted(outcome.quote)
    if line is None or not quote or line.kind not in ("client", "manager"):
        return None
    said = _OF_OUTCOME[outcome.kind][line.kind == "manager"]
    ids = outcome.message_ids[:1]
    if outcome.kind == "waiting" and line.kind == "client":
        if any(one.text for one in evidence.after(line, "manager")):
            return None
        return Stated(
            f"вопрос клиента без ответа: «{quote}»"
            if _is_question(outcome.quote)
            else f"клиент ждёт ответа: «{quote}»",
            ids,
        )
    if outcome.kind == "answered" and p.POLITE.search(outcome.quote.lower()) and len(outcome.quote) < 60:
        return None
    candidates = [f"{said}: «{quote}»"]
    if line.kind == "client":
        candidates.append(f"клиент ответил: «{quote}»")
    else:
        candidates.append(f"менеджер ответил: «{quote}»")
    for text in candidates:
        whole = text[0].upper() + text[1:] + "."
        if refuse(whole, ids, evidence) is None:
            return Stated(text, ids)
    return None


def _open(reading: Reading, evidence: Evidence) -> Stated | None:
    """A promise that was not kept, else the question nobody answered."""
    promise = _promised(reading)
    if promise is not None:
        quote = _quoted(promise.quote)
        line = _line(evidence, promise.message_ids[0])
        if quote and line is not None and line.kind == promise.who:
            who = "Менеджер" if promise.who == "manager" else "Клиент"
            return Stated(f"{who} обещал: «{quote}».", promise.message_ids[:1])
    question = reading.open_question
    if question is not None and (quote := _quoted(question.quote)):
        return Stated(f"Вопрос клиента без ответа: «{quote}».", question.message_ids[:1])
    return None


#: said of the talk itself, not of a deed
_OF_THE_TALK = re.compile(r"\b(?:напомн|напомин|повтор|отвеч|подытож|кратко|уточню для вас|расскаж|объясн)")


def _promised(reading: Reading) -> Promise | None:
    """The last promise of ours that waits; one with a day before one without."""
    ours = [one for one in reading.promises if one.who == "manager" and not one.kept and _is_deed(one.quote)]
    dated = [one for one in ours if one.deadline is not None]
    return (dated or ours)[-1] if ours else None


def _is_deed(quote: str) -> bool:
    """A sentence with a verb of the future: «Время: 10:00» and «напомню, мы до восьми» promise nothing."""
    text = folded(_quoted(quote))
    return _OF_THE_TALK.search(text) is None and is_of_future(text)


def _last_words(evidence: Evidence) -> list[Stated]:
    """Whoever wrote last, where nothing else can be said."""
    for line in reversed(evidence.lines):
        who = {"client": "Клиент", "manager": "Менеджер", "bot": "Робот"}.get(line.kind)
        if who is None or not line.text.strip():
            continue
        quote = _quoted(line.text)
        for text in (f"{who} написал: «{quote}».", f"{who} написал сообщение."):
            if (quote or "«" not in text) and refuse(text, (line.message_id,), evidence) is None:
                return [Stated(text, (line.message_id,))]
    return []


# --- state and step -----------------------------------------------------------------------------------------


def state(reading: Reading, evidence: Evidence) -> str:
    """A word of :data:`analysis.reading.vocabulary.STATES`: money and complaints first, then what was decided, then the last move."""
    kind = reading.outcome.kind if reading.outcome else ""
    people = [line for line in evidence.lines if line.kind in ("client", "manager") and (line.text or line.has_media)]
    clients = [line for line in people if line.kind == "client"]
    ours = [line for line in people if line.kind == "manager"]
    if any(risk.kind in ("complaint", "refund", "broken_promise") for risk in reading.risks):
        return "complaint"
    if kind == "paid" and reading.outcome is not None and _is_payment(reading.outcome, evidence):
        line = _line(evidence, reading.outcome.message_ids[0])
        seen = any(p.PAID_SEEN.search(one.folded) for one in ours)
        return "paid" if seen or (line is not None and line.kind == "manager") else "payment_claimed"
    if kind == "refused":
        return "refused"
    if any(_DELIVERED.search(one.folded) for one in clients[-2:]):
        return "delivered"
    if any(_DELIVERY.search(one.folded) and not one.folded.rstrip().endswith("?") for one in ours[-2:]):
        return "delivery_scheduled"
    if any(_PRODUCTION.search(one.folded) for one in ours[-2:]):
        return "in_production"
    if kind in ("agreed", "visit"):
        return "agreed"
    if kind == "thinking":
        return "thinking"
    if (
        clients
        and _SERVICE.search(clients[0].folded)
        and any(topic.kind in ("warranty", "repair", "service", "return") for topic in reading.topics)
    ):
        return "service_request"
    if not ours:
        return "new_question"
    last = people[-1]
    if last.kind == "manager":
        if _sent_offer(last):
            return "offer_sent"
        if last.text.rstrip(" )🙂😊*").endswith("?"):
            return "silent"
    if any(_sent_offer(one) for one in ours):
        return "offer_sent" if last.kind == "manager" else "choosing"
    return "choosing"


def _is_payment(outcome: Item, evidence: Evidence) -> bool:
    """«Спасибо» after a price is no payment, whatever came before it."""
    line = _line(evidence, outcome.message_ids[0])
    return line is not None and acts.OF_VERB["оплатить"].shows(line, evidence)


def _sent_offer(line: Line) -> bool:
    return p.OUR_PRICE.search(line.folded) is not None or (line.has_media and _FILE.search(line.text) is not None)


def step(reading: Reading, evidence: Evidence) -> Step | None:
    """What is next in words, whose it is, by when."""
    found = reading.next_step
    made: Step | None = None
    if found is not None and found.kind == "send":
        promise = _promised(reading)
        found = Item("send", promise.message_ids, promise.quote) if promise is not None else None
    if found is not None:
        quote = _quoted(found.quote)
        ids = found.message_ids[:1]
        due = next((one.deadline for one in reading.promises if one.message_ids[:1] == ids), None)
        words = {
            "fix": f"Разобрать жалобу клиента: «{quote}»",
            "call": f"Позвонить клиенту: «{quote}»",
            "answer": f"Ответить на вопрос клиента: «{quote}»",
            "send": f"Выполнить обещанное: «{quote}»",
            "meet": f"Провести встречу с клиентом: «{quote}»",
            "pay": f"Согласовать с клиентом оплату: «{quote}»",
        }.get(found.kind)
        if words and quote:
            made = Step(words, "manager", due if found.kind == "send" else _day(ids[0], evidence), ids)
    elif reading.outcome is not None and reading.outcome.kind == "thinking":
        quote = _quoted(reading.outcome.quote)
        made = Step(f"Вернуться к клиенту: «{quote}»", "manager", None, reading.outcome.message_ids[:1])
    elif reading.outcome is not None and reading.outcome.kind == "waiting":
        quote = _quoted(reading.outcome.quote)
        made = Step(f"Ответить клиенту: «{quote}»", "manager", None, reading.outcome.message_ids[:1])
    elif state(reading, evidence) in ("silent", "offer_sent"):
        last = next((line for line in reversed(evidence.lines) if line.kind == "manager" and _quoted(line.text)), None)
        if last is not None:
            made = Step(f"Напомнить клиенту: «{_quoted(_last_sentence(last))}»", "manager", None, (last.message_id,))
    return made if made is not None and refuse(made.text, made.message_ids, evidence, is_step=True) is None else None


def _day(message_id: str, evidence: Evidence) -> date | None:
    """The day the line names, for a meeting."""
    line = _line(evidence, message_id)
    found = deadlines.find(line.folded, line.sent_at) if line is not None else None
    return found[0] if found else None


def _last_sentence(line: Line) -> str:
    found = [one for one in line_cutting.sentences([line]) if sum(map(str.isalnum, one.text)) >= 4]
    asked = [one for one in found if one.text.rstrip().endswith("?")]
    return (asked or found)[-1].text if found else line.text
