"""``--outcomes``, ``--by`` and ``--format auto`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.harness import ROOT, read_jsonl, run_cli
from tests.run.sessions import write_sessions


def run_offline(traces: Path, folder: Path, *more: object, format_name: str = "codex") -> list[dict]:
    result = run_cli(
        "--format", format_name, "--trace-dir", traces, "--offline", "--num-records", "all",
        "--artifact-path", folder / "out", "--dataset-name", "d", *more,
    )  # fmt: skip
    assert result.code == 0, result.err
    return read_jsonl(folder / "out" / "d" / "all.jsonl")


def test_outcomes_reach_the_rows(tmp_path: Path) -> None:
    traces = write_sessions(tmp_path / "traces", 3)
    ids = [row["trace_id"] for row in run_offline(traces, tmp_path / "plain")]
    outcomes = tmp_path / "outcomes.jsonl"
    outcomes.write_text(json.dumps({"trace_id": ids[1], "success": True, "reward": 1, "task_id": "t-7"}))
    rows = {row["trace_id"]: row for row in run_offline(traces, tmp_path, "--outcomes", outcomes)}
    assert (rows[ids[1]]["success"], rows[ids[1]]["reward"], rows[ids[1]]["task_id"]) == (True, 1.0, "t-7")
    assert rows[ids[0]]["success"] is None
    counts = json.loads((tmp_path / "out" / "d" / "run.json").read_text())["counts"]["read"]
    assert counts["labelled"] == 1


def test_outcomes_of_other_traces_are_told(tmp_path: Path) -> None:
    traces, outcomes = write_sessions(tmp_path / "traces", 2), tmp_path / "outcomes.csv"
    outcomes.write_text("trace_id,success\nelsewhere,true\n")
    result = run_cli("--format", "codex", "--trace-dir", traces, "--offline", "--preview", "--outcomes", outcomes)
    assert result.code == 0
    assert "none of its rows names a trace that was read" in result.out + result.err


@pytest.mark.parametrize("text", ["trace_id,success\nx,perhaps\n", None], ids=["wrong", "missing"])
def test_outcomes_that_cannot_be_used_end_the_run_at_once(tmp_path: Path, text: str | None) -> None:
    traces, outcomes = write_sessions(tmp_path / "traces", 1), tmp_path / "outcomes.csv"
    if text is not None:
        outcomes.write_text(text)
    result = run_cli(
        "--format", "codex", "--trace-dir", traces, "--offline", "--outcomes", outcomes,
        "--artifact-path", tmp_path / "out",
    )  # fmt: skip
    assert result.code == 2
    assert result.err.startswith("error: --outcomes ")
    assert "Traceback" not in result.err
    assert not list((tmp_path / "out").glob("*/*"))


def test_one_trace_a_run_or_one_a_reply(tmp_path: Path) -> None:
    traces = ROOT / "examples" / "agentscope_studio"
    replies = run_offline(traces, tmp_path / "a", format_name="agentscope_studio")
    runs = run_offline(traces, tmp_path / "b", "--by", "run", format_name="agentscope_studio")
    assert len(replies) > len(runs) > 0


def test_all_examples_at_once(tmp_path: Path) -> None:
    rows = run_offline(ROOT / "examples", tmp_path, format_name="auto")
    assert len({row["source_kind"] for row in rows}) == 14
