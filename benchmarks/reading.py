"""How fast traces are read, ours against Data Designer's reader and teich, on the same files in one run.

    export TRACEMILL_CORPUS=../shared/corpus
    uv run benchmarks/reading.py            # 500 MB of claude_code and codex, 100 MB of the others
    uv run benchmarks/reading.py --quick    # 20 MB of each, the best of 3 runs

What each leg and figure is: README.md beside this file.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import corpus_copies as corpora
from benchmarks.corpus_copies import Copies, Counts, Piece, Start
from benchmarks.distillation import print_table, write_results
from benchmarks.measure import describe_machine, run_child

CREATE = ("dd create", "ours create, all columns", "ours create, light columns", "ours engine, light columns")
WORKERS = ("ours, 1 worker", "ours, 2 workers")
COUNT = "count what was written"
_KEEP_GATE = "from tracemill.redact.finding import build_gate; build_gate()"  # there from a second run on, as byte code
LEGS = ("ours", "ours redacted", "dd handler", "teich", *CREATE, *WORKERS)
SIZES = {name: "500MB" if name in ("claude_code", "codex") else "100MB" for name in corpora.FOLDERS}
HEAD = ("format", "files", "MB", "leg", "traces", "messages", "files lost", "s", "CPU s", "MB/s", "peak MB", "whole s")


@dataclass(frozen=True, slots=True)
class Result:
    """A leg over one folder of copies; ``seconds`` without imports, ``wall_s`` the whole process."""

    seconds: float
    cpu_s: float
    wall_s: float
    peak_mb: float
    traces: int
    messages: int | None
    ids: int | None
    lost: tuple[str, ...]
    read_mb: float

    @property
    def rate(self) -> float:
        """MB/s, over the bytes of the files that gave a trace."""
        return self.read_mb / self.seconds


#: Format, files, size asked for, leg → its result.
Results = dict[tuple[str, str, str, str], Result]


def read_ours(options: argparse.Namespace, start: Start) -> Counts:
    """Files → Trace objects: listing, heads, grouping, reading, repeats; each trace is let go at once."""
    from tracemill.ingest import collect, get_source, read_into_store
    from tracemill.ingest.inventory import Selection, locate_files, take_inventory
    from tracemill.redact import Redactor

    if options.leg in WORKERS:  # imports are not measured
        importlib.import_module("pyarrow.parquet")
    start()
    source, unread = get_source(options.format), set[str]()
    if options.leg in WORKERS:
        read = read_into_store(options.format, options.root, Path(options.scratch) / "store", workers=options.workers)
        return len(read.store), None, []

    def read_file(path: Path, *arguments: Any, **more: Any) -> Iterator[Any]:
        unread.add(str(path))
        for trace in source.read_file(path, *arguments, **more):
            unread.discard(str(path))
            yield trace

    watched = replace(source, read_file=read_file)
    root, files = locate_files(source, options.root)
    inventory, intake = take_inventory(source, root, files, Selection()), collect.Intake()
    redactor = None if options.leg == "ours" else Redactor()
    traces = messages = 0
    for trace in collect.collect_traces(watched, inventory, Selection(), intake, redactor=redactor):
        traces, messages = traces + 1, messages + len(trace.messages)
    return traces, messages, [*unread, *(loss.path for loss in inventory.rejects)]


def create(options: argparse.Namespace, start: Start) -> Counts:
    """``create`` with one expression column over all rows, by Data Designer's front door or by recipe.py's."""
    from benchmarks.plain_way import prepare_environment

    prepare_environment(Path(options.scratch))
    if options.leg != "dd create":
        del os.environ["DISABLE_DATA_DESIGNER_PLUGINS"]
    import data_designer.config as dd
    from data_designer.interface import DataDesigner

    builder = dd.DataDesignerConfigBuilder(model_configs=[])
    builder.with_seed_dataset(build_seed_source(options))
    if options.leg.startswith("ours engine"):
        from tracemill.plugin.config import TraceExpressionColumnConfig as Expression
        from tracemill.plugin.engine import create_rows, open_builder

        column: Any = Expression(name="size", expr="trace_id ~ ' ' ~ message_count")  # as recipes have it
        builder.add_column(column)
        start()
        rows = open_builder(builder, [], Path(options.scratch) / "out", buffer_size=options.buffer_size)
        return create_rows(rows, options.rows), None, []
    builder.add_column(dd.ExpressionColumnConfig(name="size", expr="{{ trace_id }} {{ message_count }}"))
    provider = dd.ModelProvider(name="local", endpoint="http://127.0.0.1:9/v1", provider_type="openai")
    designer = DataDesigner(artifact_path=Path(options.scratch) / "out", model_providers=[provider])
    native = dd.JinjaRenderingEngine.NATIVE
    config = dd.RunConfig(buffer_size=options.buffer_size, otel_metrics_port=None, jinja_rendering_engine=native)
    designer.set_run_config(config)
    start()
    designer.create(builder, num_records=options.rows, dataset_name="rows")
    return options.rows, None, []


def build_seed_source(options: argparse.Namespace) -> Any:
    """Data Designer's own seed source, or ours with the columns that the leg names."""
    if options.leg == "dd create":
        import data_designer.config as dd

        rollouts = dd.AgentRolloutFormat(options.format)
        return dd.AgentRolloutSeedSource(format=rollouts, path=options.root, file_pattern=None, recursive=True)
    from tracemill.plugin.config import AgentTraceSeedSource
    from tracemill.trace import LIGHT_COLUMNS

    columns: dict[str, Any] = {"columns": list(LIGHT_COLUMNS)} if "light" in options.leg else {}
    return AgentTraceSeedSource(format=options.format, path=options.root, **columns)


def run_inside(options: argparse.Namespace) -> None:
    """Run one leg in this process and print what it did."""
    begun: list[float] = []

    def start() -> None:
        begun.append(time.perf_counter())

    if options.leg == "dd handler":
        traces, messages, lost = corpora.read_with_handler(options.format, Path(options.root), start)
    elif options.leg == COUNT:
        traces, messages, lost = corpora.count_written(Path(options.scratch) / "out", start)
    elif options.leg == "teich":
        traces, messages, lost = corpora.read_with_teich(Path(options.root), start)
    else:
        act = create if options.leg in CREATE else read_ours
        traces, messages, lost = act(options, start)
    seconds = time.perf_counter() - begun[0]
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    lost = sorted({name.removeprefix(f"{options.root}/") for name in lost})
    peak_mb = (own + options.workers * child) / 1024  # of workers the largest counts for each: no less than the truth
    report = {"seconds": seconds, "traces": traces, "messages": messages, "peak_mb": peak_mb, "lost": lost}
    print(f"\nRESULT {json.dumps(report)}")


class Bench:
    """Runs legs, each in a fresh process. This one stays small: a child's peak memory is no less than its parent's."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._teich = corpora.find_teich(options.teich_python)
        run_child([sys.executable, "-c", _KEEP_GATE], folder / "run")
        self.results: Results = {}

    def measure(self, name: str, size: str, corpus: Path) -> Iterator[list[str]]:
        """Rows of the table: every leg over all files, then ours and each peer over the files that this peer reads."""
        pieces, left_out = corpora.load_pieces(corpus, name)
        if left_out:
            yield [name, "left out", "–", f"a line is not JSON: {', '.join(left_out)}", *["–"] * 8]
        legs = [leg for leg in LEGS if leg in self._options.leg]
        copies = self._write(pieces, size)
        yield from self._run_legs(name, "all", size, copies, legs)
        for peer in ("dd handler", "teich"):
            found = self.results.get((name, "all", size, peer))
            kept = corpora.keep_read(pieces, copies, found.lost) if found else []
            if kept and len(kept) < len(pieces):
                pair = ("ours", "ours redacted", peer, *(CREATE if peer == "dd handler" else ()))
                common = self._write(kept, size, "common")
                yield from self._run_legs(name, f"read by {peer}", size, common, [leg for leg in legs if leg in pair])

    def _write(self, pieces: list[Piece], size: str, folder: str = "all") -> Copies:
        shutil.rmtree(self._folder / folder, ignore_errors=True)
        if shutil.disk_usage(self._folder).free < 4 * corpora.parse_size(size):
            sys.exit(f"{self._folder}: not room for four times {size}; name another folder with --scratch")
        return corpora.write_copies(pieces, self._folder / folder, corpora.parse_size(size))

    def _run_legs(self, name: str, files: str, size: str, copies: Copies, legs: Sequence[str]) -> Iterator[list[str]]:
        megabytes = f"{copies.size_bytes / 1e6:.0f}"
        for leg in legs:
            counted = self.results.get((name, files, size, "dd handler" if leg == "dd create" else "ours"))
            reason = self._explain_skip(name, leg, counted)
            if reason:
                yield [name, files, megabytes, leg, reason, *["–"] * 7]
                continue
            runs = [self._run(name, leg, copies, counted) for _ in range(3 if self._options.quick else 1)]
            best = min(runs, key=lambda run: run.seconds)
            if best.traces == 0:
                yield [name, files, megabytes, leg, *["–"] * 8]
                continue
            self.results[name, files, size, leg] = best
            yield [name, files, megabytes, leg, f"{best.traces:,}" + (f" ({best.ids:,} ids)" if best.ids else ""),
                   "–" if best.messages is None else f"{best.messages:,}", str(len(best.lost)), f"{best.seconds:.2f}",
                   f"{best.cpu_s:.2f}", f"{best.rate:.0f}", f"{best.peak_mb:.0f}", f"{best.wall_s:.2f}"]  # fmt: skip

    def _explain_skip(self, name: str, leg: str, counted: Result | None) -> str | None:
        if leg == "teich" and (name == "atif" or self._teich is None):
            return "reads no ATIF" if name == "atif" else "not installed"
        return "rows not counted" if leg in CREATE and counted is None else None

    def _run(self, name: str, leg: str, copies: Copies, counted: Result | None) -> Result:
        copies.warm()
        scratch = self._folder / "run"
        shutil.rmtree(scratch, ignore_errors=True)
        python = self._teich if leg == "teich" and self._teich else [sys.executable]
        inside = {"leg": leg, "format": name, "root": str(copies.root), "scratch": str(scratch),
                  "rows": counted.traces if counted else 0, "buffer_size": self._options.buffer_size,
                  "workers": 2 if leg == WORKERS[1] else 1}  # fmt: skip
        command = [*python, str(Path(__file__).resolve()), "--inside"]
        child = run_child([*command, json.dumps(inside)], scratch)
        report, ids = corpora.read_report(child.output), None
        if leg in CREATE and counted:
            written = corpora.read_report(run_child([*command, json.dumps({**inside, "leg": COUNT})], scratch).output)
            report["traces"], ids, report["lost"] = written["traces"], written["messages"], counted.lost
        lost = tuple(report["lost"])
        read_bytes = copies.size_bytes - sum((copies.root / path).stat().st_size for path in lost)
        return Result(report["seconds"], child.cpu_s, child.wall_s, max(child.peak_mb, report["peak_mb"]),
                      report["traces"], report["messages"], ids, lost, read_bytes / 1e6)  # fmt: skip


def judge(results: Results) -> Iterator[list[str]]:
    """The targets, as far as their legs ran."""
    sizes = dict.fromkeys((name, size) for name, _, size, _ in results)
    for name, size in sizes:
        factor = 2.0 if name in ("claude_code", "codex") else 1.5
        pairs = [("ours", "dd handler", factor), ("ours", "teich", factor), ("ours redacted", "ours", 0.5),
                 *((leg, "dd create", 5.0) for leg in CREATE[1:]), (WORKERS[1], WORKERS[0], 1.7)]  # fmt: skip
        for over, under, target in pairs:
            files = f"read by {'dd handler' if under == 'dd create' else under}"
            files = files if (name, files, size, under) in results else "all"
            first, second = (results.get((name, files, size, leg)) for leg in (over, under))
            if first and second:
                ratio = first.rate / second.rate
                what = f"{over} / {under}, MB/s" + ("" if files == "all" else f" ({files})")
                yield [name, size, what, f"{ratio:.2f}", f"≥ {target}", "yes" if ratio >= target else "no"]
        for leg in CREATE[1:]:
            found, base = (results.get((name, "all", at, leg)) for at in (size, "500MB"))
            if found:
                limit = base.peak_mb * 1.2 if base and size == "2GB" else 600
                yield [name, size, f"{leg}, peak MB", f"{found.peak_mb:.0f}", f"≤ {limit:.0f}",
                       "yes" if found.peak_mb <= limit else "no"]  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=tuple(corpora.FOLDERS), help="only this format")
    parser.add_argument("--size", nargs="+", metavar="SIZE", help="sizes of the copies, e.g. 500MB 2GB")
    parser.add_argument("--quick", action="store_true", help="20 MB of each format, the best of 3 runs")
    parser.add_argument("--leg", nargs="+", choices=LEGS, default=list(LEGS), help="only these legs")
    parser.add_argument("--buffer-size", type=int, default=50, help="rows of a row group, both sides (default: 50)")
    parser.add_argument("--teich-python", help="a Python that has teich (default: uv run --with teich)")
    parser.add_argument("--scratch", type=Path, help="where copies are written (default: a temporary folder)")
    parser.add_argument("--write", action="store_true", help="write the tables to benchmarks/results/")
    parser.add_argument("--inside", type=json.loads, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    options = build_parser().parse_args()
    if options.inside:
        sys.exit(run_inside(argparse.Namespace(**options.inside)))
    sys.argv = ["PATH" if item == options.teich_python else item for item in sys.argv]  # results name the command
    corpus = os.environ.get("TRACEMILL_CORPUS")
    if corpus is None:
        sys.exit("TRACEMILL_CORPUS is not set: name a folder with claude_code/, codex/, atif/, hermes/ and pi/")
    print(describe_machine(), "\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="tracemill-bench-", dir=options.scratch) as folder:
        bench = Bench(options, Path(folder))
        names = [options.format] if options.format else list(corpora.FOLDERS)
        runs = [(name, size) for name in names for size in options.size or ["20MB" if options.quick else SIZES[name]]]
        rows = (row for name, size in runs for row in bench.measure(name, size, Path(corpus)))
        lines = [*print_table(HEAD, rows), ""]
    lines += print_table(("format", "size", "what", "measured", "target", "met"), judge(bench.results))
    if options.write:
        write_results("reading", "Reading: ours against Data Designer and teich", lines)


if __name__ == "__main__":
    main()
