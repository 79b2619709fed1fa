"""The web over two companies, without a browser: our whole ASGI app, with NiceGUI's simulated person for the pages."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from nicegui import Client, ui
from nicegui.functions.download import download
from nicegui.functions.navigate import Navigate
from nicegui.functions.notify import notify
from nicegui.testing import User
from nicegui.testing.general import nicegui_reset_globals

from services import access
from services.access import Viewer
from synkro.core.settings import settings
from tests.app import fixtures as worlds
from tests.app.fixtures import PASSWORD, World
from tests.conftest import entry_points_to

ORIGIN = {"Origin": "http://test"}


@pytest.fixture(scope="module")
def shared_world(make_database: Callable[[str | None], str], template: str) -> Iterator[World]:
    """One world a module: making it takes two seconds, so its tests leave each other's rows alone."""
    # a demo: its operator signs in without the second step, which tests/app/accounts/test_second_factor.py is about
    more = {"SYNKRO_WEB_SECRET": "f3a9c1e07b5d4826a1c0e9d8b7f65432", "SYNKRO_ENV": "demo"}
    with entry_points_to(make_database(template), **more) as url:
        yield worlds.fill(url)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    yield shared_world
    # a test may have changed the environment
    settings.cache_clear()


@pytest.fixture
def who(world: World) -> Callable[[str], Viewer]:
    """``who("admin")``: the person as the services see them."""
    return lambda name: access.viewer(world.people[name], "10.0.0.7")


class Person(User):
    """Looks for a minute: what a press brings comes when the machine gets to it."""

    async def should_see(self, *what: Any, retries: int = 600, **more: Any) -> None:
        await super().should_see(*what, retries=retries, **more)

    async def should_not_see(self, *what: Any, retries: int = 1200, **more: Any) -> None:
        await super().should_not_see(*what, retries=retries, **more)


class Site:
    """The running app and ways to come to it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test")

    async def signed_in(self, name: str) -> httpx.AsyncClient:
        browser = self.browser()
        answer = await browser.post(
            "/login", data={"email": f"{name}@example.com", "password": PASSWORD}, headers=ORIGIN
        )
        assert answer.status_code == 303, answer.text
        return browser

    async def person(self, name: str) -> User:
        """A person with open eyes: sees elements, types, presses."""
        return Person(await self.signed_in(name))


@asynccontextmanager
async def running() -> AsyncIterator[Site]:
    from app.main import build

    # nicegui collects twice and looks for its server among all objects: half a second with dbt and Dagster loaded
    gc.freeze()
    with nicegui_reset_globals():
        os.environ["NICEGUI_USER_SIMULATION"] = "true"
        try:
            app = build()
            async with app.router.lifespan_context(app):
                yield Site(app)
        finally:
            os.environ.pop("NICEGUI_USER_SIMULATION", None)
            # the reset would unload the modules of the pages, and later tests would meet their twins
            Client.page_routes.clear()
            ui.navigate, ui.notify, ui.download = Navigate(), notify, download


@pytest.fixture
async def site(world: World) -> AsyncIterator[Site]:
    modules = set(sys.modules)
    async with running() as made:
        yield made
    assert modules <= set(sys.modules)
