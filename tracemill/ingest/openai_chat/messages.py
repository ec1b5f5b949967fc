"""Chat messages of a row → messages of a trace.

Read here: OpenAI's shape with its legacy ``function_call``, content as text or parts, calls with arguments as text or
object, Anthropic's ``thinking``, ``tool_use`` and ``tool_result`` blocks, ShareGPT's ``from`` and ``value``,
calls and results that stand in the text as ``hermes_text.py`` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracemill.ingest.content_parts import Content
from tracemill.ingest.injected import split_user_text
from tracemill.ingest.json_fields import as_list, as_record, dump_json, format_time, get_bool, get_text, parse_json
from tracemill.ingest.openai_chat.hermes_text import split_calls, split_responses
from tracemill.ingest.openai_chat.parts import parse_list, read_said, read_usage, split_thoughts
from tracemill.ingest.python_literal import parse_literal
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import Message, ToolCall

#: Roles and ShareGPT's speakers; ``call`` is a turn whose whole text is a call.
ROLES: dict[str, str] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "chatgpt", "bing", "bard", "ai"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
    **dict.fromkeys(("tool", "function", "observation", "tool_response", "function_response", "ipython"), "tool"),
}
_USER_ORIGINS = ("human", "injected", "compaction")
_NO_CALLS = ("[]", "null", "None")
_TURN_BLOCKS = ("thinking", "redacted_thinking", "tool_use")
#: Between the results of one turn that share an observation.
_RESULT_SEPARATOR = "\n</tool_response>\n<tool_response>\n"
_SAID_FIELDS = (
    *("content", "value", "tool_calls", "function_call"),
    *("refusal", "reasoning_content", "reasoning", "thinking"),
)


def find_role(record: Mapping[str, Any]) -> str | None:
    """The role of a message, ``call`` for a turn whose text is a call; None where it has none that is known."""
    name = get_text(record, "role", "from")
    return ROLES.get(name.strip().lower()) if name is not None else None


class MessageReader:
    """Reads the messages of one row, ``line`` being where it lies in its file."""

    def __init__(self, log: LossLog, line: int | None) -> None:
        self.log = log
        self.line = line
        self.transcript = Transcript()
        self.place = -1
        self.known_ids: set[str] = set()
        self.unanswered = 0
        self.is_tagged = False

    def read(self, system: str | None, items: Sequence[Any]) -> tuple[Message, ...]:
        """The messages in order, ``system`` being a prompt that stands beside them."""
        if system is not None and not _is_prompt(items, system):
            self._add(Message("system", system, "injected"))
        for place, item in enumerate(items):
            self.place = place
            record = as_record(parse_json(item)) if isinstance(item, str) else as_record(item)
            role = find_role(record)
            if role is None:
                self._refuse_role(item, record)
            elif all(record.get(key) is None for key in _SAID_FIELDS) and role != "tool":
                self._refuse("says nothing", item)
            else:
                self._read_message(role, record)
        return self.transcript.build_messages(self.log)

    def _read_message(self, role: str, record: Mapping[str, Any]) -> None:
        said = record.get("content")
        said = record.get("value") if said is None and "from" in record else said
        if role == "call":
            thoughts, text = split_thoughts(said) if isinstance(said, str) else ("", said)
            listed = parse_list(text) or [parse_json(text) if isinstance(text, str) else text]
            calls = self._read_calls(listed, None)
            if len(calls) == len(listed):  # else the text is what the model said
                self._add_turn(record, "", calls, _join_thoughts(_find_thoughts(record), thoughts))
                return
            role = "assistant"
        if role == "assistant":
            self._read_turn(record, said)
        elif role == "tool":
            call_id = get_text(record, "tool_call_id", "call_id")
            for part in [said] if call_id is not None else self._split_results(said):
                self._add_result(record, call_id, read_said(part, self.log, self.line))
        elif role == "user":
            self._read_user(record, said)
        else:
            content = read_said(said, self.log, self.line)
            self._add(Message("system", content, "injected", timestamp=_find_time(record)))

    def _read_turn(self, record: Mapping[str, Any], said: Any) -> None:
        thoughts = [_find_thoughts(record)]
        listed = self._list_calls(record.get("tool_calls"))
        if isinstance(said, list):
            blocks = [as_record(block) for block in as_list(said)]
            thoughts += [get_text(block, "thinking") or "" for block in blocks if block.get("type") == "thinking"]
            listed += [block for block in blocks if block.get("type") == "tool_use"]
            said = [block for block in as_list(said) if as_record(block).get("type") not in _TURN_BLOCKS]
        if record.get("function_call"):
            listed.append(record["function_call"])
        content = read_said(said, self.log, self.line) or get_text(record, "refusal") or ""
        inner, content = split_thoughts(content)
        calls = self._read_calls(listed, "tool_calls")
        tagged = self._read_tagged_calls(content) if isinstance(content, str) and not listed else None
        content, calls = tagged or (content, calls)
        self._add_turn(record, content, calls, _join_thoughts(*thoughts, inner))
        self.is_tagged = tagged is not None

    def _add_turn(
        self, record: Mapping[str, Any], content: Content, calls: tuple[ToolCall, ...], reasoning: str
    ) -> None:
        self.unanswered, self.is_tagged = len(calls), False
        self.known_ids.update(call.id for call in calls)
        self._add(
            Message(
                "assistant",
                content,
                "injected" if record.get("origin") == "injected" else "model",
                reasoning_content=reasoning or None,
                tool_calls=calls,
                timestamp=_find_time(record),
                model=get_text(record, "model"),
                stop_reason=get_text(record, "stop_reason", "finish_reason"),
                usage=read_usage(as_record(record.get("usage")), self.log) or None,
            )
        )

    def _list_calls(self, value: Any) -> list[Any]:
        listed = parse_list(value)
        if not listed and value and value not in _NO_CALLS:
            self._refuse("tool_calls is no list", value)
        return [*listed]

    def _read_calls(self, listed: Sequence[Any], where: str | None) -> tuple[ToolCall, ...]:
        calls: list[ToolCall] = []
        for number, item in enumerate(listed):
            call = as_record(parse_json(item)) if isinstance(item, str) else as_record(item)
            function = as_record(call.get("function")) or as_record(call.get("custom")) or call
            name = get_text(function, "name")
            if name is None:
                if where is not None:
                    self._refuse(f"{where}[{number}] without a name", item)
                continue
            keys = ("arguments", "input", "parameters", "args")
            arguments = next((function[key] for key in keys if function.get(key) is not None), None)
            call_id = get_text(call, "id", "call_id") or f"message_{self.place}_call_{number}"
            calls.append(ToolCall(call_id, name, "{}" if arguments is None else dump_json(arguments)))
        return tuple(calls)

    def _read_tagged_calls(self, text: str) -> tuple[str, tuple[ToolCall, ...]] | None:
        """The text before calls that end it as Hermes writes them; None where one of them cannot be read."""
        split = split_calls(text)
        if split is None:
            return None
        said, bodies = split
        calls = self._read_calls([parse_literal(body) for body in bodies], None)
        if len(calls) == len(bodies):
            return said, calls
        if any(body.startswith("{") for body in bodies):  # else the model used the tag for words
            self._refuse("a tagged call is no object with a name; it is kept as text", text)
        return None

    def _read_user(self, record: Mapping[str, Any], said: Any) -> None:
        """What a person said and what was injected, each a message; Anthropic's results stand in the user role."""
        blocks = [as_record(block) for block in as_list(said)]
        results = [block for block in blocks if block.get("type") == "tool_result"]
        for block in results:
            content = read_said(block.get("content"), self.log, self.line)
            self._add_result({**record, **block}, get_text(block, "tool_use_id"), content)
        if results:
            said = [block for block in as_list(said) if as_record(block).get("type") != "tool_result"]
            if not said:
                return
        content, time = read_said(said, self.log, self.line), _find_time(record)
        origin = record.get("origin")
        if origin in _USER_ORIGINS:
            self._add(Message("user", content, origin, timestamp=time))
            return
        split = split_user_text(content) if isinstance(content, str) else None
        if split is None or not split.injected:
            self._add(Message("user", content, "human", timestamp=time))
            return
        self._add(Message("user", split.injected, "injected", timestamp=time))
        if split.human.strip():
            self._add(Message("user", split.human, "human", timestamp=time))

    def _split_results(self, said: Any) -> list[Any]:
        """Several results of one turn in one observation, as LLaMA-Factory wants them; one where they don't add up."""
        tagged = split_responses(said) if self.is_tagged and isinstance(said, str) else []
        if self.unanswered and len(tagged) in (1, self.unanswered):
            return [*tagged]
        parts = said.split(_RESULT_SEPARATOR) if isinstance(said, str) else []
        return [*parts] if 1 < len(parts) == self.unanswered else [said]

    def _add_result(self, record: Mapping[str, Any], call_id: str | None, content: Content) -> None:
        """A result without an id where no call waits is the environment's answer to a call that was written as text."""
        if call_id is None and not self.unanswered:
            if content:
                self._add(Message("user", content, "injected", timestamp=_find_time(record)))
            else:
                self._refuse("a result without a call and without content", dict(record))
            return
        if call_id is None or call_id in self.known_ids:
            self.unanswered = max(0, self.unanswered - 1)
        failed = get_bool(record, "is_error")
        failed = True if failed is None and record.get("status") == "error" else failed
        self._add(Message("tool", content, "tool", None, (), call_id, failed, _find_time(record)))

    def _add(self, message: Message) -> None:
        self.transcript.add(message, self.line)

    def _refuse_role(self, item: Any, record: Mapping[str, Any]) -> None:
        role = get_text(record, "role", "from")
        if role is None:
            self._refuse("has no role", item)
        else:
            where = f"message {self.place}: role {role!r}"
            self.log.drop("unknown_record_type", self.line, where[:200], dump_json(item))

    def _refuse(self, why: str, content: Any) -> None:
        self.log.drop("malformed_record", self.line, f"message {self.place}: {why}", dump_json(content))


def _is_prompt(items: Sequence[Any], system: str) -> bool:
    """Whether the messages begin with the prompt that stands beside them."""
    first = as_record(items[0]) if items else {}
    return find_role(first) == "system" and get_text(first, "content", "value") == system


def _find_thoughts(record: Mapping[str, Any]) -> str:
    return get_text(record, "reasoning_content", "reasoning", "thinking") or ""


def _join_thoughts(*thoughts: str) -> str:
    return "\n\n".join(text for text in thoughts if text)


def _find_time(record: Mapping[str, Any]) -> str | None:
    return format_time(record.get("timestamp")) or format_time(record.get("created_at"))
