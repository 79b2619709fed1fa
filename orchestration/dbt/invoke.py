"""dbt invoked in this process, with a manifest parsed once per state of the project.

``<data dir>/dbt/<hash>/`` holds the manifest as ``manifest.json`` (for Dagster) and ``manifest.msgpack`` (for dbt):
1.4 s an invocation against 7. dbt is not safe to invoke twice at once in one process: a lock keeps the calls in line.
Each run has its own target and log directories. dbt is imported inside the functions, 3.7 s that a page or a command
does not pay.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from orchestration.dbt import dbt_patches
from synkro.core.errors import DataError, SynkroError
from synkro.core.resources import DBT_PROJECT as PROJECT
from synkro.database import db

_one_at_a_time = threading.Lock()
#: a manifest names the database it was parsed for; ours is parsed for none and takes the name of each connection
_NO_DATABASE = "database"


@dataclass(frozen=True)
class NodeResult:
    """What became of one model or test. ``status``: success, pass, fail, error or skipped."""

    unique_id: str
    status: str
    #: rows inserted by a model, rows found by a test
    rows: int
    seconds: float
    message: str

    @property
    def name(self) -> str:
        return self.unique_id.split(".")[2]


@lru_cache
def project_hash() -> str:
    """Changes with any file of the project and with the versions of dbt."""
    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-postgres')}".encode())
    for path in sorted(PROJECT.rglob("*")):
        inside = path.relative_to(PROJECT)
        if path.is_file() and path.suffix in {".sql", ".yml", ".csv"} and inside.parts[0] != "target":
            digest.update(f"\0{inside.as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def is_parsed(data_dir: Path) -> bool:
    """Whether somebody has parsed the project as it is now."""
    return (data_dir / "dbt" / project_hash() / "manifest.msgpack").exists()


def ensure_manifest(data_dir: Path) -> Path:
    """Path of ``manifest.json`` for the project as it is now; parses it if nobody has."""
    home = data_dir / "dbt"
    ready = home / project_hash()
    if not is_parsed(data_dir):
        home.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="parse-", dir=home))
        try:
            _invoke(f"postgresql://nobody@localhost/{_NO_DATABASE}", ["parse"], {}, work)
            made = work / "made"
            made.mkdir()
            (work / "target" / "manifest.json").rename(made / "manifest.json")
            (work / "target" / "partial_parse.msgpack").rename(made / "manifest.msgpack")
            # another process may have been faster: its directory is as good as ours
            try:
                made.rename(ready)
            except OSError:
                if not (ready / "manifest.msgpack").exists():
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return ready / "manifest.json"


def run(
    url: str,
    data_dir: Path,
    arguments: list[str],
    variables: dict[str, Any],
    work_dir: Path,
    on_event: Callable[[str], None] | None = None,
    *,
    failing_tests: bool = False,
) -> list[NodeResult]:
    manifest = ensure_manifest(data_dir).with_suffix(".msgpack")
    outcome = _invoke(url, arguments, variables, work_dir, manifest=manifest, on_event=on_event)
    if outcome.exception is not None:
        raise _failure("Витрины не построены: dbt остановился до первой модели.", str(outcome.exception))
    results = [
        NodeResult(
            unique_id=result.node.unique_id,
            status=str(result.status),
            rows=_rows(result),
            seconds=float(result.execution_time or 0),
            message=str(result.message or ""),
        )
        for result in outcome.result.results
        # the hook at the end of a run is a result too
        if result.node.resource_type.value != "operation" or str(result.status) not in {"success", "pass"}
    ]
    broken = [result for result in results if result.status in {"error", "runtime error"}]
    if broken or not (outcome.success or failing_tests):
        first = (broken or results)[0]
        raise _failure(f"Витрина {first.name} не построилась, прежние числа остались.", first.message)
    return results


def _failure(message: str, said: str) -> SynkroError:
    """Of the database when it went away meanwhile: dbt's error is a text by then."""
    if db.tells_of_loss(said):
        return db.lost(said)
    return DataError(
        f"{message} Запустите отчёт ещё раз; если повторится, передайте оператору подробности.", detail=said
    )


def _rows(result: Any) -> int:
    if result.failures is not None:
        return int(result.failures)
    return max(int((result.adapter_response or {}).get("rows_affected") or 0), 0)


def _invoke(
    url: str,
    arguments: list[str],
    variables: dict[str, Any],
    work_dir: Path,
    *,
    manifest: Path | None = None,
    on_event: Callable[[str], None] | None = None,
) -> Any:
    from dbt.cli.main import dbtRunner

    raised: list[BaseException] = []

    def hear(event: Any) -> None:
        if on_event is None or raised or event.info.name != "NodeFinished":
            return
        try:
            on_event(event.data.node_info.node_name)
        except BaseException as error:  # dbt would take it for a failed model
            raised.append(error)

    flags = {
        "project-dir": PROJECT,
        "profiles-dir": PROJECT,
        "target-path": work_dir / "target",
        "log-path": work_dir / "logs",
        "vars": json.dumps(variables),
    }
    command = ["--log-level", "none", "--no-version-check", "--no-send-anonymous-usage-stats", *arguments]
    for flag, value in flags.items():
        command += [f"--{flag}", str(value)]
    if manifest is not None:
        command += ["--no-write-json"]
    if "tenant_id" in variables:
        # who depends on whom is asked of the catalogue for the sake of drops: a tenant's run drops nothing
        command += ["--no-populate-cache"]
    with (
        _one_at_a_time,
        connection_settings(url),
        dbt_patches.patient_connections(),
        dbt_patches.held_connections(),
        dbt_patches.named_flags(),
    ):
        loaded = _load(manifest, os.environ["SYNKRO_DBT_DBNAME"]) if manifest is not None else None
        outcome = dbtRunner(manifest=loaded, callbacks=[hear]).invoke(command)
    if raised:
        raise raised[0]
    if manifest is None and outcome.exception is not None:
        raise DataError("Проект витрин не читается.", detail=str(outcome.exception))
    return outcome


def warm_up(data_dir: Path) -> None:
    """Do what the first invocation of a process does for all later ones: check the project, read every macro.

    0.8 s of processor; opens no connection and leaves no thread. The project must have been parsed.
    """
    manifest = ensure_manifest(data_dir).with_suffix(".msgpack")
    with tempfile.TemporaryDirectory(prefix="synkro-dbt-") as work:
        nowhere = f"postgresql://nobody@localhost/{_NO_DATABASE}"
        _invoke(
            nowhere,
            ["list", "--quiet", "--select", "config.materialized:tenant_incremental"],
            {},
            Path(work),
            manifest=manifest,
        )
    dbt_patches.read_macros(dbt_patches.decoded(manifest))


def _load(path: Path, database: str) -> Any:
    """The parsed project for this database, written into what the process holds, under the lock that keeps invocations in line."""
    manifest = dbt_patches.decoded(path)
    if manifest is None:
        return None
    nodes: list[Any] = [*manifest.nodes.values(), *manifest.sources.values()]
    for node in nodes:
        node.database = database
        if getattr(node, "relation_name", None):
            _, _, rest = node.relation_name.partition(".")
            node.relation_name = f'"{database}".{rest}'
    return manifest


@contextmanager
def connection_settings(url: str) -> Iterator[None]:
    """profiles.yml reads the environment: set for the invocation only, so that no child process inherits it."""
    parts = conninfo_to_dict(url)
    wanted = {
        "SYNKRO_DBT_HOST": parts.get("host") or "localhost",
        "SYNKRO_DBT_PORT": parts.get("port") or 5432,
        "SYNKRO_DBT_USER": parts.get("user") or "postgres",
        "SYNKRO_DBT_PASSWORD": parts.get("password") or "",
        "SYNKRO_DBT_DBNAME": parts.get("dbname") or "postgres",
        "SYNKRO_DBT_SSLMODE": parts.get("sslmode") or "prefer",
        "SYNKRO_DBT_SSLROOTCERT": parts.get("sslrootcert") or "",
    }
    os.environ.update({name: str(value) for name, value in wanted.items()})
    try:
        yield
    finally:
        for name in wanted:
            os.environ.pop(name, None)
