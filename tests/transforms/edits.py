"""What happens to a company's raw rows from one run to the next, each kind once: the steps of test_increment.py.

An edit takes the company and the dice and writes straight into raw or the settings, as a load or an administrator
would. The clock of the company is March 2026; nothing depends on today.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

from synkro.tenancy import runtime_config
from tests.transforms.conftest import CALENDAR, Company

Edit = Callable[["Company", Random], None]
#: chats 1..12 have the phone of the same number, contacts and deals 1..8 too
CHATS, CONTACTS, DEALS = range(1, 13), range(1, 9), range(1, 9)
DAYS = ("2026-03-02 ", "2026-03-03 ", "2026-03-04 ")
BROADCAST = "Скидка 20% до пятницы"


def phone(number: int) -> str:
    return f"+7700000{number:04}"


def found(company: Company, dice: Random) -> None:
    """The company as the first run finds it."""
    company.manager(7, "Вера")
    company.manager(8, "Борис")
    company.pipeline(5)
    company.put("raw_radist.sources", id=1, type="whatsapp_web", payload={})
    for number in CONTACTS:
        company.contact(number, phone(number))
        company.deal(number, number, manager=7 + number % 2, price=number * 1000)
    for number in CHATS:
        company.chat(number, phone(number))
        for day in DAYS[: 1 + number % 3]:
            hour = dice.randrange(10, 17)
            company.say(
                number, f"{day}{hour}:{dice.randrange(10, 50)}", "client", dice.choice(("Вопрос", "Цена?", "ок"))
            )
            if dice.random() < 0.7:
                by = dice.choice((None, 7, 8)) if number in CONTACTS else None
                said = company.say(number, f"{day}{hour}:55", "us", f"Ответ {number}", by=by, contact=number)
                if number % 3:
                    what = ("call", "document", "answer")[number % 3 - 1]
                    company.does(number, said, "promise", what, "2026-03-05 18:00")
    # one short of a broadcast
    for number in (1, 2, 3, 4):
        company.say(number, f"2026-03-03 18:0{number}", "us", BROADCAST)
    for day, following in zip(DAYS, (*DAYS[1:], "2026-03-05 "), strict=True):
        company.window(day + "06:00", following + "06:00", as_of="2026-03-04 19:00")


def _run(company: Company, statement: str, *values: Any) -> None:
    done = company.connection.execute(statement, (*values, company.tenant_id))
    assert done.rowcount > 0, statement


def a_new_message(c: Company, dice: Random) -> None:
    c.say(dice.choice(CHATS), "2026-03-04 18:30", "client", "Ещё вопрос?")


def an_answer_with_its_event(c: Company, dice: Random) -> None:
    number = dice.choice(CONTACTS)
    c.say(number, "2026-03-04 18:40", "us", "Сейчас узнаю", by=8, contact=number)


def a_late_message(c: Company, dice: Random) -> None:
    c.say(dice.choice(CHATS), f"2026-03-02 0{dice.randrange(6, 9)}:30", dice.choice(("client", "us")), "Пришло позже")


def a_late_event(c: Company, dice: Random) -> None:
    """The event comes a run after its message."""
    number = dice.choice(CONTACTS)
    c.say(number, "2026-03-03 12:00", "us", "Без автора")
    c.put(
        "raw_amocrm.events", id="late", type="outgoing_chat_message", entity_type="lead", entity_id=number,
        created_at=c.at("2026-03-03 12:00:03"), payload={"created_by": 7},
    )  # fmt: skip


def a_text_corrected(c: Company, dice: Random) -> None:
    _run(
        c,
        "update raw_radist.messages set payload = %s where id = (select min(id) from raw_radist.messages m"
        " where m.chat_id = %s and m.tenant_id = raw_radist.messages.tenant_id) and tenant_id = %s",
        json.dumps({"text": {"text": "спасибо"}}), dice.choice(CHATS),
    )  # fmt: skip


def messages_deleted(c: Company, dice: Random) -> None:
    _run(c, "delete from raw_radist.messages where chat_id = %s and tenant_id = %s", dice.choice(range(9, 13)))


def rows_come_again(c: Company, dice: Random) -> None:
    """The overlap of a load: nothing but the moment of reading changes."""
    for table in ("raw_radist.messages", "raw_radist.chats", "raw_amocrm.contacts", "raw_amocrm.leads"):
        _run(c, f"update {table} set seen_at = now(), _dlt_load_id = '2' where tenant_id = %s")


def a_second_phone(c: Company, dice: Random) -> None:
    """Two clients become one."""
    one, other = dice.sample(CONTACTS, 2)
    _phones(c, one, phone(one), phone(other))


def a_bridge_of_three(c: Company, dice: Random) -> None:
    number = dice.choice(CONTACTS)
    c.contact(50, phone(number), phone(9), phone(10), name="Семья")


def two_phones_of_seven(c: Company, dice: Random) -> None:
    _phones(c, 7, phone(7), phone(12))


def the_first_of_them_removed(c: Company, dice: Random) -> None:
    """The other phone did not change, its client does: it was named after the first."""
    _phones(c, 7, phone(12))


def a_phone_removed(c: Company, dice: Random) -> None:
    """Merged people part, or a client loses the CRM."""
    _phones(c, dice.choice(CONTACTS))


def a_crowded_phone(c: Company, dice: Random) -> None:
    """The eleventh contact of a number: it ceases to connect."""
    number = dice.choice(CONTACTS)
    _phones(c, number, phone(number), phone(11))
    for extra in range(60, 70):
        c.contact(extra, phone(11))


def _phones(c: Company, contact: int, *phones: str) -> None:
    payload = {"name": f"Контакт {contact}", "_synkro": {"phones": list(phones)}}
    _run(
        c, "update raw_amocrm.contacts set payload = %s where id = %s and tenant_id = %s", json.dumps(payload), contact
    )


def a_contact_deleted(c: Company, dice: Random) -> None:
    c.put("raw_amocrm.deleted", entity_type="contact", id=dice.choice(CONTACTS), deleted_at=c.at("2026-03-04 12:00"))


def a_new_chat(c: Company, dice: Random) -> None:
    """A second channel of a known phone, and somebody without one."""
    c.chat(20, phone(dice.choice(CHATS)), connection=2)
    c.say(20, "2026-03-04 17:00", "client", "Пишу сюда")
    c.chat(21, None)
    c.say(21, "2026-03-04 17:05", "client", "Здравствуйте")


def a_chat_changes_its_phone(c: Company, dice: Random) -> None:
    _run(
        c,
        "update raw_radist.chats set payload = jsonb_set(payload, '{_synkro,phone}', to_jsonb(%s::text))"
        " where id = %s and tenant_id = %s",
        phone(dice.choice(CHATS)), dice.choice(CHATS),
    )  # fmt: skip


def a_chat_turns_out_a_group(c: Company, dice: Random) -> None:
    """One of the broadcast's dialogs may be among them."""
    _run(
        c,
        "update raw_radist.chats set payload = payload || '{\"is_group\": true}' where id = %s and tenant_id = %s",
        dice.choice((1, 2, 9)),
    )


def a_connection_changes_its_type(c: Company, dice: Random) -> None:
    _run(c, "update raw_radist.sources set type = 'telegram_bot' where tenant_id = %s")


def a_broadcast_completed(c: Company, dice: Random) -> None:
    """The fifth dialog makes robots' lines of the four before."""
    c.say(dice.randrange(5, 9), "2026-03-03 18:06", "us", BROADCAST)


def a_deal_moved(c: Company, dice: Random) -> None:
    number = dice.choice(DEALS)
    _run(
        c,
        "update raw_amocrm.leads set updated_at = %s, payload = payload || %s where id = %s and tenant_id = %s",
        c.at("2026-03-04 16:00"), json.dumps({"status_id": 142, "closed_at": c.at("2026-03-04 16:00").timestamp()}), number,
    )  # fmt: skip
    change = {"value_after": [{"lead_status": {"id": 142, "pipeline_id": 5}}], "created_by": 7}
    c.put(
        "raw_amocrm.events", id="moved", type="lead_status_changed", entity_type="lead", entity_id=number,
        created_at=c.at("2026-03-04 16:00"), payload=change,
    )  # fmt: skip


def a_deal_of_another_contact(c: Company, dice: Random) -> None:
    links = {"_embedded": {"contacts": [{"id": dice.choice(CONTACTS), "is_main": True}]}}
    _run(
        c, "update raw_amocrm.leads set payload = payload || %s where id = %s and tenant_id = %s",
        json.dumps(links), dice.choice(DEALS),
    )  # fmt: skip


def a_deal_before_its_contact(c: Company, dice: Random) -> None:
    c.deal(30, 31, manager=8, price=5000)
    c.chat(31, phone(31))
    c.say(31, "2026-03-04 15:00", "client", "Чья я сделка?")


def its_contact(c: Company, dice: Random) -> None:
    c.contact(31, phone(31))


def another_manager(c: Company, dice: Random) -> None:
    """Responsible changed in the past: who was to answer changes with it."""
    number = dice.choice(DEALS)
    before, after = [{"responsible_user": {"id": 9}}], [{"responsible_user": {"id": 7 + number % 2}}]
    c.put(
        "raw_amocrm.events", id="owner", type="entity_responsible_changed", entity_type="lead", entity_id=number,
        created_at=c.at("2026-03-03 20:00"), payload={"value_before": before, "value_after": after},
    )  # fmt: skip


def a_deal_deleted(c: Company, dice: Random) -> None:
    c.put("raw_amocrm.deleted", entity_type="lead", id=dice.choice(DEALS), deleted_at=c.at("2026-03-04 12:00"))


def a_call(c: Company, dice: Random) -> None:
    number = dice.choice(CONTACTS)
    c.call(number, number, "2026-03-04 18:45", 40, by=8)


def a_promise(c: Company, dice: Random) -> None:
    number = dice.choice(CHATS)
    said = c.say(number, "2026-03-04 18:20", "us", "Завтра пришлю договор")
    c.does(number, said, "promise", "document", "2026-03-05 18:00")
    c.does(number, c.say(number, "2026-03-04 18:21", "client", "Завтра оплачу"), "client_promise", "payment", "2026-03-05 18:00")


def a_file_of_ours(c: Company, dice: Random) -> None:
    """It keeps what was promised in any dialog of the client."""
    c.put("raw_radist.messages", chat_id=dice.choice(CHATS), id="file", connection_id=1, sent_at=c.at("2026-03-04 18:50"),
          message_type="file", direction="outbound", payload={"file": {"name": "Договор.pdf"}})  # fmt: skip


def a_task(c: Company, dice: Random) -> None:
    c.task(dice.randrange(100, 200), dice.choice(DEALS))


def a_task_done(c: Company, dice: Random) -> None:
    """The log says so later than the task."""
    number = dice.choice(DEALS)
    c.task(201, number, done="2026-03-04 12:00")
    c.put("raw_amocrm.events", id="done", type="task_completed", entity_type="task", entity_id=201,
          created_at=c.at("2026-03-04 11:00"))  # fmt: skip


def a_task_deleted(c: Company, dice: Random) -> None:
    c.task(202, dice.choice(DEALS))
    c.put("raw_amocrm.deleted", entity_type="task", id=202, deleted_at=c.at("2026-03-04 12:00"))


def a_task_of_another_deal(c: Company, dice: Random) -> None:
    c.task(203, dice.choice(DEALS))
    _run(c, "update raw_amocrm.tasks set entity_id = %s where id = 203 and tenant_id = %s", dice.choice(DEALS))


def a_day_passes(c: Company, dice: Random) -> None:
    """Deadlines run out, sessions end."""
    _look_at(c, "2026-03-05 20:00")


def a_week_passes(c: Company, dice: Random) -> None:
    """Open waits become abandoned ones; the calendar is expanded further."""
    _look_at(c, "2026-03-12 12:00")
    config = runtime_config.current(c.connection, c.tenant_id)
    runtime_config.fill_working_intervals(c.connection, c.tenant_id, config, date(2025, 12, 20), date(2026, 6, 8))


def the_watermark_goes_back(c: Company, dice: Random) -> None:
    _look_at(c, "2026-03-04 13:00")


def _look_at(c: Company, moment: str) -> None:
    _run(c, "update synkro.report_windows set as_of = %s where tenant_id = %s", c.at(moment))


def a_stage_renamed(c: Company, dice: Random) -> None:
    statuses = [{"id": 1, "name": "Первая встреча", "sort": 10}, {"id": 142, "name": "Оплачено", "sort": 10000}]
    payload = {"name": "Воронка", "sort": 1, "_embedded": {"statuses": statuses}}
    _run(c, "update raw_amocrm.pipelines set payload = %s where tenant_id = %s", json.dumps(payload))


def another_calendar(c: Company, dice: Random) -> None:
    weekly = CALENDAR["weekly"] | {"tue": [["12:00", "20:00"]]}
    c.configure(calendar={"weekly": weekly, "valid_from": "2026-03-03"})


def another_target(c: Company, dice: Random) -> None:
    c.configure(sla_target_minutes=45)


def an_excluded_phone(c: Company, dice: Random) -> None:
    c.configure(excluded_phones=[phone(dice.choice(CHATS))])


def a_known_robot(c: Company, dice: Random) -> None:
    c.configure(bot_senders=["Борис"])


def the_robot_renamed(c: Company, dice: Random) -> None:
    payload = {"name": dice.choice(("Борис", "Робот")), "email": "8@example.test"}
    _run(c, "update raw_amocrm.users set payload = %s where id = 8 and tenant_id = %s", json.dumps(payload))


#: told client by client
SMALL: tuple[Edit, ...] = (
    a_new_message, an_answer_with_its_event, a_late_message, a_late_event, a_text_corrected, messages_deleted,
    rows_come_again, a_second_phone, a_bridge_of_three, a_phone_removed, a_crowded_phone, a_contact_deleted, a_new_chat,
    a_chat_changes_its_phone, a_chat_turns_out_a_group, a_connection_changes_its_type, a_broadcast_completed,
    a_promise, a_file_of_ours, a_task, a_task_done, a_task_deleted, a_task_of_another_deal, a_deal_moved, a_deal_of_another_contact, another_manager, a_deal_deleted, a_call, a_day_passes, a_week_passes,
    the_watermark_goes_back, a_stage_renamed,
)  # fmt: skip
#: concerning everyone
LARGE: tuple[Edit, ...] = (another_calendar, another_target, an_excluded_phone, a_known_robot)
