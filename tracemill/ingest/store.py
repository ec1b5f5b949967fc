"""The trace store: every trace of a run, read once, redacted, and fetched by ``trace_id`` from then on.

A folder of mode 0700:

* ``light.parquet``: a row a trace, in reading order: the light columns, ``goal``, and where the whole trace stands:
  ``shard``, ``offset`` and ``size_bytes``. It gets its name last: without it the folder is no store.
* ``traces-0.bin``, ``traces-1.bin``, …: the shards, whole traces as MessagePack, end to end. Each process that reads
  writes one of its own, so that no trace travels between processes; which trace stands in which is chance, what is read
  back is not. Bytes that no row names are copies of a session: they were written before that was known.

Shards are bare: nothing is looked for by value, and compressing 2 MB takes longer (2.7 ms) than writing them. The store
is as large as the traces and goes away with the run.
"""

from __future__ import annotations

import os
import shutil
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from tracemill.errors import InputError
from tracemill.ingest.packed import Packed, Place, Shard, create_shard, decode_trace, name_shard
from tracemill.trace import LIGHT_COLUMNS, Trace

if TYPE_CHECKING:
    import pyarrow as pa

_LIGHT_FILE = "light.parquet"
_LIGHT_ROWS = 1024
_PLACE_COLUMNS = ("shard", "offset", "size_bytes")
#: Fetched traces are kept for those that need them next, up to this many bytes in the store. Rows go through a run in
#: order: what has been kept longest is needed first, so where there is no more room the new one is not kept. One that
#: nobody took (its row failed) goes after this many fetches.
_CACHED_BYTES = 64 * 1024 * 1024
_CACHED_FETCHES = 400

#: The light columns of a trace, and where the whole trace stands.
_Row = tuple[dict[str, Any], Place]


def write_store(folder: Path, traces: Iterable[Packed]) -> TraceStore:
    """Write traces to ``folder`` (made, mode 0700) as they come; memory holds the light columns of some of them.

    What has a ``place`` stands in a shard of the folder already.

    Raises:
        OSError: the folder cannot be written; what was written is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    partial = folder / f"{_LIGHT_FILE}.partial"
    try:
        _remove_files(folder)
        create_shard(folder, 0)
        with Shard(folder, 0) as shard:
            _write_light(partial, _place_traces(traces, shard))
        partial.rename(folder / _LIGHT_FILE)
    except BaseException:
        _remove_files(folder)
        raise
    return TraceStore(folder)


class _Kept(NamedTuple):
    """A decoded trace, its bytes in the store, and the number of the fetch that read it."""

    trace: Trace
    size_bytes: int
    fetch: int


class TraceStore:
    """Reads a store. Safe to use from several threads.

    Raises:
        InputError: the folder holds no store.
    """

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        path = folder / _LIGHT_FILE
        light = pq.ParquetFile(path) if path.is_file() else None
        if light is None or not set(_PLACE_COLUMNS).issubset(light.schema_arrow.names):  # older stores have no places
            raise InputError(f"{folder}: no trace store here; read the traces again without --resume")
        self.folder = folder
        self._light = light
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._fetches = 0
        columns = (column.to_pylist() for column in self._light.read(columns=["trace_id", *_PLACE_COLUMNS]).columns)
        self._places = {trace_id: Place(*place) for trace_id, *place in zip(*columns, strict=True)}
        self._shards = _open_shards(folder, self._places.values())
        self._close_shards = weakref.finalize(self, _close_shards, self._shards)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def trace_ids(self) -> list[str]:
        """All ids, in reading order."""
        return list(self._places)

    def fetch(self, trace_id: str, *, is_last: bool = False) -> Trace:
        """The whole trace. ``is_last``: nobody is expected to ask for it again, so it is not kept.

        Raises:
            KeyError: no trace has this id.
        """
        with self._lock:
            self._fetches += 1
            kept = self._kept.get(trace_id)
            if kept is None:
                kept = _Kept(self._read(trace_id), self._places[trace_id].size_bytes, self._fetches)
                if not is_last:
                    self._keep(trace_id, kept)
            elif is_last:
                self._drop(trace_id)
        return kept.trace

    def read_light(self, start: int, count: int, columns: Iterable[str]) -> pa.Table:
        """Rows ``start`` to ``start + count`` (fewer at the end) with the given light columns (or ``goal``)."""
        names = list(columns)
        groups = range(start // _LIGHT_ROWS, min(self._light.num_row_groups, (start + count - 1) // _LIGHT_ROWS + 1))
        if count < 1 or not groups:
            return self._light.schema_arrow.empty_table().select(names)
        with self._lock:
            table = self._light.read_row_groups(list(groups), columns=names)
        return table.slice(start - groups[0] * _LIGHT_ROWS, count).select(names)

    def iterate(self) -> Iterator[Trace]:
        """Every trace, in reading order."""
        for trace_id in self._places:
            yield self.fetch(trace_id, is_last=True)

    def close(self) -> None:
        """Close the files; nothing can be fetched any more."""
        with self._lock:
            self._light.close()
            self._close_shards()

    def remove(self) -> None:
        """Delete the store from disk."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, trace_id: str) -> Trace:
        place = self._places[trace_id]
        trace = decode_trace(os.pread(self._shards[place.shard], place.size_bytes, place.offset))
        return trace if trace.trace_id == trace_id else replace(trace, trace_id=trace_id)

    def _keep(self, trace_id: str, new: _Kept) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if self._fetches - self._kept[oldest].fetch <= _CACHED_FETCHES:
                break
            self._drop(oldest)
        if not self._kept or self._kept_bytes + new.size_bytes <= _CACHED_BYTES:
            self._kept[trace_id] = new
            self._kept_bytes += new.size_bytes

    def _drop(self, trace_id: str) -> None:
        self._kept_bytes -= self._kept.pop(trace_id).size_bytes


def build_light_schema() -> pa.Schema:
    """The Arrow schema of the light file, in order."""
    import pyarrow as pa

    types: Mapping[str, pa.DataType] = {
        "string": pa.string(),
        "bool": pa.bool_(),
        "double": pa.float64(),
        "int64": pa.int64(),
    }
    light = [(name, types[kind]) for name, kind in LIGHT_COLUMNS.items()]
    return pa.schema([*light, ("goal", pa.string()), *((name, pa.int64()) for name in _PLACE_COLUMNS)])


def _place_traces(traces: Iterable[Packed], shard: Shard) -> Iterator[_Row]:
    for trace in traces:
        yield trace.light, trace.place or shard.put(trace.encoded)


def _write_light(path: Path, placed: Iterator[_Row]) -> None:
    rows = list(islice(placed, _LIGHT_ROWS))
    import pyarrow.parquet as pq  # not before there are rows: where several processes read, they do so meanwhile

    schema = build_light_schema()
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        path.chmod(0o600)
        while rows:
            writer.write_table(_build_table(rows, schema))
            rows = list(islice(placed, _LIGHT_ROWS))


def _build_table(rows: Sequence[_Row], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [light[name] for light, _ in rows] for name in (*LIGHT_COLUMNS, "goal")}
    for name in _PLACE_COLUMNS:
        columns[name] = [getattr(place, name) for _, place in rows]
    return pa.table(columns, schema=schema)


def _open_shards(folder: Path, places: Iterable[Place]) -> dict[int, int]:
    """The shards that hold a trace: number → file descriptor.

    Raises:
        InputError: one is missing, or shorter than the places say.
    """
    ends: dict[int, int] = {}
    for place in places:
        ends[place.shard] = max(ends.get(place.shard, 0), place.offset + place.size_bytes)
    shards: dict[int, int] = {}
    try:
        for number, end in ends.items():
            shards[number] = os.open(name_shard(folder, number), os.O_RDONLY)
            if os.fstat(shards[number]).st_size < end:
                raise EOFError
    except (FileNotFoundError, EOFError):
        _close_shards(shards)
        raise InputError(f"{folder}: the trace store is not whole; read the traces again without --resume") from None
    return shards


def _close_shards(shards: dict[int, int]) -> None:
    while shards:
        os.close(shards.popitem()[1])


def _remove_files(folder: Path) -> None:
    for path in (*folder.glob(f"{_LIGHT_FILE}*"), *folder.glob("traces-*.bin")):
        path.unlink(missing_ok=True)
