"""The format for the registry: a data set repository as the Hugging Face Hub and its library take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from miqd_builder.formats.contract import Format, Publisher
from miqd_builder.formats.huggingface.columns import meaning, schema_of
from miqd_builder.formats.huggingface.features import croissant_type
from miqd_builder.formats.huggingface.parquet import stored_inputs, stored_rows
from miqd_builder.formats.huggingface.reading import READER
from miqd_builder.formats.huggingface.shards import plan_shards, sources_folder
from miqd_builder.formats.huggingface.writing import write_shard
from miqd_builder.formats.publication import card, croissant
from miqd_builder.formats.publication.described import Publication
from miqd_builder.formats.publication.recipe import recipe_files
from miqd_builder.formats.publication.shard import Shard, WrittenShard
from miqd_builder.tasks import TASKS


def _whole_files(publication: Publication, shards: Sequence[Shard], written: Mapping[str, WrittenShard]) -> dict[str, bytes]:
    """Card, Croissant and recipe."""
    several = len(publication.runs) > 1
    places = [sources_folder(index) if several else "sources" for index in range(len(publication.runs))]
    return {
        **recipe_files(publication, places),
        croissant.NAME: croissant.croissant(publication, shards, written, schema_of, croissant_type, meaning),
        card.NAME: card.card(publication, shards, meaning, _loading),
    }


def _loading(config: str, split: str) -> str:
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        "# OWNER/NAME, or the folder that you cloned; streaming=True works too\n"
        f'rows = load_dataset("OWNER/NAME", "{config}", split="{split}")\n'
        "```\n\n"
        f"```sql\n-- duckdb, beside the files\nselect * from '{config}/**/*.parquet' limit 10;\n```"
    )


HUGGINGFACE = Format(
    "huggingface",
    TASKS,
    reader=READER,
    publisher=Publisher(plan_shards, write_shard, stored_inputs, stored_rows, _whole_files),
)
