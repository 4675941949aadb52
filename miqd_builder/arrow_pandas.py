"""Whether Arrow knows of pandas in this process.

Arrow imports pandas, which takes 0.8 s, at the first array that it makes from Python objects, to see whether they are pandas'
own. Nothing in this project is; a user's module may make some.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from types import ModuleType

_withheld = False


def withhold_pandas() -> None:
    """Make Arrow take it that there is no pandas, for a command that is a process of its own.

    Where pandas is imported already, nothing happens. Who imports it later gets it, and Arrow's conversions to pandas work.

    Examples:
        >>> import pyarrow as pa
        >>> withhold_pandas()
        >>> pa.array([1, 2]).to_pandas().tolist()
        [1, 2]
    """
    global _withheld
    if _withheld or "pandas" in sys.modules:
        return
    import pyarrow as pa

    sys.meta_path.insert(0, _WithoutPandas)
    try:
        pa.array([0])  # Arrow looks for pandas once
    finally:
        sys.meta_path.remove(_WithoutPandas)
    _withheld = True


def give_pandas() -> None:
    """Let Arrow know of pandas again, if it is installed, before a user's module runs."""
    global _withheld
    if not _withheld:
        return
    import pyarrow as pa

    with contextlib.suppress(ImportError):
        pa.array([0]).to_pandas()  # Arrow looks for it again when it can't do without
    _withheld = False


class _WithoutPandas:
    """Answers imports of pandas as where it isn't installed."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name=name)
