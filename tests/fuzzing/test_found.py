"""What the fuzzer found, each as small as it gets: one clear line now, a traceback before."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import miqd_builder as mb
from machine_iqa.frames import VideoFile
from machine_iqa.rows import RowFile
from machine_iqa.weights import METADATA, load_model
from miqd_builder.errors import ConfigError, StoreError, UnreadableImageError
from miqd_builder.formats.miqd.published import label_files
from miqd_builder.sources import open_source
from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.images import decode_image
from miqd_builder.store.folder import RunFolder
from miqd_builder.zoo.weights.checkpoint import read_state_dict
from pipelines.progress.heartbeat import read_progress
from tests.auditing.conftest import write_labels
from tests.conftest import DataSet
from tests.machine_iqa.films import film


def imagenet(data: DataSet, **fields: object) -> SourceConfig:
    return SourceConfig(kind="imagenet", images=data.images, **{"labels": data.labels, **fields})


def test_a_damaged_devkit(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("1\n2\n")
    (tmp_path / "meta.mat").write_bytes(bytes(200))
    with pytest.raises(ConfigError, match=r"meta.mat' is damaged, or not of the devkit"):
        open_source(imagenet(data, labels=tmp_path / "labels.txt"))


def test_a_quality_table_with_a_short_row(data: DataSet, tmp_path: Path) -> None:
    (tmp_path / "quality.csv").write_text("Image Name,Category,Quality Score\nscene_0.png,1\n")
    with pytest.raises(ConfigError, match=r"is no csv of 'Image Name'"):
        open_source(imagenet(data, quality=tmp_path / "quality.csv", top_k_per_class=1))


def test_published_labels_that_are_no_text(tmp_path: Path) -> None:
    labels = tmp_path / "miqa_cls" / "labels"
    labels.mkdir(parents=True)
    for file in label_files("cls", "00001").values():
        (labels / file).write_bytes(b"dist_images\xed\xa0\x80,x\n\xff,1\n")
    with pytest.raises(ConfigError, match=r"can't be read: 'utf-8' codec"):
        mb.import_labels(tmp_path, out=tmp_path / "out", task="cls")


@pytest.mark.parametrize("width", ["1e999", "-5", "NaN", "9999999999", "null"])
def test_annotations_of_an_image_without_a_size(data: DataSet, width: str) -> None:
    text = data.annotations.read_text().replace('"width": 64', f'"width": {width}')
    data.annotations.write_text(text)
    with pytest.raises(ConfigError, match=r"has the size .*x48 in source.annotations"):
        open_source(SourceConfig(kind="coco", images=data.images, annotations=data.annotations))


@pytest.mark.parametrize("data", [b"\x00", b"\x01", b"%!PS", b"\x80\x02K\x05", b"DDS ", b"\n\x05\x01\x08"])
def test_files_of_a_few_bytes_are_no_images(data: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode_image(data, "small.png")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02r\xff\xff",
        b"\x80\x04\x95" + struct.pack("<Q", 2**40),
        b"\x80\x02B\xff\xff\xff\x7f.",
        b"\x80\x02Q.",
        b"\x80\x02)R.",
    ],
)
def test_pickles_that_are_cut_off(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(ConfigError, match=r"is damaged|is refused"):
        read_state_dict(tmp_path / "a.pth")


def test_random_bytes_are_no_weights(tmp_path: Path) -> None:
    rng = random.Random(0)
    for name in ("a.pth", "a.safetensors"):
        for length in (1, 7, 8, 9, 100, 1000):
            (tmp_path / name).write_bytes(rng.randbytes(length))
            with pytest.raises(ConfigError):
                read_state_dict(tmp_path / name)


def test_options_of_weights_that_fit_no_network(tmp_path: Path) -> None:
    record = {"network": "miqa-small", "outputs": [["cls", "composite"]], "trained_on": "x", "licence": "x", "version": "1"}
    text = json.dumps(record | {"options": {"backbone": [1]}})
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={METADATA: text})
    with pytest.raises(ConfigError, match=r"miqa-small"):
        load_model(tmp_path / "a.safetensors")


def test_a_name_that_no_folder_can_have(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text(f"name: {'x' * 300}\nnetwork: miqa-small\n")
    with pytest.raises(ConfigError, match=r"name = .*at most 100"):
        mb.train(tmp_path / "train.yaml", dry_run=True)


def test_a_video_whose_facts_are_no_text(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata["title"] = "TITLETITLE"
        stream = container.add_stream("mpeg4", rate=5)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    data = (tmp_path / "a.mkv").read_bytes()
    assert data.count(b"TITLETITLE") == 1
    (tmp_path / "a.mkv").write_bytes(data.replace(b"TITLETITLE", b"TITLE\xff\xfe\xff\xfe\xff"))
    assert VideoFile(tmp_path / "a.mkv").frame_count == 3


def test_a_video_still_has_all_its_frames(tmp_path: Path) -> None:
    assert len(list(VideoFile(film(tmp_path / "a.mp4", frames=6)).frames())) == 6


@pytest.mark.parametrize(
    "text", ['[{"a": 1}]', '"x"', '{"command": "label", "task": "det", "parts": ["x"], "models": []}', "[" * 9999]
)
def test_progress_of_other_types_counts_as_none(tmp_path: Path, text: str) -> None:
    write_labels(tmp_path, "det", 2, ["darkness_1"])
    (tmp_path / "progress").mkdir()
    (tmp_path / "progress" / "label-det.json").write_text(text)
    assert read_progress(RunFolder(str(tmp_path))) == {}
    assert mb.status(tmp_path).images == 2


def test_views_over_what_is_no_parquet(tmp_path: Path) -> None:
    write_labels(tmp_path, "det", 2, ["darkness_1"])
    part = tmp_path / "labels" / "task=det" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-4])
    with pytest.raises(StoreError, match=r"can't be read.*'miqd verify' names it"):
        mb.open_run(tmp_path).duckdb()


def test_folders_of_unknown_tasks_are_left_out(tmp_path: Path) -> None:
    write_labels(tmp_path, "det", 2, ["darkness_1", "darkness_3"])
    (tmp_path / "labels" / "task=<b>").mkdir()
    part = tmp_path / "labels" / "task=det" / "part-00000.parquet"
    (tmp_path / "labels" / "task=<b>" / "part-00000.parquet").write_bytes(part.read_bytes())
    assert mb.open_run(tmp_path).tasks == ["det"]
    assert "<b></h2>" not in Path(mb.audit(tmp_path).report).read_text()


@pytest.mark.parametrize(("name", "text"), [("a.csv", "path,score\nx.png,0.5x\n"), ("a.json", "[" * 9999)])
def test_damaged_tables_of_scores(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    if name == "a.csv":
        assert RowFile(tmp_path / name, ["path", "score"]).rows == []
        return
    with pytest.raises(ConfigError, match="holds no scores"):
        RowFile(tmp_path / name, ["path", "score", "error"])


def test_an_image_that_is_whole_is_still_read() -> None:
    import io

    file = io.BytesIO()
    Image.fromarray(np.full((3, 4, 3), 7, np.uint8)).save(file, "PNG")
    assert decode_image(file.getvalue(), "a.png").tolist() == np.full((3, 4, 3), 7).tolist()
