"""One of each kind from a package outside the project: a whole run with them, and what such a package can't do."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from miqd_builder import registry
from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import stored_labels
from miqd_builder.tables.run import open_run
from tests.conftest import ROOT, Outcome
from tests.other_package.package import KINDS, Kind, lay_down

Miqd = Callable[..., Outcome]

COLUMNS, THRESHOLD = 12, 60.0
NAMES = ["darkness_1", "darkness_3", "darkness_5", "darkness_bg_stronger_fg1_bg5"]


@dataclass(frozen=True)
class Installed:
    """A folder with images and a run file that names one of each kind of the package, which Python finds in ``site``."""

    folder: Path

    @property
    def site(self) -> Path:
        """Where the package lies."""
        return self.folder / "site"

    def miqd(self, *arguments: str) -> str:
        """Run the real command in a process of its own and return what it printed."""
        environment = os.environ | {"PYTHONPATH": f"{self.site}{os.pathsep}{ROOT}"}
        command = [str(Path(sys.executable).with_name("miqd")), *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """The package, two images, a run file and a zoo file for each name of a back end."""
    lay_down(tmp_path / "site")
    (tmp_path / "images").mkdir()
    for name, level in (("day", 200), ("night", 40)):
        pixels = np.random.default_rng(level).integers(level - 20, level + 20, (32, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{name}.png")
    for backend in ("theirs", "broken", "theires"):
        entry = {"name": "m", "task": "cls", "backend": backend, "arch": "a", "arch_kwargs": {"threshold": THRESHOLD}}
        (tmp_path / f"{backend}.yaml").write_text(yaml.safe_dump({"models": [entry]}))
    run = {
        "out": "out",
        "source": {"kind": "theirs", "images": "images", "options": {"bright": ["day"]}},
        "roi": {"kind": "theirs", "options": {"columns": COLUMNS}},
        "degradations": NAMES,
        "zoo": ["theirs.yaml"],
        "recipe": "theirs",
        "weights": "uniform",
        "sources_per_part": 1,
        "scheduler": "theirs",
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    return Installed(tmp_path)


@pytest.fixture
def here(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package in this process."""
    monkeypatch.syspath_prepend(installed.site)
    monkeypatch.chdir(installed.folder)
    monkeypatch.setattr(registry, "_announced", registry._announced.__wrapped__)  # without its cache
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "miqd_theirs"]:
        del sys.modules[name]


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file))


def test_a_run_with_one_of_each(installed: Installed) -> None:
    installed.miqd("label", "--task", "cls", "--run", "run.yaml")
    rows = stored_labels(RunFolder(str(installed.folder / "out")), "cls").to_pylist()
    assert [(row["source_id"], row["degradation"]) for row in rows] == [(i, n) for i in ("day", "night") for n in NAMES]
    seen = set()
    for row in rows:
        image = pixels(installed.folder / "out/images" / row["file_name"])
        kept = (image.mean() > THRESHOLD) == (row["source_id"] == "day")  # both originals are classified rightly
        known = {name: row[name] for name in ("recipe", "consistency_weighted", "accuracy_weighted", "composite")}
        composite = 0.25 * (1 if kept else 0.5) + 0.75 * kept
        expected = {"recipe": "theirs", "consistency_weighted": 1 if kept else 0.5, "accuracy_weighted": kept}
        assert known == {**expected, "composite": composite}
        seen.add(kept)
    assert seen == {True, False}, "the labels say too little"
    images = installed.folder / "out/images/day"
    mixed, mild = (pixels(images / f"day_{name}.png") for name in ("darkness_bg_stronger_fg1_bg5", "darkness_1"))
    as_roi = (mixed == mild).all(axis=(0, 2))
    assert np.flatnonzero(as_roi).tolist() == list(range(COLUMNS - 2)), "the blend is all ROI where that survives two erosions"

    trace = (installed.folder / "trace.txt").read_text().splitlines()
    stages = ("degrade_part", "respond_part", "score_part", "label_part")
    assert trace == [f"{stage} {part}" for stage in stages for part in (1, 0)]

    installed.miqd("measure", "--out", "out", "--measures", "theirs")
    table = open_run(installed.folder / "out").measures(["theirs"])
    means = [pixels(installed.folder / "out/images" / row["file_name"]).mean() for row in rows]
    assert table["theirs"].to_pylist() == pytest.approx(means) and table.num_rows == len(rows)

    installed.miqd("export", "--format", "theirs", "--out", "out", "--to", "to", "--val-fraction", "0.5")
    to = installed.folder / "to"
    with (to / "cls.csv").open(newline="") as file:
        written = [(row["source_id"], row["degradation"], float(row["composite"])) for row in csv.DictReader(file)]
    assert written == [(row["source_id"], row["degradation"], row["composite"]) for row in rows]
    assert (to / "val.txt").read_text() in ("day", "night")
    for source_id in ("day", "night"):
        assert (to / f"clean/{source_id}.png").read_bytes() == (installed.folder / f"images/{source_id}.png").read_bytes()
        for name in NAMES:
            stored = installed.folder / f"out/images/{source_id}/{source_id}_{name}.png"
            assert np.array_equal(pixels(to / f"degraded/{name}/{source_id}.png"), pixels(stored))

    installed.miqd("import", "to", "--format", "theirs", "--out", "back")
    back = stored_labels(RunFolder(str(installed.folder / "back")), "cls").to_pylist()
    assert [(row["source_id"], row["degradation"], row["composite"]) for row in back] == written
    assert {(row["recipe"], row["accuracy_weighted"]) for row in back} == {("published", None)}
    assert [row["region"] for row in back] == ["uniform", "uniform", "uniform", "background"] * 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.module)
@pytest.mark.usefixtures("here")
def test_a_name_that_ships_cannot_be_taken_over(kind: Kind) -> None:
    names = kind.registry.names()
    assert names[-2:] == ["broken", "theirs"] and names.count(kind.shipped) == 1
    assert all(kind.registry.shipped(name) for name in names[:-2]) and not kind.registry.shipped("theirs")
    assert kind.registry.module("theirs") == f"miqd_theirs.{kind.module}"
    assert not kind.registry.module(kind.shipped).startswith("miqd_theirs")
    assert kind.registry[kind.shipped] not in (kind.registry["theirs"], kind.registry.fresh("theirs"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.module)
@pytest.mark.usefixtures("here")
def test_a_broken_entry_point_costs_one_line(kind: Kind, miqd: Miqd) -> None:
    with pytest.raises(ConfigError, match=r"'broken' .* can't be loaded: ModuleNotFoundError: No module named 'miqd_theirs"):
        kind.registry["broken"]
    for name, message in (("broken", "can't be loaded: ModuleNotFoundError"), ("theires", "Did you mean 'theirs'")):
        result = miqd(*(argument.format(name) for argument in kind.named_by))
        assert result.code == 1 and message in result.err and name in result.err
        assert result.err.count("\n") == 1 and not Path("out").exists() and not Path("o").exists()
