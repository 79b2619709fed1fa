"""Ends the children of a supervisor that was killed: ``python orphans.py GRACE ENDING``, told of them on standard input.

Each line is a process group. The end of the input means that the supervisor has gone, however it went: groups in which somebody
still works are asked to end, and killed ``GRACE`` seconds later. Meanwhile the file ``ENDING`` is there, so that the next start
can wait for their ports. Standard library alone: it starts in the time of an interpreter.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

#: a group that ended is forgotten before its number can become somebody else's
_LOOK = 1.0


def main(grace: float, ending: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # stopped together with the supervisor by mistake, it would end nobody
        signal.signal(number, signal.SIG_IGN)
    groups = _told()
    if not groups:
        return
    with suppress(OSError):
        ending.touch()
    _end(groups, grace)
    with suppress(OSError):
        ending.unlink()


def _told() -> set[int]:
    """The groups that still have somebody in them when the input ends."""
    groups: set[int] = set()
    rest = b""
    while True:
        ready, _, _ = select.select([0], [], [], _LOOK)
        if ready:
            said = os.read(0, 4096)
            *lines, rest = (rest + said).split(b"\n")
            groups |= {int(line) for line in lines if line.isdigit()}
            if not said:
                return {group for group in groups if signal_group(group, 0)}
        groups = {group for group in groups if signal_group(group, 0)}


def _end(groups: set[int], grace: float) -> None:
    for group in groups:
        signal_group(group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(signal_group(group, 0) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in groups:
        signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Signal everybody in the group (0: nobody, only ask); whether there was anybody."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]))
