"""Payloads of Codex rows that are not as Codex writes them, made of objects of any shape; and what payloads count."""

from __future__ import annotations

from typing import Any

from tracemill.ingest.codex.fields import ITEM_METADATA, Completed, Counts, OddPayload, Usage
from tracemill.ingest.json_fields import as_record, get_int

_ODD_FIELDS = frozenset(OddPayload.__struct_fields__)
_COUNT_FIELDS = frozenset(Counts.__struct_fields__)


def count_tokens(usage: Usage | OddPayload | None) -> dict[str, int] | None:
    """``input_tokens`` and ``output_tokens`` where the source has them; input counts what came from the cache."""
    if usage is None:
        return None
    if usage.input_tokens is not None and usage.output_tokens is not None:
        return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    if usage.input_tokens is not None:
        return {"input_tokens": usage.input_tokens}
    return None if usage.output_tokens is None else {"output_tokens": usage.output_tokens}


def read_completed(value: Any) -> Completed:
    """The item of an event, of any shape."""
    if isinstance(value, Completed):
        return value
    record = as_record(value)
    return Completed(*map(record.get, Completed.__struct_fields__))


def make_payload(record: dict[str, Any]) -> OddPayload:
    """What is read of an object of any shape."""
    fields = {name: value for name, value in record.items() if name in _ODD_FIELDS}
    fields["type"] = str(record.get("type") or "")
    if ITEM_METADATA in record:
        fields["item_metadata"] = record[ITEM_METADATA]
    for name in ("usage", "thread_token_usage"):
        if name in record:
            fields[name] = _make_counts(as_record(record[name]))
    if "info" in record:
        fields["info"] = _make_counts(as_record(record["info"])) if as_record(record["info"]) else None
    if not _COUNT_FIELDS.isdisjoint(record):
        counts = _make_counts(record)
        for name in _COUNT_FIELDS:
            fields[name] = getattr(counts, name)
    return OddPayload(**fields)


def _make_counts(record: dict[str, Any]) -> Counts:
    total, last = (as_record(record.get(name)) for name in ("total_token_usage", "last_token_usage"))
    pairs = [(get_int(usage, "input_tokens"), get_int(usage, "output_tokens")) for usage in (record, total, last)]
    return Counts(*pairs[0], Usage(*pairs[1]), Usage(*pairs[2]))
