"""The report in a headless browser: it loads nothing, fits narrow and wide windows, and can be read with the keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miqd_builder.auditing.page.assembly import page
from miqd_builder.auditing.page.overlay import Shape, overlay
from miqd_builder.auditing.page.pictures import Picture, Pictures
from tests.auditing.documents import document, full_task, run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the report's page needs playwright: pip install playwright")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("the report's page needs a browser: apt-get install chromium")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    picture = Picture(
        overlay(np.full((60, 80, 3), 90, np.uint8), [Shape("M1 1H70V50H1Z", "cat", 1, 50)], [], label="a cat"),
        "fog: worst",
        ["a"],
    )
    shown = Pictures([[picture, picture]], "Images", "Words.", ["a note"], drawn=True, solid="annotated", dashed="predicted")
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(
        page(document({name: full_task() for name in ("cls", "det")}, run=run("a_long_name_" * 12)), {"det": shown})
    )
    return path


@pytest.fixture
def faults() -> list[str]:
    return []


def opened(browser: Any, file: Path, faults: list[str], width: int, **options: Any) -> Any:
    tab = browser.new_page(viewport={"width": width, "height": 900}, **options)
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("request", lambda request: faults.append(request.url) if request.url.startswith(("http", "ws")) else None)
    tab.goto(f"file://{file}")
    return tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_the_window(browser: Any, file: Path, faults: list[str], width: int, scheme: str) -> None:
    tab = opened(browser, file, faults, width, color_scheme=scheme)
    assert tab.locator("html").evaluate("e => e.scrollWidth") <= width
    dark = tab.locator("body").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(18, 22, 28)"
    assert dark == (scheme == "dark")
    assert tab.locator("svg.picture image").first.evaluate("e => e.getBoundingClientRect().width") > 100
    assert faults == []
    tab.close()


def test_words_have_enough_contrast(browser: Any, file: Path, faults: list[str]) -> None:
    for scheme in ("light", "dark"):
        tab = opened(browser, file, faults, 1400, color_scheme=scheme)
        card = _luminance(tab.locator(".block").first.evaluate("e => getComputedStyle(e).backgroundColor"))
        for selector in (".block p", ".notes", "summary", "td", "svg.fluid text"):
            colour = "fill" if "svg" in selector else "color"
            ink = _luminance(tab.locator(selector).first.evaluate(f"e => getComputedStyle(e).{colour}"))
            assert (max(ink, card) + 0.05) / (min(ink, card) + 0.05) >= 4.5, (scheme, selector)
        tab.close()


def _luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)``, as WCAG 2 defines it."""
    channels = np.array([float(v) for v in colour.removeprefix("rgb(").rstrip(")").split(",")]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_folded_values_open_by_the_keyboard(browser: Any, file: Path, faults: list[str]) -> None:
    tab = opened(browser, file, faults, 1400)
    tab.keyboard.press("Tab")
    assert tab.locator(":focus").inner_text() == "To the answer"
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.locator("summary:focus").count():
            break
    details = tab.locator("details:has(summary:focus)")
    assert details.locator("table").first.is_visible() is False
    tab.keyboard.press("Enter")
    assert details.locator("table").first.is_visible() and faults == []
    tab.close()


def test_print_has_the_charts_without_the_folds(browser: Any, file: Path, faults: list[str]) -> None:
    tab = opened(browser, file, faults, 760, color_scheme="dark")
    tab.emulate_media(media="print")
    assert tab.locator("nav").is_visible() is False and tab.locator("details").first.is_visible() is False
    assert tab.locator("svg.fluid").first.is_visible() and tab.locator(".answer").first.is_visible()
    assert tab.locator("body").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    tab.close()
