"""dbt models as assets and dbt tests as checks, built in this process by ``orchestration/dbt/project.py``.

No postponed annotations here: Dagster reads the type of ``context`` as it is written.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetExecutionContext,
    AssetKey,
    AssetSpec,
    MaterializeResult,
)
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration.dagster_patches import without_event
from orchestration.dbt.project import INDEX_GUARDED
from orchestration.defs.assets import intents, sources
from orchestration.defs.resources import RunWorker
from orchestration.queue.partitions import tenant_days
from orchestration.run import ingestion_log, window_registration
from orchestration.run.worker import Worker
from synkro.core import russian
from synkro.core.errors import DataError
from synkro.core.settings import settings
from synkro.database import db


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
    # views are selected too, though a run does not touch them: without them the lineage would break between raw and marts
    @dbt_assets(
        manifest=manifest,
        exclude=f"resource_type:unit_test {INDEX_GUARDED}",
        partitions_def=tenant_days(),
        dagster_dbt_translator=Translator(settings=DagsterDbtTranslatorSettings(enable_asset_checks=True)),
        name="marts",
        pool="marts",
    )
    def marts(context: AssetExecutionContext, run_worker: RunWorker) -> Iterator[Any]:
        if run_worker.is_joined:
            in_order = context.job_def.asset_layer.asset_graph.toposorted_asset_keys
            yield from run_worker.said(key for key in in_order if key in context.selected_asset_keys)
            return
        worker = run_worker.worker
        with worker.step("marts", "Считаем витрины"):
            results = transform(worker)
        broken = sorted(result.name for result in results if result.status == "fail")
        nodes = _nodes(manifest)
        keys = {key.path[-1]: key for key in context.selected_asset_keys}
        checks = {check.name: check for check in context.selected_asset_check_keys}
        # made at deploy and always as fresh as what they look at; first, because Dagster wants the order of the graph
        built = {nodes.get(result.unique_id, {}).get("name") for result in results}
        unread = _views_of_unread(nodes, worker.state.streams)
        ordered = [key.path[-1] for key in context.job_def.asset_layer.asset_graph.toposorted_asset_keys]
        views = [name for name in ordered if name in keys and name not in built]
        for name in views:
            if keys[name].path[0] != "staging":
                # a view over tables: after them
                continue
            if name in unread:
                yield without_event(keys.pop(name), sources.NOT_READ)
            else:
                yield MaterializeResult(asset_key=keys.pop(name), metadata={"materialized": "view"})
        for result in results:
            node = nodes.get(result.unique_id, {})
            if node.get("resource_type") == "model" and (key := keys.pop(node["name"], None)) is not None:
                yield MaterializeResult(
                    asset_key=key,
                    metadata={"dagster/row_count": result.rows, "seconds": round(result.seconds, 2)},
                )
            elif (check := checks.get(node.get("name", ""))) is not None:
                yield AssetCheckResult(
                    asset_key=check.asset_key,
                    check_name=check.name,
                    passed=result.status == "pass",
                    severity=AssetCheckSeverity.WARN if result.status == "warn" else AssetCheckSeverity.ERROR,
                    metadata={"message": result.message or ""},
                )
        for name in [name for name in views if name in keys]:
            yield MaterializeResult(asset_key=keys.pop(name), metadata={"materialized": "view"})
        if broken:
            # a report of numbers that contradict themselves helps nobody. Raised, not left to the checks: they block too, but
            # only those that Dagster can attach to an asset
            error = DataError(
                f"Числа противоречат друг другу: {russian.count(len(broken), 'проверка', 'проверки', 'проверок')} витрин не"
                f" {russian.plural(len(broken), 'прошла', 'прошли', 'прошло')}. Отчёт не построен. "
                "Запустите его ещё раз; если повторится, передайте оператору.",
                detail=", ".join(broken),
            )
            worker.fail(error)
            raise error

    return marts


def exposure_specs(manifest: Path) -> list[AssetSpec]:
    """Who reads the marts, as dbt knows it: the ends of the lineage."""
    content = json.loads(manifest.read_text(encoding="utf-8"))
    specs = []
    for exposure in content["exposures"].values():
        read = [content["nodes"][name] for name in exposure["depends_on"]["nodes"] if name in content["nodes"]]
        specs.append(
            AssetSpec(
                AssetKey(["exposure", exposure["name"]]),
                deps=[AssetKey([node["schema"], node["name"]]) for node in read],
                group_name="exposures",
                kinds={"dashboard" if exposure["type"] in ("application", "dashboard") else exposure["type"]},
                owners=["team:product"],
                description=exposure["description"],
            )
        )
    return sorted(specs, key=lambda spec: spec.key)


def control_specs(manifest: Path) -> list[AssetSpec]:
    """What the marts read of the product itself: settings, windows, the calendar, the notes of what changed."""
    content = json.loads(manifest.read_text(encoding="utf-8"))
    rows = [
        row
        for row in content["sources"].values()
        if not row["source_name"].startswith("raw_") and AssetKey([row["source_name"], row["name"]]) not in intents.KEYS
    ]
    return [
        AssetSpec(
            AssetKey([row["source_name"], row["name"]]),
            group_name="control",
            kinds={"postgres"},
            owners=["team:product"],
            description=row["description"] or row["source_description"],
        )
        for row in sorted(rows, key=lambda row: str(row["unique_id"]))
    ]


def transform(worker: Worker) -> list[Any]:
    """Build the tenant's marts for the run's windows, then test them; returns one result a node.

    In the thread of the step: an order to end the process must reach dbt, which stops its models then.
    """
    from orchestration.dbt.project import build_tenant, test_tenant

    run = worker.run
    done = 0

    def on_event(name: str) -> None:
        nonlocal done
        done += 1
        worker.progress("marts", done, None, name)

    def wait() -> None:
        worker.checkpoint()
        worker.progress("marts", 0, None, "Ждём, пока пересоберутся витрины всех компаний")

    arguments: dict[str, Any] = {
        "tenant_id": run.tenant_id,
        "window_start": run.window_start,
        "window_end": run.window_end,
        "work_dir": worker.work_dir / "dbt",
        "windows": [run.window] if worker.state.windows is None else worker.state.windows,
        "on_event": on_event,
    }
    built = build_tenant(db.owner_url(), settings().data_dir, **arguments, on_wait=wait, session=worker.session())
    worker.checkpoint()
    tested = test_tenant(db.owner_url(), settings().data_dir, **arguments)
    failed = [result for result in tested if result.status == "fail"]
    worker.log(
        "marts",
        f"Собрано таблиц: {len(built)}, проверок пройдено: {len(tested) - len(failed)} из {len(tested)}",
    )
    window_registration.note_lost(worker, ingestion_log.compare(worker))
    return [*built, *tested]


def _views_of_unread(nodes: Mapping[str, Mapping[str, Any]], read: frozenset[tuple[str, str]] | None) -> set[str]:
    """Views over streams of which none was read in this run: they show what they showed before."""
    if read is None:
        return set()

    def streams(unique_id: str) -> set[tuple[str, str]]:
        """The raw streams behind a view, through the views it stands on."""
        if unique_id.startswith("source."):
            # source.<project>.<source>.<table>
            source, table = unique_id.split(".")[2:]
            return {(source.removeprefix("raw_"), table)} if source.startswith("raw_") else set()
        node = nodes.get(unique_id, {})
        if node.get("config", {}).get("materialized") != "view":
            return set()
        return {one for behind in node["depends_on"]["nodes"] for one in streams(behind)}

    return {
        str(node["name"]) for unique_id, node in nodes.items() if (behind := streams(unique_id)) and not behind & read
    }


def _nodes(manifest: Path) -> dict[str, dict[str, Any]]:
    return dict(json.loads(manifest.read_text(encoding="utf-8"))["nodes"])
