"""The frame around every page and the decorator that makes a page.

``@page("/t/{slug}/reports")`` gives the function the :class:`Viewer` first, then its path and query parameters. What
may not be seen and what is not there end in the same bytes; an unexpected error ends in a page with an id.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request
from nicegui import ui
from starlette.responses import RedirectResponse, Response

from app import static_pages
from app.components.base.html import anchor, div, icon, link, span, tag
from app.middleware import is_bad_input, report_error
from app.offload import off_loop
from app.texts import t
from services import access, audit_log
from services.access import Forbidden, Viewer
from synkro.core.errors import NotFoundError, TransientError
from synkro.runs import dagster_ui
from synkro.tenancy.tenants import Tenant

PageFunction = Callable[..., Awaitable[Response | None]]
#: address → function, filled by the modules of app/pages and installed by :func:`install`
PAGES: dict[str, PageFunction] = {}


def page(path: str) -> Callable[[PageFunction], PageFunction]:
    def register(function: PageFunction) -> PageFunction:
        PAGES[path] = function
        return function

    return register


def install() -> None:
    """Hand the pages to NiceGUI."""
    for path, function in PAGES.items():
        ui.page(path, title="Synkro", response_timeout=20)(_wrapped(function))


def _wrapped(function: PageFunction) -> PageFunction:
    async def built(request: Request, **parameters: Any) -> Response | None:
        caller = getattr(request.state, "caller", None)
        if caller is None:
            return RedirectResponse("/login", 303)
        try:
            ip_address = request.client.host if request.client else None
            viewer = await off_loop(access.viewer, caller.user, ip_address)
            if viewer.is_operator and "slug" in parameters:
                await off_loop(audit_log.note_look, viewer, parameters["slug"], request.url.path)
            return await function(viewer, **parameters)
        except NotFoundError:
            return static_pages.not_found()
        except Forbidden as error:
            return static_pages.refused(error.message)
        except TransientError as error:
            return static_pages.refused(error.message, 503)
        except Exception as error:
            error_id = report_error(error)
            return static_pages.not_found() if is_bad_input(error) else static_pages.server_error(error_id)

    signature = inspect.signature(function, eval_str=True)
    parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in list(signature.parameters.values())[1:]]
    request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
    built.__signature__ = inspect.Signature([request, *parameters])  # type: ignore[attr-defined]
    built.__name__ = function.__name__
    built.__module__ = function.__module__
    return built


@contextmanager
def frame(viewer: Viewer, title: str, *, tenant: Tenant | None = None, on: str = "") -> Iterator[None]:
    """Navigation at the left (a drawer on the phone) and a column of content. ``on``: the item that is lit."""
    ui.page_title(f"{title} · Synkro")
    ui.context.client.content.classes("w")
    with div("topbar no-print"):
        with tag("button", "btn", type="button", aria_label=t("nav.menu"), mark="menu") as menu:
            icon("menu")
        menu.on("click", js_handler="() => synkro.drawer()")
        span("strong clip grow", title)
    div("scrim").on("click", js_handler="() => synkro.drawer()")
    with tag("nav", "nav", aria_label=t("nav.menu"), mark="nav"):
        with anchor("/", "brand"):
            tag("img", src=static_pages.asset("icon.svg"), alt="", width=24, height=24)
            span("", "Synkro")
        _items(viewer, tenant, on)
        _foot(viewer, on)
    with tag("main", "main"), div("page"):
        yield


def _items(viewer: Viewer, tenant: Tenant | None, on: str) -> None:
    _item("/", "home", t("nav.overview"), on == "overview")
    here = tenant or (viewer.tenants[0] if len(viewer.tenants) == 1 else None)
    if here is not None:
        div("nav-head", here.name)
        _item(f"/t/{here.slug}/reports", "report", t("nav.reports"), on == "reports")
        _item(f"/t/{here.slug}/cases", "check", t("nav.cases"), on == "cases")
        _item(f"/t/{here.slug}/dashboards", "chart", t("nav.dashboards"), on == "dashboards")
        _item(f"/t/{here.slug}/data", "clock", t("nav.data"), on == "data")
        if viewer.is_admin(here.tenant_id):
            _item(f"/t/{here.slug}/settings", "settings", t("nav.settings"), on == "settings")
    if viewer.is_any_admin:
        div("nav-head", t("nav.administration"))
        if viewer.is_operator:
            _item("/tenants", "building", t("nav.tenants"), on == "tenants")
            _item("/accounts", "user", t("nav.accounts"), on == "accounts")
        _item("/audit", "audit", t("nav.audit"), on == "audit")
        if viewer.is_operator:
            _item(dagster_ui.PREFIX, "play", t("nav.dagster"), False)


def _item(href: str, icon_name: str, text: str, is_on: bool) -> None:
    mark = "nav-" + (href.rsplit("/", 1)[-1] or "overview")
    with anchor(href, "item on" if is_on else "item", mark=mark, aria_current="page" if is_on else None):
        icon(icon_name)
        span("clip", text)


def _foot(viewer: Viewer, on: str) -> None:
    with div("nav-foot"):
        with div("nav-user"):
            div("clip strong small", viewer.user.full_name or viewer.user.email)
            if viewer.user.full_name:
                div("clip small muted", viewer.user.email)
        _item("/profile", "user", t("nav.profile"), on == "profile")
        with tag("a", "item", href="#", role="button", mark="theme") as theme:
            icon("theme")
            span("", t("nav.theme"))
        theme.on("click.prevent", js_handler="() => synkro.nextTheme()")
        with (
            tag("form", "", method="post", action="/logout"),
            tag("button", "item", type="submit", mark="sign-out"),
        ):
            icon("out")
            span("", t("nav.sign_out"))


@contextmanager
def heading(title: str, lead: str = "", crumbs: list[tuple[str, str]] | None = None) -> Iterator[None]:
    """The page's title with, in the ``with`` block, its controls."""
    with div("page-head"):
        with div("titles"):
            if crumbs:
                with div("crumbs no-print"):
                    for number, (text, href) in enumerate(crumbs):
                        if number:
                            span("", "/")
                        link(text, href)
            tag("h1", "", title, mark="title")
            if lead:
                div("muted", lead)
        with div("line no-print"):
            yield
