"""Pixels that must never move without a new algorithm version: hashes of our own, of a synthetic picture.

After a wanted change raise the distortion's ``version`` and run ``python -m tests.degradations.test_golden``.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

import degradations
from tests.degradations.pictures import GOLDEN, ROOT, ellipse, scene

HASHES = GOLDEN / "own_hashes.json"

# What JPEG makes of pixels depends on the build of the codec.
STABLE = [
    distortion.name
    for distortion in degradations.distortions()
    if distortion.function.__module__.startswith("degradations.")
    and distortion.ranked
    and distortion.name != "jpeg_compression"
]


def hashes() -> dict[str, dict[str, object]]:
    """Return, by distortion, its algorithm version and short hashes of its severities and of two blends."""
    image, mask = scene(61, 83), ellipse(61, 83)
    found: dict[str, dict[str, object]] = {}
    for distortion in STABLE:
        suffixes = ["1", "2", "3", "4", "5", "fg_stronger_fg4_bg1", "bg_stronger_fg2_bg5"]
        variants = degradations.render(
            image, mask, source_id="scene", seed=3, names=[f"{distortion}_{suffix}" for suffix in suffixes]
        )
        short = [hashlib.sha256(variant.pixels.tobytes()).hexdigest()[:12] for variant in variants]
        found[distortion] = {"version": degradations.distortion(distortion).version, "sha256": short}
    return found


def test_pixels_are_those_of_the_committed_hashes():
    assert hashes() == json.loads(HASHES.read_text())


@pytest.mark.parametrize("disabled", ["AVX512_SKX", "AVX512_SKX,AVX2,FMA3", "AVX512_SKX,AVX2,FMA3,AVX,SSE4_2,SSE4_1"])
def test_pixels_do_not_depend_on_the_instruction_set(disabled):
    """Another process that refuses itself the newer vector instructions, as an older machine would, gives the same bytes."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OPENCV_CPU_DISABLE": disabled,
        "OPENCV_IPP": "disabled",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3" if "AVX2" in disabled else "AVX512_SKX",
    }
    command = [sys.executable, "-m", "tests.degradations.test_golden", "--print"]
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == json.loads(HASHES.read_text())


if __name__ == "__main__":
    text = json.dumps(hashes(), indent=1) + "\n"
    if "--print" in sys.argv:
        print(text)
    else:
        HASHES.write_text(text)
