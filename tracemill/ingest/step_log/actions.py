"""What a step log says that the model said: an action as JSON, or text that is no action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text, parse_record
from tracemill.trace import ToolCall

_INVALID = "invalid_json"


@dataclass(frozen=True, slots=True)
class Action:
    """Words and calls of one turn; ``thought`` is what it thought where its words are the final summary.

    A call has no id unless it was told.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    thought: str | None = None
    changes: Any = None


def read_action(payload: Mapping[str, Any]) -> Action | None:
    """The action of an ``llm_action`` or ``llm_parse_error`` row; what is no action is kept as the text it is.

    ``raw`` comes first: ``action`` is what the driver made of it, with a thought taken out of the arguments. First
    versions of the agent have ``obj`` alone. None where the row holds nothing that the model said.
    """
    raw = payload.get("raw")
    text = get_text(as_record(raw), "raw_text") if as_record(raw).get("type") == _INVALID else None
    if text is not None:
        return Action(text)
    told = (raw, payload.get("action"), payload.get("obj"))
    for value in told:
        if (action := parse_action(as_record(value))) is not None:
            return action
    said = next((value for value in told if value not in (None, "", {}, [])), None)
    return None if said is None else Action(dump_json(said))


def parse_action(value: Mapping[str, Any]) -> Action | None:
    """An object as an action, or None where it is none."""
    kind = value.get("type")
    name = get_text(value, "name", "tool")
    if kind == "tool_call" and name is not None:
        given = value.get("args", value.get("arguments"))
        call = ToolCall("", name, "{}" if given is None else dump_json(given))
        return Action(get_text(value, "thought") or "", (call,))
    summary = get_text(value, "summary")
    if kind == "final" and summary is not None:
        return Action(summary, thought=get_text(value, "thought"), changes=value.get("changes"))
    return None


def parse_said(text: str) -> Action:
    """The text of an assistant message in a prompt: JSON text of an action, or what it is."""
    return (parse_action(parse_record(text)) if text.lstrip().startswith("{") else None) or Action(text)


def read_native_calls(value: Any) -> tuple[ToolCall, ...]:
    """The ``tool_calls`` of an assistant message as OpenAI writes them; what has no name is none."""
    calls: list[ToolCall] = []
    for item in as_list(value):
        record = as_record(item)
        function = as_record(record.get("function")) or record
        name = get_text(function, "name")
        if name is not None:
            given = function.get("arguments", function.get("args"))
            calls.append(ToolCall(get_text(record, "id") or "", name, "{}" if given is None else dump_json(given)))
    return tuple(calls)
