"""All texts of JSON-like values as one, so that the gate is asked once about many short ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from tracemill.redact.assignments import is_secret_name


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
            for name, item in cast("dict[Any, Any]", value).items():
                if isinstance(item, str) and is_secret_name(str(name)):
                    return None
                waiting.append(name)
                waiting.append(item)
        elif isinstance(value, list | tuple):
            waiting += cast("list[Any] | tuple[Any, ...]", value)
        elif value is not None and not isinstance(value, int | float):
            return None
    return "\n".join(texts)
