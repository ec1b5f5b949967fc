"""Items of OpenAI's Responses API that have no role → messages that have one.

A turn of the model is a list of items there: reasoning, messages, calls, compactions. They are one message here, up to
the next result or the next words of someone else. A list without such items stays as it is.

Source: openai/openai-openapi, ``InputItem`` and ``OutputItem``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, get_text
from tracemill.ingest.otel.compaction import KIND

_CALLS = {"function_call": "arguments", "custom_tool_call": "input", "mcp_call": "arguments"}
_RESULTS = ("function_call_output", "custom_tool_call_output")
_TYPES = frozenset({"reasoning", KIND, *_CALLS, *_RESULTS})


def give_roles(items: Sequence[Any]) -> list[Any]:
    """The items as messages; an item of any other type is left for the reader of messages to refuse."""
    if not any(get_text(as_record(item), "type") in _TYPES for item in items):
        return list(items)
    messages: list[Any] = []
    turn: list[Any] | None = None
    for item in items:
        record = as_record(item)
        parts = _list_parts(record)
        if parts is None:
            turn = None
            messages.append(_read_result(record) if record.get("type") in _RESULTS else item)
            continue
        if turn is None:
            turn = []
            messages.append({"role": "assistant", "parts": turn})
        turn += parts
        if record.get("type") == "mcp_call" and (result := _read_mcp_result(record)) is not None:
            messages.append(result)
            turn = None
    return messages


def _list_parts(record: Mapping[str, Any]) -> list[Any] | None:
    """The parts that an item adds to the turn of the model; None where it is no part of one."""
    kind = get_text(record, "type")
    if record.get("role") == "assistant":
        content = record.get("content")
        return as_list(content) if isinstance(content, list) else [content] if isinstance(content, str) else []
    if "role" in record:
        return None
    if kind == "reasoning":
        listed = as_list(record.get("content")) or as_list(record.get("summary"))
        texts = (get_text(as_record(part), "text") for part in listed)
        return [{"type": "reasoning", "content": text} for text in texts if text is not None]
    if kind == KIND:
        return [record]
    if kind in _CALLS:
        call_id = get_text(record, "call_id", "id")
        return [{"type": "tool_call", "id": call_id, "name": record.get("name"), "arguments": record.get(_CALLS[kind])}]
    return None


def _read_result(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": get_text(record, "call_id"), "content": record.get("output")}


def _read_mcp_result(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a tool of an MCP server gave, which the provider called itself."""
    error = record.get("error")
    value = record.get("output") if error is None else error
    if value is None:
        return None
    part = {
        "type": "tool_call_response",
        "id": get_text(record, "id"),
        "response": value,
        "is_error": error is not None,
    }
    return {"role": "tool", "parts": [part]}
