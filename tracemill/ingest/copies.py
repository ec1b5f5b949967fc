"""What a shorter copy of a session knows and the longer one does not: pieces of a session may stand in several files.

A source whose prompts repeat the history (spans in rotated files) tells an early turn twice: in the file that holds its
request with its tokens, times and status, and in a later one as a mere part of a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.outcomes import VERDICT_SOURCE
from tracemill.ingest.packed import list_labels
from tracemill.ingest.time_span import TimeSpan
from tracemill.ingest.transcript import sum_tokens
from tracemill.trace import Message, Trace

_FIELDS = ("reasoning_content", "is_error", "model", "stop_reason", "usage")


def is_copy(shorter: Trace, longer: Trace) -> bool:
    """Whether all messages of ``shorter`` but the last begin ``longer``; the last may have grown meanwhile.

    A run that its source has judged is over: it does not go on in another one, and one with another verdict, task or
    attempt is another run, whatever it says.
    """
    count = len(shorter.messages)
    if list_labels(shorter) != list_labels(longer) or count > len(longer.messages):
        return False
    is_over = shorter.verdict_source not in (None, VERDICT_SOURCE)
    if is_over and count < len(longer.messages):
        return False
    pairs = zip(shorter.messages, longer.messages, strict=False)
    return all(
        is_same_message(ours, theirs) or (index == count - 1 and not is_over and theirs.text.startswith(ours.text))
        for index, (ours, theirs) in enumerate(pairs)
    )


def is_same_message(ours: Message, theirs: Message) -> bool:
    """Whether two copies tell the same message."""
    return ours.role == theirs.role and ours.content == theirs.content and ours.tool_calls == theirs.tool_calls


def fill_from_copy(longer: Trace, shorter: Trace) -> Trace:
    """The longer trace with what only the shorter one says; the very same trace where that is nothing.

    Filled are, in messages that both have, what is unknown in the longer one, and their times where the shorter one has
    earlier ones; of the trace its start, its tools and what ``source_meta`` lacks. Sums of tokens follow the messages,
    unless the source had sums of its own. What became of the task is not: it may be the verdict on a part.
    """
    filled = {
        place: _fill_message(ours, theirs)
        for place, (ours, theirs) in enumerate(zip(longer.messages, shorter.messages, strict=False))
        if ours != theirs and is_same_message(ours, theirs)
    }
    known: dict[str, Any] = {
        "started_at": _find_earlier(longer.started_at, shorter.started_at),
        "tools": longer.tools or shorter.tools,
        "source_meta": _fill_meta(longer.source_meta, shorter.source_meta),
    }
    if filled:
        known |= _replace_messages(longer, filled)
    changed = {name: value for name, value in known.items() if value != getattr(longer, name)}
    return replace(longer, **changed) if changed else longer


def _replace_messages(trace: Trace, filled: Mapping[int, Message]) -> dict[str, Any]:
    messages = tuple(filled.get(place, message) for place, message in enumerate(trace.messages))
    known: dict[str, Any] = {"messages": messages}
    for side in ("input_tokens", "output_tokens"):
        if getattr(trace, side) == sum_tokens(trace.messages, side):
            known[side] = sum_tokens(messages, side)
    return known


def _fill_message(message: Message, known: Message) -> Message:
    told = {
        name: value
        for name in _FIELDS
        if getattr(message, name) is None and (value := getattr(known, name)) is not None
    }
    timestamp = _find_earlier(message.timestamp, known.timestamp)
    if timestamp != message.timestamp:
        told["timestamp"] = timestamp
    return replace(message, **told) if told else message


def _fill_meta(meta: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Entries that are missing, and in lists what they lack, before the rest: it was there earlier."""
    filled = {**known, **meta}
    for name, value in meta.items():
        earlier = known.get(name)
        if isinstance(value, list) and isinstance(earlier, list):
            lacking: list[Any] = [item for item in earlier if item not in value]  # pyright: ignore[reportUnknownVariableType]
            filled[name] = [*lacking, *value]
    return filled


def _find_earlier(one: str | None, other: str | None) -> str | None:
    """The earlier of two times; the first where they are the same, or where one is no time."""
    if one is None or other is None or one == other:
        return other if one is None else one
    span = TimeSpan()
    span.add(one)
    span.add(other)
    return span.started_at or one
