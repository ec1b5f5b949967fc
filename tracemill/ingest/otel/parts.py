"""One item of a prompt or an output → messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracemill.ingest.content_parts import Content, fold_parts, join_contents, read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_bool, get_text
from tracemill.ingest.otel.compaction import KIND
from tracemill.ingest.otel.values import load_json
from tracemill.ingest.source import LossLog
from tracemill.trace import Message, ToolCall

_MODEL_ROLES = ("assistant", "model", "ai", "agent")
_SYSTEM_ROLES = ("system", "developer")
_TEXTS = ("text", "input_text", "output_text")
_REASONING = ("reasoning", "thinking")
_CALLS = ("tool_call", "server_tool_call", "tool_use")
_RESULTS = ("tool_call_response", "server_tool_call_response", "tool_result")
_BINARY = ("blob", "uri", "file", "file_data")


@dataclass(slots=True)
class _Said:
    """The parts of one item, sorted; ``summaries`` are those of what was said before."""

    parts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    reasoning: list[str] = field(default_factory=list[str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    results: list[Message] = field(default_factory=list[Message])
    summaries: list[str] = field(default_factory=list[str])

    @property
    def is_summary(self) -> bool:
        """Whether it holds nothing but summaries."""
        return bool(self.summaries) and not (self.parts or self.reasoning or self.calls or self.results)


def convert_item(item: Any, log: LossLog, line: int, time: str | None) -> Sequence[Message]:
    """The messages of an item: summaries, results, then what the role said; none (logged) where it is no message."""
    record = as_record(item)
    role = record.get("role")
    if not isinstance(role, str):
        log.drop("malformed_record", line, "a message without a role", dump_json(item))
        return ()
    said = _sort_parts(record, log, line)
    words = () if said.is_summary else _convert_words(role.lower(), record, said, time)
    if words is None:
        log.drop("unknown_record_type", line, f"a message of role {role.lower()!r}"[:200], dump_json(item))
        words = ()
    if not said.summaries:
        return words
    return (*(Message("user", text, "compaction", timestamp=time) for text in said.summaries), *words)


def _convert_words(role: str, record: Mapping[str, Any], said: _Said, time: str | None) -> Sequence[Message] | None:
    """What a role said and the results beside it; None where the role is none that is known."""
    content = fold_parts(said.parts) if said.parts else ""
    if role in _MODEL_ROLES:
        reasoning = "\n\n".join(said.reasoning) or get_text(record, "reasoning_content")
        reason = get_text(record, "finish_reason", "finishReason")
        calls = tuple(said.calls)
        turn = Message("assistant", content, "model", reasoning, calls, timestamp=time, stop_reason=reason)
        return (turn, *said.results)
    if role in ("tool", "function") and not said.results:
        call_id = get_text(record, "tool_call_id", "id")
        return (Message("tool", content, "tool", tool_call_id=call_id, timestamp=time),)
    if role in _SYSTEM_ROLES:
        return (Message("system", content, "injected", timestamp=time),) if content else ()
    if role in ("user", "human", "tool", "function"):
        words = (Message("user", content, "human", timestamp=time),) if content else ()
        return (*said.results, *words)
    return None


def read_result(value: Any, log: LossLog, line: int) -> Content:
    """What a tool gave: text, content blocks, or JSON."""
    blocks = as_list(value)
    if blocks and all(isinstance(as_record(block).get("type"), str) for block in blocks):
        return read_content(blocks, log, line)
    return "" if value is None else dump_json(value)


def _sort_parts(record: Mapping[str, Any], log: LossLog, line: int) -> _Said:
    said = _Said()
    parts = record.get("parts")
    if isinstance(parts, list):
        for part in as_list(parts):
            _sort_part(part, said, log, line)
    else:
        content = record.get("content")
        for part in as_list(content) if isinstance(content, list) else [] if content is None else [content]:
            _sort_part(part, said, log, line)
    called = as_record(record.get("function_call"))
    for call in [*as_list(load_json(record.get("tool_calls"))), *([called] if called else [])]:
        fields = as_record(call)
        function = as_record(fields.get("function")) or fields
        _add_call({**function, "id": fields.get("id")}, said, log, line)
    return said


def _sort_part(part: Any, said: _Said, log: LossLog, line: int) -> None:
    record = as_record(part)
    kind = record.get("type")
    text = get_text(record, "content", "text", "thinking")
    if isinstance(part, str):
        said.parts.append({"type": "text", "text": part})
    elif kind in _TEXTS:
        if text is not None:
            said.parts.append({"type": "text", "text": text})
    elif kind in _REASONING:
        said.reasoning.extend([text] if text is not None else [])
    elif kind == KIND:
        said.summaries.append(text or "")
    elif kind in _CALLS:
        _add_call(record, said, log, line)
    elif kind in _RESULTS:
        given = (record.get(key) for key in ("response", "result", "server_tool_call_response", "content"))
        content = read_result(next((value for value in given if value is not None), None), log, line)
        call_id = get_text(record, "id", "tool_call_id", "tool_use_id")
        said.results.append(Message("tool", content, "tool", None, (), call_id, get_bool(record, "is_error")))
    elif kind in _BINARY and (block := _describe_image(record)) is not None:
        said.parts.append(block)
    elif kind is None and ("toolUse" in record or "toolResult" in record):
        _sort_bedrock_part(record, said, log, line)
    elif not record:
        log.drop("malformed_record", line, "a part that is no object", dump_json(part))
    else:
        content = join_contents([read_content([part], log, line)])
        said.parts.extend([{"type": "text", "text": content}] if isinstance(content, str) and content else [])
        said.parts.extend(() if isinstance(content, str) else content)


def _sort_bedrock_part(record: Mapping[str, Any], said: _Said, log: LossLog, line: int) -> None:
    """A call or a result as the Converse API of Bedrock writes it."""
    used, given = as_record(record.get("toolUse")), as_record(record.get("toolResult"))
    if not given:
        _add_call({**used, "id": used.get("toolUseId")}, said, log, line)
        return
    content = read_content(given.get("content"), log, line)
    failed = True if given.get("status") == "error" else None
    said.results.append(Message("tool", content, "tool", None, (), get_text(given, "toolUseId"), failed))


def _add_call(record: Mapping[str, Any], said: _Said, log: LossLog, line: int) -> None:
    name = get_text(record, "name")
    if name is None:
        log.drop("malformed_record", line, "a tool call without a name", dump_json(dict(record)))
        return
    given = next(
        (record[key] for key in ("arguments", "input", "args", "server_tool_call") if record.get(key) is not None), None
    )
    said.calls.append(ToolCall(get_text(record, "id") or "", name, "{}" if given is None else dump_json(given)))


def _describe_image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """The placeholder of an image; None for sound, video and files of unknown kind."""
    media_type = get_text(part, "mime_type", "mimeType")
    if part.get("modality") != "image" and not (media_type or "").startswith("image/"):
        return None
    data, link = get_text(part, "content", "data"), get_text(part, "uri", "file_id")
    size = len(data.rstrip("=\r\n ")) * 3 // 4 if data is not None and part.get("type") == "blob" else 0
    block: dict[str, Any] = {"type": "image", "media_type": media_type or "unknown", "size_bytes": size}
    return block if link is None else {**block, "url": link}
