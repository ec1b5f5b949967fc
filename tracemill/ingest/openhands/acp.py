"""Conversations of OpenHands 1.x that another agent leads (Claude Code, Codex, Gemini) over the Agent Client Protocol.

Such an agent asks its model and runs its tools itself; the SDK writes down what it is told. A call of a tool is an
event when it starts and one when it ends, each of which tells all that is known by then (old versions wrote one for
each step between too)::

    {"id": "a1", "kind": "ACPToolCallEvent", "source": "agent", "tool_call_id": "toolu_1", "title": "Read notes.md",
     "tool_kind": "read", "status": "completed", "raw_input": {"path": "notes.md"}, "raw_output": "Two.",
     "is_error": false}

No event names the tool: the call has the name of its ``tool_kind``, and its title where that says nothing. Calls
between which nothing happened are one turn, as no event tells of turns. All words and thoughts of the model between two
messages of the person come at the end, in an act ``finish`` that the SDK makes up: they are one turn without a call.
The system prompt of such a conversation is a placeholder; what stands beside it goes before the person's first words.
Not kept: titles of calls whose input is told, and what the agent showed of a result that is told itself.

Source: OpenHands/software-agent-sdk 1.58.2, ``openhands/sdk/agent/acp_agent.py``, ``event/acp_tool_call.py`` and
``event/resume_transcript.py``; https://agentclientprotocol.com/protocol/tool-calls
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracemill.ingest.content_parts import Content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text, parse_record
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.openhands.log import AgentCall, Event, EventLog, find_reasoning, read_blocks
from tracemill.trace import Message, ToolCall

CALL_KIND = "ACPToolCallEvent"
#: The model that the SDK names where the agent asks one of its own.
NO_MODEL = "acp-managed"
_AGENT_KIND = "ACPAgent"
_FINISH = "finish"
_PLACEHOLDER = "This conversation is powered by an ACP server."
_NO_ANSWER = "(No response from ACP server)"
_ERROR_STARTS = ("ACP error: ", "ACP prompt timed out after ")
_ENDED = ("completed", "failed")
_OTHER = "other"


def read_agent(state: Mapping[str, Any], out: EventLog) -> None:
    """Take in what a state, or a part of one, says of such an agent: its name, its version and its model."""
    agent, told = as_record(state.get("agent")), as_record(state.get("agent_state"))
    out.is_acp = out.is_acp or agent.get("kind") == _AGENT_KIND or "acp_session_id" in told
    out.model = get_text(told, "acp_current_model_id") or get_text(agent, "acp_model") or out.model
    for key in ("acp_agent_name", "acp_agent_version"):
        if text := get_text(told, key):
            out.meta[key] = text


def is_placeholder(prompt: Any) -> bool:
    """Whether a system prompt only says that the agent has one of its own."""
    text = prompt if isinstance(prompt, str) else get_text(as_record(prompt), "text")
    return text is not None and text.startswith(_PLACEHOLDER)


def is_finish(record: Mapping[str, Any]) -> bool:
    """Whether an act, or its observation, is the one that the SDK makes up at the end of a turn."""
    return record.get("tool_name") == _FINISH


def is_error(text: str) -> bool:
    """Whether a message in the agent's name is the SDK's word that the agent failed."""
    return text.startswith(_ERROR_STARTS)


def add_call(event: Event, time: str | None, out: EventLog) -> None:
    """Add a call of a tool, or what a later event says of it: the last one counts."""
    record = event.value
    out.is_acp = True
    call_id, kind, title = (get_text(record, key) for key in ("tool_call_id", "tool_kind", "title"))
    name = kind if kind is not None and kind != _OTHER else title or kind
    if call_id is None or name is None:
        out.refuse(event, "malformed_record", "a call without an id or without kind and title")
        return
    call = ToolCall(call_id, name, _read_arguments(record.get("raw_input"), title if title != name else None))
    known = out.agent_calls.get(call_id)
    if known is None:
        known = out.agent_calls[call_id] = _begin_call(event, time, call, out)
    else:
        known.turn.calls[known.place] = call
    is_failed = record.get("is_error") is True or record.get("status") == "failed"
    if is_failed or _has_ended(record):
        answer = Message(
            "tool", _read_output(event, out), "tool", tool_call_id=call_id, is_error=is_failed, timestamp=time
        )
        known.answer = out.put(event, answer, known.answer)


def add_answer(event: Event, time: str | None, out: EventLog) -> None:
    """Add what the model said and thought since the person's words; its calls are over."""
    record = event.value
    told = as_record(record.get("action")) or parse_record(as_record(record.get("tool_call")).get("arguments"))
    text = get_text(told, "message") or ""
    turn = ModelTurn(line=event.line or 0, timestamp=time)
    turn.add_reasoning(find_reasoning(record))
    if text != _NO_ANSWER:
        turn.add_text(text)
    if turn.is_empty:
        out.refuse(event, "synthetic_message", "the agent gave no answer")
    else:
        out.add(event, turn)


def _has_ended(record: Mapping[str, Any]) -> bool:
    status = record.get("status")
    return status in _ENDED or (status is None and record.get("raw_output") is not None)


def _begin_call(event: Event, time: str | None, call: ToolCall, out: EventLog) -> AgentCall:
    """A call in the turn of the call before it where nothing came between, else in a turn of its own."""
    latest = out.entries[-1][1] if out.entries else None
    turn = next((known.turn for known in out.agent_calls.values() if known.turn is latest), None)
    if turn is None:
        turn = ModelTurn(line=event.line or 0, timestamp=time)
        out.add(event, turn)
    turn.calls.append(call)
    return AgentCall(turn, len(turn.calls) - 1)


def _read_arguments(given: Any, title: str | None) -> str:
    """What a tool was called with; where that is not told, the title of the call, which says it in words."""
    if given is None or given == {} or given == "":
        return dump_json({"title": title}) if title is not None else "{}"
    return dump_json(given)


def _read_output(event: Event, out: EventLog) -> Content:
    """What a tool gave back, else what the agent showed of it: texts, edits, terminals."""
    output = event.value.get("raw_output")
    if output is not None:
        is_blocks = isinstance(output, list) and all("type" in as_record(block) for block in as_list(output))
        return read_blocks(output, out.log, event.line) if is_blocks else dump_json(output)
    blocks = [_unwrap(block) for block in as_list(event.value.get("content"))]
    return read_blocks(blocks, out.log, event.line)


def _unwrap(block: Any) -> Any:
    """The block of the model's shape that a block of the protocol holds; an edit or a terminal as JSON text."""
    record = as_record(block)
    if record.get("type") == "content":
        return record.get("content")
    if record.get("type") in ("diff", "terminal"):
        return {"type": "text", "text": dump_json({key: value for key, value in record.items() if value is not None})}
    return block
