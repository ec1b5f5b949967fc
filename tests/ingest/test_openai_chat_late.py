"""Chat datasets under other names, and those whose first rows hold no conversation."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.ingest.test_openai_chat import read, write_lines
from tracemill.ingest.inventory import Selection, locate_files, take_inventory
from tracemill.ingest.openai_chat.reader import SOURCE

GOOD = {"id": "good", "messages": [{"role": "user", "content": "Hallo?"}, {"role": "assistant", "content": "Moin."}]}


@pytest.mark.parametrize("name", ["rows.ndjson", "rows.NDJSON", "ROWS.JSONL", "rows.Jsonl", "rows.PARQUET"])
def test_other_names_are_found_and_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("PARQUET"):
        pq.write_table(pa.Table.from_pylist([GOOD]), path)
    else:
        write_lines(path, GOOD)
    root, files = locate_files(SOURCE, str(tmp_path))
    inventory = take_inventory(SOURCE, root, files, Selection())
    assert ([group.root_session_id for group in inventory.groups], inventory.rejects) == (["good"], ())
    assert [trace.trace_id for trace in read(path)[0]] == ["good"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("count", [60, 999])
def test_a_conversation_after_many_rows_without_one(tmp_path: Path, count: int, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        rows = [*[{"id": "x", "messages": None}] * count, GOOD]
        pq.write_table(pa.Table.from_pylist(rows[::-1]).take(list(range(count, -1, -1))), path, row_group_size=50)
    else:
        write_lines(path, *['{"id": "good", "messages": null}'] * count, GOOD)
    head = SOURCE.read_head(path)
    assert head is not None
    assert head.root_session_id == "good"
    traces, log = read(path)
    assert [trace.trace_id for trace in traces] == ["good"]
    assert log.count_losses() == {"malformed_record": count}


def test_what_comes_too_late_is_another_format(tmp_path: Path) -> None:
    many = write_lines(tmp_path / "many.jsonl", *['{"x": 1}'] * 1000, GOOD)
    long = write_lines(tmp_path / "long.jsonl", *[json.dumps({"x": "x" * 100_000})] * 11, GOOD)
    far = write_lines(tmp_path / "far.jsonl", *[json.dumps({"x": "x" * 100_000})] * 9, GOOD)
    assert [SOURCE.read_head(path) is None for path in (many, long, far)] == [True, True, False]


def test_a_long_file_that_holds_no_object_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "noise.jsonl"
    path.write_bytes(b"x" * 1_000_000)

    def refuse(_path: Path) -> None:
        raise AssertionError

    monkeypatch.setattr("tracemill.ingest.openai_chat.rows.index_lines", refuse)
    assert SOURCE.read_head(path) is None
