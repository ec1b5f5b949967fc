"""Chat datasets → traces: rows with ``messages`` as OpenAI writes them, or ShareGPT's ``conversations``.

TRL's rows of ``prompt`` and ``completion`` are read too, where both are lists of messages or both are texts, and
Alpaca's of ``instruction``, ``input`` and ``output``: see ``row_messages.py``. A row of two answers (``chosen`` and
``rejected``, or as the services name them) is two traces, see ``preference.py``: ``<id>:chosen``, ``<id>:rejected``,
with ``source_meta["preference"]`` and the row's number in ``source_meta["pair"]``, and without a verdict.

Files: any ``*.jsonl``, ``*.ndjson`` or ``*.parquet`` with such a row among its first 1,000 (and in the first MB), also
tracemill's own ``sft.jsonl``. A dataset on the Hub is read by name, ``--trace-dir hf://datasets/OWNER/NAME``: see
``hub_address.py``.

A row is one trace. One literal row, and one of ShareGPT::

    {"id": "ferry-3", "messages": [{"role": "user", "content": "When does the last ferry leave?"},
     {"role": "assistant", "content": "At 22:40."}], "tools": [], "success": true, "task_id": "ferry"}
    {"conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Good day."}]}

Kept: messages with content as text or parts, reasoning (``reasoning_content``, ``reasoning``, ``thinking``, and what
stands in ``<think>`` before a text or a ``function_call``), calls (``tool_calls`` with arguments as text or object, the
legacy ``function_call``, ShareGPT's ``function_call`` turns, Anthropic's ``tool_use``, JSON in ``<tool_call>`` at the
end of a text, as Hermes models write it), results (also several of one turn that share an observation, with
``</tool_response>`` and ``<tool_response>`` between them, or each in these tags) with ``is_error``,
``origin``, times, model, usage and stop reason of messages; a prompt in ``system`` or ``system_prompt``; ``tools`` or
``functions``, also as JSON text, else what a system prompt lists in ``<tools>``; ``success`` or ``resolved`` and
``reward``, also as text (``"true"``, ``"passed"``, ``"0.5"``), ``task_id`` or ``instance_id``, ``model``, ``usage`` and
the fields of a trace that a row names as tracemill does; other columns that hold a short text or a number, in
``source_meta["fields"]``. What harnesses put into the user role is injected. A result without an id that
comes where no call waits answers a call that was written as text: an injected user message. An outcome that no field
states is unknown: a reward is not read as success.
Dropped and counted: messages of unknown roles (``unknown_record_type``), messages that say nothing, calls without a
name and outcomes that cannot be read (``malformed_record``; so is a tagged call that is no JSON, which stays text),
results whose call is not there (``unpaired_result``), rows without a conversation.
Dropped: loss weights, names of speakers, other nested, long or binary columns.

``trace_id`` is ``trace_id`` or ``id``, else ``task_id`` and the number of the row, else the file's stem and that
number; a name that an earlier row has gets the number too. JSONL is taken row by row, Parquet row group by row group.
Sessions as Hermes Agent exports them and NeMo Gym's rollouts are other formats.

Source: https://platform.openai.com/docs/api-reference/chat/create and
https://llamafactory.readthedocs.io/en/latest/getting_started/data_preparation.html (ShareGPT).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tracemill.ingest.lines import Row, read_rows
from tracemill.ingest.openai_chat.hub import fetch_dataset
from tracemill.ingest.openai_chat.preference import expand_rows, find_row_name, mark_answer, name_answer
from tracemill.ingest.openai_chat.rows import (
    index_entries,
    name_row,
    number_rows,
    peek_rows,
    read_entry_rows,
    stream_traces,
)
from tracemill.ingest.openai_chat.trace import RowNamer, build_trace, describe_head, is_chat_row, is_conversation
from tracemill.ingest.source import Entry, Head, LossLog, ReadOptions, Source
from tracemill.trace import Trace


def is_session_file(path: Path) -> bool:
    return path.suffix.lower() in (".jsonl", ".ndjson", ".parquet")


def read_head(path: Path) -> Head | None:
    if _is_parquet(path):
        from tracemill.ingest.openai_chat.parquet import read_table_head  # pyarrow is slow to import

        return read_table_head(path)
    name = _name_lines(path)
    for row, place in expand_rows(peek_rows(path, is_far=True)):
        if is_conversation(row.value):
            own_name = name(row, place)
            if is_chat_row(row.value):
                return describe_head(row.value, find_row_name(row, own_name))
    return None


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    if _is_parquet(path):
        from tracemill.ingest.openai_chat.parquet import read_table

        yield from read_table(path, log, SOURCE.name)
        return
    name = _name_lines(path)

    def build(row: Row, place: int) -> Trace | None:
        return mark_answer(build_trace(row.value, name(row, place), row.line, str(path), log, SOURCE.name), row)

    rows = expand_rows(number_rows(read_rows(path, log, options)))
    yield from stream_traces(rows, log, is_conversation, build)


def list_entries(path: Path) -> tuple[Entry, ...] | None:
    """The rows of a JSONL file of two or more, the row groups of a Parquet file of two or more."""
    if _is_parquet(path):
        from tracemill.ingest.openai_chat.parquet import list_table

        return list_table(path)
    name = _name_lines(path)

    def describe(row: Row, place: int) -> tuple[str, Head] | None:
        if not is_conversation(row.value):
            return None
        own_name = name(row, place)
        return own_name, describe_head(row.value, find_row_name(row, own_name))

    return index_entries(path, describe, expand_rows)


def read_entry(path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The traces of one entry."""
    if _is_parquet(path):
        from tracemill.ingest.openai_chat.parquet import read_table

        yield from read_table(path, log, SOURCE.name, entry)
        return
    names = iter(entry.key[2])

    def build(row: Row, place: int) -> Trace | None:
        own_name = next(names, name_row(path, row.line, place))
        return mark_answer(build_trace(row.value, own_name, row.line, str(path), log, SOURCE.name), row)

    rows = expand_rows(number_rows(read_entry_rows(path, entry, log, options)))
    yield from stream_traces(rows, log, is_conversation, build, is_known=True)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _name_lines(path: Path) -> Callable[[Row, int], str]:
    namer = RowNamer()
    last = ((-1, -1), "")

    def name(row: Row, place: int) -> str:
        nonlocal last
        where = str(row.line) if place == 1 else f"{row.line}.{place}"
        if last[0] != (row.line, place):  # else the second answer of a row
            last = ((row.line, place), namer.name(row.value, name_row(path, row.line, place), where))
        return name_answer(row, last[1])

    return name


SOURCE = Source(
    name="openai_chat",
    title="OpenAI chat and ShareGPT datasets",
    default_dir=None,
    file_pattern="*",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
    fetch_folder=fetch_dataset,
    list_entries=list_entries,
    read_entry=read_entry,
)
