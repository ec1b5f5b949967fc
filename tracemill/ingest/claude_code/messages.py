"""The rows of one Claude Code conversation → its messages: one turn a model answer, results after their calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tracemill.ingest.claude_code.parts import append_text, as_image, as_parts, as_text, show_part
from tracemill.ingest.claude_code.shape import (
    Block,
    CallBlock,
    ClaudeRow,
    HostedResultBlock,
    OtherBlock,
    Preserved,
    ResultBlock,
    TextBlock,
    ThinkingBlock,
    Usage,
    WithheldBlock,
    Words,
    show_block,
    show_content,
)
from tracemill.ingest.content_parts import Content, fold_parts, read_content
from tracemill.ingest.injected import SplitText, split_user_text
from tracemill.ingest.json_fields import as_list
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import SELF, Message, Origin, ToolCall

#: Blocks whose text the provider withholds, or that only keep books; those of odd shape say nothing either.
_SILENT_TYPES = ("redacted_thinking", "fallback", "text", "thinking")


class _Turn(msgspec.Struct, gc=False):
    """One model turn while it is put together from its rows; ``number`` is its place among the entries."""

    number: int
    timestamp: str | None
    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    parts: list[str | dict[str, Any]] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []


class ClaudeConversation:
    """Collects the messages of one conversation, row by row.

    ``preserved`` tells, by the id of a compaction's boundary row, which rows stayed in the context.
    """

    def __init__(self, log: LossLog, *, is_sidechain: bool, preserved: dict[str, Preserved]) -> None:
        self._log = log
        self._is_sidechain = is_sidechain
        self._preserved = preserved
        self._entries: list[tuple[Message | _Turn, int]] = []
        self._turns: dict[str, _Turn] = {}
        self._places: dict[str, int] = {}
        self._kept: dict[int, Preserved] = {}
        self._has_task = False

    def add_system(self, text: str) -> None:
        self._entries.append((Message(role="system", content=text, origin="injected"), 0))

    def add_rows(self, rows: Sequence[ClaudeRow]) -> None:
        """Take in the rows of the live conversation."""
        has_preserved = bool(self._preserved)
        for row in rows:
            words = row.words
            if words is None:
                continue
            if row.lost is not None:
                self._log.drop(row.lost.reason, row.line, content=show_content(words.content))
            elif row.type == "assistant":
                turn = self._find_turn(row, words)
                if has_preserved and row.uuid is not None:
                    self._places.setdefault(row.uuid, turn.number)
                self._add_blocks(turn, row, words.content)
            else:
                if has_preserved and row.uuid is not None:
                    self._places.setdefault(row.uuid, len(self._entries))
                if row.is_compaction:
                    self._add_compaction(row, words)
                else:
                    self._add_user(row, words)

    def build(self) -> tuple[Message, ...]:
        """The messages in the order that a trace promises."""
        transcript = Transcript()
        add = transcript.entries.append
        has_kept = bool(self._kept)
        numbers: list[int] = []
        for number, (entry, line) in enumerate(self._entries):
            if has_kept:
                numbers.append(len(transcript.entries))
            if isinstance(entry, _Turn):
                if entry.parts or entry.reasoning or entry.calls:
                    add((_finish_turn(entry), line))
            elif has_kept and (kept := self._kept.get(number)):
                add((self._place_context(entry, kept, numbers, transcript), line))
            else:
                add((entry, line))
        return transcript.build_messages(self._log)

    def _place_context(
        self, message: Message, kept: Preserved, numbers: Sequence[int], transcript: Transcript
    ) -> Message:
        """The compaction with its new context: from the first to the last row that the source says was kept."""
        ends = [self._places.get(uuid) for uuid in kept.ends]
        places = [place for place in ends if place is not None]
        if len(places) < 2:
            places = sorted(place for uuid in kept.uuids if (place := self._places.get(uuid)) is not None)
        if not places or not places[0] <= places[-1] < len(numbers) - 1:
            return message
        system = [number for number, (entry, _) in enumerate(transcript.entries) if entry.role == "system"]
        context = (*system, SELF, *range(numbers[places[0]], numbers[places[-1] + 1]))
        return replace(message, context=tuple(dict.fromkeys(context)))

    def _find_turn(self, row: ClaudeRow, words: Words) -> _Turn:
        """The turn of the row's API message; its rows need not stand together."""
        message_id = words.id
        turn = self._turns.get(message_id) if message_id else None
        if turn is None:
            turn = _Turn(len(self._entries), row.timestamp)
            self._entries.append((turn, row.line))
            if message_id and not message_id.isspace():
                self._turns[message_id] = turn
        if turn.model is None:
            turn.model = as_text(words.model)
        if words.stop_reason is not None:
            turn.stop_reason = as_text(words.stop_reason) or turn.stop_reason
        usage = words.usage
        if usage is not None and (usage.input_tokens is not None or usage.output_tokens is not None):
            turn.usage = usage
        return turn

    def _add_blocks(self, turn: _Turn, row: ClaudeRow, content: str | Sequence[Block]) -> None:
        if isinstance(content, str):
            if content:
                turn.parts.append(content)
            return
        for place, block in enumerate(content):
            if type(block) is CallBlock:
                call_id, name = block.id, block.name
                if not call_id or call_id.isspace():
                    call_id = f"{row.uuid or f'line-{row.line}'}:{place}"
                if not name or name.isspace():
                    name = "unknown"
                turn.calls.append(ToolCall(call_id, name, block.arguments))
            elif type(block) is TextBlock:
                if block.text and not block.text.isspace():
                    turn.parts.append(block.text)
            elif type(block) is ThinkingBlock:
                if block.thinking and not block.thinking.isspace():
                    turn.reasoning.append(block.thinking)
            elif isinstance(block, HostedResultBlock):
                self._add_result(block.result, row)
            elif not _is_silent(block):
                turn.parts.extend(self._read_other(block, row.line))

    def _read_other(self, block: Block, line: int) -> list[dict[str, Any]]:
        return as_parts(read_content([as_image(show_block(block))], self._log, line))

    def _add_compaction(self, row: ClaudeRow, words: Words) -> None:
        if (kept := self._preserved.get(row.parent or "")) is not None:
            self._kept[len(self._entries)] = kept
        content = fold_parts(self._read_parts(words, row.line))
        self._entries.append((_make_user_message(content, row, "compaction"), row.line))

    def _add_user(self, row: ClaudeRow, words: Words) -> None:
        content = words.content
        has_result, has_more = False, True
        if not isinstance(content, str):
            has_more = False
            for block in content:
                if type(block) is ResultBlock:
                    has_result = True
                    self._add_result(block, row)
                else:
                    has_more = True
        if not has_more:
            return
        is_task = self._is_sidechain and not self._has_task and not has_result
        is_injected = row.is_injected and not is_task
        if isinstance(content, str):
            if content and not content.isspace():
                split = SplitText("", content) if is_injected else split_user_text(content)
                self._add_words(row, split.human, split.injected)
            return
        human: list[dict[str, Any]] = []
        injected: list[dict[str, Any]] = []
        for part in self._read_parts(words, row.line):
            if is_injected:
                injected.append(part)
            elif part["type"] != "text":
                human.append(part)
            else:
                split = split_user_text(part["text"])
                append_text(human, split.human)
                append_text(injected, split.injected)
        self._add_words(row, fold_parts(human), fold_parts(injected))

    def _add_words(self, row: ClaudeRow, human: Content, injected: Content) -> None:
        """What stands in a row of the user; what is blank is no message."""
        if injected and not (isinstance(injected, str) and injected.isspace()):
            self._entries.append((_make_user_message(injected, row, "injected"), row.line))
        if human and not (isinstance(human, str) and human.isspace()):
            self._has_task = True
            if row.type == "user":
                self._turns.clear()  # no answer goes on beyond what a person said: an id seen again is another turn
            self._entries.append((_make_user_message(human, row, "human"), row.line))

    def _read_parts(self, words: Words, line: int) -> list[dict[str, Any]]:
        if isinstance(words.content, str):
            return as_parts(words.content)
        parts: list[dict[str, Any]] = []
        for block in words.content:
            if isinstance(block, TextBlock):
                append_text(parts, block.text)
            elif not isinstance(block, ResultBlock):
                parts.extend(self._read_other(block, line))
        return parts

    def _add_result(self, block: ResultBlock, row: ClaudeRow) -> None:
        content: Any = block.content
        if not isinstance(content, str):
            if content is None:
                content = as_text(block.text) or ""
            elif isinstance(content, list):
                content = [show_part(part) for part in as_list(content)]
            content = read_content(content, self._log, row.line)
        call_id, is_error = as_text(block.tool_use_id), block.is_error is True
        message = Message("tool", content, "tool", None, (), call_id, is_error, row.timestamp)
        self._entries.append((message, row.line))


def _finish_turn(turn: _Turn) -> Message:
    parts = turn.parts
    content: Content
    if not parts:
        content = ""
    elif len(parts) == 1 and isinstance(parts[0], str):
        content = parts[0]
    else:
        content = fold_parts([{"type": "text", "text": part} if isinstance(part, str) else part for part in parts])
    reasoning = "\n\n".join(turn.reasoning) if turn.reasoning else None
    usage = None if turn.usage is None else turn.usage.count()
    calls, time, model, stop_reason = tuple(turn.calls), turn.timestamp, turn.model, turn.stop_reason
    return Message("assistant", content, "model", reasoning, calls, None, None, time, model, stop_reason, usage)


def _is_silent(block: Block) -> bool:
    if isinstance(block, OtherBlock):
        return block.value.get("type") in _SILENT_TYPES
    return isinstance(block, WithheldBlock)


def _make_user_message(content: Content, row: ClaudeRow, origin: Origin) -> Message:
    return Message("user", content, origin, None, (), None, None, row.timestamp)
