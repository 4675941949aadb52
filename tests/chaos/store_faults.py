"""A run in an object store that fails now and then."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.chaos.case import COMMAND_SECONDS, TABLES, BrokenPromiseError, check_one_line
from tests.chaos.case import run_command as run
from tests.chaos.faulty_store import BUCKET, KEYS, counts, faulty_store
from tests.chaos.processes import Before
from tests.chaos.rounds import Round
from tests.pipelines.children import child


@cache
def no_store() -> str | None:
    """Say what is missing for an object store; None for nothing."""
    missing = [name for name in ("moto", "s3fs", "aiohttp") if find_spec(name) is None]
    return f"{', '.join(missing)} not installed" if missing else None


def fail_store(one: Round) -> None:
    """A share of the requests fails: the run gets along or ends with one line; the next one, undisturbed, completes it."""
    url = f"s3://{BUCKET}/out"
    share = one.rng.choice((0.02, 0.05, 0.15))
    (one.folder / "store").mkdir()
    with faulty_store(one.folder / "store", one.seed, share) as (address, faulty):
        command = one.case.label(one.task, url)
        code = run(one.fresh_log(), command, Before(KEYS | {"AWS_ENDPOINT_URL": faulty}))
        failed = counts(one.folder / "store")
        one.note(f"{share:.0%} of requests fail ({dict(failed)}), exit code {code}", in_flight=len(failed) + 2)
        if code == 1:
            check_one_line(one.log)
        elif code not in (0, 2):
            raise BrokenPromiseError(f"exit code {code}: {one.log.read_text()[-300:]}")
        if code := run(one.fresh_log(), command, Before(KEYS | {"AWS_ENDPOINT_URL": address})):
            raise BrokenPromiseError(f"the undisturbed command ends with {code}: {one.log.read_text()[-300:]}")
        with child(_download, url, str(one.out), KEYS | {"AWS_ENDPOINT_URL": address}) as copy:
            copy.join(COMMAND_SECONDS)


def _download(url: str, to: str, environment: dict[str, str]) -> None:
    """Copy a run folder out of the store."""
    import os

    os.environ.update(environment)
    from miqd_builder.store.folder import RunFolder

    folder = RunFolder(url)
    for pattern in ("*.*", "roi/*", "quarantine/*", *(f"{table}/**/*.*" for table in TABLES), "progress/*", "index/*"):
        for name in folder.list(pattern):
            target = Path(to) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(folder.read(name))
