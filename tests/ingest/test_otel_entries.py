"""Conversations of one file, each read from its own bytes: what belongs together, what goes with the first, faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.otel_entries import check_entries, read_entries
from tests.ingest.test_otel import agent, chat, read, read_rows, say, span, tell
from tests.ingest.test_otel_openinference import llm
from tests.ingest.test_otel_openinference import say as say_plain
from tracemill.ingest import get_source, store_inventory
from tracemill.ingest.inventory import Partition, Selection, locate_files, take_inventory
from tracemill.ingest.otel import pieces
from tracemill.ingest.otel.reader import SOURCE
from tracemill.ingest.source import Entry, LossLog, ReadOptions


def ask(number: int, trace: str, more: Any = None, **fields: Any) -> dict[str, Any]:
    return chat(
        number, number, [say("user", f"q{number}")], [say("assistant", f"a{number}")], more, trace=trace, **fields
    )


def request(*spans: Any, service: str = "s", is_snake: bool = False) -> dict[str, Any]:
    """A line of a collector's file."""
    names = ("resource_spans", "scope_spans") if is_snake else ("resourceSpans", "scopeSpans")
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {names[0]: [{"resource": resource, names[1]: [{"scope": {}, "spans": [*spans]}]}]}


def list_entries(path: Path) -> tuple[Entry, ...]:
    entries = SOURCE.list_entries(path)
    assert entries is not None
    return entries


def list_roots(path: Path) -> list[str]:
    return [entry.head.root_session_id for entry in list_entries(path)]


def read_entry(path: Path, place: int, options: ReadOptions | None = None) -> tuple[list[Any], LossLog]:
    assert SOURCE.read_entry is not None
    log = LossLog(path=path.name)
    return list(SOURCE.read_entry(path, list_entries(path)[place], log, options or ReadOptions())), log


@pytest.mark.parametrize("is_snake", [False, True], ids=["camel", "snake"])
def test_a_line_may_hold_spans_of_several_conversations(tmp_path: Path, is_snake: bool) -> None:
    rows = [request(ask(n, "t1"), ask(n + 1, "t2"), service=f"s{n}", is_snake=is_snake) for n in (1, 3, 5)]
    traces, _ = read_rows(tmp_path, *rows)
    path = tmp_path / "traces.jsonl"
    assert list_roots(path) == ["t1", "t2"]
    told = [[tell(trace) for trace in read_entry(path, place)[0]] for place in (0, 1)]
    assert told == [[tell(trace) for trace in traces if trace.root_session_id == root] for root in ("t1", "t2")]
    assert [log.lines_read for _, log in (read_entry(path, 0), read_entry(path, 1))] == [3, 0]
    assert read_entry(path, 1)[0][0].source_meta["service_name"] == "s1"


def test_an_entry_is_read_from_its_own_bytes_alone(tmp_path: Path) -> None:
    read_rows(tmp_path, request(ask(1, "t1"), ask(2, "t2")), request(ask(3, "t2"), ask(4, "t1")), ask(5, "t2"))
    path = tmp_path / "traces.jsonl"
    first, second = list_entries(path)
    raw = path.read_bytes()
    numbers = memoryview(first.key.pieces).cast("q")
    kept = bytearray(b"x" * len(raw))
    for place in range(0, len(numbers), pieces.NUMBERS):
        start, size = numbers[place + 1], numbers[place + 2]
        kept[start : start + size] = raw[start : start + size]
    path.write_bytes(kept)
    log = LossLog(path=path.name)
    assert SOURCE.read_entry is not None
    traces = list(SOURCE.read_entry(path, first, log, ReadOptions()))
    assert [[text for _, text in tell(trace)] for trace in traces] == [["q1", "a1"], ["q4", "a4"]]
    assert log.losses == []
    assert list(SOURCE.read_entry(path, second, log, ReadOptions())) == []
    assert log.count_losses() == {"bad_json": 3}


def test_what_names_a_conversation_may_stand_later_in_the_file(tmp_path: Path) -> None:
    rows = [ask(1, "t1", parent=9), ask(2, "t2", parent=8), ask(3, "t3")]
    rows += [agent(9, 0, "a", trace="t1", more={"conversation.id": "c"}), agent(8, 0, "a", trace="t2")]
    rows += [span(7, 0, trace="t2", a={"conversation.id": "c"})]
    traces, _ = read_rows(tmp_path, *rows)
    assert list_roots(tmp_path / "traces.jsonl") == ["c", "t3"]
    assert {trace.root_session_id for trace in traces} == {"c", "t3"}


def test_a_session_of_a_dialect_holds_its_traces_together(tmp_path: Path) -> None:
    asked, answered = [say_plain("user", "q")], [say_plain("assistant", "a")]
    rows: list[Any] = [llm(n, n, asked, answered, trace=f"t{n}", more={"session.id": f"s{n % 2}"}) for n in range(4)]
    rows += [{**ask(9, "t9"), "attributes": {**ask(9, "t9")["attributes"], "session.id": "browser"}}]
    read_rows(tmp_path, *rows)
    assert list_roots(tmp_path / "traces.jsonl") == ["s0", "s1", "t9"]
    rows = [
        {
            **row,
            "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in row["attributes"].items()],
        }
        for row in rows[:4]
    ]
    read_rows(tmp_path, *rows)
    assert list_roots(tmp_path / "traces.jsonl") == ["s0", "s1"]


def test_the_kind_that_stands_beside_the_attributes_makes_a_session_one(tmp_path: Path) -> None:
    def tell_row(number: int, session: str) -> dict[str, Any]:
        told = {"gen_ai.input.messages": [say("user", "q")], "gen_ai.output.messages": [say("assistant", "a")]}
        context = {"trace_id": f"t{number}", "span_id": f"s{number}"}
        row = {"context": context, "start_time": f"2026-01-03T10:00:0{9 - number}Z", "span_kind": "LLM"}
        return {**row, "attributes": {**told, "session.id": session}}

    read_rows(tmp_path, tell_row(1, "one"), tell_row(2, "two"), tell_row(3, "one"))
    heads = [entry.head for entry in list_entries(tmp_path / "traces.jsonl")]
    assert [head.root_session_id for head in heads] == ["one", "two"]
    assert [head.started_at for head in heads] == ["2026-01-03T10:00:06Z", "2026-01-03T10:00:07Z"]


def test_entries_stand_in_the_order_of_their_first_requests(tmp_path: Path) -> None:
    told = {"input.messages": [say("user", "q")], "output.messages": [say("assistant", "a")]}
    rows = [ask(5, "t1"), ask(4, "t2"), ask(2, "t1"), agent(1, 0, "a", trace="t3", more=told), ask(6, "t3", parent=1)]
    rows += [agent(7, 1, "b", trace="t4", more=told), agent(8, 0, "b", trace="t4")]
    read_rows(tmp_path, *rows)
    heads = [entry.head for entry in list_entries(tmp_path / "traces.jsonl")]
    assert [head.root_session_id for head in heads] == ["t4", "t1", "t2", "t3"]
    assert [(head.started_at or "")[17:19] for head in heads] == ["01", "02", "04", "06"]


def test_pieces_of_several_traces_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    traces = ("t1", "t2", "t1", "t3", "t2")
    read_rows(tmp_path, *(ask(n, trace, {"conversation.id": "c"}) for n, trace in enumerate(traces)), ask(9, "x"))
    first, _ = list_entries(tmp_path / "traces.jsonl")
    assert memoryview(first.key.pieces).cast("q").tolist()[:: pieces.NUMBERS] == [1, 2, 3, 4, 5]


def test_what_stands_in_events_is_told_with_their_span(tmp_path: Path) -> None:
    named = {"gen_ai.conversation.id": "c"}
    details = [{"name": "gen_ai.client.inference.operation.details", "attributes": named}]
    said = [{"name": "gen_ai.user.message", "attributes": {"content": "q"}}]
    said += [{"name": "gen_ai.choice", "attributes": {"message": '{"content": "a"}'}}]
    rows = [ask(1, "t1", events=details), ask(2, "t2", events=details), span(3, 3, trace="t3", events=said)]
    traces, _ = read_rows(tmp_path, *rows)
    assert list_roots(tmp_path / "traces.jsonl") == ["c", "t3"]
    assert [tell(trace) for trace in traces if trace.trace_id == "t3"] == [[("user", "q"), ("assistant", "a")]]


def test_a_trace_in_which_several_conversations_are_named_is_one_entry(tmp_path: Path) -> None:
    rows = [ask(1, "t1"), ask(2, "t1", {"conversation.id": "c1"}), ask(3, "t1", {"conversation.id": "c2"})]
    rows += [ask(4, "t2", {"conversation.id": "c2"}), ask(5, "t3")]
    read_rows(tmp_path, *rows)
    assert list_roots(tmp_path / "traces.jsonl") == ["t1", "t3"]


def test_spans_that_are_not_about_agents_are_passed_over_and_their_lines_count(tmp_path: Path) -> None:
    others = [{**span(n, n, trace=f"w{n}"), "attributes": {"http.route": "/", "session.id": "c"}} for n in range(5)]
    others[1] = span(1, 1, trace="w1", a={"operation.name": "embeddings", "input.messages": [say("user", "q")]})
    rows = [*others[:2], ask(8, "t1"), {"resourceSpans": []}, *others[2:4], request(others[4], ask(9, "t1"))]
    read_rows(tmp_path, *rows)
    path = tmp_path / "traces.jsonl"
    traces, log = read_entry(path, 0)
    assert (list_roots(path), len(traces), log.lines_read) == (["t1"], 2, 7)
    assert len(list_entries(path)[0].key.pieces) == 2 * pieces.NUMBERS * 8


def test_a_tool_of_a_trace_without_a_request_is_lost_and_counted(tmp_path: Path) -> None:
    tool = span(1, 1, trace="w", a={"operation.name": "execute_tool", "tool.name": "look", "tool.call.result": "x"})
    _, log = read_rows(tmp_path, tool, ask(2, "t1"), ask(3, "t2"))
    assert log.count_losses() == {"unpaired_result": 1}
    _, (first, second) = read_entries(tmp_path / "traces.jsonl")
    assert (first.count_losses(), second.losses) == ({"unpaired_result": 1}, [])


def test_a_file_of_one_conversation_is_read_as_a_whole(tmp_path: Path) -> None:
    read_rows(tmp_path, ask(1, "t1"), request(ask(2, "t1")))
    assert SOURCE.list_entries(tmp_path / "traces.jsonl") is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_an_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "traces.jsonl"
    rows = [request(ask(1, "t1"), ask(2, "t2")), ask(3, "t3")]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding=encoding)
    traces, log = read(path)
    assert ([trace.trace_id for trace in traces], log.losses) == (["t1", "t2", "t3"], [])
    head = SOURCE.read_head(path)
    assert head is not None
    assert head.root_session_id == "t1"
    if encoding == "utf-16":
        assert SOURCE.list_entries(path) is None
    else:
        assert list_roots(path) == ["t1", "t2", "t3"]
        check_entries(path, traces, log)


def write(folder: Path, **files: list[Any]) -> None:
    folder.mkdir()
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def store(folder: Path, to: Path, selection: Selection) -> Any:
    source = get_source("otel")
    root, found = locate_files(source, str(folder))
    inventory = take_inventory(source, root, found, selection)
    return store_inventory(source, inventory, selection, to, redactor=None)


def test_conversations_fall_into_parts_one_by_one(tmp_path: Path) -> None:
    write(tmp_path / "traces", one=[request(*(ask(n, f"t{n}") for n in range(9))), ask(20, "t20")])
    whole = store(tmp_path / "traces", tmp_path / "whole", Selection())
    assert whole.store.trace_ids == [*(f"t{n}" for n in range(9)), "t20"]
    assert (whole.intake.files_read, whole.intake.lines_read, whole.intake.losses) == (1, 2, [])
    parts = [
        store(tmp_path / "traces", tmp_path / f"part{n}", Selection(partition=Partition(n, 3))).store.trace_ids
        for n in range(3)
    ]
    assert sorted(trace_id for part in parts for trace_id in part) == sorted(whole.store.trace_ids)
    assert max(map(len, parts)) < 10


def test_copies_of_a_conversation_meet_whatever_their_files_begin_with(tmp_path: Path) -> None:
    one, two, three = say("user", "one"), say("assistant", "two"), say("user", "three")
    named = {"conversation.id": "c"}
    early = chat(1, 1, [one], [two], named, trace="t1")
    late = chat(2, 2, [one, two, three], [say("assistant", "four")], named, trace="t2")
    write(tmp_path / "traces", a=[ask(5, "x"), early], b=[ask(6, "y"), late])
    result = store(tmp_path / "traces", tmp_path / "store", Selection())
    assert sorted(result.store.trace_ids) == ["c", "x", "y"]
    assert [message.text for message in result.store.fetch("c").messages] == ["one", "two", "three", "four"]
    assert result.intake.repeated == 1
