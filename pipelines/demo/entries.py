"""The demo zoo's entries: read them, build their models, write trained weights and measured metrics back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from miqd_builder.errors import ConfigError, did_you_mean

ZOO = Path(__file__).resolve().parents[2] / "model_zoo_configs" / "demo.yaml"

HEADER = """\
# The demo zoo: small models trained from scratch on rendered scenes by `make demo-zoo` (pipelines/demo/train.py),
# which also writes this file's sha256 sums and metrics. Paths are relative to this file.
"""

Entry = dict[str, Any]


def load_entries(zoo: Path = ZOO) -> dict[str, Entry]:
    """Return the entries of a zoo file by model name, in the file's order."""
    return {entry["name"]: entry for entry in yaml.safe_load(zoo.read_text())["models"]}


def select_entry(name: str, zoo: Path = ZOO) -> Entry:
    """Return one entry.

    Raises:
        ConfigError: no demo model has this name.
    """
    entries = load_entries(zoo)
    if name not in entries:
        raise ConfigError(f"Unknown demo model {name!r}.{did_you_mean(name, entries)}")
    return entries[name]


def build(entry: Entry, zoo: Path = ZOO) -> torch.nn.Module:
    """Build the entry's model with fresh random weights."""
    return BUILDERS[entry["backend"]](entry, zoo)


def _build_timm(entry: Entry, zoo: Path) -> torch.nn.Module:
    import timm

    return timm.create_model(entry["arch"], pretrained=False, **entry["arch_kwargs"])


def _build_mmpretrain(entry: Entry, zoo: Path) -> torch.nn.Module:
    config = _mm_config(entry, zoo)
    import mmpretrain.models  # noqa: F401  (fills the registry)
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS

    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build({**config.model, "data_preprocessor": config.data_preprocessor})
        model.init_weights()
    return model


def _build_mmdet(entry: Entry, zoo: Path) -> torch.nn.Module:
    config = _mm_config(entry, zoo)
    import mmdet.models  # noqa: F401  (fills the registry)
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(config.model)
        model.init_weights()
    return model


BUILDERS = {"timm": _build_timm, "mmpretrain": _build_mmpretrain, "mmdet": _build_mmdet}


def _mm_config(entry: Entry, zoo: Path) -> Any:
    from miqd_builder.zoo import mmcv_ops

    mmcv_ops.install()
    from mmengine.config import Config
    from mmengine.logging import MMLogger

    MMLogger.get_current_instance().setLevel("WARNING")  # or every initialised parameter is listed

    return Config.fromfile(zoo.parent / entry["config"])


def normalisation(entry: Entry, zoo: Path = ZOO) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of a classifier's input, RGB on [0, 1]."""
    if "preprocess" in entry:
        return entry["preprocess"]["mean"], entry["preprocess"]["std"]
    config = _mm_config(entry, zoo).data_preprocessor
    return [value / 255 for value in config["mean"]], [value / 255 for value in config["std"]]


def save_weights(model: torch.nn.Module, path: Path) -> None:
    """Write the weights with every float rounded to fp16: safetensors, or a .pth as the OpenMMLab packages read it."""
    state = _half_precision(model.state_dict())
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        torch.save({"state_dict": state}, path)


def _half_precision(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round floats to fp16; what is one tensor under several names (RTMDet's shared heads) stays one, and is stored once."""
    rounded: dict[tuple[int, torch.Size], torch.Tensor] = {}
    halves = {}
    for name, value in state.items():
        place = value.data_ptr(), value.shape
        if place not in rounded:
            rounded[place] = (value.half() if value.is_floating_point() else value).contiguous()
        halves[name] = rounded[place]
    return halves


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Load what `save_weights` wrote; every tensor must match."""
    model.load_state_dict(_read_weights(path))


def load_common_weights(model: torch.nn.Module, path: Path) -> int:
    """Load the tensors of another model's checkpoint that this model has too, in name and shape; return their number."""
    own = model.state_dict()
    common = {name: value for name, value in _read_weights(path).items() if name in own and own[name].shape == value.shape}
    model.load_state_dict(common, strict=False)
    return len(common)


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return state


def checkpoint_path(entry: Entry, zoo: Path = ZOO) -> Path:
    """Where the entry's weights lie."""
    return zoo.parent / entry["checkpoint"]["path"]


def record(name: str, *, metric: float, source: str, zoo: Path = ZOO) -> None:
    """Write the checkpoint's sha256 and the measured clean metric (a percentage) into the zoo file."""
    entries = load_entries(zoo)
    entry = entries[name]
    entry["checkpoint"]["sha256"] = hashlib.sha256(checkpoint_path(entry, zoo).read_bytes()).hexdigest()
    entry["metric"].update(value=round(metric, 2), source=source)
    body = yaml.safe_dump({"models": list(entries.values())}, sort_keys=False, default_flow_style=None, width=160)
    zoo.write_text(HEADER + body)
