"""Groups read by several processes, their results taken in reading order.

A group is read by one process as a whole, so all that is decided within a group is decided there; what is decided
between groups is left to the caller. Where a store is being written, each process writes the traces that it reads to a
shard of its own, and only the numbers of groups and what a row of the store needs cross between the processes: handing
over the traces themselves took a quarter of the time of reading them.
"""

from __future__ import annotations

import gc
import multiprocessing.context
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tracemill.errors import InputError
from tracemill.ingest.collect import Intake, read_each
from tracemill.ingest.inventory import Group, Member
from tracemill.ingest.packed import Packed, Shard, create_shard, pack_trace
from tracemill.ingest.source import ReadOptions, Source
from tracemill.redact import Redactor
from tracemill.redact.finding import build_gate

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

#: With less than this to read, two processes save no 0.3 s and take as much CPU more to hand the traces over.
LEAST_BYTES = 96 * 1024 * 1024
#: A file is as much work as so many bytes, whatever is in it: to be opened, its session found, its trace put away.
_FILE_BYTES = 64 * 1024
_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_GROUPS = 256
LARGE_BYTES = 4 * _BATCH_BYTES
_ENTRY_BYTES = 64 * 1024
_AHEAD = 8

PackedGroup = tuple[Group, list[Packed], Intake]
#: What a process gives for each group of a batch.
_Found = list[tuple[list[Packed], Intake]]


class Batch(NamedTuple):
    """The groups ``start`` to ``stop`` of those to be read."""

    start: int
    stop: int
    size_bytes: int


class _Work(NamedTuple):
    """What a process gets when it begins. ``turns`` deals the numbers of the shards in ``folder``, from 1."""

    source_name: str
    groups: Sequence[Group]
    redactor: Redactor | None
    options: ReadOptions
    folder: Path | None
    turns: Synchronized[int]


def pack_each(
    source: Source, groups: Sequence[Group], redactor: Redactor | None, options: ReadOptions
) -> Generator[PackedGroup]:
    """Read group after group in this process, each when it is asked for."""
    for group, traces, intake in read_each(source, groups, redactor, options):
        yield group, [pack_trace(trace) for trace in traces], intake


def pack_in_parallel(
    source: Source,
    groups: Sequence[Group],
    redactor: Redactor | None,
    options: ReadOptions,
    *,
    workers: int,
    folder: Path | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Generator[PackedGroup]:
    """Read groups in ``workers`` processes; results come in order.

    With the ``folder`` of a store that ``write_store`` is writing from these results, the traces go to shards there,
    and results have their ``place``. Without, results have their bytes, and are at most a few batches ahead.
    ``meanwhile`` is called once, while the first batches are being read.

    Raises:
        InputError: a process died. OSError: as the source, or a shard cannot be written.
    """
    pool = _open_pool(source, groups, redactor, options, workers, folder)
    batches = _make_batches(groups)
    running: dict[int, Future[_Found]] = {}
    try:
        _submit(pool, islice(batches, workers + _AHEAD), running)
        if folder is not None:  # then results are small: all may wait for one, and no process ever does
            _submit(pool, spread_batches(batches, workers), running)
        if meanwhile is not None:
            meanwhile()
        start = 0
        while running:
            found = running.pop(start).result()
            _submit(pool, islice(batches, 1), running)
            for group, (traces, intake) in zip(groups[start : start + len(found)], found, strict=True):
                yield group, traces, intake
            start += len(found)
    except BrokenProcessPool:
        raise InputError("a reading process was killed, maybe for want of memory: read with --workers 1") from None
    finally:
        pool.shutdown(cancel_futures=True)


def count_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """Whether processes can begin as copies of this one: the fastest way, and safe as long as no other thread runs."""
    return sys.platform == "linux" and threading.active_count() == 1


def choose_context() -> multiprocessing.context.BaseContext:
    """How processes begin here: as copies of this one, or anew."""
    return multiprocessing.get_context("fork" if can_fork() else "spawn")


def measure_bytes(groups: Sequence[Group]) -> int:
    """About how many bytes there are to read, counted until ``LEAST_BYTES`` are reached.

    A file counts for ``_FILE_BYTES`` by itself.
    """
    size_bytes = 0
    for group in groups:
        size_bytes += sum(_measure(member) + _FILE_BYTES for member in group.members)
        if size_bytes >= LEAST_BYTES:
            break
    return size_bytes


def spread_batches(batches: Iterable[Batch], workers: int) -> Iterator[Batch]:
    """Large batches first, so that none is begun when there is nothing left for the other processes to do.

    But not at the same time, as a large file takes several times its size of memory: after one comes as much else as
    the other processes read meanwhile.
    """
    others = deque[Batch]()
    large: list[Batch] = []
    for batch in batches:
        (large if batch.size_bytes >= LARGE_BYTES else others).append(batch)
    for batch in sorted(large, key=attrgetter("size_bytes"), reverse=True):
        yield batch
        beside_bytes = batch.size_bytes * (workers - 1)
        while others and beside_bytes > 0:
            beside_bytes -= others[0].size_bytes
            yield others.popleft()
    yield from others


def _open_pool(
    source: Source,
    groups: Sequence[Group],
    redactor: Redactor | None,
    options: ReadOptions,
    workers: int,
    folder: Path | None,
) -> ProcessPoolExecutor:
    """The processes, with a shard for each where there is a folder."""
    if redactor is not None:
        build_gate()  # once, before the processes take a copy of it
    gc.freeze()  # what is here stays: a collection would walk through all of it and, in a process, copy its pages
    if folder is not None:
        for number in range(1, workers + 1):
            create_shard(folder, number)
    context = choose_context()
    work = _Work(source.name, groups, redactor, options, folder, context.Value("i", 0))
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(work,))


def _submit(pool: ProcessPoolExecutor, batches: Iterable[Batch], running: dict[int, Future[_Found]]) -> None:
    for batch in batches:
        running[batch.start] = pool.submit(_read_batch, batch.start, batch.stop)


class _Worker:
    """What a process keeps between its batches."""

    def __init__(self, work: _Work) -> None:
        from tracemill.ingest import get_source

        self._source = get_source(work.source_name)
        self._work = work
        self._shard: Shard | None = None

    def read(self, start: int, stop: int) -> _Found:
        """Read a batch; what stands in the shard has its place and no bytes."""
        _, groups, redactor, options, folder, _ = self._work
        results = pack_each(self._source, groups[start:stop], redactor, options)
        if folder is None:
            return [(traces, intake) for _, traces, intake in results]
        shard = self._shard = self._shard or self._open_shard(folder)
        found: _Found = []
        for _, traces, intake in results:
            placed = [replace(trace, encoded=b"", place=shard.put(trace.encoded)) for trace in traces]
            found.append((placed, intake))
        shard.flush()
        return found

    def _open_shard(self, folder: Path) -> Shard:
        turns = self._work.turns
        with turns.get_lock():
            turns.value += 1
            return Shard(folder, turns.value)


_worker: _Worker | None = None


def _begin(work: _Work) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the processes
    _worker = _Worker(work)


def _read_batch(start: int, stop: int) -> _Found:
    assert _worker is not None
    return _worker.read(start, stop)


def _make_batches(groups: Sequence[Group]) -> Generator[Batch]:
    start = size_bytes = 0
    for stop, group in enumerate(groups, 1):
        size_bytes += sum(map(_measure, group.members))
        if size_bytes >= _BATCH_BYTES or stop - start >= _BATCH_GROUPS:
            yield Batch(start, stop, size_bytes)
            start, size_bytes = stop, 0
    if start < len(groups):
        yield Batch(start, len(groups), size_bytes)


def _measure(member: Member) -> int:
    if member.entry is not None:
        return _ENTRY_BYTES  # a guess: what a session in a database takes
    try:
        return os.stat(str(member.path)).st_size  # noqa: PTH116 - half the time of Path.stat, for every file
    except OSError:
        return 0
