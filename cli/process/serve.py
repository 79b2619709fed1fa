"""``synkro serve``: the app, Dagster's three processes and the sender, under one supervisor."""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.request
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from cli.commands import database
from cli.environment import say
from cli.process.supervisor import Supervisor, program, wait_for_the_last
from services.people import accounts
from synkro.core.errors import ConfigurationError, TransientError
from synkro.core.files import PRIVATE_UMASK, secret_file
from synkro.core.settings import override, settings
from synkro.database import app_login, db
from synkro.runs import dagster_ui

LOOPBACK = "127.0.0.1"
#: who serves pages or letters comes by the app's login: these addresses stay with those who load and build
OWNERS = ("SYNKRO_DATABASE_URL", "SYNKRO_DAGSTER_DATABASE_URL")
#: of no use to Dagster's web server
PRODUCTS = (
    "SYNKRO_APP_DATABASE_URL", "SYNKRO_SECRET_KEYS", "SYNKRO_WEB_SECRET", "SYNKRO_SUPABASE_SECRET_KEY", "SYNKRO_SMTP_URL",
    "SYNKRO_BOOTSTRAP_PASSWORD",
)  # fmt: skip


@click.command()
@click.option("--host", default=None, help="Адрес, на котором слушает приложение (по умолчанию 127.0.0.1).")
@click.option("--port", type=int, default=None, help="Порт приложения (по умолчанию 8080).")
@click.option(
    "--dagster-port",
    type=int,
    default=None,
    help="Порт Dagster за приложением, только для этой машины (по умолчанию 3000).",
)
@click.option(
    "--only",
    type=click.Choice(["app", "sender", "code-server", "daemon", "webserver", "worker"]),
    help="Только этот процесс, без надзора (для контейнеров).",
)
def serve(host: str | None, port: int | None, dagster_port: int | None, only: str | None) -> None:
    """Запустить приложение, Dagster и отправку в Telegram."""
    override(host=host, port=port, dagster_port=dagster_port)
    if only is not None:
        _alone(only)
        return
    check_ports()
    database.prepare(say)
    app_login.check()
    bootstrap()
    supervisor = Supervisor(say)
    supervisor.stop_on_signals()
    try:
        start(supervisor)
        wait_ready(supervisor)
        say(f"Приложение: {settings().base_url}   Dagster: {dagster_address()}")
        supervisor.watch()
    finally:
        supervisor.stop()


def dagster_address() -> str:
    """Where operators find Dagster: behind the sign-in of the app."""
    return f"{settings().base_url}{dagster_ui.PREFIX}"


def _alone(process: str) -> None:
    """One process in the foreground, as a container wants it."""
    os.umask(PRIVATE_UMASK)
    if process == "app":
        from app.main import run as run_app

        db.grow(db.APP_POOL)
        bootstrap()
        run_app(settings().host, settings().port)
    elif process == "sender":
        from delivery.service import serve_forever

        app_login.check()
        serve_forever()
    else:
        from orchestration.process import instance

        home = instance.prepare()
        command = {
            "code-server": lambda: _code_server(settings().host),
            "daemon": lambda: _daemon(home),
            "webserver": lambda: _webserver(home, settings().host),
            "worker": _worker,
        }[process]()
        os.execv(command[0], command)  # noqa: S606 - the process becomes Dagster's, signals and all


def bootstrap() -> None:
    """Make the first administrator from the environment, once; the password has to be changed at the first sign-in."""
    email, password = settings().bootstrap_email, settings().bootstrap_password
    if not email or password is None:
        return
    accounts.bootstrap(email, password.get_secret_value())


def check_ports() -> None:
    """Say which port is busy before anything is started; those of a run that was killed a moment ago are waited for."""
    try:
        _check_ports()
    except ConfigurationError:
        # what ends them needs a moment to notice
        time.sleep(1)
        if not wait_for_the_last(say):
            raise
        _check_ports()


def _check_ports() -> None:
    for name, flag, host, port in (
        ("приложения", "--port", settings().host, settings().port),
        ("Dagster", "--dagster-port", LOOPBACK, settings().dagster_port),
    ):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                raise ConfigurationError(
                    f"Порт {port} для {name} занят. Освободите его или выберите другой: {flag} НОМЕР."
                ) from None


def without(names: Sequence[str]) -> dict[str, str]:
    """The variables of a child that is not given these."""
    return dict.fromkeys(names, "")


def start(supervisor: Supervisor) -> None:
    """Start the five processes; their logs lie in the data directory."""
    from orchestration.process import instance

    home = instance.prepare()
    logs = settings().data_dir / "logs"
    if settings().web_secret is None:
        override(web_secret=secret_file(settings().data_dir / "web_secret"))
    python = [sys.executable, "-m", "cli.main"]
    people = without(OWNERS) if settings().app_database_url is not None else {}
    supervisor.add("app", [*python, "serve", "--only", "app"], logs / "app.log", **people)
    supervisor.add("sender", [*python, "serve", "--only", "sender"], logs / "sender.log", **people)
    supervisor.add("code server", _code_server(LOOPBACK), logs / "code_server.log")
    # the address of its storage has been reckoned by now
    command, secrets = _webserver(home, LOOPBACK), without((*OWNERS, *PRODUCTS))
    supervisor.add("dagster webserver", command, logs / "dagster_webserver.log", **secrets)
    supervisor.add("dagster daemon", _daemon(home), logs / "dagster_daemon.log")


def _code_server(host: str) -> list[str]:
    return [
        sys.executable, "-m", "orchestration.process.code_server", "-m", "orchestration.definitions",
        "--host", host, "--port", _code_address()[1], "--location-name", "synkro",
    ]  # fmt: skip


def _webserver(home: Path, host: str) -> list[str]:
    return [
        sys.executable, "-m", "orchestration.process.webserver", "-h", host, "-p", str(settings().dagster_port),
        "-w", str(_workspace(home)), "--path-prefix", dagster_ui.PREFIX,
        *(["--read-only"] if settings().dagster_read_only else []),
    ]  # fmt: skip


def _daemon(home: Path) -> list[str]:
    return [program("dagster-daemon"), "run", "-w", str(_workspace(home))]


def _worker() -> list[str]:
    """A worker of Celery: as many runs at once as ``--concurrency`` of ``orchestration/process/celery_worker.py`` says."""
    if settings().broker_url is None:
        raise ConfigurationError("Исполнителю нужен брокер: задайте SYNKRO_BROKER_URL, например redis://redis:6379/0.")
    if find_spec("dagster_celery") is None:
        raise ConfigurationError(
            "Исполнителю нужны пакеты для нескольких машин: поставьте их, pip install --no-deps -r requirements-scale.lock."
        )
    return [sys.executable, "-m", "orchestration.process.celery_worker"]


def _code_address() -> tuple[str, str]:
    """Host and port of the code server: the configured one, or a free loopback port chosen once and inherited."""
    if not settings().code_server:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            override(code_server=f"{LOOPBACK}:{probe.getsockname()[1]}")
    host, _, port = settings().code_server.rpartition(":")
    return host, port


def _workspace(home: Path) -> Path:
    host, port = _code_address()
    target = home / "workspace.yaml"
    target.write_text(
        f"load_from:\n  - grpc_server:\n      host: {host}\n      port: {port}\n      location_name: synkro\n",
        encoding="utf-8",
    )
    return target


def wait_ready(supervisor: Supervisor, seconds: float = 120) -> None:
    """Wait until the app and the Dagster UI answer."""
    waiting = {
        "приложение": f"http://{settings().host}:{settings().port}/api/health",
        "Dagster": f"http://{LOOPBACK}:{settings().dagster_port}{dagster_ui.IS_UP}",
    }
    deadline = time.monotonic() + seconds
    while waiting and not supervisor.is_stopping:
        for name, address in list(waiting.items()):
            try:
                with urllib.request.urlopen(address, timeout=2):  # noqa: S310 - our own process on loopback
                    waiting.pop(name)
            except OSError:
                continue
        supervisor.tend()
        if time.monotonic() > deadline:
            raise TransientError(
                f"За {seconds:.0f} с не ответили: {', '.join(waiting)}. Посмотрите журналы в {settings().data_dir / 'logs'}."
            )
        time.sleep(0.3)
