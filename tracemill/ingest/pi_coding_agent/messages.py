"""The entries on the path of a Pi session → messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tracemill.ingest.content_parts import Content, read_content
from tracemill.ingest.json_fields import (
    as_list,
    as_record,
    dump_json,
    format_time,
    get_bool,
    get_int,
    get_text,
    read_tool_definitions,
)
from tracemill.ingest.pi_coding_agent.rows import Call, Entry, Said, Text, Thinking, Usage, load_row
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import SELF, Message, ToolCall

_PLAIN_TYPES = frozenset({str, int, bool, type(None)})
_encode = msgspec.json.Encoder().encode


class EntryReader:
    """Reads the entries of one session in order; afterwards ``describe`` tells what is no message."""

    def __init__(self, log: LossLog) -> None:
        self.log = log
        self.transcript = Transcript()
        self.aborted_requests = 0
        self.dates: set[str] = set()
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.tools: tuple[dict[str, Any], ...] = ()

    def read(self, entries: Sequence[Entry]) -> tuple[Message, ...]:
        told = self.transcript.entries
        compactions: set[int] = set()
        numbers: list[tuple[int, int]] | None = None
        if "compaction" in [entry.type for entry in entries]:
            numbers = []
        for entry in entries:
            said = entry.message
            message = self._read_said(entry, said) if said is not None else self._read_entry(entry)
            if message is None:
                continue
            if numbers is not None:
                if message.origin == "compaction":
                    first = entry.first_kept
                    kept = [] if first is None else [at for n, at in numbers if n >= first and n not in compactions]
                    message = replace(message, context=(SELF, *kept))
                    compactions.add(entry.number)
                numbers.append((entry.number, len(told)))
            told.append((message, entry.line))
        return self.transcript.build_messages(self.log)

    def _read_said(self, entry: Entry, said: Said) -> Message | None:
        """A message whose fields have the types that they should have."""
        if entry.type != "message":
            return self._read_entry(entry)
        stamp = entry.timestamp
        if type(stamp) is not str or stamp[:10] not in self.dates or stamp[-1] != "Z":
            stamp = self._read_time(stamp) or format_time(said.timestamp)
        role = said.role
        if role == "assistant":
            return self._read_typed_turn(entry, said, stamp)
        if role not in ("toolResult", "user"):
            return self._read_entry(entry)
        content = said.content
        if type(content) is list and len(content) == 1 and type(content[0]) is Text:
            content = content[0].text
        elif type(content) is not str:
            content = read_content(load_row(entry)["message"].get("content"), self.log, entry.line)
        if role == "user":
            return Message("user", content, "human", None, (), None, None, stamp)
        call_id = said.toolCallId
        call_id = call_id if call_id and not call_id.isspace() else None
        return Message("tool", content, "tool", None, (), call_id, said.isError, stamp)

    def _read_time(self, stamp: Any) -> str | None:
        """A time, its date kept in mind: most rows of a session are of one day."""
        time = format_time(stamp)
        if time is not None and time == stamp:
            self.dates.add(time[:10])
        return time

    def _read_typed_turn(self, entry: Entry, said: Said, time: str | None) -> Message | None:
        told, thought = "", ""
        texts: list[str] | None = None
        calls: list[ToolCall] = []
        content = said.content
        for place, block in enumerate([Text(content)] if type(content) is str and content else content or ()):
            if type(block) is Call and (name := block.name) and not name.isspace():
                arguments, call_id = block.arguments, block.id
                call_id = call_id if call_id and not call_id.isspace() else _name_call(entry, place)
                calls.append(ToolCall(call_id, name, "{}" if arguments is None else _write_arguments(arguments)))
            elif type(block) is Text:
                if texts is None:
                    told, texts = block.text, [block.text]
                else:
                    texts.append(block.text)
            elif type(block) is Thinking:
                if block.thinking and not block.thinking.isspace():
                    thought = f"{thought}\n\n{block.thinking}" if thought else block.thinking
            else:
                return self._read_entry(entry)
        if texts is not None and len(texts) > 1:
            told = "\n\n".join(text for text in texts if text.strip())
        model, reason = said.model, said.stopReason
        if not (told or thought or calls):
            if reason != "aborted":
                return self._read_entry(entry)
            self.aborted_requests += 1
            return None
        usage = self._count_usage(said.usage) if said.usage is not None else None
        model = model if model and not model.isspace() else None
        reason = reason if reason and not reason.isspace() else None
        return Message(
            "assistant", told, "model", thought or None, tuple(calls), None, None, time, model, reason, usage
        )

    def _count_usage(self, usage: Usage) -> dict[str, int] | None:
        """Input is the whole prompt: what was sent, what a cache held and what a cache took."""
        counts: dict[str, int] = {}
        if usage.input is not None:
            counts["input_tokens"] = count = usage.input + (usage.cacheRead or 0) + (usage.cacheWrite or 0)
            self.input_tokens = count if self.input_tokens is None else self.input_tokens + count
        if usage.output is not None:
            counts["output_tokens"] = count = usage.output
            self.output_tokens = count if self.output_tokens is None else self.output_tokens + count
        return counts or None

    def describe(self) -> dict[str, Any]:
        return {"aborted_requests": self.aborted_requests} if self.aborted_requests else {}

    def _read_entry(self, entry: Entry) -> Message | None:
        record = load_row(entry)
        time = format_time(record.get("timestamp"))
        if entry.type == "message":
            return self._read_message(entry, time)
        if entry.type == "custom_message":
            return self._inject(entry, read_content(record.get("content"), self.log, entry.line), time)
        summary = get_text(record, "summary")
        if summary is None:
            return self._refuse(entry, "no summary")
        return Message("user", summary, "compaction" if entry.type == "compaction" else "injected", timestamp=time)

    def _read_message(self, entry: Entry, time: str | None) -> Message | None:
        record = load_row(entry).get("message")
        message = as_record(record)
        role = message.get("role")
        time = time or format_time(message.get("timestamp"))
        if not isinstance(role, str):
            return self._refuse(entry, "no message with a role")
        content = message.get("content")
        if role == "assistant":
            return self._read_turn(entry, message, time)
        if role == "user":
            return Message("user", read_content(content, self.log, entry.line), "human", timestamp=time)
        if role == "toolResult":
            return self._read_result(entry, message, time)
        if role == "bashExecution":
            return self._inject(entry, _render_command(message), time)
        if role == "system":
            self.tools += read_tool_definitions(message.get("toolsAdded"))
            return Message("system", read_content(content, self.log, entry.line), "injected", timestamp=time)
        if role in ("custom", "hookMessage"):
            return self._inject(entry, read_content(content, self.log, entry.line), time)
        if role in ("branchSummary", "compactionSummary"):
            return self._inject(entry, get_text(message, "summary") or "", time)
        self.log.drop("unknown_record_type", entry.line, f"role {role}"[:200], dump_json(message))
        return None

    def _read_turn(self, entry: Entry, message: Mapping[str, Any], time: str | None) -> Message | None:
        reasoning: list[str] = []
        calls: list[ToolCall] = []
        others: list[Any] = []
        content = message.get("content")
        for place, block in enumerate(as_list(content) if isinstance(content, list) else [content or ""]):
            record = as_record(block)
            if record.get("type") == "thinking":
                reasoning.append(get_text(record, "thinking") or "")
            elif record.get("type") == "toolCall":
                self._read_call(entry, record, place, calls)
            else:
                others.append(block)
        told = read_content(others, self.log, entry.line)
        thought = "\n\n".join(text for text in reasoning if text) or None
        stop_reason = get_text(message, "stopReason")
        if not (told or thought or calls) and stop_reason in ("aborted", "error"):
            return self._note_failure(entry, stop_reason, message)
        usage = as_record(message.get("usage"))
        counts = Usage(*(get_int(usage, key) for key in ("input", "output", "cacheRead", "cacheWrite")))
        return Message(
            "assistant",
            told,
            "model",
            reasoning_content=thought,
            tool_calls=tuple(calls),
            timestamp=time,
            model=get_text(message, "model"),
            stop_reason=stop_reason,
            usage=self._count_usage(counts),
        )

    def _read_call(self, entry: Entry, record: Mapping[str, Any], place: int, calls: list[ToolCall]) -> None:
        name = get_text(record, "name")
        if name is None:
            self.log.drop("malformed_record", entry.line, "a tool call without a name", dump_json(dict(record)))
            return
        call_id = get_text(record, "id") or _name_call(entry, place)
        arguments = record.get("arguments")
        calls.append(ToolCall(call_id, name, "{}" if arguments is None else dump_json(arguments)))

    def _read_result(self, entry: Entry, message: Mapping[str, Any], time: str | None) -> Message:
        content = read_content(message.get("content"), self.log, entry.line)
        call_id, is_error = get_text(message, "toolCallId"), get_bool(message, "isError")
        return Message("tool", content, "tool", tool_call_id=call_id, is_error=is_error, timestamp=time)

    def _note_failure(self, entry: Entry, stop_reason: str, message: Mapping[str, Any]) -> None:
        if stop_reason == "aborted":
            self.aborted_requests += 1
        else:
            self.log.drop("api_error_message", entry.line, (get_text(message, "errorMessage") or "")[:300])

    def _inject(self, entry: Entry, content: Content, time: str | None) -> Message | None:
        if not content:
            return self._refuse(entry, "no content")
        return Message("user", content, "injected", timestamp=time)

    def _refuse(self, entry: Entry, why: str) -> None:
        self.log.drop("malformed_record", entry.line, why, dump_json(load_row(entry)))


def _write_arguments(arguments: dict[str, Any]) -> str:
    """What ``dump_json`` writes, field by field where that is quicker: most calls have one or two plain fields."""
    parts: list[str] = []
    for key, value in arguments.items():
        if type(value) not in _PLAIN_TYPES or not key.isidentifier():
            return dump_json(arguments)
        parts.append(f'"{key}": {_encode(value).decode()}')
    return f"{{{', '.join(parts)}}}"


def _name_call(entry: Entry, place: int) -> str:
    return f"entry_{entry.number}_call_{place}"


def _render_command(message: Mapping[str, Any]) -> str:
    """What the model is shown of a command that a person ran with ``!``."""
    command, output = get_text(message, "command"), get_text(message, "output")
    if command is None:
        return ""
    lines = [f"Ran `{command}`", f"```\n{output}\n```" if output else "(no output)"]
    exit_code = get_int(message, "exitCode")
    if message.get("cancelled") is True:
        lines.append("\n(command cancelled)")
    elif exit_code:
        lines.append(f"\nCommand exited with code {exit_code}")
    full_output = get_text(message, "fullOutputPath")
    if message.get("truncated") is True and full_output:
        lines.append(f"\n[Output truncated. Full output: {full_output}]")
    return "\n".join(lines)
