"""The lines of the scoreboard: what is promised, and the command that proves it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:xdist")


@dataclass(frozen=True)
class Line:
    """One promise. ``command`` proves it; without one, pytest runs ``tests``.

    ``counts``: a regular expression whose last match in the output holds N (``n``) and, for a measurement, its figure
    (``figure``); pytest's own count is taken without it. ``tests`` may hold ``-k``. ``seconds``: the most it may take.
    """

    name: str
    area: str
    promise: str
    tests: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    counts: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    seconds: int = 900

    def argv(self, junit: str) -> list[str]:
        return list(self.command) if self.command else [*PYTEST, f"--junitxml={junit}", *self.tests]


def module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


LINES: tuple[Line, ...] = (
    # tenant isolation
    Line(
        "T1",
        "isolation",
        "the catalogue has no hole, also after a full rebuild of the marts",
        ("tests/synkro/database/test_rls_audit.py", "tests/transforms/test_rebuild.py"),
    ),
    Line(
        "T8",
        "isolation",
        "pgrls: its rules hold, and no policy leaks by five threats",
        command=module("tests.policies"),
        counts=r"write +(?P<n>\d+) of",
    ),
    Line(
        "T2",
        "isolation",
        "every actor, relation and verb; every service by every role; the app's own login",
        (
            "tests/synkro/database/test_isolation.py",
            "tests/synkro/database/test_role_matrix.py",
            "tests/app/test_who_may.py",
            "tests/synkro/database/test_app_login.py",
        ),
    ),
    Line(
        "T3",
        "isolation",
        "roles come and go while people read: 10,000 reads, no foreign row",
        ("tests/app/test_isolation_stateful.py",),
        environment={"SYNKRO_TEST_ISOLATION_READS": "10000"},
    ),
    Line("T6", "isolation", "pages, exports and questions: foreign rows are not there", ("tests/app/test_services.py",)),
    Line("T7", "isolation", "analysts see their companies alone", ("tests/transforms/test_analysts.py",)),
    # ingestion
    Line("I1", "ingestion", "contract of every stream", ("tests/ingestion/test_contract.py",)),
    Line("I2", "ingestion", "the whole fault catalogue", ("tests/ingestion/test_fault_catalogue.py",), seconds=1200),
    Line("I3", "ingestion", "all crash points", ("tests/ingestion/test_crash_points.py",), seconds=1500),
    Line(
        "I4",
        "ingestion",
        "parts, staging and resumed reads",
        ("tests/ingestion/test_parts.py", "tests/ingestion/test_landing.py", "tests/ingestion/test_loading.py"),
    ),
    Line(
        "I6",
        "ingestion",
        "the vendors' pace, blocks and storms; ten companies at once",
        ("tests/synkro/http/test_ratelimit.py", "tests/ingestion/test_rate_limits.py", "tests/ingestion/test_ten_tenants.py"),
    ),
    Line("I7", "ingestion", "one refresh of an expired token", ("tests/ingestion/test_oauth.py",)),
    Line("I9", "ingestion", "drift of the vendors' schemas", ("tests/ingestion/test_drift.py",)),
    Line(
        "I11",
        "ingestion",
        "reconciliation: vendor, raw and marts agree",
        ("tests/orchestration/run/test_reconciliation.py", "tests/synkro/reporting/test_reconciliation.py"),
    ),
    # marts
    Line(
        "M1",
        "transforms",
        "10,000 random dialogs against the independent oracle",
        ("tests/transforms/test_oracle.py",),
        environment={"SYNKRO_TEST_ORACLE": "10000", "SYNKRO_TEST_ORACLE_SEED": "100"},
        seconds=1500,
    ),
    Line(
        "M9",
        "transforms",
        "10,000 random pairs of windows are split without a rest, as the oracle splits them",
        ("tests/transforms/test_changes.py",),
        environment={"SYNKRO_TEST_PAIRS": "12000"},
        seconds=2400,
    ),
    Line(
        "M2",
        "transforms",
        "49 increments equal a full rebuild",
        ("tests/transforms/test_increment.py",),
        seconds=1500,
    ),
    Line("M5", "transforms", "who needs an answer: decided, counted, corrected", ("tests/orchestration/run/test_intents.py",)),
    Line("M3", "transforms", "dbt's unit tests and the worked cases", ("tests/transforms/test_unit_tests.py",)),
    Line(
        "M4",
        "transforms",
        "the increment has the rows of plain SQL, 14 marts",
        command=module("bench.marts", "--sizes", "20000", "--tenants", "3"),
        counts=r"(?P<n>\d+) marts",
        seconds=900,
    ),
    # orchestration
    Line(
        "O1",
        "orchestration",
        "kill matrix: every process in every step",
        command=module("tests.chaos.kill_matrix", "--fast"),
        counts=r"(?P<n>\d+) of \d+",
        seconds=1800,
    ),
    Line("O2", "orchestration", "Celery: a cluster of workers", ("tests/orchestration/queue/test_celery.py",), seconds=1500),
    Line(
        "O3",
        "orchestration",
        "one run a window: asked again, while running, after failure and success",
        ("tests/synkro/runs/test_queue.py", "tests/orchestration/run/test_termination.py", "tests/orchestration/run/test_worker.py"),
    ),
    Line(
        "O7",
        "orchestration",
        "missed windows, clock changes, month borders",
        ("tests/orchestration/queue/test_schedules.py", "tests/synkro/core/test_windows.py", "tests/orchestration/run/test_dst.py"),
    ),
    Line("O8", "orchestration", "a heavy company holds nobody back", ("tests/orchestration/queue/test_fairness.py",)),
    Line("O9", "orchestration", "a missing report is told of", ("tests/delivery/test_silence.py",)),
    Line(
        "O10",
        "orchestration",
        "the whole suite on two of thirteen dates, others every day (all of them: python -m tests.dates)",
        command=module("tests.dates", "--rotation", "2"),
        counts=r"(?P<n>\d+) of \d+ dates",
        seconds=1800,
    ),
    Line(
        "O11",
        "orchestration",
        "Dagster's own commands from the root; what was not read is not materialized",
        ("tests/orchestration/process/test_dagster_commands.py", "tests/orchestration/run/test_modes.py"),
    ),
    # delivery
    Line("D1", "delivery", "outbox: at least once, a repeat marked", ("tests/delivery/test_sender.py",)),
    Line("D2", "delivery", "any text fits Telegram", ("tests/delivery/test_markup.py", "tests/delivery/test_message.py")),
    Line("D3", "delivery", "Telegram's errors", ("tests/delivery/test_verdicts.py",)),
    Line("D5", "delivery", "questions: once each, foreign chats nothing", ("tests/delivery/test_updates.py", "tests/delivery/test_bot.py", "tests/delivery/test_binding.py")),
    # secrets
    Line("S1", "secrets", "sealing, rotation, transplants", ("tests/synkro/core/test_vault.py", "tests/synkro/connectors/test_key_rotation.py")),
    Line("S6", "secrets", "redaction of logs and errors", ("tests/synkro/core/test_log.py",)),
    Line(
        "P7",
        "audit",
        "the audit log: edited, deleted, cut, moved, smuggled, rewritten lines are found; fifty writers",
        ("tests/synkro/tenancy/test_audit_chain.py",),
        environment={"SYNKRO_TEST_TAMPERS": "600"},
    ),
    # web
    Line("W1", "web", "sign-in, sockets, headers, foreign origins", ("tests/app/accounts/test_auth.py", "tests/app/test_middleware.py")),
    Line("W2", "web", "every page, role and press", ("tests/app/pages/test_pages.py", "tests/app/pages/test_interactions.py", "tests/app/pages/test_browser.py")),
    Line("W3", "web", "REST API", ("tests/app/test_api.py",)),
    Line("W4", "web", "guesses are counted, nobody is locked out of a known browser", ("tests/app/accounts/test_sign_in.py",)),
    Line("W5", "web", "hashes and passwords", ("tests/app/accounts/test_hashing.py", "tests/app/accounts/test_passwords.py")),
    Line("W6", "web", "the second step of a sign-in", ("tests/app/accounts/test_second_factor.py",)),
    Line("W9", "web", "Dagster's UI: operators alone, by POST and JSON", ("tests/app/test_dagster_proxy.py",)),
    Line("W7", "web", "disabled accounts, ended sessions, revoked roles", ("tests/app/accounts/test_accounts.py",)),
    Line(
        "W8",
        "web",
        "no input brings an error of ours: 50,000 random requests over every route",
        command=(*PYTEST, "-q", "-s", "tests/app/test_hostile_input.py", "-k", "random"),
        counts=r"(?P<n>\d+) requests, 0 errors",
        environment={"SYNKRO_TEST_REQUESTS": "50000"},
        seconds=3600,
    ),
    # AI
    Line("A1", "analysis", "injections change nothing", ("tests/analysis/llm/test_injections.py",)),
    Line("A2", "analysis", "masking: what leaves, on the texts of three corpora too", ("tests/analysis/llm/test_masking.py",)),
    Line("A3", "analysis", "numbers and names of a text", ("tests/analysis/reading/test_numbers_and_names.py",)),
    Line("A4", "analysis", "quotes word for word", ("tests/analysis/reading/test_citations.py", "tests/analysis/reading/test_grounding.py")),
    Line("A5", "analysis", "a provider that fails", ("tests/analysis/llm/test_provider.py", "tests/analysis/llm/test_provider_failures.py")),
    Line("A6", "analysis", "caps of money", ("tests/analysis/llm/test_money.py",)),
    Line("A7", "analysis", "cache: no cross hits", ("tests/analysis/llm/test_cache.py",)),
    Line(
        "A9",
        "analysis",
        "reading, one business left out at a time: of open waits shown, real (all measures: the line's log)",
        command=module("bench.reading", "--leave-one-out"),
        counts=r"of open waits shown, real.* (?P<figure>[\d.]+) \(\d+/(?P<n>\d+)\) +[\d.]+ \(\d+/\d+\) +≥",
        seconds=900,
    ),
    # outbound HTTP
    Line(
        "F1",
        "http",
        "allow-list, redirects, limits, TLS, one door",
        ("tests/synkro/http/test_allowlist.py", "tests/synkro/http/test_http.py", "tests/synkro/http/test_only_entry_points.py", "tests/synkro/connectors/test_project_database.py"),
    ),
    Line(
        "B1",
        "database",
        "everything with a database on the system's Postgres",
        command=module("pytest", "-n", "2", "--dist", "worksteal", "-m", "postgres and not assurance", "--postgres", "system"),
        counts=r"(?P<n>\d+) passed",
        seconds=2400,
    ),
    Line(
        "B2",
        "database",
        "Supabase's CLI pushes, lints and advises; ours goes on where it stopped",
        ("tests/deploy/test_supabase_cli.py", "--postgres", "system"),
    ),
    Line(
        "H1",
        "database",
        "a hosted Supabase: people, poolers, limits, the runbook's paths",
        (
            "tests/supabase", "tests/sandbox/test_supabase.py", "tests/synkro/database/test_connections.py",
            "tests/orchestration/process/test_hosted_limits.py",
        ),
        seconds=900,
    ),
    Line("B3", "database", "an upgraded database is a fresh one with its rows", ("tests/synkro/database/test_upgrade.py",)),
    # packaging
    Line("K1", "packaging", "a demo runs from a wheel in an empty folder", ("tests/cli/test_wheel.py",)),
    # the tests themselves
    Line(
        "Q1",
        "tests",
        "planted mutants",
        command=module("tests.mutants"),
        counts=r"(?P<n>\d+) killed",
        seconds=3000,
    ),
)  # fmt: skip


def chosen(word: str) -> Iterator[Line]:
    """Lines of an area or of a name; all of them without a word."""
    for line in LINES:
        if not word or word.lower() in (line.area, line.name.lower()):
            yield line
