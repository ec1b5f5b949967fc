"""Bytes of a Codex rollout → its rows in order, each with its kind.

Lines of a known shape are decoded into structs, many in one call. A line of any other shape is read alone, by the
tolerant decoder.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec

from tracemill.ingest.codex.fields import AnyRow, CodexItem, EventRow, ItemRow, LegacyRow, MetaHead, Payload, StateRow
from tracemill.ingest.codex.file import pick_text
from tracemill.ingest.codex.kinds import EVENT_KINDS, ITEM_KINDS
from tracemill.ingest.codex.odd_rows import take_row
from tracemill.ingest.json_decode import decode_lines, has_long_integer
from tracemill.ingest.json_fields import as_record
from tracemill.ingest.lines import decode_line, read_rows
from tracemill.ingest.raw_files import BLOCK_BYTES, LineBlock, LineBlocks, read_start
from tracemill.ingest.source import LossLog, ReadOptions

#: The kinds of items whose payload has the usual fields.
_PLAIN_KINDS = {name: kind for name, kind in ITEM_KINDS.items() if name not in ("token_count", "web_search_end")}
#: Of text that is not ASCII wider characters are made, which is slower: few parts have any.
_PART_BYTES = 8192
_decoder = msgspec.json.Decoder(AnyRow)
_decode_one = _decoder.decode
_legacy_decoder = msgspec.json.Decoder(LegacyRow)
#: What a decoder raises at bytes that are not as it expects them.
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_head_decoder = msgspec.json.Decoder(MetaHead | StateRow)  # of one shape alone it would ask for no type
_HEAD_BYTES = 32 * 1024
#: A smaller file is read at once, which takes less than to set up the reading of blocks.
_SMALL_BYTES = 16 * 1024


def read_items(path: Path, log: LossLog, options: ReadOptions) -> list[CodexItem]:
    """The rows of a file; what is lost goes to the log.

    Raises:
        OSError: the file cannot be opened or read.
    """
    limit = options.max_line_bytes
    raw = read_start(path, _SMALL_BYTES)
    if len(raw) < min(_SMALL_BYTES, limit) and raw[:1] == b"{" and raw[1:2] != b"\0":
        return _read_block(LineBlock(bytearray(raw), 0, len(raw), is_last=True), 1, log)[0]
    with LineBlocks(path) as blocks:
        if limit >= BLOCK_BYTES and not blocks.starts_with_nul():
            return _read_blocks(blocks.read(limit), log, limit)
    return [item for row in read_rows(path, log, options) if (item := take_row(row, log)) is not None]


def read_head_meta(path: Path) -> tuple[dict[str, Any], str | None] | None:
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
    except _REFUSALS:
        return None
    if not isinstance(head, MetaHead):
        return None
    meta: Any = head.payload  # a dict, whatever its type says
    if head.timestamp and not head.timestamp.isspace():
        return meta, head.timestamp
    # the row's own time may stand elsewhere, but is not asked for where the session's is known
    return None if pick_text(meta.get("timestamp")) is None else (meta, None)


def _read_blocks(blocks: Iterator[LineBlock], log: LossLog, limit: int) -> list[CodexItem]:
    items: list[CodexItem] = []
    line = 1
    for block in blocks:
        if block.is_cut:
            log.lines_read += 1
            log.drop("line_too_long", line, f"over {limit} bytes", block.copy()[:2000].decode("utf-8", "replace"))
            line += 1
            continue
        found, line = _read_block(block, line, log)
        items += found
    return items


def _read_block(block: LineBlock, first: int, log: LossLog) -> tuple[list[CodexItem], int]:
    """The rows of whole lines, of which the first has this number, and the number of the line behind them."""
    raw = block.view()
    is_sound = _is_sound(block, raw)
    rows: list[Any] = _decode_rows(block, raw) if is_sound else [None for _ in BytesIO(raw)]
    behind = first + len(rows)
    if not _name_rows(rows, first):
        return _read_others(rows, block, first, log, is_sound=is_sound), behind
    log.lines_read += len(rows)
    return rows, behind


def _is_sound(block: LineBlock, raw: memoryview) -> bool:
    """Whether the bytes are UTF-8 and hold no number that is too long: the decoder does not check what it skips."""
    if has_long_integer(raw):
        return False
    if block.buffer.isascii():  # and so are the lines, which are a part of it
        return True
    place, size = 0, len(raw)
    try:
        while place < size:
            place += utf_8_decode(raw[place : place + _PART_BYTES], "strict", place + _PART_BYTES >= size)[1]
    except UnicodeDecodeError:
        return False
    return True


def _decode_rows(block: LineBlock, raw: memoryview) -> list[Any]:
    """The row of each line; None for one that is not an object of a known shape."""
    rows: list[Any] | None = None
    if len(raw) > _SMALL_BYTES and (rows := decode_lines(_decoder, raw, block.buffer, block.end)) is not None:
        return rows
    rows = []
    lines = BytesIO(raw)
    try:
        rows.extend(map(_decode_one, lines))  # when it raises, it has taken in the rows before
    except _REFUSALS:
        rows.append(None)
        for line in lines:
            rows.append(_decode_known(line) if b'"payload"' in line else None)
    return rows


def _name_rows(rows: list[Any], first: int) -> bool:
    """Give each row its line and kind; whether all have one."""
    is_known = True
    for line, row in enumerate(rows, first):
        if row is None:
            is_known = False
            continue
        row.line = line
        stamp = row.timestamp
        if not stamp or stamp.isspace():
            row.timestamp = _find_stamp(row)
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


def _read_others(rows: list[Any], block: LineBlock, first: int, log: LossLog, *, is_sound: bool) -> list[CodexItem]:
    """The rows of lines, those that are None or have no kind read with all their fields."""
    items: list[CodexItem] = []
    lines = block.copy().split(b"\n")
    cut = len(rows) - 1 if lines[-1] else None  # the last line of the file alone can lack its end
    # where all lines have a known shape, what the decoder passed over is noted in none of them
    notes = LossLog(path=log.path) if all(row is not None for row in rows) else log
    for place, row in enumerate(rows):
        line, number = lines[place], first + place
        if row is None:
            if not line or line.isspace():
                continue
            row = _decode_legacy(line, number) if is_sound else None
        log.lines_read += 1
        if row is not None and row.kind:
            items.append(row)
            continue
        is_last = place == cut
        for found in decode_line(line if is_last else line + b"\n", number, notes, is_last=is_last):
            if (item := take_row(found, log)) is not None:
                items.append(item)
    return items


def _decode_known(line: bytes) -> CodexItem | None:
    try:
        return _decode_one(line)
    except _REFUSALS:
        return None


def _decode_legacy(line: bytes, number: int) -> CodexItem | None:
    if b'"payload"' in line:
        return None
    try:
        row = _legacy_decoder.decode(line)
    except _REFUSALS:
        return None
    if row.record_type is not msgspec.UNSET or row.payload is not msgspec.UNSET:
        return None
    kind = _PLAIN_KINDS.get(row.type) if row.type and row.type != "message" else _name_message(row)
    stamp = pick_text(row.timestamp, row.created_at)
    return None if kind is None else CodexItem(timestamp=stamp, value=row, kind=kind, line=number)
