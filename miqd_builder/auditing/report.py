"""The report: one HTML page that a person reads from the top, made from ``report/audit.json`` and the run's pictures."""

from __future__ import annotations

from miqd_builder.auditing.document import AuditDocument
from miqd_builder.store.folder import RunFolder
from miqd_builder.store.record import RunRecord

NAME = "report/index.html"

BESIDE = (("Benchmark of measures", "benchmark.html"), ("Explorer", "explore.html"))
"""Pages that the report names where they are beside it."""


def write_report(folder: RunFolder, document: AuditDocument) -> str:
    """Write ``report/index.html`` and return its path or url. The same document and run give the same bytes.

    Numbers come from the document only. From the run folder come the pictures: stored images, or images rendered again where
    the run keeps none; where that can't be done, the report says why.

    Args:
        folder: the run folder.
        document: what the audit found, the content of ``report/audit.json``.

    Raises:
        StoreError: the folder can't be written.
    """
    from miqd_builder.auditing.page.assembly import page
    from miqd_builder.auditing.page.pictures import Pictures, pictures

    record = RunRecord.load(folder)
    nothing = Pictures(reason="the run folder has no run.json")
    shown = {task: nothing if record is None else pictures(folder, record, task, of) for task, of in document.tasks.items()}
    links = [(name, file) for name, file in BESIDE if folder.exists(f"report/{file}")]
    folder.write(NAME, page(document, shown, links).encode())
    return folder.path(NAME)
