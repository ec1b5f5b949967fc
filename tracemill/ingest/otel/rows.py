"""Files of spans → rows: JSON lines, or one JSON document, be it printed over many lines or a list.

A row may be a page of spans as APIs answer with it (``data``, ``spans``, ``observations``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_list, as_record, dump_json
from tracemill.ingest.lines import Row, read_rows
from tracemill.ingest.source import LossLog, ReadOptions

_START_BYTES = 64 * 1024


def read_span_rows(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Row]:
    """The objects of a file; ``line`` is 1 for all of a document.

    Raises:
        OSError: the file cannot be opened or read.
    """
    aside = LossLog(log.path)
    value = read_document(path, aside) if is_document(path, options.max_line_bytes) else None
    if not isinstance(value, dict | list):  # lines, or a document that is damaged: line by line it may give something
        yield from read_rows(path, log, options)
        return
    log.losses += aside.losses
    for reason, count in aside.notes.items():
        log.note(reason, count)
    for item in as_list(value) or [value]:
        log.lines_read += 1
        if isinstance(item, dict):
            yield Row(1, as_record(item))
        else:
            log.drop("not_an_object", 1, f"got {type(item).__name__}", dump_json(item))


def is_document(path: Path, max_bytes: int) -> bool:
    """Whether a file begins as a list, or as an object that its first line does not end."""
    if path.suffix != ".json" or path.stat().st_size > max_bytes:
        return False
    with path.open("rb") as file:
        start = file.read(_START_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    line, has_end, _ = start.partition(b"\n")
    return line.startswith(b"[") or (line.startswith(b"{") and bool(has_end) and not line.rstrip().endswith(b"}"))
