from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracemill.ingest import lines
from tracemill.ingest.documents import read_document
from tracemill.ingest.lines import Row, read_rows
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.ingest.time_span import TimeSpan


class Inner(TypedDict, total=False):
    b: Any


class Fields(TypedDict, total=False):
    a: Any
    inner: Inner


DECODER = msgspec.json.Decoder(Fields)
LINES = [
    b'{"a":1}',
    b'{"a":1,"inner":{"b":2,"c":3},"x":[1,2]}',
    b'{"a":1}{"a":2}',
    b'{"a":\n{"b":1}}',
    b'{"inner":7}',
    b'{"x":"\xff"}',
    b'{"x":"\\ud800"}',
    b'{"x":' + b"1" * 5000 + b"}",
    b'{"x":' + b"1" * 400 + b"}",
    b'{"x":"' + b"y" * 3000 + b'"}',
    "{'é': 1}".encode(),
    '{"x":"é✓"}'.encode(),
    b'{"a":1}\r',
    b" ",
    b"",
    b"[1]",
    b"{",
]


def keep_fields(value: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value[key] for key in ("a", "inner") if key in value}
    if isinstance(kept.get("inner"), dict):
        kept["inner"] = {key: item for key, item in kept["inner"].items() if key == "b"}
    return kept


def read(data: bytes, limit: int, fields: Any = None) -> tuple[list[Row], LossLog]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(data)
        log = LossLog(path="rows.jsonl")
        return list(read_rows(path, log, ReadOptions(limit), fields)), log


@pytest.mark.parametrize("block_bytes", [16, 64, 4096, 256 * 1024])
@given(parts=st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=20))), ends=st.booleans())
def test_named_fields_change_nothing_else(block_bytes: int, parts: list[bytes], ends: bool) -> None:
    limit = max(4000, block_bytes)
    data = b"\n".join(parts) + b"\n" * ends
    plain, plain_log = read(data, limit)
    old = lines._BLOCK_BYTES
    try:
        lines._BLOCK_BYTES = block_bytes
        some, log = read(data, limit, DECODER)
    finally:
        lines._BLOCK_BYTES = old
    assert [row.line for row in some] == [row.line for row in plain]
    assert [keep_fields(row.value) for row in some] == [keep_fields(row.value) for row in plain]
    assert [row.load() for row in some] == [row.value for row in plain]
    assert (log.losses, log.notes, log.lines_read) == (plain_log.losses, plain_log.notes, plain_log.lines_read)


def test_a_line_over_the_block_and_one_over_the_limit() -> None:
    long, longer = b'{"a":1,"x":"' + b"y" * 300_000 + b'"}', b'{"a":2,"x":"' + b"y" * 600_000 + b'"}'
    rows, log = read(b"\n".join([b'{"a":0}', long, longer, b'{"a":3}']), 500_000, DECODER)
    assert [(row.line, row.value) for row in rows] == [(1, {"a": 0}), (2, {"a": 1}), (4, {"a": 3})]
    assert [(loss.reason, loss.line) for loss in log.losses] == [("line_too_long", 3)]


STAMPS = [
    "2026-01-05T10:00:00.000Z",
    "2026-01-05T09:00:00.000Z",
    "2026-13-05T10:00:00.000Z",
    "0000-01-05T10:00:00.000Z",
    "2026-W01-1T10:00:00.000Z",
    "2026-01-05T10:00:00Z",
    "2026-01-05T11:00:00Z",
    "2026-02-30T10:00:00Z",
    "2026-01-05T10:00:00.000001Z",
    "2026-01-05T09:00:00.000001Z",
    "2026-01-05T10:00:00+0200",
    "2026-01-05T10:30:00.0+02",
    "2026-01-05 12:00:00.000Z",
    "2026-01-05 10:00:00+02:00",
    "2026-01-05",
    "",
]


ALIKE = [stamp for stamp in STAMPS if len(stamp) == len("2026-01-05T10:00:00.000Z")]


@given(stamps=st.one_of(st.lists(st.sampled_from(STAMPS)), st.lists(st.sampled_from(ALIKE), max_size=3)))
@settings(max_examples=400)
def test_many_time_stamps_are_taken_in_as_one_by_one(stamps: list[str]) -> None:
    one, many = TimeSpan(), TimeSpan()
    for stamp in stamps:
        one.add(stamp)
    many.add_all(stamps)
    assert (one.started_at, one.ended_at) == (many.started_at, many.ended_at)


@pytest.mark.parametrize(
    ("tail", "kept"),
    [("", True), ("\n", True), ('{"b": 2}', True), ("xyz", True), ("", False)],
    ids=["alone", "newline", "two", "rubbish", "cut"],
)
def test_the_first_of_a_document_that_goes_on_is_taken_and_the_rest_is_lost(
    tmp_path: Path, tail: str, kept: bool
) -> None:
    path = tmp_path / "document.json"
    path.write_text('{"a": 1' + ("}" + tail if kept else ""), encoding="utf-8")
    log = LossLog(path=str(path))
    assert read_document(path, log, takes_first=True) == ({"a": 1} if kept else None)
    assert [loss.content for loss in log.losses if kept] == ([tail] if tail.strip() else [])
    assert {loss.reason for loss in log.losses} <= {"bad_json"}
    assert kept or log.losses
