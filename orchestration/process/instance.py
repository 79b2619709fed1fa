"""The Dagster instance: rendered from ``dagster.yaml`` into the data directory, stored in Postgres.

On the embedded server Dagster has a database of its own; on a configured one it has the schema ``dagster`` of
that database. Nothing is ever written beside the repository's template.

``python -m orchestration.process.instance COMMAND …`` prepares and becomes the command: a container that Dagster starts by itself
finds its storage so.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import yaml

from synkro.core.errors import ConfigurationError
from synkro.core.resources import DAGSTER_TEMPLATE
from synkro.core.settings import settings
from synkro.database import connections, db

if TYPE_CHECKING:
    from dagster import DagsterInstance

SCHEMA = "dagster"
#: the address of Dagster's storage, reckoned once and inherited: the web server is told no other address of the database
STORAGE_VARIABLE = "SYNKRO_DAGSTER_STORAGE_URL"


def storage_url() -> str:
    """SQLAlchemy URL of Dagster's storage; the driver is named, because 2.1's default one breaks its NOTIFY."""
    configured = settings().dagster_database_url
    if configured is not None:
        url = configured.get_secret_value()
    elif settings().database_url is None or _is_embedded(db.owner_url()):
        url = db.with_database(db.owner_url(), "dagster")
        _relax(url)
    else:
        # «-c name» in two words: Supabase's pooler skips the attached form and the tables would land in public
        url = db.owner_url() + ("&" if "?" in db.owner_url() else "?") + f"options=-c%20search_path%3D{SCHEMA}"
        _make_schema(url)
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="postgresql+psycopg2"))


def _is_embedded(url: str) -> bool:
    server = db.embedded()
    return server.is_running() and url == server.url("synkro")


def _relax(url: str) -> None:
    """Let Dagster's events be written without waiting for the disk: hundreds of one-row commits a run, and its
    status is a display, the truth about a run is ours."""
    with connections.connect(url, "question", autocommit=True) as connection:
        row = connection.execute("select current_setting('synchronous_commit')").fetchone()
        if row and row[0] != "off":
            connection.execute("alter database dagster set synchronous_commit = off")


def _make_schema(url: str) -> None:
    with connections.connect(url, "question", autocommit=True) as connection:
        connection.execute(f"create schema if not exists {SCHEMA}")
        row = connection.execute("select current_schema()").fetchone()
    if row is None or row[0] != SCHEMA:
        raise ConfigurationError(
            "Сервер базы не принял search_path для Dagster. Подключитесь к прямому порту или задайте "
            "SYNKRO_DAGSTER_DATABASE_URL с отдельной базой."
        )


def prepare() -> Path:
    """Render the instance into the data directory, point the environment at it and return its folder."""
    home = settings().data_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    text = render(settings().dagster_overlay, runs_at_once())
    target = home / "dagster.yaml"
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        fresh = home / f"dagster.yaml.{os.getpid()}"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(target)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ[STORAGE_VARIABLE] = storage_url()
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    return home


def runs_at_once() -> int | None:
    """How many runs may go at once: the setting, few through a session pooler of Supabase, else the template's number.

    Its pool lends fifteen connections to a login: ``serve`` holds eight of them and a run takes up to seven, or five where
    the app has an address of its own (docs/scale.md). One run more would wait a minute and fail.
    """
    if settings().concurrent_runs is not None:
        return settings().concurrent_runs
    configured = settings().database_url
    # the pooler's sign: the project's name behind the login's (github.com/supabase/supavisor)
    if configured is None or "." not in (urlsplit(configured.get_secret_value()).username or ""):
        return None
    return 2 if settings().app_database_url is not None else 1


def render(overlay: Path | None, at_once: int | None = None) -> str:
    """The template as YAML, with ``at_once`` runs if given, and the overlay's keys put over its own.

    Raises :class:`ConfigurationError`.
    """
    text = DAGSTER_TEMPLATE.read_text(encoding="utf-8")
    if at_once is not None:
        text = re.sub(r"max_concurrent_runs: \d+", f"max_concurrent_runs: {at_once}", text)
    if overlay is None:
        return text
    try:
        upper = yaml.safe_load(overlay.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"SYNKRO_DAGSTER_OVERLAY: файл {overlay} не читается. {error}") from None
    if not isinstance(upper, dict):
        raise ConfigurationError(f"SYNKRO_DAGSTER_OVERLAY: в файле {overlay} нет ключей Dagster.")
    return yaml.safe_dump(_laid_over(yaml.safe_load(text), upper), sort_keys=False, allow_unicode=True)


def _laid_over(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged, except what names a class: its configuration is of that class alone."""
    laid = dict(lower)
    for key, value in upper.items():
        is_merged = isinstance(value, dict) and isinstance(lower.get(key), dict) and "class" not in value
        laid[key] = _laid_over(lower[key], value) if is_merged else value
    return laid


def get() -> DagsterInstance:
    """The instance of this installation (its import takes seconds: call it when a run is really wanted)."""
    prepare()
    from dagster import DagsterInstance

    return DagsterInstance.get()


if __name__ == "__main__":
    prepare()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - Dagster's own command, handed to us by its launcher
