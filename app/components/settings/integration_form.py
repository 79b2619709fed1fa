"""One integration: what is public is shown, what is secret is only ever typed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from nicegui import ui

from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import badge, button, div, note, span, tag
from app.texts import known, t
from services.settings import configuration
from synkro.connectors.integrations import Integration
from synkro.core import clock
from synkro.tenancy.tenants import Tenant

_STATUS = {"ok": "good", "error": "bad", "unknown": "", "pending": "accent"}


class IntegrationForm:
    def __init__(
        self,
        tenant: Tenant,
        integration: Integration,
        timezone: str,
        on_change: Callable[[Integration], None] = lambda integration: None,
    ) -> None:
        self.on_change = on_change
        self.tenant = tenant
        self.integration = integration
        self.timezone = timezone
        self.public: dict[str, forms.Field] = {}
        self.secrets: dict[str, forms.Field] = {}

    @property
    def kind(self) -> str:
        return self.integration.kind

    def draw(self) -> None:
        with tag("section", "card stack", mark=f"integration-{self.kind}"):
            self._head()
            public, secret = configuration.form_fields(self.integration.kind)
            with forms.row():
                for name in public:
                    self.public[name] = self._public_field(name)
                for name in secret:
                    self.secrets[name] = forms.secret(self._label(name), f"{self.kind}-{name}", self._placeholder(name))
            with div("line"):
                button(t("settings.save"), self._save, "primary", mark=f"save-{self.kind}")
                self.check_button = button(
                    t("settings.check"), self._check, mark=f"check-{self.kind}", icon_name="check"
                )

    @ui.refreshable_method
    def _head(self) -> None:
        one = self.integration
        with div("stack tight"):
            with div("line between"):
                tag("h2", "", t(f"kind.{one.kind}"))
                badge(t(f"integration.{one.status}"), _STATUS.get(one.status, ""))
            span("small muted", t(f"kind.{one.kind}.about"))
            if one.last_checked_at:
                span(
                    "small muted",
                    t("settings.checked", when=formatting.moment(clock.of(one.last_checked_at), self.timezone)),
                )
            if one.status == "ok" and one.bound:
                span("small good", _bound_text(one.bound))
            if one.last_error:
                note(one.last_error, "bad", mark=f"error-{one.kind}")

    def _public_field(self, name: str) -> forms.Field:
        value = self.integration.public.get(name)
        text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
        mark = f"{self.kind}-{name}"
        if choices := configuration.choices(self.kind, name):
            return forms.select(self._label(name), mark, list(choices), text if text in choices else choices[0])
        make = forms.area if name == "prompt" else forms.text
        return make(self._label(name), mark, text, hint=_hint(self.kind, name))

    @staticmethod
    def _label(name: str) -> str:
        return t(f"field.{name}") if known(f"field.{name}") else name

    def _placeholder(self, name: str) -> str:
        hint: dict[str, Any] | None = self.integration.hints.get(name)
        if not hint:
            return t("secret.absent")
        # the stamp is the database's own
        saved = clock.of(datetime.fromisoformat(hint["saved_at"])) if hint.get("saved_at") else None
        return t(
            "secret.saved", tail=hint.get("tail") or "", when=formatting.day(saved.date()) if saved else ""
        ).replace("  ", " ")

    def _show(self, integration: Integration) -> None:
        self.integration = integration
        self.on_change(integration)
        self._head.refresh()
        for name, field in self.secrets.items():
            field.control.value = ""
            field.control.props["placeholder"] = self._placeholder(name)
            field.control.update()

    async def _save(self) -> None:
        public = {name: field.value or "" for name, field in self.public.items()}
        secrets = {name: field.value or "" for name, field in self.secrets.items()}
        slug, kind = self.tenant.slug, self.kind
        saved = await act(
            lambda who: configuration.save_integration(who, slug, kind, public, secrets), done=t("settings.saved")
        )
        if saved is not None:
            self._show(saved)

    async def _check(self) -> None:
        slug, kind = self.tenant.slug, self.kind
        self.check_button.props["disabled"] = True
        ui.notify(t("settings.checking"))
        try:
            result = await act(lambda who: configuration.check_integration(who, slug, kind))
        finally:
            self.check_button.props.pop("disabled", None)
        if result is None:
            return
        self._show(result.integration)
        seconds = formatting.number(result.seconds, 1)
        if result.is_ok:
            ui.notify(t("settings.check_ok", seconds=seconds), type="positive")
        else:
            ui.notify(t("settings.check_failed", seconds=seconds), type="negative")


def _hint(kind: str, name: str) -> str:
    key = f"field.{kind}.{name}.hint"
    return t(key) if known(key) else ""


def _bound_text(bound: dict[str, Any]) -> str:
    """What the last good check learned: names and counts."""
    parts = [str(bound[key]) for key in ("name", "username", "model", "subdomain", "server_version") if bound.get(key)]
    if isinstance(bound.get("sources"), list):
        parts.append(formatting.plural(len(bound["sources"]), "plural.channels"))
    return " · ".join(dict.fromkeys(parts))
