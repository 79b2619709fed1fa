"""Which passwords are refused, with what words, and that every place where one is chosen asks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from app import texts
from services.access import Viewer
from services.people import members
from synkro import accounts
from synkro.accounts import embedded, passwords
from synkro.accounts.passwords import WeakPassword, check_password
from synkro.core.errors import DataError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import users
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World

ABOUT = ("anna.petrova@mebel.example", "Анна Петрова", "Мебель Алатау")
WEAK = {
    "short": ["short", "", "Xk9$vTq2mZ7", "одиннадцать"],
    "long": ["x" + secrets.token_hex(64)],
    "common": [
        "Password123!", "P@ssw0rd1234", "qwerty123456", "1q2w3e4r5t6y", "letmein12345", "iloveyou1234", "zaq12wsxcde3",
        "administrator", "superman1234", "qazwsxedcrfv", "qwertyuiop12", "123456789012", "parolparol123", "Welcome2026!",
        # what zxcvbn alone does not know: Russian words, and Russian keys
        "пароль123456", "Пароль2026!!", "йцукен123456", "привет123456", "Казахстан2026", "любовь123456",
    ],
    "personal": [
        "anna.petrova@mebel.example", "Anna.Petrova1", "мебельалатау", "Мебель Алатау 1", "MebelAlatau2026", "synkro123456",
        "Анна Петрова 1990",
    ],
    "repeat": ["111111111111", "passwordpassword", "паролпароль12"],
    "keyboard": ["qwertyuiop[]", "йцукенгшщзхъ"],
    "sequence": ["abcdefghijkl", "абвгдеёжзийк"],
}  # fmt: skip
GOOD = [
    "correct horse battery", "tr0ub4dor&3 lamp", "Kitchen-Table-84", "синий чайник поёт", "пароль для проверки", "aB3$kL9!qW2z",
    "ещё одна фраза про море и ветер", "x " + secrets.token_hex(60),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "password"), [(reason, one) for reason, all_ in WEAK.items() for one in all_])
def test_a_password_guessed_first_is_refused(reason: str, password: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        check_password(password, ABOUT)
    if reason in ("short", "long", "personal"):
        assert refused.value.reason == reason
    for language in texts.LANGUAGES:
        with texts.speaking(language):
            said = texts.t(f"weak.{refused.value.reason}")
        assert (said == refused.value.message) == (language == "ru")


@pytest.mark.parametrize("password", GOOD)
def test_a_phrase_is_accepted(password: str) -> None:
    assert check_password(password, ABOUT) == password


def test_every_one_time_password_is_accepted() -> None:
    for _ in range(50):
        check_password(passwords.one_time_password(), ABOUT)


def test_what_is_somebody_elses_is_no_reason() -> None:
    assert check_password("мебельалатау84 vk", ()) and check_password("Anna Petrova lamp 7", ("boris@x.example",))


@pytest.mark.parametrize(
    "password", ["4@8({[</369&#!1/|0$5+7%2/4@" * 9, "password" * 3 + "4@8({[</369&#!1" * 9, "aA1!" * 9000]
)
def test_a_long_one_is_judged_in_time(password: str) -> None:
    """The processor's time: zxcvbn alone takes seven seconds for 128 such characters."""
    started = time.thread_time() + time.process_time()
    for length in (128, len(password)):
        try:
            check_password(password[:length], ABOUT)
        except WeakPassword:
            continue
    assert time.thread_time() + time.process_time() - started < 3


def test_supabase_takes_seventy_two_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    phrase = "ещё одна фраза про море и холодный ветер"
    assert len(phrase.encode()) > passwords.MAX_BYTES_AT_SUPABASE and check_password(phrase)
    monkeypatch.setenv("SYNKRO_SUPABASE_URL", "https://x.supabase.co")
    settings.cache_clear()
    with pytest.raises(WeakPassword) as refused:
        check_password(phrase)
    assert refused.value.reason == "long_bytes"
    monkeypatch.undo()
    settings.cache_clear()


# --- every place ------------------------------------------------------------------------------------------

pytestmark = pytest.mark.postgres


def person(slug: str, world: World) -> users.User:
    with db.as_service("test") as connection:
        made = embedded.add(connection, f"{uuid4().hex[:10]}@company.example", PASSWORD, full_name="Борис Ледоколов")
        users.grant(connection, made.user_id, world.tenants[slug].tenant_id, "user")
    return made


def guessed(user: users.User) -> list[str]:
    """Known to everyone, by the name, by the e-mail, by the company («Окна Бета»)."""
    return ["Password123!", "Ледоколов2026", user.email, "окнабета1234", "OknaBeta2026"]


async def test_the_profile_page_asks(site: Site, world: World) -> None:
    user = person("beta", world)
    async with site.browser() as browser:
        await browser.post("/login", data={"email": user.email, "password": PASSWORD}, headers=ORIGIN)
        for language in ("ru", "en"):
            with db.as_service("test") as connection:
                connection.execute(
                    "update synkro.user_profiles set language = %s where user_id = %s", (language, user.user_id)
                )
            for new in guessed(user):
                form = {"old": PASSWORD, "new": new, "again": new}
                answer = await browser.post("/profile/password", data=form, headers=ORIGIN)
                assert answer.status_code == 422, new
                assert ("phrase of several words" if language == "en" else "фразу из нескольких слов") in answer.text
        form = {"old": PASSWORD, "new": "синий чайник поёт", "again": "синий чайник поёт"}
        assert (await browser.post("/profile/password", data=form, headers=ORIGIN)).status_code == 303


async def test_an_invitation_asks(site: Site, world: World, who: Callable[[str], Viewer]) -> None:
    email = f"{uuid4().hex[:10]}@company.example"
    link = members.invite(who("stranger"), "beta", email, "Борис Ледоколов", "user").link
    path = "/invite/" + link.rpartition("/")[2]
    async with site.browser() as browser:
        for new in ("Password123!", "Ледоколов2026", email, "окнабета1234"):
            answer = await browser.post(path, data={"new": new, "again": new}, headers=ORIGIN)
            assert answer.status_code == 422 and "фразу из нескольких слов" in answer.text
        good = {"new": "синий чайник поёт", "again": "синий чайник поёт"}
        assert (await browser.post(path, data=good, headers=ORIGIN)).status_code == 303


def test_a_link_and_a_command_ask(world: World) -> None:
    user = person("beta", world)
    for new in guessed(user):
        for choose in (
            accounts.set_own_password,
            lambda who, new: accounts.set_password(who.user_id, new, must_change=False),
        ):
            with pytest.raises(WeakPassword):
                choose(user, new)
        with pytest.raises(WeakPassword):
            accounts.add(user.email, new, full_name="Борис Ледоколов", company="Окна Бета")
    assert accounts.sign_in(user.email, PASSWORD).user_id == user.user_id, "nothing was changed"
    accounts.set_own_password(user, "синий чайник поёт")
    assert accounts.sign_in(user.email, "синий чайник поёт").user_id == user.user_id
    with pytest.raises(DataError, match="уже есть"):
        accounts.add(user.email, "другой чайник молчит")
