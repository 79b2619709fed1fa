"""The runtime configuration: typed inputs, what is wrong beside the field, the history of versions."""

from __future__ import annotations

from zoneinfo import available_timezones

from nicegui import ui

from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import button, div, span, table, tag
from app.components.report.parts import section
from app.formatting import masked
from app.texts import known, t
from services.settings import configuration
from services.settings.configuration import RUNTIME_FIELDS, SettingsView
from synkro.core.errors import SynkroError
from synkro.tenancy import rubric
from synkro.tenancy.pipelines import Pipeline
from synkro.tenancy.runtime_config import MODES

_NUMBERS = frozenset(
    [
        "sla_target_minutes",
        "session_gap_hours",
        "min_dialogs_for_report",
        "radist_fetch_limit",
        "max_force_lookback_days",
        "max_force_window_hours",
        "telegram_followup_minutes",
        "telegram_questions_per_hour",
        "telegram_questions_per_day",
        "followup_attempts",
        "followup_pause_minutes",
    ]
)


def zones() -> list[str]:
    """Names a person may choose: region and city."""
    return sorted(
        name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/", "right/"))
    )


class RuntimeForm:
    def __init__(self, view: SettingsView, timezone: str) -> None:
        self.view = view
        self.config = view.config
        self.timezone = timezone
        self.fields: dict[str, forms.Field] = {}

    def draw(self) -> None:
        with section(t("settings.runtime"), lead=t("runtime.lead"), mark="runtime"):
            with forms.row():
                for name in RUNTIME_FIELDS:
                    self.fields[name] = self._field(name)
            with div("line"):
                button(t("settings.save"), self._save, "primary", mark="save-runtime")
        self._history()

    def _field(self, name: str) -> forms.Field:
        value = getattr(self.config, name)
        label, mark = t(f"runtime.{name}"), f"runtime-{name}"
        hint = t(f"runtime.{name}.hint") if known(f"runtime.{name}.hint") else ""
        if name == "mode":
            return forms.select(label, mark, {mode: t(f"mode.{mode}") for mode in MODES}, value)
        if name == "timezone":
            return forms.select(label, mark, sorted({*zones(), value}), value, search=True)
        if name == "sales_pipelines":
            names = {one.pipeline_id: _pipeline(one) for one in self.view.pipelines}
            # what was chosen stays chosen when the CRM no longer shows it
            options = names | {key: f"№ {key}" for key in value if key not in names}
            return forms.several(label, mark, options, list(value), hint=hint if options else t(f"runtime.{name}.none"))
        if isinstance(value, bool):
            return forms.switch(label, mark, value, hint=hint)
        if name in ("business_day_start", "scheduled_run_time", "delivery_time"):
            return forms.text(label, mark, configuration.text_of(value), hint=hint, kind="time")
        if name == "quality_rubric":
            return forms.area(label, mark, "\n".join(one.line for one in rubric.of(value)), hint=hint)
        kind = "number" if name in _NUMBERS else "text"
        return forms.text(label, mark, configuration.text_of(value), hint=hint, kind=kind)

    async def _save(self) -> None:
        values = {name: field.value if field.value is not None else "" for name, field in self.fields.items()}
        wrong = configuration.validate(values)
        for name, field in self.fields.items():
            field.wrong(_short(wrong.get(name, ""), name))
        if wrong:
            ui.notify(t("settings.wrong"), type="negative")
            return
        slug = self.view.tenant.slug
        saved = await act(lambda who: configuration.save_runtime(who, slug, values), on_error=self._refused)
        if saved is None:
            return
        changed = saved.version != self.config.version
        self.config = saved
        ui.notify(t("runtime.saved", n=saved.version) if changed else t("runtime.unchanged"), type="positive")
        fresh = await act(lambda who: configuration.load(who, slug))
        if fresh is not None:
            self.view = fresh
            self._history.refresh()

    def _refused(self, error: SynkroError) -> None:
        name = error.message.split(":")[0]
        if name in self.fields:
            self.fields[name].wrong(_short(error.message, name))
        else:
            ui.notify(error.message, type="negative")

    @ui.refreshable_method
    def _history(self) -> None:
        with tag("section", "card flush", mark="versions").style("margin-top: 16px"):
            with div("card-head"):
                tag("h2", "", t("runtime.history"))
            rows = self.view.versions
            table(
                [
                    (t("runtime.version"), "lead"),
                    (t("runtime.when"), "nowrap"),
                    (t("runtime.author"), ""),
                    (t("runtime.changes"), "full"),
                ],
                [
                    (
                        str(row["version"]),
                        formatting.moment(row["created_at"], self.timezone),
                        str(row["author"] or "—"),
                        lambda row=row, before=before: span("small wrap", _difference(row, before)),  # type: ignore[misc]
                    )
                    for row, before in zip(rows, [*rows[1:], None], strict=True)
                ],
            )


def _pipeline(one: Pipeline) -> str:
    name = masked(one.name) or f"№ {one.pipeline_id}"
    return f"{name} ({t('runtime.archived')})" if one.is_archived else name


def _short(message: str, name: str) -> str:
    """Beside the field its technical name is noise."""
    text = message.removeprefix(f"{name}: ").removeprefix(f"Поле «{name}»: ")
    return text[:1].upper() + text[1:]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return t("words.yes") if value else t("words.no")
    return masked(configuration.text_of(value)) or "—"


def _difference(row: dict[str, object], before: dict[str, object] | None) -> str:
    if before is None:
        return t("runtime.first")
    changed = [key for key in (*RUNTIME_FIELDS, "calendar") if row[key] != before[key]]
    parts = []
    for key in changed:
        name = t(f"runtime.{key}")
        parts.append(name if key == "calendar" else f"{name}: {_shown(before[key])} → {_shown(row[key])}")
    return "; ".join(parts)
