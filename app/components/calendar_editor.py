"""The working calendar: a row a weekday, holidays and special days below, and what it means in words."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.components import forms
from app.components.actions import act
from app.components.html import button, div, span
from app.components.report_parts import section
from app.services import calendars, settings
from app.services.settings import SettingsView
from app.texts import t
from synkro.calendar import WEEKDAYS
from synkro.errors import SynkroError


class CalendarEditor:
    def __init__(self, view: SettingsView) -> None:
        self.view = view
        self.days: dict[str, forms.Field] = {}

    def draw(self) -> None:
        value: dict[str, Any] = self.view.config.calendar or {}
        weekly = value.get("weekly")
        with section(t("settings.calendar"), lead=t("calendar.lead"), mark="calendar"):
            self.is_set = forms.switch(
                t("calendar.use"), "calendar-use", weekly is not None, hint=t("calendar.use_hint")
            )
            with forms.row():
                names = t("words.weekdays_long").split("|")
                for code, name in zip(WEEKDAYS, names, strict=True):
                    self.days[code] = forms.text(
                        name,
                        f"calendar-{code}",
                        calendars.shifts_text((weekly or {}).get(code, [])),
                        placeholder=t("calendar.day_off"),
                    )
                self.holidays = forms.text(
                    t("calendar.holidays"),
                    "calendar-holidays",
                    ", ".join(value.get("holidays") or []),
                    hint=t("calendar.holidays_hint"),
                )
                self.overrides = forms.area(
                    t("calendar.overrides"),
                    "calendar-overrides",
                    calendars.overrides_text(value.get("overrides") or {}),
                    hint=t("calendar.overrides_hint"),
                )
            self._preview()
            with div("line"):
                button(t("settings.save"), self._save, "primary", mark="save-calendar")
                button(t("calendar.example"), self._example, mark="calendar-example")

    def _read(self) -> dict[str, Any] | None:
        """The calendar as typed; raises a :class:`SynkroError` naming the day."""
        return calendars.read(
            bool(self.is_set.value),
            {code: field.value or "" for code, field in self.days.items()},
            self.holidays.value or "",
            self.overrides.value or "",
        )

    @ui.refreshable_method
    def _preview(self) -> None:
        value = self.view.config.calendar
        with div("note accent stack tight", mark="calendar-preview"):
            hours = calendars.weekly_hours(value)
            span("strong", t("calendar.around_the_clock") if hours is None else t("calendar.hours", hours=f"{hours:g}"))

    def _example(self) -> None:
        self.is_set.control.value = True
        for code, field in self.days.items():
            field.control.value = "" if code in ("sat", "sun") else "09:00-13:00, 14:00-18:00"

    async def _save(self) -> None:
        for field in (*self.days.values(), self.holidays, self.overrides):
            field.wrong("")
        try:
            value = self._read()
        except SynkroError as error:
            self._refused(error)
            return
        slug = self.view.tenant.slug
        saved = await act(lambda who: settings.save_runtime(who, slug, {"calendar": value}), on_error=self._refused)
        if saved is None:
            return
        ui.notify(t("settings.saved"), type="positive")
        fresh = await act(lambda who: settings.load(who, slug))
        if fresh is not None:
            self.view = fresh
            self._preview.refresh()

    def _refused(self, error: SynkroError) -> None:
        for code, field in self.days.items():
            if f"weekly.{code}" in error.message:
                field.wrong(error.message)
                return
        if "holidays" in error.message:
            self.holidays.wrong(error.message)
        elif "overrides" in error.message:
            self.overrides.wrong(error.message)
        else:
            ui.notify(error.message, type="negative")
