"""Windows on request: the limits of the company hold at every entry point, the operator goes beyond them with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.access import Forbidden, Viewer
from services.reports import runs
from synkro.core.errors import DataError
from synkro.database import db
from synkro.reporting import revisions
from synkro.tenancy import audit
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import World

REASON = "сверка с клиентом"


def old(world: World, hours: int = 2, days: int = 30) -> tuple[str, str]:
    start = world.now - timedelta(days=days)
    return start.isoformat(), (start + timedelta(hours=hours)).isoformat()


def test_the_limits_hold_and_only_the_operator_goes_beyond_them(world: World, who: Callable[[str], Viewer]) -> None:
    too_long = old(world, hours=30, days=2)
    for window, limit in ((old(world), "max_force_lookback_days"), (too_long, "max_force_window_hours")):
        for name in ("user", "admin", "operator"):
            with pytest.raises(DataError, match=limit):
                runs.request(who(name), "alpha", *window)
        for name in ("user", "admin"):
            with pytest.raises(Forbidden):
                runs.request(who(name), "alpha", *window, REASON)
        run, made = runs.request(who("operator"), "alpha", *window, REASON)
        assert made and run.report_type == "forced" and run.trigger_type == "manual"
    with db.as_service("test") as connection:
        noted = [entry for entry in audit.recent(connection) if entry.action == "run.forced"]
    assert [entry.message for entry in noted] == [REASON, REASON]
    with pytest.raises(DataError, match="ещё не закончилось"):
        future = (world.now - timedelta(hours=1)).isoformat(), (world.now + timedelta(days=2)).isoformat()
        runs.request(who("operator"), "alpha", *future, REASON)


async def test_the_api_has_the_same_limits(site: Site, world: World) -> None:
    start, end = old(world, days=40)
    body = {"from": start, "to": end}
    user, operator = await site.signed_in("user"), await site.signed_in("operator")
    path = "/api/v1/tenants/alpha/runs"
    assert (await user.post(path, json=body, headers=ORIGIN)).status_code == 422
    assert (await user.post(path, json=body | {"exceed_limits": REASON}, headers=ORIGIN)).status_code == 403
    assert (await operator.post(path, json=body | {"exceed_limits": REASON}, headers=ORIGIN)).status_code == 202


async def test_a_report_that_lacks_something_says_when_it_is_completed(site: Site, world: World) -> None:
    report = world.reports["alpha"]
    page = f"/t/alpha/reports/{report.report_id}"
    moment = world.now + timedelta(minutes=30)
    with db.as_service("test") as connection:
        revisions.note(connection, report.tenant_id, report.report_id, ["ai"], revisions.Plan(1, 4, moment))
    user = await site.person("user")
    await user.open(page)
    await user.should_see("Отчёт дополнится сам, следующая попытка")
    with db.as_service("test") as connection:
        revisions.note(connection, report.tenant_id, report.report_id, ["ai"], None)
    await user.open(page)
    await user.should_see("Автоматических попыток больше не будет")
    with db.as_service("test") as connection:
        revisions.note(connection, report.tenant_id, report.report_id, [], None)
    await user.open(page)
    await user.should_not_see("Отчёт дополнится сам")
