"""Values and rows: pure rules, tables of cases."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.amocrm import mapping as amocrm
from ingestion.extract.rows import NOTES, REASONS, Rejected, RowStats, identifier, integer, iso, payload, seconds, word
from ingestion.radist import mapping as radist
from synkro.runs.watermarks import StreamLoad

NOW = datetime(2026, 2, 10, 12, 0, tzinfo=UTC)
AMOCRM = amocrm.Mapper(str(uuid4()), NOW)
RADIST = radist.Mapper(str(uuid4()), NOW)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-10T09:15:30Z", datetime(2026, 2, 10, 9, 15, 30, tzinfo=UTC)),
        ("2026-02-10T09:15:30.120000Z", datetime(2026, 2, 10, 9, 15, 30, 120000, tzinfo=UTC)),
        ("2026-02-10T09:15:30.12", datetime(2026, 2, 10, 9, 15, 30, 120000, tzinfo=UTC)),
        ("2026-02-10T09:15:30.000100", datetime(2026, 2, 10, 9, 15, 30, 100, tzinfo=UTC)),
        ("2026-02-10T14:15:30+05:00", datetime(2026, 2, 10, 9, 15, 30, tzinfo=UTC)),
        ("2026-02-10 14:15:30.5+0500", datetime(2026, 2, 10, 9, 15, 30, 500000, tzinfo=UTC)),
        ("2026-02-10T09:15:30.123456789Z", datetime(2026, 2, 10, 9, 15, 30, 123456, tzinfo=UTC)),
        (None, None),
        ("", None),
    ],
)
def test_a_time_of_radist(text: str | None, moment: datetime | None) -> None:
    assert iso(text) == moment


@pytest.mark.parametrize("text", ["вчера", "2026-13-40T00:00:00Z", 1_760_000_000, {}, "0001-01-01T00:00:00+14:00"])
def test_a_time_of_radist_that_cannot_be_read(text: Any) -> None:
    with pytest.raises(Rejected, match="bad_time"):
        iso(text)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1_760_000_000, datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)),
        ("1760000000", datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)),
        (0, None),
        (None, None),
        (False, None),
    ],
)
def test_a_time_of_amocrm(value: Any, moment: datetime | None) -> None:
    assert seconds(value) == moment


@pytest.mark.parametrize("value", ["скоро", 10**20, [], "12.5.2026"])
def test_a_time_of_amocrm_that_cannot_be_read(value: Any) -> None:
    with pytest.raises(Rejected, match="bad_time"):
        seconds(value)


@pytest.mark.parametrize(("value", "number"), [(7, 7), ("7", 7), (-7, -7)])
def test_a_number(value: Any, number: int) -> None:
    assert integer(value) == number


@pytest.mark.parametrize("value", [None, "", True, 1.5, "7a", 2**63, {"id": 7}])
def test_no_number(value: Any) -> None:
    with pytest.raises(Rejected):
        integer(value)


@pytest.mark.parametrize("value", [None, "", {}, [], True, "x" * 201, "a\x00b"])
def test_no_identifier(value: Any) -> None:
    with pytest.raises(Rejected):
        identifier(value)


def test_words_of_an_open_vocabulary() -> None:
    assert [word(v) for v in ("WhatsApp ", None, "", 5, "a\x00b")] == [
        "whatsapp",
        "unknown",
        "unknown",
        "unknown",
        "ab",
    ]


def test_a_payload_loses_what_jsonb_refuses() -> None:
    dirty = {"a\x00": ["\x00", "\ud800", {"big": 2**80, "ok": True}], "literal": "\\u0000"}
    assert payload(dirty) == ({"a": ["", "\ufffd", {"big": str(2**80), "ok": True}], "literal": "\\u0000"}, True)
    clean = {"text": "🙂 \\u0000"}
    assert payload(clean) == (clean, False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
        max_leaves=20,
    )
)
def test_any_payload_can_be_written(value: Any) -> None:
    cleaned, _ = payload({"value": value})
    text = json.dumps(cleaned, ensure_ascii=False)
    assert "\x00" not in text and text.encode()


def test_a_row_of_the_future_is_refused() -> None:
    ahead = int((NOW + timedelta(days=2)).timestamp())
    for make, item in (
        (AMOCRM.lead, {"id": 1, "updated_at": ahead}),
        (AMOCRM.event, {"id": "1", "type": "lead_added", "created_at": ahead}),
        (lambda i: RADIST.message(1, 2, i), {"message_id": "1", "created_at": "2100-01-01T00:00:00Z"}),
    ):
        with pytest.raises(Rejected, match="future"):
            make(item)
    assert AMOCRM.lead({"id": 1, "updated_at": int((NOW + timedelta(hours=3)).timestamp())})


def test_phones_of_a_contact() -> None:
    values = [{"value": "+7 (700) 000-00-01"}, {"value": "8 700 000 00 02, 87000000001"}, {"value": None}, 5]
    fields = [
        {"field_code": "PHONE", "values": values},
        {"field_code": "EMAIL", "values": [{"value": "a@b.kz"}]},
        {"field_code": "PHONE", "values": None},
        None,
    ]
    assert amocrm.phones_of({"custom_fields_values": fields}) == ["+77000000001", "+77000000002"]
    assert amocrm.phones_of({"custom_fields_values": None}) == []


@pytest.mark.parametrize("embedded", [None, [], {}, {"contacts": None}, {"contacts": [None, {"id": None}]}])
def test_a_deal_without_contacts(embedded: Any) -> None:
    assert amocrm.contacts_of({"_embedded": embedded}) == []


@pytest.mark.parametrize(
    ("chat", "phone"),
    [
        ({"phone": "8 700 000 00 01", "source_chat_id": "x"}, "+77000000001"),
        ({"phone": "", "source_chat_id": "77000000001@c.us"}, "+77000000001"),
        ({"phone": None, "source_chat_id": "77000000001:3@s.whatsapp.net"}, "+77000000001"),
        ({"source_chat_id": "77000000001"}, None),
        ({"source_chat_id": "123456789012345@lid"}, None),
        ({"source_chat_id": "120363000000000001@g.us", "phone": "77000000001"}, None),
        ({"phone": "77000000001", "is_group": True}, None),
        ({}, None),
    ],
)
def test_the_phone_of_a_dialog(chat: dict[str, Any], phone: str | None) -> None:
    assert radist.phone_of(chat) == phone


def test_a_dialog_carries_its_contact() -> None:
    contact = {
        "contact_id": 8,
        "contact_name": "А",
        "unanswered_count": 9,
        "chats": [{"chat_id": 7, "unanswered_count": 1}],
    }
    (chat,) = radist.chats_of(contact)
    row = RADIST.chat({**chat, "last_chat_updated_at": "вчера"})
    assert (row["id"], row["contact_id"], row["updated_at"]) == (7, 8, None)
    assert row["payload"]["contact_name"] == "А" and row["payload"]["unanswered_count"] == 1
    assert radist.chats_of({"chats": None}) == [] and radist.chats_of("x") == ["x"]


def test_a_source_loses_its_tokens() -> None:
    item = {"connection_id": 5, "type": "WABA", "params": {"radist_token": "t"}, "access_token": "t", "name": "Отдел"}
    row = RADIST.source(item)
    assert row["payload"] == {"connection_id": 5, "type": "WABA", "name": "Отдел"} and row["type"] == "waba"


def test_a_message_of_another_dialog_is_refused() -> None:
    with pytest.raises(Rejected, match="other_chat"):
        RADIST.message(1, 2, {"message_id": "m", "chat_id": 9, "created_at": "2026-02-10T09:15:30Z"})


def test_the_tally_adds_up() -> None:
    row_stats = RowStats(StreamLoad("amocrm", "leads"))
    rows = row_stats.keep(
        [{"id": 1}, {"id": 1}, {"id": None}, "x", {"id": 2, "name": "\x00"}], AMOCRM.lead, lambda r: r["id"]
    )
    assert [row["id"] for row in rows] == [1, 2]
    assert (row_stats.load.seen, row_stats.load.rejected, row_stats.kept) == (4, 2, 2)
    assert row_stats.load.reasons == {"repeated": 1, "no_id": 1, "not_object": 1, "cleaned": 1}
    assert set(row_stats.load.reasons) <= REASONS.keys() | NOTES.keys()
