"""``synkro sandbox``: the simulated vendors, alone."""

from __future__ import annotations

import json
import signal
import sys
import threading
from importlib.util import find_spec

import click

from cli.environment import say
from synkro.core import clock
from synkro.core.errors import ConfigurationError

#: the verticals of sandbox/company/verticals.py, by name: the sandbox is imported by those who start it
VERTICALS = ("furniture", "windows", "auto_service", "clinic", "education")


def refuse_without_sources() -> None:
    """Say why there is no simulation here."""
    if find_spec("sandbox") is None:
        raise ConfigurationError(
            "Имитации сервисов здесь нет: в образ для работы она не входит. Демонстрация запускается из исходного кода: make demo."
        )


@click.command()
@click.option("--seed", default=7, show_default=True, help="Из одного числа — одна и та же компания.")
@click.option("--company", type=click.Choice(["small", "demo", "large"]), default="demo", show_default=True)
@click.option(
    "--vertical",
    "--trade",
    "vertical",
    type=click.Choice(VERTICALS),
    default=None,
    help="Чем торгует компания; иначе по размеру.",
)
@click.option(
    "--variety/--no-variety",
    default=None,
    help="Пишут ли клиенты каждый по-своему (сокращения, голосовые, казахский…); иначе по отрасли.",
)
@click.option("--port-base", type=int, default=None, help="Первый из четырёх портов; иначе свободные.")
@click.option(
    "--rate",
    type=float,
    default=None,
    help="Сколько запросов в секунду разрешать (по умолчанию как у сервисов).",
)
def sandbox(
    seed: int, company: str, vertical: str | None, variety: bool | None, port_base: int | None, rate: float | None
) -> None:
    """Запустить имитацию amoCRM, Radist, Telegram и AI. Первая строка вывода — адреса, JSON."""
    refuse_without_sources()
    from sandbox.server import PortBusy, start

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        running = start(
            company_size=company,
            seed=seed,
            port_base=port_base,
            now=clock.now,
            progress=say,
            vertical=vertical,
            variety=variety,
        )
    except PortBusy as error:
        raise ConfigurationError(f"Порт занят ({error}). Выберите другой: --port-base НОМЕР.") from None
    with running:
        if rate is not None:
            for vendor in ("amocrm", "radist"):
                running.faults[vendor].add({"kind": "rate", "per_second": rate})
                running.faults[vendor].settle()
        click.echo(json.dumps(running.addresses, ensure_ascii=False))
        sys.stdout.flush()
        say("Работает. Остановить: Ctrl-C")
        stop.wait()
