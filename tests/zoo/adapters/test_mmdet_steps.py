"""mmdet's test pipelines without its data sets, against its own steps, in every form that the shipped zoo has them."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from miqd_builder.zoo.adapters.mm_config import import_package, read_config
from miqd_builder.zoo.adapters.mm_pipeline import build_pipeline
from miqd_builder.zoo.adapters.mmdet_steps import image_steps
from miqd_builder.zoo.catalog import load_zoo, shipped_zoo
from miqd_builder.zoo.entry import ModelEntry
from tests.conftest import ROOT
from tests.zoo.small_models import SMALL_MODELS

PACK: dict[str, Any] = {"type": "PackDetInputs"}
SIZES = [(48, 64, 3), (61, 37, 3), (640, 427, 3)]
PIPELINES: dict[str, list[dict[str, Any]]] = {
    "by scale": [{"type": "Resize", "scale": (96, 80), "keep_ratio": True}, PACK],
    "exact": [{"type": "Resize", "scale": (96, 80), "keep_ratio": False}, PACK],
    "by factor": [{"type": "mmdet.Resize", "scale_factor": (0.5, 0.75)}, PACK],
    "by Pillow": [{"type": "Resize", "scale": (96, 80), "keep_ratio": True, "backend": "pillow"}, PACK],
    "to a size": [
        {"type": "Resize", "scale": (96, 96), "keep_ratio": True},
        {"type": "Pad", "size": (96, 96), "pad_val": {"img": (114, 114, 114)}},
        PACK,
    ],
    "to a square": [
        {"type": "Resize", "scale": (96, 96), "keep_ratio": True},
        {"type": "Pad", "pad_to_square": True, "pad_val": {"img": (114.0, 114.0, 114.0)}},
        {**PACK, "meta_keys": ("img_id", "ori_shape", "img_shape", "scale_factor", "pad_shape", "scale", "keep_ratio")},
    ],
    "to multiples": [{"type": "Pad", "size_divisor": 32}, PACK],
}


@pytest.mark.parametrize(
    ("name", "as_type"),
    [*((name, np.uint8) for name in PIPELINES), *((name, np.float32) for name in PIPELINES if name != "by Pillow")],
)
def test_the_packed_image_is_mmdets_own(name: str, as_type: type) -> None:
    import_package("mmdet")
    import mmdet.datasets.transforms  # noqa: F401  (registers mmdet's own steps)
    from mmcv.transforms import Compose
    from mmengine.registry import DefaultScope

    steps = PIPELINES[name]
    light = image_steps(steps)
    assert light is not None
    with DefaultScope.overwrite_default_scope("mmdet"):
        theirs = Compose(steps)
    assert type(theirs.transforms[0]).__module__.startswith("mmdet.")
    for size in SIZES:
        image = np.random.default_rng(0).integers(0, 256, size).astype(as_type)
        facts = {"img_shape": size[:2], "ori_shape": size[:2], "img_id": 0, "img_path": ""}
        expected, found = theirs({"img": image.copy(), **facts}), Compose(light)({"img": image.copy(), **facts})
        assert found.keys() == expected.keys()
        assert found["inputs"].dtype == expected["inputs"].dtype
        assert found["inputs"].is_contiguous() and torch.equal(found["inputs"], expected["inputs"])
        ours, own = found["data_samples"], expected["data_samples"]
        assert type(ours) is type(own) and sorted(ours.all_keys()) == sorted(own.all_keys())
        assert {key: ours.get(key) for key in ours.metainfo_keys()} == {key: own.get(key) for key in own.metainfo_keys()}


@pytest.mark.parametrize(
    "steps",
    [
        [{"type": "FixShapeResize", "width": 96, "height": 96}, PACK],
        [{"type": "Resize", "scale": (96, 96)}, {**PACK, "meta_keys": ("ori_shape", "homography_matrix")}],
        [{"type": "mmpretrain.Resize", "scale": (96, 96)}, PACK],
    ],
)
def test_other_steps_are_mmdets(steps: list[dict[str, Any]]) -> None:
    assert image_steps(steps) is None


def test_an_unknown_step_is_looked_up_among_mmdets(images: list[np.ndarray]) -> None:
    shipped = SMALL_MODELS["mmdet-rtmdet"]
    config = read_config(shipped)
    config.test_dataloader.dataset.pipeline = [{"type": "FixScaleResize", "scale": (96, 96), "keep_ratio": True}, PACK]
    import_package("mmdet")
    packed = build_pipeline(shipped, config)(images[0])
    assert packed["inputs"].shape[0] == 3 and max(packed["inputs"].shape) == 96


def test_no_shipped_detector_needs_mmdets_data_sets() -> None:
    """In a process of its own: other tests import them."""
    program = (
        "import sys\n"
        "from miqd_builder.zoo.build import build\n"
        "from tests.zoo.small_models import SMALL_MODELS\n"
        "build(SMALL_MODELS['mmdet-rtmdet'], random_weights=True)\n"
        "print(sorted({'mmdet.models', 'mmdet.datasets', 'imgaug', 'numba'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.splitlines()[-1] == "['mmdet.models']"
    wanted = [entry for entry in load_zoo(shipped_zoo()) if entry.backend == "mmdet"]
    assert wanted and not [entry.name for entry in wanted if image_steps(_steps(entry)) is None]


def _steps(entry: ModelEntry) -> list[dict[str, Any]]:
    steps = read_config(entry).test_dataloader.dataset.pipeline
    return [dict(step) for step in steps if not step["type"].startswith("Load")]
