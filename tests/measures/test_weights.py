"""Weights that are missing, wrong, damaged, or somebody's own."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from miqd_builder.errors import ConfigError
from miqd_builder.measures import create_measure, find_measure, list_measures
from miqd_builder.measures.brisque import read_machine
from miqd_builder.measures.features import empty_features, load_features
from miqd_builder.measures.niqe import read_pristine
from miqd_builder.measures.weights import remote_weights, verified_weights, weight_files


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def own_list(folder: Path, name: str, file: Path, sha256: str | None = None) -> Path:
    sha256 = sha256 or hashlib.sha256(file.read_bytes()).hexdigest()
    entry = {"name": name, "licence": "mine", "places": [{"path": file.name, "sha256": sha256}]}
    (folder / "own.yaml").write_text(yaml.safe_dump({"weights": [entry]}))
    return folder / "own.yaml"


def machine(folder: Path, name: str = "machine.txt") -> Path:
    text = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.05\nnr_class 2\ntotal_sv 2\nrho -1.5\nSV\n-2 1:0.5 36:1 \n2 2:-1 \n"
    (folder / name).write_text(text)
    return folder / name


def test_every_measure_knows_its_weights() -> None:
    known = weight_files()
    assert {weight for name in list_measures() for weight in find_measure(name).weights} == set(known)
    assert all(weight.licence for weight in known.values())


def test_missing_weights_say_which_from_where_to_which_place(empty_cache: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        create_measure("lpips_alex")
    message = str(caught.value)
    assert "'alexnet'" in message and "https://" in message and str(empty_cache) in message and "\n" not in message
    assert [file.names for file in remote_weights(["alexnet", "vgg16", "hyperiqa"])] == [("alexnet",), ("vgg16",)]


def test_weights_without_a_known_hash_are_not_fetched() -> None:
    with pytest.raises(ConfigError, match=r"no known sha256.*list of your own"):
        create_measure("musiq")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    own = own_list(tmp_path, "brisque", machine(tmp_path))
    image = np.random.default_rng(0).integers(0, 256, (1, 40, 40, 3), np.uint8)
    assert np.isfinite(create_measure("brisque", own_weights=[own])(image, None)).all()
    wrong = own_list(tmp_path, "brisque", machine(tmp_path), "0" * 64)
    with pytest.raises(ConfigError, match=r"not the expected file.*expected 0000"):
        create_measure("brisque", own_weights=[wrong])


def test_a_file_in_the_cache_folder_is_compared_too(empty_cache: Path) -> None:
    (empty_cache / "measures").mkdir(parents=True)
    (empty_cache / "measures" / "niqe_pris_params.npz").write_bytes(b"another file")
    with pytest.raises(ConfigError, match="'niqe' are not the expected file"):
        verified_weights("niqe")


def test_the_machine_is_read_as_written(tmp_path: Path) -> None:
    coefficients, vectors, gamma, rho = read_machine(machine(tmp_path))
    assert (coefficients.tolist(), gamma, rho) == ([-2, 2], 0.05, -1.5)
    assert (vectors[0, 0], vectors[0, 35], vectors[1, 1], np.count_nonzero(vectors)) == (0.5, 1, -1, 3)


@pytest.mark.parametrize(
    "content", ["", "svm_type c_svc\nSV\n", "svm_type epsilon_svr\nkernel_type rbf\ntotal_sv 1\nSV\n1 99:1\n"]
)
def test_damaged_machines_and_statistics(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(ConfigError, match="brisque"):
        read_machine(tmp_path / "file")
    with pytest.raises(ConfigError, match="niqe"):
        read_pristine(tmp_path / "file")


def test_pickled_statistics_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", mu_pris_param=np.array([print], object), cov_pris_param=np.eye(36))
    with pytest.raises(ConfigError, match="niqe"):
        read_pristine(tmp_path / "bad.npz")


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    whole = {f"features.{key}": value for key, value in empty_features("squeezenet").stack.state_dict().items()}
    torch.save(whole, tmp_path / "squeeze.pth")
    load_features("squeezenet", tmp_path / "squeeze.pth")
    with pytest.raises(ConfigError, match="another network's"):
        load_features("alexnet", tmp_path / "squeeze.pth")


@pytest.mark.parametrize(
    "content", ["weights: 3", "weights: [{name: a}]", "weights: [{name: a, licence: b, places: [{path: x}]}]"]
)
def test_malformed_lists(tmp_path: Path, content: str) -> None:
    (tmp_path / "own.yaml").write_text(content)
    with pytest.raises(ConfigError, match="List of weights"):
        weight_files([tmp_path / "own.yaml"])


def test_missing_pyiqa_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = own_list(tmp_path, "musiq", machine(tmp_path))
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'miqd-builder\[pyiqa\]'"):
        create_measure("musiq", own_weights=[own])
