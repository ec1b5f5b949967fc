"""Outcomes of the user's: found by id or path, added to any trace, refused where they say nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tracemill.errors import ConfigError
from tracemill.ingest.outcomes import Outcomes, load_outcomes
from tracemill.trace import Message, Trace


def make_trace(trace_id: str = "t1", path: str = "/runs/2026/a.jsonl", **fields) -> Trace:
    messages = (Message("user", "Do it", "human"),)
    return Trace(trace_id, "codex", path, fields.pop("root_session_id", trace_id), messages=messages, **fields)


def load(folder: Path, text: str, name: str = "outcomes.jsonl") -> Outcomes:
    (folder / name).write_text(text, encoding="utf-8")
    return load_outcomes(folder / name)


def test_a_trace_is_found_by_its_id(tmp_path: Path) -> None:
    outcomes = load(tmp_path, '{"trace_id": "t1", "success": true, "reward": 0.5, "task_id": "fix"}\n')
    trace = outcomes.label(make_trace())
    assert (trace.success, trace.reward, trace.task_id, trace.verdict_source) == (True, 0.5, "fix", "outcomes file")
    other = make_trace("t2")
    assert outcomes.label(other) is other


@pytest.mark.parametrize("path", ["a.jsonl", "2026/a.jsonl", "/runs/2026/a.jsonl"])
def test_a_trace_is_found_by_the_end_of_its_path(tmp_path: Path, path: str) -> None:
    outcomes = load(tmp_path, f"path,success,task_id\n{path},false,\n", "outcomes.csv")
    trace = outcomes.label(make_trace(task_id="old"))
    assert (trace.success, trace.task_id) == (False, "old")
    assert outcomes.find(make_trace(path="/runs/2026/ba.jsonl")) is None


def test_a_sub_agent_has_no_part_in_the_verdict_on_its_session(tmp_path: Path) -> None:
    outcomes = load(tmp_path, '{"trace_id": "root", "success": true}\n{"path": "a.jsonl", "success": true}\n')
    child = make_trace("root:1", is_sidechain=True, root_session_id="root")
    assert outcomes.label(child) is child


def test_what_the_file_leaves_empty_stays(tmp_path: Path) -> None:
    outcomes = load(tmp_path, '{"trace_id": "t1", "reward": 1}')
    trace = outcomes.label(make_trace(success=False, reward=0.0, task_id="old", verdict_source="verifier"))
    assert (trace.success, trace.reward, trace.task_id, trace.verdict_source) == (False, 1.0, "old", "outcomes file")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"success": true}', "names no trace"),
        ('{"trace_id": "t1"}', "says nothing"),
        ('{"trace_id": "t1", "success": "maybe"}', "success is 'maybe'"),
        ('{"trace_id": "t1", "reward": "NaN"}', "reward is 'NaN'"),
        ('{"trace_id": "t1", "success": true}\n{"trace_id": "t1", "success": false}', "row 1 says something else"),
        ("nonsense", "line 1: no JSON object"),
        ("[1]", "line 1: no JSON object"),
    ],
)
def test_a_row_that_helps_nobody_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_outcomes(tmp_path / "none.jsonl")


def test_a_line_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    text = (
        '{"trace_id": "t1", "task_id": "a\u2028b\x85c", "success": true}\u2028\r\n{"trace_id": "t2", "success": false}'
    )
    outcomes = load(tmp_path, text)
    assert (outcomes.label(make_trace()).task_id, outcomes.label(make_trace("t2")).success) == ("a\u2028b\x85c", False)
    outcomes = load(tmp_path, 'trace_id,task_id\r\nt1,"a\r\nb, ""c"""\r\nt2,d\u2028e\r\n', "o.csv")
    assert [outcomes.label(make_trace(name)).task_id for name in ("t1", "t2")] == ['a\r\nb, "c"', "d\u2028e"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Trace_ID, Success ,Task ID\nt1, true , x", "o.csv"),
        ("\ufefftrace_id;success;task_id\nt1;true;x\n", "o.csv"),
        ('"trace_id"; "success"; "task_id"\n"t1"; "TRUE"; "x"\n', "o.CSV"),
        ("trace_id\tsuccess\ttask-id\nt1\tyes\tx\n", "o.tsv"),
        ("\n\nsession_id,note,success,task_id,\nt1,a;b;c,pass,x,\n,,,,\n", "o.csv"),
        ('{"Trace_Id": "t1", "SUCCESS": "1", "task id": "x"}', "o.jsonl"),
    ],
    ids=["case_and_spaces", "semicolons", "quotes", "tabs", "empty_rows", "json"],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, text: str, name: str) -> None:
    trace = load(tmp_path, text, name).label(make_trace())
    assert (trace.success, trace.task_id) == (True, "x")


def test_a_row_that_waits_for_its_verdict_is_passed_over_and_counted(tmp_path: Path) -> None:
    outcomes = load(tmp_path, "trace_id,success,reward\nt1,true,\nt2,,\nt3\n,,\n", "o.csv")
    assert (len(outcomes), outcomes.blank_rows) == (1, 2)
    assert load(tmp_path, '{"trace_id": "t1", "success": null}').blank_rows == 1
    with pytest.raises(ConfigError, match="row 1: says nothing"):
        load(tmp_path, "trace_id,verdict\nt1,good\n", "o.csv")
    with pytest.raises(ConfigError, match="row 1: 3 cells under a header of 2"):
        load(tmp_path, "trace_id,success\nt1,true,b\n", "o.csv")


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"trace_id": "t1", "path": "2026/a.jsonl"}, ["t1", "t1~2"]),
        ({"trace_id": "t1~2", "path": "a.jsonl"}, ["t1~2"]),
        ({"trace_id": "t1:1", "path": "a.jsonl"}, ["t1:1"]),
        ({"trace_id": "t1", "path": "b.jsonl"}, []),
        ({"trace_id": "wrong", "path": "2026/a.jsonl"}, []),
    ],
    ids=["session", "trace", "sub_agent", "other_file", "other_id"],
)
def test_an_id_and_a_path_name_the_trace_that_meets_both(tmp_path: Path, row: dict[str, str], found: list[str]) -> None:
    outcomes = load(tmp_path, json.dumps({**row, "success": False}))
    child = make_trace("t1:1", is_sidechain=True, root_session_id="t1")
    traces = [make_trace(), child, make_trace("t1~2", root_session_id="t1"), make_trace("t2")]
    labelled, met = outcomes.label_file(traces)
    assert [trace.trace_id for trace in labelled if trace.success is False] == found
    assert [outcomes.label(trace) for trace in traces] == labelled
    assert [outcome.key for outcome in outcomes.list_unmatched(met)] == (
        [] if found else [f"trace_id {row['trace_id']}, path {row['path']}"]
    )


def test_a_row_with_an_id_and_a_path_labels_no_second_trace_elsewhere(tmp_path: Path) -> None:
    outcomes = load(tmp_path, "trace_id,path,success\nA,a/f.jsonl,false\n", "o.csv")
    files = [[make_trace("A", "/runs/b/x.jsonl")], [make_trace("F", "/runs/a/f.jsonl")]]
    assert [outcomes.label_file(traces) for traces in files] == [(traces, set()) for traces in files]
    assert outcomes.label(make_trace("A", "/runs/a/f.jsonl")).success is False


def test_one_id_in_two_files_may_have_two_outcomes(tmp_path: Path) -> None:
    row = '{"trace_id": "t1", "path": "%s/f.jsonl", "success": %s}\n'
    outcomes = load(tmp_path, row % ("a", "true") + row % ("b", "false") + '{"trace_id": "t1", "reward": 0.5}\n')
    told = [outcomes.label(make_trace("t1", f"/runs/{name}/f.jsonl")) for name in "abc"]
    assert [(trace.success, trace.reward) for trace in told] == [(True, 0.5), (False, 0.5), (None, 0.5)]
    assert len(outcomes) == 3
    with pytest.raises(ConfigError, match="row 2: row 1 says something else of the same trace"):
        load(tmp_path, row % ("a", "true") + row % ("a", "false"))


def test_the_third_of_three_rows_of_a_trace_may_contradict(tmp_path: Path) -> None:
    rows = '{"trace_id": "t1", "reward": 1}\n{"trace_id": "t1", "path": "a.jsonl", "success": true}\n'
    filled = load(tmp_path, rows + '{"path": "a.jsonl", "task_id": "x"}').label(make_trace())
    assert (filled.success, filled.reward, filled.task_id) == (True, 1.0, "x")
    with pytest.raises(ConfigError, match=r"rows 1 \(trace_id t1\) and 3 \(path a.jsonl\) say different things"):
        load(tmp_path, rows + '{"path": "a.jsonl", "success": false}').label(make_trace())


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("trace_id,success,success\nt1,true,false\n", "o.csv", "header: success stands there twice"),
        ("trace_id,Task ID,task_id\nt1,a,b\n", "o.csv", "header: task_id stands there twice"),
        ('{"trace_id": "t1", "success": true, "Success": false}', "o.jsonl", "line 1: success stands there twice"),
        ('{"trace_id": "t1", "success": true, "success": false}', "o.jsonl", "line 1: success stands there twice"),
        ('trace_id,success\n"t1,true\nt2,false\n', "o.csv", "line 2: cannot be read as CSV"),
        ('trace_id,success\nt1,true\n\n"t2,true\n"t3",false\n', "o.csv", "line 4: .*close the quotes"),
        ("", "o.csv", "holds no row; give JSON lines, or CSV"),
        ("\n \n", "o.jsonl", "holds no row; give JSON lines, or CSV"),
        ("trace_id,success\n", "o.csv", "holds no row; give JSON lines, or CSV"),
    ],
    ids=["doubled", "alike", "json_alike", "json_doubled", "open_to_the_end", "open_to_a_quote", "empty_csv",
         "empty_json", "header"],
)  # fmt: skip
def test_what_would_have_to_be_guessed_at_is_refused(tmp_path: Path, text: str, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        load(tmp_path, text, name)
    assert "\n" not in str(caught.value)


def test_a_column_of_no_meaning_may_stand_twice(tmp_path: Path) -> None:
    outcomes = load(tmp_path, "trace_id,success,note,note,,\nt1,true,a,b,,\n", "o.csv")
    assert outcomes.label(make_trace()).success is True
    assert load(tmp_path, '{"trace_id": "t1", "success": true, "note": {"a": 1, "a": 2}}').by_id["t1"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["o.csv", "o.jsonl"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str, name: str) -> None:
    text = "trace_id,success,task_id\r\nt1,true,é\r\n"
    if name == "o.jsonl":
        text = '{"trace_id": "t1", "success": true, "task_id": "é"}\n'
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / name).write_bytes((mark + text).encode(encoding))
    assert load_outcomes(tmp_path / name).label(make_trace()).task_id == "é"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("trace_id,task_id\nt1,é\n".encode("latin-1"), "byte 21 is no UTF-8 text; save the file as UTF-8"),
        ("trace_id,success\nt1,true\n".encode("utf-16-le"), "holds NUL characters .* save the file as UTF-8"),
        (b"\xff\xfet\x00r", "byte 5 is no UTF-16 text; save the file as UTF-8"),
    ],
    ids=["latin", "no_mark", "cut"],
)
def test_a_file_of_another_encoding_is_told_how_to_save(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "o.csv").write_bytes(data)
    with pytest.raises(ConfigError, match=words):
        load_outcomes(tmp_path / "o.csv")


def test_an_id_and_a_path_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    outcomes = load(tmp_path, '{"trace_id": "t1", "success": true}\n{"path": "a.jsonl", "success": false}')
    with pytest.raises(
        ConfigError, match=r"rows 1 \(trace_id t1\) and 2 \(path a.jsonl\) say different things of .* t1"
    ):
        outcomes.label(make_trace())
    assert outcomes.label(make_trace("t2")).success is False
    filled = load(tmp_path, '{"trace_id": "t1", "success": true}\n{"path": "a.jsonl", "success": true, "reward": 0}')
    trace = filled.label(make_trace())
    assert (trace.success, trace.reward) == (True, 0.0)


def test_rows_that_name_no_trace_are_listed(tmp_path: Path) -> None:
    row = '{"%s": "%s", "success": true}\n'
    names = [("trace_id", "no"), ("trace_id", "t1"), ("path", "b.jsonl"), ("path", "a.jsonl"), ("session_id", "s")]
    outcomes = load(tmp_path, "".join(row % name for name in names))
    _, met = outcomes.label_file([make_trace(), make_trace("t2", root_session_id="s")])
    assert met == {2, 4, 5}
    unmatched = [(outcome.number, outcome.key) for outcome in outcomes.list_unmatched(met)]
    assert unmatched == [(1, "trace_id no"), (3, "path b.jsonl")]
    assert outcomes.count_rows(met) == {"rows": 5, "unmatched": 2, "first_unmatched": 1, "blank": 0}
    assert outcomes.count_rows({1, 2, 3, 4, 5}) == {"rows": 5, "unmatched": 0, "first_unmatched": 0, "blank": 0}


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder; name a file"):
        load_outcomes(tmp_path)
