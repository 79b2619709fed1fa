"""The working calendar: its versions, and of one of them a row a weekday, holidays and special days below."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import button, div, span
from app.components.report.parts import section
from app.texts import t
from services.settings import calendars, configuration
from services.settings.configuration import SettingsView
from synkro.core import clock
from synkro.core.calendar import WEEKDAYS
from synkro.core.errors import SynkroError


class CalendarEditor:
    def __init__(self, view: SettingsView) -> None:
        self.view = view
        self.days: dict[str, forms.Field] = {}

    @property
    def _today(self) -> date:
        return clock.now().astimezone(ZoneInfo(self.view.config.timezone)).date()

    def draw(self) -> None:
        with section(t("settings.calendar"), lead=t("calendar.lead"), mark="calendar"):
            self._versions()
            with forms.row():
                self.valid_from = forms.text(
                    t("calendar.valid_from"), "calendar-valid-from", kind="date", hint=t("calendar.valid_from_hint")
                )
                self.valid_to = forms.text(
                    t("calendar.valid_to"), "calendar-valid-to", kind="date", hint=t("calendar.valid_to_hint")
                )
            self.is_set = forms.switch(t("calendar.use"), "calendar-use", False, hint=t("calendar.use_hint"))
            with forms.row():
                names = t("words.weekdays_long").split("|")
                for code, name in zip(WEEKDAYS, names, strict=True):
                    self.days[code] = forms.text(name, f"calendar-{code}", placeholder=t("calendar.day_off"))
                self.holidays = forms.text(
                    t("calendar.holidays"), "calendar-holidays", hint=t("calendar.holidays_hint")
                )
                self.overrides = forms.area(
                    t("calendar.overrides"), "calendar-overrides", hint=t("calendar.overrides_hint")
                )
            with div("line"):
                button(t("settings.save"), self._save, "primary", mark="save-calendar")
                button(t("calendar.example"), self._example, mark="calendar-example")
        shown = calendars.versions(self.view.config.calendar, self._today)
        self._show(next(one for one in shown if one.is_now))

    @ui.refreshable_method
    def _versions(self) -> None:
        """The hours of today, and the list where there is more than one calendar."""
        value = self.view.config.calendar
        hours = calendars.weekly_hours(value, self._today)
        with div("note accent stack tight", mark="calendar-preview"):
            span("strong", t("calendar.around_the_clock") if hours is None else t("calendar.hours", hours=f"{hours:g}"))
        found = calendars.versions(value, self._today)
        if len(found) == 1:
            return
        with div("stack tight", mark="calendar-versions"):
            for one in found:
                self._line(one)

    def _line(self, one: calendars.Version) -> None:
        mark = one.valid_from.isoformat() if one.valid_from else "first"
        with div("line", mark=f"calendar-version-{mark}"):
            span("strong" if one.is_now else "", _dates(one))
            span("", t("calendar.always") if one.hours is None else t("calendar.week", hours=f"{one.hours:g}"))
            button(t("calendar.edit"), lambda: self._show(one), "small", mark=f"calendar-edit-{mark}")
            if one.valid_from:
                button(t("calendar.remove"), lambda: self._remove(mark), "small", mark=f"calendar-remove-{mark}")

    def _show(self, one: calendars.Version) -> None:
        """The version in the fields."""
        weekly = one.value.get("weekly")
        self.valid_from.control.value = one.value.get("valid_from") or ""
        self.valid_to.control.value = one.value.get("valid_to") or ""
        self.is_set.control.value = weekly is not None
        for code, field in self.days.items():
            field.control.value = calendars.shifts_text((weekly or {}).get(code, []))
        self.holidays.control.value = ", ".join(one.value.get("holidays") or [])
        self.overrides.control.value = calendars.overrides_text(one.value.get("overrides") or {})

    def _read(self) -> dict[str, Any] | None:
        """The calendar as typed; raises a :class:`SynkroError` naming the day."""
        return calendars.read(
            bool(self.is_set.value),
            {code: field.value or "" for code, field in self.days.items()},
            self.holidays.value or "",
            self.overrides.value or "",
            self.valid_from.value or "",
            self.valid_to.value or "",
        )

    def _example(self) -> None:
        self.is_set.control.value = True
        for code, field in self.days.items():
            field.control.value = "" if code in ("sat", "sun") else "09:00-13:00, 14:00-18:00"

    async def _save(self) -> None:
        for field in (*self.days.values(), self.holidays, self.overrides, self.valid_from, self.valid_to):
            field.wrong("")
        try:
            value = self._read()
        except SynkroError as error:
            self._refused(error)
            return
        await self._store(calendars.over(self.view.config.calendar, value))

    async def _remove(self, valid_from: str) -> None:
        await self._store(calendars.without(self.view.config.calendar, valid_from))

    async def _store(self, value: dict[str, Any] | None) -> None:
        slug = self.view.tenant.slug
        saved = await act(
            lambda who: configuration.save_runtime(who, slug, {"calendar": value}), on_error=self._refused
        )
        if saved is None:
            return
        ui.notify(t("settings.saved"), type="positive")
        fresh = await act(lambda who: configuration.load(who, slug))
        if fresh is not None:
            self.view = fresh
            self._versions.refresh()

    def _refused(self, error: SynkroError) -> None:
        for code, field in self.days.items():
            if f"weekly.{code}" in error.message:
                field.wrong(error.message)
                return
        fields = {
            "valid_to": self.valid_to,
            "valid_from": self.valid_from,
            "holidays": self.holidays,
            "overrides": self.overrides,
        }
        for name, field in fields.items():
            if f"calendar.{name}" in error.message:
                field.wrong(error.message)
                return
        ui.notify(error.message, type="negative")


def _dates(one: calendars.Version) -> str:
    if one.valid_from is None:
        return t("calendar.first")
    since = formatting.day(one.valid_from, year=True)
    if one.valid_to is None:
        return t("calendar.since", since=since)
    return t("calendar.since_until", since=since, until=formatting.day(one.valid_to, year=True))
