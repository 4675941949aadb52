"""``miqd train`` and ``miqd evaluate``: quality models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import QUARANTINED, DryRun, SchedulerName, Settings, TaskOption, Workers

if TYPE_CHECKING:
    from machine_iqa.training.run import TrainingPlan

app = typer.Typer()
train_app = typer.Typer(invoke_without_command=True)
app.add_typer(train_app, name="train")


@train_app.callback()
def train(
    context: typer.Context,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Training file (YAML), or the name of one that ships.")
    ] = None,
    runs: Annotated[list[str] | None, typer.Option("--runs", help="Run folder with labels; repeatable.")] = None,
    data_path: Annotated[
        Path | None, typer.Option("--data-path", "--data_path", help="The published tree: folder of miqa_cls, miqa_det.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the training; default that of the training file.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for trainings; default runs.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", "--batch_size", min=1, help="Images of a step, over all processes.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", "--learning_rate", help="The highest learning rate.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="How often each source is seen.")] = None,
    gpu_ids: Annotated[
        list[int] | None, typer.Option("--gpu-ids", "--gpu_ids", help="GPU to train on, a process each; repeatable.")
    ] = None,
    settings: Settings = None,
    dry_run: DryRun = False,
) -> None:
    """Train a quality model on labelled images; the same command goes on with an interrupted training."""
    if context.invoked_subcommand is not None:
        return
    from pipelines import api
    from pipelines.cli import console
    from pipelines.cli.show_quality import show_figures

    trained = api.train(
        config,
        runs=runs,
        data_path=data_path,
        name=name,
        out=out,
        batch_size=batch_size,
        learning_rate=learning_rate,
        epochs=epochs,
        gpu_ids=gpu_ids,
        settings=settings or [],
        dry_run=dry_run,
        show_progress=True,
        on_plan=_show_plan,
    )
    if not dry_run:
        show_figures(trained.figures)
        console.hint(f"Weights: {trained.weights}\nCard: {trained.card}")


@train_app.command("export")
def train_export(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The file to write: .onnx, or .pt2 of PyTorch.")],
    model: Annotated[str, typer.Option("--model", help="A file that miqd train wrote, or a model's name.")] = "miqa-small",
    task: TaskOption = None,
    label: Annotated[str | None, typer.Option("--label", help="consistency, accuracy or composite.")] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="Weights of the model; default those that ship.")] = None,
) -> None:
    """Write a quality model for programs without this project, such as a camera's."""
    from pipelines import api
    from pipelines.cli import console

    console.hint(f"Model: {api.export_model(to, model=model, task=task, label=label, weights=weights)}")


@app.command("evaluate")
def evaluate(
    outs: Annotated[list[str], typer.Option("--out", help="Run folder with labels; repeatable: they are taken together.")],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="A file that miqd train wrote, or a model's name; repeatable. None: measures alone."),
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder for the report; default that of the first run.")] = None,
    measures: Annotated[
        str | None,
        typer.Option("--measures", metavar="NAMES", help="Beside the models, with commas between; default all there."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", help="Only the sources of test, validation or train; default: that no model saw."),
    ] = None,
    split_seed: Annotated[int, typer.Option("--split-seed", min=0, help="Seed of the split.")] = 0,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap draws for the intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws.")] = 0,
    scheduler: SchedulerName = None,
    workers: Workers = None,
) -> None:
    """Let models score a run's images, and compare their scores and classical measures with the labels."""
    from pipelines import api
    from pipelines.cli import console
    from pipelines.cli.show_quality import show_evaluation

    found = api.evaluate(
        models or [],
        outs,
        to=to,
        measures=None if measures is None else [name.strip() for name in measures.split(",") if name.strip()],
        split=split,
        split_seed=split_seed,
        resamples=resamples,
        seed=seed,
        scheduler=scheduler,
        workers=workers,
        show_progress=True,
    )
    console.show_stages(found.stages)
    show_evaluation(found)
    console.hint(f"Report: {found.report}")
    if any(stage.failures for stage in found.stages):
        raise typer.Exit(QUARANTINED)


def _show_plan(plan: TrainingPlan) -> None:
    from pipelines.cli.terminal import out

    for line in plan.words():
        out.print(line, markup=False)
