"""Run independent work items on this machine or on others. A scheduler doesn't know what an item does."""

# Here, so that the hash is taken before any stage is imported.
from pipelines.schedulers.own_code import CODE_IN_MEMORY  # isort: skip
from miqd_builder.scheduler_names import SCHEDULERS
from pipelines.schedulers.base import (
    ATTEMPTS,
    AbandonedError,
    Again,
    Engine,
    Outcome,
    Report,
    Stage,
    UnfitWorkerError,
    WorkerDiedError,
    WorkerLostError,
    WorkItem,
)
from pipelines.schedulers.policy import Scheduler
from pipelines.schedulers.registry import Opener, Wanted, open_scheduler

__all__ = [
    "ATTEMPTS",
    "CODE_IN_MEMORY",
    "SCHEDULERS",
    "AbandonedError",
    "Again",
    "Engine",
    "Opener",
    "Outcome",
    "Report",
    "Scheduler",
    "Stage",
    "UnfitWorkerError",
    "Wanted",
    "WorkItem",
    "WorkerDiedError",
    "WorkerLostError",
    "open_scheduler",
]
