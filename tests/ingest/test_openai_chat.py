"""Chat datasets: OpenAI messages and ShareGPT, in JSONL and Parquet."""

from __future__ import annotations

import json
import tempfile
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.test_nemo_gym import ANY_JSON, CORPUS, NEEDS_CORPUS, Row, change, list_places, write_lines
from tests.ingest.test_nemo_gym import read as read_with
from tests.ingest.test_nemo_gym import read_entries as read_entries_with
from tracemill.export.chat import build_example
from tracemill.ingest.openai_chat.reader import SOURCE
from tracemill.ingest.source import Head, LossLog
from tracemill.trace import Message, ToolCall, Trace

EXAMPLES = Path(__file__).parents[2] / "examples" / "openai_chat"


def chat(*messages: Any, **more: Any) -> Row:
    return {"messages": list(messages), **more}


def say(role: str, content: Any = None, **more: Any) -> Row:
    return {"role": role, "content": content, **more}


def call(call_id: str | None, arguments: Any = "{}", name: str | None = "look") -> Row:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


read, read_entries = partial(read_with, source=SOURCE), partial(read_entries_with, source=SOURCE)


def read_row(tmp_path: Path, *messages: Any, **more: Any) -> tuple[Trace, LossLog]:
    (trace,), log = read(write_lines(tmp_path / "d.jsonl", chat(*messages, **more)))
    return trace, log


@pytest.mark.corpus
@NEEDS_CORPUS
def test_no_file_of_another_format_is_taken_for_a_chat_dataset() -> None:
    files = [path for folder in (Path(CORPUS), EXAMPLES.parent) for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert {path.parent for path in files if SOURCE.read_head(path) is not None} == {EXAMPLES}


def test_small() -> None:
    (first, second), log = read(EXAMPLES / "ferry.jsonl")
    day = '{"route":"Hollin","day":"2026-05-03"}'
    places = ToolCall("c2", "count_places", '{"sailing":"H-22:40"}')
    assert first.messages == (
        Message("system", "You answer for a ferry line.", "injected"),
        Message("user", "Is there room for a car on the last ferry to Hollin on 3 May?", "human"),
        Message("assistant", "", "model", "First the sailings of that day.", (ToolCall("c1", "find_sailings", day),)),
        Message("tool", '{"sailings": ["H-18:10", "H-22:40"]}', "tool", tool_call_id="c1"),
        Message("assistant", "The last one leaves at 22:40.", tool_calls=(places,)),
        Message("tool", "7", "tool", tool_call_id="c2"),
        Message("assistant", "Yes: the ferry at 22:40 has 7 places left for cars."),
    )
    assert (first.trace_id, first.task_id, first.success, first.reward) == ("ferry-3", "ferry", True, 1.0)
    assert (first.model, first.verdict_source, first.source_kind) == ("example/ferry-4b", "dataset", "openai_chat")
    assert [tool["function"]["name"] for tool in first.tools] == ["find_sailings", "count_places"]
    assert first.source_meta == {"layout": "openai", "fields": {"split": "train"}}
    assert second.messages[1].tool_calls == (ToolCall("message_1_call_0", "find_sailings", '{"route": "Hollin"}'),)
    assert (second.messages[2].role, second.messages[2].tool_call_id) == ("tool", "message_1_call_0")
    assert (second.success, second.reward) == (False, 0.0)
    assert (log.losses, log.notes) == ([], {})
    assert read_entries(EXAMPLES / "ferry.jsonl") == [first, second]


def test_small_sharegpt() -> None:
    (trace,), log = read(EXAMPLES / "library_sharegpt.jsonl")
    assert [message.role for message in trace.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert trace.messages[2].tool_calls == (ToolCall("message_1_call_0", "find_book", '{"word": "lighthouse"}'),)
    assert (trace.trace_id, trace.source_meta) == ("library_sharegpt:1", {"layout": "sharegpt"})
    assert [tool["function"]["name"] for tool in trace.tools] == ["find_book"]
    assert (trace.success, trace.reward, trace.verdict_source, log.losses) == (None, None, None, [])


def test_what_tracemill_writes_it_reads_back(tmp_path: Path) -> None:
    (trace,), log = read(write_lines(tmp_path / "sft.jsonl", build_example("Write a haiku", "Rain on the harbour")))
    assert trace.messages == (Message("user", "Write a haiku", "human"), Message("assistant", "Rain on the harbour"))
    (ferry, _), _ = read(EXAMPLES / "ferry.jsonl")
    row = {"trace_id": "t", "messages": [message.to_dict() for message in ferry.messages], "tools": list(ferry.tools)}
    (again,), log = read(write_lines(tmp_path / "all.jsonl", row))
    assert (again.messages, again.tools, again.trace_id, log.losses) == (ferry.messages, ferry.tools, "t", [])


def test_parts_and_shapes_of_calls(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    flat, custom = {"name": "f", "arguments": None}, {"id": "k", "custom": {"name": "g", "input": "raw"}}
    calls = json.dumps([call("a", {"x": 1}), flat, custom])
    user = say("user", [{"type": "text", "text": "See"}, picture, {"type": "hologram"}])
    trace, log = read_row(tmp_path, user, say("assistant", tool_calls=calls), say("tool", "1", tool_call_id="a"))
    image = {"type": "image", "media_type": "image/png", "size_bytes": 3}
    assert trace.messages[0].content == ({"type": "text", "text": "See"}, image)
    made = (ToolCall("a", "look", '{"x": 1}'), ToolCall("message_1_call_1", "f", "{}"), ToolCall("k", "g", "raw"))
    assert trace.messages[1].tool_calls == made
    assert (trace.dropped, log.notes) == ({"unknown_content_block": 1}, {"unpaired_call": 2})


def test_blocks_of_anthropic(tmp_path: Path) -> None:
    use = {"type": "tool_use", "id": "t1", "name": "look", "input": {"x": 1}}
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "I look"}, use]
    back = [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "no"}], "is_error": True}]
    trace, log = read_row(tmp_path, say("user", "Go"), say("assistant", blocks), say("user", back))
    assert trace.messages[1:] == (
        Message("assistant", "I look", "model", "hm", (ToolCall("t1", "look", '{"x": 1}'),)),
        Message("tool", "no", "tool", tool_call_id="t1", is_error=True),
    )
    assert log.losses == []


def test_reasoning_and_fields_of_messages(tmp_path: Path) -> None:
    turns = [say("assistant", "a", reasoning="r"), say("assistant", "<think>t</think>\nb")]
    turns.append(say("assistant", refusal="No"))
    usage = {"prompt_tokens": 10, "completion_tokens": 2}
    last = say("assistant", "c", model="m", finish_reason="stop", usage=usage, timestamp="2026-05-01T10:00:00Z")
    trace, _ = read_row(tmp_path, say("user", "x"), *turns, last)
    assert [m.reasoning_content for m in trace.messages[1:]] == ["r", "t", None, None]
    assert [m.text for m in trace.messages[1:]] == ["a", "b", "No", "c"]
    assert trace.messages[-1].usage == {"input_tokens": 10, "output_tokens": 2}
    assert (trace.model, trace.input_tokens, trace.messages[-1].stop_reason) == ("m", 10, "stop")
    assert (trace.started_at, trace.ended_at) == ("2026-05-01T10:00:00Z",) * 2


def test_order_and_pairs(tmp_path: Path) -> None:
    turn = say("assistant", "", tool_calls=[call("a"), call("b"), call("c")])
    results = [say("tool", text, tool_call_id=key) for key, text in (("b", "2"), ("a", "1"), ("z", "?"))]
    trace, log = read_row(tmp_path, say("user", "x"), turn, *results, say("assistant", "done"))
    assert [(m.tool_call_id, m.text) for m in trace.messages[2:]] == [("a", "1"), ("b", "2"), (None, "done")]
    assert (trace.dropped, log.notes) == ({"unpaired_result": 1}, {"unpaired_call": 1})


def test_what_no_person_wrote_is_injected(tmp_path: Path) -> None:
    mixed = say("user", "<system-reminder>be brief</system-reminder>\nHow tall is it?")
    text_call = say("assistant", "<tool_call>measure</tool_call>")
    trace, log = read_row(tmp_path, mixed, text_call, say("tool", "31 m"), say("user", "Continue", origin="injected"))
    assert [m.origin for m in trace.messages] == ["injected", "human", "model", "injected", "injected"]
    assert (trace.goal, log.losses) == ("How tall is it?", [])


def test_names_are_unique_and_stable(tmp_path: Path) -> None:
    ids: list[Row] = [{"id": "a"}, {"id": "a"}, {"trace_id": "b", "id": 3}, {"id": 7}]
    ids += [{"task_id": "t"}, {"task_id": "t"}, {}, {"id": "d:7"}]
    path = write_lines(tmp_path / "d.jsonl", *(chat(say("user", "x"), **row) for row in ids))
    names = ["a", "a~2", "b", "7", "t:5", "t:6", "d:7", "d:7~8"]
    assert [trace.trace_id for trace in read(path)[0]] == names
    assert [trace.trace_id for trace in read_entries(path)] == names
    assert [entry.head.root_session_id for entry in SOURCE.list_entries(path) or ()] == names


def test_outcomes(tmp_path: Path) -> None:
    rows: list[Row] = [{"success": True}, {"success": 0, "reward": 0.25}, {"resolved": 1}, {"resolved": False}]
    rows += [{"success": "Yes ", "reward": "1"}, {"reward": 1}, {"success": "", "resolved": "failed", "reward": "-.5"}]
    traces, log = read(write_lines(tmp_path / "d.jsonl", *(chat(say("user", "x"), **row) for row in rows)))
    assert [trace.success for trace in traces] == [True, False, True, False, True, None, False]
    assert [trace.reward for trace in traces] == [None, 0.25, None, None, 1.0, 1.0, -0.5]
    assert [trace.verdict_source for trace in traces] == ["dataset"] * 7
    assert log.losses == []


@pytest.mark.parametrize(
    ("row", "lost"),
    [
        ({"success": 2, "reward": float("nan")}, 2),
        ({"success": "maybe", "resolved": "?"}, 2),
        ({"reward": "high"}, 1),
        ({"reward": "inf"}, 1),
        ({"reward": [0.5], "success": {"tests": True}}, 2),
    ],
    ids=["number", "words", "text", "infinite", "nested"],
)
def test_an_outcome_that_cannot_be_read_is_unknown_and_counted(tmp_path: Path, row: Row, lost: int) -> None:
    trace, log = read_row(tmp_path, say("user", "x"), **row)
    assert (trace.success, trace.reward, trace.verdict_source) == (None, None, None)
    assert (trace.dropped, log.losses[0].line) == ({"malformed_record": lost}, 1)


def test_faulty_lines_and_messages_cost_themselves_alone(tmp_path: Path) -> None:
    good = json.dumps(chat(say("user", "x"), say("assistant", "y")))
    odd = chat(3, say("narrator", "x"), say("assistant"), {"content": "x"}, say("user", "z"))
    turn = say("assistant", "k", tool_calls="{broken", function_call={"arguments": "{}"})
    lines = [good, "{broken", "[1]", good * 2, '{"type": "beat"}', '{"messages": 3}', json.dumps(odd)]
    path = write_lines(tmp_path / "d.jsonl", *lines, chat(turn), chat(say("system", "alone")), chat(), good[:-9])
    traces, log = read(path)
    assert [trace.trace_id for trace in traces] == ["d:1", "d:4", "d:4.2", "d:7", "d:8"]
    lost = [(loss.line, loss.reason) for loss in log.losses]
    assert lost[:4] == [(2, "bad_json"), (3, "not_an_object"), (5, "unknown_record_type"), (6, "malformed_record")]
    malformed = [(7, "malformed_record"), (7, "unknown_record_type"), *[(7, "malformed_record")] * 2]
    assert lost[4:10] == [*malformed, *[(8, "malformed_record")] * 2]
    assert lost[10:] == [(9, "no_messages"), (10, "no_messages"), (11, "cut_line")]
    assert read_entries(path) == traces


def test_files_without_a_trace(tmp_path: Path) -> None:
    foreign = (b'{"type": "session"}\n', b'{"responses_create_params": {}, "response": {}, "messages": []}\n')
    expected = {b"": "empty_file", **dict.fromkeys(foreign, "foreign_file")}
    lines = {**expected, b'{"messages": []}\n': "no_messages", b"\xff\xfe\x01": "bad_json"}
    tables = {b"": "empty_file", b"hello": "foreign_file", b"PAR1 and no more": "unreadable_file"}
    for name, contents in (("a.jsonl", lines), ("a.parquet", tables)):
        for content, reason in contents.items():
            (path := tmp_path / name).write_bytes(content)
            traces, log = read(path)
            assert (traces, [loss.reason for loss in log.losses]) == ([], [reason])
            assert SOURCE.list_entries(path) is None
            with pytest.raises(OSError, match="damaged or cut") if reason == "unreadable_file" else nullcontext():
                assert SOURCE.read_head(path) is None


def write_table(path: Path, rows: list[Row]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    return path


def test_parquet(tmp_path: Path) -> None:
    calls = [call("a", {"x": 1}), call("b", {"y": 2}), call("a", {"x": 1})]
    turns = [[say("assistant", None, tool_calls=[item]), say("tool", "ok", tool_call_id=item["id"])] for item in calls]
    others = {"seen": date(2026, 5, 1), "price": Decimal("1.5"), "blob": b"x"}
    rows = [chat(say("user", "go"), *turns[n], id=(1, 2, 2)[n], **others) for n in range(3)]
    path = write_table(tmp_path / "d.parquet", rows)
    traces, log = read(path)
    assert [trace.trace_id for trace in traces] == ["1", "2", "2~3"]
    assert [trace.messages[1].tool_calls[0].arguments for trace in traces] == ['{"x": 1}', '{"y": 2}', '{"x": 1}']
    assert traces[0].source_meta["fields"] == {"seen": "2026-05-01", "price": 1.5}
    assert log.losses == []
    entries, head = SOURCE.list_entries(path), SOURCE.read_head(path)
    assert [entry.head.root_session_id for entry in entries or ()] == ["1", "2~3"]
    assert read_entries(path) == traces
    assert head == Head("1")


def test_parquet_of_texts_and_of_something_else(tmp_path: Path) -> None:
    rows = [{"conversations": json.dumps([{"from": "human", "value": "hi"}]), "task_id": "t"}, {"conversations": "no"}]
    traces, log = read(write_table(tmp_path / "d.parquet", rows))
    assert [(trace.trace_id, trace.goal) for trace in traces] == [("t:1", "hi")]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("malformed_record", 2)]
    assert read(path := write_table(tmp_path / "e.parquet", [{"text": "hi"}]))[1].losses[0].reason == "foreign_file"
    assert SOURCE.read_head(path) is None


def test_a_damaged_row_group_costs_itself_alone(tmp_path: Path) -> None:
    rows = [chat(say("user", f"row {n} " + "x" * 400)) for n in range(6)]
    path = write_table(tmp_path / "d.parquet", rows)
    raw = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    raw[start : start + 40] = b"\xff" * 40
    path.write_bytes(raw)
    traces, log = read(path)
    assert [trace.goal[:5] for trace in traces] == ["row 0", "row 1", "row 4", "row 5"]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("unreadable_file", 3)]


def make_full() -> Row:
    text = [{"type": "text", "text": "t"}]
    turn = say("assistant", text, tool_calls=[call("a")], reasoning="r", usage={"prompt_tokens": 1})
    legacy = say("assistant", None, function_call={"name": "f", "arguments": "{}"}, timestamp=1)
    talk = [say("user", "u", origin="human"), turn, say("tool", "r", tool_call_id="a", is_error=False), legacy]
    share = {"from": "function_call", "value": '{"name": "f"}'}
    ids = {"id": "i", "trace_id": None, "task_id": "t", "success": True, "reward": 1, "usage": {"input_tokens": 1}}
    return chat(*talk, share, say("function", "x"), tools=[{"name": "f"}], system="s", created_at=0, **ids)


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from(list(list_places(make_full()))), value=ANY_JSON, raw=st.binary(max_size=80))
def test_any_value_and_any_bytes_cost_their_row_at_most(place: tuple[Any, ...], value: Any, raw: bytes) -> None:
    changed = change(make_full(), place, value)
    good = json.dumps(chat(say("user", "ok"))).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.jsonl"
        path.write_bytes(b"\n".join([good, changed, good, raw.replace(b"\n", b" "), good]))
        traces, log = read(path)
        names = [trace.trace_id for trace in traces]
        assert len(set(names)) == len(names)
        assert [trace.goal for trace in traces if trace.trace_id in ("r:1", "r:3", "r:5")] == ["ok"] * 3
        assert len(traces) == 4 or log.losses
        assert read_entries(path) == traces
        assert SOURCE.read_head(path) is not None
        path.write_bytes(raw)
        assert read(path)[0] == []
        assert SOURCE.read_head(path) is None
        (table := path.with_suffix(".parquet")).write_bytes(b"PAR1" + raw)
        assert read(table)[0] == []
