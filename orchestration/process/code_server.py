"""Dagster's code server, whose runs are forked from a process that has everything imported.

``python -m orchestration.process.code_server`` takes the arguments of ``dagster api grpc`` and is it in everything but one: Dagster
gives each run a fresh interpreter, which spends 5–7 s of processor on imports before it asks for its row. Here the run
is a child of multiprocessing's fork server, which has imported :mod:`orchestration.process.preload` and does nothing else. A run is
still a process of its own, started, watched and terminated by Dagster as before; the fork server outlives a killed code
server as long as a run of it lives, and a killed fork server is started again with the next run.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
import threading
from multiprocessing import forkserver, util
from multiprocessing.context import BaseContext
from typing import Any

from orchestration import dagster_patches
from orchestration.queue import listener

logger = logging.getLogger(__name__)

#: a platform without it starts its runs cold
START_METHOD = "forkserver"
#: bytes: the path of the fork server's socket may have 107, its own name takes some twenty
LONGEST_FOLDER = 80
#: seconds after the code server's own start
WARM_UP_AFTER = 10.0


def warm_context() -> BaseContext | None:
    """The fork server that has imported what a run needs; ``None`` where there is none."""
    try:
        context = multiprocessing.get_context(START_METHOD)
        context.set_forkserver_preload(["orchestration.process.preload"])
        if len(util.get_temp_dir()) > LONGEST_FOLDER:
            raise ValueError("the folder for temporary files has too long a name")
    except ValueError:
        logger.warning("no fork server here: the runs start cold", exc_info=True)
        return None
    # the first run would start it; until then the processes beside us have a start of their own to make
    warm_up = threading.Timer(WARM_UP_AFTER, forkserver.ensure_running)
    warm_up.daemon = True
    warm_up.start()
    return context


def warm_servicer() -> type[Any]:
    return dagster_patches.warm_servicer(warm_context)


def main() -> None:
    listener.enable()
    dagster_patches.serve_code(warm_servicer, sys.argv[1:])


if __name__ == "__main__":
    main()
