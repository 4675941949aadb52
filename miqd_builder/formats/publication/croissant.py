"""``croissant.json``: the data set in the words of Croissant 1.1, with its fields on responsible use and on provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from miqd_builder.formats.publication import facts
from miqd_builder.formats.publication.card import ordered_configs
from miqd_builder.formats.publication.described import Publication
from miqd_builder.formats.publication.licences import licence_url
from miqd_builder.formats.publication.shard import Shard, WrittenShard

NAME = "croissant.json"
CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
MANDATORY = (
    "rai:dataLimitations",
    "rai:dataBiases",
    "rai:personalSensitiveInformation",
    "rai:dataUseCases",
    "rai:dataSocialImpact",
    "rai:hasSyntheticData",
    "prov:wasDerivedFrom",
    "prov:wasGeneratedBy",
)
"""Fields on responsible use and provenance that a data set must have to be submitted to NeurIPS."""

_CROISSANT_TERMS = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract", "field"),
    *("fileProperty", "fileObject", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
    *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "readLines", "samplingRate"),
    *("sdVersion", "separator", "source", "subField", "transform", "unArchive", "value"),
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    **{term: f"cr:{term}" for term in _CROISSANT_TERMS},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
}

Json = dict[str, Any]
TypeOf = Callable[[pa.DataType], Json]


def croissant(
    publication: Publication,
    shards: Sequence[Shard],
    written: Mapping[str, WrittenShard],
    schema_of: Callable[[Shard], pa.Schema],
    type_of: TypeOf,
    meaning: Callable[[str], str],
) -> bytes:
    """Return the file.

    Args:
        publication: what is published.
        shards: its Parquet files.
        written: their sizes and hashes, by path.
        schema_of: columns of a file.
        type_of: how the type of a column is written.
        meaning: what a configuration holds.
    """
    configs = ordered_configs(shards)
    content: Json = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": identifier(publication.title),
        "alternateName": publication.title,
        "description": facts.summary(publication),
        "license": licence_url(publication.licence),
        "url": facts.PAPER_URL,
        "version": publication.release.version,
        "datePublished": publication.release.date,
        "citeAs": facts.CITATION,
        "keywords": [
            "image quality",
            "robustness",
            "machine vision",
            *(facts.TASK_NAMES[own.task] for own in publication.tasks),
        ],
        "creator": {"@type": "sc:Organization", "name": publication.creator},
        **_responsible(publication),
        **_provenance(publication),
        "distribution": [
            *(_file(written[shard.path]) for shard in shards),
            *(_file_set(config, files) for config, files in configs.items()),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": config,
                "name": config,
                "description": meaning(config),
                "field": [_field(config, field, type_of) for field in schema_of(files[0])],
            }
            for config, files in configs.items()
        ],
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def identifier(title: str) -> str:
    """Return a title without the characters that a Croissant name can't have.

    Examples:
        >>> identifier("My labels, v2")
        'My-labels-v2'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", title).strip("-") or "data-set"


def _responsible(publication: Publication) -> Json:
    return {
        "rai:dataLimitations": facts.limitations(publication),
        "rai:dataBiases": facts.biases(publication),
        "rai:personalSensitiveInformation": [facts.personal_information(publication)],
        "rai:dataUseCases": [facts.USE_CASES, f"Not for: {facts.NOT_FOR}"],
        "rai:dataSocialImpact": facts.SOCIAL_IMPACT,
        "rai:hasSyntheticData": True,
        "rai:dataCollection": facts.summary(publication),
        "rai:dataCollectionType": ["Experiments", "Software Collection"],
        "rai:dataAnnotationProtocol": facts.generated_by(publication),
        "rai:machineAnnotationTools": [f"{own.task}: {', '.join(own.models)}" for own in publication.tasks if own.models],
        "rai:dataReleaseMaintenancePlan": "Versions follow semantic versioning; README.md lists what each one changed.",
    }


def _provenance(publication: Publication) -> Json:
    derived = [{"@id": url or f"urn:dataset:{identifier(name)}"} for name, url in facts.origins(publication)]
    agent = {
        "@type": "prov:SoftwareAgent",
        "prov:label": f"miqd-builder {publication.runs[0].record.versions.get('miqd-builder', '')}".strip(),
    }
    activities = [
        {"@type": "prov:Activity", "prov:label": line, "prov:wasAssociatedWith": agent}
        for line in facts.generated_by(publication)
    ]
    return {"prov:wasDerivedFrom": derived, "prov:wasGeneratedBy": activities}


def _file(written: WrittenShard) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": written.path,
        "name": written.path,
        "contentUrl": written.path,
        "contentSize": f"{written.size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": written.sha256,
    }


def _file_set(config: str, files: Sequence[Shard]) -> Json:
    # A star in these patterns covers one folder or name, as in the card's.
    patterns = dict.fromkeys("/".join([config, *["*"] * (file.path.count("/") - 1), "*.parquet"]) for file in files)
    return {
        "@type": "cr:FileSet",
        "@id": f"files-of-{config}",
        "name": f"files-of-{config}",
        "encodingFormat": "application/x-parquet",
        "includes": list(patterns) if len(patterns) > 1 else next(iter(patterns)),
    }


def _field(config: str, field: pa.Field, type_of: TypeOf) -> Json:
    source: Json = {"fileSet": {"@id": f"files-of-{config}"}, "extract": {"column": field.name}}
    kind = type_of(field.type)
    if kind["dataType"] == "sc:ImageObject":
        source["transform"] = {"jsonPath": "bytes"}
    return {"@type": "cr:Field", "@id": f"{config}/{field.name}", "name": field.name, **kind, "source": source}
