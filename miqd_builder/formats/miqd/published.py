"""The published form: which files there are, what they are called, and their columns. Read from the training code's readers.

Classification has one CSV an image, detection and instance segmentation have two. The reader of instance segmentation takes
its images from the detection tree. Row order matters: accuracy and consistency are joined by position.
"""

from __future__ import annotations

from miqd_builder.tasks import Task

TASKS: tuple[Task, ...] = ("cls", "det", "ins")

CLS_COLUMNS = {
    "mean_consistency": "consistency_mean",
    "std_consistency": "consistency_std",
    "weighted_consistency": "consistency_weighted",
    "mean_accuracy": "accuracy_mean",
    "std_accuracy": "accuracy_std",
    "weighted_accuracy": "accuracy_weighted",
}
"""Columns of ``labels/<stem>_mmos.csv`` after ``dist_images``, and what they are called in our labels."""

IMAGE_COLUMN = {"cls": "dist_images", "det": "filename", "ins": "filename"}
"""Column that names the degraded image: a path below ``images/`` for cls, a file name for det and ins."""

AP_COLUMNS = {
    "AP_weighted_avg": "{}_weighted",
    "AP50_weighted_avg": "{}_ap50_weighted",
    "AP75_weighted_avg": "{}_ap75_weighted",
}
"""Columns of ``labels/<stem>_consistency.csv`` and ``_accuracy.csv`` after ``filename``; ``{}`` stands for the measure."""

MODEL_PREFIX = "AP_"
"""``AP_<model>``: AP of one model."""

MEASURES = ("consistency", "accuracy")
INDEX_DIGITS = 12
"""Detection's readers fill image names with zeros to this length, as COCO does."""


def tree(task: str) -> str:
    """Return the folder that holds a task's labels."""
    return f"miqa_{task}"


def image_tree(task: str) -> str:
    """Return the folder that holds a task's images."""
    return tree("det" if task == "ins" else task)


def stem(task: str, source_id: str) -> str:
    """Return what a source image is called in file names: for det and ins filled with zeros to 12 characters."""
    return source_id if task == "cls" else source_id.zfill(INDEX_DIGITS)


def label_files(task: str, name: str) -> dict[str, str]:
    """Return the label files of one source below ``labels/``, by measure (cls: one file, ``mmos``).

    Args:
        task: cls, det or ins.
        name: what :func:`stem` returns.
    """
    return {kind: f"{name}_{kind}.csv" for kind in (("mmos",) if task == "cls" else MEASURES)}


def source_file(task: str, source_id: str, file_name: str) -> str:
    """Return the original's name below ``src_images/``; detection's readers ask for ``.jpg``, whatever the content."""
    return file_name if task == "cls" else f"{stem(task, source_id)}.jpg"


def split_image_name(task: str, name: str, image: str) -> tuple[str, str] | None:
    """Split the name of a degraded image into source id and degradation.

    Args:
        task: cls, det or ins.
        name: what :func:`stem` returned for the source.
        image: such as ``000000000139_fog_3.png``.

    Returns:
        Source id and name of the degradation; None if it is no image of this source.
    """
    body = image.removesuffix(".png")
    cuts = (i for i, letter in enumerate(body) if letter == "_" and stem(task, body[:i]) == name)
    cut = next(cuts, None)
    return None if body == image or cut is None else (body[:cut], body[cut + 1 :])
