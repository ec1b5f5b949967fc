"""Everything that a trace holds, as one text to look things up in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, cast

from tracemill.trace import Trace
from tracemill.view.calls import decode_arguments

_MAX_LOOKS = 2_000
_MAX_DEPTH = 30


class Haystack:
    """All that a trace holds; ``cwd`` is its working directory, without a slash at the end.

    ``text`` is what stands there, ``more`` the same with escapes undone and arguments taken apart: it is made where
    something does not stand in ``text``.
    """

    def __init__(self, text: str, cwd: str, more: Callable[[], Iterable[str]] = tuple) -> None:
        self.text = text
        self.cwd = cwd
        self._list_more = more

    @cached_property
    def more(self) -> str:
        """The texts that ``text`` holds in writing of another kind."""
        return "\n".join(self._list_more())

    def contains(self, value: str) -> bool:
        """Whether ``value`` stands anywhere, be it as a part of a word."""
        return value in self.text or value in self.more

    def holds(self, value: str, also_inside: str = "") -> bool:
        """Whether ``value`` stands anywhere, not as a part of a longer word.

        ``also_inside``: further characters that make a longer word where they stand beside it, e.g. ``-`` for flags.
        """
        if not value:
            return False
        return _holds(self.text, value, also_inside) or _holds(self.more, value, also_inside)


def _holds(text: str, value: str, also_inside: str) -> bool:
    start = 0
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
    text = "\n".join(_list_texts(trace, skip_index))
    return Haystack(text, (trace.cwd or "").rstrip("/"), lambda: _list_more(trace, skip_index))


def _list_texts(trace: Trace, skip_index: int) -> Iterator[str]:
    for value in (trace.cwd, trace.project_path, trace.git_branch, trace.repository_url, trace.model, trace.task_id):
        if value:
            yield value
    if trace.tools:
        yield _dump_tools(trace)
    for index, message in enumerate(trace.messages):
        if index != skip_index:
            yield message.text
            if message.reasoning_content:
                yield message.reasoning_content
        for call in message.tool_calls:
            yield call.name
            yield call.arguments


def _list_more(trace: Trace, skip_index: int) -> Iterator[str]:
    if trace.tools:
        yield from _unescape(_dump_tools(trace))
    for index, message in enumerate(trace.messages):
        if index != skip_index:
            yield from _unescape(message.text)
        for call in message.tool_calls:
            yield from _list_strings(decode_arguments(call.arguments), 0)


def _dump_tools(trace: Trace) -> str:
    return json.dumps(trace.tools, ensure_ascii=False, default=str)


def _unescape(text: str) -> Iterator[str]:
    """Where the text holds JSON-escaped text, that text without the escapes."""
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
