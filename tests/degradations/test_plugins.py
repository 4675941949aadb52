"""A distortion from another package, by module name and by entry point, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import degradations
from tests.degradations.pictures import ROOT

EXAMPLE = ROOT / "tests" / "plugin_example"

USE = """
import numpy as np, degradations
names = degradations.select(["sensor_banding_*"])
image = np.full((40, 50, 3), 120, np.uint8)
mask = np.zeros((40, 50), np.uint8); mask[10:30, 10:30] = 255
variants = list(degradations.render(image, mask, source_id="a", names=names))
print(json.dumps({
    "names": names,
    "categories": sorted({v.degradation.category for v in variants}),
    "regions": sorted({v.degradation.region for v in variants}),
    "psnrs": [v.psnr for v in variants[:5]],
    "listed": [d.name for d in degradations.distortions() if d.category == "sensor"],
    "content_hash": degradations.content_hash("sensor_banding"),
    "among_the_250": "sensor_banding_1" in degradations.names(),
}))
"""


def run(code: str, *paths: Path) -> dict[str, object]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [ROOT, *paths]))}
    result = subprocess.run([sys.executable, "-c", "import json\n" + code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def install(target: Path, module: str) -> Path:
    """Lay down what pip would write beside an installed package with this entry point."""
    metadata = target / "example_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: example-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[miqd.distortions]\nexample = {module}\n")
    return target


def check(answer: dict[str, object]) -> None:
    assert len(answer["names"]) == 25
    assert answer["categories"] == ["sensor"]
    assert answer["regions"] == ["background", "roi", "uniform"]
    assert answer["psnrs"] == sorted(answer["psnrs"], reverse=True)
    assert answer["listed"] == ["sensor_banding"]
    assert len(answer["content_hash"]) == 16
    assert answer["among_the_250"] is False


def test_by_module_name():
    check(
        run(
            "import degradations\nassert degradations.load_plugin('miqd_sensor_banding') == ['sensor_banding']\n" + USE, EXAMPLE
        )
    )


def test_by_entry_point(tmp_path):
    check(run(USE, EXAMPLE, install(tmp_path, "miqd_sensor_banding")))


def test_by_both(tmp_path):
    code = "import degradations\ndegradations.load_plugin('miqd_sensor_banding')\n"
    check(run(code + USE, EXAMPLE, install(tmp_path, "miqd_sensor_banding")))


def test_built_in_names_do_not_look_for_plugins(tmp_path):
    code = "import degradations\nprint(json.dumps([degradations.parse('fog_3').category, len(degradations.names())]))"
    assert run(code, install(tmp_path, "no_such_module")) == ["environment", 250]


def test_a_broken_entry_point_is_named(tmp_path):
    code = (
        "import degradations\ntry: degradations.select(['fog_1'])\n"
        "except degradations.PluginError as error: print(json.dumps(str(error)))"
    )
    assert "Plug-in 'no_such_module' can't be imported" in run(code, install(tmp_path, "no_such_module"))


@pytest.mark.parametrize(
    ("module", "message"),
    [("no_such_module", "'no_such_module' can't be imported: ModuleNotFoundError"), ("json", "'json' registers no distortion")],
)
def test_what_is_no_plugin_is_refused(module, message):
    with pytest.raises(degradations.PluginError, match=message):
        degradations.load_plugin(module)


def test_built_in_modules_count_as_plugins():
    assert "fog" in degradations.load_plugin("degradations.weather")


def test_the_guide_shows_the_example():
    guide = (ROOT / "docs" / "extend.md").read_text()
    assert (EXAMPLE / "miqd_sensor_banding.py").read_text() in guide
    assert '[project.entry-points."miqd.distortions"]\nsensor_banding = "miqd_sensor_banding"' in guide
    assert 'sensor_banding = "miqd_sensor_banding"' in (EXAMPLE / "pyproject.toml").read_text()
