"""Databases whose write-ahead log was copied or left without its index: read whole, and nothing is written there."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests import agentscope_database as db
from tests.agentscope_database import make_model, text_block
from tests.ingest import hermes_agent_rows as hermes
from tracemill.ingest import sqlite_files
from tracemill.ingest.sqlite_files import find_file, open_read_only


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(sqlite_files, "_copies", {})
    return folder


def write_log(writer: sqlite3.Connection) -> None:
    writer.execute("PRAGMA journal_mode=wal")
    writer.execute("PRAGMA wal_autocheckpoint=0")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A database with a run in its log alone, copied without the index."""
    path = db.write_database(tmp_path / "live" / "database.sqlite", db.SPANS)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        write_log(writer)
        later = make_model("m9", 40, db.ask("Hi"), text_block("Hello"), trace="t9", parent="", run="run-2")
        db.add_spans(writer, [later], "old")
        folder = tmp_path / "copied"
        folder.mkdir()
        for name in ("database.sqlite", "database.sqlite-wal"):
            shutil.copy(path.with_name(name), folder)
    return folder / "database.sqlite"


def list_folder(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


def list_names(path: Path) -> list[str]:
    return [trace.trace_id for trace in db.read(path)[0]]


def test_nothing_is_written_beside_a_log_without_its_index(copied: Path, temporary: Path) -> None:
    before = list_folder(copied.parent)
    assert list_names(copied) == ["t1", "t2", "t3", "t9"]
    assert [len(db.read(copied)[0]) for _ in range(2)] == [4, 4]
    assert list_folder(copied.parent) == before
    assert set(before) == {"database.sqlite", "database.sqlite-wal"}
    assert len(list(temporary.iterdir())) == 1  # one copy for all of them


def test_hermes_reads_it_too(tmp_path: Path, temporary: Path) -> None:
    live = hermes.make_state(
        tmp_path, [{"id": "s1", "source": "cli"}], [{"session_id": "s1", **hermes.say("user", "A")}]
    )
    with closing(sqlite3.connect(live, isolation_level=None)) as writer:
        write_log(writer)
        hermes.insert(writer, "messages", {"session_id": "s1", **hermes.say("user", "B")})
        folder = tmp_path / "copied"
        folder.mkdir()
        for path in (live, live.with_name("state.db-wal")):
            shutil.copy(path, folder)
    before = list_folder(folder)
    (trace,), _ = hermes.read(folder / "state.db")
    assert [message.text for message in trace.messages] == ["A", "B"]
    assert (list_folder(folder), len(list(temporary.iterdir()))) == (before, 1)


def test_a_link_is_followed_to_the_log(copied: Path, temporary: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.sqlite"
    link.symlink_to(copied)
    assert "t9" in list_names(link)
    assert len(list(copied.parent.iterdir())) == 2


def test_what_is_written_later_is_copied_anew(copied: Path, temporary: Path) -> None:
    assert "t9" in list_names(copied)
    log = copied.with_name("database.sqlite-wal")
    log.write_bytes(b"")
    assert list_names(copied) == ["t1", "t2", "t3"]
    assert len(list(temporary.iterdir())) == 1


def test_a_copy_goes_with_the_last_that_needs_it(copied: Path, temporary: Path) -> None:
    with closing(open_read_only(copied, bytes)) as database:
        assert find_file(database).parent.parent == temporary
        sqlite_files._copies.clear()  # pyright: ignore[reportPrivateUsage]
        assert database.execute("SELECT count(*) FROM span_table").fetchone() == (11,)
    del database
    assert list(temporary.iterdir()) == []


def _spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:16] + b"\xff" * 4000)


@pytest.mark.parametrize("spoil", [_spoil, None], ids=["damaged", "no_room"])
def test_no_copy_stays_where_reading_fails(
    copied: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None] | None
) -> None:
    def refuse(_start: Path, goal: Path) -> None:
        goal.write_bytes(b"some")
        raise OSError(28, "No space left on device")

    if spoil is None:
        monkeypatch.setattr(shutil, "copyfile", refuse)
    else:
        spoil(copied)
    with pytest.raises((OSError, sqlite3.DatabaseError)):
        open_read_only(copied, bytes)
    assert list(temporary.iterdir()) == []


def test_a_database_that_changes_while_it_is_copied_is_copied_again(
    copied: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_file, changes = shutil.copyfile, iter(range(1, 3))

    def change(start: Path, goal: Path) -> None:
        copy_file(start, goal)
        if (number := next(changes, None)) is not None:
            os.utime(start, ns=(number, number))

    monkeypatch.setattr(shutil, "copyfile", change)
    assert "t9" in list_names(copied)
    assert (next(changes, None), len(list(temporary.iterdir()))) == (None, 1)


def test_a_database_in_use_is_read_where_it_is(tmp_path: Path, temporary: Path) -> None:
    path = db.write_database(tmp_path / "live" / "database.sqlite", db.SPANS)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        write_log(writer)
        for number in range(3):
            later = make_model(f"m{number + 7}", 40, db.ask("Hi"), text_block("Hello"), trace=f"n{number}", parent="")
            db.add_spans(writer, [later], "old")
            assert len(list_names(path)) == 4 + number
    assert list(temporary.iterdir()) == []


def _read_in_process(path: str) -> None:
    assert len(db.read(Path(path))[0]) == 4


@pytest.mark.parametrize("has_copy", [True, False], ids=["before", "within"])
def test_worker_processes_leave_no_copy_and_take_none_away(copied: Path, temporary: Path, has_copy: bool) -> None:
    if has_copy:
        list_names(copied)
    worker = multiprocessing.get_context("fork").Process(target=_read_in_process, args=(str(copied),))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert len(list(temporary.iterdir())) == has_copy
