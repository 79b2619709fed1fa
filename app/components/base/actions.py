"""What happens when a person presses a button: who they are is asked again, the work runs off the event loop, and the
outcome is said in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nicegui import context, ui

from app import auth
from app.middleware import report_error
from app.offload import off_loop
from app.texts import t
from services import access
from services.access import Viewer
from synkro.core.errors import SynkroError

T = TypeVar("T")


async def require_user() -> Viewer | None:
    """The person as they are now; ``None`` (and the sign-in page) when the session is over."""
    client = context.client
    caller: auth.Caller | None = getattr(client.request.state, "caller", None)
    viewer = await off_loop(_viewer, caller.session_id, client.ip) if caller else None
    if viewer is None:
        with client:
            ui.navigate.to("/login")
    return viewer


def _viewer(session_id: str, ip_address: str) -> Viewer | None:
    caller = auth.identify(session_id)
    if caller is None or caller.must_set_password:
        return None
    return access.viewer(caller.user, ip_address)


async def act(
    work: Callable[[Viewer], T], *, done: str = "", on_error: Callable[[SynkroError], None] | None = None
) -> T | None:
    """Do something as the person who is signed in now. ``None`` when it failed: the cause has been shown by then,
    by ``on_error`` if there is one, else as a notice."""
    # the button may be redrawn by the poller while the work runs: what is said afterwards belongs to the page
    client = context.client
    viewer = await require_user()
    if viewer is None:
        return None
    try:
        result = await off_loop(work, viewer)
    except SynkroError as error:
        with client:
            if on_error is not None:
                on_error(error)
            else:
                ui.notify(error.message, type="negative", timeout=8000, multi_line=True)
        return None
    except Exception as error:
        with client:
            ui.notify(t("server_error.notice", id=report_error(error)), type="negative", timeout=8000)
        return None
    if done:
        with client:
            ui.notify(done, type="positive")
    return result
