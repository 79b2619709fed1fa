"""The sender as a process, until SIGTERM: what waits in the outbox goes out, a company whose reports stopped is told of,
questions from Telegram come in."""

from __future__ import annotations

import logging
import signal
import threading
import time

from delivery import deliveries, missing_reports
from delivery.bot.listener import run_bot
from delivery.sender import send_due
from synkro.core.errors import Cancelled
from synkro.database import db
from synkro.runs import heartbeats

logger = logging.getLogger(__name__)

#: how often the outbox is looked at
PAUSE = 5.0
#: how often it is asked whether reports still come, and whether one was to be told of and was not
SILENCE_PAUSE = 60.0


def serve_forever() -> None:
    """Send and answer until SIGTERM or Ctrl-C; what was begun is finished."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sender = threading.Thread(target=_send, args=(stop,), name="sender", daemon=True)
    sender.start()
    run_bot(stop)
    sender.join(timeout=15)


def _checkpoint(stop: threading.Event) -> None:
    if stop.is_set():
        raise Cancelled("Отправка останавливается.")


def _send(stop: threading.Event) -> None:
    asked_at = -SILENCE_PAUSE
    # after a restart of everything the engine is given its time to look first
    patient_until = time.monotonic() + deliveries.GRACE.total_seconds()
    while not stop.is_set():
        try:
            with db.as_service("sender") as connection:
                heartbeats.beat(connection, "sender")
            if time.monotonic() - asked_at > SILENCE_PAUSE:
                asked_at = time.monotonic()
                with db.as_service("silence") as connection:
                    missing_reports.tell(connection)
                if time.monotonic() > patient_until:
                    with db.as_service("delivery") as connection:
                        deliveries.tell_overdue(connection)
            send_due(checkpoint=lambda: _checkpoint(stop))
        except Cancelled:
            return
        except Exception:
            # a restarted Postgres, a bug with one message: the thread must outlive them, the next pass tries again
            logger.exception("sending failed")
        stop.wait(PAUSE)
