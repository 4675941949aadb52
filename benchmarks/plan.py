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
import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray
from PIL import Image

from miqd_builder.config import RunConfig, SourceConfig
from miqd_builder.store.checksum import BLANK, KEY, seal
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import write_part
from miqd_builder.tables.candidates import write_candidates
from miqd_builder.tables.lineage import LabelsLineage, Lineage, PartState, ScoresLineage, content_hash
from miqd_builder.tables.schema import LABELS, RESPONSES, SCORES, VARIANTS, table_path
from pipelines.planning import LabelPlan, plan_label
from pipelines.run import run_label
from pipelines.stages.model_part import responses_lineage

SOURCES_PER_PART = 13
MODULE = "miqd_never_asked"
BUCKET = "planning"


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
    parser.add_argument("--delay", type=float, default=0.02, help="seconds that the store takes to answer")
    parser.add_argument("--folder", type=Path, help="keep the run here; one that is there is used")
    parser.add_argument("--read-all", action="store_true", help="plan the store's run without its index too; takes minutes")
    parser.add_argument("--local", action="store_true", help="leave out the object store")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        config = prepare(folder, arguments.parts * SOURCES_PER_PART, arguments.models)
        if not (folder / "run" / "run.json").is_file():
            make_finished_run(config)
        for file in folder.glob("run/index/*"):
            file.unlink()
        count = sum(1 for _ in folder.glob("run/**/*.parquet"))
        where = f"{count:,} parts on a local disk"
        measure(f"{where}, without an index", config)
        measure(f"{where}, with its index", config)
        if not arguments.local:
            with slow_store(folder / "run", arguments.delay):
                remote = config.model_copy(update={"out": f"s3://{BUCKET}/run"})
                where = f"{count:,} parts on a store that answers after {arguments.delay * 1e3:.0f} ms"
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


def prepare(folder: Path, sources: int, models: int) -> RunConfig:
    """Write images, labels and a zoo, and return the run."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    for number in range(sources):
        if not (path := images / f"image_{number:05}.png").is_file():
            Image.fromarray(np.full((8, 8, 3), number % 256, np.uint8)).save(path)
    (folder / "labels.csv").write_text("file,label\n" + "".join(f"image_{n:05}.png,{n % 10}\n" for n in range(sources)))
    (folder / f"{MODULE}.py").write_text("def make(entry, options):\n    raise AssertionError\n")
    sys.path.append(str(folder))
    entry = {"task": "cls", "backend": "python", "target": f"{MODULE}:make"}
    metric = {"name": "top1", "value": 50.0, "source": "made up"}
    zoo = [{"name": f"model_{number:02}", **entry, "metric": metric} for number in range(models)]
    (folder / "zoo.yaml").write_text(yaml.safe_dump({"models": zoo}))
    return RunConfig(
        out=str(folder / "run"),
        source=SourceConfig(kind="imagenet", images=images, labels=folder / "labels.csv"),
        images="none",
        zoo=(folder / "zoo.yaml",),
        sources_per_part=SOURCES_PER_PART,
        scheduler="inline",
        device="cpu",
    )


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


@contextmanager
def slow_store(folder: Path, seconds: float) -> Iterator[None]:
    """Serve the files of a folder from a bucket, each request answered late; s3fs finds the address in the environment."""
    server, proxy = free_port(), free_port()
    commands = (["--serve", folder, server], ["--delay-to", proxy, server, seconds])
    started = [subprocess.Popen([sys.executable, __file__, *map(str, command)]) for command in commands]
    address = f"http://127.0.0.1:{proxy}"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {**keys, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": address}
    try:
        while not answers(address):
            assert all(process.poll() is None for process in started), "the server ended"
            time.sleep(0.2)
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    """Tell whether the store is there."""
    try:
        urllib.request.urlopen(address, timeout=10)
    except OSError:
        return False
    return True


def serve(folder: Path, port: int) -> None:
    """Put the files of a folder into a bucket, without a request for each, with the index that a run there leaves; answer."""
    from moto.backends import get_backend
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    store = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]
    store.create_bucket(BUCKET, "us-east-1")
    for path in folder.rglob("*"):
        if path.is_file():
            store.put_object(BUCKET, f"{folder.name}/{path.relative_to(folder)}", path.read_bytes())
    for path in folder.glob("index/*"):
        content = json.loads(path.read_bytes())
        for name, entry in content["parts"].items():
            entry[0] = store.head_object(BUCKET, f"{folder.name}/{name}").etag
        data = seal(json.dumps({**content, KEY: BLANK}).encode())
        store.put_object(BUCKET, f"{folder.name}/index/{path.name}", data)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple("127.0.0.1", port, DomainDispatcherApplication(create_backend_app), threaded=True)


async def delay(port: int, to: int, seconds: float) -> None:
    """Pass on what clients send after a while, and what the server answers at once."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: float) -> None:
        try:
            while data := await reader.read(2**20):
                await asyncio.sleep(wait)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer, ask = await asyncio.open_connection("127.0.0.1", to)
        except ConnectionError:
            writer.close()
            return
        await asyncio.gather(pump(reader, ask, seconds), pump(answer, writer, 0.0))

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["--delay-to"]:
        asyncio.run(delay(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
    else:
        main()
