"""Fourteen ways a provider fails: the report is there in time, with all its numbers, and says what is missing.

Its time is tries times seconds: one request is made at a time, so that tries can be counted, and a call that hangs is cut
after 1 s here and 55 s in the product. Seen red: a third try.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.llm import reader
from analysis.llm.limits import Limits
from analysis.reading import morphology
from analysis.report import dialogs as reading
from analysis.report.builder import coverage_line
from analysis.report.dialogs import read_dialogs
from synkro.core.settings import settings
from synkro.reporting import revisions
from tests.analysis.conftest import Model
from tests.analysis.llm.test_provider import assert_each_try_was_cut, numbers_are_the_marts
from tests.analysis.mart_fixtures import SILENCE, UNHURRIED, Shop
from tests.analysis.report.test_report import report, ungrounded

LIMITS = replace(UNHURRIED, concurrency=1)
DIALOGS_WITH_TEXT = 6
HOST = "ai.synkro-tests.invalid"


@dataclass(frozen=True)
class Failure:
    name: str
    fault: str = ""
    more: tuple[tuple[str, Any], ...] = ()
    #: {} in the address is the sandbox's port
    base_url: str = ""
    model: str = "sandbox-reader"
    #: the answer is there all the same
    reads: bool = False
    #: what the report says of the cause
    says: str = ""
    #: requests: a person has to act after the first, the breaker stops after three dialogs of two tries
    most: int = 6


FAILURES = (
    Failure("no such name in DNS", base_url=f"https://{HOST}/v1", says="не удалось найти адрес", most=0),
    Failure("no TLS", base_url="https://127.0.0.1:{}/v1", says="защищённое соединение", most=0),
    Failure("401", "unauthorized", says="не принимает ключ", most=1),
    Failure("429", "rate_limited_header", (("retry_after", 30),), says="просит реже обращаться", most=3),
    Failure("500", "server_error", says="временно не отвечает"),
    Failure("hang", "llm_hang", says="не ответил за"),
    Failure("cut stream", "reset_mid_body", says="прервалось"),
    Failure("finish_reason length", "llm_truncated", says="не прошёл проверку"),
    Failure("empty", "llm_empty", says="не прошёл проверку"),
    Failure("wrong JSON", "llm_invalid_json", says="не прошёл проверку"),
    Failure("extra prose", "llm_prose", reads=True, most=DIALOGS_WITH_TEXT + 2),
    Failure("10 MB", "llm_10mb", says="слишком большой ответ", most=3),
    Failure("model name gone", model="gone-1", says="не знает такой модели", most=1),
    Failure("slow", "llm_slow", (("seconds", 0.1),), reads=True, most=DIALOGS_WITH_TEXT + 2),
)


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """The SDK and the dictionary take seconds at first use on a busy machine: that is no provider's time."""
    import openai  # noqa: F401

    morphology.tagged("слово")


def no_such_name(honest: Callable[..., Any]) -> Callable[..., Any]:
    """What a resolver says of :data:`HOST`, at once: a machine without a network would take its time."""

    def look_up(host: str, *more: Any, **named: Any) -> Any:
        if host == HOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return honest(host, *more, **named)

    return look_up


def many(shop: Shop, count: int) -> None:
    """So many short dialogs: one is made, the others are its copies; the last two wait for an answer."""
    shop.dialog("n0001", "К: Сколько стоит диван?\nМ: Диван 280 000")
    name = "'n' || lpad(g::text, 4, '0')"
    changes = {
        "dim_dialogs": f"'dialog_id', {name}",
        "period_dialogs": f"'dialog_id', {name}, 'has_open_wait', g > {count - 2}, 'transcript_hash', md5(g::text)",
        "fct_messages": f"'dialog_id', {name}, 'message_id', {name} || substr(r.message_id, 6)",
    }
    for table, values in changes.items():
        shop.connection.execute(
            f"insert into marts.{table} select (jsonb_populate_record(r, jsonb_build_object({values}))).*"
            f" from marts.{table} r, generate_series(2, {count}) g where r.dialog_id = 'n0001'"
        )


def test_the_products_own_limits() -> None:
    """A call with both tries stays within 120 s, a report of any number of dialogs within 10 minutes, headline included."""
    limits = Limits()
    assert limits.tries == 2
    assert limits.call_seconds * limits.tries <= 120
    assert limits.reading_seconds + limits.call_seconds * limits.tries <= 540, "a minute is left for the rules"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_the_report_is_there_in_time(
    busy: Shop, model: Model, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setenv("SYNKRO_AI_HOSTS", HOST)
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name(socket.getaddrinfo))
    settings.cache_clear()
    if failure.fault:
        model.breaks(failure.fault, **dict(failure.more))
    base_url = failure.base_url.format(model.base_url.split(":")[2].partition("/")[0]) or model.base_url
    limits = replace(SILENCE, concurrency=1) if failure.fault == "llm_hang" else LIMITS
    ctx = busy.context_with_ai(base_url, model.api_key, public={"model": failure.model}, limits=limits)
    draft = report(ctx)
    asked = [one for one in model.request_log.requests() if "/chat/" in one["path"]]
    assert len(asked) <= failure.most
    calls = busy.calls()
    assert calls
    if failure.fault == "llm_hang":
        assert_each_try_was_cut(calls)
    assert ungrounded(ctx, draft) == []
    numbers_are_the_marts(busy, draft)
    assert (
        len(draft.body.stored()["numbers"]) >= 10 and draft.body.stored()["actions"] and draft.body.stored()["managers"]
    )
    coverage = draft.coverage
    assert coverage["read"] + sum(coverage["skipped"].values()) == coverage["total"] == DIALOGS_WITH_TEXT + 1
    if failure.reads:
        assert coverage["read"] == DIALOGS_WITH_TEXT and draft.metadata["headline_by"] == "model"
        return
    assert coverage["read"] == 0 and coverage["by_rules"] == DIALOGS_WITH_TEXT
    assert "AI-раздел недоступен" in draft.summary_text and "использованы правила" in draft.summary_text
    assert failure.says in draft.summary_text, draft.summary_text[-300:]


@pytest.mark.parametrize("dialogs", [300, pytest.param(2000, marks=pytest.mark.assurance)])
def test_a_flood_of_dialogs_is_read_in_time_or_left_to_the_next_run(
    shop: Shop, model: Model, monkeypatch: pytest.MonkeyPatch, dialogs: int
) -> None:
    """What is not read in time is said, and no dialog is paid for twice.

    Every reading takes 100 s of the test's clock: 25 fit, the next one has 0.05 s left and is cut off.
    """
    many(shop, dialogs)
    model.breaks("llm_slow", seconds=0.3)
    begun = 0
    honest = reader.read

    def read(*what: Any, **more: Any) -> Any:
        nonlocal begun
        begun += 1
        return honest(*what, **more)

    monkeypatch.setattr(reader, "read", read)
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: begun * 100.0))
    limits = replace(UNHURRIED, reading_seconds=2500.05)
    ctx = shop.context_with_ai(model.base_url, model.api_key, limits=limits)
    first = read_dialogs(ctx)
    assert first.total == dialogs and first.read == 25 and first.skipped == {"time": dialogs - 25}
    assert first.by_rules == dialogs - 25 == sum(one.by == "rules" for one in first.readings)
    assert first.note == "не хватило времени, отчёт не мог ждать" and first.ai_down, "the headline does not wait either"
    line = coverage_line(first).replace("\u00a0", " ")
    assert f"AI прочитал 25 из {dialogs:,} диалогов".replace(",", " ") in line and "не успели" in line
    assert {one.dialog.dialog_id for one in first.readings if one.by == "model"} >= {
        f"n{dialogs - 1:04}",
        f"n{dialogs:04}",
    }, "who waits comes first"
    assert revisions.lacks((), True, first.skipped, ()) == [revisions.AI], "a revision reads on"
    second = read_dialogs(ctx)
    # the 25 of the model, and the rules read as much less
    assert second.from_cache == 25 + dialogs - 50 and second.read == 50
    # a judgement takes two dozen claims
    assert len(shop.calls()) <= second.read + 2 + 6, "only what was cut off was sent again"


def test_a_provider_that_answers_nothing_in_time_has_failed(busy: Shop, model: Model) -> None:
    model.breaks("llm_slow", seconds=0.9)
    ctx = busy.context_with_ai(model.base_url, model.api_key, limits=replace(LIMITS, reading_seconds=0.4))
    draft = report(ctx)
    assert draft.coverage["read"] == 0 and draft.coverage["skipped"]["provider"] == DIALOGS_WITH_TEXT
    assert "отвечает слишком медленно" in draft.summary_text and len(draft.body.stored()["numbers"]) >= 10


@pytest.mark.parametrize(
    ("public", "says"),
    [
        ({"daily_cap_usd": "много"}, "daily_cap_usd"),
        ({"monthly_cap_usd": "-1"}, "monthly_cap_usd"),
        ({"base_url": "https://ai.example/v1"}, "не разрешён"),
        ({"base_url": "ftp://127.0.0.1/v1"}, "base_url"),
    ],
)
def test_a_provider_that_cannot_be_opened_has_failed(busy: Shop, public: dict[str, str], says: str) -> None:
    """Nobody asks it for the headline either; the rules read, the report says why, and a revision is due."""
    ctx = busy.context_with_ai("http://127.0.0.1:9/v1", "sk-any", public=public)
    outcome = read_dialogs(ctx)
    assert outcome.ai_down and says in outcome.note and outcome.note.startswith("Поле «")
    assert outcome.skipped == {"provider": DIALOGS_WITH_TEXT, "no_text": 1} and outcome.read == 0
    assert outcome.by_rules == DIALOGS_WITH_TEXT and (outcome.calls, busy.calls()) == (0, [])
    assert revisions.lacks((), True, outcome.skipped, ()) == [revisions.AI]
    draft = report(ctx)
    assert says in draft.summary_text and draft.metadata["headline_by"] != "model" and busy.calls() == []


def test_one_repair_and_no_more(busy: Shop, model: Model) -> None:
    """The first answer is broken, the second is right: two requests and a reading."""
    model.faults.add({"kind": "llm_invalid_json", "path": "/v1/chat", "times": 1})
    draft = report(busy.context_with_ai(model.base_url, model.api_key, limits=LIMITS))
    asked = [one for one in model.request_log.requests() if "/chat/" in one["path"]]
    assert draft.coverage["read"] == DIALOGS_WITH_TEXT and len(asked) == DIALOGS_WITH_TEXT + 3


def test_a_server_without_schemas_is_asked_twice_once(busy: Shop, model: Model) -> None:
    """``response_format`` is tried, refused, and left out for the rest of the report."""
    model.faults.add({"kind": "switch", "name": "json_schema", "value": False})
    draft = report(busy.context_with_ai(model.base_url, model.api_key, limits=LIMITS))
    asked = [one for one in model.request_log.requests() if "/chat/" in one["path"]]
    assert draft.coverage["read"] == DIALOGS_WITH_TEXT
    # once for the readings and once for the headline; the sentences are judged by the readings' provider
    assert len(asked) == DIALOGS_WITH_TEXT + 1 + 1 + 2
