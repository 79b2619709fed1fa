"""Drives the dbt project in ``transforms/``: deploy, one tenant's marts, their tests, a full refresh.

In: the owner's connection URL and the data directory. Out: the relations of ``staging``, ``intermediate`` and
``marts``, one result a node. How dbt is called is in ``dbt_invoke``, how much a build covers in ``dbt_scope``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import psycopg

from orchestration.dbt import scope
from orchestration.dbt.invoke import NodeResult, ensure_manifest, project_hash, run
from synkro.core.errors import DataError
from synkro.database import connections

__all__ = [
    "NodeResult",
    "build_tenant",
    "deploy",
    "ensure_manifest",
    "full_refresh",
    "project_hash",
    "run",
    "test_tenant",
    "unit_test",
]

#: what the server itself refuses to store (a unique index stands beside each of these tests) is not asked for again
INDEX_GUARDED = "tag:index_guarded"
#: the models whose rows are those of a window (the grain of macros/affected.sql), as dbt selects them
OF_WINDOWS = ("int_window*", "period_*")
#: two deployers at once: the second waits, then finds nothing to do
_LOCK_KEY = 0x53594E4B44
#: held shared by every tenant's build, alone by a full refresh: it makes each table anew from the rows it sees when it begins,
#: and what a build wrote meanwhile would go with the old one
_BUILDS_KEY = _LOCK_KEY + 1
#: seconds between two looks whether a full refresh is over
_LOOK = 0.5


class Span(Protocol):
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...


def deploy(url: str, data_dir: Path, progress: Callable[[str], None] = lambda text: None) -> bool:
    """Make the views and the empty tables; ``False`` when this state of the project is deployed already.

    A table that can no longer take the rows of its model (a column changed its type) is rebuilt with all its tenants.
    """
    mark = f"synkro dbt {project_hash()}"
    with connections.connect(url, "lock", autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK_KEY,))
        before = connection.execute("select obj_description('marts'::regnamespace, 'pg_namespace')").fetchone()
        if before and before[0] == mark:
            return False
        progress("витрины: представления и таблицы")
        with tempfile.TemporaryDirectory(prefix="synkro-dbt-") as work:
            try:
                run(url, data_dir, ["run"], {"no_tenants": True}, Path(work))
            except DataError:
                if not (before and before[0]):
                    raise
                progress("витрины: строение изменилось, пересобираем всех, когда закончатся идущие отчёты")
                _alone(connection)
                run(url, data_dir, ["run", "--full-refresh"], {"all_tenants": True}, Path(work))
        _renew_api(connection)
        connection.execute(f"comment on schema marts is '{mark}'")
    return True


def full_refresh(url: str, data_dir: Path, progress: Callable[[str], None] = lambda text: None) -> list[NodeResult]:
    """Build every table anew, for all tenants and all their windows."""
    with (
        connections.connect(url, "lock", autocommit=True) as connection,
        tempfile.TemporaryDirectory(prefix="synkro-dbt-") as work,
    ):
        connection.execute("select pg_advisory_lock(%s)", (_LOCK_KEY,))
        progress("витрины: полная пересборка, когда закончатся идущие отчёты")
        _alone(connection)
        results = run(url, data_dir, ["run", "--full-refresh"], {"all_tenants": True}, Path(work))
        _renew_api(connection)
        connection.execute(f"comment on schema marts is 'synkro dbt {project_hash()}'")
    return results


def build_tenant(
    url: str,
    data_dir: Path,
    *,
    tenant_id: UUID | str,
    window_start: datetime,
    window_end: datetime,
    work_dir: Path,
    windows: Sequence[Span] = (),
    on_event: Callable[[str], None] | None = None,
    everything: bool = False,
    on_wait: Callable[[], None] = lambda: None,
    session: psycopg.Connection[Any] | None = None,
    periods: bool = True,
) -> list[NodeResult]:
    """Bring the tenant's tables up to date, and the period marts for ``windows`` (by default the run's own window).

    ``periods``: False leaves the windows' numbers as they are, and builds nothing at all where more than the clients
    something happened to would have to be rebuilt: the next run does that.

    Rebuilt are the clients something happened to since the last build that stood; all of them after a change that
    concerns everyone (the models, the settings, the calendar), or when ``everything`` asks for it. The rows are the same
    either way.

    The windows must stand in ``synkro.report_windows`` and the calendar in ``synkro.working_intervals``.
    ``on_event`` hears the name of each model that is done; what it raises is raised here after the running models
    have finished. ``on_wait`` is called twice a second while a full refresh is under way, and may raise to give up.
    ``session``: an open connection outside a transaction to hold the lock of a build on, instead of one more.
    Raises :class:`DataError` naming the model that failed.
    """
    spans = [(span.start, span.end) for span in windows] or [(window_start, window_end)]
    spans = spans if periods else []
    with (
        nullcontext(session) if session else connections.connect(url, "lock", autocommit=True) as connection,
        _shared(connection, on_wait),
    ):
        _check_inputs(connection, tenant_id, spans)
        columns = _columns(connection)
        if not periods and not scope.is_partial(url, UUID(str(tenant_id)), _rules(), session=connection):
            return []
        build = scope.begin(url, UUID(str(tenant_id)), _rules(), everything=everything, session=connection)
        arguments = ["run", "--select", "config.materialized:tenant_incremental"]
        arguments += [] if periods else ["--exclude", *OF_WINDOWS]
        variables = _variables(tenant_id, spans) | build.variables | {"columns": columns}
        results = run(url, data_dir, arguments, variables, work_dir, on_event)
        scope.stood(url, build, spans, session=connection)
    return results


def test_tenant(
    url: str,
    data_dir: Path,
    *,
    tenant_id: UUID | str,
    window_start: datetime,
    window_end: datetime,
    work_dir: Path,
    windows: Sequence[Span] = (),
    on_event: Callable[[str], None] | None = None,
    everything: bool = False,
) -> list[NodeResult]:
    """Run the data tests over the rows the tenant's last build made. A failing test is a result, not an exception.

    ``everything``: the tests a unique index stands for as well.
    """
    spans = [(span.start, span.end) for span in windows] or [(window_start, window_end)]
    arguments = ["test", "--select", "test_type:data", *([] if everything else ["--exclude", INDEX_GUARDED])]
    variables = _variables(tenant_id, spans) | {"scope": scope.last(url, UUID(str(tenant_id)))}
    return run(url, data_dir, arguments, variables, work_dir, on_event, failing_tests=True)


test_tenant.__test__ = False  # type: ignore[attr-defined]


def unit_test(url: str, data_dir: Path, work_dir: Path) -> list[NodeResult]:
    """Run dbt's unit tests; needs the (empty) relations of a deploy."""
    arguments = ["test", "--select", "test_type:unit"]
    return run(url, data_dir, arguments, {"all_tenants": True}, work_dir, failing_tests=True)


unit_test.__test__ = False  # type: ignore[attr-defined]


def _rules() -> str:
    """What every number means: the SQL, and the versions of the decisions it reads."""
    from analysis import intents
    from analysis.rules import acts

    return f"{project_hash()} {intents.VERSION} {acts.VERSION}"


def _variables(tenant_id: UUID | str, spans: Sequence[tuple[datetime, datetime]]) -> dict[str, Any]:
    # they end up inside SQL: only what UUID and datetime can print
    return {
        "tenant_id": str(UUID(str(tenant_id))),
        "windows": [[start.astimezone(UTC).isoformat(), end.astimezone(UTC).isoformat()] for start, end in spans],
    }


def _columns(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """The columns of each intermediate table, asked once: dbt would ask model by model."""
    rows = connection.execute(
        "select c.relname, array_agg(a.attname::text order by a.attnum) from pg_class as c"
        " join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where c.relnamespace = 'intermediate'::regnamespace and c.relkind = 'r' group by c.relname"
    )
    return dict(rows.fetchall())


def _check_inputs(
    connection: psycopg.Connection[Any], tenant_id: UUID | str, spans: Sequence[tuple[datetime, datetime]]
) -> None:
    """A window without its row would give no numbers, a calendar that ends early would call every answer instant."""
    for start, end in spans:
        row = connection.execute(
            "select exists (select from synkro.report_windows where tenant_id = %(tenant)s"
            "   and window_start = %(start)s and window_end = %(end)s),"
            " exists (select from synkro.working_intervals where tenant_id = %(tenant)s and ends_at > %(start)s)",
            {"tenant": str(tenant_id), "start": start, "end": end},
        ).fetchone()
        if not row or not row[0]:
            raise DataError(
                f"Окно {start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M} не записано: витрины считать не для чего."
            )
        if not row[1]:
            raise DataError(
                f"Рабочий календарь не доходит до окна {start:%Y-%m-%d %H:%M}: скорость ответа не посчитать."
            )


@contextmanager
def _shared(connection: psycopg.Connection[Any], on_wait: Callable[[], None]) -> Iterator[None]:
    """While other tenants may be built too, and no full refresh is under way."""
    while connection.execute("select pg_try_advisory_lock_shared(%s)", (_BUILDS_KEY,)).fetchone() != (True,):
        on_wait()
        time.sleep(_LOOK)
    try:
        yield
    finally:
        # a server that is gone holds no lock
        with suppress(psycopg.Error):
            connection.execute("select pg_advisory_unlock_shared(%s)", (_BUILDS_KEY,))


def _alone(connection: psycopg.Connection[Any]) -> None:
    """Wait until no tenant is being built; none begins until the connection is closed."""
    connection.execute("select pg_advisory_lock(%s)", (_BUILDS_KEY,))


def _renew_api(connection: psycopg.Connection[Any]) -> None:
    """The api views list the columns a mart had when they were made: make them again, in one transaction."""
    with connection.transaction():
        names = connection.execute(
            "select v.relname from pg_class v join pg_class t on t.relname = v.relname"
            " where v.relnamespace = 'api'::regnamespace and v.relkind = 'v'"
            " and t.relnamespace = 'marts'::regnamespace and t.relkind = 'r'"
        ).fetchall()
        for (name,) in names:
            connection.execute(psycopg.sql.SQL("drop view api.{}").format(psycopg.sql.Identifier(name)))
        connection.execute("select synkro.refresh_api()")
