"""Make the quality model that ships: ``python -m pipelines.quality WORK --photographs DIR``.

Labels real photographs with real models, trains ``miqa_small`` on them, compares it with measures, and with other networks
that were trained on the same, on the sources of the test split, and writes the weights that ship. Every step goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import miqd_builder as mb
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks
from pipelines.quality.comparing import compare
from pipelines.quality.labelling import DATA_SETS, GROUPS, label_group, run_of
from pipelines.quality.shipping import ship

BACKBONE = "weights/tf_efficientnet_lite0.safetensors"
MEASURES = ("ssim", "vsi", "lpips_alex")
STEPS = ("label", "train", "compare", "ship")


def main() -> None:
    """Go through the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for runs and trainings")
    parser.add_argument("--photographs", type=Path, required=True, help="folder with imagenet/, coco/, zoo.yaml ...")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--groups", type=int, nargs="+", default=range(GROUPS), help="groups of photographs to label")
    parser.add_argument("--half", action="store_true", help="label 25 degradations of each photograph, not 50")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], dest="settings", help="field of the training as key=value")
    parser.add_argument("--beside", nargs="+", default=[], help="further trainings in WORK/trainings to compare")
    asked = parser.parse_args()
    work, photographs = asked.work.resolve(), asked.photographs.resolve()
    if "label" in asked.steps:
        for group in asked.groups:
            for data in DATA_SETS:
                label_group(data, group, photographs, work, workers=asked.workers, half=asked.half)
    every = [run_of(work, data, group) for group in range(GROUPS) for data in DATA_SETS]
    runs = [run for run in every if labelled_tasks(RunFolder(str(run)))]
    training = work / "trainings" / "miqa_small"
    if "train" in asked.steps:
        backbone = f"network_options.backbone={photographs / BACKBONE}"
        mb.train("miqa_small", runs=runs, out=training.parent, settings=[backbone, *asked.settings], show_progress=True)
    if "compare" in asked.steps:
        others = [training.parent / name for name in asked.beside]
        print(compare([training, *others], runs, MEASURES, work / "comparison", workers=asked.workers))
    if "ship" in asked.steps:
        print(ship(training))


if __name__ == "__main__":
    try:
        main()
    except mb.MiqdError as error:
        sys.exit(f"Error: {error}")
