"""SWE-agent trajectories → traces.

Files: ``<run>/<instance>/<instance>.traj`` (1.x), ``<run>/<instance>.traj`` (0.x), and ``attempt_<n>/<instance>.traj``
below where a task was tried again. A file is one JSON object, a row an entry of its ``history``::

    {"role": "tool", "content": "2 passed", "agent": "main", "message_type": "observation",
     "tool_call_ids": ["call_5O33"]}

Checked against files of 0.5 to 0.7 (the acts are fenced commands in text) and 1.0 (tool calls), with and without
``trajectory``, ``info`` and ``replay_config``.

Kept: the history. The first user entry that is no demonstration is the task (origin human), with the instructions that
the template puts around it; later user entries are observations (injected), demonstrations are injected too. In text
mode the commands stay in the text, where the model wrote them, and observations stay user messages, as the model saw
them; ``source_meta["text_commands"]`` counts them. ``trajectory`` repeats the history, read only where there is none;
``source_meta["steps_beyond_history"]`` counts steps that it has more (answers that the model was asked to give
again). Entries of another agent than the first become a trace of their own, ``<id>:<agent>``. Each of ``attempts`` is a
trace, ``<id>:attempt_<n>``; the copy of the best one beside them is not read again.
``info``: exit status, submission, review, versions and cost go to ``source_meta``, ``tokens_sent`` and
``tokens_received`` are the trace's tokens. The working folder is that of the first step's state.
Not kept: thoughts and actions of entries (they repeat the content), execution times, cached views of edited files.

Ids: ``trace_id`` is the name of the Harbor trial around the file, else the file's stem; ``task_id`` is that of the
trial, else ``problem_statement.id`` of the replay config, else the stem, which SWE-agent takes from it. A file has no
times. ``success`` and ``reward`` come from the ``result.json`` of the trial, else they are null: ``submitted`` is no
verdict. ``model`` is null where a person or a replay took its place.

Source: SWE-agent/SWE-agent, ``sweagent/types.py`` and ``sweagent/agent/agents.py``; docs ``usage/trajectories.md``.
Read again in November 2026, after 1.1.0: entries and steps have no further fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.atif.companions import count_shared_fault
from tracemill.ingest.atif.harbor_trial import name_session, read_verdict
from tracemill.ingest.document_head import read_leading_fields
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_int, get_number, get_text, parse_record
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.ingest.swe_agent.messages import HistoryReader
from tracemill.ingest.swe_agent.verdict import add_verdict
from tracemill.ingest.transcript import finish_traces
from tracemill.trace import Trace

_SUFFIX = ".traj"
_ATTEMPT_FOLDER = re.compile(r"attempt_\d+")
#: Names in the model's config that stand for no model.
_NO_MODELS = ("human", "human_thought", "replay", "instant_empty_submit")
_LISTS = ("trajectory", "history", "attempts")
#: A file up to this size lies whole within the head: a list that is cut there was never finished.
_SHORT_BYTES = 256 * 1024
_ENTRY_FIELDS = ("agent", "message_type", "action", "thought")
_STEP_FIELDS = ("observation", "response", "thought", "state")


def is_session_file(path: Path) -> bool:
    return path.suffix == _SUFFIX


def is_trajectory(document: Any) -> bool:
    """Whether a JSON value is a SWE-agent trajectory: by entries or steps of its shape, or by attempts of them."""
    record = as_record(document)
    return _is_run(record) or any(_is_run(as_record(attempt)) for attempt in as_list(record.get("attempts")))


def read_head(path: Path) -> Head | None:
    fields, _ = read_leading_fields(path)
    if is_trajectory(fields) or _is_long_one(fields, path):
        return _describe_head(path)
    return _describe_head(path) if is_trajectory(read_document(path, LossLog(path=str(path)))) else None


def read_file(path: Path, log: LossLog, _options: ReadOptions) -> Iterator[Trace]:
    document = read_document(path, log)
    if document is None:
        return
    if not is_trajectory(document):
        log.drop("foreign_file", detail="no object with a history or a trajectory as SWE-agent writes them")
        return
    verdict = read_verdict(path, partial(count_shared_fault, path, log, SOURCE))
    traces = _read_document(as_record(document), path, *name_session(path.stem, verdict), log)
    yield from finish_traces([add_verdict(trace, verdict) for trace in traces], log)


def _describe_head(path: Path) -> Head:
    return Head(name_session(path.stem, read_verdict(path))[1])


def _is_long_one(fields: Mapping[str, Any], path: Path) -> bool:
    """Whether a file with a list too long for the head is ours by its name, the list's name and the list's place."""
    cut = next((key for key in _LISTS if key in fields and fields[key] is None), None)
    if cut is None or path.suffix != _SUFFIX or path.stat().st_size <= _SHORT_BYTES:
        return False
    return next(iter(fields)) == cut or "environment" in fields


def _is_run(record: Mapping[str, Any]) -> bool:
    history, steps = record.get("history"), record.get("trajectory")
    if isinstance(history, list) and isinstance(steps, list) and not history and not steps:
        return isinstance(record.get("info"), dict)
    return _has_item(history, "role", _ENTRY_FIELDS) or _has_item(steps, "action", _STEP_FIELDS)


def _has_item(listed: Any, needed: str, others: Sequence[str]) -> bool:
    return any(
        isinstance(record.get(needed), str) and any(key in record for key in others)
        for record in map(as_record, as_list(listed))
    )


def _read_document(document: Mapping[str, Any], path: Path, name: str, root_id: str, log: LossLog) -> list[Trace]:
    """The traces of a file, ``name`` being its own one; ``root_id`` is that of its session."""
    folder = path.parent.name
    own_id = f"{name}:{folder}" if _ATTEMPT_FOLDER.fullmatch(folder) else name
    attempts = as_list(document.get("attempts"))
    traces: list[Trace] = []
    is_best_there = False
    for number, item in enumerate(attempts):
        attempt = as_record(item)
        if _is_run(attempt):
            is_best_there = is_best_there or attempt.get("history") == document.get("history")
            traces += _read_run(attempt, f"{name}:attempt_{number}", number, path, log)
        else:
            log.drop("malformed_record", detail=f"attempts[{number}] is no run", content=dump_json(item))
    if _is_run(document) and not is_best_there:
        traces += _read_run(document, own_id, None, path, log)
    return [replace(trace, root_session_id=root_id) for trace in traces]


def _read_run(run: Mapping[str, Any], trace_id: str, attempt: int | None, path: Path, log: LossLog) -> list[Trace]:
    """The main agent's trace and those of other agents whose entries stand in the same history."""
    entries = as_list(run.get("history")) or _rebuild_history(as_list(run.get("trajectory")), log)
    if not entries:
        log.drop("no_messages", detail=f"trajectory {trace_id}"[:200])
        return []
    model = _find_model(run)
    task_id = get_text(_get_config(run, "problem_statement"), "id") or path.stem
    traces: list[Trace] = []
    for agent, part in _split_agents(entries):
        is_main = not traces
        reader = HistoryReader(log, "" if is_main else f"{agent}: ", model)
        messages = reader.read(part)
        if not messages:
            log.drop("no_messages", detail=f"trajectory {trace_id}, agent {agent}"[:200])
            continue
        traces.append(
            Trace(
                trace_id=trace_id if is_main else f"{trace_id}:{agent}",
                source_kind=SOURCE.name,
                source_path=str(path),
                root_session_id=path.stem,
                messages=messages,
                agent_id=None if is_main else agent,
                is_sidechain=not is_main,
                parent_trace_id=None if is_main else trace_id,
                cwd=_find_folder(run),
                source_meta=_describe_history(run, reader, is_main=is_main),
                task_id=task_id,
                attempt=attempt,
                model=model,
            )
        )
    traces[:1] = [_add_info(trace, run) for trace in traces[:1]]
    return traces


def _add_info(trace: Trace, run: Mapping[str, Any]) -> Trace:
    """The run's own record belongs to its main trace."""
    info = as_record(run.get("info"))
    stats = as_record(info.get("model_stats"))
    return replace(
        trace,
        source_meta={**_describe_run(run, info, stats), **trace.source_meta},
        input_tokens=get_int(stats, "tokens_sent"),
        output_tokens=get_int(stats, "tokens_received"),
    )


def _split_agents(entries: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """Entries by agent, the first agent's first; demonstrations and entries that name no agent go with it."""
    parts: dict[str, list[Any]] = {}
    main = next((name for item in entries if (name := _find_agent(item))), "main")
    parts[main] = []
    for item in entries:
        parts.setdefault(_find_agent(item) or main, []).append(item)
    return list(parts.items())


def _find_agent(entry: Any) -> str | None:
    record = as_record(entry)
    return None if record.get("is_demo") is True else get_text(record, "agent")


def _rebuild_history(steps: Sequence[Any], log: LossLog) -> list[Any]:
    """The conversation from the steps: what the first was asked with, then each answer and its observation."""
    entries: list[Any] = []
    for number, item in enumerate(steps):
        step = as_record(item)
        if not _has_item([item], "action", _STEP_FIELDS):
            log.drop("malformed_record", detail=f"trajectory[{number}] is no step", content=dump_json(item))
            continue
        if not entries:
            entries += as_list(step.get("query")) or as_list(step.get("messages"))
        answer = {key: step.get(key) for key in ("thought", "action")}
        entries.append({"role": "assistant", "content": step.get("response"), **answer})
        if get_text(step, "observation"):
            entries.append({"role": "user", "content": step["observation"]})
    return entries


def _get_config(run: Mapping[str, Any], part: str) -> dict[str, Any]:
    """A part of the replay config, which is JSON text in most versions and an object in others."""
    return as_record(parse_record(run.get("replay_config")).get(part))


def _find_model(run: Mapping[str, Any]) -> str | None:
    name = get_text(as_record(_get_config(run, "agent").get("model")), "name")
    return None if name in _NO_MODELS else name


def _find_folder(run: Mapping[str, Any]) -> str | None:
    """The working folder of the first step that names one."""
    states = (parse_record(as_record(step).get("state")) for step in as_list(run.get("trajectory")))
    return next((folder for state in states if (folder := get_text(state, "working_dir"))), None)


def _describe_run(run: Mapping[str, Any], info: Mapping[str, Any], stats: Mapping[str, Any]) -> dict[str, Any]:
    submission = info.get("submission")
    meta: dict[str, Any] = {
        "exit_status": get_text(info, "exit_status"),
        "submission": dump_json(submission) if isinstance(submission, dict) else get_text(info, "submission"),
        "review": as_record(info.get("review")) or None,
        "environment": get_text(run, "environment"),
        "agent_version": get_text(info, "swe_agent_version"),
        "model_name": get_text(as_record(_get_config(run, "agent").get("model")), "name"),
        "api_calls": get_int(stats, "api_calls"),
        "cost_usd": get_number(stats, "instance_cost"),
    }
    return {key: value for key, value in meta.items() if value is not None}


def _describe_history(run: Mapping[str, Any], reader: HistoryReader, *, is_main: bool) -> dict[str, Any]:
    counts = {
        "text_commands": reader.command_count,
        "demonstration_messages": reader.demonstration_count,
        "steps_beyond_history": len(as_list(run.get("trajectory"))) - reader.turn_count if is_main else 0,
    }
    return {key: count for key, count in counts.items() if count > 0}


SOURCE = Source(
    name="swe_agent",
    title="SWE-agent",
    default_dir=None,
    file_pattern="*.traj",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
)
