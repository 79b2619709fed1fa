"""dbt models as assets and dbt tests as checks, built in this process by ``orchestration/dbt.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import AssetCheckResult, AssetExecutionContext, AssetKey, MaterializeResult
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration.partitions import tenant_days
from orchestration.resources import RunWorker
from orchestration.worker import Worker
from synkro import db
from synkro.settings import settings


class Translator(DagsterDbtTranslator):
    """Sources become the raw assets, models sit in the group of their folder."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return AssetKey([dbt_resource_props["source_name"], dbt_resource_props["name"]])
        return AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return ["team:data"]


def build(manifest: Path) -> Any:
    # views and unit tests are made at deploy: a tenant's run touches incrementals alone
    @dbt_assets(
        manifest=manifest,
        select="config.materialized:incremental",
        partitions_def=tenant_days(),
        dagster_dbt_translator=Translator(settings=DagsterDbtTranslatorSettings(enable_asset_checks=True)),
        name="marts",
    )
    def marts(context: AssetExecutionContext, run_worker: RunWorker) -> Iterator[Any]:
        worker = run_worker.worker
        with worker.step("marts", "Считаем витрины"):
            results = transform(worker)
        nodes = _nodes(manifest)
        keys = {name: key for key in context.selected_asset_keys for name in [key.path[-1]]}
        checks = {check.name: check for check in context.selected_asset_check_keys}
        for result in results:
            node = nodes.get(result.unique_id, {})
            if (key := keys.get(node.get("name", ""))) is not None and node.get("resource_type") == "model":
                yield MaterializeResult(
                    asset_key=key,
                    metadata={"dagster/row_count": result.rows, "seconds": round(result.seconds, 2)},
                )
            elif (check := checks.get(node.get("name", ""))) is not None:
                yield AssetCheckResult(
                    asset_key=check.asset_key,
                    check_name=check.name,
                    passed=result.status == "pass",
                    metadata={"message": result.message or ""},
                )

    return marts


def transform(worker: Worker) -> list[Any]:
    """Build the tenant's marts for the run's windows, then test them; returns one result a node."""
    from orchestration.dbt import build_tenant, test_tenant

    run = worker.run
    done = 0

    def on_event(name: str) -> None:
        nonlocal done
        done += 1
        worker.progress("marts", done, None, name)

    arguments: dict[str, Any] = {
        "tenant_id": run.tenant_id,
        "window_start": run.window_start,
        "window_end": run.window_end,
        "work_dir": worker.work_dir / "dbt",
        "windows": worker.memory.get("windows", [run.window]),
        "on_event": on_event,
    }
    built = build_tenant(db.owner_url(), settings().data_dir, **arguments)
    worker.checkpoint()
    tested = test_tenant(db.owner_url(), settings().data_dir, **arguments)
    failed = [result for result in tested if result.status == "fail"]
    worker.log(
        "marts",
        f"Собрано таблиц: {len(built)}, проверок пройдено: {len(tested) - len(failed)} из {len(tested)}",
    )
    return [*built, *tested]


def _nodes(manifest: Path) -> dict[str, dict[str, Any]]:
    return dict(json.loads(manifest.read_text(encoding="utf-8"))["nodes"])
