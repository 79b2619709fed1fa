"""Which disk is full: this machine's or the database's, however deep the error stands."""

from __future__ import annotations

import errno

import pytest
from psycopg import errors

from synkro.core.disk import no_space

HERE, OF_THE_DATABASE = "На диске нет места", "На диске базы данных нет места"


def wrapped(cause: BaseException, times: int = 2) -> BaseException:
    """The error as a library raises it again, its text in theirs."""
    for _ in range(times):
        outer = RuntimeError(f"Pipeline execution failed: {cause}")
        outer.__cause__ = cause
        cause = outer
    return cause


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/srv/work/messages.csv"), HERE),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), HERE),
        (errors.DiskFull("could not extend file: No space left on device"), OF_THE_DATABASE),
        (errors.lookup("53400")("temporary file size exceeds temp_file_limit"), OF_THE_DATABASE),
        (RuntimeError("[Errno 28] No space left on device: 'messages.csv'"), HERE),
        (
            RuntimeError("Database Error in model waits: could not extend file: No space left on device"),
            OF_THE_DATABASE,
        ),
    ],
)
def test_the_full_disk_is_the_one_of_the_error(error: BaseException, said: str, depth: int) -> None:
    found = no_space(wrapped(error, depth))
    assert found is not None and found.message.startswith(said), found
    assert no_space(wrapped(found, depth)) is found, "told once, it stays as it was told"


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), ValueError("no space")])
def test_every_other_failure_is_none_of_it(error: BaseException) -> None:
    assert no_space(wrapped(error)) is None
