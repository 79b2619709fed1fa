"""200 companies × 400 days of partitions: how long Dagster's own pages and a backfill's launch take.

    python -m bench.engine.partitions                       # 200 × 400
    python -m bench.engine.partitions --tenants 50

A database and a data directory of its own, the production processes (code server and webserver), and the questions the UI
itself asks, over HTTP: the partitions page of an asset, the partition sets of the job, the launch of a backfill of all days
of one company. Printed: seconds of three asks each, processor seconds of Dagster's processes for one of them, the size of the
answer. The bar is 3 s a page, held against processor seconds: a busy machine stretches the wall clock as it likes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from bench.support.environment import installation
from synkro.runs import dagster_ui
from tests.orchestration.dagster_processes import Plant, start

BAR = 3.0

#: as in the UI's AssetPartitions page: health of every partition of one asset, by its dimensions
ASSET_PAGE = """
query PartitionHealthQuery($assetKey: AssetKeyInput!) {
  assetNodeOrError(assetKey: $assetKey) {
    ... on AssetNode {
      id
      partitionKeysByDimension { name type partitionKeys }
      assetPartitionStatuses {
        ... on MultiPartitionStatuses {
          ranges {
            primaryDimStartKey primaryDimEndKey primaryDimStartTime primaryDimEndTime
            secondaryDim {
              ... on TimePartitionStatuses { ranges { startTime endTime startKey endKey status } }
              ... on DefaultPartitionStatuses { materializedPartitions failedPartitions materializingPartitions }
            }
          }
          primaryDimensionName
        }
      }
    }
  }
}
"""
#: the dialog «Launch runs» and the job's partitions page: every key of the set
JOB_SETS = """
query PartitionsSelectorQuery($selector: RepositorySelector!, $pipeline: String!) {
  partitionSetsOrError(repositorySelector: $selector, pipelineName: $pipeline) {
    ... on PartitionSets {
      results { id name mode solidSelection partitionsOrError { ... on Partitions { results { name } } } }
    }
  }
}
"""
ASSET_SELECTION = """
query LaunchAssetWarningsQuery($assetKeys: [AssetKeyInput!]!) {
  assetNodes(assetKeys: $assetKeys) {
    id
    isPartitioned
    partitionDefinition { name type description }
    backfillPolicy { maxPartitionsPerRun }
    partitionKeysByDimension { name type partitionKeys }
  }
}
"""
LAUNCH = """
mutation LaunchPartitionBackfill($backfillParams: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfillParams) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
CANCEL = "mutation c($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"


def main(arguments: list[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tenants", type=int, default=200)
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="synkro-bench-") as folder, installation(Path(folder)):
        slugs = [f"company_{n:03d}" for n in range(chosen.tenants)]
        fill(slugs)
        with start(("code-server", "webserver")) as dagster:
            print(f"{len(slugs)} tenants × {len(days())} days = {len(slugs) * len(days())} partitions")
            print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
            worst = measure(dagster, slugs)
    print(f"slowest page {worst:.2f} processor seconds, bar {BAR:.0f} s: {'held' if worst <= BAR else 'BROKEN'}")


def days() -> list[date]:
    from orchestration.queue.partitions import DAYS

    today = datetime.now(UTC).date()
    return [today - timedelta(days=back) for back in range(DAYS, -1, -1)]


def fill(slugs: list[str]) -> None:
    """The partitions, and a year of materializations of the report of every tenth company."""
    from dagster import AssetKey, AssetMaterialization

    from orchestration.process import instance
    from orchestration.queue.partitions import TENANTS, key_of

    dagster = instance.get()
    dagster.add_dynamic_partitions(TENANTS, slugs)
    for slug in slugs[::20]:
        for day in days()[::5]:
            made = AssetMaterialization(AssetKey("report"), partition=key_of(slug, day))
            dagster.report_runless_asset_event(made)


def measure(dagster: Plant, slugs: list[str]) -> float:
    from orchestration.defs.jobs import REPORT_JOB
    from orchestration.queue.partitions import key_of

    repository = {"repositoryLocationName": "synkro", "repositoryName": "__repository__"}
    client = httpx.Client(timeout=120, headers={dagster_ui.KEY_HEADER: dagster_ui.key()})
    url = f"http://127.0.0.1:{dagster.port}{dagster_ui.GRAPHQL}"

    def ask(query: str, **variables: Any) -> tuple[dict[str, Any], int]:
        answer = client.post(url, json={"query": query, "variables": variables})
        content = answer.json()
        if "errors" in content:
            raise SystemExit(f"Dagster refused the question: {json.dumps(content['errors'])[:500]}")
        return content["data"], len(answer.content)

    def launch(selection: dict[str, Any]) -> tuple[dict[str, Any], int]:
        keys = [str(key_of(slugs[0], day)) for day in days()]
        data, size = ask(LAUNCH, backfillParams={"partitionNames": keys, "tags": [], **selection})
        made = data["launchPartitionBackfill"]
        if made["__typename"] != "LaunchBackfillSuccess":
            raise SystemExit(f"the backfill was not launched: {made}")
        ask(CANCEL, id=made["backfillId"])
        return data, size

    by_job = {"selector": {"repositorySelector": repository, "partitionSetName": f"{REPORT_JOB}_partition_set"}}
    by_asset = {"assetSelection": [{"path": ["report"]}]}
    questions: dict[str, Callable[[], tuple[dict[str, Any], int]]] = {
        "asset page": lambda: ask(ASSET_PAGE, assetKey={"path": ["report"]}),
        "asset launch dialog": lambda: ask(ASSET_SELECTION, assetKeys=[{"path": ["report"]}]),
        "job partition sets": lambda: ask(JOB_SETS, selector=repository, pipeline=REPORT_JOB),
        "launch of a job's backfill": lambda: launch(by_job),
        "launch of an asset's backfill": lambda: launch(by_asset),
    }
    worst = 0.0
    for name, question in questions.items():
        # the first ask of a webserver reads the code location
        question()
        seconds = []
        size = 0
        used = dagster.processor_seconds()
        for _ in range(3):
            began = time.monotonic()
            _, size = question()
            seconds.append(time.monotonic() - began)
        cpu = (dagster.processor_seconds() - used) / len(seconds)
        worst = max(worst, cpu)
        print(f"{name:30} {' '.join(f'{s:.2f}' for s in seconds)} s, processor {cpu:.2f} s, {size / 1000:.0f} kB")
    return worst


if __name__ == "__main__":
    main()
