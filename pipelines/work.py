"""The work of a run: map each stage over its work items, record failures, and sum up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from miqd_builder.store.folder import RunFolder
from miqd_builder.store.keys import PartKey
from miqd_builder.store.lock import RunLock
from miqd_builder.store.quarantine import Failure, write_failures
from miqd_builder.tasks import Task
from pipelines.progress.bar import progress
from pipelines.progress.heartbeat import Heartbeat
from pipelines.schedulers import Report, Scheduler, Stage
from pipelines.stages.degrade import PartResult
from pipelines.stages.items import PartItem


@dataclass
class StageSummary:
    """Summary of one stage.

    Attributes:
        stage: its name.
        parts: parts that the run asks for.
        done_before: parts that were up to date already.
        computed: rows computed.
        reused: rows taken over from earlier parts.
        failures: quarantined things.
        wall_s: wall-clock seconds.
        seconds: seconds by step, summed over the workers.
        notes: what a user should know.
        undefined: new rows without a value, by measure.
        task: whose stage it is, if the command is for several tasks and the stage for one.
    """

    stage: str
    parts: int
    done_before: int
    computed: int = 0
    reused: int = 0
    failures: int = 0
    wall_s: float = 0.0
    seconds: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    undefined: Counter[str] = field(default_factory=Counter)
    task: Task | None = None

    @property
    def title(self) -> str:
        """The stage and its task."""
        return f"{self.stage} {self.task}" if self.task else self.stage


@dataclass(frozen=True)
class Work:
    """What the stages of a run share.

    Attributes:
        folder: the run folder.
        scheduler: who does the work.
        heartbeats: write the progress files, one for each command.
        lock: holds the run folder.
    """

    folder: RunFolder
    scheduler: Scheduler
    heartbeats: Sequence[Heartbeat]
    lock: RunLock

    def summary(self, stage: str, parts: int, done_before: int, task: Task | None = None) -> StageSummary:
        """Return the summary of a stage that starts; of one task, where the command is for several."""
        return StageSummary(stage, parts, done_before, task=task if len(self.heartbeats) > 1 else None)

    def map(
        self, stage: Stage, items: Sequence[PartItem], summary: StageSummary, images: int, *, uses_device: bool = False
    ) -> StageSummary:
        """Run one stage's work items and complete its summary.

        An item that is given up goes into the quarantine, after each of its models was tried alone: a model that kills its
        process costs its own part only.

        Args:
            stage: the items' function.
            items: the work.
            summary: of the stage, with what was done before.
            images: images of all items together, counted once a model.
            uses_device: whether the items run models.

        Raises:
            MiqdError: the configuration or the store is wrong, or the run folder is no longer this run's.
        """
        recorded = set(self.folder.list("quarantine/*-lost.parquet"))
        start = time.perf_counter()

        def lose(item: PartItem, error: Exception) -> None:
            for key in item.keys:
                failure = Failure.of(error, stage=summary.stage, model=key.model or "")
                write_failures(self.folder, _lost(key), [failure])
                summary.failures += 1

        beats = [beat for beat in self.heartbeats if summary.task in (None, beat.progress.task)]
        with self._follow(summary, beats, images) as report:
            for item, result in self.scheduler.map(stage, items, on_progress=report, on_failure=lose, uses_device=uses_device):
                self.lock.check()
                for key in item.keys:
                    if f"quarantine/{_lost(key)}.parquet" in recorded:
                        write_failures(self.folder, _lost(key), [])
                _add(summary, result)
        summary.wall_s = time.perf_counter() - start
        self._record(summary, beats)
        return summary

    @contextmanager
    def _follow(self, summary: StageSummary, beats: Sequence[Heartbeat], images: int) -> Iterator[Report]:
        """Show the progress of a stage, here and in the progress files; yields the function that counts its images."""
        with ExitStack() as stack:
            counters = [stack.enter_context(progress(summary.title, images))]
            for beat in beats:
                counters.append(stack.enter_context(beat.stage(summary.stage, images, lambda: list(self.scheduler.running))))

            def report(images: int) -> None:
                for count in counters:
                    count(images)

            yield report

    def _record(self, summary: StageSummary, beats: Sequence[Heartbeat]) -> None:
        if summary.computed:
            kept = {name: getattr(summary, name) for name in ("computed", "reused", "failures", "wall_s")}
            together = {"tasks": [beat.progress.task for beat in beats]} if len(beats) > 1 else {}
            for beat in beats:
                beat.record(summary.stage, {**kept, "seconds": dict(summary.seconds), **together})


def _lost(key: PartKey) -> str:
    """Name of the quarantine record of work that was given up."""
    return str(replace(key, lost=True))


def _add(summary: StageSummary, result: PartResult) -> None:
    summary.computed += result.computed
    summary.reused += result.reused
    summary.failures += result.failures
    summary.notes += result.notes
    summary.seconds.update(result.seconds)
    summary.undefined.update(result.undefined)
