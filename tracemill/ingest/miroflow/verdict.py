"""The verdict on one attempt: the judge's word in its own log, else that attempt in the benchmark's results.

``benchmark_results.jsonl`` lies beside the logs or one folder above; one literal line, shortened::

    {"task_id": "q1", "log_file_path": "logs/task_q1_attempt-2_format-retry-0_2026-01-01-10-00-00.json",
     "attempts": [{"attempt_number": 1, "is_correct": false, "final_judge_result": "INCORRECT",
                   "log_file_path": "logs/task_q1_attempt-1_format-retry-0_2026-01-01-09-00-00.json"}]}

The ``log_file_path`` at the top of a line is not used: with several attempts it can name a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tracemill.ingest.atif.companions import Tell, describe_failure, stamp_file
from tracemill.ingest.json_fields import as_list, as_record, get_bool, get_int, get_text
from tracemill.ingest.lines import read_rows
from tracemill.ingest.source import LossLog, ReadOptions

_RESULTS = "benchmark_results.jsonl"
_ATTEMPT = re.compile(r"_attempt-(\d{1,6})(?:_format-retry-(\d{1,6}))?")
#: MiroFlow's file names end so; its task ids do not name the attempt.
_NUMBERED = re.compile(r".*_attempt_(\d{1,6})(?=_|$)", re.DOTALL)
#: Names of one key: MiroThinker's, MiroFlow's, and MiroFlow's of 2025.
JUDGEMENT_KEYS = ("final_judge_result", "judge_result", "llm_as_judge_result")
_VERDICTS = {"CORRECT": True, "INCORRECT": False, "NOT_ATTEMPTED": False}


@dataclass(frozen=True, slots=True)
class AttemptName:
    """Which task an attempt is of, and its numbers; None where the name does not say."""

    task_id: str | None
    attempt: int | None = None
    format_retry: int | None = None


def read_attempt_name(facts: Mapping[str, Any], stem: str) -> AttemptName:
    """What a log's facts say, else parts of its ``task_id`` (``<id>_attempt-<n>_format-retry-<m>``), or of its name.

    MiroFlow's file names are ``task_<id>_attempt_<n>_retry_<m>.json``, early ones without ``task_``, without a retry or
    with a time at the end.
    """
    task_id = get_text(facts, "task_id")
    told = get_int(facts, "attempt_id")
    if told is not None:
        return AttemptName(task_id, told, get_int(facts, "retry_id"))
    for name in (task_id, stem):
        found = _ATTEMPT.search(name) if name is not None else None
        if name is not None and found is not None:
            base = name[: found.start()] if name == task_id else task_id
            retry = int(found[2]) if found[2] is not None else None
            return AttemptName(base or None, int(found[1]), retry)
    numbered = _NUMBERED.match(stem)
    return AttemptName(task_id, int(numbered[1]) if numbered is not None else None)


def read_judgement(record: Mapping[str, Any]) -> bool | None:
    """What the judge said; None where it did not speak or said something else."""
    return _VERDICTS.get((get_text(record, *JUDGEMENT_KEYS) or "").strip().upper())


def find_verdict(log_file: Path, name: AttemptName) -> bool | None:
    """Whether the benchmark's results call this attempt correct; None where they do not name it."""
    if name.task_id is None:
        return None
    for _, attempts, _ in _list_results(log_file):
        for attempt in attempts.get(name.task_id, ()):
            if _is_attempt(attempt, log_file, name):
                return _read_attempt(attempt)
    return None


def tell_faults(log_file: Path, tell: Tell) -> None:
    """Tell what cannot be read of the results of a log."""
    for results, _, read in _list_results(log_file):
        if read.losses:
            tell(results, read)


def _list_results(log_file: Path) -> Iterator[tuple[Path, Mapping[str, Sequence[dict[str, Any]]], LossLog]]:
    """The results that a log may be named in, the nearest first: attempts by task, and what was lost."""
    for folder in (log_file.parent, log_file.parent.parent):
        stamp = stamp_file(folder / _RESULTS)
        if stamp is not None:
            yield (stamp[0], *_load_results(*stamp))


@lru_cache(maxsize=4)
def _load_results(path: Path, _size: int, _changed_ns: int) -> tuple[Mapping[str, Sequence[dict[str, Any]]], LossLog]:
    log = LossLog(path="")
    attempts: dict[str, list[dict[str, Any]]] = {}
    try:
        for row in read_rows(path, log, ReadOptions()):
            task_id = get_text(row.value, "task_id")
            if task_id is not None:
                attempts.setdefault(task_id, []).extend(map(as_record, as_list(row.value.get("attempts"))))
    except OSError as error:
        return attempts, describe_failure(error)
    return attempts, log


def _is_attempt(attempt: Mapping[str, Any], log_file: Path, name: AttemptName) -> bool:
    """By its own log file where it names one: a format retry writes several logs of one attempt."""
    logged = get_text(attempt, "log_file_path", "log_path")
    if logged is not None:
        return logged.replace("\\", "/").rsplit("/", 1)[-1] == log_file.name
    number = get_int(attempt, "attempt_number" if "attempt_number" in attempt else "attempt_id")
    retry = get_int(attempt, "retry_id")
    return number is not None and number == name.attempt and (retry is None or retry == (name.format_retry or 0))


def _read_attempt(attempt: Mapping[str, Any]) -> bool | None:
    judged = read_judgement(attempt)
    if judged is not None:
        return judged
    correct = get_bool(attempt, "is_correct")
    # an attempt starts as not correct: without a judge's word, false says nothing
    return correct or None
