"""Write one file of a publication, or find that it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import degradations
from miqd_builder import user_code
from miqd_builder.errors import ConfigError
from miqd_builder.formats.publication.content import RunContent
from miqd_builder.formats.publication.shard import Shard, WrittenShard
from miqd_builder.formats.registry import format_of, publisher_of
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.streams import file_sha256, write_stream
from pipelines.schedulers import Report

MOST_RUNS = 2
_contents: dict[str, RunContent] = {}
"""Run folders that this worker has open, by token and url, the oldest first."""


@dataclass(frozen=True, kw_only=True)
class PublishShard:
    """One file to publish.

    Attributes:
        shard: which one.
        url: of the run folder that it is made from.
        to: url of the target.
        form: name of the format.
        code: hash of the module of a format of another package, and of each module with distortions of the run.
        plugins: modules with distortions of the run.
        token: differs for every command, so that a worker that lives on opens the run folder again.
    """

    shard: Shard
    url: str
    to: str
    form: str
    code: Mapping[str, str]
    plugins: tuple[str, ...]
    token: str

    def split(self) -> Sequence[PublishShard]:
        """It can't be split."""
        return (self,)


def publish_shard(item: PublishShard, report: Report) -> WrittenShard:
    """Write a file, unless one that was made from the same is there.

    Args:
        item: which one, and where to.
        report: called with the number of rows done since the last call.

    Raises:
        MiqdError: something of the run is missing or damaged, or the target can't be written.
    """
    shard, target = item.shard, RunFolder(item.to)
    with user_code.planned(item.code):
        publisher = publisher_of(format_of(item.form))
        if publisher.stored_inputs(target, shard.path) == shard.inputs:
            rows = publisher.stored_rows(target, shard.path)
            size = int(target.fs.info(target.path(shard.path))["size"])
            report(rows)
            return WrittenShard(shard.path, file_sha256(target, shard.path), size, rows, shard.inputs, new=False)
        content = _content(item)
        with write_stream(target, shard.path) as stream:
            rows = publisher.write(shard, content, stream, report)
            sha256, size = stream.sha256, stream.size
    return WrittenShard(shard.path, sha256, size, rows, shard.inputs)


def _content(item: PublishShard) -> RunContent:
    key = f"{item.token} {item.url}"
    if key not in _contents:
        try:
            for module in item.plugins:
                degradations.load_plugin(module, user_code.load)
        except degradations.PluginError as error:
            raise ConfigError(str(error)) from None
        while len(_contents) >= MOST_RUNS:
            del _contents[next(iter(_contents))]
        _contents[key] = RunContent(item.url)
    return _contents[key]
