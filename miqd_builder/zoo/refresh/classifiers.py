"""Facts about classifiers of timm and torchvision, from the packages' own records of their weights."""

from __future__ import annotations

import re
from typing import Any

from miqd_builder.zoo.refresh.choice import Choice

SPDX = {"apache-2.0": "Apache-2.0", "bsd-3-clause": "BSD-3-Clause", "mit": "MIT", "cc-by-nc-4.0": "CC-BY-NC-4.0"}
"""timm's names of licenses, as SPDX writes them."""


def timm_fields(choice: Choice) -> dict[str, Any]:
    """Return what timm knows of the weights ``name.tag``.

    The checkpoint is the file whose name carries its hash where there is one, else the repository on the hub, of which timm
    states neither a revision nor a hash.
    """
    import timm

    config: Any = timm.get_pretrained_cfg(choice.model, allow_unregistered=False)
    height, width = config.input_size[1:]
    hashed = re.search(r"-([0-9a-f]{8})\.pth$", config.url or "")
    checkpoint = {"url": config.url, "sha256": hashed[1]} if hashed else {"hub": config.hf_hub_id}
    source = f"timm, results/results-imagenet.csv at 0173a13, images of {choice.measured_at} pixels"
    return {
        "name": choice.model,
        "arch": choice.model,
        "checkpoint": checkpoint,
        "metric": {"name": "top1", "value": choice.top1, "source": source},
        "license": SPDX[config.license],
        "input_size": [height, width],
        "note": None if hashed else "the hub's revision is not pinned: timm states none",
    }


def torchvision_fields(choice: Choice) -> dict[str, Any]:
    """Return what torchvision knows of an architecture's default weights."""
    from torchvision.models import get_model_weights

    weights: Any = get_model_weights(choice.model)
    default = weights.DEFAULT
    crop = default.transforms().crop_size[0]
    hashed = re.search(r"-([0-9a-f]{8})\.pth$", default.url)
    assert hashed is not None  # torchvision's rule for names
    value = default.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    return {
        "name": choice.model,
        "arch": choice.model,
        "checkpoint": {"url": default.url, "sha256": hashed[1]},
        "metric": {"name": "top1", "value": value, "source": f"torchvision, {default}"},
        "license": "BSD-3-Clause",
        "input_size": [crop, crop],
    }
