"""Make the quality model that ships: ``python -m pipelines.quality WORK --photographs DIR``.

Labels real photographs with real models, trains ``miqa_small`` on them, first with its pretrained parts as they are
(``train``), then all of it at a small rate (``tune``), then its heads anew and to the end (``heads``), compares it with
measures, and with other networks that were trained on the same, on the sources of the test split, and writes the weights that
ship. Every step goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import miqd_builder as mb
from machine_iqa.training.config import load_config
from machine_iqa.training.run import best_file
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables.queries import labelled_tasks
from pipelines.quality.comparing import compare
from pipelines.quality.heads import train_heads
from pipelines.quality.labelling import DATA_SETS, GROUPS, label_group, run_of
from pipelines.quality.shipping import ship

WEIGHTS = {
    "backbone": "weights/tf_efficientnet_lite0.safetensors",
    "second": "weights/squeezenet1_1.safetensors",
    "detector": "weights/yolox_nano_mmdet.pth",
}
"""Files of pretrained parts, below the folder of photographs, by the network's option."""
LICENCE = (
    "Apache-2.0; EfficientNet-Lite0 and YOLOX-nano (Apache-2.0) and SqueezeNet 1.1 (BSD) are parts of it. Trained on scores of"
    " photographs of ImageNet (non-commercial research terms) and COCO; detectors of Ultralytics (AGPL-3.0) labelled: their"
    " numbers, none of their weights."
)
WORDS = (f"licence={json.dumps(LICENCE)}", 'version="0.4"')
SHARED = (*WORDS, "batch_size=32", "processes=2", "save_every=200")
TRAINING = (*SHARED, "name=miqa_small_frozen", "epochs=5")
TUNING = (
    *SHARED,
    "name=miqa_small_tuned",
    "epochs=1",
    "degradations_per_source=4",
    "frozen=[]",
    "learning_rate=0.0005",
    "backbone_learning_rate=0.01",
    "warmup_epochs=0.1",
)
HEADS = (
    *WORDS,
    "name=miqa_small",
    "network=miqa-small",
    "network_options={hidden: 384}",
    "tasks=[cls, det, ins]",
    "labels=[consistency, accuracy]",
    "epochs=20",
    "batch_size=128",
    "learning_rate=0.003",
    "weight_decay=0.1",
    "losses={mse: 1, ranking: 0.1, plcc: 0.1}",
)
MEASURES = ("ssim", "vsi", "lpips_alex")
STEPS = ("label", "train", "tune", "heads", "compare", "ship")


def asked_for() -> argparse.Namespace:
    """Return what the command line asks for; ends with one line where it makes no sense."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for runs and trainings")
    parser.add_argument("--photographs", type=Path, required=True, help="folder with imagenet/, coco/, zoo.yaml ...")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--groups", type=int, nargs="+", default=range(GROUPS), help="groups of photographs to label")
    parser.add_argument("--half", action="store_true", help="label 25 degradations of each photograph, not 50")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], dest="settings", help="field of train and tune as key=value")
    parser.add_argument("--beside", nargs="+", default=[], help="further trainings in WORK/trainings to compare")
    asked = parser.parse_args()
    if asked.settings and not {"train", "tune"} & set(asked.steps):
        parser.error("--set is of the steps train and tune: the fields of heads are in this script.")
    return asked


def main() -> None:
    """Go through the steps."""
    asked = asked_for()
    work, photographs = asked.work.resolve(), asked.photographs.resolve()
    if "label" in asked.steps:
        for group in asked.groups:
            for data in DATA_SETS:
                label_group(data, group, photographs, work, workers=asked.workers, half=asked.half)
    every = {run_of(work, data, group): data for group in range(GROUPS) for data in DATA_SETS}
    runs = [run for run in every if labelled_tasks(RunFolder(str(run)))]
    training = work / "trainings" / "miqa_small"

    def train(*settings: str) -> None:
        mb.train("miqa_small", runs=runs, out=training.parent, settings=[*settings, *asked.settings], show_progress=True)

    if "train" in asked.steps:
        train(*TRAINING, *(f"network_options.{option}={photographs / file}" for option, file in WEIGHTS.items()))
    if "tune" in asked.steps:
        train(*TUNING, f"weights={best_file(training.with_name('miqa_small_frozen'))}")
    if "heads" in asked.steps:
        fields = {"runs": [str(run) for run in runs], "out": str(training.parent)}
        config = load_config(settings=HEADS, fields=fields)
        train_heads(config, best_file(training.with_name("miqa_small_tuned")), work / "heads", workers=asked.workers)
    if "compare" in asked.steps:
        others = [training.parent / name for name in asked.beside]
        judged = [run for run in runs if every[run].truth is not None]
        print(compare([training, *others], judged, MEASURES, work / "comparison", workers=asked.workers))
    if "ship" in asked.steps:
        print(ship(training))


if __name__ == "__main__":
    try:
        main()
    except mb.MiqdError as error:
        sys.exit(f"Error: {error}")
