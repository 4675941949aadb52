"""How well each ROI kind finds the annotated objects of photographs, and what a mask costs: the table of docs/roi.md.

Usage: PYTHONSAFEPATH=1 .venv/bin/python benchmarks/roi.py [--photographs DIR --annotations FILE] [--thresholds]

Without arguments: the scenes of the demo, which are no photographs. A kind whose network isn't on this machine is left out.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from miqd_builder.config import RoiConfig, SourceConfig
from miqd_builder.errors import ConfigError
from miqd_builder.roi import annotation_mask, check_roi, roi_mask
from miqd_builder.roi.saliency import residual_map
from miqd_builder.roi.salient_models import salient_model, shipped_networks
from miqd_builder.roi.salient_network import salient_map
from miqd_builder.sources import SourceImage, SourceSet, open_source

DEMO = Path(__file__).resolve().parents[1] / "pipelines" / "demo"
THRESHOLDS = [round(0.2 + 0.05 * step, 2) for step in range(11)]

Image = NDArray[np.uint8]
Map = NDArray[np.floating]


def centre_map(image: Image) -> Map:
    """Return how near each pixel is to the centre, in widths and heights: float64 ``(height, width)``, larger is nearer."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    return -np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5)


def centred_blob(image: Image, pixels: int) -> NDArray[np.bool_]:
    """Return an ellipse in the middle with the image's aspect ratio and this many pixels, bool ``(height, width)``."""
    nearness = centre_map(image)
    return nearness >= np.sort(nearness, axis=None)[::-1][max(0, pixels - 1)] if pixels else np.zeros(nearness.shape, bool)


def auc(values: Map, objects: NDArray[np.bool_]) -> float:
    """Return the share of pairs (pixel of an object, other pixel) that a map orders right; ties count half."""
    inside = int(objects.sum())
    ranks = rankdata(values, axis=None).reshape(values.shape)
    return float((ranks[objects].sum() - inside * (inside + 1) / 2) / (inside * (objects.size - inside)))


def iou(mask: NDArray[np.bool_], objects: NDArray[np.bool_]) -> float:
    """Return intersection over union."""
    return float((mask & objects).sum() / (mask | objects).sum())


def photographs(sources: SourceSet) -> Iterator[tuple[Image, NDArray[np.bool_]]]:
    """Yield the pixels and the union of the objects of each photograph in which a part, and not all, is annotated."""
    for source in sources.images:
        image = source.read()
        objects = annotation_mask(source, image) == 255
        if objects.any() and not objects.all():
            yield image, objects


def kinds() -> dict[str, RoiConfig]:
    """Return the kinds that need no ground truth and can run here."""
    found = {"saliency": RoiConfig(kind="saliency")}
    found |= {f"salient, {name}": RoiConfig(kind="salient", model=name) for name in shipped_networks()}
    found["dino"] = RoiConfig(kind="dino")
    for name, config in list(found.items()):
        try:
            check_roi(config, SourceSet(()))
        except ConfigError as error:
            print(f"left out: {name}: {error}", flush=True)
            del found[name]
    return found


def map_and_mask(config: RoiConfig, image: Image, nobody: SourceImage) -> tuple[Map | None, NDArray[np.bool_]]:
    """Return the map of a kind, None for one that has none, and its mask."""
    if config.kind == "salient":
        found = salient_map(image, salient_model(config))
        return found, found > salient_model(config).threshold
    return residual_map(image) if config.kind == "saliency" else None, roi_mask(config, nobody, image) == 255


def measure(sources: SourceSet) -> dict[str, dict[str, list[float]]]:
    """Return for each kind and each measure a value for each photograph."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    chosen = kinds()
    nobody = sources.images[0]
    for image, objects in photographs(sources):
        values["centre prior"]["auc"].append(auc(centre_map(image), objects))
        for name, config in chosen.items():
            start = time.process_time()
            found, mask = map_and_mask(config, image, nobody)
            values[name]["ms"].append(1000 * (time.process_time() - start))
            values[name]["iou"].append(iou(mask, objects))
            values[name]["area"].append(float(mask.mean()))
            values[f"centred blob, area of {name}"]["iou"].append(iou(centred_blob(image, int(mask.sum())), objects))
            values[f"centred blob, area of {name}"]["area"].append(float(mask.mean()))
            if found is not None:
                values[name]["auc"].append(auc(found, objects))
    return values


def thresholds(sources: SourceSet) -> None:
    """Print the mean IoU of each threshold of the default network's map."""
    overlaps: dict[float, list[float]] = defaultdict(list)
    for image, objects in photographs(sources):
        found = salient_map(image, salient_model(RoiConfig()))
        for threshold in THRESHOLDS:
            overlaps[threshold].append(iou(found > threshold, objects))
    for threshold, values in overlaps.items():
        print(f"threshold {threshold:.2f}: mean IoU {np.mean(values):.4f} over {len(values)} photographs")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, default=DEMO / "images", help="folder of images")
    parser.add_argument("--annotations", type=Path, default=DEMO / "annotations.json", help="COCO instances json")
    parser.add_argument("--thresholds", action="store_true", help="mean IoU of each threshold of the default network instead")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sources = open_source(SourceConfig(kind="coco", images=arguments.photographs, annotations=arguments.annotations))
    if arguments.thresholds:
        thresholds(sources)
        return
    print("| masks | AUC | mean IoU | mean area | ms an image |\n|---|---|---|---|---|")
    for name, measures in measure(sources).items():
        cells = [f"{np.mean(measures[m]):.3f}" if measures[m] else "-" for m in ("auc", "iou", "area")]
        cost = f"{np.median(measures['ms']):.0f}" if measures["ms"] else "-"
        print(f"| {name} | {' | '.join(cells)} | {cost} |")


if __name__ == "__main__":
    main()
