"""The noise floor of labels: how consistent models are with themselves on images that nobody would call degraded.

    nice python benchmarks/noise_floor.py [RUN ...] [--sources 40]

Every model of a finished run predicts on its originals after a change that no one sees: the same pixels once more, one grey
level brighter, one pixel to the right, JPEG at quality 100. Consistency and accuracy as the run's recipe defines them, means
over models and sources, beside those of the run's severity 1. Prints Markdown.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import miqd_builder as mb
from miqd_builder.config import RunConfig
from miqd_builder.sources import SourceImage, open_source
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.zoo.adapters.base import Adapter

Pixels = NDArray[np.uint8]
Rows = dict[str, list[tuple[float, float]]]

UNCHANGED, SEVERITY_1 = "the same pixels", "severity 1 of the run"


def right(image: Pixels) -> Pixels:
    """One pixel to the right; the left edge is repeated."""
    return np.concatenate([image[:, :1], image[:, :-1]], axis=1)


def jpeg(image: Pixels) -> Pixels:
    """Encoded as JPEG at quality 100, with colours at full resolution, and decoded."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=100, subsampling=0)
    return np.asarray(Image.open(file).convert("RGB"))


CONTROLS: Mapping[str, Callable[[Pixels], Pixels]] = {
    UNCHANGED: lambda image: image.copy(),
    "one grey level brighter": lambda image: np.minimum(image, 254) + np.uint8(1),
    "one pixel to the right": right,
    "JPEG, quality 100": jpeg,
}


def main() -> None:
    """Print one table a run and task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", default=["runs/demo"], metavar="RUN", help="run folders with labels")
    parser.add_argument("--sources", type=int, help="only the first sources, so many")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for run in arguments.runs:
        if not Path(run).is_dir():
            print(f"Skipped: there is no run in '{run}'; `make demo` makes runs/demo.")
            continue
        for task in mb.open_run(run).tasks:
            print("\n".join(table(run, task, arguments.sources)), flush=True)


def table(run: str, task: str, count: int | None) -> list[str]:
    """Return the lines of one task's table."""
    opened, config = mb.open_run(run), recorded(run, task)
    known = {row["source_id"] for row in opened.labels(task, columns=["source_id"]).to_pylist()}
    sources = [image for image in open_source(config.source).images if image.source_id in known][:count]
    models = opened.models(task)
    rows: Rows = {name: [] for name in CONTROLS}
    for name in models:
        model = mb.create_model(name, task=task, zoo=config.zoo or None, category_ids=open_source(config.source).category_ids)
        for source in sources:
            for control, scores in scored(model, task, source, config.recipe).items():
                rows[control].append(scores)
    rows[SEVERITY_1] = mildest(run, task, models, [source.source_id for source in sources])
    head = f"### {Path(run).name}, {task}: {len(models)} models, {len(sources)} sources"
    titles = ["| change | consistency | of 1 exactly | lowest | accuracy |", "|---|---|---|---|---|"]
    return [head, "", *titles, *(line(name, values) for name, values in rows.items()), ""]


def scored(model: Adapter, task: Any, source: SourceImage, recipe: str) -> dict[str, tuple[float, float]]:
    """Return consistency and accuracy of one model on each changed image of a source."""
    image = source.read()
    original, *changed = model.predict([image, *(change(image) for change in CONTROLS.values())])
    truth = source.truth_for(task)
    if task == "cls":
        reference = None if truth is None else truth.index
    elif task == "seg":
        reference = None if truth is None else truth.read(*image.shape[:2])
    else:
        reference = None if truth is None else truth.detections(masks=task == "ins")
    scores = mb.score(task, changed, original=original, truth=reference, recipe=recipe)
    return dict(zip(CONTROLS, zip(scores["consistency"], scores["accuracy"], strict=True), strict=True))


def mildest(run: str, task: str, models: list[str], source_ids: list[str]) -> list[tuple[float, float]]:
    """Return consistency and accuracy of each model, source and distortion at severity 1 of the whole image."""
    with mb.open_run(run).duckdb() as database:
        return database.execute(
            "select s.consistency, s.accuracy from scores s join labels l using (task, source_id, degradation) where task = ? "
            "and l.region = 'uniform' and l.roi_severity = 1 and list_contains(?, model) and list_contains(?, source_id)",
            [task, models, source_ids],
        ).fetchall()


def line(name: str, values: list[tuple[float, float]]) -> str:
    """Return one row of a table; accuracy is empty where there is no ground truth."""
    consistency, accuracy = np.array(values, np.float64).T
    right = "-" if np.isnan(accuracy).all() else f"{np.nanmean(accuracy):.3f}"
    cells = [f"{np.nanmean(consistency):.3f}", f"{np.mean(consistency == 1):.1%}", f"{np.nanmin(consistency):.3f}", right]
    return f"| {name} | {' | '.join(cells)} |"


def recorded(run: str, task: Any) -> RunConfig:
    """Return the run file of a task's labels."""
    folder = RunFolder(run)
    record = RunRecord.load(folder)
    command = None if record is None else record.command("label", task)
    if command is None:
        raise SystemExit(f"'{run}' has no models for task {task}: its labels were imported.")
    return command.run_file(folder)


if __name__ == "__main__":
    main()
