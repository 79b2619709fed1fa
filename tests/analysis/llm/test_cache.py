"""A reading belongs to its tenant, its text, its prompt and its model: nobody gets another's.

Seen red: the tenant missing in the look-up.
"""

from __future__ import annotations

import random

import pytest

from synkro.database import db
from synkro.reporting import readings
from synkro.reporting.readings import StoredReading
from synkro.tenancy import tenants
from tests.analysis.conftest import Model
from tests.analysis.mart_fixtures import Shop
from tests.analysis.report.test_report import report


@pytest.mark.parametrize("dialogs", [250, pytest.param(1250, marks=pytest.mark.assurance)])
def test_no_cross_hit_in_thousands_of_look_ups(shop: Shop, dialogs: int) -> None:
    """Two tenants with the same dialog ids and texts, two prompts, two models."""
    rng = random.Random(8)
    with db.as_service("test") as connection:
        other = tenants.add(connection, "Вторая", "vtoraya", "Asia/Almaty").tenant_id
        keys = [(f"d{n}", f"h{n}") for n in range(dialogs)]
        stored = {}
        for tenant in (shop.tenant_id, other):
            for prompt in ("p1", "p2"):
                for model in ("a", "b"):
                    for dialog, digest in rng.sample(keys, dialogs // 3):
                        mark = f"{tenant}|{prompt}|{model}|{dialog}"
                        stored[tenant, prompt, model, dialog] = mark
                        reading = StoredReading(dialog, digest, prompt, model, {"mark": mark})
                        readings.store(connection, tenant, reading)
        looked_up = 0
        for tenant in (shop.tenant_id, other):
            for prompt in ("p1", "p2"):
                for model in ("a", "b"):
                    found = readings.cached(connection, tenant, keys, prompt, model)
                    looked_up += len(keys)
                    wanted = {d: m for (t, p, o, d), m in stored.items() if (t, p, o) == (tenant, prompt, model)}
                    assert {d: r.reading["mark"] for d, r in found.items()} == wanted
        assert looked_up == 8 * dialogs
        # another text of the same dialog is another reading
        assert readings.cached(connection, other, [(d, "changed") for d, _ in keys], "p1", "a") == {}


def test_the_same_window_twice_is_the_same_report(busy: Shop, model: Model) -> None:
    ctx = busy.context_with_ai(model.base_url, model.api_key)
    first, second = report(ctx), report(ctx)
    assert first.numbers == second.numbers and first.body.stored()["numbers"] == second.body.stored()["numbers"]
    assert [a["dialog_id"] for a in first.body.stored()["actions"][:3]] == [
        a["dialog_id"] for a in second.body.stored()["actions"][:3]
    ]
    assert first.claims == second.claims
