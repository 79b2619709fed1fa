"""A company that has only exports of WhatsApp chats: from the uploaded file to its report; names and numbers are invented."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from ingestion.pipelines import READERS, LoadContext, SourceResult
from orchestration.process.launch import execute
from synkro.connectors import checks, integrations
from synkro.connectors.whatsapp import importing
from synkro.connectors.whatsapp.importing import ImportResult, Upload
from synkro.core import clock, windows
from synkro.core.errors import ConfigurationError
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.reconciliation import whole_until
from synkro.runs import queue, watermarks
from synkro.tenancy import runtime_config, tenants
from tests.conftest import entry_points_to

ZONE = ZoneInfo("Asia/Almaty")
CLIENT, MANAGER = "+7 700 000-00-01", "Жанна"


class Company:
    def __init__(self) -> None:
        with db.as_service("test") as connection:
            made = tenants.add(connection, "Кухни", "kitchens", ZONE.key)
            self.tenant_id: UUID = made.tenant_id
            config = runtime_config.start(connection, made.tenant_id, ZONE.key)
            runtime_config.change(connection, made.tenant_id, {"mode": "whatsapp_only"})
        self.window: Window = windows.last_closed(clock.now(), config.business_day_start, ZONE.key)
        #: the first line of the talk, a minute of the window
        self.start = (self.window.start + timedelta(hours=11)).astimezone(ZONE).replace(second=0, microsecond=0)

    def line(self, minutes: int, who: str, text: str) -> str:
        return f"{self.start + timedelta(minutes=minutes):%d.%m.%Y, %H:%M} - {who}: {text}\n"

    def upload(self, *files: tuple[str, str]) -> ImportResult:
        return importing.save(self.tenant_id, [Upload(name, text.encode()) for name, text in files], [MANAGER])

    def run(self) -> queue.Run:
        with db.as_service("test") as connection:
            run, _ = queue.request(
                connection,
                self.tenant_id,
                self.window,
                mode="whatsapp_only",
                trigger_type="manual",
                report_type="daily",
            )
        return execute(run.run_id)

    def read(self, folder: Path) -> SourceResult:
        """The reader by itself, for the last run."""
        last = self.rows("select run_id from synkro.job_runs where tenant_id = %(t)s order by created_at desc limit 1")[
            0
        ]
        context = LoadContext(
            self.tenant_id,
            "kitchens",
            last["run_id"],
            self.window,
            db.owner_url(),
            folder,
            lambda: None,
            lambda *_: None,
            True,
        )
        return READERS["whatsapp"](context)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with db.as_service("test") as connection:
            return connection.execute(query.encode(), {"t": self.tenant_id}).fetchall()

    def until(self) -> datetime | None:
        with db.as_service("test") as connection:
            return whole_until(watermarks.all_of(connection, self.tenant_id), "whatsapp")


@pytest.fixture(scope="module")
def company(make_database: Any, template: str) -> Iterator[Company]:
    with entry_points_to(make_database(template)):
        yield Company()


def test_from_files_to_waits_and_a_report(company: Company) -> None:
    with db.as_service("test") as connection:
        integrations.save_public(connection, company.tenant_id, "whatsapp", {})
    with pytest.raises(ConfigurationError, match="ещё не загружены"):
        checks.run(company.tenant_id, "whatsapp")
    first = company.line(0, CLIENT, "Здравствуйте! Сколько стоит кухня?") + company.line(
        5, MANAGER, "Добрый день, от 900 000"
    )
    other = company.line(30, "Борис", "Когда привезёте шкаф?")
    done = company.upload(("chat.txt", first), ("WhatsApp Chat with Борис.txt", other), ("notes.txt", "привет"))
    assert (done.chats, done.messages, done.repeated) == (2, 3, 0)
    assert done.sentence().replace("\xa0", " ") == "Добавлено: 2 чата, 3 сообщения, 0 повторов."
    assert [one.name for one in done.failed] == ["notes.txt"] and "notes.txt: строка 1" in done.failed[0].error

    run = company.run()
    assert run.status == "success", (run.error, run.error_detail)
    waits = company.rows(
        "select w.is_answered, w.is_open, c.phone, d.channel from marts.fct_waits w"
        " join marts.dim_dialogs d on d.tenant_id = w.tenant_id and d.dialog_id = w.dialog_id"
        " join marts.dim_clients c on c.tenant_id = w.tenant_id and c.client_id = w.client_id"
        " where w.tenant_id = %(t)s order by w.opened_at"
    )
    assert [tuple(row.values()) for row in waits] == [
        (True, False, "+77000000001", "whatsapp"),
        (False, True, None, "whatsapp"),
    ]
    # what the run knows ends with the last line of the exports, and the report says so
    last = company.start + timedelta(minutes=30)
    assert company.until() == last
    with db.as_service("test") as connection:
        report = reports.current(connection, company.tenant_id)
        integration = integrations.load(connection, company.tenant_id, "whatsapp")
    assert report is not None and report.numbers["dialogs"] == 2 and not report.is_complete and report.as_of == last
    assert "Выгрузки WhatsApp: загруженное кончается" in report.telegram_text.replace("\xa0", " ")
    assert integration.status == "ok" and integration.public == {"managers": MANAGER}
    assert checks.run(company.tenant_id, "whatsapp")["messages"] == 3
    counted = company.rows(
        "select entity, raw_rows, mart_rows from synkro.reconciliations where tenant_id = %(t)s and source = 'whatsapp'"
    )
    assert counted and all(row["raw_rows"] == row["mart_rows"] for row in counted)
    # raw holds it: nothing waits any more
    assert company.rows("select from private.whatsapp_messages where tenant_id = %(t)s") == []


def test_a_longer_export_brings_what_is_new(company: Company) -> None:
    first = company.line(0, CLIENT, "Здравствуйте! Сколько стоит кухня?") + company.line(
        5, MANAGER, "Добрый день, от 900 000"
    )
    longer = first + company.line(7, CLIENT, "Спасибо, подумаю") + company.line(60 * 24, MANAGER, "Решили?")
    done = company.upload(("chat (1).txt", longer))
    assert (done.chats, done.messages, done.repeated) == (0, 2, 2)
    again = company.upload(("chat (2).txt", longer))
    assert (again.chats, again.messages, again.repeated) == (0, 0, 4)
    assert len(company.rows("select from private.whatsapp_messages where tenant_id = %(t)s")) == 2, (
        "a repeat is not kept again"
    )
    before = company.rows("select count(*) as n from raw_whatsapp.messages where tenant_id = %(t)s")[0]["n"]
    run = company.run()
    assert run.status == "success", (run.error, run.error_detail)
    assert company.rows("select count(*) as n from raw_whatsapp.messages where tenant_id = %(t)s")[0]["n"] == before + 2
    assert company.until() == company.start + timedelta(days=1)
    with db.as_service("test") as connection:
        report = reports.current(connection, company.tenant_id)
    assert report is not None and report.is_complete and report.numbers["messages"] == 4


def test_what_is_uploaded_during_a_read_waits_for_the_next(
    company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ingestion.whatsapp import source

    read = source.run

    def late(session: Any, streams: Any) -> Any:
        outcome = read(session, streams)
        company.upload(("WhatsApp Chat with Вера.txt", company.line(40, "Вера", "Есть кто?")))
        return outcome

    monkeypatch.setattr(source, "run", late)
    assert company.read(tmp_path).status == "complete"
    assert len(company.rows("select from private.whatsapp_messages where tenant_id = %(t)s")) == 1
    monkeypatch.setattr(source, "run", read)
    result = company.read(tmp_path)
    assert [(load.stream, load.seen, load.loaded) for load in result.loads] == [("chats", 1, 1), ("messages", 1, 1)]
    assert company.rows("select from private.whatsapp_messages where tenant_id = %(t)s") == []
    assert len(company.rows("select from raw_whatsapp.chats where tenant_id = %(t)s")) == 3


def test_a_label_of_a_persons_moves_the_client(company: Company) -> None:
    """The trigger of labels looks for the message in every table of dialogs."""
    said = company.rows("select chat_id, id from raw_whatsapp.messages where tenant_id = %(t)s limit 1")[0]
    with psycopg.connect(db.owner_url()) as connection:
        connection.execute(
            "insert into synkro.reply_labels (tenant_id, dialog_id, message_id, needs_reply, was_needs_reply, author_id)"
            " values (%s, %s, %s, true, false, %s)",
            (company.tenant_id, str(said["chat_id"]), said["id"], company.tenant_id),
        )
    assert company.rows("select from private.raw_changes where tenant_id = %(t)s and kind = 'chat'")
