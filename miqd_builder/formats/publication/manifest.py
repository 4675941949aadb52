"""``recipe/manifest.json``: what a published data set is, its versions, and every file with its hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from miqd_builder.errors import ConfigError, StoreError
from miqd_builder.formats.publication.described import Publication, Release
from miqd_builder.formats.publication.shard import WrittenShard
from miqd_builder.store.folder import TEMPORARY, RunFolder
from miqd_builder.store.lock import NAME as LOCK

NAME = "recipe/manifest.json"
LAYOUT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a target holds.

    Attributes:
        format: that it was published in.
        title, licence, images, creator, origins, split_seed: as in
            :class:`~miqd_builder.formats.publication.described.Publication`.
        runs: what identifies each run: seed, ROI kind, source kinds, recipe of each task, and the ids of its sources.
        releases: all versions, the newest first.
        sample: number of sources of each run whose images a sample has.
        preview_model: task and model of the preview.
        finished: False while files are being written.
        may_pass_on: whether the publisher said that the images may be passed on.
        missing: what the runs lacked.
        files: sha256, size, rows and inputs of each data file; rows and inputs are null for the others.
    """

    format: str
    title: str
    licence: str
    images: str
    runs: list[dict[str, Any]]
    releases: list[Release]
    creator: str = ""
    origins: list[str] = field(default_factory=list)
    split_seed: int = 0
    sample: int = 0
    preview_model: list[str] | None = None
    finished: bool = False
    may_pass_on: bool = False
    missing: list[str] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the content of the file; the same manifest gives the same bytes."""
        content = {"layout": LAYOUT, **asdict(self), "files": dict(sorted(self.files.items()))}
        return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()

    def written(self, path: str) -> WrittenShard | None:
        """Return a data file as it was recorded; None if it wasn't."""
        entry = self.files.get(path)
        if entry is None or entry.get("inputs") is None:
            return None
        return WrittenShard(path, entry["sha256"], entry["size"], entry["rows"], entry["inputs"], new=False)


def read_manifest(target: RunFolder) -> Manifest | None:
    """Return what a target holds; None where nothing was published yet.

    Raises:
        StoreError: the manifest is damaged or of another layout.
    """
    try:
        content = json.loads(target.read(NAME))
        if content.pop("layout") != LAYOUT:
            raise StoreError(f"'{target.path(NAME)}' is of another version of this program: use that one, or another --to.")
        return Manifest(**{**content, "releases": [Release(**release) for release in content["releases"]]})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"'{target.path(NAME)}' is damaged ({error}): restore it, or publish into another --to.") from None


def identities(publication: Publication) -> list[dict[str, Any]]:
    """Return what identifies the runs of a publication."""
    return [
        {
            "seed": run.record.seed,
            "roi": run.record.roi,
            "source": list(run.source_kinds),
            "recipes": {own.task: own.recipe for own in run.tasks},
            "sources": sorted(i for ids in run.splits.values() for i in ids),
        }
        for run in publication.runs
    ]


def refuse_another(target: RunFolder, there: Manifest | None, form: str, runs: list[dict[str, Any]]) -> None:
    """Refuse a target that holds something else than an earlier version of this data set.

    Args:
        target: where to publish.
        there: what it holds.
        form: format of the publication.
        runs: its :func:`identities`.

    Raises:
        ConfigError: names what differs.
    """
    if there is None:
        ours = (LOCK, ".git", ".cache")
        strange = [name for name in target.sizes() if not name.startswith(ours) and not name.endswith(TEMPORARY)]
        if strange:
            raise ConfigError(f"'{target.url}' holds files that were not published here ('{strange[0]}'): choose another --to.")
        return
    problem: str | None = None
    if there.format != form:
        problem = f"it is in format {there.format}, not {form}"
    elif len(there.runs) != len(runs):
        problem = f"of {len(there.runs)} run folders, not {len(runs)}"
    else:
        problem = next(filter(None, map(_difference, there.runs, runs)), None)
    if problem is not None:
        raise ConfigError(f"'{target.url}' holds another data set: {problem}. Choose another --to.")


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """Why two runs are not versions of one another; None if they may be."""
    for key in ("seed", "roi", "source"):
        if before[key] != now[key]:
            return f"of a run with {key} {before[key]}, not {now[key]}"
    for task, recipe in before["recipes"].items():
        if now["recipes"].get(task, recipe) != recipe:
            return f"its labels of task {task} are of recipe {recipe}, this run's of {now['recipes'][task]}"
    gone = sorted(set(before["sources"]) - set(now["sources"]))
    return f"it has {len(gone)} source images that this run doesn't ('{gone[0]}')" if gone else None


def file_entry(written: WrittenShard) -> Mapping[str, Any]:
    """Return what the manifest keeps of a data file."""
    return {"sha256": written.sha256, "size": written.size, "rows": written.rows, "inputs": written.inputs}
