"""Where a command's words go: answers to stdout, everything else to stderr. Made by ``main``, handed down.

Lines may hold text of traces and names of files: what could steer a terminal is written as an escape.
JSON that ``json.dumps`` made of ASCII alone has no such character and passes as it is.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from tracemill.report.survey_text import make_printable

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 110


def discard_rest(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere; Python would try again at its exit, and end with code 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class LogFormatter(logging.Formatter):
    """Log lines that can steer no terminal, whatever text of a trace or name of a file they hold."""

    def format(self, record: logging.LogRecord) -> str:
        return make_printable(super().format(record))


@dataclass
class Terminal:
    """Standard output and error of one command."""

    # Python sets a stream to None where the caller closed it (`>&-`)
    out: TextIO = field(default_factory=lambda: sys.stdout or io.StringIO())
    err: TextIO = field(default_factory=lambda: sys.stderr or io.StringIO())

    def say(self, line: str) -> None:
        """An answer, to stdout."""
        self.out.write(make_printable(line) + "\n")

    def note(self, line: str) -> None:
        """A remark, to stderr; lost where nobody reads it, as the exit code still tells how it ended."""
        try:
            self.err.write(make_printable(line) + "\n")
            self.err.flush()
        except OSError:
            discard_rest(self.err)

    @cached_property
    def console(self) -> Console:
        """Rich output on stdout; as wide as the terminal, or of fixed width where there is none."""
        from rich.console import Console

        class PipeConsole(Console):
            """Leaves a reader that has gone to ``main``; Rich itself would exit with 1."""

            def on_broken_pipe(self) -> None:
                raise

        has_width = self.out.isatty() or "COLUMNS" in os.environ
        return PipeConsole(file=self.out, width=None if has_width else _WIDTH_WITHOUT_TERMINAL, highlight=False)
