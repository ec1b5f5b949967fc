"""Fields of JSON that another program wrote: each function gives the type asked for or nothing, and none raises."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from tracemill.ingest.source import LossLog

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
#: A count of seconds above this is taken for milliseconds (seconds reach it in the year 5138).
_MAX_SECONDS = 1e11
_MAX_INT = 2**53
_BEYOND_64_BITS = 2**64
_decode = msgspec.json.Decoder().decode
#: Values that both encoders write alike (floats they don't).
_FLAT_TYPES = frozenset({str, int, bool, type(None)})
_encode_fast, _space = msgspec.json.Encoder().encode, msgspec.json.format
_encode = json.JSONEncoder(ensure_ascii=False).encode


def get_text(record: Mapping[str, Any], key: str, *others: str) -> str | None:
    """The first of the named fields that is a string with something in it."""
    value = record.get(key)
    if isinstance(value, str) and value and not value.isspace():
        return value
    return get_text(record, *others) if others else None


def get_int(record: Mapping[str, Any], key: str) -> int | None:
    """A whole number that a float holds exactly; None for anything else, booleans too."""
    value = record.get(key)
    if type(value) is int:
        return value if -_MAX_INT <= value <= _MAX_INT else None
    if not isinstance(value, float) or not abs(value) <= _MAX_INT:
        return None
    return int(value) if value.is_integer() else None


def get_count(record: Mapping[str, Any], key: str, log: LossLog | None = None) -> int | None:
    """A count; None for a number below zero, and for one beyond 64 bits, which ``log`` notes."""
    value = record.get(key)
    if log is not None and isinstance(value, int | float) and abs(value) >= _BEYOND_64_BITS:
        log.note("huge_integer")
    count = get_int(record, key)
    return count if count is not None and count >= 0 else None


def get_number(record: Mapping[str, Any], key: str) -> float | None:
    """A finite number, with true and false as 1 and 0."""
    value = record.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def get_bool(record: Mapping[str, Any], key: str) -> bool | None:
    """The value where it is true or false, else None."""
    value = record.get(key)
    return value if isinstance(value, bool) else None


def as_record(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def as_list(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def parse_record(value: Any) -> dict[str, Any]:
    """An object, or the object that a string holds as JSON, else an empty one."""
    if not isinstance(value, str):
        return as_record(value)
    return as_record(parse_json(value))


def parse_json(text: str) -> Any | None:
    """The value that a string holds as JSON, or None."""
    try:
        return _decode(text)
    except (ValueError, RecursionError):  # what json takes and the faster decoder does not: NaN, lone surrogates
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def format_time(value: Any) -> str | None:
    """A date as the source wrote it, or a number of seconds or milliseconds since 1970 as ISO 8601 in UTC."""
    if isinstance(value, str):
        return value.strip() if _ISO_DATE.match(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    seconds = value / 1000 if abs(value) > _MAX_SECONDS else float(value)
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def dump_json(value: Any) -> str:
    """A value as JSON text; a string as it is; empty where it is nested too deep to be written."""
    if isinstance(value, str):
        return value
    try:
        if isinstance(value, dict) and _FLAT_TYPES.issuperset(map(type, value.values())):  # pyright: ignore[reportUnknownMemberType]
            return _space(_encode_fast(value), indent=0).decode()
    except (ValueError, TypeError):  # half of a surrogate pair, a key that is no string
        pass
    try:
        return _encode(value)
    except (ValueError, RecursionError):
        return ""


def dump_text_field(name: str, text: str) -> str:
    """What ``dump_json`` makes of an object of one text: faster, as the text is not formatted again."""
    try:
        return f'{{"{name}": {_encode_fast(text).decode()}}}'
    except ValueError:  # half of a surrogate pair
        return dump_json({name: text})


def read_tool_definitions(value: Any) -> tuple[dict[str, Any], ...]:
    """Tool definitions as OpenAI writes them, from that shape or from a flat ``name, description, parameters``."""
    tools: list[dict[str, Any]] = []
    for item in as_list(value):
        definition = as_record(item)
        function = as_record(definition.get("function"))
        name = get_text(function, "name") or get_text(definition, "name")
        if name is None:
            continue
        described = get_text(function, "description") or get_text(definition, "description")
        schemas = (function.get("parameters"), definition.get("parameters"), definition.get("input_schema"))
        empty: dict[str, Any] = {"type": "object", "properties": {}}
        parameters = next((record for schema in schemas if (record := as_record(schema))), empty)
        body = {"name": name, "description": described or "", "parameters": parameters}
        tools.append({"type": "function", "function": body})
    return tuple(tools)
