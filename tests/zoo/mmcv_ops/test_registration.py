"""Which module mmcv gets: the compiled one where it works, else the one from here."""

import importlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from miqd_builder.zoo.mmcv_ops import MissingOperatorError, deform_attn, deform_conv, install, nms, registration, roi


@pytest.fixture
def installed_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install beside a made-up mmcv with this extension (None: without one) and return where the module comes from."""

    def installed(extension: str | None) -> str:
        install()
        importlib.import_module("mmcv._ext")
        for real in ("mmcv", "mmcv._ext"):  # put back after the test
            monkeypatch.delitem(sys.modules, real)
        package = tmp_path / "mmcv"
        package.mkdir()
        (package / "__init__.py").touch()
        if extension is not None:
            (package / "_ext.py").write_text(extension)
        monkeypatch.syspath_prepend(tmp_path)
        install()
        module = importlib.import_module("mmcv._ext")
        install()
        assert importlib.import_module("mmcv._ext") is module
        # How mmcv itself asks whether there are operators.
        assert importlib.util.find_spec("mmcv._ext").loader is not None
        return module.__spec__.origin

    return installed


def test_without_compiled_operators_these_are_registered(installed_beside) -> None:
    assert installed_beside(None) == registration.__name__


def test_compiled_operators_are_used_where_they_import(installed_beside) -> None:
    assert installed_beside("nms = None").endswith("_ext.py")


def test_compiled_operators_of_another_torch_are_replaced(installed_beside) -> None:
    assert installed_beside("raise ImportError('undefined symbol')") == registration.__name__


@pytest.fixture
def extension():
    install()
    module = importlib.import_module("mmcv._ext")
    if module.__spec__.origin != registration.__name__:
        pytest.skip("compiled mmcv operators are installed: none is missing")
    return module


def test_an_operator_without_counterpart_names_itself_when_called(extension) -> None:
    operator = extension.carafe_forward  # looking it up is what importing mmcv.ops does
    with pytest.raises(MissingOperatorError, match=r"'carafe_forward' has no counterpart.*MMCV_WITH_OPS=1"):
        operator(torch.zeros(1))


def test_the_module_answers_like_a_module(extension) -> None:
    assert not hasattr(extension, "__path__")
    assert callable(extension.nms)


@pytest.fixture
def compiled():
    spec = importlib.util.find_spec("mmcv")
    if spec is None or not list(Path(next(iter(spec.submodule_search_locations))).glob("_ext*.so")):
        pytest.skip("mmcv has no compiled operators here (MMCV_WITH_OPS=1 builds them)")
    install()
    return importlib.import_module("mmcv._ext")


def test_suppression_equals_compiled(compiled) -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 90, (300, 2))
    boxes = torch.tensor(np.hstack([corner, corner + rng.uniform(2, 50, (300, 2))]), dtype=torch.float32)
    scores = torch.tensor(rng.uniform(size=300).round(2), dtype=torch.float32)
    for offset in (0, 1):
        ours = nms.nms(boxes, scores, iou_threshold=0.5, offset=offset)
        assert torch.equal(ours, compiled.nms(boxes, scores, iou_threshold=0.5, offset=offset))
    for method in nms.DECAYS:
        options = {"iou_threshold": 0.3, "sigma": 0.5, "min_score": 0.05, "method": method, "offset": 0}
        mine, theirs = torch.zeros(300, 5), torch.zeros(300, 5)
        found = nms.softnms(boxes, scores, mine, **options)
        assert torch.equal(found, compiled.softnms(boxes, scores, theirs, **options))
        torch.testing.assert_close(mine[: len(found)], theirs[: len(found)])


def test_pooling_and_convolution_equal_compiled(compiled) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 4, 16, 16, generator=generator)
    rois = torch.tensor([[0.0, 3.0, 4.0, 30.0, 40.0], [1.0, -5.0, 0.0, 20.0, 70.0]])
    options = {"aligned_height": 7, "aligned_width": 7, "spatial_scale": 0.25, "sampling_ratio": 0, "pool_mode": 1}
    outputs = [torch.zeros(2, 4, 7, 7) for _ in range(2)]
    for module, output in zip((roi, compiled), outputs, strict=True):
        module.roi_align_forward(features, rois, output, torch.zeros(0), torch.zeros(0), aligned=True, **options)
    assert torch.equal(*outputs)
    weight, offset = torch.randn(6, 4, 3, 3, generator=generator), torch.randn(2, 18, 16, 16, generator=generator)
    sizes = {"kW": 3, "kH": 3, "dW": 1, "dH": 1, "padW": 1, "padH": 1, "dilationW": 1, "dilationH": 1}
    outputs = [torch.zeros(2, 6, 16, 16) for _ in range(2)]
    for module, output in zip((deform_conv, compiled), outputs, strict=True):
        module.deform_conv_forward(
            features,
            weight,
            offset,
            output,
            torch.zeros(0),
            torch.zeros(0),
            **sizes,
            group=1,
            deformable_group=1,
            im2col_step=2,
        )
    torch.testing.assert_close(*outputs, atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="compiled deformable attention runs on CUDA only")
def test_deformable_attention_equals_compiled(compiled) -> None:
    value, where = torch.randn(1, 24, 2, 8, device="cuda"), torch.rand(1, 5, 2, 1, 4, 2, device="cuda")
    shapes, start = torch.tensor([[4, 6]], device="cuda"), torch.tensor([0], device="cuda")
    weights = torch.rand(1, 5, 2, 1, 4, device="cuda")
    arguments = (value, shapes, start, where, weights)
    ours = deform_attn.ms_deform_attn_forward(*arguments, im2col_step=64)
    torch.testing.assert_close(ours, compiled.ms_deform_attn_forward(*arguments, im2col_step=64))
