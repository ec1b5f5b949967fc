"""The work of finding the thread of a request grows with the number of requests, not with its square."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_otel import chat, read, read_rows, say, span
from tests.ingest.test_otel_openinference import llm, put
from tests.ingest.test_otel_openinference import say as say_plain

FEW, MANY = 40, 400


def ask_alone(number: int, _count: int) -> list[dict[str, Any]]:
    return [chat(number, number, [say("user", f"q{number}")], [say("assistant", f"a{number}")])]


def ask_in_session(number: int, _count: int) -> list[dict[str, Any]]:
    prompt, output = [say_plain("user", f"q{number}")], [say_plain("assistant", "same")]
    return [llm(number, number, prompt, output, trace=f"t{number}", more={"session.id": "s"})]


def greet_in_session(number: int, _count: int) -> list[dict[str, Any]]:
    prompt, output = [say_plain("user", "hi")], [say_plain("assistant", f"a{number}")]
    return [llm(number, number, prompt, output, trace=f"t{number}", more={"session.id": "s"})]


def go_on_in_session(number: int, count: int) -> list[dict[str, Any]]:
    """Each conversation has two turns, the second after the first of all; the first answers are the same."""
    own = number % (count // 2)
    later = [say_plain("assistant", "same"), say_plain("user", "go on")] if number >= count // 2 else []
    prompt = [say_plain("user", f"q{own}"), *later]
    return [llm(number, number, prompt, [say_plain("assistant", "same")], trace=f"t{number}", more={"session.id": "s"})]


def ask_in_conversation(number: int, _count: int) -> list[dict[str, Any]]:
    (row,) = ask_alone(number, 0)
    row["attributes"]["gen_ai.conversation.id"] = "c"
    return [row]


def restart_in_conversation(number: int, _count: int) -> list[dict[str, Any]]:
    (row,) = ask_in_conversation(number, 0)
    return [{**row, "traceId": f"t{number}"}]


def call_a_tool(number: int, count: int) -> list[dict[str, Any]]:
    turn = say_plain("assistant", calls=[(f"k{number}", "look", f'{{"q": {number}}}')])
    ran = {"tool.name": "look", "input.value": f'{{"q": {number}}}', "output.value": "found"}
    return [llm(number, number, [say_plain("user", f"q{number}")], [turn]), put("TOOL", count + number, count, ran)]


def sum_up_in_prompts(number: int, _count: int) -> list[dict[str, Any]]:
    prompt = [say("user", {"type": "compaction", "content": f"s{number}"}), say("user", f"q{number}")]
    return [chat(number, number, prompt, [say("assistant", f"a{number}")])]


def sum_up_in_answers(number: int, _count: int) -> list[dict[str, Any]]:
    def answer(place: int) -> dict[str, Any]:
        return say("assistant", {"type": "compaction", "content": f"s{place}"}, f"a{place}")

    before = [answer(number - 1)] if number else []
    return [chat(number, number, [*before, say("user", f"q{number}")], [answer(number)])]


def sum_up_old_threads(number: int, count: int) -> list[dict[str, Any]]:
    """Threads with instructions of their own, then each of them goes on from a summary."""
    is_late = number >= count // 2
    rules = say("system", f"r{number % (count // 2)}")
    prompt = [rules, say("user", {"type": "compaction"} if is_late else f"q{number}")]
    return [chat(number, number, prompt, [say("assistant", f"a{number}")])]


def count_calls(folder: Path, make: Callable[[int, int], list[dict[str, Any]]], count: int) -> int:
    """How many functions run while a file of so many requests is read."""
    path = folder / "traces.jsonl"
    read_rows(folder, *(row for number in range(count) for row in make(number, count)))
    calls = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        read(path)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize(
    "make",
    [
        *(ask_alone, ask_in_session, greet_in_session, go_on_in_session),
        *(ask_in_conversation, restart_in_conversation, call_a_tool),
        *(sum_up_in_prompts, sum_up_in_answers, sum_up_old_threads),
    ],
)
def test_the_work_grows_with_the_number_of_requests(
    tmp_path: Path, make: Callable[[int, int], list[dict[str, Any]]]
) -> None:
    few, many = (count_calls(tmp_path, make, count) for count in (FEW, MANY))
    assert many < few * (MANY / FEW) * 1.02


def test_a_request_goes_on_from_the_latest_thread_that_knows_it(tmp_path: Path) -> None:
    one, two = say("user", "one"), say("assistant", "two")
    rows = [
        chat(1, 1, [one], [two]),
        chat(2, 2, [say("user", "title")], [say("assistant", "T")]),
        chat(3, 3, [one, two, say("user", "three")], [say("assistant", "four")]),
        chat(4, 4, [say("user", "title"), say("assistant", "T"), say("user", "longer")], [say("assistant", "TT")]),
    ]
    traces, log = read_rows(tmp_path, *rows)
    told = [[m.text for m in trace.messages] for trace in traces]
    assert (told, log.losses) == ([["one", "two", "three", "four"], ["title", "T", "longer", "TT"]], [])


def test_a_trace_of_a_conversation_goes_on_from_the_latest_of_the_others(tmp_path: Path) -> None:
    def turn(number: int, trace: str, text: str) -> dict[str, Any]:
        output = [say("assistant", text.upper())]
        return chat(number, number, [say("user", text)], output, {"conversation.id": "c"}, trace=trace)

    rows = [turn(1, "t1", "a"), turn(2, "t1", "b"), turn(3, "t2", "c"), turn(4, "t2", "d"), turn(5, "t2", "e")]
    rows += [turn(6, "t1", "f"), turn(7, "t2", "g"), turn(8, "t2", "h")]
    traces, _ = read_rows(tmp_path, *rows)
    assert [[m.text for m in trace.messages if m.role == "user" and m.text] for trace in traces] == [
        ["a", "d"],
        ["b", "c"],
        ["e", "f", "g"],
        ["h"],
    ]


def test_a_thread_that_went_on_in_another_trace_is_found_from_the_first(tmp_path: Path) -> None:
    def turn(number: int, trace: str, *prompt: Any) -> dict[str, Any]:
        output = [say("assistant", f"a{number}")]
        return chat(number, number, list(prompt), output, {"conversation.id": "c"}, trace=trace)

    rows = [turn(number, "t1", say("user", f"q{number}")) for number in (1, 2, 3)]
    rows += [turn(4, "t2", say("user", "q1"), say("assistant", "a1"), say("user", "q4"))]
    rows += [turn(5, "t1", say("user", "q5"))]
    traces, _ = read_rows(tmp_path, *rows)
    told = [[m.text for m in trace.messages if m.role == "user" and m.text] for trace in traces]
    assert told == [["q1", "q4", "q5"], ["q2"], ["q3"]]


def test_a_tools_result_goes_to_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    def ask(number: int, call_id: str) -> dict[str, Any]:
        part = {"type": "tool_call", "id": call_id, "name": "look", "arguments": {"q": number}}
        return chat(number, number, [say("user", f"q{number}")], [say("assistant", part)])

    told = {"operation.name": "execute_tool", "tool.name": "look"}
    rows = [ask(1, "k1"), ask(2, "k2")]
    rows += [
        span(3, 3, a={**told, "tool.call.arguments": {"q": 1}, "tool.call.result": "one"}),
        span(4, 4, a={**told, "tool.call.id": "k2", "tool.call.result": "two"}),
    ]
    traces, log = read_rows(tmp_path, *rows)
    assert ([[m.text for m in trace.messages] for trace in traces], log.losses) == (
        [["q1", "", "one"], ["q2", "", "two"]],
        [],
    )
