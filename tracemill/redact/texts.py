"""All texts of JSON-like values as one, so that the gate is asked once about many short ones, and a mark of values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from tracemill.redact.assignments import is_secret_name

#: The same few names stand in every trace: longer ones are no such names, and are not kept.
_NAME_CHARS = 60
_is_secret_name = lru_cache(maxsize=1_000)(is_secret_name)


def join_texts(values: Iterable[Any]) -> str | None:
    """All keys and texts of the values, a line each, so that what the gate finds in one of them it finds in this too.

    None where a text stands under the name of a secret, which says more than the text, and where a value is no list,
    object, text, number, boolean or null.
    """
    texts: list[str] = []
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            items: Mapping[Any, Any] = value
            for name, item in items.items():
                if isinstance(item, str):
                    is_short = isinstance(name, str) and len(name) <= _NAME_CHARS
                    if _is_secret_name(name) if is_short else is_secret_name(str(name)):
                        return None
                    texts.append(item)
                else:
                    waiting.append(item)
                waiting.append(name)
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif value is not None and not isinstance(value, int | float):
            return None
    return "\n".join(texts)


def hash_values(values: Sequence[Any]) -> bytes | None:
    """A mark that JSON-like values of the same texts share, 16 bytes; None where they hold anything else."""
    try:
        encoded = msgspec.msgpack.encode(values)
    except (TypeError, ValueError, OverflowError, RecursionError):  # a set, half a character, a long number
        return None
    return hashlib.blake2b(encoded, digest_size=16).digest()
