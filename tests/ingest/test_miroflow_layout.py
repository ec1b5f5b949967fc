"""MiroFlow's newer logs: what it knows under ``task_meta``, its sessions under ``agent_states``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.test_miroflow import JSON_VALUES, PROMPT, SOURCE, read, read_log, tell, use
from tests.ingest.test_miroflow import make_log as make_flat
from tracemill.ingest import get_source

NAME = "task_q7_attempt_2_retry_1.json"
META = {
    "task_id": "q7", "attempt_id": 2, "retry_id": 1, "task_description": "How many?", "task_file_name": "",
    "status": "completed", "start_time": "2026-03-02T10:00:00.125+08:00", "end_time": "2026-03-02T10:01:00.000+08:00",
    "final_boxed_answer": "42", "judge_result": "CORRECT", "verifier_name": "gaia", "error": None,
    "ground_truth": "42", "is_valid_box": True, "exceed_max_turn_summary": None,
}  # fmt: skip
HISTORY = [
    {"role": "system", "content": [{"type": "text", "text": PROMPT}]},
    {"role": "user", "content": "How many?"},
    {"role": "assistant", "content": f"<think>look</think>{use()}"},
    {"role": "user", "content": [{"type": "text", "text": "forty-two"}]},
]


def make_log(*history: Any, meta: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    entry = {"updated_at": "2026-03-02T10:00:30.000Z", "state": {"message_history": list(history or HISTORY), **state}}
    return {
        "task_meta": {**META, **(meta or {})}, "current_span": None, "agent_states": {"main_agent": entry},
        "step_logs": [{"type": "log_info", "msg": "said", "ts": "2026-03-02T02:00:00.000Z", "seq": 1}],
    }  # fmt: skip


def test_the_newer_layout_is_read_whole(tmp_path: Path) -> None:
    (trace,), log = read_log(tmp_path, make_log(summary="\\boxed{42}"), NAME)
    assert (log.losses, log.notes) == ([], {})
    assert (trace.trace_id, trace.task_id, trace.attempt) == ("task_q7_attempt_2_retry_1", "q7", 2)
    assert (trace.success, trace.verdict_source, trace.ground_truth) == (True, "judge", "42")
    assert (trace.started_at, trace.ended_at) == (META["start_time"], META["end_time"])
    assert trace.source_meta == {
        "status": "completed", "format_retry": 1, "judge_result": "CORRECT", "judge_type": "gaia",
        "final_boxed_answer": "42", "summary": "\\boxed{42}",
    }  # fmt: skip
    assert [message.role for message in trace.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert [tool["function"]["name"] for tool in trace.tools] == ["web-find", "web-read", "web-odd"]
    assert (trace.messages[3].tool_call_id, trace.messages[3].text) == ("call_1", "forty-two")
    assert (trace.goal, trace.final_assistant_message) == ("How many?", "\\boxed{42}")


def test_agents_after_the_first_are_side_chains(tmp_path: Path) -> None:
    document = make_log()
    states = document["agent_states"]
    sub = [{"role": "user", "content": "Look"}, {"role": "assistant", "content": "Seen"}]
    state = {"message_history": sub, "summary": "Seen."}
    states["agent-worker"] = {"updated_at": "2026-03-02T10:00:40+08:00", "state": state}
    states["late"] = {"state": {"input_ctx": {"task_description": "Look again"}}}
    states["processor"] = {"state": {"hint": "none"}}
    (main, worker), log = read_log(tmp_path, document, NAME)
    assert (main.agent_id, main.is_sidechain) == (None, False)
    assert (worker.trace_id, worker.parent_trace_id) == (f"{main.trace_id}:agent-worker", main.trace_id)
    assert (worker.is_sidechain, worker.success, worker.ground_truth) == (True, None, None)
    assert (main.ground_truth, worker.started_at, worker.ended_at) == ("42", None, "2026-03-02T10:00:40+08:00")
    assert log.count_losses() == {"no_messages": 1}


@pytest.mark.parametrize(
    ("state", "last"),
    [
        ({}, [("assistant", "model", "Forty")]),
        ({"summary": "Answer"}, [("assistant", "model", "Forty")]),
        (
            {"summary": "Answer", "summary_prompt": "Sum up."},
            [("assistant", "model", "Forty"), ("user", "injected", "Sum up."), ("assistant", "model", "Answer")],
        ),
        ({"summary_prompt": "Sum up.", "summary": None}, [("assistant", "model", "Forty")]),
    ],
    ids=["none", "request_unknown", "request_known", "unanswered"],
)
def test_a_summary_is_a_turn_only_after_what_asked_for_it(tmp_path: Path, state: Any, last: Any) -> None:
    """Two turns of the model in a row would be made up: between them was a request."""
    history = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Forty"}]
    (trace,), _ = read_log(tmp_path, make_log(*history, **state), NAME)
    assert tell(trace)[1:] == last
    assert trace.source_meta.get("summary") == state.get("summary")


def test_native_calls_are_answered_by_a_user_or_a_tool(tmp_path: Path) -> None:
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "web-find", "arguments": "{}"}} for n in range(3)]
    history = [
        {"role": "user", "content": "task"},
        {"role": "assistant", "content": "one", "tool_calls": calls[:1]},
        {"role": "user", "content": "found"},
        {"role": "assistant", "content": "two", "tool_calls": calls[1:]},
        {"role": "tool", "tool_call_id": "c1", "content": "first"},
        {"role": "tool", "tool_call_id": "c2", "content": "second"},
        {"role": "user", "content": "Go on."},
    ]
    (trace,), log = read_log(tmp_path, make_log(*history), NAME)
    told = [(message.role, message.tool_call_id, message.text) for message in trace.messages]
    assert told[2] == ("tool", "c0", "found")
    assert told[4:] == [("tool", "c1", "first"), ("tool", "c2", "second"), ("user", None, "Go on.")]
    assert (log.losses, log.notes) == ([], {})


def test_tools_under_the_shorter_heading(tmp_path: Path) -> None:
    prompt = "## Server name: web\n### Tool name: find\nDescription: Finds.\nSchema: {'type': 'object', 'x': 1}\n"
    (trace,), _ = read_log(tmp_path, make_log({"role": "developer", "content": prompt}, *HISTORY[1:]), NAME)
    (tool,) = (tool["function"] for tool in trace.tools)
    assert tool == {"name": "web-find", "description": "Finds.", "parameters": {"type": "object", "x": 1}}


@pytest.mark.parametrize(
    ("attempt", "success"),
    [
        ({"attempt_id": 2, "retry_id": 1, "is_correct": True}, True),
        ({"attempt_id": 2, "retry_id": 0, "is_correct": True}, None),
        ({"attempt_id": 1, "retry_id": 1, "is_correct": True}, None),
        ({"attempt_id": 2, "retry_id": 1, "judge_result": "INCORRECT", "is_correct": False}, False),
        ({"attempt_id": 2, "retry_id": 0, "log_path": f"logs/{NAME}", "is_correct": True}, True),
    ],
    ids=["same", "other_retry", "other_attempt", "judged", "by_file"],
)
def test_results_are_joined_by_attempt_and_retry(tmp_path: Path, attempt: Any, success: bool | None) -> None:
    line = {"task_id": "q7", "judge_result": "PASS_AT_K_SUCCESS", "attempts": [attempt]}
    (tmp_path / "benchmark_results.jsonl").write_text(json.dumps(line) + "\n")
    (trace,), _ = read_log(tmp_path, make_log(meta={"judge_result": ""}), NAME)
    assert trace.success is success


def test_a_run_without_numbers_has_them_from_its_name(tmp_path: Path) -> None:
    """Early logs of this layout name a run, not an attempt."""
    meta = {"task_id": "q7", "run_id": "3", "judge_result": "INCORRECT"}
    document = {"task_meta": meta, "agent_states": make_log()["agent_states"]}
    (trace,), _ = read_log(tmp_path, document, "task_q7_attempt_3.json")
    assert (trace.task_id, trace.attempt, trace.success) == ("q7", 3, False)


@pytest.mark.parametrize("size", [10, 400_000], ids=["short", "long"])
def test_the_head_is_known(tmp_path: Path, size: int) -> None:
    read_log(tmp_path, make_log(*HISTORY, {"role": "assistant", "content": "x" * size}), NAME)
    head = SOURCE.read_head(tmp_path / NAME)
    assert head is not None
    assert (head.root_session_id, head.started_at) == ("task_q7_attempt_2_retry_1", META["start_time"])
    assert get_source("auto").read_head(tmp_path / NAME) == head


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"task_meta": META}, "foreign_file"),
        ({"task_meta": META, "agent_states": []}, "foreign_file"),
        ({"task_meta": {"status": "running"}, "agent_states": {}}, "foreign_file"),
        ({"task_meta": META, "agent_states": {}}, "no_messages"),
        ({"task_meta": META, "agent_states": {"main": {"state": 5}}}, "no_messages"),
    ],
    ids=["no_states", "list", "no_task", "no_agent", "odd_state"],
)
def test_logs_without_a_trace(tmp_path: Path, document: Any, reason: str) -> None:
    traces, log = read_log(tmp_path, document, NAME)
    assert (traces, [loss.reason for loss in log.losses]) == ([], [reason])
    assert (SOURCE.read_head(tmp_path / NAME) is None) == (reason == "foreign_file")


@pytest.mark.parametrize("name", ["task_root_attempt_0.json", "task_root_attempt_0_retry_0.json", "log_root.json"])
def test_what_is_logged_outside_of_tasks_is_no_session(name: str) -> None:
    assert not SOURCE.is_session_file(Path("logs") / name)
    assert SOURCE.is_session_file(Path("logs") / NAME)


def test_a_broken_message_costs_itself_alone(tmp_path: Path) -> None:
    (trace,), log = read_log(tmp_path, make_log(*HISTORY[1:], 7, {"role": "assistant", "content": "over"}), NAME)
    assert trace.final_assistant_message == "over"
    assert log.count_losses() == {"malformed_record": 1}
    assert read(tmp_path / NAME)[0][0].dropped == {"malformed_record": 1}


def test_times_of_a_running_agent_have_no_end(tmp_path: Path) -> None:
    document = make_log()
    sub = {"updated_at": "2026-03-02T10:00:40+08:00", "state": {"message_history": HISTORY[1:]}}
    document["agent_states"]["agent-worker"] = sub
    assert [trace.ended_at for trace in read_log(tmp_path, document, NAME)[0]] == [META["end_time"], None]


BEGAN, ENDED = "2026-01-11T10:00:00+08:00", "2026-01-11T10:00:01+08:00"


@pytest.mark.parametrize(
    ("steps", "times"),
    [
        (("agent-a | Session Start", "agent-a | Session End"), (BEGAN, ENDED)),
        (("\N{ROBOT FACE} agent-a | Session Start",), (BEGAN, None)),
        (("sub_agent-a_session_start", "sub_agent-a_session_end"), (BEGAN, ENDED)),
        (("agent-a | Tool Call Start", "agent-a | LLM Call"), (None, None)),
        ((), (None, None)),
    ],
    ids=["mirothinker", "unfinished", "miroflow", "other_steps", "none"],
)
def test_times_of_a_sub_agent_are_its_own(tmp_path: Path, steps: Any, times: Any) -> None:
    rows = [
        {"step_name": name, "timestamp": f"2026-01-11 10:00:0{number}", "metadata": {"session_id": "agent-a_1"}}
        for number, name in enumerate(steps)
    ]
    rows += [{"step_name": "x | Session Start", "timestamp": "2026-01-11 11:00:00"}, 5]
    subs = {"agent-a_1": {"message_history": [{"role": "user", "content": "Look"}]}}
    fields = {"start_time": "2026-01-11 09:00:00", "end_time": "2026-01-11T12:00:00.5", "step_logs": rows}
    document = make_flat("task", "done", sub_agent_message_history_sessions=subs, **fields)
    main, sub = read_log(tmp_path, document)[0]
    assert (main.started_at, main.ended_at) == ("2026-01-11T09:00:00+08:00", "2026-01-11T12:00:00.5")
    assert (sub.started_at, sub.ended_at) == times


def test_what_a_retry_was_told_is_kept_in_both_layouts(tmp_path: Path) -> None:
    (new,), _ = read_log(tmp_path, make_log(meta={"exceed_max_turn_summary": "Too many turns."}), NAME)
    details = {"recall": 0.5, "missing": ["b"]}
    flat = make_flat("q", "a", trace_data={"failure_experience_summary": "No box."}, eval_details=details)
    (old,), _ = read_log(tmp_path, flat)
    assert new.source_meta["retry_summary"] == "Too many turns."
    assert (old.source_meta["retry_summary"], old.source_meta["eval_details"]) == ("No box.", details)


@settings(max_examples=200, deadline=None)
@given(JSON_VALUES, st.data())
def test_no_field_can_crash_it(value: Any, data: st.DataObject) -> None:
    document = make_log(summary="done", summary_prompt="Sum up.")
    state = document["agent_states"]["main_agent"]
    document["agent_states"]["sub"] = {"updated_at": "", "state": {"message_history": HISTORY[1:2]}}
    place = data.draw(
        st.sampled_from([document, document["task_meta"], document["agent_states"], state, state["state"]])
    )
    field = data.draw(st.sampled_from(sorted(place)))
    place[field] = value
    with tempfile.TemporaryDirectory() as folder:
        traces, log = read_log(Path(folder), document, NAME)
        head = SOURCE.read_head(Path(folder) / NAME)
    assert (head is None) == (log.count_losses().get("foreign_file", 0) == 1)
    assert [trace.dropped for trace in traces[:1]] == [log.count_losses()] * bool(traces)
    if place is document["task_meta"] and field != "task_id":
        assert [trace.agent_id for trace in traces] == [None, "sub"]
