"""The three modes: deals with dialogs, dialogs alone, deals alone. Each is whole without the source it does not read."""

from __future__ import annotations

import pytest

from synkro import db, reports, runtime
from tests.town import open_town


@pytest.mark.parametrize("mode", ["radist_only", "amocrm_only"])
def test_a_mode_reads_its_source_and_is_complete_with_it(database: str, mode: str) -> None:
    with open_town("town", with_ai=False) as town:
        with db.as_service("test") as connection:
            runtime.change(connection, town.tenant_id, {"mode": mode})
        run = town.build()
        assert run.status == "success", (run.error, run.error_detail)
        with db.as_service("test") as connection:
            report = reports.current(connection, town.tenant_id)
        assert report is not None and report.is_complete
        silent = "amocrm" if mode == "radist_only" else "radist"
        assert town.journal(silent) == []
        assert town.journal("radist" if silent == "amocrm" else "amocrm")
        if mode == "radist_only":
            assert report.numbers["dialogs"] > 0 and report.numbers["deals"] == 0
        else:
            assert report.numbers["dialogs"] == 0
            assert report.numbers["deals_new"] is not None
            assert "Диалоги" not in report.telegram_text
