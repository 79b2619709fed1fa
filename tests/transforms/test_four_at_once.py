"""Four tenants built at once, each in a process of its own, while a member of one of them looks at everything.

Rounds: the first build of each; a day more for each; one tenant anew from scratch while the others take another day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from orchestration.dbt import project
from synkro.accounts import embedded
from synkro.core.settings import ROOT, settings
from synkro.database import rls_audit
from synkro.tenancy import users
from tests.transforms.conftest import Company
from tests.transforms.test_increment import _copy, differences, snapshot

NAMES = ("spring", "summer", "autumn", "winter")
#: a builder: a line in, {"everything", "windows"}; a line out, the scope or the error
BUILDER = """
import json, sys
from datetime import datetime
from pathlib import Path
from orchestration.dbt import project, scope
from synkro.core.windows import Window
url, data, tenant, work = sys.argv[1:]
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    spans = [Window(*map(datetime.fromisoformat, pair)) for pair in order["windows"]]
    try:
        project.build_tenant(url, Path(data), tenant_id=tenant, window_start=spans[0].start, window_end=spans[0].end,
                         windows=spans, work_dir=Path(work), everything=order["everything"])
        print(scope.last(url, tenant), flush=True)
    except Exception as error:
        print(repr(error), getattr(error, "detail", ""), flush=True)
"""


class Builder:
    def __init__(self, company: Company, work: Path) -> None:
        self.company = company
        arguments = [company.url, str(settings().data_dir), str(company.tenant_id), str(work)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", BUILDER, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, day: int, everything: bool = False) -> None:
        assert self.process.stdin is not None
        windows = [[w.start.isoformat(), w.end.isoformat()] for w in _windows(self.company, day)]
        self.process.stdin.write(json.dumps({"everything": everything, "windows": windows}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def four(company: Callable[..., Company]) -> list[Company]:
    made = []
    for name in NAMES:
        tenant = company(name)
        tenant.manager(7, "Вера")
        for client in range(1, 13):
            # the same numbers everywhere: what a filter forgets would show
            tenant.contact(client, f"+770000000{client:02}")
            tenant.deal(client, client, manager=7)
            tenant.chat(client, f"+770000000{client:02}")
        made.append(tenant)
    return made


@pytest.fixture(scope="module")
def builders(four: list[Company], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Builder]]:
    made = [Builder(one, tmp_path_factory.mktemp(one.slug)) for one in four]
    assert [one.answer() for one in made] == ["ready"] * len(made)
    yield made
    for one in made:
        assert one.process.stdin is not None
        one.process.stdin.close()
        one.process.wait(120)


@pytest.mark.assurance
def test_four_build_at_once_and_see_nothing_of_each_other(
    four: list[Company], builders: list[Builder], connection: psycopg.Connection[Any], marts_db: str, work: Path
) -> None:
    member = embedded.add(connection, "member@summer.example", "пароль для проверки").user_id
    users.grant(connection, member, four[1].tenant_id, "user")

    with _watched(marts_db, member, four[1].tenant_id) as seen:
        for day in (2, 3, 4):
            for tenant in four:
                _day(tenant, day)
            for number, builder in enumerate(builders):
                builder.ask(day, everything=day == 4 and number == 0)
            answers = [builder.answer() for builder in builders]
            first = ["all"] * 4
            assert answers == {2: first, 3: ["touched"] * 4, 4: ["all", *["touched"] * 3]}[day], answers

    assert seen.foreign == 0 and seen.polls > 3
    # the watch could have seen: its own rows came, and the others' were there for one who may see them
    assert seen.own > 0 and seen.others > 0
    assert rls_audit.findings(marts_db) == []
    counts = [len(tenant.rows("marts.fct_messages")) for tenant in four]
    assert counts == [12 * 2 * 3] * 4
    copy = _copy(four[2], "autumn_alone")
    _build_alone(four[2], copy, work)
    assert differences(snapshot(connection, four[2].tenant_id), snapshot(connection, copy)) == {}


class Watch:
    def __init__(self) -> None:
        self.polls = self.foreign = self.own = self.others = 0


@contextmanager
def _watched(url: str, member: UUID, own: UUID) -> Iterator[Watch]:
    """Asks every mart, again and again, whose rows a member of ``own`` sees; and whose the owner of the tables does."""
    watch, stop = Watch(), threading.Event()
    claims = json.dumps({"sub": str(member), "role": "authenticated"})

    def look() -> None:
        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
            names = [row["name"] for row in connection.execute(
                "select oid::regclass::text as name from pg_class where relkind = 'r' and relnamespace = 'marts'::regnamespace"
            )]  # fmt: skip
            count = " union all ".join(
                f"select count(*) filter (where tenant_id = %(own)s) as own, count(*) filter (where tenant_id <> %(own)s)"
                f" as others from {name}"
                for name in names
            )
            while not stop.wait(0.2):
                with connection.transaction():
                    connection.execute(
                        "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
                        (claims,),
                    )
                    rows = connection.execute(count, {"own": own}).fetchall()
                watch.polls += 1
                watch.foreign += sum(row["others"] for row in rows)
                watch.own = max(watch.own, sum(row["own"] for row in rows))
                owned = connection.execute(count, {"own": own}).fetchall()
                watch.others = max(watch.others, sum(row["others"] for row in owned))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join(180)


def _windows(company: Company, day: int) -> list[Any]:
    return [company.window(f"2026-03-{n:02} 06:00", f"2026-03-{n + 1:02} 06:00") for n in range(2, day + 1)]


def _day(company: Company, day: int) -> None:
    for client in range(1, 13):
        company.say(client, f"2026-03-{day:02} 10:00", "client")
        company.say(client, f"2026-03-{day:02} 10:0{client % 9}", "us", f"Ответ {day}-{client}", by=7, contact=client)


def _build_alone(like: Company, tenant_id: UUID, work: Path) -> None:
    windows = _windows(like, 4)
    project.build_tenant(
        like.url, settings().data_dir, tenant_id=tenant_id, window_start=windows[0].start,
        window_end=windows[0].end, windows=windows, work_dir=work,
    )  # fmt: skip
