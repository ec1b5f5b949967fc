"""JSONL files in which each row is a trace of its own: what a file is, where its rows lie, its traces in a stream.

A row is named by its line and, where several objects are glued on one line, by its place on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.json_fields import dump_json, get_text
from tracemill.ingest.lines import Row, index_lines, read_head_rows, read_line_at
from tracemill.ingest.source import Entry, Head, Loss, LossLog, ReadOptions
from tracemill.trace import Trace

_MAX_LONG_LINES = 3
_FAR_LINES, _FAR_BYTES = 1000, 1_000_000


def number_rows(rows: Iterable[Row]) -> Iterator[tuple[Row, int]]:
    """Each row with its place on its line, from 1."""
    line, place = -1, 0
    for row in rows:
        place = place + 1 if row.line == line else 1
        line = row.line
        yield row, place


def name_row(path: Path, line: int, place: int) -> str:
    """``<stem>:<line>``, which no other row of the file has."""
    return f"{path.stem}:{line}" if place == 1 else f"{path.stem}:{line}.{place}"


def peek_rows(path: Path, *, is_far: bool = False) -> Iterator[tuple[Row, int]]:
    """The first rows of a file; of a file whose first line is very long, as many lines as it takes to tell what it is.

    ``is_far``: further rows too, up to 1,000 lines and those that begin in the first MB.

    Raises:
        OSError: the file cannot be opened or read.
    """
    last = 0
    for row, place in number_rows(read_head_rows(path)):
        last = row.line
        yield row, place
    if (last and not is_far) or (not last and not _begins_as_object(path)):
        return
    for number, offset, rows in islice(index_lines(path), _FAR_LINES if is_far else _MAX_LONG_LINES):
        if is_far and offset > _FAR_BYTES:
            return
        if number > last:
            yield from number_rows(rows)


def index_entries(
    path: Path,
    describe: Callable[[Row, int], tuple[str, Head] | None],
    expand: Callable[[Iterable[tuple[Row, int]]], Iterable[tuple[Row, int]]] = lambda rows: rows,
) -> tuple[Entry, ...] | None:
    """An entry for each line, if the file holds two traces or more; what is no trace goes with the first.

    ``describe`` gives the name and the head of a row that is a trace, ``expand`` the rows that rows stand for. A key is
    ``(number of the line, offset in bytes, names of its traces)``.

    Raises:
        OSError: the file cannot be opened or read.
    """
    found: list[tuple[tuple[int, int], list[tuple[str, Head]]]] = []
    for number, offset, rows in index_lines(path):
        told = [named for row, place in expand(number_rows(rows)) if (named := describe(row, place)) is not None]
        found.append(((number, offset), told))
    every = [head for _, told in found for _, head in told]
    if len(every) < 2:
        return None
    return tuple(
        Entry((*place, tuple(name for name, _ in told)), told[0][1] if told else every[0]) for place, told in found
    )


def read_entry_rows(path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> list[Row]:
    """The rows of one entry.

    Raises:
        OSError: the file cannot be opened or read.
    """
    number, offset, _ = entry.key
    return read_line_at(path, (number, offset), log, options)


def stream_traces(
    rows: Iterable[tuple[Row, int]],
    log: LossLog,
    is_ours: Callable[[Mapping[str, Any]], bool],
    build: Callable[[Row, int], Trace | None],
    *,
    is_known: bool = False,
) -> Iterator[Trace]:
    """The traces of rows, one after the other; ``dropped`` of each counts what was lost within its own row.

    Rows of another kind are lost one by one, unless there is no other: then the file is of another format.
    ``is_known``: other rows of the file are of this format.
    """
    strangers: list[Loss] = []
    for row, place in rows:
        if not is_ours(row.value):
            loss = _describe_stranger(row, log)
            (log.losses if is_known else strangers).append(loss)
            continue
        if not is_known:
            log.losses.extend(strangers)
            is_known = True
        before = len(log.losses)
        trace = build(row, place)
        if trace is not None:
            yield replace(trace, dropped=LossLog(log.path, log.losses[before:]).count_losses())
    if is_known:
        return
    if strangers:
        log.drop("foreign_file", strangers[0].line, "no row of this format", strangers[0].content)
    elif not log.losses:
        log.drop("empty_file")


def _describe_stranger(row: Row, log: LossLog) -> Loss:
    is_typed = get_text(row.value, "type", "kind", "event") is not None
    reason = "unknown_record_type" if is_typed else "malformed_record"
    return Loss(reason, log.path, row.line, "a row that holds no trace", dump_json(row.value)[:2000])


def _begins_as_object(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
