"""``synkro demo``: from nothing to a report on the screen, built the way production builds it.

Two simulated companies (three with ``--trade``) are read over HTTP, land in the embedded Postgres, become marts, readings, a report and a
Telegram message; then the app and Dagster are served. What an earlier demo left in the data directory is used again.
"""

from __future__ import annotations

import json
import secrets as random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from cli import environment
from cli.commands import database
from cli.commands.reports import wait_for
from cli.commands.sandbox import VERTICALS, refuse_without_sources
from cli.environment import say
from cli.process import serve
from cli.process.supervisor import Supervisor
from synkro.accounts import embedded
from synkro.connectors import integrations
from synkro.core import clock, vault, windows
from synkro.core.errors import ConfigurationError, NotFoundError, SynkroError
from synkro.core.files import secret_file
from synkro.core.settings import override, settings
from synkro.database import db
from synkro.reporting import reports
from synkro.runs import queue
from synkro.tenancy import runtime_config, tenants, topics, users
from synkro.tenancy.topics import CORE

#: requests a second the simulated vendors allow here; the real ones allow 7 and 5
RATE = 150
TIMEZONE = "Asia/Almaty"


@dataclass(frozen=True)
class DemoCompany:
    slug: str
    name: str
    size: str
    seed: int
    has_ai: bool
    #: the pack of topics
    pack: str = CORE
    #: of the sandbox, with its styles; none: the furniture or windows of the size
    vertical: str | None = None


COMPANIES = (
    DemoCompany("mebel_alatau", "Мебель Алатау", "demo", 7, True, pack="furniture"),
    DemoCompany("okna_plus", "Студия окон", "small", 11, False, pack="windows"),
)


def _of_vertical(vertical: str) -> DemoCompany:
    """One more company, whose clients write in styles. It has no login of its own: the operator sees every company."""
    from sandbox.company.verticals import vertical as known

    return DemoCompany(f"demo_{vertical}", known(vertical).name, "small", 7, False, pack=vertical, vertical=vertical)


@dataclass(frozen=True)
class Login:
    email: str
    name: str
    role: users.Role
    slug: str | None
    what: str


LOGINS = (
    Login("owner@mebel.example", "Асель Нурланова", "user", "mebel_alatau", "владелец «Мебель Алатау»"),
    Login("admin@mebel.example", "Тимур Садыков", "admin_lite", "mebel_alatau", "администратор «Мебель Алатау»"),
    Login("owner@okna.example", "Ирина Ковалёва", "user", "okna_plus", "владелец «Студия окон»"),
    Login("operator@synkro.example", "Оператор", "super_admin", None, "оператор: все компании"),
)


@click.command()
@click.option("--no-serve", is_flag=True, help="Построить отчёт, напечатать его и выйти.")
@click.option("--port", type=int, default=None, help="Порт приложения (по умолчанию 8080).")
@click.option("--dagster-port", type=int, default=None, help="Порт Dagster (по умолчанию 3000).")
@click.option(
    "--vertical",
    "--trade",
    "vertical",
    type=click.Choice(VERTICALS[2:]),
    default=None,
    help="Добавить третью компанию этой отрасли; её видит оператор.",
)
def demo(no_serve: bool, port: int | None, dagster_port: int | None, vertical: str | None) -> None:
    """Показать всё на двух вымышленных компаниях."""
    companies = (*COMPANIES, _of_vertical(vertical)) if vertical else COMPANIES
    started = time.monotonic()
    refuse_without_sources()
    override(port=port, dagster_port=dagster_port)
    _settle_environment()
    if not no_serve:
        serve.check_ports()
    was_running = db.embedded().is_running() if settings().database_url is None else True
    supervisor = Supervisor(say)
    try:
        say(f"1/5 База данных ({'та же' if was_running else 'запускаем'}) и витрины: {settings().data_dir}")
        database.prepare(lambda text: say(f"    {text}"))
        with _sandboxes(companies) as addresses:
            say("3/5 Компании, подключения и люди")
            passwords = _settle(companies, addresses)
            say("4/5 Отчёт за последний закрытый рабочий день, через Dagster")
            for company in companies:
                _report(company)
            if not no_serve:
                supervisor.stop_on_signals()
                say("5/5 Приложение и Dagster")
                serve.start(supervisor)
                serve.wait_ready(supervisor)
                _farewell(time.monotonic() - started, passwords)
                supervisor.watch()
                say("Останавливаем всё, что запустили…")
    finally:
        supervisor.stop()
        db.close()
        if not was_running:
            db.embedded().stop()


def _settle_environment() -> None:
    """The demo makes its own keys, once, into its data directory."""
    if settings().is_production:
        raise ConfigurationError("Демонстрация не запускается при SYNKRO_ENV=production: уберите эту переменную.")
    folder = settings().data_dir
    if settings().secret_keys and settings().allow_local_vendors:
        # its operator signs in without the second step: the companies are made up, and the password is printed
        override(env="demo")
        return
    environment.save(
        folder,
        {
            "SYNKRO_ENV": "demo",
            "SYNKRO_ALLOW_LOCAL_VENDORS": "1",
            "SYNKRO_SECRET_KEYS": secret_file(folder / "secret_key", vault.generate_key),
            "SYNKRO_WEB_SECRET": secret_file(folder / "web_secret"),
        },
    )


@contextmanager
def _sandboxes(companies: Sequence[DemoCompany]) -> Iterator[dict[str, dict[str, Any]]]:
    """The simulated vendors of each company, each in a process of its own, as the real ones are elsewhere."""
    say(f"2/5 Имитация amoCRM, Radist, Telegram и AI: 40 дней переписки, компаний: {len(companies)}")
    processes: list[subprocess.Popen[str]] = []
    logs = settings().data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    try:
        for company in companies:
            command = [sys.executable, "-m", "cli.main", "sandbox", "--company", company.size]
            command += ["--seed", str(company.seed), "--rate", str(RATE)]
            command += ["--vertical", company.vertical] if company.vertical else []
            with (logs / f"sandbox_{company.slug}.log").open("ab") as log:
                processes.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                        # Ctrl-C is for us: we stop them in order
                        start_new_session=True,
                    )
                )
        addresses = {}
        for company, process in zip(companies, processes, strict=True):
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("{"):
                raise SynkroError(f"Имитация сервисов не запустилась. Журнал: {logs / f'sandbox_{company.slug}.log'}")
            addresses[company.slug] = json.loads(line)
            say(f"    {company.name}: {addresses[company.slug]['amocrm']['base_url']}")
        yield addresses
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _settle(companies: Sequence[DemoCompany], addresses: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Tenants, integrations and people, made or brought up to date; returns the passwords by e-mail."""
    with db.as_service("demo") as connection:
        for company in companies:
            tenant = _tenant(connection, company)
            _connect(connection, tenant, company, addresses[company.slug])
        passwords = _passwords()
        for login in LOGINS:
            try:
                found = users.by_email(connection, login.email)
            except NotFoundError:
                found = embedded.add(connection, login.email, passwords[login.email], full_name=login.name)
            where = tenants.by_slug(connection, login.slug).tenant_id if login.slug else None
            users.grant(connection, found.user_id, where, login.role)
    return passwords


def _tenant(connection: db.Connection, company: DemoCompany) -> tenants.Tenant:
    try:
        return tenants.by_slug(connection, company.slug)
    except NotFoundError:
        made = tenants.add(connection, company.name, company.slug, TIMEZONE)
        runtime_config.start(connection, made.tenant_id, TIMEZONE)
        topics.save(connection, made.tenant_id, company.pack, None, after=0)
        workday = [["09:00", "20:00"]]
        runtime_config.change(
            connection,
            made.tenant_id,
            {
                "is_schedule_enabled": True,
                # the staff's own numbers, as an administrator would list them
                "excluded_phones": [f"+7700099{number:04d}" for number in (*range(1, 13), 101, 102)],
                "calendar": {
                    "weekly": {day: workday for day in ("mon", "tue", "wed", "thu", "fri")}
                    | {"sat": [["10:00", "18:00"]], "sun": [["10:00", "18:00"]]}
                },
            },
        )
        return made


def _connect(connection: db.Connection, tenant: tenants.Tenant, company: DemoCompany, at: dict[str, Any]) -> None:
    """The five integrations, pointed at the simulated vendors."""
    settled: dict[integrations.Kind, tuple[dict[str, Any], dict[str, str]]] = {
        "amocrm": (
            {"base_url": at["amocrm"]["base_url"], "requests_per_second": RATE * 0.9},
            {"access_token": at["amocrm"]["access_token"]},
        ),
        "radist": (
            {
                "base_url": at["radist"]["base_url"],
                "company_id": at["radist"]["company_id"],
                "requests_per_second": RATE * 0.9,
            },
            {"api_key": at["radist"]["api_key"]},
        ),
        "telegram": (
            {"base_url": at["telegram"]["base_url"], "chat_id": at["telegram"]["chat_id"]},
            {"bot_token": at["telegram"]["bot_token"]},
        ),
    }
    if company.has_ai:
        settled["ai"] = (
            {"base_url": at["llm"]["base_url"], "model": at["llm"]["model"]},
            {"api_key": at["llm"]["api_key"]},
        )
    for kind, (public, sealed) in settled.items():
        integrations.save_public(connection, tenant.tenant_id, kind, public)
        integrations.save_secrets(connection, tenant.tenant_id, kind, sealed)


def _passwords() -> dict[str, str]:
    """Made once for the data directory: the demo has no password that is the same everywhere."""
    stored = secret_file(
        settings().data_dir / "demo_logins.json",
        lambda: json.dumps({login.email: random.token_urlsafe(12) for login in LOGINS}),
    )
    return dict(json.loads(stored))


def _report(company: DemoCompany) -> None:
    """Build the report of the last closed business day, unless it stands already; print its Telegram text."""
    with db.as_service("demo") as connection:
        tenant = tenants.by_slug(connection, company.slug)
        config = runtime_config.current(connection, tenant.tenant_id)
        window = windows.last_closed(clock.now(), config.business_day_start, config.timezone)
        report = reports.current(connection, tenant.tenant_id, window)
        run: queue.Run | None = None
        if report is None or not report.is_complete:
            run, _ = queue.request(
                connection,
                tenant.tenant_id,
                window,
                mode=config.mode,
                trigger_type="manual",
                report_type="daily",
            )
    if run is not None:
        say(f"  {company.name}:")
        ended = wait_for(run)
        if ended.status != "success":
            raise SynkroError(f"Отчёт «{company.name}» не построен. {ended.error or ''}")
        with db.as_service("demo") as connection:
            report = reports.current(connection, tenant.tenant_id, window)
    assert report is not None
    click.echo(f"\n{report.telegram_text}\n")
    sys.stdout.flush()


def _farewell(seconds: float, passwords: dict[str, str]) -> None:
    logins = "  ".join(f"{login.email} / {passwords[login.email]} ({login.what})" for login in LOGINS)
    say("Демонстрация: оператор входит без второго шага. В рабочей установке он обязателен.")
    click.echo(
        f"ready in {seconds:.0f} s  {settings().base_url}  Dagster {serve.dagster_address()} (вход оператора)  {logins}"
    )
    sys.stdout.flush()
