"""A package outside the project that adds one of each kind, as pip would lay it down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miqd_builder.formats.registry import FORMATS
from miqd_builder.labeling.recipes import REGISTRY
from miqd_builder.measures import MEASURES
from miqd_builder.registry import Registry
from miqd_builder.roi import ROI_KINDS
from miqd_builder.scheduler_names import SCHEDULERS
from miqd_builder.sources import SOURCES
from miqd_builder.zoo.backends import BACKENDS

BACKEND = """
from miqd_builder.zoo.backends import Backend

BACKEND = Backend("miqd_theirs.adapter", ("cls",), "arch", ("arch_kwargs",))
"""

ADAPTER = '''
import numpy as np

from miqd_builder.responses import Classification
from miqd_builder.zoo.adapters.base import Adapter


class Threshold(Adapter):
    """Class 1 for images brighter than a threshold, else class 0."""

    num_classes = 2

    def __init__(self, entry, threshold):
        self.entry, self.threshold = entry, threshold

    def predict(self, images):
        bright = [image.mean() > self.threshold for image in images]
        return [Classification(np.array([0.25, 0.75] if b else [0.75, 0.25], np.float32)) for b in bright]


def build(entry, options):
    return Threshold(entry, **entry.arch_kwargs)
'''

SOURCE = '''
from miqd_builder.sources import SourceImage, SourceKind, SourceSet
from miqd_builder.sources.truth import ClassLabel


def open_source(config):
    """Class 1 for the images that the option ``bright`` names, else class 0."""
    paths = sorted(config.images.glob("*.png"))
    return SourceSet(tuple(SourceImage(p.stem, p, ClassLabel(int(p.stem in config.options["bright"]))) for p in paths))


KIND = SourceKind(open_source, ("cls",))
'''

ROI = '''
import numpy as np


def check(config, sources):
    """The left part of an image can always be taken."""


def mask(config, source, image):
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[:, : config.options["columns"]] = 255
    return mask


def content_hash(config, source):
    return f"left {config.options['columns']}"
'''

RECIPE = '''
import numpy as np

from miqd_builder.labeling.recipes import Recipe


def margin(degraded, original):
    """Half the consistency where the class is another one, not none."""
    return np.where(degraded.top_ids[:, 0] == original.top_ids[:, 0], 1.0, 0.5)


RECIPE = Recipe(name="theirs", version=3, class_consistency="miqd_theirs.recipe:margin", composite_consistency=0.25)
'''

FORMAT = """
import csv
import io

from miqd_builder.formats.contract import Format, ImagePlaces, Reader, Writer
from miqd_builder.formats.labels import labels_table

COLUMNS = ["source_id", "degradation", "composite"]


def read_rows(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def labels(task, sources):
    file = next(iter(sources.values()))[0]
    rows = [row for row in read_rows(file) if row["source_id"] in sources]
    names = [(row["source_id"], row["degradation"]) for row in rows]
    return labels_table(task, names, {"composite": [float(row["composite"]) for row in rows]})


def run_files(run):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\\n")
    writer.writerow(COLUMNS)
    for table in run.labels():
        writer.writerows(zip(*(table[name].to_pylist() for name in COLUMNS)))
    return {f"{run.task}.csv": text.getvalue().encode(), "val.txt": "\\n".join(run.val).encode()}


FORMAT = Format(
    "theirs",
    ("cls",),
    Reader(
        lambda folder: ["cls"] if (folder / "cls.csv").exists() else [],
        lambda folder, task: {row["source_id"]: (folder / f"{task}.csv",) for row in read_rows(folder / f"{task}.csv")},
        labels,
    ),
    Writer(
        run_files,
        images=ImagePlaces(
            lambda task: "images.json",
            lambda task, image: f"clean/{image.path.name}",
            lambda task, source_id, degradation: f"degraded/{degradation}/{source_id}.png",
        ),
    ),
)
"""

MEASURE = """
from miqd_builder.measures import Measure

MEASURE = Measure(
    name="theirs",
    reference="none",
    lower_better=False,
    score_range=(0.0, 255.0),
    minimum_size=1,
    input="RGB 0..255",
    source="made up",
    licence="MIT",
    agrees_with="the mean of all values",
    tolerance=0.0,
    build=lambda device, files: lambda degraded, reference: degraded.mean((1, 2, 3)),
)
"""

SCHEDULER = '''
from contextlib import contextmanager
from pathlib import Path

from pipelines.schedulers import Outcome


class Backwards:
    """Does the item that was submitted last; leaves a trace in the current folder."""

    per_worker, grace, where, remedy = 3, 0.0, "in this process", "wait"

    def __init__(self):
        self.items = []

    def workers(self):
        return ["me"]

    def submit(self, stage, item, *, avoid, uses_device):
        self.items.append((stage, item))

    def collect(self, timeout):
        stage, item = self.items.pop()
        with Path("trace.txt").open("a") as trace:
            print(stage.__name__, item.part, file=trace)
        return [Outcome(item, stage(item, self.report), worker="me")]

    def dismiss(self, worker):
        pass

    def start(self, on_progress):
        self.report = on_progress

    def stop(self):
        self.items.clear()

    def enter(self, folder):
        pass


@contextmanager
def open_scheduler(wanted):
    yield Backwards()
'''


@dataclass(frozen=True)
class Kind:
    """One kind of things that packages add to.

    Attributes:
        registry: of the kind.
        module: file of the package for it.
        text: what is in that file.
        value: what its entry point names.
        shipped: a name of the project's own.
        named_by: arguments of ``miqd`` that name the thing instead of that one; ``{}`` stands for the name.
    """

    registry: Registry[Any]
    module: str
    text: str
    value: str
    shipped: str
    named_by: tuple[str, ...]


def _label(*setting: str) -> tuple[str, ...]:
    return ("label", "--task", "cls", "--run", "run.yaml", *setting)


KINDS = (
    Kind(BACKENDS, "backend", BACKEND, "miqd_theirs.backend:BACKEND", "timm", ("zoo", "list", "--zoo", "{}.yaml")),
    Kind(SOURCES, "source", SOURCE, "miqd_theirs.source:KIND", "folder", _label("--set", "source.kind={}")),
    Kind(ROI_KINDS, "roi", ROI, "miqd_theirs.roi", "saliency", _label("--set", "roi.kind={}")),
    Kind(REGISTRY, "recipe", RECIPE, "miqd_theirs.recipe:RECIPE", "miqd_v1", _label("--recipe", "{}")),
    Kind(SCHEDULERS, "scheduler", SCHEDULER, "miqd_theirs.scheduler:open_scheduler", "inline", _label("--scheduler", "{}")),
    Kind(
        MEASURES,
        "measure",
        MEASURE,
        "miqd_theirs.measure:MEASURE",
        "gmsd",
        ("measure", "--run", "run.yaml", "--measures", "{}"),
    ),
    Kind(FORMATS, "format", FORMAT, "miqd_theirs.format:FORMAT", "miqd", ("import", "here", "--out", "o", "--format", "{}")),
)


def lay_down(site: Path) -> None:
    """Write the package, which also announces what can't be imported, and its own things under names of the project's."""
    package, info = site / "miqd_theirs", site / "miqd_theirs-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").touch()
    (package / "adapter.py").write_text(ADAPTER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: miqd-theirs\nVersion: 1.0\n")
    lines = []
    for kind in KINDS:
        (package / f"{kind.module}.py").write_text(kind.text)
        lines += [f"[{kind.registry.group}]", f"theirs = {kind.value}", f"{kind.shipped} = {kind.value}"]
        lines += ["broken = miqd_theirs.nowhere:THING"]
    (info / "entry_points.txt").write_text("\n".join(lines))
