"""Label PNGs and the folder source that reads them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from miqd_builder.config import SourceConfig
from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.sources import open_source
from miqd_builder.sources.label_maps import LabelMap

JPEG = bytes.fromhex("ffd8ffe0") + b"JFIF"
VALUES = np.array([[0, 1, 2], [7, 255, 1]], np.uint8)


def write(path: Path, image: Image.Image) -> LabelMap:
    image.save(path)
    return LabelMap(path)


def palette(values: np.ndarray) -> Image.Image:
    """An image whose colours have nothing to do with its indices; two indices share a colour."""
    image = Image.fromarray(values, mode="P")
    image.putpalette([200, 10, 10] * 2 + [(7 * i) % 256 for i in range(3 * 254)])
    return image


@pytest.mark.parametrize(
    "image",
    [Image.fromarray(VALUES), palette(VALUES), Image.fromarray(VALUES.astype(np.uint16))],
    ids=["grey", "palette", "16 bit"],
)
def test_pixel_values_are_classes_and_255_is_none(tmp_path: Path, image: Image.Image) -> None:
    found = write(tmp_path / "a.png", image).read(2, 3)
    assert found.category_ids.tolist() == [0, 1, 2, 7]
    np.testing.assert_array_equal(found.to_map(), [[0, 1, 2], [7, -1, 1]])


def test_two_classes_fit_into_one_bit(tmp_path: Path) -> None:
    assert write(tmp_path / "a.png", Image.fromarray(VALUES == 1)).read(2, 3).to_map().tolist() == [[0, 1, 0], [0, 0, 1]]


def test_only_listed_values_count(tmp_path: Path) -> None:
    Image.fromarray(VALUES).save(tmp_path / "a.png")
    assert LabelMap(tmp_path / "a.png", (1, 7, 9)).read(2, 3).to_map().tolist() == [[-1, 1, -1], [7, -1, 1]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_colours_are_refused(tmp_path: Path, mode: str) -> None:
    with pytest.raises(UnreadableImageError, match=rf"'a.png' holds colours \(mode {mode}\).*grey or palette PNG"):
        write(tmp_path / "a.png", Image.fromarray(VALUES).convert(mode)).read(2, 3)


def test_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"'a.png' is 3x2 pixels, its image 4x2"):
        write(tmp_path / "a.png", Image.fromarray(VALUES)).read(2, 4)


@pytest.mark.parametrize(("content", "message"), [(b"", "is no PNG"), (JPEG, "is no PNG"), (None, "can't be read")])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableImageError, match=f"'a.png' {message}"):
        LabelMap(tmp_path / "a.png").read(2, 3)


def test_a_truncated_png_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.png", Image.fromarray(VALUES))
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:45])
    with pytest.raises(UnreadableImageError, match=r"'a.png' is damaged"):
        LabelMap(tmp_path / "a.png").read(2, 3)


def test_the_fingerprint_follows_content_and_classes(tmp_path: Path) -> None:
    one = write(tmp_path / "a.png", Image.fromarray(VALUES))
    prints = [one.fingerprint(), LabelMap(one.path, (1, 2)).fingerprint()]
    write(tmp_path / "a.png", Image.fromarray(VALUES + 1))
    prints.append(one.fingerprint())
    one.path.unlink()
    prints.append(one.fingerprint())
    assert len(set(prints)) == 4


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three images, label PNGs of two of them and of another image."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for name in "abc":
        Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(images / f"{name}.jpg")
    for name in "abx":
        Image.fromarray(VALUES).save(labels / f"{name}.png")
    return images, labels


def source(images: Path, labels: Path | None, **fields) -> SourceConfig:
    return SourceConfig(kind="folder", images=images, labels=labels, **fields)


def test_a_folder_with_label_pngs_has_ground_truth(folders: tuple[Path, Path]) -> None:
    found = open_source(source(*folders, category_ids=[0, "1-2", 7]))
    assert found.category_ids == (0, 1, 2, 7)
    assert [image.truth_for("seg") is not None for image in found.images] == [True, True, False]
    assert [note.split(" ", 1)[1] for note in found.notes] == [
        "of 3 images have no label PNG, their accuracy stays empty: 'c.jpg'.",
        "label PNGs are of images that are not in the folder: 'x'.",
    ]
    assert found.images[0].read().shape == (2, 3, 3)


def test_without_category_ids_the_source_says_what_it_assumes(folders: tuple[Path, Path]) -> None:
    found = open_source(source(*folders))
    assert found.category_ids is None
    assert "count as the models' classes 0, 1, ..." in found.notes[-1]


def test_a_label_png_of_another_size_is_refused(folders: tuple[Path, Path]) -> None:
    Image.fromarray(VALUES.T).save(folders[1] / "b.png")
    with pytest.raises(UnreadableImageError, match=r"'b.png' is 2x3 pixels, its image 3x2"):
        open_source(source(*folders)).by_id["b"].check_truth(2, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": "nowhere"}, "'nowhere' is no folder: for source.kind folder, source.labels"),
        ({"labels": "empty"}, "has a label PNG of none of the 3 images .* expected a.png"),
        ({"labels": None, "category_ids": [1]}, "source.category_ids says what label PNGs hold"),
        ({"category_ids": []}, "expected each pixel value once"),
        ({"category_ids": [1, 1]}, "expected each pixel value once"),
        ({"category_ids": ["250-255"]}, "without 255"),
    ],
)
def test_wrong_settings_are_one_line(folders: tuple[Path, Path], fields: dict, message: str) -> None:
    if fields.get("labels") == "empty":
        fields = fields | {"labels": folders[0]}
    settings = {"images": folders[0], "labels": folders[1]} | fields
    with pytest.raises(ConfigError, match=message) as error:
        open_source(SourceConfig(kind="folder", **settings))
    assert "\n" not in str(error.value)


def test_category_ids_belong_to_label_pngs(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match=r"use it with source.kind folder"):
        open_source(SourceConfig(kind="imagenet", images=folders[0], category_ids=[1]))


def test_a_label_png_of_another_size_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = write(tmp_path / "a.png", Image.new("1", (3_000, 3_000)))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UnreadableImageError, match=r"'a.png' is 3000x3000 pixels, its image 3x2"):
        bomb.read(2, 3)


def test_a_label_png_above_pillows_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = write(tmp_path / "a.png", Image.fromarray(VALUES))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found.read(2, 3).category_ids.tolist() == [0, 1, 2, 7]
