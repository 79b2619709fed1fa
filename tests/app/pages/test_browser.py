"""A real browser: sign in, read the report, follow a quote to its message; hostile texts stay texts."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.app import shots
from tests.app.fixtures import PASSWORD, World

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def base(shared_world: World) -> Iterator[str]:
    """The app in a process of its own, as people meet it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = f"from app.main import run; run('127.0.0.1', {port})"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ.copy(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(1200):
        time.sleep(0.1)
        try:
            urlopen(f"{address}/login", timeout=2).read()
            break
        except OSError:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
    yield address
    process.terminate()
    process.wait(timeout=60)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = shots.launch(playwright)
        yield browser
        browser.close()


class Visit:
    """A page that remembers what it should not have done."""

    def __init__(self, chromium: Browser, base: str) -> None:
        self.page: Page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
        self.foreign: list[str] = []
        self.dialogs: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self._requested(request.url, base))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.on("console", lambda message: self.said.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def _requested(self, url: str, base: str) -> None:
        if not url.startswith((base, base.replace("http", "ws"), "data:", "about:", "blob:")):
            self.foreign.append(url)

    def check_clean(self) -> None:
        assert self.page.evaluate("window.__xss") is None
        assert (self.foreign, self.dialogs, self.said) == ([], [], [])
        forms = self.page.locator("form").evaluate_all("all => all.map(f => f.getAttribute('action'))")
        assert set(forms) <= {"/logout", "/login", "/profile/password"}
        assert self.page.locator("main iframe, main script, main object").count() == 0


def test_from_sign_in_to_the_message_behind_a_claim(chromium: Browser, base: str, shared_world: World) -> None:
    visit = Visit(chromium, base)
    page = visit.page
    page.goto(f"{base}/t/alpha/reports")
    assert page.url.startswith(f"{base}/login?next=")
    page.get_by_test_id("email").fill("user@example.com")
    page.get_by_test_id("password").fill(PASSWORD)
    page.get_by_test_id("sign-in").click()
    page.get_by_test_id("report").first.click()
    expect(page.get_by_test_id("number-unanswered_now")).to_contain_text("5")
    expect(page.get_by_test_id("action-1")).to_contain_text("250 000 ₸")
    rubric = page.get_by_test_id("quality")
    expect(rubric).to_contain_text("по рубрике 71 %, оценено: 11 диалогов")
    expect(rubric.get_by_test_id("quality-managers").locator("tbody tr")).to_have_text(
        [re.compile(r"Динара.*75\s%", re.S), re.compile("Руслан Ким.*мало данных", re.S)]
    )
    rubric.get_by_test_id("quality-managers").get_by_test_id("quality-weak").click()
    expect(rubric.get_by_test_id("quality-managers").get_by_test_id("to-message")).to_be_visible()
    visit.check_clean()
    page.get_by_test_id("number-unanswered_now").click()
    expect(page.get_by_test_id("rows").locator("tbody tr")).to_have_count(5)
    page.go_back()
    page.get_by_test_id("action-1").get_by_test_id("to-message").click()
    page.wait_for_selector("#m-alpha0-0.is-target")
    expect(page.locator("#m-alpha0-0")).to_contain_text("сколько стоит кухня?")
    expect(page.locator("#m-alpha0-0")).to_be_in_viewport()
    expect(page.get_by_test_id("client-card")).to_contain_text("•••• 1234")
    visit.check_clean()
    page.get_by_test_id("sign-out").click()
    page.wait_for_url(f"{base}/login")


def test_hostile_texts_stay_texts(chromium: Browser, base: str, shared_world: World) -> None:
    visit = Visit(chromium, base)
    page = visit.page
    shots.sign_in(page, base, "admin@example.com", PASSWORD)
    report = f"/t/alpha/reports/{shared_world.reports['alpha'].report_id}"
    paths = [
        "/",
        "/t/alpha/reports",
        report,
        "/t/alpha/dashboards",
        "/t/alpha/settings?tab=topics",
        "/t/alpha/settings?tab=people",
        "/audit",
        "/profile",
    ]
    paths += [f"{report}/rows/{metric}" for metric in ("messages", "unanswered_now", "money_at_risk", "dialogs")]
    paths += [f"/t/alpha/dialogs/alpha%3Ad%2F{number}" for number in range(1, 11)]
    for path in paths:
        page.goto(base + path)
        page.wait_for_selector("main .card, main .chat")
        page.wait_for_timeout(60)
        visit.check_clean()
    page.goto(base + report)
    page.wait_for_selector("main .card")
    expect(page.get_by_test_id("headline")).to_contain_text("<img src=x onerror=")


def test_pages_fit_a_phone_and_go_dark(chromium: Browser, base: str, shared_world: World) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    shots.sign_in(page, base, "admin@example.com", PASSWORD)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    report = f"/t/alpha/reports/{shared_world.reports['alpha'].report_id}"
    for path in (
        "/",
        "/t/alpha/reports",
        report,
        "/t/alpha/dashboards",
        "/t/alpha/settings?tab=runtime",
        "/audit",
        "/profile",
    ):
        page.goto(base + path)
        page.wait_for_selector("main .card")
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, (path, wider)
    page.get_by_test_id("menu").click()
    expect(page.get_by_test_id("theme")).to_be_in_viewport()
    page.get_by_test_id("theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.reload()
    page.wait_for_selector("main .card")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_a_closed_session_closes_the_open_page(chromium: Browser, base: str, shared_world: World) -> None:
    """Sign-out in one tab reaches the other at the next look (tests/app/test_middleware.py says how soon), without a press."""
    context = chromium.new_context()
    first, second = context.new_page(), context.new_page()
    shots.sign_in(first, base, "user@example.com", PASSWORD)
    second.goto(f"{base}/t/alpha/reports")
    second.wait_for_selector("main .card")
    first.get_by_test_id("sign-out").click()
    second.wait_for_url(f"{base}/login*", timeout=60_000)
