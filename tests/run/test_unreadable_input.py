"""A recipe that can read no file says why it cannot."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests import agentscope_database as db
from tests.run.harness import run_cli
from tracemill.ingest import sqlite_files


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "damaged"])
def test_the_first_file_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_locked: bool
) -> None:
    monkeypatch.setattr(sqlite_files, "PATIENCE_S", 0.0)
    path = db.write_database(tmp_path / "traces" / "database.sqlite", db.SPANS)
    words = "database is locked: another program did not let go of it"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        if is_locked:
            writer.execute("BEGIN EXCLUSIVE")
        else:
            words = "the database is damaged or cut: database disk image is malformed"
            path.write_bytes(path.read_bytes()[:6000])
        given = ("--format", "agentscope_studio", "--trace-dir", path.parent, "--artifact-path", tmp_path / "out")
        result = run_cli(*given, "--offline")
    assert (result.code, len(result.error_lines)) == (2, 1)
    assert f"(1 unreadable_file; database.sqlite: {words}" in result.err
