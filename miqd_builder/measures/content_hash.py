"""The content hash of a measure, over all that its values depend on: when it changes, they are computed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from miqd_builder import user_code
from miqd_builder.measures.measure import Measure
from miqd_builder.measures.registry import MEASURES, find_measure


def measure_hash(name: str | Measure, own_weights: Sequence[Path] = ()) -> str:
    """Return 16 hex digits over all that changes a measure's values.

    These are its name, its version, its kind of reference, its least size, the sha256 of its weights, and the source of the
    module of one that another package adds. Its descriptions and the places of files on disk don't count.

    Args:
        name: of the measure, or a record that isn't in the registry.
        own_weights: lists of weights beside those that ship.

    Raises:
        ConfigError: there is no such measure (names the nearest), or its weights are missing (says which file, from where, to
            which place) or other ones than expected.
    """
    measure = find_measure(name)
    facts = {
        "name": measure.name,
        "version": measure.version,
        "reference": measure.reference,
        "minimum_size": measure.minimum_size,
        "weights": {weights: _sha256(weights, own_weights) for weights in measure.weights},
        "code": measure_code(name),
    }
    if measure.content:
        facts["content"] = measure.content
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def measure_code(name: str | Measure) -> dict[str, str]:
    """Return the hash of the module of a measure of another package, for :func:`miqd_builder.user_code.planned` on a worker."""
    if isinstance(name, Measure):
        return {}
    module = MEASURES.module(name)
    sha256 = None if MEASURES.shipped(name) else user_code.source_sha256(module)
    return {module: sha256} if sha256 else {}


def _sha256(weights: str, own_weights: Sequence[Path]) -> str:
    from miqd_builder.measures.weights import verified_weights
    from miqd_builder.zoo.weights.cache import file_sha256

    return file_sha256(verified_weights(weights, own_weights))
