"""Form fields: a label above, the control, a hint, and beside it what is wrong with the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from app.components.base.html import div, span, tag


class Field:
    """One control with its message. ``value`` reads it, :meth:`wrong` says what is the matter."""

    def __init__(self, label: str, mark: str, make: Callable[[], Any], hint: str = "") -> None:
        with tag("label", "field"):
            span("label", label)
            self.control = make()
            self.control.props["aria-label"] = label
            self.control.mark(mark)
            self.control.props["data-testid"] = mark
            if hint:
                span("hint", hint)
            self._message = span("wrong hide", "", role="alert", mark=f"{mark}-error")

    @property
    def value(self) -> Any:
        return self.control.value

    def wrong(self, message: str) -> None:
        """Show the message beside the field; an empty one takes it away."""
        self._message.text = message  # type: ignore[attr-defined]
        self._message.classes(remove="hide") if message else self._message.classes(add="hide")


def text(label: str, mark: str, value: str = "", *, hint: str = "", placeholder: str = "", kind: str = "text") -> Field:
    def make() -> Any:
        field = ui.input(value=value, placeholder=placeholder).props("outlined dense hide-bottom-space")
        field.props["type"] = kind
        return field

    return Field(label, mark, make, hint)


def secret(label: str, mark: str, placeholder: str) -> Field:
    """Never holds a stored value: what is typed goes to the server once and the field is emptied."""

    def make() -> Any:
        field = ui.input(value="", placeholder=placeholder).props("outlined dense hide-bottom-space type=password")
        field.props["autocomplete"] = "new-password"
        return field

    return Field(label, mark, make)


def area(label: str, mark: str, value: str = "", *, hint: str = "", placeholder: str = "") -> Field:
    return Field(
        label,
        mark,
        lambda: ui.textarea(value=value, placeholder=placeholder).props("outlined dense autogrow hide-bottom-space"),
        hint,
    )


def select(
    label: str, mark: str, options: dict[str, str] | list[str], value: str, *, search: bool = False, hint: str = ""
) -> Field:
    return Field(
        label,
        mark,
        lambda: ui.select(options, value=value, with_input=search).props(
            "outlined dense options-dense hide-bottom-space"
        ),
        hint,
    )


def several(label: str, mark: str, options: dict[str, str], value: list[str], *, hint: str = "") -> Field:
    """Any number of the options; ``value`` is a list of their keys."""
    return Field(
        label,
        mark,
        lambda: ui.select(options, value=value, multiple=True).props(
            "outlined dense options-dense hide-bottom-space use-chips"
        ),
        hint,
    )


def switch(label: str, mark: str, value: bool, *, hint: str = "") -> Field:
    return Field(label, mark, lambda: ui.switch(value=value), hint)


def row() -> Any:
    return div("fields")
