"""JSON of a run folder, which may come from anywhere, as dataclasses whose fields have the types that they say."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def parse(data: bytes) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        ValueError: the bytes are no JSON, hold something else than an object, or are nested too deep.
    """
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(content, dict):
        raise ValueError(f"it holds {type(content).__name__}, expected an object")
    return content


def of_json(kind: type[T], content: dict[str, Any]) -> T:
    """Return a dataclass of the fields of a JSON object; every value is checked against the type of its field.

    Args:
        kind: the dataclass.
        content: its fields; those with a default may be missing.

    Raises:
        ValueError: a field is unknown, missing or of another type; names the first.

    Examples:
        >>> from miqd_builder.tables.lineage import PartState
        >>> of_json(PartState, {"content_hash": "5f", "rows": 502})
        PartState(content_hash='5f', rows=502)
        >>> of_json(PartState, {"content_hash": "5f", "rows": "many"})
        Traceback (most recent call last):
        ...
        ValueError: rows: Input should be a valid integer
    """
    unknown = sorted(set(content) - {field.name for field in fields(kind)})  # type: ignore[arg-type]
    if unknown:
        raise ValueError(f"unknown field '{unknown[0]}'")
    try:
        found: T = _adapter(kind).validate_json(json.dumps(content), strict=True)
        return found
    except ValueError as error:
        raise ValueError(_first(error)) from None


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _first(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
