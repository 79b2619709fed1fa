"""Roles come and go at random while people read at random: nobody is ever given a row of a company that is not theirs.

A Hypothesis machine keeps who may see what. Every step is a change of a role, or a read by a function of the services, by the
person as they are now or as a page opened earlier still has them; or a whole table read under their claims. Of each answer: no
id and no words of another company; a member's own read succeeds, or the machine would prove that nothing is seen by anybody.
1,000 reads here, 10,000 as a line of ``make assurance``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from app import spreadsheets
from services import access, audit_log, overview
from services.access import Forbidden, Viewer
from services.machine import Operator
from services.people import members
from services.reports import dashboards, freshness, published, questions, rows, runs, transcripts, view
from services.settings import configuration as settings_service
from services.settings import topics
from synkro.connectors import integrations
from synkro.core.errors import NotFoundError
from synkro.database import db
from synkro.tenancy import audit, invitations, users
from tests.app.fixtures import World

READS = int(os.environ.get("SYNKRO_TEST_ISOLATION_READS", "1000"))
STEPS = 50
PEOPLE = ("admin", "user", "stranger", "nobody", "newcomer")
FILLED = ("alpha", "beta")
GIVEN: tuple[users.Role, ...] = ("user", "admin_lite")
Read = Callable[[World, Viewer, str], Any]

#: what members read of a company, by address of it; ``admin``: its administrators alone
MEMBERS: dict[str, Read] = {
    "reports": lambda w, v, slug: runs.listing(v, slug),
    "report": lambda w, v, slug: view.load(v, slug, w.reports[slug].report_id),
    "rows": lambda w, v, slug: rows.behind(v, slug, w.reports[slug].report_id, "messages"),
    "dialog": lambda w, v, slug: transcripts.load(v, slug, f"{slug}:d/0"),
    "freshness": lambda w, v, slug: freshness.load(v, slug),
    "dashboards": lambda w, v, slug: dashboards.load(v, slug),
    "csv": lambda w, v, slug: spreadsheets.report_csv(v, slug, w.reports[slug].report_id, "waits"),
    "questions": lambda w, v, slug: questions.thread(v, slug, w.reports[slug].report_id),
}
ADMINS: dict[str, Read] = {
    "audit": lambda w, v, slug: audit_log.audit_page(v, slug),
    "audit csv": lambda w, v, slug: spreadsheets.audit_csv(v, slug),
    "settings": lambda w, v, slug: settings_service.load(v, slug),
    "topics": lambda w, v, slug: topics.load(v, slug),
    "invitations": lambda w, v, slug: members.open_invitations(v, slug),
}
#: of everything the person sees at once
ALL: dict[str, Callable[[World, Viewer], Any]] = {"overview": lambda w, v: overview.cards(v)}
COUNTED = {"reads": 0, "refused": 0, "given": 0}
GROUND: dict[str, Any] = {}


class Roles(RuleBasedStateMachine):
    world: World
    tables: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.world, self.tables = GROUND["world"], GROUND["tables"]
        self.roles: dict[tuple[str, str], users.Role] = {}
        self.opened: dict[str, Viewer] = {}

    @initialize(
        given=st.lists(
            st.tuples(st.sampled_from(PEOPLE), st.sampled_from(FILLED), st.sampled_from(GIVEN)), min_size=3, max_size=9
        )
    )
    def begin(self, given: list[tuple[str, str, users.Role]]) -> None:
        with db.as_service("test") as connection:
            for person in PEOPLE:
                for slug in FILLED:
                    users.revoke(connection, self.world.people[person].user_id, self.world.tenants[slug].tenant_id)
        for person, slug, role in given:
            self.grant(person, slug, role)

    @rule(person=st.sampled_from(PEOPLE), slug=st.sampled_from(FILLED), role=st.sampled_from(GIVEN))
    def grant(self, person: str, slug: str, role: users.Role) -> None:
        with db.as_service("test") as connection:
            users.grant(connection, self.world.people[person].user_id, self.world.tenants[slug].tenant_id, role)
        self.roles[person, slug] = role

    @rule(person=st.sampled_from(PEOPLE), slug=st.sampled_from(FILLED))
    def revoke(self, person: str, slug: str) -> None:
        with db.as_service("test") as connection:
            users.revoke(connection, self.world.people[person].user_id, self.world.tenants[slug].tenant_id)
        self.roles.pop((person, slug), None)

    @rule(person=st.sampled_from(PEOPLE))
    def open_a_page(self, person: str) -> None:
        self.opened[person] = access.viewer(self.world.people[person])

    @rule(
        person=st.sampled_from(PEOPLE),
        slug=st.sampled_from(FILLED),
        several=st.lists(st.sampled_from([*MEMBERS, *ADMINS]), min_size=3, max_size=5),
        is_stale=st.booleans(),
        foreign=st.booleans(),
    )
    def read(self, person: str, slug: str, several: list[str], is_stale: bool, foreign: bool) -> None:
        """``foreign``: the address names one company and the object is of the other."""
        for what in several:
            self._read(person, slug, what, is_stale, foreign)

    def _read(self, person: str, slug: str, what: str, is_stale: bool, foreign: bool) -> None:
        viewer = self._viewer(person, is_stale)
        role = self.roles.get((person, slug))
        may = role == "admin_lite" if what in ADMINS else role is not None
        work = MEMBERS.get(what) or ADMINS[what]
        if foreign and what in ("report", "rows", "csv", "questions"):
            other = FILLED[1 - FILLED.index(slug)]
            self._refused(person, lambda: self._crossed(viewer, slug, other, what))
        elif may and not is_stale:
            self._given(person, work(self.world, viewer, slug))
        elif may:
            # a page that was opened before the role came knows nothing of it yet
            self._perhaps(person, lambda: work(self.world, viewer, slug))
        else:
            self._refused(person, lambda: work(self.world, viewer, slug))

    @rule(person=st.sampled_from(PEOPLE), what=st.sampled_from(sorted(ALL)), is_stale=st.booleans())
    def read_everything(self, person: str, what: str, is_stale: bool) -> None:
        self._perhaps(person, lambda: ALL[what](self.world, self._viewer(person, is_stale)))

    @rule(person=st.sampled_from(PEOPLE), data=st.data())
    def read_a_table(self, person: str, data: st.DataObject) -> None:
        table = data.draw(st.sampled_from(self.tables))
        person_id = self.world.people[person].user_id
        # one's own roles are one's own rows, those that were taken away too
        others = "where user_id <> %(me)s" if table == "synkro.user_roles" else ""
        with db.as_user(person_id) as connection:
            found = connection.execute(f"select distinct tenant_id from {table} {others}".encode(), {"me": person_id})
            seen = {row["tenant_id"] for row in found if row["tenant_id"] is not None}
        COUNTED["reads"] += 1
        theirs = {self.world.tenants[slug].tenant_id for slug in FILLED if (person, slug) in self.roles}
        # the third company is empty but has people and settings of its own
        assert seen <= theirs | {self.world.tenants["gamma"].tenant_id if person == "admin" else None}, (person, table)

    def _viewer(self, person: str, is_stale: bool) -> Viewer:
        return self.opened[person] if is_stale and person in self.opened else access.viewer(self.world.people[person])

    def _crossed(self, viewer: Viewer, slug: str, other: str, what: str) -> Any:
        report = self.world.reports[other].report_id
        return {
            "report": lambda: view.load(viewer, slug, report),
            "rows": lambda: rows.behind(viewer, slug, report, "messages"),
            "csv": lambda: spreadsheets.report_csv(viewer, slug, report, "waits"),
            "questions": lambda: questions.thread(viewer, slug, report),
        }[what]()

    def _given(self, person: str, answer: Any) -> None:
        COUNTED["reads"] += 1
        COUNTED["given"] += 1
        text = repr(answer)
        for slug in FILLED:
            if (person, slug) not in self.roles:
                for mark in (str(self.world.tenants[slug].tenant_id), f"{slug}:d/", f"{slug}-c0", f"{slug}-m0"):
                    assert mark not in text, (person, slug, mark)

    def _refused(self, person: str, work: Callable[[], Any]) -> None:
        COUNTED["reads"] += 1
        COUNTED["refused"] += 1
        with pytest.raises((NotFoundError, Forbidden)):
            work()

    def _perhaps(self, person: str, work: Callable[[], Any]) -> None:
        """A page opened earlier: what it is given, if anything, is of the person's companies as they are now."""
        try:
            answer = work()
        except (NotFoundError, Forbidden):
            COUNTED["reads"] += 1
            return
        self._given(person, answer)


def test_nobody_is_given_a_row_of_another_company(world: World) -> None:
    with db.as_service("test") as connection:
        tables = [
            row["name"]
            for row in connection.execute(
                "select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                " where c.relkind in ('r', 'p', 'v') and n.nspname in ('synkro', 'marts', 'api')"
                " and has_table_privilege('authenticated', c.oid, 'select')"
                " and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') order by 1"
            )
        ]
    assert len(tables) > 30
    GROUND.update(world=world, tables=tables)
    COUNTED.update(reads=0, refused=0, given=0)
    run_state_machine_as_test(
        Roles,
        settings=settings(
            # Hypothesis leaves some rules out of a run: half as many steps again as reads are wanted
            max_examples=max(1, 3 * READS // (2 * STEPS)),
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{COUNTED['reads']} reads, {COUNTED['refused']} refused, {COUNTED['given']} given")
    assert COUNTED["reads"] >= READS and COUNTED["given"] > READS // 10 and COUNTED["refused"] > READS // 10


#: what the operator of the machine reads of one company: no policy stands behind it, each function filters by itself
MACHINE: dict[str, Callable[[World, Operator, str], Any]] = {
    "company": lambda w, o, slug: access.tenant(o, slug),
    "reports": lambda w, o, slug: published.recent(o, slug, limit=50),
    "report": lambda w, o, slug: published.by_id(o, w.reports[slug].report_id, slug),
    "report by its id alone": lambda w, o, slug: published.by_id(o, w.reports[slug].report_id),
    "report in force": lambda w, o, slug: published.current(o, slug),
    "runs": lambda w, o, slug: runs.recent(o, slug),
    "runtime": lambda w, o, slug: settings_service.runtime(o, slug),
    "settings": lambda w, o, slug: settings_service.load(o, slug),
    "chats": lambda w, o, slug: settings_service.chats(o, slug),
    "invitations": lambda w, o, slug: members.open_invitations(o, slug),
    "log": lambda w, o, slug: list(audit_log.audit_lines(o, slug)),
}


def test_the_machine_reads_one_company_at_a_time(world: World) -> None:
    operator, chats = Operator(), {"alpha": -66001, "beta": -66002}
    with db.as_service("test") as connection:
        for slug in FILLED:
            tenant_id = world.tenants[slug].tenant_id
            audit.write(connection, "tenant.paused", tenant_id=tenant_id, message=f"{slug}-m0")
            integrations.save_public(connection, tenant_id, "telegram", {"chat_id": chats[slug]})
            invitations.make(connection, tenant_id, f"{slug}-c0@example.com", "", "user", created_by=None)
    for slug, other in (FILLED, FILLED[::-1]):
        marks = (
            str(world.tenants[other].tenant_id), f"{other}:d/", f"{other}-c0", f"{other}-m0", f"{other}co", str(chats[other]),
        )  # fmt: skip
        for name, read in MACHINE.items():
            answer = repr(read(world, operator, slug))
            assert answer not in ("[]", "None") or (name, slug) == ("runs", "beta"), name
            assert not [mark for mark in marks if mark in answer], (name, slug)
        with pytest.raises(NotFoundError):
            published.by_id(operator, world.reports[other].report_id, slug)
    with pytest.raises(NotFoundError):
        runs.run_of(operator, world.runs["failed"].run_id, "beta")
