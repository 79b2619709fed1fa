"""Letters of our own accounts: a forgotten password, an invitation, another address; through a real SMTP conversation."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any
from uuid import uuid4

import pytest

from services.people import members
from synkro import accounts
from synkro.accounts import embedded, mail
from synkro.core.errors import AuthenticationError, ConfigurationError, DataError, SynkroError, TransientError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import users
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World

ANOTHER = "совсем другая длинная фраза"


class _Conversation(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as one letter needs; ``refuse`` answers a command with an error."""

    server: Mailbox

    def handle(self) -> None:
        self._say(220, "ready")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word in self.server.refuse:
                self._say(self.server.refuse[word], "refused")
            elif word == "DATA":
                self._say(354, "go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.letters.append(message_from_bytes(b"".join(lines), policy=default))
                self._say(250, "taken")
            else:
                self._say(221 if word == "QUIT" else 250, "fine")
                if word == "QUIT":
                    return

    def _say(self, code: int, text: str) -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())


class Mailbox(socketserver.ThreadingTCPServer):
    """The operator's mail server: keeps the letters."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.letters: list[Message] = []
        self.refuse: dict[str, int] = {}

    def link(self, to: str) -> str:
        letter = next(letter for letter in reversed(self.letters) if letter["To"] == to)
        text = letter.get_content()  # type: ignore[attr-defined]
        found = re.search(r"http://test(/\S+)", text)
        assert found, text
        return found[1]


@pytest.fixture
def mailbox(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with Mailbox() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("SYNKRO_SMTP_URL", f"smtp://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("SYNKRO_MAIL_FROM", "synkro@company.example")
        monkeypatch.setenv("SYNKRO_PUBLIC_URL", "http://test")
        settings.cache_clear()
        yield server
        server.shutdown()


@pytest.fixture
def somebody(world: World) -> str:
    email = f"{uuid4().hex[:10]}@company.example"
    with db.as_service("test") as connection:
        embedded.add(connection, email, PASSWORD)
    return email


async def press(browser: Any, path: str) -> Any:
    """Open the link's page and press its button."""
    page = await browser.get(path)
    form = dict(re.findall(r'name="(token_hash|type)" value="([^"]*)"', page.text))
    return await browser.post("/auth/confirm", data=form, headers=ORIGIN)


async def test_a_forgotten_password(site: Site, mailbox: Mailbox, somebody: str) -> None:
    async with site.browser() as asking, site.browser() as reading:
        asked = await asking.post("/forgot", data={"email": somebody.upper()}, headers=ORIGIN)
        unknown = await asking.post("/forgot", data={"email": "nobody@company.example"}, headers=ORIGIN)
        assert asked.status_code == unknown.status_code == 200
        assert asked.text.replace(somebody.upper(), "") == unknown.text.replace("nobody@company.example", "")
        assert [letter["To"] for letter in mailbox.letters] == [somebody], "nobody else is written to"
        link = mailbox.link(somebody)
        # a mail server that looks at the link does not use it up
        for _ in range(2):
            assert (await asking.get(link)).status_code == 200
        assert (await press(reading, link)).headers["location"] == "/profile/password"
        assert 'name="old"' not in (await reading.get("/profile/password")).text
        form = {"new": ANOTHER, "again": ANOTHER}
        assert (await reading.post("/profile/password", data=form, headers=ORIGIN)).headers["location"] == "/"
        again = await press(asking, link)
        assert again.status_code == 422 and "устарела" in again.text
    assert accounts.sign_in(somebody, ANOTHER)


async def test_an_invitation(site: Site, mailbox: Mailbox, world: World, who: Any) -> None:
    email = f"{uuid4().hex[:10]}@company.example"
    invited = members.invite(who("admin"), "alpha", email, "По Письму", "user", by_letter=True)
    link = mailbox.link(email)
    assert invited.is_written and invited.link.endswith(link)
    async with site.browser() as browser:
        form = {"new": ANOTHER, "again": ANOTHER}
        answer = await browser.post(link, data=form, headers=ORIGIN)
        assert answer.headers["location"] == "/"
        assert (await browser.get("/t/alpha/reports")).status_code == 200


async def test_another_address(site: Site, mailbox: Mailbox, somebody: str, world: World) -> None:
    new = f"{uuid4().hex[:10]}@elsewhere.example"
    async with site.browser() as browser:
        await browser.post("/login", data={"email": somebody, "password": PASSWORD}, headers=ORIGIN)
        for form, status, words in (
            ({"password": "no", "email": new}, 401, "не подходят"),
            ({"password": PASSWORD, "email": "admin@example.com"}, 422, "уже занят"),
            ({"password": PASSWORD, "email": somebody}, 422, "нынешняя"),
            ({"password": PASSWORD, "email": "not an address"}, 422, "не похож"),
        ):
            refused = await browser.post("/profile/email", data=form, headers=ORIGIN)
            assert refused.status_code == status and words in refused.text
        assert mailbox.letters == []
        await browser.post("/profile/email", data={"password": PASSWORD, "email": new}, headers=ORIGIN)
        assert (await press(browser, mailbox.link(new))).headers["location"] == "/profile"
        assert new in (await browser.get("/profile")).text
    assert accounts.sign_in(new, PASSWORD).email == new
    with pytest.raises(AuthenticationError):
        accounts.sign_in(somebody, PASSWORD)


async def test_an_operator_resets_a_password_without_seeing_it(site: Site, somebody: str) -> None:
    with db.as_service("test") as connection:
        person = users.by_email(connection, somebody)
    async with site.browser() as signed_in, site.browser() as browser:
        await signed_in.post("/login", data={"email": somebody, "password": PASSWORD}, headers=ORIGIN)
        link = accounts.reset(person).removeprefix("http://test")
        assert (await signed_in.get("/profile")).headers["location"].startswith("/login"), "open sessions end"
        with pytest.raises(AuthenticationError):
            accounts.sign_in(somebody, PASSWORD)
        assert (await press(browser, "/auth/confirm?" + link.partition("?")[2])).headers[
            "location"
        ] == "/profile/password"
        form = {"new": ANOTHER, "again": ANOTHER}
        assert (await browser.post("/profile/password", data=form, headers=ORIGIN)).headers["location"] == "/"
    assert accounts.sign_in(somebody, ANOTHER).email == somebody


def test_a_link_of_long_ago_and_of_a_banned_person_is_refused(mailbox: Mailbox, somebody: str) -> None:
    def token() -> str:
        with db.as_service("test") as connection:
            connection.execute("delete from private.account_links")
        accounts.request_recovery(somebody, None).send()
        return re.findall(r"token_hash=([^&]+)", mailbox.link(somebody))[0]

    def refused(sql: str) -> None:
        made = token()
        with db.as_service("test") as connection:
            connection.execute(sql.encode())
        with pytest.raises(DataError, match="устарела"):
            accounts.confirm_link(made, "recovery", None)

    refused("update private.account_links set expires_at = now() - interval '1 second'")
    refused(f"update auth.users set banned_until = now() + interval '1 day' where email = '{somebody}'")


def test_nobody_is_flooded_with_letters(mailbox: Mailbox, somebody: str) -> None:
    for _ in range(9):
        accounts.request_recovery(somebody, None).send()
    assert len(mailbox.letters) == 5
    working = re.findall(r"token_hash=([^&]+)", mailbox.link(somebody))[0]
    first = re.search(r"token_hash=([^&]+)", mailbox.letters[0].get_content())  # type: ignore[attr-defined]
    assert first
    with pytest.raises(DataError):
        accounts.confirm_link(first[1], "recovery", None)
    assert accounts.confirm_link(working, "recovery", None)


@pytest.mark.parametrize(
    ("refuse", "error", "words"),
    [
        ({"RCPT": 550}, ConfigurationError, "не принял письмо"),
        ({"MAIL": 553}, ConfigurationError, "не принял письмо"),
        ({"DATA": 554}, ConfigurationError, "не принял письмо"),
        ({"EHLO": 421, "HELO": 421}, TransientError, "не отвечает"),
    ],
)
def test_refusals_of_the_mail_server(
    mailbox: Mailbox, refuse: dict[str, int], error: type[SynkroError], words: str
) -> None:
    mailbox.refuse = refuse
    with pytest.raises(error, match=words):
        mail.send("a@company.example", "Тема", "Текст")


def test_without_a_mail_server_the_way_is_named(world: World) -> None:
    assert not accounts.can_write_letters()
    with pytest.raises(ConfigurationError, match="synkro user password"):
        accounts.request_recovery("admin@example.com", None)
    with pytest.raises(ConfigurationError, match="SYNKRO_SMTP_URL"):
        accounts.write_invitation("new@company.example", "http://test/invite/x")
