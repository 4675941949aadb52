"""The order of batches, and what is in them."""

from __future__ import annotations

from collections import Counter
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import miqd_builder as mb
from machine_iqa.data.batches import Batches, BatchLoader, shapes_of
from machine_iqa.data.labelled import LabelledSource
from machine_iqa.data.order import BatchOrder
from machine_iqa.data.pixels import RunPixels
from machine_iqa.data.reading import read_run
from machine_iqa.networks.base import Output
from tests.machine_iqa.labelled_demo import CLS, DET, TinyNetwork

OUTPUTS = (Output("cls", "composite"), Output("det", "consistency"))
LANDSCAPE, PORTRAIT = (("image", (3, 32, 40)),), (("image", (3, 40, 32)),)


def made_up(count: int = 7, names: int = 10) -> list[LabelledSource]:
    degradations = tuple(f"{distortion}_{i}" for distortion in ("fog", "snow", "contrast") for i in range(1, 6))[:names]
    return [
        LabelledSource(f"s{i}", RunPixels(""), (4, 4), degradations, np.zeros((names, 1), np.float32)) for i in range(count)
    ]


def order(**options: object) -> BatchOrder:
    shapes = [LANDSCAPE, LANDSCAPE, PORTRAIT, LANDSCAPE, PORTRAIT, LANDSCAPE, LANDSCAPE]
    fields = {"batch_size": 6, "training": True, "degradations_per_source": 7, "images_per_source": 4, "seed": 5} | options
    return BatchOrder(made_up(), shapes, **fields)  # type: ignore[arg-type]


def test_an_epoch_draws_and_the_next_draws_anew() -> None:
    one = order()
    first = one.batches()
    assert first == order().batches() != order(seed=6).batches()
    one.set_epoch(1)
    assert one.batches() != first and len(one.batches()) == len(first) == len(one)
    counts = Counter(place for batch in first for place, _ in batch)
    assert set(counts.values()) == {7} and len(counts) == 7
    assert all(len(set(batch)) == len(batch) <= 6 for batch in first)
    seen = {item for batch in first for item in batch} | {item for batch in one.batches() for item in batch}
    assert len(seen) > 49


def test_batches_are_of_one_shape() -> None:
    portraits = {2, 4}
    assert {len({place in portraits for place, _ in batch}) for batch in order().batches()} == {1}


def test_images_of_a_source_stay_together() -> None:
    for batch in order().batches():
        places = [place for place, _ in batch]
        changes = sum(one != other for one, other in pairwise(places))
        assert changes < len(batch) - 1


def test_processes_share_each_batch() -> None:
    whole = order(training=False, degradations_per_source=None)
    shares = [list(order(training=False, degradations_per_source=None, rank=rank, world=3)) for rank in range(3)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert list(dict.fromkeys(chain(*parts))) == batch
        assert len(batch) < 3 or sum(map(len, parts)) == len(batch)
    few = [list(order(batch_size=2, rank=rank, world=4)) for rank in range(4)]
    assert len({len(part) for part in few}) == 1 and all(len(batch) == 1 for part in few for batch in part)


def loader(run: Path, *, workers: int = 0, seed: int | None = 3, masks: bool = False) -> BatchLoader:
    network = TinyNetwork(OUTPUTS)
    sources = read_run(str(run), OUTPUTS).sources
    shapes = shapes_of(sources, network.views, training=seed is not None)
    whole = BatchOrder(sources, shapes, batch_size=12, seed=seed or 0, training=seed is not None, degradations_per_source=6)
    return BatchLoader(Batches(sources, network.views, seed=seed, masks=masks), whole, workers=workers)


def test_batches_hold_the_views_of_their_images(demo: Path) -> None:
    run, network = mb.open_run(demo / CLS), TinyNetwork(OUTPUTS)
    sources = read_run(str(demo / CLS), OUTPUTS).sources
    labels = {(r["source_id"], r["degradation"]): r["composite"] for r in run.labels("cls").to_pylist()}
    names = [(source.source_id, name) for source in sources for name in source.names]
    count = 0
    for batch in loader(demo / CLS, seed=None):
        assert batch.lost == []
        for view, target, row, place in zip(batch.views["image"], batch.targets, batch.rows, batch.sources, strict=True):
            key = names[row]
            assert sources[place].source_id == key[0]
            assert torch.equal(view, network.views(run.image(*key))["image"])
            assert target[0].item() == pytest.approx(labels[key]) and target[1].isnan()
            count += 1
    assert count == 48


def test_workers_and_a_start_in_the_middle_change_nothing(demo: Path) -> None:
    alone = list(loader(demo / DET))
    for other in (list(loader(demo / DET, workers=2)), _resumed(demo / DET, 2)):
        assert len(other) in (len(alone), len(alone) - 2)
        for one, two in zip(alone[len(alone) - len(other) :], other, strict=True):
            assert torch.equal(one.rows, two.rows) and torch.equal(one.views["image"], two.views["image"])


def _resumed(run: Path, after: int) -> list[object]:
    started = loader(run)
    batches = iter(started)
    for _ in range(after):
        next(batches)
    again = loader(run)
    again.load_state_dict(started.state_dict())
    assert len(again) == len(started)
    return list(again)


def test_masks_turn_with_their_views(demo: Path) -> None:
    network = TinyNetwork(OUTPUTS)
    sources = read_run(str(demo / CLS), OUTPUTS).sources
    turned = 0
    for batch in loader(demo / CLS, masks=True):
        assert batch.masks is not None
        for mask, place in zip(batch.masks, batch.sources.tolist(), strict=True):
            roi = sources[place].pixels.mask(sources[place].source_id)
            assert roi is not None
            straight = (network.views(np.repeat(roi[:, :, None], 3, 2))["image"][:1] + 1) / 2
            assert torch.equal(mask, straight) or torch.equal(mask, straight.flip(2))
            turned += not torch.equal(mask, straight)
    assert 0 < turned < 48


def test_one_bad_image_costs_itself(demo: Path, tmp_path: Path) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(demo / DET, run)
    broken = run / "images/scene_02_cone/scene_02_cone_darkness_3.png"
    broken.write_bytes(broken.read_bytes()[:-40])
    network, sources = TinyNetwork(OUTPUTS), read_run(str(run), OUTPUTS).sources
    shapes = shapes_of(sources, network.views, training=False)
    batches = list(BatchLoader(Batches(sources, network.views), BatchOrder(sources, shapes, batch_size=16)))
    lost = [line for batch in batches for line in batch.lost]
    assert len(lost) == 1 and lost[0].startswith("scene_02_cone darkness_3: ") and "missing or damaged" in lost[0]
    assert sum(map(len, batches)) == 79
