"""Facts about models of ultralytics, which is optional: its package holds architectures, but neither hashes nor metrics."""

from __future__ import annotations

from typing import Any

from miqd_builder.zoo.refresh.choice import Choice

ASSETS = "https://github.com/ultralytics/assets/releases/download/v8.3.0"


def ultralytics_fields(choice: Choice) -> dict[str, Any]:
    """Return the entry's fields, with a checkpoint that the user has to convert: the published file would run code."""
    name, value = ("mask_AP", choice.mask_AP) if choice.task == "ins" else ("box_AP", choice.box_AP)
    arch = choice.model
    note = (
        "Optional, AGPL-3.0: pip install 'miqd-builder[ultralytics]'. "
        f"The published file, {ASSETS}/{arch}.pt, names classes and is refused; convert it in a sandbox without network: "
        f"safetensors.torch.save_file(ultralytics.YOLO('{arch}.pt').model.float().state_dict(), '{arch}.safetensors')"
    )
    return {
        "name": arch,
        "arch": arch,
        "checkpoint": {"path": f"~/.cache/miqd/ultralytics/{arch}.safetensors"},
        "metric": {"name": name, "value": value, "source": "Ultralytics' documentation, COCO val2017"},
        "license": "AGPL-3.0",
        "input_size": [640, 640],
        "note": note,
    }
