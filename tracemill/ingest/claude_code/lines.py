"""Lines of a Claude Code transcript → rows.

A line is decoded straight into the structs of ``claude_code_shape``. One that the decoder refuses, for whatever reason,
goes through ``lines.decode_line``, which mends what can be mended and logs what is lost, and ``claude_code_odd``, which
gives the same structs; so does a whole file in UTF-16. The two ways give the same rows.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from itertools import chain, islice
from pathlib import Path

import msgspec

from tracemill.ingest.claude_code.odd import convert_row
from tracemill.ingest.claude_code.parts import read_arguments
from tracemill.ingest.claude_code.shape import NO_INPUT, CallBlock, ClaudeRow
from tracemill.ingest.json_decode import has_long_integer
from tracemill.ingest.lines import decode_line, read_rows
from tracemill.ingest.raw_files import READ_FLAGS, read_start
from tracemill.ingest.source import LossLog, ReadOptions

#: What fits into a core's own cache is read in two thirds of the time of larger blocks.
_BLOCK_BYTES = 64 * 1024
_SAMPLE_BYTES = 4096
#: The head of a file is mostly in these.
_HEAD_BYTES = 8 * 1024
_decode = msgspec.json.Decoder(ClaudeRow).decode


def read_claude_rows(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Sequence[ClaudeRow]]:
    """Yield the rows of a transcript in order, a block of them at a time; what is lost goes to the log in its turn.

    Raises:
        OSError: the file cannot be opened or read.
    """
    limit = options.max_line_bytes
    file = os.open(path, READ_FLAGS)
    try:
        start = os.read(file, _BLOCK_BYTES)
        if limit >= _BLOCK_BYTES and b"\x00" not in start[:_SAMPLE_BYTES]:
            skipped = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0
            blocks = _read_blocks(file, start[skipped:] if skipped else start, limit)
            yield from _decode_blocks(blocks, log, limit)
            return
    finally:
        os.close(file)
    for row in read_rows(path, log, options):
        yield (convert_row(row),)


def read_first_rows(path: Path, options: ReadOptions) -> Iterator[ClaudeRow]:
    """Yield the rows of a transcript in order, each decoded when it is asked for: mostly one or two tell all of a head.

    Their lines and the arguments of their calls may lack.

    Raises:
        OSError: the file cannot be opened or read.
    """
    start = read_start(path, _HEAD_BYTES)
    count = 0
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        for line in BytesIO(start[: start.rfind(b"\n") + 1]):
            row = _decode(line)
            count += 1
            yield row
    rest = chain.from_iterable(read_claude_rows(path, LossLog(path=str(path)), options))
    yield from islice(rest, count, None)


def _read_blocks(file: int, block: bytes, limit: int) -> Iterator[tuple[bytes, bool]]:
    """Yield whole lines, and whether the file ends in them; of a line over the limit its beginning.

    ``block`` is what the first reading gave.
    """
    size = _BLOCK_BYTES
    is_end = len(block) < size - len(codecs.BOM_UTF8)
    while block:
        if is_end:
            yield block, True
            return  # what is written from here on is not read
        end = block.rfind(b"\n") + 1
        if end:
            os.lseek(file, end - len(block), os.SEEK_CUR)
            block = block[:end]
            yield block, False
            size = _BLOCK_BYTES
        elif len(block) <= limit:
            os.lseek(file, -len(block), os.SEEK_CUR)  # one line is longer than a block
            size = min(4 * size, limit + 1)
        else:
            yield block, False
            _skip_line(file)
            size = _BLOCK_BYTES
        block = os.read(file, size)
        is_end = len(block) < size


def _skip_line(file: int) -> None:
    while block := os.read(file, _BLOCK_BYTES):
        end = block.find(b"\n") + 1
        if end:
            os.lseek(file, end - len(block), os.SEEK_CUR)
            return


def _decode_blocks(blocks: Iterator[tuple[bytes, bool]], log: LossLog, limit: int) -> Iterator[Sequence[ClaudeRow]]:
    number = 1
    for block, is_last in blocks:
        if len(block) > limit and b"\n" not in block:
            log.lines_read += 1
            log.drop("line_too_long", number, f"over {limit} bytes", block[:2000].decode("utf-8", "replace"))
            number += 1
            continue
        rows = _decode_lines(block)
        odd = range(len(rows)) if has_long_integer(block) else _finish_rows(rows, number)
        log.lines_read += len(rows) - len(odd)
        start = 0
        if odd:
            lines = block.split(b"\n")
            for place in odd:
                yield rows[start:place]
                start = place + 1
                if line := lines[place].strip():
                    log.lines_read += 1
                    is_cut = is_last and start == len(lines)
                    for row in decode_line(line, number + place, log, is_last=is_cut):
                        yield (convert_row(row),)
        yield rows[start:] if start else rows
        number += len(rows)


def _decode_lines(block: bytes) -> list[ClaudeRow]:
    """The row of each line; an empty one, which no line of a transcript is, for a line that the decoder refuses."""
    rows: list[ClaudeRow] = []
    lines = BytesIO(block)
    while True:
        try:
            rows.extend(map(_decode, lines))  # when it raises, it has taken in the rows before the bad line
            return rows
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows.append(ClaudeRow())


def _finish_rows(rows: Sequence[ClaudeRow], first: int) -> list[int]:
    """Give rows their lines, and calls their arguments; the places of rows that lack what is needed of their line."""
    odd: list[int] = []
    for number, row in enumerate(rows, first):
        row.line = number
        kind = row.type
        if kind == "assistant" or kind == "user":
            if (words := row.words) is None:
                odd.append(number - first)
            elif type(words.content) is list:
                try:
                    for block in words.content:
                        if type(block) is CallBlock:
                            sent = row.sent_inputs
                            block.arguments = read_arguments(block.input if sent is None else _find_sent(block, sent))
                            block.input = NO_INPUT
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    odd.append(number - first)  # bad bytes, at which the decoder has not looked
        elif kind is None:
            odd.append(number - first)
    return odd


def _find_sent(block: CallBlock, sent: dict[str, msgspec.Raw]) -> msgspec.Raw:
    return block.input if block.id is None else sent.get(block.id, block.input)
