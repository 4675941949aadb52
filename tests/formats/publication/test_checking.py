"""``miqd publish --check`` finds what was spoilt, and says what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import miqd_builder as mb
from miqd_builder.formats.checking import limits
from miqd_builder.formats.checking.findings import DataSetFolder
from miqd_builder.formats.checking.limits import check_limits
from tests.conftest import Outcome


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    shutil.copytree(published, tmp_path / "data")
    return tmp_path / "data"


def findings(folder: Path, records: int = 0) -> dict[str, tuple[bool | None, str]]:
    return {f.name: (f.passes, f.text) for f in mb.check_publication(folder, records=records).findings}


def test_a_good_one_passes_every_point(miqd: Callable[..., Outcome], published: Path) -> None:
    pytest.importorskip("mlcroissant")
    found = findings(published, records=3)
    assert all(passes for passes, _ in found.values()), found
    assert {"hashes", "schemas", "row groups", "splits", "images", "card", "configurations", "licences of images"} <= set(found)
    assert found["Croissant records"][1] == "33 generated from 11 record sets"
    shown = miqd("publish", "--check", published)
    assert shown.code == 0 and "ready for publication" in shown.out


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def rewrite(file: Path, **options: object) -> None:
    pq.write_table(pq.read_table(file), file, **options)


CARD, CROISSANT = "README.md", "croissant.json"
LABELS = "labels-det/test-00000-of-00001.parquet"


def flip(folder: Path) -> None:
    file = folder / "images/train-00000-of-00001.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def same_source_in_two(folder: Path) -> None:
    table = pq.read_table(folder / LABELS)
    pq.write_table(table, folder / "labels-det/validation-00000-of-00001.parquet")


def other_columns(folder: Path) -> None:
    file = folder / LABELS
    pq.write_table(pq.read_table(file).drop_columns("recipe"), file)


def wrong_pixels(folder: Path) -> None:
    file = folder / "images/test-00000-of-00001.parquet"
    table = pq.read_table(file)
    at = table.column_names.index("pixel_sha256")
    hashes = table["pixel_sha256"].to_pylist()
    import pyarrow as pa

    pq.write_table(table.set_column(at, "pixel_sha256", pa.array([hashes[1], *hashes[1:]])), file)


@pytest.mark.parametrize(
    ("spoil", "name", "text"),
    [
        (flip, "hashes", "'images/train-00000-of-00001.parquet' is not the file that was published"),
        (lambda f: (f / LABELS).unlink(), "hashes", f"'{LABELS}' is missing"),
        (lambda f: (f / "notes.txt").write_text("x"), "other files", "'notes.txt' is not part of the data set"),
        (lambda f: (f / "recipe/manifest.json").write_text("{}"), "manifest", "is damaged"),
        (lambda f: (f / "recipe/manifest.json").unlink(), "manifest", "there is no recipe/manifest.json"),
        (lambda f: (f / LABELS).write_bytes(b"PAR1"), "Parquet files", f"'{LABELS}'"),
        (lambda f: rewrite(f / LABELS), "row groups", f"'{LABELS}' has no page index"),
        (lambda f: rewrite(f / LABELS, store_schema=False), "schemas", "features"),
        (other_columns, "schemas", "has other columns than its configuration"),
        (same_source_in_two, "splits", "is in test and in validation of labels-det"),
        (wrong_pixels, "images", "has other pixels than its hash says"),
        (lambda f: edit(f / CARD, "license: cc-by-4.0", "license: mine"), "card", "license is 'mine'"),
        (lambda f: edit(f / CARD, "\n## Biases\n", "\n## Bias\n"), "card", "it has no section 'Biases'"),
        (lambda f: (f / CARD).write_text("# Data"), "card", "it has no YAML header"),
        (
            lambda f: edit(f / CARD, "path: labels-det/test-*", "path: labels-dt/test-*"),
            "configurations",
            "matches no file",
        ),
        (lambda f: edit(f / CARD, "path: labels-det/test-*", "path: labels-det/*"), "configurations", "in split test"),
        (
            lambda f: edit(f / CROISSANT, '"rai:dataBiases"', '"rai:data"'),
            "Croissant fields",
            "'rai:dataBiases' is missing",
        ),
        (lambda f: edit(f / CROISSANT, '"sha256": "', '"sha256": "0'), "Croissant files", "has another sha256"),
        (
            lambda f: edit(f / CROISSANT, '"version": "1.0.0"', '"version": "2.0.0"'),
            "Croissant files",
            "its version is 2.0.0",
        ),
        (lambda f: edit(f / CROISSANT, '"column": "composite"', '"colum": "x"'), "Croissant validation", "mlcroissant"),
        (lambda f: (f / "croissant.json").unlink(), "Croissant", "can't be read"),
    ],
)
def test_what_is_spoilt_is_found(folder: Path, spoil: Callable[[Path], object], name: str, text: str) -> None:
    if "validation" in name:
        pytest.importorskip("mlcroissant")
    spoil(folder)
    found = findings(folder)
    assert found[name][0] is False and text in found[name][1], found[name]


def test_exit_code_and_words(miqd: Callable[..., Outcome], folder: Path) -> None:
    (folder / LABELS).unlink()
    shown = miqd("publish", "--check", folder)
    assert shown.code == 2 and "mend" in shown.out and "points to mend" in shown.out
    assert "run the same 'miqd publish' again" in shown.out


def test_records_that_cannot_be_generated(folder: Path) -> None:
    pytest.importorskip("mlcroissant")
    edit(folder / "croissant.json", '"column": "recipe"', '"column": "recipes"')
    passes, text = findings(folder, records=2)["Croissant records"]
    assert passes is False and "labels-det" in text


def test_without_mlcroissant_it_says_so(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlcroissant", None)
    assert findings(published)["Croissant validation"] == (
        None,
        "mlcroissant is not installed: pip install 'miqd-builder[publish]'",
    )
    assert mb.check_publication(published).passes


@pytest.mark.parametrize(
    ("sizes", "name", "text"),
    [
        ({f"a/{i}/{j}.txt": 1 for i in range(400) for j in range(251)}, "files of the repository", "100,400 files"),
        ({f"a/{i}.parquet": 1 for i in range(10_000)}, "entries of a folder", "'a' has 10,000 entries"),
        ({f"{i}/x.txt": 1 for i in range(10_001)}, "entries of a folder", "'.' has 10,001 entries"),
        ({"a.parquet": limits.PARQUET_BYTES + 1}, "sizes of .parquet files", "'a.parquet' has 500 MB"),
        ({"a.tar": limits.TAR_BYTES + 1}, "sizes of .tar files", "'a.tar' has 5,000 MB"),
    ],
    ids=["files", "folder", "top", "parquet", "tar"],
)
def test_limits(sizes: dict[str, int], name: str, text: str) -> None:
    found = {f.name: f for f in check_limits(DataSetFolder(Path(), sizes, None, 0))}
    assert found[name].passes is False and text in found[name].text
    inside = dict(list(sizes.items())[: len(sizes) // 2]) if len(sizes) > 1 else dict.fromkeys(sizes, 1)
    assert all(f.passes for f in check_limits(DataSetFolder(Path(), inside, None, 0)))


def test_the_mandatory_fields_are_filled(published: Path) -> None:
    content = json.loads((published / "croissant.json").read_text())
    assert content["conformsTo"][0] == "http://mlcommons.org/croissant/1.1"
    assert content["rai:hasSyntheticData"] is True
    assert content["prov:wasDerivedFrom"] == [{"@id": "https://cocodataset.org"}]
    labels = [activity["prov:label"] for activity in content["prov:wasGeneratedBy"]]
    assert any(label.startswith("Rendering: darkness, gaussian_noise") for label in labels)
    fields = {field["@id"]: field for record_set in content["recordSet"] for field in record_set["field"]}
    assert fields["responses-det/boxes"]["arrayShape"] == "-1,4" and fields["images/image"]["dataType"] == "sc:ImageObject"


def test_photographs_that_allow_no_changed_copies_are_counted(folder: Path) -> None:
    import pyarrow as pa

    assert "licences without derivatives" not in findings(folder)
    for file in (folder / "images").glob("*.parquet"):
        table = pq.read_table(file)
        licences = ["Attribution-NoDerivs License" if i == "scene_2" else None for i in table["source_id"].to_pylist()]
        at = table.column_names.index("licence")
        pq.write_table(table.set_column(at, "licence", pa.array(licences, pa.string())), file, write_page_index=True)
    passes, text = findings(folder)["licences without derivatives"]
    assert passes is None and text.startswith("1 embedded photographs are under a licence without derivatives ('scene_2'")
