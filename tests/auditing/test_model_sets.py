"""Two sets of models of one run compared: by value, two-way intervals, and what can't be compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import miqd_builder as mb
from miqd_builder.errors import ConfigError
from tests.auditing.expected_scores import uniform_scores
from tests.auditing.toy_runs import make_runs
from tests.conftest import Outcome

Miqd = Callable[..., Outcome]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classifiers, two distortions."""
    return make_runs(tmp_path_factory.mktemp("sets"), ("cls",), degradations=["darkness_?", "pixelate_?"])["cls"]


def test_difference_and_its_interval(run: Path) -> None:
    found = mb.audit(run, against_models="bright", resamples=30, seed=5).document.tasks["cls"].statistics["models_against"]
    assert found.baseline == "bright" and "of bright2, bright3 less that of bright," in found.definition
    uniform, _ = uniform_scores(run, "cls")
    by_source = uniform.groupby(["distortion", "model", "source_id"])["accuracy"].mean().unstack("source_id")
    sources = np.random.default_rng(5).multinomial(5, np.full(5, 0.2), size=30)
    pairs = np.random.default_rng([5, 2]).multinomial(2, [0.5, 0.5], size=30)
    for record in found.records:
        if record.label != "accuracy" or record.distortion is None:
            continue
        table = by_source.loc[record.distortion].loc[["bright2", "bright3", "bright"]].to_numpy()
        assert record.value == pytest.approx(table[:2].mean() - table[2].mean(), abs=1e-9)
        drawn = [(p @ (table[:2] @ s) / 2 - table[2] @ s) / 5 for s, p in zip(sources, pairs, strict=True)]
        assert [record.low, record.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=1e-9)
    overall = [r for r in found.records if r.distortion is None]
    means = uniform.groupby(["distortion", "model"])["consistency"].mean().groupby("model").mean()
    assert overall[0].value == pytest.approx(means[["bright2", "bright3"]].mean() - means["bright"], abs=1e-9)


@pytest.mark.parametrize(
    ("models", "others", "message"),
    [
        (["bright"], [], "give --against-models"),
        (["bright"], ["b*"], "'bright' is in both sets"),
        ([], ["b*"], "nothing is left"),
        (["brigth2"], ["bright3"], "No model with scores matches 'brigth2'. Did you mean 'bright2'"),
    ],
)
def test_sets_that_cannot_be_compared(run: Path, models: list[str], others: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        mb.audit(run, models=models, against_models=others)
    assert message in str(caught.value)


def test_command_prints_the_difference(run: Path, miqd: Miqd) -> None:
    result = miqd("audit", "--out", run, "--models", "bright2", "--against-models", "bright3", "--resamples", 10)
    assert result.code == 0 and "Mean score of bright2 less that of bright3" in " ".join(result.out.split())
    assert "over models at once" in " ".join(result.out.split())
