"""Pi entries: a row tells the same however it was decoded, and nothing in a file can stand for an entry's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.ingest.pi_coding_agent_rows import HEADER, call, compaction, read_rows, result, texts, turn, user
from tracemill.ingest.pi_coding_agent import rows as pi_rows
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.trace import SELF

FULL_HEADER = {**HEADER, "provider": "anthropic", "parentSession": "p.jsonl", "modelId": "m0"}
PLACES = {"line": 7, "source": "x", "number": 0, "parent": 50, "is_told": True, "first_kept": 1}


@pytest.mark.parametrize(
    "odd",
    [{"message": 5}, {"message": {"role": "user", "content": 5}}, {"parentId": 5}],
    ids=["message", "content", "parent"],
)
def test_an_odd_header_tells_what_a_plain_one_does(tmp_path: Path, odd: dict[str, Any]) -> None:
    (plain,), _ = read_rows(tmp_path, FULL_HEADER, user("a", None, "task"))
    (found,), _ = read_rows(tmp_path, {**FULL_HEADER, **odd}, user("a", None, "task"))
    assert found == plain
    assert found.source_meta == {"version": 3, "provider": "anthropic", "parent_session": "p.jsonl"}
    assert (found.cwd, found.started_at, found.model) == ("/w", "2026-01-01T00:00:00.000Z", "m0")


@pytest.mark.parametrize("odd", [{}, {"parentId": 5}], ids=["plain", "odd"])
def test_no_header_field_of_another_shape_is_taken(tmp_path: Path, odd: dict[str, Any]) -> None:
    strange = {"version": "3", "cwd": ["/w"], "provider": 1, "parentSession": {}, "modelId": 2, "timestamp": "soon"}
    (found,), _ = read_rows(tmp_path, {**HEADER, **strange, **odd}, user("a", None, "task"))
    assert (found.source_meta, found.cwd, found.started_at, found.model) == ({"version": 1}, None, None, None)


@pytest.mark.parametrize("prefix", ["", "tracemill "], ids=["field", "renamed"])
@pytest.mark.parametrize("odd", [{}, {"modelId": "\ud800"}], ids=["plain", "odd"])
def test_no_key_of_a_row_stands_for_its_place(tmp_path: Path, prefix: str, odd: dict[str, Any]) -> None:
    rows = [
        HEADER,
        user("a", None, "task"),
        turn("b", "a", call("k1")),
        result("c", "b", "k1", "files"),
        {"type": "label", "id": "d", "parentId": "c", "targetId": "a"},
        turn("e", "a", "left"),
        compaction("f", "c", firstKeptEntryId="b"),
        turn("g", "f", "done"),
    ]
    (plain,), plain_log = read_rows(tmp_path, *rows)
    named = {prefix + name: value for name, value in PLACES.items()}
    (found,), log = read_rows(tmp_path, *({**row, **named, **odd} for row in rows))
    assert replace(found, model=None) == replace(plain, model=None)
    assert [(loss.reason, loss.line) for loss in log.losses] == [(loss.reason, loss.line) for loss in plain_log.losses]
    assert texts(found) == ["task", "", "files", "So far.", "done"]
    assert found.messages[3].context == (SELF, 1, 2)


@pytest.mark.parametrize(
    ("index", "context"),
    [
        (0, (SELF,)),
        (1, (SELF, 0, 1)),
        (2, (SELF,)),
        (3, (SELF, 1)),
        (4, (SELF,)),
        (5, (SELF,)),
        (99, (SELF,)),
        (-1, (SELF,)),
        (-99, (SELF,)),
        ("1", (SELF,)),
        (1.0, (SELF, 0, 1)),
    ],
    ids=["header", "first", "twice", "second", "itself", "later", "beyond", "below", "far_below", "text", "float"],
)
def test_a_place_in_the_file_names_what_a_compaction_keeps(
    tmp_path: Path, index: Any, context: tuple[int, ...]
) -> None:
    rows = [user("a", None, "task"), user("a", None, "again"), turn("b", "a", "one")]
    (trace,), log = read_rows(
        tmp_path, HEADER, *rows, compaction("c", "b", firstKeptEntryIndex=index), turn("d", "c", "two")
    )
    assert texts(trace) == ["task", "one", "So far.", "two"]
    assert trace.messages[2].context == context
    assert log.count_losses() == {"duplicate_row": 1}


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ([{"input": 1, "cacheRead": 2, "cacheWrite": 4, "output": 8}, {"input": 16}], (23, 8)),
        ([{"output": 0}], (None, 0)),
        ([{"cacheRead": 2}, {}], (None, None)),
        ([{"input": 1, "output": 2.0}, {"input": -1, "output": 3}], (0, 5)),
    ],
    ids=["caches", "output", "cache_alone", "odd"],
)
def test_tokens_are_summed_over_turns(
    tmp_path: Path, usages: list[dict[str, Any]], expected: tuple[int | None, int | None]
) -> None:
    turns = [turn(str(place), None, "said", usage=usage) for place, usage in enumerate(usages)]
    for place, row in enumerate(turns):
        row["parentId"] = None if place == 0 else str(place - 1)
    (trace,), _ = read_rows(tmp_path, HEADER, *turns)
    assert (trace.input_tokens, trace.output_tokens) == expected


def test_of_a_row_that_cannot_be_read_again_its_fields_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_raw: bytes, _log: LossLog) -> Any:
        raise RecursionError

    said = turn("b", "a", "hello", usage={"output": 3})
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (FULL_HEADER, said)), encoding="utf-8")
    header, entry = pi_rows.read_entries(path, LossLog(path="s.jsonl"), ReadOptions())
    assert (pi_rows.load_row(header), pi_rows.load_row(entry)) == (FULL_HEADER, said)
    monkeypatch.setattr(pi_rows, "decode_json", refuse)
    nothing = {"modelId": None, "message": None}
    assert pi_rows.load_row(header) == {**nothing, **FULL_HEADER}
    shown = pi_rows.load_row(entry)
    assert {name: shown[name] for name in ("type", "id", "parentId")} == {"type": "message", "id": "b", "parentId": "a"}
    assert shown["message"]["content"] == said["message"]["content"]
    assert set(shown) == {"type", "id", "parentId", "timestamp", "modelId", "message"}
