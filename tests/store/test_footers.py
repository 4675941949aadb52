"""Footers are read once, many at a time, and an index is believed only about files that are what they were."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from miqd_builder.store import many_files
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.footers import Footers
from miqd_builder.store.parts import PartStamp, read_footer, write_part
from miqd_builder.tables.lineage import ScoresLineage, content_hash

TABLE = "scores/task=det"
NAMES = [f"{TABLE}/model={model}/part-{part:05d}.parquet" for model in "ab" for part in range(3)]
INDEX = "index/scores-task=det.json"


def write(folder: RunFolder, name: str, recipe: str = "r", rows: int = 2, **options: object) -> PartStamp:
    lineage = ScoresLineage(responses=None, truth={"cat": name[-9]}, recipe=recipe)
    write_part(folder, name, pa.table({"x": list(range(rows))}), lineage, **options)
    return PartStamp(content_hash(lineage), rows, bool(options.get("complete", True)))


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    return RunFolder(str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}")


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A folder whose files count as settled as soon as they are written."""
    monkeypatch.setattr(many_files, "SETTLED_SECONDS", -60.0)
    return RunFolder(str(tmp_path))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file's last bytes were asked for."""
    count: Counter[str] = Counter()
    original = RunFolder.read_tails

    def read_tails(self: RunFolder, names: Sequence[str], last: int) -> dict[str, bytes]:
        count.update(names)
        return original(self, names, last)

    monkeypatch.setattr(RunFolder, "read_tails", read_tails)
    return count


def test_each_footer_is_read_once(folder: RunFolder, reads: Counter[str]) -> None:
    stamps = {name: write(folder, name, rows=row + 1, complete=row != 3) for row, name in enumerate(NAMES[:5])}
    folder.write(NAMES[5], b"torn")
    footers = Footers(folder)
    footers.load(NAMES)
    for _ in range(2):
        assert {name: footers.get(name) for name in NAMES} == {**stamps, NAMES[5]: None}
        assert footers.get("variants/part-00000.parquet") is None
    assert reads == dict.fromkeys(NAMES, 1)
    for name, stamp in stamps.items():
        footer = read_footer(folder, name)
        assert footer is not None and (footer.content_hash, footer.rows, footer.complete) == (
            stamp.content_hash,
            stamp.rows,
            stamp.complete,
        )


def test_footers_longer_than_the_first_read(folder: RunFolder) -> None:
    stamp = write(folder, NAMES[0], extra={"note": "x" * 40_000})
    assert Footers(folder).get(NAMES[0]) == stamp


def test_refresh_reads_what_was_written_since(local: RunFolder, reads: Counter[str]) -> None:
    stamps = {name: write(local, name) for name in NAMES[:3]}
    footers = Footers(local)
    footers.load(NAMES)
    stamps |= {name: write(local, name, recipe="other") for name in (NAMES[1], NAMES[4])}
    footers.refresh(TABLE)
    assert {name: footers.get(name) for name in NAMES if name in stamps} == stamps
    assert reads == {NAMES[0]: 1, NAMES[1]: 2, NAMES[2]: 1, NAMES[4]: 1}


def indexed(folder: RunFolder) -> dict[str, PartStamp]:
    """Write parts and the index of them."""
    stamps = {name: write(folder, name) for name in NAMES}
    footers = Footers(folder)
    footers.load(NAMES)
    footers.save()
    assert folder.exists(INDEX)
    return stamps


def test_the_index_saves_the_reading(local: RunFolder, reads: Counter[str]) -> None:
    stamps = indexed(local)
    reads.clear()
    footers = Footers(local)
    assert {name: footers.get(name) for name in NAMES} == stamps and not reads
    before = local.read(INDEX)
    footers.save()
    assert local.read(INDEX) == before


def test_a_part_that_changed_is_read_whatever_the_index_says(local: RunFolder) -> None:
    stamps = indexed(local)
    path = Path(local.path(NAMES[0]))
    times, data = path.stat(), path.read_bytes()
    old, new = stamps[NAMES[0]].content_hash.encode(), b"0" * 32
    assert old in data
    path.write_bytes(data.replace(old, new))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    stamps[NAMES[1]] = write(local, NAMES[1], recipe="other")
    local.remove(NAMES[2])
    Path(local.path(NAMES[3])).replace(local.path(NAMES[4]))
    footers = Footers(local)
    found = {name: footers.get(name) for name in NAMES}
    assert found[NAMES[0]] == PartStamp("0" * 32, 2, True) and found[NAMES[1]] == stamps[NAMES[1]]
    assert found[NAMES[2]] is None and found[NAMES[3]] is None
    assert found[NAMES[4]] == stamps[NAMES[3]] and found[NAMES[5]] == stamps[NAMES[5]]


@pytest.mark.parametrize("damage", ["byte", "torn", "version", "missing"])
def test_without_a_sound_index_all_is_read(local: RunFolder, reads: Counter[str], damage: str) -> None:
    stamps = indexed(local)
    reads.clear()
    data = local.read(INDEX)
    if damage == "missing":
        local.remove(INDEX)
    elif damage == "byte":
        local.write(INDEX, data.replace(b", 2, true", b", 3, true", 1))
    else:
        local.write(INDEX, data[:-9] if damage == "torn" else data.replace(b'"version": 1', b'"version": 2'))
    footers = Footers(local)
    footers.load(NAMES)
    assert {name: footers.get(name) for name in NAMES} == stamps and reads == dict.fromkeys(NAMES, 1)


def test_files_that_may_still_change_are_not_indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_files, "SETTLED_SECONDS", 3600.0)
    folder = RunFolder(str(tmp_path))
    write(folder, NAMES[0])
    assert folder.identities(TABLE) == {NAMES[0]: None}
    footers = Footers(folder)
    footers.load(NAMES)
    footers.save()
    assert not folder.exists(INDEX)


def test_a_folder_without_the_table(folder: RunFolder) -> None:
    footers = Footers(folder)
    footers.load(NAMES)
    footers.refresh(TABLE)
    footers.save()
    assert footers.get(NAMES[0]) is None and folder.identities(TABLE) == {} and not folder.exists(INDEX)
