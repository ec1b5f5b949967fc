"""OpenTelemetry spans: malformed rows and files, and whatever else may stand in one."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.otel_entries import check_entries
from tests.ingest.test_otel import agent, call, chat, read, read_rows, reply, say, span, tell
from tracemill.ingest.otel.reader import SOURCE

CORPUS = os.environ.get("TRACEMILL_CORPUS", "")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_faults_cost_themselves_alone(tmp_path: Path) -> None:
    good = chat(1, 0, [say("user", "one")], [say("assistant", "two")])
    rows = [
        good,
        good,
        {"hello": 1},
        chat(2, 2, "[{cut", "", trace="t2"),
        {"resourceSpans": [5, {"scopeSpans": 3}, {"scopeSpans": [{"spans": [None, {"spanId": "s9"}]}]}]},
        "{oops",
        chat(3, 3, [{"role": 1}, say("oracle", "?"), say("user", "three")], [say("user", "odd")], trace="t3"),
    ]
    traces, log = read_rows(tmp_path, *rows)
    assert [tell(trace) for trace in traces] == [[("user", "one"), ("assistant", "two")], [("user", "three")]]
    assert log.count_losses() == {
        "bad_json": 1,
        "duplicate_row": 1,
        "malformed_record": 9,
        "no_messages": 1,
        "unknown_record_type": 1,
    }
    assert traces[0].dropped == log.count_losses()


def test_a_wrapper_between_two_agents_is_passed_over(tmp_path: Path) -> None:
    rows = [
        agent(1, 0, "main"),
        chat(2, 1, [say("user", "one")], [say("assistant", "two")], parent=1),
        agent(3, 2, "wrapper", parent=1),
        agent(4, 3, "inner", parent=3),
        chat(5, 4, [say("user", "five")], [say("assistant", "six")], parent=4),
    ]
    main, inner = read_rows(tmp_path, *rows)[0]
    assert (main.trace_id, inner.trace_id) == ("t1", "t1:s4")
    assert (inner.parent_trace_id, inner.agent_id, inner.is_sidechain) == ("t1", "inner", True)


def test_spans_in_a_circle_end(tmp_path: Path) -> None:
    rows = [
        agent(1, 0, "a", parent=2),
        agent(2, 1, "b", parent=1),
        chat(3, 2, [say("user", "one")], [say("assistant", "two")], parent=2),
    ]
    traces, _ = read_rows(tmp_path, *rows)
    assert [tell(trace) for trace in traces] == [[("user", "one"), ("assistant", "two")]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_file"),
        ("{broken\n", "bad_json"),
        ('{"type": "user", "uuid": "u1"}', "foreign_file"),
        (json.dumps(span(1, 0)), "foreign_file"),
    ],
    ids=["empty", "broken", "other", "no_agent"],
)
def test_files_without_a_trace(tmp_path: Path, text: str, reason: str) -> None:
    traces, log = read_rows(tmp_path, text)
    assert (traces, [loss.reason for loss in log.losses]) == ([], [reason])
    assert SOURCE.read_head(tmp_path / "traces.jsonl") is None


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS, reason="TRACEMILL_CORPUS is not set: no real traces to read")
def test_no_file_of_another_format_is_taken_for_spans() -> None:
    paths = [path for path in Path(CORPUS).rglob("*") if path.is_file()]
    assert paths
    assert [path for path in paths if SOURCE.read_head(path) is not None] == []


ROWS = [
    agent(1, 0, "main", trace="t1"),
    chat(2, 1, [say("user", "one")], [say("assistant", call("k1"))], parent=1),
    chat(
        3, 4, [say("user", "one"), say("assistant", call("k1")), reply("k1", "A")], [say("assistant", "two")], parent=1
    ),
    chat(4, 6, [say("user", "alone")], [say("assistant", "too")], trace="t2"),
]


@settings(max_examples=150, deadline=None)
@given(JSON_VALUES, st.integers(0, len(ROWS)))
def test_no_row_can_take_its_neighbours_along(value: Any, place: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        traces, _ = read_rows(Path(folder), *ROWS[:place], json.dumps(value), *ROWS[place:])
    assert [trace.trace_id for trace in traces] == ["t1", "t2"]
    assert tell(traces[0]) == [("user", "one"), ("assistant", ""), ("tool", "A"), ("assistant", "two")]


@settings(max_examples=250, deadline=None)
@given(JSON_VALUES, st.integers(0, len(ROWS) - 2), st.data())
def test_no_field_can_crash_it(value: Any, place: int, data: st.DataObject) -> None:
    changed = json.loads(json.dumps(ROWS))
    field = data.draw(st.sampled_from([*sorted(changed[place]), "events", "status", "context"]))
    if field == "attributes" and data.draw(st.booleans()):
        changed[place][field][data.draw(st.sampled_from(sorted(changed[place][field])))] = value
    else:
        changed[place][field] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in changed), encoding="utf-8")
        traces, log = read(path)
        SOURCE.read_head(path)
        check_entries(path, traces, log)
    assert [("user", "alone"), ("assistant", "too")] in [tell(trace) for trace in traces]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_can_crash_it(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.jsonl"
        path.write_bytes(raw)
        SOURCE.read_head(path)
        read(path)
