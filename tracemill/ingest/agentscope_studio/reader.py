"""AgentScope Studio's database → traces.

Files: ``~/AgentScope-Studio/database.sqlite`` (SQLite), or any other copy of it named ``*.sqlite``, ``*.sqlite3`` or
``*.db``. It is opened read-only and never locked for longer than one query, so a Studio may be writing to it. A file
that another program keeps locked is waited for, 10 s in all; what cannot be read then is counted (``unreadable_file``).

Checked against Studio at 23eb7c0b with AgentScope 1.0.7 (the old generation of ``span_table``) and Studio 1.0.9 with
AgentScope 1.0.14 and 1.0.21 (the new one); upgrades in place as the migrations of Studio write them, nested attributes
and flat ones; spans that AgentScope 2.0.11 wrote (``TracingMiddleware``), in Studio's new table. A row is a span; one
of the old generation, its ``attributes`` cut short::

    {"id": "e4fd4288aa24d6e4", "traceId": "c81acb79342f1476", "parentSpanId": "4b53f8d084a55b8b",
     "name": "OpenAIChatModel.__call__", "spanKind": "LLM", "startTime": "2026-11-21T06:53:29.441Z", "status": "OK",
     "attributes": {"input": {"args": [[{"role": "user", "content": "What is 12 * 34?"}]], "kwargs": {"tools": []}},
     "output": {"content": [{"type": "text", "text": "408"}], "usage": {"input_tokens": 112, "output_tokens": 17}}}}

A trace is one reply of an agent: the system prompt, the messages that it answers, its model turns and their results.
What its prompts repeat of the run's earlier replies is left out (``source_meta["earlier_messages"]`` counts it); what
none of these told, such as the question of a reply whose first span cannot be read, stays. By run, a trace
is all that an agent said with one memory; the first agent's has the run's id. An agent that another one called as a
tool is a side chain, and so is what a tool or a memory asked a model beside the conversation.

Kept: answers with text, thoughts, calls and usage from the model spans; messages and results from their prompts, in
whatever provider's shape; results that no prompt holds, from the tool spans; tool definitions; times of spans; the
summary of a compressed memory, as a message of origin ``compaction``. A closing call of ``generate_response``
(AgentScope up to 1.0.7) is the answer that it carries. Of a history folded into one text for several agents what is new
is told by the messages that the agent was given; where that cannot be told the text stays as it was. A result failed
(``is_error``) where its span did, or where AgentScope's own tools report a return code other than 0; otherwise nobody
says, but AgentScope 2, which tells the state of each. A reply of AgentScope 2 that waited for a person's leave or for
another program is one reply, however many spans of the agent it took. Hints of AgentScope in the user role are
``injected``.
Counted: model spans that failed (``api_error_message``; their messages also in ``source_meta["model_failures"]``),
attributes that cannot be read, spans without prompt or answer (``malformed_record``), agents and runs that asked no
model (``no_messages``), a write-ahead log beside the database of which something cannot be read (``log_not_joined``).
Dropped: formatter spans, embeddings, latencies, ``finish_reasons`` but ``interrupted`` (AgentScope writes ``stop``
whatever else happened), and ``message_table`` with the other tables of the user interface, which repeat the spans.

``trace_id`` is the reply's OpenTelemetry trace id, with its span's id where several replies share one.
``root_session_id`` is the run's id. There is no verdict: success and reward are unknown.

Source: https://github.com/agentscope-ai/agentscope-studio and https://github.com/agentscope-ai/agentscope
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tracemill.ingest.agentscope_studio.database import (
    READ_ERRORS,
    Run,
    find_first_run,
    find_tables,
    list_runs,
    open_database,
)
from tracemill.ingest.agentscope_studio.traces import SOURCE_KIND, RunReader
from tracemill.ingest.source import Entry, Head, LossLog, ReadOptions, Source
from tracemill.ingest.sqlite_files import (
    MAGIC,
    DatabaseDamagedError,
    DatabaseLockedError,
    describe_fault,
    is_damage,
)
from tracemill.ingest.transcript import finish_traces
from tracemill.trace import Trace

_SUFFIXES = (".sqlite", ".sqlite3", ".db")


def is_session_file(path: Path) -> bool:
    return path.suffix in _SUFFIXES


def is_studio_database(path: Path) -> bool:
    """Whether a file is a database with a table of spans as Studio makes it. Raises: OSError: it cannot be read."""
    if not _has_magic(path):
        return False
    try:
        with open_database(path) as database:
            return bool(find_tables(database))
    except READ_ERRORS:
        return False


def read_head(path: Path) -> Head | None:
    """The first run of a database; None where it is none of Studio's. Raises: OSError: it is locked, or damaged."""
    if not _has_magic(path):
        return None
    try:
        with open_database(path) as database:
            if not find_tables(database):
                return None
            run = find_first_run(database)
    except READ_ERRORS as error:
        if is_damage(error):
            raise DatabaseDamagedError(describe_fault(error)) from error
        return None
    return Head(run.id, run.started_at) if run else Head(f"{SOURCE_KIND}:{path.name}")


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    traces: list[Trace] = []
    if _is_readable(path, log):
        try:
            with open_database(path, log) as database:
                if not find_tables(database):
                    log.drop("foreign_file", detail="a SQLite database without a table of spans as Studio makes it")
                for run in list_runs(database, log) if find_tables(database) else []:
                    traces.extend(RunReader(database, run, path, log, _get_by(options)).read())
        except (*READ_ERRORS, DatabaseLockedError) as error:
            log.drop("unreadable_file", detail=describe_fault(error))
    yield from finish_traces(traces, log)


def list_entries(path: Path) -> tuple[Entry, ...] | None:
    """The runs of a database in order of their start; None where it cannot be read in full.

    A key is ``(row ids of the run's spans by table, whether it is the first run)``: what is lost of the database as a
    whole is told with the first.
    """
    log = LossLog(path=str(path))
    try:
        with open_database(path) as database:
            runs = list_runs(database, log) if find_tables(database) else []
    except (*READ_ERRORS, OSError):
        return None
    entries = tuple(Entry((run.places, place == 0), Head(run.id, run.started_at)) for place, run in enumerate(runs))
    return None if log.losses else entries or None


def read_entry(path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The traces of one run."""
    traces: list[Trace] = []
    if _is_readable(path, log):
        try:
            places, is_first = entry.key
            with open_database(path, log if is_first else None) as database:
                run = Run(entry.head.root_session_id, entry.head.started_at, places)
                traces.extend(RunReader(database, run, path, log, _get_by(options)).read())
        except (*READ_ERRORS, DatabaseLockedError) as error:
            log.drop("unreadable_file", detail=describe_fault(error))
    yield from finish_traces(traces, log)


def _get_by(options: ReadOptions) -> str:
    return "run" if getattr(options, "by", "reply") == "run" else "reply"


def _has_magic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _is_readable(path: Path, log: LossLog) -> bool:
    if _has_magic(path):
        return True
    log.drop("foreign_file" if path.stat().st_size else "empty_file", detail="no SQLite database")
    return False


SOURCE = Source(
    name=SOURCE_KIND,
    title="AgentScope Studio",
    default_dir="~/AgentScope-Studio",
    file_pattern="*",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
    list_entries=list_entries,
    read_entry=read_entry,
)
