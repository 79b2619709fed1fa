"""The sender as a process: what waits in the outbox goes out, questions from Telegram come in, until SIGTERM."""

from __future__ import annotations

import logging
import signal
import threading

from delivery.bot import run_bot
from delivery.sender import send_due
from synkro import db, services
from synkro.errors import SynkroError

logger = logging.getLogger(__name__)

#: how often the outbox is looked at
PAUSE = 5.0


def serve_forever() -> None:
    """Send and answer until SIGTERM or Ctrl-C; what was begun is finished."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sender = threading.Thread(target=_send, args=(stop,), name="sender", daemon=True)
    sender.start()
    run_bot(stop)
    sender.join(timeout=15)


def _send(stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            with db.as_service("sender") as connection:
                services.beat(connection, "sender")
            send_due()
        except SynkroError as error:
            logger.warning("sending failed: %s (%s)", error, error.detail)
        stop.wait(PAUSE)
