"""OpenHands sessions: what a person does, what the harness tells, condensations, results that are no observations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ingest.test_openhands import (
    DONE,
    NEW_DONE,
    NEW_TASK,
    TASK,
    describe,
    make_new_act,
    make_new_result,
    make_old_act,
    make_old_result,
    read_list,
    read_log,
)
from tracemill.trace import Message


def test_what_a_person_does_and_the_harness_tells(tmp_path: Path) -> None:
    system = {
        "id": 1,
        "source": "agent",
        "action": "system",
        "args": {"content": "You help.", "openhands_version": "0.58"},
    }
    asked = {**TASK, "args": {"content": "See", "image_urls": ["data:image/png;base64,QUJD"]}}
    ran = {"id": 2, "source": "user", "action": "run", "args": {"command": "make"}}
    output = {"id": 3, "source": "user", "observation": "run", "cause": 2, "content": "ok", "extras": {}}
    extras = {
        "repo_instructions": "Use tabs.",
        "working_dir": "/w",
        "microagent_knowledge": [{"content": "Know this."}],
    }
    recall = {"id": 4, "source": "environment", "observation": "recall", "content": "Added", "extras": extras}
    steering = [
        {"id": 5, "source": "user", "action": "recall", "args": {"query": "x"}},
        {"id": 6, "source": "environment", "observation": "agent_state_changed", "content": "", "extras": {}},
    ]
    trace, log = read_list(tmp_path, system, asked, ran, output, recall, *steering, DONE)
    assert describe(trace) == [
        ("system", "injected", "You help."),
        ("user", "human", "See\n\n[image image/png 3 bytes]"),
        ("user", "injected", "User executed the command:\nmake"),
        ("user", "injected", "ok"),
        ("user", "injected", "Use tabs.\n\nKnow this."),
        ("assistant", "model", "Done."),
    ]
    assert (trace.cwd, trace.source_meta, log.losses) == ("/w", {"openhands_version": "0.58"}, [])


@pytest.mark.parametrize(
    ("text", "reasoning", "kept"),
    [
        ("<think>Look first.\n</think>\n\nI look.", "Look first.\n", None),
        ("<think>Look first.</think>", "Look first.", None),
        ("<think>Look first.</think>I look.", "Look later.", "Look later."),
        ("I look.", "Look first.", "Look first."),
        ("Say <think>Look first.</think>", "Look first.", "Look first."),
        ("<think>Look first.</think>", "", None),
    ],
    ids=["with_words", "alone", "other_thoughts", "no_tag", "tag_within", "no_field"],
)
@pytest.mark.parametrize("kind", ["act", "message"])
def test_thoughts_that_stand_in_the_text_are_told_once(
    tmp_path: Path, kind: str, text: str, reasoning: str, kept: str | None
) -> None:
    if kind == "act":
        event = {**make_new_act("e2", "c1", "r1", text), "reasoning_content": reasoning}
    else:
        said = {"role": "assistant", "content": [{"type": "text", "text": text}], "reasoning_content": reasoning}
        event = {"id": "e2", "source": "agent", "kind": "MessageEvent", "llm_message": said}
    trace, _ = read_log(tmp_path, NEW_TASK, event, make_new_result("e3", "c1", "ok"))
    turn = trace.messages[1]
    assert (turn.text, turn.reasoning_content) == (text, kept)


@pytest.mark.parametrize("generation", ["old", "new"])
def test_a_condensation_leaves_events_out(tmp_path: Path, generation: str) -> None:
    if generation == "old":
        args = {"forgotten_events_start_id": 1, "forgotten_events_end_id": 2, "summary": "Looked.", "summary_offset": 1}
        act, result = make_old_act(1, "c1", "r1"), make_old_result(2, "c1", "a")
        condensation = {"id": 3, "source": "agent", "action": "condensation", "args": args}
        trace, log = read_list(tmp_path, TASK, act, result, condensation, DONE)
    else:
        fields = {"forgotten_event_ids": ["a1", "o1"], "summary": "Looked.", "summary_offset": 1}
        act, result = make_new_act("a1", "c1", "r1", "I look."), make_new_result("o1", "c1", "a")
        condensation = {"id": "x", "source": "environment", "kind": "Condensation", **fields}
        trace, log = read_log(tmp_path, NEW_TASK, act, result, condensation, NEW_DONE)
    assert trace.messages[3] == Message("user", "Looked.", "compaction", context=(0, -1))
    seen = [[message.text for message in context] for _, context in trace.contexts()]
    assert seen == [["Fix it"], ["Fix it", "Looked."]]
    assert log.losses == []


def test_results_that_are_no_observations(tmp_path: Path) -> None:
    acts = [make_new_act("a1", "c1", "r1"), make_new_act("a2", "c2", "r2")]
    base = {"id": "e", "source": "environment"}
    rejected = {**base, "kind": "UserRejectObservation", "tool_call_id": "c1", "rejection_reason": "not now"}
    failed = {**base, "kind": "AgentErrorEvent", "tool_call_id": "c2", "error": "no such tool"}
    error = {**base, "kind": "ConversationErrorEvent", "code": "LLMError", "detail": "429"}
    trace, log = read_log(tmp_path, NEW_TASK, *acts, rejected, failed, error)
    results = [(message.text, message.is_error) for message in trace.messages if message.role == "tool"]
    assert results == [("not now", True), ("no such tool", True)]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("api_error_message", 6)]
