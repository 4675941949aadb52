"""Modules that OpenMMLab's packages import and that no inference uses: each is imported when something in it is used."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import MappingProxyType, ModuleType
from typing import Any

_OPTIMIZERS = ("Adadelta", "Adagrad", "Adam", "Adamax", "AdamW", "RMSprop", "Rprop", "SGD")

DEFERRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # mmdet draws a tracker's errors; without this module, the lane detector's drawing is all that imports matplotlib.
        "mmdet.utils.mot_error_visualize": ("imshow_mot_errors",),
        "matplotlib": (),
        "matplotlib.pyplot": (),
        # DETR's matching of queries to the truth in training, and trackers.
        "scipy.optimize": ("linear_sum_assignment",),
        "scipy.linalg": (),
        # The lane detector's curves.
        "scipy.interpolate": ("InterpolatedUnivariateSpline",),
        # mmcv can read TIFF files with it; this project decodes images itself.
        "tifffile": (),
        # Optimizers of distributed training: TorchScript compiles all eight when they are imported.
        **{f"torch.distributed.optim.functional_{name.lower()}": (f"_Functional{name}",) for name in _OPTIMIZERS},
    }
)
"""Modules, a package before its modules; of each, the functions and classes that are imported by name and only called."""

_table = threading.Lock()
"""Held while a stand-in leaves the table of imported modules, so that it takes nothing but itself."""


@contextmanager
def deferred(modules: Mapping[str, tuple[str, ...]] = DEFERRED) -> Iterator[None]:
    """While it lasts, an import of these modules gives a stand-in, which imports the real one when it is used.

    What is imported already or isn't installed stays as it is. Afterwards an import gives the real module; who has a stand-in
    keeps it. Another thread that imports the same modules meanwhile may get stand-ins too, which behave alike.

    Args:
        modules: names, a package before its modules; of each, the callables that get stand-ins of their own, so that
            ``from module import callable`` doesn't count as use. They can be called and nothing else.

    Examples:
        >>> with deferred({"colorsys": ("rgb_to_hsv",)}):
        ...     from colorsys import rgb_to_hsv
        >>> rgb_to_hsv(1.0, 0.0, 0.0)
        (0.0, 1.0, 1.0)
    """
    stand_ins = [_StandIn(name, callables) for name, callables in modules.items() if _installed(name)]
    placed = [each for each in stand_ins if sys.modules.setdefault(each.__name__, each) is each]
    for each in placed:
        each.hang_on_parent()
    try:
        yield
    finally:
        for each in placed:
            if each.leave_table():
                each.hang_on_parent()  # the parent may have been imported meanwhile


def _installed(module: str) -> bool:
    """Tell whether a module's package is there; looking for the module itself would import the package."""
    package = module.partition(".")[0]
    return package in sys.modules or importlib.util.find_spec(package) is not None


class _StandIn(ModuleType):
    """Stands for a module until an attribute of it is used.

    It imports the real one as any import does, so with the same locks, and holds no other lock while it does.
    """

    def __init__(self, name: str, callables: tuple[str, ...]) -> None:
        super().__init__(name)
        vars(self).update({each: _called_later(name, each) for each in callables})
        # Imports look at both, and who asks whether the module is installed.
        vars(self).update(__spec__=ModuleSpec(name, None), __path__=_Folders(self))

    def __getattr__(self, name: str) -> Any:
        if name == "__file__" and sys.modules.get(self.__name__) is self:
            raise AttributeError(name)  # inspect asks it of all modules in the table to find out where code comes from
        return getattr(self.real(), name)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        real = sys.modules.get(self.__name__)
        if real is not None and real is not self:  # a module of this package, whose import began with the stand-in
            setattr(real, name, value)

    def real(self) -> ModuleType:
        """Import the real module."""
        self.leave_table()
        return importlib.import_module(self.__name__)

    def leave_table(self) -> bool:
        """Make way for the real module; False if it was there already."""
        with _table:
            here = sys.modules.get(self.__name__) is self
            if here:
                del sys.modules[self.__name__]
        return here

    def hang_on_parent(self) -> None:
        """Become an attribute of the package, as an imported module does, where the package is there and has none."""
        package, _, name = self.__name__.rpartition(".")
        if package in sys.modules:
            vars(sys.modules[package]).setdefault(name, self)


class _Folders:
    """Where a package's modules lie: ``from package import name`` only asks whether there is such a thing."""

    def __init__(self, package: _StandIn) -> None:
        self._package = package

    def __iter__(self) -> Iterator[str]:
        yield from getattr(self._package.real(), "__path__", ())


def _called_later(module: str, name: str) -> Callable[..., Any]:
    """Return a function that imports a module's callable when it is called, and calls it."""

    def call(*arguments: Any, **keywords: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **keywords)

    call.__name__ = call.__qualname__ = name
    call.__module__ = module
    return call
