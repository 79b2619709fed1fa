"""Who wrote each message, and whether it needs an answer."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.transforms.oracle.people import People, person
from tests.transforms.oracle.raw import Company, Row

INSTANT = timedelta(seconds=3)
BROADCAST_DIALOGS, BROADCAST_SPAN = 5, timedelta(minutes=10)
AUTHOR_SPAN = timedelta(seconds=10)
SYSTEM_TYPES = {"system", "service", "call_log"}
MEDIA = ("image", "file", "video", "audio", "voice")
THANKS = {"спасибо", "благодарю", "рахмет", "ок", "окей", "ok", "хорошо", "понятно", "договорились", "thanks"}
FILLERS = {"вам", "большое", "огромное", "ну", "очень", "тогда"}


@dataclass
class Message:
    message_id: str
    dialog_id: str
    client_id: str
    channel: str
    sent_at: datetime
    direction: str
    type: str
    body: str | None
    has_media: bool
    flagged: bool
    sender: str | None
    kind: str = ""
    bot_sign: str | None = None
    author_id: str | None = None
    author_source: str = "none"
    needs_reply: bool = False
    session_id: str = ""
    #: what amoCRM's event says, if there is one
    event_author: str | None = None

    @property
    def order(self) -> tuple[datetime, bytes, bytes]:
        return self.sent_at, self.message_id.encode(), self.dialog_id.encode()

    @property
    def key(self) -> str:
        return f"{self.dialog_id}:{self.message_id}"


def messages(company: Company, people: People) -> list[Message]:
    """Messages of the dialogs that are not left out, in order."""
    found = [_message(row, people) for row in company.messages if not people.dialogs[row["chat_id"]].is_left_out]
    found.sort(key=lambda message: message.order)
    outgoing = [message for message in found if message.direction == "outbound" and message.type not in SYSTEM_TYPES]
    _name_authors(outgoing, company, people)
    _find_bots(found, company)
    _credit(found, people)
    for said in by_client(found).values():
        we_wrote = False
        for message in said:
            message.needs_reply = message.kind == "client" and _needs_reply(message, we_wrote)
            we_wrote = we_wrote or message.kind in ("manager", "bot")
    return found


def by_client(found: Iterable[Message]) -> dict[str, list[Message]]:
    said: dict[str, list[Message]] = defaultdict(list)
    for message in found:
        said[message.client_id].append(message)
    return said


def _message(row: Row, people: People) -> Message:
    payload, dialog = row["payload"], people.dialogs[row["chat_id"]]
    texts = [
        (payload.get("text") or {}).get("text"),
        ((payload.get("waba_interactive") or {}).get("body") or {}).get("text"),
        (payload.get("waba_template") or {}).get("text"),
        *((payload.get(name) or {}).get("caption") for name in MEDIA),
    ]
    return Message(
        message_id=row["id"],
        dialog_id=dialog.dialog_id,
        client_id=dialog.client_id,
        channel=dialog.channel,
        sent_at=row["sent_at"],
        direction=row["direction"],
        type=row["message_type"],
        body=next((text.strip() for text in texts if text and text.strip()), None),
        has_media=any(isinstance(payload.get(name), dict) for name in MEDIA),
        flagged=payload.get("is_bot") is True,
        sender=payload.get("sender"),
    )


def _name_authors(outgoing: list[Message], company: Company, people: People) -> None:
    """Each event names one message of its client, each message takes one event: first those that are each other's
    nearest, then the nearest of what is left, until nothing is. Who has a partner is paired in order of time."""
    events: dict[str | None, list[Row]] = defaultdict(list)
    for event in sorted(company.events, key=lambda event: (event["created_at"], event["id"])):
        if event["type"] == "outgoing_chat_message":
            events[_client_of_event(event, people)].append(event)
    for client_id, said in by_client(outgoing).items():
        waiting = events[client_id]
        pairs = [
            (abs(event["created_at"] - message.sent_at), i, j)
            for i, message in enumerate(said)
            for j, event in enumerate(waiting)
            if abs(event["created_at"] - message.sent_at) <= AUTHOR_SPAN
        ]
        partners: list[tuple[int, int]] = []
        while pairs:
            nearest_event = {
                i: min((p[0], waiting[p[2]]["id"], p[2]) for p in pairs if p[1] == i)[2] for _, i, _ in pairs
            }
            nearest_message = {j: min((p[0], p[1]) for p in pairs if p[2] == j)[1] for _, _, j in pairs}
            partners += [(i, j) for i, j in nearest_event.items() if nearest_message[j] == i]
            taken, named = ({pair[side] for pair in partners} for side in (0, 1))
            pairs = [pair for pair in pairs if pair[1] not in taken and pair[2] not in named]
        for i, j in zip(*(sorted(side) for side in zip(*partners, strict=True)), strict=True):
            said[i].event_author = person(waiting[j]["payload"]["created_by"])


def _client_of_event(event: Row, people: People) -> str | None:
    linked = event["payload"].get("_embedded", {}).get("entity", {}).get("linked_talk_contact_id")
    if event["entity_type"] == "contact":
        linked = linked or event["entity_id"]
    deal = people.deals.get(event["entity_id"]) if event["entity_type"] == "lead" else None
    return people.client_of_contact.get(linked) or (deal.client_id if deal else None)


def _find_bots(found: list[Message], company: Company) -> None:
    known = {sender.lower() for sender in company.settings.bot_senders}
    users: dict[str, set[str]] = {
        str(row["id"]): {str(row["id"]), row["payload"]["name"].lower(), row["payload"]["email"].lower()}
        for row in company.users
    }
    crowds = _broadcasts(found)
    heard: dict[str, list[datetime]] = defaultdict(list)
    for message in found:
        if message.type in SYSTEM_TYPES:
            message.kind = "system"
            continue
        if message.direction == "inbound":
            message.kind = "client"
            heard[message.dialog_id].append(message.sent_at)
            continue
        names = {message.sender.lower()} if message.sender else set()
        if message.event_author:
            names |= users.get(message.event_author, {message.event_author})
        asked = heard[message.dialog_id]
        if message.flagged:
            sign = "flag"
        elif names & known:
            sign = "sender"
        elif message.type == "waba_template":
            sign = "template"
        elif message.key in crowds:
            sign = "broadcast"
        elif asked and message.sent_at - asked[-1] <= INSTANT and message.event_author is None:
            sign = "instant"
        else:
            message.kind = "manager"
            continue
        message.kind, message.bot_sign = "bot", sign


def _broadcasts(found: list[Message]) -> set[str]:
    """Outgoing messages that stand in some ten minutes in which their text went to five dialogs or more."""
    same: dict[str, list[Message]] = defaultdict(list)
    for message in found:
        if message.direction == "outbound" and message.type not in SYSTEM_TYPES and message.body:
            same[message.body].append(message)
    crowds: set[str] = set()
    for said in same.values():
        moments = [message.sent_at for message in said]
        for first in said:
            here = said[bisect_left(moments, first.sent_at) : bisect_right(moments, first.sent_at + BROADCAST_SPAN)]
            if len({message.dialog_id for message in here}) >= BROADCAST_DIALOGS:
                crowds |= {message.key for message in here}
    return crowds


def _credit(found: list[Message], people: People) -> None:
    for message in found:
        if message.kind != "manager":
            continue
        owner = people.responsible(message.client_id, message.sent_at)
        if message.event_author:
            message.author_id, message.author_source = message.event_author, "event"
        elif owner:
            message.author_id, message.author_source = owner, "deal"


def _needs_reply(message: Message, we_wrote: bool) -> bool:
    if message.type == "reaction":
        return False
    if not we_wrote:
        return True
    if message.type == "sticker":
        return False
    if message.has_media or not message.body or "?" in message.body:
        return True
    words = re.findall(r"\w+", message.body.lower())
    return bool(set(words) - THANKS - FILLERS) or bool(words and not set(words) & THANKS)


def excluded_dialogs(company: Company, people: People, start: datetime, end: datetime) -> int:
    """Left-out dialogs with a message in ``[start, end)``."""
    return len(
        {
            row["chat_id"]
            for row in company.messages
            if people.dialogs[row["chat_id"]].is_left_out and start <= row["sent_at"] < end
        }
    )
