"""AgentScope Studio's databases whose write-ahead log cannot be joined, or is torn: it is told what is not read."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests import agentscope_database as db
from tests.agentscope_database import make_model, text_block
from tracemill.ingest.agentscope_studio import database as reader
from tracemill.ingest.agentscope_studio.reader import SOURCE
from tracemill.ingest.source import LossLog, ReadOptions

FRAME_BYTES = 24 + 4096
NOT_JOINED = "database.sqlite-wal: it cannot be joined: the file alone was read"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Path]:
    """A database that a Studio has open, with two runs in its log alone."""
    path = db.write_database(tmp_path / "live" / "database.sqlite", db.SPANS)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=wal")
        writer.execute("PRAGMA wal_autocheckpoint=0")
        for number in (8, 9):
            add_run(writer, number)
        yield path


def add_run(writer: sqlite3.Connection, number: int) -> None:
    names = {"trace": f"t{number}", "parent": "", "run": f"run-{number}"}
    db.add_spans(writer, [make_model(f"m{number}", 40 + number, db.ask("Hi"), text_block("Hello"), **names)], "old")


def copy(studio: Path, change: Callable[[bytearray], object] = lambda _: None) -> Path:
    """The database with its log as a copy in another folder."""
    folder = studio.parent.parent / "copy"
    folder.mkdir()
    shutil.copy(studio, folder)
    log = bytearray(studio.with_name("database.sqlite-wal").read_bytes())
    change(log)
    (folder / "database.sqlite-wal").write_bytes(log)
    return folder / "database.sqlite"


def open_alone(path: Path, decode: Callable[[bytes], Any]) -> sqlite3.Connection:
    """A connection as it is where the log cannot be joined."""
    database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True, isolation_level=None)
    database.text_factory = decode
    return database


def read(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    traces, log = db.read(path)
    told = [(loss.reason, loss.detail) for loss in log.losses if loss.reason != "api_error_message"]
    assert {loss.path for loss in log.losses} <= {str(path)}
    return [trace.trace_id for trace in traces], told


def test_a_log_that_is_joined_is_no_loss(studio: Path) -> None:
    assert read(studio) == (["t1", "t2", "t3", "t8", "t9"], [])
    assert read(copy(studio)) == (["t1", "t2", "t3", "t8", "t9"], [])


def test_a_log_that_cannot_be_joined_is_told(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "open_read_only", open_alone)
    assert read(studio) == (["t1", "t2", "t3"], [("log_not_joined", NOT_JOINED)])
    traces, _ = db.read(studio)
    assert traces[0].dropped == {"api_error_message": 1, "log_not_joined": 1}


def test_it_is_told_once_however_many_runs_are_read(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copy(studio)
    with closing(sqlite3.connect(path)) as writer, writer:
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint=0")
        add_run(writer, 7)
        monkeypatch.setattr(reader, "open_read_only", open_alone)
        log = LossLog(path=str(path))
        entries = SOURCE.list_entries(path) or ()
        found = [trace for entry in entries for trace in SOURCE.read_entry(path, entry, log, ReadOptions())]
    assert [trace.root_session_id for trace in found] == ["run-1", "run-1", "run-1", "run-8", "run-9"]
    assert log.count_losses() == {"api_error_message": 1, "log_not_joined": 1}


def test_a_log_whose_pages_the_file_has_is_no_loss(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(studio, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
    assert studio.with_name("database.sqlite-wal").stat().st_size > FRAME_BYTES
    monkeypatch.setattr(reader, "open_read_only", open_alone)
    assert read(studio) == (["t1", "t2", "t3", "t8", "t9"], [])


def test_what_was_never_committed_is_no_loss(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(studio, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute("PRAGMA cache_size=1")
        writer.execute("BEGIN")
        for number in range(20, 60):
            add_run(writer, number)
        assert studio.with_name("database.sqlite-wal").stat().st_size > FRAME_BYTES
        assert read(studio) == (["t1", "t2", "t3", "t8", "t9"], [])
        monkeypatch.setattr(reader, "open_read_only", open_alone)
        assert read(studio) == (["t1", "t2", "t3", "t8", "t9"], [])


def spoil(place: int) -> Callable[[bytearray], object]:
    return lambda log: log.__setitem__(place, log[place] ^ 0xFF)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (spoil(32 + 24 + 500), "it is torn after frame 0"),
        (spoil(32 + 8), "it is torn after frame 0"),
        (spoil(25), "its header is damaged"),
        (spoil(0), "its header is damaged"),
        (spoil(-1), "it is torn after frame"),
        (lambda log: log.__delitem__(slice(-100, None)), "it is torn after frame"),
    ],
    ids=["page", "frame_header", "checksum", "magic", "last_frame", "cut"],
)
def test_a_torn_log_is_told(studio: Path, change: Callable[[bytearray], object], why: str) -> None:
    names, told = read(copy(studio, change))
    assert names[:3] == ["t1", "t2", "t3"]
    assert "t9" not in names
    assert [(reason, why in detail) for reason, detail in told] == [("log_not_joined", True)]


@pytest.mark.parametrize("size", [0, 20, 32])
def test_a_log_without_a_frame_is_no_loss(studio: Path, size: int) -> None:
    path = copy(studio, lambda log: log.__delitem__(slice(size, None)))
    assert read(path) == (["t1", "t2", "t3"], [])


def test_frames_of_an_earlier_log_are_no_loss(studio: Path) -> None:
    with closing(sqlite3.connect(studio, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_checkpoint(RESTART)")
        writer.execute("UPDATE span_table SET name = name || ' later' WHERE id = 'm9'")
        assert read(studio) == (["t1", "t2", "t3", "t8", "t9"], [])
        writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
        assert read(studio) == (["t1", "t2", "t3", "t8", "t9"], [])


def test_a_commit_under_way_is_no_loss(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [(3, "it is torn after frame 3"), (5, "it is torn after frame 5")]
    monkeypatch.setattr(reader, "find_unread", lambda _database, _path: told.pop(0))
    assert read(studio)[1] == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a folder that cannot be written to")
def test_a_folder_that_cannot_be_written_to(studio: Path) -> None:
    path = copy(studio)
    path.parent.chmod(0o500)
    try:
        assert read(path) == (["t1", "t2", "t3", "t8", "t9"], [])
    finally:
        path.parent.chmod(0o700)
