"""The file: the same bytes again, its size, its policy, runs that lack something, wrong use."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import miqd_builder as mb
from miqd_builder.exploring import assembly
from miqd_builder.exploring.blocks import json_block
from tests.conftest import Outcome
from tests.exploring.conftest import HOSTILE, Explored
from tests.exploring.reading import Page

Miqd = Callable[..., Outcome]


def test_the_same_run_gives_the_same_bytes(explored: Explored, tmp_path: Path) -> None:
    again = mb.explore(explored.folder / "out", to=tmp_path / "page.html")
    assert Path(again.page).read_bytes() == explored.objects.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"], "no temporary file is left"


def test_the_policy_allows_the_script_and_the_style_alone(explored: Explored) -> None:
    html = explored.objects.read_text()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    [script] = re.findall(r'<script type="module">(.*?)</script>', html, re.DOTALL)
    [style] = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (script, style)]
    assert policy.startswith(f"default-src 'none'; script-src {hashes[0]}; style-src {hashes[1]}; img-src data: blob:;")
    assert set(re.findall(r"https?://[\w./]+", html)) == {"http://www.w3.org/2000/svg"}


def test_the_shell_is_small(explored: Explored) -> None:
    read = Page(explored.objects)
    assert len(read.html) - sum(map(len, read.blocks.values())) < 150_000
    assert len(assembly.assemble("x", "")) < 100_000


def test_a_full_file_takes_no_more_pictures(explored: Explored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {count: mb.explore(explored.folder / "out", to=tmp_path / f"{count}.html", sources=count).size for count in (0, 2)}
    monkeypatch.setattr("miqd_builder.exploring.explorer.ROOM_FOR_PAGE", 90_000)
    monkeypatch.setattr("miqd_builder.exploring.explorer.MOST_BYTES", sizes[2] + 30_000)
    found = mb.explore(explored.folder / "out", to=tmp_path / "page.html")
    assert 0 < len(found.pictured) < 4 and found.size < sizes[2] + 30_000
    assert found.notes == (
        f"The file has room for the pictures of {len(found.pictured)} sources: more would take it beyond 30 MB.",
    )
    monkeypatch.setattr("miqd_builder.exploring.explorer.MOST_BYTES", 90_100)
    with pytest.raises(mb.MiqdError, match="choose one task with --task"):
        mb.explore(explored.folder / "out", to=tmp_path / "page.html")


def test_imported_labels_have_no_pictures(explored: Explored) -> None:
    read = Page(explored.imported)
    assert read.facts["pictured"] == []
    assert read.facts["notes"] == ["There are no pictures: the run holds no images, its labels were imported."]
    task = read.task("det")
    assert (task["scores"], task["models"], task["names"]) == (None, [], {})
    assert HOSTILE in read.facts["sources"] and HOSTILE not in read.html


def test_sources_that_are_gone_cost_their_pictures(explored: Explored, tmp_path: Path) -> None:
    images = explored.folder / "data/images"
    images.rename(images.with_name("elsewhere"))
    try:
        found = mb.explore(explored.folder / "out", to=tmp_path / "page.html")
    finally:
        images.with_name("elsewhere").rename(images)
    assert found.pictured == () and found.rows == 2 * 4 * len(Page(found.page).names)
    assert [note.split(".")[0] for note in found.notes] == [
        "det: no ground truth is shown",
        "ins: no ground truth is shown",
        "No pictures of 4 sources: Image folder '" + str(images) + "' doesn't exist: set source",
    ]


def test_one_task_and_the_default_place(explored: Explored, tmp_path: Path) -> None:
    out = shutil.copytree(explored.folder / "out", tmp_path / HOSTILE)
    found = mb.explore(out, task="ins", sources=1)
    assert found.page == f"{out}/report/explore.html" and found.tasks == ("ins",)
    assert "<title>&lt;img src=x onerror=alert(1)&gt;: explorer</title>" in Path(found.page).read_text()


def test_wrong_use(explored: Explored, tmp_path: Path, miqd: Miqd) -> None:
    out = shutil.copytree(explored.folder / "out", tmp_path / "out")
    said = miqd("explore", "--out", out, "--to", tmp_path)
    assert (said.code, said.err) == (1, f"Error: '{tmp_path}' is a folder: name the file, such as '{tmp_path}/explore.html'.\n")
    assert "holds no run" in miqd("explore", "--out", tmp_path).err
    assert "Did you mean 'ins'?" in miqd("explore", "--out", out, "--task", "inst").err
    assert "no labels for task cls: run 'miqd label --task cls' first" in miqd("explore", "--out", out, "--task", "cls").err
    shutil.rmtree(out / "labels")
    assert "has no labels yet: run 'miqd label" in miqd("explore", "--out", out).err
    with pytest.raises(mb.MiqdError, match="sources = -1: give the number"):
        mb.explore(out, sources=-1)


def test_the_command_says_what_is_in_the_page(explored: Explored, tmp_path: Path, miqd: Miqd) -> None:
    said = miqd("explore", "--out", explored.folder / "out", "--to", tmp_path / "page.html", "--sources", 3, "--seed", 5)
    assert said.code == 0
    text = " ".join(said.out.split())
    assert "224 label rows, 3 of 4 sources have pictures" in text and "page.html" in text


def test_no_text_ends_a_data_block() -> None:
    block = json_block({"name": "</script><!--<script>&amp;\u2028"})
    assert re.sub(r"[^<>&]", "", block) == "<><>", "of the block itself"


@pytest.mark.parametrize(
    ("modules", "error"),
    [
        ({"main": 'import { a } from "./a.js";\n', "a": 'import { b } from "./main.js";\nexport const a = 1;\n'}, "each other"),
        ({"main": 'import { a, b } from "./a.js";\n', "a": "export const a = 1;\n"}, "imports b, which a doesn't export"),
        ({"main": "const x = '</script>';\n"}, "end its script"),
    ],
)
def test_wrong_modules_are_refused(
    modules: dict[str, str], error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in modules.items():
        (tmp_path / f"{name}.js").write_text(text)
    monkeypatch.setattr(assembly, "PAGE", tmp_path)
    with pytest.raises(ValueError, match=error):
        assembly.join_modules()
