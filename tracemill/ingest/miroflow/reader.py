r"""Attempt logs of the MiroFlow and MiroThinker evaluation → traces.

Files: ``task_<id>_attempt-<n>_format-retry-<m>_<time>.json`` (MiroThinker), ``task_<id>_attempt_<n>.json`` or
``task_<id>_attempt_<n>_retry_<m>.json`` (MiroFlow), one attempt each, in the folder of an evaluation;
``benchmark_results.jsonl`` beside them, or one folder above, is written when the whole evaluation ends. Not read: what
MiroFlow logs outside of its tasks (``task_root_attempt_0*.json``, ``log_root.json``).

Checked against the sources of MiroThinker and MiroFlow from 2025 to spring 2026; no public file exists. A file is one
object, in one of two layouts (``layout.py``); one literal file of the older one, shortened::

    {"status": "success", "task_id": "q1_attempt-1_format-retry-0", "ground_truth": "42",
     "final_judge_result": "CORRECT", "env_info": {"llm_model_name": "m"},
     "main_agent_message_history": {"system_prompt": "In this ...", "message_history": [
      {"role": "user", "content": "How many?"}, {"role": "assistant", "content": "\\boxed{42}"}]}}

Kept: the main agent's session, and each of ``sub_agent_message_history_sessions`` as a side chain. Calls are text,
``<use_mcp_tool>`` blocks: they become tool calls named ``<server>-<tool>`` (their name for clients that call
functions) with ids ``call_<n>``, the user message after them is the result, and an error where it says so. Several
results in one text are told apart by MiroFlow's headings (``results.py``); where there are none, or they can be read in
two ways, the first call has it all. A leading ``<think>`` is reasoning. The first user message is the task; what the
harness adds to it about earlier attempts, its requests for the final answer (also those that MiroFlow puts behind a
result) and every later user message are injected. Tool definitions are read out of the system prompt, which stays
whole.
The newer layout keeps the final answer apart, as ``summary`` of an agent's state: with the request that asked for it,
where the log has that, they are the last two messages. Without one the answer is the last turn where the history ends
before any, else it is no message. It stands in ``source_meta`` either way.
Outcome: ``final_judge_result`` of the file, MiroFlow's ``judge_result`` (CORRECT true, INCORRECT and NOT_ATTEMPTED
false, else unknown), else the line of this very attempt in ``benchmark_results.jsonl``. Only the main session has it,
and ``ground_truth``, the answer to the whole task; sub-agents share ``task_id`` and ``attempt``. In ``source_meta``:
status, format retry, judge result, type and details, boxed answer, error, provider, kept tool results, and what a retry
was told of this one.
Dropped and counted: messages that are none (``malformed_record``), sessions without a message (``no_messages``),
and, with the first log that they belong to, results that cannot be read.
Dropped: ``step_logs`` (they repeat the messages), the rest of ``trace_data``, the line that counts the results of one
text. What a run with ``keep_tool_result`` left out of its prompts is in the log, and so in the trace.

Ids: ``trace_id`` and ``root_session_id`` are the file's stem, a sub-agent's is ``<stem>:<session>``. Times are as
written, with a zone (2026) or the machine's own without one (MiroFlow of 2025); MiroThinker's, UTC+8 wherever it runs,
get the zone that they lack. A sub-agent's are its own, null where the log does not tell them.

Source: MiroMindAI/MiroThinker, ``apps/miroflow-agent``: ``src/logging/task_logger.py``,
``benchmarks/common_benchmark.py``; MiroMindAI/MiroFlow: ``src/logging/task_tracer.py``, ``common_benchmark.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.atif.companions import count_shared_fault
from tracemill.ingest.document_head import read_leading_fields
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_record, dump_json, get_int, get_text
from tracemill.ingest.miroflow.layout import Times, find_facts, read_layout, read_time
from tracemill.ingest.miroflow.session import SessionReader
from tracemill.ingest.miroflow.verdict import (
    JUDGEMENT_KEYS,
    AttemptName,
    find_verdict,
    read_attempt_name,
    read_judgement,
    tell_faults,
)
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.ingest.transcript import finish_traces
from tracemill.trace import Trace

#: What MiroFlow logs outside of its tasks.
_ROOT_LOG = re.compile(r"task_root_attempt_0(?:_retry_0)?\.json|log_root\.json")


def is_session_file(path: Path) -> bool:
    """Whether the name can be that of an attempt's log."""
    return path.suffix == ".json" and _ROOT_LOG.fullmatch(path.name) is None


def read_head(path: Path) -> Head | None:
    """The attempt that a file is; None where it is another format's."""
    fields, is_all = read_leading_fields(path)
    facts = find_facts(fields, may_be_cut=not is_all)  # a history may be longer than the head
    if facts is None:
        facts = find_facts(read_document(path, LossLog(path=str(path))))
    return None if facts is None else Head(path.stem, read_time(facts.get("start_time")))


def read_file(path: Path, log: LossLog, _options: ReadOptions) -> Iterator[Trace]:
    """The main session of an attempt, then its sub-agents."""
    tell_faults(path, partial(count_shared_fault, path, log, SOURCE))
    document = read_document(path, log)
    if document is None:
        return
    if find_facts(document) is None:
        log.drop("foreign_file", detail="no object with a task_id and the history of a main agent")
        return
    yield from finish_traces(_read_sessions(as_record(document), path, log), log)


def _read_sessions(record: Mapping[str, Any], path: Path, log: LossLog) -> list[Trace]:
    facts = find_facts(record) or {}
    name = read_attempt_name(facts, path.stem)
    shared = _build_shared(facts, name, path)
    traces: list[Trace] = []
    layout = read_layout(record, facts, log)
    for agent_id, session in layout.sessions:
        reader = SessionReader(log, agent_id or "main agent", shared.model)
        messages = reader.read(session)
        if not messages:
            log.drop("no_messages", detail=f"session {agent_id or 'of the main agent'}"[:200])
            continue
        meta = shared.source_meta if reader.summary is None else {**shared.source_meta, "summary": reader.summary}
        trace = replace(shared, messages=messages, tools=reader.tools, source_meta=meta)
        if agent_id is None:
            traces.append(_judge(trace, facts, name, path))
        else:
            traces.append(_make_side_chain(trace, agent_id, layout.times.get(agent_id, Times())))
    return traces


def _build_shared(record: Mapping[str, Any], name: AttemptName, path: Path) -> Trace:
    """What all sessions of an attempt have in common."""
    environment = as_record(record.get("env_info"))
    truth = record.get("ground_truth")
    return Trace(
        trace_id=path.stem,
        source_kind=SOURCE.name,
        source_path=str(path),
        root_session_id=path.stem,
        messages=(),
        started_at=read_time(record.get("start_time")),
        ended_at=read_time(record.get("end_time")),
        source_meta=_describe_source(record, environment, name),
        task_id=name.task_id,
        attempt=name.attempt,
        ground_truth=None if truth in (None, "") else dump_json(truth),
        model=get_text(environment, "llm_model_name"),
    )


def _describe_source(record: Mapping[str, Any], environment: Mapping[str, Any], name: AttemptName) -> dict[str, Any]:
    trace_data = as_record(record.get("trace_data"))
    meta: dict[str, Any] = {
        "status": get_text(record, "status"),
        "format_retry": name.format_retry,
        "judge_result": get_text(record, *JUDGEMENT_KEYS),
        "judge_type": get_text(record, "judge_type", "verifier_name"),
        "final_boxed_answer": get_text(record, "final_boxed_answer"),
        "error": get_text(record, "error"),
        "retry_summary": get_text(record, "exceed_max_turn_summary")
        or get_text(trace_data, "failure_experience_summary"),
        "eval_details": as_record(record.get("eval_details")) or None,
        "provider": get_text(environment, "llm_provider"),
        "keep_tool_result": get_int(environment, "keep_tool_result"),
    }
    return {key: value for key, value in meta.items() if value is not None}


def _judge(trace: Trace, record: Mapping[str, Any], name: AttemptName, path: Path) -> Trace:
    success = read_judgement(record)
    if success is not None:
        return replace(trace, success=success, verdict_source="judge")
    success = find_verdict(path, name)
    return trace if success is None else replace(trace, success=success, verdict_source="benchmark_results")


def _make_side_chain(trace: Trace, agent_id: str, times: Times) -> Trace:
    """A sub-agent's trace: the answer to the whole task and the attempt's times are not its own."""
    return replace(
        trace,
        started_at=times.start,
        ended_at=times.end,
        ground_truth=None,
        trace_id=f"{trace.trace_id}:{agent_id}",
        agent_id=agent_id,
        is_sidechain=True,
        parent_trace_id=trace.trace_id,
    )


SOURCE = Source(
    name="miroflow",
    title="MiroFlow / MiroThinker evaluation",
    default_dir=None,
    file_pattern="*.json",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
)
