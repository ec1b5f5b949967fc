"""The conversations of a file of JSON lines and where their spans lie, from one pass that keeps no text.

Spans of a trace, and traces that name the same conversation, belong together; a span may stand anywhere in the file, so
all of it is looked at before the first conversation is read. A conversation is then read from its own pieces alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tracemill.ingest.json_fields import dump_json
from tracemill.ingest.lines import Row, decode_line
from tracemill.ingest.otel.peek import Peek, peek_item, read_item
from tracemill.ingest.otel.pieces import (
    NUMBERS,
    WHOLE,
    Cut,
    Line,
    Services,
    cut_line,
    iterate_lines,
    read_pieces,
    sort_pieces,
)
from tracemill.ingest.otel.scopes import find_conversation, sort_scopes
from tracemill.ingest.otel.spans import Span, list_items, looks_like_span, read_items
from tracemill.ingest.source import Entry, Head, LossLog, ReadOptions

_NEVER = 2**63 - 1


class Key(NamedTuple):
    """What an entry is read from: ``pieces`` as ``pieces.py`` has them, the names of their services.

    ``lines_passed``: lines without anything that could become a message; they count as read with the first entry.
    ``open_trace`` is that of the index.
    """

    pieces: bytes
    services: tuple[str, ...]
    lines_passed: int
    open_trace: str | None


class Index(NamedTuple):
    """The conversations of a file by their first request. ``is_single``: read as a whole, the file gives no more.

    ``open_trace``: where the file ends in a cut line, the trace with a request whose latest span started last.
    """

    entries: tuple[Entry, ...]
    is_single: bool
    open_trace: str | None


class _Talk(NamedTuple):
    """The first request of a trace: an agent that tells its messages (``rank`` 1) is one where no other is."""

    rank: int
    start: int
    started_at: str | None
    conversation: str | None


@dataclass(slots=True)
class _Trace:
    """The pieces of one trace; ``has_losses`` where something would be lost if no model was asked in it.

    ``latest`` is when the last of its spans started, in nanoseconds.
    """

    pieces: array[int] = field(default_factory=lambda: array("q"))
    talk: _Talk | None = None
    has_losses: bool = False
    latest: int = -1

    def note(self, span: Span) -> None:
        """Take in a span: it may be the first request, or the result of a tool that nobody asked for."""
        self.has_losses = self.has_losses or span.is_tool
        self.latest = max(self.latest, span.start or -1)
        is_request = span.is_talk and not span.is_agent and not span.is_tool
        if not is_request and not (span.is_agent and span.has_content):
            return
        talk = _Talk(not is_request, span.start or _NEVER, span.started_at, find_conversation(span))
        if self.talk is None or talk[:2] < self.talk[:2]:
            self.talk = talk


def index_file(path: Path) -> Index:
    """The index of a file as it lies there now; of the last file it is kept.

    Raises:
        OSError: the file cannot be opened or read.
    """
    stat = path.stat()
    return _index(path, stat.st_size, stat.st_mtime_ns)


def read_key(path: Path, key: Key, log: LossLog, options: ReadOptions) -> list[Span]:
    """The spans of an entry in order of their start; what is lost goes to the log.

    Raises:
        OSError: the file cannot be opened or read.
    """
    log.lines_read += key.lines_passed
    return read_items(_read_items(read_pieces(path, key.pieces, key.services, log, options), log), log)


def _read_items(
    rows: Iterable[tuple[Row, str | None, bool]], log: LossLog
) -> Iterator[tuple[dict[str, Any], int, str | None]]:
    for row, service, is_whole in rows:
        if not is_whole:
            yield row.value, row.line, service
        elif looks_like_span(row.value):
            yield from ((item, row.line, name) for item, name in list_items(row, log))
        else:
            log.drop("malformed_record", row.line, "neither a span nor an export request", dump_json(row.value))


@lru_cache(maxsize=1)
def _index(path: Path, _size: int, _changed: int) -> Index:
    indexer = _Indexer(path)
    for line in iterate_lines(path):
        indexer.add_line(line)
    return indexer.finish()


class _Indexer:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._services = Services()
        self._traces: dict[str, _Trace] = {}
        self._rest = array("q")
        self._lines_passed = 0
        self._is_cut = False
        # traces and conversations, each to one that it belongs together with
        self._above: dict[str, str] = {}
        # what conversations may be called, by what stands for all that belongs together
        self._names: dict[str, set[str]] = {}

    def add_line(self, line: Line) -> None:
        """Enter the pieces of a line; a line in which anything is wrong is one piece."""
        cuts = cut_line(line, self._services)
        peeks = [peek_item(cut.raw, is_row=cut.raw is line.raw) for cut in cuts or ()]
        if cuts is None or None in peeks:
            self._add_whole(line)
            return
        size = len(line.raw)
        for cut, peek in zip(cuts, peeks, strict=True):
            if peek is not None and peek.trace_id:
                self._add_item(peek, cut, (line.number, line.offset + cut.start, len(cut.raw), cut.service, size))
                size = -len(line.raw)
        self._lines_passed += size > 0

    def finish(self) -> Index:
        """The entries in the order of their first requests; what is no conversation's goes with the first."""
        open_trace = self._find_open_trace() if self._is_cut else None
        groups: dict[str, list[str]] = {}
        for trace_id in self._traces:
            groups.setdefault(self._find(trace_id), []).append(trace_id)
        talking: list[tuple[int, int, str, _Talk]] = []
        for root, trace_ids in groups.items():
            talk = self._find_talk(trace_ids)
            if talk is not None:
                talking.append((talk.start, self._traces[trace_ids[0]].pieces[0], root, talk))
            else:
                self._pass_over(trace_ids)
        entries: list[Entry] = []
        services = tuple(self._services.names)
        for _, _, root, talk in sorted(talking):
            pieces = array("q", () if entries else self._rest)
            for trace_id in groups[root]:
                pieces.extend(self._traces.pop(trace_id).pieces)
            key = Key(sort_pieces(pieces), services, 0 if entries else self._lines_passed, open_trace)
            entries.append(Entry(key, self._describe(key, talk, root, groups[root][0])))
        is_single = len(entries) == 1 and not self._lines_passed
        return Index(tuple(entries), is_single, open_trace)

    def _add_item(self, peek: Peek, cut: Cut, piece: tuple[int, ...]) -> None:
        trace = self._traces.setdefault(peek.trace_id, _Trace())
        trace.pieces.extend(piece)
        trace.latest = max(trace.latest, peek.start or -1)
        if peek.conversation is not None:
            self._join(peek.trace_id, peek.conversation, is_name=True)
        talk = trace.talk
        if peek.is_about_agents and (talk is None or talk.rank or (peek.start or _NEVER) < talk.start):
            for span in (peek.span,) if peek.span is not None else read_item(cut.raw, is_row=False) or ():
                trace.note(span)

    def _add_whole(self, line: Line) -> None:
        """Enter a line as one piece: all that stands in it belongs together."""
        aside = LossLog(path=str(self._path))
        is_last = not line.raw.endswith(b"\n")
        rows: Iterable[Row] = () if line.is_long else decode_line(line.raw, line.number, aside, is_last=is_last)
        items = (
            (item, row.line, None) for row in rows if looks_like_span(row.value) for item, _ in list_items(row, aside)
        )
        spans = read_items(items, aside)
        self._is_cut = self._is_cut or "cut_line" in aside.count_losses()
        for span in spans:
            trace = self._traces.setdefault(span.trace_id, _Trace(has_losses=True))
            trace.note(span)
            if span.trace_id != spans[0].trace_id:
                # nothing but the line joins them: each may be a conversation of its own
                self._join(spans[0].trace_id, span.trace_id, is_name=True)
                self._join(span.trace_id, spans[0].trace_id, is_name=True)
            if (name := find_conversation(span)) is not None:
                self._join(span.trace_id, name, is_name=True)
        pieces = self._traces[spans[0].trace_id].pieces if spans else self._rest
        pieces.extend((line.number, line.offset, len(line.raw), WHOLE, 0))

    def _describe(self, key: Key, talk: _Talk, root: str, trace_id: str) -> Head:
        names = self._names.get(root, set())
        if len(names) < 2:
            return Head(next(iter(names), trace_id), talk.started_at)
        if talk.conversation is not None:
            return Head(talk.conversation, talk.started_at)
        aside = LossLog(path=str(self._path))
        scopes = sort_scopes(read_key(self._path, key, aside, ReadOptions()))
        return Head(next((scope.root_id for scope in scopes if scope.talks), trace_id), talk.started_at)

    def _find_talk(self, trace_ids: Iterable[str]) -> _Talk | None:
        talks = (self._traces[trace_id].talk for trace_id in trace_ids)
        return min((talk for talk in talks if talk is not None), key=lambda talk: talk[:2], default=None)

    def _find_open_trace(self) -> str | None:
        talking = (trace_id for trace_id, trace in self._traces.items() if trace.talk is not None)
        return max(talking, key=lambda trace_id: self._traces[trace_id].latest, default=None)

    def _pass_over(self, trace_ids: Sequence[str]) -> None:
        """Where no model was asked only results of tools are of interest: they are lost, and counted."""
        has_losses = any(self._traces[trace_id].has_losses for trace_id in trace_ids)
        for trace_id in trace_ids:
            pieces = self._traces.pop(trace_id).pieces
            if has_losses:
                self._rest.extend(pieces)
            else:
                self._lines_passed += sum(size > 0 for size in pieces[NUMBERS - 1 :: NUMBERS])

    def _find(self, name: str) -> str:
        """What stands for all that a trace or a conversation belongs together with."""
        path: list[str] = []
        while (above := self._above.get(name, name)) != name:
            path.append(name)
            name = above
        self._above.update(dict.fromkeys(path, name))
        return name

    def _join(self, trace_id: str, other: str, *, is_name: bool = False) -> None:
        one, two = self._find(trace_id), self._find(other)
        if one != two:
            self._above[two] = one
            self._names.setdefault(one, set()).update(self._names.pop(two, ()))
        if is_name:
            self._names.setdefault(one, set()).add(other)
