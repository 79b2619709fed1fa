"""The main job on a hosted Supabase: through the poolers against the direct connection, on the same server.

    python -m bench.hosted                  # about four minutes
    python -m bench.hosted --builds 5

``direct``: owner and app by the direct address. ``pooled``: the owner through the pooler's session mode with a pool of 15,
the app as ``synkro_app`` through its transaction mode, as docs/runbook.md has it. Builds of one window take turns between the
two, so that a slow minute of the machine meets both. Printed: seconds of each, the ratio of the medians, the most owner's
connections at once, and refusals of the pool.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from unittest import mock

import psycopg

from sandbox.supabase.project import HostedProject
from synkro import db, migrations, vault
from synkro.settings import settings
from tests.town import Town, open_town


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
        from orchestration.dbt import deploy

        settings.cache_clear()
        migrations.migrate(made.direct_url)
        with psycopg.connect(made.direct_url, autocommit=True) as owner:
            db.set_app_password(owner, made.password)
        deploy(made.direct_url, settings().data_dir, lambda text: None)
        yield made
    settings.cache_clear()


@contextmanager
def doors(owner: str, app: str) -> Iterator[None]:
    """This process's doors lead here."""
    with mock.patch.dict(os.environ, {"SYNKRO_DATABASE_URL": owner, "SYNKRO_APP_DATABASE_URL": app}):
        settings.cache_clear()
        try:
            yield
        finally:
            db.close()
    settings.cache_clear()


def build(town: Town) -> float:
    """Wall seconds of one build."""
    began = time.perf_counter()
    run = town.build()
    if run.status != "success":
        raise SystemExit(f"the run ended as {run.status}: {run.error} {run.error_detail}")
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hosted", description=__doc__.splitlines()[0])
    parser.add_argument("--builds", type=int, default=3, help="of each kind, after one that is not counted")
    options = parser.parse_args()
    with project() as made:
        ways = {
            "direct": (made.direct_url, made.direct_url),
            "pooled": (made.session_url, made.pooled_url("transaction", db.APP_ROLE)),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        with doors(*ways["direct"]), open_town("bench", with_ai=False) as town:
            # imports, caches and the first load: not what is measured
            build(town)
            for _ in range(options.builds):
                for name, addresses in ways.items():
                    with doors(*addresses):
                        seconds[name].append(build(town))
        for name, found in seconds.items():
            print(f"main job, {name}: {', '.join(f'{one:.1f}' for one in found)} s")
        print(f"main job, pooled ÷ direct: {median(seconds['pooled']) / median(seconds['direct']):.2f}")
        peak, pool = made.peak_connections("session"), made.pooler.pool_size
        print(f"owner's connections at most: {peak} of {pool}, refused {made.pooler.refused}")


if __name__ == "__main__":
    main()
