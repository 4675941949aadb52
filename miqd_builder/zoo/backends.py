"""Back ends: the adapter that builds a model of the zoo, its requirements, and the fields of its entries.

Another package adds one by an entry point of the group ``miqd.backends`` that names a :class:`Backend`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from miqd_builder.errors import ConfigError
from miqd_builder.registry import Registry
from miqd_builder.tasks import TASKS, Task

BUILDING_FIELDS = ("config", "cfg_options", "arch", "arch_kwargs", "target", "onnx", "preprocess")
"""Fields of an entry that say how a model is built; each back end uses some of them."""


REQUIRED = ("config", "arch", "target", "onnx")
"""Fields of which a back end requires one."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A back end.

    Attributes:
        module: the adapter's module, which has a function ``build(entry, options)`` that returns an
            :class:`~miqd_builder.zoo.adapters.base.Adapter`; imported when a model is built.
        tasks: tasks of its models.
        required: the field of an entry that names the architecture: ``config``, ``arch``, ``target`` or ``onnx``.
        optional: those of :data:`BUILDING_FIELDS` that an entry may have besides.
        package: the framework's import name, None where it needs none.
        install: the command that installs it.
        environment: variables that it reads when it is imported, set unless the user has set them.
        bfloat16: whether its adapter can run the network, or the part that extracts features, in bfloat16.
        onnxruntime: whether its adapter can run that part in ONNX Runtime.
    """

    module: str
    tasks: tuple[Task, ...]
    required: str
    optional: tuple[str, ...] = ()
    package: str | None = None
    install: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    bfloat16: bool = False
    onnxruntime: bool = False

    @property
    def missing(self) -> bool:
        """Whether the framework is not installed."""
        return self.package is not None and importlib.util.find_spec(self.package) is None

    def set_environment(self) -> None:
        """Set the variables that the framework reads, before it is imported."""
        for variable, value in self.environment.items():
            os.environ.setdefault(variable, value)


_ADAPTERS = "miqd_builder.zoo.adapters"

BACKENDS: Registry[Backend] = Registry(
    "back end",
    "miqd.backends",
    {
        "mmpretrain": Backend(
            f"{_ADAPTERS}.mmpretrain_classifier",
            ("cls",),
            "config",
            ("cfg_options", "preprocess"),
            package="mmpretrain",
            install="pip install onedl-mmpretrain",
            bfloat16=True,
            onnxruntime=True,
        ),
        "mmdet": Backend(
            f"{_ADAPTERS}.mmdet_detector",
            ("det", "ins"),
            "config",
            ("cfg_options",),
            package="mmdet",
            install="pip install onedl-mmdetection",
            bfloat16=True,
            onnxruntime=True,
        ),
        "mmseg": Backend(
            f"{_ADAPTERS}.mmseg_segmenter",
            ("seg",),
            "config",
            ("cfg_options",),
            package="mmseg",
            install="pip install onedl-mmsegmentation",
        ),
        "timm": Backend(
            f"{_ADAPTERS}.timm_classifier",
            ("cls",),
            "arch",
            ("arch_kwargs", "preprocess"),
            package="timm",
            install="pip install timm",
            bfloat16=True,
            onnxruntime=True,
        ),
        "torchvision": Backend(
            f"{_ADAPTERS}.torchvision_classifier",
            ("cls",),
            "arch",
            ("arch_kwargs", "preprocess"),
            package="torchvision",
            install="pip install torchvision",
            bfloat16=True,
            onnxruntime=True,
        ),
        "ultralytics": Backend(
            f"{_ADAPTERS}.ultralytics_detector",
            ("det", "ins"),
            "arch",
            ("arch_kwargs",),
            package="ultralytics",
            install="pip install 'miqd-builder[ultralytics]'",
            # Otherwise it tries the network when it is imported, and installs missing packages.
            environment={"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"},
            onnxruntime=True,
        ),
        "onnx": Backend(
            f"{_ADAPTERS}.onnx_model",
            ("cls", "det", "ins"),
            "onnx",
            ("preprocess",),
            package="onnxruntime",
            install="pip install onnxruntime",
        ),
        "python": Backend(f"{_ADAPTERS}.python_callable", TASKS, "target", ("arch_kwargs",)),
    },
)
"""Back ends by name."""


def backend_of(name: str) -> Backend:
    """Return a back end.

    Raises:
        ConfigError: there is none of that name, or an installed package announces something else.
    """
    backend = BACKENDS[name]
    if not isinstance(backend, Backend) or backend.required not in REQUIRED:
        raise ConfigError(
            f"Entry point '{name}' of {BACKENDS.group} must name a Backend whose required field is {' or '.join(REQUIRED)}: "
            f"got {backend!r}."
        )
    return backend
