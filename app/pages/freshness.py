"""``/t/{slug}/data``: until when each stream of the company's sources is known, and what the last read of it brought."""

from __future__ import annotations

from app import formatting
from app.components.base.html import badge, div, empty, facts, span, table
from app.components.report.parts import section
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import t
from services.access import Viewer
from services.reports import freshness
from services.reports.freshness import Freshness, Stream


@page("/t/{slug}/data")
async def freshness_page(viewer: Viewer, slug: str) -> None:
    found = await off_loop(freshness.load, viewer, slug)
    with frame(viewer, t("freshness.title"), tenant=found.tenant, on="data"):
        with heading(t("freshness.title"), t("freshness.lead")):
            pass
        if not any(stream.last or stream.complete_until for stream in found.streams):
            empty("clock", t("freshness.empty"), t("freshness.empty_lead"))
            return
        for source in dict.fromkeys(stream.source for stream in found.streams):
            with section(formatting.source(source), mark=f"source-{source}"):
                _streams(found, [stream for stream in found.streams if stream.source == source])
        with section(t("freshness.marts"), mark="marts"):
            facts(
                [
                    (t("freshness.built_to"), formatting.moment(found.built_to, found.timezone)),
                    (t("freshness.as_of"), formatting.moment(found.as_of, found.timezone)),
                ]
            )


def _streams(found: Freshness, streams: list[Stream]) -> None:
    table(
        [
            (t("freshness.stream"), "lead"),
            (t("freshness.until"), "nowrap"),
            (t("freshness.seen"), "num"),
            (t("freshness.loaded"), "num"),
            (t("freshness.rejected"), "num"),
            (t("freshness.state"), "full"),
        ],
        [
            (
                t(f"stream.{stream.name}"),
                formatting.moment(stream.complete_until, found.timezone),
                formatting.number(stream.last.seen if stream.last else None),
                formatting.number(stream.last.loaded if stream.last else None),
                formatting.number(stream.last.rejected if stream.last else None),
                lambda stream=stream: _state(stream),  # type: ignore[misc]
            )
            for stream in streams
        ],
        mark="streams",
    )


def _state(stream: Stream) -> None:
    """Whether the stream is late comes first; the rest tells what the last read of it said."""
    with div("line"):
        if stream.is_required and stream.is_late:
            badge(t("freshness.late"), "bad")
        if stream.last is None:
            span("small muted", t("freshness.never"))
        else:
            badge(t(f"load.{stream.last.status}"), "good" if stream.last.status == "complete" else "warn")
    if stream.unfinished is not None:
        done, total = formatting.number(stream.unfinished.done), stream.unfinished.total
        count = t("report.coverage_of", read=done, total=formatting.number(total)) if total else done
        span("small warn wrap", t("freshness.unfinished", count=count))
    if stream.last is not None and stream.last.error:
        span("small muted wrap", stream.last.error)
