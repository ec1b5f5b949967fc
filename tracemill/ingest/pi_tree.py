"""The entries of a Pi session as a tree, and the path through it that is the conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracemill.ingest.json_fields import dump_json, get_int, get_text
from tracemill.ingest.lines import Row
from tracemill.ingest.source import LossLog

_BOOKKEEPING = frozenset(
    {"session", "model_change", "thinking_level_change", "label", "leaf", "session_info", "custom"}
)
_TOLD = frozenset({"message", "compaction", "branch_summary", "custom_message"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a session with its place in the tree; ``parent`` is the number of an earlier entry.

    ``first_kept`` is set on compactions alone: the number of the first entry that stays in the context.
    """

    number: int
    row: Row
    kind: str
    parent: int | None
    first_kept: int | None = None

    @property
    def is_told(self) -> bool:
        """Whether the entry is part of what was said, where it lies on the path."""
        return self.kind in _TOLD


def grow_tree(rows: Sequence[Row], header: Mapping[str, Any], log: LossLog) -> list[Entry]:
    """All rows but the header as entries, in file order; rows of unknown type and repeated ids are logged."""
    entries: list[Entry] = []
    by_id: dict[str, int] = {}
    by_place: dict[int, int] = {}
    for place, row in enumerate(rows):
        own_id = get_text(row.value, "id")
        if row.value is header:
            continue
        if own_id is not None and own_id in by_id:
            log.drop("duplicate_row", row.line, f"id {own_id}"[:200], dump_json(row.value))
            continue
        number = len(entries)
        kept = _find_first_kept(row.value, by_id, by_place)
        entries.append(Entry(number, row, _name_kind(row, log), _find_parent(row.value, by_id, number), kept))
        by_place[place] = number
        if own_id is not None:
            by_id[own_id] = number
    return entries


def find_path(entries: Sequence[Entry], log: LossLog) -> list[Entry]:
    """The told entries from the root to the last message, and those that follow it; others are logged.

    After the last message there may be a compaction or an extension's message: it belongs to the path where it grows
    from that message.
    """
    told = [entry for entry in entries if entry.is_told]
    if not told:
        return []
    tip = next((entry for entry in reversed(told) if entry.kind == "message"), told[-1])
    path: set[int] = set()
    number: int | None = tip.number
    while number is not None:
        path.add(number)
        number = entries[number].parent
    last = tip.number
    for entry in entries[tip.number + 1 :]:
        if entry.parent == last:
            path.add(entry.number)
            last = entry.number
    for entry in told:
        if entry.number not in path:
            log.drop("abandoned_branch", entry.row.line, entry.kind, dump_json(entry.row.value))
    return [entry for entry in told if entry.number in path]


def _name_kind(row: Row, log: LossLog) -> str:
    kind = row.value.get("type")
    if not isinstance(kind, str):
        log.drop("malformed_record", row.line, "a row without a type", dump_json(row.value))
        return ""
    if kind not in _TOLD and kind not in _BOOKKEEPING:
        log.drop("unknown_record_type", row.line, f"type {kind}"[:200], dump_json(row.value))
    return kind


def _find_parent(record: Mapping[str, Any], by_id: Mapping[str, int], number: int) -> int | None:
    """The parent's number; the entry above where no parent is named (version 1) or the named one is not above."""
    above = number - 1 if number else None
    if "parentId" in record and record["parentId"] is None:
        return None
    parent = record.get("parentId")
    return by_id.get(parent, above) if isinstance(parent, str) else above


def _find_first_kept(record: Mapping[str, Any], by_id: Mapping[str, int], by_place: Mapping[int, int]) -> int | None:
    """By id, or in version 1 by the row's place in the file, where the header is row 0."""
    if record.get("type") != "compaction":
        return None
    named = get_text(record, "firstKeptEntryId")
    if named is not None:
        return by_id.get(named)
    place = get_int(record, "firstKeptEntryIndex")
    return None if place is None else by_place.get(place)
