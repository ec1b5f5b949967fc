"""ShareGPT conversations, prompts with completions, and what our own exporters write of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.export.examples import CALLING, MINIMAL, RICH, read_back, tell
from tests.ingest.test_openai_chat import read, write_lines
from tracemill.export.example import ExportOptions
from tracemill.export.registry import EXPORTERS
from tracemill.ingest.openai_chat.reader import SOURCE
from tracemill.ingest.source import LossLog
from tracemill.trace import Message, ToolCall


def read_turns(tmp_path: Path, *turns: tuple[str, str]) -> tuple[tuple[Message, ...], LossLog]:
    said = [{"from": name, "value": value} for name, value in turns]
    (trace,), log = read(write_lines(tmp_path / "s.jsonl", {"conversations": said}))
    return trace.messages, log


CALL = '{"name": "f", "arguments": {"x": 1}}'
CALLS = f'[{CALL}, {{"name": "g", "arguments": {{}}}}]'
BOTH = (ToolCall("message_1_call_0", "f", '{"x": 1}'), ToolCall("message_1_call_1", "g", "{}"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"<think>\nBoth.\n</think>\n\n{CALLS}", Message("assistant", "", "model", "Both.", BOTH)),
        (f" <think>a</think>{CALL}", Message("assistant", "", "model", "a", BOTH[:1])),
        (CALLS, Message("assistant", "", "model", None, BOTH)),
        ("<think>a</think>I give up", Message("assistant", "I give up", "model", "a")),
        (f"<think>a {CALLS}", Message("assistant", f"<think>a {CALLS}")),
        (f"Well: <think>a</think>{CALLS}", Message("assistant", f"Well: <think>a</think>{CALLS}")),
    ],
    ids=["list", "object", "no_thoughts", "no_call", "open_tag", "text_before"],
)
def test_thoughts_before_a_call(tmp_path: Path, value: str, expected: Message) -> None:
    messages, log = read_turns(tmp_path, ("human", "x"), ("function_call", value))
    assert messages[1] == expected
    assert log.losses == []


def test_results_that_share_an_observation(tmp_path: Path) -> None:
    joint = "\n</tool_response>\n<tool_response>\n"
    turns = [("human", "x"), ("function_call", CALLS)]
    messages, log = read_turns(tmp_path, *turns, ("observation", f"1{joint}"), ("gpt", "y"))
    assert [(m.tool_call_id, m.text) for m in messages[2:4]] == [(BOTH[0].id, "1"), (BOTH[1].id, "")]
    assert (len(messages), log.losses, log.notes) == (5, [], {})
    messages, log = read_turns(tmp_path, *turns, ("observation", f"1{joint}2{joint}3"), ("gpt", "y"))
    assert [(m.tool_call_id, m.text) for m in messages[2:3]] == [(BOTH[0].id, f"1{joint}2{joint}3")]
    assert (len(messages), log.notes) == (4, {"unpaired_call": 1})


@pytest.mark.parametrize("shape", ["joined", "separate"])
def test_our_own_export_with_inline_reasoning_reads_back(tmp_path: Path, shape: str) -> None:
    exporter, path = EXPORTERS["sharegpt"], tmp_path / "rows.jsonl"
    options = ExportOptions(shape=shape, reasoning="inline")
    exporter.write_rows(path, [exporter.build_row(example, options) for example in (RICH, MINIMAL)])
    rich, hello = read_back(SOURCE, path)
    ids = [call.id for call in rich.messages[2].tool_calls]
    assert len(set(ids)) == len(CALLING.tool_calls)
    names = dict(zip(ids, ("c1", "c2"), strict=True))
    said = [
        (*row[:3], [(names[key], *rest) for key, *rest in row[3]], names.get(row[4])) for row in tell(rich.messages)
    ]
    assert said == tell(RICH.messages or ())
    assert tell(hello.messages) == tell((Message("user", "Hallo?", "human"), Message("assistant", "Moin.")))


@pytest.mark.parametrize("is_table", [False, True], ids=["jsonl", "parquet"])
def test_prompts_with_completions(tmp_path: Path, is_table: bool) -> None:
    exporter = EXPORTERS["prompt_completion"]
    rows = [exporter.build_row(example, ExportOptions()) for example in (RICH, MINIMAL)]
    path = tmp_path / ("rows.parquet" if is_table else "rows.jsonl")
    if is_table:
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        exporter.write_rows(path, rows)
    rich, hello = read_back(SOURCE, path)
    assert tell(rich.messages) == tell(RICH.messages or ())
    assert tell(hello.messages) == tell((Message("user", "Hallo?", "human"), Message("assistant", "Moin.")))
    assert [tool["function"]["name"] for tool in rich.tools] == ["read_tide", "read_wind"]


def test_prompts_that_are_no_messages_are_no_traces(tmp_path: Path) -> None:
    turn = [{"role": "assistant", "content": "b"}]
    rows = [{"prompt": "a", "completion": turn}, {"prompt": [{"text": "a"}], "completion": turn}, {"prompt": turn}]
    rows += [{"prompt": "a", "completion": " "}, {"instruction": "a", "output": None}, {"instruction": "a"}]
    traces, log = read(write_lines(tmp_path / "r.jsonl", *rows))
    assert (traces, [loss.reason for loss in log.losses]) == ([], ["foreign_file"])
    assert SOURCE.read_head(tmp_path / "r.jsonl") is None


@pytest.mark.parametrize("is_table", [False, True], ids=["jsonl", "parquet"])
def test_rows_of_texts(tmp_path: Path, is_table: bool) -> None:
    alpaca = {"instruction": "Translate.", "input": "Moin", "output": "<think>hm</think>Hello", "system": "Be brief."}
    alpaca |= {"history": [["Hi", "Yes?"]], "split": "train", "id": "a", "prompt": None, "completion": None}
    plain = {"instruction": "Go", "input": "", "output": "Gone", "system": "", "history": [], "split": "test"}
    half = {"prompt": "[1, 2]?", "completion": "[3]", "label": True, "split": "x"}
    rows = [{**dict.fromkeys((*alpaca, *half)), **row} for row in (alpaca, plain, half)]
    path = tmp_path / ("rows.parquet" if is_table else "rows.jsonl")
    if is_table:
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        write_lines(path, *rows)
    first, second, third = read_back(SOURCE, path)
    assert first.messages == (
        Message("system", "Be brief.", "injected"),
        Message("user", "Hi", "human"),
        Message("assistant", "Yes?"),
        Message("user", "Translate.\nMoin", "human"),
        Message("assistant", "Hello", reasoning_content="hm"),
    )
    assert (first.trace_id, first.source_meta) == ("a", {"layout": "alpaca", "fields": {"split": "train"}})
    assert [(m.role, m.text) for m in second.messages] == [("user", "Go"), ("assistant", "Gone")]
    assert second.source_meta == {"layout": "alpaca", "fields": {"split": "test"}}
    assert [(m.role, m.text) for m in third.messages] == [("user", "[1, 2]?"), ("assistant", "[3]")]
    assert third.source_meta == {"layout": "prompt_completion", "fields": {"label": True, "split": "x"}}
    assert (third.success, third.reward) == (None, None)
    assert SOURCE.read_head(path) is not None


def test_a_table_of_instructions(tmp_path: Path) -> None:
    rows = [{"instruction": "Go", "output": "Gone", "history": [["Hi", "Yes?"]]}, {"instruction": "x", "output": "y"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    first, second = read_back(SOURCE, tmp_path / "rows.parquet")
    assert [m.text for m in (*first.messages, *second.messages)] == ["Hi", "Yes?", "Go", "Gone", "x", "y"]


@pytest.mark.parametrize("history", ["", "[]", None, []], ids=["text", "json", "null", "list"])
def test_an_empty_history_is_none(tmp_path: Path, history: Any) -> None:
    row = {"instruction": "Go", "output": "Gone", "history": history}
    (trace,) = read_back(SOURCE, write_lines(tmp_path / "r.jsonl", row))
    assert len(trace.messages) == 2


@pytest.mark.parametrize("history", ["Hi: Yes?", [["Hi"]], [["Hi", None]], {"Hi": "Yes?"}, ["Hi", "Yes?"]])
def test_a_history_that_is_no_pairs_is_counted(tmp_path: Path, history: Any) -> None:
    row = {"instruction": "Go", "output": "Gone", "history": history}
    (trace,), log = read(write_lines(tmp_path / "r.jsonl", row))
    assert [m.text for m in trace.messages] == ["Go", "Gone"]
    assert {loss.reason for loss in log.losses} == {"malformed_record"}
