"""Bytes of one JSON value → the value, mended where they are damaged and the damage can be mended.

Mended, and noted in the log: NUL bytes, bytes that are no UTF-8, lone surrogates, integers beyond 64 bits.
"""

from __future__ import annotations

import codecs
import json
from typing import Any, TypeVar

import msgspec

from tracemill.ingest.source import LossLog

Decoded = TypeVar("Decoded")
_MAX_DEPTH = 200
_SAMPLE_BYTES = 4096
_PIECE_BYTES = 4096
_MAX_DIGITS = 4300
_MIN_DIGITS = 200
_STEP = _MAX_DIGITS - _MIN_DIGITS
_ZERO, _NINE = b"09"
_OPEN, _CLOSE = b"{}"
_RETURN = ord("\r")
_decode_fast = msgspec.json.Decoder().decode


def decode_json(raw: bytes, log: LossLog) -> Any:
    """Decode one JSON value; fall back to a tolerant decoder where the fast one refuses.

    Raises:
        ValueError: not one JSON value. RecursionError: nested deeper than can be read.
    """
    try:
        return _decode_fast(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value, end = decode_tolerant(mend_text(raw, log), 0, log)
        if end >= 0:
            raise ValueError("more than one JSON value on the line") from None
        return value


def has_long_integer(raw: bytes | memoryview) -> bool:
    """Whether bytes may hold a whole number of more digits than Python reads.

    The fast decoder refuses it too, but does not look at it in fields that it skips.
    """
    if len(raw) <= _MAX_DIGITS:
        return False
    # a number that is too long covers one of these places and the digits behind it
    for number, byte in enumerate(raw[::_STEP]):
        if _ZERO <= byte <= _NINE and bytes(raw[number * _STEP : number * _STEP + _MIN_DIGITS]).isdigit():
            return True
    return False


def decode_tolerant(text: str, start: int, log: LossLog) -> tuple[Any, int]:
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


def mend_text(raw: bytes, log: LossLog) -> str:
    """The text of a line without NUL bytes, what is no UTF-8 replaced."""
    if b"\x00" in raw:
        log.note("nul_bytes")
        raw = raw.replace(b"\x00", b"")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        log.note("bad_bytes")
        text = raw.decode("utf-8", "replace")
    return text.lstrip("\ufeff \t\r\n")


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


def check_utf8(raw: bytes) -> None:
    """Raises: UnicodeDecodeError: not UTF-8. Piece by piece: mostly ASCII, of which nothing need be made."""
    start = 0
    while start < len(raw):
        end = raw.find(b"\n", start + _PIECE_BYTES) + 1 or len(raw)
        piece = raw[start:end]
        if not piece.isascii():
            piece.decode("utf-8")
        start = end


def count_objects(raw: bytes | bytearray, end: int | None = None) -> int | None:
    """How many JSON objects lines hold, one a line; None where a line does not begin and end as an object does.

    ``end``: where the lines end, if not with ``raw``; lines may end in CRLF.

    No value holds "}", newline, "{": where these stand at each newline, each newline stands between two values, and as
    many values as lines are one a line.
    """
    count, last = 1, (len(raw) if end is None else end) - 1
    find = raw.find
    place = find(b"\n", 0, last)
    while place >= 0:
        if raw[place - 1] != _CLOSE and (raw[place - 1] != _RETURN or raw[place - 2] != _CLOSE):
            return None
        if raw[place + 1] != _OPEN:
            return None
        count += 1
        place = find(b"\n", place + 1, last)
    return count


def decode_lines(
    decoder: msgspec.json.Decoder[Decoded], lines: bytes | memoryview, buffer: bytes | bytearray, end: int | None = None
) -> list[Decoded] | None:
    """The objects of lines, one a line; None where a line holds anything else, or what the decoder refuses.

    ``buffer``: what ``lines`` are a part of, up to ``end``.
    """
    count = count_objects(buffer, end)
    if count is None:
        return None
    try:
        values = decoder.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return values if len(values) == count else None


def guess_utf16(start: bytes) -> bool:
    """Whether a file is UTF-16: a mark or a NUL in second place, and NULs all along, as JSON's own signs have them."""
    has_mark = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    looks_little = start[1:2] == b"\x00" and start[:1] != b"\x00"
    sample = start[:_SAMPLE_BYTES]
    return (has_mark or looks_little) and sample.count(0) * 5 > len(sample)


def to_utf8(raw: bytes) -> bytes:
    """Bytes of a file as UTF-8 without a byte-order mark; what is no UTF-16 stays as it is."""
    if guess_utf16(raw[:_SAMPLE_BYTES]):
        has_mark = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return raw.decode("utf-16" if has_mark else "utf-16-le", "replace").encode("utf-8", "replace")
    return raw.removeprefix(codecs.BOM_UTF8)
