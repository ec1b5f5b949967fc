"""Pipes and devices among traces: to open one can wait for ever, so none is opened."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracemill.ingest import FORMAT_NAMES, get_source
from tracemill.ingest.collect import Intake, collect_traces
from tracemill.ingest.documents import read_document
from tracemill.ingest.inventory import Selection, locate_files, take_inventory
from tracemill.ingest.source import LossLog
from tracemill.trace import Trace

#: Names by which the formats know their files, and those that they read beside them.
NAMES = (
    "rollout-2026-01-05T10-00-00-0199.jsonl",
    "0199.jsonl",
    "trajectory.json",
    "result.json",
    "session_1.json",
    "state.db",
    "database.sqlite",
    "sessions-index.json",
    "a.traj",
    "a.traj.json",
    "base_state.json",
    "output.jsonl",
)


def fail_at_once(*_: object) -> None:
    raise AssertionError("a pipe was opened")


@pytest.fixture
def pipes(tmp_path: Path) -> Iterator[Path]:
    for name in NAMES:
        os.mkfifo(tmp_path / name)
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    before = signal.signal(signal.SIGALRM, fail_at_once)
    signal.alarm(30)  # who opens a pipe waits for ever: the test must fail, not hang
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def read(name: str, folder: Path) -> tuple[list[Trace], Intake]:
    source, intake = get_source(name), Intake()
    root, files = locate_files(source, str(folder))
    inventory = take_inventory(source, root, files, Selection())
    traces = list(collect_traces(source, inventory, Selection(), intake, redactor=None))
    return traces, intake


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_pipes_and_devices_are_unreadable(pipes: Path, name: str) -> None:
    traces, intake = read(name, pipes)
    assert traces == []
    assert {loss.reason for loss in intake.losses} == {"unreadable_file"}
    assert "not a regular file" in intake.losses[0].detail


def test_a_document_that_is_a_pipe_is_not_opened(pipes: Path) -> None:
    with pytest.raises(OSError, match="not a regular file"):
        read_document(pipes / "sessions-index.json", LossLog(path=""))


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (tmp_path / "s1.jsonl").write_text("", encoding="utf-8")
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if Path(folder) == closed:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    traces, intake = read("claude_code", tmp_path)
    assert traces == []
    told = [(loss.reason, Path(loss.path).name, loss.detail) for loss in intake.losses if loss.path == str(closed)]
    assert told == [("unreadable_file", "closed", "Permission denied")]
