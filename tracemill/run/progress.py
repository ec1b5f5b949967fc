"""Progress of a create run: a bar on a terminal, a log line every half minute elsewhere."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Generator, Sequence

from tracemill.plugin.context import RunContext

logger = logging.getLogger(__name__)

_LOG_EVERY_S = 30.0


@contextlib.contextmanager
def show_progress(context: RunContext, rows: int, columns: Sequence[str]) -> Generator[None]:
    """Show how many of ``rows`` x ``columns`` cells are done, while the block runs."""
    done = threading.Event()
    target = _draw_bar if sys.stderr.isatty() else _log_lines
    thread = threading.Thread(target=target, args=(context, rows, tuple(columns), done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=2.0)


def count_done(context: RunContext, columns: Sequence[str]) -> tuple[int, int]:
    """Finished cells and, among them, those without a value."""
    wanted = set(columns)
    counts = [(key, count) for key, count in list(context.cells_by_status.items()) if key[0] in wanted]
    return sum(count for _, count in counts), sum(count for key, count in counts if key[1] != "ok")


def _draw_bar(context: RunContext, rows: int, columns: tuple[str, ...], done: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    layout = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} cells"),
              TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
    with Progress(*layout, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{rows} traces", total=rows * len(columns), note="")
        while not done.wait(0.5):
            finished, failed = count_done(context, columns)
            progress.update(task, completed=finished, note=_describe(context, failed))


def _log_lines(context: RunContext, rows: int, columns: tuple[str, ...], done: threading.Event) -> None:
    total = rows * len(columns)
    next_line = time.monotonic() + _LOG_EVERY_S
    while not done.wait(0.5):
        if time.monotonic() >= next_line:
            next_line += _LOG_EVERY_S
            finished, failed = count_done(context, columns)
            logger.info("%d of %d cells done%s", finished, total, _describe(context, failed))


def _describe(context: RunContext, failed: int) -> str:
    notes = [f"{failed} empty"] if failed else []
    if (cost := context.governor.cost) > 0:
        notes.append(f"${cost:.2f}")
    return (" " + ", ".join(notes)) if notes else ""
