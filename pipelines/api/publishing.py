"""``publish``: a run folder as a data set that other people load in one line, and the check of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.formats.registry import format_of
from pipelines.api.fields import command
from pipelines.progress.bar import shown

if TYPE_CHECKING:
    from miqd_builder.formats.checking.folder import PublicationCheck
    from miqd_builder.formats.publication.described import ImagePolicy
    from pipelines.plan_publish import PublishPlan
    from pipelines.run_publish import PublishSummary

IMAGES = ("sample", "all", "none")


@dataclass(frozen=True, slots=True)
class Published:
    """What ``publish`` planned and did.

    Attributes:
        plan: the files, and which of them were there.
        summary: what was written; None after a dry run.
    """

    plan: PublishPlan
    summary: PublishSummary | None


@command
def publish(
    out: str | Path | Sequence[str | Path],
    *,
    to: str | Path,
    licence: str | None = None,
    format: str = "huggingface",
    images: str | None = None,
    sample: int | None = None,
    title: str | None = None,
    creator: str | None = None,
    origins: str | Sequence[str] = (),
    version: str | None = None,
    changelog: str | None = None,
    split_seed: int | None = None,
    allow_incomplete: bool = False,
    may_pass_on_images: bool = False,
    dry_run: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    show_progress: bool = False,
    on_plan: Callable[[PublishPlan], None] | None = None,
) -> Published:
    """Write a run as a data set for publication: data files, card, Croissant, and the recipe that regenerates the pixels.

    What is there already and made from the same is kept, so that the same call goes on with an interrupted publication, and a
    later version writes only what has changed.

    Args:
        out: run folder, a path or a url; or several, whose source images differ and whose labels are of one recipe.
        to: where to publish, a path or any fsspec url.
        licence: of labels and predictions: an identifier of the Hub such as ``cc-by-4.0``, or the address of a licence. Later
            versions keep it.
        format: ``huggingface``, ``webdataset``, ``pyiqa``, ``miqd``, or one of another package.
        images: whose pixels are embedded: those of a ``sample`` of the sources, of ``all``, or ``none``, which are then
            regenerated from the recipe. By default a sample, or what the last version had; none where they may not be passed
            on.
        sample: number of source images in a sample; 4 by default.
        title: of the data set.
        creator: who publishes it.
        origins: data sets that the clean images come from, such as ``COCO 2017 https://cocodataset.org``; by default what the
            kinds of the sources suggest.
        version: ``MAJOR.MINOR.PATCH``; 1.0.0, or that of the last publication, by default.
        changelog: what is new in this version.
        split_seed: of the splits, by source image; 0 by default.
        allow_incomplete: publish an unfinished run; the card then says what is missing.
        may_pass_on_images: say that you have the right to pass on images of sources such as ImageNet.
        dry_run: plan, and write nothing.
        scheduler: ``inline``, ``dask`` or ``tcp://host:port``; by default this process where little is to be written, else the
            run file's.
        workers: worker processes.
        show_progress: show progress on standard error.
        on_plan: called with the plan before anything is written.

    Returns:
        the plan and what was written; ``failed`` of the summary names files that the same call tries again.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: no licence is given, the run is unfinished, or the target holds another data set; nothing was written.
        StoreError: something of the run is missing or damaged, or the target can't be written.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> folder = tempfile.mkdtemp()
        >>> fields = {"degradations": "darkness_1", "limit": 4, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=folder + "/run", **fields)
        >>> published = mb.publish(folder + "/run", to=folder + "/data", licence="cc-by-4.0")
        >>> sorted({shard.config for shard in published.plan.shards})
        ['labels-cls', 'responses-cls', 'scores-cls', 'sources', 'variants']
        >>> mb.check_publication(folder + "/data").passes
        True
    """
    from pipelines.plan_publish import Wishes, plan_publish
    from pipelines.publish_tree import plan_tree, run_tree
    from pipelines.run_publish import run_publish

    outs = (out,) if isinstance(out, str | Path) else tuple(out)
    wishes = Wishes(
        outs=tuple(_absolute(url) for url in outs),
        to=_absolute(to),
        licence=licence,
        images=_image_policy(images),
        sample=sample,
        title=title,
        creator=creator,
        origins=(origins,) if isinstance(origins, str) else tuple(origins),
        split_seed=split_seed,
        version=version,
        changelog=changelog,
        allow_incomplete=allow_incomplete,
        may_pass_on=may_pass_on_images,
    )
    form = format_of(format)
    tree = form.publisher is None
    plan = plan_tree(form, wishes) if tree else plan_publish(form, wishes)
    if on_plan is not None:
        on_plan(plan)
    if dry_run:
        return Published(plan, None)
    with shown(show_progress):
        if tree:
            return Published(plan, run_tree(plan, form, scheduler=scheduler, workers=workers))
        return Published(plan, run_publish(plan, scheduler=scheduler, workers=workers))


@command
def check_publication(folder: str | Path, *, records: int = 20) -> PublicationCheck:
    """Check a published data set without a network: limits of the Hub, schemas, hashes, card, Croissant, licences.

    Args:
        folder: of the data set.
        records: records of each set that are generated through Croissant; 0 for none.

    Returns:
        what passes, and what to mend. The check of Croissant needs the package ``mlcroissant`` (``pip install
        'miqd-builder[publish]'``) and says so where it is missing.

    Raises:
        TypeError: there is no such argument; names the nearest.
        ConfigError: there is no such folder.

    Examples:
        >>> import tempfile
        >>> import miqd_builder as mb
        >>> folder = tempfile.mkdtemp()
        >>> fields = {"degradations": "darkness_1", "limit": 4, "models": "demo_resnet10t", "scheduler": "inline"}
        >>> made = mb.label(task="cls", run="pipelines/demo.yaml", out=folder + "/run", **fields)
        >>> published = mb.publish(folder + "/run", to=folder + "/data", licence="cc-by-4.0")
        >>> [finding.name for finding in mb.check_publication(folder + "/data", records=0).findings][:3]
        ['files of the repository', 'entries of a folder', 'sizes of .parquet files']
    """
    from miqd_builder.formats.checking.folder import check_folder

    return check_folder(Path(folder), records=records)


def _image_policy(name: str | None) -> ImagePolicy | None:
    if name is None:
        return None
    for known in IMAGES:
        if known == name:
            return known  # type: ignore[return-value]
    raise ConfigError(f"images = '{name}': expected one of {', '.join(IMAGES)}.{did_you_mean(name, IMAGES)}")


def _absolute(url: str | Path) -> str:
    return str(url) if "://" in str(url) else str(Path(url).expanduser().resolve())
