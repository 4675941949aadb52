"""Configs of the OpenMMLab packages: find them, read them, and remove everything that would fetch weights."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from miqd_builder import consent, user_code
from miqd_builder.errors import ConfigError, MiqdError, did_you_mean
from miqd_builder.garbage import not_collected
from miqd_builder.zoo.adapters.deferred_imports import deferred
from miqd_builder.zoo.adapters.mm_options import check_options
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.mmcv_ops import install as install_operators

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

DISTRIBUTIONS = {"mmpretrain": "onedl-mmpretrain", "mmdet": "onedl-mmdetection", "mmseg": "onedl-mmsegmentation"}
"""Name under which each package is installed."""

_THEIRS = {*DISTRIBUTIONS, "mmcv", "mmengine"}


@dataclass(frozen=True, slots=True)
class OpenMMLabModel:
    """A network and the config that it was built from."""

    network: nn.Module
    config: Config


def import_package(name: str) -> ModuleType:
    """Import an OpenMMLab package and its models; several packages live in one process.

    The package's registries import everything else when it is asked for, transforms for instance: ``mmdet.datasets`` alone
    takes 1.7 s, and no detector that ships needs it (:mod:`miqd_builder.zoo.adapters.mmdet_steps`).

    Raises:
        ConfigError: it isn't installed.
    """
    _require(name)
    install_operators()
    with quiet(), not_collected(), deferred():
        package = importlib.import_module(name)
        importlib.import_module(f"{name}.models")
        importlib.import_module("mmengine.logging").MMLogger.get_current_instance().setLevel("WARNING")
    warnings.filterwarnings("ignore", message="torch.meshgrid")  # from the packages' anchor generators, at every first image
    return package


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While it lasts, nothing is shown of what the packages print and warn about when they are imported.

    That is about optional parts that nothing here uses; what they log besides concerns training.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        yield


def _require(name: str) -> Path:
    """Return the folder of an installed package."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigError(f"Back end {name!r} is not installed. Run: pip install {DISTRIBUTIONS[name]}")
    return Path(spec.origin).parent


def find_config(entry: ModelEntry) -> Path:
    """Return the file of the entry's config: the user's, or the one that the package ships under this name.

    Raises:
        ConfigError: there is no such config; names the nearest.
    """
    if entry.config_file is not None:
        if not entry.config_file.is_file():
            raise ConfigError(f"Config of model {entry.name!r} not found: {entry.config_file}")
        return entry.config_file
    folder = _require(entry.backend) / ".mim" / "configs"
    name = str(entry.config)
    if (folder / name).is_file():
        return folder / name
    shipped = [str(path.relative_to(folder)) for path in folder.rglob("*.py") if path.parent.name != "_base_"]
    raise ConfigError(
        f"Config of model {entry.name!r} not found: {name!r} is neither a file beside the zoo file nor one that "
        f"{entry.backend} ships.{did_you_mean(name, shipped)}"
    )


def read_config(entry: ModelEntry) -> Config:
    """Return the entry's config with its ``cfg_options`` merged in.

    A config of the user's runs as a program, as everywhere in OpenMMLab, so it needs consent (:mod:`miqd_builder.consent`).
    Beside a config that the package ships, the zoo entry's options may not name what would run either
    (:mod:`miqd_builder.zoo.adapters.mm_options`).

    Raises:
        ConfigError: it is missing, can't be read or is code that nobody trusts, or an option doesn't fit it.
        StaleCodeError: a module of its ``custom_imports`` has changed under this process.
    """
    from mmengine.config import Config

    path = find_config(entry)
    if entry.config_file is not None:
        consent.check_file(path, f"Model {entry.name!r} has a config of its own")
    else:
        check_options(entry)
    try:
        config = Config.fromfile(path, import_custom_modules=False)
        _import_custom_modules(config)
    except MiqdError:
        raise
    except Exception as error:  # the config is a program: anything can go wrong in it
        raise ConfigError(f"Config {path} can't be read: {type(error).__name__}: {error}") from error
    try:
        config.merge_from_dict(entry.cfg_options)
    except (KeyError, TypeError, IndexError, AssertionError) as error:
        raise ConfigError(f"Model {entry.name!r}: cfg_options don't fit config {path.name}: {error}") from error
    return config


def own_imports(config: Config) -> list[str]:
    """Return the modules that a config imports so that they register their classes, without OpenMMLab's own."""
    modules = (config.get("custom_imports") or {}).get("imports") or []
    return [name for name in ([modules] if isinstance(modules, str) else modules) if name.split(".")[0] not in _THEIRS]


def _import_custom_modules(config: Config) -> None:
    """Import what the config asks for. What it registers stays registered, so no module can be imported twice."""
    from mmengine.utils import import_modules_from_strings

    if config.get("custom_imports"):
        install_operators()  # OpenMMLab's own modules import them, and modules of the user import those
    for module in own_imports(config):
        consent.check_module(module, "The config's custom_imports")
        with contextlib.suppress(ImportError):  # the config says whether that matters, below
            user_code.load(module, anew=False)
    if config.get("custom_imports"):
        import_modules_from_strings(**config.custom_imports)


def build_network(entry: ModelEntry) -> OpenMMLabModel:
    """Build the entry's network with random weights and without fetching anything, in evaluation mode.

    Raises:
        ConfigError: the package or the config is missing, or the config describes no model of the package.
    """
    package = import_package(entry.backend)
    config = read_config(entry)
    if "model" not in config:
        raise ConfigError(f"Config {entry.config!r} of model {entry.name!r} has no 'model'.")
    if "data_preprocessor" in config:
        config.model.setdefault("data_preprocessor", config.data_preprocessor)
    forget_pretrained(config.model)

    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import DefaultScope

    models = importlib.import_module(f"{package.__name__}.registry").MODELS
    # Constructors warn about defaults of former versions.
    with DefaultScope.overwrite_default_scope(entry.backend), warnings.catch_warnings(action="ignore"):
        try:
            network = models.build(config.model)
        except Exception as error:  # a wrong config fails anywhere in the package's constructors
            raise ConfigError(
                f"Model {entry.name!r}: {entry.backend} can't build config {entry.config!r}: {type(error).__name__}: {error}"
            ) from error
    return OpenMMLabModel(revert_sync_batchnorm(network).eval(), config)


def forget_pretrained(model: Any) -> None:
    """Remove from a model's config, in place, every instruction to start from other weights: no network, ever."""
    if isinstance(model, dict):
        if isinstance(model.get("init_cfg"), dict) and "checkpoint" in model["init_cfg"]:
            model["init_cfg"] = None
        if "pretrained" in model:
            model["pretrained"] = False if isinstance(model["pretrained"], bool) else None
    children = model.values() if isinstance(model, dict) else model if isinstance(model, list | tuple) else ()
    for child in children:
        forget_pretrained(child)
