"""Bytes of a JSONL file → JSON objects, one bad line costing that line and no other.

Mended here, and noted in the log: a byte-order mark, UTF-16, CRLF, NUL bytes, bytes that are no UTF-8, lone surrogates,
integers beyond 64 bits (kept as text), several objects glued on one line. Lost, and logged with their line: what is not
JSON, what is no object, a last line that is cut, a line over the limit.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tracemill.ingest.source import LossLog, ReadOptions

_MAX_DEPTH = 200
_HEAD_BYTES = 256 * 1024
_SAMPLE_BYTES = 4096
_decode_fast = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Row:
    """One JSON object of a file. ``line`` counts from 1."""

    line: int
    value: dict[str, Any]


def read_rows(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Row]:
    """Yield the JSON objects of a JSONL file in order.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        for number, raw, is_last in _read_lines(file, log, options):
            log.lines_read += 1
            yield from decode_line(raw, number, log, is_last=is_last)


def read_head_rows(path: Path, limit: int = 40) -> Iterator[Row]:
    """Yield JSON objects from the first ``limit`` lines (256 KB at most) of a file; what is bad or cut is passed over.

    No more is read than the caller takes.

    Raises:
        OSError: the file cannot be opened or read.
    """
    log = LossLog(path=str(path))
    with path.open("rb") as file:
        for number, line in enumerate(_read_head_lines(file), start=1):
            if number > limit:
                return
            if line.strip():
                yield from decode_line(line, number, log, is_last=False)


def read_document(path: Path, log: LossLog) -> Any | None:
    """The JSON value that a whole file holds, or None where it is not JSON (logged).

    Raises:
        OSError: the file cannot be opened or read.
    """
    raw = _to_utf8(path.read_bytes())
    if not raw.strip():
        log.drop("empty_file")
        return None
    log.lines_read += 1
    try:
        return decode_json(raw, log)
    except (ValueError, RecursionError) as error:
        log.drop("bad_json", detail=str(error), content=raw[:2000].decode("utf-8", "replace"))
        return None


def decode_line(raw: bytes, number: int, log: LossLog, *, is_last: bool) -> Iterator[Row]:
    """Yield the objects on one line (more than one where a newline was lost); log what is lost."""
    try:
        value = decode_json(raw, log)
    except (ValueError, RecursionError) as error:
        yield from _recover_line(raw, number, log, is_last=is_last, error=error)
        return
    if isinstance(value, dict):
        yield Row(number, value)  # pyright: ignore[reportUnknownArgumentType]
    else:
        log.drop("not_an_object", number, f"got {type(value).__name__}", _show(raw))


def decode_json(raw: bytes, log: LossLog) -> Any:
    """Decode one JSON value; fall back to a tolerant decoder where the fast one refuses.

    Raises:
        ValueError: not one JSON value. RecursionError: nested deeper than can be read.
    """
    try:
        return _decode_fast(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value, end = _decode_tolerant(_mend_text(raw, log), 0, log)
        if end >= 0:
            raise ValueError("more than one JSON value on the line") from None
        return value


def _recover_line(raw: bytes, number: int, log: LossLog, *, is_last: bool, error: Exception) -> Iterator[Row]:
    text = _mend_text(raw, LossLog(path=log.path)).strip()
    values: list[Any] = []
    start = 0
    failed: Exception | None = None
    while start >= 0 and start < len(text):
        try:
            value, start = _decode_tolerant(text, start, log)
        except (ValueError, RecursionError) as inner:
            failed = inner
            break
        values.append(value)
    rows = [value for value in values if isinstance(value, dict)]
    for value in rows:
        yield Row(number, value)  # pyright: ignore[reportUnknownArgumentType]
    if len(values) > 1 or (values and failed is not None):
        log.note("glued_objects")
    if len(rows) < len(values):
        log.drop("not_an_object", number, "a value beside an object on one line", _show(raw))
    if failed is not None or not values:
        is_cut = is_last and text[start : start + 1] == "{"
        log.drop(
            "cut_line" if is_cut else "bad_json", number, str(failed or error), _show(text[start:].encode("utf-8"))
        )


def _decode_tolerant(text: str, start: int, log: LossLog) -> tuple[Any, int]:
    """One value from ``start``; the position of the next value, or -1 at the end of the text."""
    had_huge: list[int] = []

    def parse_int(digits: str) -> int | str:
        if len(digits) > 18:
            had_huge.append(1)
            return digits
        return int(digits)

    decoder = json.JSONDecoder(strict=False, parse_int=parse_int)
    value, end = decoder.raw_decode(text, start)
    if had_huge:
        log.note("huge_integer", len(had_huge))
    while end < len(text) and text[end] in " \t\r\n,":
        end += 1
    return _mend_surrogates(value, log, 0), (end if end < len(text) else -1)


def _mend_surrogates(value: Any, log: LossLog, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise RecursionError(f"nested deeper than {_MAX_DEPTH}")
    if isinstance(value, str):
        if value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value):
            return value
        log.note("lone_surrogate")
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        mended: dict[str, Any] = {}
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            mended[str(_mend_surrogates(key, log, depth + 1))] = _mend_surrogates(item, log, depth + 1)
        return mended
    if isinstance(value, list):
        return [_mend_surrogates(item, log, depth + 1) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _mend_text(raw: bytes, log: LossLog) -> str:
    if b"\x00" in raw:
        log.note("nul_bytes")
        raw = raw.replace(b"\x00", b"")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        log.note("bad_bytes")
        text = raw.decode("utf-8", "replace")
    return text.lstrip("\ufeff \t\r\n")


def _read_lines(file: BinaryIO, log: LossLog, options: ReadOptions) -> Iterator[tuple[int, bytes, bool]]:
    """Yield ``(number, line, is_last)`` for lines that are not blank; at most one line is held in memory."""
    start = file.read(_SAMPLE_BYTES)
    file.seek(0)
    if _guess_utf16(start):
        lines = _to_utf8(file.read()).split(b"\n")
        yield from ((n, line, n == len(lines)) for n, line in enumerate(lines, start=1) if line.strip())
        return
    if start.startswith(codecs.BOM_UTF8):
        file.seek(len(codecs.BOM_UTF8))
    number = 0
    limit = options.max_line_bytes
    while raw := file.readline(limit + 1):
        number += 1
        if len(raw) > limit and not raw.endswith(b"\n"):
            log.drop("line_too_long", number, f"over {limit} bytes", _show(raw))
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(limit)
            continue
        if raw.strip():
            yield number, raw, not raw.endswith(b"\n")


def _read_head_lines(file: BinaryIO) -> Iterator[bytes]:
    start = file.read(_SAMPLE_BYTES)
    if _guess_utf16(start):
        yield from _to_utf8(start + file.read(_HEAD_BYTES)).split(b"\n")
        return
    file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
    left = _HEAD_BYTES
    while left > 0 and (line := file.readline(left)):
        left -= len(line)
        yield line


def _guess_utf16(start: bytes) -> bool:
    """Whether a file is UTF-16: a mark or a NUL in second place, and NULs all along, as JSON's own signs have them."""
    has_mark = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    looks_little = start[1:2] == b"\x00" and start[:1] != b"\x00"
    sample = start[:_SAMPLE_BYTES]
    return (has_mark or looks_little) and sample.count(0) * 5 > len(sample)


def _to_utf8(raw: bytes) -> bytes:
    if _guess_utf16(raw[:_SAMPLE_BYTES]):
        has_mark = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return raw.decode("utf-16" if has_mark else "utf-16-le", "replace").encode("utf-8", "replace")
    return raw.removeprefix(codecs.BOM_UTF8)


def _show(raw: bytes) -> str:
    return raw[:2000].decode("utf-8", "replace")
