"""How long a finished run of 31,000 parts takes to plan, on a local disk and on an object store that answers after 20 ms.

    nice python benchmarks/plan.py [--parts 374] [--models 40] [--delay 0.02] [--folder DIR] [--local] [--read-all]

374 parts of 13 sources each in variants, candidates and labels, and 40 models' responses and scores: 31,042 parts of one row,
with the footers of a real run. The store is moto's server, in one process, behind a proxy that keeps back what a client sends.
A finished run has an index; the local one is planned without it too, so that every footer is read, and with ``--read-all`` the
store's as well. ``plan`` is what ``miqd label --dry-run`` computes; ``all`` is the whole command, which finds nothing to do:
lock, record, footers of scores and labels.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from miqd_builder.config import RunConfig
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import write_part
from miqd_builder.tables.candidates import write_candidates
from miqd_builder.tables.lineage import LabelsLineage, Lineage, PartState, ScoresLineage, content_hash
from miqd_builder.tables.schema import LABELS, RESPONSES, SCORES, VARIANTS, table_path
from pipelines.planning import LabelPlan, plan_label
from pipelines.run import run_label
from pipelines.stages.model_part import responses_lineage
from stand_ins.slow_store import BUCKET, slow_store
from stand_ins.tiny_run import tiny_run

SOURCES_PER_PART = 13
DELAY = 0.02


class Unflushed(RunFolder):
    """A run folder that doesn't wait for the disk."""

    def write(self, name: str, data: bytes, *, flush: bool = True) -> None:
        """See :class:`RunFolder`."""
        super().write(name, data, flush=False)


def main() -> None:
    """Make the run, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=374)
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--delay", type=float, help=f"seconds that the store takes to answer (default: {DELAY})")
    parser.add_argument("--folder", type=Path, help="keep the run here; one that is there is used")
    parser.add_argument("--read-all", action="store_true", help="plan the store's run without its index too; takes minutes")
    parser.add_argument("--local", action="store_true", help="leave out the object store")
    arguments = parser.parse_args()
    refuse_what_has_no_effect(parser, arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        config = prepare(folder, arguments)
        if not (folder / "run" / "run.json").is_file():
            make_finished_run(config)
        for file in folder.glob("run/index/*"):
            file.unlink()
        count = sum(1 for _ in folder.glob("run/**/*.parquet"))
        where = f"{count:,} parts on a local disk"
        measure(f"{where}, without an index", config)
        measure(f"{where}, with its index", config)
        if not arguments.local:
            delay = DELAY if arguments.delay is None else arguments.delay
            with slow_store(folder / "run", delay):
                remote = config.model_copy(update={"out": f"s3://{BUCKET}/run"})
                where = f"{count:,} parts on a store that answers after {delay * 1e3:.0f} ms"
                measure(f"{where}, with its index", remote)
                if arguments.read_all:
                    RunFolder(remote.out).fs.rm(f"{BUCKET}/run/index", recursive=True)
                    measure(f"{where}, without an index", remote)


def measure(where: str, config: RunConfig) -> None:
    """Plan and run, and print the seconds."""
    start = clocks()
    plan = plan_label(config, "cls")
    planned = clocks()
    stages = run_label([plan])
    done = clocks()
    assert not any(stage.computed for stage in stages), stages
    assert [stage.done_before for stage in stages] == [stage.parts for stage in stages], stages
    (wall, cpu), (all_wall, all_cpu) = planned - start, done - start
    print(f"{where}: plan {wall:.1f} s (CPU {cpu:.1f} s), all {all_wall:.1f} s (CPU {all_cpu:.1f} s)", flush=True)


def clocks() -> NDArray[np.float64]:
    """Seconds by the clock, and of this process on a processor."""
    return np.array([time.perf_counter(), time.process_time()])


def prepare(folder: Path, arguments: argparse.Namespace) -> RunConfig:
    """Write what the run needs, and return it."""
    fields: dict[str, Any] = {"sources_per_part": SOURCES_PER_PART, "scheduler": "inline"}
    return tiny_run(folder, sources=arguments.parts * SOURCES_PER_PART, models=arguments.models, **fields)


def refuse_what_has_no_effect(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End with a message where an option would change nothing."""
    if arguments.local and (arguments.delay is not None or arguments.read_all):
        parser.error("--delay and --read-all are for the object store, which --local leaves out")
    run = arguments.folder and arguments.folder / "run"
    if run and (run / "run.json").is_file():
        parts, models = len(list(run.glob("variants/*.parquet"))), len(list(run.glob("scores/*/*")))
        if (parts, models) != (arguments.parts, arguments.models):
            parser.error(f"the run in {arguments.folder} has {parts} parts and {models} models: give --parts and --models so")


def make_finished_run(config: RunConfig) -> None:
    """Write all parts, as a run would have written them but for their rows."""
    start = time.perf_counter()
    plan = plan_label(config, "cls")
    folder = Unflushed(config.out)
    for part in plan.parts:
        make_part(folder, plan, part)
    plan.context.record.write(folder)
    print(f"made the run in {time.perf_counter() - start:.0f} s", flush=True)


def make_part(folder: RunFolder, plan: LabelPlan, part: int) -> None:
    """Write one part of every table."""
    context, recipe = plan.context, plan.recipe.content_hash
    ids = context.record.parts[part]

    def write(table: str, schema: pa.Schema, lineage: Lineage, model: str | None = None) -> PartState:
        row = {"source_id": ids[0], "degradation": context.names[0]}
        rows = pa.Table.from_pylist([row], schema=schema)
        task = None if table == "variants" else plan.task
        write_part(folder, table_path(table, part, task=task, model=model), rows, lineage)
        return PartState(content_hash(lineage), 1)

    variants = context.variants_lineage(ids)
    write_candidates(folder, part, {source_id: {"fog": [1.0]} for source_id in ids}, variants.candidates)
    state = write("variants", VARIANTS, variants)
    scores: dict[str, PartState | None] = {}
    for entry in plan.entries:
        made = write("responses", RESPONSES["cls"], responses_lineage(context, plan.task, ids, entry), entry.name)
        lineage = ScoresLineage(responses=made, truth=context.truth_hashes(ids), recipe=recipe)
        scores[entry.name] = write("scores", SCORES["cls"], lineage, entry.name)
    weights = {entry.name: 50.0 for entry in plan.entries}
    write("labels", LABELS["cls"], LabelsLineage(variants=state, scores=scores, weights=weights, recipe=recipe))


if __name__ == "__main__":
    main()
