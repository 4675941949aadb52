"""Degraded images that were rendered from a published recipe, compared with the published hashes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import degradations
from miqd_builder.config import RunConfig
from miqd_builder.errors import ConfigError
from miqd_builder.formats.publication.manifest import read_manifest
from miqd_builder.formats.publication.recipe import FOLDER
from miqd_builder.sources.base import some
from miqd_builder.sources.published import changed_files
from miqd_builder.store.folder import RunFolder
from miqd_builder.tables import queries

KEYS = ["source_id", "degradation", "pixel_sha256"]


@dataclass(frozen=True, slots=True)
class Regenerated:
    """How regenerated images compare with the published ones.

    Attributes:
        equal: images whose pixels have the published hash.
        different: names of those that don't.
        missing: number of published images that weren't rendered, such as those beyond ``limit``.
    """

    equal: int
    different: tuple[str, ...]
    missing: int


def recipe_run_file(published: Path, task: str | None) -> Path:
    """Return the run file of a published data set.

    Args:
        published: folder of the data set.
        task: whose run, for a data set of several.

    Raises:
        ConfigError: there is none, or there are several.
    """
    files = sorted((published / FOLDER).glob("run*.yaml"))
    if not files:
        raise ConfigError(f"'{published}' has no {FOLDER}/run.yaml: expected the folder of a published data set.")
    manifest = read_manifest(RunFolder(str(published)))
    if len(files) == 1 or manifest is None:
        return files[0]
    chosen = [file for file, run in zip(files, manifest.runs, strict=False) if task is None or task in run["recipes"]]
    if len(chosen) != 1:
        tasks = ", ".join(name for run in manifest.runs for name in run["recipes"])
        raise ConfigError(f"'{published}' was made from {len(files)} runs: which one? Give --task, one of {tasks}.")
    return chosen[0]


def check_recipe(published: Path, config: RunConfig) -> None:
    """Make sure that this program and these images can give the published pixels.

    Args:
        published: folder of the data set.
        config: run file of the regeneration.

    Raises:
        ConfigError: an image is not the published file, or a distortion is another one here.
    """
    import json

    changed = changed_files(config.source)
    if changed:
        raise ConfigError(
            f"{len(changed)} images in '{config.source.images}' are not the files that the data set was made from "
            f"({some(changed)}): their hashes differ. Get the original ones."
        )
    hashes: dict[str, str] = {}
    version = ""
    for file in sorted((published / FOLDER).glob("versions*.json")):
        content = json.loads(file.read_bytes())
        hashes |= content.get("distortions", {})
        version = content.get("versions", {}).get("miqd-builder", "")
    names = {degradations.parse(name).distortion for name in degradations.select(config.degradations)}
    other = sorted(name for name in names if hashes.get(name, "") not in ("", degradations.content_hash(name)))
    if other:
        raise ConfigError(
            f"Distortion '{other[0]}' is another one here than in '{published}': install the version that made it "
            f"(miqd-builder {version})."
        )


def compare_pixels(out: str, published: Path) -> Regenerated:
    """Compare the hashes of a run folder's images with those of a published data set.

    Raises:
        ConfigError: the data set has no hashes.
        StoreError: the run folder has no variants.
    """
    import pyarrow.parquet as pq

    files = sorted((published / "variants").glob("*.parquet"))
    if not files:
        raise ConfigError(f"'{published}' has no table 'variants', which holds the hashes of the published images.")
    folder = RunFolder(out)
    there: dict[tuple[str, str], str] = {}
    for part in queries.read_parts(folder, queries.part_names(folder, "variants"), KEYS):
        for row in part.to_pylist():
            there[row["source_id"], row["degradation"]] = row["pixel_sha256"]
    equal, missing, different = 0, 0, []
    for file in files:
        for row in pq.ParquetFile(file).read(columns=KEYS).to_pylist():
            found = there.get((row["source_id"], row["degradation"]))
            if found is None:
                missing += 1
            elif found == row["pixel_sha256"]:
                equal += 1
            else:
                different.append(f"{row['source_id']}_{row['degradation']}")
    return Regenerated(equal, tuple(different), missing)
