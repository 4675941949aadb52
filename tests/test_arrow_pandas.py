"""Arrow without pandas in ``miqd label``, and with it for a user's module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("pandas")


def run(script: str, *folders: Path) -> list[str]:
    """Words that a script prints in a process of its own."""
    code = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}\n{script}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


WITHHOLD = "import pyarrow as pa; from miqd_builder.arrow_pandas import withhold_pandas; withhold_pandas()\n"


def test_arrays_are_made_without_pandas() -> None:
    script = WITHHOLD + "pa.array([1, None]); pa.table({'a': ['x']}); print('pandas' in sys.modules)"
    assert run(script) == ["False"]
    assert run(script.replace("withhold_pandas()", "None")) == ["True"]  # if this fails, Arrow doesn't need to be told


def test_conversions_to_pandas_work() -> None:
    assert run(WITHHOLD + "print(type(pa.table({'a': [1]}).to_pandas()).__module__.split('.')[0])") == ["pandas"]


def test_a_table_of_a_data_frame_has_its_missing_values() -> None:
    script = WITHHOLD + "import pandas as pd; print(pa.Table.from_pandas(pd.DataFrame({'a': [1.0, None]}))['a'].null_count)"
    assert run(script) == ["1"]


def test_pandas_that_is_there_is_left_alone() -> None:
    script = (
        "import pandas as pd\n" + WITHHOLD + "print(pa.array(pd.Series([1.0, None])).null_count, pd is sys.modules['pandas'])"
    )
    assert run(script) == ["1", "True"]


def test_a_users_module_finds_arrow_as_ever(tmp_path: Path) -> None:
    """Arrow that knows of pandas takes NaN of a series for a missing value."""
    (tmp_path / "of_a_user.py").write_text(
        "import pandas as pd, pyarrow as pa\nMISSING = pa.array(pd.Series([1.0, None])).null_count\n"
    )
    loads = "from miqd_builder import user_code; print(user_code.load('of_a_user').MISSING)"
    assert run(WITHHOLD + loads, tmp_path) == ["1"]
    assert run(WITHHOLD + "import of_a_user; print(of_a_user.MISSING)", tmp_path) == ["0"]  # why load() tells Arrow first
