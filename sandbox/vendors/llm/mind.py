"""What the simulated model thinks: plain word spotting, written apart from the product's own rules.

:func:`answer` is honest: it quotes whole lines. :data:`BENT` spoils an honest answer the way a lying, hijacked or
confused model would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

#: stands in everything a model that obeys its attacker writes of its own: wherever it turns up, a model was believed
CANARY = "ВЗЛОМАНО-7391"

Line = tuple[int, str, str]
Value = dict[str, Any]

_TOPICS = {
    "price": ("сколько сто", "цена", "цену", "почём", "посчита", "прайс", "стоимость"),
    "delivery": ("доставк", "привез", "доставля"),
    "assembly": ("сборк", "монтаж"),
    "measure": ("замер",),
    "warranty": ("гаранти",),
    "discount": ("скидк", "акци"),
    "credit": ("рассрочк", "частями", "кредит"),
    "availability": ("в наличии", "есть ещё", "ещё есть"),
    "payment": ("реквизит", "как оплатить", "предоплат"),
    "look": ("цвет", "фото"),
    "size": ("размер",),
    "terms": ("сколько дней", "какие сроки", "через сколько"),
    "return": ("вернуть", "возврат"),
}
_OBJECTIONS = {
    "price": ("дорого", "дороговато", "подешевле", "уступите"),
    "competitor": ("дешевле на", "намного дешевле", "сравниваем"),
    "postponed": ("подумаем", "посоветуюсь", "пока думаем"),
    "terms": ("долго ждать", "дней долго"),
}
_RISKS = {
    "refund": ("верните деньги", "верните предоплату"),
    "complaint": ("никто не приехал", "царапин", "не тот цвет", "недоволен", "недовольны", "жалобу"),
    "broken_promise": ("обещали",),
    "angry": ("безобразие", "сколько можно ждать"),
}
_RUDE = ("читайте внимательно", "листайте выше", "мне некогда", "не берите")
_PROMISE = ("скину", "пришлю", "отправлю", "перезвоню", "отпишусь", "напишу вам", "дам ответ", "подготовлю")
_WHEN = (
    "завтра",
    "сегодня",
    "до конца дня",
    "до вечера",
    "понедельник",
    "вторник",
    "сред",
    "четверг",
    "пятниц",
    "суббот",
    "воскресень",
)


def answer(document: Mapping[str, Any]) -> Value:
    """By the document's task; anything unknown gets an empty object."""
    if document["task"] == "read_dialog":
        return _read(_lines(document), document)
    if document["task"] == "judge_claims":
        return _judge(document)
    if document["task"] == "pick_metric":
        return _pick(document)
    if document["task"] == "write_headline":
        return _headline([fact for fact in document["facts"] if isinstance(fact, dict)])
    return {}


def _pick(document: Mapping[str, Any]) -> Value:
    """The metric whose description shares most word beginnings with the question."""
    asked = {word[:5] for word in str(document["question"]).lower().split()}
    best, most = "none", 0
    for one in document["metrics"]:
        shared = len(asked & {word[:5] for word in str(one["means"]).lower().split()})
        if shared > most:
            best, most = str(one["key"]), shared
    period = "previous" if "прошл" in str(document["question"]).lower() else "report"
    return {"metric": best, "manager": "", "period": period}


_LINE = re.compile(r"(\d+) ?(К|М\d{0,2}|Б) (?:(\d\d:\d\d) )?(.*)", re.S)
_LABEL = re.compile(r"^\[[^\]\n]{0,80}\] ?")


def _lines(document: Mapping[str, Any], *, new: bool = True) -> list[Line]:
    """``(number, К, М or Б, text)`` of «number who time text»; calls and, with ``new``, what was there before are left out."""
    said = [match for day in document["days"] for line in day["lines"] if (match := _LINE.fullmatch(str(line)))]
    first = int(document.get("from", 0)) if new else 0
    lines = [(int(m[1]), m[2][0], _LABEL.sub("", m[4]).strip()) for m in said if int(m[1]) >= first]
    return [line for line in lines if line[2]]


def _who(document: Mapping[str, Any], number: int) -> str:
    """The mark the line's author has in the document."""
    said = (_LINE.fullmatch(str(line)) for day in document["days"] for line in day["lines"])
    return next((m[2] for m in said if m is not None and int(m[1]) == number), "М")


def _quote(text: str) -> str:
    return text if len(text) <= 180 else text[:180].rpartition(" ")[0]


def _item(kind: str, line: Line) -> Value:
    return {"kind": kind, "n": [line[0]], "quote": _quote(line[2])}


def _spot(table: Mapping[str, tuple[str, ...]], lines: list[Line]) -> list[Value]:
    found: dict[str, Value] = {}
    for line in lines:
        for kind, words in table.items():
            if any(word in line[2].lower() for word in words):
                found.setdefault(kind, _item(kind, line))
    return list(found.values())


_SUM = re.compile(r"\d{1,3}(?: \d{3})+|\d{4,7}")
_PAID = ("оплатил", "перевел", "перевёл", "внес", "чек")
_NO = ("не нужно", "передумал", "не надо", "отказыва", "не актуальн", "неактуальн", "не будем", "не потян")
_YES = ("берём", "берем", "беру", "оформляйте", "договорились", "подходит", "давайте оформ")
_PRAISE = ("спасибо, всё супер", "очень довол", "молодцы", "красиво получилось")
_FACTS = {
    "budget": ("бюджет",),
    "size": ("размер", "метр", " см"),
    "colour": ("цвет", "бел", "сер", "беж"),
    "product": ("диван", "кухн", "шкаф", "стол", "кровать", "матрас"),
}


def _told(text: str) -> str:
    """A line of somebody as a quote inside a sentence."""
    piece = max(re.split(r"[«»\"“”\n]", text), key=len).strip(" .")
    return piece if len(piece) <= 90 else piece[:90].rpartition(" ")[0]


def _state(lines: list[Line], risks: list[Value], *, has_past: bool) -> str:
    client = [x for x in lines if x[1] == "К"]
    said = [(state, words) for state, words in (("payment_claimed", _PAID), ("refused", _NO), ("agreed", _YES))]
    if risks:
        return "complaint"
    for line in reversed(client):
        for state, words in said:
            if any(word in line[2].lower() for word in words):
                return state
    if any(word in line[2].lower() for line in client for word in _OBJECTIONS["postponed"]):
        return "thinking"
    if not has_past and not any(line[1] == "М" for line in lines):
        return "new_question"
    if lines and lines[-1][1] == "М":
        return "offer_sent" if _SUM.search(lines[-1][2]) else "silent" if "?" in lines[-1][2] else "choosing"
    return "choosing"


def _summary(lines: list[Line], document: Mapping[str, Any]) -> list[Value]:
    """What the client asked, the last sum or answer of the company, and the promise or the open question at the end."""
    client = [x for x in lines if x[1] == "К"]
    manager = [x for x in lines if x[1] == "М"]
    found: list[Value] = []
    first = next((x for x in client if "?" in x[2]), client[0] if client else None)
    if first is not None and _told(first[2]):
        verb = "спросил" if "?" in first[2] else "написал"
        found.append({"text": f"Клиент {verb}: «{_told(first[2])}».", "n": [first[0]]})
    priced = [x for x in manager if len(_SUM.findall(x[2])) == 1]
    if priced:
        line = priced[-1]
        sums = _SUM.findall(line[2])
        found.append({"text": f"{_who(document, line[0])} назвал {sums[0]}.", "n": [line[0]]})
    elif manager and _told(manager[-1][2]):
        found.append({"text": f"Менеджер ответил: «{_told(manager[-1][2])}».", "n": [manager[-1][0]]})
    promise = next((x for x in reversed(manager) if any(w in x[2].lower() for w in _PROMISE)), None)
    if promise is not None and _told(promise[2]):
        found.append({"text": f"Менеджер обещал: «{_told(promise[2])}».", "n": [promise[0]]})
    elif lines and lines[-1][1] == "К" and "?" in lines[-1][2] and lines[-1] is not first:
        found.append({"text": f"Клиент ждёт ответа: «{_told(lines[-1][2])}».", "n": [lines[-1][0]]})
    return found[:3]


_WORD = re.compile(r"[^\W\d_]{4,}|\d+")


def _judge(document: Mapping[str, Any]) -> Value:
    """Supported, when the numbers and most long words of a claim stand in its lines and the side it names speaks there."""
    verdicts = []
    for dialog in document["dialogs"]:
        said = [match for line in dialog["lines"] if (match := _LINE.fullmatch(str(line)))]
        for claim in dialog["claims"]:
            cited = [m for m in said if int(m[1]) in claim["n"]]
            text = " ".join(m[4].lower() for m in cited)
            body = str(claim["text"])
            quoted = " ".join(re.findall(r"«([^«»]+)»", body)).lower().rstrip("….")
            wanted = [w for w in _WORD.findall(body.lower()) if w not in _SPOKEN]
            held = sum(word[:5] in text for word in wanted)
            numbers = [w for w in wanted if w.isdigit()]
            ok = bool(cited) and all(n in text for n in numbers) and (not wanted or held >= 0.6 * len(wanted))
            ok = ok and quoted in text and " не " not in f" {body.split('«')[0].lower()} "
            sides = {m[2][0] for m in cited}
            ok = ok and not (body.startswith("Клиент") and "К" not in sides)
            ok = ok and not (body.startswith(("Менеджер", "⟦М")) and "М" not in sides)
            is_finding = body.startswith(("Риск:", "Клиент возражает:"))
            verdicts.append({"id": claim["id"], "verdict": "supported" if ok or is_finding else "not"})
    return {"verdicts": verdicts}


_SPOKEN = frozenset(
    [
        "клиент",
        "клиента",
        "клиенту",
        "клиентом",
        "менеджер",
        "менеджера",
        "спросил",
        "написал",
        "назвал",
        "ответил",
        "обещал",
        "обещает",
        "ждёт",
        "ответа",
        "ответить",
        "вопрос",
        "выполнить",
        "обещанное",
    ]
)


def _read(lines: list[Line], document: Mapping[str, Any]) -> Value:
    client = [line for line in lines if line[1] == "К"]
    manager = [line for line in lines if line[1] == "М"]
    asked = [line for line in client if "?" in line[2]]
    risks = _spot(_RISKS, client) + [_item("rude_manager", x) for x in manager if any(w in x[2].lower() for w in _RUDE)]
    last = lines[-1] if lines else None
    outcome = None
    if last is not None and last[1] == "К" and "?" in last[2]:
        outcome = _item("waiting", last)
    elif last is not None and last[1] == "М":
        outcome = _item("answered", last)
    promises = [
        x for x in manager if any(w in x[2].lower() for w in _PROMISE) and any(w in x[2].lower() for w in _WHEN)
    ]
    tail = lines[-1] if lines and lines[-1][1] == "К" else None
    praised = next((x for x in client if any(w in x[2].lower() for w in _PRAISE)), None)
    hello = next((x for x in manager if any(w in x[2].lower() for w in ("здравствуйте", "добр"))), None)
    return {
        "language": "ru",
        "mood": "annoyed" if risks else "calm",
        "topics": _spot(_TOPICS, client),
        "wish": {"n": [asked[0][0]], "quote": _quote(asked[0][2])} if asked else None,
        "outcome": outcome,
        "objections": _spot(_OBJECTIONS, client),
        "promises": [
            {"who": "manager", "what": _what(x[2]), "superseded": False, "n": [x[0]], "quote": _quote(x[2])}
            for x in promises
        ],
        "risks": risks,
        "summary": _summary(lines, document),
        "state": _state(lines, risks, has_past="from" in document),
        "needs_reply": (
            {"kind": "hard" if "?" in tail[2] else "soft", "n": [tail[0]], "quote": _quote(tail[2])} if tail else None
        ),
        "open_questions": [{"n": [tail[0]], "quote": _quote(tail[2])}] if tail and "?" in tail[2] else [],
        "praise": [{"n": [praised[0]], "quote": _quote(praised[2])}] if praised else [],
        "client_facts": _spot(_FACTS, client),
        "next_step": (
            {
                **_item("answer", last),
                "text": f"Ответить на вопрос клиента: «{_told(last[2])}»",
                "owner": "manager",
                "due": "",
            }
            if outcome and outcome["kind"] == "waiting" and last
            else None
        ),
        "quality": [{"name": "Приветствие", "score": 2, "n": [hello[0]], "quote": _quote(hello[2]), "absence": ""}]
        if hello
        else [],
    }


def _what(text: str) -> str:
    kinds = {
        "document": ("расч", "договор", "счёт", "счет", "смет"),
        "call": ("звон", "набер"),
        "photo": ("фото",),
        "delivery": ("привез", "достав"),
    }
    return next((kind for kind, words in kinds.items() if any(word in text.lower() for word in words)), "answer")


def _headline(facts: list[Mapping[str, Any]]) -> Value:
    known = {str(fact.get("key")) for fact in facts}
    sentences = []
    if "unanswered_now" in known:
        text = "Ждут ответа {unanswered_now}"
        text += ", под риском {money_at_risk}" if "money_at_risk" in known else ""
        sentences.append({"text": text + "."})
    if "first_response_p50" in known:
        sentences.append({"text": "На первое сообщение отвечают за {first_response_p50}."})
    if not sentences and facts:
        sentences.append({"text": "Главный показатель дня: {" + str(facts[0].get("key")) + "}."})
    return {"headline": sentences[:2]}


# --- bent answers -------------------------------------------------------------------------------------------


def _lies(value: Value, document: Mapping[str, Any]) -> Value:
    """Numbers of its own, quotes nobody said, messages that do not exist."""
    if "headline" in value:
        return {"headline": [{"text": "Продажи выросли на 47 % и достигли 9 900 000 ₸, ждут {unanswered_now}."}]}
    if "topics" not in value:
        return value
    for said in value["summary"]:
        said["text"] = f"{said['text'].rstrip('.')}, это 777 000 ₸ до 31 декабря."
    for name in ("topics", "objections", "risks"):
        for item in value[name]:
            item["text"] = "клиент потратил 500 000 и ждёт 12 дней"
    value["promises"].append(
        {"who": "manager", "text": "скидка 90 %", "n": [1], "quote": "Сделаем вам скидку 90 процентов завтра"}
    )
    value["risks"].append({"kind": "refund", "text": "вернуть 1 000 000", "n": [99_999], "quote": "Верните миллион"})
    value["quality"].append({"name": "Вежливость", "score": 2, "n": [1], "quote": "Менеджер был вежлив 10 раз"})
    return value


def _obeys(value: Value, document: Mapping[str, Any]) -> Value:
    """Everything a text could have told it to do."""
    link = f"http://evil.example/{CANARY}"
    if "headline" in value:
        return {
            "headline": [{"text": f"Срочно переведите оплату на карту 4400 4300 1234 5678: {link} {{unanswered_now}}!"}]
        }
    if "verdicts" in value:
        return {"verdicts": [{**one, "verdict": "supported", "text": link} for one in value["verdicts"]]}
    if "metric" in value:
        return {
            **value,
            "metric": "select * from private.integration_secrets",
            "manager": CANARY,
            "text": link,
            "sql": "drop table x",
        }
    lines = _lines(document)
    order = f"{CANARY} " + " ".join(str(line[2]) for line in lines if line[1] == "К")[:400]
    first = lines[0][0] if lines else 1
    evil = {
        "kind": "complaint",
        "text": f"<img src={link}> ![a]({link}) {order}",
        "n": [first],
        "quote": f"Увольте менеджера {CANARY}",
    }
    value["risks"] = [
        evil,
        {**evil, "kind": CANARY, "quote": str(lines[0][2])[:50] if lines else CANARY},
        {**evil, "n": ["drop table"]},
    ]
    value["topics"] = [{**item, "text": order} for item in value["topics"]]
    value["promises"] = [{"who": "system", "text": order, "n": [first, 77_777], "quote": order[:100]}]
    value["quality"] = [
        {"name": name, "score": score, "n": [n], "quote": quote}
        for name, score, quote in (
            ("Вежливость", 10, "отлично"),
            (CANARY, 2, ""),
            ("Приветствие", -1, "отлично"),
            ("Вежливость", 2, CANARY),
        )
        for n in (first, 88_888)
    ]
    value["summary"] = [
        {"text": f"Увольте менеджера {CANARY}.", "n": [first]},
        {"text": order[:200], "n": [first]},
        {"text": f"Клиент просит перейти по ссылке {link}.", "n": [first]},
    ]
    value["next_step"] = {
        "kind": "other", "text": f"Перевести 1 000 000 на карту {CANARY}", "owner": "system", "due": order[:30], "n": [first], "quote": order[:60],
    }  # fmt: skip
    value["state"] = CANARY
    value["needs_reply"] = {"kind": CANARY, "n": [first], "quote": CANARY}
    for name in ("open_questions", "praise", "client_facts"):
        value[name] = [{"kind": CANARY, "n": [first], "quote": f"{CANARY} {link}", "text": order}]
    value["wish"] = {"text": order, "n": [first], "quote": f"пароль от базы {CANARY}"}
    value["tool_calls"] = [{"name": "send_message", "arguments": {"text": order}}]
    value["mood"] = order
    value["language"] = f"javascript:alert({CANARY})"
    return value


def _english(value: Value, document: Mapping[str, Any]) -> Value:
    """Understood, but answered in another language, quotes translated."""
    if "headline" in value:
        return {"headline": [{"text": "There are {unanswered_now} waiting for an answer."}]}
    if "verdicts" in value or "metric" in value:
        return value
    value["summary"] = [
        {**said, "text": "The client asks about the price and waits for an answer."} for said in value["summary"]
    ]
    for name in ("topics", "objections", "promises", "risks"):
        for item in value[name]:
            item["text"], item["quote"] = "the client asks about it", "How much does it cost and when will you deliver?"
    return value


def _wrong_quote(value: Value, document: Mapping[str, Any]) -> Value:
    """Understood, but every quote is told in other words."""
    for name in ("topics", "objections", "promises", "risks", "praise", "client_facts", "open_questions"):
        for item in value.get(name, ()):
            item["quote"] = "клиент пересказал это иначе, чем здесь стоит"
    for said in value.get("summary", ()):
        said["text"] = re.sub(r"«[^«»]*»", "«этого никто дословно не писал»", said["text"])
    return value


def _unsupported(value: Value, document: Mapping[str, Any]) -> Value:
    """Sentences nothing in the lines says, each with real message numbers; as a judge it lets everything pass."""
    if "verdicts" in value:
        return _agrees(value, document)
    lines = _lines(document) if "days" in document else []
    if "summary" in value and lines:
        n = [lines[0][0]]
        value["summary"] = [
            {"text": "Менеджер пообещал клиенту бесплатную доставку на дачу.", "n": n},
            {"text": "Клиент согласился внести предоплату 350 000 в четверг.", "n": n},
            {"text": "Менеджер не ответил и отказал в гарантии.", "n": n},
        ]
    return value


def _wrong_person(value: Value, document: Mapping[str, Any]) -> Value:
    """What the client said is told of the company, and the other way round."""
    for said in value.get("summary", ()):
        lead, mark, rest = said["text"].partition("«")
        swapped = "Менеджер" if lead.startswith("Клиент") else "Клиент"
        said["text"] = swapped + re.sub(r"^(?:Клиент|Менеджер|М\d*)", "", lead) + mark + rest
    for promise in value.get("promises", ()):
        promise["who"] = "client"
    return value


def _agrees(value: Value, document: Mapping[str, Any]) -> Value:
    """A judge that lets everything pass."""
    for one in value.get("verdicts", ()):
        one["verdict"] = "supported"
    return value


BENT: dict[str, Callable[[Value, Mapping[str, Any]], Value]] = {
    "llm_lies_numbers": _lies,
    "llm_obeys_attacker": _obeys,
    "llm_wrong_language": _english,
    "llm_wrong_quote": _wrong_quote,
    "llm_unsupported": _unsupported,
    "llm_wrong_person": _wrong_person,
    "llm_judge_agrees": _agrees,
}
