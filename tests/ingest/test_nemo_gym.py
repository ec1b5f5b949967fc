"""NeMo Gym rollouts."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracemill.ingest import SOURCES
from tracemill.ingest.nemo_gym.outcome import find_success
from tracemill.ingest.nemo_gym.reader import SOURCE
from tracemill.ingest.source import Head, LossLog, ReadOptions, Source
from tracemill.trace import Message, ToolCall, Trace

CORPUS = os.environ.get("TRACEMILL_CORPUS", "")
NEEDS_CORPUS = pytest.mark.skipif(not CORPUS, reason="TRACEMILL_CORPUS is not set: no real traces to read")
EXAMPLE = Path(__file__).parents[2] / "examples" / "nemo_gym" / "harbour_rollouts.jsonl"
Row = dict[str, Any]
TRUTH: dict[str, list[list[str]]] = {}
for line in (Path(__file__).parents[1] / "corpus_truth_nemo_gym.tsv").read_text(encoding="utf-8").split("\n")[1:-1]:
    TRUTH.setdefault(line.split("\t")[0], []).append(line.split("\t")[1:])


def say(role: Any, content: Any) -> Row:
    return {"type": "message", "role": role, "content": content}


def answer(text: str) -> Row:
    return say("assistant", [{"type": "output_text", "text": text, "annotations": []}])


def call(call_id: str | None, name: str | None = "run", arguments: Any = '{"a": 1}') -> Row:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def result(call_id: str | None, output: Any = "done", **more: Any) -> Row:
    return {"type": "function_call_output", "call_id": call_id, "output": output, **more}


def rollout(*output: Any, asked: Any = "Count the boats", reward: Any = 1.0, **more: Any) -> Row:
    response = {"id": "resp_1", "model": "m1", "created_at": 1790000000, "output": list(output)}
    params = {"input": asked, "tools": []}
    return {"responses_create_params": params, "response": response, "reward": reward, **more}


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def read(path: Path, source: Source = SOURCE) -> tuple[list[Trace], LossLog]:
    log = LossLog(path=str(path))
    return list(source.read_file(path, log, ReadOptions())), log


def read_entries(path: Path, source: Source = SOURCE) -> list[Trace]:
    assert source.read_entry is not None
    log, entries = LossLog(path=str(path)), source.list_entries(path) or ()
    return [trace for entry in entries for trace in source.read_entry(path, entry, log, ReadOptions())]


def read_row(tmp_path: Path, row: Any) -> tuple[Trace, LossLog]:
    (trace,), log = read(write_lines(tmp_path / "r.jsonl", row))
    return trace, log


def describe(trace: Trace) -> list[str]:
    results = sum(message.role == "tool" for message in trace.messages)
    injected = sum(message.role == "user" and message.origin == "injected" for message in trace.messages)
    words = [" ".join(text.split())[:80].strip() for text in (trace.goal, trace.final_assistant_message)]
    counts = [trace.human_turn_count, trace.tool_call_count, results, injected]
    outcome = [str(trace.success), str(trace.reward), trace.task_id or ""]
    return [trace.trace_id, *map(str, counts), trace.model or "", *words, *outcome]


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_a_corpus_file_reads_as_the_truth_says(name: str) -> None:
    path = Path(CORPUS) / name
    traces, log = read(path)
    assert [describe(trace) for trace in traces] == TRUTH[name]
    assert log.losses == []
    assert SOURCE.read_head(path) == next(iter(SOURCE.list_entries(path) or ())).head
    assert read_entries(path) == traces
    assert [other.name for other in SOURCES if other.name != SOURCE.name and other.read_head(path) is not None] == []


@pytest.mark.corpus
@NEEDS_CORPUS
def test_no_other_file_of_the_corpus_is_taken_for_rollouts() -> None:
    files = {path.relative_to(CORPUS).as_posix(): path for path in Path(CORPUS).rglob("*") if path.is_file()}
    assert {name for name, path in files.items() if SOURCE.read_head(path) is not None} == set(TRUTH)
    for path in (path for name, path in files.items() if name not in TRUTH and path.suffix == ".jsonl"):
        traces, log = read(path)
        assert traces == []
        assert log.losses


def test_small() -> None:
    """The example: three rollouts of one task, the last of which broke down."""
    traces, log = read(EXAMPLE)
    first = traces[0]
    calls = (ToolCall("call_a1", "list_boats", '{"pier": 4}'), ToolCall("call_a2", "list_fees", '{"pier": 4}'))
    model = "example/harbour-8b"
    assert first.messages == (
        Message("system", "You keep the harbour book. Use the tools.", "injected"),
        Message("user", "How many boats lie at pier 4, and what do they owe together?", "human"),
        Message("assistant", "I look both up.", "model", "Two look-ups, then a sum.", calls, model=model),
        Message("tool", '{"boats": ["Kittiwake", "Anselm", "Three Sisters"]}', "tool", tool_call_id="call_a1"),
        Message("tool", '{"fees": [120, 80, 45]}', "tool", tool_call_id="call_a2"),
        Message("assistant", "Three boats lie there; together they owe 245.", "model", model=model),
    )
    assert (first.trace_id, first.root_session_id, first.model) == ("harbour_rollouts:1", "harbour_rollouts:1", model)
    assert (first.success, first.reward, first.attempt, first.ground_truth) == (True, 1.0, 0, "3 boats, 245")
    assert (first.input_tokens, first.output_tokens, first.verdict_source) == (1310, 96, "verifier")
    assert first.started_at == "2026-09-21T14:13:20Z"
    assert [tool["function"]["name"] for tool in first.tools] == ["list_boats", "list_fees"]
    assert (first.source_meta["agent"], first.source_meta["response_id"]) == ("harbour_simple_agent", "resp_77a1")
    assert [(trace.success, trace.attempt) for trace in traces] == [(True, 0), (False, 1), (None, 2)]
    assert len({trace.task_id for trace in traces}) == 1
    assert (read_entries(EXAMPLE), log.losses) == (traces, [])


def test_calls_and_results(tmp_path: Path) -> None:
    trace, log = read_row(tmp_path, rollout(call("a"), call("b"), result("b", "2"), result("a", "1"), answer("ok")))
    assert [(m.tool_call_id, m.text) for m in trace.messages[2:]] == [("a", "1"), ("b", "2"), (None, "ok")]
    assert log.losses == []
    items = [call("a"), result("x", "nobody asked"), call("b"), result("b", status="incomplete"), result("b", "again")]
    trace, log = read_row(tmp_path, rollout(*items))
    assert (trace.dropped, log.notes) == ({"unpaired_result": 2}, {"unpaired_call": 1})
    assert [(m.tool_call_id, m.is_error) for m in trace.messages if m.role == "tool"] == [("b", True)]


def test_what_the_terminal_says_to_a_turn_without_calls_is_injected(tmp_path: Path) -> None:
    row = rollout(answer("Done."), result("z", "Are you sure?"), answer("Yes."), result("y", ""))
    trace, log = read_row(tmp_path, row)
    told = [(m.origin, m.text) for m in trace.messages[1:]]
    assert told == [("model", "Done."), ("injected", "Are you sure?"), ("model", "Yes.")]
    assert log.count_losses() == {"malformed_record": 1}


def test_ids_and_arguments_of_calls(tmp_path: Path) -> None:
    calls = [call(None, arguments={"x": 1}), call(None, arguments=None), result(None, "1"), result(None, "2")]
    custom = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** Begin"}
    shell = {"type": "local_shell_call", "call_id": "s", "action": {"command": ["ls"]}}
    remote = {"type": "mcp_call", "id": "m", "name": "find", "arguments": "{}", "output": None, "error": "gone"}
    trace, log = read_row(tmp_path, rollout(*calls, custom, shell, remote, call("n", name=None)))
    made = [(item.id, item.name, item.arguments) for message in trace.messages for item in message.tool_calls]
    first = [("item_1_call", "run", '{"x": 1}'), ("item_2_call", "run", "{}")]
    others = [("c", "patch", "*** Begin"), ("s", "local_shell", '{"command": ["ls"]}'), ("m", "find", "{}")]
    assert made == first + others
    told = [(m.tool_call_id, m.text, m.is_error) for m in trace.messages if m.role == "tool"]
    assert told == [("item_1_call", "1", None), ("item_2_call", "2", None), ("m", "gone", True)]
    assert log.count_losses() == {"malformed_record": 1}


def test_reasoning(tmp_path: Path) -> None:
    short = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "short"}], "encrypted_content": "x"}
    whole = {"type": "reasoning", "summary": short["summary"], "content": [{"type": "reasoning_text", "text": "long"}]}
    withheld = {"type": "reasoning", "summary": [], "encrypted_content": "x"}
    items = [short, answer("a"), say("user", "more"), whole, answer("<think>\nhm\n</think>\n\nb"), say("user", "go on")]
    trace, _ = read_row(tmp_path, rollout(*items, withheld, answer("<think> never closed")))
    told = [(m.reasoning_content, m.text) for m in trace.messages if m.role == "assistant"]
    assert told == [("short", "a"), ("long\n\nhm", "b"), (None, "<think> never closed")]


def test_input_of_several_kinds(tmp_path: Path) -> None:
    person = say("user", [{"type": "input_text", "text": "Hi"}])
    asked = [{"role": "developer", "content": "Be brief"}, person, answer("?"), {"role": "user", "content": "Go"}]
    row = rollout(say("assistant", [{"type": "refusal", "refusal": "No"}]), asked=asked)
    row["responses_create_params"]["instructions"] = "You are a clerk"
    row["response"]["incomplete_details"] = {"reason": "max_output_tokens"}
    trace, log = read_row(tmp_path, row)
    assert [m.role for m in trace.messages] == ["system", "system", "user", "assistant", "user", "assistant"]
    assert [m.text for m in trace.messages] == ["You are a clerk", "Be brief", "Hi", "?", "Go", "No"]
    assert [m.stop_reason for m in trace.messages if m.role == "assistant"] == [None, "max_output_tokens"]
    assert log.losses == []
    row = rollout(answer("Fixed."), asked=[])
    row["responses_create_params"]["metadata"] = {"problem_statement": "It leaks", "instance_id": "pump-7"}
    trace, _ = read_row(tmp_path, row)
    assert (trace.goal, trace.task_id) == ("It leaks", "pump-7")
    assert trace.source_meta["goal_field"] == "responses_create_params.metadata.problem_statement"


def test_success_is_unknown_where_something_broke_down() -> None:
    broken: list[Row] = [{key: True} for key in ("mask_sample", "agent_timed_out", "eval_timed_out")]
    broken += [{"error_kind": "sandbox"}, {"_ng_failure_class": "timeout"}, {"agent_error_kind": "context_window"}]
    broken += [{"evaluation_completed": False}, {"failure_reason": "unknown_error"}, {"response": {"error": {"a": 1}}}]
    broken += [{"response": {"status": "failed"}}, {"metadata": {"exception_info": {"type": "X"}}}]
    for fields in broken:
        assert find_success({"reward": 0.0, "resolved": False, **fields}, 0.5) is None, fields


def test_faulty_lines_cost_themselves_alone(tmp_path: Path) -> None:
    good = json.dumps(rollout(answer("ok")))
    odd = rollout("text", 7, {"type": 3}, {"type": "hologram"}, say("narrator", "x"), say(1, "x"), say("user", None))
    lines = [good, "{broken", "[1]", good * 2, '{"type": "beat"}', '{"a": 1}', json.dumps(odd), good[:-20]]
    traces, log = read(path := write_lines(tmp_path / "r.jsonl", *lines))
    assert [trace.trace_id for trace in traces] == ["r:1", "r:4", "r:4.2", "r:7"]
    lost = [(loss.line, loss.reason) for loss in log.losses]
    assert lost[:4] == [(2, "bad_json"), (3, "not_an_object"), (5, "unknown_record_type"), (6, "malformed_record")]
    malformed, unknown = (7, "malformed_record"), (7, "unknown_record_type")
    assert lost[4:] == [malformed, malformed, malformed, unknown, unknown, malformed, malformed, (8, "cut_line")]
    assert traces[-1].dropped == {"malformed_record": 5, "unknown_record_type": 2}
    assert read_entries(path) == traces


def test_odd_bytes_are_mended(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    line = json.dumps(rollout(answer("café")), ensure_ascii=False).encode()
    path.write_bytes(b"\xef\xbb\xbf" + line.replace("é".encode(), b"\xe9") + b"\r\n" + line + b"\n")
    traces, log = read(path)
    assert [trace.final_assistant_message for trace in traces] == ["caf\ufffd", "café"]
    assert log.notes == {"bad_bytes": 1}


def test_files_without_a_trace(tmp_path: Path) -> None:
    chat, request = '{"messages": []}', '{"responses_create_params": {}, "response": null}'
    silent = '{"responses_create_params": {}, "response": {}}'
    foreign = dict.fromkeys((chat, request), "foreign_file")
    expected = {"": "empty_file", **foreign, silent: "no_messages", "\x01": "bad_json"}
    for content, reason in expected.items():
        path = write_lines(tmp_path / "r.jsonl", content)
        traces, log = read(path)
        assert (traces, [loss.reason for loss in log.losses]) == ([], [reason])
        assert (SOURCE.read_head(path) is not None) == (reason == "no_messages")


def test_names_tasks_and_heads(tmp_path: Path) -> None:
    names = ["a_rollouts.jsonl", "a_rollouts_failures.jsonl", "a_materialized_inputs.jsonl", "a.json"]
    assert [SOURCE.is_session_file(Path(name)) for name in names] == [True, True, False, False]
    path = write_lines(tmp_path / "r.jsonl", rollout(answer("x" * 400_000)), rollout(asked="Other"), rollout())
    first, second, third = [trace.task_id for trace in read(path)[0]]
    assert first == third != second
    assert SOURCE.read_head(path) == Head("r:1", "2026-09-21T14:13:20Z")


def make_full() -> Row:
    thought: Row = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]}
    row = rollout(thought, answer("a"), call("c"), result("c"), asked=[say("user", "x")], resolved=True, mask_sample=0)
    row |= {"instance_id": "i", "metadata": {"exception_info": 0}, "agent_ref": {"name": "n"}, "_ng_task_index": 0}
    row["response"] |= {"usage": {"input_tokens": 1}, "error": None, "incomplete_details": None, "status": "completed"}
    row["responses_create_params"] |= {"metadata": {"problem_statement": "p"}, "instructions": "i"}
    return row


def change(row: Row, place: tuple[Any, ...], value: Any) -> bytes:
    """The row as JSON with another value at one of its places."""
    holder: Any = {"row": row}
    at = holder
    for key in ("row", *place)[:-1]:
        at = at[key]
    at[("row", *place)[-1]] = value
    return json.dumps(holder["row"]).encode()


def list_places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from list_places(value[key], (*place, key))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANY_JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from(list(list_places(make_full()))), value=ANY_JSON, raw=st.binary(max_size=80))
def test_any_value_and_any_bytes_cost_their_row_at_most(place: tuple[Any, ...], value: Any, raw: bytes) -> None:
    good = json.dumps(rollout(answer("ok"))).encode()
    lines = [good, change(make_full(), place, value), good, raw.replace(b"\n", b" "), good]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.jsonl"
        path.write_bytes(b"\n".join(lines))
        traces, log = read(path)
        assert SOURCE.read_head(path) is not None
        assert [trace.trace_id for trace in traces if trace.trace_id != "r:2"] == ["r:1", "r:3", "r:5"]
        assert len(traces) == 4 or log.losses
        assert read_entries(path) == traces
        path.write_bytes(raw)
        assert read(path)[0] == []
        assert SOURCE.read_head(path) is None
