"""Plug-ins that are edited while a process lives: the code in memory, its names, and its content hash."""

from __future__ import annotations

from pathlib import Path

import degradations
from tests.degradations.test_plugins import EXAMPLE, install, run

EDITED = """
import importlib, os, pathlib, degradations
from miqd_builder import user_code

HEAD = "import numpy as np, degradations\\nTWELVE = [k / 20 for k in range(12)]\\n"
ONE = (
    "@degradations.register({name!r}, category='sensor', candidates=TWELVE, version={version})\\n"
    "def {function}(image, strength):\\n    return (image * {factor}).astype(np.uint8)\\n"
)

def write(*ones, file="own_plugin.py"):
    path = pathlib.Path(os.environ["PLUGINS"], file)
    path.parent.mkdir(exist_ok=True)
    usual = {"name": "dimmer", "version": 1, "function": "f", "factor": 0.5}
    path.write_text(HEAD + "".join(ONE.format(**{**usual, **one}) for one in ones))
    os.utime(path, (1e9, 1e9))  # as if all edits fell into one second

def load(module="own_plugin"):
    return degradations.load_plugin(module, user_code.load)

def pixel(name):
    import numpy as np
    d = degradations.distortion(name)
    return int(d.render(np.full((1, 1, 3), 100, np.uint8), 1, None)[0, 0, 0])

def refused(call, *arguments):
    try: call(*arguments)
    except degradations.DegradationError as error: return str(error)
"""


def edited(tmp_path: Path, code: str, *paths: Path) -> dict[str, object]:
    """Run code in a process that edits its own plug-in."""
    return run(f"import os\nos.environ['PLUGINS'] = {str(tmp_path)!r}\n{EDITED}\n{code}", tmp_path, *paths)


def test_an_edit_is_seen_with_and_without_another_version(tmp_path: Path) -> None:
    code = """
seen = []
for one in ({}, {"factor": 0.6}, {"factor": 0.6, "version": 2}, {"factor": 0.6, "version": 2, "function": "g"}):
    write(one)
    load()
    seen.append([degradations.content_hash("dimmer"), pixel("dimmer")])
fog = degradations.content_hash("fog")
print(json.dumps([seen, fog]))
"""
    seen, fog = edited(tmp_path, code)
    assert [value for _, value in seen] == [50, 60, 60, 60]
    assert len({print_ for print_, _ in seen}) == 4
    assert fog == degradations.content_hash("fog")


def test_what_a_plugin_no_longer_has_is_gone(tmp_path: Path) -> None:
    code = """
write({}, {"name": "greyer", "function": "g"})
first = load()
write({"name": "greyer", "function": "g"})
second = load()
write({"name": "bluer", "function": "g"})
user_code.load("own_plugin")  # somebody else was first
print(json.dumps([first, second, refused(degradations.parse, "dimmer_1"), refused(degradations.parse, "greyer_1"), load()]))
"""
    first, second, dimmer, greyer, third = edited(tmp_path, code)
    assert (first, second, third) == (["dimmer", "greyer"], ["greyer"], ["bluer"])
    assert "Unknown degradation 'dimmer_1'" in dimmer and "Unknown degradation 'greyer_1'" in greyer


def test_distortions_of_a_plugin_that_breaks_are_gone(tmp_path: Path) -> None:
    code = """
write({})
load()
write({"factor": "("})
broken = refused(load)
gone = refused(degradations.distortion, "dimmer")
write({"factor": 0.7})
print(json.dumps([broken, gone, load(), pixel("dimmer")]))
"""
    broken, gone, names, value = edited(tmp_path, code)
    assert "Plug-in 'own_plugin' can't be imported: SyntaxError" in broken and "Unknown distortion 'dimmer'" in gone
    assert (names, value) == (["dimmer"], 70)


def test_a_distortion_may_move_within_its_package(tmp_path: Path) -> None:
    code = """
def package(*modules):
    write(file="own_package/__init__.py")
    with pathlib.Path(os.environ["PLUGINS"], "own_package/__init__.py").open("a") as file:
        file.write("".join(f"from own_package import {module}\\n" for module in modules))

write({}, file="own_package/a.py")
package("a")
load("own_package")
write({"factor": 0.8}, file="own_package/b.py")
write(file="own_package/a.py")
package("a", "b")
names = load("own_package")
print(json.dumps([names, pixel("dimmer"), sorted(degradations.plugin_modules(["dimmer", "fog"]))]))
"""
    assert edited(tmp_path, code) == [["dimmer"], 80, ["own_package"]]


def test_the_content_hash_is_that_of_the_code_in_memory(tmp_path: Path) -> None:
    code = """
write({})
load()
before = degradations.content_hash("dimmer")
write({"factor": 0.6})
print(json.dumps([before == degradations.content_hash("dimmer"), pixel("dimmer")]))
"""
    assert edited(tmp_path, code) == [True, 50]


def test_modules_of_distortions(tmp_path: Path) -> None:
    """A client sends their hashes to its workers, those of entry points too."""
    code = """
write({})
load()
found = degradations.plugin_modules(["dimmer", "sensor_banding", "fog", "imagenet_c_fog"])
installed = degradations.load_installed(user_code.load)
print(json.dumps([sorted(found), installed, refused(degradations.plugin_modules, ["frog"])]))
"""
    found, installed, unknown = edited(tmp_path, code, EXAMPLE, install(tmp_path, "miqd_sensor_banding"))
    assert (found, installed) == (["miqd_sensor_banding", "own_plugin"], ["miqd_sensor_banding"])
    assert "Did you mean 'fog'" in unknown


def test_a_distortion_without_a_file_has_its_version_only() -> None:
    code = """
import degradations
source = "def cell(image, a):\\n    return image.copy()\\n"
space = {"__name__": "__main__"}
exec(source, space)
degradations.register(category="sensor", candidates=range(12))(space["cell"])
d = degradations.distortion("cell")
print(json.dumps([d.source_sha256, sorted(degradations.plugin_modules(["cell"]))]))
"""
    assert run(code) == ["", ["__main__"]]
