"""Events of OpenHands 1.x (its SDK's event log) → an ``EventLog``. See ``openhands`` for a literal event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracemill.ingest.content_parts import Content, join_contents
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
from tracemill.ingest.model_turn import ModelTurn
from tracemill.ingest.openhands import acp
from tracemill.ingest.openhands.log import Event, EventLog, add_content, add_thoughts, find_origin, read_blocks
from tracemill.trace import Message, ToolCall

#: Kinds that steer the harness or report on it: no model sees them.
_BOOKKEEPING = frozenset(
    [
        "AskUserRequestEvent",
        "AskUserResponseEvent",
        "CondensationRequest",
        "ConversationIterationLimitEvent",
        "HookExecutionEvent",
        "InterruptEvent",
        "LLMCompletionLogEvent",
        "PauseEvent",
        "SecurityAnalysisEvent",
        "SecurityAnalyzerConfigurationEvent",
        "StreamingDeltaEvent",
        "TokenEvent",
        "WarningEvent",
    ]
)
#: Kinds that one can tell an event by.
_KINDS = frozenset(
    [
        acp.CALL_KIND,
        "SystemPromptEvent",
        "MessageEvent",
        "ActionEvent",
        "ObservationEvent",
        "UserRejectObservation",
        "AgentErrorEvent",
        "Condensation",
        "CondensationSummaryEvent",
        "ConversationStateUpdateEvent",
        "ConversationErrorEvent",
    ]
)
_RESULTS = ("ObservationEvent", "UserRejectObservation", "AgentErrorEvent")


def is_event(record: Mapping[str, Any]) -> bool:
    """Whether an object is an event of this generation."""
    kind = record.get("kind")
    return isinstance(kind, str) and (kind in _KINDS or kind in _BOOKKEEPING) and isinstance(record.get("source"), str)


def is_system(record: Mapping[str, Any]) -> bool:
    """Whether an event is the system prompt."""
    return record.get("kind") == "SystemPromptEvent"


def is_asked(record: Mapping[str, Any]) -> bool:
    """Whether a person, or the agent that called this one, speaks in an event."""
    said = as_record(record.get("llm_message"))
    return record.get("kind") == "MessageEvent" and record.get("source") == "user" and said.get("role") != "assistant"


def read_event(event: Event, out: EventLog) -> None:
    """Add what one event says."""
    record = event.value
    kind, time = record.get("kind"), format_time(record.get("timestamp"))
    if kind == "ActionEvent":
        _add_act(event, time, out)
    elif kind in _RESULTS:
        _add_result(event, str(kind), time, out)
    elif kind == "MessageEvent":
        _add_message(event, time, out)
    elif kind == acp.CALL_KIND:
        acp.add_call(event, time, out)
    elif kind == "SystemPromptEvent":
        _add_system(event, time, out)
    elif kind == "Condensation":
        gone, offset = as_list(record.get("forgotten_event_ids")), get_int(record, "summary_offset") or 0
        out.compact(event, get_text(record, "summary") or "", time, gone, offset)
    elif kind == "CondensationSummaryEvent":
        out.add(event, Message("user", get_text(record, "summary") or "", "injected", timestamp=time))
    elif kind == "ConversationStateUpdateEvent":
        read_state(_read_update(record), out)
    elif kind == "ConversationErrorEvent":
        out.refuse(event, "api_error_message", f"{get_text(record, 'code')}: {get_text(record, 'detail')}")
    elif kind not in _BOOKKEEPING:
        reason = "unknown_record_type" if isinstance(kind, str) else "malformed_record"
        out.refuse(event, reason, f"kind {kind!r}")


def read_state(state: Mapping[str, Any], out: EventLog) -> None:
    """Take in what a state of the conversation, or a part of one, says about the session."""
    out.model = _get_model(as_record(as_record(state.get("agent")).get("llm")), "model") or out.model
    acp.read_agent(state, out)
    out.cwd = get_text(as_record(state.get("workspace")), "working_dir") or out.cwd
    if status := get_text(state, "execution_status"):
        out.meta["execution_status"] = status
    metrics = as_record(as_record(state.get("stats")).get("usage_to_metrics"))
    # the condenser is another model at work; the agent's is named default or agent
    own = next((as_record(value) for name, value in metrics.items() if name != "condenser"), {})
    read_metrics(own, out)


def read_metrics(own: Mapping[str, Any], out: EventLog) -> None:
    """Take in what the calls of one model cost."""
    out.model = out.model or _get_model(own, "model_name")
    total = as_record(own.get("accumulated_token_usage"))
    told = {"input_tokens": get_int(total, "prompt_tokens"), "output_tokens": get_int(total, "completion_tokens")}
    out.usage |= {key: count for key, count in told.items() if count is not None}
    for item in as_list(own.get("token_usages")):
        used = as_record(item)
        counts = {"input_tokens": get_int(used, "prompt_tokens"), "output_tokens": get_int(used, "completion_tokens")}
        if response_id := get_text(used, "response_id"):
            out.response_usage[response_id] = {key: count for key, count in counts.items() if count is not None}


def _read_update(record: Mapping[str, Any]) -> dict[str, Any]:
    """An update names one field of the state, or ``full_state``."""
    key, value = record.get("key"), record.get("value")
    return as_record(value) if key == "full_state" else {str(key): value}


def _get_model(record: Mapping[str, Any], key: str) -> str | None:
    name = get_text(record, key)
    return None if name == acp.NO_MODEL else name


def _add_system(event: Event, time: str | None, out: EventLog) -> None:
    record = event.value
    prompts = [record.get("system_prompt"), record.get("dynamic_context")]
    out.tools = read_tool_definitions([_name_tool(tool) for tool in as_list(record.get("tools"))]) or out.tools
    if acp.is_placeholder(prompts[0]):
        out.is_acp = True
        if prompts[1]:
            out.add(event, Message("user", _read(prompts[1], event, out), "injected", timestamp=time))
        return
    texts = [_read(prompt, event, out) for prompt in prompts if prompt]
    out.add(event, Message("system", join_contents(texts) if texts else "", "injected", timestamp=time))


def _add_act(event: Event, time: str | None, out: EventLog) -> None:
    """One call of the model; calls of one response are one turn, whose words stand in the first event."""
    record = event.value
    if out.is_acp and acp.is_finish(record):
        acp.add_answer(event, time, out)
        return
    response_id = get_text(record, "llm_response_id")
    known = out.turns.get(response_id) if response_id is not None else None
    turn = known or ModelTurn(line=event.line or 0, timestamp=time)
    thought = _read(record.get("thought"), event, out)
    add_content(turn, thought)
    add_thoughts(turn, record, thought)
    call = _read_call(record)
    if call is None:
        out.refuse(event, "malformed_record", "an action without the name of its tool")
    else:
        turn.calls.append(call)
    if known is None and not turn.is_empty:
        out.add(event, turn)
        if response_id is not None:
            out.turns[response_id] = turn


def _read_call(record: Mapping[str, Any]) -> ToolCall | None:
    call, action = as_record(record.get("tool_call")), as_record(record.get("action"))
    function = as_record(call.get("function"))
    name = get_text(call, "name") or get_text(function, "name") or get_text(record, "tool_name")
    if name is None:
        return None
    asked = {key: value for key, value in action.items() if key != "kind" and value is not None}
    arguments = call.get("arguments", function.get("arguments"))
    call_id = get_text(record, "tool_call_id") or get_text(call, "id") or f"action_{record.get('id')}"
    return ToolCall(call_id, name, dump_json(asked if arguments is None else arguments))


def _add_result(event: Event, kind: str, time: str | None, out: EventLog) -> None:
    record = event.value
    if out.is_acp and acp.is_finish(record) and kind == "ObservationEvent":
        return  # it repeats the answer
    observation = as_record(record.get("observation"))
    if kind == "ObservationEvent":
        parts = [observation.get("content", observation.get("output")), record.get("extended_content")]
        read = [part for value in parts if (part := _read(value, event, out))]
        content, failed = join_contents(read) if read else "", get_bool(observation, "is_error")
    else:
        content, failed = get_text(record, "error", "rejection_reason") or "", True
    call_id = get_text(record, "tool_call_id") or f"action_{record.get('action_id')}"
    out.add(event, Message("tool", content, "tool", tool_call_id=call_id, is_error=failed, timestamp=time))


def _add_message(event: Event, time: str | None, out: EventLog) -> None:
    record = event.value
    said, source = as_record(record.get("llm_message")), record.get("source")
    content = _read(said.get("content"), event, out)
    if said.get("role") == "assistant" or source == "agent":
        if out.is_acp and isinstance(content, str) and acp.is_error(content):
            out.refuse(event, "api_error_message", content)
            return
        turn = ModelTurn(line=event.line or 0, timestamp=time)
        add_content(turn, content)
        add_thoughts(turn, said, content)
        if turn.is_empty:
            out.refuse(event, "malformed_record", "a message without content")
        else:
            out.turns.setdefault(get_text(record, "llm_response_id") or "", turn)
            out.add(event, turn)
        return
    out.agent_calls.clear()  # the ids of calls may begin anew with the next turn
    origin = find_origin(content) if source == "user" else "injected"
    out.add(event, Message("user", content, origin, timestamp=time))
    added = _read(record.get("extended_content"), event, out)
    if added:
        out.add(event, Message("user", added, "injected", timestamp=time))


def _read(value: Any, event: Event, out: EventLog) -> Content:
    return read_blocks(value, out.log, event.line)


def _name_tool(tool: Any) -> Any:
    """A definition as the SDK writes it has its name in ``title``, and a schema only where it is an MCP tool's."""
    record = as_record(tool)
    if "function" in record or "name" in record:
        return record
    schema = as_record(as_record(record.get("mcp_tool")).get("inputSchema"))
    return {**record, "name": record.get("title"), **({"parameters": schema} if schema else {})}
