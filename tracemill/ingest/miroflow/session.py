"""One session of a MiroFlow log, of the main agent or of a sub-agent → messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.content_parts import Content, join_contents, read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text
from tracemill.ingest.miroflow.results import split_results
from tracemill.ingest.miroflow.text import (
    SaidText,
    is_ask,
    read_failure,
    read_tools,
    split_ask,
    split_said,
    split_task,
)
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import Message, ToolCall


@dataclass(slots=True)
class SessionReader:
    """Reads one session; afterwards ``tools`` holds what its system prompt offers, ``summary`` its final answer.

    The summary is there only where the log keeps it beside the history.
    """

    log: LossLog
    where: str
    model: str | None
    tools: tuple[dict[str, Any], ...] = ()
    summary: str | None = None
    transcript: Transcript = field(default_factory=Transcript)
    waiting: tuple[ToolCall, ...] = ()
    call_count: int = 0
    has_task: bool = False

    def read(self, session: Any) -> tuple[Message, ...]:
        """The messages of a session: an object with ``system_prompt`` and ``message_history``, or a list of them."""
        record = as_record(session)
        prompt = get_text(record, "system_prompt")
        if prompt is not None:
            self._add_system(prompt)
        history = session if isinstance(session, list) else record.get("message_history")
        if history is not None and not isinstance(history, list):
            self._refuse("message_history is no list", history)
        for number, item in enumerate(as_list(history)):
            if isinstance(item, dict):
                self._read_message(number, as_record(item), prompt)
            else:
                self._refuse(f"message {number} is no object", item)
        self._add_summary(record)
        return self.transcript.build_messages(self.log)

    def _add_summary(self, record: Mapping[str, Any]) -> None:
        """The final answer of a newer log, with what asked for it where the log says; else no turn after another."""
        self.summary = get_text(record, "summary")
        asked = get_text(record, "summary_prompt")
        if self.summary is None or not self.transcript.entries:
            return
        if asked is not None:
            self.transcript.add(Message("user", asked, "injected"))
        elif self.transcript.entries[-1][0].role == "assistant":
            return
        self._add_turn({}, self.summary)

    def _add_system(self, prompt: str) -> None:
        self.transcript.add(Message("system", prompt, "injected"))
        self.tools = self.tools or read_tools(prompt)

    def _read_message(self, number: int, record: Mapping[str, Any], prompt: str | None) -> None:
        role = record.get("role")
        content = read_content(record.get("content"), self.log)
        if role == "assistant":
            self._add_turn(record, content)
        elif role == "user":
            self._add_user(record, content)
        elif role in ("system", "developer"):
            if isinstance(content, str) and content and content != prompt:
                self._add_system(content)
        elif role == "tool":
            call_id = get_text(record, "tool_call_id")
            self.waiting = tuple(call for call in self.waiting if call.id != call_id)
            self.transcript.add(self._make_result(content, call_id))
        else:
            self._refuse(f"message {number} of role {role!r}", dict(record))

    def _add_turn(self, record: Mapping[str, Any], content: Content) -> None:
        said = _split_content(content, self.call_count + 1)
        self.call_count += len(said.calls)
        native = _read_native(record)
        text: Content = content if not isinstance(content, str) and not said.calls else said.text
        reasoning = get_text(record, "reasoning_content") or said.reasoning
        calls = (*said.calls, *native)
        self.transcript.add(
            Message("assistant", text, "model", reasoning_content=reasoning, tool_calls=calls, model=self.model)
        )
        self.waiting = calls

    def _add_user(self, record: Mapping[str, Any], content: Content) -> None:
        calls, self.waiting = self.waiting, ()
        text = content if isinstance(content, str) else "\n\n".join(str(part.get("text", "")) for part in content)
        if calls and not is_ask(text):
            self._add_results(record.get("content"), content, calls)
        elif self.has_task:
            self.transcript.add(Message("user", content, "injected"))
        else:
            self._add_task(content)

    def _add_task(self, content: Content) -> None:
        self.has_task = True
        if not isinstance(content, str):
            self.transcript.add(Message("user", content, "human"))
            return
        task, earlier = split_task(content)
        self.transcript.add(Message("user", task, "human"))
        if earlier:
            self.transcript.add(Message("user", earlier, "injected"))

    def _add_results(self, raw: Any, content: Content, calls: Sequence[ToolCall]) -> None:
        """What names its calls is split; else one part a call where they are as many, or all of it for the first."""
        content, ask = split_ask(content) if isinstance(content, str) else (content, "")
        split = split_results(content, calls) if isinstance(content, str) else None
        blocks = as_list(raw)
        if split is not None:
            for call, part, is_refused in split.results:
                message = self._make_result(part, call.id)
                self.transcript.add(replace(message, is_error=True) if is_refused else message)
        elif len(blocks) == len(calls) > 1:
            for call, block in zip(calls, blocks, strict=True):
                self.transcript.add(self._make_result(read_content([block], self.log), call.id))
        else:
            self.transcript.add(self._make_result(content, calls[0].id))
        for note in (*(split.notes if split is not None else ()), ask):
            if note:
                self.transcript.add(Message("user", note, "injected"))

    def _make_result(self, content: Content, call_id: str | None) -> Message:
        is_error = read_failure(content) if isinstance(content, str) else None
        return Message("tool", content, "tool", tool_call_id=call_id, is_error=is_error)

    def _refuse(self, why: str, content: Any) -> None:
        self.log.drop("malformed_record", None, f"{self.where}: {why}"[:300], dump_json(content))


def _split_content(content: Content, first_call: int) -> SaidText:
    if isinstance(content, str):
        return split_said(content, first_call)
    words = join_contents([str(part["text"]) for part in content if part.get("type") == "text"] or [""])
    return split_said(words if isinstance(words, str) else "", first_call)


def _read_native(record: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """Calls of a client that uses the provider's own protocol."""
    calls: list[ToolCall] = []
    for place, item in enumerate(as_list(record.get("tool_calls"))):
        call = as_record(item)
        function = as_record(call.get("function"))
        name = get_text(function, "name")
        if name is not None:
            given = function.get("arguments")
            call_id = get_text(call, "id") or f"native_{place}"
            calls.append(ToolCall(call_id, name, "{}" if given is None else dump_json(given)))
    return tuple(calls)
