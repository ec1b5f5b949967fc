"""Lines of a Claude Code transcript → rows.

A line is decoded straight into the structs of ``claude_code_shape``. One that the decoder refuses, for whatever reason,
goes through ``lines.decode_line``, which mends what can be mended and logs what is lost, and ``claude_code_odd``, which
gives the same structs; so does a whole file in UTF-16. The two ways give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from itertools import chain, islice
from pathlib import Path

import msgspec

from tracemill.ingest.claude_code.odd import convert_row
from tracemill.ingest.claude_code.parts import read_arguments
from tracemill.ingest.claude_code.shape import NO_INPUT, CallBlock, ClaudeRow
from tracemill.ingest.json_decode import decode_lines, has_long_integer
from tracemill.ingest.lines import decode_line, read_rows
from tracemill.ingest.raw_files import BLOCK_BYTES, LineBlock, LineBlocks, read_start
from tracemill.ingest.source import LossLog, ReadOptions

#: The head of a file is mostly in these.
_HEAD_BYTES = 8 * 1024
_decoder = msgspec.json.Decoder(ClaudeRow)
_decode = _decoder.decode


def read_claude_rows(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Sequence[ClaudeRow]]:
    """Yield the rows of a transcript in order, a block of them at a time; what is lost goes to the log in its turn.

    Raises:
        OSError: the file cannot be opened or read.
    """
    limit = options.max_line_bytes
    with LineBlocks(path) as blocks:
        if limit >= BLOCK_BYTES and not blocks.starts_with_nul():
            yield from _decode_blocks(blocks.read(limit), log, limit)
            return
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


def _decode_blocks(blocks: Iterator[LineBlock], log: LossLog, limit: int) -> Iterator[Sequence[ClaudeRow]]:
    number = 1
    for block in blocks:
        if block.is_cut:
            log.lines_read += 1
            log.drop("line_too_long", number, f"over {limit} bytes", block.copy()[:2000].decode("utf-8", "replace"))
            number += 1
            continue
        rows = _decode_lines(block)
        odd = range(len(rows)) if has_long_integer(block.view()) else _finish_rows(rows, number)
        log.lines_read += len(rows) - len(odd)
        start = 0
        if odd:
            lines = block.copy().split(b"\n")
            for place in odd:
                yield rows[start:place]
                start = place + 1
                if line := lines[place].strip():
                    log.lines_read += 1
                    is_cut = block.is_last and start == len(lines)
                    for row in decode_line(line, number + place, log, is_last=is_cut):
                        yield (convert_row(row),)
        yield rows[start:] if start else rows
        number += len(rows)


def _decode_lines(block: LineBlock) -> list[ClaudeRow]:
    """The row of each line; an empty one, which no line of a transcript is, for a line that the decoder refuses."""
    rows = decode_lines(_decoder, block.view(), block.buffer, block.end)
    if rows is not None:
        return rows
    rows = []
    lines = BytesIO(block.copy())
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
                    row.sent_inputs = None
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    odd.append(number - first)  # bad bytes, at which the decoder has not looked
        elif kind is None:
            odd.append(number - first)
    return odd


def _find_sent(block: CallBlock, sent: dict[str, msgspec.Raw]) -> msgspec.Raw:
    return block.input if block.id is None else sent.get(block.id, block.input)
