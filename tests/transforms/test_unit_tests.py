"""dbt's own unit tests: the worked cases of metrics.md, and the rules around them."""

from __future__ import annotations

from pathlib import Path

from orchestration import dbt
from synkro.settings import settings

WORKED_CASES = {"01", "02", "03", "04", "07", "08", "09", "10", "11", "14"}


def test_every_unit_test_of_the_project_passes(marts_db: str, work: Path) -> None:
    results = dbt.unit_test(marts_db, settings().data_dir, work)

    assert {result.unique_id: result.message for result in results if result.status != "pass"} == {}
    names = [result.unique_id.split(".")[-1] for result in results]
    assert {name[5:7] for name in names if name.startswith("case_")} >= WORKED_CASES
    assert len(names) >= 40
