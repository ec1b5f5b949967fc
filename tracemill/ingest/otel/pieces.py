"""Where the spans of a file of JSON lines lie: each line cut into its items without their text being decoded.

A piece is one span or log record, or a whole line where it cannot be cut. Pieces are kept as numbers, ``NUMBERS`` each:
the line (from 1), the offset and length in bytes, the place of its service in a list (-1: none; ``WHOLE``: the piece
is a whole line), and the length of the line, below zero but for its first piece, so that a line counts once.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import msgspec

from tracemill.ingest.json_fields import as_record
from tracemill.ingest.lines import Row, decode_line, read_line_at
from tracemill.ingest.otel.spans import ITEMS, PAGES, RESOURCES, SCOPES, find_page, read_service
from tracemill.ingest.otel.values import load_json
from tracemill.ingest.source import DEFAULT_MAX_LINE_BYTES, LossLog, ReadOptions

NUMBERS = 5
WHOLE = -2
_NO_SERVICE = -1
_MARK = b"\xef\xbb\xbf"
_HEAD_BYTES = 64
_MAX_RESOURCES = 1024

_Raws = list[msgspec.Raw]


class _Scope(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    spans: _Raws = []
    scope: msgspec.Raw = msgspec.Raw(b"{}")
    schemaUrl: msgspec.Raw = msgspec.Raw(b"{}")


class _Resource(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    scopeSpans: list[_Scope] = []
    resource: msgspec.Raw = msgspec.Raw(b"{}")
    schemaUrl: msgspec.Raw = msgspec.Raw(b"{}")


class _Request(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """A line as the file exporter of a collector writes it: decoded at once, in a third of the time of its parts."""

    resourceSpans: list[_Resource]


_decode_request = msgspec.json.Decoder(_Request).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_decode_list = msgspec.json.Decoder(_Raws).decode
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_Value = TypeVar("_Value")


class Line(NamedTuple):
    """A line that is not blank; ``raw`` is cut short where it is longer than the limit (then ``is_long``)."""

    number: int
    offset: int
    raw: bytes
    is_long: bool


class Cut(NamedTuple):
    """One item of a line: its offset within the line, its bytes, the number of its service."""

    start: int
    raw: bytes
    service: int


class Services:
    """The services of a file, each known by a number."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._by_resource: dict[bytes, int] = {}

    def number(self, resource: bytes) -> int:
        """The number of the service that a resource names; -1 where it names none."""
        known = self._by_resource.get(resource)
        if known is None:
            name = read_service(as_record(load_json(resource.decode("utf-8", "replace"))))
            if name is not None and name not in self.names:
                self.names.append(name)
            if len(self._by_resource) >= _MAX_RESOURCES:  # each request may have one of its own
                self._by_resource.clear()
            known = self._by_resource[resource] = _NO_SERVICE if name is None else self.names.index(name)
        return known


def iterate_lines(path: Path) -> Iterator[Line]:
    """The lines of a file; at most one is held in memory, none over the default limit.

    Raises:
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file:
        start = file.read(len(_MARK))
        offset = file.seek(len(_MARK) if start == _MARK else 0)
        number = 0
        while raw := file.readline(DEFAULT_MAX_LINE_BYTES + 1):
            number += 1
            is_long = len(raw) > DEFAULT_MAX_LINE_BYTES and not raw.endswith(b"\n")
            if raw.strip():
                yield Line(number, offset, raw, is_long)
            offset += len(raw)
            while is_long and raw and not raw.endswith(b"\n"):
                raw = file.readline(DEFAULT_MAX_LINE_BYTES)
                offset += len(raw)


def cut_line(line: Line, services: Services) -> list[Cut] | None:
    """The items of a line in their order; None where it is none of the shapes that can be cut."""
    if line.is_long:
        return None
    with suppress(*_ERRORS):
        resources = _decode_request(line.raw).resourceSpans
        named = ((services.number(bytes(found.resource)), found.scopeSpans) for found in resources)
        return _place_items(line.raw, [(scope.spans, service) for service, scopes in named for scope in scopes])
    try:
        top = _decode_object(line.raw)
        name = next((key for key in RESOURCES if key in top), None)
        if name is not None:
            lists = list(_list_request(_decode_objects(top[name]), services))
        else:
            page = _find_page(top)
            if page is None:
                return [Cut(0, line.raw, _NO_SERVICE)]
            lists = [(page, _NO_SERVICE)]
    except _ERRORS:
        return None
    return _place_items(line.raw, lists)


def read_pieces(
    path: Path, pieces: bytes, services: Sequence[str], log: LossLog, options: ReadOptions
) -> Iterator[tuple[Row, str | None, bool]]:
    """The rows of pieces, each with its service, and whether it is a whole line; what is lost goes to the log.

    Raises:
        OSError: the file cannot be opened or read.
    """
    numbers = array("q", pieces)
    with path.open("rb") as file:
        for place in range(0, len(numbers), NUMBERS):
            line, offset, size, service, line_bytes = numbers[place : place + NUMBERS]
            if service == WHOLE:
                for row in _read_whole(path, file, (line, offset, size), log, options):
                    yield row, None, True
                continue
            if abs(line_bytes) > options.max_line_bytes:
                if line_bytes > 0:
                    log.lines_read += 1
                    log.drop("line_too_long", line, f"over {options.max_line_bytes} bytes")
                continue
            log.lines_read += line_bytes > 0
            file.seek(offset)
            for row in decode_line(file.read(size), line, log, is_last=False):
                yield row, services[service] if service >= 0 else None, False


def _read_whole(
    path: Path, file: BinaryIO, place: tuple[int, int, int], log: LossLog, options: ReadOptions
) -> Iterable[Row]:
    line, offset, size = place
    if size > min(options.max_line_bytes, DEFAULT_MAX_LINE_BYTES):
        return read_line_at(path, (line, offset), log, options)
    # no further than it went when the file was listed: a line that was cut then may have grown
    log.lines_read += 1
    file.seek(offset)
    raw = file.read(size)
    return decode_line(raw, line, log, is_last=not raw.endswith(b"\n"))


def sort_pieces(pieces: array[int]) -> bytes:
    """Pieces in the order in which they stand in the file."""
    starts = sorted(range(0, len(pieces), NUMBERS), key=lambda start: (pieces[start], pieces[start + 1]))
    ordered = array("q")
    for start in starts:
        ordered.extend(pieces[start : start + NUMBERS])
    return ordered.tobytes()


def _list_request(resources: Sequence[dict[str, msgspec.Raw]], services: Services) -> Iterator[tuple[_Raws, int]]:
    """The lists of items of an export request, each with the number of its service."""
    for resource in resources:
        service = services.number(bytes(resource.get("resource", b"{}")))
        for scope in _decode_first(resource, SCOPES, _decode_objects):
            yield _decode_first(scope, ITEMS, _decode_list), service


def _decode_first(
    record: dict[str, msgspec.Raw], names: Sequence[str], decode: Callable[[msgspec.Raw], list[_Value]]
) -> list[_Value]:
    return next((decode(record[name]) for name in names if name in record), [])


def _find_page(top: dict[str, msgspec.Raw]) -> _Raws | None:
    for key in PAGES:
        if bytes(top.get(key, b""))[:1] != b"[":
            continue
        items = _decode_list(top[key])
        first: Any = msgspec.json.decode(items[0]) if items else None
        if find_page({key: [first]}) is not None:
            return items
    return None


def _place_items(raw: bytes, lists: Sequence[tuple[_Raws, int]]) -> list[Cut] | None:
    """Where each item stands in its line."""
    cuts: list[Cut] = []
    place = 0
    for items, service in lists:
        for item in map(bytes, items):
            # the whole of it is not searched for: that takes several times as long
            place = raw.find(item[:_HEAD_BYTES], place)
            while place >= 0 and not raw.startswith(item, place):
                place = raw.find(item[:_HEAD_BYTES], place + 1)
            if place < 0:
                return None
            cuts.append(Cut(place, item, service))
            place += len(item)
    return cuts
