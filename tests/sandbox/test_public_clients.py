"""Public amoCRM clients from PyPI, unchanged, against the sandbox as ``https://<subdomain>.amocrm.ru``.

The clients know nothing of it: see ``tls_host.py`` for how they get there.
What they list is held against the company's own oracle, over several pages of each list.

What a package cannot do stands in :data:`CANNOT`, and a test checks that it still cannot.

Seen red: a ``_page_count`` of users that is always 1 (amochka stops at the first page), a page without
``_links.next`` (aioamocrm and amochka stop), a refresh that leaves the old refresh token good.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aioamocrm
import amochka
import amocrm_api
import pytest
from amocrm_api.errors import AmoException

from sandbox.company.world import World
from sandbox.server import Sandbox
from sandbox.vendors import amocrm
from sandbox.vendors.amocrm.oauth import API_DOMAIN
from tests.sandbox.conftest import NOW
from tests.sandbox.tls_host import Host, self_made_certificate

#: rows a page of deals, contacts and users; a page of events is 100 at most
PAGE, USERS_PAGE = 20, 2
REDIRECT = "https://synkro.example/callback"
Rows = list[dict[str, Any]]

#: (client, task) -> why it has no method of its own for it, from its source
CANNOT = {
    ("aioamocrm", "events"): "0.1.1 has leads, contacts, companies, tasks, pipelines, users and the account; events are"
    " read with its general request()",
    ("amocrm-api-wrapper", "pages"): "0.0.20 has get_…(page, limit) for one page and no iterator; 1.0.1 has one, and"
    " cannot read at all: it passes json= to httpx.Client.get, which knows no such parameter",
    ("amocrm-api-wrapper", "storage"): "0.0.20 shows its pair as .tokens and leaves the keeping to the caller",
}


@pytest.fixture
def host(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The small company's amoCRM, with tokens of its own, behind TLS and the tunnel."""
    made = Host(running.world, self_made_certificate(tmp_path))
    up, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=made.run, args=(up, stop), daemon=True)
    thread.start()
    assert up.wait(60), "the host did not start"
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{made.proxy_port}")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(made.certificate))
    for name in ("ACCESS_TOKEN", "REFRESH_TOKEN", "EXPIRES_AT", "CLIENT_ID", "CLIENT_SECRET", "REDIRECT_URI"):
        monkeypatch.delenv(f"AMOCRM_{name}", raising=False)
    yield made
    stop.set()
    thread.join(60)
    assert made.request_log.violations() == []
    assert {target for target in made.asked if not target.endswith(".amocrm.ru:443")} == set()


# --- the clients -------------------------------------------------------------------------------------------------


class Client(ABC):
    """What the tests ask of a package; ``stored`` is the pair its own storage holds."""

    refused: type[Exception]

    def __init__(self, host: Host, folder: Path) -> None:
        self.keys = amocrm.credentials(host.world.company.seed)
        self.url, self.file = host.url, folder / "token.json"
        self.write(self.keys.access_token, self.keys.refresh_token)
        self.open()

    def write(self, access_token: str, refresh_token: str) -> None:
        """Put a pair into the storage, good for another hour as far as its owner knows."""
        pair = {"access_token": access_token, "refresh_token": refresh_token, "expires_at": time.time() + 3600}
        self.file.write_text(json.dumps(pair), encoding="utf-8")

    @property
    def stored(self) -> tuple[str, str]:
        pair = json.loads(self.file.read_text(encoding="utf-8"))
        return pair["access_token"], pair["refresh_token"]

    @abstractmethod
    def open(self) -> None:
        """A new client from what is stored, as after a restart."""

    @abstractmethod
    def rows(self, what: str) -> Rows:
        """All there is of ``what`` (leads, contacts, events, pipelines, users), page after page."""


class Amochka(Client):
    refused = amochka.AuthenticationError

    def open(self) -> None:
        keys = self.keys
        self.client = amochka.AmoCRMClient(
            self.url, str(self.file), amochka.CacheConfig.disabled(), disable_logging=True, rate_limit=1000,
            client_id=keys.client_id, client_secret=keys.client_secret, redirect_uri=REDIRECT,
        )  # fmt: skip

    def write(self, access_token: str, refresh_token: str) -> None:
        super().write(access_token, refresh_token)
        # it keeps the application beside the pair, and forgets what the file does not name
        pair = json.loads(self.file.read_text(encoding="utf-8"))
        application = {"client_id": self.keys.client_id, "client_secret": self.keys.client_secret}
        self.file.write_text(json.dumps({**pair, **application, "redirect_uri": REDIRECT}), encoding="utf-8")

    def rows(self, what: str) -> Rows:
        sizes = {"leads": {"limit": PAGE}, "contacts": {"limit": PAGE}, "users": {"limit": USERS_PAGE}}
        return list(getattr(self.client, f"iter_{what}")(**sizes.get(what, {})))


class Aioamocrm(Client):
    refused = aioamocrm.AuthError

    def open(self) -> None:
        """Nothing is kept between calls: every call is a program of its own."""

    def client(self) -> aioamocrm.AmoCRMClient:
        keys = self.keys
        auth = aioamocrm.OAuth2(keys.client_id, keys.client_secret, REDIRECT, aioamocrm.JsonFileTokenStorage(self.file))
        subdomain = self.url.removeprefix("https://").removesuffix(".amocrm.ru")
        return aioamocrm.AmoCRMClient(auth=auth, subdomain=subdomain, rate_limit=None)

    def rows(self, what: str) -> Rows:
        return asyncio.run(self._rows(what))

    async def _rows(self, what: str) -> Rows:
        async with self.client() as amo:
            if what == "events":
                return [row async for row in self._events(amo)]
            if what == "pipelines":
                return [row.model_dump(by_alias=True) for row in await amo.pipelines.list()]
            listing = getattr(amo, what).iterate(limit=USERS_PAGE if what == "users" else PAGE)
            return [row.model_dump(by_alias=True) async for row in listing]

    @staticmethod
    async def _events(amo: aioamocrm.AmoCRMClient) -> AsyncIterator[dict[str, Any]]:
        """Its general request(), which takes a ``_links.next`` of its own account as it is."""
        following: str | None = "events?limit=100"
        while following is not None:
            answer = await amo.request("GET", following)
            for row in answer["_embedded"]["events"]:
                yield row
            following = answer["_links"].get("next", {}).get("href")


class Wrapper(Client):
    refused = AmoException

    def __init__(self, host: Host, folder: Path) -> None:
        super().__init__(host, folder)
        # it knows an expired token by the end of the problem's type alone: "…ProblemJson", then the status
        host.faults.add({"kind": "switch", "name": "unauthorized_as", "value": "oauth"})

    def open(self) -> None:
        keys = self.keys
        self.client = amocrm_api.AmoOAuthClient(*self.stored, self.url, keys.client_id, keys.client_secret, REDIRECT)

    def rows(self, what: str) -> Rows:
        rows = list(self._rows(what))
        tokens = self.client.tokens
        if self.stored != (tokens["access_token"], tokens["refresh_token"]):
            self.write(**tokens)
        return rows

    def _rows(self, what: str) -> Iterator[dict[str, Any]]:
        """Page after page until amoCRM's 204, which the package gives out as {}."""
        method = getattr(self.client, f"get_{what}")
        if what == "pipelines":
            yield from method()["_embedded"][what]
            return
        sizes = {"events": 100, "users": USERS_PAGE}
        for page in range(1, 1000):
            answer = method(page=page, limit=sizes.get(what, PAGE))
            if not answer:
                return
            yield from answer["_embedded"][what]


CLIENTS = {"amochka": Amochka, "aioamocrm": Aioamocrm, "amocrm-api-wrapper": Wrapper}
LISTS = ("leads", "contacts", "events", "pipelines", "users")


@pytest.fixture(params=list(CLIENTS))
def client(request: pytest.FixtureRequest, host: Host, tmp_path: Path) -> Client:
    return CLIENTS[request.param](host, tmp_path)


# --- what they must see ------------------------------------------------------------------------------------------


def told(world: World, what: str, rows: Rows) -> tuple[Any, Any]:
    """(what the client returned, what the company says) in comparable form."""
    oracle = world.expected(datetime(2000, 1, 1, tzinfo=UTC), NOW + timedelta(seconds=1))
    if what in ("leads", "contacts"):
        wanted = getattr(oracle, what)
        return sorted((row["id"], row["updated_at"]) for row in rows), sorted(wanted.items())
    if what == "events":
        return [row["id"] for row in rows], oracle.events[::-1]
    if what == "users":
        return [(row["id"], row["email"]) for row in rows], [(m.id, m.email) for m in world.company.managers]
    stages = [(row["id"], [stage["id"] for stage in embedded(row)["statuses"]]) for row in rows]
    return stages, [(p.id, [stage.id for stage in p.stages]) for p in world.company.pipelines]


def embedded(row: dict[str, Any]) -> dict[str, Any]:
    return row.get("_embedded") or row["embedded"]


@pytest.mark.parametrize("what", LISTS)
def test_a_list_is_the_companys_own(host: Host, client: Client, what: str) -> None:
    """Every row once and no other, over at least three pages where the vendor pages at all."""
    found, wanted = told(host.world, what, client.rows(what))
    assert found == wanted and len(wanted) >= 3
    if what != "pipelines":
        assert len(host.paths(f"/api/v4/{what}")) >= 3


def test_an_expired_token_is_refreshed_and_kept(host: Host, client: Client) -> None:
    """401 → the package's own refresh → the new pair in its own storage → good for the next process."""
    first = client.stored
    host.faults.hooks["expire"]([])
    found, wanted = told(host.world, "leads", client.rows("leads"))
    assert found == wanted
    access, refresh = client.stored
    assert access != first[0] and refresh != first[1]
    posts = [row for row in host.request_log.requests() if row["method"] == "POST"]
    assert [(row["path"], row["status"]) for row in posts] == [("/oauth2/access_token", 200)]
    client.open()
    assert len(client.rows("users")) == len(host.world.company.managers)
    assert len([row for row in host.request_log.requests() if row["method"] == "POST"]) == 1


def test_a_refresh_token_works_once(host: Host, client: Client) -> None:
    """A copy of the storage from before the refresh is refused, by the package's own kind of error."""
    before = client.stored
    host.faults.hooks["expire"]([])
    client.rows("users")
    host.faults.hooks["expire"]([])
    client.write(*before)
    with pytest.raises(client.refused, match="401"):
        client.open()
        client.rows("users")


def test_a_refused_refresh_asks_where_the_account_lives(host: Host, tmp_path: Path) -> None:
    """aioamocrm asks the token's ``api_domain`` then, as the official client does; the account has not moved."""
    client = Aioamocrm(host, tmp_path)
    client.write(client.keys.access_token, client.keys.refresh_token)
    host.faults.hooks["expire"]([])
    client.rows("users")
    host.faults.hooks["expire"]([])
    client.write(client.keys.access_token, client.keys.refresh_token)
    with pytest.raises(aioamocrm.AuthError) as refused:
        client.rows("users")
    assert not isinstance(refused.value, aioamocrm.AccountMovedError)
    assert f"{API_DOMAIN}:443" in host.asked
    asked = [row for row in host.request_log.requests() if row["path"] == "/oauth2/account/current/subdomain"]
    assert [row["status"] for row in asked] == [200]


def test_what_a_package_cannot_do_it_still_cannot(host: Host, tmp_path: Path) -> None:
    """A later version may learn it: then the package's own method is to be used above."""
    wrapper, amo = Wrapper(host, tmp_path).client, Aioamocrm(host, tmp_path).client()
    can = {
        ("aioamocrm", "events"): hasattr(amo, "events"),
        ("amocrm-api-wrapper", "pages"): hasattr(wrapper, "iter_leads"),
        ("amocrm-api-wrapper", "storage"): hasattr(wrapper, "token_store"),
    }
    assert can == dict.fromkeys(CANNOT, False)
    assert hasattr(wrapper, "get_leads") and hasattr(amo, "leads")


def test_a_host_that_is_not_amocrms_cannot_be_reached(host: Host) -> None:
    """The tunnel is no way out of the machine."""
    with socket.create_connection(("127.0.0.1", host.proxy_port), timeout=60) as line:
        line.sendall(b"CONNECT amocrm.ru.example:443 HTTP/1.1\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 403")
    host.asked.clear()
