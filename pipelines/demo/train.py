"""Train the demo zoo on rendered scenes: ``python -m pipelines.demo.train [NAME ...]``, on one CPU core, minutes a model."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import cv2
import torch
import typer

from miqd_builder.errors import ConfigError
from pipelines.demo import train_classifiers, train_detectors
from pipelines.demo.entries import (
    Entry,
    build,
    checkpoint_path,
    load_common_weights,
    load_weights,
    normalisation,
    record,
    save_weights,
    select_entry,
)
from pipelines.demo.evaluation import average_precision
from pipelines.demo.scenes import Scene, render
from pipelines.demo.schedules import SCHEDULES
from pipelines.demo.validation import VALIDATION_SCENES

HELD_OUT_SCENES = 200


@lru_cache(maxsize=2)
def scenes_of(split: str, count: int) -> tuple[Scene, ...]:
    """Render the first scenes of a split; about 15 ms each."""
    print(f"rendering {count} scenes of split {split}", flush=True)
    return tuple(render(split, index) for index in range(count))


def train(entry: Entry) -> None:
    """Train one model and write its checkpoint."""
    schedule = SCHEDULES[entry["name"]]
    torch.manual_seed(schedule.seed)
    model = build(entry)
    if schedule.start_from:
        shared = load_common_weights(model, checkpoint_path(select_entry(schedule.start_from)))
        print(f"starting from {shared} tensors of {schedule.start_from}", flush=True)
    scenes = scenes_of("train", schedule.scenes)
    if entry["task"] == "cls":
        train_classifiers.train_classifier(model, scenes, schedule, *normalisation(entry))
    else:
        train_detectors.train_detector(model, scenes, schedule, with_masks=entry["task"] == "ins")
    save_weights(model, checkpoint_path(entry))


def measure(entry: Entry, scenes: tuple[Scene, ...]) -> float:
    """Clean metric of the committed checkpoint in percent: top-1, box AP or mask AP."""
    model = build(entry)
    load_weights(model, checkpoint_path(entry))
    if entry["task"] == "cls":
        return train_classifiers.top1_accuracy(model, scenes, *normalisation(entry))
    return 100 * average_precision(train_detectors.predict(model, scenes), scenes, with_masks=entry["task"] == "ins")


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Demo models to train; all of them when none is named.")] = None,
    measure_only: Annotated[bool, typer.Option(help="Keep the checkpoints, measure them again.")] = False,
) -> None:
    """Train demo models, measure them and update model_zoo_configs/demo.yaml."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        entries = [select_entry(name) for name in names or SCHEDULES]
    except ConfigError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    for entry in entries:
        print(entry["name"], flush=True)
        if not measure_only:
            train(entry)
        held_out = measure(entry, scenes_of("held_out", HELD_OUT_SCENES))
        committed = measure(entry, tuple(render("val", index) for index in VALIDATION_SCENES))
        source = f"measured on the 8 committed scenes; {held_out:.1f} on {HELD_OUT_SCENES} held-out scenes"
        record(entry["name"], metric=committed, source=source)
        checkpoint = checkpoint_path(entry)
        measured = f"{entry['metric']['name']} {committed:.1f}, held out {held_out:.1f}"
        print(f"  {measured}, {checkpoint.name} {checkpoint.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    typer.run(main)
