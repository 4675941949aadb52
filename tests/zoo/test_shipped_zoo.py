"""The zoo files that ship: complete, in step with the installed packages, and a dozen of their models built and run."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from miqd_builder.config import load_run
from miqd_builder.zoo.catalog import Catalog, load_zoo, shipped_zoo
from miqd_builder.zoo.check.contract import contract_problem
from miqd_builder.zoo.check.measurement import eager, smaller
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.refresh.choice import choices

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "model_zoo_configs"
TASKS = ("cls", "det", "ins")

SMALLEST = (
    "squeezenet1_1",
    "shufflenet-v2-1x_16xb64_in1k",
    "mobilenet-v2_8xb32_in1k",
    "vig-tiny_3rdparty_in1k",
    "resnet18_8xb32_in1k",
    "ghostnet_100.in1k",
    "mobilenetv3_large_100.ra_in1k",
    "edgenext_small.usi_in1k",
    "ssdlite_mobilenetv2-scratch_8xb24-600e_coco",
    "rtmdet_tiny_8xb32-300e_coco",
    "retinanet_pvtv2-b0_fpn_1x_coco",
    "yolov9s",
    "mask-rcnn_r50_fpn_1x_coco",
    "yolact_r50_1xb8-55e_coco",
)
"""Small models of every back end and task; `make zoo-sweep` builds all of them."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_zoo([FOLDER / f"{task}.yaml" for task in TASKS])


def test_the_database_has_its_75_models(catalog: Catalog) -> None:
    assert Counter(entry.task for entry in catalog) == {"cls": 40, "det": 20, "ins": 15}
    backends = Counter(entry.backend for entry in catalog if entry.task == "cls")
    assert backends["timm"] >= 26 and backends["mmpretrain"] >= 12


def test_each_file_holds_its_own_task() -> None:
    for task in TASKS:
        assert {entry.task for entry in load_zoo([FOLDER / f"{task}.yaml"])} == {task}


def test_all_shipped_files_go_together() -> None:
    names = [entry["name"] for file in shipped_zoo() for entry in yaml.safe_load(file.read_text())["models"]]
    assert len(load_zoo(shipped_zoo())) == len(names) == len(set(names))


def test_every_entry_is_complete(catalog: Catalog) -> None:
    metrics = {"cls": "top1", "det": "box_AP", "ins": "mask_AP"}
    for entry in catalog:
        assert entry.checkpoint is not None and entry.metric is not None, entry.name
        assert all((entry.license, entry.paper, entry.family, entry.input_size, entry.params, entry.metric.source)), entry.name
        assert entry.metric.name == metrics[entry.task], entry.name
        assert 15 < entry.metric.value < 95, f"{entry.name}: no percentage"


def test_published_hashes_are_those_of_the_file_names(catalog: Catalog) -> None:
    addressed = [entry.checkpoint for entry in catalog if entry.checkpoint is not None and entry.checkpoint.url is not None]
    assert len(addressed) > 50
    for checkpoint in addressed:
        assert checkpoint.sha256 is not None and re.search(rf"[-_]{checkpoint.sha256}\.pth$", str(checkpoint.url))


def test_no_weights_are_counted_twice(catalog: Catalog) -> None:
    for task in TASKS:
        places = [str(entry.checkpoint) for entry in catalog if entry.task == task]
        assert len(set(places)) == len(places)


def test_what_cannot_be_fetched_says_what_to_do(catalog: Catalog) -> None:
    for entry in catalog:
        if entry.checkpoint is not None and entry.checkpoint.path is not None:
            assert "https://" in str(entry.note), entry.name
        if entry.backend == "ultralytics":
            assert entry.license == "AGPL-3.0" and str(entry.note).startswith("Optional, AGPL-3.0")


def test_every_config_is_in_the_installed_package(catalog: Catalog) -> None:
    from miqd_builder.zoo.adapters.mm_config import find_config

    for entry in catalog:
        if entry.backend in ("mmdet", "mmpretrain"):
            assert find_config(entry).is_file()


def test_every_timm_name_is_one_with_weights(catalog: Catalog) -> None:
    import timm

    known = set(timm.list_pretrained())
    assert {entry.arch for entry in catalog if entry.backend == "timm"} <= known


def test_every_ultralytics_name_is_known(catalog: Catalog) -> None:
    pytest.importorskip("ultralytics")
    from miqd_builder.zoo.adapters.ultralytics_detector import _known_architectures

    assert {entry.arch for entry in catalog if entry.backend == "ultralytics"} <= _known_architectures()


def test_the_papers_models_are_there(catalog: Catalog) -> None:
    """Architectures that the paper names; of these, ViTDet and Co-DINO have stand-ins that say so."""
    named = Counter(choice.task for choice in choices() if choice.paper == "listed")
    assert named == {"cls": 15, "det": 13, "ins": 11}
    stand_ins = [entry for entry in catalog if "Stands in for the paper's" in str(entry.note)]
    assert Counter(entry.task for entry in stand_ins) == {"det": 2, "ins": 1}
    assert {entry.paper for entry in stand_ins} == {"chosen"}


def test_refreshing_reproduces_the_files() -> None:
    """They were written by the script from the packages as they are installed, and by nobody's hand since."""
    from miqd_builder.zoo.refresh.document import zoo_documents

    for name, content in zoo_documents().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, f"{name} is out of step: run make zoo-refresh"


@pytest.mark.parametrize("task", TASKS)
def test_the_full_databases_run_file_resolves(task: str, catalog: Catalog) -> None:
    config = load_run(ROOT / "pipelines" / "miqd-2.5m.yaml", task=task)
    assert config.source.kind == ("imagenet" if task == "cls" else "coco")
    assert [entry.name for entry in load_zoo(config.zoo).select(config.models, task)] == [
        entry.name for entry in catalog if entry.task == task
    ]
    assert config.degradations == ("*",) and config.recipe == "miqd_v1"


def test_the_run_file_says_how_to_leave_out_the_optional_models(catalog: Catalog) -> None:
    text = (ROOT / "pipelines" / "miqd-2.5m.yaml").read_text(encoding="utf-8")
    found = re.search(r"--set models='(\[.*?\])'", text)
    assert found is not None
    kept = [entry for task in TASKS for entry in catalog.select(yaml.safe_load(found[1]), task)]
    assert kept == [entry for entry in catalog if entry.backend != "ultralytics"]


@pytest.mark.parametrize("name", SMALLEST)
def test_small_models_keep_the_contract(name: str, catalog: Catalog) -> None:
    entry = catalog[name]
    if importlib.util.find_spec(entry.backend) is None:
        pytest.skip(f"{entry.backend} is not installed")
    adapter = _built(entry)
    assert contract_problem(adapter) is None
    params = sum(parameter.numel() for parameter in adapter.model.parameters()) / 1e6
    assert params == pytest.approx(entry.params, rel=0.01)


def _built(entry: ModelEntry):
    from miqd_builder.zoo.build import build

    return eager(build(smaller(entry), random_weights=True))
