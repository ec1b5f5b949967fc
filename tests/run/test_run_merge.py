"""``merge``: parts that are not a whole are refused with a line that names what is wrong; nothing is half written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import ServerHandle
from tests.run.harness import list_flags, read_jsonl, read_record, run_cli, run_process
from tests.run.partitions import Job, check_equal, read_rows
from tests.run.sessions import make_id, write_sessions

FINAL = ("README.md", "all.jsonl", "rejects.jsonl", "run.json", "sft.jsonl")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("codex", write_sessions(tmp_path / "traces", 6), tmp_path / "out")


def merge(job: Job, name: str = "set") -> tuple[int, str]:
    """Exit code and stderr of the command."""
    result = run_cli("merge", name, "--artifact-path", job.artifacts)
    assert "Traceback" not in result.err
    return result.code, result.err


def edit_record(part: Path, change: Callable[[dict[str, Any]], None]) -> None:
    record = read_record(part)
    change(record)
    (part / "run.json").write_text(json.dumps(record))


def remove_middle(job: Job, parts: list[Path]) -> None:
    shutil.rmtree(parts[1])


def remove_two(job: Job, parts: list[Path]) -> None:
    shutil.rmtree(parts[0])
    shutil.rmtree(parts[2])


def leave_unfinished(job: Job, parts: list[Path]) -> None:
    edit_record(parts[1], lambda record: record.update(state="stopped"))


def leave_without_record(job: Job, parts: list[Path]) -> None:
    (parts[1] / "run.json").unlink()


def cut_record(job: Job, parts: list[Path]) -> None:
    (parts[1] / "run.json").write_text('{"state": "comp')


def make_with_another_view(job: Job, parts: list[Path]) -> None:
    shutil.rmtree(parts[1])
    job.create_part("set", 1, 3, "--view-chars", 700)


def make_without_acceptance(job: Job, parts: list[Path]) -> None:
    edit_record(parts[1], lambda record: record["arguments"].update(accept_heuristic=False))


def make_with_another_model(job: Job, parts: list[Path]) -> None:
    edit_record(parts[2], lambda record: record["models"].update(judge="another at http://127.0.0.1:1/v1"))


def make_with_another_version(job: Job, parts: list[Path]) -> None:
    edit_record(parts[2], lambda record: record["versions"].update(tracemill="0.0.9"))


def make_with_other_prompts(job: Job, parts: list[Path]) -> None:
    edit_record(parts[2], lambda record: record["fingerprint"]["prompts"].update({"trace_digest.user": "0"}))


def make_with_other_code(job: Job, parts: list[Path]) -> None:
    edit_record(parts[2], lambda record: record["fingerprint"].update(code="0"))


def add_a_part_of_another_run(job: Job, parts: list[Path]) -> None:
    job.create_part("set", 0, 2)


def remove_all(job: Job, parts: list[Path]) -> None:
    for part in parts:
        shutil.rmtree(part)


FAULTS: dict[str, tuple[Callable[[Job, list[Path]], None], list[str]]] = {
    "a missing part": (remove_middle, ["part 1 of 3 is missing", "--partition-index"]),
    "two missing parts": (remove_two, ["part 0, 2 of 3 is missing"]),
    "an unfinished part": (leave_unfinished, ["part-00001-of-00003", "not complete", "--resume"]),
    "a part without a record": (leave_without_record, ["part-00001-of-00003", "not complete"]),
    "a cut record": (cut_record, ["part-00001-of-00003", "run.json"]),
    "another view": (make_with_another_view, ["part-00001-of-00003", "--view-chars is 700", "24000"]),
    "another acceptance": (make_without_acceptance, ["part-00001-of-00003", "--accept-heuristic"]),
    "another model": (make_with_another_model, ["part-00002-of-00003", "models"]),
    "another version": (make_with_another_version, ["part-00002-of-00003", "versions"]),
    "other prompts": (make_with_other_prompts, ["part-00002-of-00003", "prompts"]),
    "other code": (make_with_other_code, ["part-00002-of-00003", "code"]),
    "parts of two runs": (add_a_part_of_another_run, ["2, 3 parts"]),
    "no parts": (remove_all, ["no parts", "--partition-index"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_parts_that_are_no_whole_are_refused(job: Job, name: str) -> None:
    spoil, words = FAULTS[name]
    spoil(job, job.create_parts("set", 3))
    code, err = merge(job)
    assert (code, len(err.splitlines())) == (2, 1), err
    for word in ["error: ", *words]:
        assert word in err
    assert [path.name for path in (job.artifacts / "set").iterdir() if path.is_file()] == []


def test_no_such_dataset(job: Job) -> None:
    code, err = merge(job, "nowhere")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "nowhere: no parts here" in err
    assert not job.artifacts.exists()


def test_a_dataset_without_parts_is_left_as_it_is(job: Job) -> None:
    folder = job.create("set").folder
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, err = merge(job)
    assert (code, "no parts here" in err) == (2, True)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_what_changes_no_row_may_differ(job: Job) -> None:
    whole = job.create("whole").folder
    job.create_part("set", 0, 2, "--max-parallel-requests", 7)
    job.create_part("set", 1, 2, "--patience", 3, "--timeout", 9)
    assert merge(job) == (0, "")
    check_equal(whole, job.artifacts / "set")


def test_merging_again_gives_the_same(job: Job) -> None:
    job.create_parts("set", 2)
    assert merge(job) == (0, "")
    folder = job.artifacts / "set"
    before = {name: (folder / name).read_bytes() for name in FINAL}
    assert merge(job) == (0, "")
    assert {name: (folder / name).read_bytes() for name in FINAL} == before
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*FINAL, "part-00000-of-00002", "part-00001-of-00002"]
    )


def test_the_record_and_the_card_tell_of_the_parts(server: ServerHandle, job: Job) -> None:
    flags = list_flags(server, job.traces, job.artifacts, "--dataset-name", "set", "--num-partitions", 2)
    assert [run_cli(*flags, "--partition-index", index).code for index in (0, 1)] == [0, 0]
    assert merge(job) == (0, "")
    folder = job.artifacts / "set"
    record = read_record(folder)
    assert record["parts"] == ["part-00000-of-00002", "part-00001-of-00002"]
    assert (record["state"], record["arguments"]["partition_index"]) == ("complete", None)
    assert record["usage"]["test-model"]["requests"] == server.count() == 18
    shares = [read_record(folder / part)["usage"]["test-model"]["input_tokens"] for part in record["parts"]]
    assert record["usage"]["test-model"]["input_tokens"] == sum(shares)
    for stage in ("generate", "recommend"):
        counts = record["counts"][stage]
        assert counts["in"] == counts["out"] + sum(counts["dropped"].values()) == 6
    assert len(read_jsonl(folder / "sft.jsonl")) == record["counts"]["recommend"]["out"]
    assert "6" in (folder / "README.md").read_text()


def write_export(path: Path, *sessions: tuple[str, int]) -> None:
    """A Hermes export: sessions with an id and a number of messages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {"id": name, "source": "cli", "model": "m", "started_at": 1760000000.0,
         "messages": [{"role": ("user", "assistant")[index % 2], "content": f"{name} {index}"}
                      for index in range(count)]}
        for name, count in sessions
    ]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_copies_of_a_session_in_several_exports_fall_into_one_part(tmp_path: Path) -> None:
    for number in range(5):
        write_export(tmp_path / "traces" / f"export{number}.jsonl", (f"head{number}", 4), ("shared", 6))
    job = Job("hermes_agent", tmp_path / "traces", tmp_path / "out")
    whole = job.create("whole").folder
    parts = job.create_parts("set", 3)
    assert sum("shared" in [row["trace_id"] for row in read_rows(part)] for part in parts) == 1
    assert merge(job) == (0, "")
    check_equal(whole, job.artifacts / "set")
    lost = [entry for entry in read_jsonl(job.artifacts / "set" / "rejects.jsonl") if entry["stage"] == "read"]
    assert [entry["reason"] for entry in lost] == ["repeated_session"] * 4


def write_claude_session(path: Path, *sessions: str) -> None:
    """A Claude Code file with the rows of several sessions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in sessions:
        said = {"role": "user", "content": f"Say {name}."}
        answered = {"role": "assistant", "id": f"msg_{name}", "model": "m", "content": [{"type": "text", "text": name}]}
        both = {"sessionId": name, "timestamp": "2026-01-01T00:00:00.000Z"}
        rows.append({**both, "type": "user", "uuid": f"u-{name}", "parentUuid": None, "message": said})
        rows.append({**both, "type": "assistant", "uuid": f"a-{name}", "parentUuid": f"u-{name}", "message": answered})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_session_inside_files_of_others_is_taken_once(tmp_path: Path) -> None:
    for number in range(5):
        write_claude_session(tmp_path / "traces" / "p" / f"file{number}.jsonl", f"head{number}", "shared")
    job = Job("claude_code", tmp_path / "traces", tmp_path / "out")
    whole = job.create("whole").folder
    parts = job.create_parts("set", 3)
    assert sum("shared" in [row["trace_id"] for row in read_rows(part)] for part in parts) > 1
    assert merge(job) == (0, "")
    check_equal(whole, job.artifacts / "set")


def test_a_conversation_that_grew_between_two_exports_is_the_same_in_parts(tmp_path: Path) -> None:
    for number in range(4):
        write_export(tmp_path / "traces" / f"export{number}.jsonl", (f"head{number}", 4), ("shared", 4 + 2 * number))
    job = Job("hermes_agent", tmp_path / "traces", tmp_path / "out")
    whole = job.create("whole").folder
    job.create_parts("set", 3)
    assert merge(job) == (0, "")
    check_equal(whole, job.artifacts / "set")


def test_merge_in_a_process_of_its_own(job: Job, tmp_path: Path, home: Path) -> None:
    job.create_parts("set", 2)
    result = run_process(home, "merge", "set", "--artifact-path", "out")
    assert (result.code, result.err) == (0, "")
    folder = job.artifacts / "set"
    kept = len(read_jsonl(folder / "sft.jsonl"))
    assert result.out == f"{folder}: 2 parts, 6 rows, {kept} in sft.jsonl\n"
    assert [row["trace_id"] for row in read_rows(folder)] == [make_id(number) for number in range(6)]
