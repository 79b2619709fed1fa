"""The asset graph: from the vendors to Telegram without a gap, dbt's tests as checks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dagster import AssetKey

from orchestration.dbt.project import INDEX_GUARDED, ensure_manifest
from orchestration.definitions import build
from synkro.connectors.registry import CONNECTORS
from synkro.core.settings import settings
from tests.orchestration.graph import FILE, picture


@pytest.fixture(scope="module")
def graph() -> Any:
    return build().resolve_asset_graph()


def ancestors(graph: Any, key: AssetKey) -> set[AssetKey]:
    found: set[AssetKey] = set()
    front = {key}
    while front:
        front = {parent for item in front for parent in graph.get(item).parent_keys} - found
        found |= front
    return found


def test_telegram_follows_from_every_stream_of_every_connector(graph: Any) -> None:
    behind = ancestors(graph, AssetKey(["vendor", "telegram"]))
    assert {AssetKey(["vendor", source]) for source in CONNECTORS} <= behind
    unused = {
        AssetKey([f"raw_{source}", stream.name])
        for source, one in CONNECTORS.items()
        for stream in one.streams
        if AssetKey([f"raw_{source}", stream.name]) not in behind
    }
    assert unused == set()


def test_the_chain_has_its_order(graph: Any) -> None:
    report = ancestors(graph, AssetKey("report"))
    assert AssetKey("dialog_readings") in report
    assert AssetKey(["marts", "period_summary"]) in report
    assert AssetKey("report") in ancestors(graph, AssetKey("telegram_delivery"))
    assert AssetKey(["marts", "fct_messages"]) in ancestors(graph, AssetKey("dialog_readings"))


def test_assets_are_partitioned_by_tenant_and_day(graph: Any) -> None:
    for key in graph.executable_asset_keys:
        dimensions = {d.name for d in graph.get(key).partitions_def.partitions_defs}
        assert dimensions == {"tenant", "day"}, key


def test_dbt_tests_are_checks_where_no_unique_index_stands_for_them(graph: Any) -> None:
    names = {key.name for key in graph.asset_check_keys if key.asset_key.path[0] == "marts"}
    assert {"one_of_fct_messages_kind__client__manager__bot__system", "share_period_summary_match_rate"} <= names
    assert len(names) >= 28 and not any(name.startswith("unique_per_tenant") for name in names)


def test_every_test_a_run_asks_is_a_check_that_blocks(graph: Any) -> None:
    """One of several models belongs to none of them until it says to which: Dagster would leave it out without a word."""
    manifest = json.loads(ensure_manifest(settings().data_dir).read_text(encoding="utf-8"))
    asked = {
        node["name"]: node["config"]["severity"].lower() == "error"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test" and INDEX_GUARDED.removeprefix("tag:") not in node["tags"]
    }
    known = {
        spec.name: spec.blocking
        for definition in graph.assets_defs
        for spec in definition.check_specs
        if spec.asset_key.path[0] in ("staging", "intermediate", "marts")
    }
    assert known == asked


def test_the_groups_tell_the_story(graph: Any) -> None:
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert {"vendors", "amocrm", "radist", "staging", "intermediate", "marts", "report"} <= groups


def test_the_graph_is_the_one_that_was_agreed_on() -> None:
    """A change of the graph is deliberate: look at the difference, then ``python -m tests.orchestration.graph``."""
    assert picture(build()) == FILE.read_text(encoding="utf-8")


def test_every_asset_says_what_it_is(graph: Any) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.kinds, key
        assert node.owners or node.group_name == "vendors", key


def test_every_mart_has_a_reader(graph: Any) -> None:
    """dbt's exposures end the lineage: a mart that nobody reads and nothing is made of has no reason to be built."""
    ends = {key for key in graph.get_all_asset_keys() if not graph.get(key).child_keys}
    assert {key.path[0] for key in ends} <= {"exposure", "vendor"}, sorted(key.to_user_string() for key in ends)
