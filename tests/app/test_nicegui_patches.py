"""A NiceGUI without what we lean on: a plainer start, or none where pages would stand unguarded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from nicegui import core

from app import nicegui_patches
from synkro.core.errors import ConfigurationError


def test_the_app_serves_where_transports_are_chosen_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(socket_io_js_transports=["websocket", "polling"])
    monkeypatch.setattr(core, "app", SimpleNamespace(config=config))
    nicegui_patches.websocket_only()
    assert config.socket_io_js_transports == ["websocket"]
    monkeypatch.setattr(core, "app", SimpleNamespace(config=SimpleNamespace()))
    nicegui_patches.websocket_only()
    assert vars(core.app.config) == {}


@pytest.mark.parametrize("gone", [None, "event", "all of them"])
def test_no_page_is_served_unguarded(gone: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def inner() -> None: ...

    def guarded(name: str, handler: Any) -> Any:
        def put() -> str:
            return name

        put.guarded = True  # type: ignore[attr-defined]
        return put

    handlers = {"/": {name: inner for name in nicegui_patches.EVENTS if name != gone}}
    monkeypatch.setattr(core, "sio", SimpleNamespace() if gone == "all of them" else SimpleNamespace(handlers=handlers))
    if gone:
        with pytest.raises(ConfigurationError):
            nicegui_patches.guard_socket_events(guarded)
        return
    nicegui_patches.guard_socket_events(guarded)
    first = dict(handlers["/"])
    assert [put() for put in first.values()] == list(nicegui_patches.EVENTS)  # type: ignore[func-returns-value]
    nicegui_patches.guard_socket_events(guarded)
    assert handlers["/"] == first, "once"
