"""What ``miqd publish`` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from miqd_builder.formats.publication.card import ordered_configs
from pipelines.cli.console import hint, show_notes
from pipelines.cli.terminal import out

if TYPE_CHECKING:
    from miqd_builder.formats.checking.folder import PublicationCheck
    from pipelines.api import Published
    from pipelines.plan_publish import PublishPlan

MAX_CHANGED = 8


def show_plan(plan: PublishPlan) -> None:
    """Print the files of a publication by configuration, and which of them are there."""
    publication = plan.publication
    out.print(
        f"Publish      {publication.title} {publication.release.version} ({plan.form}) to {plan.target.url}", markup=False
    )
    out.print(f"Licence      {publication.licence}; images: {publication.images}", markup=False)
    show_notes([f"Unfinished: {line}" for line in publication.missing])
    if not plan.shards:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("configuration", "rows", "files", "about", "to write"):
        table.add_column(column, justify="left" if column == "configuration" else "right")
    for config, shards in ordered_configs(plan.shards).items():
        todo = sum(shard.path not in plan.done for shard in shards)
        size = size_text(sum(shard.estimate for shard in shards))
        table.add_row(config or "samples", f"{sum(s.rows for s in shards):,}", str(len(shards)), size, str(todo))
    out.print(table)


def show_summary(published: Published) -> None:
    """Print what was written, and what to do next."""
    summary, plan = published.summary, published.plan
    assert summary is not None
    for failure in summary.failed:
        out.print(f"Failed: {failure}. The same command tries it again.", style="red", markup=False)
    if summary.failed:
        return
    out.print(
        f"{summary.files} files, {size_text(summary.size)}, {summary.rows:,} rows; {len(summary.changed)} files of "
        f"{size_text(summary.changed_bytes)} changed, {len(summary.removed)} removed."
    )
    before = plan.before
    if before and before.finished and summary.changed and before.releases[0].version == plan.publication.release.version:
        out.print(
            f"Note: files of the published version {before.releases[0].version} changed. Give --version and --changelog.",
            style="yellow",
        )
    hint(f"Data set: {plan.target.url}. Next: miqd publish --check {plan.target.url}")


def show_check(found: PublicationCheck) -> None:
    """Print what passes, what to mend, and what a person has to judge or install."""
    words = {True: ("passes", "green"), False: ("mend", "red"), None: ("note", "yellow")}
    for finding in found.findings:
        word, style = words[finding.passes]
        out.print(f"{word:<12} {finding.name}: {finding.text}", style=style, markup=False)
    failed = sum(finding.passes is False for finding in found.findings)
    hint(f"{found.folder}: ready for publication." if found.passes else f"{found.folder}: {failed} points to mend.")


def size_text(size: int) -> str:
    """Return a number of bytes in the unit that suits it.

    Examples:
        >>> size_text(999), size_text(12_300_000), size_text(4_000_000_000)
        ('999 B', '12.3 MB', '4.0 GB')
    """
    for unit, bound in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bound:
            return f"{size / bound:.1f} {unit}"
    return f"{size} B"
