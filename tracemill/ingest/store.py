"""The trace store: every trace of a run, read once, redacted, and fetched by ``trace_id`` from then on.

A folder of mode 0700 with ``traces.parquet``: the light columns, ``goal`` and the whole trace as JSON (``trace_json``,
zstd-compressed by Parquet), in row groups of at most 16 traces or about 4 MB, so that fetching one trace reads one
small row group. Rows lie in reading order; the row number is a trace's position in the run.
"""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tracemill.errors import InputError
from tracemill.trace import LIGHT_COLUMNS, Trace

_FILE = "traces.parquet"
_GROUP_ROWS = 16
_GROUP_BYTES = 4 * 1024 * 1024
_CACHED_GROUPS = 6
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Trace).decode

_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "double": pa.float64(),
    "int64": pa.int64(),
}


def build_light_schema() -> pa.Schema:
    """The Arrow schema of the light columns, in order."""
    return pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in LIGHT_COLUMNS.items()])


_SCHEMA = pa.schema([*build_light_schema(), ("goal", pa.string()), ("trace_json", pa.large_binary())])


def write_store(folder: Path, traces: Iterable[Trace]) -> TraceStore:
    """Write traces to ``folder`` (made, mode 0700) as they come; memory holds one row group.

    Raises:
        OSError: the folder cannot be written; what was written is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    partial = folder / (_FILE + ".partial")
    try:
        with pq.ParquetWriter(partial, _SCHEMA, compression="zstd") as writer:
            for batch in _batch(traces):
                writer.write_batch(batch)
        partial.chmod(0o600)
        partial.rename(folder / _FILE)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return TraceStore(folder)


class TraceStore:
    """Reads a store. Safe to use from several threads.

    Raises:
        InputError: the folder holds no store.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / _FILE
        if not path.is_file():
            raise InputError(f"{folder}: no trace store here; read the traces again without --resume")
        self.folder = folder
        self._file = pq.ParquetFile(path, memory_map=False)
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, pa.Table] = OrderedDict()
        self._places: dict[str, tuple[int, int]] = {}
        for group in range(self._file.num_row_groups):
            ids = self._file.read_row_group(group, columns=["trace_id"]).column(0).to_pylist()
            for row, trace_id in enumerate(ids):
                self._places[trace_id] = (group, row)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def trace_ids(self) -> list[str]:
        """All ids, in reading order."""
        return list(self._places)

    def fetch(self, trace_id: str) -> Trace:
        """The whole trace.

        Raises:
            KeyError: no trace has this id.
        """
        group, row = self._places[trace_id]
        with self._lock:
            table = self._cache.get(group)
            if table is None:
                table = self._file.read_row_group(group, columns=["trace_json"])
                self._cache[group] = table
                while len(self._cache) > _CACHED_GROUPS:
                    self._cache.popitem(last=False)
            else:
                self._cache.move_to_end(group)
            raw = table.column(0)[row].as_buffer()
        return _decode(raw)

    def read_light(self, start: int, count: int, columns: Iterable[str]) -> pa.Table:
        """Rows ``start`` to ``start + count`` (fewer at the end) with the given light columns (or ``goal``)."""
        names = list(columns)
        tables: list[pa.Table] = []
        first = 0
        for group in range(self._file.num_row_groups):
            size = int(self._file.metadata.row_group(group).num_rows)
            begin, end = max(start, first), min(start + count, first + size)
            if begin < end:
                with self._lock:
                    table = self._file.read_row_group(group, columns=names)
                tables.append(table.slice(begin - first, end - begin))
            first += size
        if not tables:
            return self._file.schema_arrow.empty_table().select(names)
        return pa.concat_tables(tables).select(names)

    def iterate(self) -> Iterator[Trace]:
        """Every trace, in reading order."""
        for trace_id in self._places:
            yield self.fetch(trace_id)

    def close(self) -> None:
        self._file.close()

    def remove(self) -> None:
        """Delete the store from disk."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def read_light_row(trace: Trace) -> dict[str, Any]:
    """The light columns of one trace."""
    return {name: getattr(trace, name) for name in LIGHT_COLUMNS}


def _batch(traces: Iterable[Trace]) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, Any]] = []
    size_bytes = 0
    for trace in traces:
        encoded = _encode(trace)
        rows.append({**read_light_row(trace), "goal": trace.goal, "trace_json": encoded})
        size_bytes += len(encoded)
        if len(rows) >= _GROUP_ROWS or size_bytes >= _GROUP_BYTES:
            yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)
            rows, size_bytes = [], 0
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)
