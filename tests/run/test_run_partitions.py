"""The parts of a run are the run: every trace in one part, and all parts together what one run gives."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tracemill.ingest
from tests.run.harness import list_batches, list_hidden, read_jsonl, read_record, run_cli
from tests.run.partitions import (
    EXAMPLES,
    FORMATS,
    NEEDS_CORPUS,
    Job,
    check_equal,
    find_corpus,
    read_rows,
)
from tests.run.sessions import build_rows, make_id, write_session, write_sessions

COUNTS = (1, 2, 3, 7, 8)
FILES = ("README.md", "all.jsonl", "rejects.jsonl", "run.json", "sft.jsonl")


@pytest.mark.parametrize("format_name", FORMATS)
def test_parts_of_the_examples_are_the_whole(format_name: str, tmp_path: Path) -> None:
    check_all_counts(Job(format_name, EXAMPLES / format_name, tmp_path / "out"))


@pytest.mark.corpus
@NEEDS_CORPUS
@pytest.mark.parametrize("format_name", FORMATS)
def test_parts_of_the_corpus_are_the_whole(format_name: str, tmp_path: Path) -> None:
    check_all_counts(Job(format_name, find_corpus(format_name), tmp_path / "out"))


def check_all_counts(job: Job) -> None:
    whole = job.create("whole").folder
    assert read_rows(whole)
    for count in COUNTS:
        parts = job.create_parts(f"in-{count}", count)
        check_copies([row for part in parts for row in read_rows(part)])
        check_equal(whole, job.merge(f"in-{count}"))


def check_copies(rows: list[dict[str, Any]]) -> None:
    """Two parts hold one trace only where two files do: a conversation inside another session's file."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        other = first.setdefault(row["trace_id"], row)
        if other is not row:
            assert other["source_path"] != row["source_path"]
            assert {**other, "source_path": ""} == {**row, "source_path": ""}


def test_the_examples_fill_sft_jsonl(tmp_path: Path) -> None:
    """The comparison of ``sft.jsonl`` compares something."""
    assert read_jsonl(Job("codex", EXAMPLES / "codex", tmp_path).create("whole").folder / "sft.jsonl")


def test_shuffled_parts_are_the_whole(tmp_path: Path) -> None:
    job = Job("codex", EXAMPLES / "codex", tmp_path / "out")
    whole = job.create("whole").folder
    job.create_parts("shuffled", 3, "--shuffle", "--seed", 7)
    check_equal(whole, job.merge("shuffled"))


def test_an_empty_part_is_an_empty_dataset(tmp_path: Path) -> None:
    traces = write_sessions(tmp_path / "traces", 1)
    flags = ["--format", "codex", "--trace-dir", traces, "--artifact-path", tmp_path / "out", "--offline",
             "--dataset-name", "one", "--num-records", "all", "--num-partitions", 2]  # fmt: skip
    results = [run_cli(*flags, "--partition-index", index) for index in (0, 1)]
    assert [result.code for result in results] == [0, 0], results
    assert not any("Traceback" in result.err for result in results)
    sizes = {part: len(read_rows(part)) for part in sorted((tmp_path / "out" / "one").iterdir())}
    assert sorted(sizes.values()) == [0, 1]
    empty = next(part for part, size in sizes.items() if size == 0)
    assert [path.name for path in sorted(empty.iterdir()) if path.is_file()] == sorted(FILES)
    assert list_hidden(empty) == []
    record = read_record(empty)
    assert record["state"] == "complete"
    assert record["counts"]["read"]["files_not_selected"] == record["counts"]["read"]["files_found"] == 1
    assert [(empty / name).read_text() for name in ("all.jsonl", "sft.jsonl", "rejects.jsonl")] == ["", "", ""]
    merged = run_cli("merge", "one", "--artifact-path", tmp_path / "out")
    assert (merged.code, merged.err) == (0, "")
    assert "2 parts, 1 rows" in merged.out


def test_an_empty_part_of_a_preview_shows_no_row(tmp_path: Path) -> None:
    traces = write_sessions(tmp_path / "traces", 1)
    flags = ["--format", "codex", "--trace-dir", traces, "--offline", "--preview", "--num-partitions", 2]
    results = [run_cli(*flags, "--partition-index", index) for index in (0, 1)]
    assert [result.code for result in results] == [0, 0], results
    assert sorted("trace_digest" in result.out for result in results) == [False, True]


def test_num_records_counts_within_a_part(tmp_path: Path) -> None:
    job = Job("codex", write_sessions(tmp_path / "traces", 24), tmp_path / "out")
    parts = job.create_parts("some", 3, "--num-records", 2)
    assert [len(read_rows(part)) for part in parts] == [2, 2, 2]
    assert len(read_rows(job.merge("some"))) == 6


def write_family(folder: Path, number: int) -> None:
    """A session, a copy of its beginning in another folder, and a sub-agent that names it as its parent."""
    rows = build_rows(number)
    write_session(folder / "sessions", number, rows)
    write_session(folder / "copies", number, rows[:-1])
    meta = {"id": make_id(number + 500), "parent_thread_id": make_id(number),
            "source": {"subagent": {"thread_spawn": {"parent_thread_id": make_id(number)}}}}  # fmt: skip
    write_session(folder / "sessions", number + 500, build_rows(number + 500, meta=meta))


def test_copies_and_sub_agents_follow_their_root(tmp_path: Path) -> None:
    for number in range(12):
        write_family(tmp_path / "traces", number)
    job = Job("codex", tmp_path / "traces", tmp_path / "out")
    whole = job.create("whole").folder
    for count in (2, 5):
        homes: dict[str, int] = {}
        for index, part in enumerate(job.create_parts(f"in-{count}", count)):
            rows = read_rows(part)
            roots = Counter(row["root_session_id"] for row in rows)
            assert set(roots.values()) <= {2}
            assert read_record(part)["counts"]["read"]["repeated"] == len(roots)
            homes.update(dict.fromkeys(roots, index))
        assert sorted(homes) == [make_id(number) for number in range(12)]
        assert len(set(homes.values())) > 1
        check_equal(whole, job.merge(f"in-{count}"))


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_part_reads_its_own_bodies_alone(format_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[Path, object]] = []
    sources = []
    for source in tracemill.ingest.SOURCES:

        def read_file(path, log, options, source=source):
            read.append((path, None))
            return source.read_file(path, log, options)

        def read_entry(path, entry, log, options, source=source):
            read.append((path, entry.key))
            return source.read_entry(path, entry, log, options)

        sources.append(replace(source, read_file=read_file, read_entry=read_entry))
    monkeypatch.setattr(tracemill.ingest, "SOURCES", tuple(sources))
    job = Job(format_name, EXAMPLES / format_name, tmp_path / "out")
    job.create("whole")
    everything, own, files = Counter(read), Counter[tuple[Path, object]](), 0
    for index in range(3):
        read.clear()
        part = job.create_part("parts", index, 3).folder
        files += read_record(part)["counts"]["read"]["files_read"]
        own.update(read)
    assert set(everything.values()) == {1}
    assert own == everything
    assert files == len({path for path, _ in everything})


def test_a_file_that_is_no_session_is_told_of_once(tmp_path: Path) -> None:
    traces = write_sessions(tmp_path / "traces", 4)
    (traces / "2026" / "rollout-foreign.jsonl").write_text(json.dumps({"kind": "something else"}) + "\n")
    (traces / "2026" / "rollout-empty.jsonl").write_text("")
    job = Job("codex", traces, tmp_path / "out")
    whole = job.create("whole").folder
    assert {"foreign_file", "empty_file"} <= set(read_record(whole)["counts"]["read"]["lost"])
    parts = job.create_parts("parts", 3)
    lost = [entry["reason"] for part in parts for entry in read_jsonl(part / "rejects.jsonl")
            if entry["stage"] == "read"]  # fmt: skip
    assert sorted(lost) == ["empty_file", "foreign_file"]
    check_equal(whole, job.merge("parts"))


def test_the_batch_files_of_a_part_are_its_rows(tmp_path: Path) -> None:
    job = Job("codex", EXAMPLES / "codex", tmp_path / "out")
    for part in job.create_parts("parts", 2):
        assert bool(list_batches(part)) == bool(read_rows(part))
