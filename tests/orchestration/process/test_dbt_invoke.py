"""What is changed in dbt while it runs here, and put back after."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.dbt import dbt_patches, invoke
from synkro.core.settings import settings


def test_flags_of_dbt_are_named_without_reading_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """dbt makes them at every invocation; the stack of a run inside Dagster is a hundred frames deep."""
    from dbt_common.behavior_flags import BehaviorFlagRendered

    read: list[int] = []
    stack = inspect.stack
    monkeypatch.setattr(inspect, "stack", lambda *rest: (read.append(1), stack(*rest))[1])
    flag = {"name": "any", "default": False, "docs_url": "https://docs.example"}
    with dbt_patches.named_flags():
        assert BehaviorFlagRendered(flag, {}).name == "any"  # type: ignore[arg-type]
    assert read == []
    BehaviorFlagRendered(flag, {})  # type: ignore[arg-type]
    assert read == [1], "dbt's own way is back"


@pytest.fixture
def another_dbt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A dbt in which nothing of what we lean on has its name: for our module alone, dbt itself works."""
    importing = builtins.__import__

    def found(name: str, globals: Any = None, *rest: Any, **named: Any) -> Any:
        if (globals or {}).get("__name__") == dbt_patches.__name__ and name.split(".")[0] in ("dbt", "dbt_common"):
            raise ImportError(name)
        return importing(name, globals, *rest, **named)

    dbt_patches.decoded.cache_clear()
    monkeypatch.setattr(builtins, "__import__", found)
    yield
    dbt_patches.decoded.cache_clear()


def ways() -> tuple[Any, ...]:
    from dbt.adapters.postgres.connections import PostgresConnectionManager
    from dbt.task.runnable import GraphRunnableTask
    from dbt_common.behavior_flags import BehaviorFlagRendered

    return (
        PostgresConnectionManager.open,
        PostgresConnectionManager.release,
        GraphRunnableTask.execute_nodes,
        BehaviorFlagRendered._default_source,
    )


def test_nothing_is_put_into_a_dbt_we_do_not_know(another_dbt: None) -> None:
    before = ways()
    with dbt_patches.patient_connections(), dbt_patches.held_connections(), dbt_patches.named_flags():
        assert ways() == before
    dbt_patches.read_macros(dbt_patches.decoded(Path("nowhere")))


def test_everything_is_taken_back() -> None:
    before = ways()
    with dbt_patches.patient_connections(), dbt_patches.held_connections(), dbt_patches.named_flags():
        assert [one is other for one, other in zip(ways(), before, strict=True)] == [False, True, False, False]
    assert ways() == before


@pytest.mark.slow
@pytest.mark.assurance
def test_a_dbt_we_do_not_know_builds_the_marts(marts_in: str, another_dbt: None, tmp_path: Path) -> None:
    """Slower: the project is parsed, a node has a connection of its own."""
    results = invoke.run(marts_in, settings().data_dir, ["run", "--select", "marts"], {"no_tenants": True}, tmp_path)
    assert {result.status for result in results} == {"success"} and len(results) > 10


@pytest.fixture
def marts_in(database: str) -> str:
    return database
