"""A bucket of a real server process as the target: the bytes of a local folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import miqd_builder as mb
from tests.formats.publication.conftest import Small, contents

pytest.importorskip("moto", reason="moto is not installed")
s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")

from tests.store.test_s3 import bucket, server  # noqa: E402

__all__ = ["bucket", "server"]


def test_a_bucket_gets_the_bytes_of_a_folder(small: Small, bucket: str, tmp_path: Path) -> None:
    options = {"licence": "cc-by-4.0", "title": "Small set", "scheduler": "inline"}
    for form in ("huggingface", "webdataset"):
        local, url = tmp_path / form, f"{bucket}/{form}"
        mb.publish(small.out, to=local, format=form, **options)
        mb.publish(small.out, to=url, format=form, **options)
        store = s3fs.S3FileSystem()
        root = url.removeprefix("s3://")
        assert {name.removeprefix(f"{root}/"): store.cat_file(name) for name in store.find(root)} == contents(local)
        again = mb.publish(small.out, to=url, format=form, **options)
        assert again.summary is not None and again.summary.changed == ()
