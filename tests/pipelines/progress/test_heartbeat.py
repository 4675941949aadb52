"""The heartbeat of a command that runs out of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

WAITS = """
import sys, threading
from miqd_builder.errors import NoMemoryError
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import CommandKey
from pipelines.progress import heartbeat

heartbeat.SECONDS_BETWEEN_BEATS = 0.05
beat = heartbeat.Heartbeat(RunFolder(sys.argv[1]), CommandKey("label", "det"), models=[], parts=[])

def no_memory():
    raise MemoryError

try:
    with beat:
        beat._write = no_memory
        threading.Event().wait(200)
except NoMemoryError as error:
    print(error)
"""


@pytest.mark.parametrize("background", [False, True])
def test_a_command_without_memory_waits_for_nobody(tmp_path: Path, background: bool) -> None:
    """As when the thread that it waits for died of it; in a process of its own, as signals go to the main thread.

    What a script starts with ``&`` ignores SIGINT.
    """
    code = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{WAITS}" if background else WAITS
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=150)
    assert done.stdout.startswith("The process has no memory left."), done.stderr
