"""Columns of the tables in a run folder."""

from __future__ import annotations

import pyarrow as pa

from miqd_builder.errors import ConfigError

ORIGINAL = "original"
"""Value of ``degradation`` in the rows of the clean source image."""

KEYS = frozenset({"source_id", "degradation", "distortion"})
"""Columns that name what a row is of: every row has them, but for a distortion of the original."""

_IDENTITY = [
    ("source_id", pa.string()),
    ("degradation", pa.string()),
    ("distortion", pa.string()),
    ("category", pa.string()),
    ("region", pa.string()),
    ("roi_severity", pa.int8()),
    ("bg_severity", pa.int8()),
    ("file_name", pa.string()),
]

VARIANTS = pa.schema(
    [
        *_IDENTITY,
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("psnr", pa.float64()),
        ("candidate_roi", pa.int8()),
        ("candidate_bg", pa.int8()),
        ("pixel_sha256", pa.string()),
    ]
)

CODED_VARIANTS = pa.schema([*VARIANTS, ("bytes", pa.int64()), ("bits_per_pixel", pa.float64())])
"""``variants`` of a part with a codec's images: what the codec took; null for other images."""

CANDIDATES = pa.schema(
    [("source_id", pa.string()), ("distortion", pa.string()), ("candidate", pa.int8()), ("psnr", pa.float64())]
)
"""PSNR of every candidate parameter set against the source; with it, only the candidates that are needed are rendered again."""

_KEY = [("source_id", pa.string()), ("degradation", pa.string())]

_DETECTIONS = [
    *_KEY,
    ("height", pa.int32()),
    ("width", pa.int32()),
    ("boxes", pa.list_(pa.list_(pa.float32(), 4))),
    ("scores", pa.list_(pa.float32())),
    ("category_ids", pa.list_(pa.int32())),
]

RESPONSES = {
    "cls": pa.schema(
        [*_KEY, ("top_ids", pa.list_(pa.int32(), 5)), ("top_probs", pa.list_(pa.float32(), 5)), ("target_prob", pa.float32())]
    ),
    "det": pa.schema(_DETECTIONS),
    "ins": pa.schema([*_DETECTIONS, ("masks", pa.list_(pa.binary()))]),
    "seg": pa.schema(
        [
            *_KEY,
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("category_ids", pa.list_(pa.int32())),
            ("masks", pa.list_(pa.binary())),
        ]
    ),
}

_AP = [f"{measure}_ap{threshold}" for measure in ("consistency", "accuracy") for threshold in (50, 75)]

SCORE_COLUMNS = {
    "cls": ["consistency", "accuracy"],
    "det": ["consistency", "accuracy", *_AP],
    "ins": ["consistency", "accuracy", *_AP],
    "seg": ["consistency", "accuracy"],
}

SCORES = {task: pa.schema([*_KEY, *((name, pa.float64()) for name in columns)]) for task, columns in SCORE_COLUMNS.items()}


def _labels(task: str) -> pa.Schema:
    spread = [(f"{m}_{s}", pa.float64()) for m in ("consistency", "accuracy") for s in ("mean", "std", "weighted")]
    fixed_iou = [(f"{name}_weighted", pa.float64()) for name in SCORE_COLUMNS[task] if name in _AP]
    return pa.schema(
        [
            *_IDENTITY,
            ("psnr", pa.float64()),
            ("n_models", pa.int32()),
            *spread,
            ("composite", pa.float64()),
            *fixed_iou,
            ("recipe", pa.string()),
        ]
    )


LABELS = {task: _labels(task) for task in SCORE_COLUMNS}

MEASURES = pa.schema([*_KEY, ("value", pa.float64())])
"""One measure of every degraded image; null where it is undefined."""

QUARANTINE = pa.schema(
    [
        ("stage", pa.string()),
        ("source_id", pa.string()),
        ("model", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
    ]
)


def part_name(part: int) -> str:
    """Return the file name of a part, ``part-00000.parquet``."""
    return f"part-{part:05d}.parquet"


def table_path(table: str, part: int, *, task: str | None = None, model: str | None = None, measure: str | None = None) -> str:
    """Return the path of a part inside the run folder.

    Args:
        table: candidates, variants, responses, scores, labels or measures.
        part: number of the part.
        task: cls, det, ins or seg; for responses, scores and labels.
        model: name of the model; for responses and scores.
        measure: its name; for measures.
    """
    folders = [table]
    if task is not None:
        folders.append(f"task={task}")
    if model is not None:
        if "/" in model or model.startswith("."):
            raise ConfigError(f"Model name {model!r} can't name a folder: rename the zoo entry.")
        folders.append(f"model={model}")
    if measure is not None:
        if "/" in measure or measure.startswith("."):
            raise ConfigError(f"Measure name {measure!r} can't name a folder: rename the measure.")
        folders.append(f"measure={measure}")
    return "/".join([*folders, part_name(part)])


def image_path(source_id: str, degradation: str) -> str:
    """Return the path of a degraded image inside ``images/``."""
    return f"{source_id}/{source_id}_{degradation}.png"


def schema_of(name: str) -> pa.Schema | None:
    """Return the columns of a part by its path in the run folder; None for what is no part of a table.

    Examples:
        >>> schema_of("candidates/part-00000.parquet").names
        ['source_id', 'distortion', 'candidate', 'psnr']
    """
    table, *rest = name.split("/")
    alone = {"candidates": CANDIDATES, "variants": VARIANTS, "measures": MEASURES}
    by_task: dict[str, dict[str, pa.Schema]] = {"responses": RESPONSES, "scores": SCORES, "labels": LABELS}
    return alone.get(table) or by_task.get(table, {}).get(rest[0].removeprefix("task=") if rest else "")
