"""Reading a file of spans entry by entry gives what reading it as a whole gives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from msgspec.structs import replace

from tracemill.ingest.otel.index import index_file
from tracemill.ingest.otel.reader import SOURCE
from tracemill.ingest.otel.rows import is_document
from tracemill.ingest.source import DEFAULT_MAX_LINE_BYTES, LossLog, ReadOptions
from tracemill.trace import Trace


def check_entries(path: Path, traces: list[Trace], log: LossLog) -> None:
    """Compare with the traces and the log of reading the whole file, in which only the order may differ."""
    if not traces or b"\0" in path.read_bytes() or is_document(path, DEFAULT_MAX_LINE_BYTES):
        return
    told, logs = read_entries(path)
    assert sorted(map(describe, told)) == sorted(map(describe, traces))
    assert Counter(loss for part in logs for loss in part.losses) == Counter(log.losses)
    assert sum(part.lines_read for part in logs) == log.lines_read
    assert sum((Counter(part.notes) for part in logs), Counter[str]()) == Counter(log.notes)


def read_entries(path: Path) -> tuple[list[Trace], list[LossLog]]:
    """The traces of all entries, and a log for each entry."""
    assert SOURCE.read_entry is not None
    told: list[Trace] = []
    logs: list[LossLog] = []
    for entry in index_file(path).entries:
        log = LossLog(path=path.name)
        told += SOURCE.read_entry(path, entry, log, ReadOptions())
        logs.append(log)
    return told, logs


def describe(trace: Trace) -> str:
    """All that a trace tells, but for what was lost in its file."""
    return repr(replace(trace, dropped={}))
