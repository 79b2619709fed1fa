"""A company with something missing: fewer dialogs, or what an earlier read would have seen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random

from tests.transforms.oracle.raw import Company, Row


def without(whole: Company, chats: Collection[int]) -> Company:
    """The company without these dialogs; people, deals and windows stay."""
    return replace(
        whole,
        chats=[row for row in whole.chats if row["id"] not in chats],
        messages=[row for row in whole.messages if row["chat_id"] not in chats],
    )


def earlier(whole: Company, seed: int) -> Company:
    """What an earlier read would have seen: rows are missing, contacts lack a phone, deals stand elsewhere."""
    random = Random(seed)

    def some(rows: list[Row]) -> list[Row]:
        return [row for row in rows if random.random() < 0.8]

    def contact(row: Row) -> Row:
        phones = row["payload"]["_synkro"].get("phones", [])
        if len(phones) < 2 or random.random() < 0.5:
            return row
        return {**row, "payload": {**row["payload"], "_synkro": {"phones": phones[:-1]}}}

    def deal(row: Row) -> Row:
        if random.random() < 0.7:
            return row
        open_then = {"price": 7, "status_id": 1, "closed_at": None, "responsible_user_id": 72}
        return {**row, "payload": {**row["payload"], **open_then}}

    return replace(
        whole,
        messages=some(whole.messages),
        events=some(whole.events),
        notes=some(whole.notes),
        deleted=some(whole.deleted),
        contacts=[contact(row) for row in some(whole.contacts)],
        leads=[deal(row) for row in some(whole.leads)],
        users=whole.users[:-1],
        marks=whole.marks[: len(whole.marks) // 2],
        tasks=[task if random.random() < 0.7 else _open(task) for task in some(whole.tasks)],
    )


def _open(task: Row) -> Row:
    """The task before it was done."""
    return {**task, "updated_at": task["created_at"], "payload": {**task["payload"], "is_completed": False}}


def smallest(chats: list[int], fails: Callable[[list[int]], bool], tries: int) -> list[int]:
    """A small list of dialogs that still fails: halves, then quarters … are left out while it does."""
    size = len(chats) // 2
    while size and tries:
        for start in range(0, len(chats), size):
            rest = chats[:start] + chats[start + size :]
            tries -= 1
            if rest and fails(rest):
                chats = rest
                break
            if not tries:
                break
        else:
            size //= 2
    return chats
