"""What miqa-small costs: milliseconds an image of 640x480, files a second by threads, frames a second of a camera.

    python benchmarks/assess.py [--area 49152] [--large-area 168960] [--files 200] [--rounds 30] [--json FILE]

Weights are random: they cost the same. Milliseconds are CPU time of one thread, the median of rounds in which everything takes
its turn, beside timm's EfficientNet-Lite0 at 224x224 as timm builds it. Files and frames a second are wall time, and mean
something on an idle machine only; CPU time a file says what threads cost on a busy one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import timm
import torch

from machine_iqa.assessing import assess_files
from machine_iqa.camera import FrameGrabber, RealTimeIQA
from machine_iqa.model import MIQAModel
from machine_iqa.networks.base import Output
from machine_iqa.networks.miqa_small import MiqaSmall
from machine_iqa.weights import ModelRecord, save_model

OUTPUTS = tuple((task, label) for task in ("cls", "det", "ins") for label in ("consistency", "accuracy"))
CAMERA_SECONDS = 3.0


def random_model(folder: Path, options: dict[str, int]) -> MIQAModel:
    """Return miqa-small with random weights."""
    network = MiqaSmall([Output(*output) for output in OUTPUTS], **options)
    record = ModelRecord(network="miqa-small", outputs=OUTPUTS, options=options, trained_on="nothing", licence="-", version="-")
    save_model(network, folder / "random.safetensors", record)
    return MIQAModel(str(folder / "random.safetensors"), device="cpu")


def milliseconds(timed: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median CPU time of each function, called in turn."""
    spent: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds + 3):
        for name, function in timed.items():
            start = time.process_time()
            function()
            spent[name].append((time.process_time() - start) * 1000)
    return {name: statistics.median(times[3:]) for name, times in spent.items()}


def one_image(model: MIQAModel, image: np.ndarray, folder: Path, rounds: int) -> dict[str, float]:
    """Return milliseconds an image by what is done."""
    lite0 = timm.create_model("tf_efficientnet_lite0").eval()
    picture = torch.zeros(1, 3, 224, 224)
    plain = MIQAModel(str(folder / "random.safetensors"), device="cpu", engine="torch")
    views = model.network.views(image)
    with torch.inference_mode():
        return milliseconds(
            {
                "lite0 at 224x224, as timm builds it": lambda: lite0(picture),
                "MIQAModel.assess": lambda: model.assess(image),
                "of it, views": lambda: model.network.views(image),
                "of it, network": lambda: model.scores_of_views([views]),
                "the network in PyTorch": lambda: plain.scores_of_views([views]),
            },
            rounds,
        )


def files_a_second(model: MIQAModel, image: np.ndarray, folder: Path, files: int) -> dict[int, tuple[float, float]]:
    """Return files a second by threads, the better of two passes, and milliseconds of CPU time a file."""
    names = [folder / f"{index}.jpg" for index in range(files)]
    for index, name in enumerate(names):
        cv2.imwrite(str(name), np.roll(image, index, axis=1))
    found = {1: (0.0, 0.0), 2: (0.0, 0.0)}
    for _ in range(2):
        for workers in found:
            start, busy = time.perf_counter(), time.process_time()
            assess_files(model, names, workers=workers)
            rate = files / (time.perf_counter() - start)
            found[workers] = max(found[workers], (rate, (time.process_time() - busy) / files * 1000))
    return found


def camera_frames_a_second(model: MIQAModel, image: np.ndarray) -> float:
    """Return frames a second that are assessed of a simulated camera of 120."""

    def read() -> np.ndarray:
        time.sleep(1 / 120)
        return image.copy()

    watcher = RealTimeIQA(model)
    with FrameGrabber(read) as camera:
        for reading in watcher.watch(camera):
            if reading.time > CAMERA_SECONDS:
                break
    return watcher.fps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--area", type=int, default=192 * 256, help="pixels that the backbone looks at")
    parser.add_argument("--large-area", type=int, default=352 * 480, help="pixels that the detector looks at")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    image = cv2.resize(skimage.data.coffee()[..., ::-1], (640, 480))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = {"area": chosen.area, "large_area": chosen.large_area}
        model = random_model(folder, options)
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        spent = one_image(model, image, folder, chosen.rounds)
        rates = files_a_second(model, image, folder, chosen.files)
        frames = camera_frames_a_second(model, image)
    lite0 = spent["lite0 at 224x224, as timm builds it"]
    print("| what | ms | of lite0 |\n|---|---|---|")
    for what, value in spent.items():
        print(f"| {what} | {value:.1f} | {value / lite0:.2f} |")
    print("\n| threads | files a second (JPEG, 640x480) | ms of CPU time a file |\n|---|---|---|")
    for workers, (rate, busy) in rates.items():
        print(f"| {workers} | {rate:.1f} | {busy:.1f} |")
    print(f"\nCamera: {frames:.1f} frames/s of 120")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"ms": spent, "files_per_s": rates, "camera_fps": frames, **options}))


if __name__ == "__main__":
    main()
