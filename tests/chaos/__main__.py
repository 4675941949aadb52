"""Play rounds: ``python -m tests.chaos 100``; one again: ``python -m tests.chaos --only 17``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("MIQD_CHAOS_STOPPED_SECONDS", "30")

from tests.chaos.case import make_case
from tests.chaos.faults import FAULTS, possible
from tests.chaos.rounds import Outcome, play


def main() -> int:
    """Play the rounds and print a table; returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", nargs="?", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed of the first round")
    parser.add_argument("--only", type=int, help="play this round alone")
    parser.add_argument("--fault", choices=list(FAULTS), help="this fault in every round")
    parser.add_argument("--log", type=Path, help="file for the outcomes, a JSON object a line")
    parser.add_argument("--minutes", type=float, default=600.0, help="start no round after this time")
    options = parser.parse_args()
    seeds = [options.only] if options.only is not None else list(range(options.first, options.first + options.rounds))
    folder = Path(tempfile.mkdtemp(prefix="miqd-chaos-"))
    outcomes, start = [], time.monotonic()
    try:
        (folder / "case").mkdir()
        case = make_case(folder / "case")
        faults = possible()
        for seed in seeds:
            if time.monotonic() - start > 60 * options.minutes:
                break
            place = folder / f"round-{seed}"
            place.mkdir()
            outcomes.append(play(case, faults, seed, place, options.fault))
            _tell(outcomes[-1], options.log)
            if outcomes[-1].problem is None:
                shutil.rmtree(place, ignore_errors=True)
    finally:
        if all(outcome.problem is None for outcome in outcomes):
            shutil.rmtree(folder, ignore_errors=True)
    _show(outcomes)
    return int(any(outcome.problem for outcome in outcomes))


def _tell(outcome: Outcome, log: Path | None) -> None:
    said = outcome.problem or "; ".join(outcome.doings)
    print(f"{outcome.seed:4} {outcome.fault} ({outcome.task}, {outcome.seconds:.0f} s): {said}", flush=True)
    if log is not None:
        with log.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")


def _show(outcomes: list[Outcome]) -> None:
    by_fault = defaultdict(list)
    for outcome in outcomes:
        by_fault[outcome.fault].append(outcome)
    for name, fault in FAULTS.items():
        rounds = by_fault[name]
        broken = sum(outcome.problem is not None for outcome in rounds)
        why = f" ({fault.missing()})" if fault.missing() else ""
        print(f"{name}: {len(rounds)} rounds, {sum(len(one.doings) for one in rounds)} times, {broken} promises broken{why}")
    print(f"{len(outcomes)} rounds, {sum(one.seconds for one in outcomes):.0f} s")


if __name__ == "__main__":
    sys.exit(main())
