"""The files of one OpenHands session whose events have a file each: which they are, their order, what they hold."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from tracemill.ingest.atif.companions import count_fault, describe_failure
from tracemill.ingest.documents import read_document
from tracemill.ingest.json_fields import as_list, as_record, dump_json, format_time, get_int, get_text
from tracemill.ingest.openhands.log import Event
from tracemill.ingest.raw_files import check_regular, read_start
from tracemill.ingest.source import NOTES, Loss, LossLog

STATE_FILE = "base_state.json"
_METADATA_FILE, _EXPORTED_METADATA = "metadata.json", "meta.json"
_EVENTS, _PAGES, _SUBAGENTS, _SERVER = "events", "event_cache", "subagents", "v1_conversations"
_SDK_EVENT = re.compile(r"event-(\d+)-.+\.json")
_EVENT = re.compile(r"(\d{1,12})\.json")
#: In the archive that the web interface gives of a conversation, where all files lie in one folder.
_EXPORTED = re.compile(r"event_(\d{6,12})_.+\.json")
_PAGE = re.compile(r"(\d{1,12})-(\d{1,12})\.json")
#: The ``parent_id`` of an event that begins a tree of its own.
_ROOT_PARENT = "__root__"
_HEAD_BYTES = 256 * 1024


@dataclass(slots=True)
class _Pages:
    """Pages of 25 events that 0.x keeps beside its event files: they hold what a lost file held."""

    files: Sequence[tuple[int, int, Path]]
    read: set[Path] = field(default_factory=set[Path])
    events: dict[int, Event] = field(default_factory=dict[int, Event])

    def load(self, number: int, log: LossLog) -> None:
        """Read the pages that cover an event."""
        for start, end, file in self.files:
            if start <= number < end and file not in self.read:
                self.read.add(file)
                value, losses = _read_value(file, log)
                for place, item in enumerate(as_list(value)):
                    own_id = get_int(as_record(item), "id")
                    if own_id is not None:
                        self.events.setdefault(own_id, Event(as_record(item), f"{file.name}[{place}]"))
                log.losses += losses if not isinstance(value, list) else ()


def is_event_file(path: Path) -> bool:
    """Whether a file is named, and lies, as that of one event, or of a page of events."""
    return _is_single(path.name, _get_folders(path)) or is_page(path)


def is_page(path: Path) -> bool:
    """Whether a file is a page of events."""
    return _get_folders(path)[1] == _PAGES and _PAGE.fullmatch(path.name) is not None


def is_first_file(path: Path) -> bool:
    """Whether an event file is the one that stands for its session: its first, where no state lies beside them."""
    if find_state(path) is not None:
        return False
    try:
        return path.name == _find_first(path.parent, is_page(path), path.parent.stat().st_mtime_ns)
    except OSError:
        return False


def find_owner(path: Path) -> Path | None:
    """The file that stands for the session of an event file, where that is another; None for any other file."""
    if not is_event_file(path) or is_first_file(path):
        return None
    if (state := find_state(path)) is not None:
        return state
    folder = path.parent.parent / _EVENTS if is_page(path) else path.parent
    try:
        name = _find_first(folder, False, folder.stat().st_mtime_ns)
    except OSError:
        name = None
    if name is None:  # a session of pages alone
        folder, name = path.parent, _find_first(path.parent, True, path.parent.stat().st_mtime_ns)
    return None if name is None else folder / name


def get_folder(path: Path) -> Path:
    """The folder of the session that a state or an event file belongs to."""
    if not is_event_file(path) or _is_served(path) or _is_exported(path):
        return path.parent
    return path.parent.parent


def find_state(path: Path) -> Path | None:
    """The state beside the folder of an event file; None where there is none."""
    state = get_folder(path) / STATE_FILE
    return state if state.is_file() else None


def find_parent_state(path: Path) -> Path | None:
    """The place of the state of the session that called this one as a sub-agent; None where it is no sub-agent's."""
    folder = get_folder(path)
    return folder.parent.parent / STATE_FILE if folder.parent.name == _SUBAGENTS else None


def read_metadata(path: Path, log: LossLog) -> dict[str, Any]:
    """What 0.x, the web interface or the agent server says of a session beside its files; empty where nothing."""
    read = LossLog(path="")
    name = _EXPORTED_METADATA if _is_exported(path) or path.name == STATE_FILE else _METADATA_FILE
    file = get_folder(path) / name
    try:
        return as_record(read_document(file, read))
    except FileNotFoundError:
        return {}
    except OSError as error:
        read = describe_failure(error)
        return {}
    finally:
        count_fault(path, log, file, read)


def read_event_files(path: Path, log: LossLog, limit: int | None = None) -> Iterator[Event]:
    """Yield the events of a session in order, at most ``limit``; a file that cannot be read costs its event alone."""
    if _is_served(path):
        events = [event for _, name in _list_files(path.parent) for event in _read_event(path.parent / name, log)]
        yield from sorted(events, key=_get_time)[:limit]
        return
    single = path.parent if is_event_file(path) and not is_page(path) else get_folder(path) / _EVENTS
    files = _list_files(single)
    pages = _Pages(_list_pages(single.parent / _PAGES))
    if pages.files:
        numbers = {number for number, _ in files}
        for start, end, _ in pages.files:
            if sum(start <= number < end for number in numbers) < end - start:
                pages.load(start, log)
        files = sorted([*files, *((number, "") for number in pages.events if number not in numbers)])
    for place, (number, name) in enumerate(files):
        if limit is not None and place >= limit:
            return
        if name:
            yield from _read_event(single / name, log, pages, number)
        else:
            log.lines_read += 1
            yield pages.events[number]


def keep_live(events: Sequence[Event], leaf: str | None, log: LossLog, *, is_empty: bool = False) -> list[Event]:
    """The events on the way to the session's leaf, those after it, those that are on no way; others were rewound.

    ``is_empty``: the session was rewound to before its first event.
    """
    parents = _list_parents(events)
    if leaf not in parents and not is_empty:
        return list(events)
    live: set[str] = set()
    step: str | None = leaf
    while step is not None and step in parents and step not in live:
        live.add(step)
        step = parents[step]
    kept: list[Event] = []
    tail: set[str | None] = set() if is_empty else {leaf}  # an event after the leaf was written after the state
    for event in events:
        own_id = get_text(event.value, "id")
        if own_id is None or own_id not in parents or own_id in live:
            kept.append(event)
        elif parents[own_id] in tail:
            tail.add(own_id)
            kept.append(event)
        else:
            log.drop("abandoned_branch", None, event.place, dump_json(event.value))
    return kept


def peek_first_item(path: Path) -> dict[str, Any]:
    """The first object of a file's list, from the first bytes of the file; empty where it cannot be had so.

    Raises:
        OSError: the file cannot be opened or read.
    """
    check_regular(path)
    text = read_start(path, _HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
    if not text.startswith("["):
        return {}
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text[1:].lstrip())
    except (ValueError, RecursionError):
        return {}
    return as_record(value)


def _is_served(path: Path) -> bool:
    """Whether a file is one of an event that the server of the web interface keeps: its name tells no order."""
    return _get_folders(path)[0] == _SERVER and _is_single(path.name, _get_folders(path))


def _is_exported(path: Path) -> bool:
    """Whether a file is one of an event in the archive of a conversation."""
    return not _is_served(path) and _EXPORTED.fullmatch(path.name) is not None


def _is_single(name: str, folders: tuple[str, str]) -> bool:
    """Whether a file of this name in these folders holds one event."""
    if folders[0] == _SERVER:
        return name.endswith(".json") and name != STATE_FILE
    return _match_number(name) is not None and (folders[1] == _EVENTS or _EVENT.fullmatch(name) is None)


def _match_number(name: str) -> re.Match[str] | None:
    return _SDK_EVENT.fullmatch(name) or _EVENT.fullmatch(name) or _EXPORTED.fullmatch(name)


def _get_folders(path: Path) -> tuple[str, str]:
    """The names of the two folders above a file."""
    parts = ("", "", *path.parts)
    return parts[-3], parts[-2]


def _list_parents(events: Sequence[Event]) -> dict[str, str | None]:
    """The parent of each event, by ids; an event that is on no way is not there.

    Before events named their parents each followed the one before it, as one does whose parent is not there.
    """
    named = {own_id: event.value.get("parent_id") for event in events if (own_id := get_text(event.value, "id"))}
    parents: dict[str, str | None] = {}
    before: str | None = None
    is_named = False
    for own_id, parent in named.items():
        is_named = is_named or isinstance(parent, str)
        if is_named and parent is None:
            continue
        is_there = isinstance(parent, str) and parent in named
        parents[own_id] = None if parent == _ROOT_PARENT else str(parent) if is_there else before
        before = own_id
    return parents


@lru_cache(maxsize=256)
def _find_first(folder: Path, is_of_pages: bool, _changed_ns: int) -> str | None:
    """The name of the first event file of a folder; of a folder of pages, where there are no event files."""
    if not is_of_pages:
        return next((name for _, name in _list_files(folder)), None)
    if _list_files(folder.parent / _EVENTS):
        return None
    return next((file.name for _, _, file in _list_pages(folder)), None)


def _list_files(folder: Path) -> list[tuple[int, str]]:
    """The names of the event files of a folder with their numbers, in order; those of the server have none."""
    folders = (folder.parent.name, folder.name)
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _is_single(entry.name, folders)]
    except OSError:
        return []
    matches = [(_match_number(name), name) for name in names]
    return sorted((int(match[1]) if match else 0, name) for match, name in matches)


def _list_pages(folder: Path) -> list[tuple[int, int, Path]]:
    try:
        named = [(_PAGE.fullmatch(file.name), file) for file in folder.iterdir()]
    except OSError:
        return []
    return sorted((int(match[1]), int(match[2]), file) for match, file in named if match)


def _read_event(file: Path, log: LossLog, pages: _Pages | None = None, number: int = 0) -> list[Event]:
    """The event of a file; what cannot be read there may still stand in a page. Each counts as one line."""
    log.lines_read += 1
    value, losses = _read_value(file, log)
    if isinstance(value, dict):
        return [Event(as_record(value), file.name)]
    if pages is not None:
        pages.load(number, log)
        if number in pages.events:
            return [pages.events[number]]
    log.losses += losses or [Loss("not_an_object", log.path, None, file.name, dump_json(value)[:2000])]
    return []


def _read_value(file: Path, log: LossLog) -> tuple[Any, list[Loss]]:
    """What a file holds, and what was lost in it; what was mended goes to the log."""
    inner = LossLog(path=log.path)
    try:
        value = read_document(file, inner)
    except OSError as error:
        return None, [Loss("unreadable_file", log.path, None, f"{file.name}: {error.strerror or error}"[:300])]
    for reason in NOTES & inner.notes.keys():
        log.note(reason, inner.notes[reason])
    return value, [
        Loss(loss.reason, log.path, None, f"{file.name}: {loss.detail}"[:300], loss.content) for loss in inner.losses
    ]


def _get_time(event: Event) -> str:
    return format_time(event.value.get("timestamp")) or ""
