"""Labelled images from run folders and from the published tree."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import miqd_builder as mb
from machine_iqa.data.halves import labels_of_models, zoo_half
from machine_iqa.data.labelled import Labelled
from machine_iqa.data.reading import read_data, read_run
from machine_iqa.data.splits import split_data
from machine_iqa.networks.base import Output
from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import read_footer, read_part, write_part
from tests.machine_iqa.labelled_demo import CLS, DET

OUTPUTS = (Output("cls", "composite"), Output("det", "consistency"), Output("det", "accuracy"))


def values(data: Labelled, column: int) -> dict[tuple[str, str], float]:
    rows = ((s.source_id, n, t[column]) for s in data.sources for n, t in zip(s.names, s.targets, strict=True))
    return {(source_id, name): float(target) for source_id, name, target in rows if not np.isnan(target)}


def stored(run: Path, task: str, column: str) -> dict[tuple[str, str], float]:
    rows = mb.open_run(run).labels(task).to_pylist()
    return {(r["source_id"], r["degradation"]): pytest.approx(r[column]) for r in rows if r[column] is not None}


def test_labels_of_two_runs_are_those_of_their_tables(demo: Path) -> None:
    data = read_data([str(demo / CLS), str(demo / DET)], None, OUTPUTS)
    assert len(data.sources) == 16 and data.images == 160
    assert values(data, 0) == stored(demo / CLS, "cls", "composite")
    assert values(data, 1) == stored(demo / DET, "det", "consistency_weighted")
    assert values(data, 2) == stored(demo / DET, "det", "accuracy_weighted")
    assert data.counts().tolist() == [80, 80, 80]
    assert data.labelled_by["det"] == ["demo_yolox"] and len(data.labelled_by["cls"]) == 3


def test_pixels_and_masks_are_those_of_the_run(demo: Path) -> None:
    for name in (CLS, DET):
        run = mb.open_run(demo / name)
        source = read_run(str(demo / name), OUTPUTS).sources[3]
        for degradation, pixels in source.pixels.images(source.source_id, source.names):
            assert np.array_equal(pixels, run.image(source.source_id, degradation))
        mask = source.pixels.mask(source.source_id)
        assert mask is not None and mask.shape == source.size and set(np.unique(mask)) == {0, 255}


def test_a_split_keeps_sources_of_all_runs_together(demo: Path) -> None:
    data = read_data([str(demo / CLS), str(demo / DET)], None, OUTPUTS)
    parts = split_data(data, seed=1, train_csv=None, test_csv=None)
    ids = {name: {source.source_id for source in part.sources} for name, part in parts.items()}
    assert ids["test"] == set(mb.open_run(demo / CLS).split("test", seed=1))
    assert sum(map(len, ids.values())) == len(set().union(*ids.values())) == 8
    assert sum(len(part.sources) for part in parts.values()) == 16


def test_published_lists_instead_of_a_split_by_hash(demo: Path, tmp_path: Path) -> None:
    data = read_run(str(demo / CLS), OUTPUTS)
    ids = sorted(source.source_id for source in data.sources)
    for name, chosen in (("train", ids[:5]), ("val", ids[5:])):
        lines = ["Image Name,Category,Quality Score", *(f"{i}.png,1,0.5" for i in chosen)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    parts = split_data(data, seed=0, train_csv=tmp_path / "train.csv", test_csv=tmp_path / "val.csv")
    assert [source.source_id for source in parts["test"].sources] == ids[5:]
    assert len(parts["validation"].sources) == 1 and len(parts["train"].sources) == 4
    with pytest.raises(ConfigError, match="belong together"):
        split_data(data, seed=0, train_csv=tmp_path / "train.csv", test_csv=None)
    with pytest.raises(ConfigError, match=r"both list 'scene_00_ball' \(5 in both\)"):
        split_data(data, seed=0, train_csv=tmp_path / "train.csv", test_csv=tmp_path / "train.csv")


def test_the_published_tree_and_its_import(demo: Path, tmp_path: Path) -> None:
    tree, imported = tmp_path / "tree", tmp_path / "imported"
    mb.export(demo / DET, format="miqd", to=tree, task="det")
    mb.import_labels(tree, format="miqd", out=imported, task="det")
    outputs = OUTPUTS[1:]
    expected = read_run(str(demo / DET), outputs)
    for data in (read_data([], tree, outputs), read_data([str(imported)], None, outputs)):
        assert values(data, 0) == {key: pytest.approx(value, abs=1e-6) for key, value in values(expected, 0).items()}
        source = data.sources[0]
        assert source.size == (240, 320) and source.pixels.mask(source.source_id) is None
        for one, other in zip(
            source.pixels.images(source.source_id, source.names),
            expected.sources[0].pixels.images(source.source_id, source.names),
            strict=True,
        ):
            assert one[0] == other[0] and np.array_equal(one[1], other[1])


def test_labels_of_half_of_the_models(demo: Path) -> None:
    run, models = str(demo / CLS), mb.open_run(demo / CLS).models("cls")
    first, second = zoo_half(models, "a"), zoo_half(models, "b")
    assert sorted(first + second) == models and abs(len(first) - len(second)) <= 1
    data = read_data([run], None, [Output("cls", "consistency")], half="b")
    assert data.labelled_by == {"cls": second} and len(second) == 1
    scores = mb.open_run(run).scores("cls", model=second[0]).to_pylist()
    expected = {(r["source_id"], r["degradation"]): r["consistency"] for r in scores if r["degradation"] != "original"}
    assert values(data, 0) == expected
    rows = mb.open_run(run).labels("cls")
    whole = labels_of_models(RunFolder(run), "cls", rows, models)
    assert whole["composite"].tolist() == pytest.approx(rows["composite"].to_pylist())


def with_recipe(run: Path, to: Path, recipe: str) -> str:
    shutil.copytree(run, to)
    folder = RunFolder(str(to))
    for name in folder.list("labels/task=cls/*.parquet"):
        footer, table = read_footer(folder, name), read_part(folder, name)
        assert footer is not None
        column = pa.array([recipe] * table.num_rows)
        write_part(folder, name, table.set_column(table.column_names.index("recipe"), "recipe", column), footer.lineage)
    return str(to)


def test_what_cannot_be_trained_on_is_one_line(demo: Path, tmp_path: Path) -> None:
    run = str(demo / CLS)

    def refused(runs: list[str], outputs: tuple[Output, ...] = OUTPUTS[:1], **options: str) -> str:
        with pytest.raises(ConfigError) as error:
            read_data(runs, None, outputs, **options)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "holds no run (no run.json)" in refused([str(tmp_path)])
    assert "Nothing to train on" in refused([])
    assert "has no labels of det: run 'miqd label'" in refused([run], OUTPUTS[1:])
    assert "No image has a label composite of task ins" in refused([run], (*OUTPUTS[:1], Output("ins", "composite")))
    other = with_recipe(demo / CLS, tmp_path / "soft", "soft_v1")
    assert "follow the recipes 'miqd_v1" in refused([run, other]) and "train on runs of one recipe" in refused([run, other])
    shutil.copytree(demo / CLS, tmp_path / "bare", ignore=shutil.ignore_patterns("variants", "scores"))
    assert "has labels but no images: run 'miqd degrade'" in refused([str(tmp_path / "bare")])
    shutil.copytree(demo / CLS, tmp_path / "unscored", ignore=shutil.ignore_patterns("scores"))
    assert "labels of half of the models need scores" in refused([str(tmp_path / "unscored")], half="a")
