"""Tables of the benchmarks as CSV, as docs/results keeps them; ``python benchmarks/result_tables.py`` says where this ran.

python benchmarks/result_tables.py
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def main() -> None:
    """Print what a result's name should say of the hardware."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"{os.cpu_count()} CPUs, {processor()}, Python {platform.python_version()}")


def processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def write_csv(file: Path, rows: Sequence[Row]) -> None:
    """Write rows of equal keys; numbers with three significant digits, or as whole numbers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([f"{value:.3g}" if isinstance(value, float) else value for value in row.values()] for row in rows)
    print(f"Written to {file}")


def print_markdown(rows: Sequence[Row]) -> None:
    """Print rows of equal keys as a Markdown table."""
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
