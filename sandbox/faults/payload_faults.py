"""A vendor's true answer, bent: what a fault of :mod:`sandbox.faults.catalogue` does to the query that is heard and to the records
of the page. How the answer then goes out is :mod:`sandbox.faults.transport_faults`'s.
"""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sandbox.faults.catalogue import Fault

#: filters by time, of amoCRM
_SPAN = re.compile(r"_at\]\[(from|to)\]$")
_TIME_KEYS = (
    "updated_at",
    "created_at",
    "closed_at",
    "last_chat_updated_at",
    "delivered_at",
    "read_at",
    "complete_till",
)


def query_of(fault: Fault, query: bytes) -> bytes | None:
    """What the vendor hears of the query; None: all of it."""
    pairs = parse_qsl(query.decode(), keep_blank_values=True)
    if fault.kind == "next_link_loop":
        pairs = [(k, v) for k, v in pairs if k != "until"]
    elif fault.kind == "clock_skew" and fault.params["records"]:
        back = timedelta(hours=-float(fault.params["hours"]))
        pairs = [(k, _moved(v, back) if k == "until" or _SPAN.search(k) else v) for k, v in pairs]
    else:
        return None
    return urlencode(pairs).encode()


def _moved(value: str, by: timedelta) -> str:
    """A moment of a filter, Unix seconds or ISO 8601, in the clock of the records."""
    if value.isdigit():
        return str(int(value) + int(by.total_seconds()))
    return (datetime.fromisoformat(value) + by).isoformat()


def rows(payload: Any) -> list[Any] | None:
    """The list of records inside any vendor's envelope, the very object, so that it can be changed in place."""
    if isinstance(payload, list):
        return payload
    if isinstance(payload, dict):
        for key in ("_embedded", "data", "items", "companies", "connections", "result"):
            inner = payload.get(key)
            if isinstance(inner, list):
                return inner
            if isinstance(inner, dict):
                return next((v for v in inner.values() if isinstance(v, list)), None)
    return None


def id_key(record: dict[str, Any]) -> str:
    """The key of a record: ``chat_id`` only where nothing narrower is there."""
    return next(
        (
            k
            for k in ("id", "message_id", "talk_id", "contact_id", "chat_id", "connection_id", "update_id")
            if k in record
        ),
        "id",
    )


def payload_of(fault: Fault, payload: Any, previous: list[Any]) -> Any:
    """The true answer as this fault bends it; ``previous``: the records of the page before."""
    kind, records = fault.kind, rows(payload)
    if kind == "next_link_loop":
        return _looped(fault, payload)
    if not records:
        return payload
    if kind == "empty_embedded":
        records.clear()
        if isinstance(payload, dict):
            payload.get("_links", {}).pop("next", None)
            if isinstance(payload.get("response_metadata"), dict):
                payload["response_metadata"]["next_cursor"] = None
    elif kind == "duplicate_in_page":
        records.append(records[0])
    elif kind == "same_id_two_pages" and previous:
        records.insert(0, previous[-1])
    elif kind == "unordered":
        random.Random(len(records)).shuffle(records)
    elif kind == "null_id":
        key = id_key(records[0])
        fault.state["harmed"] = records[0][key]
        for record in records if fault.params["every"] else records[:1]:
            record[key] = None
            if fault.params["drop"]:
                del record[key]
    elif kind == "clock_skew":
        for record in records:
            _shift(record, timedelta(hours=float(fault.params["hours"])))
    elif kind == "bad_time":
        records[0]["created_at"] = fault.params["value"]
    elif kind == "row_2100":
        # one and the same record however often it is served
        key = id_key(records[0])
        harmed = fault.state.setdefault("harmed", records[0][key])
        for record in records:
            if record.get(key) == harmed:
                _shift(record, timedelta(0), year=2100)
    return payload


def _looped(fault: Fault, payload: Any) -> Any:
    """amoCRM: ``next`` is this page itself. Radist: one cursor for ever (and ``until`` is not heard)."""
    if isinstance(payload, dict) and "_links" in payload:
        payload["_links"]["next"] = dict(payload["_links"]["self"])
    elif isinstance(payload, dict) and "response_metadata" in payload:
        meta = payload["response_metadata"] or {}
        cursor = fault.state.setdefault("cursor", meta.get("next_cursor"))
        payload["response_metadata"] = {**meta, "next_cursor": cursor}
    return payload


def _shift(record: Any, by: timedelta, year: int | None = None) -> None:
    """Move every known time of a record, in whatever spelling it is."""
    if not isinstance(record, dict):
        return
    for key, value in record.items():
        if key not in _TIME_KEYS or value is None:
            continue
        if isinstance(value, int):
            moment = datetime.fromtimestamp(value, UTC) + by
            record[key] = int((moment.replace(year=year, day=min(moment.day, 28)) if year else moment).timestamp())
        elif isinstance(value, str):
            moment = datetime.fromisoformat(re.sub("Z$", "+00:00", value)) + by
            record[key] = (moment.replace(year=year, day=min(moment.day, 28)) if year else moment).isoformat()
