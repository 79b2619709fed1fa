"""Partitions: tenant (dynamic, its slug) × business day (its label)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from dagster import (
    DailyPartitionsDefinition,
    DynamicPartitionsDefinition,
    MultiPartitionKey,
    MultiPartitionsDefinition,
)

from synkro.core import clock

#: days kept as partitions: the page of an asset grows with tenants × days
DAYS = 400

TENANTS = "tenants"

#: tags of a run
TENANT_TAG = "tenant"
RUN_TAG = "synkro/run_id"


def tenant_days() -> MultiPartitionsDefinition:
    """The two dimensions; the window rolls, so that the number of keys stays what the UI can show."""
    now = clock.now()
    start = now - timedelta(days=DAYS)
    # Dagster ends the dimension by the real day
    ahead = (now.date() - (now - clock.offset()).date()).days
    return MultiPartitionsDefinition(
        {
            "tenant": DynamicPartitionsDefinition(name=TENANTS),
            # a business day closes before its UTC midnight east of Greenwich: the day under way is offered too
            "day": DailyPartitionsDefinition(start_date=start.strftime("%Y-%m-%d"), end_offset=1 + ahead),
        }
    )


def key_of(slug: str, label: date) -> MultiPartitionKey:
    return MultiPartitionKey({"tenant": slug, "day": label.isoformat()})


def read_key(tags: Mapping[str, str]) -> tuple[str, date] | None:
    """``(slug, label)`` from a run's tags, whichever launcher wrote them; ``None`` for an unpartitioned run.

    A sensor's run carries the two dimensions; a backfill's only the joined key or the ends of its range.
    """
    slug, day = tags.get("dagster/partition/tenant"), tags.get("dagster/partition/day")
    if slug and day:
        return slug, date.fromisoformat(day)
    joined = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_start")
    if joined and "|" in joined:
        # dimensions are joined in the order of their names: "day" before "tenant"
        day, _, slug = joined.partition("|")
        return slug, date.fromisoformat(day)
    return None
