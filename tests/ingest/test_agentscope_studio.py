"""AgentScope Studio's databases: every generation, every provider's shape, faults, and the corpus."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests import agentscope_database as db
from tests.agentscope_database import make_agent, make_model, make_tool, say, say_call, say_result, text_block
from tests.corpus_truth_agentscope_studio import HEAD, read_table
from tracemill.ingest.agentscope_studio.reader import SOURCE, is_studio_database
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import SELF, Message, ToolCall, Trace

CORPUS = os.environ.get("TRACEMILL_CORPUS", "")
NEEDS_CORPUS = pytest.mark.skipif(not CORPUS, reason="TRACEMILL_CORPUS is not set: no real traces to read")
Spans = list[db.Json]


def read_spans(folder: Path, spans: Spans, generation: str = "new", by: str = "reply") -> tuple[list[Trace], LossLog]:
    return db.read(db.write_database(folder / "database.sqlite", spans, generation), by)


def show(trace: Trace) -> list[tuple[str, str]]:
    return [(message.origin, message.text) for message in trace.messages]


def test_small() -> None:
    (first, second, third), log = db.read(db.EXAMPLE)
    shown = first.messages
    assert (shown[0].role, shown[1].origin) == ("system", "human")
    assert shown[1].text == first.goal == 'It\'s "urgent":\nwhat is (17 + 4) * 2?'
    assert shown[2] == Message(
        "assistant",
        reasoning_content="A sum: use the tool.",
        tool_calls=(ToolCall("c1", "calculate", '{"expression": "(17 + 4) * 2"}'),),
        timestamp="2026-10-05T07:00:01.500Z",
        model="qwen-max",
        usage={"input_tokens": 10, "output_tokens": 5},
    )
    assert shown[3] == Message("tool", "42", "tool", tool_call_id="c1", timestamp="2026-10-05T07:00:02.500Z")
    assert (shown[4].text, shown[4].tool_calls, len(shown)) == ("It is 42.", (), 5)
    assert (first.trace_id, first.root_session_id, first.model) == ("t1", "run-1", "qwen-max")
    assert (first.input_tokens, first.output_tokens, first.tools) == (40, 11, (db.CALCULATOR,))
    assert (first.started_at, first.ended_at) == ("2026-10-05T07:00:00.000Z", "2026-10-05T07:00:09.000Z")
    assert first.source_meta == {
        **{"run_id": "run-1", "project": "sums", "run_name": "demo", "run_status": "done"},
        **{"agent_name": "Robin", "agent_id": "agent-1", "reply_number": 1, "answer_tool": "generate_response"},
    }
    assert show(second)[1:] == [("human", "And half of it?"), ("model", "It is 21.")]
    assert second.source_meta["earlier_messages"] == 6
    assert show(third)[1:] == [("human", "And a third of it?")]
    assert third.source_meta["model_failures"] == ["Error code: 429"]
    assert (log.count_losses(), log.notes) == ({"api_error_message": 1}, {})
    (whole,), _ = db.read(db.EXAMPLE, "run")
    assert whole.trace_id == "run-1"
    assert [text for _, text in show(whole)][5:] == ["And half of it?", "It is 21.", "And a third of it?"]


@pytest.mark.parametrize("generation", db.GENERATIONS)
@pytest.mark.parametrize("by", ["reply", "run"])
def test_every_generation_says_the_same(tmp_path: Path, generation: str, by: str) -> None:
    wanted = read_spans(tmp_path, db.SPANS, "old", by)
    found = read_spans(tmp_path, db.SPANS, generation, by)
    for ours, theirs in zip(found[0], wanted[0], strict=True):
        assert (ours.trace_id, ours.tools, show(ours)) == (theirs.trace_id, theirs.tools, show(theirs))
    assert found[1].count_losses() == wanted[1].count_losses()


def test_a_database_that_holds_both_generations(tmp_path: Path) -> None:
    names = {"": "", **{span["id"]: f"b{span['id']}" for span in db.SPANS}}
    moved = [{**s, "id": names[s["id"]], "parent": names[s["parent"]], "run": "run-0"} for s in db.SPANS]
    path = db.write_database(tmp_path / "database.sqlite", moved, "upgraded", ("run-0", "run-1"))
    with closing(sqlite3.connect(path)) as database, database:
        db.add_spans(database, db.SPANS, "new")
    assert [entry.head.root_session_id for entry in SOURCE.list_entries(path) or ()] == ["run-0", "run-1"]
    assert [len(trace.messages) for trace in db.read(path)[0]] == [5, 3, 2, 5, 3, 2]


def test_entries_are_runs(tmp_path: Path) -> None:
    spans = [*db.SPANS, make_model("m9", 40, db.ask("Hi"), text_block("Hello"), trace="t9", parent="", run="run-2")]
    path = db.write_database(tmp_path / "studio.db", spans, "old", ("run-1", "run-2", "run-3"))
    log = LossLog(path="")
    entries = SOURCE.list_entries(path) or ()
    assert [entry.head.root_session_id for entry in entries] == ["run-1", "run-2", "run-3"]
    assert [str(entry.head.started_at)[11:19] for entry in entries] == ["07:00:00", "07:00:40", "09:02:00"]
    found = [trace for entry in entries for trace in SOURCE.read_entry(path, entry, log, ReadOptions())]
    assert [replace(trace, dropped={}) for trace in found] == [replace(trace, dropped={}) for trace in db.read(path)[0]]
    assert log.count_losses() == {"api_error_message": 1, "no_messages": 1}
    assert SOURCE.read_head(path) == entries[0].head


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_studio_may_write_meanwhile(tmp_path: Path, journal: str) -> None:
    path = db.write_database(tmp_path / "database.sqlite", db.SPANS)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as studio:
        studio.execute(f"PRAGMA journal_mode={journal}")
        studio.execute("PRAGMA wal_autocheckpoint=0")
        later = make_model("m9", 40, db.ask("Hi"), text_block("Hello"), trace="t9", parent="a9")
        db.add_spans(studio, [later], "old")
        (entry,) = SOURCE.list_entries(path) or ()
        traces = SOURCE.read_entry(path, entry, LossLog(path=""), ReadOptions())
        assert next(traces).trace_id == "t1"
        studio.execute("DELETE FROM run_table")
        assert [trace.is_partial for trace in traces] == [False, False, True]


@pytest.mark.parametrize("shape", db.SHAPES)
def test_histories_of_every_provider(tmp_path: Path, shape: str) -> None:
    prompt = db.SHAPES[shape]
    formatted = {"input": {"kwargs": {"msgs": ["Msg(id='1', name='sys', content='S', role='system', metadata=None)"]}}}
    spans = [
        make_agent("a1", 0, db.QUESTION),
        db.make_span("FORMATTER", "f1", 0.5, attributes=formatted),
        make_model("m1", 1, prompt[:2], db.call_block("k1", "1")),
        make_model("m2", 3, prompt, text_block("1 it is.")),
    ]
    (trace,), log = read_spans(tmp_path, spans)
    hints = [("injected", "Ada: Hm.")] if shape == "several_agents" else []
    said = [("human", db.QUESTION), ("model", ""), ("tool", "one"), ("model", "1 it is.")]
    assert show(trace) == [("injected", "S"), *hints, *said]
    assert (trace.messages[0].role, trace.messages[-2].tool_call_id) == ("system", "k1")
    assert (log.losses, log.notes) == ([], {})


def test_folded_history_of_a_second_reply(tmp_path: Path) -> None:
    head = "# Conversation History\n<history>\nuser: One?"
    first, second = f"{head}\n</history>", f"{head}\nRobin: 1.\nuser: Two?\n</history>"
    spans = [
        make_agent("a1", 0, "One?"),
        make_model("m1", 1, [say("user", first)], text_block("1.")),
        make_agent("a2", 10, "Two?", trace="t2"),
        make_model("m2", 11, [say("user", second)], text_block("2."), trace="t2", parent="a2"),
    ]
    traces, _ = read_spans(tmp_path, spans)
    assert show(traces[0]) == [("human", "One?"), ("model", "1.")]
    assert show(traces[1]) == [("human", "Two?"), ("model", "2.")]
    (whole,), _ = read_spans(tmp_path, spans, by="run")
    assert [text for _, text in show(whole)] == ["One?", "1.", "Two?", "2."]


def test_parallel_results_follow_their_calls_and_failures_are_told(tmp_path: Path) -> None:
    bad = "<returncode>1</returncode><stdout></stdout>"
    turn = {"role": "assistant", "tool_calls": [say_call(f"k{n}")["tool_calls"][0] for n in (1, 2, 3)]}
    prompt = [*db.ask("Go"), turn, say_result("k2", bad), say_result("k1", "no"), say("user", "<system-hint>Plan.")]
    spans = [
        make_agent("a1", 0, "Go"),
        make_model("m1", 1, db.ask("Go"), *(db.call_block(f"k{n}", str(n)) for n in (1, 2, 3))),
        make_tool("x1", 2, "k1", "no", error="ValueError"),
        make_tool("x3", 2.1, "k3", 'It\'s "late" [3]\n'),
        make_model("m2", 3, prompt, text_block("Done.")),
    ]
    (trace,), log = read_spans(tmp_path, spans)
    results = [(item.tool_call_id, item.is_error, item.text) for item in trace.messages[3:-2]]
    assert results == [("k1", True, "no"), ("k2", True, bad), ("k3", None, 'It\'s "late" [3]\n')]
    assert (log.losses, trace.messages[-2].origin) == ([], "injected")


def test_agents_below_agents_and_asides_are_side_chains(tmp_path: Path) -> None:
    spans = [
        make_agent("a1", 0, "Go"),
        make_model("m0", 0.5, [say("user", "Rewrite: Go")], text_block("going")),
        make_model("m1", 1, db.ask("Go"), db.call_block("k1", "1")),
        make_tool("x1", 2, "k1", "inner"),
        make_agent("a2", 3, "Part one", agent="agent-2", agent_name="O'Hara", parent="x1"),
        make_model("m2", 4, db.ask("Part one"), text_block("inner"), parent="a2"),
        make_model("m3", 5, [*db.ask("Go"), say_call("k1"), say_result("k1", "inner")], text_block("Done.")),
    ]
    traces, log = read_spans(tmp_path, spans, "old")
    assert [(trace.trace_id, trace.parent_trace_id, trace.is_sidechain, trace.goal) for trace in traces] == [
        ("t1", None, False, "Go"),
        ("t1:m0", "t1", True, "Rewrite: Go"),
        ("t1:a2", "t1", True, "Part one"),
    ]
    assert {trace.root_session_id for trace in traces} == {"run-1"}
    assert log.losses == []


def test_an_emptied_memory_begins_a_new_thread(tmp_path: Path) -> None:
    spans = [make_agent("a1", 0, "Go"), make_model("m1", 1, db.ask("Go"), text_block("1"))]
    second = make_model("m2", 11, db.ask("Go"), text_block("2"), trace="t2", parent="a2")
    traces, _ = read_spans(tmp_path, [*spans, make_agent("a2", 10, "Go", trace="t2"), second], by="run")
    assert [trace.trace_id for trace in traces] == ["run-1", "run-1:t2"]
    assert [[text for _, text in show(trace)] for trace in traces] == [["S", "Go", "1"], ["S", "Go", "2"]]


def test_a_compressed_memory_opens_a_new_context(tmp_path: Path) -> None:
    summary = "<system-info>Here is a summary of your previous work\n# Task Overview</system-info>"
    short = [say("system", "S"), say("user", summary), say_call("k1"), say_result("k1", "one")]
    spans = [
        make_agent("a1", 0, "Go"),
        make_model("m1", 1, db.ask("Go"), db.call_block("k1", "1")),
        make_model("m2", 2, short, text_block("Done.")),
    ]
    (trace,), _ = read_spans(tmp_path, spans)
    assert [message.origin for message in trace.messages[2:]] == ["model", "tool", "compaction", "model"]
    assert trace.messages[4].context == (0, SELF, 2, 3)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ('{"cut": ', "bad_json"),
        ("[" * 100_000, "bad_json"),
        ("[1]", "not_an_object"),
        ({"output": {"content": [text_block("x")]}}, "malformed_record"),
        ({"input": {"args": [db.ask("Hi")]}}, "malformed_record"),
        ({"input": {"args": [[{"role": "pope"}, *db.ask("Hi")]]}, "output": {"content": "x"}}, "unknown_record_type"),
        ({"input": {"args": [db.ask("Hi")]}, "output": {"content": [{"type": "smell"}, "x"]}}, "unknown_content_block"),
        ({"input": {"args": [[*db.ask("Hi"), say_result("k9", "?")]]}, "output": {"content": "x"}}, "unpaired_result"),
        ({"input": {"args": [db.ask("Hi")]}, "output": {"content": [{"type": "tool_use"}, "x"]}}, "malformed_record"),
    ],
)
@pytest.mark.parametrize("generation", ["old", "new"])
def test_a_bad_span_costs_itself_alone(tmp_path: Path, generation: str, attributes: Any, reason: str) -> None:
    bad = db.make_span("LLM", "m9", 30, trace="t9", parent="", attributes=attributes)
    by = "run" if reason == "unpaired_result" else "reply"
    traces, log = read_spans(tmp_path, [*db.SPANS[:5], bad], generation, by)
    assert traces[0].final_assistant_message == "It is 42."
    assert log.count_losses() == {reason: 1}
    assert traces[0].dropped == {reason: 1}


COLUMNS = ["id", "traceId", "parentSpanId", "name", "attributes", "startTimeUnixNano", "status", "conversationId"]
KEYS = ["input", "output", "gen_ai", "role", "parts", "content"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(KEYS), inner),
    max_leaves=8,
)
CELLS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text() | st.binary() | ANY_JSON.map(json.dumps)


@settings(max_examples=100, deadline=None)
@given(column=st.sampled_from(COLUMNS), cell=CELLS, place=st.integers(0, 4), prompt=ANY_JSON, output=ANY_JSON)
def test_nothing_crashes_and_other_runs_arrive(column: str, cell: Any, place: int, prompt: Any, output: Any) -> None:
    odd = {"input": {"args": [prompt], "kwargs": prompt}, "output": output, "metadata": output}
    spans = [*db.SPANS, db.make_span("LLM", "m8", 40, trace="t8", parent="", run="run-8", attributes=json.dumps(odd))]
    last = make_model("m9", 50, db.ask("Hi"), text_block("Hello"), trace="t9", parent="", run="run-9")
    with tempfile.TemporaryDirectory() as folder:
        path = db.write_database(Path(folder) / "database.sqlite", [*spans, last], "new")
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE loose AS SELECT * FROM span_table")
            database.execute("DROP TABLE span_table")
            database.execute("ALTER TABLE loose RENAME TO span_table")
            target = cell.encode("utf-8", "replace") if isinstance(cell, str) else cell
            database.execute(f"UPDATE span_table SET {column} = ? WHERE id = ?", (target, db.SPANS[place]["id"]))
        for by in ("reply", "run"):
            assert "Hello" in [trace.final_assistant_message for trace in db.read(path, by)[0]]


def describe(trace: Trace) -> tuple[str, ...]:
    results = sum(1 for message in trace.messages if message.role == "tool")
    counts = (trace.human_turn_count, trace.tool_call_count, results, trace.failed_call_count)
    texts = (" ".join(text.split())[:80] for text in (trace.goal, trace.final_assistant_message))
    facts = (trace.trace_id, trace.root_session_id, *counts, trace.model, trace.output_tokens or 0, *texts)
    return tuple(str(fact) for fact in facts)


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize("by", ["reply", "run"])
@pytest.mark.parametrize("name", sorted({row["file"] for row in read_table()}))
def test_a_corpus_file_reads_as_the_truth_says(name: str, by: str) -> None:
    rows = [row for row in read_table() if (row["file"], row["by"]) == (name, by)]
    traces, log = db.read(Path(CORPUS) / name, by)
    assert sorted(map(describe, traces)) == sorted(tuple(row[name] for name in HEAD[2:-1]) for row in rows)
    lost = sum(int(row["lost"].partition("=")[2] or 0) for row in rows)
    assert (log.count_losses(), log.notes) == ({"api_error_message": lost}, {})
    assert [(trace.success, trace.reward, trace.task_id) for trace in traces] == [(None, None, None)] * len(rows)


@pytest.mark.corpus
@NEEDS_CORPUS
def test_no_other_file_of_the_corpus_is_taken_for_a_studio() -> None:
    files = [path for path in Path(CORPUS).rglob("*") if path.is_file()]
    taken = {path.parent.name for path in files if is_studio_database(path) or SOURCE.read_head(path) is not None}
    assert taken == {"agentscope_studio"}
