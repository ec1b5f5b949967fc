"""Rows of Codex that are decoded typed mean what the tolerant decoder makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.ingest.codex_rows import (
    META,
    NAME,
    Row,
    call,
    compact,
    event,
    item,
    list_losses,
    output,
    read,
    read_rows,
    say,
    tell,
    write_rows,
)
from tracemill.ingest.codex.rows import read_items
from tracemill.ingest.json_fields import dump_json, dump_text_field
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import SELF

#: No field that a message has, and of a shape that no item has: such a row is read by the tolerant decoder.
ODD = {"summary": 5}


def describe(path: Path) -> bytes:
    traces, log = read(path)
    return msgspec.json.encode([[trace.messages for trace in traces], log.losses, log.notes])


@pytest.mark.parametrize(
    "content",
    [
        "Words",
        "",
        [],
        [{"type": "input_text", "text": "One"}, {"type": "output_text", "text": "Two"}, {"type": "text", "text": "3"}],
        [{"type": "input_text", "text": "One"}, {"type": "text", "text": "  "}, {"type": "input_text", "text": "Two"}],
        [{"type": "input_text", "text": " ", "output_text": "Two"}],
        [{"type": "output_text", "output_text": "Two"}, {"type": "input_text", "text": None}],
        [{"type": "encrypted_content", "encrypted_content": "x"}, {"type": "input_text", "text": "Two"}],
        [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}],
        [{"type": "input_image", "image_url": {"url": "https://example.com/a.png"}, "detail": "high"}],
        [{"type": "input_image", "data": "AAAA", "mimeType": "image/gif"}],
        [{"type": "input_image", "data": "AAAA", "mime_type": "image/webp"}],
        [{"type": "input_image", "source": {"data": "AAAA", "media_type": "image/jpeg"}}],
        [{"type": "input_image", "media_type": "image/bmp", "url": "a.bmp"}],
        [{"type": "input_image", "text": "seen"}],
        [{"type": "input_text", "text": '<image name="a">'}, {"type": "input_image", "image_url": "a"}],
        [{"type": "reasoning_text", "text": " "}],
        [{"type": "video", "frames": [1]}],
        [{"type": "input_text", "text": 5}],
        ["One", {"type": "input_text", "text": "Two"}],
        [{"text": "One"}],
        [None],
    ],
    ids=str,
)
@pytest.mark.parametrize("role", ["user", "assistant", "developer"], ids=str)
def test_content_means_the_same_however_it_is_decoded(tmp_path: Path, role: str, content: Any) -> None:
    row = item("message", role=role, content=content)
    odd = {**row, "payload": {**row["payload"], **ODD}}
    rows = [META, row, say("user", "Go on")]
    typed = describe(write_rows(tmp_path / NAME, rows))
    assert typed == describe(write_rows(tmp_path / NAME, [META, odd, say("user", "Go on")]))


@pytest.mark.parametrize(
    "row",
    [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"role": "user", "message": "Hello", "created_at": "2025-05-01T10:00:02Z", "model": "o4-mini"},
        {"role": "user", "content": "Hello", "timestamp": " ", "created_at": "2025-05-01T10:00:02Z"},
        {"type": "", "role": "assistant", "content": "Hello"},
        {"role": "visitor", "content": "Hello"},
        {"role": "user"},
        {"role": "user", "content": "Hello", "record_type": "state"},
        {"role": "user", "content": "Hello", "payload": None},
        {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c1"},
        {"type": "token_count", "info": {"total_token_usage": {"input_tokens": 5}}},
        {"type": "response_item", "role": "user", "content": "Hello"},
        {"type": "unheard_of", "role": "user", "content": "Hello"},
    ],
    ids=str,
)
def test_legacy_rows_mean_the_same_however_they_are_decoded(tmp_path: Path, row: Row) -> None:
    start: Row = {"role": "user", "content": "Start"}
    typed = describe(write_rows(tmp_path / NAME, [start, row]))
    tolerant = describe(write_rows(tmp_path / NAME, [start, {**row, **ODD}]))
    assert typed == tolerant.replace(b', \\"summary\\": 5', b"")


def test_a_message_without_a_type_is_one(tmp_path: Path) -> None:
    rows = [META, {"type": "response_item", "payload": {"role": "user", "content": "Hello"}}]
    trace, log = read_rows(tmp_path, rows)
    assert tell(trace) == [("human", "Hello")]
    assert log.losses == []


def test_a_row_has_the_first_time_that_it_tells(tmp_path: Path) -> None:
    inner = {"type": "message", "role": "user", "content": "Hello", "timestamp": "2026-01-05T10:00:09Z"}
    rows: list[Row] = [
        {"timestamp": " ", "created_at": "2026-01-05T10:00:08Z", "type": "response_item", "payload": inner},
        {"timestamp": "", "type": "response_item", "payload": inner},
        {"timestamp": None, "type": "session_meta", "payload": {"timestamp": "2026-01-05T10:00:07Z"}},
        {"type": "turn_context", "payload": {}},
    ]
    items = read_items(write_rows(tmp_path / NAME, rows), LossLog(path=""), ReadOptions())
    assert [row.timestamp and row.timestamp[-3:] for row in items] == ["08Z", "09Z", "07Z", None]
    assert [row.line for row in items] == [1, 2, 3, 4]


def test_words_that_only_an_event_holds_are_heard(tmp_path: Path) -> None:
    spoken = {"type": "AgentMessage", "id": "a", "content": [{"type": "Text", "text": "Done"}]}
    rows = [
        META,
        say("user", "Go"),
        event("item_completed", item={"type": "UserMessage", "content": [{"type": "text", "text": "Go"}]}),
        event("item_completed", item={"type": "CommandExecution", "stdout": "x", "content": "x"}),
        event("item_completed", item=spoken),
        event("item_completed", item="odd"),
        event("item_completed", item={**spoken, "content": "Tolerantly"}, info=5),
        event("item_completed", item={**spoken, "content": [{"type": "Text", "text": "More"}], "type": "AgentMessage"}),
    ]
    trace, log = read_rows(tmp_path, rows)
    assert tell(trace) == [("human", "Go"), ("model", "Done\n\nTolerantly\n\nMore")]
    assert log.losses == []


def test_a_compaction_does_not_find_what_was_rolled_back(tmp_path: Path) -> None:
    def write(text: str) -> Row:
        return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}

    rows = [
        META,
        say("user", "One"),
        say("user", "Two"),
        event("thread_rolled_back", num_turns=1),
        say("user", "Three"),
        compact([write("One"), write("Two"), write(" Three ")]),
    ]
    trace, _ = read_rows(tmp_path, rows)
    assert trace.messages[-1].text == "Two"
    assert trace.messages[-1].context == (0, SELF, 1)


def test_an_item_of_a_history_of_any_shape_is_text(tmp_path: Path) -> None:
    history: list[Any] = [
        "odd",
        {"role": "user", "message": "Legacy"},
        {"type": "message", "role": 5, "content": "Five"},
    ]
    trace, _ = read_rows(tmp_path, [META, say("user", "One"), compact(history)])
    assert trace.messages[-1].text == "Legacy\n\nFive"


def test_what_an_empty_history_item_holds_is_no_text(tmp_path: Path) -> None:
    history = [{"type": "message", "role": "user", "content": ""}, {"type": "message", "role": "user", "content": []}]
    trace, _ = read_rows(tmp_path, [META, say("user", "One"), compact(history)])
    assert trace.messages[-1].text == ""


def test_results_without_a_call_are_lost_and_the_others_stay(tmp_path: Path) -> None:
    rows = [
        META,
        say("user", "Go"),
        output("c1", "before its call"),
        call("c1"),
        output("c1", "first"),
        output("c1", "second"),
        output("c9", "no call"),
        call("c2"),
    ]
    trace, log = read_rows(tmp_path, rows)
    assert [message.text for message in trace.messages if message.role == "tool"] == ["first"]
    assert list_losses(log) == [("unpaired_result", 3), ("unpaired_result", 6), ("unpaired_result", 7)]
    assert log.notes == {"unpaired_call": 1}


@pytest.mark.parametrize("text", ["", 'a "b" \\ \n\t\x00\x1f\x7f', "é 日本 😀 \u2028", "\ud800"], ids=ascii)
def test_a_field_of_text_is_written_as_any_object(text: str) -> None:
    assert dump_text_field("input", text) == dump_json({"input": text})
