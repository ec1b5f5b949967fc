"""Files that hold one JSON value → the value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tracemill.ingest.json_decode import decode_json, decode_tolerant, mend_text, to_utf8
from tracemill.ingest.raw_files import check_regular
from tracemill.ingest.source import LossLog


def read_document(path: Path, log: LossLog, *, takes_first: bool = False) -> Any | None:
    """The JSON value that a whole file holds, or None where it is not JSON (logged).

    ``takes_first``: of a file that goes on behind its value the value is taken, and the rest is lost.

    Raises:
        OSError: the file cannot be opened or read.
    """
    check_regular(path)
    raw = to_utf8(path.read_bytes())
    if not raw.strip():
        log.drop("empty_file")
        return None
    log.lines_read += 1
    try:
        return decode_json(raw, log)
    except (ValueError, RecursionError) as error:
        if takes_first and (first := _read_first(raw, log)) is not None:
            return first
        log.drop("bad_json", detail=str(error), content=raw[:2000].decode("utf-8", "replace"))
        return None


def _read_first(raw: bytes, log: LossLog) -> Any | None:
    """The object that a file begins with; what follows it is lost. None where it begins with none."""
    text = mend_text(raw, LossLog(path=log.path))
    try:
        value, end = decode_tolerant(text, 0, log)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or end < 0:
        return None
    log.drop("bad_json", detail="behind the end of the document", content=text[end : end + 2000])
    return value  # pyright: ignore[reportUnknownVariableType]
