"""``synkro dbt …``: dbt's own command over the project and the database of this installation.

The words go to dbt as they are (``synkro dbt build --select staging --vars '{tenant_id: …}'``); it is told where the project and
its profile are, what the connection is, and to write beside the data instead of beside the project.
"""

from __future__ import annotations

import os
import subprocess

import click

from cli.process.supervisor import program
from synkro.core.resources import DBT_PROJECT
from synkro.core.settings import settings
from synkro.database import db


@click.command(
    "dbt", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def dbt(context: click.Context, words: tuple[str, ...]) -> None:
    """Команда dbt над витринами этой установки: build, docs generate, docs serve, source freshness и другие."""
    from orchestration.dbt.invoke import connection_settings

    home = settings().data_dir / "dbt" / "command"
    places = {
        "DBT_PROJECT_DIR": DBT_PROJECT,
        "DBT_PROFILES_DIR": DBT_PROJECT,
        "DBT_TARGET_PATH": home / "target",
        "DBT_LOG_PATH": home / "logs",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    with connection_settings(db.owner_url()):
        # what somebody has set himself stands
        environment = {name: str(value) for name, value in places.items()} | os.environ
        ended = subprocess.run([program("dbt"), *words], env=environment)
    context.exit(ended.returncode)
