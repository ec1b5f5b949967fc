"""Parquet files of chat datasets → traces, a row group at a time, in batches that are small beside it.

A row is numbered from 1 over the whole file. Struct columns have every key in every row, so a null there is a key that
the row does not have: it goes. Columns of type ``arrow.json`` (as ``datasets`` writes values that have no one shape)
hold JSON text and are read as what it says. A row group that cannot be decoded is lost as one (``unreadable_file``), a
row of it whose values cannot be turned into Python's as ``malformed_record``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tracemill.ingest.json_fields import as_list, as_record, parse_json
from tracemill.ingest.lines import Row
from tracemill.ingest.openai_chat.hub import find_origin
from tracemill.ingest.openai_chat.parts import soften
from tracemill.ingest.openai_chat.preference import (
    ANSWER_FIELDS,
    PROMPT_FIELDS,
    expand_rows,
    find_row_name,
    mark_answer,
    name_answer,
)
from tracemill.ingest.openai_chat.row_messages import ALPACA_FIELDS, CHAT_FIELDS, HALF_FIELDS
from tracemill.ingest.openai_chat.rows import stream_traces
from tracemill.ingest.openai_chat.trace import (
    OTHER_FIELDS,
    RowNamer,
    build_trace,
    describe_head,
    is_chat_row,
    is_conversation,
)
from tracemill.ingest.source import Entry, Head, LossLog
from tracemill.trace import Trace

_MAGIC = b"PAR1"
_BATCH_ROWS = 64
_HEAD_ROWS = 1000
#: Columns that are read whatever their type.
_NESTED_FIELDS = frozenset(
    [*CHAT_FIELDS, *OTHER_FIELDS, *PROMPT_FIELDS, *(name for pair in ANSWER_FIELDS for name in pair)]
)
_ID_FIELDS = frozenset({"id", "trace_id", "task_id", "instance_id"})
#: What decoding can raise; ``OSError`` is pyarrow's word for damaged pages too.
_DAMAGE = (pa.ArrowException, OSError, ValueError, TypeError, ArithmeticError)

#: A row group, the number of its first row, the trace ids of its rows.
_Group = tuple[int, int, tuple[str, ...]]


def read_table_head(path: Path) -> Head | None:
    """The head of the first row that is surely of a chat dataset, among the first of the file.

    Raises:
        OSError: the file cannot be opened or read, or is damaged.
    """
    log = LossLog(path=str(path))
    with _open_table(path, log) as table:
        if table is None and log.losses[0].reason == "unreadable_file":
            raise OSError(log.losses[0].detail)
        left = _HEAD_ROWS
        for group in _list_groups(table, path) if table is not None else ():
            assert table is not None
            for row, _ in expand_rows((row, 1) for row in islice(_read_group(table, group, log), left)):
                if is_chat_row(row.value):
                    return describe_head(row.value, find_row_name(row, _name(group, row)))
            left -= len(group[2])
            if left <= 0:
                return None
    return None


def list_table(path: Path) -> tuple[Entry, ...] | None:
    """An entry for each row group, if the file has two or more.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with _open_table(path, LossLog(path=str(path))) as table:
        groups = list(_list_groups(table, path)) if table is not None else []
    return tuple(Entry(group, Head(group[2][0])) for group in groups) if len(groups) > 1 else None


def read_table(path: Path, log: LossLog, source_kind: str, entry: Entry | None = None) -> Iterator[Trace]:
    """The traces of a file, or of the row group of one entry.

    Raises:
        OSError: the file cannot be opened or read.
    """
    origin = find_origin(path)
    with _open_table(path, log) as table:
        if table is None:
            return
        current: list[_Group] = []
        groups: Iterable[_Group] = [entry.key] if entry is not None else _list_groups(table, path)

        def number_rows() -> Iterator[tuple[Row, int]]:
            for group in groups:
                current[:] = [group]
                yield from ((row, 1) for row in _read_group(table, group, log))

        def build(row: Row, _place: int) -> Trace | None:
            return mark_answer(build_trace(row.value, _name(current[0], row), row.line, origin, log, source_kind), row)

        yield from stream_traces(expand_rows(number_rows()), log, is_conversation, build, is_known=entry is not None)


@contextmanager
def _open_table(path: Path, log: LossLog) -> Generator[pq.ParquetFile | None, None, None]:
    """The file, or None (logged) where it is no Parquet file with a column of conversations."""
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
        file.seek(0)
        table = None
        if not start:
            log.drop("empty_file")
        elif start != _MAGIC:
            log.drop("foreign_file", detail="no Parquet file")
        else:
            table = _load_schema(file, log)
        yield table


def _load_schema(file: Any, log: LossLog) -> pq.ParquetFile | None:
    try:
        table = pq.ParquetFile(file)
        columns = _choose_columns(table)
    except _DAMAGE as error:
        log.drop("unreadable_file", detail=f"the file is damaged or cut: {_describe_error(error)}"[:300])
        return None
    wanted = [*((name,) for name in CHAT_FIELDS), HALF_FIELDS, ALPACA_FIELDS, *ANSWER_FIELDS]
    if not any(set(fields) <= set(columns) for fields in wanted):
        log.drop("foreign_file", detail="no column of conversations")
        return None
    return table


def _choose_columns(table: pq.ParquetFile) -> list[str]:
    """Columns of conversations and tools, and all others that are neither nested nor bytes."""
    chosen: list[str] = []
    for field in table.schema_arrow:
        kind = field.type
        is_plain = not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
        if is_plain or field.name in _NESTED_FIELDS:
            chosen.append(field.name)
    return chosen


def _list_groups(table: pq.ParquetFile, path: Path) -> Iterator[_Group]:
    """The row groups that hold rows; of the rows the columns of ids alone are read."""
    namer = RowNamer()
    columns = [name for name in _choose_columns(table) if name in _ID_FIELDS]
    first = 1
    for group in range(table.metadata.num_row_groups):
        rows: list[dict[str, Any]] = [{}] * table.metadata.row_group(group).num_rows
        if columns:
            told = [row or {} for _, row in _decode_group(table, group, first, columns, LossLog(path=str(path)))]
            rows[: len(told)] = told[: len(rows)]
        names = [namer.name(row, f"{path.stem}:{number}", str(number)) for number, row in enumerate(rows, first)]
        if names:
            yield group, first, tuple(names)
        first += len(names)


def _name(group: _Group, row: Row) -> str:
    return name_answer(row, group[2][row.line - group[1]])


def _read_group(table: pq.ParquetFile, group: _Group, log: LossLog) -> Iterator[Row]:
    """The rows of a group that can be read, ``line`` being their number."""
    for number, row in _decode_group(table, group[0], group[1], _choose_columns(table), log):
        log.lines_read += 1
        if row is not None:
            yield Row(number, row)


def _decode_group(
    table: pq.ParquetFile, group: int, first: int, columns: list[str], log: LossLog
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each row with its number; None for a row whose values cannot be read."""
    number = first
    try:
        for batch in table.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False):
            for row in _decode_batch(batch, number, log):
                yield number, row
                number += 1
    except _DAMAGE as error:
        log.drop("unreadable_file", number, f"row group {group}: {_describe_error(error)}")


def _decode_batch(batch: pa.RecordBatch, first: int, log: LossLog) -> list[dict[str, Any] | None]:
    try:
        return [*_list_rows(batch)]
    except _DAMAGE:
        return [_decode_row(batch.slice(place, 1), first + place, log) for place in range(batch.num_rows)]


def _decode_row(batch: pa.RecordBatch, number: int, log: LossLog) -> dict[str, Any] | None:
    try:
        return _list_rows(batch)[0]
    except _DAMAGE as error:
        log.drop("malformed_record", number, _describe_error(error))
        return None


def _list_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [soften(row) for row in batch.to_pylist()]
    for field in batch.schema:
        if _holds_json(field.type):  # after the nulls of structs went: a null in JSON was written
            for row in rows:
                if field.name in row:
                    row[field.name] = _unfold_json(row[field.name], field.type)
    return rows


def _list_inner(kind: pa.DataType) -> list[pa.Field]:
    return [kind.field(place) for place in range(kind.num_fields)] if pa.types.is_nested(kind) else []


def _holds_json(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.JsonType) or any(_holds_json(field.type) for field in _list_inner(kind))


def _unfold_json(value: Any, kind: pa.DataType) -> Any:
    """A value with the JSON texts in it read; a text that is no JSON stays as it is."""
    if isinstance(kind, pa.JsonType) and isinstance(value, str):
        loaded = parse_json(value)
        return value if loaded is None and value.strip() != "null" else loaded
    if isinstance(value, dict) and pa.types.is_struct(kind):
        record = as_record(value)
        inner = {field.name: field.type for field in _list_inner(kind)}
        return {key: _unfold_json(item, inner[key]) if key in inner else item for key, item in record.items()}
    if isinstance(value, list) and kind.num_fields == 1 and not pa.types.is_map(kind):
        return [_unfold_json(item, kind.field(0).type) for item in as_list(value)]
    return value


def _describe_error(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
