"""Questions about a report. A question is kept even when its answer fails."""

from __future__ import annotations

from uuid import UUID

from analysis.questions import answering
from analysis.questions.answering import Answer
from services.access import Viewer
from services.reports import view
from synkro.core.errors import DataError
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.reports import Message, Report

MAX_QUESTION = 1000


def ask(who: Viewer, slug: str, report_id: UUID | str, question: str) -> Message:
    """Store the person's question. For members; raises :class:`DataError` for one that is empty or too long."""
    text = question.strip()
    if not text:
        raise DataError("Напишите вопрос.")
    if len(text) > MAX_QUESTION:
        raise DataError(f"Вопрос длиннее {MAX_QUESTION} знаков. Сократите его.")
    with db.as_user(who.user_id) as connection:
        _, report = view.find(connection, who, slug, report_id)
        return reports.ask(
            connection,
            report,
            text,
            author_id=who.user_id,
            author_name=who.user.full_name or who.user.email,
            channel="web",
        )


def suggested(report: Report) -> list[str]:
    """Questions that this report has something unusual to say about."""
    return answering.suggestions(report.body)


def thread(who: Viewer, slug: str, report_id: UUID | str) -> list[Message]:
    """Questions and answers of a report, oldest first. For members."""
    with db.as_user(who.user_id) as connection:
        _, report = view.find(connection, who, slug, report_id)
        return reports.thread(connection, report)


def answer(who: Viewer, slug: str, asked: Message) -> Answer:
    """Answer a stored question from what this person may see, and store the answer. For members."""
    with db.as_user(who.user_id) as connection:
        _, report = view.find(connection, who, slug, asked.report_id)
        before = [one for one in reports.thread(connection, report) if one.created_at < asked.created_at]
    # the network is waited for outside a transaction
    picked = answering.pick(answering.context_of(report), report, asked.question, before)
    with db.as_user(who.user_id) as connection:
        found = answering.answer(connection, report, asked.question, before, picked)
    # people ask, the system answers: no user may write an answer
    with db.as_service("answer") as connection:
        reports.answer(connection, asked, found.text, found.evidence)
    return found
