"""The block «Сверка с источниками» on the report's page, for a report whose run refused, lost and skipped rows."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.texts import EN, RU
from synkro.database import db
from synkro.reporting import reconciliation
from synkro.reporting.reconciliation import Count
from synkro.runs import leases, queue, watermarks
from synkro.runs.watermarks import StreamLoad
from tests.app.conftest import Site
from tests.app.fixtures import HOSTILE, World


@pytest.fixture(scope="module")
def read_by(shared_world: World) -> UUID:
    """A run of the report's window with an account of its reading."""
    world, tenant_id = shared_world, shared_world.tenants["alpha"].tenant_id
    with db.as_service("test") as connection:
        run, _ = queue.request(
            connection, tenant_id, world.window, mode="amocrm_radist", trigger_type="system", report_type="daily"
        )
        run = leases.claim(connection, run.run_id)
        for load in (
            StreamLoad("amocrm", "leads", "complete", 2, 71, 1, 70, {"no_id": 1, "repeated": 2}, read_until=world.now),
            StreamLoad("radist", "sources", "failed", 1, error=f"Radist не ответил {HOSTILE[0]} +7 701 555 44 33"),
        ):
            watermarks.record(connection, tenant_id, run.run_id, load)
        counts = [
            Count("radist", "messages", world.day, 44, {"group": 3}, 40),
            Count("amocrm", "leads", None, 70, {"deleted": 1}, 69),
        ]
        reconciliation.save(connection, tenant_id, run.run_id, counts)
        queue.log(connection, run, "sources", "Radist, сообщения: не прочитано", level="warning")
        leases.finish(connection, run, "success")
        connection.execute(
            "update synkro.reports set run_id = %s where report_id = %s", (run.run_id, world.reports["alpha"].report_id)
        )
    return run.run_id


async def said(site: Site, world: World, name: str) -> list[str]:
    person = await site.person(name)
    await person.open(f"/t/alpha/reports/{world.reports['alpha'].report_id}")
    (block,) = person.find(marker="reconciliation").elements
    return [str(one.text) for one in block.descendants() if getattr(one, "text", "")]  # type: ignore[attr-defined]


async def test_a_member_sees_every_reason(site: Site, world: World, read_by: UUID) -> None:
    found = await said(site, world, "user")
    assert RU["recon.not_whole"] in found
    assert f"{RU['reason.no_id']}: 1" in found and f"{RU['notice.repeated']}: 2" in found
    assert found.count(RU["load.not_read"]) == 11, "nine of amoCRM and two of Radist had no turn"
    assert "44 → 40" in found and "группы: 3" in found and "разница 1" in found
    assert "удалённые: 1" in found and "70 → 69" in found
    assert "Radist, сообщения: не прочитано" in found, "the log of the run"
    assert not any("555 44 33" in text for text in found), "phones are masked in errors too"


async def test_the_api_and_the_page_tell_the_same(site: Site, world: World, read_by: UUID) -> None:
    browser = await site.signed_in("user")
    answer = (await browser.get(f"/api/v1/reports/{world.reports['alpha'].report_id}")).json()["reconciliation"]
    assert len(answer) == 13
    leads = next(line for line in answer if line["stream"] == "leads")
    assert leads == {
        "source": "amocrm",
        "stream": "leads",
        "status": "complete",
        "requests": 2,
        "seen": 71,
        "rejected": 1,
        "reasons": {"no_id": 1, "repeated": 2},
        "loaded": 70,
        "difference": 0,
        "read_until": world.now.isoformat(),
    }


async def test_a_neighbour_sees_none_of_it(site: Site, world: World, read_by: UUID) -> None:
    with db.as_user(world.people["stranger"].user_id) as connection:
        assert reconciliation.of_report(connection, world.reports["alpha"]) == []
        assert connection.execute("select from synkro.reconciliations").fetchall() == []
    with db.as_user(world.people["user"].user_id) as connection:
        assert len(connection.execute("select from synkro.reconciliations").fetchall()) == 2
        with pytest.raises(Exception, match="permission denied"):
            connection.execute("delete from synkro.reconciliations")


def test_every_word_is_there_in_both_languages() -> None:
    for prefix in ("reason.", "notice.", "left_out.", "recon."):
        assert len([key for key in RU if key.startswith(prefix)]) >= 3
        assert {key for key in EN if key.startswith(prefix)} == {key for key in RU if key.startswith(prefix)}
