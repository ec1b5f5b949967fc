"""What a person sees in the terminal: every figure, trace text as text, long texts cut and said so."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tests.report.survey_traces import (
    build_facts,
    call,
    make_busy,
    make_intake,
    make_inventory,
    make_survey,
    make_trace,
    result,
)
from tracemill.ingest.source import Loss
from tracemill.report.survey_table import list_overview, show_survey
from tracemill.report.survey_text import cut, format_bucket, format_number, format_size, make_line, make_printable
from tracemill.report.survey_trace import show_trace
from tracemill.trace import Message, ToolCall, Trace


def print_survey(facts: dict[str, Any]) -> str:
    out = io.StringIO()
    show_survey(Console(file=out, width=160, highlight=False), facts)
    return out.getvalue()


def print_trace(trace: Trace, show_chars: int = 100, *, is_colored: bool = False) -> str:
    out = io.StringIO()
    show_trace(Console(file=out, width=100, highlight=False, force_terminal=is_colored), trace, show_chars)
    return out.getvalue()


def test_the_overview_shows_sums_and_their_parts() -> None:
    overview = dict(list_overview(build_facts()))
    assert overview["session files"] == "5 = 4 read + 1 rejected"
    assert overview["traces"] == "5 = 3 kept + 1 repeated + 1 no messages"
    assert overview["tool calls, of the traces kept"] == "5 = 2 ok + 1 failed + 1 unknown + 1 unpaired"
    assert overview["tool calls without a result"] == "1 in the traces kept, 1 noted in all that was read"
    assert overview["tool results without a call"] == "0 in the traces kept, 0 dropped from all that was read"
    assert overview["labelled by --outcomes"] == "0 of 5 traces found"
    assert overview["failed, of calls with a result"] == "25.0%"
    assert overview["input tokens"] == "1,500 (mean 1,500, 1,500 to 1,500, unknown in 2 traces)"
    assert overview["contexts"] == "4 (1 compactions in 1 traces)"


def test_rewards_are_counted_and_not_summed() -> None:
    facts = build_facts()
    assert (
        dict(list_overview(facts))["rewards"] == "in 2 traces: mean 0.75, smallest 0.5, largest 1; unknown in 1 traces"
    )
    facts["outcomes"]["reward"].update(traces=0, unknown=3)
    assert dict(list_overview(facts))["rewards"] == "unknown in all 3 traces"


def test_losses_that_are_no_traces_are_told_beside_those_that_are() -> None:
    overview = dict(list_overview(build_facts()))
    assert overview["sessions without messages"] == "1"
    assert overview["cut short (maybe still being written)"] == (
        "1 of the traces kept; 0 cut last lines lost in all that was read"
    )
    survey = make_survey()
    survey.add_losses([Loss("no_messages", "/traces/d.jsonl"), *[Loss("cut_line", "/traces/d.jsonl", 9)] * 2])
    overview = dict(list_overview(survey.build_facts(make_inventory(), make_intake(), is_redacted=True)))
    assert overview["traces"] == "5 = 3 kept + 1 repeated + 1 no messages"
    assert overview["sessions without messages"] == "2 = 1 of the traces found + 1 sessions or parts that gave no trace"
    assert overview["cut short (maybe still being written)"] == (
        "1 of the traces kept; 2 cut last lines lost in all that was read"
    )


def test_every_part_of_the_survey_is_shown() -> None:
    text = print_survey(build_facts())
    for said in ("Traces by agent", "robin", "Tool calls", "Characters of a trace", "Largest traces", "busy",
                 "Lost while reading", "bad_json", "a.jsonl:1 Expecting value", "unpaired_call",
                 "Secrets and names replaced", "email"):  # fmt: skip
        assert said in text
    assert "Redaction is switched off" not in text
    assert "Redaction is switched off" in print_survey(build_facts(is_redacted=False))


def test_a_long_list_of_names_ends_in_the_sum_of_the_others() -> None:
    facts = build_facts()
    facts["by"]["agent"] = {"names": {f"agent-{number:02d}": 2 for number in range(20)}, "others": 5}
    row = next(line for line in print_survey(facts).splitlines() if "(others)" in line)
    assert row.split()[3] == "21"


def test_nothing_in_a_name_is_markup_or_steers_the_terminal() -> None:
    facts = build_facts()
    facts["by"]["agent"] = {"names": {"[bold]x[/bold]\x1b]0;owned\x07\u202e": 1}, "others": 0}
    text = print_survey(facts)
    assert "[bold]x[/bold]\\x1b]0;owned\\x07\\u202e" in text
    assert "\x1b" not in text


def test_a_trace_is_printed_message_by_message() -> None:
    text = print_trace(make_busy())
    for said in ("busy", "#2 human\nhh", "(reasoning) rrrrr", "-> Bash command: ls", "<- ok: tt", "<- failed: t",
                 "<- result: t", "<- (no result)", "#8 compaction\nkkkkkkk",
                 "outcome success, reward 0.5"):  # fmt: skip
        assert said in text
    assert text.index("<- ok: tt") < text.index("<- failed: t") < text.index("#8 compaction")


def test_reasoning_is_dim() -> None:
    text = print_trace(make_busy(), is_colored=True)
    assert "\x1b[2;3m(reasoning) rrrrr\x1b[0m" in text


def test_long_texts_are_cut_and_say_how_much() -> None:
    trace = make_trace(
        "t",
        (
            Message("user", "u" * 500, "human"),
            Message("assistant", "", tool_calls=(ToolCall("c1", "Bash", "a" * 300),)),
            result(1, "r" * 400),
        ),
    )
    text = print_trace(trace, 50)
    for letter, left in (("u", 450), ("a", 250), ("r", 350)):
        assert letter * 51 not in text
        assert f"[... {left} characters cut]" in text


def test_a_result_without_a_call_is_shown_where_it_is() -> None:
    trace = make_trace("t", (result(9, "stray", is_error=True), Message("assistant", tool_calls=(call(1),))))
    text = print_trace(trace)
    assert "#1 tool result without a call (error)\nstray" in text
    assert "<- (no result)" in text


@pytest.mark.parametrize("arguments", ["{not json", "[1, 2]", "", '{"n": ' + "9" * 5000 + "}", "[" * 100_000])
def test_arguments_of_any_kind_are_shown_as_they_are(arguments: str) -> None:
    trace = make_trace("t", (Message("assistant", tool_calls=(ToolCall("c", "T", arguments),)),))
    assert f"-> T {arguments[:40]}" in print_trace(trace)


def test_trace_text_steers_no_terminal() -> None:
    bad = "[red]a[/red]\x1b[2J\x9b\x07\r\ud800\u202e"
    trace = make_trace(bad, (Message("user", bad, "human"), Message("assistant", bad, reasoning_content=bad)))
    text = print_trace(trace)
    assert not set("\x1b\x9b\x07\r\ud800\u202e") & set(text)
    assert "[red]a[/red]\\x1b[2J\\x9b\\x07\\x0d\\ud800\\u202e" in text


def test_formats() -> None:
    assert [format_number(value) for value in (None, 1234, 0.5, 2.0, 1234.5)] == ["-", "1,234", "0.5", "2", "1,234"]
    assert [format_size(value) for value in (0, 200, 5000, 2_000_000)] == ["0", "200", "5k", "2M"]
    assert format_bucket({"from": 0, "below": 1}) == "0"
    assert format_bucket({"from": None, "below": 0}) == "below 0"
    assert format_bucket({"from": 1, "below": None}) == "1 and more"
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "abc [... 1 characters cut]"
    assert make_line(" a\n\u2028b ") == "a b"
    assert make_printable("a\n\tb") == "a\n\tb"
