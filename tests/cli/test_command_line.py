"""The command line as other programs drive it: one JSON document, exit codes, plain sentences, no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from synkro.core import clock, vault
from synkro.database import db
from tests.cli.warm import Warm, warm
from tests.support.cluster import APP_PASSWORD
from tests.support.moment import offset_seconds


@dataclass
class Shell:
    environment: dict[str, str]
    commands: Warm

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.commands.run(words, self.environment, stdin)

    def json(self, *words: str, stdin: str = "") -> Any:
        done = self.run(*words, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    with warm(tmp_path_factory.mktemp("commands")) as started:
        yield started


@pytest.fixture
def shell(database: str, commands: Warm, tmp_path: Path) -> Shell:
    keep = {name: value for name, value in os.environ.items() if not name.startswith("SYNKRO_")}
    return Shell(
        {
            **keep,
            "SYNKRO_DATABASE_URL": database,
            "SYNKRO_SECRET_KEYS": vault.generate_key(),
            "SYNKRO_DATA_DIR": str(tmp_path / "data"),
            "SYNKRO_ALLOW_LOCAL_VENDORS": "1",
            "SYNKRO_CLOCK_OFFSET_SECONDS": offset_seconds(),
        },
        commands,
    )


def test_a_process_of_its_own_says_and_ends_the_same(shell: Shell) -> None:
    """What the warm process stands for: the real command, once."""
    for words in (("tenant", "list", "--json"), ("run", "show", "not-a-number"), ("report",)):
        real = subprocess.run(
            [sys.executable, "-m", "cli.main", *words],
            env=shell.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        warm_one = shell.run(*words)
        assert (warm_one.returncode, warm_one.stdout) == (real.returncode, real.stdout)
        # usage is told with the program's name
        assert warm_one.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:]


def test_a_company_is_set_up_without_a_page(shell: Shell) -> None:
    made = shell.json("tenant", "add", "alpha", "--name", "Альфа", "--timezone", "Asia/Almaty", "--business", "clinic")
    assert made["slug"] == "alpha"
    person = shell.json("user", "add", "a@b.example", "--tenant", "alpha", "--role", "admin_lite")
    assert person["password"] is None and "/invite/" in person["link"]
    operator = shell.json("user", "add", "o@b.example", "--role", "super_admin")
    assert len(operator["password"]) >= 12 and operator["link"] is None
    said = shell.run("user", "password", "o@b.example").stdout
    assert "/auth/confirm?token_hash=" in said and operator["password"] not in said
    public = json.dumps({"company_id": 1001, "host": "api.radist.online"})
    saved = shell.json(
        "integration", "set", "alpha", "radist", "--public", public, stdin="-key-that-starts-with-a-dash-0000"
    )
    assert saved["public"]["company_id"] == 1001
    assert saved["secrets"]["api_key"]["tail"] == "0000"
    config = shell.json("runtime", "set", "alpha", "mode=radist_only", "sla_target_minutes=20")
    assert (config["mode"], config["sla_target_minutes"], config["version"]) == ("radist_only", 20, 2)
    assert [tenant["slug"] for tenant in shell.json("tenant", "list")] == ["alpha"]
    assert shell.json("report", "list", "alpha") == []
    assert shell.json("run", "list") == []


def test_a_calendar_from_a_date_on_joins_the_one_there_is(shell: Shell) -> None:
    shell.json("tenant", "add", "alpha", "--name", "Альфа", "--timezone", "Asia/Almaty")
    whole = shell.json("runtime", "set", "alpha", 'calendar={"weekly": {"mon": [["09:00", "18:00"]]}}')["calendar"]
    version = '{"valid_from": "2026-06-01", "weekly": {"mon": [["10:00", "17:00"]]}}'
    joined = shell.json("runtime", "set", "alpha", f"calendar={version}")["calendar"]
    assert joined["weekly"] == whole["weekly"] and joined["versions"] == [json.loads(version)]
    assert shell.json("runtime", "show", "alpha")["calendar"] == joined
    refused = shell.run("runtime", "set", "alpha", 'calendar={"valid_from": "2026-06-01", "valid_to": "2026-05-01"}')
    assert refused.returncode == 1 and "valid_to" in refused.stderr


def test_a_history_is_queued_joined_and_refused_when_it_goes_deeper(shell: Shell) -> None:
    shell.json("tenant", "add", "alpha", "--name", "Альфа", "--timezone", "Asia/Almaty")
    days = [(clock.now() - timedelta(days=back)).date().isoformat() for back in (90, 30, 200)]
    queued = shell.json("backfill", "alpha", "--from", days[0])
    assert queued["status"] == "pending" and queued["history_from"] is not None
    assert shell.json("backfill", "alpha", "--from", days[1])["id"] == queued["id"]
    assert shell.json("report", "run", "alpha")["id"] == queued["id"]
    deeper = shell.run("backfill", "alpha", "--from", days[2])
    assert deeper.returncode == 1 and "synkro run stop" in deeper.stderr and queued["id"] in deeper.stderr
    shell.json("run", "stop", queued["id"])
    again = shell.json("run", "retry", queued["id"], "--no-wait")
    assert again["history_from"] == queued["history_from"] and again["attempt"] == 2


def test_an_edited_audit_log_is_named(shell: Shell, database: str, tmp_path: Path) -> None:
    shell.json("tenant", "add", "alpha", "--name", "Альфа")
    shell.run("runtime", "set", "alpha", "sla_target_minutes=20")
    file = tmp_path / "anchors.jsonl"
    assert "Отметок вне базы нет" in shell.run("audit", "verify").stdout
    assert "Отметок добавлено — 1" in shell.run("audit", "anchor", "--anchors", str(file)).stdout
    (row,) = shell.json("audit", "verify", "alpha", "--anchors", str(file))
    assert (row["chain"], row["lines"], row["anchored"], row["breaks"]) == ("alpha", 2, 2, [])
    lines = [json.loads(line) for line in shell.run("audit", "export", "alpha").stdout.splitlines()]
    assert [(line["action"], line["position"]) for line in lines] == [("tenant.added", 1), ("runtime.changed", 2)]
    assert lines[1]["metadata"]["changed"] == {"sla_target_minutes": ["15", "20"]}
    with psycopg.connect(database) as owner:
        owner.execute("set session_replication_role = replica")
        owner.execute("update synkro.audit_log set actor = 'nobody' where action = 'runtime.changed'")
    done = shell.run("audit", "verify", "--anchors", str(file))
    assert done.returncode == 1 and "место 2: запись" in done.stdout and "изменена" in done.stdout
    file.write_text("{}\n")
    done = shell.run("audit", "verify", "--anchors", str(file))
    assert done.returncode == 1 and "строка 1" in done.stderr and "Traceback" not in done.stderr


def test_a_chat_is_bound_by_a_printed_code(shell: Shell) -> None:
    shell.json("tenant", "add", "alpha", "--name", "Альфа")
    early = shell.run("telegram", "code", "alpha")
    assert early.returncode == 1 and "токен бота" in early.stderr
    shell.run("integration", "set", "alpha", "telegram", stdin="123456789:" + "A" * 35)
    made = shell.json("telegram", "code", "alpha")
    assert re.fullmatch("[A-Z2-9]{12}", made["code"]) and made["group_command"] == f"/bind {made['code']}"
    shown = shell.run("telegram", "code", "alpha").stdout
    assert "10 минут" in shown and made["code"] not in shown, "a newer code ends the older one"
    shell.run("integration", "set", "alpha", "telegram", "--public", '{"chat_id": [-1001, 42]}')
    assert [chat["chat_id"] for chat in shell.json("telegram", "list", "alpha")] == ["-1001", "42"]
    assert "отключён" in shell.run("telegram", "unbind", "alpha", "-1001").stdout
    assert [chat["chat_id"] for chat in shell.json("telegram", "list", "alpha")] == ["42"]
    named = shell.run("integration", "set", "alpha", "telegram", "--public", '{"chat_id": "@channel"}')
    assert named.returncode == 1 and "synkro telegram code" in named.stderr


def test_a_secret_is_never_printed(shell: Shell) -> None:
    shell.json("tenant", "add", "alpha", "--name", "Альфа")
    secret = "canary-secret-value-0123456789"
    for done in (
        shell.run("integration", "set", "alpha", "telegram", "--public", '{"chat_id": 1}', "--json", stdin=secret),
        shell.run("integration", "check", "alpha", "telegram", "--json"),
        shell.run("doctor", "--json"),
    ):
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "run", "nobody"), "не найдена"),
        (("report", "show", "alpha"), "Отчёта ещё нет"),
        (("report", "run", "alpha", "--from", "2099-01-01T00:00", "--to", "2099-01-02T00:00"), "ещё не закончилось"),
        (("report", "run", "alpha", "--from", "2020-01-01T00:00", "--to", "2020-01-02T00:00"), "слишком давно"),
        (("report", "run", "alpha", "--from", "вчера", "--to", "2020-01-02T00:00"), "from"),
        (("backfill", "nobody", "--from", "2026-01-01"), "не найдена"),
        (("backfill", "alpha", "--from", "2099-01-01"), "Поле «from»: день 2099-01-01 ещё не закончился"),
        (("backfill", "alpha", "--from", "2001-01-01"), "за 5 лет"),
        (("backfill", "alpha", "--from", "позавчера"), "не похоже на дату"),
        (("run", "show", "00000000-0000-0000-0000-000000000000"), "не найден"),
        (("run", "show", "not-a-number"), "не найден"),
        (("runtime", "set", "alpha", "sla_target_minutes=never"), "не целое число"),
        (("runtime", "set", "alpha", "colour=red"), "Есть:"),
        (("runtime", "set", "alpha", "timezone=Mars/Olympus"), "IANA"),
        (("runtime", "set", "alpha", "calendar={"), "JSON"),
        (("integration", "set", "alpha", "radist", "--public", '{"token": 1}'), "нет поля token"),
        (("integration", "set", "alpha", "radist", "--public", '{"api_key": 1}'), "секрет"),
        (("integration", "check", "alpha", "radist"), "не подключена"),
        (("tenant", "add", "Альфа", "--name", "x"), "Код компании"),
        (("tenant", "add", "alpha", "--name", "x"), "уже занят"),
        (("tenant", "add", "beta", "--name", "x", "--business", "zoo"), "Есть: core, auto_service"),
        (("user", "add", "not-an-address", "--tenant", "alpha"), "почту"),
    ],
)
def test_a_failure_is_one_plain_sentence(shell: Shell, words: tuple[str, ...], said: str) -> None:
    shell.run("tenant", "add", "alpha", "--name", "Альфа")
    done = shell.run(*words)
    assert done.returncode == 1
    assert said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ("report",),
        ("report", "run"),
        ("no-such-command",),
        ("report", "run", "alpha", "--from", "2026-01-01"),
        ("backfill", "alpha"),
    ],
)
def test_wrong_usage_is_two(shell: Shell, words: tuple[str, ...]) -> None:
    assert shell.run(*words).returncode == 2


def test_an_empty_database_is_told_how_to_fill_it(shell: Shell, empty_database: str) -> None:
    shell.environment["SYNKRO_DATABASE_URL"] = empty_database
    done = shell.run("tenant", "list")
    assert done.returncode == 1
    assert "synkro db up" in done.stderr
    assert shell.run("tenant", "--help").returncode == 0


def test_missing_keys_are_named(shell: Shell) -> None:
    shell.run("tenant", "add", "alpha", "--name", "Альфа")
    shell.environment["SYNKRO_SECRET_KEYS"] = "short"
    done = shell.run("integration", "set", "alpha", "radist", stdin="key-0123456789-0123456789")
    assert done.returncode == 1
    assert "SYNKRO_SECRET_KEYS" in done.stderr


def test_production_refuses_local_vendors(shell: Shell) -> None:
    shell.environment["SYNKRO_ENV"] = "production"
    done = shell.run("tenant", "list")
    assert done.returncode == 1
    assert "SYNKRO_ALLOW_LOCAL_VENDORS" in done.stderr


def test_production_refuses_a_clock_that_is_moved(shell: Shell) -> None:
    del shell.environment["SYNKRO_ALLOW_LOCAL_VENDORS"]
    shell.environment |= {"SYNKRO_ENV": "production", "SYNKRO_CLOCK_OFFSET_SECONDS": "-86400"}
    done = shell.run("tenant", "list")
    assert done.returncode == 1
    assert "SYNKRO_CLOCK_OFFSET_SECONDS" in done.stderr


def test_an_open_pipe_without_a_writer_is_not_waited_for(shell: Shell) -> None:
    shell.run("tenant", "add", "alpha", "--name", "Альфа")
    child = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "integration", "set", "alpha", "radist", "--public", '{"company_id": 1}'],
        env=shell.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert child.wait(timeout=120) == 0


def test_keys_are_rotated(shell: Shell) -> None:
    shell.json("tenant", "add", "alpha", "--name", "Альфа")
    shell.json(
        "integration", "set", "alpha", "radist", "--public", '{"company_id": 1}', stdin="key-0123456789-0123456789"
    )
    old = shell.environment["SYNKRO_SECRET_KEYS"]
    new = vault.generate_key()
    shell.environment["SYNKRO_SECRET_KEYS"] = f"{new},{old}"
    assert shell.run("secrets", "rotate").returncode == 0
    shell.environment["SYNKRO_SECRET_KEYS"] = new
    assert shell.run("secrets", "rotate").returncode == 0


def test_doctor_finds_a_fresh_installation_well(shell: Shell, database: str) -> None:
    strong = shell.run("doctor", "--json")
    assert strong.returncode == 1 and "SYNKRO_APP_DATABASE_URL" in str(
        [one["message"] for one in json.loads(strong.stdout) if not one["ok"]]
    ), "pages would come as the owner"
    shell.environment["SYNKRO_APP_DATABASE_URL"] = db.with_login(database, db.APP_ROLE, APP_PASSWORD)
    done = shell.run("doctor", "--json")
    findings = json.loads(done.stdout)
    assert done.returncode == 0, findings
    assert {item["name"] for item in findings} >= {"база", "миграции", "изоляция", "ключи"}


#: read by docker-compose.yml alone (tests/deploy/test_compose.py)
COMPOSE_ONLY = ("POSTGRES_PASSWORD", "APP_DATABASE_PASSWORD", "DAGSTER_DATABASE_PASSWORD", "REDIS_PASSWORD", "PYTHON_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE", "CADDY_IMAGE")  # fmt: skip


def test_the_documented_settings_are_the_settings() -> None:
    """``.env.example`` and the code name the same variables."""
    from synkro.core.settings import ROOT, Settings

    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    documented = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    known = {f"SYNKRO_{name.upper()}" for name in Settings.model_fields}
    assert documented - {"SYNKRO_DOMAIN", *COMPOSE_ONLY} == known


def test_the_first_administrator_is_made_once_and_must_change_the_password(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cli.process.serve import bootstrap
    from synkro.accounts import embedded
    from synkro.core.settings import settings
    from synkro.database import db
    from synkro.tenancy import users

    monkeypatch.setenv("SYNKRO_BOOTSTRAP_EMAIL", "first@x.example")
    monkeypatch.setenv("SYNKRO_BOOTSTRAP_PASSWORD", "первый пароль установки")
    settings.cache_clear()
    bootstrap()
    made = embedded.verify("first@x.example", "первый пароль установки")
    assert made.must_change_password
    with db.as_service("test") as connection:
        assert [m.role for m in users.memberships(connection, made.user_id)] == ["super_admin"]
        embedded.set_password(connection, made.user_id, "совсем другой пароль")
    monkeypatch.setenv("SYNKRO_BOOTSTRAP_EMAIL", "second@x.example")
    settings.cache_clear()
    bootstrap()
    with pytest.raises(Exception, match="не подходят"):
        embedded.verify("second@x.example", "первый пароль установки")
    with pytest.raises(Exception, match="не подходят"):
        embedded.verify("first@x.example", "первый пароль установки")
