"""The events of one OpenHands session → its traces: the main agent's, and one for each delegate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracemill.ingest.json_fields import as_record, format_time, get_text
from tracemill.ingest.openhands import v0, v1
from tracemill.ingest.openhands.delegates import Part, split_delegates
from tracemill.ingest.openhands.log import Event, EventLog
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import sum_tokens
from tracemill.trace import Message, Trace

SOURCE_KIND = "openhands"


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of a session beside its events.

    ``parent_id``: the session that called it as a sub-agent. ``state`` is the SDK's, ``metadata`` that of 0.x or of a
    server, ``metrics`` what the model's calls cost. ``asked``: the task, for events in which nobody says it.
    """

    trace_id: str
    path: Path
    root_id: str = ""
    parent_id: str | None = None
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: str | None = None
    asked: str = ""


def is_event(value: Any) -> bool:
    """Whether a JSON value is an event of either generation."""
    record = as_record(value)
    return v1.is_event(record) or v0.is_event(record)


def build_traces(session: Session, events: Iterable[Event], log: LossLog) -> list[Trace]:
    """The traces of a session, the main agent's first; none where nobody says anything."""
    parts = split_delegates(list(events))
    traces: dict[int, Trace] = {}
    for number, part in enumerate(parts):
        out = _read_part(session, part, log)
        if len(parts) > 1:
            out.usage = part.usage or {}
        parent = None if part.parent is None else traces.get(part.parent)
        name = _name_part(session, part, parent, number)
        messages = out.build()
        if messages:
            traces[number] = _build_trace(session, part, name, parent, messages, out)
        else:
            log.drop("no_messages", detail=f"session {name}"[:200])
            if parent is None:
                return []
    return list(traces.values())


def _name_part(session: Session, part: Part, parent: Trace | None, number: int) -> str:
    if part.call is None:
        return session.trace_id
    own_id = part.call.value.get("id")
    place = own_id if isinstance(own_id, int | str) else f"n{number}"
    return f"{parent.trace_id if parent else session.trace_id}:{part.agent}_{place}"


def _read_part(session: Session, part: Part, log: LossLog) -> EventLog:
    out = EventLog(log)
    v1.read_metrics(session.metrics, out)
    asked, time = part.task, None
    if part.call is None:
        out.model, asked = session.model, session.asked
        v1.read_state(session.state, out)
        _read_metadata(session.metadata, out)
    else:
        out.model, out.usage = None, {}
        time = format_time(part.call.value.get("timestamp"))
    is_said = not asked or any(v0.is_asked(event.value) or v1.is_asked(event.value) for event in part.events)
    for event in part.events:
        if not is_said and not v0.is_system(event.value) and not v1.is_system(event.value):
            out.add(Event({}, "task"), Message("user", asked, "human", timestamp=time))
            is_said = True
        _read_event(event, out)
    return out


def _read_event(event: Event, out: EventLog) -> None:
    record = event.value
    if isinstance(record.get("kind"), str):
        v1.read_event(event, out)
    elif isinstance(record.get("action"), str) or isinstance(record.get("observation"), str):
        v0.read_event(event, out)
    else:
        out.refuse(event, "malformed_record", "no kind, no action and no observation")


def _read_metadata(metadata: Mapping[str, Any], out: EventLog) -> None:
    named = {key: key for key in ("title", "forked_from_conversation_id", "forked_from_event_id")}
    told = {name: get_text(metadata, key) for name, key in {**named, "repository": "selected_repository"}.items()}
    out.meta |= {key: text for key, text in told.items() if text}
    out.git_branch = get_text(metadata, "selected_branch")


def _build_trace(
    session: Session, part: Part, name: str, parent: Trace | None, messages: Sequence[Message], out: EventLog
) -> Trace:
    times = [time for event in part.events if (time := format_time(event.value.get("timestamp")))]
    models = [message.model for message in messages if message.model]
    told = {key: out.usage.get(key) or sum_tokens(messages, key) for key in ("input_tokens", "output_tokens")}
    parent_id = session.parent_id if part.call is None else parent.trace_id if parent else session.trace_id
    if part.call is not None:
        out.meta["delegate_action"] = part.call.value.get("id")
    return Trace(
        trace_id=name,
        source_kind=SOURCE_KIND,
        source_path=str(session.path),
        root_session_id=session.root_id or session.trace_id,
        messages=tuple(messages),
        agent_id=part.agent if part.call is not None else name if parent_id is not None else None,
        is_sidechain=parent_id is not None,
        parent_trace_id=parent_id,
        cwd=out.cwd or (parent.cwd if parent else None),
        git_branch=out.git_branch or (parent.git_branch if parent else None),
        started_at=times[0] if times else None,
        ended_at=times[-1] if times else None,
        source_meta=out.meta,
        model=models[-1] if models else out.model,
        tools=out.tools,
        input_tokens=told["input_tokens"],
        output_tokens=told["output_tokens"],
    )
