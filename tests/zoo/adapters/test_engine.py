"""Networks in ONNX Runtime: the same predictions as in PyTorch, the contract kept, and only where their back end can."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from miqd_builder.errors import ConfigError
from miqd_builder.responses import Classification
from miqd_builder.zoo.adapters.base import Adapter
from miqd_builder.zoo.adapters.engine import use_onnxruntime
from miqd_builder.zoo.build import build, engine_of
from miqd_builder.zoo.entry import ModelEntry
from tests.zoo.adapters.test_precision import MODELS

PYTHON = ModelEntry(name="p", task="cls", backend="python", target="tests.toy_models:make")


@cache
def built(name: str, engine: str) -> Adapter:
    return build(MODELS[name], random_weights=True, engine=engine)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_the_same(name: str, images: list[np.ndarray]) -> None:
    ours, theirs = (built(name, engine).predict(images[:2]) for engine in ("onnxruntime", "torch"))
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(one, Classification):
            assert one.probabilities.argmax() == other.probabilities.argmax()
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
        else:
            assert len(one.scores) == len(other.scores) and len(one.scores)
            np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
            np.testing.assert_array_equal(one.category_ids, other.category_ids)


@pytest.mark.parametrize("name", MODELS)
def test_they_do_not_depend_on_the_other_images(name: str, images: list[np.ndarray]) -> None:
    model = built(name, "onnxruntime")
    together = model.predict(images)
    alone = [model.predict([image])[0] for image in reversed(images)][::-1]
    for one, other in zip(together, alone, strict=True):
        if isinstance(one, Classification):
            np.testing.assert_array_equal(one.probabilities, other.probabilities)
        else:
            np.testing.assert_array_equal(one.scores, other.scores)
            np.testing.assert_array_equal(one.boxes, other.boxes)


def test_the_network_really_runs_there(images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    ran = []
    run = onnxruntime.InferenceSession.run
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", lambda *a, **k: ran.append(1) or run(*a, **k))
    built("timm", "torch").predict(images[:1])
    assert not ran
    built("timm", "onnxruntime").predict(images[:1])
    assert ran


class Odd(nn.Module):
    """A network whose graph depends on what it saw when it was exported."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean() * len(x) if len(x) > 1 else x.mean() * 100


class Names(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"a": x}


def test_a_graph_that_is_another_network_is_refused() -> None:
    network = Odd().eval()
    use_onnxruntime(network, "forward", "odd")
    assert float(network(torch.ones(1, 3, 8, 8))) == 100
    with pytest.raises(ConfigError, match=r"'odd' gives other values .* inputs \(2, 3, 8, 8\): use engine: torch for it\."):
        network(torch.ones(2, 3, 8, 8))


def test_a_network_that_cannot_be_exported_is_named() -> None:
    network = Names().eval()
    use_onnxruntime(network, "forward", "names")
    with pytest.raises(ConfigError, match=r"'names' can't be exported to ONNX \(.*its output is no tensor.*engine: torch"):
        network(torch.ones(1, 3, 8, 8))


def test_only_float32_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match="engine onnxruntime is for float32 on a CPU: got precision bfloat16"):
        build(MODELS["timm"], random_weights=True, engine="onnxruntime", precision="bfloat16")
    assert engine_of(PYTHON, "onnxruntime") == "torch" and engine_of(MODELS["timm"], "onnxruntime") == "onnxruntime"
