"""What a resumption checks before it goes on: arguments, inputs, code, the folder, its lock; and the journal itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import recipes.agent_rollout_distillation as recipe
import tracemill.run.fingerprint
from tests.model_server import Behaviour, ServerHandle
from tests.run.harness import NAME, check_whole, finish_process, list_flags, read_jsonl, run_cli, spawn_cli, wait_until
from tests.run.sessions import build_rows, write_session, write_sessions
from tracemill.run.lock import hold_lock


def stop_early(server: ServerHandle, tmp_path: Path) -> list[object]:
    """A run that stopped at a limit; returns its flags."""
    traces = write_sessions(tmp_path / "traces", 6)
    flags = list_flags(server, traces, tmp_path / "out")
    assert run_cli(*flags, "--max-requests", 5).code == 3
    return flags


CHANGES: dict[str, tuple[Callable[[Path, pytest.MonkeyPatch], list[object]], str]] = {
    "another view": (lambda traces, patch: ["--view-chars", 9000], "--view-chars was 24000 and is 9000"),
    "another rule": (lambda traces, patch: ["--min-score", 3], "--min-score was 4 and is 3"),
    "another model": (lambda traces, patch: ["--model", "other"], "--model was 'test-model' and is 'other'"),
    "another judge": (lambda traces, patch: ["--judge-model-alias", "x"], "--judge-model-alias was None and is 'x'"),
    "offline": (lambda traces, patch: ["--shuffle"], "--shuffle was False and is True"),
    "one more input": (lambda traces, patch: write_session(traces, 77, build_rows(77)) and [], "was added"),
    "one input less": (lambda traces, patch: next(traces.rglob("*0003.jsonl")).unlink() or [], "is gone"),
    "a changed input": (
        lambda traces, patch: write_session(traces, 3, build_rows(3, "Another goal.")) and [],
        "has changed",
    ),
    "other code": (
        lambda traces, patch: patch.setattr("tracemill.run.create.hash_code", lambda folders: "0") or [],
        "the code of tracemill or its recipes has changed",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_resumption_with_a_change_says_which(
    server: ServerHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    flags = stop_early(server, tmp_path)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.json*") if ".lock" not in path.name}
    make, words = CHANGES[change]
    result = run_cli(*flags, "--resume", *make(tmp_path / "traces", monkeypatch))
    assert (result.code, len(result.error_lines)) == (2, 1)
    assert words in result.error_lines[0]
    assert {path: path.read_bytes() for path in before} == before, "a refused resumption wrote into the folder"


def test_changed_prompts_are_named(server: ServerHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = stop_early(server, tmp_path)
    texts = {**recipe.PROMPTS.texts, "sft_record.user": "New words. {{ trace_digest.user_goal }}"}
    monkeypatch.setattr(recipe, "PROMPTS", type(recipe.PROMPTS)(texts))
    result = run_cli(*flags, "--resume")
    assert (result.code, result.error_lines) == (2, [result.error_lines[0]])
    assert "prompt sft_record.user differs" in result.error_lines[0]


def test_what_may_change_on_resumption(server: ServerHandle, tmp_path: Path) -> None:
    flags = stop_early(server, tmp_path)
    free = ["--max-parallel-requests", 2, "--timeout", 30, "--patience", 20, "--max-requests", 1000]
    assert run_cli(*flags, "--resume", *free).code == 0
    check_whole(tmp_path / "out" / NAME, 6)
    assert server.stats()["repeats"] == 0
    again = run_cli(*flags, "--resume")
    assert (again.code, len(again.error_lines)) == (2, 1)
    assert "complete" in again.err


def test_an_existing_folder_names_both_ways_on(server: ServerHandle, tmp_path: Path) -> None:
    flags = stop_early(server, tmp_path)
    count = server.count()
    result = run_cli(*flags)
    assert (result.code, len(result.error_lines), server.count()) == (2, 1, count)
    assert "--resume" in result.err
    assert "--dataset-name" in result.err
    assert run_cli(*flags, "--dataset-name", "second").code == 0
    nothing = run_cli(*flags, "--dataset-name", "third", "--resume")
    assert (nothing.code, len(nothing.error_lines)) == (2, 1)
    assert not (tmp_path / "out" / "third").exists()


def test_two_runs_in_one_folder(server: ServerHandle, tmp_path: Path, home: Path) -> None:
    server.behaviour = Behaviour(latency_ms=300)
    traces, folder = write_sessions(tmp_path / "traces", 20), tmp_path / "out" / NAME
    flags = list_flags(server, traces, tmp_path / "out")
    process = spawn_cli(home, *flags)
    try:
        wait_until(lambda: server.count() > 4)
        first, second = run_cli(*flags), run_cli(*flags, "--resume")
    finally:
        result = finish_process(process)
    assert (first.code, second.code, result.code) == (2, 2, 0), (first.err, second.err, result.err)
    assert "another run" in second.err
    assert (len(first.error_lines), len(second.error_lines)) == (1, 1)
    check_whole(folder, 20)
    assert server.stats()["repeats"] == 0


def test_a_run_that_is_refused_takes_nothing_from_the_one_that_began(server: ServerHandle, tmp_path: Path) -> None:
    traces, folder = write_sessions(tmp_path / "traces", 2), tmp_path / "out" / NAME
    folder.mkdir(parents=True)
    with hold_lock(folder):  # as a run does before its first file
        result = run_cli(*list_flags(server, traces, tmp_path / "out"))
        assert (result.code, len(result.error_lines)) == (2, 1)
        assert "another run" in result.err
        assert (folder / ".lock").exists()
    assert run_cli(*list_flags(server, traces, tmp_path / "out")).code == 0


def test_a_cut_journal_line_is_passed_over(server: ServerHandle, tmp_path: Path) -> None:
    flags = stop_early(server, tmp_path)
    journal = tmp_path / "out" / NAME / ".journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    journal.write_bytes(b"".join(lines[:4]) + lines[4][:40])
    assert run_cli(*flags, "--resume").code == 0
    check_whole(tmp_path / "out" / NAME, 6)
    assert server.stats()["repeats"] == 1


def test_the_journal_holds_no_prompt_and_one_line_a_cell(server: ServerHandle, tmp_path: Path) -> None:
    stop_early(server, tmp_path)
    entries = read_jsonl(tmp_path / "out" / NAME / ".journal.jsonl")
    assert [sorted(entry) for entry in entries] == [["column", "key", "trace_id", "value"]] * 5
    assert len({entry["key"] for entry in entries}) == 5
    assert "trace_view" not in json.dumps(entries)


def test_the_fingerprint_names_every_flag_that_shapes_rows() -> None:
    free = tracemill.run.fingerprint.FREE_FLAGS
    assert {"view_chars", "min_score", "select", "since", "seed", "shuffle", "num_records"} & free == set()
