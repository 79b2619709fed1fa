"""Every function that is told a company, against a second one with the same ids: it meets nothing of it and changes nothing.

The service entry point sees every company, so there the filter of each query is all there is. Each call runs twice in one
transaction, with the other company and without it: both answers are the same, the other's rows stay as they were, and the
call has something to answer or to write.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import UUID

import psycopg
import pytest

from analysis import topics as asked_about
from analysis.questions import answering, metrics, searching
from analysis.report import inputs
from analysis.report.context import AnalysisContext
from delivery import deliveries as telling
from delivery import destinations
from delivery.bot import inbox
from orchestration.dbt import scope
from synkro.connectors import deal_pages, integrations
from synkro.connectors.registry import CONNECTORS
from synkro.connectors.whatsapp import uploads
from synkro.connectors.whatsapp.chats import Chat, Message
from synkro.core import vault  # fmt: skip
from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics import dialog_channels, lineage, live, pipeline, queries
from synkro.metrics.registry import MANAGERS, SUMMARY
from synkro.reporting import (
    cards,
    cases,
    dialogs,
    intents,
    readings,
    reconciliation,
    report_windows,
    reports,
    restatements,
    revisions,
    spending,
)
from synkro.reporting.body import Body
from synkro.reporting.delivery import deliveries, outbox, telegram_chats
from synkro.reporting.reconciliation import Count
from synkro.runs import history, leases, queue, watermarks
from synkro.runs.watermarks import Backfill, StreamLoad
from synkro.tenancy import audit, invitations, pipelines, runtime_config, tenants, topics, users
from tests.conftest import entry_points_to
from tests.support import twins
from tests.support.twins import AT, CALL, CHAT, DAY, OURS, PERSON, REPORT, RUN, THEIRS, WINDOW

#: the company that is asked for: each of the two in its turn
T = OURS
NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
CAPS = spending.Caps(Decimal(9), Decimal(9), Decimal(99), Decimal(999), Decimal(99))
SENT = spending.Sent("reading", "m", "h", 1, Decimal(1))
DRAFT = reports.Draft("daily", WINDOW, DAY, DAY, AT, True, "итог", Body(), {}, {}, [])
LETTER = reports.OutboxMessage(CHAT, {"text": "т"})
KEYS = [(CHAT, "transcript_hash")]

UPLOADED = Chat(
    int(CHAT),
    "Асель",
    None,
    (Message("id", AT, "inbound", "text", {"text": "x"}), Message("n", AT, "inbound", "text", {"text": "y"})),
)

Call = Callable[[db.Connection], Any]


def run(c: db.Connection) -> queue.Run:
    row = c.execute(
        f"select {queue.COLUMNS} from synkro.job_runs where tenant_id = %s and run_id = %s", (T, RUN)
    ).fetchone()
    assert row is not None
    return queue.Run(**row)


def report(c: db.Connection) -> reports.Report:
    found = reports.current(c, T, WINDOW)
    assert found is not None
    return found


def item(c: db.Connection) -> outbox.Item:
    """Our letter as its sender has claimed it, and the other company's in the same state."""
    c.execute("update synkro.outbox set status = 'sending', attempts = 1, claimed_until = now()")
    return outbox.of_report(c, T, REPORT)[0]


def message(c: db.Connection) -> reports.Message:
    return reports.thread(c, report(c))[0]


def update(c: db.Connection) -> inbox.Received:
    return inbox.receive(c, T, 7, 9, CHAT)


def context(c: db.Connection) -> AnalysisContext:
    return AnalysisContext(T, "Наша", RUN, WINDOW, "daily", "Asia/Almaty", DAY, DAY)


def secret(c: db.Connection, value: str = "1234567:canary-of-ours-canary") -> None:
    sealed = vault.seal(value, tenant_id=str(T), kind="telegram", field="bot_token")
    c.execute(
        "update private.integration_secrets set key_id = %s, ciphertext = %s where tenant_id = %s",
        (sealed.key_id, sealed.ciphertext, T),
    )


def uploaded_twice(c: db.Connection) -> None:
    """Raw holds what both companies have uploaded."""
    c.execute(
        "update private.whatsapp_messages as w set direction = r.direction, sent_at = r.sent_at, payload = r.payload"
        " from raw_whatsapp.messages as r where r.tenant_id = w.tenant_id and r.chat_id = w.chat_id and r.id = w.id"
    )
    c.execute(
        "update private.whatsapp_chats as w set payload = r.payload, exported_until = r.updated_at"
        " from raw_whatsapp.chats as r where r.tenant_id = w.tenant_id and r.id = w.id"
    )


def with_files(c: db.Connection) -> Any:
    """Both companies have a message of one id with a file of their own."""
    row = c.execute(
        "select id::text as id, chat_id::text as chat from raw_radist.messages where tenant_id = %s", (T,)
    ).fetchone()
    assert row is not None
    said = dialogs.page(c, T, CHAT, 1).messages[0]
    found = dialogs.with_media(c, T, [replace(said, message_id=row["id"], dialog_id=row["chat"], has_media=True)])
    assert found[0].file_name, "nothing is told apart by a file without a name"
    return found


def locked(c: db.Connection) -> Any:
    secret(c)
    with integrations.locked_secrets(T, "telegram") as row:
        row.save({"bot_token": "1234567:another-canary-of-ours"})
        row.refuse("отказ")
        return row.secrets, row.refused


def stored_secrets(c: db.Connection) -> Any:
    secret(c)
    return integrations.secrets(T, "telegram")


def bot(c: db.Connection) -> Any:
    secret(c)
    return destinations.bot_of(T, {})


def coded(c: db.Connection) -> str:
    """A code that is told beforehand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(telegram_chats.secrets, "choice", lambda letters: letters[0])
        return telegram_chats.new_code(c, T).code


def invited(c: db.Connection) -> Any:
    """Two invitations with a token that is told beforehand; the first takes the place of one of the same address."""
    with mock.patch("secrets.token_urlsafe", return_value="token"):
        return [
            invitations.make(c, T, email, "", "user", created_by=None)[1]
            for email in ("email ours", "second@x.example")
        ]


def failed_first(c: db.Connection, chat: str) -> Any:
    """A success in our chat, after a failure of this one."""
    integrations.set_status(c, T, "telegram", "error", error=f"Чат {chat}: отказ")
    destinations.report_success(c, T, CHAT)
    return integrations.load(c, T, "telegram").status


def lapsed(c: db.Connection, call: Call) -> Any:
    """Our run is over while the other company's goes on, so that a new one can be asked for."""
    c.execute("update synkro.job_runs set status = 'success', idempotency_key = null where tenant_id = %s", (T,))
    return call(c)


def followed_up(c: db.Connection) -> None:
    c.execute("update synkro.job_runs set job_type = 'followup' where run_id = %s", (RUN,))


def bound_once(c: db.Connection) -> None:
    """The second time the address is the same, and the account stays bound."""
    for _ in range(2):
        integrations.save_public(c, T, "telegram", {"base_url": "https://x.example"})
        integrations.set_status(c, T, "telegram", "ok", bound={"bot": 7})
    integrations.save_public(c, T, "telegram", {"base_url": "https://x.example"})


#: what reads: the call's answer is there, and ours alone
READS: dict[str, Call] = {
    "synkro.tenancy.audit.every": lambda c: list(audit.every(c, T, with_links=True)),
    "synkro.tenancy.audit.recent": lambda c: audit.recent(c, tenant_id=T),
    "synkro.reporting.restatements.of_report": lambda c: restatements.of_report(c, replace(report(c), numbers={"messages": 1})),
    "synkro.reporting.dialogs.get": lambda c: dialogs.get(c, T, CHAT),
    "synkro.reporting.dialogs.in_window": lambda c: dialogs.in_window(c, T, WINDOW),
    "synkro.reporting.dialogs.page": lambda c: dialogs.page(c, T, CHAT, 200),
    "synkro.reporting.dialogs.with_media": with_files,
    "synkro.reporting.cards.of_dialogs": lambda c: cards.of_dialogs(c, T, [CHAT], WINDOW),
    "synkro.connectors.deal_pages.prefix": lambda c: (
        integrations.save_public(c, T, "amocrm", {"subdomain": f"shop{str(T)[:4]}"}), deal_pages.prefix(c, T)
    )[1],
    "synkro.tenancy.pipelines.read": lambda c: pipelines.read(c, T),
    "synkro.metrics.queries.channels": lambda c: queries.channels(c, T, WINDOW),
    "synkro.metrics.queries.stages": lambda c: queries.stages(c, T, WINDOW),
    "synkro.reporting.readings.last_of": lambda c: readings.last_of(c, T, [CHAT], "p", "m"),
    "synkro.reporting.dialogs.messages_of_window": lambda c: dialogs.messages_of_window(c, T, [CHAT], WINDOW, before=2),
    "synkro.metrics.lineage.recount": lambda c: {
        name: lineage.recount(c, entry, T, WINDOW, manager)
        for entries, manager in ((SUMMARY, None), (MANAGERS, "manager_id"))
        for name, entry in entries.items()
    },
    "synkro.reporting.delivery.deliveries.due": lambda c: deliveries.due(c, NOW, T),
    "synkro.reporting.delivery.deliveries.hold": lambda c: deliveries.hold(c, T, [REPORT]),
    "synkro.reporting.delivery.deliveries.owed": lambda c: deliveries.owed(c, T),
    "synkro.reporting.delivery.deliveries.was_told": lambda c: [
        deliveries.was_told(c, replace(report(c), version=version)) for version in (1, 2)
    ],
    "delivery.deliveries.compose": lambda c: telling.compose(c, report(c), report_url="").message,
    "synkro.reporting.revisions.attempts": lambda c: (followed_up(c), [revisions.attempts(c, T, WINDOW)])[1],
    "synkro.reporting.revisions.lacking_of": lambda c: revisions.lacking_of(c, T, REPORT),
    "synkro.reporting.revisions.next_attempts": lambda c: revisions.next_attempts(c, T),
    "synkro.reporting.revisions.refusals": lambda c: (
        c.execute("update synkro.ai_calls set status = 'refused'"), revisions.refusals(c, T, RUN)
    )[1],
    "synkro.reporting.revisions.was_asked_for": lambda c: [
        revisions.was_asked_for(c, replace(run(c), trigger_type="system", run_id=id)) for id in (RUN, twins.uuid_of("their run"))
    ],
    "synkro.runs.history.depths": lambda c: history.depths(c, T),
    "synkro.connectors.integrations.all_of": lambda c: integrations.all_of(c, T),
    "synkro.connectors.integrations.find": lambda c: integrations.find(c, T, "telegram"),
    "synkro.connectors.integrations.load": lambda c: integrations.load(c, T, "telegram"),
    "synkro.connectors.integrations.secrets": stored_secrets,
    "synkro.connectors.whatsapp.uploads.complete_until": lambda c: uploads.complete_until(c, T),
    "synkro.connectors.whatsapp.uploads.first_message": lambda c: uploads.first_message(c, T),
    "synkro.connectors.whatsapp.uploads.totals": lambda c: uploads.totals(c, T),
    "synkro.connectors.whatsapp.uploads.waiting_chats": lambda c: uploads.waiting_chats(c, T),
    "synkro.connectors.whatsapp.uploads.waiting_messages": lambda c: list(uploads.waiting_messages(c, T, 10)),
    "synkro.tenancy.invitations.open_of": lambda c: invitations.open_of(c, T),
    "synkro.runs.leases.is_stopping": lambda c: (
        c.execute("update synkro.job_runs set status = 'cancelling' where tenant_id = %s and run_id = %s", (T, RUN)),
        leases.is_stopping(c, run(c))
    )[1],
    "synkro.metrics.queries.funnel": lambda c: queries.funnel(c, T),
    "synkro.metrics.queries.history": lambda c: queries.history(c, T, WINDOW, 60),
    "synkro.metrics.dialog_channels.of_window": lambda c: dialog_channels.of_window(c, T, WINDOW),
    "synkro.metrics.dialog_channels.hours_of_window": lambda c: dialog_channels.hours_of_window(c, T, WINDOW),
    "synkro.metrics.pipeline.of_window": lambda c: pipeline.of_window(c, T, WINDOW),
    "synkro.metrics.queries.hours": lambda c: queries.hours(c, T, WINDOW, 30),
    "synkro.metrics.queries.managers": lambda c: queries.managers(c, T, WINDOW),
    "synkro.metrics.queries.managers_over": lambda c: queries.managers_over(c, T, WINDOW, 30),
    "synkro.metrics.queries.summary": lambda c: queries.summary(c, T, WINDOW),
    "synkro.metrics.queries.baseline": lambda c: queries.baseline(c, T, WINDOW),
    "synkro.metrics.queries.changes": lambda c: queries.changes(c, T, WINDOW, "usual"),
    "synkro.metrics.queries.usual": lambda c: queries.usual(c, T, WINDOW),
    "synkro.metrics.live.now": lambda c: live.now(c, T),
    "synkro.metrics.live.unanswered": lambda c: live.unanswered(c, T, [one.wait_id for one in live.waiting(c, T)]),
    "synkro.metrics.live.waiting": lambda c: live.waiting(c, T),
    "synkro.metrics.queries.waiting": lambda c: queries.waiting(c, T, WINDOW),
    "synkro.reporting.delivery.outbox.of_report": lambda c: outbox.of_report(c, T, REPORT),
    "synkro.reporting.delivery.outbox.report_of_message": lambda c: outbox.report_of_message(c, T, CHAT, "55"),
    "synkro.reporting.cases.open_now": lambda c: cases.open_now(c, T),
    "synkro.reporting.cases.counts": lambda c: cases.counts(c, T),
    "synkro.reporting.cases.of_window": lambda c: cases.of_window(c, T, WINDOW),
    "synkro.reporting.cases.is_newest": lambda c: cases.is_newest(c, T, WINDOW),
    "synkro.reporting.cases.by_ids": lambda c: cases.by_ids(c, T, ["case_id"]),
    "synkro.reporting.cases.of_dialog": lambda c: cases.of_dialog(c, T, CHAT, "client_id"),
    "synkro.reporting.cases.last_advice": lambda c: cases.last_advice(c, T, Window(WINDOW.end, WINDOW.end + timedelta(days=1))),
    "synkro.reporting.intents.waiting": lambda c: intents.waiting(c, T, "1"),
    "synkro.reporting.intents.messages": lambda c: intents.messages(c, T, [CHAT]),
    "synkro.reporting.intents.unchanged": lambda c: intents.unchanged(c, T, "1", {CHAT: "messages_hash"}),
    "synkro.reporting.intents.corrected": lambda c: intents.corrected(c, T, CHAT),
    "synkro.reporting.readings.cached": lambda c: readings.cached(c, T, KEYS, "p", "m"),
    "synkro.reporting.readings.latest": lambda c: readings.latest(c, T, CHAT),
    "synkro.reporting.reconciliation.counts_of": lambda c: reconciliation.counts_of(c, report(c)),
    "synkro.reporting.reconciliation.of_report": lambda c: reconciliation.of_report(c, report(c)),
    "synkro.reporting.report_windows.built": lambda c: report_windows.built(c, T),
    "synkro.reporting.report_windows.data_span": lambda c: report_windows.data_span(c, T),
    "synkro.reporting.report_windows.missing_of": lambda c: report_windows.missing_of(c, T, WINDOW),
    "synkro.reporting.report_windows.outdated": lambda c: report_windows.outdated(c, T, 9),
    "synkro.reporting.report_windows.is_outdated": lambda c: report_windows.is_outdated(c, T, WINDOW),
    "synkro.reporting.report_windows.late": lambda c: report_windows.late(c, T, WINDOW.start),
    "synkro.reporting.reports.current": lambda c: [reports.current(c, T), reports.current(c, T, WINDOW)],
    "synkro.reporting.reports.of_ids": lambda c: reports.of_ids(c, T, [REPORT]),
    "synkro.reporting.reports.recent": lambda c: reports.recent(c, T),
    "synkro.reporting.reports.thread": lambda c: reports.thread(c, report(c)),
    "synkro.reporting.reports.versions": lambda c: reports.versions(c, report(c)),
    "synkro.runs.queue.active": lambda c: queue.active(c, T),
    "synkro.runs.queue.events": lambda c: [(e.step, e.message) for e in queue.events(c, T, RUN)],
    "synkro.runs.queue.of_window": lambda c: queue.of_window(c, T, WINDOW),
    "synkro.runs.queue.recent": lambda c: queue.recent(c, T),
    "synkro.tenancy.runtime_config.current": lambda c: runtime_config.current(c, T),
    "synkro.tenancy.runtime_config.mode_since": lambda c: runtime_config.mode_since(c, T),
    "synkro.tenancy.runtime_config.history": lambda c: runtime_config.history(c, T),
    "synkro.reporting.spending.of_run": lambda c: spending.of_run(c, T, RUN),
    "synkro.tenancy.tenants.by_id": lambda c: tenants.by_id(c, T),
    "analysis.topics.packs.earlier": lambda c: asked_about.earlier(c, T),
    "analysis.topics.packs.of_company": lambda c: asked_about.of_company(c, T),
    "synkro.tenancy.topics.current": lambda c: topics.current(c, T),
    "synkro.tenancy.topics.history": lambda c: topics.history(c, T, 9),
    "synkro.tenancy.users.people_of": lambda c: users.people_of(c, T),
    "synkro.runs.watermarks.all_of": lambda c: watermarks.all_of(c, T),
    "synkro.runs.watermarks.backfills_of": lambda c: watermarks.backfills_of(c, T),
    "synkro.runs.watermarks.find": lambda c: watermarks.find(c, T, "radist", "messages"),
    "synkro.runs.watermarks.latest_loads": lambda c: watermarks.latest_loads(c, T),
    "synkro.runs.watermarks.loads_of": lambda c: watermarks.loads_of(c, T, RUN),
    "delivery.destinations.bot_of": bot,
    "synkro.reporting.delivery.telegram_chats.owner_of": lambda c: (
        integrations.save_public(c, T, "telegram", {"chat_id": CHAT}), telegram_chats.owner_of(c, CHAT, T)
    )[1],
    "delivery.bot.inbox.asked": lambda c: inbox.asked(c, T, CHAT),
    "delivery.bot.inbox.question": lambda c: inbox.question(c, update(c)),
    "delivery.bot.inbox.report_of_answer": lambda c: inbox.report_of_answer(c, T, CHAT, 66),
    "analysis.questions.answering.answer": lambda c: answering.answer(c, report(c), "Сколько клиентов без ответа?", [], answering.Pick("unanswered_now")),
    "analysis.report.inputs.gather": lambda c: inputs.gather(c, context(c)),
    "analysis.questions.metrics.compute": lambda c: [
        metrics.compute(c, report(c), metrics.Pick("messages", period=period)) for period in metrics.PERIODS
    ],
    "analysis.questions.searching.find": lambda c: searching.find(c, report(c), "Кухня?"),
}  # fmt: skip

#: what writes: ours changes, the other's does not
WRITES: dict[str, Call] = {
    "synkro.tenancy.audit.write": lambda c: audit.write(c, "test.done", tenant_id=T),
    "synkro.reporting.revisions.note": lambda c: revisions.note(c, T, REPORT, ["ai"], None),
    "synkro.runs.history.request": lambda c: lapsed(
        c, lambda c: history.request(c, T, runtime_config.current(c, T), "2026-02-20", NOW)[1]
    ),
    "synkro.connectors.integrations.locked_secrets": locked,
    "synkro.connectors.integrations.save_public": bound_once,
    "synkro.connectors.integrations.save_secrets": lambda c: [
        integrations.save_secrets(c, T, "telegram", {"bot_token": value}) for value in ("1234567:third-canary-of-ours", "")
    ],
    "synkro.connectors.whatsapp.uploads.add": lambda c: uploads.add(c, T, UPLOADED),
    "synkro.connectors.whatsapp.uploads.forget_read": lambda c: (uploaded_twice(c), uploads.forget_read(c, T))[1],
    "synkro.connectors.integrations.set_status": lambda c: integrations.set_status(c, T, "telegram", "error", error="x", bound={"a": 1}),
    "synkro.runs.leases.attach_report": lambda c: leases.attach_report(c, run(c), twins.uuid_of("another report")),
    "synkro.runs.leases.finish": lambda c: leases.finish(c, run(c), "failed", error="x"),
    "synkro.runs.leases.heartbeat": lambda c: leases.heartbeat(c, run(c)),
    "synkro.runs.leases.step": lambda c: leases.step(c, run(c), "report", 1, 2, "x"),
    "synkro.reporting.delivery.outbox.add_once": lambda c: [outbox.add_once(c, T, CHAT, {"text": "т"}, key=key) for key in ("k", "l")],
    "synkro.reporting.delivery.outbox.claim": lambda c: [outbox.claim(c, tenant_id=T), outbox.claim(c, tenant_id=T, report_id=REPORT)],
    "synkro.reporting.delivery.outbox.mark_failed": lambda c: outbox.mark_failed(c, item(c), "x"),
    "synkro.reporting.delivery.outbox.mark_retry": lambda c: outbox.mark_retry(c, item(c), "x", after_seconds=9),
    "synkro.reporting.delivery.outbox.mark_sent": lambda c: outbox.mark_sent(c, item(c), "77"),
    "synkro.reporting.delivery.outbox.redirect": lambda c: outbox.redirect(c, T, CHAT, "-1001"),
    "synkro.reporting.intents.save": lambda c: intents.save(
        c, T, "2", {CHAT: "h"}, {CHAT: [intents.Decided("m-new", True, "question", 0.9)]},
        {CHAT: [intents.Act("m-new", "promise", "call", None)]},
    ),
    "synkro.reporting.cases.advise": lambda c: (c.execute("delete from synkro.case_marks where tenant_id = %s", (T,)), cases.advise(c, report(c), ["case_id"]))[1],
    "synkro.reporting.cases.dismiss": lambda c: cases.dismiss(c, T, "case_id", "done", channel="web", author_id=PERSON).state,
    "synkro.reporting.cases.undo": lambda c: (
        cases.dismiss(c, T, "case_id", "done", channel="web"), cases.undo(c, T, "case_id", channel="web").state
    )[1],
    "synkro.reporting.intents.correct": lambda c: intents.correct(c, T, CHAT, "message_id", False, PERSON),
    "synkro.reporting.readings.judged": lambda c: readings.judged(
        c, T, readings.StoredReading(CHAT, "transcript_hash", "p", "m", {"topics": []}, 1, 2, 3, Decimal(1))
    ),
    "synkro.reporting.readings.store": lambda c: readings.store(c, T, readings.StoredReading(CHAT, "another", "p", "m", {})),
    "synkro.reporting.reconciliation.count": lambda c: [
        (reconciliation.count(c, T, [(DAY, WINDOW)], ["radist", "amocrm"]),
         c.execute("delete from private.reconciled_dialogs where tenant_id = %s", (T,)) and None)
        for _ in range(2)
    ],
    "synkro.reporting.reconciliation.save": lambda c: reconciliation.save(c, T, RUN, [Count("radist", "messages", None, 1, {}, 1)]),
    "synkro.reporting.report_windows.add_missing": lambda c: report_windows.add_missing(c, T, WINDOW, [{"source": "radist"}]),
    "synkro.reporting.report_windows.looked": lambda c: report_windows.looked(c, T, WINDOW, NOW),
    "synkro.reporting.delivery.deliveries.forget": lambda c: deliveries.forget(c, T, [REPORT], "stopped"),
    "synkro.reporting.delivery.deliveries.told": lambda c: deliveries.told(c, report(c), "т", [LETTER], {"a": 1}),
    "delivery.deliveries.tell": lambda c: [one.report_id for one in telling.tell(c, T, [REPORT])],
    "synkro.reporting.report_windows.compare": lambda c: report_windows.compare(c, T, WINDOW, [{"unit": "week"}]),
    "synkro.reporting.report_windows.save": lambda c: report_windows.save(
        c, T, [report_windows.ReportWindow(WINDOW, DAY, as_of=None, missing=[{"source": "amocrm"}])]
    ),
    "synkro.reporting.reports.answer": lambda c: reports.answer(c, message(c), "Ответ", [{"a": 1}]),
    "synkro.reporting.reports.ask": lambda c: reports.ask(c, report(c), "Что?", author_id=None, author_name="А").question,
    "synkro.reporting.reports.publish": lambda c: reports.publish(c, T, RUN, DRAFT, [LETTER]),
    "synkro.runs.queue.log": lambda c: queue.log(c, run(c), "marts", "x"),
    "synkro.runs.queue.request": lambda c: lapsed(c, lambda c: [
        made.attempt
        for key in ("key", "key", "their key", None)
        for made, _ in [queue.request(c, T, WINDOW, mode="radist_only", trigger_type="system", report_type="daily",
                                     idempotency_key=key)]
    ]),
    "synkro.tenancy.runtime_config.change": lambda c: runtime_config.change(c, T, {"sla_target_minutes": "20"}),
    "synkro.tenancy.runtime_config.fill_working_intervals": lambda c: runtime_config.fill_working_intervals(c, T, runtime_config.current(c, T), DAY, DAY),
    "synkro.tenancy.invitations.make": lambda c: invited(c),
    "synkro.tenancy.invitations.take_back": lambda c: invitations.take_back(c, T, twins.uuid_of("invitation_id")),
    "synkro.tenancy.invitations.written_to": lambda c: invitations.written_to(c, T, twins.uuid_of("invitation_id")),
    "synkro.tenancy.runtime_config.start": lambda c: (
        c.execute("delete from synkro.tenant_runtime_configs where tenant_id = %s", (T,)), runtime_config.start(c, T, "UTC")
    )[1],
    "synkro.reporting.spending.refused": lambda c: spending.refused(c, T, RUN, SENT, "report"),
    "synkro.reporting.spending.reserve": lambda c: [
        spending.reserve(c, T, RUN, SENT, caps)[1]
        for caps in (
            CAPS,
            # the other has reserved and spent more than any of these
            replace(CAPS, at_once=2),
            replace(CAPS, at_once=9, tenant_month=None, tenant_day=Decimal(2)),
        )
    ],
    "synkro.reporting.spending.settle": lambda c: spending.settle(c, T, CALL, spending.Settled(cost_usd=Decimal("0.5"))),
    "synkro.tenancy.tenants.rename": lambda c: tenants.rename(c, T, "Другое название"),
    "synkro.tenancy.tenants.set_status": lambda c: tenants.set_status(c, T, "paused"),
    "synkro.tenancy.topics.save": lambda c: topics.save(c, T, "core", None, after=1),
    "synkro.tenancy.users.grant": lambda c: users.grant(c, PERSON, T, "admin_lite"),
    "synkro.tenancy.users.revoke": lambda c: users.revoke(c, PERSON, T),
    "synkro.runs.watermarks.advance": lambda c: watermarks.advance(c, T, "radist", "messages", AT + timedelta(hours=1)),
    "synkro.runs.watermarks.drop_backfill": lambda c: watermarks.drop_backfill(c, T, "radist", "messages"),
    "synkro.runs.watermarks.keep_backfill": lambda c: watermarks.keep_backfill(c, T, Backfill("radist", "messages", None, AT, {})),
    "synkro.runs.watermarks.record": lambda c: watermarks.record(
        c, T, RUN, StreamLoad("radist", "messages", seen=9, started_at=AT)
    ),
    "synkro.runs.queue.request_stop": lambda c: queue.request_stop(c, T, RUN).status,
    "synkro.reporting.delivery.telegram_chats.new_code": lambda c: coded(c),
    "synkro.reporting.delivery.telegram_chats.bind": lambda c: telegram_chats.bind(c, T, coded(c), "-1001", "Отдел", "Сауле"),
    "synkro.reporting.delivery.telegram_chats.unbind": lambda c: (
        integrations.save_public(c, T, "telegram", {"chat_id": CHAT}), telegram_chats.unbind(c, T, CHAT, actor="Сауле")
    )[1],
    "synkro.reporting.delivery.telegram_chats.move": lambda c: (
        integrations.save_public(c, T, "telegram", {"chat_id": CHAT}), telegram_chats.move(c, T, CHAT, "-1001")
    )[1],
    "synkro.reporting.delivery.outbox.give_up": lambda c: outbox.give_up(c, T, "причина"),
    "synkro.reporting.delivery.outbox.drop_waiting": lambda c: outbox.drop_waiting(c, T, CHAT),
    "delivery.bot.inbox.note_outcome": lambda c: inbox.note_outcome(c, update(c), "wrong"),
    "delivery.destinations.report_failure": lambda c: destinations.report_failure(c, T, "x"),
    "delivery.destinations.report_success": lambda c: [failed_first(c, chat) for chat in (CHAT, "999")],
    "delivery.bot.inbox.mark_handled": lambda c: inbox.mark_handled(c, update(c), 88),
    "delivery.bot.inbox.note_question": lambda c: inbox.note_question(c, update(c), twins.uuid_of("another question")),
    "delivery.bot.inbox.note_reply": lambda c: inbox.note_reply(c, update(c)),
    "delivery.bot.inbox.receive": lambda c: [inbox.receive(c, T, 7, number, CHAT) for number in (9, 10)],
    "delivery.bot.inbox.reply_refused": lambda c: inbox.reply_refused(c, update(c)),
}  # fmt: skip

#: takes a lock or makes a text: nothing to see in rows
NEITHER = {
    "delivery.bot.presses.handle": "asks Telegram; what it reads and writes are functions of reports, cases and the inbox",
    "synkro.runs.leases.hold": "a lock: test_leases",
    "synkro.metrics.lineage.parameters": "no query",
    "synkro.metrics.lineage.literal": "no query",
    "synkro.connectors.whatsapp.importing.save": "what it reads and writes are functions of uploads and integrations",
    "synkro.connectors.checking.resumed": "what it writes is a function of ratelimit",
    "synkro.core.vault.seal": "no query: the company is in the seal",
    "synkro.core.vault.reseal": "no query",
    "synkro.core.vault.unseal": "no query",
    **{
        f"synkro.connectors.checks.check_{kind}": "asks a vendor"
        for kind in integrations.KINDS
        if kind not in CONNECTORS
    },
    **{f"synkro.connectors.{kind}.check.check": "asks a vendor" for kind in CONNECTORS},
    "synkro.connectors.checks.run": "asks a vendor; what it reads and writes are functions of integrations",
    "delivery.bot.listener.poll_once": "asks Telegram; what it reads and writes are functions of inbox and destinations",
    "delivery.sender.send_due": "asks Telegram; what it reads and writes are functions of outbox and destinations",
    "orchestration.dbt.project.build_tenant": "test_builds_of_the_marts_touch_no_other_company",
    "orchestration.dbt.project.rebuild_windows": "test_builds_of_the_marts_touch_no_other_company",
    "orchestration.dbt.project.test_tenant": "writes nothing",
    "orchestration.dbt.scope.begin": "test_builds_of_the_marts_touch_no_other_company",
    "orchestration.dbt.scope.rebuilt": "test_builds_of_the_marts_touch_no_other_company",
    "orchestration.dbt.scope.is_partial": "writes nothing; what it asks is what begin asks",
    "orchestration.dbt.scope.last": "test_builds_of_the_marts_touch_no_other_company",
    "orchestration.run.cleanup.lock_name": "no query",
    "orchestration.run.cleanup.release": "tests/orchestration/queue/test_locks.py",
}

_PACKAGES = ("synkro", "delivery", "analysis", "ingestion", "orchestration")
#: parameters that carry their company
_CARRIERS = {"Run", "Report", "Item", "Message", "Received", "AnalysisContext"}


def functions_of_a_company() -> set[str]:
    """Public functions of the kernel and the rooms that are told a company, by name or by something that has one."""
    found = set()
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if module.name == "orchestration.process.celery_worker":
                continue  # it needs the packages of another installation; its only functions are Celery's tasks
            members = inspect.getmembers(importlib.import_module(module.name), inspect.isfunction)
            for name, function in members:
                if function.__module__ != module.name or name.startswith("_"):
                    continue
                parameters = inspect.signature(function).parameters
                kinds = {str(p.annotation).rpartition(".")[2].strip("'") for p in parameters.values()}
                if "tenant_id" in parameters or ("connection" in parameters and kinds & _CARRIERS):
                    found.add(f"{module.name}.{name}")
    return found


def test_every_function_of_a_company_is_called() -> None:
    assert functions_of_a_company() == {*READS, *WRITES, *NEITHER}


# --- the two companies ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(make_database: Callable[[str | None], str], template: str) -> Iterator[str]:
    with entry_points_to(make_database(template)) as made:
        twins.fill(made)
        yield made


@pytest.fixture(scope="module")
def connection(url: str) -> Iterator[db.Connection]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as opened:
        yield opened
        opened.rollback()


def shown(answer: Any) -> str:
    """An answer without what is made anew at each call."""
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "made", repr(answer))
    return re.sub(r"datetime\.datetime\(20(?!26, [12],|26, 3, [1-3],)[^)]*\)", "now", text)


@contextmanager
def service(connection: db.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The service entry point of this very transaction, also for who opens it anew."""

    @contextmanager
    def door(*_: Any, **__: Any) -> Iterator[db.Connection]:
        yield connection

    with monkeypatch.context() as patch:
        patch.setattr(db, "as_service", door)
        connection.execute("set local role service_role")
        yield
        connection.execute("reset role")


class Undone(Exception):
    """Ends a savepoint."""


@contextmanager
def undone(connection: db.Connection) -> Iterator[None]:
    try:
        with connection.transaction():
            yield
            raise Undone
    except Undone:
        pass


def written(connection: db.Connection, before: dict[str, str]) -> dict[str, list[str]]:
    """The company's rows in the tables that changed, without what is made anew at each call."""
    after = twins.checksum(connection, list(before), T)
    found = {}
    for table in (table for table, sum in after.items() if sum != before[table]):
        rows = connection.execute(
            f"select (to_jsonb(t) - array['audit_id', 'event_id', 'change_id', 'mark_id', 'counted_at', 'ciphertext'])::text as row from {table} t"
            " where tenant_id = %s",
            (T,),
        ).fetchall()
        found[table] = sorted(
            re.sub(r'"20(?!26-0[12]-|26-03-0[1-3])[0-9T:.+-]{8,}"', "now", shown(row["row"])) for row in rows
        )
    return found


@pytest.mark.parametrize("name", [*READS, *WRITES])
@pytest.mark.parametrize("other", ["theirs", "ours"])
def test_it_meets_and_changes_nothing_of_the_other(
    connection: db.Connection, name: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, neighbour = (OURS, THEIRS) if other == "theirs" else (THEIRS, OURS)
    monkeypatch.setitem(globals(), "T", mine)
    call = READS.get(name) or WRITES[name]
    names = twins.tables(connection)
    before = twins.checksum(connection, names, mine)
    with undone(connection):
        twins.without(connection, names, neighbour)
        with service(connection, monkeypatch):
            alone = call(connection)
        alone_wrote = written(connection, before)
    with undone(connection):
        theirs = _after_preparing(connection, name, monkeypatch, neighbour, names)
        with service(connection, monkeypatch):
            both = call(connection)
        assert twins.checksum(connection, names, neighbour) == theirs
        wrote = written(connection, before)
    assert shown(both) == shown(alone)
    assert wrote == alone_wrote
    assert str(neighbour) not in shown(both)
    if name in WRITES:
        assert wrote, "it wrote nothing"
    else:
        assert both not in (None, [], {}, set(), False, 0), "it found nothing"


def _after_preparing(
    connection: db.Connection, name: str, monkeypatch: pytest.MonkeyPatch, neighbour: UUID, names: list[str]
) -> dict[str, str]:
    """What the other's rows are once the call's own preparations are made: those that set both companies alike."""
    with undone(connection):
        if name in _PREPARES_BOTH:
            with service(connection, monkeypatch):
                _PREPARES_BOTH[name](connection)
        found = twins.checksum(connection, names, neighbour)
    return found


_PREPARES_BOTH: dict[str, Call] = {
    **dict.fromkeys(
        (
            "synkro.reporting.delivery.outbox.mark_failed",
            "synkro.reporting.delivery.outbox.mark_retry",
            "synkro.reporting.delivery.outbox.mark_sent",
        ),
        item,
    ),
    "synkro.reporting.revisions.attempts": followed_up,
    "synkro.reporting.revisions.refusals": lambda c: c.execute("update synkro.ai_calls set status = 'refused'"),
}


def test_builds_of_the_marts_touch_no_other_company(url: str) -> None:
    """What a build claims, and what it leaves when it stood, is of its own company."""
    with psycopg.connect(url, autocommit=True, row_factory=psycopg.rows.dict_row) as owner:
        names = twins.tables(owner)
        before, ours = twins.checksum(owner, names, THEIRS), twins.checksum(owner, names, OURS)
        assert scope.last(url, OURS) == "touched"
        build = scope.begin(url, OURS, "project")
        scope.stood(url, build, [(WINDOW.start, WINDOW.end)])
        again = scope.begin(url, OURS, "project")
        assert again.scope == "touched", "the mark of the build before is found"
        scope.stood(url, again)
        assert twins.checksum(owner, names, THEIRS) == before
        changed = {t for t, sum in twins.checksum(owner, names, OURS).items() if sum != ours[t]}
        assert {"private.mart_builds", "private.raw_changes", "synkro.report_windows"} <= changed
