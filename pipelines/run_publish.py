"""Carry out a plan of ``publish``: data files by the scheduler, then card, Croissant and recipe, the manifest last."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from miqd_builder import user_code
from miqd_builder.formats.publication.manifest import NAME, Manifest, file_entry, identities
from miqd_builder.formats.publication.shard import WrittenShard
from miqd_builder.formats.registry import format_code, format_of, publisher_of
from miqd_builder.store.folder import TEMPORARY, RunFolder
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.lock import RunLock
from pipelines.plan_publish import PublishPlan
from pipelines.progress.bar import progress
from pipelines.schedulers import open_scheduler
from pipelines.stages.publish_shard import PublishShard, publish_shard

SMALL_BYTES = 256_000_000
"""Less than this is written sooner than workers start."""


@dataclass(frozen=True, slots=True)
class PublishSummary:
    """What a publication wrote.

    Attributes:
        files: number of files that the target holds, small ones included.
        size: their bytes.
        changed: files that were written anew or are new.
        changed_bytes: their bytes.
        removed: files of an earlier version that are gone.
        rows: rows of all data files.
        failed: data files that failed, with their error; the same call tries them again.
    """

    files: int
    size: int
    changed: tuple[str, ...]
    changed_bytes: int
    removed: tuple[str, ...]
    rows: int
    failed: tuple[str, ...]


def run_publish(plan: PublishPlan, *, scheduler: str | None, workers: int | None) -> PublishSummary:
    """Write what is missing.

    Args:
        plan: what to do.
        scheduler: that does it; None for this process where there is little to write, else the run file's.
        workers: worker processes of a local cluster.

    Raises:
        MiqdError: the target can't be written, or something of a run is missing or damaged; finished files are kept.
    """
    target = plan.target
    with RunLock(target, CommandKey("publish")):
        _remove_temporary(target)
        files = dict(plan.before.files) if plan.before else {}
        claim = manifest_of(plan, files, finished=False)
        target.write(NAME, claim.encode())
        written = dict(plan.done)
        failed: list[str] = []
        try:
            for result in _write(plan, failed, scheduler, workers):
                written[result.path] = result
        except BaseException:
            # What is finished needn't be hashed again.
            files |= {path: dict(file_entry(one)) for path, one in written.items()}
            target.write(NAME, replace(claim, files=files).encode())
            _remove_temporary(target)
            raise
        files |= {path: dict(file_entry(one)) for path, one in written.items()}
        if failed:
            target.write(NAME, replace(claim, files=files).encode())
            return _summary(written, {}, [], (), tuple(failed))
        return _finish(plan, written)


def _finish(plan: PublishPlan, written: Mapping[str, WrittenShard]) -> PublishSummary:
    """Write the small files, remove what an earlier version left, and write the manifest."""
    target = plan.target
    publisher = publisher_of(format_of(plan.form))
    small = publisher.whole_files(plan.publication, plan.shards, written)
    there = target.sizes()
    changed = []
    for name, content in small.items():
        if there.get(name) != len(content) or target.read(name) != content:
            target.write(name, content)
            changed.append(name)
    left = [name for name in there if name not in written and name not in small and _is_ours(plan, name)]
    for name in left:
        target.remove(name)
    entries: dict[str, dict[str, Any]] = {path: dict(file_entry(one)) for path, one in written.items()}
    for name, content in small.items():
        sha256 = hashlib.sha256(content).hexdigest()
        entries[name] = {"sha256": sha256, "size": len(content), "rows": None, "inputs": None}
    manifest = manifest_of(plan, entries, finished=True).encode()
    if not plan.before or manifest != plan.before.encode():
        changed.append(NAME)
    target.write(NAME, manifest)
    return _summary(written, {**small, NAME: manifest}, changed, tuple(left), ())


def _is_ours(plan: PublishPlan, name: str) -> bool:
    """Whether a file is of an earlier version, or of one that was interrupted before its manifest knew the file."""
    if plan.before is not None and name in plan.before.files:
        return True
    suffixes = {shard.path.rpartition(".")[2] for shard in plan.shards}
    stored_inputs = publisher_of(format_of(plan.form)).stored_inputs
    return name.rpartition(".")[2] in suffixes and stored_inputs(plan.target, name) is not None


def _write(plan: PublishPlan, failed: list[str], scheduler: str | None, workers: int | None) -> Any:
    """Yield the data files as they are finished."""
    todo = plan.todo
    if not todo:
        return
    publication, token = plan.publication, uuid.uuid4().hex
    config = publication.runs[0].config
    if scheduler is None:
        scheduler = "inline" if sum(shard.estimate for shard in todo) < SMALL_BYTES else config.scheduler
    code = format_code(plan.form)
    items = []
    for shard in sorted(todo, key=lambda shard: -shard.estimate):
        run = publication.runs[shard.run]
        plugins = tuple(dict.fromkeys(module for config in run.configs for module in config.plugins)) if shard.pixels else ()
        own = {module: sha256 for module in plugins if (sha256 := user_code.source_sha256(module))}
        items.append(
            PublishShard(
                shard=shard, url=run.url, to=plan.target.url, form=plan.form, code={**code, **own}, plugins=plugins, token=token
            )
        )

    def fail(item: PublishShard, error: Exception) -> None:
        failed.append(f"{item.shard.path}: {type(error).__name__}: {error}")

    with (
        open_scheduler(scheduler, workers=workers, device="cpu", worker_timeout=config.worker_timeout) as engine,
        progress(f"publish {plan.form}", sum(shard.rows for shard in todo)) as report,
    ):
        engine.enter(RunFolder(publication.runs[0].url))
        for _, result in engine.map(publish_shard, items, on_progress=report, on_failure=fail):
            yield result


def manifest_of(plan: PublishPlan, files: dict[str, dict[str, Any]], *, finished: bool) -> Manifest:
    """Return what a target holds while a plan is carried out, or afterwards."""
    publication = plan.publication
    return Manifest(
        format=plan.form,
        title=publication.title,
        licence=publication.licence,
        images=publication.images,
        creator=publication.creator,
        origins=list(publication.origins),
        split_seed=publication.split_seed,
        sample=max(1, len(publication.sample) // len(publication.runs)),
        runs=identities(publication),
        releases=list(publication.releases),
        preview_model=list(publication.preview_model) if publication.preview_model else None,
        finished=finished,
        may_pass_on=plan.may_pass_on or bool(plan.before and plan.before.may_pass_on),
        missing=list(publication.missing),
        files=files,
    )


def _summary(
    written: Mapping[str, WrittenShard],
    small: Mapping[str, bytes],
    changed: list[str],
    removed: tuple[str, ...],
    failed: tuple[str, ...],
) -> PublishSummary:
    new = [one for one in written.values() if one.new]
    return PublishSummary(
        files=len(written) + len(small),
        size=sum(one.size for one in written.values()) + sum(map(len, small.values())),
        changed=tuple(sorted([*(one.path for one in new), *changed])),
        changed_bytes=sum(one.size for one in new) + sum(len(small[name]) for name in changed),
        removed=removed,
        rows=sum(one.rows for one in written.values()),
        failed=failed,
    )


def _remove_temporary(target: RunFolder) -> None:
    """Remove what a killed publication left; the lock is held."""
    if target.local:
        for name in target.sizes():
            if name.endswith(TEMPORARY):
                target.remove(name)
