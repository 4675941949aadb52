"""Downloads from a real web server that breaks off, lies, is busy or is not there."""

import fcntl
import hashlib
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from miqd_builder.errors import DownloadError
from miqd_builder.zoo.weights.download import download
from tests.zoo.weights.web_server import Site, serve

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as running:
        running.files["/w.pth"] = CONTENT
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "w.pth"


def get(site: Site, target: Path, sha256: str | None = SHA256, path: str = "/w.pth", **options) -> str:
    return download(f"{site.url}{path}", target, sha256=sha256, pause_s=0, **options)


def names(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


@pytest.mark.parametrize("digits", [8, 64])
def test_a_file_arrives_whole_and_alone(site: Site, target: Path, digits: int) -> None:
    seen = []
    found = get(site, target, SHA256[:digits], report=lambda done, total: seen.append((done, total)))
    assert found == SHA256 and target.read_bytes() == CONTENT
    assert names(target) == {"w.pth"}
    assert seen[0] == (0, 300_000) and seen[-1] == (300_000, 300_000)


def test_it_goes_on_where_an_earlier_one_broke_off(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("w.pth.part").write_bytes(CONTENT[:123_456])
    get(site, target)
    assert site.requests == [("/w.pth", "bytes=123456-")]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_connections_that_break_are_taken_up_again(site: Site, target: Path, ranges: bool) -> None:
    site.ranges, site.break_after = ranges, 50_000
    if ranges:
        get(site, target)
        assert [asked for _, asked in site.requests] == [None] + [f"bytes={n}-" for n in range(50_000, 300_000, 50_000)]
        assert target.read_bytes() == CONTENT
    else:  # it would never come whole
        with pytest.raises(DownloadError, match=r"the connection ended at 50000 of 300000 bytes\)\. 50000 bytes are kept"):
            get(site, target)
        assert names(target) == {"w.pth.part"}


def test_a_server_that_knows_no_ranges_starts_again(site: Site, target: Path) -> None:
    site.ranges = False
    target.parent.mkdir()
    target.with_name("w.pth.part").write_bytes(b"x" * 1000)
    get(site, target)
    assert target.read_bytes() == CONTENT


def test_all_had_come_before_the_process_ended(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("w.pth.part").write_bytes(CONTENT)
    get(site, target)
    assert target.read_bytes() == CONTENT and names(target) == {"w.pth"}


def test_more_is_there_than_the_file_has(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("w.pth.part").write_bytes(CONTENT + b"more")
    get(site, target)
    assert target.read_bytes() == CONTENT


def test_a_file_of_unknown_length(site: Site, target: Path) -> None:
    site.length = False
    get(site, target)
    assert target.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(site: Site, target: Path) -> None:
    site.busy = 3
    get(site, target)
    assert len(site.requests) == 4 and target.read_bytes() == CONTENT
    site.busy = 100
    with pytest.raises(DownloadError, match="503"):
        get(site, target.with_name("other.pth"))
    assert len(site.requests) == 4 + 5


def test_wrong_content_is_kept_aside_and_replaces_nothing(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"what was there")
    with pytest.raises(
        DownloadError, match=rf"its 300000 bytes have sha256 {SHA256}, expected 00000000.*w\.pth\.wrong"
    ) as error:
        get(site, target, "00000000")
    assert "\n" not in str(error.value)
    assert target.read_bytes() == b"what was there"
    assert target.with_name("w.pth.wrong").read_bytes() == CONTENT
    assert names(target) == {"w.pth", "w.pth.wrong"}


def test_the_right_file_puts_a_wrong_one_aside(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"damaged")
    get(site, target)
    assert target.read_bytes() == CONTENT
    assert target.with_name("w.pth.wrong").read_bytes() == b"damaged"


def test_a_hub_states_the_hash_before_it_sends_on(site: Site, target: Path) -> None:
    site.redirects["/owner/name/resolve/main/w.pth"] = ("/w.pth", {"X-Linked-ETag": f'"{SHA256}"'})
    assert get(site, target, None, "/owner/name/resolve/main/w.pth") == SHA256
    site.redirects["/lying"] = ("/w.pth", {"X-Linked-ETag": f'"{"0" * 64}"'})
    with pytest.raises(DownloadError, match="is not the expected file"):
        get(site, target, None, "/lying")
    assert target.read_bytes() == CONTENT


def test_a_file_that_nobody_vouches_for_is_refused(site: Site, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"No sha256 of .* is known: add it to the zoo entry"):
        get(site, target, None)
    assert names(target) == {"w.pth.wrong"}


def test_an_absent_file_is_the_entrys_fault(site: Site, target: Path) -> None:
    with pytest.raises(DownloadError, match=r"/absent can't be downloaded: the server answers 404 Not Found\. Correct"):
        get(site, target, path="/absent")
    assert len(site.requests) == 1 and names(target) == set()


def test_without_a_network_it_says_what_to_copy_where(target: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/w.pth"
    with pytest.raises(DownloadError) as error:
        download(url, target, sha256=SHA256, pause_s=0)
    assert f"{url} can't be downloaded (" in str(error.value)
    assert f"copy the file from another machine to {target}" in str(error.value)


def test_a_download_that_is_stopped_keeps_what_has_come(site: Site, target: Path) -> None:
    stop = Event()
    site.break_after = 50_000
    with pytest.raises(DownloadError, match="stopped"):
        get(site, target, stop=stop, report=lambda done, total: stop.set() if done >= 100_000 else None)
    assert target.with_name("w.pth.part").read_bytes() == CONTENT[:100_000]


def test_two_processes_do_not_write_one_file(site: Site, target: Path) -> None:
    target.parent.mkdir()
    with target.with_name("w.pth.part").open("ab") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="Another process is downloading"):
            get(site, target)
    get(site, target)
    assert target.read_bytes() == CONTENT


def test_a_full_disk(site: Site, target: Path) -> None:
    """A limit on the size of files stands in for the end of the disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DownloadError, match=r"Can't write .*w\.pth\.part \(File too large\): free the disk"):
            get(site, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(site.requests) == 1
    get(site, target)
    assert target.read_bytes() == CONTENT
