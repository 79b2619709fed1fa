"""Whether the process of this container works: ``python -m cli.alive PROCESS``, asked by its engine every half a minute.

Little is imported: six containers ask all day. Who listens is asked on loopback, who does not by the beat it leaves in a database.
"""

from __future__ import annotations

import socket
import sys
import urllib.request
from collections.abc import Callable

LOOPBACK = "127.0.0.1"
SECONDS = 10
#: Dagster's daemons beat every half a minute
DAGSTER_BEATS = (
    "select max(timestamp) > now() at time zone 'utc' - interval '3 minutes' from daemon_heartbeats"
    " where daemon_type in ('SENSOR', 'QUEUED_RUN_COORDINATOR')"
)


def app() -> bool:
    """It answers; whether the engine and Telegram are well is theirs to say."""
    from synkro.core.settings import settings

    return _answers(f"http://{LOOPBACK}:{settings().port}/login")


def webserver() -> bool:
    from synkro.core.settings import settings
    from synkro.runs import dagster_ui

    return _answers(f"http://{LOOPBACK}:{settings().dagster_port}{dagster_ui.IS_UP}")


def code_server() -> bool:
    from synkro.core.settings import settings

    with socket.create_connection((LOOPBACK, int(settings().code_server.rpartition(":")[2])), SECONDS):
        return True


def sender() -> bool:
    from synkro.database import db
    from synkro.runs import heartbeats

    with db.as_service("health") as connection:
        return heartbeats.is_alive(connection, "sender")


def daemon() -> bool:
    from orchestration.process import instance
    from synkro.database import connections

    url = instance.storage_url().replace("+psycopg2", "", 1)
    with connections.connect(url, "question", autocommit=True, patience=0) as connection:
        row = connection.execute(DAGSTER_BEATS).fetchone()
        return bool(row and row[0])


def worker() -> bool:
    """One of this machine: the broker asks them all."""
    from celery import Celery

    from orchestration.process.celery_worker import node_name
    from synkro.core.settings import settings

    broker = settings().broker_url
    if broker is None:
        return False
    said = Celery(broker=broker.get_secret_value()).control.ping(timeout=SECONDS / 2)
    return any(name.partition("@")[2].startswith(node_name()) for one in said for name in one)


CHECKS: dict[str, Callable[[], bool]] = {
    "app": app,
    "webserver": webserver,
    "code-server": code_server,
    "sender": sender,
    "daemon": daemon,
    "worker": worker,
}


def _answers(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - our own process on loopback
        return bool(answer.status < 500)


def main(process: str) -> int:
    """The exit status: 0 well, 1 not, with the reason on standard error."""
    try:
        is_well, why = CHECKS[process](), "no sign of life"
    except Exception as error:
        is_well, why = False, str(error)
    if not is_well:
        print(f"{process}: {why}", file=sys.stderr)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
