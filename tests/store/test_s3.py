"""A run folder in a bucket of a real server process (moto's), with the bytes of a local one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from miqd_builder.errors import StoreError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import CommandKey
from miqd_builder.store.lock import NAME, RunLock
from tests.conftest import DataSet, toy_entry, write_run, write_zoo

pytest.importorskip("moto", reason="moto is not installed")
s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")

TABLES = ("candidates", "variants", "responses", "scores", "labels", "images")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Endpoint of a server process on this machine; in the environment, so that worker processes see it too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_DISABLED": "true"}.items():
            patch.setenv(name, value)
        try:
            deadline = time.monotonic() + 60
            while not answers(url):
                assert time.monotonic() < deadline and process.poll() is None, "the server never answered"
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait()
            s3fs.S3FileSystem.clear_instance_cache()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2)
    except OSError:
        return False
    return True


@pytest.fixture
def bucket(server: str, request: pytest.FixtureRequest) -> str:
    name = request.node.name.split("[")[0].replace("_", "-")[:60]
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def run(tmp_path: Path, data: DataSet) -> Path:
    zoo = write_zoo(
        tmp_path / "zoo.yaml", [toy_entry("blobs", "det", "blobs"), toy_entry("strict", "det", "blobs", threshold=140.0)]
    )
    return write_run(tmp_path, data, zoo, degradations=["darkness_[25]", "contrast_3"])


def contents(url: str) -> dict[str, bytes]:
    folder = RunFolder(url)
    return {name: folder.read(name) for table in TABLES for name in folder.list(f"{table}/**/*.p*")}


def test_every_command_with_the_bytes_of_a_local_run(miqd, run: Path, bucket: str, tmp_path: Path) -> None:
    url = f"{bucket}/some/run"
    assert miqd("degrade", "--run", run, "--out", url).code == 0
    assert miqd("label", "--task", "det", "--run", run, "--out", url).code == 0
    assert miqd("label", "--task", "det", "--run", run, "--out", tmp_path / "local").code == 0
    there = contents(url)
    assert there == contents(str(tmp_path / "local")) and len(there) == 2 + 2 + 4 + 4 + 2 + 4 * 3
    for command in ("audit", "status", "verify"):
        assert miqd(command, "--out", url).code == 0, command
    assert RunFolder(url).exists("report/index.html") and not RunFolder(url).exists(NAME)
    again = miqd("label", "--task", "det", "--run", run, "--out", url)
    assert "0 inferences to run (2 of 2 parts done)" in again.out


def test_resume_of_a_run_that_lost_a_part(miqd, run: Path, bucket: str) -> None:
    miqd("label", "--task", "det", "--run", run, "--out", bucket)
    before = contents(bucket)
    folder = RunFolder(bucket)
    for name in ("labels/task=det/part-00001.parquet", "responses/task=det/model=blobs/part-00000.parquet"):
        folder.remove(name)
    plan = miqd("label", "--task", "det", "--run", run, "--out", bucket, "--dry-run")
    assert "blobs (python): 8 inferences to run (1 of 2 parts done)" in plan.out
    assert miqd("label", "--task", "det", "--run", run, "--out", bucket).code == 0
    assert contents(bucket) == before


def test_dask_workers_write_into_the_bucket(miqd, run: Path, bucket: str, tmp_path: Path) -> None:
    options = ("--scheduler", "dask", "--workers", 2)
    assert miqd("label", "--task", "det", "--run", run, "--out", bucket, *options).code == 0
    assert miqd("label", "--task", "det", "--run", run, "--out", tmp_path / "local").code == 0
    assert contents(bucket) == contents(str(tmp_path / "local"))


def test_verify_names_what_is_damaged(miqd, run: Path, bucket: str) -> None:
    miqd("label", "--task", "det", "--run", run, "--out", bucket)
    folder, name = RunFolder(bucket), "scores/task=det/model=strict/part-00001.parquet"
    content = bytearray(folder.read(name))
    content[len(content) // 2] ^= 4
    folder.write(name, bytes(content))
    result = miqd("verify", "--out", bucket)
    assert result.code == 2 and f"{name} is damaged" in result.out


def test_files_of_other_processes_show_at_once(bucket: str) -> None:
    folder = RunFolder(bucket)
    folder.write("labels/a.parquet", b"1")
    assert folder.list("labels/*") == ["labels/a.parquet"]
    code = f"from miqd_builder.store.folder import RunFolder; RunFolder('{bucket}').write('labels/b.parquet', b'2')"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
    assert folder.list("labels/*") == ["labels/a.parquet", "labels/b.parquet"] and folder.exists("labels/b.parquet")


def test_the_store_decides_who_gets_the_lock(bucket: str) -> None:
    folder = RunFolder(bucket)
    assert folder.create("x", b"first") and not folder.create("x", b"second")
    assert folder.read("x") == b"first"
    with RunLock(folder, CommandKey("degrade")), pytest.raises(StoreError, match="is held by 'miqd degrade'"):
        RunLock(folder, CommandKey("degrade")).__enter__()


def test_bucket_that_is_not_there(miqd, run: Path, server: str) -> None:
    result = miqd("degrade", "--run", run, "--out", "s3://no-such-bucket/run")
    assert result.code == 1
    assert "Error: Can't write 's3" in result.err or "no-such-bucket" in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_store_that_does_not_answer(miqd, run: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = miqd("degrade", "--run", run, "--out", "s3://bucket/run")
    s3fs.S3FileSystem.clear_instance_cache()
    assert result.code == 1
    assert len(result.err.strip().splitlines()) == 1 and "Can't reach 's3://bucket/run'" in result.err
