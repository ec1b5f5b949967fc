"""Everything that a trace holds, as one text to look things up in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from tracemill.trace import Trace
from tracemill.view.calls import decode_arguments

_MAX_LOOKS = 2_000
_MAX_DEPTH = 30


@dataclass(frozen=True, slots=True)
class Haystack:
    """One text with all that a trace holds; ``cwd`` is its working directory, without a slash at the end."""

    text: str
    cwd: str

    def holds(self, value: str, also_inside: str = "") -> bool:
        """Whether ``value`` stands in the text, not as a part of a longer word.

        ``also_inside``: further characters that make a longer word where they stand beside it, e.g. ``-`` for flags.
        """
        if not value:
            return False
        text, start = self.text, 0
        for _ in range(_MAX_LOOKS):
            start = text.find(value, start)
            if start < 0:
                return False
            end = start + len(value)
            before = text[start - 1] if start else " "
            after = text[end] if end < len(text) else " "
            if not _joins(before, value[0], also_inside) and not _joins(after, value[-1], also_inside):
                return True
            start += 1
        return True


def build_haystack(trace: Trace, skip_index: int = -1) -> Haystack:
    """All text, tool arguments (raw and with JSON unescaped), results, reasoning, tool names and definitions, places.

    ``skip_index``: a message whose own words are left out (its tool calls stay), to ask what the rest holds.
    """
    return Haystack("\n".join(_list_texts(trace, skip_index)), (trace.cwd or "").rstrip("/"))


def _list_texts(trace: Trace, skip_index: int) -> Iterator[str]:
    for value in (trace.cwd, trace.project_path, trace.git_branch, trace.repository_url, trace.model, trace.task_id):
        if value:
            yield value
    if trace.tools:
        yield from _unescape(json.dumps(trace.tools, ensure_ascii=False, default=str))
    for index, message in enumerate(trace.messages):
        if index != skip_index:
            yield from _unescape(message.text)
            if message.reasoning_content:
                yield message.reasoning_content
        for call in message.tool_calls:
            yield call.name
            yield call.arguments
            yield from _list_strings(decode_arguments(call.arguments), 0)


def _unescape(text: str) -> Iterator[str]:
    """The text, and where it holds JSON-escaped text, that text without the escapes."""
    yield text
    if "\\" in text:
        yield text.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\/", "/")


def _list_strings(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < _MAX_DEPTH and isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield key
            yield from _list_strings(item, depth + 1)
    elif depth < _MAX_DEPTH and isinstance(value, list):
        items = cast("list[Any]", value)
        if items and all(isinstance(item, str) for item in items):
            yield " ".join(cast("list[str]", items))  # a command given as a list of words
        for item in items:
            yield from _list_strings(item, depth + 1)


def _joins(outside: str, edge: str, also_inside: str) -> bool:
    if outside in also_inside:
        return True
    return (outside.isalnum() or outside == "_") and (edge.isalnum() or edge == "_" or edge in also_inside)
