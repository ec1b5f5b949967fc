"""Faults in files whose conversations are read one by one, and whether that gives what reading the whole gives."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.otel_entries import check_entries, read_entries
from tests.ingest.test_otel import agent, call, chat, read, read_rows, say, span, tell
from tests.ingest.test_otel_dialects import observe
from tests.ingest.test_otel_entries import ask, list_entries, list_roots, read_entry, request
from tests.ingest.test_otel_faults import JSON_VALUES
from tests.ingest.test_otel_openinference import llm, put
from tests.ingest.test_otel_openinference import say as say_plain
from tracemill.ingest.otel import pieces
from tracemill.ingest.otel.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions


def test_faults_of_lines_go_with_the_first_conversation(tmp_path: Path) -> None:
    bare = {"traceId": "t1", "spanId": "s9"}
    rows = ["{oops", {"hello": 1}, bare, ask(1, "t1"), request(ask(2, "t2"), None, ask(3, "t3")), ask(4, "t4"), "[1]"]
    traces, log = read_rows(tmp_path, *rows, '{"traceId": "t5", "spanId')
    assert [trace.trace_id for trace in traces] == ["t1", "t2", "t3", "t4"]
    path = tmp_path / "traces.jsonl"
    # a line in which anything is wrong is not cut: what stands in it is one entry
    assert list_roots(path) == ["t1", "t2", "t4"]
    _, logs = read_entries(path)
    assert [part.count_losses() for part in logs] == [
        {"bad_json": 1, "cut_line": 1, "malformed_record": 2, "not_an_object": 1},
        {"malformed_record": 1},
        {},
    ]
    assert sum(map(len, (part.losses for part in logs))) == len(log.losses)


CUT = '{"traceId": "t5", "spanId'


def test_a_cut_line_leaves_the_newest_conversation_open(tmp_path: Path) -> None:
    rows = [ask(5, "t1"), ask(9, "t2"), ask(3, "t3"), span(99, 99, trace="w"), ask(4, "t4")]
    traces, _ = read_rows(tmp_path, *rows, CUT)
    told = [(trace.trace_id, trace.is_partial) for trace in traces]
    assert told == [("t3", False), ("t4", False), ("t1", False), ("t2", True)]
    later = chat(
        20, 20, [say("user", "q3"), say("assistant", "a3"), say("user", "q20")], [say("assistant", "z")], trace="t3"
    )
    traces, _ = read_rows(tmp_path, *rows, later, CUT)
    assert [trace.trace_id for trace in traces if trace.is_partial] == ["t3"]
    assert not any(trace.is_partial for trace in read_rows(tmp_path, *rows)[0])
    assert not any(trace.is_partial for trace in read_rows(tmp_path, *rows, CUT + "\n")[0])


@pytest.mark.parametrize("is_broken", [True, False], ids=["whole_lines", "pieces"])
def test_of_a_session_only_the_newest_trace_is_open_with_its_side_chains(tmp_path: Path, is_broken: bool) -> None:
    rows = [agent(1, 1, "main", trace="t1"), chat(2, 2, [say("user", "a")], [say("assistant", "b")], parent=1)]
    rows += [agent(3, 3, "sub", parent=1), chat(4, 4, [say("user", "c")], [say("assistant", "d")], parent=3)]
    rows += [llm(8, 0, [say_plain("user", "q")], [say_plain("assistant", "a")], trace="t2", more={"session.id": "s"})]
    rows += [{**rows[1], "spanId": "s7", "traceId": "t3", "parentSpanId": "s0"}, *([None] if is_broken else [])]
    traces, log = read_rows(tmp_path, request(*rows), CUT)
    partial = {trace.trace_id for trace in traces if trace.is_partial}
    assert (len(traces), partial, log.count_losses()["cut_line"]) == (4, {"t1", "t1:s3"}, 1)


def test_a_limit_on_lines_costs_each_long_line_once(tmp_path: Path) -> None:
    read_rows(tmp_path, ask(1, "t1"), request(ask(2, "t1"), ask(3, "t1"), ask(4, "t2")), ask(5, "t2"))
    path = tmp_path / "traces.jsonl"
    told = [read_entry(path, place, ReadOptions(max_line_bytes=800)) for place in (0, 1)]
    assert [[trace.goal for trace in traces] for traces, _ in told] == [["q1"], ["q5"]]
    assert [log.count_losses() for _, log in told] == [{"line_too_long": 1}, {}]
    assert sum(log.lines_read for _, log in told) == 3


def test_a_line_that_grows_after_the_file_was_listed_stays_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    whole = json.dumps(ask(3, "t3"))
    path.write_text("\n".join([*map(json.dumps, (ask(1, "t1"), ask(2, "t2"))), whole[:40]]), encoding="utf-8")
    first, _ = list_entries(path)
    with path.open("a", encoding="utf-8") as file:
        file.write(whole[40:] + "\n")
    log = LossLog(path=path.name)
    assert SOURCE.read_entry is not None
    traces = list(SOURCE.read_entry(path, first, log, ReadOptions()))
    assert ([trace.trace_id for trace in traces], log.count_losses()) == (["t1"], {"cut_line": 1})
    assert list_roots(path) == ["t1", "t2", "t3"]


def test_many_resources_keep_their_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_MAX_RESOURCES", 2)
    names = ("a", "b", "c", "a", "d", "b")
    read_rows(tmp_path, *(request(ask(n, f"t{n}"), service=name) for n, name in enumerate(names)))
    told = [read_entry(tmp_path / "traces.jsonl", place)[0][0].source_meta["service_name"] for place in range(6)]
    assert told == list(names)


def test_a_line_over_the_limit_is_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "DEFAULT_MAX_LINE_BYTES", 800)
    read_rows(tmp_path, request(ask(1, "t1"), ask(2, "t2"), ask(3, "t3")), ask(4, "t4"), ask(5, "t5"))
    path = tmp_path / "traces.jsonl"
    assert list_roots(path) == ["t4", "t5"]
    _, log = read_entry(path, 0, ReadOptions(max_line_bytes=800))
    assert log.count_losses() == {"line_too_long": 1}


def wrap(items: list[Any], kind: str) -> list[Any]:
    """The rows that hold spans in one of the shapes of a file."""
    if kind == "rows":
        return items
    return [{"data": items} if kind == "page" else request(*items, is_snake=kind == "snake")]


RECORD = {
    "traceId": "t2",
    "spanId": "s2",
    "timeUnixNano": "5",
    "eventName": "gen_ai.user.message",
    "body": {"content": "Hi"},
}
SPANS: list[Any] = [
    agent(1, 0, "main", trace="t1", more={"conversation.id": "c"}),
    chat(2, 1, [say("user", "one")], [say("assistant", call("k1"))], parent=1),
    span(3, 2, parent=1, a={"operation.name": "execute_tool", "tool.call.id": "k1", "tool.call.result": "x"}),
    ask(4, "t2"),
    llm(5, 3, [say_plain("user", "q")], [say_plain("assistant", "a")], trace="t3", more={"session.id": "s"}),
    put("TOOL", 6, 4, {"tool.name": "look", "output.value": "x"}, trace="t3"),
    observe(7, 5, "generation", "Hi", "Ho", trace="t4"),
    {**span(8, 6, trace="t5"), "attributes": {"http.route": "/"}},
    RECORD,
    {"id": "o", "traceId": "t6", "type": "GENERATION", "startTime": "2026-01-03", "input": "Hi", "output": "Ho"},
    ask(10, "t7"),
]


@settings(max_examples=300, deadline=None)
@given(st.permutations(range(len(SPANS))), st.integers(1, 4), JSON_VALUES, st.data())
def test_entry_by_entry_a_file_gives_what_it_gives_as_a_whole(
    order: list[int], size: int, value: Any, data: st.DataObject
) -> None:
    spans = [json.loads(json.dumps(SPANS[place])) for place in order]
    holder = data.draw(st.sampled_from(spans))
    holder = data.draw(st.sampled_from([holder, holder.get("attributes", holder)]))
    holder[data.draw(st.sampled_from([*sorted(holder), "gen_ai.conversation.id", "session", "events"]))] = value
    lines = [spans[place : place + size] for place in range(0, len(spans), size)]
    rows = [
        row for items in lines for row in wrap(items, data.draw(st.sampled_from(["camel", "snake", "page", "rows"])))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.jsonl"
        end = data.draw(st.sampled_from(["", "\n" + CUT]))
        path.write_text("\n".join(map(json.dumps, [*rows, ask(11, "t8")])) + end, encoding="utf-8")
        traces, log = read(path)
        assert ("t8", [("user", "q11"), ("assistant", "a11")]) in [(trace.trace_id, tell(trace)) for trace in traces]
        check_entries(path, traces, log)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=20))
def test_no_bytes_can_crash_it(start: bytes, end: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.jsonl"
        rows = [json.dumps(row).encode() for row in (ask(1, "t1"), ask(2, "t2"))]
        path.write_bytes(b"\n".join([start, *rows, rows[0] + end, end]))
        SOURCE.list_entries(path)
        read_entries(path)
