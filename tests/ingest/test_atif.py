"""ATIF trajectories."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracemill.ingest.atif import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import Message, ToolCall, Trace

EXAMPLES = Path(__file__).parents[2] / "examples" / "atif"
DEDUPE = EXAMPLES / "dedupe-orders__Q7f3kzA" / "agent" / "trajectory.json"
AGENT = {"name": "house-agent", "version": "1.0", "model_name": "gpt-4.1"}

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
STEP_FIELDS = ("source", "message", "tool_calls", "observation", "metrics", "extra", "timestamp", "model_name")


def read(path: Path) -> tuple[list[Trace], LossLog]:
    log = LossLog(path=path.name)
    return list(SOURCE.read_file(path, log, ReadOptions())), log


def read_steps(folder: Path, *steps: Any, **fields: Any) -> tuple[list[Trace], LossLog]:
    document = {"schema_version": "ATIF-v1.7", "session_id": "s1", "agent": AGENT, "steps": list(steps), **fields}
    path = folder / "trajectory.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return read(path)


def describe(trace: Trace) -> list[tuple[str, str, str]]:
    return [(message.role, message.origin, message.text) for message in trace.messages]


def make_turn(**fields: Any) -> dict[str, Any]:
    return {"step_id": 1, "source": "agent", "message": "On it.", **fields}


def make_call(call_id: str, name: str = "bash") -> dict[str, Any]:
    return {"tool_call_id": call_id, "function_name": name, "arguments": {"command": "ls"}}


def test_small_trial() -> None:
    traces, log = read(DEDUPE)
    bash, edit = "bash", "edit_file"
    edit_schema = {name: {"type": "string"} for name in ("path", "old", "new")}
    assert traces == [
        Trace(
            trace_id="5b0e7c52-9a2e-4a53-8f1d-3f1c7a0d9e11",
            source_kind="atif",
            source_path=str(DEDUPE),
            root_session_id="5b0e7c52-9a2e-4a53-8f1d-3f1c7a0d9e11",
            cwd="/app",
            git_branch="main",
            started_at="2026-03-02T08:14:05Z",
            ended_at="2026-03-02T08:14:24Z",
            task_id="dedupe-orders",
            success=True,
            reward=1.0,
            verdict_source="verifier",
            model="claude-sonnet-4-5",
            input_tokens=4880,
            output_tokens=225,
            source_meta={
                "schema_version": "ATIF-v1.6",
                "agent_name": "claude-code",
                "agent_version": "2.0.31",
                "cost_usd": 0.018,
                "trial_name": "dedupe-orders__Q7f3kzA",
            },
            tools=(
                {
                    "type": "function",
                    "function": {
                        "name": bash,
                        "description": "Run a shell command in the task container.",
                        "parameters": {
                            "type": "object",
                            "properties": {"command": {"type": "string"}},
                            "required": ["command"],
                        },
                    },
                },
                {
                    "type": "function",
                    "function": {
                        "name": edit,
                        "description": "Replace text in a file.",
                        "parameters": {"type": "object", "properties": edit_schema, "required": ["path", "old", "new"]},
                    },
                },
            ),
            messages=(
                Message(
                    "system",
                    "You work in a container at /app. Change only what the task asks for.",
                    "injected",
                    timestamp="2026-03-02T08:14:05Z",
                ),
                Message(
                    "user",
                    "dedupe.py keeps the last of two orders with one id. It must keep the first. "
                    "Run the tests when you are done.",
                    "human",
                    timestamp="2026-03-02T08:14:05Z",
                ),
                Message(
                    "assistant",
                    "I'll look at the script and its tests.",
                    "model",
                    reasoning_content="Read both files before changing anything.",
                    tool_calls=(
                        ToolCall("toolu_01", bash, '{"command": "cat dedupe.py"}'),
                        ToolCall("toolu_02", bash, '{"command": "cat tests/test_dedup.py"}'),
                    ),
                    timestamp="2026-03-02T08:14:09Z",
                    model="claude-sonnet-4-5",
                    stop_reason="tool_use",
                    usage={"input_tokens": 1480, "output_tokens": 96},
                ),
                Message(
                    "tool",
                    "def dedupe(orders):\n    return list({o['id']: o for o in orders}.values())\n",
                    "tool",
                    tool_call_id="toolu_01",
                    is_error=False,
                    timestamp="2026-03-02T08:14:09Z",
                ),
                Message(
                    "tool",
                    "cat: tests/test_dedup.py: No such file or directory",
                    "tool",
                    tool_call_id="toolu_02",
                    is_error=True,
                    timestamp="2026-03-02T08:14:09Z",
                ),
                Message(
                    "assistant",
                    "",
                    "model",
                    tool_calls=(
                        ToolCall(
                            "toolu_03",
                            edit,
                            '{"path": "dedupe.py", "old": "for o in orders}", "new": "for o in reversed(orders)}"}',
                        ),
                    ),
                    timestamp="2026-03-02T08:14:15Z",
                    model="claude-sonnet-4-5",
                    stop_reason="tool_use",
                    usage={"input_tokens": 1640, "output_tokens": 88},
                ),
                Message(
                    "tool",
                    "1 replacement in dedupe.py",
                    "tool",
                    tool_call_id="toolu_03",
                    timestamp="2026-03-02T08:14:15Z",
                ),
                Message(
                    "assistant",
                    "dedupe() now walks the orders from the end, so the first of two equal ids wins.",
                    "model",
                    timestamp="2026-03-02T08:14:24Z",
                    model="claude-sonnet-4-5",
                    stop_reason="end_turn",
                    usage={"input_tokens": 1760, "output_tokens": 41},
                ),
            ),
        )
    ]
    assert (log.losses, log.notes) == ([], {})


def test_small_trial_of_terminus() -> None:
    traces, log = read(EXAMPLES / "nginx-report__8mVqT2c" / "agent" / "trajectory.json")
    trace = traces[0]
    assert [message.role for message in trace.messages] == [
        *("user", "assistant", "user", "assistant", "tool", "assistant", "tool")
    ]
    assert trace.messages[2].origin == "injected"
    assert trace.messages[4].tool_call_id == "call_1_1"
    assert log.notes == {"unpaired_call": 1}
    assert (trace.success, trace.reward, trace.task_id) == (False, 0.0, "nginx-report")


def test_small_with_subagent_and_image() -> None:
    (main, helper), log = read(EXAMPLES / "release-notes.json")
    assert main.messages[0].content == (
        {"type": "text", "text": "Write release notes for v2.4 from the merged changes. The board is in the picture."},
        {"type": "image", "media_type": "image/png", "size_bytes": 0, "url": "images/board.png"},
    )
    assert main.source_meta["subagent_trajectory_refs"] == [{"trajectory_id": "changes-1"}]
    assert (helper.trace_id, helper.parent_trace_id, helper.root_session_id) == (
        "rel-2026-04:changes-1",
        "rel-2026-04",
        "rel-2026-04",
    )
    assert helper.is_sidechain
    assert not main.is_sidechain
    assert (helper.goal, helper.model) == ("List the merged changes since v2.3", "gpt-4.1-mini")
    assert log.losses == []


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.rglob("*.json")), ids=lambda path: path.relative_to(EXAMPLES).as_posix()
)
def test_head_agrees_with_body(path: Path) -> None:
    head = SOURCE.read_head(path)
    traces, _ = read(path)
    assert (head is not None) == bool(traces) == SOURCE.is_session_file(path)
    if head is not None:
        assert head.root_session_id == traces[0].root_session_id
        assert head.started_at == traces[0].started_at


def test_head_of_a_long_file_is_read_from_its_first_bytes(tmp_path: Path) -> None:
    steps = [{"step_id": n, "source": "user", "message": "x" * 1000} for n in range(400)]
    path = tmp_path / "trajectory.json"
    fields = {"schema_version": "ATIF-v1.5", "session_id": "long-1", "agent": AGENT}
    path.write_text(json.dumps({**fields, "steps": steps})[:-500], encoding="utf-8")
    head = SOURCE.read_head(path)
    assert head is not None
    assert head.root_session_id == "long-1"
    path.write_text(json.dumps({"schema_version": "ATIF-v1.5", "steps": steps, "session_id": "late"}), encoding="utf-8")
    head = SOURCE.read_head(path)
    assert head is not None
    assert head.root_session_id == "late" == read(path)[0][0].root_session_id


RESULTS = [{"content": "a"}, {"source_call_id": "c2", "content": "b"}, {"content": "c"}, {"content": "d"}]


def test_results_without_id_answer_calls_in_order(tmp_path: Path) -> None:
    calls = [make_call("c1"), make_call("c2"), make_call("c3")]
    traces, log = read_steps(tmp_path, make_turn(tool_calls=calls, observation={"results": RESULTS}))
    assert [(message.tool_call_id, message.origin, message.text) for message in traces[0].messages[1:]] == [
        ("c1", "tool", "a"),
        ("c2", "tool", "b"),
        ("c3", "tool", "c"),
        (None, "injected", "d"),
    ]
    assert log.losses == []


def test_a_result_in_a_later_step_follows_its_call(tmp_path: Path) -> None:
    traces, _ = read_steps(
        tmp_path,
        make_turn(tool_calls=[make_call("c1")]),
        make_turn(message="Waiting.", observation={"results": [{"source_call_id": "c1", "content": "done"}]}),
        {"source": "system", "message": "Time is up.", "observation": {"results": [{"content": "clock: 60 s"}]}},
    )
    assert describe(traces[0]) == [
        ("assistant", "model", "On it."),
        ("tool", "tool", "done"),
        ("assistant", "model", "Waiting."),
        ("system", "injected", "Time is up."),
        ("user", "injected", "clock: 60 s"),
    ]


@pytest.mark.parametrize(
    ("result", "is_error"),
    [
        ({}, None),
        ({"extra": {"is_error": True}}, True),
        ({"metadata": {"success": True}}, False),
        ({"extra": {"status": "failed"}}, True),
        ({"extra": {"status": "<redacted>"}}, None),
        ({"extra": {"exit_code": 1}}, None),
    ],
    ids=["silent", "flag", "success", "status", "other_status", "exit_code"],
)
def test_failure_is_read_only_where_the_source_says_it(
    tmp_path: Path, result: dict[str, Any], is_error: bool | None
) -> None:
    observation = {"results": [{"source_call_id": "c1", "content": "x", **result}]}
    traces, _ = read_steps(tmp_path, make_turn(tool_calls=[make_call("c1")], observation=observation))
    assert traces[0].messages[1].is_error is is_error


@pytest.mark.parametrize(
    ("rewards", "reward", "success"),
    [
        ({"reward": 1.0}, 1.0, True),
        ({"score": 0}, 0.0, False),
        ({"reward": 0.4, "style": 1.0}, 0.4, None),
        ({"tests": 1.0, "style": 1.0}, None, None),
        (None, None, None),
    ],
    ids=["full", "single_zero", "between", "several", "no_verifier"],
)
def test_verdict_of_a_trial(tmp_path: Path, rewards: Any, reward: float | None, success: bool | None) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    result = {"task_name": "t1", "trial_name": "t1__a", "verifier_result": {"rewards": rewards} if rewards else None}
    (tmp_path / "result.json").write_text(json.dumps(result), encoding="utf-8")
    trace = read_steps(folder, make_turn())[0][0]
    assert (trace.task_id, trace.reward, trace.success) == ("t1", reward, success)
    assert trace.verdict_source == (None if reward is None else "verifier")


def test_a_job_result_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"stats": {"n_trials": 2}}', encoding="utf-8")
    assert read_steps(tmp_path, make_turn())[0][0].task_id is None


@pytest.mark.parametrize(
    ("child", "expected"),
    [
        ({"session_id": "s1", "trajectory_id": "t2"}, "s1:t2"),
        ({"session_id": "s1"}, "s1:0"),
        ({}, "s1:0"),
        ({"session_id": "own"}, "own"),
        ({"trajectory_id": "t2"}, "t2"),
    ],
    ids=["parents_session", "parents_session_alone", "nameless", "own_session", "own_trajectory"],
)
def test_ids_of_embedded_trajectories(tmp_path: Path, child: dict[str, Any], expected: str) -> None:
    document = {**child, "schema_version": "ATIF-v1.7", "agent": AGENT, "steps": [make_turn()]}
    traces, _ = read_steps(tmp_path, make_turn(), subagent_trajectories=[document])
    assert [trace.trace_id for trace in traces] == ["s1", expected]
    assert traces[1].parent_trace_id == traces[1].root_session_id == "s1"


def test_a_summarization_agents_own_file_is_a_side_chain(tmp_path: Path) -> None:
    agent = {**AGENT, "extra": {"parent_session_id": "s0"}}
    copied = {"source": "user", "message": "Task", "is_copied_context": True}
    traces, _ = read_steps(tmp_path, copied, make_turn(), agent=agent)
    assert (traces[0].is_sidechain, traces[0].parent_trace_id, traces[0].root_session_id) == (True, "s0", "s0")
    assert traces[0].source_meta["copied_context_messages"] == [0]
    head = SOURCE.read_head(tmp_path / "trajectory.json")
    assert head is not None
    assert head.root_session_id == "s0"


def test_schema_drift(tmp_path: Path) -> None:
    """Unknown fields, an unknown version, an unknown source and an unknown content block: what was said stays."""
    traces, log = read_steps(
        tmp_path,
        {"source": "observer", "message": "seen", "mood": 3},
        {"source": "user", "message": [{"type": "text", "text": "hear this"}, {"type": "audio", "path": "a.wav"}]},
        make_turn(llm_call_count=0, tool_calls=[make_call("c1")], plan={"deep": [1]}),
        schema_version="ATIF-v3.1",
        context_management=[{"strategy": "x"}],
    )
    assert describe(traces[0]) == [
        ("user", "injected", "seen"),
        ("user", "human", "hear this"),
        ("assistant", "injected", "On it."),
    ]
    assert traces[0].dropped == {"unknown_content_block": 1}
    assert log.notes == {"unpaired_call": 1}


def test_malformed_steps(tmp_path: Path) -> None:
    traces, log = read_steps(
        tmp_path,
        {"source": "user", "message": "Go"},
        "no step",
        {"source": "user"},
        make_turn(tool_calls=[{"arguments": {}}], observation={"results": [7]}),
    )
    assert [(loss.reason, loss.line, loss.detail) for loss in log.losses] == [
        ("malformed_record", None, "step 2: no object"),
        ("malformed_record", None, "step 3: source 'user' without a message"),
        ("malformed_record", None, "step 4: tool_calls[0] without function_name"),
        ("malformed_record", None, "step 4: an observation result that is no object"),
    ]
    assert describe(traces[0]) == [("user", "human", "Go"), ("assistant", "model", "On it.")]
    assert traces[0].dropped == {"malformed_record": 4}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_file"),
        ('{"schema_version": "ATIF-v1.5", "steps": [', "bad_json"),
        ("[1, 2]", "foreign_file"),
        ('{"messages": []}', "foreign_file"),
        ('{"schema_version": "ATIF-v1.5", "steps": []}', "no_messages"),
    ],
    ids=["empty", "cut", "list", "other_format", "no_steps"],
)
def test_malformed_files(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    traces, log = read(path)
    assert traces == []
    assert [loss.reason for loss in log.losses] == [reason]


def test_nested_trajectories_end_somewhere(tmp_path: Path) -> None:
    document: dict[str, Any] = {"agent": AGENT, "steps": [make_turn()]}
    for _ in range(60):
        document = {"agent": AGENT, "steps": [make_turn()], "subagent_trajectories": [document]}
    path = tmp_path / "deep.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    traces, log = read(path)
    assert len(traces) == 21
    assert log.count_losses() == {"malformed_record": 1}
    assert len({trace.trace_id for trace in traces}) == len(traces)


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=400) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_can_crash_it(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trajectory.json"
        path.write_bytes(raw)
        SOURCE.read_head(path)
        read(path)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(STEP_FIELDS), JSON_VALUES, max_size=6) | JSON_VALUES,
    st.dictionaries(st.sampled_from(("session_id", "final_metrics", "subagent_trajectories", "agent")), JSON_VALUES),
)
def test_no_step_can_take_its_neighbours_along(step: Any, fields: dict[str, Any]) -> None:
    before, after = {"source": "user", "message": "before"}, {"source": "agent", "message": "after"}
    document = {"schema_version": "ATIF-v1.7", "agent": AGENT, **fields, "steps": [before, step, after]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trajectory.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        head = SOURCE.read_head(path)
        traces, log = read(path)
    texts = [message.text for message in traces[0].messages]
    assert texts[0] == "before"
    assert texts[-1] == "after"
    assert head is not None
    assert head.root_session_id == traces[0].root_session_id
    assert traces[0].dropped == log.count_losses()
