"""The rows of a step log: what they are, which run they belong to, and the places of each run in a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracemill.ingest.json_fields import as_record, dump_json, format_time, get_text
from tracemill.ingest.lines import Row, index_lines
from tracemill.ingest.source import Entry, Head, LossLog

KINDS = frozenset(
    {
        "run_start",
        "llm_request",
        "llm_usage",
        "llm_action",
        "llm_parse_error",
        "llm_trailing_text",
        "tool_result",
        "tests",
        "driver_note",
        "final",
        "run_end",
    }
)
_REFLECTION = "reflection"


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of a kind that is known. ``run_id`` is None where the row does not name its run."""

    line: int
    kind: str
    run_id: str | None
    payload: dict[str, Any]
    meta: dict[str, Any]
    time: str | None

    @property
    def is_reflection(self) -> bool:
        """Whether the row tells what the agent thought about a failed run."""
        return self.kind.startswith(_REFLECTION)


def parse_row(row: Row) -> StepRow | None:
    """The row as a step, or None where its kind is unknown or it has no payload."""
    value = row.value
    kind = get_text(value, "kind", "type", "event")
    payload = value.get("payload")
    if kind is None or not isinstance(payload, dict) or not (kind in KINDS or kind.startswith(_REFLECTION)):
        return None
    record = as_record(payload)
    run_id = get_text(value, "run_id") or get_text(record, "run_id")
    return StepRow(row.line, kind, run_id, record, as_record(value.get("meta")), read_time(value))


def read_time(value: Mapping[str, Any]) -> str | None:
    """The time of a row, as the source wrote it or in UTC."""
    return next((time for key in ("ts", "timestamp", "time") if (time := format_time(value.get(key)))), None)


def refuse_row(row: Row, log: LossLog) -> None:
    """Count a row that is no step."""
    kind = get_text(row.value, "kind", "type", "event")
    is_known = kind is None or kind in KINDS or kind.startswith(_REFLECTION)
    reason = "malformed_record" if is_known else "unknown_record_type"
    log.drop(reason, row.line, f"kind {kind!r}"[:200], dump_json(row.value))


@dataclass(slots=True)
class _Place:
    """Where the rows of one run stand."""

    run_id: str
    started_at: str | None = None
    lines: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


def list_runs(path: Path) -> tuple[Entry, ...] | None:
    """The runs of a file that holds two or more; a line that is no row goes with the run before it, else the first.

    Raises:
        OSError: the file cannot be opened or read.
    """
    places: dict[str, _Place] = {}
    nameless: list[tuple[int, int]] = []
    latest: _Place | None = None
    early: str | None = None
    for number, offset, rows in index_lines(path):
        steps = [step for row in rows if (step := parse_row(row)) is not None]
        names = list(dict.fromkeys(step.run_id for step in steps if step.run_id is not None))
        if len(names) > 1:
            return None  # two runs on one line: the file is read as a whole
        if names:
            latest = places.setdefault(names[0], _Place(names[0], early))
            early = None
        if latest is None:
            nameless.append((number, offset))
            early = early or _find_time(steps)
            continue
        latest.lines.append((number, offset))
        latest.started_at = latest.started_at or _find_time(steps)
    if len(places) < 2:
        return None
    next(iter(places.values())).lines[:0] = nameless
    return tuple(Entry(tuple(place.lines), Head(place.run_id, place.started_at)) for place in places.values())


def _find_time(steps: Iterable[StepRow]) -> str | None:
    return next((step.time for step in steps if step.time), None)
