"""«Главное»: one or two sentences that say what matters today.

:func:`by_code` always has an answer. :func:`by_model` lets a model phrase it from a sheet of facts that holds no
text of a client and no value at all, only what each placeholder means and where it moved; every sentence is judged by
:func:`analysis.reading.grounding.refuse_sentence` and filled by code, and one refusal brings the sentences of code back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.llm import prompts
from analysis.llm.provider import Provider
from analysis.reading.grounding import Fact, fill, refuse_sentence
from analysis.report.claims import Claims
from analysis.report.inputs import Facts
from analysis.report.numbers import noise
from synkro.core import russian
from synkro.metrics.metric import SMALL_N
from synkro.metrics.registry import SUMMARY

_MOST = 2
_QUIET = {"daily": "Тихий день", "weekly": "Тихая неделя", "monthly": "Тихий месяц"}
_AT_END = {"daily": "На конец дня", "weekly": "На конец недели", "monthly": "На конец месяца"}
#: what a sentence may compare, the most telling first
_COMPARED = ("first_response_p50", "answered_within_target", "deals_won", "dialogs", "new_clients", "deals_lost")


def by_code(
    facts: Facts,
    rows: Sequence[Mapping[str, Any]],
    complaints: Sequence[str],
    quiet: bool,
    report_type: str = "daily",
    why: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The sentences of code. ``complaints``: dialogs with a complaint or a demand for money back; ``why``: what changed, and whose
    it is, the worst first."""
    if quiet and not facts.reads_dialogs:
        return [_sentence(f"{_QUIET.get(report_type, _QUIET['daily'])}: новых, выигранных и проигранных сделок нет.")]
    if quiet:
        return [
            _sentence(f"{_QUIET.get(report_type, _QUIET['daily'])}: новых обращений не было."),
            _sentence("Ждущих ответа клиентов и срочных дел нет."),
        ]
    sentences = [_waits(facts, report_type), _sentence(_change(facts, rows, complaints, why))]
    return [sentence for sentence in sentences if sentence["text"]][:_MOST]


def _sentence(text: str, about: str = "") -> dict[str, Any]:
    return {"text": text, "claims": [], **({"about": about} if about else {})}


def _waits(facts: Facts, report_type: str) -> dict[str, Any]:
    """Who waited at the window's end: who waits now is another matter by the time it is read."""
    waiting = int(facts.numbers.get("unanswered_now") or 0)
    overdue = int(facts.numbers.get("unanswered_overdue") or sum(1 for w in facts.waiting if w.is_overdue))
    money = facts.numbers.get("money_at_risk") or 0
    if not facts.has_chats:
        won = int(facts.numbers.get("deals_won") or 0)
        return _sentence(_won(facts, won) if facts.has_deals else "")
    at_end = _AT_END.get(report_type, "На конец окна")
    if not waiting:
        is_answered = facts.numbers.get("is_complete", True) and facts.numbers.get("waits")
        return _sentence(f"{at_end} все клиенты получили ответ." if is_answered else "", "waits")
    verb = russian.plural(waiting, "ждал", "ждали", "ждали")
    text = f"{at_end} ответа {verb} {russian.count(waiting, 'клиент', 'клиента', 'клиентов')}"
    if overdue and overdue == waiting:
        text += ", дольше цели" if waiting == 1 else ", все дольше цели"
    elif overdue:
        text += f", из них {russian.number(overdue)} дольше цели"
    if money:
        text += f"; под риском {russian.money(money, facts.currency)}"
    return _sentence(text + ".", "waits")


def _won(facts: Facts, won: int) -> str:
    if not won:
        return "Продаж за период не было."
    amount = facts.numbers.get("deals_won_amount") or 0
    text = (
        f"{russian.plural(won, 'Закрыта', 'Закрыты', 'Закрыто')} {russian.count(won, 'продажа', 'продажи', 'продаж')}"
    )
    return text + (f" на {russian.money(amount, facts.currency)}." if amount else ".")


def _change(facts: Facts, rows: Sequence[Mapping[str, Any]], complaints: Sequence[str], why: Sequence[str] = ()) -> str:
    """Complaints first, else what changed beyond noise, else the number that moved most against the usual, else how the day was."""
    if complaints:
        n = len(set(complaints))
        return f"{russian.plural(n, 'Жалуется', 'Жалуются', 'Жалуются')} {russian.count(n, 'клиент', 'клиента', 'клиентов')}: разберите в первую очередь."
    if why:
        return why[0]
    # without chats the first sentence is about sales already
    by_key = {row["key"]: row for row in rows if facts.has_chats or row["key"] != "deals_won"}
    moved = [by_key[k] for k in _COMPARED if k in by_key and by_key[k]["direction"] in ("up", "down")]
    moved.sort(key=lambda row: -abs(row["value"] - row["usual"]) / max(abs(row["usual"]), 1e-9))
    for row in moved:
        return f"{row['label']}: {row['display']}, обычно {row['usual_display']}."
    for key in ("first_response_p50", "deals_won", "dialogs"):
        # a median of a handful is no headline; a count is a fact, however small
        if key in by_key and not (SUMMARY[key].denominator and noise.cases(SUMMARY[key], facts) < SMALL_N):
            note = ", как обычно" if by_key[key]["direction"] == "same" else ""
            return f"{by_key[key]['label']}: {by_key[key]['display']}{note}."
    return ""


# --- with a model -------------------------------------------------------------------------------------------

_PHRASES: dict[str, tuple[str, str, str]] = {
    "unanswered_now": ("клиент", "клиента", "клиентов"),
    "unanswered_overdue": ("клиент", "клиента", "клиентов"),
    "dialogs": ("диалог", "диалога", "диалогов"),
    "new_clients": ("новый клиент", "новых клиента", "новых клиентов"),
    "deals_won": ("продажа", "продажи", "продаж"),
    "deals_lost": ("сделка", "сделки", "сделок"),
    "complaints": ("жалоба", "жалобы", "жалоб"),
}
_MEANS = {
    "unanswered_now": "сколько клиентов ждали ответа на конец дня",
    "unanswered_overdue": "сколько из них ждали дольше цели",
    "money_at_risk": "сумма открытых сделок этих клиентов",
    "first_response_p50": "за сколько обычно отвечают на первое сообщение",
    "answered_within_target": "доля ответов в срок",
    "dialogs": "сколько было диалогов",
    "new_clients": "сколько из клиентов новых",
    "deals_won": "сколько продаж",
    "deals_won_amount": "на какую сумму",
    "deals_lost": "сколько сделок потеряно",
    "complaints": "сколько диалогов с жалобой",
}


_OF_WAITS = {"unanswered_now", "unanswered_overdue", "money_at_risk"}


def sheet(facts: Facts, rows: Sequence[Mapping[str, Any]], complaints: Sequence[str]) -> dict[str, Fact]:
    """Placeholders a sentence may use, in order of weight."""
    found: dict[str, Fact] = {}
    by_key = {row["key"]: row for row in rows}
    for key in _MEANS:
        if key == "complaints":
            n: float = len(set(complaints))
            row: Mapping[str, Any] | None = {"value": n, "direction": "none", "good": None}
        else:
            row = by_key.get(key)
        if row is None or not row["value"] or row.get("display") == "мало данных":
            continue
        display = russian.count(int(row["value"]), *_PHRASES[key]) if key in _PHRASES else str(row["display"])
        found[key] = Fact(key, display, str(row["direction"]), row["good"])
    return found


async def by_model(
    provider: Provider, facts: Mapping[str, Fact], own_prompt: str, names: Sequence[str] = ()
) -> list[dict[str, Any]] | None:
    """Sentences of the model that passed every check, or None. Raises what :meth:`Provider.ask` raises."""
    if not facts:
        return None
    document = {
        "task": "write_headline",
        "facts": [
            {"key": f.key, "means": _MEANS[f.key], "direction": f.direction, "good": f.good} for f in facts.values()
        ],
    }

    def check(value: dict[str, Any]) -> str | None:
        sentences = value.get("headline")
        if not isinstance(sentences, list) or not 1 <= len(sentences) <= _MOST:
            return "в headline должно быть одно или два предложения"
        for sentence in sentences:
            text = sentence.get("text") if isinstance(sentence, dict) else None
            why = refuse_sentence(text, facts, names=names) if isinstance(text, str) else "нет text"
            if why:
                return f"предложение нарушает правила ({why})"
        return None

    answer = await provider.ask(
        "writing",
        prompts.with_own(prompts.HEADLINE, own_prompt),
        prompts.fenced(document),
        name="headline",
        schema=prompts.HEADLINE_SCHEMA,
        check=check,
        max_tokens=400,
    )
    return [_sentence(_closed(fill(s["text"].strip(), facts)), _about(s["text"])) for s in answer.value["headline"]]


def _about(text: str) -> str:
    """«waits» of a sentence with nothing in it but who waited."""
    used = set(re.findall(r"\{(\w+)\}", text))
    return "waits" if used and used <= _OF_WAITS else ""


def _closed(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "…")) else text + "."


def with_claims(
    sentences: list[dict[str, Any]], actions: Sequence[Mapping[str, Any]], claims: Claims
) -> list[dict[str, Any]]:
    """The first sentence speaks of those who wait: it shows the same evidence as the first actions."""
    first = [index for action in actions[:3] for index in action["claims"][:1]]
    if sentences and first:
        for index in first:
            row = claims.rows[index]
            sentences[0]["claims"].append(
                claims.add("headline", sentences[0]["text"], row["dialog_id"], row["message_ids"], row["quote"])
            )
    return sentences
