"""Open many damaged inputs: ``python -m tests.fuzzing 20000``; one again: ``python -m tests.fuzzing --only 1234``.

The inputs are opened in child processes, some hundreds in each: one that crashes the interpreter, or that hangs where Python
can't interrupt it, is found by its number.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzzing.inputs import KINDS, Finding, Tally, kind_of, open_inputs

PER_PROCESS = 500
START_SECONDS = 600.0
"""Further time of a child that imports everything on a busy machine."""
SILENCE_SECONDS = 180.0
"""A child that opens one input for so long hangs where Python can't interrupt it."""


def main() -> int:
    """Open the inputs, print what was found; returns 1 if anything was."""
    options = _parsed()
    folder = options.corpus or Path(tempfile.mkdtemp(prefix="fuzzing-corpus-"))
    if options.child:
        _child(folder, options.seed, options.child)
        return 0
    if not (folder / "media").is_dir():
        _build(folder)
    if options.only is not None:
        _child(folder, options.seed, (options.only, options.only + 1))
        return 0
    tally = _all(folder, options.seed, options.first, options.first + options.inputs, options.log)
    _show(tally)
    return 1 if tally.findings else 0


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="?", type=int, default=20000, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--only", type=int, help="open this one alone and show what it does")
    parser.add_argument("--log", type=Path, help="file for the findings, a JSON object a line")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _build(folder: Path) -> None:
    """Make the valid inputs, in a process of their own: it needs a gigabyte, and this one waits."""
    folder.mkdir(parents=True, exist_ok=True)
    code = "import sys, pathlib, tests.fuzzing.corpus as corpus; corpus.make_corpus(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def _child(folder: Path, seed: int, numbers: tuple[int, int]) -> None:
    """Open some inputs; a line before each, and one after it."""
    import torch

    from tests.fuzzing.corpus import open_corpus

    torch.set_num_threads(1)
    corpus = open_corpus(folder)
    out = sys.stdout
    out.write("ready\n")
    out.flush()
    for number, kind, problem in open_inputs(corpus, seed, range(*numbers)):
        out.write(json.dumps([number, kind, problem]) + "\n")
        out.flush()


def _all(folder: Path, seed: int, first: int, stop: int, log: Path | None) -> Tally:
    tally, started = Tally(), time.monotonic()
    at = first
    while at < stop:
        end = min(at + PER_PROCESS, stop)
        at = _some(folder, seed, at, end, tally, log)
        done = at - first
        print(f"{done} inputs, {len(tally.findings)} findings, {done / (time.monotonic() - started):.1f} a second", flush=True)
    return tally


def _some(folder: Path, seed: int, at: int, end: int, tally: Tally, log: Path | None) -> int:
    """Run a child until it is done or dies; returns the number of the next input."""
    command = [sys.executable, "-m", "tests.fuzzing", "--corpus", str(folder), "--seed", str(seed)]
    errors = (folder / "stderr.txt").open("w")
    child = subprocess.Popen([*command, "--child", str(at), str(end)], stdout=subprocess.PIPE, stderr=errors, text=True)
    assert child.stdout is not None
    watchdog = _Watchdog(child)
    for line in child.stdout:
        watchdog.heard()
        if line == "ready\n":
            continue
        number, kind, problem = json.loads(line)
        _note(tally, number, kind, problem, log)
        at = number + 1
    code = child.wait()
    if at < end:
        what = "hangs outside of Python" if watchdog.killed else f"ends the process with {code}"
        _note(tally, at, kind_of(seed, at), what, log)
        at += 1
    return at


class _Watchdog:
    """Kills a child that says nothing for long."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        import threading

        self.child, self.killed, self.last = child, False, time.monotonic() + START_SECONDS
        threading.Thread(target=self._watch, daemon=True).start()

    def heard(self) -> None:
        """The child said something."""
        self.last = time.monotonic()

    def _watch(self) -> None:
        while self.child.poll() is None:
            time.sleep(1)
            if time.monotonic() - self.last > SILENCE_SECONDS:
                self.killed = True
                self.child.kill()


def _note(tally: Tally, number: int, kind: str, problem: str | None, log: Path | None) -> None:
    tally.opened[kind] += 1
    if problem is not None:
        finding = Finding(number, kind, problem)
        tally.findings.append(finding)
        if log is not None:
            with log.open("a") as file:
                file.write(json.dumps(vars(finding)) + "\n")


def _show(tally: Tally) -> None:
    for kind in KINDS:
        bad = [finding for finding in tally.findings if finding.kind == kind]
        print(f"{tally.opened[kind]:6} {kind}: {len(bad)} findings")
        for problem, count in Counter(finding.problem.split(": ")[0] for finding in bad).most_common():
            print(f"         {count} x {problem}")
    for finding in tally.findings[:50]:
        print(f"{finding.number} {finding.kind}: {finding.problem}")


if __name__ == "__main__":
    sys.exit(main())
