"""What a source is: how one trace format is found on disk and turned into traces.

A format is one module in this folder that defines ``SOURCE: Source``, and one entry in ``tracemill.ingest.SOURCES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from tracemill.ingest.outcomes import Outcomes
from tracemill.trace import Trace

#: Every reason under which something can be lost or mended while reading, with its meaning.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        # lines that are lost
        "cut_line": "the last line of a file ends in the middle of its JSON: the session may still be being written",
        "bad_json": "the line is not JSON",
        "not_an_object": "the line is JSON but no object",
        "line_too_long": "the line is longer than the limit",
        "unknown_record_type": "the record's type is not one that the reader knows",
        "malformed_record": "the record's type is known, but a field that it needs is missing or has the wrong shape",
        "unknown_content_block": "a content block whose type the reader does not know (the rest of the record is kept)",
        "synthetic_message": "an assistant row that the harness wrote, not the model",
        "api_error_message": "an assistant row that reports an API error, not model output",
        "abandoned_branch": "a row of a branch that was rewound: not on the path to the newest message",
        "duplicate_row": "a row with the id of an earlier row of the same session",
        "unpaired_result": "a tool result whose call is not in the trace",
        # files and sessions that are lost
        "empty_file": "the file has no line",
        "unreadable_file": "the file could not be opened or read",
        "foreign_file": "the file is not one of this format",
        "no_messages": "the session has no message",
        "repeated_session": "a copy of a session whose rows are a prefix of a longer copy",
        # nothing lost, worth knowing
        "glued_objects": "two or more JSON objects on one line; all were recovered",
        "bad_bytes": "bytes that are not valid text were replaced; the row is kept",
        "nul_bytes": "NUL bytes were removed; the row is kept",
        "lone_surrogate": "half of a surrogate pair was replaced; the row is kept",
        "huge_integer": "an integer beyond 64 bits was kept as text, or left out where a count was looked for",
        "unpaired_call": "a tool call without a result (an interrupted or live session)",
        "id_conflict": "another conversation has the same id: this one's id got a suffix from its content",
        "log_not_joined": "a database's write-ahead log could not be read whole: what stands in it alone is lost",
    }
)

#: The reasons that lose nothing.
NOTES: frozenset[str] = frozenset(
    {"glued_objects", "bad_bytes", "nul_bytes", "lone_surrogate", "huge_integer", "unpaired_call", "id_conflict"}
)

#: The reasons that cost a file, or a session, and no line of it.
FILE_REASONS: frozenset[str] = frozenset(
    {"empty_file", "unreadable_file", "foreign_file", "no_messages", "repeated_session", "log_not_joined"}
)

DEFAULT_MAX_LINE_BYTES = 64 * 1024 * 1024


def spell_name(name: str) -> str:
    """A file's name as text: for a byte in it that is no UTF-8, which no file of ours could hold, stands a ``?``."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that was lost, with its place. ``line`` counts from 1; ``content`` is an excerpt of what was lost."""

    reason: str
    path: str
    line: int | None = None
    detail: str = ""
    content: str = ""


class LossLog(msgspec.Struct):
    """What one file lost while it was read. One log a file; nothing is shared."""

    path: str
    losses: list[Loss] = []
    notes: dict[str, int] = {}
    lines_read: int = 0

    def drop(self, reason: str, line: int | None = None, detail: str = "", content: str = "") -> None:
        """Count something as lost under ``reason`` (a key of ``REASONS`` that is not in ``NOTES``)."""
        assert reason in REASONS, reason
        assert reason not in NOTES, reason
        self.losses.append(Loss(reason, self.path, line, detail, content[:2000]))

    def note(self, reason: str, count: int = 1) -> None:
        """Count something that was mended (a key of ``NOTES``)."""
        assert reason in NOTES, reason
        self.notes[reason] = self.notes.get(reason, 0) + count

    def count_losses(self) -> dict[str, int]:
        """Losses so far, by reason, sorted by reason."""
        if not self.losses:
            return {}
        counts: dict[str, int] = {}
        for loss in self.losses:
            counts[loss.reason] = counts.get(loss.reason, 0) + 1
        return dict(sorted(counts.items()))


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the head of a file tells without its body being read.

    ``root_session_id`` is the id that a session, its copies and its sub-agents share: it decides the partition.
    """

    root_session_id: str
    started_at: str | None = None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One session in a file that holds many: ``key`` tells the reader its place, ``head`` what it belongs to."""

    key: Any
    head: Head


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How files are read.

    * ``max_line_bytes``: a longer line is dropped as ``line_too_long``.
    * ``branches``: an abandoned branch of a conversation is a trace of its own, ``<trace id>~<id of its last row>``
      with the live trace as its parent; without it, its rows are lost as ``abandoned_branch``.
    * ``by``: what a trace of AgentScope Studio is, one ``reply`` of an agent or one whole ``run``.
    * ``outcomes``: verdicts of the user's that are added to the traces.
    """

    max_line_bytes: int = DEFAULT_MAX_LINE_BYTES
    branches: bool = False
    by: Literal["reply", "run"] = "reply"
    outcomes: Outcomes | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One trace format.

    * ``name``: as in ``--format``; ``title``: for people.
    * ``default_dir``: where the producer writes, ``~`` allowed; None where ``--trace-dir`` is required.
    * ``default_files``: files and folders outside ``default_dir`` that are read beside it where they are there.
    * ``file_pattern``: shell pattern of file names; ``is_session_file`` refuses the files in the same tree that are
      no sessions (cheap, by name alone).
    * ``read_head``: the ids of a file from its first bytes; None where the file is not of this format. Never raises
      on any bytes; an ``OSError`` may pass.
    * ``read_file``: the traces of one file, unredacted. Never raises on any bytes; what is lost goes to the log. An
      ``OSError`` may pass. A trace's ``dropped`` is set from the log for the file's first trace.
    * ``fetch_folder``: the local folder for a ``--trace-dir`` that names something elsewhere; None where it is a path.
      May raise ``ConfigError`` and ``InputError``.
    * ``list_entries``, ``read_entry``: for a format whose files may hold many root sessions. The first lists them with
      what else the file holds (so that nothing in it goes unread), or gives None for a file to be read as a whole; the
      second reads one. Then sessions, not files, are grouped, selected and spread over partitions.
    * ``find_owner``: for a format that spreads a session over files: the file that stands for the session of this one,
      which ``is_session_file`` refuses; None for any other. Only ``auto`` asks, to tell such files from foreign ones.
    """

    name: str
    title: str
    default_dir: str | None
    file_pattern: str
    is_session_file: Callable[[Path], bool]
    read_head: Callable[[Path], Head | None]
    read_file: Callable[[Path, LossLog, ReadOptions], Iterator[Trace]]
    default_files: tuple[str, ...] = ()
    fetch_folder: Callable[[str], Path | None] = lambda _named: None
    list_entries: Callable[[Path], tuple[Entry, ...] | None] = lambda _path: None
    read_entry: Callable[[Path, Entry, LossLog, ReadOptions], Iterator[Trace]] | None = None
    find_owner: Callable[[Path], Path | None] = lambda _path: None
