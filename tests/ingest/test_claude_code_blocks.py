"""Claude Code transcripts longer than what is read at once, and heads that stand behind the first bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ingest.claude_code_rows import Row, list_losses, make_row, read, read_rows, tell, use, write_rows
from tracemill.ingest.claude_code.lines import read_claude_rows
from tracemill.ingest.claude_code.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions

SIZES = (10, 30_000, 65_000, 65_100, 131_000, 500, 600_000, 20)
LETTERS = ("x", "\u00e4", "\u4e2d", "\U0001f600")


def make_rows(letter: str) -> list[Row]:
    texts = [f"{number} " + letter * size for number, size in enumerate(SIZES)]
    ids = [None, *(f"u{number}" for number in range(len(SIZES)))]
    kinds = ["user" if number % 2 == 0 else "assistant" for number in range(len(SIZES))]
    return [make_row(kind, f"u{n}", ids[n], text, n) for n, (kind, text) in enumerate(zip(kinds, texts, strict=True))]


@pytest.mark.parametrize("letter", LETTERS, ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order mark"])
def test_every_row_is_read(tmp_path: Path, letter: str, mark: bytes) -> None:
    rows = make_rows(letter)
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path = tmp_path / "s1.jsonl"
    path.write_bytes(mark + body.encode())
    (trace,), log = read(path)
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES]
    assert (log.losses, log.notes, log.lines_read) == ([], {}, len(rows))


@pytest.mark.parametrize("place", range(len(SIZES)))
def test_a_bad_line_costs_itself_alone(tmp_path: Path, place: int) -> None:
    lines: list[Row | str] = [*make_rows("x")]
    lines.insert(place, "no JSON")
    (trace,), log = read_rows(tmp_path, lines)
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES]
    assert list_losses(log) == [("bad_json", place + 1)]
    assert log.lines_read == len(lines)


@pytest.mark.parametrize("ending", ["\r\n", "\n\n", "\n \n", "\n"], ids=["CRLF", "blank line", "white line", "plain"])
@pytest.mark.parametrize("glued", [False, True], ids=["apart", "glued"])
def test_lines_keep_their_numbers_whatever_stands_between_them(tmp_path: Path, ending: str, glued: bool) -> None:
    rows = [json.dumps(row) for row in make_rows("x")[:2]]
    bad = json.dumps({"type": "user", "uuid": "u9", "message": 5})
    path = tmp_path / "s1.jsonl"
    path.write_bytes(("".join(rows) + ending if glued else ending.join(rows) + ending).encode() + bad.encode())
    (trace,), log = read(path)
    assert [len(text) for _, text in tell(trace)] == [2 + size for size in SIZES[:2]]
    lines_between = 2 if ending.count("\n") == 2 else 1
    assert list_losses(log) == [("malformed_record", 1 + (1 if glued else 2) * lines_between)]
    assert log.notes == ({"glued_objects": 1} if glued else {})


def test_two_files_read_in_turns_do_not_mix(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.jsonl" for name in ("a", "b")]
    for path, letter in zip(paths, "xy", strict=True):
        write_rows(path, make_rows(letter))
    readers = [read_claude_rows(path, LossLog(path=str(path)), ReadOptions()) for path in paths]
    found = [[], []]
    for blocks in zip(*readers, strict=True):
        for mine, rows in zip(found, blocks, strict=True):
            mine.extend(row.words.content for row in rows if row.words is not None)
    assert [{text.split(" ", 1)[1][:1] for text in mine} for mine in found] == [{"x"}, {"y"}]
    assert [[len(text) for text in mine] for mine in found] == [[2 + size for size in SIZES]] * 2


def test_a_head_behind_many_rows_that_name_no_session_is_found(tmp_path: Path) -> None:
    book: Row = {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}}
    head = SOURCE.read_head(write_rows(tmp_path / "x.jsonl", [*[book] * 300, *make_rows("x")]))
    assert head is not None
    assert head.root_session_id == "s1"


def test_the_head_of_a_session_is_that_of_all_its_sub_agents_and_read_anew_once_it_changed(tmp_path: Path) -> None:
    main = write_rows(tmp_path / "folder.jsonl", make_rows("x"))
    agents = [
        write_rows(tmp_path / "folder" / "subagents" / f"agent-{name}.jsonl",
                   [make_row("user", "u1", None, "Do it", agentId=name, sessionId=name, isSidechain=True)])
        for name in ("a", "b")
    ]  # fmt: skip
    heads = [SOURCE.read_head(path) for path in (main, *agents)]
    assert [head and head.root_session_id for head in heads] == ["s1", "s1", "s1"]
    write_rows(main, [{**row, "sessionId": "another"} for row in make_rows("x")])
    heads = [SOURCE.read_head(path) for path in (main, *agents)]
    assert [head and head.root_session_id for head in heads] == ["another", "another", "another"]


@pytest.mark.parametrize(
    "text", ["a\\u00e9", "a\\/b", "a\\n\\\\u00e9", "plain"], ids=["letter", "slash", "both", "none"]
)
def test_arguments_are_the_same_text_whatever_was_escaped(tmp_path: Path, text: str) -> None:
    call = {**use("t1"), "input": {"command": "PLACE"}}
    line = json.dumps(make_row("assistant", "a1", "u0", [call])).replace("PLACE", text)
    (trace,), _ = read_rows(tmp_path, [make_rows("x")[0], line])
    arguments = trace.messages[-1].tool_calls[0].arguments
    assert arguments == json.dumps({"command": json.loads(f'"{text}"')}, ensure_ascii=False)
