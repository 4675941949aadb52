"""``miqd assess``: what images, videos and a camera are worth to vision models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import QUARANTINED, TaskOption

if TYPE_CHECKING:
    from machine_iqa.camera import Reading
    from pipelines.api import Assessed

app = typer.Typer()
SECONDS_BETWEEN_READINGS = 1.0


@app.command("assess")
def assess(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Images, videos, folders (with all below), patterns.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Name of a quality model, or a file that miqd train wrote.")
    ] = "miqa-small",
    task: TaskOption = None,
    label: Annotated[str | None, typer.Option("--label", help="consistency, accuracy or composite.")] = None,
    weights: Annotated[Path | None, typer.Option("--weights", metavar="FILE", help="Weights of the model.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Table to write or to go on with: .csv, .json or .parquet.")
    ] = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames of each video, evenly spaced.")] = 120,
    annotate: Annotated[
        Path | None, typer.Option("--annotate", metavar="DIR", help="Write videos with score and curve there.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Threads; default one a core.")] = None,
    camera: Annotated[
        int | None, typer.Option("--camera", min=0, help="Number of a camera to watch, instead of files.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0, help="Watch the camera for so long; default until Ctrl-C.")
    ] = None,
) -> None:
    """Score images, videos or a camera with a quality model: 1 as good as clean, 0 useless to machines."""
    from pipelines import api
    from pipelines.cli import console

    if camera is not None:
        if paths or out is not None or annotate is not None or workers is not None:
            raise typer.BadParameter("--camera goes without files, --out, --annotate and --workers.")
        api.assess_camera(
            camera, model=model, task=task, label=label, weights=weights, device=device, seconds=seconds, on_reading=Readings()
        )
        return
    if seconds is not None:
        raise typer.BadParameter("--seconds belongs to --camera.")
    found = api.assess(
        paths or [],
        model=model,
        task=task,
        label=label,
        weights=weights,
        device=device,
        out=out,
        frames=frames,
        annotate=annotate,
        workers=workers,
        show_progress=out is not None,
    )
    _show(found)
    if found.out is not None:
        console.hint(f"Scores of {len(found.rows) - found.failures} files are in {found.out}.")
    if found.curves is not None:
        console.hint(f"Curves of videos are in {found.curves}.")
    if found.failures:
        raise typer.Exit(QUARANTINED)


class Readings:
    """Prints a camera's smoothed score about once a second."""

    def __init__(self) -> None:
        self._last = -SECONDS_BETWEEN_READINGS

    def __call__(self, reading: Reading) -> None:
        """Print a reading if it is time."""
        if reading.time - self._last >= SECONDS_BETWEEN_READINGS:
            self._last = reading.time
            typer.echo(f"{reading.time:8.1f} s  {reading.smoothed:.3f} (now {reading.score:.3f})  {reading.fps:.1f} frames/s")


def _show(found: Assessed) -> None:
    """Print the scores where no table holds them, and what could not be read."""
    for row in found.rows:
        if row["error"] is not None:
            typer.echo(row["error"], err=True)
        elif found.out is None:
            typer.echo(f"{row['score']:.4f}  {row['path']}")
