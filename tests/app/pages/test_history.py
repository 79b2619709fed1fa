"""The entry point of the history on the page and in the API: administrators open it, others neither see nor use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from app.texts import RU
from services import overview
from services.access import Forbidden, Viewer
from services.reports import runs
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.runs import history, leases, watermarks
from synkro.tenancy import runtime_config
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import World
from tests.app.pages.test_interactions import element, press, text_of, until

Who = Callable[[str], Viewer]


@pytest.fixture(autouse=True)
def empty_queue(world: World) -> Iterator[None]:
    """A test leaves no history behind that the next one would join."""
    yield
    with db.as_service("test") as connection:
        connection.execute("delete from synkro.job_runs where history_from is not null")


def day(world: World, back: int) -> str:
    return (world.day - timedelta(days=back)).isoformat()


def test_administrators_load_history(world: World, who: Who) -> None:
    for name in ("admin", "operator"):
        run, was_made = runs.load_history(who(name), "alpha", day(world, 100))
        assert was_made == (name == "admin") and run.window == world.window
        assert run.history_from == history.start_of(
            day(world, 100), runtime_config.RuntimeConfig("Asia/Almaty"), world.now
        )
    with pytest.raises(DataError, match="так глубоко"):
        runs.load_history(who("admin"), "alpha", day(world, 101))
    with pytest.raises(Forbidden):
        runs.load_history(who("user"), "alpha", day(world, 100))
    with pytest.raises(NotFoundError):
        runs.load_history(who("stranger"), "alpha", day(world, 100))
    liar = replace(who("stranger"), tenants=(world.tenants["alpha"],), is_operator=True)
    with pytest.raises(Forbidden):
        runs.load_history(liar, "alpha", day(world, 100))
    with db.as_service("test") as connection:
        row = connection.execute("select metadata from synkro.audit_log where action = 'run.history'").fetchone()
    assert row and row["metadata"]["history_from"] == run.history_from.isoformat()


def test_a_member_stops_a_history_and_an_administrator_repeats_it(world: World, who: Who) -> None:
    run, _ = runs.load_history(who("admin"), "alpha", day(world, 50))
    assert runs.stop(who("user"), run.run_id).status == "cancelled"
    with pytest.raises(Forbidden):
        runs.retry(who("user"), run.run_id)
    again, was_made = runs.retry(who("admin"), run.run_id)
    assert was_made and again.history_from == run.history_from and again.attempt == run.attempt + 1


def test_the_bar_of_a_history_belongs_to_its_reading(world: World, who: Who) -> None:
    run, _ = runs.load_history(who("admin"), "alpha", day(world, 50))
    half = replace(run, status="running", current_step="sources", progress={"done": 30, "total": 60})
    assert runs.percent(half) == pytest.approx(0.45, abs=0.01)
    assert runs.percent(replace(half, history_from=None)) < 0.3


async def test_the_api_is_the_same_door(site: Site, world: World) -> None:
    admin, user, stranger = [await site.signed_in(name) for name in ("admin", "user", "stranger")]
    path, body = "/api/v1/tenants/alpha/backfill", {"from": day(world, 70)}
    made = await admin.post(path, json=body, headers=ORIGIN)
    assert made.status_code == 202 and made.json()["history_from"] and made.json()["status"] == "pending"
    assert (await admin.post(path, json=body, headers=ORIGIN)).json()["id"] == made.json()["id"]
    refused = await user.post(path, json=body, headers=ORIGIN)
    assert refused.status_code == 403 and "администратор" in refused.json()["error"]["message"]
    assert (await stranger.post(path, json=body, headers=ORIGIN)).status_code == 404
    assert (await admin.post(path, json=body)).status_code == 403, "a write needs our origin"
    for wrong, said in (("2999-01-01", "не закончился"), ("1999-01-01", "слишком давно"), ("позавчера!", "на дату")):
        answer = await admin.post(path, json={"from": wrong}, headers=ORIGIN)
        assert answer.status_code == 422 and said in answer.json()["error"]["message"]
    assert (await admin.post(path, json={}, headers=ORIGIN)).status_code == 422


async def test_the_page_asks_refuses_beside_the_field_and_shows_the_run(site: Site, world: World) -> None:
    member = await site.person("user")
    await member.open("/t/alpha/reports")
    await member.should_not_see(marker="history")
    person = await site.person("admin")
    await person.open("/t/alpha/reports")
    press(person, "history-submit")
    await until(lambda: text_of(person, "history-from-error") == RU["history.no_day"])
    element(person, "history-from").value = "2001-01-01"  # type: ignore[attr-defined]
    press(person, "history-submit")
    await until(lambda: "слишком давно" in text_of(person, "history-from-error"))
    element(person, "history-from").value = day(world, 40)  # type: ignore[attr-defined]
    press(person, "history-submit")
    await until(lambda: person.notify.contains(RU["history.queued"]))
    await person.should_see("История с")


async def test_the_overview_shows_the_progress_and_how_far_back_a_source_reaches(
    site: Site, world: World, who: Who
) -> None:
    tenant_id = world.tenants["alpha"].tenant_id
    with db.as_service("test") as connection:
        since = history.start_of(day(world, 90), runtime_config.RuntimeConfig("Asia/Almaty"), world.now)
        watermarks.advance(connection, tenant_id, "radist", "messages", world.now, {"from": since.isoformat()})
        running = world.runs["running"]
        leases.step(connection, running, "sources", 40, 118, "Radist, диалогов прочитано: 40 из 118")
    card = next(card for card in overview.cards(who("admin")) if card.tenant.slug == "alpha")
    assert card.since["radist"] == world.day - timedelta(days=90) and card.since["amocrm"] is None
    person = await site.person("admin")
    await person.open("/")
    await person.should_see("Radist, диалогов прочитано: 40 из 118")
