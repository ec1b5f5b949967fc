"""What a suite's ``report.json`` says about a run.

One literal report, shortened; the file lies beside the logs or one folder above them::

    {"suite_name": "fixes", "results": [{"task_id": "t1", "run_id": "r1", "success": true, "steps": 6}]}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from msgspec.structs import replace

from tracemill.ingest.atif.companions import Tell, describe_failure, stamp_file
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_bool, get_text
from tracemill.ingest.source import LossLog
from tracemill.trace import Trace

_REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class ReportLine:
    """The result of one run; each field is None where the report does not say."""

    success: bool | None = None
    task_id: str | None = None
    suite_name: str | None = None


def judge_trace(trace: Trace, log_file: Path, run_id: str, *, is_repeated: bool) -> Trace:
    """The trace with what only the suite's report says; of several runs with one id, nothing says which it means."""
    if trace.success is not None and trace.task_id is not None:
        return trace
    line = find_report_line(log_file, run_id)
    if line is None:
        return trace
    trace = replace(trace, task_id=trace.task_id or line.task_id)
    if trace.success is None and line.success is not None and not is_repeated:
        trace = replace(trace, success=line.success, verdict_source="report")
    return trace


def find_report_line(log_file: Path, run_id: str) -> ReportLine | None:
    """The result of a run, or None where no report names it or none can be read."""
    return next((lines[run_id] for _, lines, _ in _list_reports(log_file) if run_id in lines), None)


def tell_faults(log_file: Path, tell: Tell) -> None:
    """Tell what cannot be read of the reports of a log."""
    for report, _, read in _list_reports(log_file):
        if read.losses:
            tell(report, read)


def _list_reports(log_file: Path) -> Iterator[tuple[Path, Mapping[str, ReportLine], LossLog]]:
    """The reports of a log, the nearest first: each with its results by run, and what was lost in it."""
    for folder in (log_file.parent, log_file.parent.parent):
        stamp = stamp_file(folder / _REPORT)
        if stamp is not None:
            yield (stamp[0], *_load_report(*stamp))


@lru_cache(maxsize=16)
def _load_report(path: Path, _size: int, _changed_ns: int) -> tuple[Mapping[str, ReportLine], LossLog]:
    log = LossLog(path="")
    lines: dict[str, ReportLine] = {}
    try:
        report = as_record(read_document(path, log))
    except OSError as error:
        return lines, describe_failure(error)
    suite = get_text(report, "suite_name")
    for number, item in enumerate(as_list(report.get("results"))):
        result = as_record(item)
        told, run_id = result.get("success"), get_text(result, "run_id")
        if not isinstance(item, dict) or not isinstance(told, bool | None):
            log.drop(
                "malformed_record", detail=f"results[{number}] has no success that is a flag", content=dump_json(item)
            )
        if run_id is not None:
            lines.setdefault(run_id, ReportLine(get_bool(result, "success"), get_text(result, "task_id"), suite))
    return lines, log
