"""Redaction: recall and precision on the labelled set of the tests, and its speed over a corpus of real traces.

    TRACEMILL_CORPUS=../shared/corpus uv run benchmarks/redaction.py

The set is ``tests/redact/labelled``; ``score.py`` there says what counts as found and as false. For speed, all traces
of the corpus are read first; then ``Redactor.redact_trace`` alone is timed, in CPU seconds of this one thread, best of
five. Without TRACEMILL_CORPUS only the set is measured. The table names entries, never their values.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tests" / "redact"))

import msgspec
from labelled import BLIND_ENTRIES, ENTRIES, SECOND_BLIND_ENTRIES
from labelled.score import Score, group_by_kind, score_entries

from benchmarks.distillation import print_table, write_results
from benchmarks.measure import describe_machine
from benchmarks.prompts import FOLDERS
from tracemill.ingest import get_source
from tracemill.ingest.source import LossLog, ReadOptions
from tracemill.redact import Redactor
from tracemill.trace import Trace

SET_HEAD = ("entries", "without a secret", "secrets", "found", "missed", "findings", "false", "recall", "precision")
KIND_HEAD = ("kind", "entries", "secrets", "found", "missed", "false")
SPEED_HEAD = ("format", "traces", "MB of UTF-8", "placeholders", "CPU s, best", "MB/s")
REPEATS = 5


def describe_set(score: Score) -> list[str]:
    """The one row of the whole set."""
    harmless = sum(1 for result in score.results if not result.entry.labels)
    counts = (score.entries, harmless, score.found + score.missed, score.found, score.missed)
    findings = (score.right + score.false, score.false)
    return [*(str(count) for count in (*counts, *findings)), f"{score.recall:.3f}", f"{score.precision:.3f}"]


def list_kinds(score: Score) -> Iterator[list[str]]:
    """One row a kind; kinds without a secret and without a false finding are left out."""
    for kind, part in group_by_kind(score).items():
        if part.found or part.missed or part.false:
            counts = (part.entries, part.found + part.missed, part.found, part.missed, part.false)
            yield [kind, *(str(count) for count in counts)]


def list_faults(score: Score) -> Iterator[str]:
    """One line for every secret that stays and every finding that is none."""
    for result in score.results:
        where = f"{result.entry.id} ({result.entry.surroundings})"
        yield from (f"- missed: {where}" for _ in result.missed)
        yield from (f"- false: {where}, found as {finding.rule}" for finding in result.false)


def read_traces(corpus: Path, name: str, folder: str) -> list[Trace]:
    """All traces of one format, as its reader yields them, before redaction."""
    source = get_source(name)
    traces: list[Trace] = []
    for path in sorted((corpus / folder).rglob("*")):
        if path.is_file() and source.is_session_file(path):
            traces += source.read_file(path, LossLog(path=str(path)), ReadOptions())
    return traces


def count_bytes(value: Any) -> int:
    """UTF-8 bytes of all texts in a trace as plain values, keys of objects among them."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        return sum(count_bytes(item) for pair in cast("dict[Any, Any]", value).items() for item in pair)
    if isinstance(value, list | tuple):
        return sum(count_bytes(item) for item in cast("list[Any] | tuple[Any, ...]", value))
    return 0


def list_values(trace: Trace) -> list[Any]:
    """What redaction goes through in a trace."""
    texts: list[Any] = [value for name, value in msgspec.structs.asdict(trace).items() if name != "messages"]
    for message in trace.messages:
        texts += [message.content, message.reasoning_content, message.model]
        texts += [call.arguments for call in message.tool_calls]
    return texts


def time_redaction(traces: Sequence[Trace]) -> float:
    """CPU seconds of the fastest of ``REPEATS`` passes, each with a redactor that knows no prompt or tool yet."""
    seconds: list[float] = []
    for _ in range(REPEATS):
        redactor = Redactor()
        started = time.process_time()
        for trace in traces:
            redactor.redact_trace(trace)
        seconds.append(time.process_time() - started)
    return min(seconds)


def measure_speed(corpus: Path) -> Iterator[list[str]]:
    """One row a format, and one over all traces, timed on its own."""
    Redactor().redact_text("x" * 10)  # builds the gate
    everything: list[Trace] = []
    for name, folder in FOLDERS.items():
        traces = read_traces(corpus, name, folder)
        everything += traces
        if traces:
            yield describe_speed(name, traces)
    yield describe_speed("all", everything)


def describe_speed(name: str, traces: Sequence[Trace]) -> list[str]:
    """One row of the table of speeds."""
    redactor = Redactor()
    size_mb = sum(count_bytes(list_values(trace)) for trace in traces) / 1e6
    placeholders = sum(sum(redactor.redact_trace(trace).redacted.values()) for trace in traces)
    seconds = time_redaction(traces)
    return [name, str(len(traces)), f"{size_mb:.1f}", f"{placeholders:,}", f"{seconds:.3f}", f"{size_mb / seconds:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables to benchmarks/results/")
    options = parser.parse_args()
    print(describe_machine(), end="\n\n")
    score = score_entries(ENTRIES, Redactor())
    blind = score_entries(BLIND_ENTRIES, Redactor())
    second = score_entries(SECOND_BLIND_ENTRIES, Redactor())
    rows = [
        ["rules made with it in sight", *describe_set(score)],
        ["written without sight", *describe_set(blind)],
        ["the same, second set (at first 0.823 and 0.99)", *describe_set(second)],
    ]
    lines = [*print_table(("set", *SET_HEAD), rows), ""]
    print()
    lines += [*print_table(KIND_HEAD, list_kinds(score)), ""]
    faults = [*list_faults(score), *list_faults(blind), *list_faults(second)]
    print("", *faults, "", sep="\n")
    lines += [*faults, ""]
    corpus = os.environ.get("TRACEMILL_CORPUS")
    if corpus:
        lines += print_table(SPEED_HEAD, measure_speed(Path(corpus)))
    else:
        print("TRACEMILL_CORPUS is not set: no speed is measured")
    if options.write:
        write_results("redaction", "Redaction: the labelled set, and speed on one core", lines)


if __name__ == "__main__":
    main()
