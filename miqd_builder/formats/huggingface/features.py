"""Types of columns in the words of the ``datasets`` library and of Croissant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

Feature = dict[str, Any]

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How ``datasets`` stores an image: the file's bytes, and its name."""

_VALUES = {
    pa.string(): ("string", "sc:Text"),
    pa.binary(): ("binary", "sc:Text"),
    pa.bool_(): ("bool", "sc:Boolean"),
    pa.int8(): ("int8", "cr:Int8"),
    pa.int32(): ("int32", "cr:Int32"),
    pa.int64(): ("int64", "cr:Int64"),
    pa.float32(): ("float32", "cr:Float32"),
    pa.float64(): ("float64", "cr:Float64"),
}


def feature(kind: pa.DataType) -> Feature:
    """Return the feature of a column's type, as ``datasets`` writes it."""
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_fixed_size_list(kind):
        return {"feature": feature(kind.value_type), "length": kind.list_size, "_type": "List"}
    if pa.types.is_list(kind):
        return {"feature": feature(kind.value_type), "_type": "List"}
    return {"dtype": _VALUES[kind][0], "_type": "Value"}


def with_features(schema: pa.Schema) -> pa.Schema:
    """Return a schema with its features in the metadata, so that ``datasets`` and the Hub's viewer show images as images."""
    features = {field.name: feature(field.type) for field in schema}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def features_of(schema: pa.Schema) -> Mapping[str, Feature] | None:
    """Return the features in a file's metadata; None where there are none."""
    try:
        content = json.loads((schema.metadata or {})[b"huggingface"])
        features: Mapping[str, Feature] = content["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return None
    return features


def croissant_type(kind: pa.DataType) -> dict[str, Any]:
    """Return ``dataType`` of a column and, for lists, ``isArray`` and ``arrayShape``."""
    shape: list[int] = []
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size if pa.types.is_fixed_size_list(kind) else -1)
        kind = kind.value_type
    name = "sc:ImageObject" if kind == IMAGE else _VALUES[kind][1]
    if not shape:
        return {"dataType": name}
    return {"dataType": name, "isArray": True, "arrayShape": ",".join(map(str, shape))}
