"""Who is who: clients out of phones, dialogs and the left-out ones, deals and who was responsible for them when."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.transforms.oracle.raw import Company, Row

#: a phone of more contacts, or a contact of more phones, is a switchboard and connects nobody
CROWD = 10
#: a deal often appears minutes after the message that made it
SOON = timedelta(hours=1)
WON, LOST = 142, 143
#: ids of WhatsApp that are a phone; the 15 digits before @lid are not
_PHONE_ID = re.compile(r"(\d{11,12})@(?:c\.us|s\.whatsapp\.net)")


@dataclass
class Dialog:
    dialog_id: str
    client_id: str
    channel: str
    connection_id: int | None
    contact_name: str | None
    #: group or internal: counted apart and nowhere else
    left_out: str | None

    @property
    def is_left_out(self) -> bool:
        return self.left_out is not None


@dataclass
class Deal:
    deal_id: str
    client_id: str | None
    name: str | None
    pipeline_id: int
    status_id: int
    price: Decimal | None
    responsible_id: str | None
    loss_reason_id: int | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    is_deleted: bool
    #: its pipeline counts in the metrics of sales
    is_sales: bool
    #: (moment, before, after)
    owners: list[tuple[datetime, str | None, str | None]] = field(default_factory=list)

    @property
    def stage_kind(self) -> str:
        return {WON: "won", LOST: "lost"}.get(self.status_id, "open")

    @property
    def closed_at(self) -> datetime | None:
        return None if self.stage_kind == "open" else self.ended_at or self.updated_at

    def was_open(self, moment: datetime) -> bool:
        return self.created_at <= moment and (self.closed_at is None or self.closed_at > moment)

    def owner(self, moment: datetime) -> str | None:
        """Who was responsible then: what the next change says was before it, or who is responsible now."""
        for changed_at, before, _ in self.owners:
            if changed_at > moment:
                return before
        return self.responsible_id


class People:
    def __init__(self, company: Company) -> None:
        self.company = company
        self.excluded = set(company.settings.excluded_phones)
        gone = _gone(company)
        self._client_of_phone = self._components()
        self.contacts = {row["id"]: row for row in company.contacts if not gone("contact", row)}
        self.client_of_contact = {id: self._client_of(row) for id, row in self.contacts.items()}
        self.dialogs = {row["id"]: self._dialog(row) for row in company.chats}
        self.deals = {row["id"]: self._deal(row, gone("lead", row)) for row in company.leads}
        self._log_owners()
        self.deals_of: dict[str, list[Deal]] = defaultdict(list)
        for deal in self.deals.values():
            if deal.client_id is not None and not deal.is_deleted:
                self.deals_of[deal.client_id].append(deal)

    def client_of_phone(self, phone: str) -> str:
        return self._client_of_phone.get(phone, phone)

    def responsible(self, client_id: str, moment: datetime) -> str | None:
        """The owner, then, of the deal that was open (one made within the hour counts), else of the one made nearest."""
        owned = [deal for deal in self.deals_of[client_id] if deal.owner(moment)]
        best = min(
            owned,
            key=lambda deal: (
                not (deal.created_at <= moment + SOON and (deal.closed_at is None or deal.closed_at > moment)),
                abs(deal.created_at - moment),
                deal.deal_id,
            ),
            default=None,
        )
        return best.owner(moment) if best else None

    def deal_of(self, client_id: str) -> Deal | None:
        """The deal to show beside a dialog: the open one changed last, else the one changed last."""
        deals = self.deals_of[client_id]
        last_first = sorted(deals, key=lambda deal: deal.deal_id)
        last_first.sort(key=lambda deal: (deal.stage_kind == "open", deal.updated_at), reverse=True)
        return last_first[0] if last_first else None

    def _components(self) -> dict[str, str]:
        # contacts in the bin too: a client must not fall apart because somebody tidied up
        contacts = self.company.contacts
        crowd = Counter(phone for row in contacts for phone in set(_phones(row)))
        self._connects = {phone for phone, n in crowd.items() if n <= CROWD} - self.excluded
        parent = {phone: phone for phone in crowd}

        def root(phone: str) -> str:
            while parent[phone] != phone:
                phone = parent[phone]
            return phone

        for row in contacts:
            if len(set(_phones(row))) > CROWD:
                continue
            roots = sorted({root(phone) for phone in _phones(row) if phone in self._connects})
            for other in roots[1:]:
                parent[other] = roots[0]
        return {phone: root(phone) for phone in crowd}

    def _client_of(self, contact: Row) -> str | None:
        """The client of the contact's own phones; of a switchboard's where it has no other. Internal numbers are nobody."""
        phones = [phone for phone in _phones(contact) if phone not in self.excluded]
        good = [phone for phone in phones if phone in self._connects]
        return min((self.client_of_phone(phone) for phone in good or phones), default=None)

    def _dialog(self, chat: Row) -> Dialog:
        payload = chat["payload"]
        source_id = payload["source_chat_id"]
        kinds = {row["id"]: row["type"] for row in self.company.sources}
        # where the connection is gone, the messenger's own id still tells
        kind = kinds.get(chat["connection_id"], "whatsapp" if _PHONE_ID.fullmatch(source_id) else "other")
        channel = {"waba": "whatsapp", "telegram_bot": "telegram"}.get(kind, kind)
        is_group = payload.get("is_group") is True or source_id.endswith("@g.us")
        phone = None if is_group else phone_of(payload)
        return Dialog(
            dialog_id=str(chat["id"]),
            client_id=self.client_of_phone(phone) if phone else f"{channel}:{source_id}",
            channel=channel,
            connection_id=chat["connection_id"],
            contact_name=payload.get("contact_name") or payload.get("name"),
            left_out="group" if is_group else "internal" if phone in self.excluded else None,
        )

    def _is_of_sales(self, pipeline_id: int) -> bool:
        """Chosen in the settings; where nothing is chosen, whatever is not known to be in the archive."""
        if self.company.settings.sales_pipelines:
            return str(pipeline_id) in self.company.settings.sales_pipelines
        archived = {row["id"] for row in self.company.pipelines if row["payload"].get("is_archive")}
        return pipeline_id not in archived

    def _deal(self, row: Row, is_deleted: bool) -> Deal:
        payload = row["payload"]
        links = payload.get("_embedded", {}).get("contacts") or []
        main = next((link["id"] for link in links if link.get("is_main")), links[0]["id"] if links else None)
        ended = payload.get("closed_at")
        return Deal(
            deal_id=str(row["id"]),
            client_id=self.client_of_contact.get(main),
            name=payload["name"],
            pipeline_id=payload["pipeline_id"],
            status_id=payload["status_id"],
            price=None if payload.get("price") is None else Decimal(payload["price"]),
            responsible_id=person(payload.get("responsible_user_id")),
            loss_reason_id=payload.get("loss_reason_id"),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            ended_at=datetime.fromtimestamp(ended, UTC) if ended else None,
            is_deleted=is_deleted,
            is_sales=self._is_of_sales(payload["pipeline_id"]),
        )

    def _log_owners(self) -> None:
        for event in sorted(self.company.events, key=lambda event: (event["created_at"], event["id"])):
            if event["type"] == "entity_responsible_changed" and event["entity_type"] == "lead":
                deal = self.deals.get(event["entity_id"])
                sides = (
                    event["payload"][name][0]["responsible_user"]["id"] for name in ("value_before", "value_after")
                )
                if deal is not None:
                    deal.owners.append((event["created_at"], *map(person, sides)))


def phone_of(chat: dict[str, Any]) -> str | None:
    """The client's phone in E.164, from the chat or from a messenger's id that is one."""
    if chat.get("phone"):
        return str(chat["phone"])
    found = _PHONE_ID.fullmatch(chat["source_chat_id"])
    return f"+{found[1]}" if found else None


def person(id: Any) -> str | None:
    """An amoCRM user as text; 0 names nobody."""
    return str(id) if id else None


def _phones(contact: Row) -> list[str]:
    return list(contact["payload"].get("_synkro", {}).get("phones", []))


def _gone(company: Company) -> Any:
    stones = {(row["entity_type"], row["id"]): row["deleted_at"] for row in company.deleted}

    def gone(entity: str, row: Row) -> bool:
        """In the bin, unless changed after it was thrown there."""
        if (entity, row["id"]) not in stones:
            return False
        return not (row["updated_at"] and row["updated_at"] > stones[entity, row["id"]])

    return gone
