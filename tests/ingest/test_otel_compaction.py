"""Conversations that go on from a summary of themselves, told in a prompt or in an answer, in the open or withheld."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_otel import agent, call, chat, read_rows, reply, say, span
from tracemill.trace import Trace

RULES = say("system", "Be brief.")
ONE, TWO, THREE = (say("user", word) for word in ("one", "two", "three"))
SAID, LATER, LAST = (say("assistant", word) for word in ("A", "B", "C"))
CLEAR: dict[str, Any] = {"type": "compaction", "id": "cmp", "content": "So far: one."}
OPAQUE: dict[str, Any] = {"type": "compaction", "id": "cmp"}
NAMED = {"conversation.id": "c"}


def show(trace: Trace) -> list[str]:
    """Each message by the first letter of its origin and its text."""
    return [f"{message.origin[0]}:{message.text}" for message in trace.messages]


def show_contexts(trace: Trace) -> list[list[str]]:
    return [[message.text for message in seen] for _, seen in trace.contexts()]


def read_one(folder: Path, *rows: Any) -> Trace:
    (trace,), log = read_rows(folder, *rows)
    assert (log.losses, log.notes) == ([], {})
    return trace


@pytest.mark.parametrize("part", [CLEAR, OPAQUE], ids=["clear", "opaque"])
@pytest.mark.parametrize("trace", ["t1", "t2"], ids=["same_trace", "other_trace"])
@pytest.mark.parametrize("role", ["user", "assistant", "tool", "system"])
def test_a_prompt_that_begins_with_a_summary_goes_on(
    tmp_path: Path, part: dict[str, Any], trace: str, role: str
) -> None:
    summary = say(role, part)
    told = read_one(
        tmp_path,
        chat(1, 0, [RULES, ONE], [SAID], NAMED),
        chat(2, 1, [RULES, summary, TWO], [LATER], NAMED, trace=trace),
        chat(3, 2, [RULES, summary, TWO, LATER, THREE], [LAST], NAMED, trace=trace),
    )
    text = part.get("content", "")
    seen = ["Be brief.", *([text] if text else []), "two"]
    assert show(told) == ["i:Be brief.", "h:one", "m:A", f"c:{text}", "h:two", "m:B", "h:three", "m:C"]
    assert show_contexts(told) == [["Be brief.", "one"], seen, [*seen, "B", "three"]]


def test_what_a_prompt_keeps_beside_its_summary_stays(tmp_path: Path) -> None:
    summary = say("user", CLEAR)
    before = [chat(1, 0, [RULES, ONE], [SAID], NAMED), chat(2, 1, [RULES, ONE, SAID, TWO], [LATER], NAMED)]
    first = read_one(tmp_path, *before, chat(3, 2, [RULES, ONE, summary, THREE], [LAST], NAMED))
    assert show_contexts(first)[-1] == ["Be brief.", "one", "So far: one.", "three"]
    last = read_one(tmp_path, *before, chat(3, 2, [RULES, summary, TWO, LATER, THREE], [LAST], NAMED))
    assert show_contexts(last)[-1] == ["Be brief.", "So far: one.", "two", "B", "three"]
    mixed = read_one(tmp_path, *before, chat(3, 2, [RULES, summary, THREE, TWO, LATER], [LAST], NAMED))
    assert show_contexts(mixed)[-1] == ["Be brief.", "So far: one.", "three", "two", "B"]
    assert [show(trace)[5:] for trace in (first, last)] == [["c:So far: one.", "h:three", "m:C"]] * 2
    assert show(mixed)[5:] == ["c:So far: one.", "h:three", "c:", "m:C"]


def test_a_whole_history_with_a_summary_after_it(tmp_path: Path) -> None:
    rows = [chat(1, 0, [RULES, ONE], [SAID], NAMED)]
    rows += [chat(2, 1, [RULES, ONE, SAID, say("user", CLEAR), TWO], [LATER], NAMED)]
    trace = read_one(tmp_path, *rows)
    assert show(trace) == ["i:Be brief.", "h:one", "m:A", "c:So far: one.", "h:two", "m:B"]
    assert show_contexts(trace)[-1] == ["Be brief.", "one", "A", "So far: one.", "two"]


def test_a_conversation_whose_beginning_is_not_told(tmp_path: Path) -> None:
    trace = read_one(tmp_path, chat(1, 0, [RULES, ONE, say("user", CLEAR, "And two?")], [SAID], NAMED))
    assert show(trace) == ["i:Be brief.", "h:one", "c:So far: one.", "h:And two?", "m:A"]
    assert show_contexts(trace) == [["Be brief.", "one", "So far: one.", "And two?"]]


@pytest.mark.parametrize("part", [CLEAR, OPAQUE], ids=["clear", "opaque"])
@pytest.mark.parametrize("is_trimmed", [True, False], ids=["trimmed", "whole"])
@pytest.mark.parametrize("has_words", [True, False], ids=["with_words", "alone"])
def test_a_summary_that_came_with_an_answer_is_told_once(
    tmp_path: Path, part: dict[str, Any], is_trimmed: bool, has_words: bool
) -> None:
    answer = say("assistant", part, *(["B"] if has_words else []))
    again = [answer, THREE] if is_trimmed else [ONE, SAID, TWO, answer, THREE]
    usage = {"usage.input_tokens": 7, "usage.output_tokens": 2}
    trace = read_one(
        tmp_path,
        chat(1, 0, [RULES, ONE], [SAID], {**NAMED, **usage}),
        chat(2, 1, [RULES, ONE, SAID, TWO], [answer], {**NAMED, **usage}),
        chat(3, 2, [RULES, *again], [LAST], {**NAMED, **usage}),
        chat(4, 3, [RULES, *again, LAST, TWO], [say("assistant", "D")], {**NAMED, **usage}),
    )
    text = part.get("content", "")
    words = ["m:B"] if has_words else []
    told = ["i:Be brief.", "h:one", "m:A", "h:two", f"c:{text}", *words, "h:three", "m:C", "h:two", "m:D"]
    assert show(trace) == told
    seen = ["Be brief.", *([text] if text else [])]
    after = [*seen, *(["B"] if has_words else []), "three"]
    steps = [["Be brief.", "one"], *([seen] if has_words else []), after, [*after, "C", "two"]]
    assert show_contexts(trace) == steps
    assert (trace.input_tokens, trace.output_tokens) == (28, 8)


def test_a_summary_that_the_next_prompt_leaves_out(tmp_path: Path) -> None:
    answer = say("assistant", CLEAR, "B")
    rows = [chat(1, 0, [RULES, ONE], [answer], NAMED)]
    trace = read_one(tmp_path, *rows, chat(2, 1, [RULES, ONE, say("assistant", "B"), TWO], [LAST], NAMED))
    assert show(trace) == ["i:Be brief.", "h:one", "c:So far: one.", "m:B", "h:two", "c:", "m:C"]
    assert show_contexts(trace)[-1] == ["Be brief.", "one", "B", "two"]


def test_after_a_retry_what_stands_before_the_summary_is_passed_over_still(tmp_path: Path) -> None:
    answer = say("assistant", CLEAR, "B")
    rows = [chat(1, 0, [RULES, ONE], [answer], NAMED), chat(2, 1, [RULES, ONE, answer, TWO], [LATER], NAMED)]
    trace = read_one(tmp_path, *rows, chat(3, 2, [RULES, ONE, answer, THREE], [LAST], NAMED))
    assert show_contexts(trace)[1:] == [
        ["Be brief.", "So far: one.", "B", "two"],
        ["Be brief.", "So far: one.", "B", "three"],
    ]


def test_a_tools_result_right_after_a_summary(tmp_path: Path) -> None:
    rows = [chat(1, 0, [ONE], [say("assistant", call("k1"))], NAMED)]
    rows += [chat(2, 1, [say("user", "a title?")], [say("assistant", "T")], NAMED)]
    rows += [chat(3, 2, [say("user", CLEAR), say("assistant", call("k1")), reply("k1", "x")], [LATER], NAMED)]
    (main, side), log = read_rows(tmp_path, *rows)
    assert show(main) == ["h:one", "m:", "t:x", "c:So far: one.", "m:B"]
    assert show_contexts(main)[-1] == ["So far: one.", "", "x"]
    assert (show(side), log.losses) == (["h:a title?", "m:T"], [])


@pytest.mark.parametrize(
    ("rules", "expected"),
    [(RULES, 0), (say("system", "Give a title."), 1), (say("system", "New."), 1), (None, 1)],
    ids=["main", "side", "unknown", "none"],
)
def test_it_goes_on_from_the_thread_with_the_same_instructions(tmp_path: Path, rules: Any, expected: int) -> None:
    rows = [chat(1, 0, [RULES, ONE], [SAID], NAMED)]
    rows += [chat(2, 1, [say("system", "Give a title."), say("user", "a title?")], [say("assistant", "T")], NAMED)]
    prompt = [*([rules] if rules else []), say("user", CLEAR), TWO]
    traces, _ = read_rows(tmp_path, *rows, chat(3, 2, prompt, [LATER], NAMED))
    assert [show(trace)[-1] == "m:B" for trace in traces] == [expected == 0, expected == 1]


def test_a_summary_without_a_name_does_not_tell_which_thread_it_is(tmp_path: Path) -> None:
    other, withheld = say("system", "Be long."), say("assistant", {"type": "compaction"})
    rows = [chat(1, 0, [RULES, ONE], [SAID], NAMED)]
    rows += [chat(2, 1, [other, say("user", "four")], [say("assistant", "long")], NAMED)]
    rows += [chat(3, 2, [RULES, withheld, TWO], [LATER], NAMED), chat(4, 3, [other, withheld, THREE], [LAST], NAMED)]
    assert [show(trace)[-1] for trace in read_rows(tmp_path, *rows)[0]] == ["m:B", "m:C"]


def test_without_instructions_it_goes_on_from_the_thread_that_spoke_last(tmp_path: Path) -> None:
    rows = [chat(1, 0, [ONE], [SAID], NAMED), chat(2, 1, [say("user", "a title?")], [say("assistant", "T")], NAMED)]
    rows += [chat(3, 2, [ONE, SAID, TWO], [LATER], NAMED), chat(4, 3, [say("user", CLEAR), THREE], [LAST], NAMED)]
    assert [show(trace)[-1] for trace in read_rows(tmp_path, *rows)[0]] == ["m:C", "m:T"]


def run(number: int, start: int, call_id: str) -> dict[str, Any]:
    """The span of a tool that gave the id of its call."""
    told = {"operation.name": "execute_tool", "tool.name": "look", "tool.call.id": call_id, "tool.call.result": call_id}
    return span(number, start, a={**told, **NAMED})


def test_results_that_came_in_another_order_are_no_other_context(tmp_path: Path) -> None:
    asks = say("assistant", CLEAR, call("k1"), call("k2"))
    rows = [chat(1, 0, [RULES, ONE], [asks], NAMED), run(8, 1, "k2"), run(9, 2, "k1")]
    trace = read_one(tmp_path, *rows, chat(2, 3, [RULES, asks, reply("k1", "k1"), reply("k2", "k2")], [LAST], NAMED))
    assert show(trace) == ["i:Be brief.", "h:one", "c:So far: one.", "m:", "t:k1", "t:k2", "m:C"]
    assert show_contexts(trace)[-1] == ["Be brief.", "So far: one.", "", "k1", "k2"]


def test_a_result_that_came_after_the_summary_stands_with_its_call(tmp_path: Path) -> None:
    answer = say("assistant", CLEAR, "B")
    rows = [chat(1, 0, [RULES, ONE], [say("assistant", call("k1"))], NAMED)]
    rows += [chat(2, 1, [RULES, ONE, say("assistant", call("k1")), TWO], [answer], NAMED), run(9, 2, "k1")]
    trace = read_one(tmp_path, *rows, chat(3, 3, [RULES, answer, THREE], [LAST], NAMED))
    assert show(trace)[2:] == ["m:", "t:k1", "h:two", "c:So far: one.", "m:B", "h:three", "m:C"]
    assert show_contexts(trace)[-1] == ["Be brief.", "So far: one.", "B", "three"]


@pytest.mark.parametrize(
    ("marked", "count"),
    [({"conversation.compacted": True}, 1), ({"conversation.compacted": False}, 2), ({}, 2)],
    ids=["true", "false", "absent"],
)
def test_a_rewritten_history_goes_on_where_the_span_says_so(tmp_path: Path, marked: dict[str, Any], count: int) -> None:
    rows = [chat(1, 0, [RULES, ONE], [SAID], NAMED)]
    rows += [chat(2, 1, [RULES, say("user", "Summary: one."), TWO], [LATER], {**NAMED, **marked})]
    traces, _ = read_rows(tmp_path, *rows)
    assert len(traces) == count
    assert show_contexts(traces[-1])[-1] == ["Be brief.", "Summary: one.", "two"]


def test_other_instructions_are_another_thread_though_the_span_says_compacted(tmp_path: Path) -> None:
    rows = [chat(1, 0, [RULES, ONE], [SAID], NAMED)]
    prompt = [say("system", "Give a title."), say("user", "a title?")]
    traces, _ = read_rows(tmp_path, *rows, chat(2, 1, prompt, [LATER], {**NAMED, "conversation.compacted": True}))
    assert [show(trace)[-1] for trace in traces] == ["m:A", "m:B"]


def test_a_sub_agents_summary_is_its_own(tmp_path: Path) -> None:
    rows = [agent(9, 0, "main"), chat(1, 1, [RULES, ONE], [SAID], parent=9), agent(8, 2, "helper", parent=9)]
    rows += [chat(2, 3, [RULES, TWO], [LATER], parent=8), chat(3, 4, [RULES, say("user", CLEAR)], [LAST], parent=8)]
    main, sub = read_rows(tmp_path, *rows)[0]
    assert (show(main)[-1], show(sub)[2:]) == ("m:A", ["m:B", "c:So far: one.", "m:C"])


def test_items_of_the_responses_api(tmp_path: Path) -> None:
    item = {"type": "compaction", "id": "cmp", "encrypted_content": "xyz"}
    ask = {"role": "user", "content": "one"}
    trace = read_one(
        tmp_path,
        chat(1, 0, [ask], [item, {"type": "message", "role": "assistant", "content": "A"}], NAMED),
        chat(2, 1, [item, {"role": "assistant", "content": "A"}, {"role": "user", "content": "two"}], [LATER], NAMED),
    )
    assert show(trace) == ["h:one", "c:", "m:A", "h:two", "m:B"]
    assert show_contexts(trace) == [[], ["A", "two"]]
