"""Files of weights: what is written is what is read, and what isn't right is refused in one line."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from machine_iqa.networks.base import Output
from machine_iqa.networks.registry import create_network
from machine_iqa.opening import open_model, shipped_file
from machine_iqa.published import published_checkpoint, published_checkpoints
from machine_iqa.weights import ModelRecord, load_model, read_record, save_model
from miqd_builder.errors import ConfigError

ONE = ModelRecord(
    network="resnet18", outputs=(("det", "composite"),), trained_on="toys", licence="MIT", version="1", card="# Card"
)


def test_43_published_checkpoints() -> None:
    found = published_checkpoints()
    assert len(found) == len({one.google_drive for one in found}) == 43
    assert sum(one.label == "composite" for one in found) == 18 and {one.task for one in found} == {"cls", "det", "ins"}
    one = published_checkpoint("ra-miqa", "det", "composite")
    assert one.file == "miqa_ra_miqa_det_composite_metric.pth.tar" and one.google_drive in one.address


def test_a_model_of_a_file_is_the_one_that_was_written(tmp_path: Path) -> None:
    network = create_network("resnet18", [Output("det", "composite")])
    network.published().bn1.running_var.fill_(1e6)  # beyond float16
    file = tmp_path / "a.safetensors"
    save_model(network, file, ONE)
    loaded, record = load_model(file)
    assert record == read_record(file) == ONE and not loaded.training
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name].half().float()) or name.endswith(("bn1.running_var", "tracked"))
    assert float(loaded.state_dict()["network.bn1.running_var"][0]) == 1e6
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]
    with pytest.raises(ConfigError, match="other outputs"):
        save_model(network, file, ONE.model_copy(update={"outputs": (("cls", "composite"),)}))


def test_damaged_foreign_and_unknown_files(tmp_path: Path) -> None:
    network = create_network("resnet18", [Output("det", "composite")])
    file = tmp_path / "a.safetensors"
    save_model(network, file, ONE)
    half = tmp_path / "half.safetensors"
    half.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ConfigError, match="damaged"):
        load_model(half)
    save_file(load_file(file), tmp_path / "bare.safetensors")
    with pytest.raises(ConfigError, match="no record"):
        load_model(tmp_path / "bare.safetensors")
    save_model(network, file, ONE.model_copy(update={"network": "resnet50"}))
    with pytest.raises(ConfigError, match="another architecture"):
        load_model(file)
    save_file(load_file(file), tmp_path / "odd.safetensors", metadata={"miqa": '{"network": 3}'})
    with pytest.raises(ConfigError, match="record that this version doesn't know"):
        load_model(tmp_path / "odd.safetensors")


def test_weights_that_are_not_there_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path))
    one = published_checkpoint("ra-miqa", "det", "accuracy")
    with pytest.raises(ConfigError) as missing:
        open_model("ra-miqa", "det", "accuracy", None)
    assert one.address in str(missing.value) and str(tmp_path / "checkpoints" / "miqa") in str(missing.value)
    with pytest.raises(ConfigError, match=r"no published weights for task cls, label accuracy: expected one of cls composite"):
        open_model("resnet18", "cls", "accuracy", None)
    monkeypatch.setattr("machine_iqa.opening.SHIPPED", tmp_path)
    with pytest.raises(ConfigError, match=r"miqa_small.safetensors is missing.*miqd train"):
        open_model("miqa-small", None, None, None)
    assert shipped_file("miqa-small") == tmp_path / "miqa_small.safetensors"
    with pytest.raises(ConfigError, match="Did you mean 'resnet18'"):
        open_model("resnet-18", None, None, None)


def test_a_published_checkpoint_is_recorded_when_first_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path))
    one = published_checkpoint("resnet18", "cls", "composite")
    one.place.parent.mkdir(parents=True)

    def download() -> None:
        state = create_network("resnet18", [Output("cls", "composite")]).published().state_dict()
        torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, one.place)

    download()
    opened = open_model("resnet18", None, None, None)
    note = one.place.with_name(one.file + ".sha256").read_text()
    assert note == f"{opened.sha256}  {one.file}\n"
    assert open_model("resnet18", None, None, one.file).sha256 == opened.sha256
    with pytest.raises(ConfigError, match="are of network 'resnet18', task cls, label composite"):
        open_model("resnet18", "det", None, one.file)
    download()
    with pytest.raises(ConfigError, match="changed since their first use"):
        open_model("resnet18", None, None, None)


def test_a_malicious_pickle_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/harmed",)

    file = tmp_path / "evil.pth.tar"
    torch.save({"state_dict": Evil()}, file)
    with pytest.raises(ConfigError, match="refused"):
        open_model("resnet18", None, None, file)
    file.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ConfigError, match=r"refused|damaged"):
        open_model("resnet18", None, None, file)
    assert not (tmp_path / "harmed").exists()
