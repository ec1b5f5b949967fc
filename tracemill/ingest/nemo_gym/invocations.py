"""Sub-agents of a NeMo Gym rollout: what its row tells of them beside the response, which is the main agent's.

An agent that calls others has each conversation written down as an invocation, under ``ng_trajectory`` or, where that
is not told, among the records of ``ng_agent_observations``. One literal invocation, shortened::

    {"invocation_id": "sub-1", "parent_invocation_id": "root", "spawned_by_tool_call_id": "call_1", "status":
     "completed", "conversation": [{"type": "message", "role": "user", "content": "Count the boats"}]}

Source: NVIDIA-NeMo/Gym after 0.4.0, ``nemo_gym/rollout_observability.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, get_text
from tracemill.ingest.lines import Row
from tracemill.ingest.nemo_gym.items import ItemReader
from tracemill.ingest.source import LossLog
from tracemill.trace import Trace

_KIND = "agent_invocation"


def read_subagents(row: Row, main: Trace, log: LossLog) -> list[Trace]:
    """A trace for each sub-agent of a rollout that says anything, ``<rollout>:<invocation>``, in the row's order."""
    told = [record for record in _list_invocations(row.value) if get_text(record, "parent_invocation_id")]
    names = {own_id: f"{main.trace_id}:{own_id}" for record in told if (own_id := get_text(record, "invocation_id"))}
    traces: list[Trace] = []
    for record in told:
        own_id = get_text(record, "invocation_id")
        conversation = as_list(record.get("conversation"))
        if own_id is None or not conversation or any(trace.agent_id == own_id for trace in traces):
            continue
        reader = ItemReader(log, row.line, None)
        reader.read(conversation)
        messages = reader.build(None)
        if not messages:
            continue
        meta = {"spawned_by": get_text(record, "spawned_by_tool_call_id"), "status": get_text(record, "status")}
        traces.append(
            Trace(
                trace_id=names[own_id],
                source_kind=main.source_kind,
                source_path=main.source_path,
                root_session_id=main.root_session_id,
                messages=messages,
                agent_id=own_id,
                is_sidechain=True,
                parent_trace_id=names.get(get_text(record, "parent_invocation_id") or "", main.trace_id),
                source_meta={key: value for key, value in meta.items() if value is not None},
                task_id=main.task_id,
                attempt=main.attempt,
                tools=reader.tools,
            )
        )
    return traces


def _list_invocations(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    told = as_list(as_record(row.get("ng_trajectory")).get("invocations"))
    if told:
        return [as_record(record) for record in told]
    records = map(as_record, as_list(as_record(row.get("ng_agent_observations")).get("records")))
    return [record for record in records if record.get("kind") == _KIND]
