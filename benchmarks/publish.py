"""A publication of the whole database with images that cost nothing: files, sizes, time, memory, what a new model changes.

    nice python benchmarks/publish.py [--sources 5000] [--models 4] [--workers 2] [--images all] [--folder DIR]

A run of 5,000 images of 16x16 pixels in 250 degradations (``scale.py``), 1.25 million variants, with classifiers that take no
time, is published for the Hub, published again with nothing to do, checked, and published again with one model more. Memory is
the highest resident memory, sampled twice a second: of this process (client and scheduler) and of the largest worker.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import miqd_builder as mb
from miqd_builder.config import RunConfig
from pipelines.planning import plan_label
from pipelines.run import run_label
from scale import MIB, watched
from stand_ins.tiny_run import tiny_run


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=5000)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", choices=("all", "none"), default="all")
    parser.add_argument("--folder", type=Path, help="keep run and publication here; what is there is kept")
    arguments = parser.parse_args()
    if arguments.folder is not None:
        measure(arguments.folder, arguments)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), arguments)


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    """Make the run, publish it four times, and check it."""
    made(folder, arguments.models, arguments)
    to = folder / f"data-{arguments.images}"
    options: dict[str, Any] = {
        "licence": "cc-by-4.0",
        "images": arguments.images,
        "may_pass_on_images": True,
        "scheduler": "dask",
        "workers": arguments.workers,
    }
    published("first", folder, to, options)
    published("the same again", folder, to, options)
    checked(to)
    made(folder, arguments.models + 1, arguments)
    published("with a model more", folder, to, {**options, "version": "1.1.0", "changelog": "A model more."})
    sizes = {file: file.stat().st_size for file in to.rglob("*") if file.is_file()}
    configs: Counter[str] = Counter()
    for file, size in sizes.items():
        configs[file.relative_to(to).parts[0]] += size
    entries = Counter(file.parent for file in sizes)
    print(
        f"files: {len(sizes)}, at most {max(entries.values())} a folder, largest {max(sizes.values()) / 1e6:.1f} MB", flush=True
    )
    print(", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in configs.most_common()), flush=True)


def made(folder: Path, models: int, arguments: argparse.Namespace) -> None:
    """Label the run with so many models."""
    fields: dict[str, Any] = {"models_per_pass": models, "scheduler": "dask", "workers": arguments.workers}
    config: RunConfig = tiny_run(folder, sources=arguments.sources, models=models, **fields)
    start = time.perf_counter()
    run_label([plan_label(config, "cls")])
    print(f"run: {arguments.sources * 250:,} variants x {models} models in {time.perf_counter() - start:.0f} s", flush=True)


def published(what: str, folder: Path, to: Path, options: dict[str, Any]) -> None:
    """Publish and print the figures."""
    start = time.perf_counter()
    with watched() as peak:
        summary = mb.publish(folder / "run", to=to, **options).summary
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


if __name__ == "__main__":
    main()
