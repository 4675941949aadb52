"""All that a stage needs to know of a run, built from the resolved run file alone: by the client, and again by each worker."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import degradations
from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from miqd_builder.roi import roi_fingerprint
from miqd_builder.sources import SourceImage, SourceSet, open_source
from miqd_builder.sources.base import some
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.store.schema import ORIGINAL
from miqd_builder.zoo.catalog import Catalog, load_zoo

SHIPPED_ZOO = Path(__file__).resolve().parents[1] / "model_zoo_configs"


@dataclass(frozen=True)
class Context:
    """A run, resolved.

    Attributes:
        config: the run file.
        folder: where results go.
        sources: all clean images of the source.
        names: degradations of the run, canonical order.
        run: token of the command's run.
    """

    config: RunConfig
    folder: RunFolder
    sources: SourceSet
    names: tuple[str, ...]
    run: str

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
            "distortions": self.distortion_fingerprints,
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

    @functools.cached_property
    def _source_fingerprints(self) -> dict[str, str]:
        return {}

    @functools.cached_property
    def _truth_fingerprints(self) -> dict[str, str]:
        return {}

    @functools.cached_property
    def distortion_fingerprints(self) -> dict[str, str]:
        """Hash of each distortion of the run."""
        names = dict.fromkeys(degradations.parse(name).distortion for name in self.names)
        return {name: degradations.fingerprint(name) for name in names}

    @functools.cached_property
    def record(self) -> RunRecord:
        """The run folder's record; workers read the one that the client wrote.

        Raises:
            ConfigError: the folder was made with other settings.
        """
        return RunRecord.for_run(self.folder, self.config, self.names)


def open_context(config: RunConfig, run: str) -> Context:
    """Open the source and check the settings; nothing is written.

    Args:
        config: the resolved run file.
        run: token of one command's run; a worker opens the context once a run.

    Raises:
        ConfigError: the source, the ROI masks or the degradations are wrong.
    """
    return _open(config.model_dump_json(), run)


@functools.lru_cache(maxsize=4)
def _open(config_json: str, run: str) -> Context:
    config = RunConfig.model_validate_json(config_json)
    try:
        for module in config.plugins:
            degradations.load_plugin(module)
        names = tuple(degradations.select(config.degradations))
    except (degradations.PluginError, degradations.UnknownDegradationError) as error:
        raise ConfigError(str(error)) from None
    return Context(config, RunFolder(config.out), open_source(config.source), names, run)


def task_context(task: dict[str, Any]) -> Context:
    """Open the context of a task, from its ``config`` (run file as JSON) and ``run``."""
    return _open(task["config"], task["run"])


def open_zoo(config: RunConfig) -> Catalog:
    """Return the models of the run's zoo files, or of those that ship with the project."""
    return _open_zoo(config.zoo or shipped_zoo())


def shipped_zoo() -> tuple[Path, ...]:
    """Return the zoo files that ship with the project."""
    return tuple(sorted(SHIPPED_ZOO.glob("*.yaml")))


@functools.lru_cache(maxsize=4)
def _open_zoo(files: tuple[Path, ...]) -> Catalog:
    return load_zoo(files)


def reusable_rows(keys: Sequence[tuple[str, str]], old: dict[str, Any] | None, inputs: dict[str, Any]) -> set[tuple[str, str]]:
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
