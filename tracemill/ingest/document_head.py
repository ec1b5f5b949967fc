"""The first fields of a JSON object, from the first bytes of its file: a session's id without its body being read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HEAD_BYTES = 256 * 1024


def read_leading_fields(path: Path) -> tuple[dict[str, Any], bool]:
    """The fields of a file's object that lie whole within its first 256 KB, and whether that is all of them.

    A field whose value is cut by the limit is there with the value None. An empty result says that the head could not
    be read so: the file is not one object, or not UTF-8.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        raw = file.read(_HEAD_BYTES)
    try:
        fields, is_whole = _scan_object(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))
        for value in fields.values():
            if isinstance(value, str):
                value.encode("utf-8")  # half a surrogate pair: only the tolerant decoder mends it
    except (ValueError, RecursionError):
        return {}, False
    return fields, is_whole


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
