"""One model of the zoo as data: the YAML entry, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, StringConstraints, model_validator

from miqd_builder.errors import ConfigError
from miqd_builder.tasks import Task
from miqd_builder.zoo.backends import BUILDING_FIELDS, backend_of
from miqd_builder.zoo.onnx_entry import OnnxGraph

Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

HUB_FILE, HUB_REVISION = "model.safetensors", "main"
"""What a checkpoint of a hub is where the entry doesn't say."""

Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{8,64}$")]
"""A file's sha256, or its first 8 or more digits."""

_PLAIN = r"[\w-][\w.-]*"
"""A name that is safe as a part of a path: no slash, no leading dot."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocess(_Section):
    """Input of a classifier where it differs from the back end's own; a field left out keeps the back end's value.

    Attributes:
        resize_short: length of the shorter side after resizing, in pixels.
        crop: side of the square cut from the centre, in pixels.
        interpolation: of the resizing.
        mean, std: of the R, G and B channel, on [0, 1].
    """

    resize_short: PositiveInt | None = None
    crop: PositiveInt | None = None
    interpolation: Interpolation | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None


class Checkpoint(_Section):
    """Where the weights are: a file on disk, an address, a model hub's repository, or a file that an installed package ships.

    Attributes:
        path: a file on disk.
        url: address of a file, http or https.
        hub: repository of the Hugging Face Hub, ``owner/name``.
        file: the file in the repository.
        revision: of the repository: a commit pins the file, a branch's name doesn't.
        package: name of a distribution and the file in it, ``lpips/lpips/weights/v0.1/alex.pth``; the package isn't imported.
        sha256: full, or its first 8 or more digits; a package can't do without, nor a url unless its publisher states an md5.
        md5: of the file, where its publisher states no sha256.
    """

    path: Path | None = None
    url: str | None = None
    hub: Annotated[str, StringConstraints(pattern=rf"^{_PLAIN}/{_PLAIN}$")] | None = None
    file: Annotated[str, StringConstraints(pattern=rf"^({_PLAIN}/)*{_PLAIN}$")] = HUB_FILE
    revision: Annotated[str, StringConstraints(pattern=rf"^{_PLAIN}$")] = HUB_REVISION
    package: Annotated[str, StringConstraints(pattern=rf"^{_PLAIN}(/{_PLAIN})+$")] | None = None
    sha256: Sha256 | None = None
    md5: Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{32}$")] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Checkpoint:
        if [self.path, self.url, self.hub, self.package].count(None) != 3:
            raise ValueError("give one of path, url, hub and package")
        if self.hub is None and (self.file, self.revision) != (HUB_FILE, HUB_REVISION):
            raise ValueError("file and revision belong to hub")
        if self.url is not None and not _names_a_file(self.url):
            raise ValueError(f"url must be http(s)://HOST/.../FILE, got {self.url!r}")
        if self.package is not None and self.sha256 is None:
            raise ValueError("a package needs sha256 (full, or its first 8 or more digits)")
        if self.url is not None and self.sha256 is None and self.md5 is None:
            raise ValueError("a url needs sha256 (full, or its first 8 or more digits), or the md5 that its publisher states")
        return self


def _names_a_file(url: str) -> bool:
    parts = urlsplit(url)
    file = parts.path.rsplit("/", 1)[-1]
    return parts.scheme in ("http", "https") and bool(parts.netloc) and bool(file) and file[0] not in ".%"


class Metric(_Section):
    """Published figure of the model on clean images, in percent."""

    name: str
    value: Annotated[float, Field(ge=0, le=100)]
    source: str


class ModelEntry(_Section):
    """One model: its task, how it is built, its weights and its provenance.

    ``config`` is a file of the user's (absolute once the zoo file is loaded) or a name inside the OpenMMLab package's own
    configs; ``arch`` is a name of timm, torchvision or ultralytics; ``target`` is ``package.module:factory``; ``onnx`` names
    the outputs of an ONNX file. Which of these a ``backend`` uses is said in :mod:`miqd_builder.zoo.backends`.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=100)]
    task: Task
    backend: str
    config: str | None = None
    cfg_options: dict[str, Any] = Field(default_factory=dict)
    arch: str | None = None
    arch_kwargs: dict[str, Any] = Field(default_factory=dict)
    target: Annotated[str, StringConstraints(pattern=r"^[\w.]+:\w+$")] | None = None
    onnx: OnnxGraph | None = None
    preprocess: Preprocess | None = None
    checkpoint: Checkpoint | None = None
    metric: Metric | None = None
    license: str | None = None
    paper: Literal["listed", "chosen"] | None = None
    family: str | None = None
    input_size: tuple[PositiveInt, PositiveInt] | None = Field(default=None, description="height and width in pixels")
    params: PositiveFloat | None = Field(default=None, description="parameters, in millions")
    note: str | None = None

    @model_validator(mode="after")
    def _fields_fit_backend(self) -> ModelEntry:
        try:
            backend = backend_of(self.backend)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if self.task not in backend.tasks:
            raise ValueError(f"backend {self.backend} does {' and '.join(backend.tasks)}, not {self.task}")
        if not getattr(self, backend.required):
            raise ValueError(f"backend {self.backend} needs the field {backend.required!r}")
        for field in BUILDING_FIELDS:
            if getattr(self, field) and field != backend.required and field not in backend.optional:
                raise ValueError(f"backend {self.backend} does not use the field {field!r}")
        if self.onnx is not None and (problem := self.onnx.problem(self.task)):
            raise ValueError(problem)
        return self

    @property
    def config_file(self) -> Path | None:
        """The config where it is a file of the user's, None where the name is one of the package's own."""
        return Path(self.config) if self.config is not None and Path(self.config).is_absolute() else None

    def relative_to(self, folder: Path) -> ModelEntry:
        """Return the entry with its relative paths taken from ``folder`` (the zoo file's) and made absolute.

        A ``config`` stays a name where no such file lies there.
        """
        changes: dict[str, Any] = {}
        if self.config is not None and (folder / self.config).is_file():
            changes["config"] = str((folder / self.config).resolve())
        if self.checkpoint is not None and self.checkpoint.path is not None:
            path = (folder / self.checkpoint.path.expanduser()).resolve()
            changes["checkpoint"] = self.checkpoint.model_copy(update={"path": path})
        return self.model_copy(update=changes)
