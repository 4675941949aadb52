"""The error of an operator that only mmcv's compiled extension has."""

from __future__ import annotations

from miqd_builder.errors import ConfigError


class MissingOperatorError(ConfigError):
    """An operator of mmcv was called that only its compiled extension has."""

    def __init__(self, operator: str) -> None:
        super().__init__(
            f"mmcv operator {operator!r} has no counterpart in PyTorch or torchvision. Build mmcv's compiled operators (takes "
            "a C++ compiler and 20 minutes): MMCV_WITH_OPS=1 pip install --force-reinstall --no-deps --no-cache-dir "
            "--no-binary onedl-mmcv --no-build-isolation onedl-mmcv"
        )
        self.operator = operator
