"""Money of the AI: no cap is passed, nothing over a cap is sent, and the request log is the provider's bill.

Seen red: sending before the cap is checked (the bill no longer equals the request log), reading the sums without the lock
(``test_parallel_callers_share_the_caps``), settling at zero when no bill came (``test_an_answer_that_never_arrived…``).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from analysis.llm.budget import Budget, BudgetExceeded, DatabaseLedger, caps_of
from analysis.llm.prices import CAUTIOUS, FREE, Price, cost, price_of
from analysis.report.builder import write_report
from analysis.report.dialogs import read_dialogs
from synkro.core.errors import ConfigurationError
from synkro.core.settings import settings
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import spending
from synkro.reporting.spending import Caps, Settled
from synkro.runs import queue
from synkro.tenancy import tenants
from tests.analysis.conftest import Model
from tests.analysis.mart_fixtures import SILENCE, UNHURRIED, Shop
from tests.analysis.report.test_report import report

PRICE = Price(Decimal("0.15"), Decimal("0.60"))
#: what one reserved call of these tests can cost at most
WORST = cost(PRICE, 1000, 1000)


def caps(**changes: Decimal | int | None) -> Caps:
    wide = {name: Decimal(100) for name in ("call", "report", "tenant_day", "installation_day")}
    return Caps(**{**wide, "at_once": 1000, **changes})  # type: ignore[arg-type]


def sums(shop: Shop) -> tuple[Decimal, Decimal, int]:
    """``(spent, reserved, calls)`` of all tenants and days."""
    row = shop.connection.execute(
        "select coalesce(sum(spent_usd), 0), coalesce(sum(reserved_usd), 0), coalesce(sum(calls), 0) from synkro.ai_spend"
    ).fetchone()
    assert row is not None
    return row[0], row[1], int(row[2])


def bill(model: Model) -> tuple[int, int, Decimal]:
    meter = model.meter()
    return meter["prompt_tokens"], meter["completion_tokens"], Decimal(meter["micro_usd"]) / 1_000_000


def journalled(shop: Shop) -> tuple[int, int, Decimal]:
    calls = shop.calls()
    return (
        sum(c["tokens_in"] for c in calls),
        sum(c["tokens_out"] for c in calls),
        sum((c["cost_usd"] for c in calls), Decimal(0)),
    )


@pytest.mark.parametrize(
    "fault",
    [
        "", "llm_invalid_json", "llm_truncated", "llm_prose", "llm_empty", "llm_lies_numbers", "llm_obeys_attacker",
        "llm_wrong_language", "server_error", "rate_limited_html", "gateway_errors", "unauthorized", "json_schema",
    ],
)  # fmt: skip
def test_the_journal_is_the_bill_to_the_millionth(busy: Shop, model: Model, fault: str) -> None:
    if fault == "json_schema":
        model.faults.add({"kind": "switch", "name": "json_schema", "value": False})
    elif fault:
        model.breaks(fault)
    before = bill(model)
    draft = report(busy.context_with_ai(model.base_url, model.api_key))
    after = bill(model)
    assert journalled(busy) == tuple(a - b for a, b in zip(after, before, strict=True))
    assert draft.cost_usd == journalled(busy)[2]
    assert sums(busy) == (draft.cost_usd, Decimal(0), sum(c["status"] != "refused" for c in busy.calls()))
    assert not any(c["is_estimate"] or c["status"] == "sending" for c in busy.calls())


@pytest.mark.parametrize("fault", ["llm_10mb", "llm_hang", "reset_mid_body", "truncated_json", "llm_no_usage"])
def test_an_answer_that_never_arrived_is_counted_as_if_it_had(busy: Shop, model: Model, fault: str) -> None:
    """The provider may well have charged for it: never less than its bill, and marked as an estimate."""
    model.breaks(fault)
    before = bill(model)
    limits = SILENCE if fault == "llm_hang" else UNHURRIED
    report(busy.context_with_ai(model.base_url, model.api_key, limits=limits))
    sent = [c for c in busy.calls() if c["status"] != "refused"]
    assert sent and all(c["is_estimate"] for c in sent)
    assert journalled(busy)[2] > 0
    assert journalled(busy)[2] >= bill(model)[2] - before[2]


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:9/v1", "https://127.0.0.1:9/v1"])
def test_what_was_not_sent_costs_nothing(busy: Shop, base_url: str) -> None:
    report(busy.context_with_ai(base_url, "sk-any"))
    assert busy.calls() and journalled(busy) == (0, 0, Decimal(0))


CAPS: tuple[tuple[str, str, str], ...] = (
    ("call", "SYNKRO_AI_CALL_CAP_USD", "0.0001"),
    ("report", "SYNKRO_AI_REPORT_CAP_USD", "0.004"),
    ("tenant_day", "SYNKRO_AI_TENANT_DAY_CAP_USD", "0.004"),
    ("installation_day", "SYNKRO_AI_DAY_CAP_USD", "0.004"),
    ("tenant_day", "daily_cap_usd", "0.004"),
    ("tenant_month", "monthly_cap_usd", "0.004"),
)


@pytest.mark.parametrize(("over", "where", "cap"), CAPS)
def test_nothing_over_a_cap_is_sent(
    busy: Shop, model: Model, monkeypatch: pytest.MonkeyPatch, over: str, where: str, cap: str
) -> None:
    public = {}
    if where.startswith("SYNKRO_"):
        monkeypatch.setenv(where, cap)
        settings.cache_clear()
    else:
        public = {where: cap}
    before = model.meter()["requests"]
    ctx = busy.context_with_ai(model.base_url, model.api_key, public=public)
    outcome = read_dialogs(ctx)
    sent = [c for c in busy.calls() if c["status"] != "refused"]
    assert model.meter()["requests"] - before == len(sent), "the provider saw exactly what was reserved"
    assert journalled(busy)[2] <= Decimal(cap)
    assert outcome.skipped["budget"] > 0 and {c["error"] for c in busy.calls() if c["status"] == "refused"} == {
        f"budget: {over}"
    }
    assert (over == "call") == (not sent)
    draft = write_report(ctx, outcome)
    assert "сверх лимита расходов" in draft.summary_text and spending.OVER[over].lower() in draft.summary_text.lower()
    assert draft.coverage["read"] + sum(draft.coverage["skipped"].values()) == draft.coverage["total"]
    assert journalled(busy)[2] <= Decimal(cap)


@pytest.mark.parametrize("scope", ["tenant_day", "tenant_month", "installation_day"])
def test_parallel_callers_share_the_caps(shop: Shop, scope: str) -> None:
    """Forty callers at once, of two companies where the cap is the installation's: five calls fit, five are sent."""
    with db.as_service("test") as connection:
        other = tenants.add(connection, "Вторая", "vtoraya", "Asia/Almaty").tenant_id
    limits = caps(**{scope: WORST * 5})

    def call(n: int) -> bool:
        tenant = other if n % 2 and scope == "installation_day" else shop.tenant_id
        budget = Budget(PRICE, limits, DatabaseLedger(tenant, None))
        try:
            held = budget.hold("reading", "m", "x", 1000, 1000)
        except BudgetExceeded as error:
            assert error.over == scope
            return False
        assert held is not None
        if n % 3:
            budget.settle(held, Settled(1000, 1000, WORST))
        return True

    with ThreadPoolExecutor(12) as pool:
        sent = sum(pool.map(call, range(40)))
    assert sent == 5
    assert sum(sums(shop)[:2]) == WORST * 5


def test_a_company_has_so_many_calls_on_the_way(shop: Shop) -> None:
    budget = Budget(PRICE, caps(at_once=3), DatabaseLedger(shop.tenant_id, None))
    held = [budget.hold("reading", "m", "x", 10, 10) for _ in range(4)]
    assert [one is None for one in held] == [False, False, False, True]
    assert held[0] is not None
    budget.settle(held[0], Settled())
    assert Budget(PRICE, caps(at_once=3), DatabaseLedger(shop.tenant_id, uuid4())).hold("reading", "m", "x", 10, 10)


def test_a_run_that_ended_has_no_calls_on_the_way(shop: Shop) -> None:
    """Who died in the middle of its readings never settles: the run in its stead does not wait for its calls."""
    limits, window = caps(at_once=1), Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
    with db.as_service("test") as connection:
        asked, _ = queue.request(
            connection, shop.tenant_id, window, mode="amocrm_radist", trigger_type="manual", report_type="daily"
        )
    assert Budget(PRICE, limits, DatabaseLedger(shop.tenant_id, asked.run_id)).hold("reading", "m", "x", 1000, 1000)
    following = Budget(PRICE, limits, DatabaseLedger(shop.tenant_id, uuid4()))
    assert following.hold("reading", "m", "x", 1000, 1000) is None, "the first run is at work"
    with db.as_service("test") as connection:
        connection.execute(
            "update synkro.job_runs set status = 'failed', finished_at = now() where run_id = %s", (asked.run_id,)
        )
    assert following.hold("reading", "m", "x", 1000, 1000)
    assert sums(shop)[1] == WORST * 2, "what may have been charged stays counted"


def test_two_reports_at_once_wait_for_each_other(busy: Shop, model: Model) -> None:
    """Sixteen tasks of two reports, two places: never more than two requests on the provider's table."""
    from dataclasses import replace

    model.breaks("llm_slow", seconds=0.05)
    ctx = busy.context_with_ai(model.base_url, model.api_key)
    ctx = replace(ctx, limits=replace(ctx.limits, concurrency=2))
    most = 0

    def watch() -> None:
        nonlocal most
        row = busy.connection.execute("select count(*) from synkro.ai_calls where status = 'sending'").fetchone()
        assert row is not None
        most = max(most, row[0])

    ctx = replace(ctx, checkpoint=watch)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda _: read_dialogs(ctx), range(2)))
    assert all(outcome.read == 6 for outcome in outcomes) and 1 <= most <= 2


def test_a_process_that_died_leaves_its_reserve_counted(shop: Shop) -> None:
    limits = caps(tenant_day=WORST * 2)
    assert Budget(PRICE, limits, DatabaseLedger(shop.tenant_id, None)).hold("reading", "m", "x", 1000, 1000)
    next_run = Budget(PRICE, limits, DatabaseLedger(shop.tenant_id, None))
    held = next_run.hold("reading", "m", "x", 1000, 1000)
    assert held is not None
    with pytest.raises(BudgetExceeded, match="дневной предел"):
        next_run.hold("reading", "m", "x", 1000, 1000)
    next_run.settle(held, Settled(cost_usd=Decimal("0.0001")))
    next_run.settle(held, Settled(cost_usd=Decimal("0.0001")))  # twice is once
    assert sums(shop) == (Decimal("0.0001"), WORST, 1)


def test_a_run_executed_again_goes_on_with_its_reports_cap(shop: Shop) -> None:
    run_id = shop.connection.execute(
        "insert into synkro.job_runs (tenant_id, mode, trigger_type, report_type, window_start, window_end, idempotency_key)"
        " values (%s, 'radist_only', 'system', 'daily', now() - interval '1 day', now(), 'k') returning run_id",
        (shop.tenant_id,),
    ).fetchone()[0]  # type: ignore[index]
    first = Budget(PRICE, caps(), DatabaseLedger(shop.tenant_id, UUID(str(run_id))))
    held = first.hold("reading", "m", "x", 1000, 1000)
    assert held is not None
    first.settle(held, Settled(1000, 1000, WORST))
    with db.as_service("test") as connection:
        before = spending.of_run(connection, shop.tenant_id, run_id)
    again = Budget(PRICE, caps(report=WORST), DatabaseLedger(shop.tenant_id, UUID(str(run_id))), before)
    with pytest.raises(BudgetExceeded, match="одного отчёта"):
        again.hold("reading", "m", "x", 1000, 1000)


def test_the_lower_of_two_caps_holds() -> None:
    env = settings()
    assert caps_of({}, env).tenant_day == env.ai_tenant_day_cap_usd
    assert caps_of({"daily_cap_usd": "3"}, env).tenant_day == 3
    assert caps_of({"daily_cap_usd": 10_000}, env).tenant_day == env.ai_tenant_day_cap_usd
    for wrong in ("много", "-1", "nan", "inf"):
        with pytest.raises(ConfigurationError, match="daily_cap_usd"):
            caps_of({"daily_cap_usd": wrong}, env)


def test_the_price_of_a_model(tmp_path: Path) -> None:
    assert price_of("gpt-4o-mini-2024-07-18", False) == (PRICE, "")
    assert price_of("openai/gpt-4o-mini", False) == (PRICE, "")
    assert price_of("gpt-4o-minimal", False)[0] == CAUTIOUS
    price, note = price_of("brand-new-1", False)
    assert price == CAUTIOUS and "SYNKRO_AI_PRICES" in note
    price, note = price_of("qwen3-8b.gguf", True)
    assert price == FREE and "сервер местный" in note
    extra = tmp_path / "prices.toml"
    extra.write_text(
        '[models]\n"brand-new-1" = { input = 1, output = 2.5 }\n"gpt-4o-mini" = { input = 9, output = 9 }\n'
    )
    assert price_of("brand-new-1", False, extra) == (Price(Decimal(1), Decimal("2.5")), "")
    assert price_of("gpt-4o-mini", False, extra)[0].input == 9
    assert price_of("gpt-4o", False, extra)[0].input == Decimal("2.5")


@pytest.mark.parametrize("text", ["nonsense", '[models]\n"m" = 3', '[models]\n"m" = { input = -1, output = 2 }'])
def test_a_file_of_prices_that_is_wrong_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="SYNKRO_AI_PRICES"):
        price_of("m", False, path)
    with pytest.raises(ConfigurationError, match="не читается"):
        price_of("m", False, tmp_path / "absent.toml")
