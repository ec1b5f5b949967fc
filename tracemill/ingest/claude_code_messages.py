"""The rows of one Claude Code conversation → its messages: one turn a model answer, results after their calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tracemill.ingest.claude_code_rows import ClaudeRow
from tracemill.ingest.content_parts import Content, fold_parts, read_content
from tracemill.ingest.injected import split_user_text
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_int, get_text
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import SELF, Message, Origin, ToolCall

# tuples: a type that is no string cannot be looked up in a set
_CALL_BLOCKS = ("tool_use", "server_tool_use", "mcp_tool_use")
#: Blocks whose text the provider withholds, or that only keep books.
_SILENT_BLOCKS = ("redacted_thinking", "fallback")


@dataclass(slots=True)
class _Said:
    """A message that is no model turn, before it has its place; ``kept`` as in ``ClaudeConversation.preserved``."""

    message: Message
    line: int
    kept: tuple[str, str] | None = None


@dataclass(slots=True)
class ClaudeConversation:
    """Collects the messages of one conversation, row by row.

    ``preserved`` names, by the id of a compaction's boundary row, the first and last row that stayed in the context.
    """

    log: LossLog
    is_sidechain: bool
    preserved: dict[str, tuple[str, str]]
    _entries: list[ModelTurn | _Said] = field(default_factory=list[ModelTurn | _Said])
    _turns: dict[str, ModelTurn] = field(default_factory=dict[str, ModelTurn])
    _starts: dict[str, int] = field(default_factory=dict[str, int])
    _has_task: bool = False

    def add_system(self, text: str) -> None:
        self._entries.append(_Said(Message(role="system", content=text, origin="injected"), 0))

    def add_row(self, row: ClaudeRow) -> None:
        """Take in the next row of the live conversation."""
        if row.lost is not None:
            self.log.drop(row.lost, row.line, content=dump_json(row.content))
            return
        if row.uuid is not None:
            self._starts.setdefault(row.uuid, len(self._entries))
        if row.kind == "assistant":
            self._add_assistant(row)
        elif row.is_compaction:
            message = _make_user_message(fold_parts(self._read_parts(row)), row, "compaction")
            self._entries.append(_Said(message, row.line, self.preserved.get(row.parent or "")))
        else:
            self._add_user(row)

    def build(self) -> tuple[Message, ...]:
        """The messages in the order that a trace promises."""
        transcript = Transcript()
        numbers: list[int] = []
        for entry in self._entries:
            numbers.append(len(transcript.entries))
            if isinstance(entry, ModelTurn):
                if not entry.is_empty:
                    transcript.add(entry.to_message(), entry.line)
            else:
                transcript.add(self._place_context(entry, numbers, transcript), entry.line)
        return transcript.build(self.log)[0]

    def _place_context(self, said: _Said, numbers: Sequence[int], transcript: Transcript) -> Message:
        if said.kept is None:
            return said.message
        first, last = (self._starts.get(uuid) for uuid in said.kept)
        if first is None or last is None or not first <= last < len(numbers) - 1:
            return said.message
        system = [number for number, (message, _) in enumerate(transcript.entries) if message.role == "system"]
        context = (*system, SELF, *range(numbers[first], numbers[last + 1]))
        return Message(
            role="user",
            content=said.message.content,
            origin="compaction",
            timestamp=said.message.timestamp,
            context=tuple(dict.fromkeys(context)),
        )

    def _add_assistant(self, row: ClaudeRow) -> None:
        turn = self._find_turn(row)
        content = row.content
        if isinstance(content, str):
            turn.add_text(content)
            return
        for place, block in enumerate(as_list(content)):
            kind = block.get("type")
            if kind == "text":
                turn.add_text(get_text(block, "text") or "")
            elif kind == "thinking":
                turn.add_reasoning(get_text(block, "thinking") or "")
            elif kind in _CALL_BLOCKS:
                call_id = get_text(block, "id") or f"{row.uuid or f'line-{row.line}'}:{place}"
                arguments = dump_json(block["input"]) if "input" in block else "{}"
                turn.calls.append(ToolCall(call_id, get_text(block, "name") or "unknown", arguments))
            elif isinstance(kind, str) and kind.endswith("_tool_result"):
                self._add_result(block, row)
            elif kind not in _SILENT_BLOCKS:
                turn.parts.extend(_as_parts(read_content([_as_image(block)], self.log, row.line)))

    def _find_turn(self, row: ClaudeRow) -> ModelTurn:
        """The turn of the row's API message; its rows need not stand together."""
        message = row.message
        message_id = get_text(message, "id")
        turn = self._turns.get(message_id) if message_id else None
        if turn is None:
            turn = ModelTurn(row.line, row.timestamp)
            self._entries.append(turn)
            if message_id:
                self._turns[message_id] = turn
        turn.model = turn.model or get_text(message, "model")
        turn.stop_reason = get_text(message, "stop_reason") or turn.stop_reason
        turn.usage = _read_usage(message.get("usage")) or turn.usage
        return turn

    def _add_user(self, row: ClaudeRow) -> None:
        for block in as_list(row.content):
            if block.get("type") == "tool_result":
                self._add_result(block, row)
        is_task = self.is_sidechain and not self._has_task and not row.has_block("tool_result")
        human: list[dict[str, Any]] = []
        injected: list[dict[str, Any]] = []
        for part in self._read_parts(row):
            if row.is_injected and not is_task:
                injected.append(part)
            elif part["type"] != "text":
                human.append(part)
            else:
                split = split_user_text(part["text"])
                _append_text(human, split.human)
                _append_text(injected, split.injected)
        if injected:
            self._entries.append(_Said(_make_user_message(fold_parts(injected), row, "injected"), row.line))
        if human:
            self._has_task = True
            if row.kind == "user":
                self._turns.clear()  # no answer goes on beyond what a person said: an id seen again is another turn
            self._entries.append(_Said(_make_user_message(fold_parts(human), row, "human"), row.line))

    def _read_parts(self, row: ClaudeRow) -> list[dict[str, Any]]:
        if isinstance(row.content, str):
            return _as_parts(row.content)
        parts: list[dict[str, Any]] = []
        for block in as_list(row.content):
            kind = block.get("type")
            if kind == "text" and isinstance(text := block.get("text"), str):
                _append_text(parts, text)
            elif kind != "tool_result":
                parts.extend(_as_parts(read_content([_as_image(block)], self.log, row.line)))
        return parts

    def _add_result(self, block: dict[str, Any], row: ClaudeRow) -> None:
        content: Any = block.get("content")
        if content is None:
            content = get_text(block, "text") or ""
        if isinstance(content, list):
            content = [_show_block(as_record(part)) if isinstance(part, dict) else part for part in as_list(content)]
        message = Message(
            role="tool",
            content=read_content(content, self.log, row.line),
            origin="tool",
            tool_call_id=get_text(block, "tool_use_id"),
            is_error=block.get("is_error") is True,
            timestamp=row.timestamp,
        )
        self._entries.append(_Said(message, row.line))


def _make_user_message(content: Content, row: ClaudeRow, origin: Origin) -> Message:
    return Message(role="user", content=content, origin=origin, timestamp=row.timestamp)


def _append_text(parts: list[dict[str, Any]], text: str) -> None:
    if text and not text.isspace():
        parts.append({"type": "text", "text": text})


def _as_parts(content: Content) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    return list(content)


def _as_image(block: dict[str, Any]) -> dict[str, Any]:
    """A document becomes a placeholder too, as an image does: its bytes do not travel; one of plain text is text."""
    if block.get("type") != "document":
        return block
    source = as_record(block.get("source"))
    data = source.get("data")
    if source.get("type") == "text" and isinstance(data, str):
        return {"type": "text", "text": data}
    return {"type": "image", "source": source}


def _show_block(block: dict[str, Any]) -> dict[str, Any]:
    """A block of a tool's result; a found tool or page is told by its name."""
    if block.get("type") == "tool_reference":
        return {"type": "text", "text": get_text(block, "tool_name") or ""}
    if block.get("type") in ("web_search_result", "search_result"):
        return {"type": "text", "text": "\n".join(text for key in ("title", "url") if (text := get_text(block, key)))}
    return _as_image(block)


def _read_usage(value: Any) -> dict[str, int] | None:
    """Tokens of one answer; what was read from or written to the cache was read by the model, and counts as input."""
    usage = as_record(value)
    if not usage:
        return None
    counted: dict[str, int] = {}
    read = get_int(usage, "input_tokens")
    if read is not None:
        written = get_int(usage, "cache_creation_input_tokens") or 0
        counted["input_tokens"] = read + written + (get_int(usage, "cache_read_input_tokens") or 0)
    output = get_int(usage, "output_tokens")
    if output is not None:
        counted["output_tokens"] = output
    return counted or None
