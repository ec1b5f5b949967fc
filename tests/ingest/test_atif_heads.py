"""Heads of ATIF files that are larger than a head: what stands before the steps is read, the steps are passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.atif_steps import AGENT, make_turn
from tracemill.ingest.atif import reader
from tracemill.ingest.atif.trajectory import peek_cut_head
from tracemill.ingest.document_head import HEAD_BYTES, read_start
from tracemill.ingest.source import Head

TIMED = {**make_turn(message="x" * 2000), "timestamp": "2026-03-02T08:14:05Z"}
LONG = [TIMED] * (HEAD_BYTES // 2000 + 1)
PARENT = {**AGENT, "extra": {"parent_session_id": "main"}}


def write(folder: Path, document: dict[str, Any], indent: int | None = None) -> Path:
    path = folder / "trajectory.json"
    path.write_text(json.dumps(document, indent=indent).replace("NUL", "\0"), encoding="utf-8")
    assert path.stat().st_size > HEAD_BYTES
    return path


def refuse(_raw: bytes) -> None:
    """Leave a head to those who look at all of it."""


@pytest.mark.parametrize("indent", [None, 2], ids=["one_line", "indented"])
@pytest.mark.parametrize(("agent", "root"), [(AGENT, "s1"), (PARENT, "main")], ids=["main", "of_a_parent"])
def test_the_steps_of_a_long_file_are_passed_over(
    tmp_path: Path, agent: dict[str, Any], root: str, indent: int | None
) -> None:
    path = write(tmp_path, {"session_id": "s1", "agent": agent, "steps": LONG}, indent)
    assert peek_cut_head(read_start(path)) is not None
    assert reader.read_head(path) == Head(root)


@pytest.mark.parametrize(
    ("document", "is_passed_over"),
    [
        ({"session_id": "s1", "agent": {}, "steps": LONG}, False),
        ({"session_id": " ", "agent": AGENT, "steps": LONG}, True),
        ({"session_id": 5, "agent": AGENT, "steps": LONG}, False),
        ({"steps": LONG, "session_id": "s1", "agent": AGENT}, False),
        ({"session_id": "s1", "agent": AGENT, "steps": [TIMED], "notes": "x" * HEAD_BYTES}, False),
        ({"session_id": "s1", "agent": AGENT, "extra": {"steps": LONG}, "steps": [TIMED]}, False),
        ({"session_id": "s1", "agent": AGENT, "notes": "\ud800", "steps": LONG}, False),
        ({"session_id": "s1", "agent": AGENT, "steps": [*LONG, make_turn(message="NUL")]}, True),
        ({"session_id": "s1", "agent": AGENT, "steps": [make_turn(message="NUL"), *LONG]}, False),
        ({"session_id": "s1", "agent": AGENT, "notes": '"steps": [', "steps": LONG}, True),
        ({"session_id": "s1", "agent": AGENT, "steps": [TIMED, float("nan"), *LONG]}, False),
        ({"agent": AGENT, "session_id": "s1", "session": "steps", "steps": LONG}, True),
    ],
    ids=[
        "nameless_agent",
        "blank_id",
        "number_as_id",
        "steps_first",
        "whole_steps",
        "steps_of_another",
        "half_a_pair",
        "nul_behind",
        "nul",
        "steps_in_a_text",
        "no_number",
        "steps_as_a_value",
    ],
)
def test_what_is_passed_over_changes_no_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any], is_passed_over: bool
) -> None:
    path = write(tmp_path, document)
    assert (peek_cut_head(read_start(path)) is not None) == is_passed_over
    found = reader.read_head(path)
    monkeypatch.setattr(reader, "peek_cut_head", refuse)
    assert found == reader.read_head(path)
    assert found is not None


@pytest.mark.parametrize(
    ("name", "is_session"),
    [
        ("a.json", True),
        ("a.b.json", True),
        (".json", False),
        ("a.jsonl", False),
        ("result.json", False),
        ("json", False),
    ],
)
def test_a_file_of_a_session_is_known_by_its_name(name: str, is_session: bool) -> None:
    assert reader.is_session_file(Path("/trial") / name) is is_session
