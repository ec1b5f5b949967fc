"""A JSON document that is one file: its first fields from its first bytes, or all of it in few calls of the system.

Folders of documents hold thousands of small files, so here opening and decoding one costs little; what is odd in any
way is left to ``documents.read_document``, which reads everything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tracemill.ingest.json_decode import has_long_integer
from tracemill.ingest.json_fields import read_tool_definitions

HEAD_BYTES = 256 * 1024
#: Read at once: memory for more is costly to get, and most documents are smaller.
_FIRST_BYTES = 64 * 1024
_MORE_BYTES = 1024 * 1024
#: Tool definitions that are remembered: sessions of one agent have the same ones, and they can be most of a file.
_KNOWN_TOOLS = 16
_MAX_KNOWN_BYTES = 64 * 1024
_READ_BYTES = os.O_RDONLY | getattr(os, "O_BINARY", 0)

Document = TypeVar("Document")
_decode_json = msgspec.json.Decoder().decode


def read_start(path: Path, limit: int = HEAD_BYTES) -> bytes:
    """The first bytes of a file, ``limit`` at most.

    Raises:
        OSError: the file cannot be opened or read.
    """
    handle = os.open(path, _READ_BYTES)
    try:
        first = os.read(handle, min(limit, _FIRST_BYTES))
        if len(first) < _FIRST_BYTES:  # the end, as nothing here is read but files
            return first
        chunks = [first]
        limit -= len(first)
        size = _MORE_BYTES
        while limit > 0 and (chunk := os.read(handle, min(limit, size))):
            chunks.append(chunk)
            limit -= len(chunk)
            size = _FIRST_BYTES if len(chunk) < size else _MORE_BYTES
        return b"".join(chunks)
    finally:
        os.close(handle)


def read_leading_fields(path: Path) -> tuple[dict[str, Any], bool]:
    """The fields of a file's object that lie whole within its first 256 KB, and whether that is all of them.

    A field whose value is cut by the limit is there with the value None. An empty result says that the head could not
    be read so: the file is not one object, or not UTF-8.

    Raises:
        OSError: the file cannot be opened or read.
    """
    return scan_leading_fields(read_start(path))


def scan_leading_fields(raw: bytes) -> tuple[dict[str, Any], bool]:
    """The same of the first bytes of a file."""
    try:
        fields, is_whole = _scan_object(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))
        for value in fields.values():
            if isinstance(value, str):
                value.encode("utf-8")  # half a surrogate pair: only the tolerant decoder mends it
    except (ValueError, RecursionError):
        return {}, False
    return fields, is_whole


def decode_plain(raw: bytes, decode: Callable[[bytes], Document]) -> Document | None:
    """The document that the bytes are, by a decoder of msgspec that skips fields; None where they need more care.

    What the decoder does not see in the fields that it skips is looked for here: bytes that are no UTF-8, numbers that
    are too long. So nothing is read that a decoder of all fields refuses.
    """
    if has_long_integer(raw):
        return None
    try:
        if not raw.isascii():
            raw.decode("utf-8")
        return decode(raw)
    except (ValueError, RecursionError):
        return None


def decode_tools(raw: bytes) -> tuple[dict[str, Any], ...]:
    """Tool definitions, see ``read_tool_definitions``, from their JSON; the same bytes again give the same objects.

    Raises:
        ValueError: not JSON, or JSON that only the tolerant decoder reads. RecursionError: nested too deep.
    """
    return _decode_tools(raw) if len(raw) > _MAX_KNOWN_BYTES else _recall_tools(raw)


def _decode_tools(raw: bytes) -> tuple[dict[str, Any], ...]:
    return read_tool_definitions(_decode_json(raw))


_recall_tools = lru_cache(_KNOWN_TOOLS)(_decode_tools)


def _scan_object(text: str) -> tuple[dict[str, Any], bool]:
    decoder = json.JSONDecoder(strict=False, parse_int=_parse_int)
    fields: dict[str, Any] = {}
    position = _skip_blank(text, 0)
    if text[position : position + 1] != "{" or "\x00" in text:
        return {}, False
    position = _skip_blank(text, position + 1)
    while text[position : position + 1] == '"':
        try:
            key, position = decoder.raw_decode(text, position)
        except ValueError:
            return fields, False
        position = _skip_blank(text, position)
        if text[position : position + 1] != ":":
            return fields, False
        fields[key] = None
        try:
            fields[key], position = decoder.raw_decode(text, _skip_blank(text, position + 1))
        except ValueError:
            return fields, False
        position = _skip_blank(text, position)
        if text[position : position + 1] != ",":
            break
        position = _skip_blank(text, position + 1)
    return fields, text[position : position + 1] == "}"


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _parse_int(digits: str) -> int:
    """No number matters here; a huge one would take long to read, or be refused."""
    return int(digits) if len(digits) < 19 else 0
