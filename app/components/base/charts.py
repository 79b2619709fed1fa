"""Small charts as SVG elements: they follow the theme, print well and need no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.components.base.html import anchor, div, span, tag

Value = float | int | None


def spark(values: Sequence[Value], title: str) -> None:
    """A line without axes; gaps where a day has no value."""
    known = [float(v) for v in values if v is not None]
    if len(known) < 3:
        return
    low, high = min(known), max(known)
    width, height, pad = 120.0, 30.0, 3.0
    step = width / max(1, len(values) - 1)

    def at(index: int, value: float) -> str:
        share = (value - low) / (high - low) if high > low else 0.5
        return f"{index * step:.1f},{height - pad - share * (height - 2 * pad):.1f}"

    points = [at(i, float(v)) for i, v in enumerate(values) if v is not None]
    with tag(
        "svg",
        "spark",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        preserveAspectRatio="none",
        role="img",
        aria_label=title,
    ):
        tag("title", "", title)
        tag(
            "polygon",
            "area",
            points=" ".join([f"{points[0].split(',')[0]},{height}", *points, f"{points[-1].split(',')[0]},{height}"]),
        )
        tag("polyline", "trace", points=" ".join(points))


def _scale(values: Sequence[float]) -> float:
    """A round number above all of them."""
    top = max(values, default=1) or 1
    magnitude = 10.0 ** (len(str(int(top))) - 1)
    for factor in (1, 1.5, 2, 3, 5, 7.5, 10):
        if top <= factor * magnitude:
            return factor * magnitude
    return top


def lines(
    labels: Sequence[str],
    first: Sequence[Value],
    second: Sequence[Value],
    *,
    title: str,
    axis: Sequence[str] | None = None,
) -> None:
    """Two series over days; ``axis``: the texts of the bottom, middle and top of the scale."""
    width, height, left, bottom, top = 480.0, 190.0, 58.0, 22.0, 10.0
    everything = [float(v) for v in (*first, *second) if v is not None]
    high = _scale(everything)
    step = (width - left - 8) / max(1, len(labels) - 1)

    def y(value: float) -> float:
        return height - bottom - value / high * (height - bottom - top)

    def path(values: Sequence[Value]) -> str:
        parts, pen = [], "M"
        for index, value in enumerate(values):
            if value is None:
                pen = "M"
                continue
            parts.append(f"{pen}{left + index * step:.1f} {y(float(value)):.1f}")
            pen = "L"
        return " ".join(parts)

    with tag("svg", "chart", viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", aria_label=title):
        tag("title", "", title)
        for share in (0, 0.5, 1):
            tag("line", "grid", x1=left, x2=width, y1=y(high * share), y2=y(high * share))
            tag("text", "", _axis(axis, high, share), x=left - 6, y=y(high * share) + 4, text_anchor="end")
        tag("path", "line2", d=path(second))
        tag("path", "line1", d=path(first))
        _days(labels, left, step, height)


def _axis(axis: Sequence[str] | None, high: float, share: float) -> str:
    return axis[round(share * 2)] if axis else f"{high * share:g}"


def top_of(*series: Sequence[Value]) -> float:
    """The top of the scale :func:`lines` will choose."""
    return _scale([float(v) for values in series for v in values if v is not None])


def _days(labels: Sequence[str], left: float, step: float, height: float) -> None:
    every = max(1, -(-len(labels) // 8))
    for index, label in enumerate(labels):
        if (len(labels) - 1 - index) % every == 0:
            tag("text", "", label, x=f"{left + index * step:.1f}", y=height - 5, text_anchor="middle")


def bars(
    labels: Sequence[str], values: Sequence[Value], *, title: str, tips: Sequence[str], incomplete: Sequence[bool]
) -> None:
    """One bar a day; an incomplete day is grey, never zero."""
    width, height, left, bottom, top = 480.0, 190.0, 40.0, 22.0, 10.0
    high = _scale([float(v) for v in values if v is not None])
    step = (width - left) / max(1, len(values))
    with tag("svg", "chart", viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", aria_label=title):
        tag("title", "", title)
        for share in (0, 0.5, 1):
            y = height - bottom - share * (height - bottom - top)
            tag("line", "grid", x1=left, x2=width, y1=y, y2=y)
            tag("text", "", f"{high * share:g}", x=left - 6, y=y + 4, text_anchor="end")
        for index, value in enumerate(values):
            if value is None:
                continue
            size = float(value) / high * (height - bottom - top)
            classes = "bar1 missing" if incomplete[index] else "bar1"
            with tag(
                "rect", classes, x=f"{left + index * step + step * 0.14:.1f}", y=f"{height - bottom - size:.1f}",
                width=f"{step * 0.72:.1f}", height=f"{size:.1f}", rx=2,
            ):  # fmt: skip
                tag("title", "", tips[index])
        _days(labels, left + step / 2, step, height)


def heatmap(grid: Sequence[Sequence[int]], weekdays: Sequence[str], tip: str) -> None:
    """Hour × weekday; ``tip`` is a text with ``{day}``, ``{hour}`` and ``{n}``."""
    high = max((n for row in grid for n in row), default=0) or 1
    with div("heat", mark="heatmap"):
        span("", "")
        for hour in range(24):
            span("h", f"{hour}" if hour % 3 == 0 else "")
        for weekday, row in zip(weekdays, grid, strict=True):
            span("", weekday)
            for hour, n in enumerate(row):
                cell = div("cell", title=tip.format(day=weekday, hour=f"{hour}:00", n=n))
                cell.style(f"--heat: {round(n / high * 92) + (8 if n else 0)}")


@dataclass(frozen=True)
class Step:
    """A part of a difference: what it is called, how much it is, as a text too, and where it leads."""

    label: str
    value: float
    text: str
    href: str = ""
    tip: str = ""
    #: good, bad or neither
    tone: str = ""


def waterfall(base: Step, steps: Sequence[Step], last: Step, *, title: str) -> None:
    """From one value to another, a line a part; the scale begins where the values do, so a small part is seen too."""
    edges = [base.value]
    for step in steps:
        edges.append(edges[-1] + step.value)
    low, high = min(edges), max(edges)
    width = (high - low) or 1.0

    def place(value: float) -> float:
        return 2 + (value - low) / width * 96

    with div("fall", mark="waterfall", role="group", aria_label=title):
        _fall_line(base, place(base.value) - 0.6, 1.2, "total")
        for step, start in zip(steps, edges, strict=False):
            left, right = sorted((place(start), place(start + step.value)))
            _fall_line(step, left, max(right - left, 0.6), f"part {step.tone}")
        _fall_line(last, place(last.value) - 0.6, 1.2, "total")


def _fall_line(step: Step, left: float, width: float, classes: str) -> None:
    holder = (
        anchor(step.href, "step", title=step.tip or None, mark="step")
        if step.href
        else div("step", title=step.tip or None)
    )
    with holder:
        span("name", step.label)
        with tag("svg", "track", viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true"):
            tag("rect", classes, x=f"{left:.2f}", y=1, width=f"{width:.2f}", height=8)
        span("amount nowrap", step.text)
