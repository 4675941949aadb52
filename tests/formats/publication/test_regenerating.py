"""A data set without images gives its pixels back, elsewhere, from the clean images alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import miqd_builder as mb
from miqd_builder.errors import ConfigError
from tests.conftest import Outcome
from tests.formats.publication.conftest import COUNT, Small, contents

Miqd = Callable[..., Outcome]


@pytest.fixture(scope="module")
def recipe(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, published without images."""
    to = tmp_path_factory.mktemp("recipe") / "data"
    mb.publish(small.out, to=to, licence="cc-by-4.0", images="none")
    return to


def test_every_pixel_comes_back_elsewhere(miqd: Miqd, small: Small, recipe: Path, tmp_path: Path) -> None:
    there, clean = tmp_path / "elsewhere", tmp_path / "photos/deep"
    shutil.copytree(recipe, there)
    shutil.copytree(small.images, clean)  # in a subfolder, among other pictures
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "photos/other.png")
    done = miqd("degrade", "--from", there, "--set", f"source.images={tmp_path / 'photos'}", "--out", tmp_path / "again",
                "--scheduler", "inline")  # fmt: skip
    assert done.code == 0 and f"{COUNT * 30} images have the published pixels, 0 were not rendered" in done.out, done.err
    hashes = {(r["source_id"], r["degradation"]): r["pixel_sha256"] for r in mb.open_run(small.out).variants().to_pylist()}
    again = mb.open_run(tmp_path / "again")
    found = {(r["source_id"], r["degradation"]): r["pixel_sha256"] for r in again.variants().to_pylist()}
    assert found == hashes and len(found) == COUNT * 30
    assert np.array_equal(again.image("scene_3", "darkness_4"), mb.open_run(small.out).image("scene_3", "darkness_4"))


def test_no_image_and_no_path_of_this_machine_is_in_it(small: Small, recipe: Path) -> None:
    assert not any(name.startswith(("images", "preview")) for name in contents(recipe))
    for name, data in contents(recipe).items():
        if not name.endswith(".parquet"):
            assert str(small.folder).encode() not in data, name
    assert "No image is embedded. `miqd degrade --from .`" in (recipe / "README.md").read_text()


def test_another_image_or_distortion_is_refused(miqd: Miqd, small: Small, recipe: Path, tmp_path: Path) -> None:
    clean, there = tmp_path / "photos", tmp_path / "there"
    shutil.copytree(small.images, clean)
    shutil.copytree(recipe, there)
    command = (
        "degrade",
        "--from",
        there,
        "--set",
        f"source.images={clean}",
        "--out",
        tmp_path / "again",
        "--scheduler",
        "inline",
    )
    versions = there / "recipe/versions.json"
    right = versions.read_text()
    versions.write_text(right.replace('"darkness": "', '"darkness": "0'))
    refused = miqd(*command)
    assert refused.code == 1 and "Distortion 'darkness' is another one here" in refused.err
    versions.write_text(right)
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(clean / "scene_1.png")
    refused = miqd(*command)
    assert refused.code == 1 and "1 images in" in refused.err and "scene_1.png" in refused.err
    (clean / "scene_1.png").unlink()
    refused = miqd(*command)
    assert refused.code == 1 and "lacks 1 of the 8 images" in refused.err and "scene_1.png" in refused.err
    refused = miqd("degrade", "--from", there, "--out", tmp_path / "again")
    assert refused.code == 1 and "'source.images' is missing" in refused.err
    assert not (tmp_path / "again").exists()


def test_a_difference_is_counted_and_named(miqd: Miqd, small: Small, recipe: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    shutil.copytree(recipe, there)
    file = there / "variants/test-00000-of-00001.parquet"
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    hashes = table["pixel_sha256"].to_pylist()
    name = f"{table['source_id'][0]}_{table['degradation'][0]}"
    wrong = pa.array(["0" * 64, *hashes[1:]])
    pq.write_table(table.set_column(table.column_names.index("pixel_sha256"), "pixel_sha256", wrong), file)
    done = miqd("degrade", "--from", there, "--set", f"source.images={small.images}", "--out", tmp_path / "again",
                "--scheduler", "inline", "--images", "none")  # fmt: skip
    assert done.code == 2 and "1 images differ" in done.out and name in done.out


def test_bad_folders(small: Small, recipe: Path, tmp_path: Path) -> None:
    source = {"images": str(small.images)}
    with pytest.raises(ConfigError, match=r"has no recipe/run\.yaml"):
        mb.degrade(published=tmp_path, source=source, out=tmp_path / "out")
    with pytest.raises(ConfigError, match="brings its own run file"):
        mb.degrade(published=recipe, run=small.run, source=source, out=tmp_path / "out")
    there = tmp_path / "there"
    shutil.copytree(recipe, there)
    shutil.rmtree(there / "sources")
    with pytest.raises(ConfigError, match="holds no table of sources"):
        mb.degrade(published=there, source=source, out=tmp_path / "out")
