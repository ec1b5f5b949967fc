"""Times of mini-swe-agent: one form for all, whatever version wrote them, and no zone made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ingest.test_mini_swe_agent import DONE, SOURCE, TASK, read_run, write_run

SECONDS = 1772439246.5
TIME = "2026-03-02T08:14:06.500000Z"


@pytest.mark.parametrize(
    ("fields", "time"),
    [
        ({}, None),
        ({"timestamp": SECONDS}, TIME),
        ({"extra": {"timestamp": SECONDS}}, TIME),
        ({"extra": {"timestamp": SECONDS, "response": {"created": 5}}, "timestamp": 6}, TIME),
        ({"extra": {"response": {"created": 5}}, "timestamp": SECONDS}, TIME),
        ({"extra": {"response": {"created": 1772439246}}}, "2026-03-02T08:14:06Z"),
        ({"extra": {"timestamp": "2026-03-02T09:14:06.500000+01:00"}}, TIME),
        ({"extra": {"timestamp": "2026-03-02T08:14:06.500000Z"}}, TIME),
        ({"extra": {"timestamp": "2026-03-02T09:14:06.5"}}, None),
        ({"extra": {"timestamp": "2026-03-02 09:14:06", "response": {"created": SECONDS}}}, TIME),
        ({"extra": {"timestamp": "0001-01-01T00:00:00+14:00"}}, None),
        ({"extra": {"timestamp": "later"}, "timestamp": [1]}, None),
        ({"timestamp": True}, None),
    ],
    ids=[
        "none", "1_17", "2_x", "2_x_first", "1_17_before_response", "response", "zone", "utc", "no_zone",
        "no_zone_beside_a_number", "before_all_time", "odd", "flag",
    ],
)  # fmt: skip
def test_a_time_is_utc_or_none(tmp_path: Path, fields: dict[str, Any], time: str | None) -> None:
    trace, _ = read_run(tmp_path, TASK, {**DONE, **fields})
    assert [message.timestamp for message in trace.messages] == [None, time]
    head = SOURCE.read_head(tmp_path / "task-1.traj.json")
    assert head is not None
    assert (trace.started_at, trace.ended_at, head.started_at) == (time, time, time)


def test_version_1_17_dates_every_entry(tmp_path: Path) -> None:
    entries = [{"role": "system", "content": "Be brief."}, TASK, DONE, {"role": "user", "content": "<returncode>0"}]
    trace, _ = read_run(tmp_path, *({**entry, "timestamp": 60.0 * number} for number, entry in enumerate(entries, 1)))
    assert [message.timestamp for message in trace.messages] == [f"1970-01-01T00:0{n}:00Z" for n in range(1, 5)]


def test_times_without_a_zone_are_counted(tmp_path: Path) -> None:
    dated = [{**DONE, "extra": {"timestamp": time}} for time in ("2026-03-02T09:14:06", SECONDS, "2026-03-02 10:00")]
    trace, log = read_run(tmp_path, TASK, *dated)
    assert (trace.source_meta["times_without_zone"], trace.started_at, log.losses) == (2, TIME, [])
    known = {**DONE, "extra": {"timestamp": "2026-03-02T09:14:06", "response": {"created": SECONDS}}}
    trace, _ = read_run(tmp_path, TASK, dated[1], known, {**DONE, "timestamp": "2026-03-02T09:14:06+01:00"})
    assert "times_without_zone" not in trace.source_meta


def test_the_predictions_of_a_batch_are_no_session(tmp_path: Path) -> None:
    assert not SOURCE.is_session_file(tmp_path / "preds.json")
    assert SOURCE.is_session_file(write_run(tmp_path, TASK))
