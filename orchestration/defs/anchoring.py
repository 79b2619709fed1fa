"""Hourly: the end of each chain of the audit log is noted outside the database (:mod:`synkro.tenancy.audit.anchors`)."""

from __future__ import annotations

from typing import Any

from dagster import DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from synkro.database import db
from synkro.tenancy.audit import anchors


def build() -> Any:
    @sensor(
        name="audit_anchors",
        minimum_interval_seconds=3600,
        default_status=DefaultSensorStatus.RUNNING,
        description="Концы цепочек журнала дописываются в файл вне базы",
    )
    def audit_anchors(context: SensorEvaluationContext) -> SkipReason:
        with db.as_service("audit anchors") as connection:
            added = anchors.write(connection, anchors.path())
        return SkipReason(f"отметок добавлено: {added}")

    return audit_anchors
