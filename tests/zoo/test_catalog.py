"""Zoo files and the models chosen from them."""

from pathlib import Path

import pytest

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.catalog import Catalog, load_zoo
from miqd_builder.zoo.content_hash import entry_hash

ENTRIES = """
models:
  - {name: rtmdet_tiny, task: det, backend: mmdet, config: rtmdet/rtmdet_tiny_8xb32-300e_coco.py}
  - {name: rtmdet_s, task: det, backend: mmdet, config: rtmdet/rtmdet_s_8xb32-300e_coco.py}
  - {name: yolox_nano, task: det, backend: mmdet, config: yolox/yolox_nano_8xb8-300e_coco.py}
  - {name: resnet18, task: cls, backend: timm, arch: resnet18, checkpoint: {path: weights/r18.pth}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "zoo.yaml").write_text(ENTRIES)
    return load_zoo([tmp_path / "zoo.yaml"])


def test_models_are_found_by_name_and_keep_their_order(catalog: Catalog, tmp_path: Path) -> None:
    assert [entry.name for entry in catalog] == ["rtmdet_tiny", "rtmdet_s", "yolox_nano", "resnet18"]
    assert len(catalog) == 4
    checkpoint = catalog["resnet18"].checkpoint
    assert checkpoint is not None and checkpoint.path == tmp_path / "weights" / "r18.pth"


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["*"], ["rtmdet_tiny", "rtmdet_s", "yolox_nano"]),
        (["yolox*", "rtmdet_?"], ["rtmdet_s", "yolox_nano"]),
        (["rtmdet_tiny", "rtm*"], ["rtmdet_tiny", "rtmdet_s"]),
        (["yolox_nano", "resnet*"], ["yolox_nano"]),  # one list serves a run file for all tasks
    ],
)
def test_patterns_select_in_zoo_order(catalog: Catalog, patterns: list[str], names: list[str]) -> None:
    assert [entry.name for entry in catalog.select(patterns, "det")] == names


@pytest.mark.parametrize(
    ("patterns", "task", "message"),
    [
        (["rtmdet_tinny"], "det", r"Unknown model 'rtmdet_tinny' for task det\. Did you mean 'rtmdet_tiny'"),
        (["yolox*", "nothing*"], "det", r"Unknown model 'nothing\*' for task det"),
        (["resnet18"], "det", "No model of task det matches resnet18. Models of this task: rtmdet_tiny, rtmdet_s, yolox_nano"),
        (["*"], "ins", "No model of task ins matches .*: none"),
    ],
)
def test_patterns_that_choose_nothing_are_errors(catalog: Catalog, patterns: list[str], task: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        catalog.select(patterns, task)


def test_an_unknown_name_offers_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(ConfigError, match=r"Unknown model 'resnet81'\. Did you mean 'resnet18'\?"):
        catalog["resnet81"]


def test_a_name_may_stand_once_in_all_files(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(ENTRIES)
    with pytest.raises(ConfigError, match=r"'rtmdet_tiny' is listed twice, in .*a\.yaml and .*b\.yaml"):
        load_zoo([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    (tmp_path / "c.yaml").write_text(ENTRIES + ENTRIES.split("models:\n")[1])
    with pytest.raises(ConfigError, match=r"'rtmdet_tiny' is listed twice, in \S*c\.yaml\."):
        load_zoo([tmp_path / "c.yaml"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [", "no valid YAML"),
        ("- a\n", "must hold one key, 'models'"),
        ("models: []\nmodel: []\n", "must hold one key, 'models'"),
        ("models: {a: b}\n", "with a list of entries"),
        ("models: [resnet18]\n", "entry 1: expected fields, got 'resnet18'"),
        ("models: [{task: cls, backend: timm, arch: a}]\n", r"model number 1: field 'name' is missing\."),
        ("models: [{name: a, task: cls, backend: timm, arhc: a}]\n", r"model 'a': unknown field 'arhc'\. Did you mean 'arch'"),
        ("models: [{name: a, task: clss, backend: timm, arch: a}]\n", r"model 'a': field 'task': .*, got 'clss'\."),
        ("models: [{name: a, task: cls, backend: timm}]\n", r"model 'a': backend timm needs the field 'arch'\."),
        ("models: [!!python/object/apply:os.getcwd []]\n", "no valid YAML"),
    ],
)
def test_wrong_zoo_files_get_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "zoo.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_zoo([tmp_path / "zoo.yaml"])
    assert "\n" not in str(caught.value)


def test_a_missing_zoo_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml' can't be read"):
        load_zoo([tmp_path / "absent.yaml"])


def test_real_zoo_file_loads(real: Path) -> None:
    catalog = load_zoo([real / "zoo.yaml"])
    assert {entry.task for entry in catalog} == {"cls", "det", "ins"}
    assert all(entry.checkpoint.path.is_file() for entry in catalog)
    assert len({entry_hash(entry) for entry in catalog}) == len(catalog)
