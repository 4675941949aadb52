"""Binary masks of the region of interest: annotations, files, salient objects, a network's attention, or the spectrum."""

from miqd_builder.roi.annotations import annotation_mask
from miqd_builder.roi.dino import DINO
from miqd_builder.roi.registry import ROI_KINDS, RoiKind, check_roi, roi_hash, roi_mask
from miqd_builder.roi.saliency import spectral_residual

__all__ = [
    "DINO",
    "ROI_KINDS",
    "RoiKind",
    "annotation_mask",
    "check_roi",
    "roi_hash",
    "roi_mask",
    "spectral_residual",
]
