"""``as_of``, ``complete_until`` and what a window lacks, when one of two sources, or one stream of a source, lags.

Marks are set beside the window's end: A before B means that A is known until an earlier moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from ingestion.extract.context import SourceResult
from ingestion.load import streams as loading
from orchestration.dbt import project
from orchestration.run import ingestion_log, window_registration
from orchestration.run.state import RunState
from services import access, overview
from synkro.accounts import embedded
from synkro.connectors.registry import CONNECTORS
from synkro.core import clock
from synkro.core.errors import TransientError
from synkro.core.settings import settings
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import report_windows
from synkro.reporting.reconciliation import Count, whole_until
from synkro.runs import watermarks
from synkro.tenancy import runtime_config, tenants, users

END = datetime(2026, 3, 2, 17, 1, tzinfo=UTC)
WINDOW = Window(END - timedelta(days=1), END)
MODES = {"amocrm_radist": ("amocrm", "radist"), "radist_only": ("radist",), "amocrm_only": ("amocrm",)}
HOUR = timedelta(hours=1)
#: the streams ``as_of`` waits for, of the connectors of those modes
REQUIRED = {source: CONNECTORS[source].required_streams for source in MODES["amocrm_radist"]}
NEVER = None


def company(mode: str = "amocrm_radist") -> UUID:
    with db.as_service("test") as connection:
        made = tenants.add(connection, "Альфа", f"t{uuid4().hex[:12]}", "Asia/Almaty")
        runtime_config.start(connection, made.tenant_id, "Asia/Almaty")
        runtime_config.change(connection, made.tenant_id, {"mode": mode})
    return made.tenant_id


def mark(tenant_id: UUID, source: Any, at: datetime | None, but: dict[str, datetime | None] | None = None) -> None:
    """Every stream of the source that ``as_of`` waits for is known until ``at``; those of ``but`` until their own."""
    with db.as_service("test") as connection:
        for stream in REQUIRED[source]:
            moment = (but or {}).get(stream, at) if stream in (but or {}) else at
            if moment is not None:
                watermarks.advance(connection, tenant_id, source, stream, moment)


def put(url: str, table: str, **row: Any) -> None:
    """A row of raw, as ingestion would have left it."""
    row = {"seen_at": END, "_dlt_load_id": "1", "_dlt_id": "1", **row, "payload": Jsonb(row.get("payload", {}))}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"insert into {table} ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})", list(row.values())
        )


@dataclass(frozen=True)
class Opened:
    own: dict[str, Any]
    missing: list[dict[str, Any]]


def open_(tenant_id: UUID, results: list[SourceResult]) -> Opened:
    """What a run writes of its own window."""
    with db.as_service("test") as connection:
        config = runtime_config.current(connection, tenant_id)
        tenant = tenants.by_id(connection, tenant_id)
    run = SimpleNamespace(
        window=WINDOW, window_start=WINDOW.start, window_end=WINDOW.end, report_type="daily", history_from=None
    )
    worker: Any = SimpleNamespace(config=config, run=run, tenant=tenant, state=RunState())
    window_registration.open_windows(worker, results)
    with db.as_service("test") as connection:
        row = connection.execute(
            "select as_of, is_complete from synkro.report_windows where tenant_id = %s and window_start = %s",
            (tenant_id, WINDOW.start),
        ).fetchone()
        assert row is not None
        found = report_windows.missing_of(connection, tenant_id, WINDOW)
    assert worker.state.missing == found
    return Opened(row, found)


def read(tenant_id: UUID, source: Any, error: str = "") -> SourceResult:
    """What ingestion says of a source: its result is made from the marks, as after a read."""
    session: Any = SimpleNamespace(ctx=SimpleNamespace(tenant_id=tenant_id), source=source)
    status: Literal["complete", "incomplete"] = "incomplete" if error else "complete"
    load = watermarks.StreamLoad(source, REQUIRED[source][0], status)
    streams: Any = [SimpleNamespace(error=TransientError(error) if error else None, load=load)]
    return loading.result(session, streams)


@pytest.mark.parametrize(
    ("amocrm", "radist", "as_of", "is_complete"),
    [
        (END + HOUR, END + 2 * HOUR, END + HOUR, True),
        (END + 2 * HOUR, END + HOUR, END + HOUR, True),
        (END, END + HOUR, END, True),
        (END - HOUR, END + HOUR, END - HOUR, False),
        (END + HOUR, END - HOUR, END - HOUR, False),
        (END - 2 * HOUR, END - HOUR, END - 2 * HOUR, False),
        # one that was never read leaves no moment until which everything is there
        (NEVER, END + HOUR, None, False),
        (END + HOUR, NEVER, None, False),
        (NEVER, NEVER, None, False),
    ],
)  # fmt: skip
def test_as_of_is_that_of_the_source_that_lags(
    shared_database: str, amocrm: datetime | None, radist: datetime | None, as_of: datetime | None, is_complete: bool
) -> None:
    tenant_id = company()
    mark(tenant_id, "amocrm", amocrm)
    mark(tenant_id, "radist", radist)
    found = open_(tenant_id, [read(tenant_id, "amocrm"), read(tenant_id, "radist")])
    assert found == Opened({"as_of": as_of, "is_complete": is_complete}, [])


@pytest.mark.parametrize(
    ("source", "stream"), [(source, stream) for source, streams in REQUIRED.items() for stream in streams]
)
@pytest.mark.parametrize("lag", [END - HOUR, NEVER])
def test_one_stream_that_lags_holds_its_source(
    shared_database: str, source: str, stream: str, lag: datetime | None
) -> None:
    tenant_id = company()
    for name in REQUIRED:
        mark(tenant_id, name, END + HOUR, {stream: lag} if name == source else None)
    result = read(tenant_id, source)
    assert result.complete_until == lag
    other = next(name for name in REQUIRED if name != source)
    assert read(tenant_id, other).complete_until == END + HOUR
    found = open_(tenant_id, [result, read(tenant_id, other)])
    assert found.own == {"as_of": lag, "is_complete": False}
    # a source that failed before its first stream says nothing of its marks: they are looked up
    silent = SourceResult(source, "failed", [], None, TransientError("Сервис не отвечает."))
    assert open_(tenant_id, [silent, read(tenant_id, other)]).own == {"as_of": lag, "is_complete": False}


@pytest.mark.parametrize(("mode", "silent"), [("radist_only", "amocrm"), ("amocrm_only", "radist")])
@pytest.mark.parametrize("other", [NEVER, END - 5 * HOUR])
def test_a_mode_waits_for_its_own_source_alone(
    shared_database: str, mode: str, silent: str, other: datetime | None
) -> None:
    tenant_id = company(mode)
    (source,) = MODES[mode]
    mark(tenant_id, source, END + HOUR)
    mark(tenant_id, silent, other)
    found = open_(tenant_id, [read(tenant_id, source)])
    assert found == Opened({"as_of": END + HOUR, "is_complete": True}, [])


def test_what_was_read_before_is_said_of_a_source_that_fails_now(shared_database: str) -> None:
    """Its old mark is ``as_of`` and the end of what is there; a mark beyond the window is no end of it."""
    tenant_id = company()
    mark(tenant_id, "amocrm", END + HOUR)
    mark(tenant_id, "radist", END - 3 * HOUR)
    whole = read(tenant_id, "amocrm")
    found = open_(tenant_id, [whole, read(tenant_id, "radist", "Radist не отвечает.")])
    assert found.own == {"as_of": END - 3 * HOUR, "is_complete": False}
    assert found.missing == [
        {"source": "radist", "until": (END - 3 * HOUR).isoformat(), "reason": "Radist не отвечает"}
    ]
    mark(tenant_id, "radist", END + HOUR)
    found = open_(tenant_id, [whole, read(tenant_id, "radist", "Radist не отвечает.")])
    assert found.own == {"as_of": END + HOUR, "is_complete": False}, "all was read before, and yet something is missing"
    assert found.missing == [{"source": "radist", "until": None, "reason": "Radist не отвечает"}]


def test_a_mark_of_the_future_is_now_at_most(shared_database: str) -> None:
    tenant_id = company()
    for source in REQUIRED:
        mark(tenant_id, source, datetime(2100, 1, 1, tzinfo=UTC))
    with db.as_service("test") as connection:
        stored = connection.execute(
            "select max(complete_until) as latest from synkro.watermarks where tenant_id = %s", (tenant_id,)
        ).fetchone()
        assert stored is not None and stored["latest"] <= clock.now(), "it is capped when it is written"
        connection.execute(
            "update synkro.watermarks set complete_until = '2100-01-01' where tenant_id = %s", (tenant_id,)
        )
    before = clock.now()
    results = [read(tenant_id, "amocrm"), read(tenant_id, "radist")]
    assert all(one.complete_until is not None and one.complete_until <= clock.now() for one in results)
    found = open_(tenant_id, results)
    assert before - HOUR < found.own["as_of"] <= clock.now()


def test_another_companys_marks_are_nobodys(shared_database: str) -> None:
    """The neighbour is ahead and behind: neither moves our moment."""
    tenant_id = company()
    for at, neighbour in ((END + 5 * HOUR, company()), (END - 5 * HOUR, company())):
        for source in REQUIRED:
            mark(neighbour, source, at)
    for source in REQUIRED:
        mark(tenant_id, source, END + HOUR)
    found = open_(tenant_id, [read(tenant_id, "amocrm"), read(tenant_id, "radist")])
    assert found.own == {"as_of": END + HOUR, "is_complete": True}


@pytest.mark.parametrize(
    ("until", "is_complete"), [(END - timedelta(days=1), True), (END - timedelta(days=1, minutes=1), False)]
)
def test_an_earlier_day_is_whole_as_far_as_the_slower_source(
    shared_database: str, until: datetime, is_complete: bool
) -> None:
    tenant_id = company()
    mark(tenant_id, "amocrm", END + HOUR)
    mark(tenant_id, "radist", until)
    put(
        shared_database,
        "raw_amocrm.leads",
        tenant_id=tenant_id,
        id=1,
        created_at=END - timedelta(days=5),
        updated_at=END,
    )
    open_(tenant_id, [read(tenant_id, "amocrm"), read(tenant_id, "radist")])
    with db.as_service("test") as connection:
        before = connection.execute(
            "select as_of, is_complete from synkro.report_windows where tenant_id = %s and window_end = %s",
            (tenant_id, WINDOW.start),
        ).fetchone()
    assert before == {"as_of": until, "is_complete": is_complete}


def test_a_row_lost_on_the_way_to_the_marts_opens_the_window_again(shared_database: str) -> None:
    """In the database, where the report reads it, beside what was missing before; nobody else's window is touched."""
    tenant_id, neighbour = company(), company()
    for one in (tenant_id, neighbour):
        for source in REQUIRED:
            mark(one, source, END + HOUR)
        assert open_(one, [read(one, "amocrm"), read(one, "radist")]).own["is_complete"]
    with db.as_service("test") as connection:
        tenant = tenants.by_id(connection, tenant_id)
        earlier = report_windows.ReportWindow(
            Window(WINDOW.start - timedelta(days=1), WINDOW.start), WINDOW.start.date(), "daily", END, True
        )
        report_windows.save(connection, tenant_id, [earlier])
        report_windows.add_missing(connection, tenant_id, WINDOW, [window_registration.gap("amocrm", "звонков нет")])
        connection.execute("update synkro.report_windows set is_complete = true where tenant_id = %s", (tenant_id,))
    known = [window_registration.gap("amocrm", "звонков нет")]
    worker: Any = SimpleNamespace(run=SimpleNamespace(window=WINDOW), tenant=tenant, state=RunState(missing=known))

    def windows() -> list[dict[str, Any]]:
        with db.as_service("test") as connection:
            return connection.execute(
                "select tenant_id, window_end, is_complete, missing from synkro.report_windows"
                " where tenant_id = any(%s) order by tenant_id = %s, window_end",
                ([tenant_id, neighbour], tenant_id),
            ).fetchall()

    before = windows()
    window_registration.note_lost(worker, [])
    assert windows() == before and worker.state.missing == known

    lost = [Count("radist", "messages", END.date(), 44, {"group": 2}, 41), Count("amocrm", "leads", None, 9, {}, 8)]
    window_registration.note_lost(worker, lost)
    gaps = [{"source": one.source, "until": None, "reason": ingestion_log.counted(one)} for one in lost]
    assert "разница 1" in gaps[0]["reason"]
    assert windows() == [*before[:-1], {**before[-1], "is_complete": False, "missing": [*known, *gaps]}]
    assert worker.state.missing == [*known, *gaps]


def test_the_first_page_and_the_report_tell_one_moment(shared_database: str) -> None:
    """Freshness on the overview is ``complete_until`` of each source of the mode, ``None`` for one never read whole."""
    tenant_id = company()
    mark(tenant_id, "amocrm", END + HOUR, {"notes": END - HOUR})
    mark(tenant_id, "radist", END + HOUR, {"messages": NEVER})
    with db.as_service("test") as connection:
        # a dictionary that is old holds nothing up
        watermarks.advance(connection, tenant_id, "amocrm", "users", END - 9 * HOUR)
        user = embedded.add(connection, f"{uuid4().hex}@x.example", "пароль для проверки")
        users.grant(connection, user.user_id, tenant_id, "user")
        marks = watermarks.all_of(connection, tenant_id)
    (card,) = overview.cards(access.viewer(user))
    assert card.freshness == {"amocrm": END - HOUR, "radist": None}
    assert card.freshness == {source: whole_until(marks, source) for source in REQUIRED}


def test_the_marts_say_the_moment_of_the_slower_source(shared_database: str, tmp_path: Path) -> None:
    """A client asks before the slower source's mark and is answered after it: by ``as_of`` that answer is not known."""
    tenant_id = company()
    mark(tenant_id, "amocrm", END - 2 * HOUR)
    mark(tenant_id, "radist", END + HOUR)
    chat = {"source_chat_id": "s1", "name": "Чат", "is_group": False, "_synkro": {"phone": "+77010000001"}}
    put(shared_database, "raw_radist.chats", tenant_id=tenant_id, id=1, connection_id=1, payload=chat)
    for id, direction, at in (("m1", "inbound", END - 4 * HOUR), ("m2", "outbound", END - HOUR)):
        put(
            shared_database, "raw_radist.messages", tenant_id=tenant_id, chat_id=1, id=id, connection_id=1, sent_at=at,
            message_type="text", direction=direction, payload={"text": {"text": "Сколько стоит?"}},
        )  # fmt: skip
    open_(tenant_id, [read(tenant_id, "amocrm"), read(tenant_id, "radist")])

    project.build_tenant(
        shared_database, settings().data_dir, tenant_id=tenant_id, window_start=WINDOW.start, window_end=WINDOW.end,
        work_dir=tmp_path,
    )  # fmt: skip
    with db.as_service("test") as connection:
        row = connection.execute(
            "select as_of, now_at, is_complete, unanswered_now, waits_answered from marts.period_summary"
            " where tenant_id = %s and window_start = %s",
            (tenant_id, WINDOW.start),
        ).fetchone()
    assert row == {
        "as_of": END - 2 * HOUR, "now_at": END - 2 * HOUR, "is_complete": False, "unanswered_now": 1, "waits_answered": 0,
    }  # fmt: skip
