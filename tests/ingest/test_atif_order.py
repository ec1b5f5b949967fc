"""ATIF steps: results stand behind their calls whether or not all of them do so in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.atif_steps import make_call, make_turn, read_steps
from tracemill.ingest.atif.harbor_trial import Verdict, read_verdict

A, B = make_call("a"), make_call("b")


def make_result(call_id: str | None, text: str) -> dict[str, Any]:
    return {"source_call_id": call_id, "content": text}


def make_step(calls: list[dict[str, Any]], *results: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return make_turn(tool_calls=calls, observation={"results": list(results)}, **fields)


@pytest.mark.parametrize(
    ("steps", "expected", "unpaired"),
    [
        ([make_step([A], make_result("a", "1")), make_step([B])], ["On it.", "1", "On it."], 1),
        ([make_step([A, B], make_result("b", "2"))], ["On it.", "2"], 1),
        ([make_step([A, B], make_result("b", "2"), make_result("a", "1"))], ["On it.", "1", "2"], 0),
        ([make_step([A]), make_step([A], make_result("a", "1"))], ["On it.", "On it.", "1"], 1),
        (
            [make_step([A]), make_step([B], make_result("b", "2"), make_result("a", "1"))],
            ["On it.", "1", "On it.", "2"],
            0,
        ),
        ([make_step([A, B]), make_step([], make_result("b", "2"))], ["On it.", "2", "On it."], 1),
        ([make_step([A], make_result("a", "1"), make_result("a", "more"))], ["On it.", "1\n\nmore"], 0),
        ([make_step([A], make_result("c", "3"))], ["On it.", "3"], 1),
    ],
    ids=["open_at_the_end", "open_between", "swapped", "same_id", "later", "later_of_two", "in_parts", "of_no_call"],
)
def test_results_follow_their_calls(
    tmp_path: Path, steps: list[dict[str, Any]], expected: list[str], unpaired: int
) -> None:
    (trace,), log = read_steps(tmp_path, *steps)
    assert [message.text for message in trace.messages] == expected
    assert log.notes.get("unpaired_call", 0) == unpaired


def test_copied_messages_are_named_by_where_they_went(tmp_path: Path) -> None:
    steps = [make_step([A]), make_step([B], make_result("b", "2"), make_result("a", "1"), is_copied_context=True)]
    (trace,), _ = read_steps(tmp_path, *steps)
    assert [message.text for message in trace.messages] == ["On it.", "1", "On it.", "2"]
    assert trace.source_meta["copied_context_messages"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z"),
        ("2026-03-02T09:00:00+00:00\n", "2026-03-02T09:00:00+00:00"),
        ("2026-03-03", "2026-03-03"),
        (" 2026-03-02", "2026-03-02"),
        (1772438400, "2026-03-02T08:00:00Z"),
        ("", None),
        ("2026-03-0", None),
        ("soon", None),
        (["2026-03-02"], None),
    ],
    ids=["same_day", "blank_end", "next_day", "blank_start", "seconds", "empty", "short", "words", "list"],
)
def test_a_time_is_looked_at_whatever_time_came_before(tmp_path: Path, stamp: Any, expected: str | None) -> None:
    times = ["2026-03-02T08:14:05Z", stamp, stamp, "2026-03-02T08:14:05Z"]
    (trace,), _ = read_steps(tmp_path, *(make_turn(timestamp=time) for time in times))
    assert [message.timestamp for message in trace.messages] == [times[0], expected, expected, times[0]]


def test_a_turn_without_a_model_is_of_the_agents_model(tmp_path: Path) -> None:
    names = [None, "m", "m", "", 5, "n"]
    (trace,), _ = read_steps(tmp_path, *(make_turn(model_name=name) for name in names))
    assert [message.model for message in trace.messages] == ["gpt-4.1", "m", "m", "gpt-4.1", "gpt-4.1", "n"]
    assert trace.model == "n"


def test_a_call_that_was_answered_late_is_answered_once(tmp_path: Path) -> None:
    steps = [make_step([A]), make_step([B], make_result("b", "2"), make_result("a", "1"), make_result("a", "again"))]
    (trace,), log = read_steps(tmp_path, *steps)
    told = [(message.role, message.text) for message in trace.messages]
    assert told == [("assistant", "On it."), ("tool", "1"), ("assistant", "On it."), ("tool", "2"), ("user", "again")]
    assert (log.notes, log.losses) == ({}, [])


@pytest.mark.parametrize(
    ("flags", "is_error"),
    [((True, False), True), ((False, True), True), ((False, None), False), ((None, None), None)],
    ids=["first", "second", "neither", "silent"],
)
def test_a_result_in_parts_failed_if_a_part_did(
    tmp_path: Path, flags: tuple[bool | None, bool | None], is_error: bool | None
) -> None:
    parts = [{"source_call_id": "a", "content": "x", "extra": {"is_error": flag}} for flag in flags]
    (trace,), _ = read_steps(tmp_path, make_step([A], *parts))
    assert trace.messages[1].is_error is is_error


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ({}, (11, 3)),
        ({"total_prompt_tokens": 20}, (20, 3)),
        ({"total_completion_tokens": 0}, (11, 0)),
        ({"total_prompt_tokens": 20, "total_completion_tokens": 9}, (20, 9)),
    ],
    ids=["turns", "input", "output", "both"],
)
def test_tokens_are_those_of_the_whole_else_the_sum_over_turns(
    tmp_path: Path, totals: dict[str, int], expected: tuple[int, int]
) -> None:
    usages = [{"prompt_tokens": 5, "completion_tokens": 3}, {"prompt_tokens": 6}, {}]
    (trace,), _ = read_steps(tmp_path, *(make_turn(metrics=usage) for usage in usages), final_metrics=totals)
    assert (trace.input_tokens, trace.output_tokens) == expected


def test_a_verdict_is_found_from_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "result.json").write_text('{"task_name": "t"}', encoding="utf-8")
    (tmp_path / "agent").mkdir()
    monkeypatch.chdir(tmp_path)
    verdicts = [read_verdict(Path(name)) for name in ("trajectory.json", "agent/trajectory.json", "a/b/c.json")]
    assert verdicts == [Verdict("t", None, None), Verdict("t", None, None), None]
