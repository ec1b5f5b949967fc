"""The rows of a Pi session file: of nearly every row the fields that are needed, of an odd one all there is.

Many rows are decoded in one call, straight into the records below, which leave out what no trace needs (details of tool
results, costs, signatures). Rows with anything odd in them, as a field of another type or an unknown kind of content,
come as JSON objects; ``soften`` makes an entry without ``message`` of such a row, and ``load_row`` gives the object of
any row.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tracemill.ingest.json_decode import decode_json
from tracemill.ingest.json_fields import get_text
from tracemill.ingest.lines import Block as LineBlock
from tracemill.ingest.lines import Row, read_rows
from tracemill.ingest.source import LossLog, ReadOptions

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**52)]


class Text(msgspec.Struct, tag_field="type", tag="text", gc=False):
    text: str


class Thinking(msgspec.Struct, tag_field="type", tag="thinking", gc=False):
    thinking: str = ""


class Call(msgspec.Struct, tag_field="type", tag="toolCall", gc=False):
    name: str
    id: str = ""
    arguments: dict[str, Any] | None = None


class Image(msgspec.Struct, tag_field="type", tag="image", gc=False):
    data: str
    mimeType: str


Block = Text | Thinking | Call | Image


class Usage(msgspec.Struct, gc=False):
    input: _Count | None = None
    output: _Count | None = None
    cacheRead: _Count | None = None
    cacheWrite: _Count | None = None


class Said(msgspec.Struct, gc=False):
    """What a ``message`` row says; other roles than the model's, the person's and a tool's need more fields."""

    role: str
    content: str | list[Block] | None = None
    timestamp: Any = None
    model: str | None = None
    stopReason: str | None = None
    usage: Usage | None = None
    toolCallId: str | None = None
    isError: bool | None = None


_FIELDS = ("type", "id", "parentId", "timestamp", "modelId", "message", "version", "cwd", "provider", "parentSession")
#: Set here, and by ``grow_tree`` for each entry of a tree, so that nothing in a file can stand for them.
_PLACE = ("line", "source", "number", "parent", "is_told", "first_kept")


class Entry(msgspec.Struct, gc=False, rename={name: f"tracemill {name}" for name in _PLACE}):
    """One row, and, once the tree is grown, its place there; ``load_row`` gives the whole object.

    The fields from ``version`` to ``parentSession`` are those of a header. ``source`` is the block of lines that holds
    the row, or the object of an odd row. ``parent`` is the number of an earlier entry. ``is_told`` says whether the
    entry is part of what was said, where it lies on the path. ``first_kept`` is set on compactions alone: the number of
    the first entry that stays in the context.
    """

    type: str
    id: str | None = None
    parentId: str | msgspec.UnsetType | None = msgspec.UNSET
    timestamp: Any = None
    modelId: Any = None
    message: Said | None = None
    version: Any = msgspec.UNSET
    cwd: Any = msgspec.UNSET
    provider: Any = msgspec.UNSET
    parentSession: Any = msgspec.UNSET
    line: int = 0
    source: Any = None
    number: int = -1
    parent: int | None = None
    is_told: bool = False
    first_kept: int | None = None


_DECODER = msgspec.json.Decoder(Entry)


def read_entries(path: Path, log: LossLog, options: ReadOptions) -> list[Entry]:
    """Raises: OSError: the file cannot be opened or read."""
    entries: list[Entry] = []
    for row in read_rows(path, log, options, _DECODER):
        entry: Any = row.value
        if type(entry) is Entry:
            entry.line, entry.source = row.line, row.block
        else:
            entry = soften(row)
        entries.append(entry)
    return entries


def load_row(entry: Entry) -> dict[str, Any]:
    """The whole object of a row, or the fields of the entry, where another field cannot be read."""
    if type(entry.source) is not LineBlock:
        return entry.source
    try:
        return decode_json(entry.source.get_line(entry.line), LossLog(path=""))
    except (ValueError, RecursionError):
        return msgspec.to_builtins(_list_fields(entry))


def load_header(entry: Entry) -> Mapping[str, Any]:
    """The fields that a header tells, for which its block need not be cut into lines."""
    return entry.source if type(entry.source) is not LineBlock else _list_fields(entry)


def soften(row: Row) -> Entry:
    """The entry of a row whose fields may have any shape. The type is empty where the row has none."""
    value = row.value
    kind, parent = value.get("type"), value.get("parentId", msgspec.UNSET)
    return Entry(
        type=kind if isinstance(kind, str) else "",
        id=get_text(value, "id"),
        parentId=parent if isinstance(parent, str) or parent is None else msgspec.UNSET,
        timestamp=value.get("timestamp"),
        modelId=value.get("modelId"),
        line=row.line,
        source=value,
    )


def _list_fields(entry: Entry) -> dict[str, Any]:
    fields = {name: getattr(entry, name) for name in _FIELDS}
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}
