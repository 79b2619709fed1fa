"""amoCRM's rows as rows of ``raw_amocrm``: the keys and times beside the payload, and the payload as it came.

Pure: a vendor row goes in, a raw row comes out or :class:`ingestion.extract.rows.Rejected` says why not. Contacts get
``_synkro.phones``: every phone of every PHONE value in E.164.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestion.extract.rows import Rejected, Row, identifier, integer, integer_or_none, not_future, seconds, word
from synkro.core import phones

Item = dict[str, Any]


@dataclass(frozen=True)
class Mapper:
    """Makes raw rows of one tenant, seen at one moment."""

    tenant_id: str
    seen_at: datetime

    def _row(self, key: Row, payload: Item) -> Row:
        return {"tenant_id": self.tenant_id, **key, "payload": payload, "seen_at": self.seen_at}

    def dictionary(self, item: Item) -> Row:
        """Account, users, pipelines, loss reasons."""
        return self._row({"id": integer(item.get("id"))}, item)

    def _times(self, item: Item) -> Row:
        created, updated = seconds(item.get("created_at")), seconds(item.get("updated_at"))
        not_future(created, updated, now=self.seen_at)
        return {"created_at": created, "updated_at": updated}

    def lead(self, item: Item) -> Row:
        return self._row({"id": integer(item.get("id")), **self._times(item)}, item)

    def contact(self, item: Item) -> Row:
        return self.lead({**item, "_synkro": {"phones": phones_of(item)}})

    def stub(self, item: Item) -> Row:
        """A contact that deals name and amoCRM does not show: deleted, merged, or out of sight."""
        return self.lead({"id": item["id"], "_synkro": {"stub": True}})

    def event(self, item: Item) -> Row:
        created = seconds(item.get("created_at"))
        if created is None:
            raise Rejected("no_time")
        not_future(created, now=self.seen_at)
        return self._row(
            {
                "id": identifier(item.get("id")),
                "type": word(item.get("type")),
                "entity_type": word(item.get("entity_type")),
                "entity_id": integer_or_none(item.get("entity_id")),
                "created_at": created,
            },
            item,
        )

    def note(self, entity_type: str, item: Item) -> Row:
        return self._row(
            {
                "id": integer(item.get("id")),
                "entity_type": entity_type,
                "entity_id": integer_or_none(item.get("entity_id")),
                "note_type": word(item.get("note_type")),
                **self._times(item),
            },
            item,
        )

    def task(self, item: Item) -> Row:
        return self._row(
            {
                "id": integer(item.get("id")),
                "entity_type": item.get("entity_type") if isinstance(item.get("entity_type"), str) else None,
                "entity_id": integer_or_none(item.get("entity_id")),
                **self._times(item),
            },
            item,
        )

    def deleted(self, entity_type: str, item: Item) -> Row:
        """A row of the recycle bin."""
        moment = seconds(item.get("updated_at"))
        not_future(moment, now=self.seen_at)
        return self._row({"entity_type": entity_type, "id": integer(item.get("id")), "deleted_at": moment}, item)

    def deleted_by_event(self, item: Item) -> Row:
        """The row an event says was deleted: purged rows are in no list any more."""
        moment = seconds(item.get("created_at"))
        not_future(moment, now=self.seen_at)
        key = {"entity_type": word(item.get("entity_type")), "id": integer(item.get("entity_id"))}
        return self._row({**key, "deleted_at": moment}, item)


def phones_of(contact: Item) -> list[str]:
    """E.164 of every phone of a contact, in the order people typed them, each once."""
    fields = contact.get("custom_fields_values")
    found: dict[str, None] = {}
    for field in fields if isinstance(fields, list) else []:
        if isinstance(field, dict) and field.get("field_code") == "PHONE":
            values = field.get("values")
            for value in values if isinstance(values, list) else []:
                if isinstance(value, dict):
                    found |= dict.fromkeys(phones.extract(value.get("value")))
    return list(found)


def contacts_of(lead: Item) -> list[int]:
    """Ids of the contacts a deal names."""
    embedded = lead.get("_embedded")
    listed = embedded.get("contacts") if isinstance(embedded, dict) else None
    ids = (
        integer_or_none(item.get("id"))
        for item in (listed if isinstance(listed, list) else [])
        if isinstance(item, dict)
    )
    return [number for number in ids if number is not None]
