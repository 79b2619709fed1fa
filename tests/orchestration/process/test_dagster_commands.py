"""Dagster's own commands in the root of the tree find the project by pyproject.toml and dagster.yaml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef

from orchestration import dagster_patches
from orchestration.process import instance, storage
from synkro.core.settings import ROOT, settings
from synkro.database import db


@pytest.fixture
def storage_in(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SYNKRO_DAGSTER_DATABASE_URL", empty_database)
    monkeypatch.delenv(instance.STORAGE_VARIABLE, raising=False)
    settings.cache_clear()
    return empty_database


def tables(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from pg_tables where tablename in ('runs', 'event_logs')").fetchone()
    return int(row[0]) if row else 0


def test_the_template_is_an_instance_as_it_stands(
    storage_in: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``dagster dev`` does without DAGSTER_HOME: a temporary home, and the dagster.yaml of the folder."""
    try:
        with DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), config_dir=str(ROOT))) as made:
            assert type(made.event_log_storage).__module__ == "dagster_postgres.event_log.event_log"
            assert made.get_runs_count() == 0 and tables(storage_in) == 2
            assert made.run_coordinator.__class__.__name__ == "TenantCoordinator"
    finally:
        dagster_patches.let_go_connections()
    # whoever is told the address asks for no other: the web server has none of the product's
    monkeypatch.setenv(instance.STORAGE_VARIABLE, "postgresql+psycopg2://told@localhost/told")
    assert storage.address({}) == "postgresql+psycopg2://told@localhost/told"
    assert storage.address({"postgres_url": "postgresql://written"}) == "postgresql://written"


@pytest.mark.slow
@pytest.mark.assurance
def test_dagster_finds_and_validates_the_definitions(storage_in: str, database: str) -> None:
    """A process of its own, with no more than the address of the database."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SYNKRO_", "DAGSTER"))}
    environment |= {
        "SYNKRO_DATABASE_URL": db.owner_url(),
        "SYNKRO_DAGSTER_DATABASE_URL": storage_in,
        "SYNKRO_DATA_DIR": os.environ["SYNKRO_DATA_DIR"],
        "PYTHONPATH": str(ROOT),
    }
    program = Path(sys.executable).with_name("dagster")
    ended = subprocess.run(
        [program, "definitions", "validate"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "All code locations passed validation" in ended.stdout
