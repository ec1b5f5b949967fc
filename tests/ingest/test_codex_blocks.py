"""Codex rollouts longer than what is read at once: no line is lost, split or miscounted where two blocks meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ingest.codex_rows import META, NAME, Row, item, list_losses, read, say, tell, write_rows
from tracemill.ingest.codex.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions

#: Texts around the size of a block, and one that is longer than several.
SIZES = (10, 30_000, 100_000, 131_000, 500, 300_000, 20)
LETTERS = ("x", "\u00e4", "\u4e2d", "\U0001f600")


def make_rows(letter: str) -> list[Row]:
    return [
        META,
        *(say("user" if n % 2 == 0 else "assistant", f"{n} " + letter * size) for n, size in enumerate(SIZES)),
    ]


@pytest.mark.parametrize("letter", LETTERS, ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
@pytest.mark.parametrize("is_escaped", [True, False], ids=["escaped", "as it is"])
def test_every_row_is_read(tmp_path: Path, letter: str, *, is_escaped: bool) -> None:
    rows = make_rows(letter)
    path = tmp_path / NAME
    path.write_text("".join(json.dumps(row, ensure_ascii=is_escaped) + "\n" for row in rows), encoding="utf-8")
    (trace,), log = read(path)
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES]
    assert [text[:2] for _, text in tell(trace)] == [f"{n} " for n in range(len(SIZES))]
    assert (log.losses, log.notes, log.lines_read) == ([], {}, len(rows))


@pytest.mark.parametrize("place", range(len(SIZES)))
def test_a_bad_line_costs_itself_alone(tmp_path: Path, place: int) -> None:
    lines = [json.dumps(row) for row in make_rows("x")]
    lines.insert(place + 1, "no JSON")
    (trace,), log = read(write_rows(tmp_path / NAME, lines))
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES]
    assert list_losses(log) == [("bad_json", place + 2)]
    assert log.lines_read == len(lines)


def test_bytes_that_are_no_text_are_noted_once(tmp_path: Path) -> None:
    rows = b"\n".join(json.dumps(row).encode() for row in make_rows("x"))
    path = tmp_path / NAME
    path.write_bytes(rows.replace(b"xxxx", b"\xffxxx", 1) + b"\n")
    (trace,), log = read(path)
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES]
    assert (log.losses, log.notes) == ([], {"bad_bytes": 1})


@pytest.mark.parametrize("place", [0, 4095, 4096, 70_000])
def test_bytes_that_are_no_text_are_noted_where_nothing_else_is_read(tmp_path: Path, place: int) -> None:
    rows = [*make_rows("x"), item("reasoning", summary=[], encrypted_content="y" * 80_000)]
    body = bytearray(b"\n".join(json.dumps(row).encode() for row in rows) + b"\n")
    body[body.index(b"yyyy") + place] = 0xFF
    path = tmp_path / NAME
    path.write_bytes(body)
    (trace,), log = read(path)
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES]
    assert (log.losses, log.notes) == ([], {"bad_bytes": 1})


def test_a_line_over_the_limit_costs_itself_alone(tmp_path: Path) -> None:
    path = write_rows(tmp_path / NAME, [*make_rows("x"), {"type": "odd"}])
    log = LossLog(path=str(path))
    (trace,) = SOURCE.read_file(path, log, ReadOptions(max_line_bytes=200_000))
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES if size < 200_000]
    lost = [("line_too_long", 2 + SIZES.index(300_000)), ("unknown_record_type", len(SIZES) + 2)]
    assert list_losses(log) == lost
    assert log.lines_read == len(SIZES) + 2


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "mark"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n"])
def test_a_mark_and_line_ends_change_nothing(tmp_path: Path, newline: str, mark: bytes) -> None:
    path = write_rows(tmp_path / NAME, make_rows("x"), newline)
    path.write_bytes(mark + path.read_bytes())
    (trace,), log = read(path)
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES]
    assert (log.losses, log.notes, log.lines_read) == ([], {}, len(SIZES) + 1)


@pytest.mark.parametrize("size_bytes", [16 * 1024, 128 * 1024], ids=["read at once", "a block"])
@pytest.mark.parametrize("more", [-1, 0, 1], ids=["one byte less", "as much", "one byte more"])
@pytest.mark.parametrize("is_ended", [True, False], ids=["ended", "not ended"])
def test_a_file_as_long_as_what_is_read_at_once(tmp_path: Path, size_bytes: int, more: int, *, is_ended: bool) -> None:
    short = "\n".join(map(json.dumps, (META, say("user", ""), {"type": "odd"})))
    text = "x" * (size_bytes + more - len(short) - is_ended)
    rows = (META, say("user", text), {"type": "odd"})
    path = tmp_path / NAME
    path.write_text("\n".join(map(json.dumps, rows)) + "\n" * is_ended)
    assert path.stat().st_size == size_bytes + more
    (trace,), log = read(path)
    assert tell(trace) == [("human", text)]
    assert list_losses(log) == [("unknown_record_type", 3)]
    assert (log.lines_read, trace.is_partial) == (3, False)


def test_bytes_that_are_no_text_are_noted_in_a_legacy_row(tmp_path: Path) -> None:
    rows = [{"id": "old1", "timestamp": "2025-05-01T10:00:00Z"}, {"type": "message", "role": "user", "content": "Hi"}]
    path = write_rows(tmp_path / NAME, [*rows, {**rows[1], "unread": "y"}])
    path.write_bytes(path.read_bytes().replace(b'"y"', b'"\xff"'))
    (trace,), log = read(path)
    assert tell(trace) == [("human", "Hi"), ("human", "Hi")]
    assert (log.losses, log.notes) == ([], {"bad_bytes": 1})


def test_a_cut_last_line_behind_the_first_block_is_told(tmp_path: Path) -> None:
    body = "".join(json.dumps(row) + "\n" for row in make_rows("x")) + json.dumps(say("user", "cut"))[:40]
    path = tmp_path / NAME
    path.write_text(body)
    (trace,), log = read(path)
    assert list_losses(log) == [("cut_line", len(SIZES) + 2)]
    assert trace.is_partial


def test_a_last_line_that_has_its_end_is_not_cut(tmp_path: Path) -> None:
    (trace,), log = read(write_rows(tmp_path / NAME, [META, say("user", "Hi"), '{"type": "event_msg", "payload": {']))
    assert list_losses(log) == [("bad_json", 3)]
    assert not trace.is_partial


def test_the_head_of_a_long_file_without_a_meta_is_its_name(tmp_path: Path) -> None:
    path = write_rows(tmp_path / NAME, make_rows("x")[1:])
    head = SOURCE.read_head(path)
    assert head is not None
    assert head.root_session_id == path.stem


def test_a_meta_behind_the_first_block_names_the_session(tmp_path: Path) -> None:
    rows = make_rows("x")
    head = SOURCE.read_head(write_rows(tmp_path / NAME, [*rows[1:], rows[0]]))
    assert head is not None
    assert head.root_session_id == "t1"
