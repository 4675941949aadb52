"""Run folders to explore, their pages, and a browser without a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import miqd_builder as mb
from tests.auditing.conftest import write_labels
from tests.conftest import make_data_set, toy_entry, write_run, write_zoo

HOSTILE = "<img src=x onerror=alert(1)>"
DEGRADATIONS = ["darkness_*", "gaussian_noise_[135]"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Explored:
    """Run folders and the pages of them: ``out`` (det, ins; images kept) and ``out-cls`` (images rendered again)."""

    folder: Path

    @property
    def objects(self) -> Path:
        """Page of det and ins."""
        return self.folder / "objects.html"

    @property
    def classes(self) -> Path:
        """Page of cls."""
        return self.folder / "classes.html"

    @property
    def imported(self) -> Path:
        """Page of labels without scores, responses and images; its first source has a hostile name."""
        return self.folder / "imported.html"


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Explored:
    """Three pages; a category of the annotations and the imported source have a hostile name."""
    folder = tmp_path_factory.mktemp("exploring")
    made = Explored(folder)
    entries = [
        toy_entry("bright", "cls", "brightness", 80.0),
        toy_entry("bright2", "cls", "brightness", 40.0, gain=1.3),
        toy_entry("blobs", "det", "blobs", 50.0),
        toy_entry("blobs_strict", "det", "blobs", 25.0, threshold=140.0),
        toy_entry("blob_masks", "ins", "blobs", 30.0),
    ]
    data, zoo = make_data_set(folder / "data", size=(96, 128)), write_zoo(folder / "zoo.yaml", entries)
    annotations = json.loads(data.annotations.read_text())
    annotations["categories"][0]["name"] = HOSTILE
    annotations["annotations"][1]["iscrowd"] = 1
    annotations["annotations"][1]["segmentation"] = {"size": [96, 128], "counts": [96 * 20, 96 * 12, 96 * 96]}
    data.annotations.write_text(json.dumps(annotations))
    write_run(folder, data, zoo, degradations=DEGRADATIONS)
    mb.label(task=["det", "ins"], run=folder / "run.yaml")
    mb.label(task="cls", run=folder / "run.yaml", images="none")
    mb.explore(folder / "out", to=made.objects)
    mb.explore(folder / "out-cls", to=made.classes, sources=2)
    names = ["fog_1", "fog_5", "snow_3"]
    write_labels(folder / "imported", "det", 3, names, source_id=[HOSTILE] * 3 + ["two"] * 3 + ["three"] * 3)
    mb.explore(folder / "imported", to=made.imported)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of the system; closed after the module, since its event loop would be in the way of others."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the explorer's page needs playwright: pip install playwright"
    )
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("the explorer's page needs a browser: apt-get install chromium")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()
