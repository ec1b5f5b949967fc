"""Rows of an OpenTelemetry export → spans, with the log records that belong to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tracemill.ingest.json_fields import as_list, as_record, dump_json, get_text
from tracemill.ingest.lines import Row
from tracemill.ingest.otel import openinference
from tracemill.ingest.otel.dialects import list_told_events, translate
from tracemill.ingest.otel.langfuse import is_observation, make_span
from tracemill.ingest.otel.values import (
    get_attribute,
    get_attribute_text,
    read_attributes,
    read_id,
    read_moment,
    read_value,
)
from tracemill.ingest.source import LossLog

_AGENT, _TOOL = "invoke_agent", "execute_tool"
_TALKS = frozenset({"chat", "text_completion", "generate_content", "completion", "message", "messages"})
_DETAILS = "gen_ai.client.inference.operation.details"
_FAILED = ("STATUS_CODE_ERROR", "ERROR", 2)
_FINE = ("STATUS_CODE_OK", "OK", 1)
RESOURCES = ("resourceSpans", "resource_spans", "resourceLogs", "resource_logs")
SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans", "scopeLogs", "scope_logs")
ITEMS = ("spans", "logRecords", "log_records")
_COLUMN = "attributes."
PAGES = ("data", "spans", "observations")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a span: ``body`` is what a log record says, None for an event of the span itself."""

    name: str
    attributes: dict[str, Any]
    body: Any
    moment: int


@dataclass(slots=True, eq=False)
class Span:
    """One span. ``start`` is in nanoseconds since 1970; ``attributes`` are those of the conventions for generative AI.

    ``session`` is what groups traces in a dialect that has no word for a conversation.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    line: int
    order: int
    name: str = ""
    start: int | None = None
    started_at: str | None = None
    ended_at: str | None = None
    is_error: bool | None = None
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    service: str | None = None
    session: str | None = None
    events: list[Event] = field(default_factory=list[Event])
    operation: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.trace_id, self.span_id)

    @property
    def is_agent(self) -> bool:
        return self.operation == _AGENT

    @property
    def is_tool(self) -> bool:
        return self.operation == _TOOL

    @property
    def is_talk(self) -> bool:
        """Whether a model was asked; where no operation is named, whether messages are told."""
        operation = self.operation
        return operation in _TALKS or (operation is None and self.has_content)

    @property
    def has_content(self) -> bool:
        """Whether the span tells any message."""
        return any(name.startswith(_CONTENT) for name in _list_names(self.attributes)) or any(
            event.name.startswith("gen_ai.") for event in self.events
        )


_CONTENT = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.completion")


def read_spans(rows: Iterable[Row], log: LossLog) -> list[Span]:
    """The spans of all rows in order of their start; a row that is none is counted."""
    return read_items(((item, row.line, service) for row in rows for item, service in list_items(row, log)), log)


def read_items(items: Iterable[tuple[dict[str, Any], int, str | None]], log: LossLog) -> list[Span]:
    """The spans of items, each with its line and service, in order of their start; an item that is none is counted.

    A log record whose span is not there makes a span of its own: some producers write only events.
    """
    spans: dict[tuple[str, str], Span] = {}
    events: dict[tuple[str, str], list[tuple[int, Event]]] = {}
    for item, line, service in items:
        span = _read_span(make_span(item) if is_observation(item) else item, line, len(spans), service)
        if span is None:
            _read_record(item, line, events, log)
        elif span.key in spans:
            log.drop("duplicate_row", line, f"span {span.span_id}"[:200], dump_json(item))
        else:
            spans[span.key] = span
    for key, told in events.items():
        if key not in spans:
            spans[key] = Span(*key, None, told[0][0], len(spans), start=told[0][1].moment or None)
        spans[key].events += [event for _, event in told]
    for span in spans.values():
        _take_details(span)
    return sorted(spans.values(), key=lambda span: (span.start is None, span.start or 0, span.order))


def list_items(row: Row, log: LossLog) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The spans and log records of one row, each with the name of its service."""
    resources = next((row.value[key] for key in RESOURCES if key in row.value), None)
    if resources is None and (page := find_page(row.value)) is not None:
        yield from ((item, None) for item in _list_records(page, "span", row, log))
        return
    if resources is None:
        yield row.value, None
        return
    for resource in _list_records(resources, "resource", row, log):
        service = read_service(as_record(resource.get("resource")))
        scopes = next((resource[key] for key in SCOPES if key in resource), [])
        for scope in _list_records(scopes, "scope", row, log):
            items = next((scope[key] for key in ITEMS if key in scope), [])
            for item in _list_records(items, "span", row, log):
                yield item, service


def read_service(resource: Mapping[str, Any]) -> str | None:
    """The name of the service that a resource stands for."""
    return get_attribute_text(read_attributes(resource.get("attributes")), "service.name")


def looks_like_span(value: Mapping[str, Any]) -> bool:
    """Whether a row can be a span, a page of spans or an export request at all."""
    if any(isinstance(value.get(key), list) for key in RESOURCES) or find_page(value) is not None:
        return True
    _, span_id = read_ids(value)
    if span_id is None:
        return is_observation(value)
    return "attributes" in value or "body" in value or any(key.startswith(_COLUMN) for key in value)


def read_ids(item: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The ids of the trace and of the span, wherever an exporter puts them."""
    context = as_record(item.get("context"))
    trace_id = read_id(item, "traceId", "trace_id", "context.trace_id") or read_id(context, "trace_id", "traceId")
    span_id = read_id(item, "spanId", "span_id", "context.span_id") or read_id(context, "span_id", "spanId")
    return trace_id, span_id


def read_start(item: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """When a span started, as nanoseconds since 1970 and as ISO 8601."""
    return read_moment(_get_first(item, "startTimeUnixNano", "start_time_unix_nano", "start_time"))


def find_page(value: Mapping[str, Any]) -> list[Any] | None:
    """The spans of an API's answer that holds many."""
    for key in PAGES:
        listed = as_list(value.get(key))
        first = as_record(listed[0]) if listed else {}
        if first and first.keys().isdisjoint(PAGES) and looks_like_span(first):
            return listed
    return None


def _list_records(value: Any, what: str, row: Row, log: LossLog) -> Iterator[dict[str, Any]]:
    if not isinstance(value, list):
        log.drop("malformed_record", row.line, f"the list of {what}s is no list", dump_json(value))
    for item in as_list(value):
        if isinstance(item, dict):
            yield as_record(item)
        else:
            log.drop("malformed_record", row.line, f"a {what} that is no object", dump_json(item))


def _read_span(item: Mapping[str, Any], line: int, order: int, service: str | None) -> Span | None:
    if any(key in item for key in ("body", "eventName", "event_name", "timeUnixNano", "observedTimeUnixNano")):
        return None
    trace_id, span_id = read_ids(item)
    if trace_id is None or span_id is None:
        return None
    start, started_at = read_start(item)
    _, ended_at = read_moment(_get_first(item, "endTimeUnixNano", "end_time_unix_nano", "end_time"))
    attributes, name = _list_attributes(item), get_text(item, "name") or ""
    events = [event for value in as_list(item.get("events")) if (event := _read_event(as_record(value))) is not None]
    events += [Event(kind, {}, body, 0) for kind, body in list_told_events(attributes)]
    told, failed = translate(attributes, name), _read_status(item)
    return Span(
        trace_id,
        span_id,
        read_id(item, "parentSpanId", "parent_span_id", "parent_id", "parentId"),
        line,
        order,
        name=name,
        start=start,
        started_at=started_at,
        ended_at=ended_at,
        is_error=True if failed is None and told.is_failed else failed,
        attributes=told.attributes,
        service=service,
        session=told.session,
        events=events,
    )


def _list_attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes, also where a table has made each a column; Phoenix tells the kind of a span beside them too."""
    attributes = read_attributes(item.get("attributes"))
    if "attributes" not in item:
        columns = {key.removeprefix(_COLUMN): value for key, value in item.items() if key.startswith(_COLUMN)}
        attributes = {key: value for key, value in columns.items() if value is not None}
    kind = get_text(item, "span_kind")
    if kind in openinference.KINDS and get_attribute(attributes, openinference.KIND) is None:
        return {**attributes, openinference.KIND: kind}
    return attributes


def _read_event(item: Mapping[str, Any]) -> Event | None:
    name = get_text(item, "name")
    if name is None or not name.startswith("gen_ai."):
        return None
    moment, _ = read_moment(_get_first(item, "timeUnixNano", "time_unix_nano", "timestamp"))
    return Event(name, read_attributes(item.get("attributes")), None, moment or 0)


def _read_record(
    item: Mapping[str, Any], line: int, events: dict[tuple[str, str], list[tuple[int, Event]]], log: LossLog
) -> None:
    """A log record: an event of the conventions goes to its span, another one is not about agents."""
    attributes = read_attributes(item.get("attributes"))
    name = get_text(item, "eventName", "event_name") or get_attribute_text(attributes, "event.name")
    is_record = "body" in item or "timeUnixNano" in item or "time_unix_nano" in item
    trace_id, span_id = read_id(item, "traceId", "trace_id"), read_id(item, "spanId", "span_id")
    if name is None or not name.startswith("gen_ai.") or trace_id is None or span_id is None:
        if not is_record or (name or "").startswith("gen_ai."):
            log.drop("malformed_record", line, "neither a span nor an event of one: ids are missing", dump_json(item))
        return
    body = item.get("body")
    tagged = read_value(body)
    moment, _ = read_moment(_get_first(item, "timeUnixNano", "time_unix_nano", "observedTimeUnixNano"))
    event = Event(name, attributes, tagged if tagged is not None else body, moment or 0)
    events.setdefault((trace_id, span_id), []).append((line, event))


def _take_details(span: Span) -> None:
    """Messages that an event tells in the span's stead become the span's; then its operation is known."""
    for event in span.events:
        if event.name == _DETAILS:
            span.attributes = {**event.attributes, **span.attributes}
    span.events = [event for event in span.events if event.name != _DETAILS]
    span.operation = get_attribute_text(span.attributes, "gen_ai.operation.name")


def _read_status(item: Mapping[str, Any]) -> bool | None:
    status = item.get("status")
    record = as_record(status)
    code = record.get("code", record.get("status_code", item.get("status_code", status)))
    if code in _FAILED:
        return True
    return False if code in _FINE else None


def _get_first(item: Mapping[str, Any], *names: str) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _list_names(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Names of attributes; those nested under ``gen_ai`` down to the second level."""
    yield from attributes
    for name, value in as_record(attributes.get("gen_ai")).items():
        yield f"gen_ai.{name}"
        yield from (f"gen_ai.{name}.{inner}" for inner in as_record(value))
