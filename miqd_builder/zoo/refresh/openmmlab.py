"""Facts about models of mmpretrain and mmdet, from the metafiles and configs inside the packages."""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path
from typing import Any

import yaml

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.adapters.mm_config import DISTRIBUTIONS
from miqd_builder.zoo.refresh.choice import Choice

METRICS = {"cls": ("Top 1 Accuracy", "top1"), "det": ("box AP", "box_AP"), "ins": ("mask AP", "mask_AP")}
"""For each task the metafiles' name of the metric and the entry's."""


def openmmlab_fields(choice: Choice) -> dict[str, Any]:
    """Return what the package's metafile and config say of a model.

    Raises:
        ConfigError: the metafiles hold no such model or no metric of it.
    """
    record, metafile = _record(choice)
    config = choice.model if choice.backend == "mmdet" else record["Config"].removeprefix("configs/")
    label, metric = METRICS[choice.task]
    values = [r["Metrics"][label] for r in record["Results"] or () if label in r["Metrics"]]
    if not values:
        raise ConfigError(f"{metafile} has no {label} of {choice.model!r}. Choose another model.")
    checkpoint, remark = _checkpoint(record["Weights"])
    return {
        "name": _name(choice, record),
        "config": config,
        "checkpoint": checkpoint,
        "metric": {"name": metric, "value": float(values[0]), "source": f"{DISTRIBUTIONS[choice.backend]}, {metafile}"},
        "license": "Apache-2.0",
        "input_size": _input_size(choice.backend, config),
        "note": "; ".join(filter(None, (remark, _origin(record)))),
    }


def _checkpoint(url: str) -> tuple[dict[str, str], str | None]:
    """The checkpoint, and what to say of it: what has no published hash isn't fetched, the user puts it into its place."""
    hashed = re.search(r"[-_]([0-9a-f]{8})\.pth$", url)
    if hashed:
        return {"url": url, "sha256": hashed[1]}, None
    path = f"~/.cache/miqd/unhashed/{url.rsplit('/', 1)[-1]}"
    return {"path": path}, f"no hash of the checkpoint was published: download {url} to checkpoint.path yourself"


def _name(choice: Choice, record: dict[str, Any]) -> str:
    """Published name; an instance segmenter that is listed as a detector has its own."""
    if choice.backend == "mmpretrain":
        return str(record["Name"])
    boxes_only = choice.task == "det" and any("mask AP" in result["Metrics"] for result in record["Results"])
    return Path(choice.model).stem + "_boxes" * boxes_only


def _origin(record: dict[str, Any]) -> str | None:
    code = (record.get("Converted From") or {}).get("Code")
    return f"weights converted by OpenMMLab from {code}, whose terms apply to them" if code else None


def _record(choice: Choice) -> tuple[dict[str, Any], str]:
    """The metafile's record of a model, and the metafile's place in the package."""
    wanted = {choice.model, Path(choice.model).stem}  # one record names another folder than the one that its config is in
    for record, metafile in _records(choice.backend):
        if wanted & {record["Name"], record["Config"].removeprefix("configs/")}:
            return record, metafile
    raise ConfigError(f"{choice.backend}'s metafiles hold no model {choice.model!r}. Correct chosen.yaml.")


@functools.cache
def _records(package: str) -> list[tuple[dict[str, Any], str]]:
    folder = _folder(package)
    index = yaml.safe_load((folder / "model-index.yml").read_text(encoding="utf-8"))
    records = []
    for name in index["Import"]:
        metafile = folder / name
        if metafile.is_file():  # the index writes + as %2B in one place
            content = yaml.load(metafile.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            models = content if isinstance(content, list) else content.get("Models") or []
            records += [(model, name) for model in models if model.get("Weights") and model.get("Config")]
    return records


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ConfigError(f"{package} is not installed. Run: pip install {DISTRIBUTIONS[package]}")
    return Path(spec.origin).parent / ".mim"


def _input_size(package: str, config: str) -> list[int]:
    """Height and width of what the network sees: the crop, or what the image is resized into."""
    from mmengine.config import Config

    steps = Config.fromfile(_folder(package) / "configs" / config).test_dataloader.dataset.pipeline
    for step in steps:
        if step["type"] == "CenterCrop":
            return [step["crop_size"]] * 2
    width, height = next(step["scale"] for step in steps if step["type"] == "Resize")
    return [height, width]
