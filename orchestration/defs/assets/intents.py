"""Between raw and the marts: whether each message of a client needs an answer, decided in Python and read by dbt.

Incremental: dialogs that changed, and all of them once for another version of the decision. The rules and weights are
``analysis/intents``; no key and no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dagster import AssetKey, MaterializeResult, asset

from orchestration.defs.resources import RunWorker
from orchestration.queue.partitions import tenant_days
from orchestration.run.worker import Worker
from synkro.connectors.connector import Capability
from synkro.connectors.registry import able
from synkro.database import db
from synkro.reporting import intents
from synkro.reporting.intents import Decided, RawMessage

KEY = AssetKey(["private", "message_intents"])
#: dialogs decided and written together
BATCH = 200
#: nobody types so fast: an answer of ours that came so soon is a robot's (docs/metrics.md)
INSTANT = timedelta(seconds=3)
_RAW = [AssetKey([f"raw_{source}", name]) for source in able(Capability.DIALOGS) for name in ("messages", "chats")]


def build() -> Any:
    @asset(
        key=KEY,
        deps=_RAW,
        kinds={"python"},
        partitions_def=tenant_days(),
        pool="marts",
        owners=["team:data"],
        group_name="intermediate",
    )
    def message_intents(run_worker: RunWorker) -> MaterializeResult:
        """Ждёт ли сообщение клиента ответа, почему и насколько это верно."""
        if run_worker.is_joined:
            return next(run_worker.said([KEY]))
        worker = run_worker.worker
        with worker.step("intents", "Решаем, кому нужен ответ"):
            dialogs, decided = decide(worker)
        return MaterializeResult(metadata={"dialogs": dialogs, "dagster/row_count": decided})

    return message_intents


def decide(worker: Worker) -> tuple[int, int]:
    """Decide what waits; returns how many dialogs were looked at and how many messages were decided."""
    from analysis.intents import VERSION

    tenant_id = worker.run.tenant_id
    with db.as_service("intents") as connection:
        waiting = intents.waiting(connection, tenant_id, VERSION)
    count = 0
    for start in range(0, len(waiting), BATCH):
        worker.checkpoint()
        worker.progress("intents", start, len(waiting))
        batch = [dialog_id for dialog_id in waiting[start : start + BATCH] if dialog_id.isdigit()]
        with db.as_service("intents") as connection:
            found = intents.messages(connection, tenant_id, batch)
            hashes = {dialog_id: whole for dialog_id, (whole, _) in found.items()}
            same = intents.unchanged(connection, tenant_id, VERSION, hashes)
        made = {dialog_id: decided_of(said) for dialog_id, (_, said) in found.items() if dialog_id not in same}
        with db.as_service("intents") as connection:
            intents.save(connection, tenant_id, VERSION, {one: hashes[one] for one in made}, made)
        count += sum(len(one) for one in made.values())
    return len(waiting), count


def decided_of(messages: Sequence[RawMessage]) -> list[Decided]:
    """One decision a message of the client."""
    from analysis.intents import Said, decide
    from analysis.intents.talk import media_kind

    talk: list[Said] = []
    heard_at = None
    for message in messages:
        is_client = message.direction == "inbound"
        is_instant = not is_client and heard_at is not None and message.sent_at - heard_at <= INSTANT
        who = "client" if is_client else "bot" if message.is_bot or is_instant else "manager"
        is_light = message.message_type in ("sticker", "reaction", "location", "contact")
        media = (media_kind(message.message_type),) if message.has_media or is_light else ()
        talk.append(Said(who, message.body, message.sent_at, media))
        heard_at = message.sent_at if is_client else heard_at
    return [
        Decided(message.message_id, intent.needs_reply, intent.reason, round(intent.confidence, 3))
        for message, intent in zip(messages, decide(talk), strict=True)
        if intent is not None
    ]
