"""A Dagster without what we lean on: each attribute is taken away, and the product goes on without its gain."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import (
    AssetKey,
    AssetSpec,
    DagsterEventType,
    DagsterInstance,
    MaterializeResult,
    asset,
    materialize,
    multi_asset,
)
from packaging.requirements import Requirement

from orchestration import dagster_patches
from orchestration.process import storage
from synkro.core.settings import ROOT

UNREAD = AssetKey("unread")


@multi_asset(specs=[AssetSpec("read"), AssetSpec(UNREAD)])
def streams() -> Iterator[MaterializeResult]:
    yield MaterializeResult(asset_key="read")
    yield dagster_patches.without_event(UNREAD, "not read")


@asset(deps=["read", UNREAD])
def below() -> None: ...


@pytest.mark.parametrize("is_there", [True, False], ids=["as measured", "without the mark"])
def test_what_lies_below_an_unread_stream_is_built(is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_there:
        monkeypatch.delattr(
            "dagster._core.definitions.source_asset.SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION", raising=True
        )
    with DagsterInstance.ephemeral() as instance:
        ended = materialize([streams, below], instance=instance)
    made = {event.asset_key: event.materialization for event in ended.get_asset_materialization_events()}
    assert ended.success and {AssetKey("read"), AssetKey("below")} <= set(made)
    assert (UNREAD in made) is not is_there
    if not is_there:
        assert made[UNREAD].metadata["status"].value == "not read", "shown, and as what it is"


@pytest.fixture
def url(empty_database: str) -> Iterator[str]:
    yield empty_database.replace("postgresql://", "postgresql+psycopg2://", 1)
    dagster_patches.let_go_connections()


@pytest.mark.parametrize("gone", ["optimize_for_webserver", "_has_asset_key_col_on_connection", "has_table", None])
def test_the_storage_works_without_held_connections(
    url: str, gone: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # a Dagster that has it under another name: what it does itself goes on
    monkeypatch.setattr(
        dagster_patches, "hasattr", lambda owner, name: name != gone and hasattr(owner, name), raising=False
    )
    made = storage.HeldStorage(url)
    made.event_log_storage.add_dynamic_partitions("tenants", ["a"])
    assert made.event_log_storage.get_dynamic_partitions("tenants") == ["a"]
    assert made.run_storage.get_runs_count() == 0 and made.schedule_storage.all_instigator_state() == []
    assert ("a connection a statement" in caplog.text) is (gone == "optimize_for_webserver")
    held = [key for key in dagster_patches._engines if url in key]
    assert bool(held) is (gone != "optimize_for_webserver")


def test_nothing_is_remembered_of_a_storage_of_another_kind() -> None:
    dagster_patches.remember_catalogue(SimpleNamespace())
    bare = SimpleNamespace()
    dagster_patches.remember_catalogue(SimpleNamespace(_event_log_storage=bare))
    assert vars(bare) == {}


def test_details_stay_when_their_table_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("dagster._core.storage.event_log.schema.SqlEventLogStorageTable")
    with DagsterInstance.ephemeral() as instance:
        assert dagster_patches.delete_details(instance, DagsterEventType.STEP_OUTPUT, datetime.now(UTC), 10) == 0


def test_runs_start_cold_where_dagster_starts_them_in_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere:
        """A servicer without ``_mp_ctx``."""

    monkeypatch.setattr("dagster._grpc.server.DagsterApiServer", Elsewhere)
    asked: list[bool] = []
    server = dagster_patches.warm_servicer(lambda: asked.append(True))()
    assert isinstance(server, Elsewhere) and not hasattr(server, "_mp_ctx") and asked == []


def test_the_code_server_serves_without_our_servicer(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[list[str]] = []
    monkeypatch.setattr("dagster._cli.api.grpc_command", lambda arguments, **_: served.append(arguments))
    monkeypatch.delattr("dagster._grpc.server.DagsterApiServer")
    dagster_patches.serve_code(lambda: dagster_patches.warm_servicer(lambda: None), ["--port", "1"])
    assert served == [["--port", "1"]]


def test_pages_that_nobody_guards_are_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster_webserver import cli

    served: list[Any] = []
    monkeypatch.setattr(
        cli, "dagster_webserver", lambda *_, **__: served.append(cli.create_app_from_workspace_process_context())
    )
    monkeypatch.setattr(cli, "create_app_from_workspace_process_context", lambda: "pages")
    dagster_patches.serve_pages(lambda app: f"guarded {app}", [])
    assert served == ["guarded pages"]
    monkeypatch.delattr(cli, "create_app_from_workspace_process_context")
    with pytest.raises(AttributeError):
        dagster_patches.serve_pages(lambda app: app, [])
    assert len(served) == 1


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("orchestration/dagster_patches.py", ("dagster", "dagster-postgres", "dagster-webserver")),
        ("orchestration/dbt/dbt_patches.py", ("dbt-core", "dbt-adapters", "dbt-postgres")),
        ("app/nicegui_patches.py", ("nicegui",)),
    ],
)
def test_what_is_leaned_on_is_the_version_it_was_measured_on(module: str, names: tuple[str, ...]) -> None:
    """A newer one is tried before it is taken: pyproject.toml stops at the measured minor version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = {made.name: made.specifier for made in map(Requirement, project["dependencies"])}
    said = (ROOT / module).read_text(encoding="utf-8").split('"""')[1]
    for name in names:
        installed = version(name)
        if name != "dagster-webserver":
            assert f"{name} {installed}" in said, f"{name} {installed} is not what {module} was measured on"
        major, minor = installed.split(".")[:2]
        assert bounds[name].contains(installed) and not bounds[name].contains(f"{major}.{int(minor) + 1}.0"), name
