"""Rows of OpenHands' evaluation harness (``output.jsonl``) → traces with task, verdict and what the run cost.

A row is one instance. ``history`` holds its events, in old versions as pairs of an action and its observation. The
verdict is where the benchmark put it: ``report`` in the row or in ``test_result`` (SWE-bench; ``fine_grained_report``
in the ``output.merged.jsonl`` of old versions), ``test_result.result`` (a flag, or an object with ``resolved``) or
``.success``, ``correct`` in the row (Gorilla, ToolQA), ``test_result.score`` (GAIA), ``test_result.eval_result.passed``
(a share); else in a report beside the file, ``<stem>.swebench_eval.jsonl``, ``<stem>.report.json`` or ``report.json``.
Old benchmarks name the instance ``task_id``, ``question_id``, ``qid`` or ``id``.

Source: OpenHands/OpenHands, ``evaluation/utils/shared.py``, ``evaluation/benchmarks/swe_bench/eval_infer.py`` and
``scripts/eval/update_output_with_eval.py``; OpenHands/benchmarks, ``benchmarks/utils/models.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.atif.companions import describe_failure, stamp_file
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import (
    as_list,
    as_record,
    dump_json,
    format_time,
    get_bool,
    get_int,
    get_number,
    get_text,
)
from tracemill.ingest.lines import Row, read_rows
from tracemill.ingest.openhands.log import Event
from tracemill.ingest.openhands.session import Session, build_traces, is_event
from tracemill.ingest.source import Head, LossLog, ReadOptions
from tracemill.trace import Trace

#: Files that the harness writes beside its output.
REPORT_ENDINGS = (".swebench_eval.jsonl", ".report.json")
#: These, and the predictions that it takes out of its output.
NO_OUTPUTS = (*REPORT_ENDINGS, ".swebench.jsonl")
REPORT_FILE = "report.json"
_Told = Mapping[str, Mapping[str, Any]]
_BROKEN = ("error_eval", "test_timeout", "test_errored")
#: Lists of a report, in the order in which they decide, with what it says of the instances in them.
_LISTS: tuple[tuple[str, Mapping[str, bool]], ...] = (
    ("resolved_ids", {"resolved": True}),
    ("resolved", {"resolved": True}),
    *((name, {"resolved": False, "error_eval": True}) for name in ("error_ids", "test_timeout", "test_errored")),
    *((name, {"resolved": False}) for name in ("unresolved_ids", "empty_patch_ids", "no_generation", "applied")),
)


def is_output(value: Any) -> bool:
    """Whether a JSON value is a row of the harness."""
    record = as_record(value)
    history = record.get("history", ())
    if _get_instance(record) is None:
        return False
    if not ("test_result" in record or "git_patch" in record):
        is_row = isinstance(history, list) and "metadata" in record and "error" in record
        return is_row and any(is_event(event.value) for event in list_events(record, LossLog(path=""), None))
    if history is None or history == []:
        return "metadata" in record and "error" in record
    return any(is_event(event.value) for event in list_events(record, LossLog(path=""), None))


def describe_row(row: Row, _place: int) -> tuple[str, Head] | None:
    """The name and the head of a row; None where it is none of the harness."""
    if not is_output(row.value):
        return None
    events = list_events(row.value, LossLog(path=""), None)
    first = next((event.value for event in events if is_event(event.value)), {})
    name = _name_row(row.value)
    return name, Head(name, format_time(first.get("timestamp")))


def read_row(path: Path, row: Row, log: LossLog) -> list[Trace]:
    """The traces of a row: the main agent's and its delegates'."""
    record = row.value
    metadata, metrics = as_record(record.get("metadata")), as_record(record.get("metrics"))
    settings = as_record(metadata.get("llm_config") or metadata.get("llm"))
    session = Session(
        trace_id=_name_row(record),
        path=path,
        metrics=metrics,
        model=get_text(settings, "model"),
        asked=get_text(record, "instruction") or "",
    )
    before = len(log.losses)
    events = list(list_events(record, log, row.line))
    if not events:
        told = f"instance {session.trace_id} without events: {get_text(record, 'error') or 'no error told'}"
        log.drop("no_messages", row.line, told[:300])
        return []
    traces = build_traces(session, events, log)
    traces[:1] = [_label(trace, record, find_verdict(record, path)) for trace in traces[:1]]
    task_id = _get_instance(record)
    losses = LossLog(log.path, log.losses[before:]).count_losses()
    return [
        replace(trace, task_id=task_id, dropped=losses if number == 0 else {}) for number, trace in enumerate(traces)
    ]


def list_events(record: Mapping[str, Any], log: LossLog, line: int | None) -> Iterator[Event]:
    """The events of a row in order, those of pairs one after the other."""
    for number, item in enumerate(as_list(record.get("history"))):
        for place, part in enumerate(item if isinstance(item, list) else [item]):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            name = f"history[{number}][{place}]" if isinstance(item, list) else f"history[{number}]"
            if isinstance(part, dict):
                yield Event(as_record(part), name, line)
            else:
                log.drop("malformed_record", line, f"{name} is no object", dump_json(part))


def find_verdict(record: Mapping[str, Any], path: Path) -> tuple[bool | None, float | None]:
    """Success and reward of a row; each is None where nobody says. A verdict of a broken evaluation is none."""
    result = as_record(record.get("test_result"))
    inner = as_record(result.get("result"))
    beside = read_reports(path)[0].get(_get_instance(record) or "", {})
    reports = (record.get("report"), record.get("fine_grained_report"), result.get("report"))
    places = (*map(as_record, reports), record, inner, result, beside)
    told = next((place for place in places if _read_flag(place, "resolved") is not None), {})
    reward = get_number(as_record(result.get("eval_result")), "passed")
    score = result.get("score")
    flags = (get_bool(result, "result"), get_bool(result, "success"), get_bool(record, "correct"))
    flag = next((told for told in flags if told is not None), None)
    if not isinstance(score, bool):
        reward = get_number(result, "score") if isinstance(score, int | float) else reward
    success = _read_flag(told, "resolved")
    if any(told.get(key) is True for key in _BROKEN) and not success:
        return None, None
    if success is None:
        success = score if isinstance(score, bool) else flag
    if success is None and reward is not None:
        success = {1.0: True, 0.0: False}.get(reward)
    return success, reward


def read_reports(path: Path) -> tuple[_Told, Mapping[Path, LossLog]]:
    """What the reports beside an output say, by instance, and what was lost in each; empty where there are none."""
    files = (*(path.with_suffix(ending) for ending in REPORT_ENDINGS), path.with_name(REPORT_FILE))
    return _load_reports(tuple(stamp for file in files if (stamp := stamp_file(file)) is not None))


@lru_cache(maxsize=16)
def _load_reports(stamps: tuple[tuple[Path, int, int], ...]) -> tuple[_Told, Mapping[Path, LossLog]]:
    told: dict[str, Mapping[str, Any]] = {}
    logs: dict[Path, LossLog] = {}
    for file, _, _ in stamps:
        logs[file] = LossLog(path="")
        try:
            for own_id, report in _read_report(file, logs[file]):
                told.setdefault(own_id, report)
        except OSError as error:
            logs[file] = describe_failure(error)
    return told, logs


def _read_report(file: Path, log: LossLog) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Instances of a report with what it says of them."""
    if file.suffix == ".jsonl":
        for row in read_rows(file, log, ReadOptions()):
            if (own_id := _get_instance(row.value)) is not None:
                yield own_id, as_record(as_record(row.value.get("test_result")).get("report"))
        return
    report = as_record(read_document(file, log))
    for name, told in _LISTS:
        for own_id in as_list(report.get(name)):
            yield str(own_id), told


def _label(trace: Trace, record: Mapping[str, Any], verdict: tuple[bool | None, float | None]) -> Trace:
    success, reward = verdict
    instance, result = as_record(record.get("instance")), as_record(record.get("test_result"))
    return replace(
        trace,
        success=success,
        reward=reward,
        verdict_source=None if success is None and reward is None else "verifier",
        ground_truth=get_text(result, "ground_truth"),
        attempt=get_int(record, "attempt"),
        git_commit=get_text(instance, "base_commit"),
        source_meta={**trace.source_meta, **_describe(record, instance, result)},
    )


def _describe(record: Mapping[str, Any], instance: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    metadata, metrics = as_record(record.get("metadata")), as_record(record.get("metrics"))
    told = {
        "agent_class": get_text(metadata, "agent_class"),
        "dataset": get_text(metadata, "dataset"),
        "split": get_text(metadata, "data_split", "dataset_split"),
        "repository": get_text(instance, "repo"),
        "submission": get_text(result, "git_patch") or get_text(record, "git_patch"),
        "error": get_text(record, "error"),
        "cost_usd": get_number(metrics, "accumulated_cost"),
    }
    return {key: value for key, value in told.items() if value is not None}


def _read_flag(place: Mapping[str, Any], key: str) -> bool | None:
    """A flag, also where it is 0 or 1."""
    value = place.get(key)
    return bool(value) if isinstance(value, bool | int) and value in (0, 1) else None


def _get_instance(record: Mapping[str, Any]) -> str | None:
    for key in ("instance_id", "task_id", "question_id", "qid", "id"):
        number = get_int(record, key)
        if number is not None or get_text(record, key) is not None:
            return get_text(record, key) if number is None else str(number)
    return None


def _name_row(record: Mapping[str, Any]) -> str:
    attempt, name = get_int(record, "attempt"), _get_instance(record) or ""
    return name if attempt is None else f"{name}:attempt_{attempt}"
