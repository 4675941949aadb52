"""Valid inputs of every kind, from which the damaged ones are made: a small data set with its files, and a finished run."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import yaml
from PIL import Image

import miqd_builder as mb
from machine_iqa.model import MIQAModel
from machine_iqa.networks.registry import NETWORKS
from tests.conftest import ROOT, make_data_set, toy_entry
from tests.machine_iqa.labelled_demo import TinyNetwork

SIZE = (48, 64)
CODECS = {"a.mp4": "libx264", "b.mkv": "libx264", "c.avi": "mpeg4", "d.mov": "mjpeg", "e.webm": "libvpx", "f.ts": "mpeg2video"}
DEGRADATIONS = ["darkness_[13]", "gaussian_noise_2", "contrast_fg_stronger_fg5_bg1"]


@dataclass(frozen=True)
class Corpus:
    """Valid inputs.

    Attributes:
        folder: that holds them: ``data``, ``run`` (labels of tasks det and ins), ``run-cls``, ``published``, ``media``.
        run: fields of a run file for tasks cls, det and ins.
        zoo: content of a zoo file.
        images: encoded images by file name.
        videos: encoded videos by file name.
        model: the quality model that ships.
    """

    folder: Path
    run: dict[str, Any]
    zoo: dict[str, Any]
    images: dict[str, bytes]
    videos: dict[str, bytes]
    model: MIQAModel
    files: dict[str, bytes] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """Return a file's content; it is read once."""
        if name not in self.files:
            self.files[name] = (self.folder / name).read_bytes()
        return self.files[name]


def make_corpus(folder: Path) -> Corpus:
    """Write the data set, label it, and encode images and videos; takes some seconds."""
    data = make_data_set(folder / "data", count=3, size=SIZE)
    zoo = {
        "models": [
            toy_entry("bright", "cls", "brightness", 80.0),
            toy_entry("bright2", "cls", "brightness", 40.0, gain=1.3),
            toy_entry("blobs", "det", "blobs", 50.0),
            toy_entry("masks", "ins", "blobs", 30.0),
        ]
    }
    (folder / "zoo.yaml").write_text(yaml.safe_dump(zoo))
    run = {
        "out": str(folder / "run"),
        "seed": 3,
        "source": {"kind": "coco", "images": str(data.images), "annotations": str(data.annotations)},
        "roi": {"kind": "annotations"},
        "degradations": DEGRADATIONS,
        "zoo": [str(folder / "zoo.yaml")],
        "sources_per_part": 2,
        "scheduler": "inline",
        "tasks": {
            "cls": {
                "out": str(folder / "run-cls"),
                "roi": {"kind": "saliency"},
                "source": {"kind": "imagenet", "labels": str(data.labels), "annotations": None},
            }
        },
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(run))
    mb.label(task="all", run=folder / "run.yaml")
    mb.measure(measures="psnr", run=folder / "run.yaml")
    mb.export(folder / "run", to=folder / "published")
    for name, content in (encoded_images() | encoded_videos(folder)).items():
        (folder / "media").mkdir(exist_ok=True)
        (folder / "media" / name).write_bytes(content)
    return open_corpus(folder)


def open_corpus(folder: Path) -> Corpus:
    """Read what :func:`make_corpus` wrote."""
    run, zoo = (yaml.safe_load((folder / name).read_text()) for name in ("run.yaml", "zoo.yaml"))
    media = {file.name: file.read_bytes() for file in sorted((folder / "media").iterdir())}
    videos = {name: content for name, content in media.items() if name in CODECS}
    images = {name: content for name, content in media.items() if name not in CODECS}
    return Corpus(folder, run, zoo, images, videos, MIQAModel("miqa-small", device="cpu"))


@contextmanager
def tiny_network() -> Iterator[None]:
    """Let trainings and files of weights name a network that is built in no time."""
    NETWORKS._shipped["tiny"] = TinyNetwork
    try:
        yield
    finally:
        del NETWORKS._shipped["tiny"]


def copy_run(corpus: Corpus, to: Path) -> Path:
    """Copy the finished run of tasks det and ins, by links: put new files in place of old ones, never write into them."""
    shutil.copytree(corpus.folder / "run", to, copy_function=_link)
    (to / "run.json").unlink()
    shutil.copy(corpus.folder / "run" / "run.json", to / "run.json")
    return to


def replace(file: Path, data: bytes) -> None:
    """Put a file with this content in place of another."""
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def encoded_images() -> dict[str, bytes]:
    """Return a small image in every format and mode that Pillow writes."""
    pixels = np.random.default_rng(5).integers(0, 256, (18, 22, 3), np.uint8)
    rgb = Image.fromarray(pixels)
    exif = rgb.getexif()
    exif[0x0112] = 6
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) << 8)
    made: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "rgb.png": (rgb, {}),
        "grey.png": (rgb.convert("L"), {}),
        "grey_alpha.png": (rgb.convert("LA"), {}),
        "alpha.png": (rgb.convert("RGBA"), {}),
        "bits.png": (rgb.convert("1"), {}),
        "palette.png": (rgb.quantize(8), {}),
        "deep.png": (deep, {}),
        "animated.png": (rgb, {"save_all": True, "append_images": [rgb.rotate(90)]}),
        "rgb.jpg": (rgb, {}),
        "grey.jpg": (rgb.convert("L"), {}),
        "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "progressive.jpg": (rgb, {"progressive": True}),
        "rotated.jpg": (rgb, {"exif": exif}),
        "rgb.bmp": (rgb, {}),
        "rgb.webp": (rgb, {}),
        "lossless.webp": (rgb.convert("RGBA"), {"lossless": True}),
        "animated.webp": (rgb, {"save_all": True, "append_images": [rgb.rotate(90)]}),
        "raw.tif": (rgb, {}),
        "lzw.tif": (rgb, {"compression": "tiff_lzw"}),
        "deflate.tif": (rgb, {"compression": "tiff_adobe_deflate"}),
        "jpeg.tif": (rgb, {"compression": "jpeg"}),
        "deep.tif": (deep, {}),
        "float.tif": (Image.fromarray(pixels[..., 0].astype(np.float32)), {}),
        "animated.gif": (rgb.quantize(8), {"save_all": True, "append_images": [rgb.rotate(90)]}),
        **{f"other.{suffix}": (rgb, {}) for suffix in ("ico", "ppm", "tga", "pcx", "sgi", "jp2", "dds", "eps", "pdf", "im")},
    }
    return {name: _encoded(image, name, options) for name, (image, options) in made.items()}


def _encoded(image: Image.Image, name: str, options: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    image.save(file, Image.registered_extensions()[Path(name).suffix], **options)
    return file.getvalue()


def encoded_videos(folder: Path) -> dict[str, bytes]:
    """Return eight frames in some containers and codecs."""
    found = {}
    for name, codec in CODECS.items():
        with av.open(str(folder / name), "w") as container:
            stream: Any = container.add_stream(codec, rate=25)
            stream.height, stream.width = 32, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for index in range(8):
                frame = np.full((32, 48, 3), 20 * index, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        found[name] = (folder / name).read_bytes()
    return found


def training_fields(corpus: Corpus) -> dict[str, Any]:
    """Return the fields of a training on the finished run."""
    return {
        "name": "fuzzed",
        "network": "tiny",
        "runs": [str(corpus.folder / "run")],
        "tasks": ["det"],
        "labels": ["consistency"],
        "epochs": 1,
        "batch_size": 8,
        "losses": {"mse": 1.0, "ranking": 0.5},
        "device": "cpu",
    }


def shipped_weights() -> bytes:
    """Return the file of weights that ships."""
    return (ROOT / "machine_iqa" / "shipped" / "miqa_small.safetensors").read_bytes()


def annotations(corpus: Corpus) -> dict[str, Any]:
    """Return the content of the annotation file."""
    content: dict[str, Any] = json.loads(corpus.read("data/annotations.json"))
    return content
