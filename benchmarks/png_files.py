"""PNG files of degraded photographs: what writing and reading them costs with each encoder and decoder that is installed.

    nice python benchmarks/png_files.py [--images DIR] [--count 6] [--repeats 5] [--csv FILE]

Every 25th variant of each photograph. CPU time of one thread; the encoders take turns on each picture, and the least of the
repeats counts. Each file is read back and compared with its pixels. Further packages are measured where they are installed:
``pip install zlib-ng fpng deflate pyspng imagecodecs``.
"""

from __future__ import annotations

import argparse
import importlib
import struct
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import degradations
from miqd_builder.sources.images import IMAGE_SUFFIXES, decode_image
from miqd_builder.sources.png import ISAL, decode_png, encode_png, encode_png_portably
from result_tables import Row, print_markdown, write_csv

Picture = NDArray[np.uint8]
Encoder = Callable[[Picture], bytes]
Decoder = Callable[[bytes], Any]
EVERY = 25
BASE, OURS = "OpenCV, level 1, RLE, up", "this project (ISA-L, level 1, up)"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=Path("pipelines/demo/images"))
    parser.add_argument("--count", type=int, default=6, help="photographs (default: 6)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--csv", type=Path, help="write both tables into this file")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    files = [file for file in sorted(asked.images.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES][: asked.count]
    pictures = [p for file in files for p in variants(decode_image(file.read_bytes(), file.name))]
    written = encoding(pictures, asked.repeats)
    print_markdown(written)
    read = decoding(pictures, asked.repeats)
    print()
    print_markdown(read)
    if asked.csv:
        write_csv(asked.csv, [*written, *read])


def variants(image: Picture) -> list[Picture]:
    """Return some degraded pictures of a photograph, whose ROI is an ellipse."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 4, height // 3), 0, 0, 360, 255, -1)
    names = degradations.select(["*"])[::EVERY]
    return [variant.pixels.copy() for variant in degradations.render(image, mask, source_id="benchmark", names=names)]


def encoding(pictures: Sequence[Picture], repeats: int) -> list[Row]:
    """Time every encoder; the file's size is in bytes a pixel."""
    found = encoders()
    sizes = {name: sum(len(encode(picture)) for picture in pictures) for name, encode in found.items()}
    for name, encode in found.items():
        if not all(np.array_equal(decode_png(encode(picture)), picture) for picture in pictures):
            raise SystemExit(f"{name}: other pixels")
    took = in_turns(found, pictures, repeats)
    pixels = sum(picture.size // 3 for picture in pictures)
    return [
        {
            "encoder or decoder": name,
            "work": "write",
            "ms a file": took[name],
            "times as fast": took[BASE] / took[name],
            "bytes a pixel": sizes[name] / pixels,
            "relative size": sizes[name] / sizes[BASE],
        }
        for name in found
    ]


def decoding(pictures: Sequence[Picture], repeats: int) -> list[Row]:
    """Time every decoder on the files that this project writes."""
    files = [encode_png(picture) for picture in pictures]
    found = decoders()
    took = in_turns(found, files, repeats)
    base = took["OpenCV"]
    rows = [
        {"encoder or decoder": name, "work": "read", "ms a file": took[name], "times as fast": base / took[name]}
        for name in found
    ]
    return [row | {"bytes a pixel": "", "relative size": ""} for row in rows]


def in_turns(found: dict[str, Callable[[Any], Any]], inputs: Sequence[Any], repeats: int) -> dict[str, float]:
    """Return the mean over the inputs of the least CPU time of some repeats, in ms."""
    least = {name: [float("inf")] * len(inputs) for name in found}
    for _ in range(repeats):
        for index, value in enumerate(inputs):
            for name, work in found.items():
                start = time.process_time_ns()
                work(value)
                least[name][index] = min(least[name][index], (time.process_time_ns() - start) / 1e6)
    return {name: sum(times) / len(times) for name, times in least.items()}


def encoders() -> dict[str, Encoder]:
    """Return what is installed here."""
    found: dict[str, Encoder] = {BASE: encode_png_portably, "OpenCV, its default": opencv, "Pillow, level 1": pillow}
    if ISAL is not None:
        found[OURS] = encode_png
        for level in (0, 2, 3):
            found[f"ISA-L, level {level}, up"] = by_zlib(ISAL, lambda data, level=level: ISAL.compress(data, level))
    if (ng := installed("zlib_ng.zlib_ng")) is not None:
        for what, strategy in {"RLE": 3, "Huffman": 2, "default": 0}.items():
            found[f"zlib-ng, level 1, {what}, up"] = by_zlib(ng, lambda data, s=strategy: streamed(ng, data, s))
    if (flate := installed("deflate")) is not None:
        found["libdeflate, level 1, up"] = by_zlib(flate, lambda data: flate.zlib_compress(data, 1))
    if (fpng := installed("fpng")) is not None:
        found["fpng"] = fpng.from_ndarray
    if (codecs := installed("imagecodecs")) is not None:
        found["imagecodecs (libspng), level 1"] = lambda picture: codecs.spng_encode(picture, level=1)
    return found


def decoders() -> dict[str, Decoder]:
    """Return what is installed here."""
    from PIL import Image

    found: dict[str, Decoder] = {
        "OpenCV": lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB),
        "Pillow": lambda data: np.asarray(Image.open(BytesIO(data)).convert("RGB")),
        "this project (ISA-L, NumPy)": decode_png,
    }
    if (spng := installed("pyspng")) is not None:
        found["pyspng"] = spng.load
    if (codecs := installed("imagecodecs")) is not None:
        found["imagecodecs (libpng)"] = codecs.png_decode
        found["imagecodecs (libspng)"] = codecs.spng_decode
    return found


def installed(module: str) -> Any:
    """Return a module, or None."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def opencv(picture: Picture) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def pillow(picture: Picture) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def streamed(module: Any, data: Any, strategy: int) -> bytes:
    stream = module.compressobj(1, 8, 15, 9, strategy)
    return stream.compress(data) + stream.flush()


def by_zlib(module: Any, compress: Callable[[Any], bytes]) -> Encoder:
    """Return an encoder that filters in NumPy, as this project does, and compresses with another library."""
    crc = module.crc32

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc(name + content) & 0xFFFFFFFF)

    def encode(picture: Picture) -> bytes:
        height, width = picture.shape[:2]
        rows = picture.reshape(height, -1)
        filtered = np.full((height, 1 + 3 * width), 2, np.uint8)
        filtered[0, 1:] = rows[0]
        np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", compress(filtered)) + chunk(b"IEND", b"")

    return encode


if __name__ == "__main__":
    main()
