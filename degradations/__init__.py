"""Degraded images, exactly repeatable: distortions, five severities each, and blends of two severities along a mask.

Pure image code: NumPy arrays in, NumPy arrays out; no files, no global state.

    for variant in degradations.render(image, mask, source_id="000000000139"):
        print(variant.degradation.name, variant.psnr, variant.pixels.shape)
"""

from degradations import blur, codecs, digital, frost, imagenet_c, light, motion, noise, weather  # noqa: F401  (registered)
from degradations.definition import Distortion
from degradations.errors import DegradationError, PluginError, RegistrationError, UnknownDegradationError
from degradations.names import Degradation, names, parse, select
from degradations.plugins import content_hash, distortion, distortions, load_installed, load_plugin, plugin_modules
from degradations.quality import SEVERITIES, Ranking, psnr
from degradations.registry import MIQD_DISTORTIONS, register
from degradations.render import Variant, rank_candidates, render

__all__ = [
    "MIQD_DISTORTIONS",
    "SEVERITIES",
    "Degradation",
    "DegradationError",
    "Distortion",
    "PluginError",
    "Ranking",
    "RegistrationError",
    "UnknownDegradationError",
    "Variant",
    "distortion",
    "distortions",
    "content_hash",
    "load_installed",
    "load_plugin",
    "names",
    "parse",
    "plugin_modules",
    "psnr",
    "rank_candidates",
    "register",
    "render",
    "select",
]
