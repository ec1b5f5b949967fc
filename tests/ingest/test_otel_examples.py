"""The examples of spans by further conventions are read as they were told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracemill.ingest.otel.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions

EXAMPLES = Path(__file__).parents[2] / "examples" / "otel"


@pytest.mark.parametrize(("name", "origins"), [("vercel.jsonl", None), ("compacted.jsonl", "compaction")])
def test_an_example_loses_nothing(name: str, origins: str | None) -> None:
    log = LossLog(path=name)
    traces = list(SOURCE.read_file(EXAMPLES / name, log, ReadOptions()))
    assert log.losses == []
    assert all(trace.goal and trace.final_assistant_message for trace in traces)
    assert len(traces) == (2 if origins is None else 1)
    assert origins is None or origins in [message.origin for message in traces[0].messages]
