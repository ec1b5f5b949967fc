"""NeMo Gym rollouts → traces.

Files: the ``*.jsonl`` that a rollout collection of NeMo Gym writes (``*rollouts.jsonl``, and its sidecar
``*_failures.jsonl``), wherever it was told to write them. The ``*_materialized_inputs.jsonl`` and
``*_reward_profiling.jsonl`` beside it hold no rollouts. Checked against files of eleven agents and resource servers of
September 2025 to July 2026, and against the example rollouts in the package of 0.4.0 (110 servers).

A row is one rollout: a request and a response of the OpenAI Responses shape, and what the verifier said. One literal
row, shortened::

    {"responses_create_params": {"input": [{"role": "user", "content": "Who is a pioneer?", "type": "message"}],
     "tools": []}, "response": {"id": "resp_28", "model": "Qwen/Qwen3-30B-A3B", "created_at": 1759381830, "output":
     [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Lily is."}]}]},
     "reward": 1.0, "_ng_task_index": 4, "_ng_rollout_index": 0}

Kept: instructions, input and output as messages, with reasoning (also what stands in ``<think>`` before a text), calls
and results; tools; model, token counts of the whole rollout, times; reward, success, task, the number of the rollout as
``attempt`` (from 0), the expected answer as ``ground_truth``. Where the input is empty and the request's metadata has a
``problem_statement``, which is what the agent was given, it is the human message (``source_meta["goal_field"]``). A
result that answers no call and comes right after a turn without calls is what the environment said: an injected user
message. Calls of tools that the provider ran have their results in them (see ``hosted.py``). An output that is a list
of states, as Aviary's agent writes it (``return_transitions``), is read as the conversation that they grow into.
``success`` is null where the row is masked or the agent, its machine or the evaluation broke down.
Dropped and counted: items of unknown type or role (``unknown_record_type``), without a needed field and verdicts that
cannot be read (``malformed_record``), results whose call is not there (``unpaired_result``). Dropped: token ids and log
probabilities, encrypted reasoning, sampling settings, patches, the judge's own conversations, configuration of the run.

A sub-agent whose conversation the row tells is a trace of its own, ``<rollout>:<invocation>`` (see ``invocations.py``).
Where verification was skipped the reward is one of the configuration: it is null.

``trace_id`` is ``<stem>:<line>``: ids of responses repeat within real files. Each row is a session of its own.

Source: NVIDIA-NeMo/Gym, ``nemo_gym/rollout_collection.py``, ``nemo_gym/openai_utils.py``,
``responses_api_agents/anyswe_agent/app.py`` and ``responses_api_agents/aviary_agent/app.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tracemill.ingest.json_fields import as_record, dump_json, format_time, get_int, get_text, read_tool_definitions
from tracemill.ingest.lines import Row, read_rows
from tracemill.ingest.nemo_gym.invocations import read_subagents
from tracemill.ingest.nemo_gym.items import ItemReader
from tracemill.ingest.nemo_gym.outcome import find_reward, find_success, find_task_id, list_unread
from tracemill.ingest.openai_chat.parts import read_usage
from tracemill.ingest.openai_chat.rows import (
    index_entries,
    name_row,
    number_rows,
    peek_rows,
    read_entry_rows,
    stream_traces,
)
from tracemill.ingest.source import Entry, Head, LossLog, ReadOptions, Source
from tracemill.trace import Trace

_NO_ROLLOUTS = ("_materialized_inputs.jsonl", "_reward_profiling.jsonl")
_GOAL_FIELD = "problem_statement"


def is_session_file(path: Path) -> bool:
    return path.suffix == ".jsonl" and not path.name.endswith(_NO_ROLLOUTS)


def is_rollout(record: Mapping[str, Any]) -> bool:
    """Whether a row is a rollout: a request and a response."""
    return isinstance(record.get("responses_create_params"), dict) and isinstance(record.get("response"), dict)


def read_head(path: Path) -> Head | None:
    found = (_describe_row(path, row, place) for row, place in peek_rows(path))
    return next((named[1] for named in found if named is not None), None)


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    yield from _stream_rollouts(path, number_rows(read_rows(path, log, options)), log, is_known=False)


def list_entries(path: Path) -> tuple[Entry, ...] | None:
    """The rollouts of a file of two or more; what is no rollout goes with the first."""
    return index_entries(path, partial(_describe_row, path))


def read_entry(path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The rollout of one entry."""
    yield from _stream_rollouts(path, number_rows(read_entry_rows(path, entry, log, options)), log, is_known=True)


def _describe_row(path: Path, row: Row, place: int) -> tuple[str, Head] | None:
    if not is_rollout(row.value):
        return None
    name = name_row(path, row.line, place)
    return name, Head(name, _find_time(row.value["response"], "created_at"))


def _stream_rollouts(path: Path, rows: Iterable[tuple[Row, int]], log: LossLog, *, is_known: bool) -> Iterator[Trace]:
    """The trace of each rollout, followed by those of its sub-agents."""
    below: list[Trace] = []

    def build(row: Row, place: int) -> Trace | None:
        trace = _build_trace(path, log, row, place)
        below.extend(read_subagents(row, trace, log) if trace is not None else ())
        return trace

    for trace in stream_traces(rows, log, is_rollout, build, is_known=is_known):
        yield trace
        yield from below
        below.clear()


def _build_trace(path: Path, log: LossLog, row: Row, place: int) -> Trace | None:
    params, response = row.value["responses_create_params"], row.value["response"]
    trace_id = name_row(path, row.line, place)
    model = get_text(response, "model") or get_text(params, "model")
    reader = ItemReader(log, row.line, model)
    goal_field = _read_request(reader, params)
    reader.read(response.get("output"))
    messages = reader.build(get_text(as_record(response.get("incomplete_details")), "reason"))
    if all(message.role == "system" for message in messages):
        log.drop("no_messages", row.line, f"rollout {trace_id}"[:200])
        return None
    usage = read_usage(as_record(response.get("usage")))
    reward, success = find_reward(row.value), find_success(row.value)
    for key in list_unread(row.value):
        log.drop("malformed_record", row.line, f"rollout {trace_id}: {key} cannot be read", dump_json(row.value[key]))
    return Trace(
        trace_id=trace_id,
        source_kind=SOURCE.name,
        source_path=str(path),
        root_session_id=trace_id,
        messages=messages,
        started_at=_find_time(response, "created_at"),
        ended_at=_find_time(response, "completed_at"),
        source_meta=_describe_source(row.value, response, goal_field),
        task_id=find_task_id(row.value, path),
        success=success,
        reward=reward,
        ground_truth=get_text(row.value, "expected_answer", "ground_truth"),
        verdict_source="verifier" if success is not None or reward is not None else None,
        attempt=get_int(row.value, "_ng_rollout_index"),
        model=model,
        tools=(read_tool_definitions(params.get("tools")) or read_tool_definitions(response.get("tools")))
        + reader.tools,
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
    )


def _read_request(reader: ItemReader, params: Mapping[str, Any]) -> str | None:
    """Read what the model was asked; the field that the task came from where it was not the input."""
    instructions = get_text(params, "instructions")
    if instructions is not None:
        reader.add_system(instructions)
    asked = params.get("input")
    reader.read(asked)
    task = get_text(as_record(params.get("metadata")), _GOAL_FIELD)
    if asked or task is None:
        return None
    reader.add_words(task)
    return f"responses_create_params.metadata.{_GOAL_FIELD}"


def _find_time(response: Mapping[str, Any], key: str) -> str | None:
    """A time of the response; 0 is what a response that was made up by a harness has."""
    return format_time(response.get(key)) if response.get(key) else None


def _describe_source(row: Mapping[str, Any], response: Mapping[str, Any], goal_field: str | None) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "response_id": get_text(response, "id"),
        "response_status": get_text(response, "status"),
        "agent": get_text(as_record(row.get("agent_ref")), "name"),
        "task_name": get_text(row, "task_name"),
        "task_index": get_int(row, "_ng_task_index"),
        "turns_used": get_int(row, "turns_used"),
        "attempt_index": get_int(row, "_ng_attempt_index"),
        "verification_skipped": True if row.get("verification_skipped") is True else None,
        "is_masked": True if row.get("mask_sample") is True else None,
        "failure_reason": get_text(row, "failure_reason"),
        "agent_error_kind": get_text(row, "agent_error_kind"),
        "error_kind": get_text(row, "error_kind", "_ng_failure_class"),
        "goal_field": goal_field,
    }
    return {key: value for key, value in meta.items() if value is not None}


SOURCE = Source(
    name="nemo_gym",
    title="NeMo Gym",
    default_dir=None,
    file_pattern="*.jsonl",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
    list_entries=list_entries,
    read_entry=read_entry,
)
