"""What a person reads when the marts were not built: what failed, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from orchestration.dbt.invoke import NodeResult, run
from orchestration.run.results import outcome_of
from synkro.core.errors import DataError, TransientError
from synkro.core.settings import settings
from tests.chaos.installation import wait_for
from tests.support.sockets import free_port

pytestmark = pytest.mark.postgres
LOST = "База данных перестала отвечать. Проверьте её и запустите отчёт ещё раз."
BLOCKED = "select pid from pg_stat_activity where %s = any (pg_blocking_pids(pid))"


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], list[NodeResult]]:
    return lambda url: run(url, settings().data_dir, ["run"], {"no_tenants": True}, tmp_path)


def test_a_database_that_is_not_there(build: Callable[[str], list[NodeResult]]) -> None:
    with pytest.raises(TransientError) as told:
        build(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    assert outcome_of(told.value)[:2] == ("failed", LOST)
    assert "Connection refused" in str(told.value.detail)


def test_a_database_that_goes_in_the_middle_of_a_table(build: Callable[[str], list[NodeResult]], database: str) -> None:
    with (
        psycopg.connect(database) as holder,
        psycopg.connect(database, autocommit=True) as killer,
        ThreadPoolExecutor(1) as pool,
    ):
        holder.execute("lock table marts.period_summary in share row exclusive mode")
        building = pool.submit(build, database)
        (pid,) = wait_for(
            "dbt before the table", lambda: killer.execute(BLOCKED, (holder.info.backend_pid,)).fetchone(), 60
        )
        killer.execute("select pg_terminate_backend(%s)", (pid,))
        with pytest.raises(TransientError) as told:
            building.result(60)
    assert told.value.message == LOST


def test_a_table_that_cannot_be_built_names_itself_and_a_way_out(
    build: Callable[[str], list[NodeResult]], database: str
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("drop table raw_radist.messages cascade")
    with pytest.raises(DataError, match=r"Витрина \w+ не построилась.* Запустите отчёт ещё раз") as told:
        build(database)
    assert "raw_radist.messages" in str(told.value.detail)
