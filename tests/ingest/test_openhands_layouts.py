"""Where OpenHands' events lie: lists of any name, the server's answer, the archive of a conversation, old harnesses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_openhands import DONE, NEW_DONE, NEW_TASK, ROOT, TASK, make_new_act, make_new_result
from tests.ingest.test_openhands_files import write_conversation, write_events, write_page
from tests.ingest.test_openhands_output import FAILED, SOLVED, read_one, write_rows
from tests.ingest.test_swe_agent import read
from tracemill.errors import InputError
from tracemill.ingest import get_source
from tracemill.ingest.inventory import locate_files
from tracemill.ingest.openhands.reader import SOURCE
from tracemill.ingest.source import ReadOptions
from tracemill.trace import Trace

AUTO = get_source("auto")
META = {
    "id": "0f1e2d3c4b5a49688776655443322110", "created_by_user_id": None, "sandbox_id": "b1", "title": "Fix the tally",
    "selected_repository": "robin/tally", "selected_branch": "main", "llm_model": "claude-sonnet-4",
    "metrics": {"accumulated_cost": 0.1, "accumulated_token_usage": {"prompt_tokens": 900, "completion_tokens": 30}},
}  # fmt: skip


def find(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in locate_files(SOURCE, str(folder))[1]]


def write_archive(folder: Path, *events: Any, meta: Any = META) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, event in enumerate(events):
        path = folder / f"event_{number:06d}_{event.get('id', 'x')}.json"
        path.write_text(json.dumps(event), encoding="utf-8")
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    return min(folder.glob("event_*"))


@pytest.mark.parametrize(
    "name", ["run.traj", "trajectory", "trajectory.json", "trajectories", "s1.json", "a.trajectory"]
)
@pytest.mark.parametrize("is_answer", [False, True], ids=["list", "answer"])
def test_a_trajectory_may_have_any_name(tmp_path: Path, name: str, is_answer: bool) -> None:
    path = tmp_path / name
    path.write_text(json.dumps({"trajectory": [TASK, DONE]} if is_answer else [TASK, DONE]), encoding="utf-8")
    assert find(tmp_path) == [name]
    (trace,), log = read(SOURCE, path)
    assert (trace.trace_id, trace.message_count, log.losses, log.lines_read) == (path.stem, 2, [], 2)
    head = SOURCE.read_head(path)
    assert head is not None
    assert head.root_session_id == trace.root_session_id
    assert AUTO.read_head(path) == head
    assert [found.source_kind for found in AUTO.read_file(path, log, ReadOptions())] == ["openhands"]


@pytest.mark.parametrize(
    "document",
    [{"trajectory": None, "error": "gone"}, {"trajectory": [{"action": "ls", "observation": "a"}]}, {"trajectory": 3}],
    ids=["failed", "swe_agent", "odd"],
)
def test_other_answers_are_foreign(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "a.traj"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert SOURCE.read_head(path) is None
    traces, log = read(SOURCE, path)
    assert (traces, [loss.reason for loss in log.losses]) == ([], ["foreign_file"])


def test_no_trajectory_of_swe_agent_is_taken() -> None:
    path = ROOT / "examples" / "swe_agent" / "tally-41" / "tally-41.traj"
    assert SOURCE.is_session_file(path)
    assert SOURCE.read_head(path) is None
    assert [trace.source_kind for trace in AUTO.read_file(path, read(SOURCE, path)[1], ReadOptions())] == ["swe_agent"]


@pytest.mark.parametrize("missing", ["none", "default", "beside", "both"])
def test_folders_beside_the_default_one_are_read_with_it(tmp_path: Path, missing: str) -> None:
    """The agent server keeps its conversations in folders of their own."""
    places = {name: tmp_path / name for name in ("conversations", "agent-canvas/conversations", "agent-canvas/dev")}
    for number, (name, place) in enumerate(places.items()):
        if missing != "both" and (missing == "none" or (name == "conversations") == (missing == "beside")):
            write_conversation(place / f"c{number}", f"c{number}", NEW_TASK)
    default, *beside = map(str, places.values())
    source = replace(SOURCE, default_dir=default, default_files=tuple(beside))
    if missing == "both":
        with pytest.raises(InputError, match="no such folder"):
            locate_files(source, None)
        return
    found = [path.parent.relative_to(tmp_path).as_posix() for path in locate_files(source, None)[1]]
    read = ["agent-canvas/conversations/c1", "agent-canvas/dev/c2"] if missing != "beside" else []
    assert found == (["conversations/c0"] if missing != "default" else []) + read
    if missing == "none":  # a folder that is named is read alone
        assert len(locate_files(source, default)[1]) == 1


def test_the_archive_of_a_conversation_is_one_session(tmp_path: Path) -> None:
    first = write_archive(
        tmp_path / "a", NEW_TASK, make_new_act("e1", "c1", "r1"), make_new_result("e2", "c1", "ok"), NEW_DONE
    )
    assert find(tmp_path) == [f"a/{first.name}"]
    (trace,), log = read(SOURCE, first)
    assert (trace.trace_id, trace.git_branch, trace.model) == (META["id"], "main", "claude-sonnet-4")
    assert (trace.source_meta["title"], trace.source_meta["repository"]) == ("Fix the tally", "robin/tally")
    assert (trace.input_tokens, trace.output_tokens) == (900, 30)
    assert [message.role for message in trace.messages] == ["user", "assistant", "tool", "assistant"]
    assert (log.losses, log.lines_read) == ([], 4)
    head = SOURCE.read_head(first)
    assert head is not None
    assert head.root_session_id == META["id"]


def test_an_archive_in_a_folder_of_all_kinds_is_one_file(tmp_path: Path) -> None:
    first = write_archive(tmp_path / "a", NEW_TASK, NEW_DONE)
    assert locate_files(AUTO, str(tmp_path))[1] == [first]


@pytest.mark.parametrize("meta", [[], {"id": ""}, {"id": 5, "metrics": 7}], ids=["list", "no_id", "odd"])
def test_an_archive_without_an_id_has_its_folder_s_name(tmp_path: Path, meta: Any) -> None:
    (trace,), _ = read(SOURCE, write_archive(tmp_path / "a", NEW_TASK, NEW_DONE, meta=meta))
    assert (trace.trace_id, trace.message_count) == ("a", 2)


def test_an_event_counts_as_a_line_in_every_layout(tmp_path: Path) -> None:
    events = write_events(tmp_path / "s1", 0, 1, 3)
    (events / "2.json").write_text("{broken", encoding="utf-8")
    assert read(SOURCE, events / "0.json")[1].lines_read == 4
    write_page(tmp_path / "s2", 0, 25)
    paged = write_events(tmp_path / "s2", 25)
    (trace,), log = read(SOURCE, paged / "25.json")
    assert (trace.message_count, log.lines_read) == (26, 26)
    state = write_conversation(tmp_path / "s3", "s-3", NEW_TASK, NEW_DONE)
    assert read(SOURCE, state)[1].lines_read == 2
    rows = write_rows(tmp_path, NEW_TASK, NEW_DONE, name="log.jsonl")
    assert read(SOURCE, rows)[1].lines_read == 2


def read_old(folder: Path, **fields: Any) -> Trace:
    row = {"metadata": {"agent_class": "CodeActAgent"}, "error": None, "history": [[TASK, DONE]], **fields}
    (trace,), log = read(SOURCE, write_rows(folder, row))
    assert log.losses == []
    return trace


@pytest.mark.parametrize("key", ["instance_id", "task_id", "question_id", "qid", "id"])
def test_old_benchmarks_name_their_instances_in_other_ways(tmp_path: Path, key: str) -> None:
    trace = read_old(tmp_path, **{key: 17}, correct=True)
    assert (trace.trace_id, trace.task_id, trace.success) == ("17", "17", True)
    assert SOURCE.read_head(tmp_path / "output.jsonl") is not None


@pytest.mark.parametrize(
    ("fields", "success"),
    [
        ({"correct": False}, False),
        ({"correct": "yes"}, None),
        ({"fine_grained_report": SOLVED}, True),
        ({"fine_grained_report": FAILED, "correct": True}, False),
        ({"fine_grained_report": {"resolved": False, "test_timeout": True}}, None),
        ({"test_result": {"success": True}}, True),
        ({"test_result": {"result": False, "success": True}}, False),
    ],
)
def test_verdicts_of_old_benchmarks(tmp_path: Path, fields: dict[str, Any], success: bool | None) -> None:
    assert read_old(tmp_path, qid="easy-1", **fields).success is success


@pytest.mark.parametrize(
    "row",
    [
        {"id": 1, "history": [["a", "b"]], "metadata": {}, "error": None},
        {"id": 1, "history": [[TASK, DONE]]},
        {"history": [[TASK, DONE]], "metadata": {}, "error": None},
    ],
    ids=["chat", "bare", "unnamed"],
)
def test_other_rows_with_a_history_are_none_of_the_harness(tmp_path: Path, row: Any) -> None:
    assert SOURCE.read_head(write_rows(tmp_path, row)) is None


def test_a_row_is_still_a_line(tmp_path: Path) -> None:
    assert read_one(tmp_path, TASK, DONE)[1].lines_read == 1


@pytest.mark.parametrize("name", ["cost_report.jsonl", "output.swebench.jsonl", "meta.json"])
def test_more_files_beside_sessions_are_none(name: str) -> None:
    assert not SOURCE.is_session_file(Path("runs") / name)
