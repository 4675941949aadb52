"""Checkpoints: the right file, safe to read, in any layout, and complete."""

import hashlib
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.cache import checkpoint_file, file_sha256, verified_file
from miqd_builder.zoo.weights.checkpoint import read_state_dict
from miqd_builder.zoo.weights.loading import load_weights


class Dangerous:
    """A pickle that would leave a mark when its code ran."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def small_network(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), head=nn.Linear(4, classes)))


def entry_for(path: Path, sha256: str | None = None) -> ModelEntry:
    return ModelEntry(name="m", task="cls", backend="timm", arch="a", checkpoint={"path": path, "sha256": sha256})


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return {key: value.clone() + 1 for key, value in small_network().state_dict().items()}


def assert_loaded(model: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    for key, value in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, weights[key], rtol=0, atol=0)


@pytest.mark.parametrize(
    "layout",
    [
        lambda w: w,
        lambda w: {"state_dict": w, "meta": {"epoch": 3, "config": "text"}},
        lambda w: {"model": w, "optimizer": {"lr": 0.1}, "epoch": 7},
        lambda w: {"state_dict_ema": w, "state_dict": {key: value * 0 for key, value in w.items()}},
        lambda w: {"state_dict": w | {f"ema_{key.replace('.', '_')}": value * 0 for key, value in w.items()}},
        lambda w: {"state_dict": {f"module.{key}": value for key, value in w.items()}},
        lambda w: {key: value for key, value in w.items() if not key.endswith("num_batches_tracked")},
    ],
    ids=["plain", "openmmlab", "model", "averaged", "ema-copy", "parallel", "without-counters"],
)
def test_usual_layouts_are_understood(tmp_path: Path, weights: dict[str, torch.Tensor], layout) -> None:
    torch.save(layout(weights), tmp_path / "w.pth")
    model = small_network()
    load_weights(model, entry_for(tmp_path / "w.pth"))
    assert_loaded(model, weights)


def test_half_precision_loads_into_full(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in weights.items()}
    save_file(half, tmp_path / "w.safetensors")
    model = small_network()
    load_weights(model, entry_for(tmp_path / "w.safetensors"))
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert_loaded(model, {key: value.to(weights[key].dtype) for key, value in half.items()})


def test_metadata_of_openmmlab_is_harmless(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    from mmengine.config import ConfigDict
    from mmengine.logging import HistoryBuffer

    history = HistoryBuffer([0.5, 0.25], [1, 1])
    meta = {
        "loss": np.float64(0.1),
        "steps": np.int64(3),
        "array": np.arange(4, dtype=np.float32),
        "history": OrderedDict(loss=history),
        "methods": [history.mean],
        "cfg": ConfigDict(a=1, b=ConfigDict(c=2)),
        "work_dir": tmp_path,
    }
    torch.save({"state_dict": weights, "message_hub": meta}, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == weights.keys()


@pytest.mark.parametrize("inside", ["state_dict", "meta"])
def test_a_malicious_pickle_is_refused_and_its_code_never_runs(tmp_path: Path, weights, inside: str) -> None:
    payload = {"state_dict": weights, "meta": {}}
    payload[inside]["payload"] = Dangerous(tmp_path / "mark")
    torch.save(payload, tmp_path / "evil.pth")
    with pytest.raises(ConfigError, match=r"evil\.pth is refused: loading it would run code of .*sandbox.*\.safetensors"):
        load_weights(small_network(), entry_for(tmp_path / "evil.pth"))
    assert not (tmp_path / "mark").exists()


def test_a_pickled_module_is_refused_by_name(tmp_path: Path) -> None:
    torch.save(small_network(), tmp_path / "module.pth")
    with pytest.raises(ConfigError, match=r"would run code of 'torch\.nn\.modules"):
        read_state_dict(tmp_path / "module.pth")


class Evaluated:
    """A pickle that evaluates an expression."""

    def __reduce__(self):
        return eval, ("1 + 1",)


@pytest.mark.parametrize("inside", ["state_dict", "meta"])
def test_the_format_of_old_checkpoints_is_as_safe(tmp_path: Path, weights, inside: str) -> None:
    payload = {"state_dict": weights, "meta": {"loss": np.float64(0.5)}}
    torch.save(payload, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_state_dict(tmp_path / "old.pth").keys() == weights.keys()
    payload[inside]["payload"] = Evaluated()
    torch.save(payload, tmp_path / "evil.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(ConfigError, match=r"evil\.pth is refused: loading it would run code of .*eval"):
        read_state_dict(tmp_path / "evil.pth")


@pytest.mark.filterwarnings("ignore")
def test_refusals_do_not_pass_on_advice_to_load_without_protection(tmp_path: Path) -> None:
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps({"state_dict": {"a": 1}}))
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "script.pth"))
    for name, message in (("pickle", "nothing that torch.save wrote"), ("script", "a TorchScript program.*sandbox")):
        with pytest.raises(ConfigError, match=message) as caught:
            read_state_dict(tmp_path / f"{name}.pth")
        assert "weights_only" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("damage", [b"", b"not a checkpoint at all", None])
def test_damaged_files_are_named(tmp_path: Path, weights: dict[str, torch.Tensor], name: str, damage: bytes | None) -> None:
    save = save_file if name.endswith("safetensors") else torch.save
    save(weights, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(ConfigError, match=rf"{name} is damaged"):
        read_state_dict(tmp_path / name)


def test_a_file_without_weights_says_what_was_expected(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="holds no weights: expected tensors by name"):
        read_state_dict(tmp_path / "w.pth")


def test_hash_is_compared_in_full_or_by_its_first_digits(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert file_sha256(file) == digest
    for given in (digest, digest[:8], digest.upper(), None):
        assert verified_file(entry_for(file, given)) == file
    with pytest.raises(ConfigError, match=rf"w\.pth has sha256 {digest}, expected 00000000"):
        verified_file(entry_for(file, "00000000"))


def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    file.write_bytes(b"one")
    before = file_sha256(file)
    file.write_bytes(b"three")
    assert file_sha256(file) != before


def test_missing_files_say_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"Checkpoint of model 'm' not found: .*absent\.pth"):
        checkpoint_file(entry_for(tmp_path / "absent.pth"))
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path))
    url = "https://host.invalid/models/model.safetensors?download=true"
    remote = ModelEntry(name="m", task="cls", backend="timm", arch="a", checkpoint={"url": url, "sha256": "ABCDEF01"})
    place = tmp_path / "checkpoints" / "abcdef01" / "model.safetensors"
    with pytest.raises(
        ConfigError, match=r"Run: miqd zoo fetch m, or download https://host\.invalid/.* to .*abcdef01/model\.safetensors"
    ):
        checkpoint_file(remote)
    place.parent.mkdir(parents=True)
    place.touch()
    assert checkpoint_file(remote) == place
    with pytest.raises(ConfigError, match="'m' has no checkpoint"):
        checkpoint_file(ModelEntry(name="m", task="cls", backend="timm", arch="a"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("head.weight"), r"does not fit model 'm': 1 missing key \(head\.weight\)"),
        (lambda w: w.update(extra=torch.zeros(1)), r"does not fit model 'm': 1 unexpected key \(extra\)"),
        (
            lambda w: [w.update({f"other.{k}": w.pop(k)}) for k in list(w)],
            r"8 missing keys \(conv.weight, conv.bias, norm.weight, \.\.\.\) and 8 unexpected keys \(other\.conv",
        ),
        (
            lambda w: w.update({"head.weight": torch.zeros(10, 4)}),
            r"of another architecture .* than model 'm': head\.weight has shape \[10, 4\] in the file and \[3, 4\]",
        ),
    ],
    ids=["missing", "unexpected", "renamed", "classes"],
)
def test_a_checkpoint_that_does_not_fit_is_an_error(tmp_path: Path, weights, change, message: str) -> None:
    change(weights)
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=message):
        load_weights(small_network(), entry_for(tmp_path / "w.pth"))
