"""What each data set of the script is labelled for, and with which degradations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from miqd_builder.sources.config import SourceConfig
from miqd_builder.sources.registry import check_serves, open_source
from miqd_builder.tasks import TASKS
from pipelines.quality.labelling import DATA_SETS, DataSet, degradations_of, group_of, run_fields


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two photographs of every data set, with their ground truth."""
    for data in DATA_SETS:
        (tmp_path / data.images).mkdir(parents=True, exist_ok=True)
        for name in ("one", "two"):
            Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / data.images / f"{name}.png")
        if data.tasks == ("cls",):
            (tmp_path / str(data.truth)).write_text("file,label\none.png,3\ntwo.png,4\n")
        elif data.truth is not None:
            images = [{"id": 7, "file_name": "one.png"}, {"id": 8, "file_name": "two.png"}]
            truth = {"images": [{**one, "height": 40, "width": 60} for one in images], "annotations": [], "categories": []}
            (tmp_path / data.truth).write_text(json.dumps(truth))
    return tmp_path


@pytest.mark.parametrize("data", DATA_SETS, ids=lambda data: data.name)
def test_a_source_serves_its_tasks_and_has_the_photographs_of_its_group(
    data: DataSet, photographs: Path, tmp_path: Path
) -> None:
    group = group_of(Path("one.png"))
    fields = run_fields(photographs, data, group, tmp_path / "work", half=True)
    source = SourceConfig(**fields["source"])
    for task in data.tasks:
        check_serves(source, task)
    named = [file.name for file in sorted(Path(fields["source"]["images"]).iterdir())]
    assert named == [name for name in ("one.png", "two.png") if group_of(Path(name)) == group]
    if data.truth is None:
        assert [image.source_id for image in open_source(source).images] == [Path(name).stem for name in named]
    whole = degradations_of(group, half=data.half)
    assert fields["degradations"] == (whole[::2] if data.truth is None else whole) and len(whole) == 25
    assert set(data.tasks) < set(TASKS)
