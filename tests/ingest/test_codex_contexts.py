"""Turns and contexts of Codex rollouts: compactions, interrupts, token counts, rollbacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ingest.codex_rows import (
    META,
    Row,
    call,
    compact,
    count_tokens,
    event,
    item,
    list_losses,
    output,
    read_rows,
    say,
    tell,
    wrap,
)
from tracemill.columns.baseline_scores import list_faults
from tracemill.columns.signals import compute_signals
from tracemill.trace import SELF
from tracemill.view.answer import find_answer


def test_a_compaction_keeps_what_its_history_names(tmp_path: Path) -> None:
    history = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "One"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "A summary"}]},
        {"type": "function_call", "call_id": "c1"},
    ]
    rows = [
        wrap("session_meta", {"id": "t1", "base_instructions": {"text": "Base"}}),
        say("user", "One"),
        call("c1"),
        output("c1", "x"),
        say("user", "Two"),
        wrap("compacted", {"message": "", "replacement_history": history}),
        say("assistant", "Next"),
    ]
    trace, _ = read_rows(tmp_path, rows)
    assert trace.messages[5].origin == "compaction"
    assert trace.messages[5].text == "A summary"
    assert trace.messages[5].context == (0, 1, SELF, 2, 3)
    assert [message.text for message in list(trace.contexts())[-1][1]] == ["Base", "One", "A summary", "", "x"]


def write_text(text: str, role: str = "user") -> Row:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


def test_an_item_of_a_history_that_is_no_call_is_none(tmp_path: Path) -> None:
    history = [
        write_text("Go"),
        {"type": "compaction", "id": "c1", "encrypted_content": "x"},
        {"type": "agent_message", "id": "c1", "content": [{"type": "input_text", "text": "Mail"}]},
    ]
    rows = [META, say("user", "Go"), call("c1"), output("c1", "x"), compact(history), say("assistant", "Next")]
    trace, _ = read_rows(tmp_path, rows)
    assert trace.messages[3].text == "Mail"
    assert trace.messages[3].context == (0, SELF)


def test_an_item_of_a_history_is_one_message(tmp_path: Path) -> None:
    rows = [META, *(say("user", text) for text in ("Go on", "Other", "Go on", "Go on"))]
    for count, context in ((1, (3, SELF)), (2, (2, 3, SELF)), (4, (0, 2, 3, SELF))):
        history = [write_text("Go on") for _ in range(count)]
        trace, _ = read_rows(tmp_path, [*rows, compact(history)])
        assert trace.messages[-1].context == context
        assert trace.messages[-1].text == ""


def test_a_compaction_without_a_history_keeps_what_the_person_said(tmp_path: Path) -> None:
    rows = [
        wrap("session_meta", {"id": "t1", "base_instructions": {"text": "Base"}}),
        say("user", "<environment_context>x</environment_context>"),
        say("user", "One"),
        say("assistant", "Done"),
        wrap("compacted", {"message": "Sum 1"}),
        say("user", "Two"),
        wrap("compacted", {"message": "Sum 2"}),
        say("assistant", "Next"),
    ]
    trace, _ = read_rows(tmp_path, rows)
    assert [message.text for message in list(trace.contexts())[-1][1]] == ["Base", "One", "Two", "Sum 2"]
    assert trace.messages[4].context == (0, 2, SELF)


ABORT = event("turn_aborted", reason="interrupted")
ABORT_WORDS = say("user", "<turn_aborted>\nx\n</turn_aborted>")


@pytest.mark.parametrize(
    ("rows", "injected"),
    [([ABORT], []), ([ABORT_WORDS, ABORT], ["injected"]), ([ABORT, ABORT_WORDS], ["injected"])],
    ids=["event", "words then event", "event then words"],
)
def test_an_interrupt_is_a_message_only_where_an_item_holds_it(
    tmp_path: Path, rows: list[Row], injected: list[str]
) -> None:
    trace, _ = read_rows(tmp_path, [META, say("user", "Go"), say("assistant", "Done, all of it."), *rows])
    assert [origin for origin, _ in tell(trace)] == ["human", "model", *injected]
    assert trace.messages[1].stop_reason == "aborted"
    assert trace.source_meta["is_interrupted"] is True
    assert not find_answer(trace).is_final
    assert find_answer(trace).is_interrupted
    trace, _ = read_rows(tmp_path, [META, say("user", "Go"), *rows, say("assistant", "Back")])
    assert "is_interrupted" not in trace.source_meta
    assert trace.messages[-1].stop_reason is None
    assert find_answer(trace).is_final


def test_an_interrupt_before_the_model_spoke_is_told_beside_the_messages(tmp_path: Path) -> None:
    rows = [META, say("user", "Go"), say("assistant", "Done."), say("user", "Thanks"), ABORT]
    trace, _ = read_rows(tmp_path, rows)
    assert [message.stop_reason for message in trace.messages] == [None, None, None]
    assert trace.source_meta["is_interrupted"] is True
    assert not find_answer(trace).is_final
    assert "interrupted by the user" in list_faults(compute_signals(trace))
    trace, _ = read_rows(tmp_path, [*rows, event("thread_rolled_back", num_turns=1)])
    assert "is_interrupted" not in trace.source_meta


def test_an_interrupt_of_a_silent_turn_is_no_answer(tmp_path: Path) -> None:
    thought = item("reasoning", summary=[{"type": "summary_text", "text": "Hm"}])
    rows = [META, say("user", "Go"), say("assistant", "Done."), count_tokens(1), thought, ABORT]
    trace, _ = read_rows(tmp_path, rows)
    assert [message.stop_reason for message in trace.messages] == [None, None, "aborted"]
    assert not find_answer(replace(trace, source_meta={})).is_final


def test_new_token_counts_end_a_turn(tmp_path: Path) -> None:
    rows = [META, say("user", "Go"), say("assistant", "One."), count_tokens(5), count_tokens(5)]
    rows += [say("assistant", "Two."), count_tokens(5), say("assistant", "And more."), count_tokens(9)]
    trace, _ = read_rows(tmp_path, rows)
    assert [text for _, text in tell(trace)] == ["Go", "One.", "Two.\n\nAnd more."]
    assert [message.usage for message in trace.messages] == [None, {"input_tokens": 1}, {"input_tokens": 1}]
    assert trace.input_tokens == 9


def test_a_rollback_takes_the_last_turns_back(tmp_path: Path) -> None:
    rows = [
        META,
        say("user", "One"),
        say("assistant", "First"),
        say("user", "Two"),
        say("assistant", "Second"),
        event("thread_rolled_back", num_turns=1),
        say("user", "Three"),
    ]
    trace, log = read_rows(tmp_path, rows)
    assert [text for _, text in tell(trace)] == ["One", "First", "Three"]
    assert list_losses(log) == [("abandoned_branch", 4), ("abandoned_branch", 5)]
