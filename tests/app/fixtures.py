"""Two companies, their people and a report each, written straight into the tables: the ground the web is tested on.

``alpha`` has chats with hostile texts, waits, money, a running and a failed run. ``beta`` is the neighbour whose rows
nobody of alpha may ever see. ``gamma`` is new and empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from synkro.accounts import embedded
from synkro.connectors import integrations
from synkro.connectors.registry import CONNECTORS
from synkro.core import clock
from synkro.core.windows import Window, business_day_window, last_closed
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.body import Body
from synkro.reporting.reports import Draft, Report
from synkro.runs import leases, queue, watermarks
from synkro.runs.queue import Run
from synkro.tenancy import runtime_config, tenants, topics, users

ZONE = "Asia/Almaty"
PASSWORD = "correct horse battery"
#: each would leave a mark on ``window`` or call another host if it ever ran
HOSTILE = (
    "<img src=x onerror=\"window.__xss='img'\">",
    "<script>window.__xss='script'</script>",
    '"><svg onload="window.__xss=\'svg\'">',
    "{{ constructor.constructor('window.__xss=1')() }}",
    "<iframe srcdoc=\"<script>parent.__xss='frame'</script>\"></iframe>",
    "javascript:window.__xss='link'",
    "</script><script>window.__xss='break'</script>",
    "`${window.__xss='tick'}`",
    "'onmouseover='window.__xss=2",
    "[x](javascript:window.__xss=3)",
)
SECRET = "canary-long-lived-token-4f1d9a7788ee"


@dataclass
class World:
    now: datetime
    window: Window
    day: date
    tenants: dict[str, tenants.Tenant] = field(default_factory=dict)
    people: dict[str, users.User] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)


def fill(url: str) -> World:
    """``url`` is the owner's; the entry points must lead to the same database."""
    now = clock.now().replace(microsecond=0)
    window = last_closed(now, runtime_config.RuntimeConfig(ZONE).business_day_start, ZONE)
    world = World(now, window, (window.end - timedelta(hours=1)).date())
    with db.as_service("world") as connection:
        _people(connection, world)
    with psycopg.connect(url, autocommit=True) as connection:
        for slug in ("alpha", "beta"):
            _marts(connection, world, slug)
    with db.as_service("world") as connection:
        for slug in ("alpha", "beta"):
            _control(connection, world, slug)
        _runs(connection, world)
    return world


def _people(connection: db.Connection, world: World) -> None:
    names = {
        "alpha": "Мебельный дом «Алатау» — кухни, шкафы и гардеробные на заказ по всему Казахстану",
        "beta": "Окна Бета",
        "gamma": "Новая компания",
    }
    for slug, name in names.items():
        tenant = tenants.add(connection, name, slug, ZONE)
        runtime_config.start(connection, tenant.tenant_id, ZONE)
        if slug != "gamma":
            topics.save(connection, tenant.tenant_id, "furniture", None, after=0)
        world.tenants[slug] = tenant
    grants: dict[str, list[tuple[str | None, users.Role]]] = {
        "operator": [(None, "super_admin")],
        "admin": [("alpha", "admin_lite"), ("gamma", "admin_lite")],
        "user": [("alpha", "user")],
        "stranger": [("beta", "admin_lite")],
        "nobody": [],
        "newcomer": [("alpha", "user")],
    }
    for name, given in grants.items():
        user = embedded.add(
            connection,
            f"{name}@example.com",
            PASSWORD,
            full_name=name.title() if name != "user" else f"Асель {HOSTILE[0]}",
            must_change_password=name == "newcomer",
        )
        world.people[name] = user
        for slug, role in given:
            users.grant(connection, user.user_id, world.tenants[slug].tenant_id if slug else None, role)


def insert(connection: psycopg.Connection[Any], table: str, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0])
    with connection.cursor() as cursor:
        cursor.executemany(
            f"insert into {table} ({', '.join(names)}) values ({', '.join(f'%({n})s' for n in names)})", rows
        )


def _marts(connection: psycopg.Connection[Any], world: World, slug: str) -> None:
    tenant_id = world.tenants[slug].tenant_id
    start = world.window.start
    managers = ["Динара Сейтова", "Олег Пак", HOSTILE[2]] if slug == "alpha" else ["Секретный Менеджер Беты"]
    insert(
        connection,
        "marts.dim_managers",
        [
            {"tenant_id": tenant_id, "manager_id": f"{slug}-m{i}", "name": name, "email": None, "is_active": True}
            for i, name in enumerate(managers)
        ],
    )
    clients, dialogs, messages, waits, sessions, deals = [], [], [], [], [], []
    names = ["Айгерим Оспанова", *HOSTILE, "+7 701 555 44 33", ""] if slug == "alpha" else ["Тайный клиент Беты"]
    for i, name in enumerate(names):
        client, dialog = f"{slug}-c{i}", f"{slug}:d/{i}"
        opened = start + timedelta(hours=12, minutes=7 * i)
        clients.append(
            {
                "tenant_id": tenant_id, "client_id": client, "phone": f"+770155500{i:02d}" if i % 4 else "+77015551234",
                "name": name, "first_message_at": opened, "last_message_at": opened + timedelta(hours=1),
                "dialog_count": 1, "deal_count": 1, "match_status": "matched",
            }
        )  # fmt: skip
        dialogs.append(
            {
                "tenant_id": tenant_id, "dialog_id": dialog, "client_id": client, "channel": "whatsapp",
                "contact_name": name, "source_type": "whatsapp", "first_message_at": opened, "last_message_at": opened + timedelta(hours=1),
                "message_count": 4,
            }
        )  # fmt: skip
        is_open = i % 3 == 0
        replied = opened + timedelta(minutes=9 + i)
        said = [
            (
                "client",
                opened,
                f"Здравствуйте, сколько стоит кухня? {HOSTILE[i % len(HOSTILE)] if slug == 'alpha' else 'тайна-беты'}",
            ),
            ("bot", opened + timedelta(seconds=2), "Спасибо за обращение, менеджер скоро ответит."),
        ]
        if not is_open:
            said += [
                ("manager", replied, "Добрый день, от 450 000. Пришлю расчёт завтра."),
                ("client", replied + timedelta(minutes=3), "Хорошо, спасибо"),
            ]
        session = f"{slug}-s{i}"
        for n, (kind, at, body) in enumerate(said):
            messages.append(
                {
                    "tenant_id": tenant_id, "message_id": f"{slug}{i}-{n}", "dialog_id": dialog, "client_id": client,
                    "session_id": session, "channel": "whatsapp", "direction": "in" if kind == "client" else "out",
                    "kind": kind, "author_id": f"{slug}-m{i % len(managers)}" if kind == "manager" else None,
                    "author_source": "event" if kind == "manager" else "none", "sent_at": at, "business_date": world.day,
                    "body": body, "message_type": "text", "has_media": False, "needs_reply": kind == "client" and n == 0,
                }
            )  # fmt: skip
        manager = f"{slug}-m{i % len(managers)}"
        waits.append(
            {
                "tenant_id": tenant_id, "wait_id": f"{dialog}:{slug}{i}-0", "client_id": client, "dialog_id": dialog,
                "session_id": session, "opened_by_message_id": f"{slug}{i}-0", "opened_at": opened, "last_client_at": opened,
                "closed_at": None if is_open else replied, "closed_by": None if is_open else "manager",
                "replied_by": None if is_open else manager, "replied_by_source": "none" if is_open else "event",
                "responsible_at_open": manager, "response_minutes": None if is_open else 9 + i,
                "response_minutes_calendar": None if is_open else 9 + i, "is_first_response": True, "is_off_hours": False,
                "sla_target_minutes": 15, "sla_deadline_at": opened + timedelta(minutes=15),
                "is_breached": is_open or i > 6, "is_answered": not is_open, "is_open": is_open, "business_date": world.day,
            }
        )  # fmt: skip
        sessions.append(
            {
                "tenant_id": tenant_id, "session_id": session, "client_id": client, "started_at": opened,
                "ended_at": replied, "initiated_by": "client", "state": "open" if is_open else "closed",
                "message_count": len(said), "wait_count": 1, "first_response_minutes": None if is_open else 9 + i,
            }
        )  # fmt: skip
        deals.append(
            {
                "tenant_id": tenant_id, "deal_id": f"{slug}-deal{i}", "client_id": client,
                "name": f"Кухня {HOSTILE[i % len(HOSTILE)]}" if slug == "alpha" else "Тайная сделка Беты", "pipeline_id": 1,
                "pipeline": "Продажи", "status_id": 10 + i % 3, "stage": ["Новая", "Замер", "Договор"][i % 3],
                "stage_kind": "open", "stage_sort": i % 3, "price": 250_000 * (i + 1), "currency": "KZT",
                "responsible_id": manager, "created_at": opened - timedelta(days=3), "updated_at": opened, "is_deleted": False,
                "is_sales": True,
            }
        )  # fmt: skip
    for table, rows in (
        ("dim_clients", clients),
        ("dim_dialogs", dialogs),
        ("fct_messages", messages),
        ("fct_waits", waits),
        ("fct_sessions", sessions),
        ("fct_deals", deals),
    ):
        insert(connection, f"marts.{table}", rows)
    _hours_and_funnel(connection, world, slug)
    _periods(connection, world, slug, len(managers), dialogs, waits, messages)


def _hours_and_funnel(connection: Any, world: World, slug: str) -> None:
    tenant_id, window = (
        world.tenants[slug].tenant_id,
        {"window_start": world.window.start, "window_end": world.window.end},
    )
    connection.execute(
        "insert into marts.fct_funnel select tenant_id, pipeline_id, status_id, max(pipeline), max(stage), 10, count(*),"
        " coalesce(sum(price), 0), 0 from marts.fct_deals where tenant_id = %s and stage_kind = 'open' group by 1, 2, 3",
        (tenant_id,),
    )
    insert(connection, "marts.period_hours", [
        {"tenant_id": tenant_id, **window, "weekday": 1 + n % 7, "hour": 9 + n % 11, "client_messages": n, "waits": n // 3}
        for n in range(1, 40)
    ])  # fmt: skip
    insert(connection, "marts.period_excluded", [
        {"tenant_id": tenant_id, **window, "dialog_id": f"{slug}:x/{n}", "channel": "whatsapp", "contact_name": HOSTILE[n],
         "reason": reason, "messages": 7, "last_message_at": world.window.start}
        for n, reason in enumerate(("group", "internal"))
    ])  # fmt: skip


def _periods(connection: Any, world: World, slug: str, managers: int, dialogs: Any, waits: Any, messages: Any) -> None:
    tenant_id = world.tenants[slug].tenant_id
    start, end = world.window.start, world.window.end
    connection.execute(
        "insert into synkro.mart_watermarks (tenant_id, as_of) values (%s, %s) on conflict do nothing", (tenant_id, end)
    )
    label = clock.now().date()
    opened = [w for w in waits if w["is_open"]]
    for back in range(16):
        day = business_day_window(
            world.day - timedelta(days=back), runtime_config.RuntimeConfig(ZONE).business_day_start, ZONE
        )
        if back == 0:
            day = world.window
        connection.execute(
            "insert into synkro.report_windows (tenant_id, window_start, window_end, report_type, label_date, as_of, is_complete)"
            " values (%s, %s, %s, 'daily', %s, %s, true) on conflict do nothing",
            (tenant_id, day.start, day.end, world.day - timedelta(days=back), day.end),
        )
        numbers = {
            "messages": len(messages) if not back else 40 + 3 * back % 17, "client_messages": 20, "manager_messages": 15,
            "bot_messages": 5, "waits": len(waits), "sessions": len(waits), "dialogs": len(dialogs), "excluded_dialogs": 2,
            "clients": len(dialogs), "deals": len(dialogs), "new_clients": len(dialogs), "first_response_p50": 12 + back % 5,
            "first_response_p90": 31, "first_response_n": len(waits) - len(opened), "response_p50": 9 + back % 4,
            "response_p90": 33, "response_n": 20, "waits_answered": len(waits) - len(opened), "waits_unattributed": 0,
            "answered_within_target": 0.62, "answered_within_target_n": len(waits), "breached": len(opened),
            "off_hours_answers": 0, "unanswered_now": len(opened), "unanswered_overdue": len(opened), "unanswered_lt15": 0,
            "unanswered_15_60": 0, "unanswered_1_4h": 0, "unanswered_gt4h": len(opened), "unanswered_gt1d": 0,
            "match_rate": 0.9, "dialogs_matched": len(dialogs), "dialogs_no_phone": 0, "dialogs_no_contact": 0,
            "dialogs_contact_without_deal": 0, "authors_by_event": 15, "authors_by_deal": 0, "authors_unknown": 0,
            "money_at_risk": 250_000 * sum(int(w["client_id"].split("-c")[1]) + 1 for w in opened),
            "deals_at_risk": len(opened), "money_at_risk_unpriced": 0, "deals_new": 0, "deals_new_amount": 0,
            "deals_won": 0, "deals_won_amount": 0, "deals_lost": 0, "deals_lost_amount": 0, "open_unassigned": 0,
            "overdue_unassigned": 0, "deals_won_priced": 0, "deals_open": len(dialogs),
            "deals_open_amount": 250_000 * len(dialogs) * (len(dialogs) + 1) // 2, "deals_won_unassigned": 0,
            "deals_won_amount_unassigned": 0, "deals_lost_unassigned": 0,
        }  # fmt: skip
        row = {
            "tenant_id": tenant_id, "window_start": day.start, "window_end": day.end, "report_type": "daily",
            "label_date": label - timedelta(days=back), "as_of": day.end, "now_at": day.end, **numbers, "is_complete": back != 4,
        }  # fmt: skip
        insert(connection, "marts.period_summary", [row])
        insert(
            connection,
            "marts.period_managers",
            [
                {
                    "tenant_id": tenant_id, "window_start": day.start, "window_end": day.end, "manager_id": f"{slug}-m{i}",
                    "waits_answered": 12 - 4 * i, "response_n": 12 - 4 * i, "response_p50": 8.5 + i, "response_p90": 30,
                    "first_response_n": 5, "first_response_p50": 9, "within_target": 0.8, "within_target_n": 10,
                    "breached": i, "open_waits": i, "open_overdue": i, "off_hours_answers": 0, "messages_sent": 40 - i,
                    "dialogs": 9, "deals_won": 0, "deals_won_amount": 0, "deals_lost": 0, "deals_lost_amount": 0,
                    "deals_won_priced": 0, "deals_open": 0, "deals_open_amount": 0,
                }
                for i in range(managers)
            ],
        )  # fmt: skip
    today = {"tenant_id": tenant_id, "window_start": start, "window_end": end, "compared_with": "usual"}
    insert(connection, "marts.period_usual", [
        {**today, "metric": metric, "value": value, "windows": 2, "unit": "weekday"}
        for metric, value in (("unanswered_now", 3), ("first_response_p50", 14), ("messages", 40))
    ])  # fmt: skip
    insert(connection, "marts.period_changes", [
        {**today, "metric": "unanswered_now", "dimension": "manager", "part": f"{slug}-m0", "part_label": "Динара Сейтова",
         "value": len(opened), "base": 3, "contribution": len(opened) - 3, "numerator": len(opened), "base_numerator": 3,
         "part_value": len(opened), "part_base": 3, "n": len(opened), "base_n": 3}
    ])  # fmt: skip
    insert(
        connection,
        "marts.period_dialogs",
        [
            {
                "tenant_id": tenant_id, "window_start": start, "window_end": end, "dialog_id": d["dialog_id"],
                "client_id": d["client_id"], "deal_id": d["client_id"].replace("-c", "-deal"), "messages": 4,
                "client_messages": 2, "manager_messages": 1, "waits": 1, "has_open_wait": w["is_open"],
                "last_message_at": d["last_message_at"], "transcript_hash": "h",
            }
            for d, w in zip(dialogs, waits, strict=True)
        ],
    )  # fmt: skip


def body_of(slug: str) -> dict[str, Any]:
    hostile = HOSTILE[0] if slug == "alpha" else "тайна-беты"
    dialog = f"{slug}:d/0"
    return {
        "header": {"company": slug, "currency": "KZT", "reader": {"kind": "rules", "model": "", "note": "ИИ не подключён: диалоги прочитаны правилами."}},
        "coverage_line": "Прочитано 11 из 13 диалогов",
        "headline": [{"text": f"Пять клиентов ждут ответа дольше четырёх часов {hostile}", "claims": [0]}],
        "actions": [
            {
                "who": "Динара Сейтова", "manager_id": f"{slug}-m0", "client": f"Айгерим {hostile}", "phone_masked": "•••• 1234",
                "text": "Ответьте на вопрос о цене кухни", "why": "ждёт 10 ч", "money": 250000, "money_display": "250 000 ₸",
                "dialog_id": dialog, "deal_id": f"{slug}-deal0", "claims": [0],
            }
        ],
        "numbers": [
            {"key": "unanswered_now", "label": "Без ответа сейчас", "value": 5, "display": "5", "usual": 3, "usual_display": "3", "usual_n": 2, "usual_of": "по 2 средам", "previous": 4, "previous_display": "4", "previous_of": "неделей раньше", "direction": "up", "good": False, "note": ""},
            {"key": "money_at_risk", "label": "Деньги под риском", "value": 8750000, "display": "8 750 000 ₸", "usual": None, "usual_display": None, "direction": "none", "good": None, "note": ""},
            {"key": "first_response_p50", "label": "Первый ответ (медиана)", "value": 12, "display": "12 мин", "usual": 14, "usual_display": "14 мин", "direction": "down", "good": True, "note": ""},
            {"key": "messages", "label": "Сообщения", "value": 44, "display": "44", "usual": 40, "usual_display": "40", "direction": "up", "good": None, "note": ""},
        ],
        "changes": [
            {
                "metric": "unanswered_now", "compared_with": "usual", "value_display": "5", "base_display": "3", "base_of": "по 2 средам",
                "delta": 2, "delta_display": "+2", "good": False, "dimension": "manager",
                "text": f"Ждущих ответа на конец дня больше обычного на 2: 2 из них — Динара Сейтова {hostile}.",
                "splits": [
                    {"dimension": "manager", "parts": [
                        {"part": f"{slug}-m0", "name": f"Динара Сейтова {hostile}", "label": "Динара Сейтова", "contribution": 3,
                         "display": "+3", "value_display": "5", "base_display": "2", "n": 5},
                        {"part": None, "label": "остальные", "contribution": -1, "display": "−1", "n": 0},
                    ]},
                    {"dimension": "hours", "parts": [
                        {"part": "17-24", "label": "после 17:00", "contribution": 2, "display": "+2", "value_display": "2", "base_display": "", "n": 2},
                    ]},
                ],
            }
        ],
        "managers": [{"manager_id": f"{slug}-m0", "name": "Динара Сейтова", "text": f"ответила 12 раз, медиана 8 мин {hostile}", "facts": {}}],
        "risks": [{"text": f"Клиент недоволен {hostile}", "claims": [0], "dialog_id": dialog}],
        "topics": [{"topic": "Цена и расчёт", "count": 7, "dialog_ids": [dialog]}],
        "uncovered": {
            "count": 4,
            "groups": [
                {"words": ["штора", "диван"], "count": 3, "claims": [1, 2], "dialog_ids": [dialog]},
                {"words": [], "count": 1, "claims": [3], "dialog_ids": [dialog]},
            ],
        },
        "objections": [{"topic": "Дорого", "count": 2, "claims": [0], "dialog_ids": [dialog]}],
        "promises": [{"text": "Прислать расчёт", "deadline": "2026-11-21", "deadline_display": "21 ноября", "who": "Динара", "client": hostile, "dialog_id": dialog, "claims": [0]}],
        "quality": {
            "share": 0.71, "display": "71 %", "dialogs": 11,
            "criteria": [
                {"name": f"Приветствие {hostile}", "weight": 1, "n": 11, "share": 0.82, "display": "82 %", "claims": []},
                {"name": "Вежливость", "weight": 3, "n": 4, "share": None, "display": "мало данных", "claims": [0]},
            ],
            "managers": [
                {"name": f"Динара Сейтова {hostile}", "n": 10, "share": 0.75, "display": "75 %", "claims": [0]},
                {"name": "Руслан Ким", "n": 1, "share": None, "display": "мало данных", "claims": []},
            ],
        },
        "lost_reasons": [{"reason": "Дорого", "count": 1, "amount": 300000}],
        "quiet": False,
        "too_little_data": False,
        "incomplete": {"cause": "Radist не ответил", "until": None, "next_attempt": "в 22:10"},
    }  # fmt: skip


def draft_of(world: World, slug: str, **changes: Any) -> Draft:
    hostile = HOSTILE[1] if slug == "alpha" else "тайна-беты"
    values: dict[str, Any] = {
        "report_type": "daily",
        "window": world.window,
        "period_start": world.day,
        "period_end": world.day,
        "as_of": world.window.end,
        "is_complete": slug != "alpha",
        "summary_text": f"Главное за день {hostile}",
        "body": Body.read(body_of(slug)),
        "numbers": {"unanswered_now": 5, "money_at_risk": 8_750_000, "first_response_p50": 12, "messages": 44, "answered_within_target": 0.62, "waits_answered": 8},
        "coverage": {"read": 11, "total": 13, "skipped": {"no_text": 2}},
        "claims": [
            {"section": "headline", "text": f"Спрашивают цену {hostile}", "dialog_id": f"{slug}:d/0", "message_ids": [f"{slug}0-0"], "quote": "сколько стоит кухня?"},
            *(
                {"section": "uncovered", "text": "Вопрос без темы", "dialog_id": f"{slug}:d/0", "message_ids": [f"{slug}0-0"], "quote": quote}
                for quote in (f"А шторы тоже шьёте? {hostile}", "Шторы к дивану есть?", "А музыку ставите?")
            ),
        ],
    }  # fmt: skip
    return Draft(**{**values, **changes})


def _control(connection: db.Connection, world: World, slug: str) -> None:
    tenant_id = world.tenants[slug].tenant_id
    reports.publish(connection, tenant_id, None, draft_of(world, slug, summary_text="Первая версия"), [])
    world.reports[slug] = reports.publish(connection, tenant_id, None, draft_of(world, slug), [])
    for source in ("amocrm", "radist"):
        for stream in CONNECTORS[source].required_streams:
            watermarks.advance(connection, tenant_id, source, stream, world.now - timedelta(minutes=20))
    integrations.save_public(connection, tenant_id, "amocrm", {"subdomain": f"{slug}co", "zone": "amocrm.ru"})
    integrations.save_secrets(connection, tenant_id, "amocrm", {"access_token": SECRET})
    integrations.set_status(connection, tenant_id, "amocrm", "error", error="amoCRM отказал: токен отозван.")


def _runs(connection: db.Connection, world: World) -> None:
    tenant_id = world.tenants["alpha"].tenant_id
    for name, hours in (("failed", 30), ("running", 3)):
        window = Window(world.now - timedelta(hours=hours + 2), world.now - timedelta(hours=hours))
        run, _ = queue.request(
            connection, tenant_id, window, mode="amocrm_radist", trigger_type="system", report_type="forced"
        )
        run = leases.claim(connection, run.run_id)
        leases.step(connection, run, "readings", 40, 118, "диалогов")
        queue.log(connection, run, "readings", f"Прочитано 40 {HOSTILE[3]}")
        if name == "failed":
            leases.finish(connection, run, "failed", error="Radist не отвечает: 503.", detail="HTTP 503 at page 3")
        world.runs[name] = run
    connection.execute(
        "update synkro.job_runs set created_at = now() - interval '1 hour' where run_id = %s",
        (world.runs["failed"].run_id,),
    )
    # nobody beats for it, and a module of tests takes longer than a lease
    connection.execute(
        "update synkro.job_runs set lease_until = now() + interval '1 day' where run_id = %s",
        (world.runs["running"].run_id,),
    )


def uid(value: UUID | str | None = None) -> UUID:
    return UUID(str(value)) if value else uuid4()


__all__ = ["HOSTILE", "PASSWORD", "SECRET", "Jsonb", "World", "body_of", "draft_of", "fill", "insert", "uid"]
