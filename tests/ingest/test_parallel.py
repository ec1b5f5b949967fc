"""Reading with several processes gives what reading with one gives, in the same order."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.run.sessions import make_id, write_sessions
from tracemill.errors import InputError
from tracemill.ingest import ReadResult, get_source, parallel, store_inventory
from tracemill.ingest.collect import Intake, keep_found
from tracemill.ingest.inventory import Group, Inventory, Selection, locate_files, take_inventory
from tracemill.ingest.packed import Shard
from tracemill.ingest.source import ReadOptions
from tracemill.ingest.store import write_store
from tracemill.redact import Redactor
from tracemill.trace import LIGHT_COLUMNS

CODEX = get_source("codex")


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty sessions, with a copy, a foreign file and a broken line, read in batches of a few."""
    monkeypatch.setattr(parallel, "LEAST_BYTES", 1)
    monkeypatch.setattr(parallel, "_BATCH_GROUPS", 3)
    folder = write_sessions(tmp_path / "traces", 40)
    files = sorted(folder.rglob("*.jsonl"))
    (files[3].parent / "rollout-foreign.jsonl").write_text(json.dumps({"kind": "none"}) + "\n")
    (files[4].parent / f"{files[4].stem}-copy.jsonl").write_bytes(files[4].read_bytes())
    with files[5].open("a") as file:
        file.write("{broken\n")
    return folder


def read(traces: Path, folder: Path, workers: int, **more: Any) -> ReadResult:
    root, files = locate_files(CODEX, str(traces))
    inventory = take_inventory(CODEX, root, files, Selection())
    return store_inventory(CODEX, inventory, Selection(), folder, redactor=Redactor(), workers=workers, **more)


def take(traces: Path) -> Inventory:
    return take_inventory(CODEX, *locate_files(CODEX, str(traces)), Selection())


def read_to_shards(
    inventory: Inventory, folder: Path, workers: int, meanwhile: Callable[[], None] | None = None
) -> ReadResult:
    """Every process writes what it reads."""
    intake, redactor = Intake(), Redactor()
    results = parallel.pack_in_parallel(
        CODEX, inventory.groups, redactor, ReadOptions(), workers=workers, folder=folder, meanwhile=meanwhile
    )
    with closing(results):
        store = write_store(folder, keep_found(results, inventory, Selection(), intake, redactor, None))
    return ReadResult(store, intake, inventory)


def test_two_processes_give_what_one_gives(traces: Path, tmp_path: Path) -> None:
    one, two = (read(traces, tmp_path / f"store{workers}", workers) for workers in (1, 2))
    assert list(one.store.iterate()) == list(two.store.iterate())
    assert asdict(one.intake) == asdict(two.intake)
    assert (one.intake.repeated, len(one.store)) == (1, 40)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_processes_that_write_shards_give_what_one_gives(traces: Path, tmp_path: Path, workers: int) -> None:
    one = read(traces, tmp_path / "one", 1)
    others = read_to_shards(take(traces), tmp_path / "shards", workers)
    assert list(others.store.iterate()) == list(one.store.iterate())
    names = [*LIGHT_COLUMNS, "goal"]
    assert others.store.read_light(0, 99, names).equals(one.store.read_light(0, 99, names))
    assert asdict(others.intake) == asdict(one.intake)
    sizes = {path.name: path.stat().st_size for path in others.store.folder.glob("*.bin")}
    assert (len(sizes), sizes["traces-0.bin"]) == (workers + 1, 0), "no trace went through this process"


def test_traces_that_nobody_asked_for_take_no_room(traces: Path, tmp_path: Path) -> None:
    asked = make_id(3)
    few = store_inventory(
        CODEX, take(traces), Selection(frozenset({asked})), tmp_path / "few", redactor=Redactor(), workers=2
    )
    everything = read(traces, tmp_path / "all", 2)
    assert few.store.trace_ids == [asked]
    assert [path.name for path in few.store.folder.glob("*.bin")] == ["traces-0.bin"]
    assert everything.store.fetch(asked) == few.store.fetch(asked)
    assert {path.name for path in everything.store.folder.glob("*.bin")} == {f"traces-{n}.bin" for n in range(3)}


def test_conflicts_between_groups_are_settled_though_the_traces_stand_in_shards(traces: Path, tmp_path: Path) -> None:
    inventory = take(traces)
    guest = Group("elsewhere", inventory.groups[0].members)
    inventory = replace(inventory, groups=(guest, *inventory.groups, guest))
    one = store_inventory(CODEX, inventory, Selection(), tmp_path / "one", redactor=Redactor())
    two = read_to_shards(inventory, tmp_path / "two", 2)
    assert list(two.store.iterate()) == list(one.store.iterate())
    assert asdict(two.intake) == asdict(one.intake)
    assert (two.intake.notes["id_conflict"], two.intake.repeated, len(two.store)) == (2, 2, 41)
    assert two.store.trace_ids[0].startswith(f"{two.store.trace_ids[1]}~")


def test_processes_that_begin_anew_give_the_same(traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = read(traces, tmp_path / "one", 1)
    monkeypatch.setattr(parallel, "choose_context", lambda: multiprocessing.get_context("spawn"))
    two = read_to_shards(take(traces), tmp_path / "two", 2)
    assert list(two.store.iterate()) == list(one.store.iterate())
    assert asdict(two.intake) == asdict(one.intake)


def test_the_time_of_reading_is_used(traces: Path, tmp_path: Path) -> None:
    called: list[int] = []
    read(traces, tmp_path / "two", 2, meanwhile=lambda: called.append(os.getpid()))
    read(traces, tmp_path / "one", 1, meanwhile=lambda: called.append(0))
    assert called == [os.getpid()]


@pytest.mark.parametrize(("limit", "files"), [(1, 1), (7, 8)])  # the fifth session has a copy
def test_a_limit_reads_no_body_in_vain(traces: Path, tmp_path: Path, limit: int, files: int) -> None:
    result = read(traces, tmp_path / "store", 2, limit=limit)
    assert (len(result.store), result.intake.files_read) == (limit, files)


def read_files_to_shards(traces: Path, folder: Path, workers: int) -> ReadResult:
    return read_to_shards(take(traces), folder, workers)


@pytest.mark.parametrize("act", [read, read_files_to_shards], ids=["pipe", "shards"])
def test_a_process_that_is_killed_is_one_line(
    traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[..., ReadResult]
) -> None:
    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(parallel, "pack_each", die)
    monkeypatch.setattr(parallel, "choose_context", lambda: multiprocessing.get_context("fork"))
    with pytest.raises(InputError, match="read with --workers 1"):
        act(traces, tmp_path / "store", 2)
    assert list((tmp_path / "store").iterdir()) == []


def test_a_full_disk_is_told_and_leaves_no_file(traces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Shard) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Shard, "flush", refuse)
    monkeypatch.setattr(parallel, "choose_context", lambda: multiprocessing.get_context("fork"))
    with pytest.raises(OSError, match="No space left"):
        read_to_shards(take(traces), tmp_path / "store", 2)
    assert list((tmp_path / "store").iterdir()) == []


def test_an_interrupt_leaves_no_file_and_no_process(traces: Path, tmp_path: Path) -> None:
    def interrupt() -> None:
        assert {path.name for path in (tmp_path / "store").glob("*.bin")} == {f"traces-{n}.bin" for n in range(3)}
        assert len(multiprocessing.active_children()) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_to_shards(take(traces), tmp_path / "store", 2, interrupt)
    assert list((tmp_path / "store").iterdir()) == []
    assert multiprocessing.active_children() == []


@given(sizes=st.lists(st.integers(0, 60), max_size=40), workers=st.integers(1, 4))
def test_large_batches_come_early_and_apart(sizes: list[int], workers: int) -> None:
    batches = [parallel.Batch(start, start + 1, size << 20) for start, size in enumerate(sizes)]
    order = list(parallel.spread_batches(batches, workers))
    assert sorted(order) == batches, "each batch once"
    large = [place for place, batch in enumerate(order) if batch.size_bytes >= parallel.LARGE_BYTES]
    taken = [order[place].size_bytes for place in large]
    assert taken == sorted(taken, reverse=True)
    for place, following in pairwise(large):
        beside = sum(batch.size_bytes for batch in order[place + 1 : following])
        is_short = all(batch.size_bytes >= parallel.LARGE_BYTES for batch in order[following:])
        assert beside >= order[place].size_bytes * (workers - 1) or is_short
    small = [batch for batch in order if batch.size_bytes < parallel.LARGE_BYTES]
    assert small == sorted(small), "the others in reading order"


def test_no_more_is_measured_than_needed(traces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = take(traces).groups
    monkeypatch.setattr(parallel, "LEAST_BYTES", 1 << 30)
    whole = sum(path.stat().st_size + 64 * 1024 for group in groups for path in group.paths)
    assert parallel.measure_bytes(groups) == whole
    for path in groups[-1].paths:
        path.unlink()
    assert parallel.measure_bytes(groups) < whole
    monkeypatch.setattr(parallel, "LEAST_BYTES", 3 * 64 * 1024)
    assert 3 * 64 * 1024 <= parallel.measure_bytes(groups) < 4 * 64 * 1024
