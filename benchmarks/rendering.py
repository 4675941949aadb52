"""Speed of the degradations: per distortion, for all 250 of an image, encoded, in 1 and 2 processes; one thread each.

    python benchmarks/rendering.py                             # a 500x375 photograph that scikit-image ships
    python benchmarks/rendering.py --image photo.jpg --out build/photo.json
    python benchmarks/rendering.py --memory                 # also the peak memory of a 4288x2848 source

Prints tables and writes them as JSON. Times are CPU times of one thread, but for the processes. The published generator needs
5.4 s for the 120 candidates, 2.2 s for the 200 blends and 20.4 s for the 250 files of such an image (82 ms each: Pillow,
``optimize=True``).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import degradations
from degradations.randomness import keyed_generator
from miqd_builder.sources.png import encode_png
from png_files import encoding

Picture = NDArray[np.uint8]
Row = dict[str, Any]

LARGEST = (2848, 4288)
"""Height and width of the largest source of the database."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, help="image file; a part of scikit-image's astronaut by default")
    parser.add_argument("--repeat", type=int, default=5, help="the best of so many runs counts (default: 5)")
    parser.add_argument("--out", type=Path, default=Path("build/rendering.json"), help="JSON file (default: %(default)s)")
    parser.add_argument("--memory", action="store_true", help="also measure the peak memory of a 4288x2848 source (a minute)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    image = load(arguments.image)
    repeat = arguments.repeat
    sections = {
        "distortions": distortions(image, repeat),
        "one image": whole_image(image, repeat),
        "PNG files": png_files(image, repeat),
        "processes": scaling(image),
    }
    if importlib.util.find_spec("imagecorruptions"):
        sections["against imagecorruptions"] = against_imagecorruptions(image, repeat)
    if arguments.memory:
        sections["memory"] = memory()
    for title, rows in sections.items():
        show(title, rows)
    machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    machine |= {"numpy": np.__version__, "opencv": cv2.__version__, "height": image.shape[0], "width": image.shape[1]}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({"machine": machine, "sections": sections}, indent=1) + "\n")
    print(f"\nWritten to {arguments.out}")


def load(file: Path | None) -> Picture:
    """Read an image file as RGB, or cut 500x375 out of the astronaut."""
    if file is None:
        from skimage.data import astronaut

        return np.ascontiguousarray(astronaut()[:375, :500])
    from PIL import Image

    with Image.open(file) as picture:
        return np.array(picture.convert("RGB"))


def ellipse(image: Picture) -> Picture:
    """Return the mask of the published figures."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 4, height // 3), 0, 0, 360, 255, -1)
    return mask


def best_ms(work: Callable[[], object], repeat: int) -> float:
    """Return the shortest CPU time of some runs, in ms."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def render(
    image: Picture, names: Sequence[str] | None = None, psnrs: dict[str, Sequence[float]] | None = None
) -> Iterator[Picture]:
    """Render variants, one after the other."""
    for variant in degradations.render(image, ellipse(image), source_id="benchmark", names=names, psnrs=psnrs):
        yield variant.pixels


def count(pictures: Iterator[Picture]) -> int:
    """Let every picture be made, and forget it."""
    return sum(1 for _ in pictures)


def distortions(image: Picture, repeat: int) -> list[Row]:
    """Time the 12 candidates with their PSNRs, and one severity once the PSNRs are known."""
    rows = []
    for name in degradations.MIQD_DISTORTIONS:
        known = {name: _psnrs(image, name)}
        ranked = best_ms(lambda name=name: _psnrs(image, name), repeat)
        alone = best_ms(lambda name=name, known=known: count(render(image, [f"{name}_3"], known)), repeat)
        rows.append({"distortion": name, "ms a candidate": ranked / 12, "ms severity 3, PSNRs known": alone})
    return rows


def whole_image(image: Picture, repeat: int) -> list[Row]:
    """Time everything that one source needs, in memory."""
    names = degradations.names()
    uniform = [name for name in names if degradations.parse(name).region == "uniform"]
    known = {name: _psnrs(image, name) for name in degradations.MIQD_DISTORTIONS}
    seconds = {
        "120 candidates and their PSNRs": best_ms(lambda: [_psnrs(image, name) for name in known], repeat) / 1e3,
        "200 blends": (
            best_ms(lambda: count(render(image, names, known)), repeat)
            - best_ms(lambda: count(render(image, uniform, known)), repeat)
        )
        / 1e3,
        "all 250 variants": best_ms(lambda: count(render(image)), repeat) / 1e3,
    }
    return [{"what": what, "s": took} for what, took in seconds.items()]


def _psnrs(image: Picture, name: str) -> Sequence[float]:
    return degradations.rank_candidates(image, source_id="benchmark", distortion=name).psnrs


def png_files(image: Picture, repeat: int) -> list[Row]:
    """Time lossless encoders on every tenth variant."""
    return encoding([picture.copy() for picture in list(render(image))[::10]], repeat)


def scaling(image: Picture) -> list[Row]:
    """Render and encode eight sources in one process and in two."""
    rows = []
    for workers in (1, 2):
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(_degrade, [image[:32, :32].copy()] * workers))  # the imports
            start = time.perf_counter()
            list(pool.map(_degrade, [image] * 8))
            took = time.perf_counter() - start
        rows.append({"processes": workers, "images a minute": 60 * 8 / took, "variants a second": 250 * 8 / took})
    return rows


def _degrade(image: Picture) -> int:
    cv2.setNumThreads(1)
    return sum(len(encode_png(picture)) for picture in render(np.ascontiguousarray(image)))


def against_imagecorruptions(image: Picture, repeat: int) -> list[Row]:
    """Compare with the same distortion of imagecorruptions, at the pair of severities that are nearest in PSNR."""
    from imagecorruptions import corrupt, get_corruption_names

    rows = []
    for name in degradations.MIQD_DISTORTIONS:
        if name not in get_corruption_names("all"):
            continue
        theirs = {s: degradations.psnr(np.ascontiguousarray(corrupt(image, s, name)), image) for s in range(1, 6)}
        ours = _psnrs(image, name)
        severity, candidate = min(
            ((s, c) for s in theirs for c in range(12)), key=lambda pair: abs(theirs[pair[0]] - ours[pair[1]])
        )
        their_ms = best_ms(lambda s=severity, name=name: corrupt(image, s, name), repeat)
        our_ms = best_ms(lambda c=candidate, name=name: _one_candidate(image, name, c + 1), repeat)
        row = {
            "distortion": name,
            "candidate": candidate + 1,
            "dB": ours[candidate],
            "their severity": severity,
            "their dB": theirs[severity],
        }
        rows.append(row | {"ms": our_ms, "their ms": their_ms, "times as fast": their_ms / our_ms})
    return rows


def _one_candidate(image: Picture, name: str, candidate: int) -> Picture:
    distortion = degradations.distortion(name)
    prepared = distortion.prepare(image) if distortion.prepare else image
    return distortion.render(prepared, candidate, keyed_generator(0, "benchmark", name, candidate))


def memory() -> list[Row]:
    """Render the largest source in a process of its own and read its peak memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return [pool.submit(_peak_memory).result()]


def _peak_memory() -> Row:
    cv2.setNumThreads(1)
    image = cv2.resize(load(None), LARGEST[::-1], interpolation=cv2.INTER_CUBIC)
    start = time.perf_counter()
    count = sum(1 for _ in degradations.render(image, ellipse(image), source_id="benchmark"))
    took = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {"height": LARGEST[0], "width": LARGEST[1], "variants": count, "s": took, "peak GB": peak}


def show(title: str, rows: Sequence[Row]) -> None:
    """Print rows of equal keys as a table."""
    cells = [
        [str(key) for key in rows[0]],
        *([f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for line in cells:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


if __name__ == "__main__":
    main()
