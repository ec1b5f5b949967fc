"""The history of one SWE-agent run → messages; and tool calls as OpenAI's chat format writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracemill.ingest.content_parts import Content, read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import Message, ToolCall


def read_calls(listed: Any, number: int, log: LossLog, where: str) -> tuple[ToolCall, ...]:
    """The calls of model turn ``number``, which ``where`` names in losses."""
    if listed is not None and not isinstance(listed, list):
        log.drop("malformed_record", None, f"{where}: tool_calls is no list"[:300], dump_json(listed))
    calls: list[ToolCall] = []
    for place, item in enumerate(as_list(listed)):
        call = as_record(item)
        function = as_record(call.get("function"))
        name = get_text(function, "name") or get_text(call, "name")
        if name is None:
            log.drop("malformed_record", None, f"{where}: tool_calls[{place}] without a name"[:300], dump_json(item))
            continue
        arguments = function.get("arguments", call.get("arguments"))
        call_id = get_text(call, "id", "call_id") or f"message_{number}_call_{place}"
        calls.append(ToolCall(call_id, name, "{}" if arguments is None else dump_json(arguments)))
    return tuple(calls)


def read_reasoning(entry: Mapping[str, Any]) -> str | None:
    """What the model thought: ``reasoning_content``, else the text of Anthropic's ``thinking_blocks``."""
    told = get_text(entry, "reasoning_content")
    if told is not None:
        return told
    blocks = as_list(entry.get("thinking_blocks"))
    return "\n\n".join(text for block in blocks if (text := get_text(as_record(block), "thinking"))) or None


class HistoryReader:
    """Reads the entries of a history in order; afterwards ``command_count`` tells how many acts stand in text alone."""

    def __init__(self, log: LossLog, where: str, model: str | None) -> None:
        self.log = log
        self.where = where
        self.model = model
        self.transcript = Transcript()
        self.is_goal_told = False
        self.turn_count = 0
        self.command_count = 0
        self.demonstration_count = 0

    def read(self, history: Sequence[Any]) -> tuple[Message, ...]:
        for number, entry in enumerate(history):
            if isinstance(entry, dict):
                self._read_entry(number, entry)  # pyright: ignore[reportUnknownArgumentType]
            else:
                self._refuse("malformed_record", number, "no object", entry)
        return self.transcript.build_messages(self.log)

    def _read_entry(self, number: int, entry: Mapping[str, Any]) -> None:
        role = entry.get("role")
        is_demo = entry.get("is_demo") is True
        self.demonstration_count += is_demo
        if role == "assistant":
            self._add_turn(number, entry, is_demo=is_demo)
        elif role == "tool" or (role == "user" and as_list(entry.get("tool_call_ids"))):
            content = self._read_content(entry)
            self.transcript.add(Message("tool", content, "tool", tool_call_id=_find_call_id(entry)))
        elif role == "system":
            self._add_words(number, entry, "system")
        elif role == "user":
            self._add_words(number, entry, "demonstration" if is_demo else "user")
        else:
            reason = "unknown_record_type" if isinstance(role, str) else "malformed_record"
            self._refuse(reason, number, f"role {role!r}", entry)

    def _add_words(self, number: int, entry: Mapping[str, Any], kind: str) -> None:
        content = self._read_content(entry)
        if not content:
            if not isinstance(entry.get("content"), str):
                self._refuse("malformed_record", number, "no content", entry)
        elif kind == "system":
            self.transcript.add(Message("system", content, "injected"))
        elif kind == "user" and not self.is_goal_told:
            self.is_goal_told = True
            self.transcript.add(Message("user", content, "human"))
        else:
            self.transcript.add(Message("user", content, "injected"))

    def _add_turn(self, number: int, entry: Mapping[str, Any], *, is_demo: bool) -> None:
        calls = read_calls(entry.get("tool_calls"), number, self.log, f"{self.where}history[{number}]")
        content = self._read_content(entry)
        if not content and not calls:
            # the raw answer is missing: its two halves are the same words
            content = "\n".join(text for key in ("thought", "action") if (text := get_text(entry, key)))
        if not is_demo:
            self.is_goal_told = True
            self.turn_count += 1
            self.command_count += not calls and get_text(entry, "action") is not None
        self.transcript.add(
            Message(
                "assistant",
                content,
                "injected" if is_demo else "model",
                reasoning_content=read_reasoning(entry),
                tool_calls=calls,
                model=None if is_demo else self.model,
            )
        )

    def _read_content(self, entry: Mapping[str, Any]) -> Content:
        return read_content(entry.get("content"), self.log)

    def _refuse(self, reason: str, number: int, why: str, content: Any) -> None:
        self.log.drop(reason, None, f"{self.where}history[{number}]: {why}"[:300], dump_json(content))


def _find_call_id(entry: Mapping[str, Any]) -> str | None:
    """The call that an observation answers; a turn of SWE-agent has one call, so the list has one id."""
    named = (item for item in as_list(entry.get("tool_call_ids")) if isinstance(item, str) and item)
    return next(named, get_text(entry, "tool_call_id"))
