"""Hashes of passwords: Argon2id, made in two threads of their own.

A hash takes 19 MiB and some 30 ms of a processor. Two threads bound both; a queue bounds the wait: whoever finds it full is
asked to come back. bcrypt of older accounts is still read, and replaced at the next sign-in.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from synkro.core.errors import TransientError

T = TypeVar("T")
THREADS = 2
#: who may wait for a thread: fewer than the threads that serve pages, so that waiting sign-ins stop no page
QUEUE = 16
#: the OWASP password storage cheat sheet: 19 MiB, two passes, one lane
_argon2 = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
#: bcrypt looked at no byte beyond this one
_BCRYPT_BYTES = 72

_places = threading.BoundedSemaphore(THREADS + QUEUE)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")


def in_pool(work: Callable[[], T]) -> T:
    """The result of work on a password, done in one of the two threads; raises :class:`TransientError` when too many wait."""
    if not _places.acquire(blocking=False):
        raise TransientError("Сейчас входит слишком много людей сразу. Попробуйте через минуту.", retry_after=60.0)
    try:
        return _pool().submit(work).result()
    finally:
        _places.release()


def hashed(password: str) -> str:
    """What is stored for a password."""
    return in_pool(lambda: _argon2.hash(password))


@lru_cache(maxsize=1)
def _nobody() -> tuple[str, bytes]:
    """Hashes of nobody's password, of both kinds: what is missing is compared with them, so that the answer takes as long."""
    value = secrets.token_bytes(16)
    return _argon2.hash(value), bcrypt.hashpw(value, bcrypt.gensalt(10))


def matches(stored: str | None, password: str, *, has_bcrypt: bool) -> bool:
    """Whether a stored hash is this password's; without one the look takes as long and says no.

    ``has_bcrypt``: some account still has a hash of bcrypt. Then every look compares both kinds, or its time would tell
    accounts with an old hash from those that do not exist.
    """

    def compare() -> bool:
        nobody_argon2, nobody_bcrypt = _nobody()
        is_old = bool(stored) and is_bcrypt(stored)
        found = False
        if is_old or has_bcrypt:
            old = stored.encode() if stored and is_old else nobody_bcrypt
            with suppress(ValueError):
                found = bcrypt.checkpw(password.encode()[:_BCRYPT_BYTES], old) and is_old
        with suppress(VerificationError, InvalidHashError):
            found = _argon2.verify(stored if stored and not is_old else nobody_argon2, password) and bool(stored)
        return found

    return in_pool(compare)


def is_bcrypt(stored: str | None) -> bool:
    return (stored or "").startswith(("$2a$", "$2b$", "$2y$"))


def is_outdated(stored: str) -> bool:
    """Made by another function or with smaller numbers than today's."""
    return is_bcrypt(stored) or _argon2.check_needs_rehash(stored)
