"""MiroFlow attempt logs: sessions, text calls, tools, verdicts, faults."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracemill.ingest.miroflow.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import Trace

EXAMPLES = Path(__file__).parents[2] / "examples" / "miroflow"
FIRST = EXAMPLES / "task_velmora-7_attempt-1_format-retry-0_2026-01-11-10-00-00.json"
SECOND = EXAMPLES / "task_velmora-7_attempt-2_format-retry-0_2026-01-12-10-00-00.json"
CORPUS = os.environ.get("TRACEMILL_CORPUS", "")
PROMPT = """Tools:

## Server name: web
### Tool name: find
Description: Finds
# not a heading of ours
things.
Input JSON schema: {'type': 'object', 'properties': {'q': {'type': 'string', 'default': None}}}
### Tool name: read
Description: Reads.
Input JSON schema: {"type": "object", "properties": {"url": {"type": "string"}}}
### Tool name: odd
Description: Odd.
Input JSON schema: {__import__('os'): 1}

# General Objective
"""
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def use(tool: str = "find", arguments: str = '{"q": "x"}', server: str = "web") -> str:
    fields = (
        f"<server_name>{server}</server_name>\n<tool_name>{tool}</tool_name>\n<arguments>\n{arguments}\n</arguments>"
    )
    return f"<use_mcp_tool>\n{fields}\n</use_mcp_tool>"


def make_log(*history: Any, **fields: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [
        {"role": roles[number % 2], "content": item} if isinstance(item, str | list) else item
        for number, item in enumerate(history)
    ]
    main = {"system_prompt": "Be helpful.", "message_history": messages}
    return {"status": "success", "task_id": "q1", "main_agent_message_history": main, **fields}


def read(path: Path) -> tuple[list[Trace], LossLog]:
    log = LossLog(path=path.name)
    return list(SOURCE.read_file(path, log, ReadOptions())), log


def read_log(folder: Path, document: Any, name: str = "task_q1_attempt-2_format-retry-0_t.json") -> Any:
    path = folder / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return read(path)


def tell(trace: Trace) -> list[tuple[str, str, str]]:
    return [(message.role, message.origin, message.text) for message in trace.messages if message.role != "system"]


def test_the_first_example_has_a_sub_agent() -> None:
    (main, sub), log = read(FIRST)
    assert (log.losses, log.notes) == ([], {})
    assert (main.trace_id, main.root_session_id) == (FIRST.stem, FIRST.stem)
    assert (main.task_id, main.attempt, main.ground_truth) == ("velmora-7", 1, "1868")
    assert (main.success, main.verdict_source, main.model) == (True, "judge", "MiroThinker-14B")
    assert [tool["function"]["name"] for tool in main.tools] == [
        "tool-google-search-google_search",
        "agent-browsing-search_and_browse",
    ]
    assert main.tools[0]["function"]["parameters"]["required"] == ["q"]
    turn = main.messages[2]
    assert (turn.text, turn.reasoning_content) == ("I will ask the browsing agent.", "A subtask for the browser.")
    assert [message.role for message in main.messages] == [
        "system", "user", "assistant", "tool", "assistant", "user", "assistant"
    ]  # fmt: skip
    assert main.messages[5].origin == "injected"
    assert main.final_assistant_message == r"\boxed{1868}"
    assert (sub.trace_id, sub.parent_trace_id) == (f"{FIRST.stem}:agent-browsing_1", FIRST.stem)
    assert (sub.root_session_id, sub.agent_id, sub.is_sidechain) == (FIRST.stem, "agent-browsing_1", True)
    assert (sub.success, sub.task_id, sub.goal) == (None, "velmora-7", "When was Velmora's lighthouse first lit?")
    assert [message.is_error for message in sub.messages if message.role == "tool"] == [True, None]


def test_the_second_example_is_judged_by_its_own_attempt() -> None:
    """The top of the results' line names this attempt, and the task counts as solved."""
    (trace,), log = read(SECOND)
    assert (trace.attempt, trace.success, trace.verdict_source) == (2, False, "benchmark_results")
    assert (trace.tool_call_count, log.notes) == (1, {"unpaired_call": 1})
    assert [message.role for message in trace.messages] == ["system", "user", "assistant", "user", "assistant"]


def test_calls_in_text(tmp_path: Path) -> None:
    said = f"First {use()} then {use('read', '{broken')} over"
    (trace,), _ = read_log(tmp_path, make_log("task", said, "both", "Mentions <use_mcp_tool> alone", "odd", use()[:-5]))
    turn, answer = trace.messages[2:4]
    assert turn.text == "First\n\nthen\n\nover"
    assert [(call.id, call.name, call.arguments) for call in turn.tool_calls] == [
        ("call_1", "web-find", '{"q": "x"}'),
        ("call_2", "web-read", "{broken"),
    ]
    assert (answer.tool_call_id, answer.text) == ("call_1", "both")
    assert [message.text for message in trace.messages[4:]] == ["Mentions <use_mcp_tool> alone", "odd", use()[:-5]]


def test_as_many_parts_as_calls_are_told_apart(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    (trace,), log = read_log(tmp_path, make_log("task", use() + use(), parts))
    assert [(message.tool_call_id, message.text) for message in trace.messages[3:]] == [
        ("call_1", "one"),
        ("call_2", "two"),
    ]
    assert log.notes == {}


def test_thoughts_hold_no_calls(tmp_path: Path) -> None:
    (trace,), _ = read_log(tmp_path, make_log("task", f"<think>maybe {use()}</think>done"))
    assert (trace.tool_call_count, trace.final_assistant_message) == (0, "done")


def test_earlier_attempts_are_injected(tmp_path: Path) -> None:
    task = "Count.\n\n=== Previous Attempts Analysis ===\nThe following summarizes what was tried."
    (trace,), _ = read_log(tmp_path, make_log(task, "3"))
    assert [item[1] for item in tell(trace)] == ["human", "injected", "model"]
    assert trace.goal == "Count."


def test_tools_are_read_out_of_the_prompt(tmp_path: Path) -> None:
    document = make_log("task")
    document["main_agent_message_history"]["system_prompt"] = PROMPT
    (trace,), _ = read_log(tmp_path, document)
    functions = [tool["function"] for tool in trace.tools]
    assert [function["name"] for function in functions] == ["web-find", "web-read", "web-odd"]
    assert functions[0]["description"] == "Finds\n# not a heading of ours\nthings."
    assert functions[0]["parameters"]["properties"] == {"q": {"type": "string", "default": None}}
    assert functions[1]["parameters"]["properties"] == {"url": {"type": "string"}}
    assert functions[2]["parameters"] == {"type": "object", "properties": {}}
    assert trace.messages[0].text == PROMPT


@pytest.mark.parametrize(
    ("judged", "success"),
    [("CORRECT", True), ("INCORRECT", False), ("NOT_ATTEMPTED", False), ("ERROR", None), ("", None), (3, None)],
)
def test_what_the_judge_says(tmp_path: Path, judged: Any, success: bool | None) -> None:
    (trace,), _ = read_log(tmp_path, make_log("task", "3", final_judge_result=judged))
    assert trace.success is success
    assert (trace.verdict_source == "judge") == (success is not None)


@pytest.mark.parametrize(
    ("attempts", "success"),
    [
        ([{"attempt_number": 1, "is_correct": True}], None),
        ([{"attempt_number": 2, "is_correct": True}], True),
        ([{"attempt_number": 2, "is_correct": False}], None),
        ([{"attempt_number": 2, "is_correct": False, "final_judge_result": "INCORRECT"}], False),
        (
            [{"attempt_number": 2, "is_correct": True, "log_file_path": "x/task_q1_attempt-2_format-retry-1_t.json"}],
            None,
        ),
        ([{"attempt_number": 2, "is_correct": True, "log_file_path": "task_q1_attempt-2_format-retry-0_t.json"}], True),
        ([7, None], None),
        (None, None),
    ],
    ids=["other", "by_number", "unjudged", "judged", "other_retry", "by_file", "odd", "none"],
)
def test_results_are_joined_by_attempt(tmp_path: Path, attempts: Any, success: bool | None) -> None:
    line = {"task_id": "q1", "log_file_path": "task_q1_attempt-2_format-retry-0_t.json", "attempts": attempts}
    (tmp_path / "benchmark_results.jsonl").write_text("{oops\n" + json.dumps(line) + "\n")
    folder = tmp_path / "logs"
    folder.mkdir()
    (trace,), _ = read_log(folder, make_log("task", "3"))
    assert (trace.attempt, trace.task_id, trace.success) == (2, "q1", success)


def test_faults_cost_themselves_alone(tmp_path: Path) -> None:
    history = ["task", use(), "found", 5, {"role": "oracle", "content": "?"}, {"content": "x"}, "last"]
    document = make_log(*history[:3], sub_agent_message_history_sessions={"a_1": 3, "b_1": [], "c_1": history[3:4]})
    document["main_agent_message_history"]["message_history"] += history[3:]
    traces, log = read_log(tmp_path, document)
    assert [item[2] for item in tell(traces[0])] == ["task", "", "found"]
    assert len(traces) == 1
    assert log.count_losses() == {"malformed_record": 5, "no_messages": 3}
    assert traces[0].dropped == log.count_losses()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_file"),
        ("{broken", "bad_json"),
        ("[]", "foreign_file"),
        ('{"task_id": "q", "steps": []}', "foreign_file"),
        ('{"task_id": "q", "main_agent_message_history": []}', "no_messages"),
    ],
    ids=["empty", "broken", "list", "other", "no_messages"],
)
def test_files_without_a_trace(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "task_q_attempt-1.json"
    path.write_text(text)
    traces, log = read(path)
    assert (traces, [loss.reason for loss in log.losses]) == ([], [reason])
    assert (SOURCE.read_head(path) is None) == (reason != "no_messages")


def test_a_head_longer_than_its_limit_is_known(tmp_path: Path) -> None:
    path = tmp_path / "task_q1_attempt-1_t.json"
    path.write_text(json.dumps({"start_time": "2026-01-11 10:00:00", **make_log("x" * 300_000)}))
    head = SOURCE.read_head(path)
    assert head is not None
    assert (head.root_session_id, head.started_at) == (path.stem, "2026-01-11T10:00:00+08:00")
    assert [trace.started_at for trace in read(path)[0]] == [head.started_at]


def test_a_task_id_beyond_64_bits_is_known_by_its_head(tmp_path: Path) -> None:
    path = tmp_path / "task_9.json"
    path.write_text(json.dumps({**make_log("half a pair \ud800"), "task_id": 10**30}))
    assert [trace.task_id for trace in read(path)[0]] == [str(10**30)]
    assert SOURCE.read_head(path) is not None


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS, reason="TRACEMILL_CORPUS is not set: no real traces to read")
def test_no_file_of_another_format_is_taken_for_an_attempt() -> None:
    paths = [path for path in Path(CORPUS).rglob("*") if path.is_file()]
    assert paths
    assert [path for path in paths if SOURCE.read_head(path) is not None] == []


@settings(max_examples=150, deadline=None)
@given(JSON_VALUES, st.integers(1, 3))
def test_no_message_can_take_its_neighbours_along(value: Any, place: int) -> None:
    document = make_log("task", "said", "more", "over")
    document["main_agent_message_history"]["message_history"].insert(place, value)
    with tempfile.TemporaryDirectory() as folder:
        traces, _ = read_log(Path(folder), document)
    assert [item[2] for item in tell(traces[0]) if item[2] in ("task", "said", "more", "over")] == [
        "task", "said", "more", "over"
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(JSON_VALUES, st.data())
def test_no_field_can_crash_it(value: Any, data: st.DataObject) -> None:
    subs = {"a_1": {"system_prompt": PROMPT, "message_history": [{"role": "user", "content": "sub"}]}}
    document = make_log("task", use(), "found", env_info={}, ground_truth="", sub_agent_message_history_sessions=subs)
    field = data.draw(st.sampled_from(sorted(document)))
    if field == "main_agent_message_history" and data.draw(st.booleans()):
        document[field]["message_history"][1][data.draw(st.sampled_from(["role", "content"]))] = value
    else:
        document[field] = value
    with tempfile.TemporaryDirectory() as folder:
        traces, _ = read_log(Path(folder), document)
        SOURCE.read_head(next(Path(folder).iterdir()))
    if field not in ("task_id", "sub_agent_message_history_sessions", "main_agent_message_history"):
        assert [trace.agent_id for trace in traces] == [None, "a_1"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='<>use_mcp_tool/{}":serv', max_size=80).map(str.encode))
def test_no_bytes_can_crash_it(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task_x.json"
        path.write_bytes(raw)
        SOURCE.read_head(path)
        read(path)
