"""The registry as MetricFlow knows it: dbt parses the project with it, each number is a metric, a day's run does not read it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from orchestration.dbt import invoke
from synkro.metrics import semantic
from synkro.metrics.registry import CHANNELS, MANAGERS, NUMBERS, SUMMARY


def test_dbt_parses_the_project_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "transforms"
    shutil.copytree(invoke.PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs"))
    settings = copy / "dbt_project.yml"
    text = settings.read_text(encoding="utf-8")
    assert "semantic" not in text, "a run's parse pays nothing for it"
    settings.write_text(text.replace("model-paths: [models]", "model-paths: [models, semantic]"), encoding="utf-8")
    monkeypatch.setattr(invoke, "PROJECT", copy)

    outcome = invoke._invoke("postgresql://nobody@localhost/none", ["parse"], {}, tmp_path / "work")

    assert outcome.success, outcome.exception
    manifest = json.loads((tmp_path / "work" / "target" / "manifest.json").read_text(encoding="utf-8"))
    of_managers = {f"manager_{one.column}" for one in MANAGERS.values() if one.is_number}
    of_channels = {f"channel_{one.column}" for one in CHANNELS.values() if one.is_number}
    assert {one["name"] for one in manifest["metrics"].values()} == {*NUMBERS, *of_managers, *of_channels}
    labels = {one["name"]: (one["label"], one["description"]) for one in manifest["metrics"].values()}
    assert labels["answered_within_5"] == (SUMMARY["answered_within_5"].label_en, SUMMARY["answered_within_5"].en)


def test_what_does_not_add_up_is_not_added() -> None:
    added = {key for key in NUMBERS if semantic.adds_up(SUMMARY[key])}
    assert {"messages", "waits", "breached", "deals_won", "deals_won_amount", "new_clients"} <= added
    never = {"clients", "dialogs", "sessions", "deals", "unanswered_now", "unanswered_gt1d", "money_at_risk", "response_p50", "match_rate"}
    never |= {"deals_open", "deals_open_amount", "deals_won_average"}
    assert not never & added
    measures = yaml.safe_load(semantic.models())["semantic_models"][0]["measures"]
    assert {one["name"] for one in measures if one["agg"] == "sum"} == added
    assert all("non_additive_dimension" in one for one in measures if one["agg"] != "sum")
