"""From the outbox to the chat: at least once, a possible repeat marked, every refusal acted on."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable

import pytest

from delivery.sender import STOPPED_SECONDS, SendOutcome, backoff, send_due
from delivery.telegram.client import TelegramClient
from delivery.telegram.markup import LIMIT
from sandbox.vendors.telegram.text import utf16
from synkro.core.errors import Cancelled
from synkro.database import db
from synkro.reporting.delivery import outbox
from tests.delivery.conftest import Company, Telegram

MakeCompany = Callable[..., Company]


def replace_letter(company: Company, **payload: object) -> None:
    """Put other words into the letters that wait."""
    with db.as_service("test") as connection:
        for key, value in payload.items():
            connection.execute(
                "update synkro.outbox set payload = jsonb_set(payload, array[%s], to_jsonb(%s::text)) where tenant_id = %s",
                (key, value, company.tenant_id),
            )


# --- letters ------------------------------------------------------------------------------------------------


def test_one_letter_per_chat(make_company: MakeCompany) -> None:
    company = make_company("1", "-100")
    letters = company.rows(company.publish())
    assert [letter.destination for letter in letters] == ["1", "-100"]
    assert set(letters[0].payload) == {"text", "plain", "buttons", "parse_mode"}
    company.connect("1, -100, 1")
    assert [letter.destination for letter in company.rows(company.publish())] == ["1", "-100"]


def test_no_letters_without_telegram(make_company: MakeCompany) -> None:
    company = make_company("1")
    with db.as_service("test") as connection:
        connection.execute("update synkro.integration_configs set public_config = public_config - 'chat_id'")
    assert company.rows(company.publish()) == []
    company.connect("1")
    with db.as_service("test") as connection:
        connection.execute("update synkro.integration_configs set secret_hints = '{}'")
    assert company.rows(company.publish()) == []
    with db.as_service("test") as connection:
        connection.execute("delete from synkro.integration_configs")
    assert company.rows(company.publish()) == []


# --- sending ------------------------------------------------------------------------------------------------


def test_a_report_arrives_with_its_links(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish()
    assert send_due(tenant_id=company.tenant_id) == SendOutcome(sent=1)
    [message] = telegram.sent(chat)
    assert "Сделать сегодня" in message["text"] and "Повтор" not in message["text"]
    url = f"{company.site()}/reports/{report.report_id}"
    assert message["reply_markup"]["inline_keyboard"][0][0] == {"text": "Открыть отчёт", "url": url}
    assert any(entity.get("url", "").startswith(f"{company.site()}/dialogs/") for entity in message["entities"])
    assert company.report(report).status == "sent"
    assert company.integration().status == "ok"
    with db.as_service("test") as connection:
        found = outbox.report_of_message(connection, company.tenant_id, chat, str(message["message_id"]))
    assert found == report.report_id
    assert send_due(tenant_id=company.tenant_id) == SendOutcome()


def test_only_the_named_report_is_sent(make_company: MakeCompany, telegram: Telegram) -> None:
    company = make_company(telegram.chat())
    first, second = company.publish(), company.publish()
    assert send_due(report_id=second.report_id).sent == 1
    assert (company.row(first).status, company.row(second).status) == ("pending", "sent")


def test_one_message_a_second_in_a_chat(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    for _ in range(3):
        company.publish()
    assert send_due(tenant_id=company.tenant_id).sent == 3
    at = [message["at"] for message in telegram.sent(chat)]
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(at))


def test_a_group_takes_one_message_in_three_seconds(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat(kind="supergroup")
    company = make_company(chat)
    for _ in range(2):
        company.publish()
    assert send_due(tenant_id=company.tenant_id).sent == 2
    first, second = (message["at"] for message in telegram.sent(chat))
    assert second - first > 2.9


def test_a_text_too_long_for_one_message_is_sent_in_parts(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish()
    replace_letter(company, text="<b>" + "слово " * 1000 + "</b>")
    assert send_due(tenant_id=company.tenant_id).sent == 1
    parts = telegram.sent(chat)
    assert [utf16(part["text"]) <= LIMIT for part in parts] == [True, True]
    assert " ".join(part["text"] for part in parts).split() == ["слово"] * 1000
    assert "reply_markup" not in parts[0] and "reply_markup" in parts[1]
    assert company.row(report).provider_message_id == str(parts[0]["message_id"])


# --- a sender that dies -------------------------------------------------------------------------------------


def test_killed_before_the_claim_nothing_is_lost(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    company.publish()

    def stop() -> None:
        raise Cancelled("Остановлено")

    with pytest.raises(Cancelled):
        send_due(tenant_id=company.tenant_id, checkpoint=stop)
    assert send_due(tenant_id=company.tenant_id).sent == 1
    assert ["Повтор" in text for text in telegram.texts(chat)] == [False]


def test_killed_after_the_claim_it_is_sent_again_and_marked(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish()
    company.claim()
    assert send_due(tenant_id=company.tenant_id) == SendOutcome(), "the claim still holds"
    company.hurry()
    assert send_due(tenant_id=company.tenant_id).sent == 1
    [text] = telegram.texts(chat)
    assert text.startswith(f"Повтор: отчёт {str(report.report_id)[:8]} мог прийти раньше.")


def test_killed_after_the_answer_before_the_commit(
    make_company: MakeCompany, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(outbox, "mark_sent", die)
        send_due(tenant_id=company.tenant_id)
    company.hurry()
    assert send_due(tenant_id=company.tenant_id).sent == 1
    assert ["Повтор" in text for text in telegram.texts(chat)] == [False, True]
    assert str(report.report_id)[:8] in telegram.texts(chat)[1]
    assert send_due(tenant_id=company.tenant_id) == SendOutcome()


def test_a_lost_answer_makes_one_marked_copy(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish()
    telegram.fault("lost_answer")
    first = send_due(tenant_id=company.tenant_id)
    assert (first.sent, first.retried) == (0, 1) and first.errors
    assert len(telegram.sent(chat)) == 1, "a send whose answer was lost is not repeated at once"
    assert company.row(report).maybe_delivered
    company.hurry()
    assert send_due(tenant_id=company.tenant_id).sent == 1
    assert ["Повтор" in text for text in telegram.texts(chat)] == [False, True]


def test_stopped_while_waiting_for_its_turn_it_is_no_repeat(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    for _ in range(2):
        company.publish()
    calls = iter([None] * 4)

    def stop_later() -> None:
        if next(calls, "over") == "over":
            raise Cancelled("Остановлено")

    with pytest.raises(Cancelled):
        send_due(tenant_id=company.tenant_id, checkpoint=stop_later)
    company.hurry()
    send_due(tenant_id=company.tenant_id)
    assert ["Повтор" in text for text in telegram.texts(chat)] == [False, False]


def test_one_letter_is_claimed_whatever_the_plan(make_company: MakeCompany, telegram: Telegram) -> None:
    """A join that asks the subquery once a row took a second letter, which nobody sent before its claim ran out."""
    company = make_company(*(telegram.chat() for _ in range(3)))
    report = company.publish()
    with db.as_service("test") as connection:
        # as after a look of the statistics at an empty table: any order of a join costs the same
        for way in ("hashjoin", "mergejoin", "material", "indexscan", "bitmapscan", "indexonlyscan"):
            connection.execute(f"set local enable_{way} = off".encode())
        for cost in ("cpu_tuple", "cpu_operator", "cpu_index_tuple", "seq_page", "random_page"):
            connection.execute(f"set local {cost}_cost = 0".encode())
        assert outbox.claim(connection, tenant_id=company.tenant_id) is not None
    assert sorted(row.status for row in company.rows(report)) == ["pending", "pending", "sending"]


def test_two_senders_at_once_send_each_letter_once(make_company: MakeCompany, telegram: Telegram) -> None:
    chats = [telegram.chat() for _ in range(6)]
    company = make_company(*chats)
    company.publish()
    start = threading.Barrier(2)
    outcomes: list[SendOutcome] = []

    def send() -> None:
        start.wait()
        outcomes.append(send_due(tenant_id=company.tenant_id))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome.sent for outcome in outcomes) == 6
    assert [len(telegram.sent(chat)) for chat in chats] == [1] * 6


# --- the error table ----------------------------------------------------------------------------------------


def test_429_waits_as_long_as_it_was_told(make_company: MakeCompany, telegram: Telegram) -> None:
    chat, other = telegram.chat(), telegram.chat()
    company = make_company(chat, other)
    report = company.publish()
    telegram.fault("rate_limited_body", retry_after=300)
    outcome = send_due(tenant_id=company.tenant_id)
    assert (outcome.sent, outcome.retried) == (1, 1), "the other chat of the bot goes on"
    waiting = next(row for row in company.rows(report) if row.status == "pending")
    assert (waiting.next_attempt_at - waiting.created_at).total_seconds() > 295
    assert not waiting.maybe_delivered
    with db.as_service("test") as connection:
        connection.execute("update synkro.outbox set next_attempt_at = now() where status = 'pending'")
    assert send_due(tenant_id=company.tenant_id).retried == 1, "the block holds for every sender"
    company.hurry()
    assert send_due(tenant_id=company.tenant_id).sent == 1
    assert [text.startswith("Повтор") for c in (chat, other) for text in telegram.texts(c)] == [False, False]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("rate_limited_body", {"retry_after": 300}),
        ("gateway_errors", {"times": 1, "statuses": [502]}),
        ("server_error", {}),
        ("lost_answer", {}),
        ("wrong_shape", {}),
    ],
)
def test_no_letter_overtakes_one_that_waits_in_its_chat(
    make_company: MakeCompany, telegram: Telegram, kind: str, more: dict[str, object]
) -> None:
    """Whatever it waits for. The other chat goes on."""
    company = make_company(telegram.chat(), telegram.chat())
    first, second = company.publish(), company.publish()
    telegram.fault(kind, **more)
    outcome = send_due(tenant_id=company.tenant_id)
    assert (outcome.sent, outcome.retried) == (2, 2)
    assert telegram.requests("sendMessage") == 3, "the letter behind it was not even tried"
    [before] = [row for row in company.rows(first) if row.status == "pending"]
    [behind] = [row for row in company.rows(second) if row.status == "pending"]
    assert behind.destination == before.destination and not behind.maybe_delivered
    assert behind.next_attempt_at > before.next_attempt_at


def test_the_second_part_of_a_letter_waits_as_long_as_it_was_told(
    make_company: MakeCompany, telegram: Telegram
) -> None:
    """And the first part is with the reader: what is sent then is marked as a copy."""
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish()
    replace_letter(company, text="слово " * 1000)
    telegram.fault("rate_limited_body", retry_after=1800, after=1)
    outcome = send_due(tenant_id=company.tenant_id)
    assert (outcome.sent, outcome.retried) == (0, 1) and len(telegram.sent(chat)) == 1
    row = company.row(report)
    assert row.maybe_delivered and "реже" in f"{row.last_error}{outcome.errors}"
    assert (row.next_attempt_at - row.created_at).total_seconds() > 1790
    company.hurry()
    assert send_due(tenant_id=company.tenant_id).sent == 1
    assert ["Повтор" in text for text in telegram.texts(chat)] == [False, True, False]


def test_a_short_429_is_waited_for(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    company.publish()
    telegram.fault("rate_limited_header", retry_after=1)
    started = time.monotonic()
    assert send_due(tenant_id=company.tenant_id).sent == 1
    assert time.monotonic() - started > 1


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ("blocked", "заблокировал бота"),
        ("not_started", "ещё не писал боту"),
        ("deactivated", "аккаунт получателя удалён"),
        ("kicked", "бота нет в чате"),
        ("no_rights", "нет права писать"),
    ],
)
def test_a_chat_that_refuses_is_shown_with_its_cause(
    make_company: MakeCompany, telegram: Telegram, state: str, cause: str
) -> None:
    chat = telegram.chat(state, "private" if state in ("blocked", "not_started", "deactivated") else "supergroup")
    company = make_company(chat)
    report = company.publish()
    outcome = send_due(tenant_id=company.tenant_id)
    assert (outcome.sent, outcome.failed) == (0, 1)
    assert cause in outcome.errors[0]
    assert company.row(report).status == "failed"
    shown = company.integration()
    assert shown.status == "error" and cause in (shown.last_error or "") and chat in (shown.last_error or "")
    assert telegram.requests("sendMessage") == 1


def test_an_unknown_chat_does_not_hide_behind_one_that_works(make_company: MakeCompany, telegram: Telegram) -> None:
    good = telegram.chat()
    company = make_company("999999999", good)
    report = company.publish()
    outcome = send_due(tenant_id=company.tenant_id)
    assert (outcome.sent, outcome.failed) == (1, 1)
    assert "чат не найден" in (company.integration().last_error or "")
    assert company.report(report).status == "ready"
    telegram.call("POST", "/_chats", {"id": 999999999, "state": "ok"})
    company.publish()
    assert send_due(tenant_id=company.tenant_id).sent == 2
    assert company.integration().status == "ok", "the cause goes when the chat takes messages again"


def test_unreadable_markup_is_sent_as_plain_text(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    company.publish()
    replace_letter(company, text="<b>Отчёт</b> <table>1</table>", plain="Отчёт 1")
    assert send_due(tenant_id=company.tenant_id).sent == 1
    [message] = telegram.sent(chat)
    assert (message["text"], message["parse_mode"]) == ("Отчёт 1", None)
    assert "reply_markup" in message


def test_a_group_that_moved_is_followed(make_company: MakeCompany, telegram: Telegram) -> None:
    new, other = telegram.chat(kind="supergroup"), telegram.chat()
    old = telegram.chat(f"migrated:{new}", "group")
    company = make_company(old, other)
    report = company.publish()
    later = company.publish()
    assert send_due(report_id=report.report_id) == SendOutcome(sent=2)
    assert len(telegram.sent(new)) == 1
    shown = company.integration()
    assert shown.public["chat_id"] == [new, other] and shown.status == "ok"
    assert {row.destination for row in company.rows(later)} == {new, other}
    with db.as_service("test") as connection:
        message = str(telegram.sent(new)[0]["message_id"])
        assert outbox.report_of_message(connection, company.tenant_id, new, message) == report.report_id


def test_a_revoked_token_stops_the_bot_and_loses_nothing(make_company: MakeCompany, telegram: Telegram) -> None:
    chats = [telegram.chat() for _ in range(3)]
    company = make_company(*chats)
    report = company.publish()
    telegram.sandbox.faults["telegram"].add({"kind": "switch", "name": "revoked", "value": True})
    outcome = send_due(tenant_id=company.tenant_id)
    assert (outcome.sent, outcome.retried) == (0, 3)
    assert telegram.requests("sendMessage") == 1, "one refusal is enough for all chats of the bot"
    assert "не принимает токен" in (company.integration().last_error or "")
    assert all(row.status == "pending" and not row.maybe_delivered for row in company.rows(report))
    telegram.sandbox.faults["telegram"].clear()
    company.hurry()
    assert send_due(tenant_id=company.tenant_id).sent == 3
    assert company.integration().status == "ok"


def test_a_gateway_error_may_have_delivered(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    report = company.publish()
    telegram.fault("gateway_errors", times=1, statuses=[502])
    assert send_due(tenant_id=company.tenant_id).retried == 1
    assert company.row(report).maybe_delivered
    assert company.integration().status != "error", "nobody can act on a passing failure"


def test_an_unreachable_vendor_is_waited_for_in_order(make_company: MakeCompany, telegram: Telegram) -> None:
    company = make_company("610000")
    with db.as_service("test") as connection:
        connection.execute(
            'update synkro.integration_configs set public_config = public_config || \'{"base_url": "http://127.0.0.1:9"}\''
        )
    first, second = company.publish(), company.publish()
    outcome = send_due(tenant_id=company.tenant_id)
    assert (outcome.sent, outcome.retried) == (0, 2)
    rows = [company.row(report) for report in (first, second)]
    assert not any(row.maybe_delivered for row in rows)
    assert rows[0].next_attempt_at < rows[1].next_attempt_at
    # an hour without a network is survived
    assert sum(backoff(attempt) for attempt in range(1, outbox.MAX_ATTEMPTS)) > 3600


def test_an_answer_of_no_known_shape_may_have_delivered(make_company: MakeCompany, telegram: Telegram) -> None:
    company = make_company(telegram.chat())
    report = company.publish()
    telegram.fault("wrong_shape")
    send_due(tenant_id=company.tenant_id)
    assert company.row(report).maybe_delivered


def test_a_letter_nobody_can_send_fails_and_says_so(make_company: MakeCompany, telegram: Telegram) -> None:
    company = make_company(telegram.chat())
    report = company.publish()
    replace_letter(company, text=" ", plain=" ")
    assert send_due(tenant_id=company.tenant_id).failed == 1
    assert "message text is empty" in (company.row(report).last_error or "")


def test_a_missing_token_is_a_cause_a_person_can_mend(make_company: MakeCompany, telegram: Telegram) -> None:
    company = make_company(telegram.chat())
    report = company.publish()
    with db.as_service("test") as connection:
        connection.execute("delete from private.integration_secrets")
    outcome = send_due(tenant_id=company.tenant_id)
    assert outcome.retried == 1 and "сохраните токен" in outcome.errors[0]
    row = company.row(report)
    assert (row.next_attempt_at - row.created_at).total_seconds() > STOPPED_SECONDS - 10


def test_attempts_that_are_spent_are_shown(make_company: MakeCompany, telegram: Telegram) -> None:
    company = make_company(telegram.chat())
    report = company.publish()
    with db.as_service("test") as connection:
        connection.execute("update synkro.outbox set attempts = %s", (outbox.MAX_ATTEMPTS - 1,))
    telegram.fault("server_error")
    assert send_due(tenant_id=company.tenant_id).failed == 1
    assert company.row(report).status == "failed"
    assert company.integration().status == "error"


def test_the_token_is_in_no_line_and_no_row(
    make_company: MakeCompany, telegram: Telegram, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    company = make_company(telegram.chat("blocked"), telegram.chat())
    report = company.publish()
    telegram.fault("server_error", after=1)
    outcome = send_due(tenant_id=company.tenant_id)
    secret = telegram.token.partition(":")[2]
    rows = [row.last_error for row in company.rows(report)]
    # the sandbox is a server in this process: its access log is the vendor's own
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    assert ours and secret not in f"{ours}{outcome}{rows}{company.integration()}"
    with TelegramClient(telegram.token, telegram.base_url) as client:
        assert secret not in repr(vars(client))


def test_a_plain_letter_is_marked_in_plain(make_company: MakeCompany, telegram: Telegram) -> None:
    chat = telegram.chat()
    company = make_company(chat)
    company.publish()
    with db.as_service("test") as connection:
        connection.execute("""update synkro.outbox set maybe_delivered = true, payload = '{"text": "a < b"}'""")
    assert send_due(tenant_id=company.tenant_id).sent == 1
    assert telegram.texts(chat)[0].endswith("мог прийти раньше.\n\na < b")
