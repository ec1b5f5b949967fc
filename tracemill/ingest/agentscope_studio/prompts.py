"""Messages as a provider's interface wants them → neutral messages.

AgentScope stores each prompt as its formatter wrote it. Read here: OpenAI (``tool_calls``, role ``tool``), DashScope
(blocks without a type, or one string), Ollama (arguments as an object, ``images``), Anthropic (``tool_use`` and
``tool_result`` blocks), Gemini (``parts``, role ``model``), OpenAI's response items, ``parts`` of OpenTelemetry.
AgentScope 2 writes no provider's shape but its own messages as such parts, a whole reply as one of them, with the
results within it.

A prompt repeats all that was said before it. So each message carries its own losses, which count when the message is
taken, and a mark by which it is known again.

Source: agentscope-ai/agentscope, ``src/agentscope/formatter`` and ``src/agentscope/tracing/_converter.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracemill.ingest.content_parts import Content, read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text, parse_json
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.source import Loss, LossLog
from tracemill.trace import Message, ToolCall

_ROLES = {
    **{"system": "system", "developer": "system", "user": "user", "tool": "tool", "function": "tool"},
    **{"assistant": "assistant", "model": "assistant"},
}
_CALL_TYPES = ("tool_use", "tool_call", "function_call")
_RESULT_TYPES = ("tool_result", "tool_call_response", "function_call_output")
_DATA_TYPES = ("text", "data")
_THOUGHT_TYPES = ("thinking", "reasoning")
#: What AgentScope itself puts into the user role.
_INJECTED_STARTS = (
    "<system-hint>",
    "<system-info>",
    "<system-reminder>",
    "<long_term_memory>",
    "<retrieved_knowledge>",
    "You have failed to generate response within the maximum iterations.",
)
_SUMMARY_START = "<system-info>Here is a summary of your previous work"


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of a prompt; ``message`` is None where nothing could be read. ``name`` is the speaker's."""

    mark: str
    message: Message | None
    name: str = ""
    losses: tuple[Loss, ...] = field(default=())

    @property
    def is_model_side(self) -> bool:
        """Whether only a reply can have brought it about: a model turn or a tool result."""
        return self.message is not None and self.message.role in ("assistant", "tool")

    @property
    def is_summary(self) -> bool:
        """Whether it is AgentScope's summary of what it took out of the memory."""
        return self.message is not None and self.message.text.startswith(_SUMMARY_START)


def read_prompt(items: Sequence[Any], path: str) -> list[PromptMessage]:
    """The messages of a prompt in order."""
    found: list[PromptMessage] = []
    for item in items:
        log = LossLog(path=path)
        messages = list(_read_item(item, log))
        name = get_text(as_record(item), "name") or ""
        losses = tuple(log.losses)
        for number, message in enumerate(messages):
            found.append(PromptMessage(make_mark(message), message, name, losses if number == 0 else ()))
        if not messages and losses:
            found.append(PromptMessage(f"lost:{dump_json(item)}", None, name, losses))
    return found


def read_blocks(blocks: Sequence[Any], turn: ModelTurn, log: LossLog) -> list[Message]:
    """Put text, thoughts and calls of content blocks into a turn; results among them come back as messages."""
    results: list[Message] = []
    for block in blocks:
        record = as_record(block)
        if (called := _find_call(record)) is not None:
            turn.calls.extend(_read_call(called, log))
        elif (result := _read_result(record, log)) is not None:
            results.append(result)
        elif record.get("type") in _THOUGHT_TYPES or record.get("thought") is True:
            turn.add_reasoning(get_text(record, "thinking", "content", "text", "reasoning") or "")
        elif "text" in record and record["text"] is None:
            continue  # DashScope fills an empty message with it
        else:
            content = read_content([_rewrite_block(block)], log)
            turn.parts.extend([{"type": "text", "text": content}] if isinstance(content, str) else content)
    turn.parts = [part for part in turn.parts if part["type"] != "text" or part["text"]]
    return results


def make_mark(message: Message) -> str:
    """What a message is known by when a later prompt repeats it: white space, thoughts and images do not count."""
    if message.role == "tool" and message.tool_call_id:
        return f"tool:{message.tool_call_id}"
    called = ",".join(call.id or call.name for call in message.tool_calls)
    return f"{message.role}:{called}" if called else f"{message.role}:{' '.join(message.words.split())}"


def find_origin(text: str) -> str:
    """``human``, or ``injected`` for what AgentScope itself puts into the user role."""
    return "injected" if text.lstrip().startswith(_INJECTED_STARTS) else "human"


def read_output(value: Any, log: LossLog) -> Content:
    """What a tool gave back: a text, or blocks."""
    value = _load_blocks(value)
    return read_content([_rewrite_block(block) for block in value] if isinstance(value, list) else value, log)


def _read_item(item: Any, log: LossLog) -> Iterator[Message]:
    record = as_record(item)
    if not record:
        log.drop("malformed_record", detail="a prompt message that is no object", content=dump_json(item))
        return
    if record.get("type") in (*_CALL_TYPES, *_RESULT_TYPES):
        yield from _read_response_item(record, log)
        return
    role = _ROLES.get(str(record.get("role")))
    if role is None:
        log.drop("unknown_record_type", detail=f"role {record.get('role')!r}"[:200], content=dump_json(item))
    elif role == "tool" and not isinstance(record.get("parts"), list):
        content = read_content(record.get("content"), log)
        yield Message("tool", content, "tool", tool_call_id=get_text(record, "tool_call_id", "id"))
    else:
        yield from _read_said(role, record, log)


def _read_said(role: str, record: Mapping[str, Any], log: LossLog) -> Iterator[Message]:
    parts, content = record.get("parts"), record.get("content")
    blocks = parts if isinstance(parts, list) else content if isinstance(content, list) else [content or ""]
    *earlier, blocks = _split_turns(blocks) if role == "assistant" else [blocks]
    for group in earlier:
        yield from _read_turn(group, log)
    turn = ModelTurn(line=0)
    turn.add_reasoning(get_text(record, "reasoning_content") or "")
    results = read_blocks(blocks, turn, log)
    for image in as_list(record.get("images")):
        source = {"type": "base64", "data": image, "media_type": "image"}
        results += read_blocks([{"type": "image", "source": source}], turn, log)
    for item in as_list(record.get("tool_calls")):
        turn.calls.extend(_read_call({**as_record(item), **as_record(as_record(item).get("function"))}, log))
    message = turn.to_message()
    if role == "assistant":
        yield from () if turn.is_empty else (message,)
        yield from results
        return
    yield from results
    if role == "system" and message.content:
        yield Message("system", message.content, "injected")
    elif role == "user" and message.content:
        yield Message("user", message.content, "injected" if find_origin(message.text) == "injected" else "human")


def _split_turns(blocks: Sequence[Any]) -> list[list[Any]]:
    """The model turns of one message, each with the results of its calls: AgentScope 2 keeps a reply as one message."""
    groups: list[list[Any]] = [[]]
    is_answered = False
    for block in blocks:
        is_result = _find_result(as_record(block)) is not None
        if is_answered and not is_result:
            groups.append([])
        groups[-1].append(block)
        is_answered = is_result
    return groups


def _read_turn(blocks: Sequence[Any], log: LossLog) -> Iterator[Message]:
    turn = ModelTurn(line=0)
    results = read_blocks(blocks, turn, log)
    if not turn.is_empty:
        yield turn.to_message()
    yield from results


def _read_response_item(record: Mapping[str, Any], log: LossLog) -> Iterator[Message]:
    turn = ModelTurn(line=0)
    yield from read_blocks([record], turn, log)
    if not turn.is_empty:
        yield turn.to_message()


def _find_call(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a block says of a call; None where it is no call."""
    inner = record.get("function_call", record.get("functionCall"))
    if isinstance(inner, dict):
        return as_record(inner)
    return record if record.get("type") in _CALL_TYPES else None


def _read_call(record: Mapping[str, Any], log: LossLog) -> list[ToolCall]:
    """The call, or none where it has no name."""
    name = get_text(record, "name")
    if name is None:
        log.drop("malformed_record", detail="a tool call without a name", content=dump_json(dict(record)))
        return []
    raw = get_text(record, "raw_input")
    given = next((record[key] for key in ("input", "arguments", "args") if record.get(key) is not None), {})
    return [ToolCall(get_text(record, "call_id", "id") or "", name, raw if raw is not None else dump_json(given))]


def _find_result(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a block says of a result; None where it is no result."""
    inner = record.get("function_response", record.get("functionResponse"))
    if isinstance(inner, dict):
        return as_record(inner)
    return record if record.get("type") in _RESULT_TYPES else None


def _read_result(record: Mapping[str, Any], log: LossLog) -> Message | None:
    inner = _find_result(record)
    if inner is None:
        return None
    given = next((inner[key] for key in ("content", "output", "response", "result") if inner.get(key) is not None), "")
    if isinstance(given, dict) and len(given) == 1 and next(iter(given)) in ("output", "result"):
        given = next(iter(given.values()))
    is_error = inner.get("is_error")
    return Message(
        "tool",
        read_output(given, log),
        "tool",
        tool_call_id=get_text(inner, "tool_use_id", "call_id", "id"),
        is_error=is_error if isinstance(is_error, bool) else None,
    )


def _load_blocks(value: Any) -> Any:
    """The blocks of a result that AgentScope 2 wrote as JSON text, each with an id of its own; else the value."""
    loaded = parse_json(value) if isinstance(value, str) and value.startswith("[{") else None
    blocks = [as_record(block) for block in as_list(loaded)]
    return loaded if blocks and all(block.get("type") in _DATA_TYPES and "id" in block for block in blocks) else value


def _rewrite_block(block: Any) -> Any:
    """A block of a provider's own shape as one that ``read_content`` knows."""
    record = as_record(block)
    inline = as_record(record.get("inline_data", record.get("inlineData")))
    kind, content = record.get("type"), record.get("content")
    if inline:
        media_type = get_text(inline, "mime_type", "mimeType")
        return {"type": "image", "source": {"data": inline.get("data"), "media_type": media_type}}
    if kind == "text" and isinstance(content, str) and "text" not in record:
        return {"type": "text", "text": content}
    source = as_record(record.get("source"))
    if kind == "data" and str(source.get("media_type")).startswith("image/"):
        return {"type": "image", "source": source}
    if kind is None and isinstance(record.get("image"), str):
        return {"type": "image_url", "image_url": record["image"]}
    if kind == "blob" and record.get("modality") == "image":
        return {"type": "image", "source": {"data": content, "media_type": record.get("media_type")}}
    if kind == "uri" and record.get("modality") == "image":
        return {"type": "image_url", "image_url": record.get("uri")}
    return block
