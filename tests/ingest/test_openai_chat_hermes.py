"""Calls, results and tools that Hermes models and datasets of theirs write as tagged text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ingest.test_openai_chat import chat, read, say, write_lines
from tests.ingest.test_openai_chat_sharegpt import BOTH, CALL, read_turns
from tracemill.ingest.openai_chat.hermes_text import find_tools, split_calls
from tracemill.trace import Message

TAGGED = f"<tool_call>\n{CALL}\n</tool_call>"
TWO = f'{TAGGED}\n<tool_call>\n{{"name": "g", "arguments": {{}}}}\n</tool_call>\n'
BACK = "<tool_response>\n{}\n</tool_response>"
TOOL = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TAGGED, Message("assistant", tool_calls=BOTH[:1])),
        (f"<think>\nhm\n</think>\nI look.\n\n{TWO}", Message("assistant", "I look.", "model", "hm", BOTH)),
        (f"<tool_call>{CALL}</tool_call>", Message("assistant", tool_calls=BOTH[:1])),
        (f"A <tool_call> it is.\n{TAGGED}", Message("assistant", "A <tool_call> it is.", tool_calls=BOTH[:1])),
        (f"Write `{TAGGED}`", Message("assistant", f"Write `{TAGGED}`")),
        (f"```\n{TAGGED}\n```", Message("assistant", f"```\n{TAGGED}\n```")),
        (f"{TAGGED}\n<tool_call>\n{CALL}", Message("assistant", f"{TAGGED}\n<tool_call>\n{CALL}")),
        ("<tool_call>look</tool_call>", Message("assistant", "<tool_call>look</tool_call>")),
    ],
    ids=["one", "thoughts_and_two", "one_line", "after_a_sentence", "in_a_sentence", "in_code", "open_tag", "words"],
)
def test_tagged_calls(tmp_path: Path, value: str, expected: Message) -> None:
    messages, log = read_turns(tmp_path, ("human", "x"), ("gpt", value))
    assert (messages[1], log.losses) == (expected, [])


def test_tagged_results(tmp_path: Path) -> None:
    both = f"{BACK.format('1')}\n{BACK.format('<b>2</b>')}\n"
    turns = [("human", "x"), ("gpt", TWO), ("tool", both), ("gpt", "y")]
    messages, log = read_turns(tmp_path, *turns, ("gpt", TAGGED), ("tool", BACK.format("3")), ("tool", "4"))
    assert [(m.role, m.text, m.tool_call_id) for m in messages[1:]] == [
        ("assistant", "", None),
        ("tool", "1", BOTH[0].id),
        ("tool", "<b>2</b>", BOTH[1].id),
        ("assistant", "y", None),
        ("assistant", "", None),
        ("tool", "3", "message_4_call_0"),
        ("user", "4", None),
    ]
    assert (log.losses, log.notes) == ([], {})


def test_tagged_results_that_do_not_add_up_are_one(tmp_path: Path) -> None:
    three = "\n".join(BACK.format(number) for number in range(3))
    messages, log = read_turns(tmp_path, ("human", "x"), ("gpt", TWO), ("tool", three))
    assert [(m.tool_call_id, m.text) for m in messages[2:]] == [(BOTH[0].id, three)]
    assert log.notes == {"unpaired_call": 1}


@pytest.mark.parametrize(
    "call",
    [
        "{'name': 'f'",
        "{'name': print('f')}",
        "{'name': 'f', 'arguments': {1: {2}}}",
        '{"arguments": {}}',
        '{"name": "f"',
    ],
)
def test_a_tagged_call_that_is_no_json_is_kept_as_text_and_counted(tmp_path: Path, call: str) -> None:
    text = f"{TAGGED}\n<tool_call>\n{call}\n</tool_call>"
    messages, log = read_turns(tmp_path, ("human", "x"), ("gpt", text), ("tool", BACK.format("1")))
    assert [(m.role, m.origin, m.text) for m in messages[1:]] == [
        ("assistant", "model", text),
        ("user", "injected", BACK.format("1")),
    ]
    assert [(loss.reason, loss.line, loss.content) for loss in log.losses] == [("malformed_record", 1, text)]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("{'name': 'f', 'arguments': {'x': 1, 'all': True, 'none': None}}", '{"x": 1, "all": true, "none": null}'),
        ("{'arguments': {'q': \"what's new\"}, 'name': 'f'}", '{"q": "what\'s new"}'),
        ("""{'name': 'f', 'arguments': '{"x": 1}'}""", '{"x": 1}'),
    ],
    ids=["values", "apostrophe", "json_in_a_string"],
)
def test_a_tagged_call_may_be_a_dict_of_python(tmp_path: Path, call: str, arguments: str) -> None:
    """As NousResearch/hermes-function-calling-v1 and sets made from it have them."""
    text = f"I look.\n<tool_call>\n{call}\n</tool_call>"
    messages, log = read_turns(tmp_path, ("human", "x"), ("gpt", text), ("tool", BACK.format("{'a': 1}")))
    assert [(m.role, m.text) for m in messages[1:]] == [("assistant", "I look."), ("tool", "{'a': 1}")]
    assert [(call.name, call.arguments) for call in messages[1].tool_calls] == [("f", arguments)]
    assert (log.losses, log.notes) == ([], {})


def test_tools_may_be_a_list_of_python() -> None:
    assert find_tools(f"<tools> {[TOOL, TOOL]} </tools>") == (TOOL, TOOL)


def test_calls_of_their_own_field_leave_the_text_alone(tmp_path: Path) -> None:
    listed = [{"id": "a", "function": {"name": "g", "arguments": "{}"}}]
    row = chat(say("user", "x"), say("assistant", TAGGED, tool_calls=listed), say("tool", BACK, tool_call_id="a"))
    (trace,), _ = read(write_lines(tmp_path / "r.jsonl", row))
    assert [(m.text, [call.name for call in m.tool_calls]) for m in trace.messages[1:]] == [(TAGGED, ["g"]), (BACK, [])]


@pytest.mark.parametrize(
    "body",
    [json.dumps([TOOL, TOOL]), f"\n{json.dumps(TOOL)}\n{json.dumps(TOOL)}\n", json.dumps([TOOL["function"]] * 2)],
    ids=["list", "lines", "flat"],
)
def test_tools_of_a_system_prompt(tmp_path: Path, body: str) -> None:
    prompt = f"Signatures stand within <tools></tools> XML tags. Here they are: <tools> {body} </tools> Answer."
    row = {"conversations": [{"from": "system", "value": prompt}, {"from": "human", "value": "x"}]}
    rows = [row, {**row, "tools": json.dumps([{"name": "own"}])}]
    (told, own), log = read(write_lines(tmp_path / "r.jsonl", *rows))
    assert (told.tools, log.losses) == ((TOOL, TOOL), [])
    assert [tool["function"]["name"] for tool in own.tools] == ["own"]
    assert told.messages[0].text == prompt


@pytest.mark.parametrize(
    "text",
    [
        "<tools>[{'name': 'f', 'x': {1}}]</tools>",
        "<tools>[",
        "<tools></tools>",
        '<tools>[{"x": 1}]</tools>',
        '<tools>[{"name": "f"}, {"x": 1}]</tools>',
        "</tools>",
    ],
)
def test_tools_that_are_no_definitions_are_none(text: str) -> None:
    assert find_tools(text) == ()


def test_many_open_tags_take_no_longer_than_their_length() -> None:
    assert split_calls("\n<tool_call>" * 200_000) is None
    assert find_tools("<tools>" * 200_000) == ()
