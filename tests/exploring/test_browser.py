"""The page in a headless browser: offline, clickable, and harmless whatever names are in the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

import miqd_builder as mb
from tests.auditing.conftest import write_labels
from tests.exploring.conftest import HOSTILE, Explored
from tests.exploring.reading import Page

DRAWN = "#heatmap button"


@dataclass
class Opened:
    """A page in a browser, and what it did that it shouldn't."""

    page: Any
    faults: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """Text of an element."""
        return str(self.page.locator(selector).inner_text())

    def cell(self, name: str) -> Any:
        """Button of a heat map by the beginning of its name."""
        return self.page.locator(f'button[aria-label^="{name}:"]')

    def chosen(self, label: str, value: str) -> None:
        """Choose an option."""
        self.page.get_by_role("combobox", name=label, exact=True).select_option(value)

    def slide(self, label: str, value: str) -> None:
        """Move a slider."""
        self.page.get_by_role("slider", name=label).fill(value)

    def until(self, check: Callable[[], bool]) -> None:
        """Wait until something holds; the page draws a moment after an event, and its policy forbids scripts that wait."""
        for _ in range(200):
            if check():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("it still doesn't hold after ten seconds")

    def count(self, selector: str) -> int:
        """Number of elements."""
        return int(self.page.locator(selector).count())


Open = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open a file; the test fails if it asks for anything else, writes to the console or throws."""
    opened: list[Opened] = []

    def show(file: Path, state: str = "", *, width: int = 1400, drawn: str = DRAWN) -> Opened:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(10_000)
        here = Opened(page)
        page.on("console", lambda message: here.faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: here.faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: here.faults.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: here.faults.append(f"request: {request.url}"))
        page.goto(f"file://{file}{state}")
        page.wait_for_selector(drawn)
        opened.append(here)
        return here

    yield show
    for one in opened:
        asked = [fault for fault in one.faults if not fault.startswith(("request: file:///", "request: data:image/"))]
        files = [fault for fault in one.faults if fault.startswith("request: file:")]
        one.page.close()
        assert asked == [] and len(files) == 1, one.faults


def test_cells_are_the_means_of_the_labels(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects, "#task=det&label=consistency")
    rows = duckdb.sql(
        f"select distortion, roi_severity, avg(consistency_weighted), count(consistency_weighted) "
        f"from '{explored.folder}/out/labels/task=det/*.parquet' where region = 'uniform' group by all"
    ).fetchall()
    assert len(rows) == here.page.locator("#heatmap button").count() == 8
    for distortion, severity, mean, count in rows:
        name = f"{distortion.replace('_', ' ')}, severity {severity}"
        assert here.cell(name).get_attribute("aria-label") == f"{name}: {mean:.3f}, mean of {count}"
    here.chosen("Model", "blobs_strict")
    mean = duckdb.sql(
        f"select avg(consistency) from '{explored.folder}/out/scores/task=det/model=blobs_strict/*.parquet' "
        "where degradation = 'darkness_4'"
    ).fetchall()[0][0]
    assert here.cell("darkness, severity 4").get_attribute("aria-label") == f"darkness, severity 4: {mean:.3f}, mean of 4"
    here.page.get_by_label("Source name").fill("scene_1")
    assert here.cell("darkness, severity 4").get_attribute("aria-label").endswith("mean of 1")


def test_a_cell_opens_its_images_worst_first(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects, "#task=det")
    assert here.page.locator(".card").count() == 24, "the first of all"
    here.cell("darkness, severity 5").click()
    assert here.text("#gallery-title") == "Images: darkness, severity 5, whole image"
    values = [float(text) for text in here.page.locator(".card b").all_inner_texts()]
    assert len(values) == 3 and values == sorted(values), "the fourth has no ground truth, so no composite"
    assert here.page.evaluate("document.activeElement.id") == "gallery-title"
    here.chosen("Order", "best")
    assert [float(text) for text in here.page.locator(".card b").all_inner_texts()] == values[::-1]
    here.cell("ROI 1, background 5").click()
    assert here.text("#gallery-title") == "Images: darkness, ROI 1, background 5"
    assert here.page.locator(".card").count() == 3
    here.page.get_by_text("All distortions and severities").click()
    assert here.text("#gallery-title") == "Images: all distortions, all"


def test_filters_narrow_the_images(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects, "#task=det&label=consistency")
    assert "32 images of 4 sources" in here.text("#gallery-note")
    here.page.get_by_label("Source name").fill("SCENE_2")
    assert "8 images of 1 sources" in here.text("#gallery-note")
    here.chosen("Region", "roi")
    assert "10 images of 1 sources" in here.text("#gallery-note")
    here.chosen("Distortion", "gaussian_noise")
    assert here.text("#gallery-note") == "0 images of 0 sources."
    here.page.get_by_label("Source name").fill("nowhere")
    assert "Nothing" not in here.text("#gallery-note") and here.text("#maps-note").startswith("Mean consistency of all models")


def test_sliders_change_what_is_seen(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects, "#task=det&source=scene_1&shown=darkness&roi=2&bg=2")
    images = here.page.locator("#pair figure:nth-child(2) img")
    before = images.first.get_attribute("src")
    assert images.count() == 1 and before.startswith("data:image/avif;base64,")
    here.slide("ROI severity", "5")
    here.until(lambda: images.count() == 2)
    assert images.first.get_attribute("src") == before, "the background is what it was"
    assert "url(" in images.nth(1).evaluate("image => getComputedStyle(image).maskImage")
    assert here.text("#pair figure:nth-child(2) figcaption") == "darkness, ROI 5, background 2"
    assert "roi=5" in here.page.url
    shown = dict(zip(here.page.locator("dt").all_inner_texts(), here.page.locator("dd").all_inner_texts(), strict=True))
    row = (
        duckdb.sql(
            f"from '{explored.folder}/out/labels/task=det/*.parquet' "
            "where source_id = 'scene_1' and degradation = 'darkness_fg_stronger_fg5_bg2'"
        )
        .df()
        .iloc[0]
    )
    assert shown["Consistency"] == f"{row.consistency_weighted:.3f}" and shown["PSNR, dB"] == f"{row.psnr:.2f}"
    here.slide("Background severity", "0")
    here.until(lambda: "has no image of this pair" in here.text("#viewer-note"))
    assert images.count() == 2 and here.page.locator("dd").count() == 0


def test_boxes_follow_the_score_and_the_reference(explored: Explored, open_page: Open) -> None:
    read, side = Page(explored.objects), "#pair figure:nth-child(2)"
    place, scores = uneven(read)
    source_id, (_, distortion, _, _, roi, bg) = "scene_0", read.facts["degradations"][place]
    here = open_page(explored.objects, f"#task=det&source={source_id}&shown={distortion}&roi={roi}&bg={bg}&score=0.1")
    here.page.wait_for_selector(f"{side} .line.dashed")
    assert here.page.locator(f"{side} .line.dashed").count() == len(scores)
    for limit in (0.2, 0.4, 0.5, 0.6, 0.7, 0.8):
        here.slide("Score from", f"{limit:.2f}")
        expected = int((scores >= limit).sum())
        here.until(lambda expected=expected: here.count(f"{side} .line.dashed") == expected)
    here.slide("Score from", "1")
    here.until(lambda: here.count(f"{side} .line.dashed") == 0)
    assert here.text(f"{side} .counts").split() == ["0", "hits", "0", "false", "2", "missed"], "a third is a crowd region"
    here.slide("Score from", "0.3")
    here.chosen("Compared with", "own")
    here.until(lambda: "0 false 0 missed" in " ".join(here.text("#pair figure:first-child .counts").split()))
    here.page.get_by_label("boxes and masks").uncheck()
    here.until(lambda: here.count(".overlay") == 0)


def uneven(read: Page) -> tuple[int, Any]:
    """A degradation of scene_0 in which the scores of the first detector are most uneven, and these scores."""
    arrays = read.arrays(read.pictured("scene_0")["tasks"]["det"]["models"])
    stops = arrays["0/counts"].cumsum()
    of_kind = [arrays["0/scores"][stop - count : stop] for stop, count in zip(stops, arrays["0/counts"], strict=True)][:-1]
    place = max(
        range(len(of_kind)), key=lambda place: of_kind[place].max() - of_kind[place].min() if len(of_kind[place]) else 0
    )
    assert of_kind[place].max() - of_kind[place].min() > 0.1
    return place, of_kind[place]


def test_masks_are_outlines(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects, "#task=ins&source=scene_1&shown=darkness&roi=1&bg=1")
    here.page.wait_for_selector(".fill.dashed")
    assert here.page.locator("#pair figure:first-child .fill.dashed").count() == 3


def test_classes_and_their_probabilities(explored: Explored, open_page: Open) -> None:
    read = Page(explored.classes)
    source_id = read.facts["sources"][read.facts["pictured"][0]["source"]]
    here = open_page(explored.classes, f"#source={source_id}&shown=darkness&roi=5&bg=5&predictor=bright2")
    known = read.pictured(source_id)["tasks"]["cls"]
    arrays, place = read.arrays(known["models"]), read.names.index("darkness_5")
    side = "#pair figure:nth-child(2)"
    here.page.wait_for_selector(f"{side} .classes li")
    assert here.text(f"{side} p") == f"Ground truth: class {known['truth']}"
    lines = here.page.locator(f"{side} .classes li").all_inner_texts()
    assert len(lines) == 5
    for line, number, probability in zip(lines, arrays["1/ids"][place], arrays["1/probabilities"][place], strict=True):
        assert line.split()[:2] == ["class", str(number)] and line.split()[-1] == f"{probability:.3f}"


def test_the_address_holds_the_state(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects)
    here.chosen("Task", "ins")
    here.cell("darkness, severity 5").click()
    here.page.locator(".card").nth(1).click()
    here.slide("Score from", "0.55")
    here.page.get_by_label("names").uncheck()
    here.until(lambda: "names=no" in here.page.url)
    seen = [here.text(f"#{name}-title") for name in ("maps", "gallery", "viewer")]
    again = open_page(explored.objects, here.page.url.partition("#")[1] + here.page.url.partition("#")[2])
    again.page.wait_for_selector("#pair figure")
    assert [again.text(f"#{name}-title") for name in ("maps", "gallery", "viewer")] == seen
    assert again.page.get_by_role("slider", name="Score from").input_value() == "0.55"
    assert not again.page.get_by_label("names").is_checked()
    assert again.cell("darkness, severity 5").get_attribute("aria-pressed") == "true"


def test_an_address_that_makes_no_sense_shows_something(explored: Explored, open_page: Open) -> None:
    state = "#task=x&label=y&model=z&region=w&source=v&shown=u&roi=99&bg=-3&score=t&__proto__=1&order=s&severity=r"
    here = open_page(explored.objects, state)
    here.page.wait_for_selector("#pair figure")
    assert here.text("#pair figure:nth-child(2) figcaption") == "darkness, ROI 5, background 0"


def test_names_are_never_markup(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.imported, "#pictured=no")
    assert HOSTILE in here.page.locator(".card .source").all_inner_texts()
    assert "no images, its labels were imported" in here.page.locator("#notes li").text_content()
    assert here.page.locator("img").count() == 0
    objects = open_page(explored.objects, "#task=det&source=scene_0&shown=darkness&roi=1&bg=1")
    objects.page.wait_for_selector(".overlay text")
    names = objects.page.locator(".overlay text").all_text_contents()
    assert any(name.startswith(HOSTILE) for name in names)
    assert objects.page.locator("img[onerror]").count() == 0


def test_a_source_without_ground_truth_says_so(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects, "#task=det&label=consistency&source=scene_3&shown=darkness&roi=1&bg=1")
    here.page.wait_for_selector("#pair figure")
    assert "This source has no ground truth for this task." in here.text("#viewer-note")
    assert here.page.get_by_label("Compared with").locator("option").all_inner_texts() == ["its own on the original"]


def test_arrow_keys_walk_through_a_map(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects, "#task=det")
    assert here.page.locator('#heatmap button[tabindex="0"]').count() == 1
    here.page.locator('#heatmap button[tabindex="0"]').focus()
    here.page.keyboard.press("ArrowRight")
    here.page.keyboard.press("ArrowRight")
    assert here.page.evaluate("document.activeElement.ariaLabel").startswith("darkness, severity 3")
    here.page.keyboard.press("Enter")
    assert here.text("#gallery-title") == "Images: darkness, severity 3, whole image"


@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_is_wider_than_the_window(explored: Explored, open_page: Open, width: int) -> None:
    here = open_page(explored.objects, "#task=det", width=width)
    here.page.wait_for_selector("#pair figure")
    assert here.page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = here.page.evaluate(
        "[...document.querySelectorAll('input, select, button')].filter(one => !one.labels?.length && !one.textContent && "
        "!one.ariaLabel).length"
    )
    assert unnamed == 0


def test_it_is_drawn_at_once(explored: Explored, open_page: Open) -> None:
    here = open_page(explored.objects)
    paint = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)"
    here.until(lambda: bool(here.page.evaluate(paint)))
    assert here.page.evaluate(paint)[0] < 2000


def test_labels_without_any_value_are_dashes(tmp_path: Path, open_page: Open) -> None:
    """As where every model's responses are in the quarantine."""
    empty = dict.fromkeys(("consistency_weighted", "accuracy_weighted", "composite"))
    write_labels(tmp_path / "out", "det", 2, ["fog_1", "fog_2"], **empty)
    here = open_page(Path(mb.explore(tmp_path / "out").page), drawn="#heatmap td")
    assert here.page.locator("#heatmap td").all_inner_texts() == ["-", "-"]
    assert here.text("#gallery-note") == "0 images of 0 sources."
