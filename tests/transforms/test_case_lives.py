"""Days in a row of a small company, as they come: answers, promises, tasks, moves, clients who turn out to be one, and people's words.

After each day: no case twice; none done without the row that proves it; none that ended opens again but by a person's word; one that is
gone has gone into the wait of the client it turned out to be. When all is long over, every case has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.transforms.conftest import Company

FIRST = date(2026, 1, 5)
PEOPLE = 14
#: of a case that is done: which column of the mart holds the row
PROOFS = {
    "closed_by_message_id": "select 1 from marts.fct_messages m where m.tenant_id = c.tenant_id and m.dialog_id = c.closed_by_dialog_id"
    " and m.message_id = c.closed_by_message_id and m.sent_at = c.closed_at",
    "closed_by_event_id": "select 1 from marts.fct_deal_stage_changes e where e.tenant_id = c.tenant_id and e.event_id = c.closed_by_event_id"
    " and e.changed_at = c.closed_at union all select 1 from intermediate.int_calls k where k.tenant_id = c.tenant_id"
    " and k.call_id = c.closed_by_event_id and k.called_at = c.closed_at",
    "closed_by_task_id": "select 1 from marts.fct_tasks t where t.tenant_id = c.tenant_id and t.task_id = c.closed_by_task_id"
    " and c.closed_at in (t.created_at, t.completed_at)",
    "closed_by_deal_id": "select 1 from marts.fct_deals d where d.tenant_id = c.tenant_id and d.deal_id = c.closed_by_deal_id"
    " and c.closed_at in (d.created_at, d.closed_at)",
}


class Days:
    """The company, and what is still to happen in it."""

    def __init__(self, company: Company, dice: Random) -> None:
        self.company, self.dice = company, dice
        self.count = 1000
        for number in (7, 8):
            company.manager(number, f"Менеджер {number}")
        company.pipeline(5)
        for number in range(1, PEOPLE + 1):
            company.chat(number, f"+7700000{number:04}")
            if number % 4:
                company.contact(number, f"+7700000{number:04}")
                company.deal(number, number, manager=7 + number % 2, price=number * 1000, created="2026-01-02 10:00")

    def number(self) -> int:
        self.count += 1
        return self.count

    def live(self, day: date) -> None:
        c, dice = self.company, self.dice
        for _ in range(dice.randrange(3, 9)):
            chat, hour = dice.randrange(1, PEOPLE + 1), dice.randrange(9, 17)
            asked = c.say(
                chat,
                f"{day} {hour:02}:{dice.randrange(60):02}",
                "client",
                dice.choice(("Цена?", "Когда привезёте?", "Хочу заказать", "ок")),
            )
            if dice.random() < 0.3:
                c.does(chat, asked, dice.choice(("complaint", "asks_to_buy", "refusal", "payment_claimed")), "", None)
            if dice.random() < 0.7:
                later = day + timedelta(days=dice.choice((0, 0, 0, 1, 3, 9)))
                said = c.say(
                    chat, f"{later} {dice.randrange(17, 20)}:{dice.randrange(60):02}", "us", f"Ответ {self.number()}"
                )
                what = dice.choice(("promise", "offer", None, None))
                if what == "promise":
                    due = later + timedelta(days=dice.choice((0, 1, 4)))
                    c.does(chat, said, "promise", dice.choice(("document", "call", "answer")), f"{due} 18:00")
                elif what == "offer":
                    c.does(chat, said, "offer", "sum", None)
        deal = dice.randrange(1, PEOPLE + 1)
        if deal % 4:
            if dice.random() < 0.4:
                c.task(
                    self.number(),
                    deal,
                    created=f"{day} 11:00",
                    done=f"{day + timedelta(days=2)} 12:00" if dice.random() < 0.6 else None,
                )
            if dice.random() < 0.4:
                self.move(deal, day)
            if dice.random() < 0.2:
                c.call(self.number(), deal, f"{day} 16:30", 60, by=7)
        if dice.random() < 0.05:
            # two people turn out to be one
            a, b = dice.sample(range(1, PEOPLE + 1), 2)
            c.contact(self.number(), f"+7700000{a:04}", f"+7700000{b:04}")
        self.word(day)

    def move(self, deal: int, day: date) -> None:
        sides = {"value_before": self.dice.choice((1, 2)), "value_after": self.dice.choice((1, 2, 3))}
        self.company.put(
            "raw_amocrm.events", id=f"s{self.number()}", type="lead_status_changed", entity_type="lead", entity_id=deal,
            created_at=self.company.at(f"{day} 15:{self.dice.randrange(60):02}"),
            payload={name: [{"lead_status": {"id": id, "pipeline_id": 5}}] for name, id in sides.items()},
        )  # fmt: skip

    def word(self, day: date) -> None:
        """Somebody dismisses a case that is open by then, or takes a dismissal back."""
        open_, gone = (
            self.company.rows("marts.fct_cases", "case_id, dialog_id", f"state = '{state}'")
            for state in ("open", "dismissed")
        )
        for found, mark, reason in ((open_, "dismissed", "done"), (gone, "undone", None)):
            if found and self.dice.random() < 0.4:
                case = self.dice.choice(found)
                self.company.connection.execute(
                    "insert into synkro.case_marks (tenant_id, case_id, mark, reason, dialog_id, channel, marked_at)"
                    " values (%s, %s, %s, %s, %s, 'web', %s)",
                    (
                        self.company.tenant_id,
                        case["case_id"],
                        mark,
                        reason,
                        case["dialog_id"],
                        self.company.at(f"{day} 20:30"),
                    ),
                )


def look(days: Days, known: dict[str, str]) -> None:
    """What must be true of the cases after a build; ``known``: the states of the build before, brought up to date."""
    company = days.company
    rows = company.rows("marts.fct_cases", "case_id, kind, client_id, dialog_id, evidence_message_id, state")
    found = {row["case_id"]: row["state"] for row in rows}
    assert len(found) == len(rows), "a case twice"
    proofs = " or ".join(f"c.{column} is not null and exists ({query})" for column, query in PROOFS.items())
    unproved = company.connection.execute(
        f"select c.case_id from marts.fct_cases c where c.tenant_id = %s and c.state in ('done', 'recurred') and not ({proofs})".encode(),
        (company.tenant_id,),
    ).fetchall()
    assert unproved == []
    undone = {row["case_id"] for row in company.rows("synkro.case_marks", "case_id", "mark = 'undone'")}
    opened_again = {
        id for id, state in known.items() if state in ("done", "recurred", "expired") and found.get(id, state) == "open"
    }
    assert opened_again <= undone
    for case_id in known.keys() - found.keys():
        if case_id.startswith("wait_overdue:"):
            dialog, _, message = case_id.removeprefix("wait_overdue:").partition(":")
            (covered,) = company.connection.execute(
                "select count(*) as n from marts.fct_messages m join marts.fct_waits w on w.tenant_id = m.tenant_id and w.client_id = m.client_id"
                " and w.opened_at <= m.sent_at and coalesce(w.closed_at, 'infinity') >= m.sent_at"
                " where m.tenant_id = %s and m.dialog_id = %s and m.message_id = %s",
                (company.tenant_id, dialog, message),
            ).fetchall()
            assert covered["n"] or _answered_elsewhere(company, dialog, message), case_id
    known.clear()
    known.update(found)


def _answered_elsewhere(company: Company, dialog: str, message: str) -> bool:
    """Whether the client has another dialog: the wait may have been answered there in time."""
    rows = company.connection.execute(
        "select count(distinct o.dialog_id) as n from marts.fct_messages m join marts.dim_dialogs o"
        " on o.tenant_id = m.tenant_id and o.client_id = m.client_id where m.tenant_id = %s and m.dialog_id = %s and m.message_id = %s",
        (company.tenant_id, dialog, message),
    ).fetchone()
    return bool(rows and rows["n"] > 1)


@pytest.mark.parametrize(
    ("days", "seed"), [pytest.param(5, 4, id="some"), pytest.param(90, 1, id="ninety", marks=pytest.mark.assurance)]
)
def test_every_case_lives_and_ends(company: Callable[..., Company], work: Path, days: int, seed: int) -> None:
    made = company(f"lives{days}")
    life, known = Days(made, Random(seed)), dict[str, str]()
    for number in range(days):
        day = FIRST + timedelta(days=number)
        life.live(day)
        window = made.window(f"{day} 06:00", f"{day + timedelta(days=1)} 06:00", as_of=f"{day} 23:00")
        made.build(window, work=work)
        look(life, known)
    assert len(known) > days, "there is something to look at"

    # long after the last word, with the calendar's end
    over = made.window("2026-05-20 06:00", "2026-05-21 06:00", as_of="2026-06-20 12:00")
    made.build(over, work=work)
    look(life, known)
    states: dict[str, int] = {}
    for state in known.values():
        states[state] = states.get(state, 0) + 1
    assert not {"open", "advised"} & states.keys(), states
    assert {"done", "expired"} <= states.keys()
