"""What needs somebody, on the pages that show it: listed, dismissed beside the action, taken back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.texts import RU
from services.access import Viewer
from services.reports import cases
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.tenancy import audit
from tests.app.conftest import Site
from tests.app.fixtures import World
from tests.app.pages.test_interactions import press

Who = Callable[[str], Viewer]
STANDS = "deal_stuck:alpha-deal0:created"


def marks(world: World) -> list[tuple[str, str | None, str, str]]:
    with db.as_service("test") as connection:
        rows = connection.execute(
            "select mark, reason, channel, marked_by_name from synkro.case_marks where tenant_id = %s order by mark_id",
            (world.tenants["alpha"].tenant_id,),
        ).fetchall()
    return [(row["mark"], row["reason"], row["channel"], row["marked_by_name"]) for row in rows]


def test_the_list_is_filtered_by_kind_and_manager(world: World, who: Who) -> None:
    whole = cases.load(who("user"), "alpha")
    assert whole.total == len(whole.rows) > 2
    assert [one.case_id for one in cases.load(who("user"), "alpha", "deal_stuck").rows] == [STANDS]
    manager = whole.managers[0]
    mine = cases.load(who("user"), "alpha", None, manager.key)
    assert {one.manager_id for one in mine.rows} == {manager.key} and mine.total == manager.n == len(mine.rows)
    assert sum(one.n for one in whole.kinds) == whole.total == sum(one.n for one in whole.managers)
    # a kind that does not exist is no filter
    assert cases.load(who("user"), "alpha", "anything").total == whole.total


def test_a_dismissal_is_noted_once_and_taken_back(world: World, who: Who) -> None:
    before = len(marks(world))
    assert cases.dismiss(who("user"), "alpha", STANDS, "not_relevant").state == "dismissed"
    assert STANDS not in {one.case_id for one in cases.load(who("admin"), "alpha").rows}
    with pytest.raises(DataError, match="уже закрыт"):
        cases.dismiss(who("admin"), "alpha", STANDS, "done")
    assert cases.undo(who("admin"), "alpha", STANDS).state == "open"
    with pytest.raises(DataError, match="никто не снимал"):
        cases.undo(who("admin"), "alpha", STANDS)
    with pytest.raises(DataError, match="причины"):
        cases.dismiss(who("admin"), "alpha", STANDS, "because")
    user, admin = (world.people[name].email for name in ("user", "admin"))
    assert marks(world)[before:] == [("dismissed", "not_relevant", "web", user), ("undone", None, "web", admin)]
    with db.as_service("test") as connection:
        entries = audit.recent(connection, tenant_id=world.tenants["alpha"].tenant_id, limit=2)
    assert [(entry.action, entry.actor) for entry in entries] == [("case.restored", admin), ("case.dismissed", user)]
    assert entries[1].metadata == {"case_id": STANDS, "reason": "not_relevant"}


def test_another_company_has_no_such_case(who: Who) -> None:
    with pytest.raises(NotFoundError):
        cases.dismiss(who("stranger"), "beta", STANDS, "done")
    with pytest.raises(NotFoundError):
        cases.dismiss(who("stranger"), "alpha", STANDS, "done")


async def test_a_case_is_dismissed_on_its_page_and_beside_the_dialog(site: Site, world: World) -> None:
    person = await site.person("user")
    await person.open("/t/alpha/cases?kind=deal_stuck")
    await person.should_see(RU["case.kind.deal_stuck"])
    await person.should_not_see(marker="case-no_reply_needed")
    press(person, "case-done")
    await person.should_see("снято: сделано")
    # the dialog of its client shows what was said, and lets it be taken back
    await person.open("/t/alpha/dialogs/alpha%3Ad%2F0")
    await person.should_see("снято: сделано")
    press(person, "case-undo")
    await person.should_not_see("снято: сделано")
    assert marks(world)[-2:] == [
        ("dismissed", "done", "web", world.people["user"].email),
        ("undone", None, "web", world.people["user"].email),
    ]
