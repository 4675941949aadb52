"""Binary masks of the region of interest: from annotations, from files, by saliency, or by a network's attention."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqd_builder.config import RoiConfig
from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.images import decode_image
from miqd_builder.responses import decode_masks
from miqd_builder.sources import SourceImage, SourceSet
from miqd_builder.zoo.cache import file_sha256, verified_file
from miqd_builder.zoo.entry import Checkpoint, ModelEntry

SALIENCY_VERSION = 1
DINO_VERSION = 1

DINO = ModelEntry(
    name="roi_dino",
    task="cls",
    backend="timm",
    arch="vit_small_patch16_224.dino",
    checkpoint=Checkpoint(hub="timm/vit_small_patch16_224.dino"),
    license="Apache-2.0",
)
"""The transformer behind ``roi.kind: dino`` where ``roi.path`` names no other weights; ``miqd zoo fetch`` knows its name."""


def check_roi(config: RoiConfig, sources: SourceSet) -> None:
    """Refuse a setting that can't give a mask for any source.

    Raises:
        ConfigError: the mask folder is missing or lacks masks, the source has no annotations, or DINO's weights are missing.
    """
    if config.kind == "dino":
        _dino_weights(config)
    if config.kind == "annotations" and all(image.truth is None for image in sources.images):
        raise ConfigError("roi.kind 'annotations' needs a source with annotations: use source.kind coco, or roi.kind saliency.")
    if config.kind != "masks":
        return
    if config.path is None or not config.path.is_dir():
        raise ConfigError(f"roi.kind 'masks' needs a folder of <source_id>_binary_mask.png: roi.path is '{config.path}'.")
    missing = [i.source_id for i in sources.images if not (config.path / f"{i.source_id}_binary_mask.png").is_file()]
    if missing:
        raise ConfigError(f"{len(missing)} masks are missing in '{config.path}', the first is '{missing[0]}_binary_mask.png'.")


def roi_mask(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the source's mask, uint8 ``(height, width)`` of 0 (background) and 255 (ROI).

    Raises:
        UnreadableImageError: a mask file is damaged or of another size than its image.
    """
    if config.kind == "annotations":
        return annotation_mask(source, image)
    if config.kind == "masks":
        return _mask_file(config, source, image)
    if config.kind == "dino":
        from miqd_builder.dino import dino_mask

        return dino_mask(image, _dino_entry(config))
    return spectral_residual(image)


def roi_fingerprint(config: RoiConfig, source: SourceImage) -> str:
    """Return a hash of everything that the source's mask depends on besides its pixels."""
    if config.kind == "annotations":
        return "annotations " + (source.truth.fingerprint() if source.truth else "")
    if config.kind == "masks" and config.path is not None:
        try:
            return "masks " + hashlib.sha256((config.path / f"{source.source_id}_binary_mask.png").read_bytes()).hexdigest()
        except OSError:
            return "masks unreadable"
    if config.kind == "dino":
        return f"dino {DINO_VERSION} {file_sha256(_dino_weights(config))}"
    return f"saliency {SALIENCY_VERSION}"


def _dino_entry(config: RoiConfig) -> ModelEntry:
    return DINO if config.path is None else DINO.model_copy(update={"checkpoint": Checkpoint(path=config.path)})


def _dino_weights(config: RoiConfig) -> Path:
    """Return the file of DINO's weights, after checking its hash where one is known."""
    if config.path is not None and not config.path.is_file():
        raise ConfigError(
            f"roi.kind 'dino': roi.path '{config.path}' is no file. Give the weights of a DINO vision transformer, or leave it "
            f"out and run: miqd zoo fetch {DINO.name}"
        )
    return verified_file(_dino_entry(config))


def annotation_mask(source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Union of the instance masks; empty for an image without annotations."""
    height, width = image.shape[:2]
    if source.truth is None:
        return np.zeros((height, width), np.uint8)
    union = decode_masks(source.truth.masks, height, width).any(axis=0)
    return np.where(union, np.uint8(255), np.uint8(0)).astype(np.uint8)


def _mask_file(config: RoiConfig, source: SourceImage, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    assert config.path is not None
    path = config.path / f"{source.source_id}_binary_mask.png"
    try:
        mask = decode_image(path.read_bytes(), path.name)[:, :, 0]
    except OSError as error:
        raise UnreadableImageError(f"Mask '{path.name}' can't be read ({error.strerror}).") from None
    if mask.shape != image.shape[:2]:
        raise UnreadableImageError(
            f"Mask '{path.name}' is {mask.shape[1]}x{mask.shape[0]} pixels, its image {image.shape[1]}x{image.shape[0]}."
        )
    return np.array((mask > 127) * 255, np.uint8)


def spectral_residual(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Salient region by the spectral residual of the log amplitude (Hou and Zhang, CVPR 2007).

    The saliency map is computed on 64 pixels of the shorter side, smoothed with a Gaussian of sigma 2.5 there, enlarged to the
    image and cut at Otsu's threshold (the paper's fixed factor of the mean leaves large objects hollow).
    """
    import cv2

    height, width = image.shape[:2]
    scale = 64 / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    gray = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA).astype(np.float64)
    spectrum = np.fft.fft2(gray)
    log_amplitude = np.log(np.abs(spectrum) + 1e-9)
    residual = log_amplitude - cv2.blur(log_amplitude, (3, 3))
    saliency = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    saliency = cv2.GaussianBlur(saliency, (0, 0), 2.5)
    saliency = cv2.resize(saliency, (width, height), interpolation=cv2.INTER_LINEAR)
    low, high = float(saliency.min()), float(saliency.max())
    if high - low <= 1e-12 * max(high, 1.0):
        return np.zeros((height, width), np.uint8)
    levels = ((saliency - low) * (255 / (high - low))).astype(np.uint8)
    _, mask = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return mask
