"""Words of a question found in the report's window: first in what was understood of its dialogs, then in its messages.

Postgres full-text search, Russian configuration, parameters only. Every line found is shown with its quote.
"""

from __future__ import annotations

import re
from typing import Any

from analysis.questions.metrics import Answer
from analysis.reading import vocabulary as v
from analysis.reading.normalisation import shown, visible
from analysis.topics import of_company
from synkro.database import db
from synkro.reporting.reports import Report

SHOWN = 5

#: words that say how one asks, not what about
_ASKING = re.compile(
    r"\b(?:кто|что|где|когда|как|какой|какая|какие|какого|каких|сколько|почему|зачем|ли|был\w*|есть|про|об?|из|клиент\w*|менеджер\w*|диалог\w*|писал\w*"
    r"|пишут|говорил\w*|спрашива\w*|упомина\w*|сегодня|вчера|покажи\w*|найди\w*|расскажи\w*|скажи\w*|пожалуйста|нам|мне|у нас|нас|наш\w*|а|и|в|на|с|по|за)\b",
    re.I,
)

_QUERY = (
    "q as (select nullif(replace(plainto_tsquery('russian', %(words)s)::text, '&', '|'), '')::tsquery as any_word,"
    " plainto_tsquery('russian', %(words)s) as all_words)"
)


def words_of(question: str) -> str:
    """What the question is about; empty when nothing is left of it."""
    return _ASKING.sub(" ", re.sub(r"[^\w\s-]", " ", visible(question)))[:200].strip()


def find(connection: db.Connection, report: Report, question: str) -> Answer | None:
    """Readings and messages of the window that hold the question's words, best first, each quoted."""
    words = words_of(question)
    if not words:
        return None
    evidence = _readings(connection, report, words)
    seen = {tuple(claim["message_ids"]) for claim in evidence}
    evidence += [claim for claim in _messages(connection, report, words) if tuple(claim["message_ids"]) not in seen]
    if not evidence:
        return None
    evidence = evidence[:SHOWN]
    lines = [f"• {claim['text']}: «{shown(claim['quote'], 160)}»" for claim in evidence]
    return Answer("Готового показателя нет, вот что писали в диалогах:\n" + "\n".join(lines), evidence)


def _parameters(report: Report, words: str) -> dict[str, Any]:
    return {
        "words": words,
        "tenant": report.tenant_id,
        "start": report.window_start,
        "end": report.window_end,
        "limit": SHOWN,
    }


def _readings(connection: db.Connection, report: Report, words: str) -> list[dict[str, Any]]:
    """Objections, risks and topics of the window's own readings whose quote holds all the words."""
    rows = connection.execute(
        f"with {_QUERY} select distinct on (p.dialog_id, item.value ->> 'quote') p.dialog_id, section.key as section,"
        "   item.value ->> 'kind' as kind, item.value -> 'message_ids' as message_ids, item.value ->> 'quote' as quote,"
        "   coalesce(nullif(c.name, ''), 'Клиент без имени') as client"
        " from q join marts.period_dialogs p on p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s"
        " join synkro.dialog_readings r on r.tenant_id = p.tenant_id and r.dialog_id = p.dialog_id"
        "   and r.content_hash = p.transcript_hash and r.words @@ q.all_words"
        " cross join lateral jsonb_each(r.reading) section cross join lateral jsonb_array_elements(section.value) item"
        " left join marts.dim_clients c on c.tenant_id = p.tenant_id and c.client_id = p.client_id"
        " where section.key in ('objections', 'risks', 'topics') and jsonb_typeof(section.value) = 'array'"
        "   and to_tsvector('russian', item.value ->> 'quote') @@ q.all_words"
        " order by p.dialog_id, item.value ->> 'quote', section.key limit %(limit)s",
        _parameters(report, words),
    ).fetchall()
    topics = of_company(connection, report.tenant_id).labels() if rows else {}
    labels = {"objections": v.OBJECTIONS, "risks": v.RISKS, "topics": topics}
    return [
        {
            "section": "readings",
            "text": f"{labels[row['section']].get(row['kind'], 'Другое')}, диалог: {shown(row['client'], 80)}",
            "dialog_id": row["dialog_id"],
            "message_ids": row["message_ids"],
            "quote": row["quote"],
        }
        for row in rows
    ]


def _messages(connection: db.Connection, report: Report, words: str) -> list[dict[str, Any]]:
    """Messages of the window that hold any of the words, those that hold all of them first."""
    rows = connection.execute(
        f"with {_QUERY} select f.message_id, f.dialog_id, f.kind, f.body, coalesce(nullif(c.name, ''), 'Клиент без имени') as client"
        " from q join marts.fct_messages f on f.tenant_id = %(tenant)s and f.sent_at >= %(start)s and f.sent_at < %(end)s"
        "   and f.kind in ('client', 'manager') and to_tsvector('russian', coalesce(f.body, '')) @@ q.any_word"
        " left join marts.dim_clients c on c.tenant_id = f.tenant_id and c.client_id = f.client_id"
        " order by (to_tsvector('russian', f.body) @@ q.all_words) desc,"
        "   ts_rank(to_tsvector('russian', f.body), q.any_word) desc, f.sent_at desc, f.message_id limit %(limit)s",
        _parameters(report, words),
    ).fetchall()
    return [
        {
            "section": "messages",
            "text": f"{'Клиент' if row['kind'] == 'client' else 'Менеджер'}, диалог: {shown(row['client'], 80)}",
            "dialog_id": row["dialog_id"],
            "message_ids": [row["message_id"]],
            "quote": _quote(row["body"]),
        }
        for row in rows
    ]


def _quote(body: str) -> str:
    """The message, or the start of it to a word: it stands there as it is."""
    return body if len(body) <= 200 else body[:200].rpartition(" ")[0] or body[:200]
