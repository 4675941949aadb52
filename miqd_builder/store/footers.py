"""The footers of many parts, each read once, many at a time, and remembered from one command to the next.

``index/<table>.json`` holds the footers as they were last read, and the identity that each file had then: a store's tag of the
content, or a local file's inode, size and times. An entry counts only while the table's listing shows the same identity; any
other footer is read. The index is a cache: without it, or with a damaged one, every footer is read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from miqd_builder.errors import StoreError
from miqd_builder.store.checksum import BLANK, KEY, is_sealed, seal
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.parts import TAIL_BYTES, PartStamp, footer_bytes, parse_footer

FOLDER = "index"
VERSION = 1

Entry = list[Any]
"""Of a part in the index: its file's identity, and the fields of :class:`PartStamp`."""


@dataclass
class _Table:
    """Parts of one folder of a run.

    Attributes:
        files: identity of each file that is there.
        known: footers that were read.
        saved: entries of the index.
    """

    files: dict[str, str | None]
    known: dict[str, PartStamp | None] = field(default_factory=dict)
    saved: dict[str, Entry] = field(default_factory=dict)

    def entries(self) -> dict[str, Entry]:
        """What the index should hold."""
        known = ((name, self.files.get(name), stamp) for name, stamp in self.known.items())
        return {n: [tag, s.content_hash, s.rows, s.complete] for n, tag, s in known if tag is not None and s is not None}


class Footers:
    """Footers of a run folder's parts.

    A table is listed when it is first asked for; :meth:`refresh` lists it again.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._tables: dict[str, _Table] = {}

    def get(self, name: str) -> PartStamp | None:
        """Return the stamp in a part's footer; None if there is no such part, or it isn't valid (damaged or foreign)."""
        table = self._table(_table_of(name))
        if name not in table.known:
            self.load([name])
        return table.known[name]

    def load(self, names: Iterable[str]) -> None:
        """Read the footers of some parts that aren't known yet, many at a time; a part that isn't there costs no request."""
        unread = []
        for name in names:
            table = self._table(_table_of(name))
            if name not in table.known:
                table.known[name] = None
                if name in table.files:
                    unread.append(name)
        tails = self._folder.read_tails(unread, TAIL_BYTES)
        for name, tail in tails.items():
            if (length := footer_bytes(tail)) > len(tail):
                with contextlib.suppress(FileNotFoundError):
                    tail = self._folder.read(name, last=length)
            footer = parse_footer(tail)
            stamp = footer and PartStamp(footer.content_hash, footer.rows, footer.complete)
            self._table(_table_of(name)).known[name] = stamp

    def refresh(self, table: str) -> None:
        """List a table again, whose parts may have been written since; only those that changed are read again.

        Args:
            table: its folder, such as ``variants``, ``scores/task=det`` or ``measures/measure=ssim``.
        """
        before = self._tables.get(table)
        if before is not None:
            files = self._folder.identities(table)
            same = {name for name, tag in before.files.items() if tag is not None and tag == files.get(name)}
            known = {name: stamp for name, stamp in before.known.items() if name in same}
            self._tables[table] = _Table(files, known, before.saved)

    def save(self) -> None:
        """Write what is known of the tables into the index, where it changed; the run folder must be held.

        An index that can't be written costs the next command time, nothing else.
        """
        for name, table in self._tables.items():
            parts = table.entries()
            if parts != table.saved:
                content = json.dumps({KEY: BLANK, "version": VERSION, "parts": parts})
                with contextlib.suppress(StoreError):
                    self._folder.write(_index_of(name), seal(content.encode()), flush=False)
                    table.saved = parts

    def _table(self, name: str) -> _Table:
        if name not in self._tables:
            table = _Table(self._folder.identities(name))
            table.saved = self._read_index(name) if table.files else {}
            # A file without an identity has no entry.
            valid = ((part, entry) for part, entry in table.saved.items() if table.files.get(part) == entry[0])
            table.known = {part: PartStamp(*stamp) for part, (_, *stamp) in valid}
            self._tables[name] = table
        return self._tables[name]

    def _read_index(self, table: str) -> dict[str, Entry]:
        """Entries of a table's index; none of another version, or of one that is damaged or missing."""
        try:
            data = self._folder.read(_index_of(table))
            content = json.loads(data)
        except (FileNotFoundError, ValueError):
            return {}
        valid = is_sealed(data) and isinstance(content, dict) and content.get("version") == VERSION
        return content["parts"] if valid else {}


def _table_of(name: str) -> str:
    """The folder that is listed for a part: of the table, and of the task or measure where it has one."""
    table, second, *_ = name.split("/")
    return f"{table}/{second}" if second.startswith(("task=", "measure=")) else table


def _index_of(table: str) -> str:
    return f"{FOLDER}/{table.replace('/', '-')}.json"
