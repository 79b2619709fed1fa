"""The command line in a process of its own, without the seconds of its imports: one process has them done and forks.

The parent is this program (``python -m tests.cli.warm``); it reads an order a line and answers with the exit status.
Environment, standard streams and exit status are the child's own, as of any process.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

#: seconds a command may take
PATIENCE = 120


class Warm:
    """Commands of ``synkro``, each a fork of one warm process."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder

    def run(self, words: tuple[str, ...], environment: dict[str, str], stdin: str) -> subprocess.CompletedProcess[str]:
        paths = {name: self._folder / name for name in ("stdin", "stdout", "stderr")}
        paths["stdin"].write_text(stdin, encoding="utf-8")
        order = {"words": words, "environment": environment, **{name: str(path) for name, path in paths.items()}}
        asked, answered = _pipes(self._process)
        asked.write(json.dumps(order) + "\n")
        asked.flush()
        status = int(answered.readline())
        told = {name: paths[name].read_text(encoding="utf-8") for name in ("stdout", "stderr")}
        return subprocess.CompletedProcess(words, status, **told)


@contextlib.contextmanager
def warm(folder: Path) -> Iterator[Warm]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.warm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    asked, answered = _pipes(process)
    try:
        assert answered.readline() == "ready\n"
        yield Warm(process, folder)
    finally:
        asked.close()
        process.wait(PATIENCE)


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin and process.stdout
    return process.stdin, process.stdout


def _serve() -> None:
    import cli.main  # the imports that every command would pay for

    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(cli.main.main, **json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(main, words, environment, stdin, stdout, stderr) -> None:  # type: ignore[no-untyped-def]
    os.environ.clear()
    os.environ.update(environment)
    for number, (path, flags) in enumerate(
        (
            (stdin, os.O_RDONLY),
            (stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        )
    ):
        os.dup2(os.open(path, flags), number)
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode, encoding="utf-8") for number, mode in enumerate("rww"))  # noqa: PTH123, SIM115
    status = 0
    try:
        main(words)
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
