"""Recipes: what they compute, where they come from, and what is refused."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from miqd_builder import registry, user_code
from miqd_builder.errors import ConfigError, StaleCodeError
from miqd_builder.labeling.agreement import ClassPredictions, jensen_shannon
from miqd_builder.labeling.recipes import RECIPES, Recipe, get_recipe
from miqd_builder.labeling.scoring import score_responses
from miqd_builder.responses import Classification, Detections
from miqd_builder.sources import Annotations, ClassLabel, SourceImage
from miqd_builder.tables.responses import Prediction, responses_table


def stored(probabilities: NDArray[np.float64]) -> ClassPredictions:
    """What is stored of some full distributions ``(n, classes)``: the top 5, padded."""
    ids = np.full((len(probabilities), 5), -1, np.int32)
    tops = np.zeros((len(probabilities), 5), np.float32)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    ids[:, : order.shape[1]], tops[:, : order.shape[1]] = order, np.take_along_axis(probabilities, order, axis=1)
    return ClassPredictions(ids, tops)


def with_rest_bin(prediction: ClassPredictions, row: int, classes: list[int]) -> list[float]:
    """The stored probability of each class, 0 where it isn't listed, and the rest."""
    listed = dict(zip(prediction.top_ids[row].tolist(), prediction.top_probs[row].astype(float).tolist(), strict=True))
    return [listed.get(c, 0.0) for c in classes] + [max(0.0, 1 - prediction.top_probs[row].astype(float).sum())]


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.floats(0.05, 3))
def test_soft_consistency_is_scipys_distance_of_the_stored_probabilities(seed: int, classes: int, sharpness: float) -> None:
    rng = np.random.default_rng(seed)
    full = rng.dirichlet(np.full(classes, sharpness), 8)
    one, other = stored(full[:4]), stored(full[4:])
    found = jensen_shannon(one, other)
    for row in range(4):
        union = [c for c in np.union1d(one.top_ids[row], other.top_ids[row]).tolist() if c >= 0]
        p, q = (with_rest_bin(prediction, row, union) for prediction in (one, other))
        # The root of a rounding error of 1e-16 is 1e-8.
        assert found[row] == pytest.approx(1 - jensenshannon(p, q, base=2), abs=1e-7)
        # Documented bound: the part that isn't stored can't move the distance further than this.
        bound = np.sqrt(p[-1]) + np.sqrt(q[-1]) + 1e-3
        assert abs(found[row] - (1 - jensenshannon(full[row], full[row + 4], base=2))) <= bound


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 1000))
def test_equal_predictions_score_exactly_one(seed: int, classes: int) -> None:
    prediction = stored(np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), 20))
    assert (jensen_shannon(prediction, prediction) == 1.0).all()


def test_soft_consistency_of_disjoint_and_short_predictions() -> None:
    one = ClassPredictions(np.array([[0, 1, -1, -1, -1]], np.int32), np.array([[0.5, 0.5, 0, 0, 0]], np.float32))
    other = ClassPredictions(np.array([[2, 3, -1, -1, -1]], np.int32), np.array([[0.9, 0.1, 0, 0, 0]], np.float32))
    assert jensen_shannon(one, other)[0] == pytest.approx(0, abs=1e-9)
    nearer = ClassPredictions(np.array([[1, 0, -1, -1, -1]], np.int32), np.array([[0.6, 0.4, 0, 0, 0]], np.float32))
    assert 0.9 < jensen_shannon(one, nearer)[0] < 1


def boxes(*found: tuple[float, float, float, float, float]) -> Detections:
    rows = np.array(found, np.float32).reshape(-1, 5)
    ids = np.ones(len(rows), np.int32)
    return Detections.from_raw(height=40, width=40, boxes=rows[:, :4], scores=rows[:, 4], category_ids=ids)


def test_soft_v1_takes_ap75_of_detectors() -> None:
    truth = Annotations(40, 40, np.array([[0.0, 0, 20, 20]]), np.array([1]), np.array([False]), [(0, 0, 20, 20)])
    predictions = {"original": boxes((0, 0, 20, 20, 0.9)), "x": boxes((0, 0, 20, 16, 0.9)), "y": boxes((0, 0, 20, 13, 0.9))}
    table = responses_table("det", [Prediction("a", name, prediction) for name, prediction in predictions.items()])
    sources = {"a": SourceImage("a", Path("a.png"), truth=truth)}
    for recipe, expected in (("miqd_v1", [1, 0.7, 0.4]), ("soft_v1", [1, 1, 0])):
        rows = score_responses("det", table, sources, RECIPES[recipe]).to_pylist()
        assert [row["consistency"] for row in rows] == pytest.approx(expected)
        assert [row["accuracy"] for row in rows] == pytest.approx(expected)
        assert [row["consistency_ap75"] for row in rows] == [1, 1, 0]


def cls_scores(recipe: Recipe, degraded: tuple[float, ...]) -> list[dict]:
    predictions = {"original": (0.7, 0.2, 0.1), "x": degraded}
    rows = [Prediction("a", n, Classification(np.array(p, np.float32)), label=1) for n, p in predictions.items()]
    return score_responses(
        "cls", responses_table("cls", rows), {"a": SourceImage("a", Path("a.png"), ClassLabel(1))}, recipe
    ).to_pylist()


def test_soft_v1_keeps_the_accuracy_of_top_1() -> None:
    original, degraded = cls_scores(RECIPES["soft_v1"], (0.2, 0.7, 0.1))
    assert (original["consistency"], original["accuracy"], degraded["accuracy"]) == (1, 0, 1)
    assert degraded["consistency"] == pytest.approx(1 - jensenshannon([0.7, 0.2, 0.1], [0.2, 0.7, 0.1], base=2), abs=1e-6)


def write(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)


def test_recipe_of_a_file(tmp_path: Path) -> None:
    recipe = get_recipe(
        write(tmp_path / "strict.yaml", "name: strict\nversion: 2\ndetection_score: ap75\nreference_score: 0.5")
    )
    assert recipe == Recipe(name="strict", version=2, detection_score="ap75", reference_score=0.5)
    assert recipe.class_consistency == "top1" and recipe.composite_consistency == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nversion: 1\nreference_scor: 0.5", r"unknown field 'reference_scor'. Did you mean 'reference_score'"),
        ("name: x", "the field 'version' is missing"),
        ("name: x\nversion: 1\nreference_score: 1.5", "reference_score = 1.5: Input should be less than or equal to 1"),
        ("name: x\nversion: 1\ncomposite_consistency: .nan", "composite_consistency = nan"),
        ("name: x/y\nversion: 1", "name = 'x/y'"),
        ("name: x\nversion: 1\ndetection_score: ap57", "unknown detection_score 'ap57'.*Did you mean 'ap75'"),
        ("name: x\nversion: 1\nclass_consistency: top5", "unknown class_consistency 'top5'"),
        ("name: x\nversion: 1\nclass_consistency: nowhere:f", "'nowhere:f' can't be imported: ModuleNotFoundError"),
        ("name: x\nversion: 1\nclass_consistency: numpy:pi", "'numpy:pi' is no function"),
        ("name: miqd_v1\nversion: 1\nreference_score: 0.5", "takes the name 'miqd_v1' of a recipe that ships"),
        ("[1, 2]", "must hold fields"),
        ("a: [", "no valid YAML"),
        ("!!python/object/apply:os.getcwd []", "no valid YAML"),
    ],
)
def test_wrong_recipe_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        get_recipe(write(tmp_path / "mine.yaml", text))
    assert "\n" not in str(error.value)


def test_missing_recipe_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        get_recipe(str(tmp_path / "mine.yml"))


OWN = """
import numpy as np

def half(degraded, original):
    same = (degraded.top_ids[:, 0] == original.top_ids[:, 0])
    return np.where(same, 1.0, 0.5)

def low(degraded, original):
    return half(degraded, original) - 0.25

def short(degraded, original):
    return np.ones(1)

def unknown(degraded, original):
    return np.full(len(degraded.top_ids), np.nan)
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of an importable module with functions for recipes."""
    name = f"own_measures_{abs(hash(tmp_path))}"
    write(tmp_path / f"{name}.py", OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def edit(module: str, text: str) -> None:
    """Write other code within the same second as the former one."""
    spec = importlib.util.find_spec(module)
    file = Path(str(spec and spec.origin))
    before = file.stat().st_mtime
    file.write_text(text)
    os.utime(file, (before, before))


def test_an_edited_own_function_is_the_one_that_runs(own_module: str) -> None:
    recipe = Recipe(name="mine", version=1, class_consistency=f"{own_module}:half")
    assert cls_scores(recipe, (0.2, 0.7, 0.1))[1]["consistency"] == 0.5
    planned = recipe.modules()
    assert planned == {own_module: user_code.source_sha256(own_module)}
    edit(own_module, OWN.replace("0.5", "0.4"))
    with user_code.planned(planned):  # its code is in memory still
        assert cls_scores(recipe, (0.2, 0.7, 0.1))[1]["consistency"] == 0.5
    assert cls_scores(recipe, (0.2, 0.7, 0.1))[1]["consistency"] == 0.4
    with pytest.raises(StaleCodeError, match=f"Module '{own_module}'"):
        user_code.checked(planned)
    edit(own_module, OWN.replace("def half", "def most").replace("half(", "most("))
    with pytest.raises(ConfigError, match="has no attribute 'half'"):
        cls_scores(recipe, (0.2, 0.7, 0.1))


def test_recipes_without_own_functions_have_no_modules() -> None:
    assert RECIPES["soft_v1"].modules() == {}
    assert Recipe(name="x", version=1, class_consistency="sys:exit").modules() == {}  # built in


def test_own_function(own_module: str) -> None:
    recipe = Recipe(name="mine", version=1, class_consistency=f"{own_module}:half")
    original, degraded = cls_scores(recipe, (0.2, 0.7, 0.1))
    assert (original["consistency"], degraded["consistency"]) == (1, 0.5)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("low", r"original of 'a' compared with itself a consistency of 0\.75: expected exactly 1"),
        ("short", "gave values of shape \\(1,\\) for 2 images"),
        ("unknown", "gave nan: expected values in"),
    ],
)
def test_faulty_own_functions_are_refused(own_module: str, function: str, message: str) -> None:
    recipe = Recipe(name="mine", version=1, class_consistency=f"{own_module}:{function}")
    with pytest.raises(ConfigError, match=message):
        cls_scores(recipe, (0.2, 0.7, 0.1))


def test_content_hash_follows_every_field_and_the_source_of_own_functions(own_module: str) -> None:
    base = Recipe(name="x", version=1)
    changes = [{"name": "y"}, {"version": 2}, {"class_consistency": "jensen_shannon"}, {"detection_score": "ap75"}]
    changes += [{"reference_score": 0.4}, {"composite_consistency": 0.6}, {"class_consistency": f"{own_module}:half"}]
    prints = [base.content_hash(), *(base.model_copy(update=change).content_hash() for change in changes)]
    assert len(set(prints)) == len(prints)
    edit(own_module, OWN.replace("0.5", "0.4"))
    assert base.model_copy(update=changes[-1]).content_hash() != prints[-1]


@pytest.mark.parametrize(("value", "message"), [("RECIPE", None), ("OTHER", "must name a Recipe"), ("NONE", "can't be")])
def test_recipe_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, message: str | None
) -> None:
    module = f"lab_recipes_{value.lower()}"
    lines = ["from miqd_builder.labeling.recipes import Recipe", "RECIPE = Recipe(name='lab', version=3)", "OTHER = 5"]
    write(tmp_path / f"{module}.py", "\n".join(lines))
    info = tmp_path / "lab_recipes-1.0.dist-info"
    info.mkdir()
    write(info / "METADATA", "Metadata-Version: 2.1\nName: lab-recipes\nVersion: 1.0\n")
    write(info / "entry_points.txt", f"[miqd.recipes]\nlab = {module}:{value}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_announced", registry._announced.__wrapped__)  # without its cache
    if message is None:
        assert get_recipe("lab") == Recipe(name="lab", version=3)
        with pytest.raises(ConfigError, match=r"known are miqd_v1, soft_v1, lab.*Did you mean 'lab'"):
            get_recipe("labb")
    else:
        with pytest.raises(ConfigError, match=message):
            get_recipe("lab")
