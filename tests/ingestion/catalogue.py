"""The fault catalogue: every way a vendor is known to fail, what becomes of a read under it, and the streams it strikes.

How a fault looks on the wire is in :mod:`sandbox.faults.catalogue`; here stands what the product must make of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A fault, and what becomes of the read under it.

    ``ends``: rides (complete), refuses (an error, the mark stays), rejects (complete but for one row, counted).
    """

    fault: dict[str, Any]
    ends: str
    #: where it ends otherwise: {vendor or stream: ends}
    but: dict[str, str] = field(default_factory=dict)
    bounds: dict[str, Any] = field(default_factory=dict)
    #: needs a page before the one it strikes
    border: bool = False
    only: tuple[str, ...] = ("amocrm", "radist")

    def ends_at(self, stream: str, vendor: str) -> str:
        return self.but.get(stream, self.but.get(vendor, self.ends))


KINDS = {
    "429 with a header": Kind({"kind": "rate_limited_header", "retry_after": 0.1}, "rides"),
    "429 with a hint in the body": Kind({"kind": "rate_limited_body", "retry_after": 0.1}, "rides"),
    "429 in HTML": Kind({"kind": "rate_limited_html"}, "rides"),
    "429 storm": Kind({"kind": "rate_limit_storm", "seconds": 60, "retry_after": 0.1}, "refuses"),
    "403 block": Kind({"kind": "blocked_html"}, "refuses"),
    "401 in the middle": Kind({"kind": "unauthorized"}, "rides", but={"radist": "refuses"}),
    "401 after a refresh": Kind({"kind": "unauthorized_after_refresh"}, "refuses"),
    "500 once": Kind({"kind": "server_error"}, "rides"),
    "502 503 504": Kind({"kind": "gateway_errors", "times": 5}, "refuses"),
    "reset in the body": Kind({"kind": "reset_mid_body"}, "rides"),
    "Content-Length too long": Kind({"kind": "content_length_longer"}, "rides"),
    "cut JSON": Kind({"kind": "truncated_json"}, "rides"),
    "JSON of another shape": Kind({"kind": "wrong_shape"}, "refuses"),
    "HTML with 200": Kind({"kind": "html_200"}, "rides"),
    "204": Kind({"kind": "no_content"}, "rides"),
    "200 and nothing": Kind({"kind": "empty_body"}, "rides"),
    "empty list": Kind({"kind": "empty_embedded"}, "rides"),
    "a byte at a time": Kind({"kind": "slow_loris", "every": 0.2}, "refuses", bounds={"total": 1.0}),
    "ten times the page": Kind({"kind": "oversize_page"}, "rides"),
    "gzip bomb": Kind({"kind": "gzip_bomb", "megabytes": 8}, "refuses", bounds={"body_bytes": 1_000_000}),
    "a row twice on a page": Kind({"kind": "duplicate_in_page"}, "rides"),
    "a row on two pages": Kind({"kind": "same_id_two_pages"}, "rides", border=True),
    "an edit between pages": Kind({"kind": "page_drift"}, "rides", border=True),
    "a deletion between pages": Kind({"kind": "page_delete"}, "rides", border=True, only=("leads",)),
    "next leads back": Kind({"kind": "next_link_loop"}, "rides", but={"messages": "refuses", "chats": "refuses"}),
    "null id": Kind({"kind": "null_id"}, "rejects", but={"chats": "rides"}),
    "no id": Kind({"kind": "null_id", "drop": True}, "rejects", but={"chats": "rides"}),
    "a row of 2100": Kind({"kind": "row_2100"}, "rejects", but={"chats": "rides"}),
    "clock two hours ahead": Kind({"kind": "clock_skew", "hours": 2, "records": False}, "rides"),
    "clock two hours behind": Kind({"kind": "clock_skew", "hours": -2, "records": False}, "rides"),
}


@dataclass(frozen=True)
class Target:
    """A stream, and how its pages look in the request log. ``{busiest}``: the dialog with the most messages."""

    vendor: str
    stream: str
    path: str


TARGETS = {
    "leads": Target("amocrm", "leads", r"/leads\?(?!.*only_deleted)"),
    "contacts": Target("amocrm", "contacts", r"/contacts\?(?!.*only_deleted)"),
    "events": Target("amocrm", "events", r"/events\?.*lead_added"),
    "notes": Target("amocrm", "notes", r"/contacts/notes\?"),
    "tasks": Target("amocrm", "tasks", r"/tasks\?"),
    "deleted": Target("amocrm", "deleted", r"/leads\?.*only_deleted"),
    "chats": Target("radist", "chats", r"/with_contacts/"),
    "messages": Target("radist", "messages", r"/messages/\?chat_id={busiest}&"),
}
