"""Training files: those that ship, and mistakes in others."""

from __future__ import annotations

from pathlib import Path

import pytest

from machine_iqa.networks.registry import list_networks
from machine_iqa.training.config import load_config, shipped_configs
from miqd_builder.errors import ConfigError


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_files_are_of_known_networks(name: str) -> None:
    config = load_config(name)
    assert config.name == name and config.network in list_networks() and config.folder == Path.cwd() / "runs" / name


def test_the_published_recipe() -> None:
    config = load_config("ra_miqa")
    found = (config.learning_rate, config.weight_decay, config.batch_size, config.epochs, config.validations_per_epoch)
    assert found == (1e-4, 1e-4, 256, 5, 2) and config.losses.mse == 1 and config.warmup_epochs == 1


def test_paths_start_where_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("network: ra-miqa\nruns: [a, s3://bucket/b]\nout: models\n")
    config = load_config(file, settings=["losses.huber=2", "train_csv=c.csv"], fields={"epochs": 7, "batch_size": None})
    assert config.name == "mine" and config.runs == (str(tmp_path / "a"), "s3://bucket/b")
    assert config.out == tmp_path / "models" and config.train_csv == Path.cwd() / "c.csv"
    assert config.epochs == 7 and config.losses.huber == 2 and config.losses.mse == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["learning_rat=1"], "unknown field 'learning_rat'. Did you mean 'learning_rate'"),
        (["losses.rankin=1"], "unknown field 'losses.rankin'. Did you mean 'ranking'"),
        (["tasks=[cls,dat]"], "tasks.1 = 'dat'"),
        (["losses.mse=0"], "nothing would be learned"),
        (["gpu_ids=[0]", "processes=2"], "gpu_ids goes with neither"),
        (["epochs"], "expected key=value"),
        (["name=../x"], "name = '../x'"),
    ],
)
def test_mistakes_are_one_line(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config("ra_miqa", settings=settings)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No training file 'ra_mica'.*Did you mean 'ra_miqa'"):
        load_config("ra_mica")
    with pytest.raises(ConfigError, match="can't be read"):
        load_config(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match="'network' is missing"):
        load_config(fields={"name": "x"})
