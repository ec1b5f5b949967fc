"""What versions 0.150 and later of Codex write beside what earlier ones did (``history_mode: paginated``)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from msgspec.structs import replace

from tests.ingest.codex_rows import (
    META,
    NAME,
    Row,
    call,
    event,
    item,
    list_losses,
    output,
    read,
    read_rows,
    say,
    tell,
    wrap,
    write_rows,
)
from tracemill.ingest.codex.reader import SOURCE

KINDS = "internal_chat_message_metadata_passthrough"
SUB_META = {"id": "t2", "session_id": "t1", "source": {"subagent": {"thread_spawn": {"parent_thread_id": "t1"}}}}


def count(thread: int, *, usage: int = 7) -> Row:
    counts = {"input_tokens": usage, "output_tokens": 1}
    total = {"input_tokens": thread, "output_tokens": 2}
    return wrap("token_usage_record", {"response_id": "r", "usage": counts, "thread_token_usage": total})


def finish(kind: str, call_id: str, **fields: Any) -> Row:
    return event("item_completed", item={"type": kind, "id": call_id, **fields})


def write(content: Any, **fields: Any) -> Row:
    payload = {"author": "/root", "recipient": "/root/a", "content": content, "trigger_turn": True, **fields}
    return wrap("inter_agent_communication", payload)


def name_blocks(*blocks: tuple[str, str]) -> Row:
    row = say("user", *(text for _, text in blocks))
    row["payload"][KINDS] = {"turn_id": "x", "content_item_kinds": [name for name, _ in blocks]}
    return row


def test_a_usage_record_counts_the_response_that_ends(tmp_path: Path) -> None:
    rows = [
        META, say("user", "Go"), say("assistant", "One"), count(7),
        event("token_count", info={"last_token_usage": {"input_tokens": 7, "output_tokens": 1},
                                   "total_token_usage": {"input_tokens": 7, "output_tokens": 2}}),
        say("assistant", "Two"), count(16, usage=9),
    ]  # fmt: skip
    trace, log = read_rows(tmp_path, rows)
    assert log.losses == []
    assert [(message.text, message.usage) for message in trace.messages[1:]] == [
        ("One", {"input_tokens": 7, "output_tokens": 1}),
        ("Two", {"input_tokens": 9, "output_tokens": 1}),
    ]
    assert (trace.input_tokens, trace.output_tokens) == (16, 2)


@pytest.mark.parametrize("record", ["retained_context", "security_risk_score", "realtime_item", "world_state"])
def test_what_keeps_books_is_no_loss(tmp_path: Path, record: str) -> None:
    trace, log = read_rows(tmp_path, [META, say("user", "Go"), wrap(record, {"id": "x"}), item("additional_tools")])
    assert (tell(trace), log.losses) == ([("human", "Go")], [])


def test_an_unknown_record_is_still_a_loss(tmp_path: Path) -> None:
    _, log = read_rows(tmp_path, [META, say("user", "Go"), wrap("retained_contexts", {})])
    assert list_losses(log) == [("unknown_record_type", 3)]


@pytest.mark.parametrize(
    ("told", "is_error"),
    [
        (finish("CommandExecution", "c1", exit_code=1, status="failed"), True),
        (finish("CommandExecution", "c1", exit_code=0, status="completed"), False),
        (finish("CommandExecution", "c1", status="declined"), True),
        (finish("McpToolCall", "c1", status="completed"), False),
        (finish("CommandExecution", "c2", exit_code=1), None),
        (finish("Plan", "c1", status="failed"), None),
        (event("patch_apply_end", call_id="c1", success=False), True),
        (event("mcp_tool_call_end", call_id="c1", result={"Err": "no server"}), True),
        (event("mcp_tool_call_end", call_id="c1", result={"Ok": {"content": [], "isError": False}}), False),
        (event("mcp_tool_call_end", call_id="c1", result={"Ok": {"content": []}}), None),
    ],
)
def test_an_event_tells_whether_a_call_failed(tmp_path: Path, told: Row, is_error: bool | None) -> None:
    trace, log = read_rows(tmp_path, [META, say("user", "Go"), call("c1"), output("c1", "1 failing"), told])
    assert log.losses == []
    assert [message.is_error for message in trace.messages if message.role == "tool"] == [is_error]


def test_the_output_itself_comes_first(tmp_path: Path) -> None:
    rows = [META, say("user", "Go"), call("c1"), output("c1", "Exit code: 0\nOutput:\nx"),
            finish("CommandExecution", "c1", exit_code=1)]  # fmt: skip
    trace, _ = read_rows(tmp_path, rows)
    assert trace.messages[-1].is_error is False


def test_blocks_that_are_named_are_told_apart(tmp_path: Path) -> None:
    typed = "What does <skill>x</skill> mean here?"
    named = name_blocks(("environments.environment_context", "cwd /repo"), ("user.text", typed))
    trace, log = read_rows(tmp_path, [META, named])
    assert (tell(trace), log.losses) == ([("injected", "cwd /repo"), ("human", typed)], [])


@pytest.mark.parametrize("names", [["user.text"], ["user.text", 1], ["", ""], "user.text", None])
def test_names_that_do_not_fit_are_not_used(tmp_path: Path, names: Any) -> None:
    row = say("user", "<environment_context>x</environment_context>", "Go")
    row["payload"][KINDS] = {"content_item_kinds": names}
    trace, log = read_rows(tmp_path, [META, row])
    assert log.losses == []
    assert tell(trace) == [("injected", "<environment_context>x</environment_context>"), ("human", "Go")]


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        (write("Rerun the test"), [("injected", "Rerun the test")]),
        (write("Said", id="m1"), []),
        (write("Other words", id="m1"), []),
        (write(None, encrypted_content="x"), []),
    ],
    ids=["alone", "an item says the same", "an item has its id", "sealed"],
)
def test_a_letter_of_another_agent_is_told_once(tmp_path: Path, letter: Row, expected: list[Any]) -> None:
    mail = item("agent_message", id="m1", author="/root", content=[{"type": "input_text", "text": "Said"}])
    trace, log = read_rows(tmp_path, [META, say("user", "Go"), mail, letter])
    assert log.losses == []
    assert tell(trace) == [("human", "Go"), ("injected", "Said"), *expected]


def test_the_history_of_a_parent_is_context(tmp_path: Path) -> None:
    rows = [
        wrap("session_meta", {**SUB_META, "subagent_history_start_ordinal": 4}),
        META, say("user", "Ship the parser"), say("assistant", "I will ask for help."),
        item("agent_message", content=[{"type": "input_text", "text": "Count the tests"}]), say("assistant", "12"),
    ]  # fmt: skip
    trace, log = read_rows(tmp_path, [{**row, "ordinal": number} for number, row in enumerate(rows)])
    assert log.losses == []
    assert tell(trace) == [
        ("injected", "Ship the parser"),
        ("model", "I will ask for help."),
        ("human", "Count the tests"),
        ("model", "12"),
    ]
    assert (trace.goal, trace.source_meta["copied_context_messages"]) == ("Count the tests", [0, 1])
    assert (trace.trace_id, trace.parent_trace_id) == ("t2", "t1")


def test_a_message_marked_as_inherited_is_context(tmp_path: Path) -> None:
    told = {**say("user", "Ship the parser"), "metadata": {"inherited_user_message": True}}
    trace, _ = read_rows(tmp_path, [wrap("session_meta", SUB_META), told, say("user", "Count the tests")])
    assert tell(trace) == [("injected", "Ship the parser"), ("human", "Count the tests")]
    assert trace.source_meta["copied_context_messages"] == [0]


def test_a_main_session_has_no_copied_context(tmp_path: Path) -> None:
    told = {**say("user", "Ship the parser"), "metadata": {"inherited_user_message": True}, "ordinal": 0}
    trace, _ = read_rows(tmp_path, [META, told])
    assert tell(trace) == [("human", "Ship the parser")]
    assert "copied_context_messages" not in trace.source_meta


def test_rows_with_ordinals_are_counted(tmp_path: Path) -> None:
    rows = [{**row, "ordinal": number} for number, row in enumerate([META, say("user", "Go"), count(3), write("x")])]
    trace, log = read_rows(tmp_path, rows)
    assert (log.lines_read, len(trace.messages)) == (4, 2)
    assert SOURCE.read_head(Path(trace.source_path)) is not None


def compress(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.zst")
    with pyarrow.output_stream(str(packed), compression="zstd") as out:
        out.write(path.read_bytes())
    path.unlink()
    return packed


def test_a_compressed_rollout_is_read_as_the_plain_one(tmp_path: Path) -> None:
    rows = [META, say("user", "Go"), *(say("assistant", f"{n} " + "x" * 3000) for n in range(60))]
    plain = write_rows(tmp_path / NAME, rows)
    (expected,), _ = read(plain)
    head = SOURCE.read_head(plain)
    packed = compress(plain)
    assert SOURCE.is_session_file(packed)
    assert SOURCE.read_head(packed) == head
    (trace,), log = read(packed)
    assert log.losses == []
    assert trace == replace(expected, source_path=str(packed))


def test_a_compressed_rollout_without_a_meta_takes_its_name(tmp_path: Path) -> None:
    packed = compress(write_rows(tmp_path / NAME, [say("user", "Go")]))
    (trace,), _ = read(packed)
    assert trace.trace_id == NAME.removesuffix(".jsonl")


def test_damaged_compression_costs_what_is_behind_it(tmp_path: Path) -> None:
    noise = random.Random(5)
    rows = [META, say("user", "Go"), *(say("assistant", noise.randbytes(60_000).hex()) for _ in range(20))]
    packed = compress(write_rows(tmp_path / NAME, rows))
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    traces, log = read(packed)
    assert [trace.messages[0].text for trace in traces] == ["Go"]
    assert "unreadable_file" in {loss.reason for loss in log.losses}


def test_what_is_not_compressed_at_all_is_no_rollout(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.zst"
    path.write_bytes(b"no compression")
    assert SOURCE.read_head(path) is None
    assert read(path)[0] == []
