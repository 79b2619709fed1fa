"""A question about a report: numbers first, then what the report found, then the messages of its window.

No SQL is made from a question and no model is asked: a question is matched to the registry of named metrics, to the
report's own sections, or searched in the messages by Postgres full-text search (parameterised, this window only). What
is not there is answered with «Не знаю: в данных нет…».
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis import figures
from analysis.page_text import action_line, number_line, promise_line
from analysis.wording import folded, one_line, visible
from synkro import db, reports, russian
from synkro.reports import Report

_SHOWN = 5
_LONGEST_QUESTION = 500


@dataclass(frozen=True)
class Answer:
    """What to say and what it stands on: claims with quotes, or the numbers used."""

    text: str
    evidence: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Section:
    """A part of the report that answers a question about it."""

    pattern: re.Pattern[str]
    answer: Callable[[Report], Answer | None]


def answer(connection: db.Connection, report: Report, question: str, history: Sequence[reports.Message] = ()) -> Answer:
    """Answer from the report and its window; ``connection`` decides what may be seen.

    «а вчера?», «а у Асель?» lean on the previous question of ``history``.
    """
    asked = folded(one_line(visible(question), _LONGEST_QUESTION))
    if re.match(r"(?:а|и)\b", asked) and len(asked) < 40 and history:
        asked = f"{folded(history[-1].question)} {asked}"
    for step in (_of_manager, _of_numbers, _of_sections):
        if (found := step(report, asked)) is not None:
            return found
    return _of_messages(connection, report, question) or Answer(
        "Не знаю: в данных этого отчёта нет ответа. Спросите о цифрах, менеджерах, обещаниях, возражениях или словах клиентов."
    )


# --- numbers ------------------------------------------------------------------------------------------------

#: how people ask for a metric, in folded text; the first match wins, so the narrower ones come first
_ASKED: tuple[tuple[str, str], ...] = (
    ("money_at_risk", r"под риском|деньг\w* (?:под|в) |рискуем|сколько (?:денег )?(?:можем )?потеря(?:ть|ем)|на кону"),
    ("deals_lost_amount", r"сумм\w+ потер|на какую сумму потер|потер\w+.* на какую сумму"),
    ("deals_won_amount", r"на какую сумму(?! потер)|сумм\w+ (?:продаж|выигр)|выручк|сколько (?:денег )?заработал"),
    ("deals_won", r"сколько (?:сделок )?(?:прода|выигра|закрыл)|\bпродаж\w*|выигран\w+ сдел"),
    ("deals_lost", r"сколько (?:сделок )?потеря|потерянн\w+ сдел|проигран"),
    ("deals_new", r"новых? сдел"),
    ("first_response_p90", r"перв\w+ ответ\w*.*(?:90|худш)"),
    ("first_response_p50", r"перв\w+ (?:ответ|реакци)|скорост\w* перв"),
    ("answered_within_target", r"в срок|вовремя|\bsla\b|норматив"),
    ("unanswered_overdue", r"дольше (?:цели|нормы)|просроч"),
    ("unanswered_now", r"без ответа|не ответил[иа]|неотвеч|сколько (?:клиентов )?ждут"),
    ("off_hours_answers", r"вне рабоч|нерабоч"),
    ("response_p50", r"скорост\w* ответ|как быстро отвеч|время ответ|за сколько отвеч"),
    ("new_clients", r"нов\w+ (?:клиент|покупател|лид|обращ)"),
    ("match_rate", r"связан\w* со сделк|без сделк|сопоставл"),
    ("messages", r"сколько (?:было )?сообщени"),
    ("sessions", r"сколько (?:было )?обращени"),
    ("clients", r"сколько (?:было )?клиент"),
    ("dialogs", r"сколько (?:было )?(?:диалог|чат|перепис)"),
    ("deals", r"сколько (?:было )?сдел"),
)
_METRICS = tuple((key, re.compile(pattern)) for key, pattern in _ASKED)


def _of_numbers(report: Report, asked: str) -> Answer | None:
    """The first metric of the registry the question names, as code renders it."""
    if re.search(r"\bкто\b|\bкакие\b|\bкаких\b|\bпочему\b|\bу кого\b", asked):
        return None
    for key, pattern in _METRICS:
        if not pattern.search(asked):
            continue
        row = next((r for r in report.body.get("numbers", ()) if r["key"] == key), None)
        if row is None:
            label = figures.NUMBERS[key].label
            return Answer(f"Не знаю: в данных нет показателя «{label}» за {_when(report)}.")
        text = f"{number_line(row)}. Период: {_when(report)}."
        return Answer(text, [{"section": "numbers", "metric": key, "value": row["value"], "text": row["label"]}])
    return None


def _when(report: Report) -> str:
    return russian.period(report.period_start, report.period_end)


def _of_manager(report: Report, asked: str) -> Answer | None:
    """Facts of a manager whose name, in any case, stands in the question."""
    for row in report.body.get("managers", ()):
        for word in str(row["name"]).split():
            if len(word) >= 3 and re.search(rf"\b{re.escape(_stem(folded(word)))}[а-яәғқңөұүһі]{{0,3}}\b", asked):
                return Answer(
                    f"{row['name']}: {row['text']}. Период: {_when(report)}.",
                    [{"section": "managers", "manager_id": row["manager_id"], "text": row["text"]}],
                )
    return None


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] in "аяьйыиеоу" else word


# --- sections of the report ---------------------------------------------------------------------------------


def _claims(report: Report, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    indexes = [i for row in rows for i in row.get("claims", ())]
    return [report.claims[i] for i in dict.fromkeys(indexes) if 0 <= i < len(report.claims)]


def _listed(report: Report, title: str, lines: Sequence[str], rows: Sequence[Mapping[str, Any]], empty: str) -> Answer:
    if not lines:
        return Answer(empty)
    more = len(lines) - _SHOWN
    text = title + "\n" + "\n".join(f"• {line}" for line in lines[:_SHOWN])
    return Answer(text + (f"\nЕщё {more} в отчёте." if more > 0 else ""), _claims(report, rows[:_SHOWN]))


def _actions(report: Report) -> Answer:
    rows = report.body.get("actions", [])
    return _listed(
        report, "Сделать в первую очередь:", [action_line(r) for r in rows], rows, "Срочных дел в отчёте нет."
    )


def _promises(report: Report) -> Answer:
    rows = report.body.get("promises", [])
    return _listed(
        report,
        "Обещания, которые ещё не выполнены:",
        [promise_line(r) for r in rows],
        rows,
        "Невыполненных обещаний в отчёте нет.",
    )


def _objections(report: Report) -> Answer:
    rows = report.body.get("objections", [])
    lines = [f"{r['topic']}: {russian.count(r['count'], 'диалог', 'диалога', 'диалогов')}" for r in rows]
    return _listed(report, "Возражения клиентов:", lines, rows, "Возражений в прочитанных диалогах не найдено.")


def _topics(report: Report) -> Answer:
    rows = report.body.get("topics", [])
    lines = [f"{r['topic']}: {russian.count(r['count'], 'диалог', 'диалога', 'диалогов')}" for r in rows]
    return _listed(report, "О чём спрашивали клиенты:", lines, rows, "Темы в прочитанных диалогах не найдены.")


def _risks(report: Report) -> Answer:
    rows = [
        *report.body.get("risks", []),
        *(r for r in report.body.get("actions", []) if "жал" in r["why"] or "верн" in r["why"]),
    ]
    lines = [r["text"] if "why" not in r else action_line(r) for r in rows]
    return _listed(report, "Жалобы и риски:", lines, rows, "Жалоб и рисков в прочитанных диалогах не найдено.")


def _lost(report: Report) -> Answer:
    rows = report.body.get("lost_reasons", [])
    lines = [f"{r['reason']}: {russian.count(r['count'], 'сделка', 'сделки', 'сделок')}" for r in rows]
    return _listed(report, "Причины потерянных сделок по CRM:", lines, [], "Потерянных сделок за это время нет.")


def _managers(report: Report) -> Answer:
    rows = report.body.get("managers", [])
    return _listed(
        report, "Менеджеры:", [f"{r['name']}: {r['text']}" for r in rows], [], "Данных по менеджерам за это время нет."
    )


def _coverage(report: Report) -> Answer:
    gap = report.body.get("incomplete")
    text = report.body.get("coverage_line") or "Диалогов за это время не было"
    return Answer(f"{text}." + (f" Данные неполные: {gap['cause']}." if gap else ""))


_SECTIONS = (
    _Section(re.compile(r"обещ"), _promises),
    _Section(re.compile(r"возраж|дорого|почему не (?:покупают|берут)|не устраива"), _objections),
    _Section(re.compile(r"жалоб|жалу|недовол|\bриск(?!ом)|груб|хам|конфликт|возврат\w* денег"), _risks),
    _Section(re.compile(r"почему (?:мы )?теря|причин\w* (?:потер|отказ)|почему отказ|из-за чего теря"), _lost),
    _Section(re.compile(r"о чем (?:спрашив|пиш|говор)|\bтем[аыу]\b|что спрашив|популярн\w+ вопрос|чем интерес"), _topics),
    _Section(re.compile(r"что (?:мне |нам )?(?:с?делать|важн|срочн)|кому (?:ответ|позвон|напис)|кто (?:сейчас )?ждет|кого (?:забыли|потеря)|без ответа|не ответили|приоритет"), _actions),
    _Section(re.compile(r"менеджер|сотрудник|кто (?:лучше|хуже|быстрее|медленнее|работал)|команд"), _managers),
    _Section(re.compile(r"прочита|полны\w+ данн|неполн|охват|покрыти|не прочит"), _coverage),
)  # fmt: skip


def _of_sections(report: Report, asked: str) -> Answer | None:
    for section in _SECTIONS:
        if section.pattern.search(asked):
            return section.answer(report)
    return None


# --- messages -----------------------------------------------------------------------------------------------

#: words that say how one asks, not what about
_ASKING = re.compile(
    r"\b(?:кто|что|где|когда|как|какой|какая|какие|какого|каких|сколько|почему|зачем|ли|был\w*|есть|про|об?|из|клиент\w*|менеджер\w*|диалог\w*|писал\w*"
    r"|пишут|говорил\w*|спрашива\w*|упомина\w*|сегодня|вчера|покажи\w*|найди\w*|расскажи\w*|скажи\w*|пожалуйста|нам|мне|у нас|нас|наш\w*|а|и|в|на|с|по|за)\b",
    re.I,
)


def _of_messages(connection: db.Connection, report: Report, question: str) -> Answer | None:
    """Messages of the window that hold the question's words, best first, each quoted."""
    words = _ASKING.sub(" ", re.sub(r"[^\w\s-]", " ", visible(question)))[:200]
    if not words.strip():
        return None
    rows = connection.execute(
        "with q as (select nullif(replace(plainto_tsquery('russian', %(words)s)::text, '&', '|'), '')::tsquery as any_word,"
        "   plainto_tsquery('russian', %(words)s) as all_words)"
        " select f.message_id, f.dialog_id, f.kind, f.body, coalesce(nullif(c.name, ''), 'Клиент без имени') as client"
        " from q join marts.fct_messages f on f.tenant_id = %(tenant)s and f.sent_at >= %(start)s and f.sent_at < %(end)s"
        "   and f.kind in ('client', 'manager') and to_tsvector('russian', coalesce(f.body, '')) @@ q.any_word"
        " left join marts.dim_clients c on c.tenant_id = f.tenant_id and c.client_id = f.client_id"
        " order by (to_tsvector('russian', f.body) @@ q.all_words) desc,"
        "   ts_rank(to_tsvector('russian', f.body), q.any_word) desc, f.sent_at desc, f.message_id limit %(limit)s",
        {
            "words": words,
            "tenant": report.tenant_id,
            "start": report.window_start,
            "end": report.window_end,
            "limit": _SHOWN,
        },
    ).fetchall()
    if not rows:
        return None
    evidence = [
        {
            "section": "messages",
            "text": f"{'Клиент' if row['kind'] == 'client' else 'Менеджер'}, диалог: {row['client']}",
            "dialog_id": row["dialog_id"],
            "message_ids": [row["message_id"]],
            "quote": _quote(row["body"]),
        }
        for row in rows
    ]
    lines = [f"• {e['text']}: «{one_line(e['quote'], 160)}»" for e in evidence]
    return Answer("Готового показателя нет, вот что писали в диалогах:\n" + "\n".join(lines), evidence)


def _quote(body: str) -> str:
    """The message, or the start of it to a word: it stands there as it is."""
    return body if len(body) <= 200 else body[:200].rpartition(" ")[0]
