"""Plain HTML elements for NiceGUI pages. A text is a text node: nothing that came from a chat or a model is ever HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from app.texts import t

ICONS: dict[str, tuple[str, ...]] = {
    "home": ("M3 11l9-7 9 7", "M5 10v10h5v-6h4v6h5V10"),
    "report": ("M6 3h9l4 4v14H6z", "M9 12h7M9 16h7M9 8h3"),
    "chart": ("M4 20V4M4 20h16", "M8 16v-4M12 16V8M16 16v-6"),
    "settings": (
        "M4 7h10M18 7h2M4 17h2M10 17h10",
        "M16 5a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
        "M8 15a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
    ),
    "building": ("M5 21V4h9v17M14 9h5v12M3 21h18", "M8 8h3M8 12h3M8 16h3"),
    "audit": ("M5 4h14v16H5z", "M9 9h6M9 13h6M9 17h3"),
    "user": ("M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z", "M4 21c1-4 4-6 8-6s7 2 8 6"),
    "theme": ("M12 3a9 9 0 1 0 0 18z", "M12 3a9 9 0 0 1 0 18"),
    "out": ("M14 4h5v16h-5", "M4 12h11M11 8l4 4-4 4"),
    "menu": ("M4 7h16M4 12h16M4 17h16",),
    "clock": ("M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z", "M12 7v5l3 2"),
    "warn": ("M12 4l9 16H3z", "M12 10v4M12 17v.5"),
    "chat": ("M4 5h16v11H9l-5 4z",),
    "down": ("M12 4v11M7 11l5 5 5-5M5 20h14",),
    "print": ("M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z",),
    "play": ("M7 5l12 7-12 7z",),
    "stop": ("M6 6h12v12H6z",),
    "again": ("M19 12a7 7 0 1 1-2-5M19 4v4h-4",),
    "check": ("M5 12l5 5 9-10",),
    "plus": ("M12 5v14M5 12h14",),
    "copy": ("M9 9h11v11H9z", "M15 9V4H4v11h5"),
}


def tag(name: str, classes: str = "", text: str | None = None, *, mark: str = "", **attributes: Any) -> ui.element:
    """One element. Attributes are set as values, never parsed: a quote in a name stays a quote."""
    element = ui.element(name) if text is None else TextElement(tag=name, text=text)
    if classes:
        element.classes(classes)
    for key, value in attributes.items():
        if value is not None:
            element.props[key.rstrip("_").replace("_", "-")] = value
    if mark:
        element.mark(mark)
        element.props["data-testid"] = mark
    return element


def div(classes: str = "", text: str | None = None, **attributes: Any) -> ui.element:
    return tag("div", classes, text, **attributes)


def span(classes: str = "", text: str | None = None, **attributes: Any) -> ui.element:
    return tag("span", classes, text, **attributes)


def link(text: str, href: str, classes: str = "", *, mark: str = "", **attributes: Any) -> ui.element:
    """A link inside Synkro: ``href`` is a path of ours."""
    return tag("a", classes, text, href=_ours(href), mark=mark, **attributes)


def outside(text: str, href: str, classes: str = "", *, mark: str = "") -> ui.element:
    """A link to a page of somebody else's, in a tab of its own: https only, and the page is not told where it was opened."""
    if not href.startswith("https://"):
        raise ValueError(f"not an https address: {href}")
    return tag("a", classes, text, href=href, target="_blank", rel="noopener noreferrer", mark=mark)


def anchor(href: str, classes: str = "", *, mark: str = "", **attributes: Any) -> ui.element:
    """A link to be filled with ``with``."""
    return tag("a", classes, href=_ours(href), mark=mark, **attributes)


def _ours(href: str) -> str:
    if not href.startswith(("/", "#", "?")) or href.startswith("//"):
        raise ValueError(f"not a path of ours: {href}")
    return href


def icon(name: str) -> ui.element:
    with tag("svg", "icon", viewBox="0 0 24 24", aria_hidden="true") as element:
        for path in ICONS[name]:
            tag("path", d=path)
    return element


def button(
    text: str,
    on_click: Callable[..., Any] | None = None,
    classes: str = "",
    *,
    mark: str,
    icon_name: str = "",
    **attributes: Any,
) -> ui.element:
    element = tag("button", f"btn {classes}", type="button", mark=mark, **attributes)
    with element:
        if icon_name:
            icon(icon_name)
        if text:
            span("", text)
    if on_click is not None:
        element.on("click", on_click, args=[])
    return element


def badge(text: str, kind: str = "") -> ui.element:
    return span(f"badge {kind}", text)


def note(text: str, kind: str = "", *, mark: str = "") -> ui.element:
    return div(f"note {kind}", text, mark=mark, role="alert" if kind == "bad" else None)


def empty(icon_name: str, title: str, text: str, *, mark: str = "empty") -> ui.element:
    with div("card empty", mark=mark) as element:
        icon(icon_name)
        tag("h2", "", title)
        div("", text)
    return element


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    with tag("dl", "facts"):
        for label, value in pairs:
            tag("dt", "", label)
            tag("dd", "", value)


#: one cell: a text, or a function that draws it
Cell = str | Callable[[], Any] | None


def table(
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[Cell]],
    *,
    mark: str = "",
    cards: bool = True,
    tight: bool = False,
) -> ui.element:
    """``columns``: (title, classes). On a phone each row becomes a card whose first cell is its title.

    ``tight``: the cells of such a card stand three abreast, for rows of many small numbers.
    """
    kind = "t" + (" cards" if cards else "") + (" tight" if tight else "")
    with div("scroll") as wrapper, tag("table", kind, mark=mark):
        with tag("thead"), tag("tr"):
            for title, classes in columns:
                tag("th", classes, title, scope="col")
        with tag("tbody"):
            for row in rows:
                with tag("tr"):
                    for (title, classes), value in zip(columns, row, strict=True):
                        _cell(title, classes, value)
    return wrapper


def _cell(title: str, classes: str, value: Cell) -> None:
    if value is None or isinstance(value, str):
        # the text has an element of its own: on a phone the label stands beside it
        with tag("td", classes, data_label=title):
            if value:
                span("", value)
        return
    with tag("td", classes, data_label=title), div("stack tight"):
        value()


def pager(page: int, pages: int, href: Callable[[int], str]) -> None:
    if pages <= 1:
        return
    with div("pager no-print"):
        if page > 1:
            link(t("pager.newer"), href(page - 1), "btn small", mark="page-before")
        span("", t("pager.page", page=page, pages=pages))
        if page < pages:
            link(t("pager.older"), href(page + 1), "btn small", mark="page-after")
