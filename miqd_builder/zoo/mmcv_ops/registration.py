"""Register the operators as the module ``mmcv._ext``, which mmcv imports."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from miqd_builder.errors import ConfigError
from miqd_builder.zoo.mmcv_ops.missing import MissingOperatorError

EXTENSION = "mmcv._ext"


def install() -> None:
    """Make ``mmcv._ext`` importable; call it before anything imports ``mmcv.ops``. Calling it again changes nothing.

    A compiled ``mmcv._ext`` that imports is left in place. Otherwise the module is registered with the operators of this
    package; every other operator of mmcv raises :class:`MissingOperatorError` when it is called.

    Raises:
        ConfigError: mmcv itself is not installed.
    """
    if EXTENSION in sys.modules:
        return
    package = importlib.util.find_spec("mmcv")
    if package is None:
        raise ConfigError("mmcv is not installed, needed by the OpenMMLab back ends. Run: pip install onedl-mmcv")
    if _compiled_extension_works(package):
        return
    loader = _OperatorLoader()
    module = importlib.util.module_from_spec(ModuleSpec(EXTENSION, loader, origin=__name__))
    loader.exec_module(module)
    sys.modules[EXTENSION] = module


def _compiled_extension_works(package: ModuleSpec) -> bool:
    """Whether a compiled extension lies in the package and loads (one built for another torch does not)."""
    if PathFinder.find_spec(EXTENSION, package.submodule_search_locations) is None:
        return False
    try:
        importlib.import_module(EXTENSION)
    except ImportError:
        return False
    return True


class _OperatorLoader(Loader):
    """Fills the module with this package's operators; mmcv only probes it with ``hasattr`` and calls what it needs."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(_operators())
        vars(module)["__getattr__"] = _missing


def _operators() -> dict[str, Callable[..., Any]]:
    from miqd_builder.zoo.mmcv_ops import deform_attn, deform_conv, nms, roi

    provided = (
        nms.nms,
        nms.softnms,
        roi.roi_align_forward,
        roi.roi_align_backward,
        roi.roi_pool_forward,
        roi.roi_pool_backward,
        deform_conv.deform_conv_forward,
        deform_conv.deform_conv_backward_input,
        deform_conv.deform_conv_backward_parameters,
        deform_conv.modulated_deform_conv_forward,
        deform_conv.modulated_deform_conv_backward,
        deform_attn.ms_deform_attn_forward,
        deform_attn.ms_deform_attn_backward,
    )
    return {function.__name__: function for function in provided}


def _missing(name: str) -> Callable[..., Any]:
    """Module attribute hook: an operator that is not provided, as a function that raises when called."""
    if name.startswith("__"):
        raise AttributeError(f"module {EXTENSION!r} has no attribute {name!r}")

    def missing_operator(*args: Any, **kwargs: Any) -> None:
        raise MissingOperatorError(name)

    missing_operator.__name__ = name
    return missing_operator
