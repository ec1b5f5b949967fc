"""The readers of formats without real files against what simulated runs were.

A producer (``tests/producers``) is written from the public sources of the program whose files it imitates and shares no
code with a reader. It tells what its runs were by what it simulated; that table is committed, so neither can drift.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tests.producers import miroflow, openai_chat, otel, step_log
from tests.producers.truth import ANY_ID, COLUMNS, Produced, list_rows, read_table
from tracemill.ingest import get_source
from tracemill.ingest.source import LossLog, ReadOptions, Source
from tracemill.trace import Message, Trace

Row = dict[str, str]
FOLDER = Path(__file__).parents[1] / "producers"
PRODUCERS: dict[str, Callable[[Path], list[Produced]]] = {
    "miroflow": miroflow.produce,
    "openai_chat": openai_chat.produce,
    "otel": otel.produce,
    "step_log": step_log.produce,
}

#: Where a reader is known to differ: format, file, columns, in how many cells, and why. A number that is no longer
#: right fails the test: the list must only ever shrink.
KNOWN: tuple[tuple[str, str, tuple[str, ...], int, str], ...] = ()


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8] if text else "-"


def hash_arguments(text: str) -> str:
    """The same for JSON objects that differ in spaces and order alone."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        return hash_text(text)
    return hash_text(json.dumps(value, sort_keys=True, ensure_ascii=False) if isinstance(value, dict) else text)


def hash_tool(tool: dict[str, Any]) -> str:
    function = {key: value for key, value in tool["function"].items() if value not in ("", None, {})}
    return f"{function['name']}#{hash_text(json.dumps(function, sort_keys=True, ensure_ascii=False))}"


def collapse(text: str) -> str:
    return " ".join(text.split())[:60].strip()


def show(value: object) -> str:
    return "" if value is None else str(value)


def show_time(moment: str | None) -> str:
    """Whole milliseconds since 1970."""
    return "" if moment is None else str(round(datetime.fromisoformat(moment).timestamp() * 1000))


def show_role(message: Message) -> str:
    return message.origin if message.role == "user" else message.role


def show_results(trace: Trace) -> str:
    """Which message answers which call, by the ids; a call is looked for backwards from its result."""
    calls: list[str] = []
    cells: list[str] = []
    for index, message in enumerate(trace.messages):
        calls += [call.id for call in message.tool_calls]
        if message.role == "tool":
            place = len(calls) - 1 - calls[::-1].index(str(message.tool_call_id))
            cells.append(f"{index}<{place}{'!' if message.is_error else ''}")
    return " ".join(cells)


def describe(trace: Trace) -> Row:
    """The cells of a trace as the reader sees it."""
    numbered = list(enumerate(trace.messages))
    return {
        "trace_id": trace.trace_id,
        "root": trace.root_session_id,
        "parent": show(trace.parent_trace_id),
        "agent": show(trace.agent_id),
        "task_id": show(trace.task_id),
        "success": show(trace.success),
        "reward": show(trace.reward),
        "ground_truth": collapse(trace.ground_truth or ""),
        "attempt": show(trace.attempt),
        "model": show(trace.model),
        "tokens": "" if trace.input_tokens is None else f"{trace.input_tokens}/{trace.output_tokens}",
        "started": show_time(trace.started_at),
        "ended": show_time(trace.ended_at),
        "partial": "yes" if trace.is_partial else "",
        "tools": " ".join(hash_tool(tool) for tool in trace.tools),
        "goal": collapse(trace.goal),
        "last_words": collapse(trace.final_assistant_message),
        "messages": " ".join(f"{show_role(message)}:{hash_text(message.text)}" for message in trace.messages),
        "thinking": " ".join(
            f"{index}:{hash_text(message.reasoning_content)}"
            for index, message in numbered
            if message.reasoning_content
        ),
        "calls": " ".join(
            f"{index}:{call.id}:{call.name}:{hash_arguments(call.arguments)}"
            for index, message in numbered
            for call in message.tool_calls
        ),
        "results": show_results(trace),
        **describe_turns(trace),
    }


def describe_turns(trace: Trace) -> Row:
    """What is known of the model's turns beside their words."""
    numbered = list(enumerate(trace.messages))
    usage = [(index, message.usage) for index, message in numbered if message.usage]
    return {
        "usage": " ".join(f"{index}:{use['input_tokens']}/{use['output_tokens']}" for index, use in usage),
        "stops": " ".join(f"{index}:{message.stop_reason}" for index, message in numbered if message.stop_reason),
        "contexts": " ".join(
            f"{index}:{len(seen)}:{hash_text(' '.join(hash_text(message.text) for message in seen))}"
            for index, seen in trace.contexts()
        ),
    }


def forget_made_up_ids(got: str, truth: str) -> str:
    """The ids of calls to which the format gives none are the reader's own."""
    wanted = truth.split(" ")
    cells = got.split(" ")
    if len(cells) != len(wanted):
        return got
    pairs = zip(cells, wanted, strict=True)
    return " ".join(
        ":".join([cell.split(":")[0], ANY_ID, *cell.split(":")[-2:]]) if f":{ANY_ID}:" in want else cell
        for cell, want in pairs
    )


def read_rows(name: str, path: Path, file: str) -> list[Row]:
    source = get_source(name)
    assert source.is_session_file(path)
    log = LossLog(path=file)
    cells = [describe(trace) for trace in source.read_file(path, log, ReadOptions())] or [{}]
    for row in cells:
        row["file"] = file
    cells[0]["lost"] = ";".join(f"{reason}={count}" for reason, count in sorted(log.count_losses().items()))
    cells[0]["noted"] = ";".join(f"{reason}={count}" for reason, count in sorted(log.notes.items()))
    return [{column: row.get(column, "") for column in COLUMNS} for row in cells]


def forget_made_up_names(got: list[Row], wanted: list[Row]) -> None:
    """The id of a trace to which the format gives none is the reader's own: such rows are matched by their order."""
    named = {row["trace_id"] for row in wanted}
    free = [row for row in got if row["trace_id"] not in named]
    for truth in wanted:
        if truth["trace_id"].startswith(ANY_ID) and free:
            read = free.pop(0)
            if read["root"] == read["trace_id"]:
                read["root"] = truth["trace_id"]
            read["trace_id"] = truth["trace_id"]
            if truth["agent"] == ANY_ID and read["agent"]:
                read["agent"] = ANY_ID


def find_differences(name: str, truth: list[Row], folder: Path) -> dict[tuple[str, str, str, str], tuple[str, str]]:
    """Cells that differ: ``(format, file, trace id, column)`` to what is true and what was read."""
    found: dict[tuple[str, str, str, str], tuple[str, str]] = {}
    for file in dict.fromkeys(row["file"] for row in truth):
        wanted = [row for row in truth if row["file"] == file]
        got = read_rows(name, folder / file, file)
        forget_made_up_names(got, wanted)
        known = {row["trace_id"]: row for row in got}
        ids = [" ".join(sorted(row["trace_id"] for row in rows)) for rows in (wanted, got)]
        if ids[0] != ids[1]:
            found[name, file, "", "trace_id"] = (ids[0], ids[1])
        # what a file lost stands in its first row, whichever run that is
        for column in ("lost", "noted"):
            cells = wanted[0].pop(column), got[0].pop(column)
            if cells[0] != cells[1]:
                found[name, file, "", column] = cells
        for row in wanted:
            read = known.get(row["trace_id"])
            if read is None:
                continue
            read["calls"] = forget_made_up_ids(read["calls"], row["calls"])
            for column in COLUMNS[: COLUMNS.index("lost")]:
                if read[column] != row[column]:
                    found[name, file, row["trace_id"], column] = (row[column], read[column])
    return found


@pytest.mark.parametrize("name", sorted(PRODUCERS))
def test_the_table_is_what_the_producer_says(name: str, tmp_path: Path) -> None:
    assert list(list_rows(PRODUCERS[name](tmp_path))) == read_table(FOLDER / f"{name}.tsv")


@pytest.mark.parametrize("name", sorted(PRODUCERS))
def test_what_is_read_is_what_was(name: str, tmp_path: Path) -> None:
    PRODUCERS[name](tmp_path)
    found = find_differences(name, read_table(FOLDER / f"{name}.tsv"), tmp_path)
    for format_name, pattern, columns, count, why in KNOWN:
        cells = [place for place in found if place[0] == name and fnmatch(place[1], pattern) and place[3] in columns]
        assert format_name != name or len(cells) == count, (why, len(cells))
        if format_name == name:
            found = {place: cell for place, cell in found.items() if place not in cells}
    assert not found


@pytest.mark.parametrize("name", sorted(PRODUCERS))
def test_session_by_session_reads_the_same(name: str, tmp_path: Path) -> None:
    """A file of many sessions is read by its entries in a run, and by its content where no format is given."""
    PRODUCERS[name](tmp_path)
    source, auto = get_source(name), get_source("auto")
    for file in dict.fromkeys(row["file"] for row in read_table(FOLDER / f"{name}.tsv")):
        path = tmp_path / file
        whole = read_traces(source, path)
        assert read_traces(auto, path) == whole
        entries = source.list_entries(path)
        if entries is None or source.read_entry is None:
            continue
        log = LossLog(path=file)
        parts = [trace for entry in entries for trace in source.read_entry(path, entry, log, ReadOptions())]
        assert sorted(map(str, map(describe, parts))) == sorted(map(str, map(describe, whole)))


def read_traces(source: Source, path: Path) -> list[Trace]:
    return list(source.read_file(path, LossLog(path=path.name), ReadOptions()))
