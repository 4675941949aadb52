"""``miqd zoo list``, ``show`` and ``fetch``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import write_zoo
from tests.zoo.weights.web_server import Site, serve

WEIGHTS = b"weights" * 100
MODELS = (
    ("resnet18", "cls", "timm", {"arch": "resnet18"}, "cnn", "Apache-2.0", 71.5),
    ("swin_tiny", "cls", "timm", {"arch": "swin_tiny_patch4_window7_224"}, "transformer", "MIT", 81.4),
    ("yolox_nano", "det", "mmdet", {"config": "yolox/yolox_nano_8xb8-300e_coco.py"}, "one-stage", "Apache-2.0", 25.8),
    ("yolo11n", "det", "ultralytics", {"arch": "yolo11n"}, "one-stage", "AGPL-3.0", 39.5),
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path / "cache"))
    with serve() as running:
        yield running


@pytest.fixture
def zoo(tmp_path: Path, site: Site) -> Path:
    entries = []
    for name, task, backend, how, family, license, value in MODELS:
        site.files[f"/{name}.pth"] = WEIGHTS + name.encode()
        entries.append(
            {"name": name, "task": task, "backend": backend, "family": family, "license": license, "params": 5.1, **how}
            | {"metric": {"name": "top1" if task == "cls" else "box_AP", "value": value, "source": "made up"}}
            | {"checkpoint": {"url": f"{site.url}/{name}.pth", "sha256": hashlib.sha256(WEIGHTS + name.encode()).hexdigest()}}
        )
    return write_zoo(tmp_path / "zoo.yaml", entries)


def listed(out: str) -> list[str]:
    return [name for line in out.splitlines() for name, *_ in MODELS if line.split()[:1] == [name]]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ["resnet18", "swin_tiny", "yolox_nano", "yolo11n"]),
        (["yolo*"], ["yolox_nano", "yolo11n"]),
        (["--task", "cls"], ["resnet18", "swin_tiny"]),
        (["--family", "One-*"], ["yolox_nano", "yolo11n"]),
        (["--license", "apache*", "--task", "det"], ["yolox_nano"]),
        (["*n*", "--license", "*", "--family", "transformer"], ["swin_tiny"]),
    ],
)
def test_list_filters(miqd, zoo: Path, arguments: list[str], names: list[str]) -> None:
    result = miqd("zoo", "list", "--zoo", zoo, *arguments)
    assert result.code == 0 and listed(result.out) == names
    assert f"{len(names)} models: " in result.out
    as_json = miqd("zoo", "list", "--zoo", zoo, *arguments, "--json")
    assert [entry["name"] for entry in json.loads(as_json.out)] == names


def test_list_shows_what_matters_of_a_model(miqd, zoo: Path) -> None:
    row = next(line for line in miqd("zoo", "list", "--zoo", zoo).out.splitlines() if "swin_tiny" in line)
    assert row.split() == ["swin_tiny", "cls", "transformer", "timm", "-", "5.1", "top1", "81.4", "MIT", "-", "fetch"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet81"], "Error: Unknown model 'resnet81'. Did you mean 'resnet18'?"),
        (["--family", "transfomer"], "Error: No model with family 'transfomer'. Did you mean 'transformer'?"),
        (["--license", "APL-2"], "Error: No model with license 'APL-2'."),
        (["resnet18", "--task", "det"], "Error: No model with task 'det'."),
        (["--task", "dte"], "Unknown task 'dte'"),
    ],
)
@pytest.mark.parametrize("command", ["list", "fetch"])
def test_filters_that_leave_nothing(miqd, zoo: Path, site: Site, command: str, arguments: list[str], message: str) -> None:
    result = miqd("zoo", command, "--zoo", zoo, *arguments)
    assert result.code == 1 and message in result.err and not site.requests


def test_show_prints_the_entry(miqd, zoo: Path) -> None:
    shown = yaml.safe_load(miqd("zoo", "show", "yolox_nano", "--zoo", zoo).out)
    assert shown == yaml.safe_load(zoo.read_text())["models"][2]
    wrong = miqd("zoo", "show", "yolox_nan", "--zoo", zoo)
    assert wrong.code == 1 and "Unknown model 'yolox_nan'. Did you mean 'yolox_nano'" in wrong.err


def test_fetch_downloads_what_is_asked_for(miqd, zoo: Path, site: Site) -> None:
    dry = miqd("zoo", "fetch", "yolo*", "--zoo", zoo, "--dry-run")
    assert dry.code == 0 and not site.requests
    planned = [line.split(" -> ")[0] for line in dry.out.splitlines()]
    assert planned == [f"{site.url}/{n}.pth" for n in ("yolox_nano", "yolo11n")]
    result = miqd("zoo", "fetch", "yolo*", "--zoo", zoo)
    assert result.code == 0
    assert "2 downloaded (1.4 kB), 0 there before" in result.out
    assert {path for path, _ in site.requests} == {"/yolox_nano.pth", "/yolo11n.pth"}
    assert "on disk" in miqd("zoo", "list", "yolo11n", "--zoo", zoo).out
    again = miqd("zoo", "fetch", "--zoo", zoo, "--task", "det")
    assert again.code == 0 and "0 downloaded (0 bytes), 2 there before" in again.out and len(site.requests) == 2


@pytest.mark.parametrize(("name", "file"), [("lpips_alex", "alexnet-owt-7be5be79.pth"), ("vgg16", "vgg16-397923af.pth")])
def test_fetch_knows_the_weights_of_measures(miqd, site: Site, name: str, file: str) -> None:
    result = miqd("zoo", "fetch", name, "--dry-run")
    assert result.code == 0 and len(result.out.splitlines()) == 1 and f"/{file} -> " in result.out


def test_fetch_says_which_weights_have_no_address(miqd, site: Site) -> None:
    refused = miqd("zoo", "fetch", "niqe", "--task", "det")
    assert refused.code == 1 and refused.err.startswith("Error: 'niqe' is no model: --task")
    result = miqd("zoo", "fetch", "hyperiqa")
    assert result.code == 1 and "have no known sha256, so they are not fetched" in result.err


def test_fetch_names_every_failure_and_keeps_the_rest(miqd, zoo: Path, site: Site, tmp_path: Path) -> None:
    site.files["/resnet18.pth"] = b"another file"
    del site.files["/yolo11n.pth"]
    result = miqd("zoo", "fetch", "--zoo", zoo)
    assert result.code == 2
    assert "2 downloaded" in result.out and "2 failed" in result.out
    assert "resnet18: " in result.out and "is not the expected file: its 12 bytes have sha256" in result.out
    assert "yolo11n: " in result.out and "the server answers 404" in result.out
    assert (tmp_path / "cache").is_dir()


def test_a_file_of_the_users_has_no_address(miqd, tmp_path: Path) -> None:
    entry = {"name": "mine", "task": "cls", "backend": "timm", "arch": "resnet18", "checkpoint": {"path": "w.pth"}}
    result = miqd("zoo", "fetch", "--zoo", write_zoo(tmp_path / "zoo.yaml", [entry]))
    assert result.code == 0 and f"mine: has no address, put its weights at {tmp_path / 'w.pth'}" in result.out
