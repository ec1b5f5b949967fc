"""One run in a fresh process: wall time, CPU time, peak memory, and the seconds that generation took.

Everything is measured from outside, so that neither side carries a stopwatch: CPU and memory from ``wait4``, the
generation from two files that Data Designer's engine writes on both sides (its config when it starts, the last batch
file when it ends), requests from the server.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent

Side = Literal["ours", "plain"]
SIDES: tuple[Side, ...] = ("plain", "ours")
CALLS_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Child:
    """A finished process."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one side. ``server_cpu_s`` is the test server's, in another process."""

    side: Side
    rows: int
    wall_s: float
    generation_s: float
    cpu_s: float
    peak_mb: float
    server_cpu_s: float


class Server:
    """The test server, in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, str(ROOT / "benchmarks" / "answers.py")]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        self.address = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def reset(self, latency_ms: float) -> None:
        """Forget all requests and set the latency of those to come."""
        body = json.dumps({"latency_ms": latency_ms}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.address}/reset", data=body, method="POST")).close()

    def read_stats(self) -> dict[str, Any]:
        """Counts since the last reset, and CPU seconds since the start."""
        with urllib.request.urlopen(f"{self.address}/stats") as answer:
            return json.load(answer)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)


@contextmanager
def running_server() -> Generator[Server]:
    """A server until the block ends."""
    server = Server()
    try:
        yield server
    finally:
        server.stop()


def run_side(side: Side, traces: Path, rows: int, parallel: int, latency_ms: int, server: Server, scratch: Path) -> Run:
    """Run one side over all of ``rows`` sessions in ``traces``.

    Raises: RuntimeError: the run failed, lost a row or repeated a call.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    server.reset(latency_ms)
    cpu_before = server.read_stats()["cpu_s"]
    child = run_child(_build_command(side, traces, rows, parallel, server.address, scratch), scratch)
    stats = server.read_stats()
    folder = scratch / ("plain" if side == "plain" else "ours/data")
    written = json.loads((folder / "metadata.json").read_text())["actual_num_records"]
    if written != rows or stats["requests"] != rows * CALLS_A_ROW:
        raise RuntimeError(f"{side}: {written} rows of {rows}, {stats['requests']} requests\n{child.output[-2000:]}")
    started = (folder / "builder_config.json").stat().st_mtime
    ended = max(path.stat().st_mtime for path in (folder / "parquet-files").glob("*.parquet"))
    shutil.rmtree(scratch, ignore_errors=True)
    return Run(
        side, rows, child.wall_s, ended - started, child.cpu_s, child.peak_mb, stats["cpu_s"] - cpu_before
    )  # fmt: skip


def run_child(command: Sequence[str], scratch: Path) -> Child:
    """Run a command with a home folder of its own and byte code cached, as it is from a second run on.

    Raises: RuntimeError: it did not exit with 0.
    """
    home = scratch / "home"
    home.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"HOME": str(home), "PYTHONHASHSEED": "0", "NEMO_TELEMETRY_ENABLED": "false",
                    "PYTHONPYCACHEPREFIX": str(scratch.parent / "byte-code")}  # fmt: skip
    log = scratch / "output.txt"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=scratch)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    if process.returncode != 0:
        raise RuntimeError(f"exit {process.returncode}: {' '.join(command)}\n{text[-2000:]}")
    return Child(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def describe_machine() -> str:
    """One line: processor, cores, memory, versions."""
    from importlib.metadata import version

    cpu = next(
        (line.split(":", 1)[1].strip() for line in _read_lines("/proc/cpuinfo") if line.startswith("model name")),
        "unknown processor",
    )
    memory_kb = next((int(line.split()[1]) for line in _read_lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    python = ".".join(str(part) for part in sys.version_info[:3])
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory_kb / 2**20:.0f} GB; Python {python}, "
        f"data-designer {version('data-designer')}; load before the run {os.getloadavg()[0]:.1f}"
    )


def _build_command(side: Side, traces: Path, rows: int, parallel: int, address: str, scratch: Path) -> list[str]:
    shared = ["--format", "codex", "--trace-dir", str(traces), "--endpoint", f"{address}/v1",
              "--max-parallel-requests", str(parallel), "--artifact-path", str(scratch)]  # fmt: skip
    if side == "plain":
        return [sys.executable, str(ROOT / "benchmarks" / "plain_way.py"), *shared, "--num-records", str(rows)]
    ours = ["--num-records", "all", "--model", "test-model", "--dataset-name", "ours"]
    return [sys.executable, str(ROOT / "recipe.py"), *shared, *ours]


def _read_lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(errors="replace").splitlines() if file.exists() else []
