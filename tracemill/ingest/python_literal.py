"""Text that Python wrote where JSON was meant: dicts and lists in single quotes, with ``True`` and ``None``."""

from __future__ import annotations

import ast
import math
import warnings
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, parse_json

_MAX_CHARS = 100_000
_MAX_DEPTH = 100


def parse_literal(text: str) -> Any | None:
    """The value that a string holds as JSON, else as a literal of Python that JSON can hold too; else None.

    A literal is never run: it is parsed and nothing else. Sets, tuples, bytes and keys that are no strings are nothing.
    """
    value = parse_json(text)
    text = text.strip()
    if value is not None or not text.startswith(("{", "[")) or len(text) > _MAX_CHARS:
        return value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if _is_json(value, 0) else None


def _is_json(value: Any, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return False
    if isinstance(value, dict):
        record: dict[Any, Any] = as_record(value)
        return all(isinstance(key, str) and _is_json(item, depth + 1) for key, item in record.items())
    if isinstance(value, list):
        return all(_is_json(item, depth + 1) for item in as_list(value))
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
