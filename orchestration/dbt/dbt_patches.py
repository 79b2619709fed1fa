"""Everything in which we lean on dbt's insides, and what happens where they have changed.

Measured on dbt-core 1.11.16, dbt-adapters 1.24.5 and dbt-postgres 1.11.0 (pyproject.toml bounds them from above). Each is
put in for one invocation and taken back after it. Without what it leans on dbt runs as it is, slower
(``tests/orchestration/process/test_dbt_invoke.py`` takes each away).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from synkro.core.errors import TransientError
from synkro.database import connections

logger = logging.getLogger(__name__)


@lru_cache(1)
def decoded(path: Path) -> Any:
    """The parsed project, decoded once a process; a run that is forked from a process that has it finds it there.

    1.4 s an invocation instead of 7. ``None`` where dbt keeps its project in another form: then each invocation parses it.
    """
    try:
        from dbt.contracts.graph.manifest import Manifest
        from dbt.parser.manifest import extended_mashumuro_decoder

        return Manifest.from_msgpack(path.read_bytes(), decoder=extended_mashumuro_decoder)
    except (ImportError, AttributeError):
        logger.warning("this dbt keeps its parsed project in another form: parsed at each call", exc_info=True)
        return None


def read_macros(manifest: Any) -> None:
    """Parse every macro before the first model asks for it: half a second of a forked run."""
    try:
        from dbt_common.clients.jinja import template_cache
    except ImportError:
        return
    for macro in manifest.macros.values() if manifest is not None else ():
        template_cache.get_node_template(macro)


@contextmanager
def held_connections() -> Iterator[None]:
    """A thread of dbt goes from node to node on one connection, closed at the end.

    dbt's adapter closes it after each node: sixty logins a run, and each new backend learns the catalogue anew. Only while
    nodes are built: the main thread, which waits for them, gives its own back before, and the threads theirs before the last
    hook.
    """
    try:
        from dbt.adapters.contracts.connection import ConnectionState, LazyHandle
        from dbt.adapters.factory import get_adapter
        from dbt.adapters.postgres.connections import PostgresConnectionManager
        from dbt.task.runnable import GraphRunnableTask
        from psycopg2.extensions import STATUS_BEGIN, TRANSACTION_STATUS_IDLE

        manager_class: Any = PostgresConnectionManager
        task_class: Any = GraphRunnableTask
        closing, executing = manager_class.release, task_class.execute_nodes
    except (ImportError, AttributeError):
        logger.warning("this dbt opens its connections in another way: one a node", exc_info=True)
        yield
        return

    def keep(manager: Any) -> None:
        connection = manager.get_if_exists()
        if connection is None or connection.state != "open":
            return
        handle = connection.handle
        try:
            # dbt commits by a statement: psycopg2 does not see it, and its rollback would be a warning in the server's log
            if handle.status == STATUS_BEGIN and handle.get_transaction_status() == TRANSACTION_STATUS_IDLE:
                handle.cursor().execute("begin")
            handle.rollback()
            connection.transaction_open = False
        except Exception:  # the server has gone: the next node opens its own
            manager.close(connection)

    def hold(task: Any, *arguments: Any, **named: Any) -> Any:
        manager: Any = get_adapter(task.config).connections
        give_back(manager)
        manager_class.release = keep
        try:
            return executing(task, *arguments, **named)
        finally:
            manager_class.release = closing
            give_back(manager)

    def give_back(manager: Any) -> None:
        with manager.lock:
            for connection in manager.thread_connections.values():
                if connection.state == "open":
                    manager.close(connection)
                    # opened again by whoever asks something over it
                    connection.handle, connection.state = LazyHandle(manager.open), ConnectionState.INIT

    task_class.execute_nodes = hold
    try:
        yield
    finally:
        task_class.execute_nodes = executing


@contextmanager
def named_flags() -> Iterator[None]:
    """dbt names the module behind each of its behaviour flags by reading the whole stack: a third of an invocation from a deep one."""
    try:
        from dbt_common.behavior_flags import BehaviorFlagRendered

        flag_class: Any = BehaviorFlagRendered
        asking = flag_class._default_source
    except (ImportError, AttributeError):
        yield
        return
    flag_class._default_source = staticmethod(lambda: "dbt.adapters")
    try:
        yield
    finally:
        flag_class._default_source = staticmethod(asking)


@contextmanager
def patient_connections() -> Iterator[None]:
    """A connection of dbt waits for its turn and is told how long a model may take: the profile has no key for either."""
    try:
        from dbt.adapters.exceptions import FailedToConnectError
        from dbt.adapters.postgres.connections import PostgresConnectionManager

        manager_class: Any = PostgresConnectionManager
        opening = manager_class.open
    except (ImportError, AttributeError):
        logger.warning("this dbt opens its connections in another way: it waits for none", exc_info=True)
        yield
        return

    def open_(connection: Any) -> Any:
        if connection.state == "open":
            return connection
        try:
            opened = connections.waited(lambda: opening(connection))
        except TransientError as error:
            # dbt keeps the text of an error alone: the server's own tells the cause later
            raise FailedToConnectError(str(error.detail)) from None
        handle = opened.handle
        handle.cursor().execute(connections.limit("build"))
        # a setting of a transaction that is rolled back is forgotten
        handle.commit()
        return opened

    manager_class.open = staticmethod(open_)
    try:
        yield
    finally:
        manager_class.open = opening
