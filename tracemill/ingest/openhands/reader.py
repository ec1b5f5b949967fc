"""OpenHands sessions → traces.

Files of OpenHands 0.x: a trajectory, one list of events (what "export" and ``save_trajectory_path`` write, under any
name: ``*.json``, ``*.traj``, ``trajectory``), or an object with it as ``trajectory`` (the server's answer); or
``~/.openhands/sessions/<id>/events/<number>.json``, one event a file, where a page of ``event_cache`` beside them gives
what no file has. Files of OpenHands 1.x (its software agent SDK and CLI):
``~/.openhands/conversations/<id>/base_state.json`` with the session's events in ``events/event-<number>-<id>.json``
beside it and its sub-agents in ``subagents/<id>``, or the same below ``~/.openhands/agent-canvas/conversations`` and
``dev_conversations``, where the agent server adds a ``meta.json``; the events of its web interface,
``v1_conversations/<id>/<event>.json``, and the unpacked archive that it gives of a conversation,
``event_<number>_<id>.json`` beside a ``meta.json``; or a log of events, ``*.jsonl``, a row an event. Files of the
evaluation harness of either: ``output.jsonl``, a row an instance with its events and its verdict (see ``output.py``).
In the account of what was read an event counts as a line, but for rows of the harness. One literal event of each
generation, shortened::

    {"id": 1, "timestamp": "2025-10-10T06:10:15.159", "source": "user", "action": "message", "args": {"content": "Hi"}}
    {"id": "b1c4", "timestamp": "2026-06-16T05:39:48.7", "source": "agent", "kind": "ActionEvent", "tool_name": "bash",
     "tool_call": {"id": "call_1", "name": "bash", "arguments": "{}"}, "llm_response_id": "06", "thought": []}

Checked against a list of 0.58, a log and a state of the SDK (1.11), and what the SDK 1.49 writes into its own tests;
event files, pages, delegates and rows of the harness against the sources alone, conversations led by other agents and
those of the agent server against one that the SDK 1.58.2 wrote and its sources.

Kept: system prompt and tool definitions; what a person said (human) and what the harness told (injected: workspace
context, skills, commands that a person ran, answers of the harness in a person's place); acts of the model as tool
calls, those of one response as one turn, with words, reasoning, model, usage and stop reason where the response is
kept; observations as results of their calls; a condensation as a compaction whose context leaves out the events that
it forgets. Acts of 0.x without a tool call (before 0.14) are calls too: the action is the tool's name. A result failed
where the event says so: ``is_error``, ``success``, an exit code above 0 of 0.x, an error, a rejection. In 1.x a branch
that was rewound (``leaf_event_id`` of the state, ``parent_id`` of the events) is counted as ``abandoned_branch``; a
conversation led by another agent (Claude Code, Codex, Gemini) is read as ``acp.py`` says.
A sub-agent of 1.x, a conversation that another one began (see ``lineage.py``), and a delegate of 0.x from its call to
its return (see ``delegates.py``), is a trace of its own, with its task as the human message; tokens are what its
own events add to the totals.
Not kept: costs of single calls, changes of state, confirmations, hooks, risks, questions to a person (the answer is a
result), raw responses; the sentences in which 0.x wraps the context of the workspace, and the lines that it adds to a
command's output (folder, exit code), as no file has them.

Ids: ``trace_id`` is the state's ``id`` (folder name without one), the first event's id in a log, the name of the Harbor
trial around a list (the file's stem without one), the instance (with ``:attempt_<n>`` where the row tells) for the
harness; ``<caller>:<agent>_<event>`` for a delegate. ``success``, ``reward`` and ``task_id`` come from the row of the
harness, or from the ``result.json`` of a Harbor trial around the file, else they are null.

Source: OpenHands/OpenHands 0.58, ``openhands/events`` (``serialization``, ``event_store.py``, ``stream.py``),
``openhands/storage/locations.py``; OpenHands/software-agent-sdk, ``openhands/sdk/event``,
``openhands/sdk/conversation`` (``persistence_const.py``, ``event_store.py``), ``openhands/tools/task/manager.py``;
OpenHands/OpenHands-CLI, ``openhands_cli/locations.py`` (the default folder).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.atif.companions import count_fault, count_shared_fault
from tracemill.ingest.atif.harbor_trial import Verdict, name_session, read_verdict
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_list, as_record, dump_json, format_time, get_text
from tracemill.ingest.lines import Row, index_lines, read_rows
from tracemill.ingest.openai_chat.rows import index_entries, number_rows, peek_rows, read_entry_rows
from tracemill.ingest.openhands.files import (
    STATE_FILE,
    find_owner,
    get_folder,
    is_event_file,
    is_first_file,
    keep_live,
    peek_first_item,
    read_event_files,
    read_metadata,
)
from tracemill.ingest.openhands.lineage import identify, is_state
from tracemill.ingest.openhands.log import Event
from tracemill.ingest.openhands.output import (
    NO_OUTPUTS,
    REPORT_FILE,
    describe_row,
    is_output,
    read_reports,
    read_row,
)
from tracemill.ingest.openhands.session import SOURCE_KIND, Session, build_traces, is_event
from tracemill.ingest.source import Entry, Head, LossLog, ReadOptions, Source
from tracemill.ingest.swe_agent.verdict import add_verdict
from tracemill.ingest.transcript import finish_traces
from tracemill.trace import Trace

_NO_SESSIONS = frozenset(
    ("result.json", "config.json", "TASKS.json", "metadata.json", "meta.json", "init.json", "llm_registry.json",
     "exp_config.json", "cost_report.jsonl", REPORT_FILE)
)  # fmt: skip
_SUFFIXES = (".json", ".jsonl", ".traj")
_COMPLETIONS = "llm_completions"


def is_session_file(path: Path) -> bool:
    """A list, a log, an output or a state; of event files the first alone, where no state lies beside the events."""
    if is_event_file(path):
        return is_first_file(path)
    if path.name in _NO_SESSIONS or path.name.endswith(NO_OUTPUTS):
        return False
    is_named = path.suffix in _SUFFIXES or path.name.startswith("traj") or "trajectory" in path.suffix
    return is_named and path.parent.parent.name != _COMPLETIONS


def read_head(path: Path) -> Head | None:
    if path.suffix == ".jsonl":
        row = _find_first_row(path)
        return None if row is None else _describe_row(row, path)
    if is_event_file(path):
        return _describe_event_files(path)
    if is_event(first := peek_first_item(path)):
        return _describe_event(as_record(first), _name_file(path)[1])
    document = read_document(path, LossLog(path=str(path)))
    if is_state(document):
        return _describe_folder(identify(path, as_record(document), LossLog(path="")), path)
    found = next((as_record(item) for item in _list_items(document) if is_event(item)), None)
    return None if found is None else _describe_event(found, _name_file(path)[1])


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    if path.suffix == ".jsonl":
        rows, is_harness = _tell_rows(read_rows(path, log, options))
        if is_harness:
            _count_report_faults(path, log)
            yield from _read_outputs(path, rows, log)
            return
        traces = _read_log(path, rows, log)
    elif is_event_file(path):
        events = list(read_event_files(path, log))
        traces = _read_events(events, _name_session(path, log), log)
    else:
        document = read_document(path, log)
        if document is None:
            return
        traces = _read_document(document, path, log)
    verdict = _read_verdict(path, log) if traces else None
    yield from finish_traces([add_verdict(trace, verdict) for trace in traces], log)


def list_entries(path: Path) -> tuple[Entry, ...] | None:
    """The instances of an output of two or more; what is no instance goes with the first."""
    if path.suffix != ".jsonl":
        return None
    first = _find_first_row(path)
    return index_entries(path, describe_row) if first is not None and is_output(first.value) else None


def read_entry(path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The traces of one instance."""
    if next(index_lines(path), (0,))[0] == entry.key[0]:  # what is wrong beside the file is counted once
        _count_report_faults(path, log)
    yield from _read_outputs(path, read_entry_rows(path, entry, log, options), log)


def _read_verdict(path: Path, log: LossLog) -> Verdict | None:
    """The verdict of a Harbor trial; its folder has the session under ``agent/sessions/<id>``."""
    verdict = read_verdict(path, partial(count_shared_fault, path, log, SOURCE))
    is_far = verdict is None and (path.name == STATE_FILE or is_event_file(path))
    return read_verdict(get_folder(path).parent, partial(count_fault, path, log)) if is_far else verdict


def _name_file(path: Path) -> tuple[str, str]:
    """The ids of the trace and of the root session of a file that names none."""
    return name_session(path.stem, read_verdict(path))


def _find_first_row(path: Path) -> Row | None:
    """The first row of a file that is an event or an instance."""
    for row, _ in peek_rows(path):
        if is_event(row.value) or is_output(row.value):
            return row
    rows = read_rows(path, LossLog(path=str(path)), ReadOptions())
    return next((row for row in rows if is_event(row.value) or is_output(row.value)), None)


def _describe_row(row: Row, path: Path) -> Head:
    told = describe_row(row, 1)
    return told[1] if told is not None else _describe_event(row.value, _name_log(row.value, path)[1])


def _describe_event(event: Mapping[str, Any], trace_id: str) -> Head:
    return Head(trace_id, format_time(event.get("timestamp")))


def _describe_event_files(path: Path) -> Head | None:
    first = next((e for e in read_event_files(path, LossLog(path=str(path))) if is_event(e.value)), None)
    return None if first is None else _describe_event(first.value, _name_session(path, LossLog(path="")).trace_id)


def _name_session(path: Path, log: LossLog) -> Session:
    """The session of event files without a state, with what is told beside them."""
    told = read_metadata(path, log)
    name = get_text(told, "id") or get_folder(path).name or path.stem
    model = get_text(told, "llm_model")
    return Session(name, path, metadata=told, metrics=as_record(told.get("metrics")), model=model)


def _describe_folder(session: Session, path: Path) -> Head:
    first = next(iter(read_event_files(path, LossLog(path=str(path)), limit=1)), None)
    return Head(session.root_id or session.trace_id, format_time(first.value.get("timestamp")) if first else None)


def _name_log(first: Mapping[str, Any], path: Path) -> tuple[str, str]:
    own_id = get_text(first, "id")
    return _name_file(path) if own_id is None else (own_id, own_id)


def _read_outputs(path: Path, rows: Iterable[Row], log: LossLog) -> Iterator[Trace]:
    for row, _ in number_rows(rows):
        if is_output(row.value):
            yield from read_row(path, row, log)
        else:
            log.drop("malformed_record", row.line, "a row that holds no instance", dump_json(row.value))


def _count_report_faults(path: Path, log: LossLog) -> None:
    own = partial(count_fault, path, log)
    shared = partial(count_shared_fault, path, log, SOURCE, depth=0)
    for report, read in read_reports(path)[1].items():
        (shared if report.name == REPORT_FILE else own)(report, read)


def _tell_rows(rows: Iterator[Row]) -> tuple[Iterator[Row], bool]:
    """The rows of a file, and whether they are the harness's, as the first says that is known."""
    passed: list[Row] = []
    for row in rows:
        passed.append(row)
        if is_event(row.value) or is_output(row.value):
            return chain(passed, rows), not is_event(row.value)
    return iter(passed), False


def _read_log(path: Path, rows: Iterable[Row], log: LossLog) -> list[Trace]:
    events = [Event(row.value, "event", row.line) for row in rows]
    first = next((event.value for event in events if is_event(event.value)), {})
    name, root_id = _name_log(first, path)
    traces = _read_events(events, Session(name, path, root_id), log)
    is_cut = any(loss.reason == "cut_line" for loss in log.losses)
    return [replace(trace, is_partial=is_cut) for trace in traces]


def _list_items(document: Any) -> list[Any]:
    """The events of a trajectory, which the server gives in an object."""
    return as_list(as_record(document).get("trajectory")) if isinstance(document, dict) else as_list(document)


def _read_document(document: Any, path: Path, log: LossLog) -> list[Trace]:
    log.lines_read = 0  # the document is no event
    if is_state(document):
        session = identify(path, as_record(document), log)
        events = list(read_event_files(path, log))
        leaf = get_text(session.state, "leaf_event_id")
        is_empty = leaf is None and session.state.get("head_is_empty") is True
        return build_traces(session, keep_live(events, leaf, log, is_empty=is_empty), log)
    events: list[Event] = []
    for number, item in enumerate(_list_items(document)):
        log.lines_read += 1
        if isinstance(item, dict):
            events.append(Event(as_record(item), f"events[{number}]"))
        else:
            log.drop("malformed_record", detail=f"events[{number}] is no object", content=dump_json(item))
    if not any(is_event(event.value) for event in events):
        log.losses.clear()
        log.drop("foreign_file", detail="no list of OpenHands events and no state of a conversation")
        return []
    name, root_id = _name_file(path)
    return _read_events(events, Session(name, path, root_id), log)


def _read_events(events: list[Event], session: Session, log: LossLog) -> list[Trace]:
    if any(is_event(event.value) for event in events):
        return build_traces(session, events, log)
    if events:
        log.drop("foreign_file", events[0].line, "no OpenHands event", dump_json(events[0].value))
    elif not log.losses:
        log.drop("empty_file")
    return []


SOURCE = Source(
    name=SOURCE_KIND,
    title="OpenHands",
    default_dir="~/.openhands/conversations",
    default_files=("~/.openhands/agent-canvas/conversations", "~/.openhands/agent-canvas/dev_conversations"),
    file_pattern="*",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
    list_entries=list_entries,
    read_entry=read_entry,
    find_owner=find_owner,
)
