"""The entries on the path of a Pi session → messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracemill.ingest.content_parts import Content, read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, format_time, get_bool, get_int, get_text
from tracemill.ingest.pi_tree import Entry
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import SELF, Message, ToolCall


class EntryReader:
    """Reads the entries of one session in order; afterwards ``describe`` tells what is no message."""

    def __init__(self, log: LossLog) -> None:
        self.log = log
        self.transcript = Transcript()
        self.aborted_requests = 0

    def read(self, entries: Sequence[Entry]) -> tuple[Message, ...]:
        numbers: dict[int, int] = {}
        compactions: set[int] = set()
        for entry in entries:
            message = self._read_entry(entry)
            if message is None:
                continue
            if message.origin == "compaction":
                context = [SELF]
                if entry.first_kept is not None:
                    kept = (number for number in numbers if number >= entry.first_kept and number not in compactions)
                    context.extend(numbers[number] for number in kept)
                message = Message(
                    "user", message.content, "compaction", timestamp=message.timestamp, context=tuple(context)
                )
                compactions.add(entry.number)
            numbers[entry.number] = self.transcript.add(message, entry.row.line)
        return self.transcript.build(self.log)[0]

    def describe(self) -> dict[str, Any]:
        return {"aborted_requests": self.aborted_requests} if self.aborted_requests else {}

    def _read_entry(self, entry: Entry) -> Message | None:
        record = entry.row.value
        time = format_time(record.get("timestamp"))
        if entry.kind == "message":
            return self._read_message(entry, time)
        if entry.kind == "custom_message":
            return self._inject(entry, read_content(record.get("content"), self.log, entry.row.line), time)
        summary = get_text(record, "summary")
        if summary is None:
            return self._refuse(entry, "no summary")
        return Message("user", summary, "compaction" if entry.kind == "compaction" else "injected", timestamp=time)

    def _read_message(self, entry: Entry, time: str | None) -> Message | None:
        record = entry.row.value.get("message")
        message = as_record(record)
        role = message.get("role")
        time = time or format_time(message.get("timestamp"))
        if not isinstance(role, str):
            return self._refuse(entry, "no message with a role")
        content = message.get("content")
        if role == "assistant":
            return self._read_turn(entry, message, time)
        if role == "user":
            return Message("user", read_content(content, self.log, entry.row.line), "human", timestamp=time)
        if role == "toolResult":
            return self._read_result(entry, message, time)
        if role == "bashExecution":
            return self._inject(entry, _render_command(message), time)
        if role in ("custom", "hookMessage"):
            return self._inject(entry, read_content(content, self.log, entry.row.line), time)
        if role in ("branchSummary", "compactionSummary"):
            return self._inject(entry, get_text(message, "summary") or "", time)
        self.log.drop("unknown_record_type", entry.row.line, f"role {role}"[:200], dump_json(message))
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
        told = read_content(others, self.log, entry.row.line)
        thought = "\n\n".join(text for text in reasoning if text) or None
        stop_reason = get_text(message, "stopReason")
        if not (told or thought or calls) and stop_reason in ("aborted", "error"):
            return self._note_failure(entry, stop_reason, message)
        usage = as_record(message.get("usage"))
        counts = {"input_tokens": get_int(usage, "input"), "output_tokens": get_int(usage, "output")}
        return Message(
            "assistant",
            told,
            "model",
            reasoning_content=thought,
            tool_calls=tuple(calls),
            timestamp=time,
            model=get_text(message, "model"),
            stop_reason=stop_reason,
            usage={key: count for key, count in counts.items() if count is not None} or None,
        )

    def _read_call(self, entry: Entry, record: Mapping[str, Any], place: int, calls: list[ToolCall]) -> None:
        name = get_text(record, "name")
        if name is None:
            self.log.drop("malformed_record", entry.row.line, "a tool call without a name", dump_json(dict(record)))
            return
        call_id = get_text(record, "id") or f"entry_{entry.number}_call_{place}"
        arguments = record.get("arguments")
        calls.append(ToolCall(call_id, name, "{}" if arguments is None else dump_json(arguments)))

    def _read_result(self, entry: Entry, message: Mapping[str, Any], time: str | None) -> Message:
        content = read_content(message.get("content"), self.log, entry.row.line)
        call_id, is_error = get_text(message, "toolCallId"), get_bool(message, "isError")
        return Message("tool", content, "tool", tool_call_id=call_id, is_error=is_error, timestamp=time)

    def _note_failure(self, entry: Entry, stop_reason: str, message: Mapping[str, Any]) -> None:
        if stop_reason == "aborted":
            self.aborted_requests += 1
        else:
            self.log.drop("api_error_message", entry.row.line, (get_text(message, "errorMessage") or "")[:300])

    def _inject(self, entry: Entry, content: Content, time: str | None) -> Message | None:
        if not content:
            return self._refuse(entry, "no content")
        return Message("user", content, "injected", timestamp=time)

    def _refuse(self, entry: Entry, why: str) -> None:
        self.log.drop("malformed_record", entry.row.line, why, dump_json(entry.row.value))


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
