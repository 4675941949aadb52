"""A publication of the whole database with images that cost nothing: files, sizes, time, memory, what a new model changes.

    nice python benchmarks/publish.py [--sources 5000] [--models 4] [--images none] [--workers 2] [--folder DIR]

A run of 100 images of 16x16 pixels in 250 degradations is labelled by classifiers that take no time and repeated under new
ids to 5,000 sources, 1.25 million variants. It is published for the Hub, published again with nothing to do, checked, and
published with one model more. With ``--images all`` every image is embedded too, as one and the same tiny picture that isn't
rendered (in this process). Memory is the highest resident memory, sampled twice a second: of this process (client and
scheduler) and of the largest worker.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import miqd_builder as mb
from miqd_builder.formats.publication.content import PublishedImage, RunContent
from miqd_builder.sources.png import encode_png
from pipelines.planning import plan_label
from pipelines.run import run_label
from scale import MIB, watched
from stand_ins.replicated_run import replicate
from stand_ins.tiny_run import SIZE, tiny_run

BASE = 100
"""Sources that are labelled."""
PIXELS = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
PNG = encode_png(PIXELS)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=5000, help="a multiple of 100")
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", choices=("all", "none"), default="none")
    parser.add_argument("--folder", type=Path, help="keep runs and publication here; what is there is kept")
    arguments = parser.parse_args()
    if arguments.sources % BASE or arguments.sources < BASE:
        parser.error(f"--sources {arguments.sources}: expected a multiple of {BASE}")
    if arguments.folder is not None:
        measure(arguments.folder, arguments)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), arguments)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    """Make the run, publish it three times, and check it."""
    run, to = made(folder, arguments.models, arguments), folder / f"data-{arguments.images}"
    options: dict[str, Any] = {"licence": "cc-by-4.0", "images": arguments.images, "may_pass_on_images": True}
    options |= {"scheduler": "dask", "workers": arguments.workers}
    if arguments.images == "all":
        RunContent.images = no_op_images  # type: ignore[method-assign]
        options["scheduler"] = "inline"
    published("first", run, to, options)
    published("the same again", run, to, options)
    checked(to)
    files(to)
    run = made(folder, arguments.models + 1, arguments)
    published("with a model more", run, to, {**options, "version": "1.1.0", "changelog": "A model more."})


def no_op_images(content: RunContent, source_id: str, names: Sequence[str]) -> Iterator[PublishedImage]:
    """Yield the same tiny picture for every image."""
    for name in names:
        yield PublishedImage(name, PNG, ".png", PIXELS)


def made(folder: Path, models: int, arguments: argparse.Namespace) -> Path:
    """Make the run with so many models and return its folder."""
    start = time.perf_counter()
    base = folder / f"base-{models}"
    config = tiny_run(base, sources=BASE, models=models, models_per_pass=models, scheduler="inline", limit=BASE)
    run_label([plan_label(config, "cls")])
    # The clean images of the copies: the table of sources has their hashes.
    tiny_run(base, sources=arguments.sources, models=models)
    large = folder / f"run-{models}"
    replicate(config.out, large, arguments.sources // BASE)
    print(f"run: {arguments.sources * 250:,} variants x {models} models in {time.perf_counter() - start:.0f} s", flush=True)
    return large


def published(what: str, run: Path, to: Path, options: dict[str, Any]) -> None:
    """Publish and print the figures."""
    start = time.perf_counter()
    with watched() as peak:
        summary = mb.publish(run, to=to, **options).summary
    assert summary is not None and not summary.failed
    print(
        f"{what}: {summary.rows:,} rows in {summary.files} files, {summary.size / 1e6:,.1f} MB, "
        f"{time.perf_counter() - start:.0f} s; changed {len(summary.changed)} files, {summary.changed_bytes / 1e6:,.1f} MB; "
        f"client {peak['this'] / MIB:.0f} MiB, largest worker {peak['worker'] / MIB:.0f} MiB",
        flush=True,
    )


def checked(to: Path) -> None:
    """Check and print what isn't as it should be."""
    start = time.perf_counter()
    with watched() as peak:
        found = mb.check_publication(to)
    failed = [finding for finding in found.findings if not finding.passes]
    seconds = time.perf_counter() - start
    print(f"check: {len(found.findings)} points in {seconds:.0f} s, {peak['this'] / MIB:.0f} MiB, failed: {failed}", flush=True)


def files(to: Path) -> None:
    """Print the numbers and sizes of files."""
    sizes = {file: file.stat().st_size for file in to.rglob("*") if file.is_file()}
    entries = Counter(file.parent for file in sizes)
    largest = max(sizes.values()) / 1e6
    print(f"files: {len(sizes)}, at most {max(entries.values())} a folder, largest {largest:.1f} MB", flush=True)
    configs: Counter[str] = Counter()
    for file, size in sizes.items():
        configs[file.relative_to(to).parts[0]] += size
    print(", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in configs.most_common()), flush=True)


if __name__ == "__main__":
    main()
