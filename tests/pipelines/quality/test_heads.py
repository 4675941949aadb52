"""Heads that are trained alone: on what the rest of the network says of each image, whatever it was before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import spearmanr

import miqd_builder as mb
from machine_iqa.data.pixels import RunPixels
from machine_iqa.model import MIQAModel
from machine_iqa.networks.base import Output
from machine_iqa.networks.miqa_small import MiqaSmall
from machine_iqa.training.config import TrainingConfig, load_config
from machine_iqa.training.files import CARD, SCORES
from machine_iqa.training.run import best_file, plan_training
from machine_iqa.weights import ModelRecord, load_model, save_model
from miqd_builder.errors import ConfigError, UnreadableImageError
from miqd_builder.tables.images import Named
from pipelines.quality.head_inputs import HeadInputs, keep_inputs, kept_inputs
from pipelines.quality.heads import MEMBERS, fitted_head, train_heads
from tests.machine_iqa.labelled_demo import CLS, DET, demo, training_fields

__all__ = ["demo"]

SMALL = {"area": 64 * 96, "large_area": 96 * 128}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """An untrained network that scores in a blink."""
    torch.manual_seed(1)
    outputs = [Output(task, label) for task in ("cls", "det") for label in ("consistency", "accuracy")]
    network, file = MiqaSmall(outputs, **SMALL), tmp_path / "start.safetensors"
    names = tuple((output.task, output.label) for output in outputs)
    options = {"network": "miqa-small", "options": SMALL, "trained_on": "nothing", "licence": "MIT", "version": "1"}
    save_model(network, file, ModelRecord(outputs=names, **options), half=False)
    return file


def heads_config(demo: Path, out: Path) -> TrainingConfig:
    options = {"network": "miqa-small", "network_options": SMALL | {"hidden": 4 * MEMBERS}}
    return load_config(fields=training_fields(demo, out, name="heads", degradations_per_source=None, **options))


def test_only_the_heads_change_and_the_scores_are_those_of_the_network(demo: Path, weights: Path, tmp_path: Path) -> None:
    config = heads_config(demo, tmp_path)
    figures = train_heads(config, weights, tmp_path / "kept", workers=1)
    before, after = (load_model(file)[0].state_dict() for file in (weights, best_file(tmp_path / "heads")))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("heads.")}
    assert {(figure.task, figure.label) for figure in figures} == set(load_model(weights)[1].outputs)
    assert (tmp_path / "heads" / CARD).read_text().startswith("# heads")

    model = MIQAModel(str(best_file(tmp_path / "heads")), device="cpu")
    rows = pq.read_table(tmp_path / "heads" / SCORES).to_pylist()
    unseen = {source.source_id for source in plan_training(config).parts["test"].sources}
    assert {row["source_id"] for row in rows} == unseen and len(rows) == 2 * 10 * len(unseen)
    run = mb.open_run(demo / CLS)
    for row in rows[:: len(rows) // 4]:
        scores = model.assess_all(run.image(row["source_id"], row["degradation"]), channels="RGB")
        for task, label in load_model(weights)[1].outputs:
            assert row[f"{task}_{label}"] == pytest.approx(scores[task][label], abs=1e-4)

    first = best_file(tmp_path / "heads").read_bytes()
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*.safetensors")}
    train_heads(config, weights, tmp_path / "kept", workers=1)
    assert best_file(tmp_path / "heads").read_bytes() == first
    assert kept == {file: file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*.safetensors")}


def test_inputs_are_those_of_their_images(demo: Path, weights: Path, tmp_path: Path) -> None:
    data = plan_training(heads_config(demo, tmp_path)).parts["validation"]
    whole = kept_inputs({"chosen": data}, weights, tmp_path / "kept", workers=1)["chosen"]
    assert sorted(whole.rows.tolist()) == list(range(data.images)) and not whole.lost
    network = load_model(weights)[0]
    assert isinstance(network, MiqaSmall)
    names = [(source, name) for source in data.sources for name in source.names]
    for place in range(0, data.images, 7):
        source, name = names[int(whole.rows[place])]
        [(_, pixels)] = source.pixels.images(source.source_id, [name])
        with torch.inference_mode():
            inputs, _, _ = network.before_heads({view: value[None] for view, value in network.views(pixels).items()})
        for task, values in inputs.items():
            assert torch.allclose(values[0], whole.by_task[task][place], atol=1e-4)


class WithoutDarkness(RunPixels):
    """The images of a run, one of which can't be read."""

    def images(self, source_id: str, names: Sequence[str]) -> Iterator[Named]:
        for name in names:
            if name == "darkness_3":
                raise UnreadableImageError("it is torn")
            yield from super().images(source_id, [name])


def test_an_image_that_cannot_be_read_costs_itself(demo: Path, weights: Path, tmp_path: Path) -> None:
    data = plan_training(heads_config(demo, tmp_path)).parts["validation"]
    source = next(source for source in data.sources if isinstance(source.pixels, RunPixels))
    torn = replace(source, pixels=WithoutDarkness(source.pixels.url))
    keep_inputs(torn, weights, tmp_path / "kept.safetensors")
    found = HeadInputs.read(tmp_path / "kept.safetensors")
    assert found.lost == (f"{source.source_id} darkness_3: it is torn",)
    assert sorted(found.rows.tolist()) == [row for row, name in enumerate(source.names) if name != "darkness_3"]
    assert {len(values) for values in found.by_task.values()} == {len(source.names) - 1}


def test_nothing_could_be_read_and_then_it_can(demo: Path, weights: Path, tmp_path: Path) -> None:
    data = plan_training(heads_config(demo, tmp_path)).parts["validation"]
    gone = replace(data, sources=tuple(replace(one, pixels=RunPixels(str(tmp_path / "gone"))) for one in data.sources))
    with pytest.raises(ConfigError, match=r"None of the \d+ images of chosen could be read: .*gone"):
        kept_inputs({"chosen": gone}, weights, tmp_path / "kept", workers=1)
    (tmp_path / "gone").symlink_to(demo / DET)  # put back
    there = replace(gone, sources=tuple(one for one in gone.sources if len(one.names) == 10))
    assert not kept_inputs({"chosen": there}, weights, tmp_path / "kept", workers=1)["chosen"].lost


def test_members_share_the_width(demo: Path, weights: Path, tmp_path: Path) -> None:
    config = heads_config(demo, tmp_path)
    uneven = config.model_copy(update={"network_options": SMALL | {"hidden": MEMBERS + 1}})
    with pytest.raises(ConfigError, match=f"give a multiple of {MEMBERS}"):
        train_heads(uneven, weights, tmp_path / "kept", workers=1)
    assert not (tmp_path / "heads").exists() and not (tmp_path / "kept").exists()


def test_a_head_learns_from_the_images_that_have_a_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(600, 5)).astype(np.float32))
    truth = torch.sigmoid(inputs[:, :1] * inputs[:, 1:2] + inputs[:, 2:3]).repeat(1, 2)
    targets = truth.clone()
    targets[:200], targets[200:400, 1] = torch.nan, torch.nan
    fields = {"name": "x", "network": "miqa-small", "network_options": {"hidden": 32 * MEMBERS}, "weight_decay": 0.01}
    config = load_config(fields=fields | {"epochs": 60, "batch_size": 32, "learning_rate": 0.01})
    head = fitted_head(inputs, targets, config)
    with torch.inference_mode():
        for column in (0, 1):
            assert spearmanr(head(inputs[:200])[:, column], truth[:200, column]).statistic > 0.9
    inputs[:200] += 1  # nothing is known of these
    assert torch.equal(fitted_head(inputs, targets, config)[0].weight, head[0].weight)
