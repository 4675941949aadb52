"""Whole trainings of a tiny network on the demo's scenes: resumed, shared by processes, reported."""

from __future__ import annotations

import csv
import multiprocessing
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml

from machine_iqa.networks.base import Output
from machine_iqa.networks.registry import NETWORKS
from machine_iqa.training.config import load_config
from machine_iqa.training.files import BEST, CONFIG, LAST, source_key
from machine_iqa.training.run import plan_training, run_training
from machine_iqa.weights import load_model, save_model
from miqd_builder.errors import ConfigError
from tests.machine_iqa.labelled_demo import DET, TinyNetwork, register, train_here, training_fields


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS._shipped, "tiny", TinyNetwork)


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def here(fields: dict[str, object]) -> None:
    """Train in this process, on one thread as those that are killed: more would change the last bits of sums."""
    threads = torch.get_num_threads()
    try:
        train_here(fields)
    finally:
        torch.set_num_threads(threads)


def killed_at(fields: dict[str, object], step: int) -> None:
    process = multiprocessing.get_context("spawn").Process(target=train_here, args=(fields, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_killed_twice_and_resumed_is_as_if_nothing_had_happened(demo: Path, tmp_path: Path) -> None:
    options = {"ema": 0.9, "gradient_clip": 1.0, "losses": {"mask": 0.1, "ranking": 0.1, "plcc": 0.1}}
    here(training_fields(demo, tmp_path / "whole", **options))
    killed = training_fields(demo, tmp_path / "killed", **options)
    for step in (4, 9):  # in the middle of an epoch, and right after a validation
        killed_at(killed, step)
    here(killed)
    one, other = (tmp_path / name / "tiny" for name in ("whole", "killed"))
    assert metrics(one) == metrics(other) and len(metrics(one)) == 24
    assert (one / BEST).read_bytes() == (other / BEST).read_bytes()
    assert (one / "test.json").read_bytes() == (other / "test.json").read_bytes()
    assert (one / "test.parquet").read_bytes() == (other / "test.parquet").read_bytes()
    states = [torch.load(folder / LAST, weights_only=True) for folder in (one, other)]
    for part in ("state_dict", "current_model_state"):
        assert all(torch.equal(states[0][part][name], states[1][part][name]) for name in states[0][part])
    before = [(other / name).stat().st_mtime_ns for name in (BEST, LAST)]
    here(killed)
    assert before == [(other / name).stat().st_mtime_ns for name in (BEST, LAST)]


def test_two_processes_validate_as_one(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = {"epochs": 1, "learning_rate": 1e-12, "validations_per_epoch": 1, "ema": 0.5}
    monkeypatch.setitem(NETWORKS._shipped, "tiny", partial(TinyNetwork, batch_norm=False))  # its statistics are of a process
    found = []
    for name, processes in (("one", 1), ("two", 2)):
        run_training(plan_training(load_config(fields=training_fields(demo, tmp_path / name, processes=processes, **quiet))))
        row = metrics(tmp_path / name / "tiny")[-1]
        found.append({key: float(value) for key, value in row.items() if key.startswith("validation/") and value})
    assert len(found[0]) == 11 and found[0] == pytest.approx(found[1], abs=1e-6)


def test_a_training_learns_and_its_card_says_how(demo: Path, tmp_path: Path) -> None:
    fields = training_fields(demo, tmp_path, epochs=5, precision="bfloat16", workers=1)
    plan = plan_training(load_config(fields=fields))
    assert "begins in" in plan.words()[0] and "5 epochs of 6 steps of 10 images" in plan.words()[3]
    assert not (tmp_path / "tiny").exists()
    figures = run_training(plan)
    rows = [float(row["train/loss"]) for row in metrics(tmp_path / "tiny") if row["train/loss"]]
    assert sum(rows[-4:]) < 0.7 * sum(rows[:4])
    whole = [figure for figure in figures if figure.subset == "all"]
    assert [(f.task, f.label) for f in whole] == [(o.task, o.label) for o in plan.config.outputs] and whole[0].n == 20
    card = (tmp_path / "tiny/card.md").read_text()
    for words in ("demo_resnet10t (Apache-2.0)", "| test | 2 | 40 |", "miqd_v1", "SRCC", "## Weak spots", "Seed 0", "torch"):
        assert words in card
    assert list((tmp_path / "tiny/tensorboard").glob("events*"))
    network, record = load_model(tmp_path / "tiny" / BEST)
    assert network.outputs == plan.config.outputs and record.training["labelled_by"]["det"] == ["demo_yolox"]
    test = {source.source_id for source in plan.parts["test"].sources}
    assert not set(map(source_key, test)) & set(record.training["seen"]) and len(record.training["seen"]) == 6


def test_a_lost_image_is_named_on_the_card(demo: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(demo / DET, run)
    for image in (run / "images").glob("*/*darkness_3.png"):
        image.write_bytes(b"")
    fields = training_fields(demo, tmp_path, runs=[str(run)], tasks=["det"], epochs=1, degradations_per_source=None)
    fields["validations_per_epoch"] = 1
    run_training(plan_training(load_config(fields=fields)))
    card = (tmp_path / "tiny/card.md").read_text()
    assert "## Images that couldn't be read (8)" in card and "- scene_00_ball darkness_3: " in card


def test_what_does_not_fit_is_one_line(demo: Path, tmp_path: Path) -> None:
    fields = training_fields(demo, tmp_path, epochs=1)
    run_training(plan_training(load_config(fields=fields)))

    def refused(**changes: object) -> str:
        with pytest.raises(ConfigError) as error:
            run_training(plan_training(load_config(fields=fields | changes)))
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "holds a training that differs in learning_rate" in refused(learning_rate=0.5)
    before_it_existed = yaml.safe_load((tmp_path / "tiny" / CONFIG).read_text())
    assert before_it_existed["losses"].pop("damage") == 0
    (tmp_path / "tiny" / CONFIG).write_text(yaml.safe_dump(before_it_existed))
    run_training(plan_training(load_config(fields=fields)))  # goes on: a field that came later has its default
    assert "folder can't be used (File name too long)" in refused(out=str(tmp_path / ("x" * 300)))
    assert "Unknown network 'tinny'" in refused(network="tinny") and "Did you mean 'tiny'" in refused(network="tinny")
    best = str(tmp_path / "tiny" / BEST)
    assert "set network, tasks and labels to these" in refused(name="other", weights=best, labels=["composite"])
    assert "differs in its images or labels" in _with_other_labels(demo, tmp_path, fields)
    started = plan_training(load_config(fields=fields | {"name": "third", "weights": best}))
    assert torch.equal(started.network.state_dict()["head.1.bias"], load_model(Path(best))[0].state_dict()["head.1.bias"])
    network, record = load_model(Path(best))
    network.outputs = (Output("cls", "composite"),)
    with pytest.raises(ConfigError, match="other outputs"):
        save_model(network, tmp_path / "x.safetensors", record)


def _with_other_labels(demo: Path, tmp_path: Path, fields: dict[str, object]) -> str:
    register()
    plan = plan_training(load_config(fields=fields))
    plan.parts["train"].sources[0].targets[0, 0] = 0.123
    with pytest.raises(ConfigError) as error:
        run_training(plan)
    return str(error.value)
