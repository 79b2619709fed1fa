"""Contrast of text in both themes, read from the stylesheet itself (WCAG 2.2: 4.5 for text)."""

from __future__ import annotations

import re

import pytest

from app.static_pages import THEME

CSS = (THEME / "synkro.css").read_text(encoding="utf-8")
PAIRS = [
    *[(ink, paper) for ink in ("ink", "muted", "faint") for paper in ("bg", "surface", "sunken")],
    *[("accent", paper) for paper in ("bg", "surface", "accent-soft")],
    *[(tone, f"{tone}-soft") for tone in ("good", "warn", "bad")],
    *[(tone, "surface") for tone in ("good", "warn", "bad")],
    ("accent-ink", "accent"),
    ("ink", "bubble-us"),
    ("muted", "bubble-us"),
    ("ink", "accent-soft"),
]


def colours(selector: str) -> dict[str, str]:
    block = CSS[CSS.index(selector + " {") :]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block[: block.index("}")]))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("selector", [":root", ':root[data-theme="dark"]'])
def test_text_is_readable(selector: str) -> None:
    found = colours(selector)
    assert len(found) >= 18
    weak = []
    for ink, paper in PAIRS:
        light, dark = sorted((luminance(found[ink]), luminance(found[paper])), reverse=True)
        if (ratio := (light + 0.05) / (dark + 0.05)) < 4.5:
            weak.append((ink, paper, round(ratio, 2)))
    assert weak == []


def test_the_theme_calls_nobody() -> None:
    for name in ("synkro.css", "synkro.js", "icon.svg"):
        text = (THEME / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text.replace("https:", "", 1) or name == "synkro.js"
        assert "@import" not in text and "url(" not in text
