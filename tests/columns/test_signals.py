from __future__ import annotations

import pytest

from tracemill.columns.signals import compute_signals, list_requests
from tracemill.trace import Message, ToolCall, Trace


def make_trace(*messages: Message, success: bool | None = None) -> Trace:
    return Trace("t", "codex", "/s", "t", messages, success=success)


def human(text: str) -> Message:
    return Message("user", text, "human")


def say(text: str) -> Message:
    return Message("assistant", text)


def do(name: str, arguments: str, output: str | None = "ok", is_error: bool | None = None) -> tuple[Message, ...]:
    call_id = f"{name}{arguments}"
    messages = [Message("assistant", tool_calls=(ToolCall(call_id, name, arguments),))]
    if output is not None:
        messages.append(Message("tool", output, "tool", tool_call_id=call_id, is_error=is_error))
    return tuple(messages)


EDIT = do("Edit", '{"file_path": "/r/a.py", "old_string": "x", "new_string": "y"}')
TEST_PASSED = do("Bash", '{"command": "pytest -q"}', "3 passed in 0.1s")
TEST_FAILED = do("Bash", '{"command": "pytest"}', "1 failed, 2 passed in 0.1s")
LISTED = do("Bash", '{"command": "ls"}', "a.py")


def test_counts_of_a_good_trace() -> None:
    signals = compute_signals(
        make_trace(human("Fix the clock in a.py"), *TEST_FAILED, *EDIT, *TEST_PASSED, say("The clock is fixed now."))
    )
    assert (signals.calls, signals.failed_calls, signals.failed_call_share) == (3, 1, 0.3333)
    assert (signals.last_tests, signals.edits, signals.edits_without_later_test) == ("passed", 1, 0)
    assert (signals.runs_after_last_edit, signals.edited_paths) == (1, ("/r/a.py",))
    assert signals.ended_with_answer
    assert signals.has_goal
    assert not signals.has_failed


@pytest.mark.parametrize(
    ("messages", "name", "value"),
    [
        ((human("Go"), *EDIT, *TEST_PASSED, *EDIT, say("Done.")), "edits_without_later_test", 1),
        ((human("Go"), *TEST_PASSED, *EDIT, *TEST_FAILED, say("Done.")), "last_tests", "failed"),
        ((human("Go"), *LISTED, say("Done.")), "last_tests", None),
        ((human("Go"), *LISTED), "ended_with_answer", False),
        ((human("Go"), say("Wait."), human("Also rename the file")), "is_request_open", True),
        ((human("Go"), say("Done."), human("thanks")), "is_request_open", False),
        ((human("Go"), *LISTED, Message("user", "[Request interrupted by user]", "injected")), "is_interrupted", True),
        ((say("Done."),), "has_goal", False),
        ((human("hi"), say("Hello! How can I help?")), "is_trivial", True),
        ((human("hi"), *LISTED, say("The folder holds a.py.")), "is_trivial", False),
        ((human("Start"), *LISTED, say("Ok")), "is_trivial", True),
        ((human("Your task is to create a detailed summary of this conversation"),), "is_harness_request", True),
        ((human("Go"), say("I'm sorry, I can't help with that.")), "is_refusal", True),
        ((human("Go"), say("API Error: 529 overloaded")), "is_error_end", True),
        ((human("Go"), say("I couldn’t fix the import.")), "gives_up", True),
        ((human("Go"), say("Found it. Now let me edit the file:")), "announces_work", True),
        ((human("Go"), say("All done. Let me know if it works.")), "announces_work", False),
        ((human("Go"), say("Which file do you mean?")), "asks_back", True),
        ((human("Go"), *LISTED, *LISTED, *LISTED, say("Done.")), "repeated_call_share", 0.6667),
        ((human("Go"), *TEST_FAILED, *TEST_FAILED, *EDIT, say("Done.")), "longest_failure_run", 2),
        ((human("Go"), say("Done.")), "failed_call_share", None),
        ((human("Go"), say("Ok."), human("word " * 200), say("Done.")), "is_last_request_long", True),
    ],
    ids=[
        "untested-edit", "last-tests", "no-tests", "call-last", "open", "thanks", "interrupted", "no-goal", "greeting",
        "worked", "start", "compaction", "refusal", "api-error", "gives-up", "announces", "offer", "asks", "loop",
        "failures", "no-calls", "long",
    ],
)  # fmt: skip
def test_signal(messages: tuple[Message, ...], name: str, value: object) -> None:
    assert getattr(compute_signals(make_trace(*messages)), name) == value


@pytest.mark.parametrize(
    ("messages", "success"),
    [
        ((human("Go"), *EDIT, *TEST_FAILED, say("Done.")), None),
        ((human("Go"), *EDIT, say("Done.")), False),
        ((human("Go"), *do("Bash", '{"command": "x"}', "Exit code 1", True), say("Done.")), None),
    ],
    ids=["tests", "outcome", "last-call"],
)
def test_failure_is_seen(messages: tuple[Message, ...], success: bool | None) -> None:
    assert compute_signals(make_trace(*messages, success=success)).has_failed


def test_requests_are_the_first_and_the_last_plain_ones() -> None:
    turns = [
        human(text)
        for text in ("Build the app", "ok", "add a dark mode please", "word " * 200, "write the docs for it")
    ]
    assert list_requests(make_trace(*turns)) == ["Build the app", "add a dark mode please", "write the docs for it"]
