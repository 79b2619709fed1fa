"""A question about a report: the metric layer first, then what the report found, then a search in its window.

With a model, the model picks the metric (:func:`pick`: strict JSON, no text of a client is sent, the network is used
before any transaction is opened); without one, or when it fails, the words of the question do. Code validates, computes and
renders. No SQL is made from a question. What is not there is answered with «Не знаю: в данных нет…».
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from analysis.llm import prompts
from analysis.llm.limits import Limits
from analysis.llm.masking import Mask
from analysis.questions import metrics, searching
from analysis.questions.metrics import Answer, Pick
from analysis.questions.searching import SHOWN as _SHOWN
from analysis.reading.normalisation import folded, name_stem, one_line, visible
from analysis.report.context import AnalysisContext
from analysis.report.dialogs import open_budget, open_provider
from analysis.report.page_text import action_line, promise_line, uncovered_title
from synkro.connectors import integrations
from synkro.core import russian
from synkro.core.errors import SynkroError
from synkro.core.settings import settings
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.body import Action, Body
from synkro.reporting.reports import Report
from synkro.tenancy import runtime_config

__all__ = ["Answer", "answer", "context_of", "pick", "suggestions"]

log = logging.getLogger(__name__)

_LONGEST_QUESTION = 500
#: somebody is waiting at the page
_LIMITS = Limits(call_seconds=15.0, patience_seconds=2.0)
_UNKNOWN = "Не знаю: в данных этого отчёта нет ответа. Спросите о цифрах, менеджерах, обещаниях, возражениях или словах клиентов."


class Cited(Protocol):
    """A part of the body with claims behind it."""

    @property
    def claims(self) -> list[int]: ...


@dataclass(frozen=True)
class _Section:
    """A part of the report that answers a question about it."""

    pattern: re.Pattern[str]
    answer: Callable[[Report], Answer | None]


def answer(
    connection: db.Connection,
    report: Report,
    question: str,
    history: Sequence[reports.Message] = (),
    picked: Pick | None = None,
) -> Answer:
    """Answer from the report and its window; ``connection`` decides what may be seen.

    ``picked``: what :func:`pick` chose. «а вчера?», «а у Асель?» lean on the previous question of ``history``.
    """
    asked = _leaning(question, history)
    # a list («кто», «какие») is a section's, whatever metric it resembles
    chosen = picked or metrics.by_words(report, asked)
    if chosen is not None:
        return metrics.compute(connection, report, chosen)
    if (row := metrics.manager_in(report, asked)) is not None:
        return metrics.manager_answer(report, row)
    if (found := _of_sections(report, asked)) is not None:
        return found
    return searching.find(connection, report, question) or Answer(_UNKNOWN)


def _leaning(question: str, history: Sequence[reports.Message]) -> str:
    """The question in folded text, with the one before it when it cannot stand alone."""
    asked = folded(one_line(visible(question), _LONGEST_QUESTION))
    if re.match(r"(?:а|и)\b", asked) and len(asked) < 40 and history:
        return f"{folded(one_line(visible(history[-1].question), _LONGEST_QUESTION))} {asked}"
    return asked


# --- the model's choice -------------------------------------------------------------------------------------


def context_of(report: Report) -> AnalysisContext | None:
    """What a model needs to pick for this report's tenant; None without an AI integration, a key or a model."""
    with db.as_service("asking") as connection:
        ai = integrations.find(connection, report.tenant_id, "ai")
        if ai is None:
            return None
        timezone = runtime_config.current(connection, report.tenant_id).timezone
    context = AnalysisContext(
        tenant_id=report.tenant_id, company="", run_id=None, window=report.window, report_type=report.report_type,
        timezone=timezone, period_start=report.period_start, period_end=report.period_end, ai=ai,
        ai_secrets=integrations.secrets(report.tenant_id, "ai"), allow_local=settings().allow_local_vendors, limits=_LIMITS,
    )  # fmt: skip
    return context if context.has_model else None


def pick(
    context: AnalysisContext | None, report: Report, question: str, history: Sequence[reports.Message] = ()
) -> Pick | None:
    """The metric a model chose for the question, or None: it chose none, failed, was too dear, or there is no model."""
    if context is None or not question.strip():
        return None
    # lists and people's words are not numbers: nothing to ask a model about
    if metrics.is_list(_leaning(question, history)):
        return None
    managers = [str(row.manager_id) for row in report.body.managers][:99]
    document = _document(report, question, history)
    checked: list[Pick | None] = []

    def check(value: dict[str, Any]) -> str | None:
        if value.get("metric") != "none" and metrics.validated(value, managers) is None:
            return "metric, manager и period должны быть из документа"
        checked.append(metrics.validated(value, managers))
        return None

    async def ask() -> None:
        budget, _ = open_budget(context)
        async with open_provider(context, budget) as provider:
            await provider.ask(
                "asking", prompts.PICK, prompts.fenced(document), name="pick",
                schema=prompts.pick_schema([one["key"] for one in metrics.registry()]), check=check, max_tokens=100,
            )  # fmt: skip

    try:
        asyncio.run(ask())
    except SynkroError as error:
        log.warning("the metric is picked by words: %s", error.detail or error.message)
        return None
    return checked[-1] if checked else None


def _document(report: Report, question: str, history: Sequence[reports.Message]) -> dict[str, Any]:
    """What is sent: the question with every name hidden, the metrics, how many managers there are."""
    people = {one.client for one in report.body.actions} | {one.client for one in report.body.promises}
    mask = Mask(people)
    names = [row.name for row in report.body.managers][:99]

    def hidden(text: str) -> str:
        text = one_line(visible(text), _LONGEST_QUESTION)
        for number, name in enumerate(names, 1):
            for word in re.findall(r"[^\W\d_]{3,}", name):
                text = re.sub(rf"\b{name_stem(word)}\b", f"М{number}", text, flags=re.I)
        return mask.hide(text)

    return {
        "task": "pick_metric",
        "metrics": metrics.registry(),
        "managers": [f"М{number}" for number in range(1, len(names) + 1)],
        "before": [hidden(entry.question) for entry in history[-2:]],
        "question": hidden(question),
    }


# --- what to ask --------------------------------------------------------------------------------------------


def suggestions(body: Body, most: int = 4) -> list[str]:
    """Questions worth asking about this report, from what is unusual in it; each has an answer."""
    found: list[str] = []
    by_key = {row.key: row for row in body.numbers}
    if (waiting := by_key.get("unanswered_now")) and waiting.value:
        found.append("Кто ждёт ответа?")
    if any(row.kind in ("complaint", "refund", "rude_manager") for row in body.risks) or any(
        _is_heavy(row) for row in body.actions
    ):
        found.append("На что жалуются клиенты?")
    worse = [row for row in by_key.values() if row.good is False and row.usual]
    worse.sort(key=lambda row: -abs((row.value or 0) - (row.usual or 0)) / max(abs(row.usual or 0), 1e-9))
    found += [question for row in worse if (question := _COMPARED.get(row.key))][:1]
    if body.promises:
        found.append("Что мы обещали клиентам?")
    if body.lost_reasons:
        found.append("Почему теряем сделки?")
    if body.objections:
        found.append("Какие были возражения?")
    if body.managers:
        found.append("Как работали менеджеры?")
    return found[:most]


_COMPARED = {
    "first_response_p50": "Какой первый ответ обычно?",
    "answered_within_target": "Сколько обычно отвечают в срок?",
    "unanswered_now": "Сколько клиентов ждут обычно?",
    "deals_won": "Сколько продаж обычно?",
    "deals_lost": "Сколько сделок потеряли в прошлый раз?",
    "dialogs": "Сколько диалогов обычно?",
    "new_clients": "Сколько новых клиентов обычно?",
}


# --- sections of the report ---------------------------------------------------------------------------------


def _claims(report: Report, rows: Sequence[Cited]) -> list[dict[str, Any]]:
    indexes = [i for row in rows for i in row.claims]
    return [report.claims[i] for i in dict.fromkeys(indexes) if 0 <= i < len(report.claims)]


def _listed(report: Report, title: str, lines: Sequence[str], rows: Sequence[Cited], empty: str) -> Answer:
    if not lines:
        return Answer(empty)
    more = len(lines) - _SHOWN
    text = title + "\n" + "\n".join(f"• {line}" for line in lines[:_SHOWN])
    return Answer(text + (f"\nЕщё {more} в отчёте." if more > 0 else ""), _claims(report, rows[:_SHOWN]))


def _actions(report: Report) -> Answer:
    rows = report.body.actions
    return _listed(
        report, "Сделать в первую очередь:", [action_line(r) for r in rows], rows, "Срочных дел в отчёте нет."
    )


def _promises(report: Report) -> Answer:
    rows = report.body.promises
    return _listed(
        report,
        "Обещания, которые ещё не выполнены:",
        [promise_line(r) for r in rows],
        rows,
        "Невыполненных обещаний в отчёте нет.",
    )


def _objections(report: Report) -> Answer:
    rows = report.body.objections
    lines = [f"{r.topic}: {russian.count(r.count, 'диалог', 'диалога', 'диалогов')}" for r in rows]
    return _listed(report, "Возражения клиентов:", lines, rows, "Возражений в прочитанных диалогах не найдено.")


def _topics(report: Report) -> Answer:
    rows = report.body.topics
    lines = [f"{r.topic}: {russian.count(r.count, 'диалог', 'диалога', 'диалогов')}" for r in rows]
    if uncovered := report.body.uncovered:
        lines.append(uncovered_title(uncovered))
    return _listed(report, "О чём спрашивали клиенты:", lines, rows, "Темы в прочитанных диалогах не найдены.")


def _is_heavy(action: Action) -> bool:
    """A complaint, or money to be given back."""
    said = f"{action.text} {action.why}".lower()
    return any(word in said for word in ("жал", "верн", "возврат"))


def _risks(report: Report) -> Answer:
    heavy = [action for action in report.body.actions if _is_heavy(action)]
    lines = [risk.text for risk in report.body.risks] + [action_line(action) for action in heavy]
    rows: list[Cited] = [*report.body.risks, *heavy]
    return _listed(report, "Жалобы и риски:", lines, rows, "Жалоб и рисков в прочитанных диалогах не найдено.")


def _lost(report: Report) -> Answer:
    rows = report.body.lost_reasons
    lines = [f"{r.reason}: {russian.count(r.count, 'сделка', 'сделки', 'сделок')}" for r in rows]
    return _listed(report, "Причины потерянных сделок по CRM:", lines, [], "Потерянных сделок за это время нет.")


def _managers(report: Report) -> Answer:
    rows = report.body.managers
    return _listed(
        report, "Менеджеры:", [f"{r.name}: {r.text}" for r in rows], [], "Данных по менеджерам за это время нет."
    )


def _coverage(report: Report) -> Answer:
    gap = report.body.incomplete
    text = report.body.coverage_line or "Диалогов за это время не было"
    return Answer(f"{text}." + (f" Данные неполные: {gap.cause}." if gap else ""))


_SECTIONS = (
    _Section(re.compile(r"обещ"), _promises),
    _Section(re.compile(r"возраж|дорого|почему не (?:покупают|берут)|не устраива"), _objections),
    _Section(re.compile(r"жалоб|жалу|на что жал|недовол|\bриск(?!ом)|груб|хам|конфликт|возврат\w{0,20} денег"), _risks),
    _Section(re.compile(r"почему (?:мы )?теря|причин\w{0,20} (?:потер|отказ)|почему отказ|из-за чего теря"), _lost),
    _Section(re.compile(r"о чем (?:спрашив|пиш|говор)|\bтем[аыу]\b|что спрашив|популярн\w{1,20} вопрос|чем интерес"), _topics),
    _Section(re.compile(r"что (?:мне |нам )?(?:с?делать|важн|срочн)|кому (?:ответ|позвон|напис)|кто (?:сейчас )?ждет|кого (?:забыли|потеря)|без ответа|не ответили|приоритет"), _actions),
    _Section(re.compile(r"менеджер|сотрудник|кто (?:лучше|хуже|быстрее|медленнее|работал)|команд"), _managers),
    _Section(re.compile(r"прочита|полны\w{1,20} данн|неполн|охват|покрыти|не прочит"), _coverage),
)  # fmt: skip


def _of_sections(report: Report, asked: str) -> Answer | None:
    for section in _SECTIONS:
        if section.pattern.search(asked):
            return section.answer(report)
    return None
