"""The terminal that the commands print to."""

from __future__ import annotations

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
