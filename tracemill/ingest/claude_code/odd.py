"""Any JSON object → the structs of ``claude_code_shape``: for the lines that their decoder refuses.

A field of another type than it should have counts as absent; a block of an unknown type or shape is kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracemill.ingest.claude_code.shape import (
    BOOKKEEPING,
    Attachment,
    Block,
    CallBlock,
    ClaudeRow,
    HostedResultBlock,
    Lost,
    OtherBlock,
    ResultBlock,
    TextBlock,
    ThinkingBlock,
    Usage,
    Words,
)
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_int
from tracemill.ingest.lines import Row

# tuples: a type that is no string cannot be looked up in a set
_CALL_TYPES = ("tool_use", "server_tool_use", "mcp_tool_use")


def convert_row(row: Row) -> ClaudeRow:
    """The row as the decoder would have made it; what is no row of a transcript has a reason under ``lost``."""
    value = row.value
    kind = value.get("type")
    found = ClaudeRow(
        type=kind if isinstance(kind, str) else None,
        uuid=_get_string(value, "uuid"),
        parent=_get_string(value, "parentUuid"),
        logical_parent=_get_string(value, "logicalParentUuid"),
        session_id=_get_string(value, "sessionId"),
        other_session_id=_get_string(value, "session_id"),
        agent_id=_get_string(value, "agentId"),
        is_sidechain=value.get("isSidechain") is True,
        timestamp=_get_string(value, "timestamp"),
        cwd=_get_string(value, "cwd"),
        git_branch=_get_string(value, "gitBranch"),
        version=_get_string(value, "version"),
        is_meta=bool(value.get("isMeta")),
        is_summary=bool(value.get("isCompactSummary")),
        is_api_error=value.get("isApiErrorMessage") is True,
        origin=as_record(value.get("origin")),
        supersedes=as_list(value.get("supersedesUuids")),
        compaction=as_record(value.get("compactMetadata")),
        attachment=_convert_attachment(value.get("attachment")),
        summary=_get_string(value, "summary"),
        leaf=_get_string(value, "leafUuid"),
        custom_title=_get_string(value, "customTitle"),
        ai_title=_get_string(value, "aiTitle"),
        line=row.line,
    )
    if kind in ("user", "assistant"):
        message = as_record(value.get("message"))
        if (content := convert_content(message.get("content"), is_model=kind == "assistant")) is not None:
            found.words = _convert_words(message, content)
            _take_sent_inputs(content, as_record(value.get("wireToolInputs")))
        else:
            found.lost = Lost("malformed_record", "the message has no readable content", dump_json(value)[:2000])
    elif found.type not in BOOKKEEPING:
        found.lost = Lost("unknown_record_type", f"type {kind!r}"[:200], dump_json(value)[:2000])
    return found


def convert_content(value: Any, *, is_model: bool) -> str | list[Block] | None:
    """Text or blocks, or None where the value is neither."""
    if isinstance(value, str):
        return value
    blocks = as_list(value)
    if not isinstance(value, list) or not all(isinstance(block, dict) for block in blocks):
        return None
    return [_convert_block(block, is_model=is_model) for block in blocks]


def _convert_block(block: dict[str, Any], *, is_model: bool) -> Block:
    kind = block.get("type")
    if kind == "text" and (text := _get_string(block, "text")) is not None:
        return TextBlock(text)
    if kind == "thinking" and (text := _get_string(block, "thinking")) is not None:
        return ThinkingBlock(text)
    if is_model and kind in _CALL_TYPES:
        arguments = dump_json(block["input"]) if "input" in block else "{}"
        return CallBlock(_get_string(block, "id"), _get_string(block, "name"), arguments=arguments)
    if kind == "tool_result" and not is_model:
        return _convert_result(block)
    if is_model and isinstance(kind, str) and kind.endswith("_tool_result"):
        return HostedResultBlock(_convert_result(block))
    return OtherBlock(block)


def _take_sent_inputs(content: str | list[Block], sent: dict[str, Any]) -> None:
    """Give calls the arguments that the model sent, where the row keeps them beside those that were run."""
    for block in content if sent and isinstance(content, list) else ():
        if isinstance(block, CallBlock) and block.id is not None and block.id in sent:
            block.arguments = dump_json(sent[block.id])


def _convert_result(block: dict[str, Any]) -> ResultBlock:
    return ResultBlock(
        tool_use_id=_get_string(block, "tool_use_id"),
        content=block.get("content"),
        is_error=block.get("is_error") is True,
        text=_get_string(block, "text"),
    )


def _convert_words(message: dict[str, Any], content: str | list[Block]) -> Words:
    usage = as_record(message.get("usage"))
    return Words(
        content=content,
        id=_get_string(message, "id"),
        model=_get_string(message, "model"),
        stop_reason=_get_string(message, "stop_reason"),
        usage=Usage(
            input_tokens=get_int(usage, "input_tokens"),
            output_tokens=get_int(usage, "output_tokens"),
            cache_creation_input_tokens=get_int(usage, "cache_creation_input_tokens"),
            cache_read_input_tokens=get_int(usage, "cache_read_input_tokens"),
        ),
    )


def _convert_attachment(value: Any) -> Attachment | None:
    if not isinstance(value, dict):
        return None
    record = as_record(value)
    return Attachment(
        type=_get_string(record, "type"),
        prompt=record.get("prompt"),
        command_mode=record.get("commandMode"),
        origin=record.get("origin"),
        is_meta=record.get("isMeta"),
        system_prompt=record.get("systemPrompt"),
        tools=record.get("tools"),
    )


def _get_string(record: Mapping[str, Any], key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) else None
