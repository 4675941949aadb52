"""HyperIQA, MANIQA, MUSIQ and TOPIQ through the optional package pyiqa, whose licence forbids commercial use.

Never a default and never a dependency. pyiqa downloads weights without a check of their own; here it gets a file whose sha256
was compared and that holds tensors only, and no backbone is downloaded: the file holds it too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import Any
from unittest import mock

from miqd_builder.errors import ConfigError
from miqd_builder.measures.measure import Core, Measure


def _build(name: str, model: str, device: str, files: Mapping[str, Path]) -> Core:
    if importlib.util.find_spec("pyiqa") is None:
        raise ConfigError(
            f"Measure '{name}' needs the package pyiqa (PolyForm Noncommercial: not for commercial use): install it with "
            "pip install 'miqd-builder[pyiqa]'."
        )
    import pyiqa

    from miqd_builder.measures.batches import in_portions
    from miqd_builder.zoo.weights.checkpoint import read_state_dict

    stored = read_state_dict(files[name])
    try:
        with _no_backbone_download():
            metric = pyiqa.create_metric(model, device=device, pretrained_model_path=str(files[name]))
    except (RuntimeError, KeyError) as error:  # pyiqa loads strictly
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"Weights '{name}': {files[name]} doesn't fit pyiqa's {model}: {reason}") from None
    names = {key.removeprefix("module.") for key in stored}
    lacking = [key for key, _ in metric.net.named_parameters() if key not in names]
    if lacking:
        raise ConfigError(f"Weights '{name}': {files[name]} lacks {lacking[0]} and {len(lacking) - 1} more of its tensors.")
    return in_portions(lambda degraded, reference: metric(degraded).flatten(), device)


def _no_backbone_download() -> Any:
    """Let timm create networks without their pretrained weights."""
    import timm

    create = timm.create_model
    return mock.patch("timm.create_model", lambda *args, **kwargs: create(*args, **{**kwargs, "pretrained": False}))


_through_pyiqa = partial(
    Measure,
    reference="none",
    lower_better=False,
    licence="PolyForm-Noncommercial-1.0.0 (pyiqa, the optional extra)",
    tolerance=0.0,
)

HYPERIQA = _through_pyiqa(
    name="hyperiqa",
    score_range=(0.0, 1.0),
    minimum_size=224,
    input="RGB, ImageNet mean and std, mean over crops of 224 pixels",
    source="Su et al., CVPR 2020, doi:10.1109/CVPR42600.2020.00372",
    weights=("hyperiqa",),
    agrees_with="pyiqa.create_metric('hyperiqa'), which computes it",
    build=partial(_build, "hyperiqa", "hyperiqa"),
)

MANIQA = _through_pyiqa(
    name="maniqa",
    score_range=(0.0, 1.0),
    minimum_size=224,
    input="RGB, mean = std = 0.5, mean over crops of 224 pixels",
    source="Yang et al., CVPR Workshops 2022, arXiv:2204.08958",
    weights=("maniqa",),
    agrees_with="pyiqa.create_metric('maniqa'), which computes it",
    build=partial(_build, "maniqa", "maniqa"),
)

MUSIQ = _through_pyiqa(
    name="musiq",
    score_range=(0.0, 100.0),
    minimum_size=32,
    input="RGB in [-1, 1], patches of 32 pixels at full resolution and with the longer side at 384 and 224",
    source="Ke et al., ICCV 2021, arXiv:2108.05997",
    weights=("musiq",),
    agrees_with="pyiqa.create_metric('musiq'), which computes it",
    build=partial(_build, "musiq", "musiq"),
)

TOPIQ = _through_pyiqa(
    name="topiq",
    score_range=(-inf, inf),
    minimum_size=32,
    input="RGB, ImageNet mean and std, at full resolution",
    source="Chen et al., IEEE TIP 33, 2024, doi:10.1109/TIP.2024.3378466",
    weights=("topiq",),
    agrees_with="pyiqa.create_metric('topiq_nr'), which computes it",
    build=partial(_build, "topiq", "topiq_nr"),
)
