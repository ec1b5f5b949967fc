"""Items of the OpenAI Responses shape → messages.

One model turn is a run of reasoning, messages and calls up to the next result or the next words of someone else: NeMo
Gym writes no mark between model calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text, read_tool_definitions
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.nemo_gym.hosted import (
    HOSTED_TYPES,
    get_tool_name,
    list_arguments,
    list_found,
    rewrite_screenshot,
)
from tracemill.ingest.openai_chat.parts import read_said, split_thoughts
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import Message, ToolCall

_FAILED_STATES = ("failed", "incomplete")
_SYSTEM_ROLES = ("system", "developer")
#: What an agent's harness says in the role of a user.
_INJECTED_STARTS = ("You did not respond with a valid tool call. This may mean",)


class ItemReader:
    """Reads the items of one rollout in order, ``line`` being where the rollout lies in its file."""

    def __init__(self, log: LossLog, line: int, model: str | None) -> None:
        self.log = log
        self.line = line
        self.model = model
        self.transcript = Transcript()
        self.turn: ModelTurn | None = None
        self.answers: list[Message] = []
        self.known_ids: set[str] = set()
        self.latest_has_calls = True  # before any turn a result is nobody's
        self.count = 0
        self.tools: tuple[dict[str, Any], ...] = ()

    def add_system(self, text: str) -> None:
        """Instructions that stand above the items."""
        self.transcript.add(Message("system", text, "injected"), self.line)

    def add_words(self, text: str) -> None:
        """The task where it is a text and no item."""
        self._end_turn()
        self.transcript.add(Message("user", text, "human"), self.line)

    def read(self, items: Any) -> None:
        """A list of items, or a text, which is what a person says."""
        if isinstance(items, str):
            if items.strip():
                self.add_words(items)
            return
        if not isinstance(items, list | None):
            self.log.drop("malformed_record", self.line, "items that are no list", dump_json(items))
        for item in join_transitions(as_list(items), self.count):
            self.count += 1
            self._read_item(item)

    def build(self, stop_reason: str | None) -> tuple[Message, ...]:
        """The messages; ``stop_reason`` is that of the last model turn."""
        if self.turn is not None:
            self.turn.stop_reason = stop_reason
        self._end_turn()
        return self.transcript.build_messages(self.log)

    def _read_item(self, item: Any) -> None:
        record = as_record(item)
        kind = record.get("type")
        if kind is None and isinstance(record.get("role"), str):
            kind = "message"
        if not isinstance(kind, str):
            self.log.drop("malformed_record", self.line, f"item {self.count} without a type", dump_json(item))
            return
        handler = _HANDLERS.get(kind)
        if handler is None:
            self.log.drop("unknown_record_type", self.line, f"item {self.count}: type {kind!r}"[:200], dump_json(item))
            return
        handler(self, record)

    def read_message(self, item: Mapping[str, Any]) -> None:
        role = item.get("role")
        content = read_said(item.get("content"), self.log, self.line)
        if role == "assistant":
            thoughts, content = split_thoughts(content)
            turn = self._begin_turn()
            turn.add_reasoning(thoughts)
            if isinstance(content, str):
                turn.add_text(content)
            else:
                turn.parts.extend(content)
        elif role == "user" or role in _SYSTEM_ROLES:
            self._end_turn()
            if not content:
                self._refuse("a message without content", item)
            elif role == "user":
                is_injected = isinstance(content, str) and content.startswith(_INJECTED_STARTS)
                self.transcript.add(Message("user", content, "injected" if is_injected else "human"), self.line)
            else:
                self.transcript.add(Message("system", content, "injected"), self.line)
        else:
            reason = "unknown_record_type" if isinstance(role, str) else "malformed_record"
            self.log.drop(reason, self.line, f"item {self.count}: role {role!r}"[:200], dump_json(dict(item)))

    def read_reasoning(self, item: Mapping[str, Any]) -> None:
        """The thoughts themselves where they are told, else their summary; encrypted ones say nothing."""
        for key in ("content", "summary"):
            told = item.get(key)
            blocks = [as_record(block) for block in as_list(told)]
            texts = [told] if isinstance(told, str) else [text for block in blocks if (text := get_text(block, "text"))]
            if texts:
                self._begin_turn().add_reasoning("\n\n".join(texts))
                return

    def read_call(self, item: Mapping[str, Any]) -> None:
        self._add_call(item, get_text(item, "name"), item.get("arguments", item.get("input")))

    def read_shell_call(self, item: Mapping[str, Any]) -> None:
        self._add_call(item, "local_shell", item.get("action"))

    def read_remote_call(self, item: Mapping[str, Any]) -> None:
        """A call that the provider ran: its result lies in it. One that was asked leave for is there already."""
        asked_id = get_text(item, "approval_request_id")
        is_known = asked_id in self.known_ids
        call_id = asked_id if is_known else self._add_call(item, get_text(item, "name"), item.get("arguments"))
        error = item.get("error")
        if call_id is None or (error is None and item.get("output") is None):
            return
        self._add_answer(call_id, item.get("output") if error is None else error, is_failed=error is not None)
        if is_known:
            self._end_turn()

    def read_hosted_call(self, item: Mapping[str, Any]) -> None:
        """A call whose tool is told by its type."""
        kind = str(item.get("type"))
        call_id = self._add_call(item, get_tool_name(kind), list_arguments(item))
        found, is_failed = list_found(item), item.get("status") in _FAILED_STATES
        if call_id is not None and (found is not None or is_failed):
            self._add_answer(call_id, found, is_failed=is_failed)

    def read_tool_list(self, item: Mapping[str, Any]) -> None:
        """The tools of a server that the provider asked."""
        self.tools += read_tool_definitions(item.get("tools"))

    def read_leave(self, item: Mapping[str, Any]) -> None:
        """Whether a call may be run: one that may not is answered by this."""
        asked_id = get_text(item, "approval_request_id")
        if item.get("approve") is False and asked_id in self.known_ids:
            self._add_answer(str(asked_id), get_text(item, "reason"), is_failed=True)
            self._end_turn()

    def _add_answer(self, call_id: str, found: Any, *, is_failed: bool) -> None:
        content = read_said(found, self.log, self.line)
        is_error = True if is_failed else None
        self.answers.append(Message("tool", content, "tool", tool_call_id=call_id, is_error=is_error))

    def _add_call(self, item: Mapping[str, Any], name: str | None, arguments: Any) -> str | None:
        if name is None:
            self._refuse("a call without a name", item)
            return None
        call_id = get_text(item, "call_id", "id") or f"item_{self.count}_call"
        self.known_ids.add(call_id)
        self._begin_turn().calls.append(ToolCall(call_id, name, "{}" if arguments is None else dump_json(arguments)))
        return call_id

    def read_output(self, item: Mapping[str, Any]) -> None:
        self._end_turn()
        call_id = get_text(item, "call_id")
        content = read_said(rewrite_screenshot(item.get("output")), self.log, self.line)
        if not self.latest_has_calls and call_id not in self.known_ids:
            # What the environment says to a turn without calls, as terminals of Harbor's agents do.
            if content:
                self.transcript.add(Message("user", content, "injected"), self.line)
            else:
                self._refuse("a result without a call and without content", item)
            return
        is_error = True if item.get("status") in _FAILED_STATES else None
        self.transcript.add(Message("tool", content, "tool", tool_call_id=call_id, is_error=is_error), self.line)

    def _begin_turn(self) -> ModelTurn:
        if self.turn is None:
            self.turn = ModelTurn(self.line, model=self.model)
        return self.turn

    def _end_turn(self) -> None:
        if self.turn is not None:
            message = self.turn.to_message()
            self.latest_has_calls = bool(message.tool_calls)
            self.transcript.add(message, self.line)
        for answer in self.answers:
            self.transcript.add(answer, self.line)
        self.turn, self.answers = None, []

    def _refuse(self, why: str, item: Mapping[str, Any]) -> None:
        self.log.drop("malformed_record", self.line, f"item {self.count}: {why}", dump_json(dict(item)))


def join_transitions(items: list[Any], asked_count: int) -> list[Any]:
    """The items of a rollout that is told as a list of states, each of which holds the one before it and what is new.

    The first of them begins with the ``asked_count`` items of the request. What a later state replaced in the earlier
    part (old screens of the environment) is told as it was first.
    """
    if not items or not all(isinstance(item, list) for item in items):
        return items
    joined: list[Any] = []
    for state in items:
        joined += as_list(state)[asked_count + len(joined) :]
    return joined


_HANDLERS: dict[str, Callable[[ItemReader, Mapping[str, Any]], None]] = {
    "message": ItemReader.read_message,
    "reasoning": ItemReader.read_reasoning,
    "function_call": ItemReader.read_call,
    "custom_tool_call": ItemReader.read_call,
    "local_shell_call": ItemReader.read_shell_call,
    "mcp_call": ItemReader.read_remote_call,
    "mcp_list_tools": ItemReader.read_tool_list,
    "mcp_approval_request": ItemReader.read_call,
    "mcp_approval_response": ItemReader.read_leave,
    **dict.fromkeys(HOSTED_TYPES, ItemReader.read_hosted_call),
    "computer_call_output": ItemReader.read_output,
    "function_call_output": ItemReader.read_output,
    "custom_tool_call_output": ItemReader.read_output,
    "local_shell_call_output": ItemReader.read_output,
}
