"""Runs the command line, in this process or in one of its own, and reads what a run leaves."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.model_server import ServerHandle
from tracemill.run.main import main

ROOT = Path(__file__).parents[2]
GUARD = Path(__file__).parent / "guard"
NAME = "agent_rollout_distillation-codex"


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith(("error:", "recipe.py"))]


def run_cli(*arguments: object) -> Result:
    """The command line in this process."""
    words = [str(argument) for argument in arguments]
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["recipe.py", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(ROOT, words)
            except SystemExit as end:
                code = int(end.code or 0)
    finally:
        sys.argv = before
    return Result(code, out.getvalue(), err.getvalue())


def build_environment(home: Path, **extra: str) -> dict[str, str]:
    """An environment without keys, with a home of its own, and with the network guard."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    temporary = home.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    return {**kept, "HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(GUARD),
            "GUARD_LOG": str(home.parent / "guard.log"), **extra}  # fmt: skip


def spawn_cli(home: Path, *arguments: object, **extra: str) -> subprocess.Popen[str]:
    """The command line as a process."""
    words = [sys.executable, str(ROOT / "recipe.py"), *(str(argument) for argument in arguments)]
    return subprocess.Popen(words, cwd=home.parent, env=build_environment(home, **extra), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def finish_process(process: subprocess.Popen[str], timeout_s: float = 60) -> Result:
    """Wait for its end."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hung for {timeout_s} s\n{out}\n{err}") from None
    return Result(process.returncode, out, err)


def run_process(home: Path, *arguments: object, **extra: str) -> Result:
    """The command line as a process, from start to end."""
    return finish_process(spawn_cli(home, *arguments, **extra))


def wait_until(condition: Callable[[], bool], timeout_s: float = 40, step_s: float = 0.01) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(step_s)


def kill_when(process: subprocess.Popen[str], condition: Callable[[], bool], number: int = signal.SIGKILL) -> None:
    """Send a signal when something comes true."""
    try:
        wait_until(lambda: condition() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        process.send_signal(number)
    except BaseException:
        process.kill()
        raise


def list_flags(server: ServerHandle, traces: Path, artifacts: Path, *more: object) -> list[object]:
    """The flags of a create run against the test server."""
    return ["--format", "codex", "--trace-dir", traces, "--endpoint", server.url, "--model", "test-model",
            "--num-records", "all", "--artifact-path", artifacts, *more]  # fmt: skip


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def read_record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def list_batches(folder: Path) -> list[Path]:
    return sorted((folder / "data" / "parquet-files").glob("batch_*.parquet"))


def read_schemas(folder: Path) -> list[Any]:
    return [pq.read_schema(path) for path in list_batches(folder)]


def check_whole(folder: Path, count: int) -> list[dict[str, Any]]:
    """Every trace is there once, the counts add up, and nothing of the run's own is left; returns the rows."""
    rows = read_jsonl(folder / "all.jsonl")
    ids = [row["trace_id"] for row in rows]
    assert len(ids) == len(set(ids)) == count
    counts = read_record(folder)["counts"]
    for stage in ("generate", "recommend"):
        part = counts[stage]
        assert part["in"] == part["out"] + sum(part["dropped"].values()), part
    assert counts["read"]["traces_kept"] == counts["generate"]["in"]
    kept = read_jsonl(folder / "sft.jsonl")
    rejected = [entry for entry in read_jsonl(folder / "rejects.jsonl") if entry["stage"] == "recommend"]
    assert len(kept) + len(rejected) == count
    return rows


def list_hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".") or "partial" in path.name)


@contextlib.contextmanager
def no_leftovers(folder: Path) -> Iterator[None]:
    """Nothing stays in the folder."""
    yield
    assert list(folder.iterdir()) == []
