"""Images and videos of any origin."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image, PngImagePlugin

from machine_iqa.assessing import VideoOptions, assess_files, columns, model_name
from machine_iqa.frames import VideoFile
from machine_iqa.images import rgb
from machine_iqa.rows import RowFile
from miqd_builder.errors import UnreadableImageError
from miqd_builder.roi.stored import decode_mask, encode_mask
from miqd_builder.sources import SourceImage
from miqd_builder.sources.label_maps import LabelMap
from miqd_builder.sources.png import decode_png
from tests.fuzzing.corpus import Corpus
from tests.fuzzing.mutations import damaged_bytes

Call = Callable[[], object]
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")


def image(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """An image file, read as a source, as a label map, as a stored mask, or assessed by the quality model."""
    name = rng.choice(list(corpus.images))
    data = corpus.images[name]
    how = rng.random()
    if how < 0.15:
        data = rng.choice(_TRICKS)(rng)
    elif how < 0.3 and name.endswith(".png"):
        data = _damaged_chunk(rng, data)
    else:
        data = damaged_bytes(rng, data)
    file = folder / f"image{rng.choice((Path(name).suffix, *SUFFIXES))}"
    file.write_bytes(data)
    return rng.choice((_as_source, _as_source, _as_source, _as_label_map, _as_mask, _as_stored, _assessed))(corpus, file)


def _as_source(corpus: Corpus, file: Path) -> Call:
    return lambda: (SourceImage("image", file).read(), rgb(file))


def _as_label_map(corpus: Corpus, file: Path) -> Call:
    return lambda: LabelMap(file).read(18, 22)


def _as_stored(corpus: Corpus, file: Path) -> Call:
    return lambda: decode_png(file.read_bytes())


def _as_mask(corpus: Corpus, file: Path) -> Call:
    def call() -> None:
        try:
            decode_mask(file.read_bytes())
        except ValueError as error:  # what its callers expect
            raise UnreadableImageError(str(error)) from None

    return call


def _assessed(corpus: Corpus, file: Path) -> Call:
    def call() -> None:
        [row] = assess_files(corpus.model, [file], workers=1)
        _refuse_raw(row["error"])

    return call


def _refuse_raw(error: str | None) -> None:
    """A row's error must be a sentence of ours, not the name of an exception."""
    if error is not None and error.split(":")[0].endswith(("Error", "Exception")):
        raise RuntimeError(f"raw error in a row: {error}")


def _damaged_chunk(rng: random.Random, data: bytes) -> bytes:
    """A PNG with one chunk damaged and the checksum that fits."""
    at, chunks = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    place = rng.randrange(len(chunks))
    chunks[place] = (rng.choice((chunks[place][0], b"tEXt", b"IDAT", b"eXIf", b"zTXt")), damaged_bytes(rng, chunks[place][1]))
    return data[:8] + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _header_bomb(rng: random.Random) -> bytes:
    """A PNG that says it is huge."""
    width, height = rng.choice(((2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (100_000, 100_000), (9_999, 9_999), (30_000, 3_000)))
    header = struct.pack(">IIBBBBB", width, height, 8, rng.choice((0, 2, 6)), 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _text_bomb(rng: random.Random) -> bytes:
    """A PNG whose compressed texts unpack to far more than the file."""
    facts = PngImagePlugin.PngInfo()
    for number in range(rng.choice((1, 40))):
        facts.add_text(f"text{number}", "a" * 2_000_000, zip=True)
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG", pnginfo=facts)
    return file.getvalue()


def _postscript(rng: random.Random) -> bytes:
    return (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n(%pipe%touch /outside/escaped) (w) file\nshowpage\n"
    )


def _svg(rng: random.Random) -> bytes:
    return b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/><script>alert(1)</script></svg>'


def _tiff_bomb(rng: random.Random) -> bytes:
    """A TIFF of many pages, or one that says it has more tags or pixels than there are bytes."""
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "TIFF", save_all=True, append_images=[Image.new("L", (8, 8))] * rng.choice((1, 200)))
    return damaged_bytes(rng, file.getvalue())


def _mask(rng: random.Random) -> bytes:
    import numpy as np

    return damaged_bytes(rng, encode_mask(np.full((18, 22), 255, np.uint8), "made from nothing"))


_TRICKS = (_header_bomb, _text_bomb, _postscript, _svg, _tiff_bomb, _mask)


def video(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """A video file, decoded or assessed; playlists and lists of files that point elsewhere among them."""
    name = rng.choice(list(corpus.videos))
    file = folder / name
    file.write_bytes(rng.choice(_LISTS) if rng.random() < 0.1 else damaged_bytes(rng, corpus.videos[name]))
    if rng.random() < 0.7:
        return lambda: sum(frame.image.shape[0] for frame in VideoFile(file).frames(4))

    def call() -> None:
        options = VideoOptions(2, folder if rng.random() < 0.3 else None)
        [row] = assess_files(corpus.model, [file], videos=options, workers=1)
        _refuse_raw(row["error"])

    return call


_LISTS = (
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"ffconcat version 1.0\nfile 'http://192.0.2.1/x.mp4'\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://192.0.2.1/x.ts\n#EXT-X-ENDLIST\n",
    b"<?xml version='1.0'?><MPD><BaseURL>http://192.0.2.1/</BaseURL></MPD>",
)


def assessed_table(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """A table of scores of an earlier start, with which ``mb.assess`` goes on."""
    (folder / "image.png").write_bytes(corpus.images["rgb.png"])
    file = folder / rng.choice(("scores.csv", "scores.json", "scores.parquet"))
    scored = dict.fromkeys(columns(corpus.model), 0.5) | {"kind": "image", "model": model_name(corpus.model), "error": None}
    with RowFile(file, columns(corpus.model)) as table:
        table.append([scored | {"path": str(folder / f"{name}.png")} for name in ("image", "other")])
    file.write_bytes(damaged_bytes(rng, file.read_bytes()))

    def call() -> None:
        with RowFile(file, columns(corpus.model)) as table:
            assess_files(corpus.model, [folder / "image.png"], table=table, workers=1)

    return call
