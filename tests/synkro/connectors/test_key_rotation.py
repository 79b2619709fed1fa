"""Re-sealing with a new key: whole, counted again, cut and gone on with; and when the old key may go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from synkro.connectors import integrations
from synkro.core import vault
from synkro.core.settings import ROOT, settings
from synkro.database import db
from synkro.runs import heartbeats
from synkro.tenancy import tenants

pytestmark = pytest.mark.postgres
SEALED = 6


@pytest.fixture
def sealed(database: str) -> Iterator[list[UUID]]:
    """Companies with a secret each, sealed with the key there is."""
    with db.as_service("test") as connection:
        made = [tenants.add(connection, "К", f"t{uuid4().hex[:8]}", "UTC").tenant_id for _ in range(SEALED)]
        for tenant in made:
            integrations.save_public(connection, tenant, "radist", {"company_id": "1"})
            integrations.save_secrets(connection, tenant, "radist", {"api_key": f"key-of-{tenant}"})
    yield sorted(made, key=str)


@pytest.fixture
def with_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def set_keys(keys: str) -> None:
        monkeypatch.setenv("SYNKRO_SECRET_KEYS", keys)
        settings.cache_clear()

    yield set_keys
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def keys(with_keys: Callable[[str], None], sealed: list[UUID]) -> tuple[str, str]:
    """The old and the new; both are set, the new one writes."""
    old, new = os.environ["SYNKRO_SECRET_KEYS"], vault.generate_key()
    with_keys(f"{new},{old}")
    return old, new


def damage(tenant: UUID) -> None:
    with db.as_service("test") as connection:
        connection.execute(
            "update private.integration_secrets set ciphertext = 'gAAAAA' || ciphertext where tenant_id = %s", (tenant,)
        )


def sealed_with() -> dict[str, int]:
    with db.as_service("test") as connection:
        rows = connection.execute("select key_id, count(*) as n from private.integration_secrets group by 1")
        return {row["key_id"]: row["n"] for row in rows}


def test_everything_opens_with_the_new_key_alone(
    sealed: list[UUID], keys: tuple[str, str], with_keys: Callable[[str], None]
) -> None:
    done = integrations.rotate()
    assert (done.changed, done.left) == (SEALED, ()) and sealed_with() == {vault.key_id(keys[1]): SEALED}
    with_keys(keys[1])
    assert [integrations.secrets(tenant, "radist") for tenant in sealed] == [{"api_key": f"key-of-{t}"} for t in sealed]
    assert integrations.rotate().changed == 0


def test_a_damaged_row_is_named_and_stops_no_other(sealed: list[UUID], keys: tuple[str, str]) -> None:
    damage(sealed[2])
    done = integrations.rotate()
    assert done.changed == SEALED - 1
    ((tenant, kind, field, why),) = done.left
    assert (tenant, kind, field) == (sealed[2], "radist", "api_key") and "повреждён" in why
    assert not done.is_whole and sealed_with()[vault.key_id(keys[1])] == SEALED - 1


def test_what_an_old_process_writes_meanwhile_is_found(
    sealed: list[UUID], keys: tuple[str, str], with_keys: Callable[[str], None]
) -> None:
    """A token refreshed by a process that knows the old key alone, after its row was already done."""
    written: list[int] = []

    def progress(number: int, total: int) -> None:
        if number == total and not written:
            written.append(number)
            with_keys(keys[0])
            with db.as_service("old process") as connection:
                integrations.save_secrets(connection, sealed[0], "radist", {"api_key": "renewed meanwhile"})
            with_keys(f"{keys[1]},{keys[0]}")

    done = integrations.rotate(progress)
    assert done.is_whole and done.changed == SEALED + 1 and sealed_with() == {vault.key_id(keys[1]): SEALED}
    assert integrations.secrets(sealed[0], "radist") == {"api_key": "renewed meanwhile"}


def test_a_process_that_goes_on_with_the_old_key_ends_in_no_loop(
    sealed: list[UUID], keys: tuple[str, str], with_keys: Callable[[str], None]
) -> None:
    def progress(number: int, total: int) -> None:
        with_keys(keys[0])
        with db.as_service("old process") as connection:
            integrations.save_secrets(connection, sealed[0], "radist", {"api_key": f"renewed {uuid4()}"})
        with_keys(f"{keys[1]},{keys[0]}")

    done = integrations.rotate(progress)
    assert [left[0] for left in done.left] == [sealed[0]] and not done.is_whole


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 3, SEALED - 1])
def test_a_killed_rotation_goes_on(after: int, sealed: list[UUID], keys: tuple[str, str]) -> None:
    """The process ends between two rows, or inside one before its transaction; the next one does the rest."""
    script = (
        "import os, sys\n"
        "from synkro.connectors import integrations\n"
        "inner, left = integrations._reseal, [int(sys.argv[1])]\n"
        "def reseal(*key):\n"
        "    if not left[0]: os._exit(9)\n"
        "    left[0] -= 1\n"
        "    inner(*key)\n"
        "integrations._reseal = reseal\n"
        "integrations.rotate()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    died = subprocess.run([sys.executable, "-c", script, str(after)], cwd=ROOT, env=environment, check=False)
    assert died.returncode == 9 and sealed_with().get(vault.key_id(keys[1]), 0) == after
    done = integrations.rotate()
    assert done.is_whole and done.changed == SEALED - after
    assert [integrations.secrets(tenant, "radist") for tenant in sealed] == [{"api_key": f"key-of-{t}"} for t in sealed]


def rotate() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "secrets", "rotate"]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_old_key_stays_while_a_process_has_it(
    sealed: list[UUID], keys: tuple[str, str], with_keys: Callable[[str], None]
) -> None:
    with_keys(keys[0])
    with db.as_service("test") as connection:
        heartbeats.beat(connection, "sender")
    with_keys(f"{keys[1]},{keys[0]}")
    with db.as_service("test") as connection:
        heartbeats.beat(connection, "engine", anything=1)
        assert heartbeats.with_older_keys(connection) == ["sender"]
    refused = rotate()
    assert refused.returncode == 1 and "sender" in refused.stdout and "убирать нельзя" in refused.stdout
    assert "engine" not in refused.stdout
    # restarted with the new key, or long gone
    with db.as_service("test") as connection:
        heartbeats.beat(connection, "sender")
    done = rotate()
    assert done.returncode == 0 and "можно убрать" in done.stdout, done.stdout + done.stderr
    with_keys(keys[0])
    with db.as_service("test") as connection:
        heartbeats.beat(connection, "sender")
        connection.execute(
            "update private.services set heartbeat_at = now() - %s", (heartbeats.ALIVE + timedelta(seconds=5),)
        )
    with_keys(f"{keys[1]},{keys[0]}")
    assert rotate().returncode == 0


@pytest.mark.slow
def test_the_old_key_stays_while_a_row_needs_it(sealed: list[UUID], keys: tuple[str, str]) -> None:
    damage(sealed[0])
    refused = rotate()
    assert refused.returncode == 1 and "api_key" in refused.stdout and "можно убрать" not in refused.stdout
    assert json.dumps(str(sealed[0])) not in refused.stdout, "a company is named by its code"


@pytest.mark.slow
def test_the_old_key_stays_while_a_run_is_under_way(sealed: list[UUID], keys: tuple[str, str]) -> None:
    with db.as_service("test") as connection:
        connection.execute(
            "insert into synkro.job_runs (tenant_id, window_start, window_end, mode, trigger_type, report_type, status, idempotency_key)"
            " values (%s, now() - interval '1 day', now(), 'radist_only', 'manual', 'daily', 'running', 'key')",
            (sealed[0],),
        )
    refused = rotate()
    assert refused.returncode == 1 and "запуски: 1" in refused.stdout
