"""The messages of one mini-swe-agent run, in any of its three shapes → messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tracemill.ingest.content_parts import read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, format_time, get_int, get_text
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.source import LossLog
from tracemill.ingest.swe_agent.messages import read_calls, read_reasoning
from tracemill.ingest.transcript import Transcript
from tracemill.trace import Message, Origin

#: Interruptions that hold a person's words, within a sentence of the agent's.
_HUMAN_INTERRUPTS = ("UserInterruption", "UserNewTask", "UserRejection")


def find_time(entry: Mapping[str, Any]) -> str | None:
    """When an entry was written, else when the model's response in it was made, as ISO 8601 in UTC.

    The producer writes seconds since 1970. A date in text is put into UTC where it names its zone, else it is none.
    """
    return next((time for value in _list_times(entry) if (time := _read_time(value)) is not None), None)


def has_zoneless_time(entry: Mapping[str, Any]) -> bool:
    """Whether the only times of an entry are dates in text that name no zone."""
    is_dated = any(isinstance(value, str) and format_time(value) is not None for value in _list_times(entry))
    return is_dated and find_time(entry) is None


def _list_times(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where versions keep a time, the best first: 2.x, 1.17, the provider's in a response, and in one kept whole."""
    extra = as_record(entry.get("extra"))
    made = as_record(extra.get("response")).get("created")
    return extra.get("timestamp"), entry.get("timestamp"), made, entry.get("created_at")


def _read_time(value: Any) -> str | None:
    if not isinstance(value, str):
        return format_time(value)
    try:
        told = datetime.fromisoformat(value.strip())
        return None if told.tzinfo is None else told.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return None


class MessageReader:
    """Reads messages in order; afterwards ``exit_entry`` is the entry with which the run ended, if it has one."""

    def __init__(self, log: LossLog, model: str | None, submission: str | None) -> None:
        self.log = log
        self.model = model
        self.submission = submission
        self.transcript = Transcript()
        self.is_goal_told = False
        self.command_count = 0
        self.exit_entry: Mapping[str, Any] = {}

    def read(self, entries: Sequence[Any]) -> tuple[Message, ...]:
        for number, entry in enumerate(entries):
            if isinstance(entry, dict):
                is_last = number == len(entries) - 1
                self._read_entry(number, entry, is_last=is_last)  # pyright: ignore[reportUnknownArgumentType]
            else:
                self._refuse("malformed_record", number, "no object", entry)
        return self.transcript.build_messages(self.log)

    def _read_entry(self, number: int, entry: Mapping[str, Any], *, is_last: bool) -> None:
        role, kind = entry.get("role"), entry.get("type")
        if role == "assistant":
            self._add_turn(number, entry)
        elif role == "tool":
            self._add_result(entry, get_text(entry, "tool_call_id"), entry.get("content"))
        elif kind == "function_call_output":
            self._add_result(entry, get_text(entry, "call_id"), entry.get("output"))
        elif role is None and isinstance(entry.get("output"), list):
            self._add_response(number, entry)
        elif role == "exit":
            self.exit_entry = entry
        elif role == "system":
            content = read_content(entry.get("content"), self.log)
            self._add_words(number, entry, Message("system", content, "injected", timestamp=find_time(entry)))
        elif role == "user":
            self._add_user(number, entry, is_last=is_last)
        else:
            reason = "unknown_record_type" if isinstance(role, str) else "malformed_record"
            self._refuse(reason, number, f"role {role!r}", entry)

    def _add_user(self, number: int, entry: Mapping[str, Any], *, is_last: bool) -> None:
        content = read_content(entry.get("content"), self.log)
        if is_last and self.is_goal_told and self.submission is not None and content == self.submission:
            self.exit_entry = entry  # version 1 ends with what was submitted; no model saw it
            return
        is_human = get_text(as_record(entry.get("extra")), "interrupt_type") in _HUMAN_INTERRUPTS
        origin: Origin = "injected" if self.is_goal_told and not is_human else "human"
        self.is_goal_told = True
        self._add_words(number, entry, Message("user", content, origin, timestamp=find_time(entry)))

    def _add_words(self, number: int, entry: Mapping[str, Any], message: Message) -> None:
        if message.content:
            self.transcript.add(message)
        elif not isinstance(entry.get("content"), str | list):
            self._refuse("malformed_record", number, "no content", entry)

    def _add_turn(self, number: int, entry: Mapping[str, Any]) -> None:
        extra = as_record(entry.get("extra"))
        response = as_record(extra.get("response"))
        choice = as_record(next(iter(as_list(response.get("choices"))), None))
        calls = read_calls(entry.get("tool_calls"), number, self.log, f"messages[{number}]")
        self.is_goal_told = True
        self.command_count += not calls and bool(as_list(extra.get("actions")) or entry.get("content"))
        self.transcript.add(
            Message(
                "assistant",
                read_content(entry.get("content"), self.log),
                reasoning_content=read_reasoning(entry) or read_reasoning(as_record(choice.get("message"))),
                tool_calls=calls,
                timestamp=find_time(entry),
                model=get_text(response, "model") or self.model,
                stop_reason=get_text(choice, "finish_reason"),
                usage=_read_usage(response),
            )
        )

    def _add_response(self, number: int, entry: Mapping[str, Any]) -> None:
        """A response of OpenAI's Responses API, kept whole: its items are one model turn."""
        self.is_goal_told = True
        turn = ModelTurn(
            line=number,
            timestamp=find_time(entry),
            model=get_text(entry, "model") or self.model,
            stop_reason=get_text(entry, "status"),
            usage=_read_usage(entry),
        )
        for place, value in enumerate(as_list(entry["output"])):
            item = as_record(value)
            kind = item.get("type")
            if kind == "function_call":
                call = {**item, "id": item.get("call_id", item.get("id"))}
                turn.calls += read_calls([call], number, self.log, f"messages[{number}]")
            elif kind == "reasoning":
                for block in (*as_list(item.get("summary")), *as_list(item.get("content"))):
                    turn.add_reasoning(get_text(as_record(block), "text") or "")
            elif kind == "message":
                content = read_content(item.get("content"), self.log)
                turn.parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
            else:
                self._refuse("unknown_content_block", number, f"output[{place}] of type {kind!r}", value)
        self.transcript.add(turn.to_message())

    def _add_result(self, entry: Mapping[str, Any], call_id: str | None, output: Any) -> None:
        extra = as_record(entry.get("extra"))
        code = get_int(extra, "returncode")
        is_error = True if get_text(extra, "exception_info") else None if code is None else code != 0
        content, time = read_content(output, self.log), find_time(entry)
        self.transcript.add(Message("tool", content, "tool", tool_call_id=call_id, is_error=is_error, timestamp=time))

    def _refuse(self, reason: str, number: int, why: str, content: Any) -> None:
        self.log.drop(reason, None, f"messages[{number}]: {why}"[:300], dump_json(content))


def _read_usage(response: Mapping[str, Any]) -> dict[str, int] | None:
    """Tokens of a turn; both APIs count the whole prompt, what came from a cache too."""
    usage = as_record(response.get("usage"))
    counts: dict[str, int] = {}
    for name, others in (
        ("input_tokens", ("prompt_tokens", "input_tokens")),
        ("output_tokens", ("completion_tokens", "output_tokens")),
    ):
        told = next((count for key in others if (count := get_int(usage, key)) is not None), None)
        if told is not None:
            counts[name] = told
    return counts or None
