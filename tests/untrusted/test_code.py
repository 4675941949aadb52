"""Zoo files, run files, recipes and run folders of other people run no code that nobody consented to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import miqd_builder as mb
from miqd_builder.errors import ConfigError
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.store.checksum import BLANK, KEY, seal
from tests.conftest import DataSet, toy_entry, write_run, write_zoo
from tests.fuzzing import canary

MODULE = """
from tests.fuzzing import canary
from tests.toy_models import brightness as factory
import degradations

canary.touch()
def compare(degraded, original):
    return [1.0] * len(degraded.top_ids)
"""


@pytest.fixture
def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set from elsewhere, with a module that can be imported, as for somebody who works in that folder."""
    folder = tmp_path / "download"
    folder.mkdir()
    (folder / "croissant.json").write_text("{}")
    (folder / "theirs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("MIQD_TRUST")
    canary.RAN.clear()
    return folder


def their_zoo(download: Path, **changes: object) -> Path:
    return write_zoo(download / "zoo.yaml", [toy_entry("one", "cls", "x") | {"target": "theirs:factory"} | changes])


def test_a_target_needs_consent(download: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo = their_zoo(download)
    assert mb.list_models(zoo=zoo) == ["one"]
    with pytest.raises(ConfigError, match=r"Model 'one' names module 'theirs'.*MIQD_TRUST=.*download"):
        mb.create_model("one", zoo=zoo)
    assert canary.RAN == []
    monkeypatch.setenv("MIQD_TRUST", str(download))
    assert mb.create_model("one", zoo=zoo).num_classes == 1000
    assert canary.RAN == ["touch"]


@pytest.mark.parametrize(
    ("mark", "content"),
    [("recipe/manifest.json", "{}"), ("run.json", "{}"), ("README.md", "---\nlicense: mit\n---\n# Theirs\n")],
)
def test_marks_of_a_data_set(download: Path, mark: str, content: str) -> None:
    (download / "croissant.json").unlink()
    (download / mark).parent.mkdir(exist_ok=True)
    (download / mark).write_text(content)
    with pytest.raises(ConfigError, match="came with the data set or run folder"):
        mb.create_model("one", zoo=their_zoo(download))
    assert canary.RAN == []


def test_ones_own_folder_needs_consent_only_if_the_variable_is_set(download: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (download / "croissant.json").unlink()
    (download / "README.md").write_text("# Mine\n")
    zoo = their_zoo(download)
    monkeypatch.setenv("MIQD_TRUST", "")
    with pytest.raises(ConfigError, match="MIQD_TRUST is set and doesn't list"):
        mb.create_model("one", zoo=zoo)
    assert canary.RAN == []
    monkeypatch.delenv("MIQD_TRUST")
    assert mb.create_model("one", zoo=zoo).num_classes == 1000


def test_a_run_needs_consent_before_it_starts(download: Path, data: DataSet) -> None:
    run = write_run(download, data, their_zoo(download))
    with pytest.raises(ConfigError, match="names module 'theirs'"):
        mb.label(task="cls", run=run)
    assert canary.RAN == [] and not (download / "out-cls").exists()


def test_a_link_to_a_trusted_folder_is_no_consent(download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "theirs.py").symlink_to(download / "theirs.py")
    monkeypatch.setenv("MIQD_TRUST", str(tmp_path / "mine"))
    with pytest.raises(ConfigError, match="MIQD_TRUST"):
        mb.create_model("one", zoo=their_zoo(download))


@pytest.mark.parametrize("target", ["os:system", "subprocess:run", "builtins:exec", "runpy:run_path"])
def test_python_itself_is_no_target(download: Path, target: str) -> None:
    with pytest.raises(ConfigError, match="part of Python"):
        mb.create_model("one", zoo=their_zoo(download, target=target, arch_kwargs={"shell": True}))


def test_plugins_of_a_run_file_need_consent(download: Path, data: DataSet, zoo: Path) -> None:
    run = write_run(download, data, zoo, plugins=["theirs"])
    with pytest.raises(ConfigError, match="names module 'theirs'"):
        mb.degrade(run=run, task="det", dry_run=True)
    assert canary.RAN == []


def test_plugins_of_a_run_folder_need_consent(download: Path, data: DataSet, zoo: Path) -> None:
    made = mb.degrade(run=write_run(download, data, zoo, degradations=["darkness_1"], limit=1), task="det")
    record = Path(made.outs[0]) / "run.json"
    content = json.loads(record.read_bytes())
    content["commands"][0]["config"]["plugins"] = ["theirs"]
    record.write_bytes(seal(json.dumps(content | {KEY: BLANK}).encode()))
    with pytest.raises(ConfigError, match="names module 'theirs'"):
        mb.open_run(made.outs[0]).image("scene_0", "darkness_1")
    assert canary.RAN == []


def test_functions_of_a_recipe_need_consent(download: Path) -> None:
    recipe = download / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"name": "theirs", "version": 1, "class_consistency": "theirs:compare"}))
    with pytest.raises(ConfigError, match="The recipe names module 'theirs'"):
        get_recipe(str(recipe))
    assert canary.RAN == []


YOLOX = "yolox/yolox_tiny_8xb8-300e_coco.py"


def mmdet(download: Path, **fields: object) -> Path:
    entry = {"name": "one", "task": "det", "backend": "mmdet"} | fields
    return write_zoo(download / "zoo.yaml", [entry])


@pytest.mark.parametrize("name", ["theirs.py", "theirs.yaml", "theirs.json"])
def test_a_config_beside_a_zoo_file_needs_consent(download: Path, name: str) -> None:
    (download / "theirs.yaml").write_text("_base_: theirs.py\n")
    (download / "theirs.json").write_text('{"_base_": "theirs.py"}')
    with pytest.raises(ConfigError, match=f"has a config of its own.*{name}.*MIQD_TRUST"):
        mb.create_model("one", zoo=mmdet(download, config=name))
    assert canary.RAN == []


@pytest.mark.parametrize(
    "options",
    [
        {"model": {"_delete_": True, "type": "os.system", "command": "touch pwned"}},
        {"model.backbone": {"_delete_": True, "type": "os.system"}},
        {"model.backbone.type": "theirs"},
        {"model.backbone._scope_": "theirs"},
        {"model.backbone": [{"type": "theirs.Net"}]},
        {"model.teacher_config": "theirs.py"},
        {"model.backbone.weights": "/etc/passwd"},
    ],
)
def test_options_of_a_zoo_file_are_data(download: Path, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="could name a file or code"):
        mb.create_model("one", zoo=mmdet(download, config=YOLOX, cfg_options=options), random_weights=True)
    assert canary.RAN == [] and not Path("pwned").exists()


def test_plain_options_need_no_consent(download: Path) -> None:
    options = {"model.bbox_head.num_classes": 3, "model.backbone.act_cfg.type": "ReLU", "model.test_cfg.nms.type": "nms"}
    zoo = mmdet(download, config=YOLOX, cfg_options=options)
    assert mb.create_model("one", zoo=zoo, random_weights=True).num_classes == 3


@pytest.mark.parametrize("option", ["checkpoint_path", "pretrained", "pretrained_cfg"])
def test_weights_come_from_the_checkpoint_alone(download: Path, option: str) -> None:
    entry = {"name": "one", "task": "cls", "backend": "timm", "arch": "resnet10t", "arch_kwargs": {option: "theirs.pth"}}
    with pytest.raises(ConfigError, match=f"may not hold '{option}'"):
        mb.create_model("one", zoo=write_zoo(download / "zoo.yaml", [entry]), random_weights=True)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:tests.fuzzing.canary.touch []",
        "models: !!python/object/new:tests.fuzzing.canary.touch []",
        "models: [!!python/name:tests.fuzzing.canary.touch ]",
    ],
)
def test_yaml_makes_no_objects(download: Path, text: str) -> None:
    (download / "zoo.yaml").write_text(text)
    with pytest.raises(ConfigError, match="no valid YAML"):
        mb.list_models(zoo=download / "zoo.yaml")
    assert canary.RAN == []
