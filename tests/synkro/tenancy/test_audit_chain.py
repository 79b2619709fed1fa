"""The audit log's chain: whatever is done to the lines behind our back is found, and what we do ourselves is not."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from uuid import UUID

import psycopg
import pytest

from synkro.database import db
from synkro.tenancy import audit
from synkro.tenancy.audit import anchors, chain

#: 600 cases in the whole product's proof
CASES = int(os.environ.get("SYNKRO_TEST_TAMPERS", "12"))
LINES = 12

#: as a superuser with the triggers switched off; %(a)s and %(b)s are two lines, %(tail)s the third from the end
TAMPERS = {
    "a message edited": "update synkro.audit_log set message = message || ' ' where audit_id = %(a)s",
    "a moment moved": "update synkro.audit_log set created_at = created_at + interval '1 microsecond' where audit_id = %(a)s",
    "an author replaced": "update synkro.audit_log set actor = 'another@example.test' where audit_id = %(a)s",
    "a line given to another company": "update synkro.audit_log set tenant_id = gen_random_uuid() where audit_id = %(a)s",
    "a line in the middle deleted": "delete from synkro.audit_log where audit_id = %(a)s",
    "a line and its link deleted": "delete from synkro.audit_chain where audit_id = %(a)s;"
    " delete from synkro.audit_log where audit_id = %(a)s",
    "the tail deleted": "delete from synkro.audit_chain where audit_id > %(tail)s; delete from synkro.audit_log where audit_id > %(tail)s",
    "the tail deleted and the head set back": "delete from synkro.audit_chain where audit_id > %(tail)s;"
    " delete from synkro.audit_log where audit_id > %(tail)s;"
    " update synkro.audit_heads h set (position, hash) = (select position, hash from synkro.audit_chain c"
    "  where c.tenant_id = h.tenant_id order by position desc limit 1)",
    "a line smuggled in": "insert into synkro.audit_log (tenant_id, action) values (%(tenant)s, 'user.add')",
    "a line and a link smuggled in": "insert into synkro.audit_log (tenant_id, action) values (%(tenant)s, 'user.add');"
    " insert into synkro.audit_chain (tenant_id, position, audit_id, hash)"
    "  select tenant_id, max(position) + 1, (select max(audit_id) from synkro.audit_log), 'x' from synkro.audit_chain"
    "  where tenant_id = %(tenant)s group by tenant_id",
    "two lines change places": "update synkro.audit_chain set audit_id = case audit_id when %(a)s then %(b)s else %(a)s end"
    " where audit_id in (%(a)s, %(b)s)",
    "the chain rewritten whole": "update synkro.audit_log set message = 'nothing happened' where audit_id = %(a)s;"
    " delete from synkro.audit_chain; delete from synkro.audit_heads;"
    " select synkro.chain_audit_line(l) from (select * from synkro.audit_log order by audit_id) l",
}


@pytest.fixture
def anchored(tenant: UUID, tmp_path: Path) -> Path:
    """A company with a dozen lines, and a file with the anchor of their end."""
    for number in range(LINES):
        write(tenant, number)
    file = tmp_path / "outside" / "anchors.jsonl"
    with db.as_service("test") as connection:
        assert anchors.write(connection, file) >= 1
    return file


def write(tenant: UUID | None, number: int = 0) -> None:
    with db.as_service("test") as connection:
        audit.write(
            connection,
            "test.done",
            tenant_id=tenant,
            actor="оператор",
            message=f"запись {number}",
            metadata={"n": number, "10": "a,b", "": None},
            ip_address="127.0.0.1",
        )


def verified(tenant: UUID, file: Path) -> chain.Verified:
    with db.as_service("test") as connection:
        return chain.verify(connection, tenant, list(anchors.read(file)))


def test_an_honest_chain_holds(tenant: UUID, anchored: Path) -> None:
    write(tenant, LINES)
    told = verified(tenant, anchored)
    assert (told.lines, told.anchored, told.breaks) == (LINES + 1, LINES, [])


@pytest.mark.parametrize("case", range(CASES))
def test_every_tampering_is_found(tenant: UUID, anchored: Path, case: int) -> None:
    name = list(TAMPERS)[case % len(TAMPERS)]
    random = Random(case)
    with psycopg.connect(db.owner_url()) as owner:
        ids = [row[0] for row in owner.execute("select audit_id from synkro.audit_log order by audit_id")]
        # not the last two: the tail has cases of its own
        a, b = random.sample(ids[:-2], 2)
        owner.execute("set session_replication_role = replica")
        values = {"a": a, "b": b, "tenant": tenant, "tail": ids[-3]}
        for statement in TAMPERS[name].split(";"):
            owner.execute(statement, values)
    # a link ahead of the head stands in the way of the next one: nothing can be done that would be written down
    if "link smuggled" not in name and random.random() < 0.5:
        write(tenant, 99)
    assert verified(tenant, anchored).breaks, name


def test_fifty_writers_at_once_leave_one_chain(tenant: UUID, anchored: Path) -> None:
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda number: write(tenant if number % 5 else None, number), range(50)))
    told = verified(tenant, anchored)
    assert (told.lines, told.breaks) == (LINES + 40, [])
    assert verified(chain.INSTALLATION, anchored).breaks == []


def test_two_transactions_that_write_first_and_lock_later_do_not_wait_in_a_circle(tenant: UUID) -> None:
    """The head's row is taken at the commit: a line that is written early holds nobody back."""
    with db.as_service("first") as first:
        audit.write(first, "test.done", tenant_id=tenant)
        with db.as_service("second") as second:
            second.execute("set local lock_timeout = '2s'")
            audit.write(second, "test.done", tenant_id=tenant)
        first.execute("select from synkro.tenants where tenant_id = %s for update", (tenant,))
    with db.as_service("test") as connection:
        assert chain.verify(connection, tenant).breaks == []


def test_a_rolled_back_line_leaves_no_link(tenant: UUID) -> None:
    with pytest.raises(ZeroDivisionError), db.as_service("test") as connection:
        audit.write(connection, "test.done", tenant_id=tenant)
        _ = 1 / 0
    with db.as_service("test") as connection:
        assert (chain.verify(connection, tenant).lines, chain.heads(connection)) == (0, [])


def test_nobody_but_the_database_writes_the_chain(tenant: UUID, anchored: Path) -> None:
    for statement in (
        "delete from synkro.audit_chain",
        "update synkro.audit_heads set position = 0",
        "insert into synkro.audit_chain values (gen_random_uuid(), 1, 1, '')",
        "select synkro.chain_audit_line(l) from synkro.audit_log l",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_service("test") as connection:
            connection.execute(statement)
    with psycopg.connect(db.owner_url()) as owner, pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("delete from synkro.audit_chain")


def test_an_anchor_is_added_only_when_the_chain_has_grown(tenant: UUID, anchored: Path) -> None:
    with db.as_service("test") as connection:
        assert anchors.write(connection, anchored) == 0
    write(tenant)
    with db.as_service("test") as connection:
        assert anchors.write(connection, anchored) == 1
    lines = [json.loads(line) for line in anchored.read_text().splitlines()]
    assert [line["position"] for line in lines if line["chain"] == str(tenant)] == [LINES, LINES + 1]
    assert anchored.stat().st_mode & 0o077 == 0


def test_changes_are_kept_without_what_is_personal() -> None:
    before = {"mode": "radist_only", "excluded_phones": ["+77010000001"], "mail": "laura@example.test", "same": 1}
    after = {"mode": "amocrm_radist", "excluded_phones": [], "mail": "", "same": 1, "text": "я" * 900}
    told = audit.changes(before, after)
    assert told["mode"] == ["radist_only", "amocrm_radist"] and told["mail"] == ["l…@example.test", None]
    assert "same" not in told and len(told["text"][1] or "") == audit.MOST_OF_A_VALUE + 1
    assert "7010000001" not in json.dumps(told) and "0001" in json.dumps(told)
