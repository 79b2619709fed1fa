"""The project as dbt knows it: unit tests for the worked cases and the rules, and every mart documented and guarded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestration.dbt import project, invoke
from synkro.core.settings import settings

WORKED_CASES = {"01", "02", "03", "04", "07", "08", "09", "10", "11", "14"}
#: the kinds metrics.md leaves to be written, and the borders of its rules: what each unit test must be there for
RULES = {
    "a weekend": "a_weekend_does_not_count",
    "a holiday": "a_holiday_does_not_count",
    "an overnight shift": "an_overnight_shift",
    "two channels": "answered_in_another_channel",
    "a call": "a_call_closes_a_wait",
    "a short call": "a_call_under_15_seconds_is_no_answer",
    "a three-day dialog": "a_dialog_of_three_days",
    "a zone with summer time": "a_zone_that_changes_its_clock",
    "an hour that comes twice": "an_hour_that_comes_twice_has_one_day",
    "seven days": "seven_days_without_a_word",
    "an answer on the seventh day": "an_answer_on_the_seventh_day_is_one",
    "the next wait after an abandoned one": "an_abandoned_wait_makes_room",
    "the target of the opening": "the_target_is_the_one_in_force_at_the_opening",
    "exactly on the target": "exactly_on_the_target_is_in_time",
    "off hours": "asked_and_answered_at_night",
    "signs of a bot": "signs_of_a_bot",
    "a broadcast": "a_broadcast_is_five_dialogs_in_ten_minutes",
    "groups and internal numbers": "groups_and_internal_numbers_are_left_out",
    "authors, one to one": "events_meet_messages_one_to_one",
    "stage history": "a_move_belongs_to_the_day_it_was_made_on",
    "an open wait is one session": "an_open_wait_never_splits",
    "a promise kept": "a_promise_is_kept_by_the_first_evidence_of_its_kind",
    "a promise made again": "a_promise_made_again_replaces_the_one_before",
    "a task done": "a_task_was_done_when_the_log_says_so",
    "a calendar's version": "a_calendar_changes_while_a_client_waits",
    "a version's own holiday": "a_holiday_of_the_new_calendar_alone",
    "who waits now": "money_is_at_risk_once_the_target_has_run_out",
    "a night over the boundary": "a_night_shift_runs_into_the_new_calendar",
}
#: what a reader must be told of a number: of what it is a number
UNITS = {
    "minutes": re.compile(r"_minutes|_p50$|_p90$"),
    "currency": re.compile(r"price|amount|money"),
    "0..1": re.compile(r"_rate$|within_target|_share$"),
}


@pytest.fixture(scope="module")
def documented(marts_db: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """``dbt docs generate``: the manifest and the catalog."""
    work = tmp_path_factory.mktemp("docs")
    outcome = invoke._invoke(marts_db, ["docs", "generate"], {"no_tenants": True}, work)
    assert outcome.success, outcome.exception
    manifest, catalog = (json.loads((work / "target" / name).read_text()) for name in ("manifest.json", "catalog.json"))
    return manifest, catalog


def test_every_unit_test_of_the_project_passes(
    marts_db: str, work: Path, documented: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    results = project.unit_test(marts_db, settings().data_dir, work)

    assert {result.unique_id: result.message for result in results if result.status != "pass"} == {}
    names = {result.unique_id.split(".")[-1] for result in results}
    assert names == {one["name"] for one in documented[0]["unit_tests"].values()}
    assert {name[5:7] for name in names if name.startswith("case_")} == WORKED_CASES
    assert {rule: name for rule, name in RULES.items() if name not in names} == {}


def test_every_mart_is_described_column_by_column(documented: tuple[dict[str, Any], dict[str, Any]]) -> None:
    manifest, catalog = documented
    marts = _marts(manifest)
    wrong: list[str] = []
    for unique_id, node in marts.items():
        built = catalog["nodes"][unique_id]["columns"]
        assert set(built) == set(node["columns"]), node["name"]
        if not node["description"] or not node["config"]["contract"]["enforced"]:
            wrong.append(f"{node['name']}: no description or no contract")
        for name, column in node["columns"].items():
            text = column["description"]
            if not text:
                wrong.append(f"{node['name']}.{name}: no description")
            unit = next((unit for unit, names in UNITS.items() if names.search(name)), None)
            if unit and _is_measured(built[name]["type"]) and unit not in text:
                wrong.append(f"{node['name']}.{name}: {unit}? {text}")

    assert len(marts) >= 11
    assert wrong == []


def test_every_column_of_sources_and_staging_is_described(documented: tuple[dict[str, Any], dict[str, Any]]) -> None:
    manifest, catalog = documented
    staging = {key: node for key, node in manifest["nodes"].items() if node["name"].startswith("stg_")}
    described = {**manifest["sources"], **staging}
    wrong: list[str] = []
    for unique_id, node in described.items():
        built = (catalog["sources"] | catalog["nodes"])[unique_id]["columns"]
        told = {name for name, column in node["columns"].items() if column["description"]}
        wrong += [f"{node['name']}.{name}" for name in sorted(set(built) ^ told)]
        wrong += [] if node["description"] else [f"{node['name']}: what it is"]

    assert len(staging) >= 16 and len(described) >= 35
    assert wrong == [], "not described, or described and not there"


def test_no_materialization_of_dbt_is_shadowed(documented: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Whoever reads «incremental» in a model must get dbt's."""
    manifest, _ = documented
    macros = manifest["macros"].values()
    made = {one["name"] for one in macros if one["name"].startswith("materialization_")}
    ours = {one["name"] for one in macros if one["package_name"] == "synkro" and one["name"] in made}
    own = {name.removeprefix("materialization_").rsplit("_", 1)[0] for name in ours}
    theirs = {
        one["name"].removeprefix("materialization_").rsplit("_", 1)[0]
        for one in macros
        if one["package_name"] != "synkro"
    }
    assert own == {"tenant_incremental"} and "incremental" in theirs and not own & theirs


def test_every_mart_is_guarded(documented: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """One row a key, a tenant on each row; unit tests, or the reason why there are none."""
    manifest, _ = documented
    tests = {(one["attached_node"], one["test_metadata"]["name"]) for one in manifest["nodes"].values()
             if one["resource_type"] == "test" and one.get("test_metadata")}  # fmt: skip
    units = {f"model.synkro.{one['model']}" for one in manifest["unit_tests"].values()}
    wrong = []
    for unique_id, node in _marts(manifest).items():
        first = next(iter(node["columns"].values()))
        # a view has the grain and the tenants of the table it reads
        is_view = node["config"]["materialized"] == "view"
        is_required = is_view or "not_null" in {one["type"] for one in first["constraints"]}
        if first["name"] != "tenant_id" or not is_required:
            wrong.append(f"{node['name']}: tenant_id does not lead")
        if not is_view and (unique_id, "unique_per_tenant") not in tests:
            wrong.append(f"{node['name']}: no test of its grain")
        reason = node["config"].get("meta", {}).get("no_unit_tests")
        if (unique_id in units) == bool(reason):
            wrong.append(f"{node['name']}: unit tests or the reason for none, one of the two")

    assert wrong == []


def test_a_unique_index_stands_for_every_test_of_a_grain(documented: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A run leaves these tests out: the server refuses the row first."""
    manifest, _ = documented
    tests = [
        (manifest["nodes"][one["attached_node"]], one["test_metadata"]["kwargs"]["columns"])
        for one in manifest["nodes"].values()
        if one["resource_type"] == "test" and (one.get("test_metadata") or {}).get("name") == "unique_per_tenant"
    ]
    bare = [
        f"{node['name']}: {', '.join(columns)}"
        for node, columns in tests
        if {"columns": ["tenant_id", *columns], "unique": True} not in node["config"]["indexes"]
    ]

    assert bare == []
    assert len(tests) >= 25


def _marts(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] == "marts"
    }


def _is_measured(type: str) -> bool:
    """A count needs no unit: its description says of what."""
    return type.startswith(("numeric", "double"))
