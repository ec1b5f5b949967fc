"""Rows of a Codex rollout of any shape, with all their fields → items of known kinds; what is none of them is lost."""

from __future__ import annotations

from typing import Any

from tracemill.ingest.codex.fields import CodexItem
from tracemill.ingest.codex.kinds import BOOKKEEPING, EVENT_KINDS, ITEM_KINDS, ITEMS, RECORDS, USED_EVENTS, WRAPPERS
from tracemill.ingest.codex.payloads import make_payload
from tracemill.ingest.json_fields import as_record, dump_json, get_text
from tracemill.ingest.lines import Row
from tracemill.ingest.source import LossLog

_ROLES = ("user", "assistant", "developer", "system")


def take_row(row: Row, log: LossLog) -> CodexItem | None:
    """What a row of any shape is; where it is nothing it is lost, and logged."""
    item = read_item(row)
    if item is None and log.path:  # without a path it is the log of a head, and nobody reads it
        _drop(row, log)
    return item


def read_item(row: Row) -> CodexItem | None:
    """What a row of any shape is, or None where its type is unknown or it lacks what its type needs."""
    value = row.value
    record = value.get("type")
    stamp = get_text(value, "timestamp") or get_text(value, "created_at")
    if "payload" not in value:
        return _read_legacy(row, stamp)
    item = value["payload"]
    if not isinstance(item, dict) or not isinstance(record, str):
        return None
    item = as_record(item)
    stamp = stamp or get_text(item, "timestamp")
    kind = item.get("type")
    if not isinstance(kind, str) or kind.isspace():
        kind = None
    if record == "response_item":
        kind = "message" if not kind and "role" in item else kind
        made = _make_item(row.line, str(kind or None), stamp, item)
        if made is not None:
            made.metadata, made.ordinal = value.get("metadata"), value.get("ordinal")
        return made
    if record == "event_msg":
        kind = EVENT_KINDS.get(kind or "None")
        return None if kind is None else CodexItem(timestamp=stamp, value=make_payload(item), kind=kind, line=row.line)
    if record == "session_meta":
        return CodexItem(timestamp=stamp, value=item, kind=record, line=row.line)
    known = record in RECORDS or record in BOOKKEEPING
    return CodexItem(timestamp=stamp, value=make_payload(item), kind=record, line=row.line) if known else None


def _drop(row: Row, log: LossLog) -> None:
    value = row.value
    kind = get_text(value, "type")
    is_known = kind in RECORDS or kind in WRAPPERS or ("payload" not in value and kind in ITEMS)
    reason = "malformed_record" if is_known and not _is_foreign_payload(value) else "unknown_record_type"
    payload_kind = as_record(value.get("payload")).get("type")
    log.drop(reason, row.line, f"type {kind!r}, item {payload_kind!r}"[:200], dump_json(value)[:2000])


def _read_legacy(row: Row, stamp: str | None) -> CodexItem | None:
    """A row of 2025 has no payload: it is the item itself, and the first row is the session's meta."""
    value = row.value
    kind = get_text(value, "type")
    if kind is None and "record_type" in value:
        return CodexItem(timestamp=stamp, value=make_payload(value), kind="state", line=row.line)
    if kind is None and "role" in value:
        return _make_item(row.line, "message", stamp, value)
    if kind is None and "id" in value and ("timestamp" in value or "instructions" in value):
        return CodexItem(timestamp=stamp, value=value, kind="session_meta", line=row.line)
    if kind is None or kind in RECORDS or kind in WRAPPERS:
        return None
    return _make_item(row.line, kind, stamp, value)


def _make_item(line: int, kind: str, stamp: str | None, value: dict[str, Any]) -> CodexItem | None:
    if kind == "message":
        content = value.get("content")
        content = content if content is not None else value.get("message")
        if value.get("role") not in _ROLES or not isinstance(content, str | list):
            return None
    name = ITEM_KINDS.get(kind)
    return None if name is None else CodexItem(timestamp=stamp, value=make_payload(value), kind=name, line=line)


def _is_foreign_payload(value: dict[str, Any]) -> bool:
    """Whether a known wrapper holds an item of a type that the reader does not know."""
    kind = get_text(as_record(value.get("payload")), "type")
    return kind is not None and kind not in ITEMS and kind not in USED_EVENTS
