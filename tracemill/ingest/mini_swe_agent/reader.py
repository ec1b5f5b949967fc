"""mini-swe-agent trajectories → traces.

Files: ``<instance>.traj.json`` of a batch, ``last_mini_run.traj.json`` of a single run, or any ``*.json`` that a run
was told to write. A file is one JSON object, a row one of its ``messages``::

    {"role": "tool", "content": "<returncode>0</returncode>\\n<output>\\n</output>", "tool_call_id": "call_1",
     "extra": {"raw_output": "", "returncode": 0, "timestamp": 1760078128.4}}

Checked against a file of 1.13 (``trajectory_format`` ``mini-swe-agent-1``: commands fenced in text) and the sources of
1.17 and 2.4 (``mini-swe-agent-1.1``: tool calls, in chat messages or in whole responses of the Responses API).

Kept: all messages. The first user message is the task, with the instructions that the template adds to it; what a
person typed later (``interrupt_type``) is human too; observations of text mode are user messages, injected, as the
model saw them, and commands stay text (``source_meta["text_commands"]`` counts the turns). A tool result failed where
its ``returncode`` is not 0 or ``exception_info`` says so. Usage, model, stop reason and times of a turn come from the
model's response in ``extra``. The entry that ends a run (role ``exit``; in version 1 a user message with what was
submitted) is no message: ``source_meta`` has ``exit_status``, ``submission`` and, where it says more, ``exit_message``.
Every time is ISO 8601 in UTC: of an entry (``timestamp`` in ``extra``, in 1.17 beside it), else of the response, all
written as seconds since 1970. A date that a fork wrote in text is put into UTC by its zone; without a zone it is none,
and ``source_meta["times_without_zone"]`` counts it.
Not kept: raw responses, raw outputs, costs of single turns, the templates of the config.

Ids: ``trace_id`` is the name of the Harbor trial around the file, else the file's name without ``.traj`` and ``.json``;
``task_id`` is ``instance_id``. ``success`` and ``reward`` come from the ``result.json`` of the trial, else they are
null: ``Submitted`` is no verdict.

Source: SWE-agent/mini-swe-agent, ``docs/usage/output_files.md``, ``agents/default.py`` and ``models/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tracemill.ingest.atif.companions import count_shared_fault
from tracemill.ingest.atif.harbor_trial import Verdict, name_session, read_verdict
from tracemill.ingest.document_head import read_leading_fields
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_list, as_record, get_int, get_number, get_text
from tracemill.ingest.mini_swe_agent.messages import MessageReader, find_time, has_zoneless_time
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.ingest.swe_agent.verdict import add_verdict
from tracemill.ingest.transcript import finish_traces, sum_tokens
from tracemill.trace import Trace

_FORMAT = "mini-swe-agent"


def is_session_file(path: Path) -> bool:
    return path.suffix == ".json" and path.name not in ("result.json", "config.json", "preds.json")


def is_trajectory(document: Any) -> bool:
    """Whether a JSON value is a trajectory of mini-swe-agent: by its format's name, else by the agent's version."""
    record = as_record(document)
    named = (get_text(record, "trajectory_format") or "").startswith(_FORMAT)
    return isinstance(record.get("messages"), list) and (named or _has_version(record))


def read_head(path: Path) -> Head | None:
    fields, _ = read_leading_fields(path)
    if "messages" in fields and fields["messages"] is None and _has_version(fields):
        return _describe_head(fields, path)  # the messages are too long for the head
    if is_trajectory(fields) and fields:
        return _describe_head(fields, path)
    document = read_document(path, LossLog(path=str(path)))
    return _describe_head(as_record(document), path) if is_trajectory(document) else None


def read_file(path: Path, log: LossLog, _options: ReadOptions) -> Iterator[Trace]:
    document = read_document(path, log)
    if document is None:
        return
    if not is_trajectory(document):
        log.drop("foreign_file", detail="no object with messages and a trajectory_format of mini-swe-agent")
        return
    verdict = read_verdict(path, partial(count_shared_fault, path, log, SOURCE))
    trace = _read_run(as_record(document), path, verdict, log)
    if trace is not None:
        yield from finish_traces([add_verdict(trace, verdict)], log)


def _read_run(run: Mapping[str, Any], path: Path, verdict: Verdict | None, log: LossLog) -> Trace | None:
    info = as_record(run.get("info"))
    config = as_record(info.get("config"))
    model = get_text(as_record(config.get("model")), "model_name")
    reader = MessageReader(log, model, get_text(info, "submission"))
    messages = reader.read(as_list(run.get("messages")))
    trace_id, root_id = _name_trace(path, verdict)
    if not messages:
        log.drop("no_messages", detail=f"trajectory {trace_id}"[:200])
        return None
    times = [message.timestamp for message in messages if message.timestamp]
    named = [message.model for message in messages if message.model]
    return Trace(
        trace_id=trace_id,
        source_kind=SOURCE.name,
        source_path=str(path),
        root_session_id=root_id,
        messages=messages,
        cwd=get_text(as_record(config.get("environment")), "cwd"),
        started_at=times[0] if times else None,
        ended_at=times[-1] if times else None,
        source_meta=_describe_run(run, reader),
        task_id=get_text(run, "instance_id"),
        model=named[-1] if named else model,
        input_tokens=sum_tokens(messages, "input_tokens"),
        output_tokens=sum_tokens(messages, "output_tokens"),
    )


def _has_version(fields: Mapping[str, Any]) -> bool:
    return get_text(as_record(fields.get("info")), "mini_version") is not None


def _describe_head(fields: Mapping[str, Any], path: Path) -> Head:
    times = (find_time(as_record(entry)) for entry in as_list(fields.get("messages")))
    return Head(_name_trace(path, read_verdict(path))[1], next((time for time in times if time), None))


def _name_trace(path: Path, verdict: Verdict | None) -> tuple[str, str]:
    """The ids of the trace and of its root session."""
    return name_session(path.name.removesuffix(".json").removesuffix(".traj") or path.name, verdict)


def _describe_run(run: Mapping[str, Any], reader: MessageReader) -> dict[str, Any]:
    info = as_record(run.get("info"))
    config, stats = as_record(info.get("config")), as_record(info.get("model_stats"))
    last = as_record(reader.exit_entry.get("extra"))
    submission = get_text(info, "submission") or get_text(last, "submission")
    message = get_text(reader.exit_entry, "content")
    meta: dict[str, Any] = {
        "trajectory_format": get_text(run, "trajectory_format"),
        "agent_version": get_text(info, "mini_version"),
        "agent_type": get_text(config, "agent_type"),
        "environment_type": get_text(config, "environment_type"),
        "exit_status": get_text(info, "exit_status") or get_text(last, "exit_status"),
        "submission": submission,
        "exit_message": message if message != submission else None,
        "api_calls": get_int(stats, "api_calls"),
        "cost_usd": get_number(stats, "instance_cost"),
        "text_commands": reader.command_count or None,
        "times_without_zone": sum(map(has_zoneless_time, map(as_record, as_list(run.get("messages"))))) or None,
    }
    return {key: value for key, value in meta.items() if value is not None}


SOURCE = Source(
    name="mini_swe_agent",
    title="mini-swe-agent",
    default_dir=None,
    file_pattern="*.json",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
)
