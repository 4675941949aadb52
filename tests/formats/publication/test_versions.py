"""Versions: what a new model or image changes, and what it must not."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import miqd_builder as mb
from miqd_builder.errors import ConfigError
from tests.conftest import toy_entry
from tests.formats.publication.conftest import Small, contents, paths, rows_of

OPTIONS = {"licence": "cc-by-4.0", "images": "all"}


def manifest(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "recipe/manifest.json").read_text())
    return content


def test_a_new_model_changes_its_own_files_and_the_labels(small: Small, tmp_path: Path) -> None:
    run, to = small.copy(tmp_path / "run"), tmp_path / "data"
    mb.publish(run.out, to=to, **OPTIONS)
    before = contents(to)
    run.add_model(toy_entry("blobs_0_new", "det", "blobs", 33.0, threshold=60.0))
    run.label("det")
    made = mb.publish(run.out, to=to, version="1.1.0", changelog="A third detector.")
    after = contents(to)
    changed = {name for name in after if before.get(name) != after[name]}
    data = {name for name in changed if name.endswith(".parquet")}
    assert data == paths(made, lambda shard: shard.model == "blobs_0_new" or shard.config == "labels-det")
    assert changed - data == {
        "README.md", "croissant.json", "recipe/manifest.json", "recipe/zoo.yaml", "recipe/versions.json"
    }  # fmt: skip
    assert not set(before) - set(after)
    assert made.summary is not None and set(made.summary.changed) == changed
    assert made.summary.changed_bytes == sum(len(after[name]) for name in changed)
    assert made.summary.changed_bytes < 0.4 * made.summary.size
    labels = rows_of(to, "labels-det").to_pylist()
    assert {row["n_models"] for row in labels} == {3}
    readme = after["README.md"].decode()
    assert "Version 1.1.0" in readme and "A third detector." in readme and "**1.0.0**" in readme
    assert json.loads(after["croissant.json"])["version"] == "1.1.0"
    assert mb.check_publication(to, records=0).passes


def test_files_of_an_earlier_version_go(small: Small, tmp_path: Path) -> None:
    to = tmp_path / "data"
    mb.publish(small.out, to=to, **OPTIONS)
    made = mb.publish(small.out, to=to, licence="cc-by-4.0", images="none", version="2.0.0", changelog="No images.")
    assert made.summary is not None
    assert {name.split("/")[0] for name in made.summary.removed} == {"images", "preview"}
    assert not list(to.rglob("images/*"))
    assert mb.check_publication(to, records=0).passes
    # The licence, the policy and the version are kept.
    again = mb.publish(small.out, to=to)
    assert again.summary is not None and again.summary.changed == ()
    assert manifest(to)["images"] == "none" and manifest(to)["licence"] == "cc-by-4.0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "1.1.0"}, r"What changed in version 1\.1\.0\? Give --changelog"),
        ({"version": "0.9.0", "changelog": "x"}, r"Version 0\.9\.0 is older than the published 1\.0\.0"),
        ({"version": "1.1", "changelog": "x"}, r"Version '1\.1': expected MAJOR\.MINOR\.PATCH"),
        ({"changelog": "Something."}, r"Version 1\.0\.0 is published already: give its changelog a new --version"),
    ],
)
def test_versions_that_make_no_sense(small: Small, published: Path, options: dict[str, str], message: str) -> None:
    before = contents(published)
    with pytest.raises(ConfigError, match=message):
        mb.publish(small.out, to=published, licence="cc-by-4.0", **options)  # type: ignore[arg-type]
    assert contents(published) == before


def test_pages_follow_the_content(tmp_path: Path) -> None:
    """Rows put in front leave the other pages as they are: most of the file is there already in a store that keeps pieces."""
    import numpy as np
    import pyarrow as pa

    from miqd_builder.formats.huggingface.parquet import write_parquet
    from miqd_builder.store.folder import RunFolder
    from miqd_builder.store.streams import write_stream

    values = np.random.default_rng(0).random(1_000_000)
    folder = RunFolder(str(tmp_path))
    for name, rows in (("old", values), ("new", np.concatenate([[0.5] * 100, values]))):
        table = pa.table({"value": rows})
        with write_stream(folder, name) as stream:
            write_parquet(stream, table.schema, iter([table]), "x")
        pq.write_table(table, tmp_path / f"plain-{name}", compression="zstd")
    assert shared(tmp_path / "old", tmp_path / "new") >= 0.75
    assert shared(tmp_path / "plain-old", tmp_path / "plain-new") <= 0.25


def shared(old: Path, new: Path) -> float:
    """Share of some pieces of a file that another one has, wherever they are."""
    before, after = old.read_bytes(), new.read_bytes()
    places = range(0, len(before) - 4096, 100_000)
    return sum(before[at : at + 4096] in after for at in places) / len(places)


def test_files_of_a_killed_publication_go_and_those_of_others_stay(small: Small, tmp_path: Path) -> None:
    to = tmp_path / "data"
    made = mb.publish(small.out, to=to, licence="cc-by-4.0", images="none")
    whole = contents(to)
    # Of an earlier plan with more files, whose process was killed before its manifest knew them.
    ours = (to / "labels-det/test-00000-of-00001.parquet").read_bytes()
    (to / "labels-det/test-00001-of-00002.parquet").write_bytes(ours)
    pq.write_table(rows_of(to, "sources"), to / "labels-det/mine.parquet")
    again = mb.publish(small.out, to=to)
    assert again.summary is not None and again.summary.removed == ("labels-det/test-00001-of-00002.parquet",)
    assert set(contents(to)) == {*whole, "labels-det/mine.parquet"}
    assert len(made.plan.shards) == len(again.plan.shards)


def test_what_was_said_once_is_kept(small: Small, tmp_path: Path) -> None:
    to = tmp_path / "data"
    said = {"title": "Rectangles", "creator": "Me", "origins": "Rectangles 1.0 https://rectangles.example", "split_seed": 5}
    mb.publish(small.out, to=to, licence="cc-by-4.0", images="none", **said)  # type: ignore[arg-type]
    before = contents(to)
    again = mb.publish(small.out, to=to)
    assert again.summary is not None and again.summary.changed == () and contents(to) == before
    readme = before["README.md"].decode()
    assert "# Rectangles" in readme and "Published by Me." in readme and "seed 5." in readme
    assert "[Rectangles 1.0](https://rectangles.example)" in readme and "COCO" not in readme
    croissant = json.loads(before["croissant.json"])
    assert croissant["prov:wasDerivedFrom"] == [{"@id": "https://rectangles.example"}]
    assert set(rows_of(to, "labels-det", "test")["source_id"].to_pylist()) == set(mb.open_run(small.out).split("test", seed=5))
