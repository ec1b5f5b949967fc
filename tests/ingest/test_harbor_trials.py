"""Harbor trials: a session that its file gives no name has the trial's, and a broken result is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tracemill.ingest import get_source
from tracemill.ingest.collect import Intake, collect_traces
from tracemill.ingest.inventory import Selection, locate_files, take_inventory
from tracemill.trace import Trace

ATIF: dict[str, Any] = {
    "schema_version": "ATIF-v1.5",
    "agent": {"name": "a", "version": "1"},
    "steps": [{"step_id": 1, "source": "user", "message": "Go"}, {"step_id": 2, "source": "agent", "message": "Ok"}],
}
MINI = {
    "trajectory_format": "mini-swe-agent-1.1",
    "info": {"mini_version": "2.0"},
    "messages": [{"role": "user", "content": "Go"}, {"role": "assistant", "content": "Ok"}],
}
SWE = {
    "history": [
        {"role": "user", "content": "Go", "agent": "main"},
        {"role": "assistant", "content": "Ok", "agent": "main"},
    ]
}
HANDS = [
    {"id": 0, "timestamp": "2026-01-01T00:00:00", "source": "user", "action": "message", "args": {"content": "Go"}},
    {"id": 1, "timestamp": "2026-01-01T00:00:01", "source": "agent", "action": "message", "args": {"content": "Ok"}},
]  # fmt: skip
KINDS = [
    pytest.param("atif", "trajectory.json", ATIF, id="atif"),
    pytest.param("mini_swe_agent", "mini-swe-agent.trajectory.json", MINI, id="mini_swe_agent"),
    pytest.param("swe_agent", "swe-agent.trajectory.traj", SWE, id="swe_agent"),
    pytest.param("openhands", "openhands.trajectory.json", HANDS, id="openhands"),
]


def write_trial(job: Path, name: str, file: str, document: Any, result: str | None = None) -> Path:
    path = job / name / "agent" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    told = {"task_name": "t", "trial_name": name, "verifier_result": {"rewards": {"reward": 1.0}}}
    (job / name / "result.json").write_text(json.dumps(told) if result is None else result, encoding="utf-8")
    return path


def read(kind: str, folder: Path) -> tuple[list[Trace], Intake, list[str]]:
    """The traces of a folder, what was counted, and the root sessions that the heads name."""
    source, intake = get_source(kind), Intake()
    root, files = locate_files(source, str(folder))
    inventory = take_inventory(source, root, files, Selection())
    traces = list(collect_traces(source, inventory, Selection(), intake, redactor=None))
    intake.check()
    return traces, intake, sorted(inventory.root_ids)


@pytest.mark.parametrize("via", ["own", "auto"])
@pytest.mark.parametrize(("kind", "file", "document"), KINDS)
def test_every_trial_of_a_job_is_a_session_of_its_own(
    tmp_path: Path, kind: str, file: str, document: Any, via: str
) -> None:
    """The files of all trials have one name, and agents that do the same thing say the same words."""
    for name in ("t__a", "t__b"):
        write_trial(tmp_path, name, file, document)
    traces, intake, roots = read(kind if via == "own" else "auto", tmp_path)
    assert sorted((trace.trace_id, trace.root_session_id) for trace in traces) == [("t__a", "t__a"), ("t__b", "t__b")]
    assert roots == ["t__a", "t__b"]
    assert [trace.success for trace in traces] == [True, True]
    assert (intake.losses, intake.notes) == ([], {})


@pytest.mark.parametrize(("kind", "file", "document"), KINDS)
@pytest.mark.parametrize(
    "result", ['{"task_name": "t"}', '{"trial_name": "t__a"}', "{}"], ids=["nameless", "job", "{}"]
)
def test_without_a_trial_s_name_the_file_names_the_session(
    tmp_path: Path, kind: str, file: str, document: Any, result: str
) -> None:
    write_trial(tmp_path, "t__a", file, document, result)
    (trace,), intake, roots = read(kind, tmp_path)
    stem = file.rpartition(".")[0]
    assert (trace.trace_id, trace.root_session_id, roots) == (stem, stem, [stem])
    assert intake.losses == []


def test_a_session_that_names_itself_keeps_its_name(tmp_path: Path) -> None:
    write_trial(tmp_path, "t__a", "trajectory.json", {**ATIF, "session_id": "s1"})
    (trace,), _, roots = read("atif", tmp_path)
    assert (trace.trace_id, trace.root_session_id, roots) == ("s1", "s1", ["s1"])
    assert trace.source_meta["trial_name"] == "t__a"


def test_a_log_of_openhands_has_the_name_that_it_gives_itself(tmp_path: Path) -> None:
    said = {"role": "user", "content": [{"type": "text", "text": "Go"}]}
    event: dict[str, Any] = {"source": "user", "kind": "MessageEvent", "llm_message": said}
    write_trial(tmp_path, "t__a", "events.jsonl", event)
    write_trial(tmp_path, "t__b", "events.jsonl", {**event, "id": "e1"})
    traces, _, roots = read("openhands", tmp_path)
    names = [(trace.trace_id, trace.root_session_id) for trace in traces]
    assert (sorted(names), roots) == ([("e1", "e1"), ("t__a", "t__a")], ["e1", "t__a"])


def test_the_files_of_one_trial_hang_together(tmp_path: Path) -> None:
    child = {**ATIF, "trajectory_id": "c1"}
    write_trial(tmp_path, "t__a", "trajectory.json", {**ATIF, "subagent_trajectories": [child]})
    write_trial(tmp_path, "t__a", "trajectory.cont-1.json", ATIF)
    write_trial(tmp_path, "t__b", "trajectory.cont-1.json", ATIF)
    traces, intake, roots = read("atif", tmp_path)
    assert sorted((trace.root_session_id, trace.trace_id, trace.parent_trace_id) for trace in traces) == [
        ("t__a", "c1", "t__a"),
        ("t__a", "t__a", None),
        ("t__a", "t__a:cont-1", None),
        ("t__b", "t__b:cont-1", None),
    ]  # fmt: skip
    assert roots == ["t__a", "t__b"]
    assert intake.losses == []


def test_other_agents_and_attempts_of_a_trial_hang_together(tmp_path: Path) -> None:
    """In files of SWE-agent they are further traces of one file."""
    other = {"role": "assistant", "content": "Mine", "agent": "helper"}
    document = {"attempts": [SWE, {"history": [*SWE["history"], other]}]}
    write_trial(tmp_path, "t__a", "swe-agent.trajectory.traj", document)
    traces, _, roots = read("swe_agent", tmp_path)
    names = [(trace.root_session_id, trace.trace_id, trace.parent_trace_id) for trace in traces]
    assert names == [
        ("t__a", "t__a:attempt_0", None),
        ("t__a", "t__a:attempt_1", None),
        ("t__a", "t__a:attempt_1:helper", "t__a:attempt_1"),
    ]
    assert roots == ["t__a"]


@pytest.mark.parametrize(("kind", "file", "document"), KINDS)
@pytest.mark.parametrize(
    ("result", "reason", "place"),
    [
        ('{"task_name": "t", "trial_name": "t__', "bad_json", "char"),
        ("", "empty_file", ""),
        ('{"task_name": "t", "verifier_result": {"rewards": {"reward": "much"}}}', "malformed_record", "'reward'"),
        ('{"task_name": "t", "verifier_result": {"rewards": {"reward": NaN}}}', "malformed_record", "'reward'"),
    ],
    ids=["cut", "empty", "word", "nan"],
)
def test_a_broken_result_is_counted_once(
    tmp_path: Path, kind: str, file: str, document: Any, result: str, reason: str, place: str
) -> None:
    path = write_trial(tmp_path, "t__a", file, document, result)
    (trace,), intake, _ = read(kind, tmp_path)
    (loss,) = intake.losses
    assert (loss.reason, loss.path, loss.line) == (reason, str(path), None)
    assert loss.detail.startswith("../result.json")
    assert place in loss.detail
    assert (trace.success, trace.reward, trace.verdict_source) == (None, None, None)
    assert trace.dropped == {reason: 1}


def test_a_broken_result_of_several_files_is_counted_with_the_first(tmp_path: Path) -> None:
    for file in ("trajectory.json", "trajectory.cont-1.json"):
        write_trial(tmp_path, "t__a", file, {**ATIF, "session_id": file}, "{")
    (tmp_path / "t__a" / "agent" / "a-note.json").write_text("{}", encoding="utf-8")  # no session
    _, intake, _ = read("atif", tmp_path)
    told = sorted((loss.reason, Path(loss.path).name) for loss in intake.losses)
    assert told == [("bad_json", "trajectory.cont-1.json"), ("foreign_file", "a-note.json")]


@pytest.mark.parametrize(
    ("told", "reward"), [("0.5", 0.5), ("1.0", 1.0), (True, 1.0), (0, 0.0), (None, None)], ids=repr
)
def test_rewards_are_read_as_those_of_other_formats(tmp_path: Path, told: Any, reward: float | None) -> None:
    result = {"task_name": "t", "trial_name": "t__a", "verifier_result": {"rewards": {"score": told}}}
    write_trial(tmp_path, "t__a", "trajectory.json", ATIF, json.dumps(result))
    (trace,), intake, _ = read("atif", tmp_path)
    assert (trace.reward, intake.losses) == (reward, [])


def test_a_result_above_the_folder_of_a_session_is_counted_too(tmp_path: Path) -> None:
    """OpenHands keeps its sessions two folders below those of other agents."""
    events = tmp_path / "t__a" / "agent" / "sessions" / "s1" / "events"
    events.mkdir(parents=True)
    for event in HANDS:
        (events / f"{event['id']}.json").write_text(json.dumps(event), encoding="utf-8")
    (tmp_path / "t__a" / "result.json").write_text('{"task_name":', encoding="utf-8")
    (trace,), intake, _ = read("openhands", tmp_path)
    assert trace.trace_id == "s1"
    assert [(loss.reason, loss.detail.split(":")[0]) for loss in intake.losses] == [
        ("bad_json", "../../../../result.json")
    ]
