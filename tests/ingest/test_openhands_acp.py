"""OpenHands conversations that another agent leads over the Agent Client Protocol; families of conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_openhands import NEW_DONE, NEW_TASK, describe, make_new_act, make_new_result, read_log
from tests.ingest.test_openhands_files import write_conversation
from tests.ingest.test_swe_agent import read
from tracemill.ingest.openhands.reader import SOURCE
from tracemill.trace import Message, ToolCall

Event = dict[str, Any]
PLACEHOLDER = (
    "This conversation is powered by an ACP server. The system prompt and tools are managed by the ACP server."
)
PROMPT = {"id": "s", "source": "agent", "kind": "SystemPromptEvent", "system_prompt": {"type": "text"}, "tools": []}
PROMPT["system_prompt"] = {"type": "text", "text": PLACEHOLDER}


def make_call(call_id: str, status: str | None, **fields: Any) -> Event:
    event = {"id": f"{call_id}_{status}", "source": "agent", "kind": "ACPToolCallEvent", "tool_call_id": call_id}
    return {**event, "title": "Read notes.md", "tool_kind": "read", "status": status, "is_error": False, **fields}


def make_finish(text: str, thoughts: str | None = None) -> tuple[Event, Event]:
    call = {"id": "f", "name": "finish", "arguments": json.dumps({"message": text}), "origin": "completion"}
    act = {"id": "fa", "source": "agent", "kind": "ActionEvent", "tool_name": "finish", "tool_call_id": "f"}
    act |= {"tool_call": call, "thought": [], "llm_response_id": "r1", "reasoning_content": thoughts}
    seen = {"content": [{"type": "text", "text": text}], "kind": "FinishObservation"}
    told = {"id": "fo", "source": "environment", "kind": "ObservationEvent", "tool_name": "finish", "tool_call_id": "f"}
    return {**act, "action": {"kind": "FinishAction", "message": text}}, {**told, "observation": seen}


def test_small_conversation_led_by_another_agent(tmp_path: Path) -> None:
    began = [make_call("t1", "pending", title="Read File", raw_input={}), make_call("t2", "pending", title="`ls`")]
    began[1] |= {"tool_kind": "execute", "raw_input": {"command": "ls"}}
    text = {"type": "content", "content": {"type": "text", "text": "Two."}, "field_meta": None}
    ended = [
        make_call("t1", "completed", raw_input={"file_path": "notes.md"}, content=[text]),
        {**began[1], "id": "e2", "status": "failed", "is_error": True, "raw_output": "ls: no"},
    ]
    prompt = {**PROMPT, "dynamic_context": {"type": "text", "text": "<SKILLS>"}}
    trace, log = read_log(tmp_path, prompt, NEW_TASK, *began, *ended, *make_finish("It says two.", "I think."))
    assert trace.messages == (
        Message("user", "<SKILLS>", "injected"),
        Message("user", "Fix it", "human"),
        Message(
            "assistant",
            tool_calls=(
                ToolCall("t1", "read", '{"file_path": "notes.md"}'),
                ToolCall("t2", "execute", '{"command": "ls"}'),
            ),
        ),
        Message("tool", "Two.", "tool", tool_call_id="t1", is_error=False),
        Message("tool", "ls: no", "tool", tool_call_id="t2", is_error=True),
        Message("assistant", "It says two.", reasoning_content="I think."),
    )
    assert (log.losses, log.notes, trace.goal) == ([], {}, "Fix it")


@pytest.mark.parametrize(
    ("fields", "name", "arguments"),
    [
        ({"raw_input": {"a": 1}}, "read", '{"a": 1}'),
        ({"tool_kind": "other", "title": "mcp__s__go", "raw_input": {"a": 1}}, "mcp__s__go", '{"a": 1}'),
        ({"tool_kind": None, "title": "mcp__s__go"}, "mcp__s__go", "{}"),
        ({"tool_kind": "think", "title": "Plan it", "raw_input": {}}, "think", '{"title": "Plan it"}'),
        ({"raw_input": "ls -la"}, "read", "ls -la"),
    ],
    ids=["kind", "other", "no_kind", "no_input", "text"],
)
def test_how_a_call_is_named(tmp_path: Path, fields: Event, name: str, arguments: str) -> None:
    trace, log = read_log(tmp_path, NEW_TASK, make_call("t1", "completed", **fields))
    assert trace.messages[1].tool_calls == (ToolCall("t1", name, arguments),)
    assert (log.losses, log.notes) == ([], {})


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"raw_output": "ok", "content": [{"type": "text", "text": "shown"}]}, "ok"),
        ({"raw_output": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\n\nb"),
        ({"raw_output": {"stdout": "x", "exit_code": 0}}, '{"stdout": "x", "exit_code": 0}'),
        ({"raw_output": False}, "false"),
        ({"content": [{"type": "text", "text": "plain"}]}, "plain"),
        (
            {"content": [{"type": "diff", "path": "a", "old_text": None, "new_text": "b", "field_meta": None}]},
            '{"type": "diff", "path": "a", "new_text": "b"}',
        ),
        ({"content": [{"type": "terminal", "terminal_id": "9"}]}, '{"type": "terminal", "terminal_id": "9"}'),
        ({}, ""),
    ],
    ids=["output", "blocks", "object", "false", "text", "edit", "terminal", "nothing"],
)
def test_what_a_call_gave_back(tmp_path: Path, fields: Event, content: str) -> None:
    trace, log = read_log(tmp_path, NEW_TASK, make_call("t1", "completed", **fields))
    assert trace.messages[2] == Message("tool", content, "tool", tool_call_id="t1", is_error=False)
    assert (log.losses, log.notes) == ([], {})


def test_the_last_word_on_a_call_counts(tmp_path: Path) -> None:
    steps = [make_call("t1", "in_progress", raw_output="o"), make_call("t1", "completed", raw_output="on")]
    trace, log = read_log(tmp_path, NEW_TASK, *steps, make_call("t1", "completed", raw_output="one"))
    assert [message.text for message in trace.messages] == ["Fix it", "", "one"]
    assert (log.losses, log.notes) == ([], {})


def test_a_call_that_never_ended_has_no_result(tmp_path: Path) -> None:
    trace, log = read_log(tmp_path, NEW_TASK, make_call("t1", "in_progress", raw_output="o"))
    assert [message.role for message in trace.messages] == ["user", "assistant"]
    assert (log.losses, log.notes) == ([], {"unpaired_call": 1})


def test_ids_of_calls_begin_anew_after_a_person_spoke(tmp_path: Path) -> None:
    more = {**NEW_TASK, "id": "t2"}
    calls = [make_call("exec_1", "completed", raw_output=text) for text in ("one", "two")]
    trace, log = read_log(tmp_path, NEW_TASK, calls[0], more, calls[1])
    assert [message.text for message in trace.messages] == ["Fix it", "", "one", "Fix it", "", "two"]
    assert (log.losses, log.notes) == ([], {})


def test_calls_after_a_result_are_another_turn(tmp_path: Path) -> None:
    calls = [make_call(name, "completed", raw_output=name) for name in ("t1", "t2")]
    trace, _ = read_log(tmp_path, NEW_TASK, *calls)
    assert [len(message.tool_calls) for message in trace.messages if message.role == "assistant"] == [1, 1]


@pytest.mark.parametrize("field", ["tool_call_id", "names"])
def test_a_call_that_cannot_be_read_is_counted(tmp_path: Path, field: str) -> None:
    bad = {"tool_call_id": None} if field == "tool_call_id" else {"title": None, "tool_kind": None}
    trace, log = read_log(tmp_path, NEW_TASK, make_call("t1", "completed", **bad), NEW_DONE)
    assert [message.role for message in trace.messages] == ["user", "assistant"]
    assert [loss.reason for loss in log.losses] == ["malformed_record"]


def test_what_the_harness_says_for_the_agent_is_no_answer(tmp_path: Path) -> None:
    said = {"role": "assistant", "content": [{"type": "text", "text": "ACP error: refused"}]}
    failed = {**NEW_DONE, "llm_message": said}
    trace, log = read_log(tmp_path, PROMPT, NEW_TASK, failed, *make_finish("(No response from ACP server)"))
    assert [message.text for message in trace.messages] == ["Fix it"]
    assert [loss.reason for loss in log.losses] == ["api_error_message", "synthetic_message"]
    trace, log = read_log(tmp_path, NEW_TASK, failed)
    assert (trace.final_assistant_message, log.losses) == ("ACP error: refused", [])


def test_a_finish_of_the_own_agent_stays_a_call(tmp_path: Path) -> None:
    trace, _ = read_log(tmp_path, NEW_TASK, *make_finish("Done."))
    assert [message.role for message in trace.messages] == ["user", "assistant", "tool"]
    assert trace.messages[1].tool_calls[0].name == "finish"


def test_the_agents_model_and_name_come_from_the_state(tmp_path: Path) -> None:
    path = write_conversation(tmp_path / "c", "c", NEW_TASK, *make_finish("Done."))
    state = json.loads(path.read_text(encoding="utf-8"))
    state["agent"] = {"kind": "ACPAgent", "llm": {"model": "acp-managed"}}
    state["stats"] = {"usage_to_metrics": {"acp-managed": {"model_name": "acp-managed"}}}
    path.write_text(json.dumps(state), encoding="utf-8")
    (trace,), _ = read(SOURCE, path)
    assert (trace.model, [message.role for message in trace.messages]) == (None, ["user", "assistant"])
    told = {"acp_current_model_id": "opus", "acp_agent_name": "claude-agent-acp", "acp_agent_version": "0.30"}
    for fields, model in (({"acp_model": "haiku"}, "haiku"), ({"acp_model": "haiku", **told}, "opus")):
        agent = {**state["agent"], "acp_model": fields["acp_model"]}
        path.write_text(json.dumps({**state, "agent": agent, "agent_state": fields}), encoding="utf-8")
        (trace,), _ = read(SOURCE, path)
        assert trace.model == model
    assert trace.source_meta["acp_agent_name"] == "claude-agent-acp"
    assert trace.source_meta["acp_agent_version"] == "0.30"


REASONING = {
    "item": {
        "responses_reasoning_item": {"id": "r", "summary": ["I look."], "content": None, "encrypted_content": "x"}
    },
    "item_content": {"responses_reasoning_item": {"summary": ["Short."], "content": ["I", "look."]}},
    "details": {"reasoning_details": [{"type": "reasoning.text", "text": "I look."}, {"type": "reasoning.encrypted"}]},
}


@pytest.mark.parametrize("name", REASONING)
def test_thoughts_stand_in_items_of_other_interfaces(tmp_path: Path, name: str) -> None:
    trace, _ = read_log(tmp_path, NEW_TASK, {**make_new_act("a", "c", "r"), **REASONING[name]})
    assert (trace.messages[1].reasoning_content or "").split() == ["I", "look."]


@pytest.mark.parametrize(
    "kind", ["SecurityAnalysisEvent", "InterruptEvent", "AskUserRequestEvent", "AskUserResponseEvent", "WarningEvent"]
)
def test_what_no_model_sees_is_no_loss(tmp_path: Path, kind: str) -> None:
    trace, log = read_log(tmp_path, NEW_TASK, {"id": "x", "kind": kind, "source": "environment"}, NEW_DONE)
    assert (trace.message_count, log.losses) == (2, [])


@pytest.mark.parametrize(
    "text",
    [
        "The goal is NOT yet complete (audit iteration 1).\nOutstanding: tests",
        "Resuming a goal that was paused or interrupted. Re-check the real current state of the workspace",
        "<<RESUMED CONVERSATION>>\n\nThe conversation history below is from a prior session",
    ],
    ids=["audit", "resumed_goal", "resumed"],
)
def test_what_the_server_says_for_a_person_is_injected(tmp_path: Path, text: str) -> None:
    told = {**NEW_TASK, "id": "t2", "llm_message": {"role": "user", "content": text}}
    trace, _ = read_log(tmp_path, NEW_TASK, NEW_DONE, told)
    assert [origin for _, origin, _ in describe(trace)] == ["human", "model", "injected"]


def write_meta(state: Path, **fields: Any) -> None:
    (state.parent / "meta.json").write_text(json.dumps({"title": "T", **fields}), encoding="utf-8")


def test_a_child_conversation_belongs_to_the_one_that_began_it(tmp_path: Path) -> None:
    ids = [f"{number}f0e0d0c-1111-4000-8000-000000000001" for number in range(3)]
    states = [write_conversation(tmp_path / own_id.replace("-", ""), own_id, NEW_TASK, NEW_DONE) for own_id in ids]
    for state, parent in zip(states[1:], ids, strict=False):
        write_meta(state, parent_conversation_id=parent)
    write_meta(states[0], forked_from_conversation_id="aa", forked_from_event_id="e9")
    (first,), _ = read(SOURCE, states[0])
    (last,), _ = read(SOURCE, states[2])
    assert (first.is_sidechain, first.parent_trace_id, first.root_session_id) == (False, None, ids[0])
    assert first.source_meta["forked_from_conversation_id"] == "aa"
    assert (first.source_meta["forked_from_event_id"], first.source_meta["title"]) == ("e9", "T")
    assert (last.is_sidechain, last.parent_trace_id, last.root_session_id) == (True, ids[1], ids[0])
    head = SOURCE.read_head(states[2])
    assert head is not None
    assert head.root_session_id == ids[0]


def test_a_parent_that_is_gone_or_a_circle_ends_the_line(tmp_path: Path) -> None:
    state = write_conversation(tmp_path / "one", "one", NEW_TASK, NEW_DONE)
    write_meta(state, parent_conversation_id="../gone")
    (trace,), _ = read(SOURCE, state)
    assert (trace.parent_trace_id, trace.root_session_id) == ("../gone", "../gone")
    write_meta(write_conversation(tmp_path / "two", "two", NEW_TASK), parent_conversation_id="one")
    write_meta(state, parent_conversation_id="two")
    (trace,), _ = read(SOURCE, state)
    assert (trace.parent_trace_id, trace.root_session_id) == ("two", "two")


def test_a_session_rewound_to_before_its_start_has_no_live_event(tmp_path: Path) -> None:
    path = write_conversation(
        tmp_path / "c", "c", NEW_TASK, make_new_act("a", "c1", "r"), make_new_result("o", "c1", "x")
    )
    state = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**state, "head_is_empty": True}), encoding="utf-8")
    traces, log = read(SOURCE, path)
    assert (traces, [loss.reason for loss in log.losses]) == ([], [*["abandoned_branch"] * 3, "no_messages"])
    path.write_text(json.dumps({**state, "head_is_empty": True, "leaf_event_id": "o"}), encoding="utf-8")
    assert [trace.message_count for trace in read(SOURCE, path)[0]] == [3]
