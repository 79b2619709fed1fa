"""Questions about a report. A question is kept even when its answer fails."""

from __future__ import annotations

from uuid import UUID

from analysis import asking
from analysis.asking import Answer
from app.services import report_view
from app.services.access import Viewer
from synkro import db, reports
from synkro.errors import DataError
from synkro.reports import Message, Report

MAX_QUESTION = 1000


def ask(who: Viewer, slug: str, report_id: UUID | str, question: str) -> Message:
    """Store the person's question."""
    text = question.strip()
    if not text:
        raise DataError("Напишите вопрос.")
    if len(text) > MAX_QUESTION:
        raise DataError(f"Вопрос длиннее {MAX_QUESTION} знаков. Сократите его.")
    with db.as_user(who.user_id) as connection:
        _, report = report_view.find(connection, who, slug, report_id)
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
    return asking.suggestions(report.body)


def thread(who: Viewer, slug: str, report_id: UUID | str) -> list[Message]:
    with db.as_user(who.user_id) as connection:
        _, report = report_view.find(connection, who, slug, report_id)
        return reports.thread(connection, report)


def answer(who: Viewer, slug: str, asked: Message) -> Answer:
    """Answer a stored question from what this person may see, and store the answer."""
    with db.as_user(who.user_id) as connection:
        _, report = report_view.find(connection, who, slug, asked.report_id)
        before = [one for one in reports.thread(connection, report) if one.created_at < asked.created_at]
    # the network is waited for outside a transaction
    picked = asking.pick(asking.context_of(report), report, asked.question, before)
    with db.as_user(who.user_id) as connection:
        found = asking.answer(connection, report, asked.question, before, picked)
    # people ask, the system answers: no user may write an answer
    with db.as_service("answer") as connection:
        reports.answer(connection, asked, found.text, found.evidence)
    return found
