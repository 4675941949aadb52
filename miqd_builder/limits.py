"""Default limits."""

from __future__ import annotations

MAX_PIXELS = 100_000_000
"""Pixels of the largest image that is decoded, unless ``source.max_pixels`` says otherwise."""
