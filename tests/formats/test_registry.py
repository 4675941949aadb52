"""Formats of other packages, what a format can't do, and the whole-run files of the published form."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from miqd_builder import registry
from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError, StaleCodeError
from miqd_builder.formats.contract import ExportedRun
from miqd_builder.formats.importing import import_labels, tasks_in
from miqd_builder.formats.labels import labels_table
from miqd_builder.formats.registry import format_of, reader_of, writer_of
from miqd_builder.sources.base import SourceImage
from miqd_builder.sources.truth import ClassLabel
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.schema import LABELS
from pipelines.context import open_context
from pipelines.progress.bar import progress
from pipelines.stages.export import recorded_config
from pipelines.stages.export_part import export_part
from pipelines.stages.items import ExportPart
from tests.conftest import ROOT, Outcome, make_data_set, toy_entry, write_run, write_zoo
from tests.formats.conftest import Labelled, label

Miqd = Callable[..., Outcome]

FORMAT = """
from miqd_builder.formats.contract import Format, Reader, Writer
from miqd_builder.formats.labels import labels_table

FACTOR = 1.0

def labels(task, sources):
    values = {i: float(files[0].read_text()) * FACTOR for i, files in sources.items()}
    if values.get("other"):
        return labels_table(task, [("stranger", "fog_1")], {})
    if values.get("none"):
        return None
    return labels_table(task, [(i, "fog_1") for i in values], {"composite": list(values.values())})

def files(task, labels, scores):
    values = {model: table["accuracy"].to_pylist() for model, table in scores.items()}
    return {f"{labels['source_id'][0]}.txt": f"{labels.num_rows} {sorted(values)} {FACTOR}".encode()}

READER = Reader(
    lambda folder: ["det"] if any(folder.glob("*.value")) else [],
    lambda folder, task: {file.stem: (file,) for file in sorted(folder.glob("*.value"))},
    labels,
)
FORMAT = Format("lines", ("det",), READER, Writer(lambda run: {"parts": b"%d" % len(list(run.labels()))}, files))
SCORED = Format("scored", ("det", "cls"), writer=Writer(lambda run: {}, files, scored=("det",)))
READ = Format("read", ("det",), READER)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What pip would lay down for a package with these entry points; its module can be edited."""
    site = tmp_path / "site"
    info = site / "fmt_package-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "fmt_lines.py").write_text(FORMAT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fmt-package\nVersion: 1.0\n")
    names = {"lines": "FORMAT", "scored": "SCORED", "read": "READ", "alias": "FORMAT"}
    points = [f"{name} = fmt_lines:{value}" for name, value in names.items()]
    (info / "entry_points.txt").write_text("\n".join(["[miqd.formats]", *points]))
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(registry, "_announced", registry._announced.__wrapped__)  # without its cache
    yield site / "fmt_lines.py"
    sys.modules.pop("fmt_lines", None)


def edit(module: Path, old: str, new: str) -> None:
    """Edit within the same second, as far as the file system knows."""
    modified = module.stat().st_mtime_ns
    module.write_text(module.read_text().replace(old, new))
    os.utime(module, ns=(modified, modified))


def values(folder: Path, **given: float) -> Path:
    folder.mkdir()
    for name, value in given.items():
        (folder / f"{name}.value").write_text(str(value))
    return folder


def imported(folder: Path, out: Path) -> list[float]:
    import_labels(format_of("lines"), folder, RunFolder(str(out)), "det", progress=progress)
    return pa.parquet.read_table(out / "labels/task=det/part-00000.parquet")["composite"].to_pylist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: format_of("line"), "Unknown format 'line': expected one of miqd, .*Did you mean 'lines'"),
        (lambda: format_of("alias"), r"'alias' of miqd.formats must name a Format\(name='alias'"),
        (lambda: writer_of(format_of("read")), "Format read can be read but not written"),
        (lambda: reader_of(format_of("scored")), "Format scored can be written but not read"),
        (lambda: format_of("lines").task("cls"), "Format lines has no task 'cls': expected one of det"),
        (lambda: tasks_in(format_of("lines"), Path("/nowhere")), "'/nowhere' holds nothing in format lines"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_what_a_format_cannot_do(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


def test_import_keeps_parts_until_files_or_code_change(installed: Path, tmp_path: Path) -> None:
    folder, out = values(tmp_path / "there", a=0.25, b=0.5), tmp_path / "out"
    assert imported(folder, out) == [0.25, 0.5]
    part = out / "labels/task=det/part-00000.parquet"
    written = part.stat().st_mtime_ns
    assert imported(folder, out) == [0.25, 0.5] and part.stat().st_mtime_ns == written
    (folder / "b.value").write_text("0.75")
    assert imported(folder, out) == [0.25, 0.75]
    edit(installed, "FACTOR = 1.0", "FACTOR = 0.5")
    assert imported(folder, out) == [0.125, 0.375]


@pytest.mark.parametrize(
    ("name", "message"),
    [("other", "read labels of image 'stranger', which it wasn't asked for"), ("none", "read no labels of task det")],
)
@pytest.mark.usefixtures("installed")
def test_what_is_no_labels_of_these_images_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        imported(values(tmp_path / "there", **{name: 1.0}), tmp_path / "out")
    with pytest.raises(ConfigError, match="holds no labels of task det in format lines"):
        imported(values(tmp_path / "empty"), tmp_path / "out")


@pytest.mark.parametrize(("name", "models"), [("lines", []), ("scored", ["blobs_a", "blobs_b", "blobs_c"])])
@pytest.mark.usefixtures("installed")
def test_a_format_of_labels_alone(miqd: Miqd, labelled: Labelled, tmp_path: Path, name: str, models: list[str]) -> None:
    result = miqd("export", "--out", labelled.out("det"), "--format", name, "--task", "det", "--to", tmp_path / "to")
    assert result.code == 0 and "4 sources, 0 images (0 new)" in result.out
    files = {file.name: file.read_text() for file in (tmp_path / "to").iterdir()}
    assert files == {f"scene_{i}.txt": f"30 {models} 1.0" for i in range(4)} | ({"parts": "2"} if name == "lines" else {})


def test_a_worker_writes_with_the_code_that_was_planned_with(installed: Path, labelled: Labelled, tmp_path: Path) -> None:
    context = open_context(recorded_config(str(labelled.out("det")), "det", []))
    code = {"fmt_lines": "0" * 64}
    item = ExportPart(run=context.planned, part=0, task="det", form="lines", code=code, to=tmp_path / "to")
    with pytest.raises(StaleCodeError, match=r"^Module 'fmt_lines': its source here is not the one that the run was planned"):
        export_part(item, lambda count: None)
    assert not (tmp_path / "to").exists()


def test_the_format_of_the_document(miqd: Miqd, labelled: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = dict(re.findall(r"```(toml|python)\n(.*?)```", (ROOT / "docs/formats.md").read_text(), re.DOTALL))
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (tmp_path / "my_format.py").write_text(blocks["python"])
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    ((group, points),) = tomllib.loads(blocks["toml"])["project"]["entry-points"].items()
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *(f"{k} = {v}" for k, v in points.items())]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_announced", registry._announced.__wrapped__)  # without its cache
    assert miqd("export", "--out", labelled.out("det"), "--format", "mine", "--to", tmp_path / "to").code == 0
    written = json.loads((tmp_path / "to/det.json").read_text())
    assert written == {row["file_name"]: row["composite"] for row in labelled.labels("det").to_pylist()}
    del sys.modules["my_format"]


def test_labels_of_names_and_values() -> None:
    table = labels_table("det", [("a", "fog_fg_stronger_fg4_bg1"), ("b", "fog_2")], {"composite": [0.5, None]})
    assert table.schema == LABELS["det"]
    first, second = table.to_pylist()
    assert {name: value for name, value in first.items() if value is not None} == {
        "source_id": "a",
        "degradation": "fog_fg_stronger_fg4_bg1",
        "distortion": "fog",
        "category": second["category"],
        "region": "roi",
        "roi_severity": 4,
        "bg_severity": 1,
        "file_name": "a/a_fog_fg_stronger_fg4_bg1.png",
        "composite": 0.5,
        "recipe": "published",
    }
    assert (second["region"], second["composite"], second["file_name"]) == ("uniform", None, "b/b_fog_2.png")


def test_the_published_form_names_its_files() -> None:
    images = writer_of(format_of("miqd")).images
    assert images is not None
    assert images.degraded("ins", "139", "fog_3") == "miqa_det/images/000000000139/139_fog_3.png"
    assert images.record("ins") == "miqa_det/images.json" == images.record("det")
    assert images.original("det", SourceImage("139", Path("x/139.png"))) == "miqa_det/src_images/000000000139.jpg"
    assert images.original("cls", SourceImage("139", Path("x/139.png"))) == "miqa_cls/src_images/139.png"


def rows(task: str) -> pa.Table:
    numbers = [name for name in LABELS[task].names if pa.types.is_floating(LABELS[task].field(name).type)]
    values: dict[str, Any] = {name: [round(0.1 + 0.05 * i, 2), None] for i, name in enumerate(numbers)}
    return labels_table(task, [("7", "fog_1"), ("7", "fog_2")], values)  # type: ignore[arg-type]


def test_the_published_label_files_to_the_byte() -> None:
    write = writer_of(format_of("miqd")).label_files
    assert write("cls", rows("cls"), {}) == {
        "miqa_cls/labels/7_mmos.csv": b"dist_images,mean_consistency,std_consistency,weighted_consistency,"
        b"mean_accuracy,std_accuracy,weighted_accuracy\n"
        b'"7/7_fog_1.png",0.15,0.2,0.25,0.3,0.35,0.4\n"7/7_fog_2.png",,,,,,\n'
    }
    scores = {"m": pa.table({"consistency": [0.5, None], "accuracy": [1.0, 0.0]})}
    head = b"filename,AP_weighted_avg,AP50_weighted_avg,AP75_weighted_avg,AP_m\n"
    assert write("det", rows("det"), scores) == {
        "miqa_det/labels/000000000007_consistency.csv": head + b'"7_fog_1.png",0.25,0.5,0.55,0.5\n"7_fog_2.png",,,,\n',
        "miqa_det/labels/000000000007_accuracy.csv": head + b'"7_fog_1.png",0.4,0.6,0.65,1\n"7_fog_2.png",,,,0\n',
    }


def test_the_published_form_of_a_whole_run(tmp_path: Path) -> None:
    record = RunRecord(seed=3, images="none", roi="roi", degradations=[])
    images = {name: SourceImage(name, tmp_path / "n01" / f"{name}.jpg", ClassLabel(7)) for name in ("1", "2", "3")}
    folder = SourceConfig(kind="imagenet", images=tmp_path)
    labelled = SourceConfig(kind="folder", images=tmp_path, labels=tmp_path / "labels.csv", annotations=tmp_path / "a.json")
    run_files = writer_of(format_of("miqd")).run_files
    rest = (("1", "3"), ("2",), 0.2, 5, ("miqd_v1",), {"resnet": 0.7})
    files = run_files(ExportedRun("cls", "out", record, folder, images, list, *rest))
    assert list(files) == ["dataset_splitting/miqa_cls_train.csv", "dataset_splitting/miqa_cls_val.csv", "miqa_cls/export.json"]
    assert files["dataset_splitting/miqa_cls_val.csv"] == b"Image Name,Category,Quality Score\n2.jpg,n01,\n"
    assert json.loads(bytes(files["miqa_cls/export.json"])) == {
        "format": "miqd",
        "run": "out",
        "seed": 3,
        "recipe": ["miqd_v1"],
        "model_weights": {"resnet": 0.7},
        "validation_fraction": 0.2,
        "split_seed": 5,
        "versions": record.versions,
    }
    files = run_files(ExportedRun("cls", "out", record, labelled, images, list, *rest))
    assert files["dataset_splitting/miqa_cls_val.csv"] == b"Image Name,Category,Quality Score\n2.jpg,7,\n"
    files = run_files(ExportedRun("ins", "out", record, labelled, images, list, *rest))
    assert files["dataset_splitting/miqa_ins_train.csv"] == b"Image Index\n000000000001\n000000000003\n"
    assert files["miqa_det/additional_info/instances_val2017.json"] == tmp_path / "a.json"


def test_images_that_would_share_a_file_are_refused(miqd: Miqd, tmp_path: Path) -> None:
    """Detection's names are filled with zeros: 7 and 000000000007 become one."""
    data = make_data_set(tmp_path / "data", count=2)
    for old, new in (("scene_0.png", "7.png"), ("scene_1.png", "000000000007.png")):
        (data.images / old).rename(data.images / new)
        data.annotations.write_text(data.annotations.read_text().replace(old, new))
    zoo = write_zoo(tmp_path / "zoo.yaml", [toy_entry("blobs", "det", "blobs")])
    run = write_run(tmp_path, data, zoo, degradations=["darkness_1"])
    label(run, ("det",))
    result = miqd("export", "--out", tmp_path / "out", "--to", tmp_path / "to")
    assert result.code == 1 and not (tmp_path / "to").exists()
    name = "miqa_det/src_images/000000000007.jpg"
    assert f"Error: Images '000000000007' and '7' would both become '{name}'" in result.err.splitlines()[-1]
