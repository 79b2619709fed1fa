"""One number everywhere: a report built by a real run says the same on the page, in Telegram, in the export, over REST, on the
command line and in the mart; the rows behind it make it, as its reader sees them; and late data marks it as revised.

Two runs of one small company with simulated vendors: the day before last is reported while Radist holds back some of its
messages; the last day's run reads them and recomputes the day before.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from nicegui.testing import User

from app.components.report.parts import number_text
from app.components.report.sections import TILES
from app.texts import RU
from cli.main import cli
from orchestration.process.launch import execute
from sandbox.company.model import Chat, Message
from services import access
from services.reports import dashboards, rows
from synkro.accounts import embedded
from synkro.core.windows import Window, business_day_window, label_of
from synkro.database import db
from synkro.metrics import queries
from synkro.metrics.registry import MANAGERS, NUMBERS, REPORTED, SUMMARY
from synkro.reporting import reports, restatements
from synkro.reporting.reports import Report
from synkro.runs import queue
from synkro.tenancy import users
from tests.app.conftest import Site, running
from tests.app.fixtures import PASSWORD
from tests.conftest import entry_points_to
from tests.support.e2e import Environment, open_environment
from tests.support.moment import MOMENT, standing_at
from tests.transforms.recount import recount

HELD_BACK = 3


@dataclass
class Told:
    """The company after both runs; ``early``: the report of the day before, ``before``: its mart row when it was published."""

    e2e: Environment
    user: users.User
    early: Report
    before: dict[str, Any]
    report: Report
    letter: str

    def mart(self, report: Report) -> dict[str, Any]:
        with db.as_service("test") as connection:
            found = queries.summary(connection, self.e2e.tenant_id, report.window)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def told(make_database: Callable[[str | None], str], template: str) -> Iterator[Told]:
    secret = {"SYNKRO_WEB_SECRET": "f3a9c1e07b5d4826a1c0e9d8b7f65432"}
    # of few days does a small company have something to say under every number
    moment = standing_at(MOMENT)
    with entry_points_to(make_database(template), **secret, **moment), open_environment("town", with_ai=False) as e2e:
        day = label_of(e2e.window, "Asia/Almaty") - timedelta(days=1)
        with db.as_service("test") as connection:
            config_start = connection.execute(
                "select business_day_start from synkro.tenant_runtime_configs where is_current"
            ).fetchone()
            assert config_start is not None
            user = embedded.add(connection, "reader@example.com", PASSWORD)
            users.grant(connection, user.user_id, e2e.tenant_id, "user")
        window = business_day_window(day, config_start["business_day_start"], "Asia/Almaty")
        give_back = hold_back(e2e, window)
        early = build(e2e, window)
        with db.as_service("test") as connection:
            before = queries.summary(connection, e2e.tenant_id, window)
            # a day later, as Radist's connector counts
            connection.execute(
                "update synkro.watermarks set cursor = jsonb_set(cursor, '{late_at}', '\"2026-01-01T00:00:00Z\"')"
                " where source = 'radist' and cursor ? 'late_at'"
            )
        assert before is not None
        give_back()
        report = build(e2e, e2e.window)
        yield Told(e2e, user, early, before, report, e2e.sent()[-1]["text"])


def hold_back(e2e: Environment, window: Window) -> Callable[[], None]:
    """Radist does not show some answers of the day yet; the value makes it show them."""
    chats = [chat for chat in e2e.sandbox.world.chats.values() if not chat.is_group and chat.crm_contact_id]
    taken: list[tuple[Chat, Message]] = []
    for chat in chats:
        inside = [one for one in chat.messages if window.start <= one.at < window.end]
        if len(inside) >= 3 and len(taken) < HELD_BACK:
            taken.append((chat, inside[-1]))
            chat.messages.remove(inside[-1])
            chat.settle()
    assert len(taken) == HELD_BACK

    def give_back() -> None:
        for chat, message in taken:
            chat.messages.append(message)
            chat.settle()

    return give_back


def build(e2e: Environment, window: Window) -> Report:
    with db.as_service("test") as connection:
        asked = queue.request(
            connection, e2e.tenant_id, window, mode="amocrm_radist", trigger_type="manual", report_type="daily"
        )[0]
    done = execute(asked.run_id)
    assert done.status == "success", (done.error, done.error_detail)
    with db.as_service("test") as connection:
        found = reports.current(connection, e2e.tenant_id, window)
    assert found is not None
    return found


@pytest.fixture
async def site(told: Told) -> AsyncIterator[Site]:
    async with running() as made:
        yield made


# --- reading a number back from what people see ------------------------------------------------------------------

_PARTS = {"с": 1 / 60, "мин": 1, "ч": 60, "день": 1440, "дня": 1440, "дней": 1440}


def read(text: str, unit: str) -> tuple[float | None, float]:
    """The number a text shows, and how far rounding may have moved it."""
    text = text.replace("\u00a0", " ").strip()
    if text == "—":
        return None, 0
    if unit == "minutes":
        parts = [(int(n), word) for n, word in re.findall(r"(\d+) (с|мин|ч|день|дня|дней)\b", text)]
        assert parts and " ".join(f"{n} {word}" for n, word in parts) == text, text
        finest = min(_PARTS[word] for _, word in parts)
        return sum(n * _PARTS[word] for n, word in parts), finest / 2 + 0.01
    digits = re.match(r"−?[\d ]+", text)
    assert digits is not None, text
    whole = int(digits.group().replace(" ", "").replace("−", "-"))
    return (whole / 100, 0.0051) if unit == "share" else (whole, 0.5 if unit == "money" else 0)


def same(text: str, unit: str, value: Any) -> bool:
    if unit == "share" and text.replace("\u00a0", " ").strip() == RU["number.small"]:
        return value is not None
    shown, off_by = read(text, unit)
    # two units are shown of a long time: the smaller one is cut, not rounded
    off_by = max(off_by, 60) if unit == "minutes" and shown and shown >= 1440 else off_by
    return shown is None if value is None else shown is not None and abs(shown - float(value)) <= off_by


def test_reading_back_knows_a_wrong_number() -> None:
    for unit, text, right, wrong in (
        ("count", "1 234", 1234, 1235),
        ("money", "1 250 000 ₸", 1_250_000, 1_250_001),
        ("share", "46 %", 0.4567, 0.47),
        ("minutes", "1 ч 15 мин", 75.4, 76),
        ("minutes", "40 с", 0.66, 0.7),
    ):
        shown = text.replace(" ", "\u00a0")
        assert same(shown, unit, right) and not same(shown, unit, wrong) and not same("—", unit, right)


def text_of(person: User, marker: str) -> str:
    (element,) = person.find(marker=marker).elements
    return str(element.text)  # type: ignore[attr-defined]


# --- one number, every reader ------------------------------------------------------------------------------------


def test_the_report_is_the_mart(told: Told) -> None:
    mart = told.mart(told.report)
    assert {key: told.report.numbers[key] for key in NUMBERS} == {key: mart[key] for key in NUMBERS}
    dull = {key for key in NUMBERS if not mart[key]}
    assert len(dull) < 20, f"a day worth reading: {dull}"


def is_small(key: str, mart: dict[str, Any]) -> bool:
    """A share of fewer than ten is not shown (metrics.md)."""
    metric = SUMMARY[key]
    return metric.unit == "share" and mart[metric.denominator] < 10


async def test_the_page_and_its_rows(told: Told, site: Site) -> None:
    person, base = await site.person("reader"), f"/t/town/reports/{told.report.report_id}"
    mart = told.mart(told.report)
    await person.open(base)
    for key in NUMBERS:
        assert same(text_of(person, f"rows-{key}"), SUMMARY[key].unit, mart[key]), key
    for line in told.report.body.stored()["numbers"][:TILES]:
        (tile,) = person.find(marker=f"number-{line['key']}").elements
        texts = [str(one.text) for one in tile.descendants() if getattr(one, "text", "")]  # type: ignore[attr-defined]
        assert same(texts[1], SUMMARY[line["key"]].unit, mart[line["key"]]), texts
        assert (texts[1] == RU["number.small"]) == is_small(line["key"], mart), texts
    for key in ("unanswered_now", "answered_within_target", "money_at_risk", "excluded_dialogs"):
        await person.open(f"{base}/rows/{key}")
        await person.should_see(SUMMARY[key].ru)
        await person.should_not_see(marker="rows-changed")


async def test_rest_the_command_line_and_the_exports(told: Told, site: Site) -> None:
    mart = told.mart(told.report)
    wanted = {key: mart[key] for key in NUMBERS}
    base = f"/t/town/reports/{told.report.report_id}"
    browser = await site.signed_in("reader")

    answer = (await browser.get(f"/api/v1/tenants/town/reports/{told.report.report_id}")).json()
    assert {key: answer["numbers"][key] for key in wanted} == wanted
    assert answer["revised"] is None

    said = CliRunner().invoke(
        cli, (words := ["report", "show", "town", "--id", str(told.report.report_id), "--json"]), obj=words
    )
    assert said.exit_code == 0, said.output
    shown = json.loads(said.stdout)
    assert {key: shown["numbers"][key] for key in wanted} == wanted

    text = (await browser.get(f"{base}/export/numbers.csv")).content.decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [line[RU["export.number"]] for line in lines] == [SUMMARY[key].label_ru for key in wanted]
    for line, (key, value) in zip(lines, wanted.items(), strict=True):
        written = line[RU["export.value"]]
        assert (written == "" and value is None) or float(written.replace(",", ".")) == float(value), key

    text = (await browser.get(f"{base}/export/waits.csv")).content.decode("utf-8-sig")
    waits = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert len(waits) == wanted["unanswered_now"]
    assert sum(line[RU["waits.overdue"]] == RU["words.yes"] for line in waits) == wanted["unanswered_overdue"]
    money = SUMMARY["money_at_risk"].label_ru
    assert sum(float(line[money].replace(",", ".") or 0) for line in waits) == wanted["money_at_risk"]
    longest = max((int(line[RU["export.minutes"]]) for line in waits), default=0)
    assert abs(longest - float(wanted["oldest_wait_minutes"] or 0)) <= 0.5


def test_the_letter(told: Told) -> None:
    """Every number of the Telegram message, read back from the text that Telegram got."""
    mart = told.mart(told.report)
    text = re.sub(r"<[^>]+>", "", told.letter).replace("\u00a0", " ")
    found = {}
    for key, metric in REPORTED.items():
        line = re.search(rf"^• {re.escape(metric.short_label('ru'))}: ([^↑↓(,\n]+)", text, re.M)
        if line:
            found[key] = line.group(1)
    assert set(found) == {line["key"] for line in told.report.body.stored()["numbers"][:5]}
    assert len(found) >= 4
    for key, shown in found.items():
        assert same(shown, SUMMARY[key].unit, mart[key]), (key, shown)
        assert (shown.strip() == RU["number.small"]) == is_small(key, mart), (key, shown)


async def test_managers_on_the_page_and_behind_it(told: Told, site: Site) -> None:
    with db.as_user(told.user.user_id) as connection:
        managers = queries.managers(connection, told.e2e.tenant_id, told.report.window)
    assert len(managers) > 1
    person = await site.person("reader")
    await person.open(f"/t/town/reports/{told.report.report_id}")
    for column in ("waits_answered", "open_overdue", "messages_sent"):
        shown = [str(one.text) for one in person.find(marker=f"manager-{column}").elements]  # type: ignore[attr-defined]
        assert sorted(int(read(text, "count")[0] or 0) for text in shown) == sorted(row[column] for row in managers)
    viewer = access.viewer(told.user)
    for row in managers:
        for column, entry in MANAGERS.items():
            if entry.is_number:
                found = rows.behind(viewer, "town", told.report.report_id, column, manager_id=row["manager_id"])
                assert not found.has_changed and found.value == row[column], (column, row["name"])


def test_the_dashboards_add_up(told: Told) -> None:
    found = dashboards.load(access.viewer(told.user), "town", 14)
    days = [
        day for day in found.history if day["window_end"] > (told.report.window_end - timedelta(days=14)).isoformat()
    ]
    assert found.history[-1]["messages"] == told.mart(told.report)["messages"]
    assert sum(map(sum, found.heatmap)) == sum(day["client_messages"] for day in days) > 0
    # who waits now is of the data as read last, not of the window's end
    assert found.live is not None and len(found.waiting) == found.live.unanswered > 0
    assert sum(wait.price or 0 for wait in found.waiting) == found.live.money_at_risk
    with db.as_user(told.user.user_id) as connection:
        row = connection.execute(
            "select count(*) as deals, sum(price) as amount from marts.fct_deals where stage_kind = 'open' and not is_deleted"
        ).fetchone()
    assert row is not None and sum(stage["deals"] for stage in found.funnel) == row["deals"] > 0
    assert sum(stage["amount"] for stage in found.funnel) == row["amount"]


def test_the_rows_make_every_number_for_its_reader(told: Told) -> None:
    """Every column of the last windows of the company, through the entry point and under the policies of a member."""
    with db.as_user(told.user.user_id) as connection:
        found = recount(connection, told.e2e.tenant_id, newest=6)

    assert not found.differences, "\n".join(map(str, found.differences[:12]))
    assert found.cells > 500 and len(found.alive) > 50


# --- late data ---------------------------------------------------------------------------------------------------


async def test_late_messages_mark_the_report_of_their_day(told: Told, site: Site) -> None:
    early, now = told.early, told.mart(told.early)
    assert early.numbers["messages"] == told.before["messages"], "published as it was known"
    assert now["messages"] == told.before["messages"] + HELD_BACK
    with db.as_service("test") as connection:
        found = restatements.of_report(connection, reports.get(connection, early.report_id))
        assert restatements.of_report(connection, told.report) is None, (
            "the control: nothing came late for the last day"
        )
    assert found is not None and now["as_of"] == found.as_of.isoformat()
    changed = {one.key: (one.old, one.new) for one in found.changes}
    assert changed["messages"] == (told.before["messages"], now["messages"])
    assert changed == {key: (told.before[key], now[key]) for key in NUMBERS if told.before[key] != now[key]}

    base = f"/t/town/reports/{early.report_id}"
    browser, person = await site.signed_in("reader"), await site.person("reader")
    answer = (await browser.get(f"/api/v1/tenants/town/reports/{early.report_id}")).json()
    assert answer["numbers"]["messages"] == told.before["messages"]
    assert answer["revised"]["numbers"]["messages"] == {"old": told.before["messages"], "new": now["messages"]}
    listed = {one["id"]: one["revised"] for one in (await browser.get("/api/v1/tenants/town/reports")).json()}
    assert listed[str(early.report_id)] == answer["revised"] and listed[str(told.report.report_id)] is None

    await person.open(base)
    (table,) = person.find(marker="corrections").elements
    texts = [str(one.text) for one in table.descendants() if getattr(one, "text", "")]  # type: ignore[attr-defined]
    place = texts.index("Сообщения")
    assert texts[place + 1 : place + 3] == [
        number_text(SUMMARY["messages"], value, None) for value in changed["messages"]
    ]
    await person.open("/t/town/reports")
    assert len([one for one in person.find(RU["report.corrected"]).elements]) == 1
    await person.open(f"{base}/rows/messages")
    await person.should_see(marker="rows-changed")
    await person.open(f"/t/town/reports/{told.report.report_id}")
    await person.should_not_see(marker="corrected")
