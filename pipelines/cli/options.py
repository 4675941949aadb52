"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

COMPLETE, WRONG_USE, QUARANTINED, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""

Run = Annotated[Path | None, typer.Option("--run", help="Run file (YAML).")]
Out = Annotated[str | None, typer.Option("--out", help="Run folder: a path or a url such as s3://bucket/run.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the run file; repeatable.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Take the first N source images.")]
Images = Annotated[str | None, typer.Option("--images", help="png keeps the degraded images, none renders them in memory.")]
SchedulerName = Annotated[
    str | None, typer.Option("--scheduler", help="inline, dask, or tcp://host:8786 of a running Dask scheduler.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes; default one a GPU, else one a core.")]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", help="Module that registers further distortions; repeatable.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
TaskOptions = Annotated[
    list[str] | None,
    typer.Option("--task", help="cls, det, ins or seg; repeatable; all: every task that the run file describes."),
]
TaskOption = Annotated[str | None, typer.Option("--task", help="cls, det, ins or seg.")]
ZooFiles = Annotated[list[Path] | None, typer.Option("--zoo", help="Zoo file; repeatable; default the models that ship.")]
