"""What Dagster forgets, and what its pages still show afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    MaterializeResult,
    StaticPartitionsDefinition,
    asset,
    asset_check,
    build_sensor_context,
    job,
    materialize,
    op,
)

from orchestration import dagster_patches
from orchestration.defs import retention

DAYS = StaticPartitionsDefinition(["one", "two"])


@asset(partitions_def=DAYS)
def mart() -> MaterializeResult[None]:
    return MaterializeResult(metadata={"rows": 1})


@asset_check(asset=mart)
def agrees() -> AssetCheckResult:
    return AssetCheckResult(passed=True)


@op
def sleeps() -> None: ...


@job
def hangs() -> None:
    sleeps()


@pytest.fixture
def instance(empty_database: str, tmp_path: Path) -> Iterator[DagsterInstance]:
    config = {
        "storage": {
            "custom": {
                "module": "orchestration.process.storage",
                "class": "HeldStorage",
                "config": {"postgres_url": empty_database.replace("postgresql://", "postgresql+psycopg2://", 1)},
            }
        },
        "telemetry": {"enabled": False},
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with DagsterInstance.from_config(str(tmp_path)) as made:
        yield made
    dagster_patches.let_go_connections()


def kinds(instance: DagsterInstance, run_id: str) -> set[str]:
    return {
        entry.dagster_event.event_type_value for entry in instance.all_logs(run_id) if entry.dagster_event is not None
    }


def test_details_go_after_a_month_and_runs_with_their_partitions(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [materialize([mart, agrees], partition_key=day, instance=instance) for day in ("one", "two")]
    first = ended[0].run_id
    now = datetime.now(UTC)
    details = {kind.value for kind in retention.DETAILS}
    assert details <= kinds(instance, first), "a control: each of these kinds is written"
    young = build_sensor_context(instance=instance)
    assert "строк подробностей: 0, запусков: 0" in str(retention.build()(young))

    # what is a month old goes a handful at a time, and the oldest first
    before = sum(len(instance.all_logs(run.run_id)) for run in ended)
    monkeypatch.setattr(retention, "MOST_ROWS", 1)
    month = now + timedelta(days=retention.DETAIL_DAYS, minutes=1)
    assert retention.forget(instance, month) == (4, 0)
    assert not details & kinds(instance, first) - {"STEP_OUTPUT"} and details <= kinds(instance, ended[1].run_id)
    monkeypatch.setattr(retention, "MOST_ROWS", 1000)
    rows, runs = retention.forget(instance, month)
    after = sum(len(instance.all_logs(run.run_id)) for run in ended)
    assert runs == 0 and before - after == 4 + rows and not details & kinds(instance, ended[1].run_id)
    assert {"ASSET_MATERIALIZATION", "PIPELINE_START", "PIPELINE_SUCCESS", "STEP_SUCCESS"} <= kinds(instance, first)

    # the pages still show the partitions, the check and the run
    assert instance.get_materialized_partitions(AssetKey("mart")) == {"one", "two"}
    key = AssetCheckKey(AssetKey("mart"), "agrees")
    checks = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert [check.status.value for check in checks] == ["SUCCEEDED", "SUCCEEDED"]
    assert all(check.event is not None for check in checks)
    run = instance.get_run_by_id(first)
    assert run is not None and run.status is DagsterRunStatus.SUCCESS

    monkeypatch.setattr(retention, "MOST_RUNS", 1)
    late = now + timedelta(days=retention.DAYS, minutes=1)
    assert retention.forget(instance, late) == (0, 1)
    assert instance.get_run_by_id(first) is None and instance.get_run_by_id(ended[1].run_id) is not None
    assert instance.get_materialized_partitions(AssetKey("mart")) == {"two"}


def test_a_run_under_way_is_not_deleted(instance: DagsterInstance) -> None:
    ended = materialize([mart], partition_key="one", instance=instance)
    waiting = instance.create_run_for_job(hangs, status=DagsterRunStatus.STARTED)
    late = datetime.now(UTC) + timedelta(days=retention.DAYS, minutes=1)
    assert retention.forget(instance, late)[1] == 1
    assert instance.get_run_by_id(ended.run_id) is None and instance.get_run_by_id(waiting.run_id) is not None
