"""Inputs that people write: run files, zoo files, recipes, training files, annotations, label tables."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

import miqd_builder as mb
from machine_iqa.data.splits import _listed
from miqd_builder.labeling.recipes import get_recipe
from miqd_builder.sources import open_source
from miqd_builder.sources.config import SourceConfig
from tests.conftest import toy_entry
from tests.fuzzing.corpus import SIZE, Corpus, annotations, tiny_network, training_fields
from tests.fuzzing.mutations import damaged_bytes, damaged_text, damaged_tree

Call = Callable[[], object]

YAML_TRICKS = (
    "!!python/object/apply:tests.fuzzing.canary.touch []\n",
    "!!python/name:tests.fuzzing.canary.touch\n",
    "out: !!python/object/new:tests.fuzzing.canary.touch []\n",
    "out: &a [*a]\n",
    "<<: 3\n",
    "a: &a {b: *a}\n",
    "? [1, 2]\n: x\n",
    "x: 2001-99-99\n",
    "x: 1:99:99999999999999\n",
    "[" * 5000,
    "models: " + "[" * 300 + "]" * 300 + "\n",
    "a: &a [1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)),
    "\ufeffout: x\n",
    "--- {}\n--- {}\n",
)


OWN_MODULE = "from tests.fuzzing import canary\ncanary.touch()\ntouch = canary.touch\nmodel = dict(type='x')\n"
"""A module that lies beside a file that names it: it must not even be imported."""


def _yaml(rng: random.Random, tree: Any, file: Path) -> Path:
    """Write a damaged tree as YAML, damaged YAML text, or a trick; beside it a module that it may name."""
    file.with_name("own_module.py").write_text(OWN_MODULE)
    how = rng.random()
    if how < 0.7:
        with contextlib.suppress(yaml.YAMLError, RecursionError, ValueError):
            file.write_bytes(yaml.safe_dump(damaged_tree(rng, tree), allow_unicode=True).encode("utf-8", "surrogatepass"))
            return file
    text = rng.choice(YAML_TRICKS) + yaml.safe_dump(tree) if how > 0.95 else yaml.safe_dump(tree)
    file.write_bytes(damaged_text(rng, text))
    return file


def run_file(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """``mb.label`` plans a damaged run file; one in fifty that can be planned is carried out too."""
    plugins = rng.choice(([], ["own_module"]))
    fields = corpus.run | {
        "out": str(folder / "out"),
        "plugins": plugins,
        "models": ["*"],
        "workers": 1,
        "limit": 2,
        "recipe": "miqd_v1",
    }
    file = _yaml(rng, fields, folder / "run.yaml")
    task = rng.choice(("cls", "det", "ins", "seg", "all"))
    return lambda: mb.label(task=task, run=file, dry_run=True)


def zoo_file(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """``mb.list_models`` and ``mb.create_model`` open a damaged zoo file."""
    kind = rng.choice(_ENTRIES)
    tree = {"models": [kind | {"name": "one"}, *rng.sample(corpus.zoo["models"], 2)]}
    file = _yaml(rng, tree, folder / "zoo.yaml")

    def call() -> None:
        for name in mb.list_models(zoo=file):
            mb.create_model(name, zoo=file, random_weights=True)

    return call


_ENTRIES: tuple[dict[str, Any], ...] = (
    toy_entry("x", "cls", "brightness"),
    toy_entry("x", "det", "blobs"),
    {"task": "cls", "backend": "timm", "arch": "resnet10t", "arch_kwargs": {"num_classes": 8}},
    {"task": "cls", "backend": "timm", "arch": "resnet10t", "arch_kwargs": {"checkpoint_path": "evil.pth"}},
    {"task": "cls", "backend": "torchvision", "arch": "squeezenet1_1", "arch_kwargs": {"num_classes": 8}},
    {"task": "cls", "backend": "timm", "arch": "resnet10t", "checkpoint": {"path": "weights.pth", "sha256": "0" * 64}},
    {"task": "det", "backend": "mmdet", "config": "own_module.py"},
    {
        "task": "det",
        "backend": "mmdet",
        "config": "yolox/yolox_tiny_8xb8-300e_coco.py",
        "cfg_options": {"model.type": "os.system"},
    },
    {"task": "cls", "backend": "python", "target": "own_module:touch"},
)


def recipe_file(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """``get_recipe``, which ``mb.label`` calls with its ``recipe``."""
    tree = {"name": "mine", "version": 1, "class_consistency": "top1", "detection_score": "ap", "reference_score": 0.3}
    tree |= rng.choice(({}, {"class_consistency": "own_module:touch"}))
    file = _yaml(rng, tree, folder / "recipe.yaml")
    return lambda: get_recipe(str(file)).content_hash()


def training_file(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """``mb.train`` plans a damaged training file."""
    file = _yaml(rng, training_fields(corpus) | {"out": str(folder)}, folder / "train.yaml")

    def call() -> None:
        with tiny_network():
            mb.train(file, dry_run=True)

    return call


def annotation_file(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """A source lists its images, and the ground truth of each is decoded as a run does."""
    file = folder / "annotations.json"
    tree = annotations(corpus)
    if rng.random() < 0.5:
        for one in tree["annotations"][:3]:
            one["segmentation"] = rng.choice(_OUTLINES)
    if rng.random() < 0.7:
        with contextlib.suppress(RecursionError):
            file.write_text(json.dumps(damaged_tree(rng, tree)), encoding="utf-8", errors="surrogatepass")
    if not file.exists():
        file.write_bytes(damaged_text(rng, json.dumps(tree, indent=1)))
    config = SourceConfig(kind="coco", images=corpus.folder / "data" / "images", annotations=file)

    def call() -> None:
        for image in open_source(config).images:
            image.truth_hash()
            image.check_truth(*SIZE)
            for task in ("det", "ins"):
                if truth := image.truth_for(task):
                    truth.detections(masks=task == "ins")

    return call


_OUTLINES: tuple[Any, ...] = (
    [[1, 2, 3, 4, 5, 6], [0.5, 0.5, 1e9, 2, 3, 4]],
    {"size": list(SIZE), "counts": [10, 20, SIZE[0] * SIZE[1] - 30]},
    {"size": [10**6, 10**6], "counts": [10**12]},
    {"size": list(SIZE), "counts": [-5, 5 + SIZE[0] * SIZE[1]]},
    {"size": list(SIZE), "counts": "~~~~~~~~~~~~~~~~~~~~~"},
    {"size": list(SIZE), "counts": "`h0"},
    {"size": list(SIZE), "counts": ["a", None]},
    [[float("nan")] * 6],
    [[1e308, 1e308, 2, 2, 3, 3]],
    [[1, 2, 3, 4, 5]],
    [["a", "b", "c", "d"]],
    "x",
    7,
    [[]],
    [{}],
)


def label_table(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    """A table of class labels, of published labels, of image qualities or of a split."""
    return rng.choice((_class_labels, _published_labels, _qualities, _split_list))(rng, corpus, folder)


def _class_labels(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    text = corpus.read("data/labels.csv").decode()
    if rng.random() < 0.2:
        text = "\n".join(str(rng.randint(1, 1000)) for _ in range(3))
        (folder / "meta.mat").write_bytes(damaged_bytes(rng, b"MATLAB 5.0 MAT-file" + bytes(109) + rng.randbytes(300)))
    (folder / "labels.csv").write_bytes(damaged_text(rng, text))
    config = SourceConfig(kind="imagenet", images=corpus.folder / "data" / "images", labels=folder / "labels.csv")
    return lambda: [image.truth_hash() for image in open_source(config).images]


def _published_labels(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    files = sorted((corpus.folder / "published").rglob("*.csv"))
    chosen = rng.choice([file for file in files if "labels" in file.parts])
    task, labels = chosen.parent.parent.name.removeprefix("miqa_"), folder / chosen.parent.parent.name / "labels"
    labels.mkdir(parents=True)
    for file in chosen.parent.glob("*.csv"):
        content = corpus.read(str(file.relative_to(corpus.folder)))
        (labels / file.name).write_bytes(damaged_text(rng, content.decode()) if file == chosen else content)
    return lambda: mb.import_labels(folder, out=folder / "imported", task=task)


def _qualities(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    rows = "Image Name,Category,Quality Score\nscene_0.png,1,0.5\nscene_1.png,1,0.7\nscene_2.png,2,0.1\n"
    (folder / "quality.csv").write_bytes(damaged_text(rng, rows))
    config = SourceConfig(
        kind="imagenet",
        images=corpus.folder / "data" / "images",
        labels=corpus.folder / "data" / "labels.csv",
        quality=folder / "quality.csv",
        top_k_per_class=1,
    )
    return lambda: open_source(config)


def _split_list(rng: random.Random, corpus: Corpus, folder: Path) -> Call:
    (folder / "train.csv").write_bytes(damaged_text(rng, "name,score\nscene_0.png,0.5\nscene_1,0.2\n0002,1\n"))
    return lambda: _listed(folder / "train.csv", {"scene_0", "scene_1", "2"})
