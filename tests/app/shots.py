"""Screenshots of every page, wide and narrow, light and dark: ``python -m tests.app.shots OUTDIR BASE_URL EMAIL PASSWORD``.

Reports what a page logged to the console and whether it is wider than the screen.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"wide": (1280, 900), "phone": (390, 844)}


def launch(playwright: Any) -> Browser:
    """The system's chromium, headless and quiet. Its clock is its own, also on another day: a moved one stops its processes."""
    chromium = shutil.which("chromium")
    assert chromium is not None, "no chromium: python -m tests.support.needs installs it"
    own = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD" and "FAKETIME" not in name}
    return playwright.chromium.launch(executable_path=chromium, args=ARGS, env=own)


def sign_in(page: Page, base: str, email: str, password: str) -> None:
    page.goto(f"{base}/login")
    page.get_by_test_id("email").fill(email)
    page.get_by_test_id("password").fill(password)
    page.get_by_test_id("sign-in").click()
    page.wait_for_selector("main.main")


def addresses(page: Page, base: str) -> dict[str, str]:
    """The pages, found by following links as a person would."""
    page.goto(f"{base}/")
    page.wait_for_selector("main.main .card, main.main .empty")
    found = {"overview": "/"}
    tenant = page.locator("main .card h2 a").first
    if tenant.count() == 0:
        return found
    reports = tenant.get_attribute("href") or ""
    slug = reports.split("/")[2]
    for candidate in page.locator("main .card h2 a").all():
        href = candidate.get_attribute("href") or ""
        if href.split("/")[2] in ("alpha", "mebel_alatau"):
            slug = href.split("/")[2]
    found["reports"] = f"/t/{slug}/reports"
    page.goto(base + found["reports"])
    page.wait_for_selector("main.main .card")
    report = page.get_by_test_id("report").first
    if report.count():
        found["report"] = report.get_attribute("href") or ""
        page.goto(base + found["report"])
        page.wait_for_selector("main.main .card")
        for metric in ("unanswered_now", "messages", "money_at_risk", "dialogs"):
            found[f"rows-{metric}"] = f"{found['report']}/rows/{metric}"
        dialog = page.get_by_test_id("to-message").first
        if not dialog.count():
            dialog = page.get_by_test_id("dialog").first
        if dialog.count():
            found["dialog"] = dialog.get_attribute("href") or ""
    found["data"] = f"/t/{slug}/data"
    found["dashboards"] = f"/t/{slug}/dashboards?days=30"
    for tab in ("integrations", "runtime", "calendar", "topics", "people"):
        found[f"settings-{tab}"] = f"/t/{slug}/settings?tab={tab}"
    found |= {"tenants": "/tenants", "profile": "/profile", "audit": "/audit", "missing": "/t/nowhere/reports"}
    return found


def main(out: Path, base: str, email: str, password: str, only: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for size, (width, height) in SIZES.items():
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme, locale="ru-RU"
                )
                page = context.new_page()
                said: list[str] = []
                page.on(
                    "console", lambda message, said=said: said.append(message.text) if message.type == "error" else None
                )
                page.goto(f"{base}/login")
                page.screenshot(path=out / f"login-{size}-{theme}.png")
                sign_in(page, base, email, password)
                for name, path in addresses(page, base).items():
                    if only and name not in only:
                        continue
                    said.clear()
                    page.goto(base + path)
                    page.wait_for_selector("main")
                    page.wait_for_timeout(700)
                    page.screenshot(path=out / f"{name}-{size}-{theme}.png", full_page=True)
                    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                    if said or wider > 0:
                        print(name, size, theme, f"wider by {wider}" if wider else "", said[:2])
                context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5], only=sys.argv[5:])
