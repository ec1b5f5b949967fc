"""How long it takes until something is seen: ``--help``, and a preview of 5 traces among 5 and among 2,000 files.

    uv run benchmarks/startup.py

Files opened are counted by an audit hook inside the measured process (CPython reports every ``open`` to it).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.distillation import print_table, write_results
from benchmarks.measure import ROOT, Child, describe_machine, run_child, running_server
from benchmarks.traces import SIZES, write_traces

HEAD = ("command", "seconds", "CPU s", "peak MB", "session files opened", "opened twice or more", "their MB")
#: Runs recipe.py with a hook that notes every session file that is opened, and how often.
_COUNTED = """
import atexit, json, pathlib, runpy, sys
opens = {}
def note(event, arguments):
    path = str(arguments[0]) if event == "open" else ""
    if path.endswith(".jsonl") and "rollout-" in path:
        opens[path] = opens.get(path, 0) + 1
sys.addaudithook(note)
atexit.register(lambda: pathlib.Path(out).write_text(json.dumps(dict(opens))))
recipe, out = sys.argv[1:3]
sys.argv = [recipe, *sys.argv[3:]]
runpy.run_path(recipe, run_name="__main__")
"""


def count_opens(arguments: list[str], scratch: Path) -> dict[str, int]:
    """Session files opened by ``recipe.py arguments``, and how often each."""
    out = scratch / "opens.json"
    run_child([sys.executable, "-c", _COUNTED, str(ROOT / "recipe.py"), str(out), *arguments], scratch)
    return json.loads(out.read_text())


def time_command(arguments: list[str], scratch: Path, repeats: int) -> Child:
    """The run with the median wall time; one run before them is not counted."""
    runs = [run_child([sys.executable, str(ROOT / "recipe.py"), *arguments], scratch) for _ in range(repeats + 1)]
    middle = statistics.median_low([run.wall_s for run in runs[1:]])
    return next(run for run in runs[1:] if run.wall_s == middle)


def measure(folder: Path, endpoint: str, files: int, repeats: int) -> Iterator[list[str]]:
    """Rows of the table."""
    scratch = folder / "run"
    scratch.mkdir()
    few = write_traces(folder / "few", SIZES["20KB"], 5)
    many = write_traces(folder / "many", SIZES["20KB"], files)
    model = ["--endpoint", endpoint, "--model", "test-model"]
    commands: list[tuple[str, list[str]]] = [("`--help`", ["--help"])]
    for label, more in (("offline", ["--offline"]), ("model at 0 ms", model)):
        for traces, count in ((few, 5), (many, files)):
            arguments = ["--format", "codex", "--trace-dir", str(traces), "--preview", "--num-records", "5", *more]
            commands.append((f"preview 5 of {count:,}, {label}", arguments))
    for label, arguments in commands:
        child = time_command(arguments, scratch, repeats)
        opens = count_opens(arguments, scratch)
        repeated = sum(1 for count in opens.values() if count > 1)
        megabytes = sum(Path(path).stat().st_size for path in opens) / 1e6
        yield [label, f"{child.wall_s:.2f}", f"{child.cpu_s:.2f}", f"{child.peak_mb:.0f}", f"{len(opens):,}",
               str(repeated), f"{megabytes:.1f}"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help="files in the large folder (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the median counts (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the table to benchmarks/results/")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tracemill-bench-") as name, running_server() as server:
        print(describe_machine(), "\n", flush=True)
        lines = print_table(HEAD, measure(Path(name), f"{server.address}/v1", options.files, options.repeats))
    if options.write:
        write_results("startup", "Start-up", lines)


if __name__ == "__main__":
    main()
