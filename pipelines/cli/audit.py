"""``miqd audit``: what the distortions do to the models, and how two runs or two sets of models differ."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.options import Out, Run, Settings, TaskOption

app = typer.Typer()


@app.command("audit")
def audit(
    run: Run = None,
    task: TaskOption = None,
    out: Out = None,
    settings: Settings = None,
    label_statistics: Annotated[
        bool,
        typer.Option("--label-statistics", help="Only print the label statistics beside the paper's, with intervals."),
    ] = False,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap draws for the intervals.")] = 1000,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="MODEL", help="Model that mean corruption errors are taken against.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="RUN", help="Another run folder: differences of this run from it.")
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--models", metavar="GLOB", help="Models to compare with --against-models; repeatable.")
    ] = None,
    against_models: Annotated[
        list[str] | None,
        typer.Option("--against-models", metavar="GLOB", help="Models to compare them with; repeatable."),
    ] = None,
) -> None:
    """Say how each distortion hurts, and write report/audit.json and report/index.html."""
    from pipelines import api
    from pipelines.cli import console
    from pipelines.cli.show_against import show_against, show_model_sets
    from pipelines.cli.show_formats import show_label_statistics

    if label_statistics:
        for found in api.label_statistics(out, task=task, run=run, settings=settings or [], resamples=resamples):
            show_label_statistics(found)
        return
    audited = api.audit(
        out,
        task=task,
        run=run,
        settings=settings or [],
        baseline=baseline,
        against=against,
        models=models,
        against_models=against_models,
        resamples=resamples,
    )
    for name, of_task in audited.tasks.items():
        console.show_audit(name, of_task)
        show_model_sets(name, of_task.document)
    if audited.document.against is not None:
        show_against(audited.document.against)
    console.hint(f"Report: {audited.report}, figures: {audited.json}")
