"""What can't be published says so in one line, and leaves no torn file."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import miqd_builder as mb
from miqd_builder.errors import StoreError
from miqd_builder.store import streams
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.lock import RunLock
from tests.conftest import Outcome, toy_entry
from tests.formats.publication.conftest import Small, contents, make_run, rows_of

Miqd = Callable[..., Outcome]


def one_line(result: Outcome, message: str) -> None:
    last = result.err.strip().splitlines()[-1]
    assert result.code == 1 and last.startswith("Error: ") and message in last, result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Under which licence? Give --licence"),
        (("--licence", "cc-by-40"), "Unknown licence 'cc-by-40'"),
        (("--licence", "CC-BY-4.0"), "Did you mean 'cc-by-4.0'"),
        (("--licence", "cc-by-4.0", "--images", "some"), "images = 'some': expected one of sample, all, none"),
        (("--licence", "cc-by-4.0", "--format", "parquet"), "Unknown format 'parquet'"),
        (("--licence", "cc-by-4.0", "--format", "webdataset", "--images", "none"), "Format webdataset holds images"),
        (("--licence", "cc-by-4.0", "--format", "pyiqa", "--images", "sample"), "all images or none"),
        (("--licence", "cc-by-4.0", "--format", "miqd", "--to", "memory://x"), "is written to a folder of this machine"),
    ],
)
def test_wrong_options(miqd: Miqd, small: Small, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    one_line(miqd("publish", "--out", small.out, "--to", tmp_path / "to", *options), message)
    assert not (tmp_path / "to").exists()


def test_what_and_where(miqd: Miqd, tmp_path: Path) -> None:
    one_line(miqd("publish"), "What to publish, and where?")
    one_line(miqd("publish", "--out", tmp_path, "--to", tmp_path / "to", "--licence", "mit"), "holds no run")
    one_line(miqd("publish", "--check", tmp_path / "nowhere"), "is no folder")
    one_line(miqd("publish", "--check", tmp_path), "is empty")


def test_an_unfinished_run_says_what_is_missing(miqd: Miqd, small: Small, tmp_path: Path) -> None:
    run, to = small.copy(tmp_path / "run"), tmp_path / "to"
    (run.out / "scores/task=det/model=blobs_a/part-00001.parquet").unlink()
    command = ("publish", "--out", run.out, "--to", to, "--licence", "cc-by-4.0")
    one_line(miqd(*command), "scores/task=det/model=blobs_a: 1 of 4 parts are missing")
    assert not to.exists()
    done = miqd(*command, "--allow-incomplete", "--images", "none")
    assert done.code == 0 and "Unfinished: scores/task=det" in done.out
    readme = (to / "README.md").read_text()
    assert "**Incomplete.**" in readme and "scores/task=det/model=blobs_a: 1 of 4 parts" in readme
    found = mb.check_publication(to, records=0)
    assert found.passes and any("published as incomplete" in finding.text for finding in found.findings)
    assert rows_of(to, "scores-det/blobs_a").num_rows == 6 * 31 and rows_of(to, "scores-det/blobs_b").num_rows == 8 * 31


def test_a_damaged_part_ends_it_and_its_repair_goes_on(small: Small, tmp_path: Path) -> None:
    run, to = small.copy(tmp_path / "run"), tmp_path / "to"
    part = run.out / "responses/task=ins/model=masks_a/part-00002.parquet"
    right = part.read_bytes()
    part.write_bytes(right[:100] + bytes([right[100] ^ 1]) + right[101:])
    with pytest.raises(StoreError, match=r"part-00002\.parquet' is damaged"):
        mb.publish(run.out, to=to, licence="cc-by-4.0", images="none")
    assert not list(to.rglob("*.tmp")) and not (to / "README.md").exists()
    found = mb.check_publication(to, records=0)
    assert not found.passes and any("interrupted" in finding.text for finding in found.findings)
    part.write_bytes(right)
    done = mb.publish(run.out, to=to, licence="cc-by-4.0", images="none")
    assert done.plan.done, "what was finished before is kept"
    assert mb.check_publication(to, records=0).passes


def test_a_missing_image_is_named(small: Small, tmp_path: Path) -> None:
    run = small.copy(tmp_path / "run")
    (run.out / "images/scene_3/scene_3_darkness_2.png").unlink()
    with pytest.raises(mb.MiqdError, match=r"scene_3_darkness_2\.png"):
        mb.publish(run.out, to=tmp_path / "to", licence="cc-by-4.0", images="all")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that is full after a few thousand bytes of a file."""
    write = streams.HashedStream.write

    def limited(self: streams.HashedStream, data: bytes) -> int:
        if self.size > 3000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(streams.HashedStream, "write", limited)
    yield


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("form", ["huggingface", "webdataset"])
def test_a_full_disk(miqd: Miqd, small: Small, tmp_path: Path, form: str) -> None:
    result = miqd("publish", "--out", small.out, "--to", tmp_path / "to", "--licence", "cc-by-4.0", "--format", form)
    one_line(result, "No space left while writing")
    assert not list((tmp_path / "to").rglob("*.tmp"))
    assert not list((tmp_path / "to").rglob("*.tar"))


def test_targets_that_hold_something_else(miqd: Miqd, small: Small, published: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / "thesis.tex").write_text("mine")
    command = ("publish", "--licence", "cc-by-4.0", "--out")
    one_line(miqd(*command, small.out, "--to", to), "holds files that were not published here ('thesis.tex')")
    assert contents(to) == {"thesis.tex": b"mine"}
    before = contents(published)
    other = make_run(tmp_path / "other", seed=4, images="none")
    other.label("det")
    one_line(miqd(*command, other.out, "--to", published), "holds another data set: of a run with seed 3, not 4")
    fewer = make_run(tmp_path / "fewer", limit=3)
    fewer.label("det")
    one_line(miqd(*command, fewer.out, "--to", published), "it has 5 source images that this run doesn't ('scene_3')")
    one_line(miqd(*command, small.out, "--to", published, "--format", "webdataset"), "it is in format huggingface")
    assert contents(published) == before


def test_two_recipes_are_not_one_data_set(miqd: Miqd, small: Small, published: Path, tmp_path: Path) -> None:
    soft = small.copy(tmp_path / "soft")
    soft.label("det", recipe="soft_v1")
    command = ("publish", "--licence", "cc-by-4.0", "--out", soft.out, "--to")
    # Its instance segmentation is of the other recipe.
    one_line(miqd(*command, tmp_path / "to"), "are not one data set: label both with one recipe")
    soft.label("ins", recipe="soft_v1")
    one_line(miqd(*command, published), "labels of task det are of recipe miqd_v1, this run's of soft_v1")
    # Half of the parts of one task.
    part = "labels/task=det/part-00001.parquet"
    shutil.copy(small.out / part, soft.out / part)
    one_line(miqd(*command, tmp_path / "to"), "has labels of task det by 2 recipes")
    assert not (tmp_path / "to").exists()


def test_two_runs_with_the_same_images(miqd: Miqd, small: Small, tmp_path: Path) -> None:
    copy = small.copy(tmp_path / "copy")
    result = miqd("publish", "--out", small.out, "--out", copy.out, "--to", tmp_path / "to", "--licence", "mit")
    one_line(result, "both have the image 'scene_")


def test_imported_and_unlabelled_runs(miqd: Miqd, published: Path, small: Small, tmp_path: Path) -> None:
    mb.import_labels(published, out=tmp_path / "back", format="huggingface")
    command = ("publish", "--to", tmp_path / "to", "--licence", "mit", "--out")
    one_line(miqd(*command, tmp_path / "back"), "holds imported labels")
    run = make_run(tmp_path / "bare", images="none")
    mb.degrade(run=run.run, out=run.out, limit=1)
    one_line(miqd(*command, run.out), "has no labels: run 'miqd label' first")


def imagenet_run(folder: Path) -> Small:
    data: dict[str, Any] = {
        "kind": "imagenet",
        "images": str(folder / "data/images"),
        "labels": str(folder / "data/labels.csv"),
    }
    run = make_run(folder, tasks={}, source=data, roi={"kind": "saliency"}, degradations=["darkness_?"])
    run.add_model(toy_entry("bright", "cls", "brightness", 80.0))
    run.label("cls")
    return run


def test_imagenet_is_not_passed_on_unless_told_so(miqd: Miqd, tmp_path: Path) -> None:
    run, to = imagenet_run(tmp_path / "run"), tmp_path / "to"
    command = ("publish", "--out", run.out, "--to", to, "--licence", "cc-by-4.0")
    one_line(miqd(*command, "--images", "all"), "ImageNet's terms of access")
    one_line(miqd(*command, "--format", "webdataset"), "Format webdataset holds images")
    assert not to.exists()
    assert miqd(*command).code == 0
    assert not any(name.startswith(("images", "preview")) for name in contents(to))
    assert "No image is embedded: ImageNet's terms of access" in (to / "README.md").read_text()
    assert {row["class_index"] for row in rows_of(to, "sources").to_pylist()} != {None}
    told = tmp_path / "told"
    done = miqd("publish", "--out", run.out, "--to", told, "--licence", "cc-by-4.0", "--images", "all",
                "--i-may-pass-on-the-images")  # fmt: skip
    assert done.code == 0 and rows_of(told, "images").num_rows == 8 * 6
    texts = [finding.text for finding in mb.check_publication(told, records=0).findings]
    assert any("the publisher said that these may be passed on" in text for text in texts)
    # Embedded all the same, by whatever way: the check says so.
    shutil.copytree(told / "images", to / "images")
    found = {finding.name: finding for finding in mb.check_publication(to, records=0).findings}
    assert found["licences of images"].passes is False and "--images none" in found["licences of images"].text


def test_one_publication_at_a_time(miqd: Miqd, small: Small, tmp_path: Path) -> None:
    to = tmp_path / "to"
    with RunLock(RunFolder(str(to)), CommandKey("publish")):
        result = miqd("publish", "--out", small.out, "--to", to, "--licence", "mit", "--images", "none")
    one_line(result, "is held by 'miqd publish'")
    assert not list(to.rglob("*.parquet"))
    assert miqd("publish", "--out", small.out, "--to", to, "--licence", "mit", "--images", "none").code == 0
    with RunLock(RunFolder(str(small.out)), CommandKey("label", "det")):
        result = miqd("publish", "--out", small.out, "--to", tmp_path / "other", "--licence", "mit")
    one_line(result, "is held by 'miqd label --task det'")
