"""A conversation over rotated files: the earlier file's tokens, times and status go into the later, longer copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_otel import chat, say
from tests.ingest.test_otel_openinference import llm, put
from tests.ingest.test_otel_openinference import say as say_plain
from tracemill.ingest import ReadResult, get_source, store_inventory
from tracemill.ingest.inventory import Selection, locate_files, take_inventory
from tracemill.redact import Redactor


def read_files(folder: Path, *files: list[dict[str, Any]]) -> ReadResult:
    traces = folder / "traces"
    traces.mkdir()
    for number, rows in enumerate(files):
        (traces / f"{number}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    source, selection = get_source("otel"), Selection()
    root, found = locate_files(source, str(traces))
    inventory = take_inventory(source, root, found, selection)
    return store_inventory(source, inventory, selection, folder / "store", redactor=Redactor())


COUNTS = {"usage.input_tokens": 100, "usage.output_tokens": 7, "conversation.id": "c", "response.model": "m"}


@pytest.mark.parametrize("others", [False, True], ids=["alone", "among_others"])
def test_turns_of_earlier_files_keep_their_tokens_and_times(tmp_path: Path, others: bool) -> None:
    words = ["one", "two", "three", "four", "five", "six"]
    said = [say("assistant" if n % 2 else "user", word) for n, word in enumerate(words)]
    files = [[chat(n, 100 * n, said[: 2 * n + 1], [said[2 * n + 1]], COUNTS, trace=f"t{n}")] for n in range(3)]
    if others:
        files = [
            [chat(9, 0, [said[0]], [say("assistant", f"a{n}")], trace=f"x{n}"), *file] for n, file in enumerate(files)
        ]
    result = read_files(tmp_path, *files)
    trace = result.store.fetch("c")
    assert [message.text for message in trace.messages] == words
    assert (trace.input_tokens, trace.output_tokens) == (300, 21)
    assert [(m.model, m.usage is not None) for m in trace.messages if m.role == "assistant"] == [("m", True)] * 3
    assert [(m.timestamp or "")[14:19] for m in trace.messages] == [
        "00:00",
        "00:01",
        "01:40",
        "01:41",
        "03:20",
        "03:21",
    ]
    assert (trace.started_at, trace.ended_at) == ("2026-01-03T10:00:00Z", "2026-01-03T10:03:21Z")
    assert trace.source_meta["trace_ids"] == ["t0", "t1", "t2"]
    assert (result.intake.repeated, len(result.store)) == (2, 4 if others else 1)


def test_the_status_of_a_tool_of_an_earlier_file_stays(tmp_path: Path) -> None:
    asked = say_plain("user", "one")
    turn = say_plain("assistant", calls=[("k1", "look", "{}")])
    first = llm(1, 0, [asked], [turn])
    ran = put("TOOL", 2, 1, {"tool.name": "look", "output.value": "no"}, status={"code": 2})
    prompt = [asked, turn, say_plain("tool", "no", tool_call_id="k1")]
    second = llm(3, 100, prompt, [say_plain("assistant", "two")])
    trace = read_files(tmp_path, [first, ran], [second]).store.fetch("t1")
    assert [(m.role, m.is_error) for m in trace.messages][2] == ("tool", True)


def test_conversations_that_only_begin_alike_keep_what_is_theirs(tmp_path: Path) -> None:
    one = say("user", "one")
    first = chat(1, 0, [one], [say("assistant", "two")], COUNTS)
    second = chat(2, 9, [one], [say("assistant", "deux")], {**COUNTS, "usage.input_tokens": 1}, trace="t2")
    result = read_files(tmp_path, [first], [second])
    assert sorted(result.store.fetch(key).input_tokens or 0 for key in result.store.trace_ids) == [1, 100]
    assert (result.intake.repeated, result.intake.notes["id_conflict"]) == (0, 1)
