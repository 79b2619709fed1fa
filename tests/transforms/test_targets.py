"""A wait is judged by the target of the moment it opened; a later one changes none that was there before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from orchestration.dbt import project
from synkro.core.settings import settings
from tests.transforms.conftest import Company

DAYS = ("2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06")


def _targets(shop: Company) -> dict[str, tuple[int, str, bool]]:
    rows = shop.rows("marts.fct_waits", "wait_id, sla_target_minutes, sla_deadline_at::text as deadline, is_breached")
    return {row["wait_id"]: (row["sla_target_minutes"], row["deadline"], row["is_breached"]) for row in rows}


def _numbers(shop: Company) -> dict[str, dict[str, object]]:
    rows = shop.rows("marts.period_summary", "label_date::text as day, breached, answered_within_target, money_at_risk")
    return {row["day"]: row for row in rows}


def _set_target(shop: Company, minutes: int, at: str) -> None:
    """A version written at that moment of the company's time."""
    shop.configure(sla_target_minutes=minutes)
    shop.connection.execute(
        "update synkro.tenant_runtime_configs set created_at = %s where tenant_id = %s and is_current",
        (shop.at(at), shop.tenant_id),
    )


def test_a_change_of_the_target_changes_no_wait_that_opened_before_it(
    company: Callable[..., Company], marts_db: str, work: Path
) -> None:
    """Five days; the target changes at noon of the third and fourth, late messages come for the first. Day by day, then anew."""
    dice = Random(46)
    shop = company("targets")
    shop.configure(sla_target_minutes=30)
    for number in range(1, 7):
        shop.chat(number, f"+7700000020{number}")
    expected: dict[str, int] = {}
    target, known = 30, {}
    for place, day in enumerate(DAYS):
        changed_at = None
        if place in (2, 3):
            target_before, target = target, dice.choice([t for t in (10, 20, 45, 60) if t != target])
            changed_at = f"{day} 12:00"
        for number in range(1, 7):
            hour, minute = dice.choice((9, 10, 11, 14, 15, 16)), dice.randrange(10, 50)
            asked = f"{day} {hour:02}:{minute}"
            id = shop.say(number, asked, "client", "Сколько стоит?")
            shop.say(number, f"{day} 17:{dice.randrange(10, 59)}", "us", "5 000")
            is_before = changed_at is not None and asked < changed_at
            expected[f"{number}:{id}"] = target_before if is_before else target
        if changed_at is not None:
            # written after the data of the last build, before this one
            _set_target(shop, target, changed_at)
        following = f"2026-03-{int(day[-2:]) + 1:02}"
        window = shop.window(f"{day} 06:00", f"{following} 06:00")
        shop.build(window, work=work)

        assert {key: row[0] for key, row in _targets(shop).items()} == expected, day
        found = _numbers(shop)
        assert {day: found[day] for day in known} == known, "published numbers stand"
        assert shop.rows("synkro.report_windows", "label_date", "is_outdated") == []
        known = found

    before = _targets(shop)
    assert len({row[0] for row in before.values()}) == 3
    project.full_refresh(marts_db, settings().data_dir)
    assert _targets(shop) == before
    assert _numbers(shop) == known
