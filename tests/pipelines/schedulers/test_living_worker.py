"""Edits between two commands, while the client and a worker that was started by hand live on.

Each time the same command ends with what a fresh process computes, byte for byte: no prediction of old code, no entry of an old
zoo file, no part that never converges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from miqd_builder.config import load_run
from pipelines.planning import plan_label
from pipelines.run import run_label
from tests.conftest import DataSet, Outcome, part_bytes, write_run, write_zoo
from tests.pipelines.children import miqd_process, scheduler_process, worker_process

Miqd = Callable[..., Outcome]

MODEL = """
from tests.toy_models import Brightness

GAIN = {gain}


def make(entry, options, offset=0.0):
    return Brightness(GAIN + offset)
"""

PLUGIN = """
import numpy as np

import degradations


@degradations.register(category="sensor", candidates=[(float(k),) for k in range(1, 13)])
def living_haze(image, amount):
    return np.clip(image + {strength} * amount, 0, 255).astype(np.uint8)
"""

RECIPE = """
import numpy as np


def compare(degraded, original):
    same = degraded.top_ids[:, 0] == original.top_ids[:, 0]
    return np.where(same, 1.0, {rest})
"""


@dataclass
class Living:
    """A folder with a model, a plug-in and a recipe of a user's, and the cluster that outlives their edits."""

    folder: Path
    address: str
    run: Path
    count: int = 0
    entries: list[dict[str, Any]] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        """Write a file of the user's."""
        (self.folder / name).write_text(text)

    def zoo(self, **offsets: float) -> None:
        """Write the zoo file: a model for each name."""
        metric = {"name": "top1", "value": 50.0, "source": "made up"}
        common = {"task": "cls", "backend": "python", "target": "living_model:make", "metric": metric}
        write_zoo(self.folder / "zoo.yaml", [{"name": n, "arch_kwargs": {"offset": o}, **common} for n, o in offsets.items()])

    def command(self, out: str, scheduler: str) -> list[object]:
        """The command line."""
        return ["label", "--task", "cls", "--run", self.run, "--out", self.folder / out, "--scheduler", scheduler]

    def check(self, miqd: Miqd) -> None:
        """Run the same command as always, and a fresh process into another folder, and compare."""
        result = miqd(*self.command("out", self.address))
        assert result.code == 0, result.err
        self.check_against_fresh()

    def check_against_fresh(self) -> None:
        """Compare the run folder with what a fresh process makes."""
        self.count += 1
        fresh = f"fresh-{self.count}"
        log = self.folder / f"{fresh}.txt"
        with miqd_process(log, *self.command(fresh, "inline")) as process:
            process.join(300)
        assert process.exitcode == 0, log.read_text()
        for table in ("variants", "labels"):
            assert part_bytes(self.folder / "out", table) == part_bytes(self.folder / fresh, table), table
        for table in ("responses", "scores"):
            there = part_bytes(self.folder / "out", table)
            for name, content in part_bytes(self.folder / fresh, table).items():
                assert there[name] == content, name


@pytest.fixture
def living(data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Living]:
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({"name": "living", "version": 1, "class_consistency": "living_recipe:compare"})
    )
    run = write_run(
        tmp_path,
        data,
        folder / "zoo.yaml",
        degradations=["darkness_[1-3]", "living_haze_[135]"],
        plugins=["living_plugin"],
        recipe=str(folder / "recipe.yaml"),
        images="none",
    )
    with scheduler_process(tmp_path / "address"):
        address = (tmp_path / "address").read_text()
        case = Living(folder, address, run)
        case.write("living_model.py", MODEL.format(gain=1.0))
        case.write("living_plugin.py", PLUGIN.format(strength=5))
        case.write("living_recipe.py", RECIPE.format(rest=0.25))
        case.zoo(m0=0.0)
        with worker_process(address):
            yield case


def test_edits_between_two_commands(miqd: Miqd, living: Living) -> None:
    living.check(miqd)
    living.zoo(m0=0.3)
    living.check(miqd)  # the entry was edited
    living.zoo(m0=0.3, m1=0.1)
    living.check(miqd)  # a model was added
    living.zoo(m1=0.1)
    living.check(miqd)  # a model was removed
    living.write("living_model.py", MODEL.format(gain=1.5))
    living.check(miqd)  # the module of the target was edited, within the same second and with the same size
    living.write("living_plugin.py", PLUGIN.format(strength=8))
    living.check(miqd)  # the plug-in was edited, its version not raised
    living.write("living_recipe.py", RECIPE.format(rest=0.75))
    living.check(miqd)  # the recipe's function was edited


def test_zoo_file_replaced_between_plan_and_run(miqd: Miqd, living: Living) -> None:
    config = load_run(living.run, task="cls", out=str(living.folder / "out"), scheduler=living.address)
    plan = plan_label(config, "cls")
    living.zoo(m0=0.9)
    run_label([plan])
    living.zoo(m0=0.0)
    living.check_against_fresh()  # what was planned was done
    living.zoo(m0=0.9)
    living.check(miqd)


def test_module_edited_between_plan_and_run_ends_with_one_line(miqd: Miqd, living: Living) -> None:
    """Nothing is stored under the hash of code that didn't run."""
    from miqd_builder.errors import StaleCodeError

    config = load_run(living.run, task="cls", out=str(living.folder / "out"), scheduler=living.address)
    plan = plan_label(config, "cls")
    living.write("living_model.py", MODEL.format(gain=1.5))
    with pytest.raises(StaleCodeError, match="not what the run was planned with") as caught:
        run_label([plan])
    assert "\n" not in str(caught.value) and str(caught.value).startswith("Worker tcp://")
    assert part_bytes(living.folder / "out", "responses") == {}
    living.check(miqd)


def test_edits_in_one_process(miqd: Miqd, living: Living) -> None:
    """A notebook that calls twice."""
    living.address = "inline"
    living.check(miqd)
    living.write("living_model.py", MODEL.format(gain=1.5))
    living.write("living_plugin.py", PLUGIN.format(strength=8))
    living.write("living_recipe.py", RECIPE.format(rest=0.75))
    living.zoo(m0=0.2, m1=0.4)
    living.check(miqd)
