"""Files of other people lead to no file outside of theirs, fill no memory, and put no script into a report."""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import miqd_builder as mb
from machine_iqa.errors import UnreadableVideoError
from machine_iqa.frames import VideoFile
from miqd_builder.errors import ConfigError, StoreError, UnreadableImageError
from miqd_builder.sources.images import decode_image
from miqd_builder.store.checksum import BLANK, KEY, seal
from miqd_builder.store.parts import encode_table
from tests.auditing.conftest import write_labels
from tests.conftest import DataSet, write_run
from tests.machine_iqa.films import film

LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefghi")
)
SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def run(tmp_path: Path, data: DataSet, zoo: Path) -> Path:
    """A labelled run folder."""
    made = mb.label(task="det", run=write_run(tmp_path, data, zoo, degradations=["darkness_1"], limit=2))
    return Path(made.outs[0])


def changed_record(run: Path, **fields: object) -> None:
    content = json.loads((run / "run.json").read_bytes()) | fields
    (run / "run.json").write_bytes(seal(json.dumps(content | {KEY: BLANK}).encode()))


def changed_part(file: Path, column: str, values: list[object]) -> None:
    """Put other values into a part, with the checksum that fits."""
    data = file.read_bytes()
    table = pq.read_table(pa.BufferReader(data))
    at = table.column_names.index(column)
    metadata = {k.decode(): v.decode() for k, v in pq.read_metadata(pa.BufferReader(data)).metadata.items()}
    kept = {key: value for key, value in metadata.items() if key.startswith("miqd.") and key != KEY}
    file.write_bytes(encode_table(table.set_column(at, table.field(at), pa.array(values, table.field(at).type)), kept))


@pytest.mark.parametrize("name", ["../../secret", "/secret", "a/b", "..", "a\x00b", "a\\b"])
@pytest.mark.parametrize("field", ["parts", "degradations"])
def test_names_of_a_record_stay_inside(run: Path, name: str, field: str) -> None:
    changed_record(run, **{field: [[name]] if field == "parts" else [name]})
    with pytest.raises(StoreError, match="is no name of an image or a degradation"):
        mb.open_run(run)


@pytest.mark.parametrize(
    "fields",
    [
        {"parts": [[["a"]]]},
        {"seed": "3"},
        {"commands": "label"},
        {"schema_version": 1e400},
        {"schema_version": True, "parts": None},
        {"surprise": 1},
    ],
)
def test_a_record_of_other_types_is_damaged(run: Path, fields: dict[str, object]) -> None:
    changed_record(run, **fields)
    with pytest.raises(StoreError, match=r"is damaged|has schema version"):
        mb.open_run(run)


def test_verify_reads_no_file_that_a_table_names(run: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "secret.png")
    changed_part(run / "variants" / "part-00000.parquet", "file_name", ["../../secret.png"] * 2)
    assert not [found for found in mb.verify(run).problems if "secret" in found.name]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [("source_id", [None, None], "lacks 2 values"), ("psnr", [1.0, 2.0], "is double, expected")],
)
def test_columns_are_those_of_the_table(run: Path, column: str, values: list[object], message: str) -> None:
    file = run / "variants" / "part-00000.parquet"
    changed_part(file, column, values)
    if column == "psnr":
        table = pq.read_table(file)
        at = table.column_names.index(column)
        file.write_bytes(encode_table(table.set_column(at, column, table.column(at).cast(pa.float32())), {}))
        message = "is float, expected double"
    with pytest.raises(StoreError, match=message):
        mb.open_run(run).variants()


def test_links_are_not_written_through_nor_published(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    stored = run / "images" / "scene_0" / "scene_0_darkness_1.png"
    stored.unlink()
    stored.symlink_to(secret)
    with pytest.raises(StoreError, match="is a link that leads out of"):
        mb.export(run, to=tmp_path / "published", task="det")
    (run / "variants" / "part-00000.parquet").unlink()
    mb.label(task="det", run=tmp_path / "run.yaml")
    assert secret.read_text() == "secret" and not stored.is_symlink()


def test_annotations_name_no_file_outside(data: DataSet, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "secret.png")
    content = json.loads(data.annotations.read_text())
    content["images"][0]["file_name"] = "../../secret.png"
    data.annotations.write_text(json.dumps(content))
    source = {"kind": "coco", "images": str(data.images), "annotations": str(data.annotations)}
    made = mb.degrade(source=source, out=tmp_path / "out", degradations="darkness_1", scheduler="inline", images="none")
    assert made.failures and "secret" not in str(mb.open_run(tmp_path / "out").source_ids)


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (100_000, 100_000), (10_001, 10_000)])
def test_an_image_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(UnreadableImageError, match=r"pixels, more than|is damaged|no format"):
        decode_image(bomb(width, height), "bomb.png")


def test_postscript_is_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript would run"))
    text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n"
    with pytest.raises(UnreadableImageError, match="no format that Pillow reads"):
        decode_image(text, "photo.png")


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile a.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{folder}/a.mp4\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_video_opens_no_other_file(tmp_path: Path, text: str) -> None:
    film(tmp_path / "a.mp4", frames=4)
    assert VideoFile(tmp_path / "a.mp4").frame_count == 4
    for name in ("list.mp4", "list.m3u8", "list.ffconcat"):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        with pytest.raises(UnreadableVideoError, match="can't be opened"):
            VideoFile(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]\n", "unfolds into more than"),
        (LAUGHS, "unfolds into more than"),
        ("a: " + "[" * 3000, "nested too deep|no valid YAML"),
        ('out: "\\ud800"\n', "which is no text"),
        ("out: 2001-99-99\n", "no valid YAML"),
    ],
    ids=["loop", "laughs", "deep", "surrogate", "date"],
)
def test_yaml_bombs_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        mb.degrade(run=tmp_path / "run.yaml", dry_run=True)


def test_a_path_that_none_can_have(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text('out: "a\\0b"\nsource: {kind: folder, images: x}\n')
    with pytest.raises(ConfigError, match="is no path"):
        mb.degrade(run=tmp_path / "run.yaml", dry_run=True)


def test_reports_hold_no_script_of_the_data(tmp_path: Path) -> None:
    out = tmp_path / SCRIPT.replace("/", "_")
    write_labels(out, "det", 3, ["darkness_1", "darkness_3", "fog_2"], distortion=SCRIPT, recipe=SCRIPT)
    report = Path(mb.audit(out).report).read_text()
    mb.benchmark(out, resamples=5, filtering=True)
    pages = [report, *(file.read_text() for file in (out / "report").rglob("*.*") if file.suffix in (".html", ".svg"))]
    assert len(pages) >= 3
    for page in pages:
        assert "<script>alert(1)" not in page and "<img src=x" not in page


def test_a_scored_table_keeps_what_is_whole(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    first = mb.assess(tmp_path / "a.png", out=tmp_path / "scores.csv", device="cpu")
    text = (tmp_path / "scores.csv").read_text()
    (tmp_path / "scores.csv").write_text(text.replace("0.", "0,x.", 1).replace(",x", "x"))
    again = mb.assess(tmp_path / "a.png", out=tmp_path / "scores.csv", device="cpu")
    assert again.rows == first.rows
    assert {file.name for file in tmp_path.iterdir()} == {"a.png", "scores.csv"}
