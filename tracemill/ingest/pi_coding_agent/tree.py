"""The entries of a Pi session as a tree, and the paths through it that are conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tracemill.ingest.json_fields import dump_json, get_int, get_text
from tracemill.ingest.pi_coding_agent.rows import Entry, load_row
from tracemill.ingest.source import LossLog

_BOOKKEEPING = frozenset(
    {
        "session",
        "model_change",
        "thinking_level_change",
        "label",
        "leaf",
        "session_info",
        "custom",
        "usage",
        "context_edit",
    }
)
_TOLD = frozenset({"message", "compaction", "branch_summary", "custom_message"})


def grow_tree(rows: Sequence[Entry], header: Entry | None, log: LossLog) -> list[Entry]:
    """All rows but the header, in file order, each with its place; unknown types and repeated ids are logged."""
    entries: list[Entry] = []
    by_id: dict[str, int] = {}
    above: int | None = None
    for entry in rows:
        if entry is header:
            continue
        own_id, kind, parent = entry.id, entry.type, entry.parentId
        if own_id is not None:
            if own_id in by_id:
                log.drop("duplicate_row", entry.line, f"id {own_id}"[:200], dump_json(load_row(entry)))
                continue
            if not own_id or own_id.isspace():
                own_id = None
        # the entry above where no parent is named (version 1) or the named one is not above
        entry.parent = None if parent is None else above if parent is msgspec.UNSET else by_id.get(parent, above)
        entry.is_told = kind in _TOLD
        entry.first_kept = _find_first_kept(entry, by_id, rows) if kind == "compaction" else None
        if not entry.is_told and kind not in _BOOKKEEPING:
            _log_unknown(entry, log)
        entry.number = above = len(entries)
        entries.append(entry)
        if own_id is not None:
            by_id[own_id] = above
    return entries


def find_path(entries: Sequence[Entry]) -> list[Entry]:
    """The told entries from the root to the last message, and those that follow it.

    After the last message there may be a compaction or an extension's message: it belongs to the path where it grows
    from that message.
    """
    told = [entry for entry in entries if entry.is_told]
    if not told:
        return []
    tip = next((entry for entry in reversed(told) if entry.type == "message"), told[-1])
    path = _climb(entries, tip)
    last = tip.number
    for entry in entries[tip.number + 1 :]:
        if entry.parent == last:
            path.add(entry.number)
            last = entry.number
    return told if len(path) == len(entries) else [entry for entry in told if entry.number in path]


def find_branches(entries: Sequence[Entry], live: Sequence[Entry]) -> list[list[Entry]]:
    """The told entries from the root to the end of each abandoned branch, in file order of the ends."""
    on_path = {entry.number for entry in live}
    left = {entry.number: entry for entry in entries if entry.is_told and entry.number not in on_path}
    inner: set[int] = set()
    for entry in left.values():
        above = entry.parent
        while above is not None and not entries[above].is_told:
            above = entries[above].parent
        if above is not None:
            inner.add(above)
    tips = [entry for number, entry in left.items() if number not in inner]
    paths = [_climb(entries, tip) for tip in tips]
    return [[entry for entry in entries if entry.is_told and entry.number in path] for path in paths]


def _climb(entries: Sequence[Entry], tip: Entry) -> set[int]:
    """The numbers of an entry and all above it."""
    path: set[int] = set()
    number: int | None = tip.number
    while number is not None:
        path.add(number)
        number = entries[number].parent
    return path


def _log_unknown(entry: Entry, log: LossLog) -> None:
    record = load_row(entry)
    kind = record.get("type")
    if isinstance(kind, str):
        log.drop("unknown_record_type", entry.line, f"type {kind}"[:200], dump_json(record))
    else:
        log.drop("malformed_record", entry.line, "a row without a type", dump_json(record))


def _find_first_kept(entry: Entry, by_id: Mapping[str, int], rows: Sequence[Entry]) -> int | None:
    """By id, or in version 1 by the row's place in the file, where the header is row 0."""
    record = load_row(entry)
    named = get_text(record, "firstKeptEntryId")
    if named is not None:
        return by_id.get(named)
    place = get_int(record, "firstKeptEntryIndex")
    if place is None or not 0 <= place < len(rows) or rows[place].number < 0:
        return None
    return rows[place].number
