"""Where the pixels of training images come from: a run folder, or the published tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from miqd_builder.errors import ConfigError
from miqd_builder.formats.registry import format_of, writer_of
from miqd_builder.sources.images import decode_image
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord
from miqd_builder.tables.images import Named
from miqd_builder.tables.run_images import RunImages
from miqd_builder.tasks import Task

PARTS = 256
"""Parts of ``variants`` that a reading process remembers: batches mix sources of all parts."""


class Pixels(Protocol):
    """The degraded images of some sources."""

    def images(self, source_id: str, names: Sequence[str]) -> Iterator[Named]:
        """Yield degraded images of one source, name and uint8 ``(height, width, 3)`` RGB.

        Raises:
            MiqdError: one can't be read; those after it are lost with it.
        """

    def mask(self, source_id: str) -> NDArray[np.uint8] | None:
        """Return the source's ROI mask, uint8 ``(height, width)`` of 0 and 255; None where none is kept."""


class RunPixels:
    """The images of a run folder, read from there or rendered on the fly; sent to another process, it is opened anew.

    Args:
        url: of the run folder.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def __reduce__(self) -> tuple[type[RunPixels], tuple[str]]:
        return RunPixels, (self.url,)

    def images(self, source_id: str, names: Sequence[str]) -> Iterator[Named]:
        """See :class:`Pixels`."""
        return self._images.several(source_id, names)

    def mask(self, source_id: str) -> NDArray[np.uint8] | None:
        """See :class:`Pixels`."""
        return self._images.roi(source_id)

    @cached_property
    def _images(self) -> RunImages:
        folder = RunFolder(self.url)
        record = RunRecord.load(folder)
        if record is None:
            raise ConfigError(f"'{self.url}' holds no run any more: put it back.")
        return RunImages(folder, record, most_parts=PARTS)


class TreePixels:
    """The images of a published tree, which keeps no masks.

    Args:
        root: folder that holds ``miqa_cls``, ``miqa_det``.
        task: whose images; instance segmentation has those of detection.
    """

    def __init__(self, root: Path, task: Task) -> None:
        self.root, self.task = root, task

    def path(self, source_id: str, name: str) -> Path:
        """Return where a degraded image lies."""
        places = writer_of(format_of("miqd")).images
        assert places is not None
        return self.root / places.degraded(self.task, source_id, name)

    def images(self, source_id: str, names: Sequence[str]) -> Iterator[Named]:
        """See :class:`Pixels`."""
        for name in names:
            path = self.path(source_id, name)
            try:
                data = path.read_bytes()
            except OSError:
                data = b""
            yield name, decode_image(data, path.name)

    def mask(self, source_id: str) -> NDArray[np.uint8] | None:
        """See :class:`Pixels`."""
        return None
