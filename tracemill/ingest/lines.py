"""Bytes of a JSONL file → JSON objects, one bad line costing that line and no other.

Mended here, and noted in the log: a byte-order mark, UTF-16, CRLF, NUL bytes, bytes that are no UTF-8, lone surrogates,
integers beyond 64 bits (kept as text), several objects glued on one line. Lost, and logged with their line: what is not
JSON, what is no object, a last line that is cut, a line over the limit.

A reader that names the fields it needs gets many lines in one call of the decoder, and what it does not need is never
built. A block of lines in which anything at all is odd is read again line by line, so nothing else changes.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tracemill.ingest.json_decode import (
    check_utf8,
    decode_json,
    decode_lines,
    decode_tolerant,
    guess_utf16,
    has_long_integer,
    mend_text,
    to_utf8,
)
from tracemill.ingest.raw_files import read_start
from tracemill.ingest.source import DEFAULT_MAX_LINE_BYTES, LossLog, ReadOptions

_HEAD_BYTES = 256 * 1024
_SAMPLE_BYTES = 4096
_BLOCK_BYTES = 256 * 1024
#: A smaller file is read at once, without a file object, which costs more than its bytes.
_SMALL_BYTES = 16 * 1024


class Row(msgspec.Struct, gc=False):
    """One JSON object of a file. ``line`` counts from 1.

    ``value`` may hold the fields alone that the reader asked for; ``load`` gives all of them.
    """

    line: int
    value: dict[str, Any]
    block: Block | None = None

    def load(self) -> dict[str, Any]:
        if self.block is not None:
            with suppress(ValueError, RecursionError):
                return decode_json(self.block.get_line(self.line), LossLog(path=""))
        return self.value


class Block:
    """Lines of a file that were decoded in one call."""

    __slots__ = ("_first", "_lines", "_raw")

    def __init__(self, raw: bytes, first: int) -> None:
        self._raw = raw
        self._first = first
        self._lines: list[bytes] | None = None

    def get_line(self, number: int) -> bytes:
        if self._lines is None:
            self._lines = self._raw.split(b"\n")
        return self._lines[number - self._first]


def read_rows(
    path: Path, log: LossLog, options: ReadOptions, fields: msgspec.json.Decoder[Any] | None = None
) -> Iterator[Row]:
    """Yield the JSON objects of a JSONL file in order.

    ``fields`` decodes one line into a dict of the fields that are needed; without it rows hold every field.

    Raises:
        OSError: the file cannot be opened or read.
    """
    raw = read_start(path, _SMALL_BYTES)
    with io.BytesIO(raw) if len(raw) < _SMALL_BYTES else path.open("rb") as file:
        start = file.read(_SAMPLE_BYTES)
        file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
        if guess_utf16(start):
            lines = to_utf8(file.read()).split(b"\n")
            yield from _decode_each(((n, line, n == len(lines)) for n, line in enumerate(lines, start=1)), log)
        elif fields is None or options.max_line_bytes < _BLOCK_BYTES:
            yield from _decode_each(_read_lines(file, log, options.max_line_bytes), log)
        else:
            yield from _read_blocks(file, log, options.max_line_bytes, fields)


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


def index_lines(path: Path) -> Iterator[tuple[int, int, list[Row]]]:
    """Yield ``(number, offset in bytes, objects)`` of each line of a JSONL file that is not blank.

    A line that holds anything but one object gives none or several; nothing is logged. UTF-16 gives no line.

    Raises:
        OSError: the file cannot be opened or read.
    """
    log = LossLog(path=str(path))
    with path.open("rb") as file:
        start = file.read(_SAMPLE_BYTES)
        if guess_utf16(start):
            return
        offset = file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
        for number, raw, is_last in _read_lines(file, log, DEFAULT_MAX_LINE_BYTES):
            if raw.strip() or (log.losses and log.losses[-1].line == number):
                yield number, offset, list(decode_line(raw, number, log, is_last=is_last)) if raw.strip() else []
            offset = file.tell()


def read_line_at(path: Path, place: tuple[int, int], log: LossLog, options: ReadOptions) -> list[Row]:
    """The objects of the line that ``index_lines`` gave with ``place`` (number, offset); what is lost goes to the log.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        number, offset = place
        file.seek(offset)
        line = next(_read_lines(file, log, options.max_line_bytes, number), None)
        return [] if line is None else list(_decode_each([line], log))


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


def _recover_line(raw: bytes, number: int, log: LossLog, *, is_last: bool, error: Exception) -> Iterator[Row]:
    text = mend_text(raw, LossLog(path=log.path)).strip()
    values: list[Any] = []
    start = 0
    failed: Exception | None = None
    while start >= 0 and start < len(text):
        try:
            value, start = decode_tolerant(text, start, log)
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


def _read_blocks(file: BinaryIO, log: LossLog, limit: int, fields: msgspec.json.Decoder[Any]) -> Iterator[Row]:
    first = 1
    while raw := file.read(_BLOCK_BYTES):
        if len(raw) == _BLOCK_BYTES:
            end = raw.rfind(b"\n") + 1
            file.seek(end - len(raw), io.SEEK_CUR)
            # without a newline one line is longer than a block
            raw = raw[:end] if end else next(_read_lines(file, log, limit, first))[1]
        values = _decode_block(raw, fields)
        if values is not None:
            log.lines_read += len(values)
            block = Block(raw, first)
            for number, value in enumerate(values, first):
                yield Row(number, value, block)
            first += len(values)
        else:
            lines = raw.removesuffix(b"\n").split(b"\n")
            lines[:-1] = [line + b"\n" for line in lines[:-1]]
            lines[-1] += b"\n" if raw.endswith(b"\n") else b""
            yield from _decode_each(
                ((number, line, not line.endswith(b"\n")) for number, line in enumerate(lines, first)), log
            )
            first += len(lines)


def _decode_block(raw: bytes, fields: msgspec.json.Decoder[Any]) -> list[dict[str, Any]] | None:
    """The objects of a block of lines, one a line, or None where any line needs more care."""
    # The decoder does not check all of what it skips.
    if raw[:1] != b"{" or has_long_integer(raw):
        return None
    try:
        check_utf8(raw)
    except UnicodeDecodeError:
        return None
    return decode_lines(fields, raw, raw)


def _decode_each(lines: Iterable[tuple[int, bytes, bool]], log: LossLog) -> Iterator[Row]:
    for number, raw, is_last in lines:
        if raw.strip():
            log.lines_read += 1
            yield from decode_line(raw, number, log, is_last=is_last)


def _read_lines(file: BinaryIO, log: LossLog, limit: int, first: int = 1) -> Iterator[tuple[int, bytes, bool]]:
    """Yield ``(number, line, is_last)``; at most one line is held in memory, none over the limit."""
    number = first - 1
    while raw := file.readline(limit + 1):
        number += 1
        if len(raw) > limit and not raw.endswith(b"\n"):
            log.lines_read += 1
            log.drop("line_too_long", number, f"over {limit} bytes", _show(raw))
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(limit)
            raw = b""
        yield number, raw, not raw.endswith(b"\n")


def _read_head_lines(file: BinaryIO) -> Iterator[bytes]:
    start = file.read(_SAMPLE_BYTES)
    if guess_utf16(start):
        yield from to_utf8(start + file.read(_HEAD_BYTES)).split(b"\n")
        return
    file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
    left = _HEAD_BYTES
    while left > 0 and (line := file.readline(left)):
        left -= len(line)
        yield line


def _show(raw: bytes) -> str:
    return raw[:2000].decode("utf-8", "replace")
