"""Which files hold traces, and which of them belong together, known from names and heads alone.

A group is all files whose heads name the same root session: the session, its copies and its sub-agents. Groups are the
unit of reading, of shuffling and of partitions, so that copies and sub-agents always follow their root.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import translate
from operator import attrgetter
from pathlib import Path

import msgspec

from tracemill.errors import ConfigError, InputError
from tracemill.ingest.raw_files import check_regular
from tracemill.ingest.source import Entry, Head, Loss, Source


@dataclass(frozen=True, slots=True)
class Partition:
    """Part ``index`` (from 0) of ``count``.

    Raises:
        ConfigError: the numbers make no partition.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.index < self.count:
            raise ConfigError(
                f"--partition-index {self.index} of --num-partitions {self.count}: the index counts from 0 and must be "
                "below the number of partitions"
            )

    def holds(self, root_session_id: str) -> bool:
        """Whether a root session falls into this part: by a hash of its id, the same on every machine."""
        digest = hashlib.blake2b(root_session_id.encode("utf-8", "replace"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index


@dataclass(frozen=True, slots=True)
class Selection:
    """Which sessions to read: ``trace_ids`` (empty: all), ``since`` (sessions that started on that day or later)."""

    trace_ids: frozenset[str] = frozenset()
    since: date | None = None
    partition: Partition | None = None
    shuffle_seed: int | None = None


class Member(msgspec.Struct, frozen=True, gc=False):
    """A file, or one entry of a file that holds many sessions. Such a file counts where its first entry stands."""

    path: Path
    entry: Entry | None = None
    counts: bool = True


class Group(msgspec.Struct, frozen=True, gc=False):
    """Files (or entries of files) of one root session, in path order."""

    root_session_id: str
    members: tuple[Member, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, each once."""
        return tuple(dict.fromkeys(member.path for member in self.members))


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a folder holds: the groups that were selected, in reading order, and the files passed over.

    ``files_in`` counts the session files found; every one is in a group, in ``rejects`` or in ``files_left_out``
    (files that the selection does not ask for). ``root_ids`` are the root sessions of all files, selected or not.
    """

    root: Path
    groups: tuple[Group, ...]
    rejects: tuple[Loss, ...]
    files_in: int
    files_left_out: int
    root_ids: frozenset[str]


def locate_files(
    source: Source, trace_dir: str | None, file_pattern: str | None = None, *, recursive: bool = True
) -> tuple[Path, list[Path]]:
    """The folder (or single file) to read, and the session files there in path order, then folders not to be listed.

    Raises:
        InputError: no folder was named and the format has no default, it does not exist, or it holds no such file; or
            what was named elsewhere cannot be fetched. ConfigError: it names nothing, or a package is missing.
    """
    if trace_dir is None and source.default_dir is None:
        raise InputError(f"--format {source.name} has no default folder: name one with --trace-dir")
    named = trace_dir if trace_dir is not None else str(source.default_dir)
    fetched = source.fetch_folder(named)
    root = (fetched or Path(named).expanduser()).resolve()
    pattern = file_pattern or source.file_pattern
    places = [Path(name).expanduser() for name in source.default_files] if trace_dir is None else []
    beside, closed = [path for path in places if path.is_file()], list[Path]()
    for folder in filter(Path.is_dir, places):
        named_beside = _find_files(folder, pattern, recursive=recursive, closed=closed)
        beside += sorted(filter(source.is_session_file, named_beside))
    if not root.exists() and not beside:
        hint = f" (the default of --format {source.name}); name another with --trace-dir" if trace_dir is None else ""
        raise InputError(f"{named}: no such folder{hint}; looked for {source.title} sessions")
    if root.is_file():
        return root, [root]
    named_so = list(_find_files(root, pattern, recursive=recursive, closed=closed))
    found = sorted(filter(source.is_session_file, named_so), key=attrgetter("parts"))  # as paths sort, but faster
    if not found and not beside and not closed:
        where = "under" if recursive else "directly in"
        others = sum(1 for path in named_so if path.is_file())
        hint = f"; {others} files match, but none is named as {source.title} names its sessions" if others else ""
        raise InputError(f"{root}: no file of {source.title} sessions {where} this folder (looked for {pattern}{hint})")
    return root, found + beside + sorted(closed)


def take_inventory(source: Source, root: Path, files: Sequence[Path], selection: Selection) -> Inventory:
    """Group files by root session and apply what heads can decide: partition, date, order."""
    members: dict[str, list[Member]] = {}
    root_ids: set[str] = set()
    rejects: list[Loss] = []
    left_out = 0
    takes_all = selection.partition is None and selection.since is None
    for path in files:
        head = _read_head(source, path, rejects)
        if head is None:
            if selection.partition is not None and not selection.partition.holds(_name_within(path, root)):
                rejects.pop()
                left_out += 1
            continue
        entries = source.list_entries(path)
        for entry_head, member in _list_members(path, entries) if entries else ((head, Member(path)),):
            root_ids.add(entry_head.root_session_id)
            if takes_all or _is_selected(entry_head, selection):
                members.setdefault(entry_head.root_session_id, []).append(member)
            else:
                left_out += member.counts
    groups = [Group(root_id, tuple(found)) for root_id, found in members.items()]
    return Inventory(root, tuple(_order(groups, selection)), tuple(rejects), len(files), left_out, frozenset(root_ids))


def _find_files(root: Path, pattern: str, *, recursive: bool, closed: list[Path]) -> Iterator[Path]:
    """Files whose name matches; links to folders are not followed. ``closed`` gets folders that cannot be listed."""
    is_match = re.compile(translate(pattern)).match
    folders = [str(root)]
    while folders:  # in half the time of os.walk
        folder = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except FileNotFoundError:  # a default that is not there, or a folder that has just gone
            continue
        except OSError:
            closed.append(Path(folder))
            continue
        for entry in entries:
            try:
                is_folder = entry.is_dir()
            except OSError:
                is_folder = False
            if not is_folder:
                if is_match(entry.name):
                    yield Path(entry.path)
            elif recursive and not entry.is_symlink():
                folders.append(entry.path)


def _list_members(path: Path, entries: Sequence[Entry]) -> list[tuple[Head, Member]]:
    return [(entry.head, Member(path, entry, number == 0)) for number, entry in enumerate(entries)]


def _name_within(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _read_head(source: Source, path: Path, rejects: list[Loss]) -> Head | None:
    try:
        check_regular(path)
        head = source.read_head(path)
        if head is None:
            reason = "empty_file" if path.stat().st_size == 0 else "foreign_file"
            rejects.append(Loss(reason, str(path), detail=f"no {source.title} session in the head of the file"))
        return head
    except OSError as error:
        rejects.append(Loss("unreadable_file", str(path), detail=error.strerror or str(error)))
        return None


def _is_selected(head: Head, selection: Selection) -> bool:
    if selection.partition is not None and not selection.partition.holds(head.root_session_id):
        return False
    if selection.since is not None:
        started = parse_day(head.started_at)
        return started is not None and started >= selection.since
    return True


def _order(groups: Iterable[Group], selection: Selection) -> list[Group]:
    ordered = sorted(groups, key=lambda group: group.members[0].path.as_posix())
    if selection.shuffle_seed is not None:
        random.Random(selection.shuffle_seed).shuffle(ordered)
    return ordered


def parse_day(timestamp: str | None) -> date | None:
    """The day of an ISO 8601 timestamp, None where there is none."""
    if not timestamp:
        return None
    try:
        return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).date()
    except ValueError:
        return None
