"""The heartbeat of a command that runs out of memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from miqd_builder.errors import NoMemoryError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import CommandKey
from pipelines.progress import heartbeat
from pipelines.progress.heartbeat import Heartbeat


def test_a_command_without_memory_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the thread that it waits for died of it."""
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.05)
    beat = Heartbeat(RunFolder(str(tmp_path)), CommandKey("label", "det"), models=[], parts=[])

    def no_memory() -> None:
        raise MemoryError

    with pytest.raises(NoMemoryError, match="no memory left"), beat:
        monkeypatch.setattr(beat, "_write", no_memory)
        threading.Event().wait(60)
