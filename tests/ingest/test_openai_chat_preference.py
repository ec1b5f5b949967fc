"""Rows of a better and a worse answer: two traces each, whoever wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.export.examples import ANSWER, RICH, SPOKEN, read_back, tell
from tests.ingest.test_openai_chat import read, read_entries, write_lines
from tracemill.export.example import Example, ExportOptions
from tracemill.export.registry import EXPORTERS
from tracemill.ingest.collect import Intake, collect_traces
from tracemill.ingest.inventory import Partition, Selection, take_inventory
from tracemill.ingest.openai_chat.reader import SOURCE
from tracemill.trace import Message

Row = dict[str, Any]
HELLO, MOIN = {"role": "user", "content": "Hallo?"}, {"role": "assistant", "content": "Moin."}
WAS = {"role": "assistant", "content": "Was?"}
BOTH = [("m-1:chosen", ["Hallo?", "Moin."]), ("m-1:rejected", ["Hallo?", "Was?"])]


def export(folder: Path, example: Example, shape: str, suffix: str) -> Path:
    exporter, path = EXPORTERS["preference"], folder / f"rows{suffix}"
    row = exporter.build_row(example, ExportOptions(shape=shape))
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        exporter.write_rows(path, [row])
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("shape", ["trl", "text", "together", "openai"])
def test_what_is_exported_is_read_back(tmp_path: Path, shape: str, suffix: str) -> None:
    example = SPOKEN if shape == "text" else RICH
    chosen, rejected = read_back(SOURCE, export(tmp_path, example, shape, suffix))
    silent = replace_thoughts if shape == "openai" else list
    prompt = [Message("user", "Tide?", "human")] if shape == "text" else list(RICH.prompt or ())
    assert tell(chosen.messages) == tell(silent([*prompt, ANSWER]))  # type: ignore[list-item]
    assert tell(rejected.messages) == tell(silent([*prompt, Message("assistant", "Weiß nicht.")]))  # type: ignore[list-item]
    name = "rows:1" if shape in ("together", "openai") else example.trace_id
    assert [trace.trace_id for trace in (chosen, rejected)] == [f"{name}:chosen", f"{name}:rejected"]
    for trace, answer in ((chosen, "chosen"), (rejected, "rejected")):
        assert (trace.source_meta["preference"], trace.source_meta["pair"]) == (answer, 1)
        assert (trace.success, trace.reward, trace.root_session_id) == (None, None, name)
        assert [tool["function"]["name"] for tool in trace.tools] == [
            tool.get("function", tool)["name"] for tool in example.tools
        ]


def replace_thoughts(messages: list[Message]) -> list[Message]:
    return [Message(m.role, m.content, m.origin, None, m.tool_calls, m.tool_call_id) for m in messages]


ROWS: dict[str, Row] = {
    "texts": {"prompt": "Hallo?", "chosen": "Moin.", "rejected": "Was?"},
    "question": {"question": "Hallo?", "chosen": "Moin.", "rejected": "Was?"},
    "messages": {"prompt": [HELLO], "chosen": [MOIN], "rejected": [WAS]},
    "text_and_messages": {"prompt": "Hallo?", "chosen": [MOIN], "rejected": WAS},
    "messages_and_text": {"prompt": [HELLO], "chosen": "Moin.", "rejected": "Was?"},
    "whole_answers": {"chosen": [HELLO, MOIN], "rejected": [HELLO, WAS]},
    "repeated_prompt": {
        "prompt": "Hallo?",
        "chosen": [HELLO, MOIN],
        "rejected": [HELLO, WAS],
        "messages": [HELLO, MOIN],
    },
    "conversations": {
        "conversations": [{"from": "human", "value": "Hallo?"}],
        "chosen": {"from": "gpt", "value": "Moin."},
        "rejected": {"from": "gpt", "value": "Was?"},
    },
    "json": {"prompt": json.dumps([HELLO]), "chosen": json.dumps([MOIN]), "rejected": json.dumps([WAS])},
}


@pytest.mark.parametrize("name", ROWS)
def test_sets_of_that_shape(tmp_path: Path, name: str) -> None:
    verdict = {"id": "m-1", "success": True, "reward": 1.0, "usage": {"input_tokens": 3, "output_tokens": 4}}
    path = write_lines(tmp_path / "d.jsonl", {**ROWS[name], **verdict, "score_chosen": 0.9})
    traces, log = read(path)
    assert [(trace.trace_id, [item.text for item in trace.messages]) for trace in traces] == BOTH
    assert [(trace.success, trace.reward, trace.input_tokens, trace.verdict_source) for trace in traces] == [
        (None, None, None, None)
    ] * 2
    assert traces[0].source_meta["fields"] == {"score_chosen": 0.9}
    assert (log.losses, read_entries(path)) == ([], traces)


def test_an_instruction_has_its_input_and_a_system_prompt_stays(tmp_path: Path) -> None:
    row = {"system": "S", "instruction": "Translate.", "input": "Moin", "chosen": "Hello", "rejected": "Bye"}
    traces, _ = read(write_lines(tmp_path / "d.jsonl", row))
    assert [[item.text for item in trace.messages] for trace in traces] == [
        ["S", "Translate.\nMoin", text] for text in ("Hello", "Bye")
    ]


def test_what_answers_repeat_of_the_prompt_stands_once(tmp_path: Path) -> None:
    prompt = [{"role": "system", "content": "S"}, HELLO]
    row = {"prompt": prompt, "chosen": [HELLO, MOIN], "rejected": [*prompt, WAS]}
    traces, _ = read(write_lines(tmp_path / "d.jsonl", row))
    assert [[item.text for item in trace.messages] for trace in traces] == [
        ["S", "Hallo?", text] for text in ("Moin.", "Was?")
    ]


def test_rows_lines_and_pairs_are_counted_and_stay_together(tmp_path: Path) -> None:
    pair = {"prompt": "Hallo?", "chosen": "Moin.", "rejected": "Was?"}
    glued = json.dumps({**pair, "id": "a"}) + json.dumps({**pair, "id": "a"})
    path = write_lines(tmp_path / "d.jsonl", {"messages": [HELLO, MOIN]}, pair, glued, {**pair, "chosen": None})
    traces, log = read(path)
    names = [trace.trace_id for trace in traces]
    assert names == ["d:1", *(f"{name}:{word}" for name in ("d:2", "a", "a~3.2") for word in ("chosen", "rejected"))]
    assert [trace.source_meta.get("pair") for trace in traces] == [None, 2, 2, 3, 3, 3, 3]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("malformed_record", 4)]
    assert read_entries(path) == traces
    found: list[list[str]] = []
    for index in range(3):
        selection = Selection(partition=Partition(index, 3))
        inventory, intake = take_inventory(SOURCE, tmp_path, [path], selection), Intake()
        taken = collect_traces(SOURCE, inventory, selection, intake, redactor=None)
        found.append([trace.trace_id for trace in taken])
        intake.check()
    assert sorted(name for part in found for name in part) == sorted(names)
    for part in found:
        pairs = [name.rpartition(":")[0] for name in part if name != "d:1"]
        assert all(pairs.count(name) == 2 for name in pairs)


def test_tables_of_two_row_groups(tmp_path: Path) -> None:
    rows = [{**ROWS["repeated_prompt"], "id": number} for number in (1, 1, 2)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "d.parquet", row_group_size=2)
    traces, log = read(tmp_path / "d.parquet")
    assert [trace.trace_id for trace in traces] == [
        f"{name}:{word}" for name in ("1", "1~2", "2") for word in ("chosen", "rejected")
    ]
    assert (log.losses, read_entries(tmp_path / "d.parquet")) == ([], traces)
    head = SOURCE.read_head(tmp_path / "d.parquet")
    assert head is not None
    assert head.root_session_id == "1"


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "a", "chosen": "b", "rejected": " "},
        {"prompt": "a", "chosen": 3, "rejected": 4},
        {"chosen": "b", "rejected": "c"},
        {"prompt": "a", "chosen": [{"text": "b"}], "rejected": "c"},
        {"preferred_output": [MOIN], "non_preferred_output": [WAS]},
    ],
    ids=["no_answer", "numbers", "no_prompt", "no_messages", "no_input"],
)
def test_rows_without_a_prompt_and_two_answers_are_no_pairs(tmp_path: Path, row: Row) -> None:
    traces, log = read(write_lines(tmp_path / "d.jsonl", row))
    assert (traces, [loss.reason for loss in log.losses]) == ([], ["foreign_file"])


def test_a_finished_conversation_beside_two_answers_is_read_as_it_is(tmp_path: Path) -> None:
    traces, _ = read(write_lines(tmp_path / "d.jsonl", {"messages": [HELLO, MOIN], "chosen": "b", "rejected": "c"}))
    assert [[item.text for item in trace.messages] for trace in traces] == [["Hallo?", "Moin."]]
