"""Between raw and the marts: whether each message of a client needs an answer, and what each message does, decided in
Python and read by dbt.

Incremental: dialogs that changed, and all of them once for another version of the decisions or another working calendar, by
which promises fall due. The rules and weights are ``analysis/intents`` and ``analysis/rules``; no key and no network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dagster import AssetKey, AssetSpec, MaterializeResult, multi_asset

from orchestration.defs.resources import RunWorker
from orchestration.queue.partitions import tenant_days
from orchestration.run.worker import Worker
from synkro.connectors.connector import Capability
from synkro.connectors.registry import able
from synkro.database import db
from synkro.reporting import intents
from synkro.reporting.dialogs import Message
from synkro.reporting.intents import Act, Decided, RawMessage
from synkro.tenancy.runtime_config import RuntimeConfig

if TYPE_CHECKING:
    from analysis.rules.due import WorkingHours

INTENTS, ACTS = AssetKey(["private", "message_intents"]), AssetKey(["private", "message_acts"])
KEYS = (INTENTS, ACTS)
#: dialogs decided and written together
BATCH = 200
#: nobody types so fast: an answer of ours that came so soon is a robot's (docs/metrics.md)
INSTANT = timedelta(seconds=3)
_RAW = [AssetKey([f"raw_{source}", name]) for source in able(Capability.DIALOGS) for name in ("messages", "chats")]


def build() -> Any:
    @multi_asset(name="message_intents", specs=_specs(), can_subset=False, partitions_def=tenant_days(), pool="marts")
    def message_intents(run_worker: RunWorker) -> Iterator[MaterializeResult]:
        if run_worker.is_joined:
            yield from run_worker.said(KEYS)
            return
        worker = run_worker.worker
        with worker.step("intents", "Решаем, кому нужен ответ"):
            dialogs, decided, acts = decide(worker)
        yield MaterializeResult(asset_key=INTENTS, metadata={"dialogs": dialogs, "dagster/row_count": decided})
        yield MaterializeResult(asset_key=ACTS, metadata={"dialogs": dialogs, "dagster/row_count": acts})

    return message_intents


def _specs() -> list[AssetSpec]:
    about = {
        INTENTS: "Ждёт ли сообщение клиента ответа, почему и насколько это верно.",
        ACTS: "Что делает сообщение: обещает и к какому сроку, называет цену, жалуется, сообщает об оплате, просит продать, отказывается.",
    }
    return [
        AssetSpec(
            key, deps=_RAW, kinds={"python"}, owners=["team:data"], group_name="intermediate", description=description
        )
        for key, description in about.items()
    ]


def version(config: RuntimeConfig) -> str:
    """What the decisions of a dialog depend on beside its messages."""
    from analysis import intents as deciding
    from analysis.rules import acts

    calendar = hashlib.md5(json.dumps(config.calendar, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
    return f"{deciding.VERSION} {acts.VERSION} {config.timezone} {calendar[:8]}"


def decide(worker: Worker) -> tuple[int, int, int]:
    """Decide what waits; returns how many dialogs were looked at, messages decided and acts found."""
    from analysis.rules.due import WorkingHours
    from synkro.core import calendar

    tenant_id, config = worker.run.tenant_id, worker.config
    wanted, hours = version(config), WorkingHours(calendar.parse(config.calendar), config.timezone)
    with db.as_service("intents") as connection:
        waiting = intents.waiting(connection, tenant_id, wanted)
    count = found_acts = 0
    for start in range(0, len(waiting), BATCH):
        worker.checkpoint()
        worker.progress("intents", start, len(waiting))
        batch = [dialog_id for dialog_id in waiting[start : start + BATCH] if dialog_id.isdigit()]
        with db.as_service("intents") as connection:
            found = intents.messages(connection, tenant_id, batch)
            hashes = {dialog_id: whole for dialog_id, (whole, _) in found.items()}
            same = intents.unchanged(connection, tenant_id, wanted, hashes)
        made = {one: decided_of(said, hours) for one, (_, said) in found.items() if one not in same}
        decided = {one: both[0] for one, both in made.items()}
        acts = {one: both[1] for one, both in made.items()}
        with db.as_service("intents") as connection:
            intents.save(connection, tenant_id, wanted, {one: hashes[one] for one in made}, decided, acts)
        count += sum(len(one) for one in decided.values())
        found_acts += sum(len(one) for one in acts.values())
    return len(waiting), count, found_acts


def decided_of(messages: Sequence[RawMessage], hours: WorkingHours) -> tuple[list[Decided], list[Act]]:
    """One decision a message of the client, and what the messages of both sides do."""
    from analysis.intents import Said, decide
    from analysis.intents.talk import media_kind
    from analysis.rules import acts

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
    found = decide(talk)
    lines = [
        Message(
            *(message.message_id, "", said.who, message.direction, message.sent_at, message.body, message.has_media),
            *(None, None, None),
            needs_reply=intent is not None and intent.needs_reply,
        )
        for message, said, intent in zip(messages, talk, found, strict=True)
    ]
    done = acts.of(lines, found, talk, hours, [message.file_name for message in messages])
    return (
        [
            Decided(message.message_id, intent.needs_reply, intent.reason, round(intent.confidence, 3))
            for message, intent in zip(messages, found, strict=True)
            if intent is not None
        ],
        [Act(one.message_id, one.act, one.what, one.due_at) for one in done],
    )
