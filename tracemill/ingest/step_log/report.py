"""What a suite's ``report.json`` says about a run.

One literal report, shortened; the file lies beside the logs or one folder above them::

    {"suite_name": "fixes", "results": [{"task_id": "t1", "run_id": "r1", "success": true, "steps": 6}]}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from tracemill.ingest.json_fields import as_list, as_record, get_bool, get_text
from tracemill.ingest.lines import read_document
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
    for folder in (log_file.parent, log_file.parent.parent):
        line = _read_report(folder / _REPORT, run_id)
        if line is not None:
            return line
    return None


def _read_report(path: Path, run_id: str) -> ReportLine | None:
    try:
        report = as_record(read_document(path, LossLog(path=str(path))))
    except OSError:
        return None
    for item in as_list(report.get("results")):
        result = as_record(item)
        if result.get("run_id") == run_id:
            task_id, suite = get_text(result, "task_id"), get_text(report, "suite_name")
            return ReportLine(get_bool(result, "success"), task_id, suite)
    return None
