"""Whether the process of a container works: well, silent and gone, for each of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import psycopg
import pytest

from cli import alive
from orchestration.process.celery_worker import node_name
from synkro.core.settings import override, settings
from synkro.database import db
from synkro.runs import dagster_ui, heartbeats


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SYNKRO_PORT", "SYNKRO_DAGSTER_PORT", "SYNKRO_CODE_SERVER", "SYNKRO_BROKER_URL"):
            patch.delenv(name, raising=False)
        # override() writes where the patch will clear
        patch.setenv("SYNKRO_HOST", "127.0.0.1")
        yield
        for name in ("SYNKRO_PORT", "SYNKRO_DAGSTER_PORT", "SYNKRO_CODE_SERVER", "SYNKRO_BROKER_URL"):
            patch.delenv(name, raising=False)
    settings.cache_clear()


@contextmanager
def answering(path: str) -> Iterator[int]:
    """The port of a server that knows this path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == path else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("process", "setting", "path"), [("app", "port", "/login"), ("webserver", "dagster_port", dagster_ui.IS_UP)])  # fmt: skip
def test_who_serves_pages_is_asked_for_one(process: str, setting: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    with answering(path) as port:
        override(**{setting: port})
        assert alive.main(process) == 0
    assert alive.main(process) == 1 and capsys.readouterr().err.startswith(f"{process}: ")
    with answering("/other") as port:
        override(**{setting: port})
        assert alive.main(process) == 1


def test_the_code_server_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        override(code_server=f"dagster-code:{listener.getsockname()[1]}")
        assert alive.main("code-server") == 0
    assert alive.main("code-server") == 1


def test_the_sender_beats(database: str) -> None:
    assert alive.main("sender") == 1
    with db.as_service("test") as connection:
        heartbeats.beat(connection, "sender")
    assert alive.main("sender") == 0
    with psycopg.connect(database) as owner:
        owner.execute("update private.services set heartbeat_at = now() - interval '2 minutes'")
    assert alive.main("sender") == 1


def test_the_daemon_beats_in_dagsters_database(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNKRO_DAGSTER_DATABASE_URL", empty_database)
    settings.cache_clear()
    assert alive.main("daemon") == 1
    from dagster._core.storage.runs.schema import DaemonHeartbeatsTable

    assert {"daemon_type", "timestamp"} <= set(DaemonHeartbeatsTable.c.keys()), "the columns that are asked"
    with psycopg.connect(empty_database) as owner:
        owner.execute("create table daemon_heartbeats (daemon_type text, timestamp timestamp)")
    assert alive.main("daemon") == 1
    with psycopg.connect(empty_database) as owner:
        owner.execute("insert into daemon_heartbeats values ('SENSOR', now() at time zone 'utc')")
    assert alive.main("daemon") == 0
    with psycopg.connect(empty_database) as owner:
        owner.execute("update daemon_heartbeats set timestamp = timestamp - interval '5 minutes'")
    assert alive.main("daemon") == 1


def test_a_worker_answers_by_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    from celery.app.control import Control

    asked: list[float] = []

    def ping(self: Control, timeout: float) -> list[dict[str, dict[str, str]]]:
        asked.append(timeout)
        return [{f"celery@{name}": {"ok": "pong"}} for name in names]

    monkeypatch.setattr(Control, "ping", ping)
    names: list[str] = []
    assert alive.main("worker") == 1 and asked == [], "no broker"
    override(broker_url="memory://")
    for answering_now, status in (([], 1), (["synkro-elsewhere-1"], 1), ([f"{node_name()}7"], 0)):
        names[:] = answering_now
        assert alive.main("worker") == status
