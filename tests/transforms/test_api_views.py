"""What the Data API shows of clients: people see what the pages show, workers and analysts the values themselves."""

from __future__ import annotations

import json
import random
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from app import formatting
from synkro.accounts import embedded
from synkro.core import phones
from synkro.database import analysts, db, migrations
from synkro.tenancy import tenants, users
from tests.conftest import entry_points_to
from tests.transforms.conftest import Company

PHONE = "+77001112233"
#: the same number as people write it
SAID = "8 (700) 111-22-33"
ROLES = ("super_admin", "admin_lite", "user")
TEXTS = ("text", "character varying", "json", "jsonb", "ARRAY", "bytea", "xml", "name", "USER-DEFINED", "character")
#: columns of the views over the control plane that hold no words of people
PLAIN = {
    "reports.report_type", "reports.status", "reports.numbers", "job_runs.mode", "job_runs.trigger_type", "job_runs.report_type",
    "job_runs.status", "job_runs.current_step",
}  # fmt: skip
MASKED = {"reports.summary_text", "reports.coverage", "reports.claims", "job_runs.error", "job_runs.progress"}


@dataclass
class Ground:
    url: str
    company: Company
    people: dict[str, UUID]
    analyst: str


@pytest.fixture(scope="module")
def ground(marts_db: str, company: Callable[..., Company], work: Any) -> Iterator[Ground]:
    """A client whose phone stands everywhere a phone can stand."""
    made = company("masked")
    made.manager(71, "Анна")
    made.pipeline(5)
    made.put("raw_radist.sources", id=1, type="whatsapp")
    made.contact(1, PHONE, name=f"Клиент {SAID}")
    made.contact(2, name=SAID)
    made.deal(1, 1, manager=71)
    made.connection.execute(
        "update raw_amocrm.leads set payload = payload || %s where tenant_id = %s",
        (Jsonb({"name": f"Сделка {SAID}"}), made.tenant_id),
    )
    made.chat(1, PHONE)
    made.chat(2, None)
    made.connection.execute(
        "update raw_radist.chats set payload = payload || %s where tenant_id = %s",
        (Jsonb({"name": PHONE, "source_chat_id": f"{PHONE[1:]}@c.us"}), made.tenant_id),
    )
    made.put(
        "raw_radist.chats", id=3, connection_id=1, payload={"name": PHONE, "source_chat_id": "g3", "is_group": True}
    )
    made.say(1, "2026-03-02 10:00", "client", f"Мой номер {SAID}, перезвоните")
    made.say(1, "2026-03-02 10:07", "us", "Да", by=71, contact=1)
    made.say(2, "2026-03-02 11:00", "client", f"И мой {PHONE}")
    made.say(3, "2026-03-02 11:00", "client", "Всем привет")
    window = made.window("2026-03-02 06:00", "2026-03-03 06:00")
    made.build(window, work=work)
    run = made.connection.execute(
        "insert into synkro.job_runs (tenant_id, mode, trigger_type, report_type, window_start, window_end, error, progress)"
        " values (%s, 'radist_only', 'manual', 'forced', %s, %s, %s, %s) returning run_id",
        (made.tenant_id, window.start, window.end, f"Строка {SAID}", Jsonb({"message": PHONE, "done": 77001112233})),
    ).fetchone()
    assert run
    made.connection.execute(
        "insert into synkro.reports (tenant_id, report_type, period_start, period_end, window_start, window_end, version, is_current,"
        " status, as_of, is_complete, summary_text, numbers, coverage, claims)"
        " values (%s, 'daily', '2026-03-02', '2026-03-02', %s, %s, 1, true, 'ready', %s, true, %s, %s, %s, %s)",
        (made.tenant_id, window.start, window.end, window.end, f"Позвоните {SAID}", Jsonb({"money": 77001112233}),
         Jsonb({"line": [PHONE]}), Jsonb([{"quote": SAID, "price": 77001112233}])),
    )  # fmt: skip
    with entry_points_to(marts_db), db.as_service("test") as connection:
        people = {}
        for role in ROLES:
            person = embedded.add(connection, f"{role}@masked.example", "пароль для проверки")
            users.grant(connection, person.user_id, None if role == "super_admin" else made.tenant_id, role)  # type: ignore[arg-type]
            people[role] = person.user_id
    name = f"mask_{secrets.token_hex(3)}"
    with psycopg.connect(marts_db, autocommit=True, row_factory=dict_row) as owner:
        password = analysts.add(owner, name, [tenants.by_slug(owner, "masked").tenant_id], timeout_seconds=60)
        with entry_points_to(marts_db):
            yield Ground(marts_db, made, people, analysts.connection_string(marts_db, name, password))
        analysts.remove(owner, name)


def views(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute("select relname from pg_class where relnamespace = 'api'::regnamespace and relkind = 'v'")
    return sorted(row["relname"] for row in rows)


def leaks(connection: psycopg.Connection[Any], names: list[str]) -> list[str]:
    """Columns of these views whose rows hold the client's phone, however it is written; numbers are no phones."""
    found = set()
    for name in names:
        for row in connection.execute(f"select * from api.{name}".encode()).fetchall():
            for column, value in row.items():
                text = json.dumps(value, ensure_ascii=False, default=str)
                text = re.sub(r"(?<=: )77001112233", "", text)
                if "7001112233" in re.sub(r"\D", "", text):
                    found.add(f"{name}.{column}")
    return sorted(found)


@pytest.mark.parametrize("role", ROLES)
def test_a_person_sees_no_phone_whatever_the_role(ground: Ground, role: str) -> None:
    """As on the pages, which mask for everybody. Red when the mask asks for a role, and when a view shows a column as it is."""
    with db.as_user(ground.people[role]) as connection:
        names = views(connection)
        assert len(names) >= 14
        assert leaks(connection, names) == []
        client = connection.execute("select * from api.dim_clients where phone is not null").fetchone()
        body = connection.execute("select body from api.fct_messages order by message_id limit 1").fetchone()
        report = connection.execute("select * from api.reports").fetchone()
    assert client and body and report
    assert (client["phone"], client["name"]) == (formatting.phone(PHONE), formatting.masked(f"Клиент {SAID}"))
    assert body["body"] == formatting.masked(f"Мой номер {SAID}, перезвоните") == "Мой номер •••• 2233, перезвоните"
    assert report["summary_text"] == formatting.masked(f"Позвоните {SAID}")
    assert report["numbers"] == {"money": 77001112233} and report["claims"] == [
        {"quote": "•••• 2233", "price": 77001112233}
    ]


def test_workers_and_analysts_see_the_values(ground: Ground) -> None:
    held = {"dim_clients.phone", "dim_clients.client_id", "dim_clients.name", "dim_dialogs.contact_name", "fct_messages.body",
            "fct_deals.name", "period_dialogs.client_id", "period_excluded.contact_name"}  # fmt: skip
    with db.as_service("test") as connection:
        found = set(leaks(connection, views(connection)))
        assert found >= held | MASKED
    with psycopg.connect(ground.analyst, row_factory=dict_row) as login:
        # docs/analysts.md: api repeats marts; reports and runs are not theirs
        assert (
            set(leaks(login, [name for name in views(login) if name not in ("reports", "job_runs")])) == found - MASKED
        )


def test_whoever_is_not_named_sees_the_mask(ground: Ground) -> None:
    """The owner's rights are no reason to show: a program with another role gets what a person gets."""
    with psycopg.connect(ground.url, row_factory=dict_row) as owner:
        assert leaks(owner, views(owner)) == []


def test_a_clients_key_joins_the_views_and_is_nobody_elses(ground: Ground) -> None:
    asked = (
        "select m.message_id, c.client_id as client, m.client_id from {schema}.fct_messages m"
        " join {schema}.dim_clients c using (tenant_id, client_id) order by 1"
    )
    with db.as_service("test") as connection:
        clear = connection.execute(asked.format(schema="marts").encode()).fetchall()
    with db.as_user(ground.people["user"]) as connection:
        keyed = connection.execute(asked.format(schema="api").encode()).fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select salt from private.pseudonym_salt")
    assert [row["message_id"] for row in keyed] == [row["message_id"] for row in clear] != []
    assert len({row["client"] for row in keyed}) == len({row["client"] for row in clear}) == 2
    assert all(re.fullmatch(r"client:[0-9a-f]{24}", row["client"]) for row in keyed)
    with psycopg.connect(ground.url) as owner:
        pair = owner.execute(
            "select synkro.client_key(%s, %s), synkro.client_key(%s, %s)",
            (ground.company.tenant_id, PHONE, uuid4(), PHONE),
        ).fetchone()
    assert pair and pair[0] != pair[1], "a client of two companies would be known by one key"


def test_a_filter_meets_the_mask(ground: Ground) -> None:
    """PostgREST passes filters on: a column that is masked must not answer «is it this number?»."""
    with db.as_user(ground.people["user"]) as connection:
        for where in (f"phone = '{PHONE}'", f"name like '%{SAID}%'", f"client_id = '{PHONE}'"):
            asked = f"select count(*) as n from api.dim_clients where {where}"
            assert connection.execute(asked.encode()).fetchone() == {"n": 0}
        plan = connection.execute("explain (verbose) select phone, name from api.dim_clients").fetchall()
    assert any("InitPlan" in row["QUERY PLAN"] for row in plan), "who asks is looked up once a statement"


# --- every column has its decision ------------------------------------------------------------------------


def test_every_text_column_has_a_decision(ground: Ground) -> None:
    """A new column of a mart: name it in ``synkro.api_forms()`` by a new migration. Until then its view masks it as words."""
    with psycopg.connect(ground.url) as owner:
        columns = {
            row[0]
            for row in owner.execute(
                "select table_name || '.' || column_name from information_schema.columns"
                " where table_schema = 'marts' and data_type = any (%s) and udt_name <> 'uuid'",
                (list(TEXTS),),
            )
        }
        forms: dict[str, str] = dict(
            owner.execute("select mart || '.' || column_name, form from synkro.api_forms()").fetchall()
        )
        others = {
            row[0]
            for row in owner.execute(
                "select table_name || '.' || column_name from information_schema.columns where table_schema = 'api'"
                " and data_type = any (%s) and table_name not in"
                " (select table_name from information_schema.tables where table_schema = 'marts')",
                (list(TEXTS),),
            )
        }
    assert columns and (sorted(columns - forms.keys()), sorted(forms.keys() - columns)) == ([], [])
    assert set(forms.values()) == {"phone", "client", "words", "plain"}
    assert others == PLAIN | MASKED


def test_a_column_nobody_decided_on_is_masked(ground: Ground) -> None:
    with psycopg.connect(ground.url, row_factory=dict_row) as owner:
        owner.execute("alter table marts.dim_managers add column note text, add column notes jsonb")
        owner.execute("update marts.dim_managers set note = %s, notes = %s", (SAID, Jsonb([SAID])))
        owner.execute("drop view api.dim_managers")
        assert owner.execute("select synkro.refresh_api() as made").fetchone() == {"made": 1}
        assert owner.execute("select note, notes from api.dim_managers").fetchone() == {
            "note": "•••• 2233",
            "notes": ["•••• 2233"],
        }
        owner.execute("alter table marts.dim_clients add column photo bytea")
        owner.execute("drop view api.dim_clients")
        with pytest.raises(psycopg.errors.UndefinedFunction, match=r"synkro\.masked"):
            owner.execute("select synkro.refresh_api()")
        owner.rollback()


# --- one rule, two languages ------------------------------------------------------------------------------


def written(rng: random.Random) -> str:
    """A phone as somebody writes it, in some words; or what only looks like one."""
    digits = "".join(rng.choice("0123456789") for _ in range(rng.choice((7, 9, 10, 11, 11, 11, 12, 13, 15, 16))))
    if rng.random() < 0.1:
        digits = digits.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    gaps = ["", "", "", " ", "-", "\u2011", "–", ".", ")", " (", ") ", "  ", "\u00a0", "   ", "/", "\n"]
    number = rng.choice(["", "", "+", "8", "№", "#"]) + "".join(
        digit + rng.choice(gaps[: rng.randrange(3, 17)]) for digit in digits
    )
    before = rng.choice(
        ["", "тел. ", "Ё", "q", "é", "«", "(", "=", "/", "-", "_", "\u0438\u0306", "2026-03-02 ", "🙂", "中", "\t"]
    )
    return before + number + rng.choice(["", ".", " позвоните", "ь", "z", "-", "/", "»", "🙂", " 12", ", +77001112233"])


@pytest.fixture(scope="module")
def sql(marts_db: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(marts_db, autocommit=True) as connection:
        yield connection


def in_sql(connection: psycopg.Connection[Any], function: str, texts: list[str]) -> list[str]:
    asked = f"select array_agg(synkro.{function}(one) order by place) from unnest(%s::text[]) with ordinality as t (one, place)"
    found = connection.execute(asked.encode(), (texts,)).fetchone()
    assert found is not None
    return list(found[0])


def test_the_two_masks_are_one_rule(sql: psycopg.Connection[Any]) -> None:
    rng = random.Random(20260302)
    texts = [written(rng) for _ in range(3000)]
    here = [phones.mask_in(text) for text in texts]
    assert in_sql(sql, "masked", texts) == here
    changed = sum(text != shown for text, shown in zip(texts, here, strict=True))
    assert 500 < changed < 2500, "both kinds have to be met"
    assert in_sql(sql, "masked_phone", texts) == [phones.mask(text) for text in texts]
    assert sql.execute("select synkro.phone_in_text()").fetchone() == (phones.IN_TEXT,)
    nulls = "select synkro.masked(null::text), synkro.masked_phone(null), synkro.masked_phone(''), synkro.masked('')"
    assert sql.execute(nulls.encode()).fetchone() == (None, None, formatting.phone(""), "")


@given(
    st.lists(st.text(st.sampled_from("+78 0123456789-().–\u00a0aЯ_/#=№,\n٣３"), max_size=40), min_size=1, max_size=20)
)
def test_the_two_masks_agree_on_any_text(sql: psycopg.Connection[Any], texts: list[str]) -> None:
    assert in_sql(sql, "masked", texts) == [phones.mask_in(text) for text in texts]


def test_the_mask_does_not_ask_the_locale(server_url: str) -> None:
    """A database may be made with the locale C, where ``\\w`` knows no Russian letter."""
    texts = [
        "Ё77001112233",
        "é77001112233",
        "٠٧٧٠٠١١١٢٢٣٣",
        "тел.\u00a07\u00a0700\u00a0111\u00a022\u00a033",
        "중77001112233",
    ]
    name = f"locale_{uuid4().hex[:8]}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f"create database {name} template template0 locale 'C' encoding 'UTF8'")
    url = db.with_database(server_url, name)
    migrations.migrate(url)
    with psycopg.connect(url) as connection:
        assert connection.execute("select 'Ё' ~ '\\w'").fetchone() == (False,), "this locale knows the letter"
        assert in_sql(connection, "masked", texts) == [phones.mask_in(text) for text in texts]
