"""Hashes of passwords: their numbers, the change of older ones, their two threads, and what the time of a look tells."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any
from uuid import uuid4

import bcrypt
import pytest

from app.offload import off_loop
from synkro import accounts
from synkro.accounts import embedded, hashing, sessions
from synkro.core.errors import AuthenticationError, TransientError
from synkro.database import db
from synkro.tenancy.users import User
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World

pytestmark = pytest.mark.postgres


def person() -> User:
    with db.as_service("test") as connection:
        return embedded.add(connection, f"{uuid4().hex[:10]}@company.example", PASSWORD)


def stored(user: User) -> str:
    with db.as_service("test") as connection:
        row = connection.execute(
            "select encrypted_password as it from auth.users where id = %s", (user.user_id,)
        ).fetchone()
    assert row is not None
    return str(row["it"])


def store(user: User, value: str) -> None:
    with db.as_service("test") as connection:
        connection.execute("update auth.users set encrypted_password = %s where id = %s", (value, user.user_id))


@pytest.fixture
def older(world: World) -> Any:
    """Somebody of an earlier release, whose hash bcrypt made."""
    user = person()
    store(user, bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode())
    yield user
    store(user, hashing.hashed(PASSWORD))


def test_the_numbers_are_those_of_owasp_or_more(world: World) -> None:
    found = re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$.+", stored(person()))
    assert found, "Argon2id"
    memory, passes, lanes = map(int, found.groups())
    assert memory >= 19 * 1024 and passes >= 2 and lanes >= 1


def test_an_older_hash_is_replaced_and_the_sessions_stay(older: User) -> None:
    session_id = sessions.open_session(older.user_id, None, None)
    with pytest.raises(AuthenticationError):
        accounts.sign_in(older.email, "not the password")
    assert stored(older).startswith("$2"), "a failure changes nothing"
    assert accounts.sign_in(older.email, PASSWORD).email == older.email
    assert stored(older).startswith("$argon2id$")
    assert sessions.living([session_id]) == {session_id}, "the password is the same"
    now = stored(older)
    assert accounts.sign_in(older.email, PASSWORD).email == older.email and stored(older) == now
    # one with smaller numbers than today's
    store(older, hashing.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD))
    assert accounts.sign_in(older.email, PASSWORD) and "m=19456,t=2" in stored(older)


def test_a_password_changed_meanwhile_stays_changed(older: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator sets another password while the old one is being hashed anew."""
    another, hashed = "совсем другая длинная фраза", hashing.hashed

    def slowly(password: str) -> str:
        if password == PASSWORD:
            store(older, hashed(another))
        return hashed(password)

    monkeypatch.setattr(hashing, "hashed", slowly)
    accounts.sign_in(older.email, PASSWORD)
    monkeypatch.undo()
    with pytest.raises(AuthenticationError):
        accounts.sign_in(older.email, PASSWORD)
    assert accounts.sign_in(older.email, another).email == older.email


@pytest.mark.parametrize("somebody_is_older", [True, False])
def test_a_look_costs_the_same_whoever_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch, somebody_is_older: bool
) -> None:
    old, new, banned = person(), person(), person()
    if somebody_is_older:
        store(old, bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode())
    with db.as_service("test") as connection:
        connection.execute("update auth.users set banned_until = 'infinity' where id = %s", (banned.user_id,))
    hashing._nobody()
    work: list[str] = []
    argon2, checkpw = hashing._argon2, bcrypt.checkpw

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(argon2, name)

        def verify(self, value: str, password: str) -> bool:
            work.append(value.rpartition("$")[0].rpartition("$")[0])
            return argon2.verify(value, password)

    def counting(password: bytes, value: bytes) -> bool:
        work.append(value[:7].decode())
        return checkpw(password, value)

    monkeypatch.setattr(hashing, "_argon2", Counting())
    monkeypatch.setattr(bcrypt, "checkpw", counting)
    spent = {}
    for who, email in {"old": old.email, "new": new.email, "banned": banned.email, "nobody": "ghost@y.example"}.items():
        work.clear()
        with pytest.raises(AuthenticationError):
            embedded.verify(email, "not the password")
        spent[who] = sorted(work)
    numbers = ["$2b$10$"] * somebody_is_older + ["$argon2id$v=19$m=19456,t=2,p=1"]
    assert spent == dict.fromkeys(spent, sorted(numbers))
    store(old, hashing.hashed(PASSWORD))


async def test_who_finds_the_queue_full_is_asked_to_come_back(site: Site, world: World) -> None:
    user = person()
    go, busy = threading.Event(), threading.Barrier(hashing.THREADS + 1)

    def hold() -> None:
        busy.wait(30)
        go.wait(30)

    async with site.browser() as browser, site.browser() as another:

        async def enter() -> int:
            answer = await browser.post("/login", data={"email": user.email, "password": PASSWORD}, headers=ORIGIN)
            if answer.status_code == 429:
                assert "через минуту" in answer.text
            return answer.status_code

        holding = [asyncio.ensure_future(off_loop(hashing.in_pool, hold)) for _ in range(hashing.THREADS)]
        await off_loop(busy.wait, 30)
        waiting = [asyncio.ensure_future(off_loop(hashing.in_pool, lambda: 1)) for _ in range(hashing.QUEUE)]
        while hashing._places._value:
            await asyncio.sleep(0.01)
        assert await enter() == 429
        with pytest.raises(TransientError):
            await off_loop(hashing.hashed, PASSWORD)
        # pages have threads of their own
        assert (await another.get("/login")).status_code == 200
        go.set()
        assert await asyncio.gather(*waiting) == [1] * hashing.QUEUE
        await asyncio.gather(*holding)
        assert await enter() == 303
