"""A full disk, told from every other failure: nothing the vendors or the code did, and a person has to free space."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from synkro.core.errors import SynkroError

#: classes 53100 disk_full and 53400 configuration_limit_exceeded (a quota) of Postgres, whichever driver raises them
_STATES = ("53100", "53400")
_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
#: what is left of the error once a library has made a text of it
_WORDS = ("No space left on device", "Disk quota exceeded")
#: … and how Python begins that text when the disk is this machine's
_OURS = tuple(f"[Errno {number}]" for number in _ERRNOS)


class NoSpace(SynkroError):
    """No room to write: nothing is lost, the same call succeeds once there is."""

    kind = "disk"


def no_space(error: BaseException) -> NoSpace | None:
    """The full disk behind the error, ``None`` when there is none.

    Which disk it is says the error itself (an ``OSError``, a state of Postgres), wherever it stands in the chain; the
    text of what a library wrapped around it only when there is no such error.
    """
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, NoSpace):
            return one
        if isinstance(one, OSError) and one.errno in _ERRNOS:
            return _here(str(one))
        if (getattr(one, "sqlstate", None) or getattr(one, "pgcode", None)) in _STATES:
            return _of_the_database(_said(one))
    for one in chain:
        said = _said(one)
        if any(word in said for word in _WORDS):
            return _here(said) if any(mark in said for mark in _OURS) else _of_the_database(said)
    return None


def _here(detail: str) -> NoSpace:
    return NoSpace("На диске нет места. Освободите его и запустите отчёт ещё раз.", detail=detail)


def _of_the_database(detail: str) -> NoSpace:
    return NoSpace("На диске базы данных нет места. Освободите его и запустите отчёт ещё раз.", detail=detail)


def _said(error: BaseException) -> str:
    return f"{error} {getattr(error, 'detail', None) or ''}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
