"""Tasks of deals: whose, due when, and when they were done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.transforms.oracle.people import People, person
from tests.transforms.oracle.raw import Company, Row


def fct_tasks(company: Company, people: People) -> dict[tuple[Any, ...], Row]:
    """A task on anything but a deal is left out, and so is one in the bin that was not changed after it was thrown there."""
    stones = {row["id"]: row["deleted_at"] for row in company.deleted if row["entity_type"] == "task"}
    table = {}
    for task in company.tasks:
        if task["entity_type"] != "leads" or (task["id"] in stones and task["updated_at"] <= stones[task["id"]]):
            continue
        payload, deal = task["payload"], people.deals.get(task["entity_id"])
        table[str(task["id"]),] = {
            "deal_id": str(task["entity_id"]),
            "client_id": deal.client_id if deal else None,
            "responsible_id": person(payload["responsible_user_id"]),
            "text": payload["text"],
            "due_at": datetime.fromtimestamp(payload["complete_till"], UTC),
            "completed_at": done_at(company, task),
            "is_completed": payload["is_completed"],
        }
    return table


def done_at(company: Company, task: Row) -> datetime | None:
    """The last time the log says it was done; where the log says nothing, its last change."""
    if not task["payload"]["is_completed"]:
        return None
    logged = [
        event["created_at"]
        for event in company.events
        if event["type"] == "task_completed" and event["entity_id"] == task["id"]
    ]
    return max(logged, default=task["updated_at"])
