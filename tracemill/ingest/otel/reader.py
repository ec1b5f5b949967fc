"""OpenTelemetry spans of generative AI → traces.

Files: JSON lines, as a collector's file exporter writes them (an export request with ``resourceSpans`` or
``resourceLogs`` a line), or one span a line: OTLP JSON, the shape of the SDKs' console exporters, spans as Phoenix
exports them (its REST API, or its data frame written as JSON lines), observations as Langfuse exports them. Attributes
stand under names with dots, or nested. A ``*.json`` may be one document, and a row a page of spans (``rows.py``).

Read are the conventions for generative AI and four dialects, told under the names of the former by ``dialects.py``:
OpenInference (Phoenix), the attributes of Langfuse's SDKs, OpenLLMetry (Traceloop), Vercel's AI SDK. Checked against
the conventions of versions 1.28 to 1.41 and the specifications that the modules name; no public file was at hand. One
literal row, shortened::

    {"traceId": "5b8e", "spanId": "0a1c", "name": "chat m", "startTimeUnixNano": "1767225600000000000", "attributes":
     [{"key": "gen_ai.input.messages", "value": {"stringValue": "[{\\"role\\": \\"user\\", \\"parts\\": [...]}]"}}]}

Kept: one trace a conversation (``gen_ai.conversation.id`` of the span, of one above it or the only one of its trace;
else, in a dialect, ``session.id``; else the trace id). Each inference span repeats its whole prompt: what is new
becomes messages; a prompt that does not go on from the last one is marked by an empty message of origin ``compaction``
that says what it holds, and a part of type ``compaction`` is such a message with the summary as its text
(``compaction.py``). Requests of one trace id without a shared history are threads, each a trace; of a session each
trace id is a trace of its own, unless its prompt repeats an answer of another. Layers of instrumentation that tell one
request are one. ``invoke_agent`` inside another agent, or an agent of another name beside the first, is a side chain;
an agent that tells its messages itself, with no inference span below, is one request. ``execute_tool`` spans give
results that no prompt shows, and by their status whether a call failed; one that does not say which call it answers is
matched by its arguments, then by the result in the next prompt, then by order, which leaves the status unknown where it
may be another's (``calls.py``). System instructions, tool definitions, reasoning, finish reasons, tokens, models. Older
shapes are read too: events ``gen_ai.user.message`` and the like (of a span or as log records of the same file),
``gen_ai.choice``, ``gen_ai.client.inference.operation.details``, ``gen_ai.prompt`` and ``gen_ai.completion`` with and
without an index; and items of OpenAI's Responses API that have no role. Of a file of lines one conversation is held at
a time (``index.py``), a document as a whole. Where a file of lines ends in a cut one, the conversation of the trace
with the span that started last is partial.
In ``source_meta``: trace ids, service, agent, provider, evaluations, number of failed requests.
Outcome: unknown; an evaluation has a name and a scale of its own, and is not read as success.
Dropped and counted: rows and spans that are none (``malformed_record``), a repeated span (``duplicate_row``), inference
spans that tell no message (``malformed_record``; ``no_messages`` where it is so in a whole scope), further choices of
one request (``abandoned_branch``), parts that are neither text nor image (``unknown_content_block``), results without a
call (``unpaired_result``). Not counted: spans that are not about agents, embeddings, other log records.

Source: open-telemetry/semantic-conventions, ``docs/gen-ai``; opentelemetry-proto, ``docs/specification.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from tracemill.ingest.json_fields import dump_json
from tracemill.ingest.lines import Row, read_head_rows
from tracemill.ingest.otel.index import index_file, read_key
from tracemill.ingest.otel.rows import is_document, read_span_rows
from tracemill.ingest.otel.scopes import Scope, find_conversation, sort_scopes
from tracemill.ingest.otel.spans import looks_like_span, read_spans
from tracemill.ingest.otel.thread import read_scope
from tracemill.ingest.source import DEFAULT_MAX_LINE_BYTES, Entry, Head, LossLog, ReadOptions, Source
from tracemill.ingest.transcript import finish_traces
from tracemill.trace import Trace

_SUFFIXES = (".json", ".jsonl", ".ndjson")
_HEAD_ROWS = 40
_SAMPLE_BYTES = 4096


def is_session_file(path: Path) -> bool:
    """Whether the name can be that of an export."""
    return path.suffix in _SUFFIXES


def read_head(path: Path) -> Head | None:
    """The first conversation of a file; None where its first rows are no spans, or none of them is about agents."""
    log = LossLog(path=str(path))
    rows = list(read_head_rows(path))
    if not rows:  # a document, or a first line that is longer than the head
        rows = list(islice(read_span_rows(path, log, ReadOptions()), _HEAD_ROWS))
    ours = [row for row in rows if looks_like_span(row.value)]
    if not ours:
        return None
    for span in read_spans(ours, log):
        conversation = find_conversation(span)
        if conversation is not None and span.is_talk and span.has_content:
            return Head(conversation, span.started_at)
    # which conversation a span belongs to may stand in a span that ended later
    if _is_plain(path):
        return next((entry.head for entry in index_file(path).entries), None)
    every = (row for row in read_span_rows(path, log, ReadOptions()) if looks_like_span(row.value))
    scope = next((scope for scope in sort_scopes(read_spans(every, log)) if scope.talks), None)
    return None if scope is None else Head(scope.root_id, scope.talks[0].started_at)


def read_file(path: Path, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The conversations of one file, each with its side chains after it."""
    strangers: list[Row] = []
    aside = LossLog(log.path)
    spans = read_spans(_sift(read_span_rows(path, log, options), strangers, aside), log)
    scopes = sort_scopes(spans)
    if not any(scope.talks for scope in scopes):
        _refuse_file(bool(spans), strangers, log)
        return
    log.losses += aside.losses
    spans.clear()
    is_cut = "cut_line" in log.count_losses() and _is_plain(path)
    yield from _read_scopes(scopes, path, log, index_file(path).open_trace if is_cut else None)


def list_entries(path: Path) -> tuple[Entry, ...] | None:
    """The conversations of a file of JSON lines; None for a document, and where there is but one and nothing else.

    Traces that name the same conversation, and conversations named by spans of the same trace, are one entry.
    """
    index = index_file(path) if _is_plain(path) else None
    return None if index is None or index.is_single else index.entries or None


def read_entry(path: Path, entry: Entry, log: LossLog, options: ReadOptions) -> Iterator[Trace]:
    """The conversation of one entry, with its side chains after it."""
    yield from _read_scopes(sort_scopes(read_key(path, entry.key, log, options)), path, log, entry.key.open_trace)


def _is_plain(path: Path) -> bool:
    """Whether a file is lines of plain text, not one document nor UTF-16."""
    with path.open("rb") as file:
        start = file.read(_SAMPLE_BYTES)
    return b"\0" not in start and not is_document(path, DEFAULT_MAX_LINE_BYTES)


def _read_scopes(scopes: list[Scope], path: Path, log: LossLog, open_trace: str | None) -> list[Trace]:
    """The traces of all scopes; those with spans of ``open_trace`` may still go on."""
    traces: list[Trace] = []
    scopes.reverse()
    while scopes:  # each scope's spans go when it is read: prompts repeat, so they are larger than its traces
        traces += _read_scope(scopes.pop(), path, log)
    is_open = [open_trace in trace.source_meta["trace_ids"] for trace in traces]
    marked = [replace(trace, is_partial=True) if part else trace for trace, part in zip(traces, is_open, strict=True)]
    return finish_traces(marked, log)


def _read_scope(scope: Scope, path: Path, log: LossLog) -> list[Trace]:
    if scope.talks:
        return read_scope(scope, SOURCE.name, path, log)
    for span in scope.tools:
        log.drop("unpaired_result", span.line, f"tool span {span.span_id} of an agent that told nothing"[:200])
    return []


def _sift(rows: Iterable[Row], strangers: list[Row], aside: LossLog) -> Iterator[Row]:
    """The rows that can be spans; the first of the others is kept, all of them are logged aside."""
    for row in rows:
        if looks_like_span(row.value):
            yield row
            continue
        strangers[:] = strangers or [row]
        aside.drop("malformed_record", row.line, "neither a span nor an export request", dump_json(row.value))


def _refuse_file(has_spans: bool, strangers: list[Row], log: LossLog) -> None:
    if has_spans:
        log.drop("foreign_file", detail="no span asks a model by the conventions for generative AI")
    elif strangers:
        log.drop("foreign_file", strangers[0].line, "no row is a span", dump_json(strangers[0].value))
    elif not log.losses:
        log.drop("empty_file")


SOURCE = Source(
    name="otel",
    title="OpenTelemetry (GenAI spans)",
    default_dir=None,
    file_pattern="*",
    is_session_file=is_session_file,
    read_head=read_head,
    read_file=read_file,
    list_entries=list_entries,
    read_entry=read_entry,
)
