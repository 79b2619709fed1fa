"""The main job on a hosted Supabase: through the poolers against the direct connection, on the same server.

    python -m bench.engine.hosted                  # about four minutes
    python -m bench.engine.hosted --builds 5

``direct``: owner and app by the direct address. ``pooled``: the owner through the pooler's session mode with a pool of 15,
the app as ``synkro_app`` through its transaction mode, as docs/runbook.md has it. The builds run in processes of their own, as
the pooler does on a real project; those of the two ways take turns, so that a slow minute of the machine meets both. Printed:
seconds of each, the ratio of the medians, the most owner's connections at once, and refusals of the pool.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from unittest import mock

import psycopg

from sandbox.server import start
from sandbox.vendors.supabase.project import HostedProject
from synkro.core import clock, vault, windows
from synkro.core.settings import settings
from synkro.database import db, migrations
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants
from tests.support.e2e import connect

SLUG = "bench"


@contextmanager
def project() -> Iterator[HostedProject]:
    """A hosted project with our migrations and marts; the environment leads to nothing yet."""
    with (
        HostedProject() as made,
        tempfile.TemporaryDirectory(prefix="synkro-bench-", ignore_cleanup_errors=True) as folder,
        mock.patch.dict(
            os.environ,
            {
                "SYNKRO_DATA_DIR": folder,
                "SYNKRO_SECRET_KEYS": vault.generate_key(),
                "SYNKRO_ALLOW_LOCAL_VENDORS": "1",
            },
        ),
    ):
        from orchestration.dbt.project import deploy

        settings.cache_clear()
        migrations.migrate(made.direct_url)
        with psycopg.connect(made.direct_url, autocommit=True) as owner:
            db.set_app_password(owner, made.password)
        deploy(made.direct_url, settings().data_dir, lambda text: None)
        yield made
    settings.cache_clear()


def builds(count: int) -> list[float]:
    """Wall seconds of so many builds of the last closed day, after one that is not counted. In this process."""
    from orchestration.process.launch import execute

    found = []
    with db.as_service("bench") as connection:
        tenant = tenants.by_slug(connection, SLUG)
        config = runtime_config.current(connection, tenant.tenant_id)
    window = windows.last_closed(clock.now(), config.business_day_start, config.timezone)
    for _ in range(count + 1):
        with db.as_service("bench") as connection:
            wanted = {"mode": "amocrm_radist", "trigger_type": "manual", "report_type": "daily"}
            run, _ = queue.request(connection, tenant.tenant_id, window, **wanted)
        began = time.perf_counter()
        done = execute(run.run_id)
        if done.status != "success":
            raise SystemExit(f"the run ended as {done.status}: {done.error} {done.error_detail}")
        found.append(time.perf_counter() - began)
    db.close()
    return found[1:]


def elsewhere(owner: str, app: str, count: int) -> list[float]:
    """:func:`builds` in a process of its own whose entry points lead here."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.engine.hosted", "--here", "--builds", str(count)],
        env={**os.environ, "SYNKRO_DATABASE_URL": owner, "SYNKRO_APP_DATABASE_URL": app},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return list(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.engine.hosted", description=__doc__.splitlines()[0])
    parser.add_argument("--builds", type=int, default=3, help="in each of four processes, two a way")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(builds(options.builds)))
        return
    with project() as made:
        ways = {
            "direct": (made.direct_url, made.direct_url),
            "pooled": (made.session_url, made.pooled_url("transaction", db.APP_ROLE)),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        with mock.patch.dict(os.environ, {"SYNKRO_DATABASE_URL": made.direct_url}), start("small", seed=11) as sandbox:
            settings.cache_clear()
            connect(SLUG, sandbox.addresses, with_ai=False)
            db.close()
            for _ in range(2):
                for name, addresses in ways.items():
                    seconds[name] += elsewhere(*addresses, options.builds)
        for name, found in seconds.items():
            print(f"main job, {name}: {', '.join(f'{one:.1f}' for one in found)} s")
        print(f"main job, pooled ÷ direct: {median(seconds['pooled']) / median(seconds['direct']):.2f}")
        peak, pool = made.peak_connections("session"), made.pooler.pool_size
        print(f"owner's connections at most: {peak} of {pool}, refused {made.pooler.refused}")


if __name__ == "__main__":
    main()
