"""Every request leaves through ``synkro/http/factory.py``: nobody else may open a connection, or stop checking one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.packages import PRODUCT

ROOT = Path(__file__).parents[3]
FACTORY = {
    f"synkro/http/{part}.py" for part in ("factory", "auth", "body", "client", "destination", "errors", "transport")
}
#: asks our own processes whether they are up, and hands people on to Dagster's web server, which is ours too
OWN_PROCESSES = {
    ("cli/process/serve.py", "urllib.request"), ("cli/alive.py", "urllib.request"),
    ("app/dagster_proxy.py", "httpx"), ("app/dagster_proxy.py", "websockets"),
    ("app/dagster_proxy.py", "websockets.asyncio.client.ClientConnection"),
}  # fmt: skip
#: letters go to the operator's mail server, which is no HTTP; the others name errors of the client the factory made
OTHER_CLIENTS = {
    ("synkro/accounts/mail.py", "smtplib"), ("synkro/accounts/supabase.py", "httpx"), ("synkro/connectors/project_database.py", "httpcore"),
}  # fmt: skip
#: libraries that open connections; dlt's helpers are requests in disguise
CLIENTS = (
    "httpx", "httpx2", "httpcore", "httpcore2", "requests", "aiohttp", "urllib.request", "urllib3", "http.client", "pycurl",
    "dlt.sources.helpers", "dlt.sources.rest_api", "ftplib", "smtplib", "websocket", "websockets",
)  # fmt: skip


#: who opens Postgres, and whose address: the installation's own, or a tenant's that was taken apart first
OPEN_POSTGRES = {
    "synkro/database/addresses.py", "synkro/database/connections.py", "synkro/database/db.py", "synkro/database/embedded/postgres.py", "synkro/database/poolers.py",
    "ingestion/load/destination.py",
    "synkro/connectors/project_database.py",
}  # fmt: skip
DRIVERS = ("psycopg", "psycopg2", "psycopg_pool", "sqlalchemy", "asyncpg")
OPENING = {
    "connect",
    "create_engine",
    "ConnectionPool",
    "AsyncConnectionPool",
    "NullConnectionPool",
    "AsyncNullConnectionPool",
}
#: makes a client of Supabase, with the transport of the factory
SUPABASE_CLIENT = {"synkro/accounts/supabase.py"}
SUPABASE_SDK = ("supabase", "supabase_auth", "gotrue", "postgrest", "storage3", "realtime", "supabase_functions")


def trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def opens_connections(name: str) -> bool:
    return any(name == client or name.startswith(f"{client}.") for client in CLIENTS)


def unchecked(tree: ast.Module) -> Iterator[int]:
    """Lines that switch certificate checks off."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("verify", "verify_ssl", "check_hostname", "ssl"):
            if isinstance(node.value, ast.Constant) and node.value.value is False:
                yield node.value.lineno
        elif isinstance(node, ast.Attribute) and node.attr in ("CERT_NONE", "_create_unverified_context"):
            yield node.lineno
        elif isinstance(node, ast.Assign) and getattr(node.value, "value", None) is False:
            targets = {getattr(target, "attr", "") for target in node.targets}
            if targets & {"verify", "check_hostname"}:
                yield node.lineno


def test_nobody_else_opens_connections() -> None:
    found = [
        f"{path}:{line} imports {name}"
        for path, tree in trees(*PRODUCT)
        if path not in FACTORY
        for line, name in imported(tree)
        if opens_connections(name) and (path, name) not in OWN_PROCESSES | OTHER_CLIENTS
    ]
    assert not found, found


def test_the_ai_sdk_gets_our_client() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in trees(*PRODUCT)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("OpenAI", "AsyncOpenAI")
        and "http_client" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not found, found


def opened_postgres(tree: ast.Module) -> Iterator[int]:
    """Lines that open Postgres by a driver, by whatever name it was imported."""
    drivers: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            drivers |= {
                (alias.asname or alias.name).partition(".")[0] for alias in node.names if _is_of(DRIVERS, alias.name)
            }
        elif isinstance(node, ast.ImportFrom) and node.module and _is_of(DRIVERS, node.module):
            drivers |= {alias.asname or alias.name for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")
            if called[0] in drivers and (called[-1] in OPENING or (len(called) == 1 and _is_opening(tree, called[0]))):
                yield node.lineno


def _is_opening(tree: ast.Module, name: str) -> bool:
    """Whether this name of the module is one of a driver's ways to open, under another name."""
    return any(
        alias.name in OPENING and (alias.asname or alias.name) == name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )


def _is_of(packages: tuple[str, ...], name: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_nobody_else_opens_postgres() -> None:
    found = [
        f"{path}:{line}"
        for path, tree in trees(*PRODUCT)
        if path not in OPEN_POSTGRES
        for line in opened_postgres(tree)
    ]
    assert not found, found


def test_nobody_else_uses_the_supabase_sdk() -> None:
    found = [
        f"{path}:{line} imports {name}"
        for path, tree in trees(*PRODUCT)
        if path not in SUPABASE_CLIENT
        for line, name in imported(tree)
        if _is_of(SUPABASE_SDK, name)
    ]
    assert not found, found
    assert any(_is_of(SUPABASE_SDK, name) for path, tree in trees("synkro") for _, name in imported(tree))


@pytest.mark.parametrize(
    "code",
    ["import psycopg\npsycopg.connect(u)", "import psycopg as p\np.AsyncConnection.connect(u)", "from psycopg import Connection\nConnection.connect(u)",
     "from psycopg import connect as c\nc(u)", "import psycopg2\npsycopg2.connect(u)", "from psycopg_pool import ConnectionPool as P\nP(u)",
     "import sqlalchemy\nsqlalchemy.create_engine(u)"],
)  # fmt: skip
def test_the_lint_sees_postgres_opened(code: str) -> None:
    assert list(opened_postgres(ast.parse(code)))


def test_certificates_are_always_checked() -> None:
    found = [
        f"{path}:{line}" for path, tree in trees(*PRODUCT, "sandbox", "tests", "bench") for line in unchecked(tree)
    ]
    assert not found, found


def test_the_factory_exists() -> None:
    assert all((ROOT / path).is_file() for path in FACTORY)
    assert any(
        opens_connections(name) for path, tree in trees("synkro") if path in FACTORY for _, name in imported(tree)
    )


@pytest.mark.parametrize(
    "code",
    ["import httpx", "from httpx import Client", "import requests as r", "from urllib import request", "import urllib.request",
     "from http import client", "__import__('requests')", "import importlib; importlib.import_module('aiohttp')",
     "from dlt.sources.helpers import requests", "def f():\n    import httpx"],
)  # fmt: skip
def test_the_lint_sees_an_import(code: str) -> None:
    assert any(opens_connections(name) for _, name in imported(ast.parse(code)))


@pytest.mark.parametrize("code", ["from urllib.parse import quote", "from http import HTTPStatus", "import httpx_like"])
def test_the_lint_leaves_others_alone(code: str) -> None:
    assert not any(opens_connections(name) for _, name in imported(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["f(verify=False)", "s.verify = False", "c.check_hostname = False", "c.verify_mode = ssl.CERT_NONE", "ssl._create_unverified_context()"],
)  # fmt: skip
def test_the_lint_sees_a_switched_off_check(code: str) -> None:
    assert list(unchecked(ast.parse(code)))
