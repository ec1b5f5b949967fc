"""One Hermes Agent session, from any of its stores → one trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from tracemill.ingest.content_parts import Content, read_content
from tracemill.ingest.document_head import decode_tools
from tracemill.ingest.hermes_agent.compaction import is_summary, plan_rows
from tracemill.ingest.hermes_agent.notices import split_notices
from tracemill.ingest.json_fields import (
    as_list,
    as_record,
    dump_json,
    format_time,
    get_int,
    get_text,
    parse_json,
    parse_record,
    read_tool_definitions,
)
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import SELF, Message, Origin, ToolCall, Trace

#: Classes of messages that Hermes wrote itself, whatever their role, where it tells.
_OWN_CLASSES = ("internal_scaffold", "context_anchor")
#: What Hermes puts before the JSON of content that is a list, in the one text column of its database.
_JSON_MARKS = ("\x00json:", "\x01json:")


class _Outcome(msgspec.Struct):
    """What a result that is JSON says about itself."""

    exit_code: Any = None
    error: Any = None


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_value = msgspec.json.Decoder().decode
_decode_outcome = msgspec.json.Decoder(_Outcome).decode


class SessionRow(msgspec.Struct, frozen=True, gc=False):
    """One message record; ``line`` is the line of the file that holds it, where there are lines."""

    value: Mapping[str, Any]
    line: int | None = None


def decode_session(raw: bytes) -> dict[str, Any] | None:
    """All fields of the object that the bytes are; None where they are not JSON in order.

    Tool definitions, which can be most of a session, stand there as a tuple of what ``decode_tools`` reads of them.
    """
    try:
        fields = _decode_fields(raw)
        return {
            key: decode_tools(bytes(value)) if key == "tools" else _decode_value(value) for key, value in fields.items()
        }
    except (ValueError, RecursionError):
        return None


def build_trace(
    session: Mapping[str, Any],
    rows: Sequence[SessionRow],
    trace_id: str,
    root: str,
    layout: str,
    path: Path,
    log: LossLog,
    source_kind: str,
) -> Trace | None:
    """The trace of a session, or None (logged) where it has no message."""
    messages = _read_messages(session, rows, log)
    if all(message.role == "system" for message in messages):
        log.drop("no_messages", rows[0].line if rows else None, f"session {trace_id}"[:200])
        return None
    settings = parse_record(session.get("model_config"))
    times = [message.timestamp for message in messages if message.timestamp]
    input_tokens, output_tokens = _count_tokens(session)
    return Trace(  # most by place: twenty fields by name would take six times as long
        trace_id,
        source_kind,
        str(path),
        root,
        messages,
        None,  # agent_id
        get_text(session, "source") == "subagent" or get_text(settings, "_delegate_from") is not None,
        get_text(session, "parent_session_id"),
        get_text(session, "cwd") or get_text(settings, "cwd"),
        get_text(session, "git_repo_root"),
        get_text(session, "git_branch"),
        None,  # git_commit
        None,  # repository_url
        _find_time(session, "session_start", "started_at") or (times[0] if times else None),
        _find_time(session, "ended_at", "last_updated") or (times[-1] if times else None),
        _describe_source(session, layout),
        model=get_text(session, "model"),
        tools=_list_tools(session.get("tools")),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
    )


def _list_tools(tools: Any) -> tuple[dict[str, Any], ...]:
    """Tool definitions, which ``decode_session`` may have read already."""
    return tools if isinstance(tools, tuple) else read_tool_definitions(tools)


def _count_tokens(session: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Tokens of input and of output; 0 and 0 is the database's default, not a measurement."""
    given, made = _sum_input(session), get_int(session, "output_tokens")
    return (given, made) if given or made else (None, None)


def _sum_input(session: Mapping[str, Any]) -> int | None:
    """The tokens of all prompts of a session; Hermes counts what a cache held or took apart from the rest."""
    count = get_int(session, "input_tokens")
    if count is None:
        return None
    return count + (get_int(session, "cache_read_tokens") or 0) + (get_int(session, "cache_write_tokens") or 0)


def _read_messages(session: Mapping[str, Any], rows: Sequence[SessionRow], log: LossLog) -> tuple[Message, ...]:
    transcript = Transcript()
    prompt = get_text(session, "system_prompt")
    if prompt is not None:
        transcript.add(Message("system", prompt, "injected"))
    told: list[SessionRow] = []
    has_summary = False
    for row in rows:
        record = row.value
        if record.get("role") != "session_meta" and not ("active" in record and _is_rewound(row, log)):
            told.append(row)
            has_summary = has_summary or is_summary(record)
    if not has_summary:
        for place, row in enumerate(told):
            message = _read_message(row, place, log)
            if message is not None and not (message.role == "system" and message.content == prompt):
                transcript.entries += [(part, row.line) for part in _split_message(message)]
        return transcript.build_messages(log)
    numbers: dict[int, list[int]] = {}
    for place, plan in enumerate(plan_rows(told)):
        row = plan.row
        message = _read_message(row, place, log)
        if message is None or (message.role == "system" and message.content == prompt):
            continue
        if plan.context is not None:
            kept = [number for kept in plan.context for number in ([SELF] if kept == SELF else numbers.get(kept, []))]
            lead = [0] if prompt is not None else []
            message = _make_compaction(message, (*lead, *kept))
        numbers[place] = [transcript.add(part, row.line) for part in _split_message(message)]
    return transcript.build_messages(log)


def _split_message(message: Message) -> tuple[Message, ...]:
    """A message of the user role as what Hermes put there and what the person said, each its own message."""
    if message.origin != "human" or not isinstance(message.content, str):
        return (message,)
    notice, words = split_notices(message.content)
    if not notice:
        return (message,)
    parts = ((notice, "injected"), (words, "human"))
    return tuple(replace(message, content=text, origin=origin) for text, origin in parts if text)


def _is_rewound(row: SessionRow, log: LossLog) -> bool:
    """Whether the person took it back (inactive, yet not summarized away)."""
    if row.value.get("active") == 0 and not row.value.get("compacted"):
        log.drop("abandoned_branch", row.line, f"message {row.value.get('id')!r}"[:200], _show(row.value))
        return True
    return False


def _read_message(row: SessionRow, place: int, log: LossLog) -> Message | None:
    record = row.value
    role, content, time = record.get("role"), record.get("content"), record.get("timestamp")
    if type(content) is not str or content.startswith(_JSON_MARKS):
        content = _read_content(content, log, row.line)
    if time is not None:
        time = format_time(time)
    if role == "assistant":
        if record.get("_hermes_message_class") == "internal_scaffold":
            log.drop("synthetic_message", row.line, "written by Hermes, not by the model", _show(record))
            return None
        calls, thought = record.get("tool_calls"), record.get("reasoning_content")
        if type(thought) is not str or not thought or thought.isspace():
            thought = get_text(record, "reasoning")
        calls = _read_calls(calls, row, place, log) if calls else ()
        reason = get_text(record, "finish_reason")
        return Message("assistant", content, "model", thought, calls, None, None, time, None, reason)
    if role == "tool":
        failed = _find_failure(content) if type(content) is str else None
        return Message("tool", content, "tool", None, (), get_text(record, "tool_call_id"), failed, time)
    if role == "user":
        is_own = record.get("display_kind") == "hidden" or record.get("_hermes_message_class") in _OWN_CLASSES
        origin: Origin = "injected" if is_own else "human"
        return Message("user", content, origin, None, (), None, None, time)
    if role == "system":
        return Message("system", content, "injected", timestamp=time)
    reason = "unknown_record_type" if isinstance(role, str) else "malformed_record"
    log.drop(reason, row.line, f"role {role!r}"[:200], _show(record))
    return None


def _read_calls(listed: Any, row: SessionRow, place: int, log: LossLog) -> tuple[ToolCall, ...]:
    if isinstance(listed, str):
        listed = parse_json(listed)
    calls: list[ToolCall] = []
    for number, item in enumerate(as_list(listed)):
        call = as_record(item)
        function = as_record(call.get("function"))
        name = get_text(function, "name") or get_text(call, "name")
        if name is None:
            log.drop("malformed_record", row.line, f"tool_calls[{number}] without a name", dump_json(item))
            continue
        arguments = function.get("arguments", call.get("arguments"))
        call_id = get_text(call, "call_id", "id") or f"message_{place}_call_{number}"
        calls.append(ToolCall(call_id, name, "{}" if arguments is None else dump_json(arguments)))
    return tuple(calls)


def _find_failure(content: str) -> bool | None:
    """Whether a result says that its call failed: by its exit code, else by an error; None where it says nothing."""
    if not content.startswith("{") or ('"exit_code"' not in content and '"error"' not in content):
        return None
    try:
        told = _decode_outcome(content)
    except (ValueError, RecursionError):
        record = as_record(parse_json(content))
        told = _Outcome(record.get("exit_code"), record.get("error"))
    code = told.exit_code
    if isinstance(code, int | float) and not isinstance(code, bool):
        return code != 0
    return True if told.error else None


def _read_content(value: Any, log: LossLog, line: int | None) -> Content:
    if isinstance(value, str):
        for mark in _JSON_MARKS:
            if value.startswith(mark):
                decoded = parse_json(value.removeprefix(mark))
                return read_content(decoded, log, line) if decoded is not None else value.removeprefix(mark)
    return read_content(value, log, line)


def _make_compaction(message: Message, context: tuple[int, ...]) -> Message:
    """The summary as one message of the user role, whichever role Hermes gave it to keep roles alternating."""
    return Message("user", message.content, "compaction", timestamp=message.timestamp, context=context)


def _find_time(session: Mapping[str, Any], *keys: str) -> str | None:
    for key in keys:
        value = session.get(key)
        if value is not None and (time := format_time(value)):
            return time
    return None


def _describe_source(session: Mapping[str, Any], layout: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"layout": layout}
    for name, value in (
        ("platform", get_text(session, "platform", "source")),
        ("title", get_text(session, "title")),
        ("end_reason", get_text(session, "end_reason")),
        ("provider", get_text(session, "billing_provider")),
    ):
        if value is not None:
            meta[name] = value
    return meta


def _show(record: Mapping[str, Any]) -> str:
    return dump_json(dict(record))
