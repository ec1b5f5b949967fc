"""Bytes of a Codex rollout → its rows in order, each with its kind.

A file that is one object of a known shape a line is decoded in one call into structs. A line of any other shape is read
alone, by the tolerant decoder.
"""

from __future__ import annotations

import os
from codecs import utf_8_decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tracemill.ingest.codex.fields import AnyRow, CodexItem, EventRow, ItemRow, LegacyRow, MetaHead, Payload, StateRow
from tracemill.ingest.codex.file import pick_text
from tracemill.ingest.codex.kinds import EVENT_KINDS, ITEM_KINDS
from tracemill.ingest.codex.odd_rows import take_row
from tracemill.ingest.json_decode import count_objects, has_long_integer
from tracemill.ingest.json_fields import as_record
from tracemill.ingest.lines import decode_line, read_rows
from tracemill.ingest.raw_files import READ_FLAGS, read_start
from tracemill.ingest.source import LossLog, ReadOptions

#: The kinds of items whose payload has the usual fields.
_PLAIN_KINDS = {name: kind for name, kind in ITEM_KINDS.items() if name not in ("token_count", "web_search_end")}
_PART_BYTES = 4096
_decoder = msgspec.json.Decoder(AnyRow)
_decode_one = _decoder.decode
_legacy_decoder = msgspec.json.Decoder(LegacyRow)
_head_decoder = msgspec.json.Decoder(MetaHead | StateRow)  # of one shape alone it would ask for no type
_HEAD_BYTES = 32 * 1024
#: Larger ones leave the core's own cache, and their memory goes back to the system after each file.
_BLOCK_BYTES = 64 * 1024


def read_items(path: Path, log: LossLog, options: ReadOptions) -> list[CodexItem]:
    """The rows of a file; what is lost goes to the log.

    Raises:
        OSError: the file cannot be opened or read.
    """
    file = os.open(path, READ_FLAGS)
    try:
        raw = os.read(file, _BLOCK_BYTES)
        is_all = len(raw) < _BLOCK_BYTES
        size_bytes = len(raw) if is_all else os.fstat(file).st_size
        if raw[:1] == b"{" and raw[1:2] != b"\0" and size_bytes <= options.max_line_bytes:
            return _read_block(raw, 1, log, is_end=True)[0] if is_all else _read_blocks(file, raw, log)
    finally:
        os.close(file)
    return [item for row in read_rows(path, log, options) if (item := take_row(row, log)) is not None]


def read_head_meta(path: Path) -> tuple[dict[str, Any], str] | None:
    """The ``session_meta`` that a rollout begins with and its time, or None where it begins with anything else.

    Raises:
        OSError: the file cannot be opened or read.
    """
    raw = read_start(path, _HEAD_BYTES)
    end = raw.find(b"\n")
    if end < 0 and len(raw) < _HEAD_BYTES:
        end = len(raw)  # one line is all
    if raw[:1] != b"{" or end < 0:
        return None
    try:
        head = _head_decoder.decode(raw[:end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(head, MetaHead) or not head.timestamp or head.timestamp.isspace():
        return None
    meta: Any = head.payload  # a dict, whatever its type says
    return meta, head.timestamp


def _read_blocks(file: int, raw: bytes, log: LossLog) -> list[CodexItem]:
    """The rows of a file that begins with these bytes: whole lines, block by block."""
    items: list[CodexItem] = []
    line, size, is_end = 1, _BLOCK_BYTES, False
    while raw:
        end = len(raw) if is_end else raw.rfind(b"\n") + 1
        if end:
            found, line = _read_block(raw if end == len(raw) else raw[:end], line, log, is_end=is_end)
            items += found
        if is_end:
            break  # what is written from here on is not read
        size = _BLOCK_BYTES if end else 4 * size  # one line can be longer than a block
        os.lseek(file, end - len(raw), os.SEEK_CUR)
        raw = os.read(file, size)
        is_end = len(raw) < size
    return items


def _read_block(raw: bytes, first: int, log: LossLog, *, is_end: bool) -> tuple[list[CodexItem], int]:
    """The rows of whole lines, of which the first has this number, and the number of the line behind them."""
    is_sound = _is_sound(raw)
    rows = _decode_block(raw) if is_sound else None
    if rows is None:
        return _read_each(raw, first, log, is_sound=is_sound, is_end=is_end)
    log.lines_read += len(rows)
    is_known = _name_rows(rows, first)
    return rows if is_known else list(_mend_rows(rows, raw, first, log)), first + len(rows)


def _is_sound(raw: bytes) -> bool:
    """Whether the bytes are UTF-8 and hold no number that is too long: the decoder does not check what it skips."""
    if has_long_integer(raw):
        return False
    if raw.isascii():
        return True
    place = 0
    while place < len(raw):
        part = raw[place : place + _PART_BYTES]  # few parts are not ASCII
        is_last = place + len(part) == len(raw)
        try:
            place += len(part) if part.isascii() else utf_8_decode(part, "strict", is_last)[1]
        except UnicodeDecodeError:
            return False
    return True


def _decode_block(raw: bytes) -> list[Any] | None:
    """The objects of lines that are one object a line each, all of a known shape; else None."""
    count = count_objects(raw)
    if count is None:
        return None
    try:
        rows: list[Any] = _decoder.decode_lines(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return rows if len(rows) == count else None


def _name_rows(rows: list[Any], first: int) -> bool:
    """Give each row its line and kind; whether all have one."""
    stamps = [row.timestamp for row in rows]
    if not all(stamps) or any(map(str.isspace, stamps)):
        for row in rows:
            if not row.timestamp or row.timestamp.isspace():
                row.timestamp = _find_stamp(row)
    is_known = True
    for line, row in enumerate(rows, first):
        row.line = line
        shape = row.__class__
        if shape is ItemRow:
            value = row.value
            kind = value.type
            kind = _PLAIN_KINDS.get(kind) if kind and kind != "message" else _name_message(value)
        elif shape is EventRow:
            kind = EVENT_KINDS.get(row.value.type)
        else:
            continue  # the shape is the kind
        if kind is None:
            is_known = False
        else:
            row.kind = kind
    return is_known


def _name_message(value: Payload) -> str | None:
    """The kind of an item that is a message or has no type."""
    has_words = value.role is not None and (value.content is not None or value.message is not None)
    return "message" if has_words else None


def _find_stamp(row: Any) -> str | None:
    """The time stamp where a row has it elsewhere."""
    inner = as_record(row.value).get("timestamp") if isinstance(row.value, dict) else row.value.timestamp
    return pick_text(row.created_at, inner)


def _mend_rows(rows: list[Any], raw: bytes, first: int, log: LossLog) -> Iterator[CodexItem]:
    """The rows, those without a kind read again with all their fields."""
    lines = raw.split(b"\n")
    for row in rows:
        if row.kind:
            yield row
            continue
        for found in decode_line(lines[row.line - first], row.line, LossLog(path=log.path), is_last=False):
            if (item := take_row(found, log)) is not None:
                yield item


def _read_each(raw: bytes, first: int, log: LossLog, *, is_sound: bool, is_end: bool) -> tuple[list[CodexItem], int]:
    """The rows of lines that are not all of a known shape, and the number of the line behind them."""
    items: list[CodexItem] = []
    lines = raw.removesuffix(b"\n").split(b"\n")
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        log.lines_read += 1
        read = _read_known if b'"payload"' in line else _read_known_legacy
        if is_sound and (row := read(line, number)) is not None:
            items.append(row)
            continue
        is_last = is_end and number == first + len(lines) - 1 and not raw.endswith(b"\n")
        for found in decode_line(line if is_last else line + b"\n", number, log, is_last=is_last):
            if (item := take_row(found, log)) is not None:
                items.append(item)
    return items, first + len(lines)


def _read_known(line: bytes, number: int) -> CodexItem | None:
    try:
        row: Any = _decode_one(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return row if _name_rows([row], number) else None


def _read_known_legacy(line: bytes, number: int) -> CodexItem | None:
    try:
        row = _legacy_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if row.record_type is not msgspec.UNSET or row.payload is not msgspec.UNSET:
        return None
    kind = _PLAIN_KINDS.get(row.type) if row.type and row.type != "message" else _name_message(row)
    stamp = pick_text(row.timestamp, row.created_at)
    return None if kind is None else CodexItem(timestamp=stamp, value=row, kind=kind, line=number)
