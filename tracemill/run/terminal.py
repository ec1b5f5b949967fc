"""Where a command's words go: answers to stdout, everything else to stderr. Made by ``main``, handed down."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 110


@dataclass
class Terminal:
    """Standard output and error of one command."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def say(self, line: str) -> None:
        """An answer, to stdout."""
        self.out.write(line + "\n")

    def note(self, line: str) -> None:
        """A remark, to stderr."""
        self.err.write(line + "\n")

    @cached_property
    def console(self) -> Console:
        """Rich output on stdout; as wide as the terminal, or of fixed width where there is none."""
        from rich.console import Console

        has_width = self.out.isatty() or "COLUMNS" in os.environ
        return Console(file=self.out, width=None if has_width else _WIDTH_WITHOUT_TERMINAL, highlight=False)
