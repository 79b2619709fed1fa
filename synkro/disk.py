"""A full disk, told from every other failure: nothing the vendors or the code did, and a person has to free space."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from synkro.errors import SynkroError

#: classes 53100 disk_full and 53400 configuration_limit_exceeded (a quota) of Postgres, whichever driver raises them
_STATES = ("53100", "53400")
#: what is left of the error once a library has made a text of it
_WORDS = ("No space left on device", "Disk quota exceeded")
_ERRNOS = (errno.ENOSPC, errno.EDQUOT)


class NoSpace(SynkroError):
    """No room to write: nothing is lost, the same call succeeds once there is."""

    kind = "disk"


def no_space(error: BaseException) -> NoSpace | None:
    """The full disk behind the error, ``None`` when there is none."""
    for one in _chain(error):
        if isinstance(one, NoSpace):
            return one
        if isinstance(one, OSError) and one.errno in _ERRNOS:
            return NoSpace("На диске нет места. Освободите его и запустите отчёт ещё раз.", detail=str(one))
        state = getattr(one, "sqlstate", None) or getattr(one, "pgcode", None)
        said = f"{one} {getattr(one, 'detail', None) or ''}"
        if state in _STATES or any(word in said for word in _WORDS):
            return NoSpace("На диске базы данных нет места. Освободите его и запустите отчёт ещё раз.", detail=said)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
