"""The greatest difference of each measure from its reference implementation in piq, on photographs times degradations.

    python benchmarks/measures_agreement.py FOLDER [--photographs 20] [--degradations 50]

FOLDER holds photographs; the first are taken, by name. Degradations are spread evenly over the 250. Each image is measured in a
batch of all degradations of its photograph, piq's one pair at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import piq
import torch
from numpy.typing import NDArray

import degradations
from miqd_builder.measures import create_measure
from miqd_builder.sources.images import decode_image

Pixels = NDArray[np.uint8]

REFERENCES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "psnr": lambda x, y: without_epsilon(piq.psnr(x.double(), y.double())),
    "ssim": lambda x, y: piq.ssim(x, y, data_range=1.0, downsample=False),
    "ms_ssim": piq.multi_scale_ssim,
    "vsi": piq.vsi,
    "fsim": piq.fsim,
    "gmsd": piq.gmsd,
    "vif": piq.vif_p,
    "haarpsi": piq.haarpsi,
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photographs", type=int, default=20)
    parser.add_argument("--degradations", type=int, default=50)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    names = degradations.names()[:: len(degradations.names()) // asked.degradations][: asked.degradations]
    measures = {name: create_measure(name) for name in REFERENCES}
    worst, count = dict.fromkeys(REFERENCES, 0.0), 0
    for file in sorted(asked.folder.iterdir())[: asked.photographs]:
        image = decode_image(file.read_bytes(), file.name)
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[len(mask) // 4 : -len(mask) // 4, mask.shape[1] // 4 : -mask.shape[1] // 4] = 255
        variants = [v.pixels for v in degradations.render(image, mask, source_id=file.stem, names=names)]
        count += len(variants)
        for name, reference in REFERENCES.items():
            ours = measures[name](np.stack(variants), image)
            theirs = [float(reference(tensor(pixels), tensor(image))) for pixels in variants]
            worst[name] = max(worst[name], float(np.nanmax(np.abs(ours - theirs))))
        print(f"{file.name}: {image.shape[1]}x{image.shape[0]}", flush=True)
    print(f"\n{asked.photographs} photographs, {count} degraded images\n\n| measure | greatest difference |\n|---|---:|")
    print("\n".join(f"| {name} | {value:.1e} |" for name, value in worst.items()))


def without_epsilon(psnr: torch.Tensor) -> torch.Tensor:
    """Take back the 1e-8 that piq adds to the mean squared error, .007 dB at 52 dB."""
    return -10 * torch.log10(10 ** (-psnr / 10) - 1e-8)


def tensor(image: Pixels) -> torch.Tensor:
    """As piq wants it: float32 ``(1, 3, height, width)`` in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float() / 255


if __name__ == "__main__":
    main()
