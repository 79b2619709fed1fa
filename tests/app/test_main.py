"""The process: a taken port is said plainly, building needs neither network nor database."""

from __future__ import annotations

import ast
import socket

import pytest

from app.main import _listen
from synkro.core.errors import ConfigurationError
from synkro.core.settings import ROOT
from tests.support.sockets import sends_at_once

APP = ROOT / "app"


def test_a_taken_port_is_named_with_the_cure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"Порт {port} .*--port {port + 1}"):
            _listen("127.0.0.1", port)


def test_no_answer_waits_for_an_acknowledgement() -> None:
    assert sends_at_once(_listen("127.0.0.1", 0))


def test_services_do_not_know_nicegui() -> None:
    """They are tested alone, and the API shares them."""
    for path in (ROOT / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith(("nicegui", "fastapi", "starlette"))], path.name


def test_nothing_is_html_or_script_made_of_data() -> None:
    for path in APP.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for banned in ("ui.html(", "ui.markdown(", "sanitize=False", "v-html", "run_javascript(f", ".add_slot("):
            assert banned not in text, (path.name, banned)
