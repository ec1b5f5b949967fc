"""Codex rollouts: schema drift, malformed rows, and whatever else may stand in one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ingest.codex_rows import (
    META,
    NAME,
    Row,
    event,
    item,
    list_losses,
    output,
    read,
    read_rows,
    say,
    tell,
    wrap,
    write_rows,
)
from tracemill.ingest.codex.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions

NO_CHECKS = [HealthCheck.function_scoped_fixture]


def test_schema_drift(tmp_path: Path) -> None:
    rows = [
        META,
        wrap("hologram", {"type": "x"}),
        item("hologram", words="lost"),
        event("hologram"),
        say("user", "Hello"),
        item("message", role="assistant", content=[{"type": "output_text", "text": "Hi"}, {"type": "hologram"}]),
        {"timestamp": "2026-01-05T10:00:09Z", "type": "tool_call", "function": {"name": "x"}},
    ]
    trace, log = read_rows(tmp_path, rows)
    assert tell(trace) == [("human", "Hello"), ("model", "Hi")]
    assert sorted(list_losses(log)) == [
        ("unknown_content_block", 6),
        ("unknown_record_type", 2),
        ("unknown_record_type", 3),
        ("unknown_record_type", 4),
        ("unknown_record_type", 7),
    ]
    assert trace.dropped == {"unknown_content_block": 1, "unknown_record_type": 4}


def test_malformed(tmp_path: Path) -> None:
    rows: list[Row | str] = [
        META,
        say("user", "Hello"),
        {"type": "response_item"},
        wrap("response_item", "words"),
        item("message", role="alien", content="x"),
        item("message", role="user"),
        "not json",
        "[1]",
        output("nowhere", "x"),
        say("assistant", "Hi"),
    ]
    path = write_rows(tmp_path / NAME, rows)
    path.write_bytes(path.read_bytes() + b'{"timestamp": "2026')
    traces, log = read(path)
    assert tell(traces[0]) == [("human", "Hello"), ("model", "Hi")]
    assert sorted(list_losses(log)) == [
        ("bad_json", 7),
        ("cut_line", 11),
        ("malformed_record", 3),
        ("malformed_record", 4),
        ("malformed_record", 5),
        ("malformed_record", 6),
        ("not_an_object", 8),
        ("unpaired_result", 9),
    ]
    assert traces[0].is_partial


@pytest.mark.parametrize(
    ("rows", "reason"),
    [([], "empty_file"), ([META], "no_messages"), ([{"a": 1}], "foreign_file")],
    ids=["empty", "meta alone", "foreign"],
)
def test_files_without_a_trace(tmp_path: Path, rows: list[Row], reason: str) -> None:
    path = tmp_path / NAME
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    traces, log = read(path)
    assert traces == []
    assert reason in log.count_losses()


BASE_ROWS = [
    META,
    say("user", "word-1"),
    say("assistant", "word-2"),
    event("user_message", message="word-3"),
    say("user", "word-4"),
    event("agent_message", message="word-5"),
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELD_NAMES = "id type role content message text summary name arguments input call_id output status result tools item"
MORE_NAMES = (
    "action namespace function info source git base_instructions dynamic_tools images replacement_history model"
)
FIELDS = [*FIELD_NAMES.split(), *MORE_NAMES.split()]
RECORD_NAMES = "session_meta turn_context response_item event_msg compacted world_state x"
KIND_NAMES = """message reasoning function_call function_call_output custom_tool_call local_shell_call web_search_call
    tool_search_call tool_search_output image_generation_call agent_message user_message agent_reasoning item_completed
    token_count turn_aborted"""
PAYLOADS = st.fixed_dictionaries(
    {"type": st.sampled_from(KIND_NAMES.split())},
    optional={**dict.fromkeys(FIELDS[3:], JSON_VALUES), "role": st.sampled_from(["user", "assistant", "developer"])},
)
ODD_ROWS = st.dictionaries(st.sampled_from([*FIELDS, "payload"]), JSON_VALUES, max_size=8) | st.fixed_dictionaries(
    {"type": st.sampled_from(RECORD_NAMES.split()), "payload": PAYLOADS | JSON_VALUES}
)


def check_neighbours(path: Path, place: int, replacement: bytes) -> None:
    lines = [json.dumps(row).encode() for row in BASE_ROWS]
    lines[place] = replacement
    path.write_bytes(b"\n".join(lines))
    traces, _ = read(path)
    said = "\n".join(message.text for trace in traces for message in trace.messages)
    for kept in range(1, len(BASE_ROWS)):
        assert kept == place or f"word-{kept}" in said
    head = SOURCE.read_head(path)
    for trace in traces:
        list(trace.contexts())
        assert head is not None
        assert head.root_session_id == trace.root_session_id


@settings(max_examples=150, deadline=None, suppress_health_check=NO_CHECKS)
@given(place=st.integers(0, len(BASE_ROWS) - 1), replacement=st.binary(max_size=60))
def test_no_bytes_lose_a_neighbour(tmp_path: Path, place: int, replacement: bytes) -> None:
    # A byte-order mark of UTF-16 at the very start says that the whole file is UTF-16.
    check_neighbours(tmp_path / NAME, place, replacement if place else b" " + replacement)


@settings(max_examples=300, deadline=None, suppress_health_check=NO_CHECKS)
@given(place=st.integers(0, len(BASE_ROWS) - 1), row=ODD_ROWS)
def test_no_row_of_odd_shape_loses_a_neighbour(tmp_path: Path, place: int, row: Row) -> None:
    check_neighbours(tmp_path / NAME, place, json.dumps(row).encode())


@pytest.mark.parametrize(
    "first", ["{broken", '{"type": "session_meta", "payload": {"cwd": "/repo"}}'], ids=["bad", "no id"]
)
def test_a_session_that_does_not_name_itself_has_the_id_of_its_files_name(tmp_path: Path, first: str) -> None:
    named = "019a0000-0000-7000-8000-000000000023"
    path = tmp_path / f"rollout-2026-02-01T09-00-00-{named}.jsonl"
    said = {"type": "response_item", "payload": {"type": "message", "role": "user", "content": "Fix it"}}
    path.write_text(f"{first}\n{json.dumps(said)}\n", encoding="utf-8")
    (trace,) = SOURCE.read_file(path, LossLog(path=str(path)), ReadOptions())
    head = SOURCE.read_head(path)
    assert (trace.trace_id, head and head.root_session_id) == (named, named)
