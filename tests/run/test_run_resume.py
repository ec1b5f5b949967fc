"""Runs that die and go on: real kills, interrupts, limits, a full disk, changed inputs, two runs in one folder."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.model_server import Behaviour, Fault, ServerHandle
from tests.run.harness import (
    NAME,
    Result,
    check_whole,
    finish_process,
    kill_when,
    list_batches,
    list_flags,
    list_hidden,
    read_jsonl,
    read_record,
    run_cli,
    run_process,
    spawn_cli,
    wait_until,
)
from tests.run.sessions import make_id, write_sessions

PARALLEL = 16
COUNT = 130  # three row groups

Moment = Callable[[ServerHandle, Path], bool]
MOMENTS: dict[str, Moment] = {
    "before the first batch file": lambda server, folder: server.count(status=200) >= 40,
    "between batch files": lambda server, folder: 1 <= len(list_batches(folder)) < 3,
    "near the end": lambda server, folder: server.count("judge", status=200) >= COUNT - 3,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on(server: ServerHandle, tmp_path: Path, home: Path, moment: str) -> None:
    server.behaviour = Behaviour(latency_ms=60)
    traces, folder = write_sessions(tmp_path / "traces", COUNT), tmp_path / "out" / NAME
    flags = list_flags(server, traces, tmp_path / "out", "--max-parallel-requests", PARALLEL)
    process = spawn_cli(home, *flags)
    kill_when(process, lambda: MOMENTS[moment](server, folder))
    assert finish_process(process).code == -signal.SIGKILL
    batches = len(list_batches(folder))
    assert batches == 0 if moment.startswith("before") else batches >= 1
    assert not (folder / "all.jsonl").exists()
    assert (folder / ".store").stat().st_mode & 0o777 == 0o700
    assert (folder / ".journal.jsonl").stat().st_mode & 0o777 == 0o600
    wait_until(lambda: server.in_flight == 0)
    result = run_process(home, *flags, "--resume")
    assert result.code == 0, result.err
    rows = check_whole(folder, COUNT)
    assert {row["sft_quality_judge_result_status"] for row in rows} == {"ok"}
    assert server.count() - COUNT * 3 == server.stats()["repeats"] <= PARALLEL
    assert list_hidden(folder) == []
    assert read_record(folder)["state"] == "complete"


def test_a_killed_run_gives_the_rows_of_an_undisturbed_one(server: ServerHandle, tmp_path: Path, home: Path) -> None:
    server.behaviour = Behaviour(latency_ms=40)
    traces = write_sessions(tmp_path / "traces", 60)
    flags = list_flags(server, traces, tmp_path / "out", "--max-parallel-requests", PARALLEL)
    process = spawn_cli(home, *flags)
    kill_when(process, lambda: server.count(status=200) >= 100)
    finish_process(process)
    assert run_cli(*flags, "--resume").code == 0
    server.behaviour = Behaviour()
    assert run_cli(*list_flags(server, traces, tmp_path / "whole")).code == 0
    for name in ("all.jsonl", "sft.jsonl", "rejects.jsonl"):
        assert (tmp_path / "out" / NAME / name).read_bytes() == (tmp_path / "whole" / NAME / name).read_bytes()


def find_command(result: Result) -> list[str]:
    """The words after ``uv run …recipe.py`` in the line that tells how to go on."""
    line = next(line for line in result.err.splitlines() if line.lstrip().startswith("uv run ") and "recipe.py" in line)
    return shlex.split(line)[3:]


def test_an_interrupted_run_finishes_what_is_in_flight(server: ServerHandle, tmp_path: Path, home: Path) -> None:
    server.behaviour = Behaviour(latency_ms=300)
    traces, folder = write_sessions(tmp_path / "traces", 70), tmp_path / "out" / NAME
    process = spawn_cli(home, *list_flags(server, traces, tmp_path / "out", "--max-parallel-requests", PARALLEL))
    kill_when(process, lambda: len(list_batches(folder)) == 1, signal.SIGINT)
    sent = server.count()
    result = finish_process(process)
    assert result.code == 130, result.err
    assert "Traceback" not in result.err
    assert server.count() - sent <= PARALLEL, "requests were sent after the interrupt"
    assert server.count(status=None) == 0, "what was in flight was not waited for"
    rows = read_jsonl(folder / "all.jsonl")
    assert 50 <= len(rows) < 70, "the batch file's rows, and those that the journal holds whole"
    unfinished = [entry for entry in read_jsonl(folder / "rejects.jsonl") if entry["reason"] == "not_finished"]
    assert len(unfinished) == 70 - len(rows)
    assert read_record(folder)["counts"]["generate"]["dropped"] == {"not_finished": 70 - len(rows)}
    usage = read_record(folder)["usage"]["test-model"]
    assert usage["requests"] == server.count()
    assert (folder / "README.md").exists()
    server.behaviour = Behaviour()
    again = run_process(home, *find_command(result))
    assert again.code == 0, again.err
    check_whole(folder, 70)
    assert server.stats()["repeats"] == 0
    assert read_record(folder)["usage"]["test-model"]["requests"] == server.count() == 210


def test_an_interrupt_while_the_endpoint_hangs_ends_within_the_time(
    server: ServerHandle, tmp_path: Path, home: Path
) -> None:
    server.behaviour = Behaviour(faults=(Fault("hang", skip=4),))
    traces = write_sessions(tmp_path / "traces", 8)
    process = spawn_cli(home, *list_flags(server, traces, tmp_path / "out"))
    kill_when(process, lambda: server.in_flight == 4, signal.SIGINT)
    started = time.monotonic()
    time.sleep(1)
    process.send_signal(signal.SIGINT)  # the second one does not wait
    result = finish_process(process, 15)
    assert (result.code, time.monotonic() - started < 8) == (130, True), result.err
    server.behaviour = Behaviour()
    again = run_process(home, *find_command(result))
    assert again.code == 0, again.err
    check_whole(tmp_path / "out" / NAME, 8)


def test_an_interrupt_before_the_first_request_can_be_resumed(server: ServerHandle, tmp_path: Path, home: Path) -> None:
    traces, folder = write_sessions(tmp_path / "traces", 40), tmp_path / "out" / NAME
    process = spawn_cli(home, *list_flags(server, traces, tmp_path / "out"))
    kill_when(process, lambda: (folder / "run.json").exists(), signal.SIGINT)
    result = finish_process(process)
    assert result.code == 130, result.err
    assert "Traceback" not in result.err
    again = run_process(home, *find_command(result))
    assert again.code == 0, again.err
    check_whole(folder, 40)


LIMITS = {
    "requests": ("--max-requests", 50),
    "cost": ("--max-cost", 0.1, "--input-price", 2, "--output-price", 8),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_stops_the_run(server: ServerHandle, tmp_path: Path, limit: str) -> None:
    server.behaviour = Behaviour(latency_ms=20, faults=(Fault("503", every=7), Fault("cut", every=11)))
    traces, folder = write_sessions(tmp_path / "traces", 60), tmp_path / "out" / NAME
    flags = list_flags(server, traces, tmp_path / "out", "--max-parallel-requests", 4)
    result = run_cli(*flags, *LIMITS[limit])
    assert result.code == 3, result.err
    assert f"--max-{limit}" in result.err
    assert find_command(result)[-1] == "--resume"
    record = read_record(folder)
    assert record["state"] == "stopped"
    assert record["usage"]["test-model"]["requests"] == server.count()
    if limit == "requests":
        assert server.count() == 50
    else:
        assert 0.05 < record["cost_usd"] <= 0.1
    done = server.count(status=200) - server.count(fault="cut")
    server.behaviour = Behaviour()
    before = server.count()
    again = run_cli(*flags, "--resume")
    assert again.code == 0, again.err
    check_whole(folder, 60)
    assert server.count() - before == 180 - done


@contextlib.contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """A disk of some KiB."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root to mount a small disk")
@pytest.mark.parametrize("free_kib", [4, 24, 60, 120])
def test_a_full_disk_is_one_line_and_the_run_resumes(
    server: ServerHandle, tmp_path: Path, home: Path, free_kib: int
) -> None:
    traces = write_sessions(tmp_path / "traces", 60)
    with small_disk(tmp_path / "disk", 4096) as disk:
        flags = list_flags(server, traces, disk, "--max-parallel-requests", PARALLEL)
        ballast, folder = disk / "ballast", disk / NAME
        server.behaviour = Behaviour(rule=lambda record: fill_up(ballast, free_kib, server))
        result = run_cli(*flags)
        assert result.code in (2, 3), (result.out, result.err)
        assert len(result.error_lines) == 1, result.err
        assert "No space left" in result.error_lines[0]
        assert "--resume" in result.error_lines[0]
        assert "Traceback" not in result.err
        before = server.count()
        server.behaviour = Behaviour()
        ballast.unlink()
        again = run_cli(*flags, "--resume")
        assert again.code == 0, again.err
        check_whole(folder, 60)
        assert server.count() - 180 <= PARALLEL, (before, server.count())
        assert list_hidden(folder) == []


def fill_up(ballast: Path, free_kib: int, server: ServerHandle) -> None:
    """Leave so much of the disk at the 40th request."""
    if server.count() == 40:
        status = os.statvfs(ballast.parent)
        size = status.f_bavail * status.f_frsize - free_kib * 1024
        ballast.write_bytes(b"x" * max(size, 0))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["kill", "int", "term"])
def test_an_offline_run_that_ended_early_goes_on(tmp_path: Path, home: Path, number: int) -> None:
    traces, folder = write_sessions(tmp_path / "traces", 400), tmp_path / "out" / NAME
    flags = ["--format", "codex", "--trace-dir", traces, "--artifact-path", tmp_path / "out", "--offline",
             "--num-records", "all"]  # fmt: skip
    process = spawn_cli(home, *flags)
    kill_when(process, lambda: len(list_batches(folder)) >= 1, number)
    result = finish_process(process)
    assert result.code == (-number if number == signal.SIGKILL else 130), result.err
    assert "Traceback" not in result.err
    again = run_process(home, *flags, "--resume")
    assert again.code == 0, again.err
    by_day = sorted(range(400), key=lambda number: (number % 28, number))
    assert [row["trace_id"] for row in check_whole(folder, 400)] == [make_id(number) for number in by_day]


def test_an_interrupted_preview_leaves_nothing(server: ServerHandle, tmp_path: Path, home: Path) -> None:
    server.behaviour = Behaviour(latency_ms=1500)
    traces = write_sessions(tmp_path / "traces", 6)
    process = spawn_cli(home, *list_flags(server, traces, tmp_path / "out", "--preview"))
    kill_when(process, lambda: server.in_flight >= 1, signal.SIGINT)
    result = finish_process(process)
    assert (result.code, "Traceback" in result.err) == (130, False), result.err
    assert not (tmp_path / "out").exists()


def test_a_preview_that_cannot_reach_its_model_says_so(server: ServerHandle, tmp_path: Path) -> None:
    server.behaviour = Behaviour(faults=(Fault("401"),))
    traces = write_sessions(tmp_path / "traces", 3)
    result = run_cli(*list_flags(server, traces, tmp_path / "out", "--preview"))
    assert (result.code, len(result.error_lines)) == (3, 1), result.err
    assert "API key was refused" in result.err
    assert "--resume" not in result.err
