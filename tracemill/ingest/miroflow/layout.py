"""The two layouts of an attempt's log → its facts and its sessions.

MiroThinker and MiroFlow until late 2025 write one flat object, with the sessions in ``main_agent_message_history`` and
``sub_agent_message_history_sessions``. MiroFlow of 2026 writes what it knows of the attempt under ``task_meta`` and the
latest state of each agent under ``agent_states``, in the order in which they began: the main agent comes first::

    {"task_meta": {"task_id": "q1", "attempt_id": 1, "retry_id": 0, "judge_result": "CORRECT", "ground_truth": "42"},
     "agent_states": {"main_agent": {"updated_at": "...", "state": {"message_history": [...], "summary": "..."}}}}

A state with its input alone is an agent's that made no turn; one with neither is no agent's.

When a sub-agent began and ended stands in the rows of ``step_logs`` that name its session; the newer layout dates the
last save of a state, which is the end of one that has a ``summary``.

Source: MiroMindAI/MiroFlow, ``src/logging/task_tracer.py``, ``src/benchmark/task_runner.py`` and
``src/agents/iterative_agent_with_rollback.py`` (from early 2026 on also under ``miroflow/``); MiroMindAI/MiroThinker,
``src/logging/task_logger.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, dump_json, format_time, get_text
from tracemill.ingest.source import LossLog

_MAIN, _SUBS = "main_agent_message_history", "sub_agent_message_history_sessions"
_META, _STATES = "task_meta", "agent_states"
#: As MiroThinker's ``get_utc_plus_8_time`` writes every time, wherever it runs; MiroFlow's own have a ``T``.
_UTC_PLUS_8 = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")


@dataclass(slots=True)
class Times:
    """When a session began and ended, as ``read_time`` gives it."""

    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The sessions of a log by agent, the main agent's (None) first, and the times of sub-agents' where it says."""

    sessions: tuple[tuple[str | None, Any], ...]
    times: Mapping[str, Times] = field(default_factory=dict[str, Times])


def find_facts(document: Any, *, may_be_cut: bool = False) -> dict[str, Any] | None:
    """What a document says of its attempt; None where it is none's log.

    ``may_be_cut``: the sessions may be there as None, as in the head of a long file.
    """
    record = as_record(document)
    for facts, key in ((record, _MAIN), (as_record(record.get(_META)), _STATES)):
        sessions = record.get(key, False)
        is_there = isinstance(sessions, dict | list if key == _MAIN else dict)
        if get_text(facts, "task_id") is not None and (is_there or (may_be_cut and sessions is None)):
            return facts
    return None


def read_layout(record: Mapping[str, Any], facts: Mapping[str, Any], log: LossLog) -> Layout:
    """The sessions of a log, of which ``find_facts`` gave the facts: the log itself where it is a flat one."""
    is_flat = facts is record
    key = _SUBS if is_flat else _STATES
    named = record.get(key)
    if named is not None and not isinstance(named, dict):
        log.drop("malformed_record", detail=f"{key} is no object", content=dump_json(named))
    agents = as_record(named)
    if is_flat:
        return Layout(((None, record[_MAIN]), *agents.items()), _read_times(record))
    told = {
        name: state for name, entry in agents.items() if not _is_without_turns(state := as_record(entry).get("state"))
    }
    sessions = [(name if place else None, state) for place, (name, state) in enumerate(told.items())]
    ends = {name: read_time(as_record(agents[name]).get("updated_at")) for name in told if _is_finished(told[name])}
    return Layout(tuple(sessions) or ((None, {}),), {name: Times(None, end) for name, end in ends.items()})


def read_time(value: Any) -> str | None:
    """A time as written, but for one that is UTC+8 without saying so: that gets its zone."""
    written = format_time(value)
    found = _UTC_PLUS_8.fullmatch(written) if written is not None else None
    return written if found is None else f"{found[1]}T{found[2]}+08:00"


def _read_times(record: Mapping[str, Any]) -> dict[str, Times]:
    """The times of sub-agents' sessions, by the rows that say that one began or ended."""
    times: dict[str, Times] = {}
    for row in map(as_record, as_list(record.get("step_logs"))):
        session_id = get_text(as_record(row.get("metadata")), "session_id")
        step = (get_text(row, "step_name") or "").lower().replace("_", " ")
        if session_id is None or not step.endswith(("session start", "session end")):
            continue
        told, time = times.setdefault(session_id, Times()), read_time(row.get("timestamp"))
        if step.endswith("start"):
            told.start = told.start or time
        else:
            told.end = time or told.end
    return times


def _is_without_turns(state: Any) -> bool:
    return isinstance(state, dict) and not {"message_history", "input_ctx"}.intersection(as_record(state))


def _is_finished(state: Any) -> bool:
    return "summary" in as_record(state)
