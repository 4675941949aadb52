"""Tar files that can be written front to back and whose origin stands at their beginning."""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from miqd_builder.errors import ConfigError
from miqd_builder.store.folder import RunFolder

_INPUTS = "miqd.inputs"
HEAD_BYTES = 2**14
_END_BYTES = 1024
"""Zeros at the end of a tar file."""
Sample = dict[str, Any]


def add_file(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Append a file; nothing of this machine or moment is kept, so that the same content gives the same bytes."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def tar_headers(inputs: str) -> dict[str, str]:
    """Return the global headers of a tar file, for :func:`stored_inputs`."""
    return {_INPUTS: inputs}


def stored_inputs(folder: RunFolder, name: str) -> str | None:
    """Return what a tar file was made from; None if there is none, or it is none of ours."""
    try:
        with folder.access("read", name):
            head = folder.fs.cat_file(folder.path(name), start=0, end=HEAD_BYTES)
        with tarfile.open(fileobj=io.BytesIO(head), mode="r|") as tar:
            tar.next()
            return tar.pax_headers.get(_INPUTS)
    except (OSError, tarfile.TarError):
        return None


def stored_rows(folder: RunFolder, name: str) -> int:
    """Return the number of samples in a tar file."""
    with folder.fs.open(folder.path(name), "rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
        return sum(member.name.endswith(".json") for member in tar)


def samples(file: Path) -> Iterator[Sample]:
    """Yield what a tar file says of each of its images.

    Raises:
        ConfigError: it can't be read, or holds something else.
    """
    try:
        with file.open("rb") as stream:
            # Of a tar file that is cut off, the reader sees nothing but fewer members.
            stream.seek(-_END_BYTES, 2)
            if any(stream.read()):
                raise ConfigError(f"'{file}' can't be read (it is cut off).")
        with tarfile.open(file, mode="r:") as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    content = tar.extractfile(member)
                    assert content is not None
                    yield json.loads(content.read())
    except (OSError, tarfile.TarError, ValueError) as error:
        raise ConfigError(f"'{file}' can't be read ({' '.join(str(error).split())}).") from None


def to_json(sample: Sample) -> bytes:
    """Return a sample as JSON; numbers read back to the last bit, infinite ones are written as text."""
    return json.dumps(_finite(sample), ensure_ascii=False, allow_nan=False).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
