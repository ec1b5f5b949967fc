"""Files beside sessions that hold their verdicts: a broken one is counted once, with the first session it is of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_harbor_trials import HANDS, read
from tracemill.ingest.source import REASONS

EXAMPLES = Path(__file__).parents[2] / "examples"
REPORT = {"suite_name": "s", "results": [{"run_id": "r1", "task_id": "t1", "success": True}]}


def list_losses(kind: str, folder: Path) -> list[tuple[str, str, str]]:
    """Reason, file and place of each loss."""
    _, intake, _ = read(kind, folder)
    assert all(loss.line is None and loss.reason in REASONS for loss in intake.losses)
    return [(loss.reason, Path(loss.path).name, loss.detail.split(":")[0]) for loss in intake.losses]


def write_runs(path: Path, *run_ids: str) -> Path:
    rows: list[Any] = []
    for run_id in run_ids:
        ask = {"t": 0, "messages": [{"role": "user", "content": "Fix it."}]}
        action = {"type": "final", "summary": "over"}
        rows.append({"kind": "llm_request", "run_id": run_id, "payload": ask})
        rows.append({"kind": "llm_action", "run_id": run_id, "payload": {"t": 0, "action": action}})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "reason"),
    [(json.dumps(REPORT)[:-12], "bad_json"), ("", "empty_file"), ('{"results": ["r1"]}', "malformed_record"),
     ('{"results": [{"run_id": "r1", "success": "yes"}]}', "malformed_record")],
    ids=["cut", "empty", "no_object", "no_flag"],
)  # fmt: skip
@pytest.mark.parametrize("via", ["step_log", "auto"])
def test_a_broken_report_of_many_runs_is_counted_once(tmp_path: Path, text: str, reason: str, via: str) -> None:
    """Also where it is read again for every run, with files of one run and of several."""
    write_runs(tmp_path / "runs" / "a.jsonl", "r1", "r2", "r3")
    write_runs(tmp_path / "runs" / "b.jsonl", "r4")
    write_runs(tmp_path / "runs" / "c.jsonl", "r5", "r6")
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    if via == "step_log":
        assert list_losses(via, tmp_path) == [(reason, "a.jsonl", "../report.json")]
    else:  # what says nothing of its kind any more is foreign as well
        assert (reason, "a.jsonl", "../report.json") in list_losses(via, tmp_path)


def test_a_report_in_order_costs_nothing(tmp_path: Path) -> None:
    write_runs(tmp_path / "a.jsonl", "r1", "r2")
    told = {**REPORT, "results": [*REPORT["results"], {"run_id": "r2", "success": None}]}
    (tmp_path / "report.json").write_text(json.dumps(told), encoding="utf-8")
    traces, intake, _ = read("step_log", tmp_path)
    assert {trace.trace_id: trace.success for trace in traces} == {"r1": True, "r2": None}
    assert intake.losses == []


def test_a_report_that_changes_is_read_again(tmp_path: Path) -> None:
    write_runs(tmp_path / "a.jsonl", "r1")
    report = tmp_path / "report.json"
    report.write_text("{", encoding="utf-8")
    assert list_losses("step_log", tmp_path) == [("bad_json", "a.jsonl", "report.json")]
    report.write_text(json.dumps(REPORT), encoding="utf-8")
    (trace,), intake, _ = read("step_log", tmp_path)
    assert (trace.success, intake.losses) == (True, [])


def copy_attempts(folder: Path, results: str) -> list[str]:
    shutil.copytree(EXAMPLES / "miroflow", folder / "logs")
    (folder / "logs" / "benchmark_results.jsonl").unlink()
    logs = sorted((folder / "logs").glob("task_*.json"))
    for log in logs:  # the verdict stands in the results alone
        document = json.loads(log.read_bytes())
        log.write_text(json.dumps({**document, "final_judge_result": ""}), encoding="utf-8")
    (folder / "benchmark_results.jsonl").write_text(results, encoding="utf-8")
    return [log.name for log in logs]


def write_result(number: int, verdict: str) -> str:
    attempt = {"attempt_number": number, "final_judge_result": verdict}
    return json.dumps({"task_id": "velmora-7", "attempts": [attempt]})


@pytest.mark.parametrize(
    ("middle", "reason", "place"),
    [("{broken", "bad_json", ", line 2"), ("[1]", "not_an_object", ", line 2"),
     ("1\n{x", "not_an_object", ", line 2, and 1 more")],
    ids=["broken", "list", "two_lines"],
)  # fmt: skip
def test_a_broken_line_of_results_costs_itself_and_is_counted(
    tmp_path: Path, middle: str, reason: str, place: str
) -> None:
    lines = [write_result(1, "INCORRECT"), middle, write_result(2, "CORRECT")]
    names = copy_attempts(tmp_path, "\n".join(lines) + "\n")
    assert list_losses("miroflow", tmp_path) == [(reason, names[0], f"../benchmark_results.jsonl{place}")]
    traces, _, _ = read("miroflow", tmp_path)
    assert {trace.attempt: trace.success for trace in traces if not trace.is_sidechain} == {1: False, 2: True}


def test_results_that_are_cut_are_counted(tmp_path: Path) -> None:
    names = copy_attempts(tmp_path, write_result(1, "CORRECT") + "\n" + write_result(2, "CORRECT")[:-20])
    ((reason, name, place),) = list_losses("miroflow", tmp_path)
    assert (reason in ("cut_line", "bad_json"), name, place) == (True, names[0], "../benchmark_results.jsonl, line 2")


def write_outputs(folder: Path, mark: str = "") -> None:
    folder.mkdir(exist_ok=True)
    rows = [{"instance_id": name, "history": HANDS, "test_result": {}} for name in ("i1", "i2")]
    for name in ("output.jsonl", "output2.jsonl"):
        kept = [{**row, "instance_id": f"{mark}{name} {row['instance_id']}"} for row in rows]
        (folder / name).write_text("\n".join(map(json.dumps, kept)), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "session"),
    [("report.json", "output.jsonl"), ("output.report.json", "output.jsonl"), ("output2.report.json", "output2.jsonl")],
)
def test_a_broken_report_of_the_harness_is_counted_once(tmp_path: Path, name: str, session: str) -> None:
    write_outputs(tmp_path)
    write_outputs(tmp_path / "a", "other ")  # these are not of the report
    (tmp_path / name).write_text('{"resolved_ids": [', encoding="utf-8")
    assert list_losses("openhands", tmp_path) == [("bad_json", session, name)]


def test_a_broken_line_of_an_evaluation_is_counted(tmp_path: Path) -> None:
    write_outputs(tmp_path)
    good = json.dumps({"instance_id": "output.jsonl i2", "test_result": {"report": {"resolved": True}}})
    (tmp_path / "output.swebench_eval.jsonl").write_text("{x\n" + good, encoding="utf-8")
    place = "output.swebench_eval.jsonl, line 1"
    assert list_losses("openhands", tmp_path) == [("bad_json", "output.jsonl", place)]
    traces, _, _ = read("openhands", tmp_path)
    assert [trace.success for trace in traces if trace.trace_id == "output.jsonl i2"] == [True]


def test_broken_metadata_of_a_session_is_counted_once(tmp_path: Path) -> None:
    folder = tmp_path / "s1"
    (folder / "events").mkdir(parents=True)
    for event in HANDS:
        (folder / "events" / f"{event['id']}.json").write_text(json.dumps(event), encoding="utf-8")
    (folder / "metadata.json").write_text('{"title": "Bo', encoding="utf-8")
    assert list_losses("openhands", tmp_path) == [("bad_json", "0.json", "../metadata.json")]
    shutil.copy(EXAMPLES / "openhands/5f1e2d3c4b5a49688776655443322110/base_state.json", folder)
    (folder / "meta.json").write_text("{", encoding="utf-8")
    assert ("bad_json", "base_state.json", "meta.json") in list_losses("openhands", tmp_path)
