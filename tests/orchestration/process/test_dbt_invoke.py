"""What is changed in dbt while it runs here, and put back after."""

from __future__ import annotations

import inspect

import pytest

from orchestration.dbt import invoke


def test_flags_of_dbt_are_named_without_reading_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """dbt makes them at every invocation; the stack of a run inside Dagster is a hundred frames deep."""
    from dbt_common.behavior_flags import BehaviorFlagRendered

    read: list[int] = []
    stack = inspect.stack
    monkeypatch.setattr(inspect, "stack", lambda *rest: (read.append(1), stack(*rest))[1])
    flag = {"name": "any", "default": False, "docs_url": "https://docs.example"}
    with invoke._named_flags():
        assert BehaviorFlagRendered(flag, {}).name == "any"  # type: ignore[arg-type]
    assert read == []
    BehaviorFlagRendered(flag, {})  # type: ignore[arg-type]
    assert read == [1], "dbt's own way is back"
