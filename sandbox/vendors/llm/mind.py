"""What the simulated model thinks: plain word spotting, written apart from the product's own rules.

:func:`answer` is honest: it quotes whole lines. :data:`BENT` spoils an honest answer the way a lying, hijacked or
confused model would.
"""

from __future__ import annotations

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
        return _read(_lines(document))
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


def _lines(document: Mapping[str, Any]) -> list[Line]:
    """``(number, who, text)`` of «number who text»."""
    split = [str(line).split(" ", 2) for day in document["days"] for line in day["lines"]]
    return [(int(n), who, text) for n, who, text in split]


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


def _read(lines: list[Line]) -> Value:
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
    hello = next((x for x in manager if any(w in x[2].lower() for w in ("здравствуйте", "добр"))), None)
    return {
        "language": "ru",
        "mood": "annoyed" if risks else "calm",
        "topics": _spot(_TOPICS, client),
        "wish": {"n": [asked[0][0]], "quote": _quote(asked[0][2])} if asked else None,
        "outcome": outcome,
        "objections": _spot(_OBJECTIONS, client),
        "promises": [
            {"who": "manager", "n": [x[0]], "quote": _quote(x[2])}
            for x in manager
            if any(w in x[2].lower() for w in _PROMISE) and any(w in x[2].lower() for w in _WHEN)
        ],
        "risks": risks,
        "next_step": _item("answer", last) if outcome and outcome["kind"] == "waiting" and last else None,
        "quality": [{"name": "Приветствие", "score": 2, "n": [hello[0]], "quote": _quote(hello[2])}] if hello else [],
    }


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
    value["wish"] = {"text": order, "n": [first], "quote": f"пароль от базы {CANARY}"}
    value["tool_calls"] = [{"name": "send_message", "arguments": {"text": order}}]
    value["mood"] = order
    value["language"] = f"javascript:alert({CANARY})"
    return value


def _english(value: Value, document: Mapping[str, Any]) -> Value:
    """Understood, but answered in another language, quotes translated."""
    if "headline" in value:
        return {"headline": [{"text": "There are {unanswered_now} waiting for an answer."}]}
    for name in ("topics", "objections", "promises", "risks"):
        for item in value[name]:
            item["text"], item["quote"] = "the client asks about it", "How much does it cost and when will you deliver?"
    return value


BENT: dict[str, Callable[[Value, Mapping[str, Any]], Value]] = {
    "llm_lies_numbers": _lies,
    "llm_obeys_attacker": _obeys,
    "llm_wrong_language": _english,
}
