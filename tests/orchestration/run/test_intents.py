"""Who needs an answer, from raw to the marts: decided once, decided anew where something changed, and a person's word counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from analysis import intents as deciding
from analysis.rules.due import WorkingHours
from orchestration.defs.assets import intents as step
from services.access import Viewer, viewer
from services.reports import transcripts
from synkro.accounts import embedded
from synkro.core import calendar
from synkro.core.errors import NotFoundError
from synkro.database import db
from synkro.reporting import intents
from synkro.reporting.intents import RawMessage
from synkro.tenancy import runtime_config, users
from tests.support.e2e import Environment, open_environment

START = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
HOURS = WorkingHours(calendar.parse(None), "Asia/Almaty")


@pytest.fixture(scope="module")
def e2e(shared_database: str) -> Iterator[Environment]:
    with open_environment("intents", with_ai=False) as made:
        assert made.build().status == "success"
        yield made


@pytest.fixture(scope="module")
def member(e2e: Environment) -> Viewer:
    with db.as_service("test") as connection:
        person = embedded.add(connection, f"{uuid4().hex[:8]}@x.example", "пароль для проверки")
        users.grant(connection, person.user_id, e2e.tenant_id, "user")
    return viewer(person)


def rows(e2e: Environment, sql: str, **values: Any) -> list[dict[str, Any]]:
    with db.as_service("test") as connection:
        return connection.execute(sql.encode(), {"tenant": e2e.tenant_id, **values}).fetchall()


def said(*lines: tuple[int, str, str], kind: str = "text") -> list[RawMessage]:
    """Messages by second, side and text."""
    return [
        RawMessage(f"m{i}", START + timedelta(seconds=second), direction, False, kind, body, False)
        for i, (second, direction, body) in enumerate(lines)
    ]


def test_an_instant_answer_is_a_robots() -> None:
    """What a robot asked is not what we asked: «да» after it is no answer to us."""
    asked = "Вам перезвонить?"
    heard = said((0, "inbound", "здравствуйте"), (2, "outbound", asked), (60, "inbound", "ау"))
    by_robot, _ = step.decided_of(heard, HOURS)
    talk = [
        deciding.Said(who, text, START + timedelta(seconds=second))
        for second, who, text in ((0, "client", "здравствуйте"), (2, "bot", asked), (60, "client", "ау"))
    ]
    expected = [one for one in deciding.decide(talk) if one]
    assert [one.needs_reply for one in by_robot] == [one.needs_reply for one in expected]
    assert [one.confidence for one in by_robot] == [round(one.confidence, 3) for one in expected]


def test_media_are_told_from_words() -> None:
    sticker = said(
        (0, "inbound", "сколько стоит?"), (60, "outbound", "десять тысяч"), (90, "inbound", ""), kind="sticker"
    )
    assert step.decided_of(sticker, HOURS)[0][-1].needs_reply is False


def test_every_message_of_a_client_is_decided_and_the_marts_say_so(e2e: Environment) -> None:
    found = rows(
        e2e,
        "select count(*) as all_of_them, count(needs_reply_reason) as decided,"
        " count(*) filter (where needs_reply is distinct from i.needs_reply) as differ"
        " from marts.fct_messages f left join private.message_intents i using (tenant_id, dialog_id, message_id)"
        " where f.tenant_id = %(tenant)s and f.kind = 'client'".replace(
            "where needs_reply is", "where f.needs_reply is"
        ),
    )[0]
    assert found["all_of_them"] == found["decided"] > 100
    assert found["differ"] == 0
    others = rows(
        e2e,
        "select distinct kind from marts.fct_messages where tenant_id = %(tenant)s and kind <> 'client'"
        " and (needs_reply or needs_reply_reason is not null)",
    )
    assert others == []


def test_what_the_messages_do_stands_in_the_marts(e2e: Environment) -> None:
    found = rows(
        e2e,
        "select a.act, count(*) as n, count(*) filter (where a.act like '%%promise' and a.due_at <= m.sent_at) as early,"
        " count(*) filter (where (a.act = 'promise' or a.act = 'offer') <> (m.kind = 'manager')) as strange,"
        " count(*) filter (where (a.due_at is not null) <> (a.act like '%%promise')) as undue"
        " from private.message_acts a join marts.fct_messages m using (tenant_id, dialog_id, message_id)"
        " where a.tenant_id = %(tenant)s and m.kind in ('manager', 'client') group by 1",
    )
    assert {row["act"] for row in found} >= {"promise", "offer", "complaint", "asks_to_buy", "refusal"}
    assert {(row["early"], row["strange"], row["undue"]) for row in found} == {(0, 0, 0)}, found
    made = next(row["n"] for row in found if row["act"] == "promise")
    promises = rows(
        e2e,
        "select state, count(*) as n, min(kept_at - made_at) as soonest, bool_and(kept_at > due_at) as are_late"
        " from marts.fct_promises where tenant_id = %(tenant)s and who = 'manager' group by 1",
    )
    by_state = {row["state"]: row for row in promises}
    assert sum(row["n"] for row in promises) == made > 30
    assert {"kept", "broken"} <= set(by_state) and by_state["kept"]["are_late"] is False
    assert all(row["soonest"] is None or row["soonest"].total_seconds() >= 0 for row in promises)


def test_nothing_new_is_nothing_to_decide_and_another_version_is_everything(
    e2e: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.as_service("test") as connection:
        config = runtime_config.current(connection, e2e.tenant_id)
        assert intents.waiting(connection, e2e.tenant_id, step.version(config)) == []
        everything = intents.waiting(connection, e2e.tenant_id, "another")
    assert len(everything) > 10
    before = rows(
        e2e, "select count(*) as n, min(built_at) as at from private.mart_builds where tenant_id = %(tenant)s"
    )
    assert e2e.build().status == "success"
    scope = rows(e2e, "select scope from private.mart_builds where tenant_id = %(tenant)s")
    assert scope == [{"scope": "touched"}], before
    monkeypatch.setattr(deciding, "VERSION", "intents-test")
    assert e2e.build().status == "success"
    versions = rows(e2e, "select distinct version from private.decided_dialogs where tenant_id = %(tenant)s")
    scope = rows(e2e, "select scope from private.mart_builds where tenant_id = %(tenant)s")
    assert versions == [{"version": step.version(config)}] and "intents-test" in versions[0]["version"]
    assert scope == [{"scope": "all"}], "what every number means has changed"


def test_a_persons_word_changes_the_wait(e2e: Environment, member: Viewer) -> None:
    wait = rows(
        e2e,
        "select w.wait_id, w.dialog_id, w.opened_by_message_id as message_id from marts.fct_waits w"
        " where w.tenant_id = %(tenant)s and w.is_open order by w.opened_at desc limit 1",
    )[0]
    where = {"dialog": wait["dialog_id"], "message": wait["message_id"]}
    assert transcripts.correct(member, e2e.slug, wait["dialog_id"], wait["message_id"], False) is False
    shown = transcripts.load(member, e2e.slug, wait["dialog_id"])
    assert shown.corrected == {wait["message_id"]: False}
    assert e2e.build().status == "success"
    message = rows(
        e2e,
        "select needs_reply, needs_reply_reason from marts.fct_messages"
        " where tenant_id = %(tenant)s and dialog_id = %(dialog)s and message_id = %(message)s",
        **where,
    )
    assert message == [{"needs_reply": False, "needs_reply_reason": "person"}]
    still = rows(
        e2e,
        "select 1 from marts.fct_waits where tenant_id = %(tenant)s and dialog_id = %(dialog)s"
        " and opened_by_message_id = %(message)s",
        **where,
    )
    assert still == [], "nobody waits because of this message any more"
    noted = rows(
        e2e,
        "select actor, metadata ->> 'needs_reply' as word from synkro.audit_log"
        " where tenant_id = %(tenant)s and action = 'message.corrected'",
    )
    assert noted == [{"actor": member.user.email, "word": "false"}]
    label = rows(e2e, "select was_needs_reply, needs_reply from synkro.reply_labels where tenant_id = %(tenant)s")
    assert label == [{"was_needs_reply": True, "needs_reply": False}]


def test_nobody_else_has_a_say(e2e: Environment, member: Viewer) -> None:
    with db.as_service("test") as connection:
        stranger = viewer(embedded.add(connection, f"{uuid4().hex[:8]}@x.example", "пароль для проверки"))
    with pytest.raises(NotFoundError):
        transcripts.correct(stranger, e2e.slug, "1", "m", False)
    with pytest.raises(NotFoundError):
        transcripts.correct(member, e2e.slug, "no such dialog", "m", False)
    with pytest.raises(psycopg.Error), db.as_user(stranger.user_id) as connection:
        connection.execute(
            "insert into synkro.reply_labels (tenant_id, dialog_id, message_id, needs_reply, was_needs_reply, author_id)"
            " values (%s, '1', 'm', true, false, %s)",
            (e2e.tenant_id, stranger.user_id),
        )
