"""The pipelines of a company's deals as they were read last: what the setting of sales is chosen from."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from synkro.database import db


@dataclass(frozen=True)
class Pipeline:
    pipeline_id: str
    name: str
    is_archived: bool


def read(connection: db.Connection, tenant_id: UUID) -> list[Pipeline]:
    """In the order of the CRM (service entry point); none before the first read, nor before the marts' first deploy."""
    stands = connection.execute("select to_regclass('staging.stg_amocrm__stages') is not null as stands").fetchone()
    if not stands or not stands["stands"]:
        return []
    rows = connection.execute(
        "select pipeline_id::text as pipeline_id, coalesce(max(pipeline), '') as name, bool_or(is_archived) as is_archived"
        " from staging.stg_amocrm__stages where tenant_id = %s"
        " group by pipeline_id order by min(pipeline_sort) nulls last, pipeline_id",
        (tenant_id,),
    )
    return [Pipeline(**row) for row in rows]
