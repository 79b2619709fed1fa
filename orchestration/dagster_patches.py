"""Everything in which we lean on Dagster's insides, and what happens where they have changed.

Measured on dagster 1.13.27 and dagster-postgres 0.29.27; pyproject.toml bounds both from above, so that a newer one is tried
before it is taken. Each function says what it buys. Without the attribute it leans on the product works as before: slower,
or with a plainer page (``tests/orchestration/test_dagster_patches.py`` takes each away). The key of the web server
is the exception: without it nothing would keep strangers out, so it does not start.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from dagster import AssetKey, DagsterEventType, DagsterInstance, MaterializeResult

logger = logging.getLogger(__name__)


# --- assets -----------------------------------------------------------------------------------------------


def without_event(key: AssetKey, status: str) -> MaterializeResult:
    """An output of a step that lets the next steps go on and says of its asset nothing.

    Dagster skips every step below an output that was not yielded, and an output that was yielded is a materialization. The
    report is built though a vendor is down, and its streams have not been read. Dagster's own observations of
    sources carry a mark that writes no event; without the mark the asset is shown as materialized, with the ``status``.
    """
    from dagster import MaterializeResult
    from dagster._core.definitions import source_asset

    mark = getattr(source_asset, "SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION", None)
    metadata: dict[str, Any] = {"dagster/row_count": 0} if mark is None else {mark: True}
    return MaterializeResult(asset_key=key, metadata={"status": status, **metadata})


# --- storage ----------------------------------------------------------------------------------------------

STATEMENT_TIMEOUT_MS = 60_000
RECYCLE_SECONDS = 3600
PARTITION_SECONDS = 5.0
#: connections beside the held one while many threads write; a thread that finds none waits, half a minute at most
OVERFLOW = 4

#: by process and address
_engines: dict[tuple[int, str], Any] = {}


def hold_connections(storage: Any, url: str) -> None:
    """Let the three parts of a storage share one engine of this process, which holds its connection.

    Dagster opens a connection for every statement unless its web page asks: of 400 one-row writes a run 400 logins, and a third
    of them before the run is queued. Kept by process, so that a fork never uses its parent's sockets, and asked whether
    it lives before it is used: the database may have been restarted meanwhile.
    """
    for name in ("_run_storage", "_event_log_storage", "_schedule_storage"):
        part: Any = getattr(storage, name, None)
        if not hasattr(part, "_engine") or not hasattr(part, "optimize_for_webserver"):
            logger.warning("this Dagster keeps its engine elsewhere: a connection a statement")
            continue
        key = (os.getpid(), url)
        if key not in _engines:
            part.optimize_for_webserver(STATEMENT_TIMEOUT_MS, RECYCLE_SECONDS, OVERFLOW)
            if hasattr(part._engine.pool, "_pre_ping"):
                part._engine.pool._pre_ping = True
            _engines[key] = part._engine
        part._engine = _engines[key]


def let_go_connections() -> None:
    """Forget the engines of this process: for tests, whose databases go."""
    _engines.clear()


def remember_catalogue(storage: Any) -> None:
    """Let the storage of events ask for each of its tables and columns once, and for a partition not at every turn.

    Before it writes that an asset was made Dagster asks the catalogue which columns and tables it has itself, on a
    connection opened for it (2.5 s after the marts, 1.2 without), and four times an asset whether the run's partition
    exists: what existed a few seconds ago is taken to exist still.
    """
    events = getattr(storage, "_event_log_storage", None)
    if hasattr(events, "has_dynamic_partition") and hasattr(events, "delete_dynamic_partition"):
        _remember_partitions(events)
    for name in ("has_table", "_has_asset_key_col_on_connection"):
        if hasattr(events, name):
            setattr(events, name, _asked_once(getattr(events, name)))


def _remember_partitions(events: Any) -> None:
    has_partition, delete_partition = events.has_dynamic_partition, events.delete_dynamic_partition
    seen: dict[tuple[str, str], float] = {}

    def remembered(partitions_def_name: str, partition_key: str) -> bool:
        key = (partitions_def_name, partition_key)
        if time.monotonic() - seen.get(key, float("-inf")) < PARTITION_SECONDS:
            return True
        seen.pop(key, None)
        if exists := has_partition(partitions_def_name, partition_key):
            seen[key] = time.monotonic()
        return bool(exists)

    def forgotten(partitions_def_name: str, partition_key: str) -> None:
        delete_partition(partitions_def_name, partition_key)
        seen.pop((partitions_def_name, partition_key), None)

    events.has_dynamic_partition = remembered
    events.delete_dynamic_partition = forgotten


def _asked_once(ask: Callable[..., Any]) -> Callable[..., bool]:
    """By the last argument, the name; a connection may stand before it."""
    known: dict[str, bool] = {}

    def answer(*arguments: Any) -> bool:
        if arguments[-1] not in known:
            known[arguments[-1]] = bool(ask(*arguments))
        return known[arguments[-1]]

    return answer


def delete_details(instance: DagsterInstance, kind: DagsterEventType, before: datetime, limit: int) -> int:
    """Delete the oldest rows of one kind of event; returns how many. Dagster has no entry point for a part of a run's events.

    Without its table the events stay as long as their runs do.
    """
    import sqlalchemy as sa
    from dagster._core.storage.event_log import schema

    table = getattr(schema, "SqlEventLogStorageTable", None)
    connected = getattr(instance.event_log_storage, "index_connection", None)
    if table is None or connected is None:
        return 0
    with connected() as connection:
        # by the index of kinds: the oldest rows of the table, however many follow
        oldest = connection.execute(
            sa.select(table.c.id, table.c.timestamp)
            .where(table.c.dagster_event_type == kind.value)
            .order_by(table.c.id)
            .limit(limit)
        ).fetchall()
        # Dagster writes its moments as UTC without a zone
        old = [row.id for row in oldest if row.timestamp < before.replace(tzinfo=None)]
        if old:
            connection.execute(table.delete().where(table.c.id.in_(old)))
    return len(old)


# --- processes --------------------------------------------------------------------------------------------


def warm_servicer(context: Callable[[], BaseContext | None]) -> type[Any]:
    """Dagster's servicer whose runs are processes of ``context``; with ``None`` they start cold, as Dagster starts them.

    Dagster gives each run a fresh interpreter, which spends 5–7 s of processor on imports. And its thread that watches
    over runs ends with the first error: a run that died with the database would go on for ever in Dagster, and its
    company would wait behind it.
    """
    from dagster._grpc.server import DagsterApiServer

    class WarmApiServer(DagsterApiServer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if not hasattr(self, "_mp_ctx"):
                logger.warning("this Dagster starts its runs in another way: they start cold")
            elif (made := context()) is not None:
                self._mp_ctx = made  # type: ignore[assignment]

        def _check_for_orphaned_runs(self) -> None:
            try:
                super()._check_for_orphaned_runs()
            except Exception:
                # asked again in a few seconds
                logger.warning("the runs could not be looked after, again in a moment", exc_info=True)

    return WarmApiServer


def serve_code(servicer: Callable[[], type[Any]], arguments: list[str]) -> None:
    """``dagster api grpc`` with our servicer; with Dagster's own where it is made in another place."""
    from dagster._cli.api import grpc_command

    try:
        from dagster._grpc import server

        server.DagsterApiServer = servicer()  # type: ignore[misc]
    except (ImportError, AttributeError):
        logger.warning("this Dagster has another code server: the runs start cold", exc_info=True)
    grpc_command(arguments, prog_name="synkro code server")


def serve_pages(behind: Callable[[Any], Any], arguments: list[str]) -> None:
    """``dagster-webserver`` with its ASGI app wrapped by ``behind``: it has no sign-in and no place for a middleware.

    Raises ``AttributeError`` where the app is made elsewhere: pages that nobody guards are not served.
    """
    from dagster_webserver import cli

    make = cli.create_app_from_workspace_process_context

    def made_behind(*args: Any, **kwargs: Any) -> Any:
        return behind(make(*args, **kwargs))

    cli.create_app_from_workspace_process_context = made_behind
    cli.dagster_webserver(arguments, prog_name="synkro webserver", auto_envvar_prefix="DAGSTER_WEBSERVER")
