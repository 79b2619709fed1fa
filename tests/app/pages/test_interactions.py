"""Pages as a person uses them: presses, what is said beside the field, rights taken away while a page is open."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from nicegui import ui
from nicegui.elements.upload_files import SmallFileUpload
from nicegui.testing import User

from app import formatting
from app.live import live
from app.texts import RU
from services.settings import chat_imports
from services.settings import configuration as settings_service
from synkro.accounts import sessions
from synkro.connectors import checks, integrations
from synkro.core import clock
from synkro.core.errors import SynkroError
from synkro.database import db
from synkro.reporting.delivery import telegram_chats
from synkro.runs import leases, queue
from synkro.tenancy import audit, runtime_config, topics
from tests.app.conftest import Site
from tests.app.fixtures import SECRET, World


async def until(check, seconds: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    """Wait for what a handler does off the loop."""
    for _ in range(int(seconds / 0.05)):
        if check():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


def element(person: User, mark: str) -> ui.element:
    return next(iter(person.find(marker=mark).elements))


def text_of(person: User, mark: str) -> str:
    return str(element(person, mark).text)  # type: ignore[attr-defined]


def is_drawn_anew(person: User, mark: str, before: ui.element) -> bool:
    """Whether the list that held ``before`` was drawn again: a press on what is about to go reaches nobody."""
    try:
        return element(person, mark) is not before
    except AssertionError:
        return False


def press(person: User, mark: str) -> None:
    person.find(marker=mark).trigger("click")


async def test_a_forced_window_is_refused_beside_the_field_and_then_queued(site: Site, world: World) -> None:
    person = await site.person("user")
    await person.open("/t/alpha/reports")
    element(person, "force-from").value = "2020-01-01T00:00"  # type: ignore[attr-defined]
    element(person, "force-to").value = "2020-01-01T10:00"  # type: ignore[attr-defined]
    press(person, "force-submit")
    await until(lambda: "слишком давно" in text_of(person, "force-from-error"))
    press(person, "day-0")
    press(person, "force-submit")
    await until(lambda: person.notify.contains(RU["force.queued"]))
    with db.as_service("test") as connection:
        found = [run for run in queue.active(connection, world.tenants["alpha"].tenant_id) if run.status == "pending"]
    assert len(found) == 1 and found[0].report_type == "daily" and found[0].window == world.window
    with db.as_service("test") as connection:
        connection.execute(
            "update synkro.job_runs set created_at = now() - interval '3 minutes' where run_id = %s", (found[0].run_id,)
        )
    await live.poll()
    await person.should_see(marker="not-picked")
    await person.should_see(RU["run.no_worker"])


async def test_the_running_job_is_shown_live_and_stopped(site: Site, world: World) -> None:
    person = await site.person("user")
    await person.open("/t/alpha/reports")
    await person.should_see("40 / 118 диалогов")
    run = world.runs["running"]
    with db.as_service("test") as connection:
        leases.step(connection, run, "report", 1, 2, "")
        queue.log(connection, run, "report", "Пишем отчёт")
    await live.poll()
    await person.should_see("Пишем отчёт")
    await person.should_see(RU["step.report"])
    with db.as_service("test") as connection:
        connection.execute(
            "update synkro.job_runs set heartbeat_at = now() - interval '7 minutes' where run_id = %s", (run.run_id,)
        )
    await live.poll()
    await person.should_see("Нет обновлений 7")
    press(person, "stop-run")
    await until(lambda: person.notify.contains(RU["run.stop_asked"]))
    await until(lambda: _status(run.run_id) == "cancelling")


def _status(run_id: UUID) -> str:
    with db.as_service("test") as connection:
        return queue.get(connection, run_id).status


async def test_runtime_form_says_what_is_wrong_beside_the_field(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/gamma/settings?tab=runtime")
    element(person, "runtime-sla_target_minutes").value = "0"  # type: ignore[attr-defined]
    press(person, "save-runtime")
    await until(lambda: "Укажите число от 1" in text_of(person, "runtime-sla_target_minutes-error"))
    element(person, "runtime-sla_target_minutes").value = "25"  # type: ignore[attr-defined]
    press(person, "save-runtime")
    await until(lambda: person.notify.contains("Сохранена версия 2"))
    assert text_of(person, "runtime-sla_target_minutes-error") == ""
    await person.should_see("Ответить за, минут: 15 → 25")


async def test_calendar_is_edited_by_rows(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/gamma/settings?tab=calendar")
    press(person, "calendar-example")
    element(person, "calendar-sat").value = "утром"  # type: ignore[attr-defined]
    press(person, "save-calendar")
    await until(lambda: "weekly.sat" in text_of(person, "calendar-sat-error"))
    element(person, "calendar-sat").value = "10-14"  # type: ignore[attr-defined]
    press(person, "save-calendar")
    await person.should_see("Сейчас: 44 ч в неделю")
    # from a date on: the days before keep what they had
    element(person, "calendar-valid-from").value = "2099-06-01"  # type: ignore[attr-defined]
    element(person, "calendar-valid-to").value = "2099-05-31"  # type: ignore[attr-defined]
    press(person, "save-calendar")
    await until(lambda: "раньше, чем valid_from" in text_of(person, "calendar-valid-to-error"))
    element(person, "calendar-valid-to").value = "2099-08-31"  # type: ignore[attr-defined]
    element(person, "calendar-sat").value = ""  # type: ignore[attr-defined]
    press(person, "save-calendar")
    await person.should_see("Действует с 1\N{NO-BREAK SPACE}июня 2099 по 31\N{NO-BREAK SPACE}августа 2099")
    await person.should_see("Сейчас: 44 ч в неделю")
    # the first calendar is changed, the version stays
    press(person, "calendar-edit-first")
    await until(lambda: element(person, "calendar-sat").value == "10:00-14:00")  # type: ignore[attr-defined]
    element(person, "calendar-sun").value = "10-11"  # type: ignore[attr-defined]
    press(person, "save-calendar")
    await person.should_see("Сейчас: 45 ч в неделю")
    press(person, "calendar-remove-2099-06-01")
    await person.should_not_see("Действует с 1\N{NO-BREAK SPACE}июня")
    await person.should_see("Сейчас: 45 ч в неделю")


async def test_a_secret_is_typed_saved_checked_and_never_shown(
    site: Site, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> dict[str, object]:
        raise SynkroError("Radist отказал: ключ не подходит.")

    monkeypatch.setitem(checks.CHECKS, "radist", refuses)
    person = await site.person("admin")
    await person.open("/t/alpha/settings")
    assert element(person, "amocrm-access_token").value == ""  # type: ignore[attr-defined]
    assert "•••• 88ee" in element(person, "amocrm-access_token").props["placeholder"]
    element(person, "radist-company_id").value = "205"  # type: ignore[attr-defined]
    element(person, "radist-api_key").value = "canary-typed-secret-0042"  # type: ignore[attr-defined]
    press(person, "save-radist")
    await until(lambda: "0042" in element(person, "radist-api_key").props["placeholder"])
    assert element(person, "radist-api_key").value == ""  # type: ignore[attr-defined]
    press(person, "check-radist")
    await person.should_see("Radist отказал: ключ не подходит.")
    shown = str([e._to_dict() for e in person.client.elements.values()])  # type: ignore[union-attr]
    assert SECRET not in shown and "canary-typed" not in shown


async def test_a_chat_is_bound_while_the_code_is_on_show(site: Site, world: World) -> None:
    """No number is typed; the dialog closes by itself; the chat is let go by a press."""
    gamma = world.tenants["gamma"].tenant_id
    with db.as_service("test") as connection:
        integrations.save_public(connection, gamma, "telegram", {})
        integrations.save_secrets(connection, gamma, "telegram", {"bot_token": "123456789:" + "A" * 35})
        integrations.set_status(connection, gamma, "telegram", "ok", bound={"bot_id": 7, "username": "synkro_demo_bot"})
    person = await site.person("admin")
    await person.open("/t/gamma/settings")
    await person.should_not_see(marker="telegram-chat_id")
    press(person, "bind-chat")
    await person.should_see(marker="chat-link")
    code = text_of(person, "chat-link").removeprefix("https://t.me/synkro_demo_bot?start=")
    assert text_of(person, "chat-command") == f"/bind@synkro_demo_bot {code}"
    with db.as_service("test") as connection:
        assert telegram_chats.bind(connection, gamma, code, "-66002", "Отдел продаж", "Сауле") == "bound"
    await person.should_see(marker="unbind--66002", retries=100)
    await person.should_not_see(marker="chat-link", retries=100)
    press(person, "unbind--66002")
    await person.should_see(marker="confirm-unbind")
    press(person, "confirm-unbind")
    await person.should_see("Чат отключён")
    await person.should_not_see(marker="unbind--66002")
    with db.as_service("test") as connection:
        assert telegram_chats.ids(integrations.load(connection, gamma, "telegram").public) == []


async def test_an_invitation_shows_its_link_once(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/gamma/settings?tab=people")
    element(person, "invite-email").value = "not an address"  # type: ignore[attr-defined]
    press(person, "invite-submit")
    await until(lambda: "не похож на почту" in text_of(person, "invite-email-error"))
    element(person, "invite-email").value = "fresh@example.com"  # type: ignore[attr-defined]
    press(person, "invite-submit")
    await person.should_see(marker="invitation-link")
    link = text_of(person, "invitation-link")
    page = await person.http_client.get("/t/gamma/settings?tab=people")
    assert "fresh@example.com" in page.text and link.rpartition("/")[2] not in page.text
    press(person, "take-back-fresh@example.com")
    await person.should_see("Приглашение отозвано")
    await person.should_not_see(marker="invitations")
    assert "отозвано" in (await person.http_client.get(link.removeprefix("http://test"))).text


async def test_people_are_changed_and_let_go(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/alpha/settings?tab=people")
    before = element(person, "revoke-newcomer@example.com")
    element(person, "role-newcomer@example.com").value = "admin_lite"  # type: ignore[attr-defined]
    await until(lambda: _role(world, "newcomer") == ("admin_lite", True))
    await until(lambda: is_drawn_anew(person, "revoke-newcomer@example.com", before))
    press(person, "revoke-newcomer@example.com")
    await person.should_see(marker="confirm-revoke")
    press(person, "confirm-revoke")
    await until(lambda: _role(world, "newcomer") == ("admin_lite", False))
    await person.should_not_see("newcomer@example.com")


def _role(world: World, name: str) -> tuple[str, bool]:
    with db.as_service("test") as connection:
        row = connection.execute(
            "select role, is_active from synkro.user_roles where user_id = %s", (world.people[name].user_id,)
        ).fetchone()
    assert row is not None
    return row["role"], row["is_active"]


async def test_the_operator_pauses_and_adds(site: Site, world: World) -> None:
    person = await site.person("operator")
    await person.open("/tenants")
    press(person, "pause-beta")
    await person.should_see(marker="resume-beta")
    press(person, "resume-beta")
    await person.should_see(marker="pause-beta")
    element(person, "tenant-name").value = "Третья"  # type: ignore[attr-defined]
    element(person, "tenant-slug").value = "Плохой код"  # type: ignore[attr-defined]
    press(person, "tenant-submit")
    await until(lambda: "не подходит" in text_of(person, "tenant-slug-error"))
    element(person, "tenant-slug").value = "third"  # type: ignore[attr-defined]
    press(person, "tenant-submit")
    await until(lambda: person.back_history[-1] == "/t/third/settings")


async def test_a_question_gets_an_answer_from_the_report(site: Site, world: World) -> None:
    person = await site.person("user")
    await person.open(f"/t/alpha/reports/{world.reports['alpha'].report_id}")
    element(person, "question").value = "Сколько клиентов без ответа?"  # type: ignore[attr-defined]
    press(person, "ask")
    await person.should_see(marker="answer")
    await person.should_see("Без ответа сейчас: 5")


async def test_rights_end_while_the_page_is_open(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/alpha/settings?tab=runtime")
    alpha = world.tenants["alpha"].tenant_id
    with db.as_service("test") as connection:
        connection.execute(
            "update synkro.user_roles set is_active = false where user_id = %s and tenant_id = %s",
            (world.people["admin"].user_id, alpha),
        )
    element(person, "runtime-session_gap_hours").value = "99"  # type: ignore[attr-defined]
    press(person, "save-runtime")
    await until(lambda: person.notify.contains("не найдена"))
    with db.as_service("test") as connection:
        kept = settings_service.runtime_config.current(connection, alpha)
        connection.execute("update synkro.user_roles set is_active = true where tenant_id = %s", (alpha,))
    assert kept.session_gap_hours != 99


async def test_sign_out_elsewhere_stops_the_open_page(site: Site, world: World) -> None:
    person = await site.person("user")
    await person.open("/t/alpha/reports")
    session_id = person.client.request.state.caller.session_id  # type: ignore[union-attr]
    sessions.close_session(session_id)
    went: list[str] = []
    person.navigate.to = lambda target, new_tab=False: went.append(target)  # type: ignore[method-assign]
    press(person, "day-0")
    press(person, "force-submit")
    await until(lambda: went == ["/login"])


async def test_english_by_a_switch(site: Site, world: World) -> None:
    person = await site.person("nobody")
    await person.open("/profile")
    element(person, "profile-language").value = "en"  # type: ignore[attr-defined]
    press(person, "save-profile")
    await until(lambda: _language(world) == "en")
    page = await person.http_client.get("/")
    assert "No companies yet" in page.text and "Компаний пока нет" not in page.text


def _language(world: World) -> str:
    with db.as_service("test") as connection:
        row = connection.execute(
            "select language from synkro.user_profiles where user_id = %s", (world.people["nobody"].user_id,)
        ).fetchone()
    return row["language"] if row else ""


async def test_every_control_is_marked(site: Site, world: World) -> None:
    """Buttons, links out of tables and fields can be found by a test: each has a mark."""
    person = await site.person("admin")
    for path in ("/t/alpha/reports", "/t/alpha/settings", "/t/alpha/settings?tab=people", "/profile"):
        await person.open(path)
        assert person.client is not None
        unmarked = [
            element.tag
            for element in person.client.elements.values()
            if element.tag in ("button", "nicegui-input", "nicegui-select", "q-toggle", "textarea")
            and not element._markers
        ]
        assert unmarked == [], path


async def test_a_failed_run_tells_when_it_is_tried_again(site: Site, world: World) -> None:
    tenant_id = world.tenants["gamma"].tenant_id
    with db.as_service("test") as connection:
        runtime_config.change(connection, tenant_id, {"is_schedule_enabled": True, "followup_pause_minutes": 30})
        run, _ = queue.request(
            connection, tenant_id, world.window, mode="amocrm_radist", trigger_type="scheduled", report_type="daily"
        )
        leases.finish(connection, leases.claim(connection, run.run_id), "failed", error="amoCRM не отвечает.")
        ended = queue.get(connection, run.run_id)
    assert ended.finished_at is not None
    person = await site.person("admin")
    await person.open("/t/gamma/reports")
    await person.should_see("amoCRM не отвечает.")
    at = formatting.moment(clock.of(ended.finished_at) + timedelta(minutes=30), "Asia/Almaty")
    assert text_of(person, "again-at") == RU["run.again_at"].format(time=at)
    with db.as_service("test") as connection:
        runtime_config.change(connection, tenant_id, {"is_schedule_enabled": False})
    await person.open("/t/gamma/reports")
    await person.should_see("amoCRM не отвечает.")
    await person.should_not_see(marker="again-at")


async def test_a_wait_that_is_none_is_corrected_beside_the_message(site: Site, world: World) -> None:
    tenant_id = world.tenants["alpha"].tenant_id
    with psycopg.connect(db.owner_url()) as connection:
        connection.execute(
            "update marts.fct_messages set needs_reply_reason = 'question', needs_reply_confidence = 0.6"
            " where tenant_id = %s and message_id = 'alpha0-0'",
            (tenant_id,),
        )
    person = await site.person("user")
    await person.open("/t/alpha/dialogs/alpha%3Ad%2F0")
    for words_of_it in (RU["need.yes"], RU["intent.question"], RU["need.unsure"]):
        await person.should_see(words_of_it)
    press(person, "correct-alpha0-0")
    await person.should_see(RU["need.next_report"])
    with db.as_service("test") as connection:
        label = connection.execute(
            "select needs_reply, was_needs_reply, author_id from synkro.reply_labels where tenant_id = %s", (tenant_id,)
        ).fetchall()
    assert label == [{"needs_reply": False, "was_needs_reply": True, "author_id": world.people["user"].user_id}]
    # the page shows the word until the marts have it, and the press can be taken back
    await person.open("/t/alpha/dialogs/alpha%3Ad%2F0")
    await person.should_see(RU["need.next_report"])
    press(person, "correct-alpha0-0")
    await person.should_not_see(RU["need.next_report"])


async def test_topics_are_edited_as_a_table(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/alpha/settings?tab=topics")
    await person.should_see(RU["topics.as_pack"])
    # what is wrong stands beside its field, and nothing is lost of what was typed
    press(person, "add-topic")
    await person.should_see(marker="topic-name")
    element(person, "topic-name").value = "Шторы"  # type: ignore[attr-defined]
    press(person, "save-topic")
    await until(lambda: "Укажите хотя бы одно слово" in text_of(person, "topic-words-error"))
    element(person, "topic-words").value = "карниз, ламбрекен!"  # type: ignore[attr-defined]
    press(person, "save-topic")
    await until(lambda: "«ламбрекен!» не подходит" in text_of(person, "topic-words-error"))
    element(person, "topic-words").value = "карниз, ламбрекен"  # type: ignore[attr-defined]
    press(person, "save-topic")
    await person.should_see(RU["topics.own"])
    made = (_list(world).topics or ())[-1]
    assert (made.name, made.words) == ("Шторы", ("карниз", "ламбрекен"))
    # renamed: the name alone
    press(person, f"edit-{made.key}")
    await person.should_see(marker="topic-name")
    element(person, "topic-name").value = "Шторы и карнизы"  # type: ignore[attr-defined]
    before = element(person, "add-topic")
    press(person, "save-topic")
    await until(lambda: is_drawn_anew(person, "add-topic", before))
    assert (_list(world).topics or ())[-1].name == "Шторы и карнизы"
    await person.should_see("Шторы и карнизы")
    # merged: its words are another's
    press(person, f"edit-{made.key}")
    await person.should_see(marker="merge-topic")
    press(person, "merge-topic")
    await person.should_see(marker="topic-into")
    element(person, "topic-into").value = "look"  # type: ignore[attr-defined]
    before = element(person, "edit-credit")
    press(person, "confirm-merge")
    await until(lambda: "ламбрекен" in _topic(world, "look").words)
    await until(lambda: is_drawn_anew(person, "edit-credit", before))
    assert made.key not in {topic.key for topic in _list(world).topics or ()}
    # removed, after a question
    before = element(person, "reset-topics")
    press(person, "edit-credit")
    await person.should_see(marker="remove-topic")
    press(person, "remove-topic")
    await person.should_see(RU["topics.remove_text"])
    press(person, "confirm-remove-topic")
    await until(lambda: is_drawn_anew(person, "reset-topics", before))
    assert "credit" not in {topic.key for topic in _list(world).topics or ()}
    # and the pack again
    press(person, "reset-topics")
    await person.should_see(RU["topics.lose_text"])
    press(person, "confirm-lose-topics")
    await until(lambda: _list(world).topics is None)
    await person.should_see(RU["topics.as_pack"])
    with db.as_service("test") as connection:
        said = audit.recent(connection, tenant_id=world.tenants["alpha"].tenant_id, limit=20)
    assert [entry.action for entry in said].count("topics.changed") == 5


async def test_questions_without_a_topic_are_named_and_joined(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/alpha/settings?tab=topics")
    await person.should_see("штора, диван: 3")
    await person.should_see("«Шторы к дивану есть?»")
    press(person, "make-0")
    await person.should_see(marker="topic-name")
    assert element(person, "topic-words").value == "штора, диван"  # type: ignore[attr-defined]
    element(person, "topic-name").value = "Шторы"  # type: ignore[attr-defined]
    press(person, "save-topic")
    await until(lambda: _list(world).topics is not None)
    # what has a topic by now is no longer listed; the rest is
    await person.should_not_see("штора, диван: 3")
    await person.should_see("«А музыку ставите?»")
    press(person, "reset-topics")
    await person.should_see(marker="confirm-lose-topics")
    press(person, "confirm-lose-topics")
    await until(lambda: _list(world).topics is None)
    await person.should_see("штора, диван: 3")
    press(person, "join-0")
    await person.should_see(marker="topic-into")
    element(person, "topic-into").value = "materials"  # type: ignore[attr-defined]
    press(person, "confirm-merge")
    await until(lambda: {"штора", "диван"} <= set(_topic(world, "materials").words))
    await person.should_not_see("штора, диван: 3")


async def test_a_pack_is_taken_and_a_list_changed_by_another_is_not_overwritten(site: Site, world: World) -> None:
    person = await site.person("admin")
    await person.open("/t/gamma/settings?tab=topics")
    element(person, "topic-pack-choice").value = "clinic"  # type: ignore[attr-defined]
    press(person, "take-pack")
    await until(lambda: _list(world, "gamma").pack == "clinic")
    await person.should_see("Стоматология")
    with db.as_service("test") as connection:
        topics.save(connection, world.tenants["gamma"].tenant_id, "education", None, after=1)
    element(person, "topic-pack-choice").value = "windows"  # type: ignore[attr-defined]
    press(person, "take-pack")
    await until(lambda: person.notify.contains("изменил другой человек"))
    assert _list(world, "gamma").pack == "education"


def _list(world: World, slug: str = "alpha") -> topics.TopicList:
    with db.as_service("test") as connection:
        return topics.current(connection, world.tenants[slug].tenant_id)


def _topic(world: World, key: str) -> topics.Topic:
    return (
        next(topic for topic in _list(world).topics or () if topic.key == key)
        if _list(world).topics
        else topics.Topic(key, "", ())
    )


def chosen(name: str, text: str) -> SmallFileUpload:
    return SmallFileUpload(name, "text/plain", text.encode())


async def test_chats_are_uploaded_and_what_came_of_each_is_shown(site: Site, world: World) -> None:
    alpha = world.tenants["alpha"].tenant_id
    person = await site.person("admin")
    await person.open("/t/alpha/settings")
    element(person, "import-managers").value = "Жанна"  # type: ignore[attr-defined]
    said = "02.03.2026, 10:02 - +7 700 000-00-01: Есть?\n02.03.2026, 10:03 - Жанна: Да\n"
    upload = element(person, "import-files")
    await upload.handle_uploads(  # type: ignore[attr-defined]
        [chosen("chat.txt", said), chosen("notes.txt", "привет")]
    )
    await person.should_see("Добавлено: 1\xa0чат, 2\xa0сообщения, 0\xa0повторов")
    await person.should_see("notes.txt: строка 1 не похожа на выгрузку WhatsApp", retries=20)
    with db.as_service("test") as connection:
        kept = connection.execute(
            "select count(*) as n from private.whatsapp_messages where tenant_id = %s", (alpha,)
        ).fetchone()
        noted = connection.execute(
            "select action, metadata from synkro.audit_log where tenant_id = %s and action like 'chats.%%' order by created_at",
            (alpha,),
        ).fetchall()
        integration = integrations.load(connection, alpha, "whatsapp")
    assert kept == {"n": 2} and integration.public == {"managers": "Жанна"}
    assert [(row["action"], row["metadata"]) for row in noted] == [
        ("chats.imported", {"files": 2}),
        ("chats.stored", {"chats": 1, "messages": 2, "repeated": 0, "failed": 1}),
    ]
    # a phone belongs to one chat
    element(person, "import-phone").value = "+77000000001"  # type: ignore[attr-defined]
    await upload.handle_uploads([chosen("a.txt", said), chosen("b.txt", said)])  # type: ignore[attr-defined]
    await until(lambda: text_of(person, "import-phone-error") == RU["import.phone.one"])


async def test_uploads_of_a_company_are_bounded(site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_imports, "UPLOADS_PER_HOUR", 1)
    person = await site.person("admin")
    await person.open("/t/gamma/settings")
    for _ in range(2):
        await element(person, "import-files").handle_uploads([chosen("chat.txt", "x")])  # type: ignore[attr-defined]
    await until(lambda: any("загрузок за час" in message for message in person.notify.messages))
