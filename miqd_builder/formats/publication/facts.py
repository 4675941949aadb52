"""What card and Croissant say of a data set, in sentences filled from its runs."""

from __future__ import annotations

from collections.abc import Sequence

import degradations
from miqd_builder.formats.publication.described import Publication
from miqd_builder.formats.publication.licences import restriction

PAPER_URL = "https://arxiv.org/abs/2508.19850"
CITATION = """@article{miqd2025,
  title   = {Image Quality Assessment for Machines},
  journal = {arXiv preprint arXiv:2508.19850},
  year    = {2025}
}"""
TASK_NAMES = {
    "cls": "image classification",
    "det": "object detection",
    "ins": "instance segmentation",
    "seg": "semantic segmentation",
}
_ORIGINS = {
    "imagenet": ("ImageNet", "https://www.image-net.org"),
    "coco": ("COCO", "https://cocodataset.org"),
    "folder": ("images of the publisher", None),
}


def summary(publication: Publication) -> str:
    """Return what the data set is, in one paragraph."""
    counts = " and ".join(
        f"{sum(map(len, run.splits.values())):,} source images x {len(run.record.degradations)} degradations"
        for run in publication.runs
    )
    models = ", ".join(f"{len(own.models)} models of {TASK_NAMES[own.task]}" for own in publication.tasks)
    return (
        f"{counts}, labelled by what they do to vision models: {models}. Consistency says whether a model predicts on the "
        "degraded image what it predicts on the original; accuracy compares with the ground truth; both, and their mean "
        "(composite), are in [0, 1], per model and over all models."
    )


def origins(publication: Publication) -> list[tuple[str, str | None]]:
    """Return the data sets that the clean images come from, name and address: as the publisher said, else as kinds suggest."""
    said: list[tuple[str, str | None]] = []
    for text in publication.origins:
        name, _, url = text.rpartition(" ")
        said.append((name, url) if url.startswith(("http://", "https://")) and name else (text, None))
    kinds = dict.fromkeys(kind for run in publication.runs for kind in run.source_kinds)
    return said or [_ORIGINS.get(kind, (f"images of source kind {kind}", None)) for kind in kinds]


def limitations(publication: Publication) -> list[str]:
    """Return what the labels can't be used for, or aren't."""
    sources = publication.sources()
    lines = [
        "Degradations are simulated, one at a time; pictures of real cameras have several at once.",
        "Labels hold for the listed models and their training data; other models may be hurt by other degradations.",
        f"The variants of one source image are alike: there are {sources:,} independent samples, not as many as rows. The "
        "splits divide source images.",
    ]
    if any(not run.measures for run in publication.runs):
        lines.append("Image quality measures beside PSNR were not computed for every run.")
    lines += [f"Incomplete: {line}." for line in publication.missing]
    return lines


def biases(publication: Publication) -> list[str]:
    """Return the known biases."""
    names = ", ".join(name for name, _ in origins(publication))
    weighted = any(set(own.weights.values()) - {1.0} for own in publication.tasks)
    lines = [
        f"The images have the biases of {names}; sets of photographs from the web over-represent some places and themes.",
        "Severities are chosen by PSNR on each image, so equal severity does not mean equal visibility.",
    ]
    if weighted:
        lines.append("Weighted labels favour models with better clean benchmark figures.")
    return lines


def personal_information(publication: Publication) -> str:
    """Return what is known of people in the images."""
    if publication.images == "none":
        return "No image is included. The source images may show people; labels and predictions don't identify anyone."
    return (
        "Images may show people where their source data set does. No name, face identity or other personal attribute "
        "was annotated or predicted."
    )


USE_CASES = (
    "Training and evaluating image quality models for machine vision; choosing codecs, cameras and settings; auditing how "
    "robust models are."
)
NOT_FOR = "Ranking degradations by what people see; judging models on clean images; any decision about people."
SOCIAL_IMPACT = (
    "Helps to notice when automated vision is unreliable. The same figures show which degradations defeat a detector, which "
    "could be misused; the degradations are all well known."
)


def generated_by(publication: Publication) -> list[str]:
    """Return the steps that made the data set."""
    versions = publication.runs[0].record.versions
    distortions: dict[str, None] = {}
    for run in publication.runs:
        distortions |= dict.fromkeys(degradations.parse(name).distortion for name in run.record.degradations)
    recipes = ", ".join(dict.fromkeys(own.recipe for own in publication.tasks))
    return [
        f"Rendering: {', '.join(distortions)} (miqd-builder {versions.get('miqd-builder', '?')}, seed "
        f"{', '.join(str(run.record.seed) for run in publication.runs)}).",
        f"Inference: {sum(len(own.models) for own in publication.tasks)} models, listed in recipe/zoo.yaml.",
        f"Labelling: recipe {recipes}; no person took part.",
    ]


def images_sentence(publication: Publication, *, regenerated: bool) -> str:
    """Return which images are embedded, and why not more.

    Args:
        publication: what is published.
        regenerated: whether the data set holds what renders its images again.
    """
    reason = restriction([kind for run in publication.runs for kind in run.source_kinds])
    if publication.images == "all":
        return "All images are embedded, originals among them."
    how = (
        "`miqd degrade --from .` renders all of them again from your copy of the source images and compares every hash "
        "with the configuration `variants`."
        if regenerated
        else "They can be rendered again with miqd-builder from the source images."
    )
    if publication.images == "sample":
        return f"The images of {len(publication.sample)} source images are embedded. {how}"
    return f"No image is embedded{f': {reason}' if reason else ''}. {how}"


def size_category(rows: int) -> str:
    """Return the Hub's word for a number of rows.

    Examples:
        >>> size_category(999), size_category(1_250_000)
        ('n<1K', '1M<n<10M')
    """
    bounds = [(10**3, "1K"), (10**4, "10K"), (10**5, "100K"), (10**6, "1M"), (10**7, "10M"), (10**8, "100M"), (10**9, "1B")]
    before = ""
    for bound, name in bounds:
        if rows < bound:
            return f"{before}<n<{name}" if before else f"n<{name}"
        before = name
    return "1B<n<10B"


def bullet(lines: Sequence[str]) -> str:
    """Return lines as a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)
