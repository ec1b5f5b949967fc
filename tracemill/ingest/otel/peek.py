"""What an item of an export is about, told without its messages being decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tracemill.ingest.json_decode import decode_json
from tracemill.ingest.json_fields import as_record
from tracemill.ingest.otel.dialects import MARKS, SESSIONS, has_mark
from tracemill.ingest.otel.openinference import KINDS
from tracemill.ingest.otel.scopes import CONVERSATION, find_conversation
from tracemill.ingest.otel.spans import Span, looks_like_span, read_ids, read_items, read_start
from tracemill.ingest.otel.values import get_attribute_text, read_value
from tracemill.ingest.source import LossLog

_NOTHING = msgspec.Raw(b"")
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_SMALL = (
    *("traceId", "trace_id", "spanId", "span_id", "context"),
    *("startTimeUnixNano", "start_time_unix_nano", "start_time"),
)
#: Names under which exporters nest what else has dots.
_NESTED = frozenset({"gen_ai", "session", *MARKS})


class Peek(NamedTuple):
    """``start`` is in nanoseconds; ``is_about_agents`` is false where nothing of the span can become a message.

    ``span`` is given where the item had to be decoded.
    """

    trace_id: str
    conversation: str | None
    start: int | None
    is_about_agents: bool
    span: Span | None


class _Attribute(msgspec.Struct, gc=False):
    key: str
    value: msgspec.Raw = _NOTHING


class _Bare(msgspec.Struct, gc=False):
    """A span in any of the usual shapes; a field after ``span_kind`` makes it something else as well."""

    traceId: str | None = None
    trace_id: str | None = None
    spanId: str | None = None
    span_id: str | None = None
    context: dict[str, Any] | None = None
    startTimeUnixNano: str | int | None = None
    start_time_unix_nano: str | int | None = None
    start_time: str | int | None = None
    events: msgspec.Raw = _NOTHING
    span_kind: str | None = None
    body: msgspec.Raw = _NOTHING
    eventName: msgspec.Raw = _NOTHING
    event_name: msgspec.Raw = _NOTHING
    timeUnixNano: msgspec.Raw = _NOTHING
    observedTimeUnixNano: msgspec.Raw = _NOTHING
    type: msgspec.Raw = _NOTHING


class _Listed(_Bare, kw_only=True, gc=False):
    attributes: list[_Attribute]


class _Flat(_Bare, kw_only=True, gc=False):
    attributes: dict[str, msgspec.Raw]


_decode_listed = msgspec.json.Decoder(_Listed).decode
_decode_flat = msgspec.json.Decoder(_Flat).decode


def peek_item(raw: bytes, *, is_row: bool) -> Peek | None:
    """What an item is about; None where it has to be read as part of its line, as something is wrong with it.

    ``is_row``: it is a line by itself.
    """
    peek = _peek_listed(raw)
    if peek is not None:
        return peek
    spans = read_item(raw, is_row=is_row)
    return None if spans is None else _peek_spans(spans)


def read_item(raw: bytes, *, is_row: bool) -> list[Span] | None:
    """The span of an item, none for one that is not about agents; None where anything is wrong with it."""
    log = LossLog(path="")
    try:
        value: Any = decode_json(raw, log)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or (is_row and not looks_like_span(as_record(value))):
        return None
    spans = read_items([(as_record(value), 0, None)], log)
    return None if log.losses else spans


def _peek_spans(spans: list[Span]) -> Peek:
    if not spans:
        return Peek("", None, None, is_about_agents=False, span=None)
    (span,) = spans
    return Peek(span.trace_id, find_conversation(span), span.start, is_about_agents=True, span=span)


def _peek_listed(raw: bytes) -> Peek | None:
    """As ``peek_item``; None where the item has another shape than OTLP's, or a flat object of attributes."""
    try:
        bare = _decode_listed(raw)
        return _peek_bare(bare, {pair.key: pair.value for pair in bare.attributes}, is_tagged=True)
    except _ERRORS:
        pass
    try:
        flat = _decode_flat(raw)
        return _peek_bare(flat, flat.attributes, is_tagged=False)
    except _ERRORS:
        return None


def _peek_bare(bare: _Bare, told: Mapping[str, msgspec.Raw], *, is_tagged: bool) -> Peek | None:
    rest = (bare.body, bare.eventName, bare.event_name, bare.timeUnixNano, bare.observedTimeUnixNano, bare.type)
    if any(map(bytes, rest)) or not _NESTED.isdisjoint(told):
        return None
    small = {name: getattr(bare, name) for name in _SMALL}
    trace_id, span_id = read_ids(small)
    events = bytes(bare.events)
    if trace_id is None or span_id is None or b"operation.details" in events:
        return None
    has_dialect = bare.span_kind in KINDS or has_mark(told)
    names = (CONVERSATION, *SESSIONS) if has_dialect else (CONVERSATION,)
    known = {name: _load(told[name], is_tagged=is_tagged) for name in names if name in told}
    start, _ = read_start(small)
    is_ours = has_dialect or b"gen_ai." in events or any(name.startswith("gen_ai.") for name in told)
    return Peek(trace_id, get_attribute_text(known, *names), start, is_ours, None)


def _load(raw: msgspec.Raw, *, is_tagged: bool) -> Any:
    value: Any = msgspec.json.decode(raw) if bytes(raw) else None
    return read_value(value) if is_tagged else value
