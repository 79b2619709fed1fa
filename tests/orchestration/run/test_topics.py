"""A run reads by the topics of its company, and knows the lists that were before."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

from analysis.topics import pack
from orchestration.defs.assets.insight import context_of
from orchestration.run.state import RunState
from synkro.database import db
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants, topics


def test_a_run_takes_the_topics_of_its_company(database: str) -> None:
    with db.as_service("test") as connection:
        tenant, other = (tenants.add(connection, slug, slug, "Asia/Almaty") for slug in ("ours", "theirs"))
        config = runtime_config.start(connection, tenant.tenant_id, "Asia/Almaty")
        topics.save(connection, other.tenant_id, "windows", None, after=0)
    start = datetime(2026, 3, 2, 17, 1, tzinfo=UTC)
    run = queue.Run(
        tenant_id=tenant.tenant_id, run_id=uuid4(), mode="amocrm_radist", trigger_type="manual", report_type="daily",
        status="running", current_step="readings", window_start=start, window_end=start.replace(day=3), attempt=1, created_at=start,
    )  # fmt: skip
    worker = SimpleNamespace(
        run=run, tenant=tenant, config=config, state=RunState(), checkpoint=lambda: None, progress=lambda *_: None
    )

    context = context_of(worker)  # type: ignore[arg-type]
    assert (context.topics, context.earlier_topics) == (pack("core").catalogue, ())
    with db.as_service("test") as connection:
        topics.save(connection, tenant.tenant_id, "clinic", None, after=0)
    context = context_of(worker)  # type: ignore[arg-type]
    assert (context.topics, context.earlier_topics) == (pack("clinic").catalogue, (pack("core").catalogue,))
