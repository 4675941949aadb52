"""A model of the user's own: any Python callable that returns predictions in the common form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from miqd_builder import consent, user_code
from miqd_builder.errors import ConfigError, did_you_mean
from miqd_builder.responses import Classification, Detections, Response, Segmentation
from miqd_builder.zoo.adapters.base import Adapter, BuildOptions, RGBImage
from miqd_builder.zoo.adapters.preprocess import ClassifierInput
from miqd_builder.zoo.entry import ModelEntry
from miqd_builder.zoo.weights.cache import verified_file

RESPONSE_OF_TASK: dict[str, type[Response]] = {
    "cls": Classification,
    "det": Detections,
    "ins": Detections,
    "seg": Segmentation,
}
"""Class of a prediction, by task."""


def build(entry: ModelEntry, options: BuildOptions) -> Adapter:
    """Call the entry's ``target`` (``package.module:factory``) and check what it returns.

    The factory is called as ``factory(entry, options, **arch_kwargs)`` and returns an object with ``num_classes`` and
    ``predict(images)``, as :class:`~miqd_builder.zoo.adapters.base.Adapter` describes. The entry's checkpoint, if it names one,
    has been verified by then.

    Raises:
        ConfigError: the target doesn't exist, returns something else, or is code that nobody trusts.
        StaleCodeError: the process has other code of it in memory, which can't be dropped.
    """
    factory = _find(entry)
    if entry.checkpoint is not None and not options.random_weights:
        verified_file(entry)
    model = factory(entry, options, **entry.arch_kwargs)
    if not callable(getattr(model, "predict", None)) or not isinstance(getattr(model, "num_classes", None), int):
        raise ConfigError(
            f"Model {entry.name!r}: {entry.target} returned {type(model).__name__}, "
            "expected an object with num_classes and predict."
        )
    return PythonAdapter(entry, model)


def _find(entry: ModelEntry) -> Callable[..., Adapter]:
    module_name, _, name = str(entry.target).partition(":")
    consent.check_module(module_name, f"Model {entry.name!r}")
    try:
        module = user_code.load(module_name)
    except ImportError as error:
        raise ConfigError(f"Model {entry.name!r}: target module {module_name!r} can't be imported: {error}") from error
    factory = getattr(module, name, None)
    if not callable(factory):
        raise ConfigError(f"Model {entry.name!r}: {module_name!r} has no function {name!r}.{did_you_mean(name, vars(module))}")
    return factory


class PythonAdapter(Adapter):
    """Holds a user's model to the contract: one response of the task's kind for each image."""

    def __init__(self, entry: ModelEntry, model: Adapter) -> None:
        self.entry = entry
        self.num_classes = model.num_classes
        self._model = model
        shared = getattr(model, "preprocess", None)
        self.preprocess = shared if isinstance(shared, ClassifierInput) else None

    def predict(self, images: Sequence[RGBImage]) -> list[Response]:
        """Return the model's predictions after checking them.

        Raises:
            ConfigError: they break the contract.
        """
        responses = list(self._model.predict(images))
        if len(responses) != len(images):
            raise ConfigError(f"Model {self.entry.name!r} returned {len(responses)} predictions for {len(images)} images.")
        for image, response in zip(images, responses, strict=True):
            if problem := self._problem(image, response):
                raise ConfigError(f"Model {self.entry.name!r}: {problem}")
        return responses

    def _problem(self, image: RGBImage, response: Response) -> str | None:
        expected = RESPONSE_OF_TASK[self.entry.task]
        if not isinstance(response, expected):
            return f"expected {expected.__name__} for task {self.entry.task}, got {type(response).__name__}"
        if isinstance(response, Classification):
            return self._probability_problem(response)
        if (response.height, response.width) != image.shape[:2]:
            size, expected_size = ("x".join(map(str, s)) for s in ((response.height, response.width), image.shape[:2]))
            return f"a prediction for {size} pixels, the image has {expected_size}"
        if isinstance(response, Detections) and (self.entry.task == "ins") != (response.masks is not None):
            return "task ins needs masks" if self.entry.task == "ins" else "task det takes no masks"
        return None

    def _probability_problem(self, response: Classification) -> str | None:
        probabilities = response.probabilities
        if probabilities.shape != (self.num_classes,) or not abs(probabilities.sum() - 1) <= 1e-3:
            return f"expected {self.num_classes} probabilities that sum to 1, got shape {probabilities.shape}"
        return None
