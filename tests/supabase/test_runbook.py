"""The runbook's paths, walked command by command: from nothing to a report and a browser that is signed in.

What stands for a customer's own values (addresses, keys, the vendors' accounts) is replaced by those of the stand-ins;
every command runs as it is written.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import click
import httpx
import psycopg
import pyotp
import pytest
from playwright.sync_api import expect, sync_playwright

from cli.main import cli
from sandbox.server import Sandbox, start
from sandbox.vendors.supabase.project import HostedProject
from synkro.core import clock
from synkro.core.settings import ROOT
from synkro.database import db
from tests.app import shots
from tests.supabase.conftest import SWITCHES, bin_dir
from tests.support.cluster import APP_PASSWORD
from tests.support.sockets import free_port

PATHS = ("supabase", "postgres", "embedded")
RUNBOOK = ROOT / "docs" / "runbook.md"
ANOTHER = "Совсем другие слова и 2 числа"


def path(name: str) -> list[str]:
    """The commands of one path, a line each."""
    found = re.search(rf"<!-- path: {name} -->\n```sh\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.S)
    assert found, f"the runbook has no path {name}"
    return found[1].splitlines()


def with_values(line: str, values: Mapping[str, str], sandbox: Sandbox) -> str:
    """The line with the values of the stand-ins where a customer's would stand."""
    if (assigned := re.fullmatch(r"export (\w+)='.*'", line)) and assigned[1] in values:
        return f"export {assigned[1]}='{values[assigned[1]]}'"
    if vendor := re.search(r"integration set acme (\w+) --public ('.*')", line):
        at = sandbox.addresses[vendor[1]]
        public = {"base_url": at["base_url"], **({"company_id": at["company_id"]} if vendor[1] == "radist" else {})}
        return line.replace(vendor[2], f"'{json.dumps(public)}'")
    return line.replace("--port 6543", f"--port {values.get('POOLER_PORT')}")


@pytest.mark.parametrize("name", PATHS)
def test_a_path_names_commands_that_exist(name: str) -> None:
    """What the walk itself takes minutes to find: a command that was renamed, an option that is gone."""
    lines = path(name)
    assert lines[-1] == "synkro serve" and len(lines) > 8
    for line in lines:
        for words in re.findall(r"synkro ((?:[a-z-]+ ?)+)", line.partition("--public")[0]):
            command: click.Command = cli
            for word in words.split():
                if not isinstance(command, click.Group):
                    break
                assert word in command.commands, line
                command = command.commands[word]
            options = {option for parameter in command.params for option in parameter.opts}
            assert set(re.findall(r"(?<= )--[a-z-]+", line)) <= options, line


@contextmanager
def place(name: str, postgres: Path | None, server_url: str) -> Iterator[dict[str, str]]:
    """Where the path leads: its own variables."""
    if name == "supabase":
        with HostedProject(bin_dir=postgres, switches=SWITCHES) as project:
            pooler_port = str(urlsplit(project.transaction_url).port)
            yield {**project.environment(project.session_url), "POOLER_PORT": pooler_port}
    elif name == "postgres":
        database = f"runbook_{uuid4().hex[:8]}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"create database {database}")
        try:
            yield {"SYNKRO_DATABASE_URL": f"{server_url.rpartition('/')[0]}/{database}"}
        finally:
            # a login belongs to the server, which other tests share: the path has given it another password
            with psycopg.connect(server_url, autocommit=True) as connection:
                db.set_app_password(connection, APP_PASSWORD)
    else:
        yield {}


@pytest.mark.slow
@pytest.mark.assurance
@pytest.mark.parametrize("name", PATHS)
def test_the_path_ends_in_a_report_and_a_browser(
    name: str, tmp_path: Path, server_url: str, pytestconfig: pytest.Config
) -> None:
    port, dagster_port = free_port(), free_port()
    with place(name, bin_dir(pytestconfig), server_url) as values, start("small", seed=7, now=clock.now) as sandbox:
        (tmp_path / "bin").mkdir()
        command = tmp_path / "bin" / "synkro"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli.main "$@"\n')
        command.chmod(0o755)
        values |= {"SYNKRO_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        environment = {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            "SYNKRO_DATA_DIR": str(tmp_path / "data"),
            # the vendors of this test stand on this machine, and its companies live on another day
            "SYNKRO_ALLOW_LOCAL_VENDORS": "1",
            "SYNKRO_CLOCK_OFFSET_SECONDS": os.environ["SYNKRO_CLOCK_OFFSET_SECONDS"],
            "AMOCRM_TOKEN": sandbox.addresses["amocrm"]["access_token"],
            "RADIST_KEY": sandbox.addresses["radist"]["api_key"],
        }
        lines = [with_values(line, values, sandbox) for line in path(name)]
        assert lines.pop() == "synkro serve"
        script = "\n".join(["set -euo pipefail", *lines, "env -0 > variables"])
        done = subprocess.run(
            [shutil.which("bash") or "bash", "-c", script],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        try:
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
            assert "✗" not in done.stdout, done.stdout
            password = re.search(r"больше не покажем\): (\S+)", done.stdout)
            assert password, done.stdout
            kept = dict(
                entry.split("=", 1) for entry in (tmp_path / "variables").read_text().split("\0") if "=" in entry
            )
            with serving([str(command), "serve", "--port", str(port), "--dagster-port", str(dagster_port)], kept, port):
                signed_in(f"http://127.0.0.1:{port}", password[1])
        finally:
            if name == "embedded":
                subprocess.run(
                    [str(command), "db", "down", "--delete"], env=environment, cwd=tmp_path, check=False, timeout=60
                )


@contextmanager
def serving(command: list[str], environment: Mapping[str, str], port: int) -> Iterator[None]:
    """The installation as ``synkro serve`` runs it; ended by the signal a terminal sends."""
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 120
        while True:
            assert process.poll() is None, process.stdout and process.stdout.read()
            assert time.monotonic() < until, "nobody answers"
            try:
                if httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=5).json()["status"] == "ok":
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def signed_in(address: str, password: str) -> None:
    """An operator with the one-time password turns the second step on, sets a password and opens the report."""
    with sync_playwright() as playwright:
        browser = shots.launch(playwright)
        page = browser.new_page()
        page.goto(f"{address}/login")
        page.get_by_test_id("email").fill("admin@company.example")
        page.get_by_test_id("password").fill(password)
        page.get_by_test_id("sign-in").click()
        secret = page.get_by_test_id("secret").inner_text().replace(" ", "")
        page.get_by_test_id("code").fill(pyotp.TOTP(secret).now())
        page.get_by_test_id("turn-on").click()
        page.get_by_test_id("codes-kept").click()
        page.get_by_test_id("old").fill(password)
        page.get_by_test_id("new").fill(ANOTHER)
        page.get_by_test_id("again").fill(ANOTHER)
        page.get_by_test_id("save-password").click()
        page.wait_for_url(f"{address}/")
        page.goto(f"{address}/t/acme/reports")
        expect(page.locator("main a[href*='/reports/']").first).to_be_visible(timeout=60_000)
        browser.close()
