"""Where a run file doesn't say where the regions of interest come from: decided once, when the run is first planned."""

from __future__ import annotations

from miqd_builder.config import RunConfig
from miqd_builder.roi.salient import what_is_missing
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord

WITH_NETWORK, WITHOUT = "salient", "saliency"


def settle_roi(config: RunConfig) -> tuple[RunConfig, tuple[str, ...]]:
    """Return the run file with the ROI kind that is in effect, and what a user should know of it.

    A stated ``roi.kind`` or ``roi.model`` stands as it is. Else a run folder keeps the kind that it was made with, and a new
    one gets salient objects, or the spectral residual where their network isn't installed. Stages, workers and ``run.json``
    see the kind in effect, so that masks never change in the middle of a run.

    Raises:
        StoreError: the run folder's record is damaged.
    """
    if config.roi.model_fields_set & {"kind", "model"}:
        return config, ()
    record = RunRecord.load(RunFolder(config.out))
    made_with = record.roi if record is not None and record.roi in (WITH_NETWORK, WITHOUT) else None
    missing = None if made_with else what_is_missing(config.roi)
    kind = made_with or (WITHOUT if missing else WITH_NETWORK)
    settled = config.model_copy(update={"roi": config.roi.model_copy(update={"kind": kind})})
    if kind == WITH_NETWORK:
        return settled, ()
    why = f"{missing}; 'make setup' installs it" if missing else "this run folder was made with it, a new one need not"
    return settled, (
        "ROI masks by spectral residual, which finds objects no better than a blob in the middle (mean IoU with the objects of "
        f"COCO .23, salient objects .50): {why}.",
    )
