"""The context of a run: everything that a stage needs; opened by the client from the run file, by workers from work items."""

from __future__ import annotations

import dataclasses
import functools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import degradations
from miqd_builder import consent, user_code
from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError, StaleCodeError, UnreadableImageError
from miqd_builder.sources import SourceImage, SourceSet, open_source
from miqd_builder.sources.base import some
from miqd_builder.sources.png import ISAL, WITHOUT_ISAL
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.images import PartImages, source_hash
from miqd_builder.tables.lineage import Lineage, RenderedLineage, VariantsLineage, short_hash
from miqd_builder.tables.schema import ORIGINAL
from miqd_builder.zoo.catalog import Catalog, load_zoo, shipped_zoo
from miqd_builder.zoo.entry import ModelEntry
from pipelines.roi_default import settle_roi
from pipelines.stages.items import PlannedRun

T = TypeVar("T")

MOST_CONTEXTS = 4
_contexts: dict[str, Context] = {}
"""Runs that this worker has open, by token, the oldest first."""


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

    def images(self, part: int) -> PartImages:
        """Return the images of a part, as its part of ``variants`` records them.

        Raises:
            StoreError: the part of ``variants`` is missing or damaged.
        """
        return PartImages(self.folder, self.config, self.names, part)

    def variants_lineage(self, ids: Sequence[str]) -> VariantsLineage:
        """Lineage of the variants of these sources."""
        return VariantsLineage(
            images=self.config.images,
            sources={source.source_id: self.source_hash(source) for source in self.part_sources(ids)},
            distortions=self.planned.distortions,
            degradations=self.names_hash,
            full_reference=tuple(self.record.full_reference),
        )

    @functools.cached_property
    def names_hash(self) -> str:
        """Hash of the names of all degradations."""
        return short_hash(*self.names)

    def source_hash(self, source: SourceImage) -> str:
        """Hash of everything that the degraded pixels of one source depend on, besides the distortion.

        Every model asks for it, and it reads the file: it is computed once a run.
        """
        if source.source_id not in self._source_hashes:
            self._source_hashes[source.source_id] = source_hash(source, self.config.roi, self.config.seed)
        return self._source_hashes[source.source_id]

    def truth_hash(self, source: SourceImage) -> str:
        """Hash of all ground truth of one source; every model asks for it, so it is computed once a run."""
        if source.source_id not in self._truth_hashes:
            self._truth_hashes[source.source_id] = source.truth_hash()
        return self._truth_hashes[source.source_id]

    def entry_hash(self, entry: ModelEntry) -> str:
        """Content hash of a zoo entry as it is now; computed once a run."""
        from miqd_builder.zoo.content_hash import entry_hash

        if entry.name not in self._entry_hashes:
            self._entry_hashes[entry.name] = entry_hash(entry)
        return self._entry_hashes[entry.name]

    @functools.cached_property
    def _entry_hashes(self) -> dict[str, str]:
        return {}

    @functools.cached_property
    def _source_hashes(self) -> dict[str, str]:
        return {}

    @functools.cached_property
    def _truth_hashes(self) -> dict[str, str]:
        return {}

    def truth_hashes(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Hash of the ground truth of each source of a part; every model asks for it, so it is put together once a run."""
        return self.once(
            ("truth", *ids), lambda: {source.source_id: self.truth_hash(source) for source in self.part_sources(ids)}
        )

    def once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """Return what ``make`` computed for this key, which it does once a run."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made

    @functools.cached_property
    def _made(self) -> dict[tuple[str, ...], Any]:
        return {}

    def check_source(self, source: SourceImage, planned: str) -> None:
        """Make sure that a source is the one that the run was planned with.

        Args:
            source: the clean image.
            planned: its :meth:`source_hash` then.

        Raises:
            UnreadableImageError: the file, its ROI mask or what it stands for was changed since.
        """
        if self.source_hash(source) != planned:
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
            consent.check_module(module, "The run")
            degradations.load_plugin(module, user_code.load)
        degradations.load_installed(user_code.load)
        names = tuple(degradations.select(config.degradations))
        distortions = {n: degradations.content_hash(n) for n in dict.fromkeys(degradations.parse(n).distortion for n in names)}
        modules = sorted({*config.plugins, *degradations.plugin_modules(distortions)})
    except (degradations.PluginError, degradations.UnknownDegradationError) as error:
        raise ConfigError(str(error)) from None
    plugins = {module: sha256 for module in modules if (sha256 := user_code.source_sha256(module))}
    config, notes = settle_roi(config)
    if config.images == "png" and ISAL is None:
        notes = (*notes, WITHOUT_ISAL)
    sources = open_source(config.source)
    sources = dataclasses.replace(sources, notes=(*sources.notes, *notes))
    planned = PlannedRun(config, uuid.uuid4().hex, plugins, distortions)
    return Context(config, RunFolder(config.out), sources, names, planned)


def open_planned(planned: PlannedRun) -> Context:
    """Open a run on a worker, after making sure that its distortions are those that were planned with.

    Raises:
        StaleCodeError: this process has another distortion or plug-in, and can't get the right one.
    """
    try:
        for module, sha256 in planned.plugins.items():
            degradations.load_plugin(module, functools.partial(user_code.load, sha256=sha256))
    except degradations.PluginError as error:
        if isinstance(error.__cause__, StaleCodeError):
            raise error.__cause__ from None
        raise ConfigError(str(error)) from None
    for name, wanted in planned.distortions.items():
        if degradations.content_hash(name) != wanted:
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


def reusable_rows(keys: Sequence[tuple[str, str]], old: Lineage | None, wanted: RenderedLineage) -> set[tuple[str, str]]:
    """Return the rows of an earlier part that are still valid: same source, same distortion, same model and settings.

    Args:
        keys: ``(source_id, degradation)`` of the earlier part's rows.
        old: what the earlier part was made from; None without such a part.
        wanted: what the part is to be made from now.
    """
    if not isinstance(old, type(wanted)) or old.settings != wanted.settings:
        return set()
    sources = {key for key, value in wanted.sources.items() if old.sources.get(key) == value}
    distortions = {key for key, value in wanted.distortions.items() if old.distortions.get(key) == value}
    return {
        (source_id, name)
        for source_id, name in keys
        if source_id in sources and (name == ORIGINAL or degradations.parse(name).distortion in distortions)
    }
