"""NeMo Gym: calls that the provider ran or that need leave, states in place of items, what verifiers could not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_nemo_gym import SOURCE, Row, answer, call, read, read_entries, result, rollout, say, write_lines
from tracemill.ingest.nemo_gym.outcome import find_success
from tracemill.ingest.source import LossLog
from tracemill.trace import Message, ToolCall, Trace

SEARCH = {"type": "search", "query": "tide"}
HIT = {"file_id": "f1", "filename": "a.md", "text": "High at nine."}
HOSTED: dict[str, tuple[Row, str, str, Any]] = {
    "search": (
        {"type": "web_search_call", "action": SEARCH},
        "web_search",
        '{"type": "search", "query": "tide"}',
        None,
    ),
    "sources": (
        {"type": "web_search_call", "action": {**SEARCH, "sources": [{"type": "url", "url": "https://a.example"}]}},
        "web_search",
        '{"type": "search", "query": "tide"}',
        '{"results": [{"type": "url", "url": "https://a.example"}]}',
    ),
    "files": (
        {"type": "file_search_call", "queries": ["tide"], "results": [HIT]},
        "file_search",
        '{"queries": ["tide"]}',
        '{"results": [{"file_id": "f1", "filename": "a.md", "text": "High at nine."}]}',
    ),
    "code": (
        {
            "type": "code_interpreter_call",
            "code": "1+1",
            "container_id": "c",
            "outputs": [{"type": "logs", "logs": "2"}],
        },
        "code_interpreter",
        '{"code": "1+1"}',
        "2",
    ),
    "plot": (
        {"type": "code_interpreter_call", "code": "p()", "outputs": [{"type": "image", "url": "https://a.example/p"}]},
        "code_interpreter",
        '{"code": "p()"}',
        ({"type": "image", "media_type": "unknown", "size_bytes": 0, "url": "https://a.example/p"},),
    ),
    "picture": (
        {"type": "image_generation_call", "result": "QUJD"},
        "image_generation",
        "{}",
        ({"type": "image", "media_type": "image/png", "size_bytes": 3},),
    ),
}


def read_one(folder: Path, row: Row) -> tuple[Trace, LossLog]:
    (trace,), log = read(write_lines(folder / "r.jsonl", row))
    return trace, log


@pytest.mark.parametrize("name", HOSTED)
def test_a_call_that_the_provider_ran_holds_its_result(tmp_path: Path, name: str) -> None:
    item, tool, arguments, found = HOSTED[name]
    trace, log = read_one(tmp_path, rollout({"id": "h1", "status": "completed", **item}, answer("Nine.")))
    turns = [message for message in trace.messages if message.role == "assistant"]
    assert [call for turn in turns for call in turn.tool_calls] == [ToolCall("h1", tool, arguments)]
    expected = [] if found is None else [Message("tool", found, "tool", tool_call_id="h1")]
    assert [message for message in trace.messages if message.role == "tool"] == expected
    assert trace.final_assistant_message == "Nine."
    assert (log.losses, log.notes) == ([], {"unpaired_call": 1} if found is None else {})


def test_a_hosted_call_that_failed_has_a_failed_result(tmp_path: Path) -> None:
    item = {"type": "web_search_call", "id": "h1", "status": "failed", "action": SEARCH}
    trace, _ = read_one(tmp_path, rollout(item, answer("No.")))
    assert [message.is_error for message in trace.messages if message.role == "tool"] == [True]


def test_a_screen_is_the_result_of_an_act_on_it(tmp_path: Path) -> None:
    act = {
        "type": "computer_call",
        "id": "x",
        "call_id": "c1",
        "action": {"type": "click", "x": 3},
        "status": "completed",
    }
    shown = {"type": "computer_screenshot", "image_url": "data:image/png;base64,QUJD"}
    screen = {"type": "computer_call_output", "call_id": "c1", "output": shown}
    trace, log = read_one(tmp_path, rollout(act, screen))
    assert trace.messages[1].tool_calls == (ToolCall("c1", "computer", '{"type": "click", "x": 3}'),)
    assert trace.messages[2].content == ({"type": "image", "media_type": "image/png", "size_bytes": 3},)
    assert log.losses == []


@pytest.mark.parametrize("is_given", [True, False], ids=["given", "refused"])
def test_a_call_that_needs_leave_is_one_call(tmp_path: Path, is_given: bool) -> None:
    asked = {"type": "mcp_approval_request", "id": "ask1", "name": "drop", "arguments": '{"a": 1}', "server_label": "s"}
    told = {"type": "mcp_approval_response", "approval_request_id": "ask1", "approve": is_given, "reason": "Too risky."}
    ran = {
        "type": "mcp_call",
        "id": "m1",
        "approval_request_id": "ask1",
        "name": "drop",
        "arguments": "{}",
        "output": "ok",
    }
    trace, log = read_one(tmp_path, rollout(asked, told, *([ran] if is_given else []), answer("Done.")))
    assert [message.role for message in trace.messages] == ["user", "assistant", "tool", "assistant"]
    assert trace.messages[1].tool_calls == (ToolCall("ask1", "drop", '{"a": 1}'),)
    assert (trace.messages[2].text, trace.messages[2].is_error) == (("ok", None) if is_given else ("Too risky.", True))
    assert (log.losses, log.notes) == ([], {})


def test_tools_that_a_server_lists_are_tools(tmp_path: Path) -> None:
    listed = {"type": "mcp_list_tools", "id": "l", "tools": [{"name": "drop", "input_schema": {"type": "object"}}]}
    trace, log = read_one(tmp_path, rollout(listed, answer("Hi.")))
    assert [tool["function"]["name"] for tool in trace.tools] == ["drop"]
    assert log.losses == []


@pytest.mark.parametrize("is_repeated", [False, True], ids=["empty_input", "input"])
def test_states_that_grow_are_one_conversation(tmp_path: Path, is_repeated: bool) -> None:
    task, hidden = say("user", "Sum the till"), say("user", "[hidden]")
    first = [task, call("c1"), result("c1", "10")]
    second = [hidden, *first[1:], answer("It is 10.")]
    trace, log = read_one(tmp_path, rollout(first, second, asked=[task] if is_repeated else []))
    assert [(message.role, message.text) for message in trace.messages] == [
        ("user", "Sum the till"),
        ("assistant", ""),
        ("tool", "10"),
        ("assistant", "It is 10."),
    ]
    assert log.losses == []


def test_a_harness_that_wants_a_call_is_no_person(tmp_path: Path) -> None:
    nag = "You did not respond with a valid tool call. This may mean you did not call tools."
    trace, _ = read_one(tmp_path, rollout(answer("Hm."), say("user", nag), answer("Ok.")))
    assert [message.origin for message in trace.messages] == ["human", "model", "injected", "model"]


def test_a_verifier_that_broke_down_says_nothing() -> None:
    for broken in ({"invalid_judge_response": True}, {"failure_reason": "gold_execution_error"}):
        assert find_success(rollout(reward=0.0, **broken)) is None
    for sound in ({"invalid_judge_response": False}, {"failure_reason": "execution_error"}):
        assert find_success(rollout(reward=0.0, **sound)) is False


def test_files_beside_and_the_expected_answer(tmp_path: Path) -> None:
    assert not SOURCE.is_session_file(Path("a_reward_profiling.jsonl"))
    assert read_one(tmp_path, rollout(answer("Yes"), ground_truth="Yes"))[0].ground_truth == "Yes"
    both = rollout(answer("Yes"), ground_truth="No", expected_answer="Yes")
    assert read_one(tmp_path, both)[0].ground_truth == "Yes"


def test_a_reward_that_nobody_gave_is_none(tmp_path: Path) -> None:
    trace, _ = read_one(tmp_path, rollout(answer("Yes"), reward=1.0, verification_skipped=True, _ng_attempt_index=2))
    assert (trace.reward, trace.success, trace.verdict_source) == (None, None, None)
    assert (trace.source_meta["verification_skipped"], trace.source_meta["attempt_index"]) == (True, 2)
    trace, _ = read_one(tmp_path, rollout(answer("Yes"), reward=1.0, verification_skipped=False))
    assert (trace.reward, trace.success) == (1.0, True)


def invoke(own_id: str | None, parent: str | None, *items: Row) -> Row:
    record = {
        "kind": "agent_invocation",
        "invocation_id": own_id,
        "parent_invocation_id": parent,
        "status": "completed",
    }
    return {**record, "spawned_by_tool_call_id": "c1", "conversation": list(items)}


@pytest.mark.parametrize("place", ["ng_trajectory", "ng_agent_observations"])
def test_sub_agents_are_side_chains(tmp_path: Path, place: str) -> None:
    said = [say("user", "Count"), answer("Two.")]
    told = [invoke("root", None, *said), invoke("s1", "root", *said), invoke("s2", "s1", *said), invoke("s3", "root")]
    told += [invoke(None, "root", *said), invoke("s1", "root", answer("Again."))]
    beside = {place: {"invocations": told, "records": [{"kind": "sandbox"}, *told]}}
    row = rollout(call("c1"), result("c1"), answer("It is two."), instance_id="i", **beside)
    path = write_lines(tmp_path / "r.jsonl", row, rollout(answer("Ok.")))
    (main, first, second, other), log = read(path)
    assert [trace.trace_id for trace in (main, first, second, other)] == ["r:1", "r:1:s1", "r:1:s2", "r:2"]
    assert (main.is_sidechain, first.is_sidechain, other.is_sidechain) == (False, True, False)
    assert (first.parent_trace_id, second.parent_trace_id) == ("r:1", "r:1:s1")
    assert (second.root_session_id, second.agent_id, second.task_id) == ("r:1", "s2", "i")
    assert [(message.origin, message.text) for message in first.messages] == [("human", "Count"), ("model", "Two.")]
    assert first.source_meta == {"spawned_by": "c1", "status": "completed"}
    assert (first.reward, first.success, log.losses) == (None, None, [])
    assert read_entries(path) == [main, first, second, other]
