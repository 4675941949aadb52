"""All that a stage needs to know of a run, opened by the client from the run file and by each worker from its work items."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import degradations
from miqd_builder import user_code
from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError, StaleCodeError, UnreadableImageError
from miqd_builder.roi import roi_fingerprint
from miqd_builder.sources import SourceImage, SourceSet, open_source
from miqd_builder.sources.base import some
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.store.schema import ORIGINAL
from miqd_builder.zoo.catalog import Catalog, load_zoo
from miqd_builder.zoo.entry import ModelEntry
from pipelines.items import PlannedRun, WorkItem
from pipelines.roi_default import settle_roi

MOST_CONTEXTS = 4
_contexts: dict[str, Context] = {}
"""Runs that this worker has open, by token, the oldest first."""

SHIPPED_ZOO = Path(__file__).resolve().parents[1] / "model_zoo_configs"


@dataclass(frozen=True)
class Context:
    """A run, resolved.

    Attributes:
        config: the run file.
        folder: where results go.
        sources: all clean images of the source.
        names: degradations of the run, canonical order.
        planned: what the work items of the run share.
    """

    config: RunConfig
    folder: RunFolder
    sources: SourceSet
    names: tuple[str, ...]
    planned: PlannedRun

    def part_sources(self, ids: Sequence[str]) -> list[SourceImage]:
        """Return the source images of a part.

        Raises:
            ConfigError: an image that the run folder knows is no longer in the source.
        """
        gone = [source_id for source_id in ids if source_id not in self.sources.by_id]
        if gone:
            raise ConfigError(
                f"Run folder '{self.folder.url}' holds images that '{self.config.source.images}' no longer has: {some(gone)}. "
                "Put them back, or use another --out."
            )
        return [self.sources.by_id[source_id] for source_id in ids]

    def variants_inputs(self, ids: Sequence[str]) -> dict[str, Any]:
        """What the variants of these sources depend on."""
        # Parts without further measures keep the fingerprint that they always had.
        measures = {"full_reference": self.record.full_reference} if self.record.full_reference else {}
        return {
            "table": "variants",
            "images": self.config.images,
            **measures,
            "sources": {source.source_id: self.source_fingerprint(source) for source in self.part_sources(ids)},
            "distortions": dict(self.planned.distortions),
            "degradations": fingerprint_of(*self.names),
        }

    def source_fingerprint(self, source: SourceImage) -> str:
        """Hash of everything that the degraded pixels of one source depend on, besides the distortion.

        Every model asks for it, and it reads the file: it is computed once a run.
        """
        if source.source_id not in self._source_fingerprints:
            self._source_fingerprints[source.source_id] = fingerprint_of(
                source.file_sha256(), roi_fingerprint(self.config.roi, source), str(self.config.seed)
            )
        return self._source_fingerprints[source.source_id]

    def truth_fingerprint(self, source: SourceImage) -> str:
        """Hash of all ground truth of one source; every model asks for it, so it is computed once a run."""
        if source.source_id not in self._truth_fingerprints:
            self._truth_fingerprints[source.source_id] = source.truth_fingerprint()
        return self._truth_fingerprints[source.source_id]

    def entry_fingerprint(self, entry: ModelEntry) -> str:
        """Hash of what a zoo entry means now; computed once a run."""
        from miqd_builder.zoo.fingerprint import fingerprint

        if entry.name not in self._entry_fingerprints:
            self._entry_fingerprints[entry.name] = fingerprint(entry)
        return self._entry_fingerprints[entry.name]

    @functools.cached_property
    def _entry_fingerprints(self) -> dict[str, str]:
        return {}

    @functools.cached_property
    def _source_fingerprints(self) -> dict[str, str]:
        return {}

    @functools.cached_property
    def _truth_fingerprints(self) -> dict[str, str]:
        return {}

    def check_source(self, source: SourceImage, planned: str) -> None:
        """Make sure that a source is the one that the run was planned with.

        Args:
            source: the clean image.
            planned: its :meth:`source_fingerprint` then.

        Raises:
            UnreadableImageError: the file, its ROI mask or what it stands for was changed since.
        """
        if self.source_fingerprint(source) != planned:
            raise UnreadableImageError(
                f"Image '{source.path.name}' or its ROI mask is not what it was when the run was planned: run the same command "
                "again."
            )

    @functools.cached_property
    def record(self) -> RunRecord:
        """The run folder's record; workers read the one that the client wrote.

        Raises:
            ConfigError: the folder was made with other settings.
        """
        return RunRecord.for_run(self.folder, self.config, self.names)


def open_context(config: RunConfig) -> Context:
    """Open the source and check the settings; nothing is written.

    Plug-ins that were edited since this process imported them are imported anew.

    Args:
        config: the resolved run file.

    Raises:
        ConfigError: the source, the ROI masks or the degradations are wrong.
    """
    try:
        for module in config.plugins:
            degradations.load_plugin(module, user_code.load)
        degradations.load_installed(user_code.load)
        names = tuple(degradations.select(config.degradations))
        distortions = {n: degradations.fingerprint(n) for n in dict.fromkeys(degradations.parse(n).distortion for n in names)}
        modules = sorted({*config.plugins, *degradations.plugin_modules(distortions)})
    except (degradations.PluginError, degradations.UnknownDegradationError) as error:
        raise ConfigError(str(error)) from None
    plugins = {module: sha256 for module in modules if (sha256 := user_code.source_sha256(module))}
    config, notes = settle_roi(config)
    sources = open_source(config.source)
    sources = dataclasses.replace(sources, notes=(*sources.notes, *notes))
    planned = PlannedRun(config, uuid.uuid4().hex, plugins, distortions)
    return Context(config, RunFolder(config.out), sources, names, planned)


def item_context(item: WorkItem) -> Context:
    """Open the run of a work item on a worker, after making sure that its distortions are those that were planned with.

    Raises:
        StaleCodeError: this process has another distortion or plug-in, and can't get the right one.
    """
    planned = item.run
    try:
        for module, sha256 in planned.plugins.items():
            degradations.load_plugin(module, functools.partial(user_code.load, sha256=sha256))
    except degradations.PluginError as error:
        if isinstance(error.__cause__, StaleCodeError):
            raise error.__cause__ from None
        raise ConfigError(str(error)) from None
    for name, wanted in planned.distortions.items():
        if degradations.fingerprint(name) != wanted:
            raise StaleCodeError(f"Distortion '{name}' here is not the one that the run was planned with: restart the workers.")
    if planned.token not in _contexts:
        while len(_contexts) >= MOST_CONTEXTS:
            _contexts.pop(next(iter(_contexts)))
        names = tuple(degradations.select(planned.config.degradations))
        _contexts[planned.token] = Context(
            planned.config, RunFolder(planned.config.out), open_source(planned.config.source), names, planned
        )
    return _contexts[planned.token]


def open_zoo(config: RunConfig) -> Catalog:
    """Return the models of the run's zoo files, or of those that ship with the project."""
    return load_zoo(config.zoo or shipped_zoo())


def shipped_zoo() -> tuple[Path, ...]:
    """Return the zoo files that ship with the project."""
    return tuple(sorted(set(SHIPPED_ZOO.glob("*.yaml")) - {SHIPPED_ZOO / "roi.yaml"}))


def reusable_rows(
    keys: Sequence[tuple[str, str]], old: Mapping[str, Any] | None, inputs: Mapping[str, Any]
) -> set[tuple[str, str]]:
    """Return the rows of an earlier part that are still valid: same source, same distortion, same model and settings.

    Args:
        keys: ``(source_id, degradation)`` of the earlier part's rows.
        old: inputs in the earlier part's footer; None without such a part.
        inputs: inputs wanted now.
    """
    varying = ("sources", "distortions", "degradations")
    if old is None or any(old.get(k) != v for k, v in inputs.items() if k not in varying):
        return set()
    sources = {key for key, value in inputs["sources"].items() if old["sources"].get(key) == value}
    distortions = {key for key, value in inputs["distortions"].items() if old["distortions"].get(key) == value}
    return {
        (source_id, name)
        for source_id, name in keys
        if source_id in sources and (name == ORIGINAL or degradations.parse(name).distortion in distortions)
    }


def fingerprint_of(*texts: str) -> str:
    """Return a hash of some texts, 16 hex digits."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
