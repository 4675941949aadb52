"""Stage 2: every model looks at every image of a part; what it said goes into ``responses``."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from miqd_builder.errors import MiqdError
from miqd_builder.responses import Response
from miqd_builder.sources import SourceImage
from miqd_builder.store.parts import Footer, read_footer, read_part, write_part
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.store.response_table import Answer, responses_table
from miqd_builder.store.schema import ORIGINAL, table_path
from miqd_builder.zoo.build import build
from miqd_builder.zoo.entry import ModelEntry
from pipelines.context import Context, fingerprint_of, open_zoo, reusable_rows, task_context
from pipelines.degrade import FATAL, PartResult
from pipelines.schedulers import Report, Task
from pipelines.variant_images import Named, image_batches

if TYPE_CHECKING:
    from miqd_builder.zoo.adapters.base import Adapter

Key = tuple[str, str]
_fingerprints: dict[tuple[str, str, str], str] = {}
Hashes = dict[str, dict[str, str]]


def responses_inputs(context: Context, task: str, ids: Sequence[str], entry: ModelEntry) -> dict[str, Any]:
    """What a model's responses to these sources depend on."""
    sources = {
        source.source_id: fingerprint_of(context.source_fingerprint(source), str(source.label) if task == "cls" else "")
        for source in context.part_sources(ids)
    }
    return {
        "table": "responses",
        "task": task,
        "model": _model_fingerprint(context, task, entry),
        "sources": sources,
        "distortions": context.distortion_fingerprints,
        "degradations": fingerprint_of(*context.names),
    }


def _model_fingerprint(context: Context, task: str, entry: ModelEntry) -> str:
    """Hash of the model and of what its classes mean; computed once a run."""
    key = (context.run, task, entry.name)
    if key not in _fingerprints:
        categories = "" if task == "cls" else str(context.sources.category_ids)
        _fingerprints[key] = fingerprint_of(entry.fingerprint(), categories)
    return _fingerprints[key]


def responses_footer(context: Context, task: str, part: int, entry: ModelEntry) -> Footer | None:
    """Return the footer of a model's part of ``responses``; None where it isn't there."""
    return read_footer(context.folder, table_path("responses", part, task=task, model=entry.name))


def respond_part(task: Task, report: Report) -> PartResult:
    """Show the images of one part to some models and write their parts of ``responses``.

    Args:
        task: ``config``, ``run``, ``task``, ``part`` and ``models`` (names; they share every image that is read).
        report: called with the number of images done, counted once a model.
    """
    context = task_context(task)
    zoo = open_zoo(context.config)
    ids = context.record.parts[task["part"]]
    hashes = _pixel_hashes(context, task["part"])
    result = PartResult(seconds=defaultdict(float))
    shows = [_Show(context, task["task"], task["part"], zoo[name], ids, hashes) for name in task["models"]]
    for source in context.part_sources(ids):
        if source.source_id in hashes:
            _show_source(context, source, shows, hashes[source.source_id], report, result)
    for show in shows:
        with _timed(result, "write"):
            show.write(result)
    result.seconds = dict(result.seconds)
    return result


class _Show:
    """One model's viewing of one part: what it has said before, what it still has to see, and what it says."""

    def __init__(self, context: Context, task: str, part: int, entry: ModelEntry, ids: Sequence[str], hashes: Hashes) -> None:
        self.context, self.task, self.part, self.entry = context, task, part, entry
        self.name = table_path("responses", part, task=task, model=entry.name)
        self.inputs = responses_inputs(context, task, ids, entry)
        self.order = [(i, name) for i in ids for name in (ORIGINAL, *context.names)]
        self.footer: Footer | None = read_footer(context.folder, self.name)
        self.old = read_part(context.folder, self.name) if self.footer else None
        keys = _keys(self.old) if self.old is not None else []
        self.kept = reusable_rows(keys, self.footer.inputs if self.footer else None, self.inputs)
        self.answers: list[Answer] = []
        self.failures: list[Failure] = []
        self._hashes = hashes

    def wanted(self, source_id: str) -> list[str]:
        """Names of the images of one source that the model has yet to see."""
        available = self._hashes[source_id]
        return [
            name
            for name in (ORIGINAL, *self.context.names)
            if (name == ORIGINAL or name in available) and (source_id, name) not in self.kept
        ]

    def look(self, source: SourceImage, images: list[Named]) -> None:
        """Predict a batch; if it fails, each image alone, so that one image costs one row."""
        adapter = _adapter(self.context, self.task, self.entry)
        try:
            responses: list[Response | None] = list(adapter.predict([pixels for _, pixels in images]))
        except FATAL:
            raise
        except Exception:
            responses = [self._look_at_one(adapter, source, image) for image in images]
        self.answers += [
            Answer(source.source_id, name, response, source.label)
            for (name, _), response in zip(images, responses, strict=True)
            if response is not None
        ]

    def _look_at_one(self, adapter: Adapter, source: SourceImage, image: Named) -> Response | None:
        _, pixels = image
        try:
            return adapter.predict([pixels])[0]
        except FATAL:
            raise
        except Exception as error:
            failure = Failure.of(error, stage="respond", source_id=source.source_id, model=self.entry.name)
            if not any(f.source_id == failure.source_id and f.message == failure.message for f in self.failures):
                self.failures.append(failure)
            return None

    def write(self, result: PartResult) -> None:
        """Write the part: new answers and kept rows in canonical order."""
        write_failures(self.context.folder, f"respond-{self.task}-{self.entry.name}-part-{self.part:05d}", self.failures)
        result.failures += len(self.failures)
        result.computed += len(self.answers)
        result.reused += len(self.kept)
        table = responses_table(self.task, self.answers)
        if self.old is not None and self.kept:
            table = pa.concat_tables([table, self.old])
        row_of: dict[Key, int] = {}
        for row, key in enumerate(_keys(table)):
            if row < len(self.answers) or key in self.kept:
                row_of.setdefault(key, row)
        table = table.take(pa.array([row_of[key] for key in self.order if key in row_of], pa.int64()))
        write_part(self.context.folder, self.name, table, self.inputs, complete=table.num_rows == len(self.order))


def _show_source(
    context: Context, source: SourceImage, shows: list[_Show], hashes: dict[str, str], report: Report, result: PartResult
) -> None:
    wanted = [(show, set(show.wanted(source.source_id))) for show in shows]
    union = [name for name in (ORIGINAL, *context.names) if any(name in names for _, names in wanted)]
    if not union:
        return
    try:
        batches = image_batches(context, source, union, hashes)
        while True:
            with _timed(result, "read"):
                batch = next(batches, None)
            if batch is None:
                return
            for show, names in wanted:
                images = [(name, pixels) for name, pixels in batch if name in names]
                if images:
                    with _timed(result, f"predict {show.entry.name}"):
                        show.look(source, images)
                    report(len(images))
    except FATAL:
        raise
    except MiqdError as error:
        for show, _ in wanted:
            show.failures.append(Failure.of(error, stage="respond", source_id=source.source_id, model=show.entry.name))


def _pixel_hashes(context: Context, part: int) -> Hashes:
    table = read_part(context.folder, table_path("variants", part), ["source_id", "degradation", "pixel_sha256"])
    hashes: Hashes = defaultdict(dict)
    for row in table.to_pylist():
        hashes[row["source_id"]][row["degradation"]] = row["pixel_sha256"]
    return dict(hashes)


def _keys(table: pa.Table) -> list[Key]:
    return list(zip(table["source_id"].to_pylist(), table["degradation"].to_pylist(), strict=True))


@contextmanager
def _timed(result: PartResult, step: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    result.seconds[step] += time.perf_counter() - start


_adapters: dict[str, Adapter] = {}
"""Models that this process holds, the oldest first."""


def resolve_device(setting: str) -> str:
    """Return cpu or cuda: ``auto`` means the GPU where there is one."""
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if setting == "auto" else setting


def _adapter(context: Context, task: str, entry: ModelEntry) -> Adapter:
    """Return a built model; models of an earlier pass go once ``models_per_pass`` are held."""
    import torch

    device = resolve_device(context.config.device)
    if device == "cpu":
        # Workers are the parallelism; more threads would change the order of sums and so the last bits of the answers.
        torch.set_num_threads(1)
    key = f"{entry.name} {_model_fingerprint(context, task, entry)} {device}"
    if key not in _adapters:
        while len(_adapters) >= context.config.models_per_pass:
            _adapters.pop(next(iter(_adapters)))
        _adapters[key] = build(entry, device=device, category_ids=context.sources.category_ids)
    return _adapters[key]
