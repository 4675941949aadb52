"""How long ``miqd label`` of one small detector on one image takes, beside the bare import of what it needs.

    nice python benchmarks/startup.py [--repeats 5] [--csv FILE]

Every command is a process of its own, and they take turns; the least of the repeats counts, by processor time (user and system,
of all threads) and by wall-clock time. Files are in the page cache and compiled code in numba's, as after a first run.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from result_tables import Row, print_markdown, write_csv

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "pipelines" / "demo"
OPERATORS = "from miqd_builder.zoo.mmcv_ops import install; install()"
IMPORTS = {
    "import torch": "import torch",
    "import mmdet.models, after the operators": f"{OPERATORS}; import mmdet.models",
    "import timm": "import timm",
}
LABEL = "import sys; sys.argv[0] = 'miqd'; from pipelines.cli.main import main; main()"
NO_PANDAS = "import sys; sys.modules['pandas'] = None"
"""As where the extra ``dev`` isn't installed: Arrow imports pandas where there is one."""
BASE = "import mmdet.models, after the operators"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--csv", type=Path, help="write the table into this file")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print_and_write(measure(Path(folder), asked.repeats), asked.csv)


def measure(folder: Path, repeats: int) -> list[Row]:
    """Run all commands in turn; the first turn fills the caches and doesn't count."""
    commands = {name: [sys.executable, "-c", code] for name, code in IMPORTS.items()}
    for name, model in {"detector": "demo_rtmdet", "classifier of timm": "demo_resnet10t"}.items():
        task = "cls" if "timm" in name else "det"
        commands[f"miqd label, one {name}, one image"] = label(folder, model, task)
        commands[f"miqd label, one {name}, one image, without pandas"] = label(folder, model, task, before=NO_PANDAS)
    best = {name: (float("inf"), float("inf")) for name in commands}
    for turn in range(repeats + 1):
        for name, command in commands.items():
            for old in folder.glob("out-*"):
                subprocess.run(["rm", "-rf", str(old)], check=True)
            spent = timed(command)
            if turn:
                best[name] = (min(best[name][0], spent[0]), min(best[name][1], spent[1]))
    base = {"detector": BASE, "timm": "import timm"}
    return [
        {
            "command": name,
            "CPU s": cpu,
            "wall s": wall,
            "CPU / bare import": cpu / best[base["timm" if "timm" in name else "detector"]][0],
            "wall / bare import": wall / best[base["timm" if "timm" in name else "detector"]][1],
        }
        for name, (cpu, wall) in best.items()
    ]


def label(folder: Path, model: str, task: str, *, before: str = "pass") -> list[str]:
    """The command that labels one image of the demo in two degradations with one model, in its own process.

    Args:
        folder: for the run file and the run.
        model: its name in the demo's zoo.
        task: det or cls.
        before: what Python does first.
    """
    sources = {
        "det": {"kind": "coco", "images": str(DEMO / "images"), "annotations": str(DEMO / "annotations.json")},
        "cls": {"kind": "imagenet", "images": str(DEMO / "images"), "labels": str(DEMO / "labels.csv")},
    }
    run = folder / f"{task}.yaml"
    fields = {
        "out": str(folder / f"out-{task}"),
        "source": sources[task],
        "roi": {"kind": "masks", "path": str(DEMO / "masks")},
        "zoo": [str(ROOT / "model_zoo_configs/demo.yaml")],
        "models": [model],
        "degradations": ["contrast_1", "contrast_3"],
        "scheduler": "inline",
        "limit": 1,
    }
    run.write_text(yaml.safe_dump(fields))
    return [sys.executable, "-c", f"{before}; {LABEL}", "label", "--task", task, "--run", str(run)]


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; returns seconds of processor time and of wall-clock time."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def print_and_write(rows: list[Row], file: Path | None) -> None:
    """Print a Markdown table, and write it where asked for."""
    print_markdown(rows)
    if file:
        write_csv(file, rows)


if __name__ == "__main__":
    main()
