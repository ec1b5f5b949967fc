"""Step logs of a repair agent → traces.

Files: ``runs/**/*.jsonl``; a file is one run, or many that were appended one after another. ``report.json`` beside the
logs, or one folder above, is the suite's report.

Checked against the producer's own source; no public file exists. Some logs name the key ``type`` or ``event`` instead
of ``kind``. A row is one event of a run; one literal row, shortened::

    {"ts": 1767225600.0, "kind": "llm_action", "run_id": "r1", "meta": {"task_id": "t1", "model": "m"},
     "payload": {"t": 1, "action": {"type": "tool_call", "name": "read_file", "args": {"rel_path": "a.py"}}}}

Kept: one trace a ``run_id``, and one more (``<run_id>#2``) where it starts again after its end; which of them the
suite's report judges, nobody says. ``llm_request`` holds the whole prompt each time: what is new in it becomes messages
(the system prompt, the first user message as the person's, all others as injected); a prompt that does not go on from
the last one is marked by an empty message of origin ``compaction`` that says what it holds. A request is logged before
the driver's pending notes and, in the JSON protocol, the newest result are put into its prompt: they are taken from the
request after it (see ``prompts``). ``llm_action`` is a model turn: a call as the model wrote it (``raw``) with its
``thought`` as words, the final summary with its ``thought`` as reasoning, or, where it is no action (also
``llm_parse_error``), the text as the model wrote it; ``llm_trailing_text`` is what came after an action's JSON.
``tool_result`` answers it, ``ok`` false being an error; its text is what the next prompt shows, else ``obs.output``.
Both protocols are read: native ``tool_calls`` with role ``tool``, and JSON text with ``[tool_result]`` in the user role
(that mark is cut off). Token counts of ``llm_usage``. Tool definitions only where a request carries ``tools``.
In ``source_meta``: provider, test command, goal, the driver's notes, reflections, files touched, final summary, changes
and the number of test runs. A row without ``run_id`` belongs to the run before it.
Outcome: ``success`` is the last word of ``tests``, ``final.test_result`` and ``run_end.state.last_test``; where there
is none, the ``success`` that ``report.json`` gives this run. ``task_id`` comes from ``meta``, else from the report.
Dropped and counted: rows of unknown kind (``unknown_record_type``), rows without what they need (``malformed_record``),
a second ``run_start`` of one run without an end (``duplicate_row``), results without a call (``unpaired_result``),
and, with the first log that it belongs to, a ``report.json`` that cannot be read.
Dropped: the output of tests that no prompt shows, ``obs.meta``, other fields of ``state``. Not told as messages: the
notes of a reflection after which no prompt is logged that shows them (``source_meta`` has them).

Source: https://github.com/jbthejedi/llm-repo-agent (``trace.py``, ``agent.py``, ``llm.py``); no other specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from tracemill.ingest.atif.companions import count_shared_fault
from tracemill.ingest.json_fields import dump_json
from tracemill.ingest.lines import Row, read_head_rows, read_line_at, read_rows
from tracemill.ingest.source import Entry, Head, LossLog, ReadOptions, Source
from tracemill.ingest.step_log.report import tell_faults
from tracemill.ingest.step_log.rows import StepRow, list_runs, parse_row, read_time, refuse_row
from tracemill.ingest.step_log.run import RunReader
from tracemill.ingest.transcript import finish_traces
from tracemill.trace import Trace


def is_session_file(path: Path) -> bool:
    """Whether the name can be that of a log."""
    return path.suffix == ".jsonl"


def read_head(path: Path) -> Head | None:
    """The first run of a file; None where its first rows are of another format."""
    started: str | None = None
    is_whole = False
    for row in read_head_rows(path):
        is_whole = True
        if (step := parse_row(row)) is not None:
            started = started or read_time(row.value)
            if step.run_id is not None:
                return Head(step.run_id, started)
    if is_whole:
        return None
    # a first line that is longer than the head: a whole prompt
    row = next(read_rows(path, LossLog(path=str(path)), ReadOptions()), None)
    step = parse_row(row) if row is not None else None
    return Head(step.run_id, step.time) if step is not None and step.run_id is not None else None


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The runs of one file, in the order in which they begin."""
    tell_faults(path, partial(count_shared_fault, path, log, SOURCE))
    yield from finish_traces(_read_runs(read_rows(path, log, options), path, log), log)


def read_entry(path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The run of one entry."""
    tell_faults(path, partial(_count_fault, path, entry, log))
    rows = chain.from_iterable(read_line_at(path, place, log, options) for place in entry.key)
    yield from finish_traces(_read_runs(rows, path, log), log)


def _count_fault(path: Path, entry: Entry, log: LossLog, report: Path, read: LossLog) -> None:
    """Count what is wrong with a report, with the first run of a file."""
    head = read_head(path)
    if head is not None and head.root_session_id == entry.head.root_session_id:
        count_shared_fault(path, log, SOURCE, report, read)


def _read_runs(rows: Iterable[Row], path: Path, log: LossLog) -> list[Trace]:
    runs: dict[str, list[RunReader]] = {}
    latest: RunReader | None = None
    nameless: list[StepRow] = []
    strangers: list[Row] = []
    for row in rows:
        step = parse_row(row)
        if step is None:
            if latest is None:
                strangers.append(row)
            else:
                refuse_row(row, log)
            continue
        if step.run_id is not None:
            latest = _find_run(step, step.run_id, runs, path, log)
        if latest is None:
            nameless.append(step)
            continue
        for early in nameless:
            latest.read(early)
        nameless = []
        latest.read(step)
    if latest is None:
        _refuse_file(strangers, nameless, log)
        return []
    for row in strangers:
        refuse_row(row, log)
    is_cut = any(loss.reason == "cut_line" for loss in log.losses)
    built = [run.build(SOURCE.name, is_partial=is_cut and run is latest) for run in chain(*runs.values())]
    return [trace for trace in built if trace is not None]


def _find_run(step: StepRow, run_id: str, runs: dict[str, list[RunReader]], path: Path, log: LossLog) -> RunReader:
    """The run of a row; a start after the end begins another one with the same id."""
    same = runs.setdefault(run_id, [])
    if not same or (step.kind == "run_start" and same[-1].has_end):
        same.append(RunReader(run_id, path, log, len(same) + 1))
        same[0].is_repeated = len(same) > 1
    return same[-1]


def _refuse_file(strangers: list[Row], nameless: list[StepRow], log: LossLog) -> None:
    if strangers or nameless:
        line = min([row.line for row in strangers] + [step.line for step in nameless])
        shown = dump_json(strangers[0].value if strangers else nameless[0].payload)
        log.drop("foreign_file", line, "no row of a known kind with a payload and a run_id", shown)
    elif not log.losses:
        log.drop("empty_file")


SOURCE = Source(
    name="step_log",
    title="Step logs (repair agent)",
    default_dir=None,
    file_pattern="*.jsonl",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
    list_entries=list_runs,
    read_entry=read_entry,
)
