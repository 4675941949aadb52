"""Names of work items (with their part and their record in the quarantine) and of commands (with their task)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from miqd_builder.tasks import TASKS, Task, check_task

Stage = Literal["source", "degrade", "respond", "score", "label", "measure", "export"]
STAGES: tuple[Stage, ...] = get_args(Stage)
Command = Literal["degrade", "label", "measure", "import", "publish"]
COMMANDS: tuple[Command, ...] = get_args(Command)

_KEY = re.compile(rf"({'|'.join(STAGES)})(?:-({'|'.join(TASKS)}))?(?:-(.+))?-part-(\d{{5,}})(-lost)?")


@dataclass(frozen=True, slots=True)
class CommandKey:
    """A command that writes into run folders, for one task.

    Attributes:
        command: which one.
        task: None for ``degrade`` and ``measure``.

    Examples:
        >>> str(CommandKey("label", "det"))
        'label --task det'
        >>> CommandKey.of_words("label det")
        CommandKey(command='label', task='det')
    """

    command: Command
    task: Task | None = None

    def __str__(self) -> str:
        return f"{self.command} --task {self.task}" if self.task else self.command

    @classmethod
    def of_words(cls, words: str) -> CommandKey:
        """Return the command that layout 1 wrote as ``words``.

        Raises:
            ValueError: it is none.
        """
        command, _, task = words.partition(" ")
        known = next((one for one in COMMANDS if one == command), None)
        if known is None or (task and task not in TASKS):
            raise ValueError(f"unknown command '{words}'")
        return cls(known, check_task(task) if task else None)


@dataclass(frozen=True, slots=True)
class PartKey:
    """One stage's work on one part.

    Attributes:
        stage: what is done.
        part: number of the part.
        task: None for a stage that has none.
        model: None for a stage that isn't about one model; for ``measure``, the measure.
        lost: whether the work was given up as a whole.

    Examples:
        >>> str(PartKey("score", 3, "det", "yolox_s"))
        'score-det-yolox_s-part-00003'
        >>> PartKey.parse("score-det-yolox_s-part-00003-lost")
        PartKey(stage='score', part=3, task='det', model='yolox_s', lost=True)
    """

    stage: Stage
    part: int
    task: Task | None = None
    model: str | None = None
    lost: bool = False

    def __str__(self) -> str:
        words = [self.stage, self.task, self.model, f"part-{self.part:05d}", "lost" if self.lost else None]
        return "-".join(word for word in words if word)

    @classmethod
    def parse(cls, text: str) -> PartKey | None:
        """Return the key that was written as ``text``; None if it is none."""
        found = _KEY.fullmatch(text)
        if found is None:
            return None
        stage, task, model, part, lost = found.groups()
        (known,) = (s for s in STAGES if s == stage)
        return cls(known, int(part), check_task(task) if task else None, model, bool(lost))
