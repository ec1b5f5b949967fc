"""The spans of one scope → threads of requests that go on from each other, and each thread → a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracemill.ingest.json_fields import as_list, dump_json, read_tool_definitions
from tracemill.ingest.otel.build import build_trace, name_thread
from tracemill.ingest.otel.calls import OpenCalls, Waiting
from tracemill.ingest.otel.items import read_output, read_prompt
from tracemill.ingest.otel.parts import convert_item, read_result
from tracemill.ingest.otel.scopes import Scope
from tracemill.ingest.otel.spans import Span
from tracemill.ingest.otel.thread_index import Thread, ThreadIndex, is_answer, is_system
from tracemill.ingest.otel.values import get_attribute, get_attribute_count, get_attribute_text, load_json
from tracemill.ingest.source import LossLog
from tracemill.trace import Message, Trace

_MODELS = ("gen_ai.response.model", "gen_ai.request.model")
_INPUT_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")


def read_scope(scope: Scope, source_kind: str, path: Path, log: LossLog) -> list[Trace]:
    """The traces of a scope: the first thread bears its id, further ones are side chains of it.

    Where a session alone holds several OpenTelemetry traces together, each that does not go on from another is a trace
    with side chains of its own.
    """
    reader = _ScopeReader(log, scope.root_id)
    spans = sorted([*scope.talks, *scope.tools], key=lambda span: (span.start is None, span.start or 0, span.order))
    for span in spans:
        if span.is_tool:
            reader.read_tool(span)
        else:
            reader.read_talk(span)
    traces: list[Trace] = []
    mains: dict[str, str] = {}
    for thread in reader.finish():
        trace_id, parent_id = name_thread(thread, scope, mains, is_first=not traces)
        trace = build_trace(thread, scope, source_kind, path, log, trace_id=trace_id, parent_id=parent_id)
        if trace is not None:
            if not traces or not trace.is_sidechain:
                mains.update(dict.fromkeys(thread.trace_ids, trace_id))
            traces.append(trace)
    if not traces:
        log.drop("no_messages", scope.talks[0].line, f"no message is told in {scope.trace_id}"[:200])
    return traces


class _ScopeReader:
    """Takes the spans of a scope in order of their start."""

    def __init__(self, log: LossLog, root_id: str) -> None:
        self.log = log
        self.index = ThreadIndex(root_id, Path(log.path))
        self.calls = OpenCalls()

    def read_talk(self, span: Span) -> None:
        """Take in one request and its answer."""
        prompt, output = read_prompt(span, self.log), read_output(span, self.log)
        if not prompt and not output:
            self.log.drop("malformed_record", span.line, f"span {span.span_id} tells no message"[:200])
            return
        thread, goes_on = self.index.find(span, prompt)
        self.index.add_span(thread, span)
        self._close_answered(thread, prompt, span.line)
        definitions = load_json(get_attribute(span.attributes, "gen_ai.tool.definitions"))
        thread.tools = thread.tools or read_tool_definitions(definitions)
        self._note_evaluations(span, thread)

        def convert(item: Any) -> Sequence[Message]:
            return convert_item(item, self.log, span.line, span.started_at)

        if goes_on:
            fresh = [item for item in prompt if not is_system(item) or not thread.tracker.knows([item])]
            thread.tracker.append(fresh, convert, span.line)
        elif prompt:
            thread.tracker.show(prompt, convert, span.line)
        self._add_output(span, output, thread)

    def read_tool(self, span: Span) -> None:
        """Take in what a tool gave; where the content was not captured, whether it failed."""
        call_id = get_attribute_text(span.attributes, "gen_ai.tool.call.id")
        if call_id is not None:
            thread = self.index.find_caller(call_id)
            if thread is None:
                self._refuse_tool(span)
                return
            self.index.add_span(thread, span)
            self.calls.close_id(thread.number, call_id)
            self._answer(thread, span, call_id, span.is_error)
            return
        calls = self.calls.find(get_attribute_text(span.attributes, "gen_ai.tool.name") or "", span)
        if not calls:
            self._refuse_tool(span)
            return
        thread = self.index.threads[calls[0].owner]
        self.index.add_span(thread, span)
        if len(calls) == 1:
            self.calls.close(calls[0])
            self._answer(thread, span, calls[0].call.id, span.is_error)
        else:
            value = get_attribute(span.attributes, "gen_ai.tool.call.result")
            self.calls.wait(Waiting(span, calls, None if value is None else dump_json(value)))

    def finish(self) -> list[Thread]:
        """All threads, with what their tools gave and no prompt followed."""
        for thread in self.index.threads:
            self._settle(thread, {})
        return self.index.threads

    def _close_answered(self, thread: Thread, prompt: Sequence[Any], line: int) -> None:
        """Decide on the spans that wait by the results after the prompt's last turn; their calls are answered."""
        if not self.calls.has_open(thread.number):
            return
        aside = LossLog(self.log.path)
        latest = takewhile(lambda item: not is_answer(item), reversed(prompt))
        messages = (message for item in latest for message in convert_item(item, aside, line, None))
        told = {message.tool_call_id: message.text for message in messages if message.tool_call_id is not None}
        self._settle(thread, told)
        for call_id in told:
            self.calls.close_id(thread.number, call_id)

    def _settle(self, thread: Thread, told: Mapping[str, str]) -> None:
        for span, call, is_error in self.calls.settle(thread.number, told):
            if call is None:
                self._refuse_tool(span)
            else:
                self._answer(thread, span, call.call.id, is_error)

    def _answer(self, thread: Thread, span: Span, call_id: str, is_error: bool | None) -> None:
        if is_error is not None:
            thread.failures[call_id] = is_error
        value = get_attribute(span.attributes, "gen_ai.tool.call.result")
        if value is not None:
            content = read_result(value, self.log, span.line)
            time = span.ended_at or span.started_at
            message = Message("tool", content, "tool", tool_call_id=call_id, is_error=is_error, timestamp=time)
            thread.tracker.answer(message, span.line)

    def _refuse_tool(self, span: Span) -> None:
        call_id = get_attribute_text(span.attributes, "gen_ai.tool.call.id")
        name = get_attribute_text(span.attributes, "gen_ai.tool.name")
        what = f"call id {call_id!r} of a tool span" if call_id is not None else f"a span of tool {name!r} without id"
        self.log.drop("unpaired_result", span.line, what[:200], _show_result(span))

    def _add_output(self, span: Span, output: Sequence[Any], thread: Thread) -> None:
        time = span.ended_at or span.started_at
        messages = [message for item in output for message in convert_item(item, self.log, span.line, time)]
        has_choices = _has_choices(span)
        turns = sum(message.role == "assistant" for message in messages)
        reasons = iter(_list_reasons(span, turns))
        is_first = True
        for message in messages:
            if message.role == "assistant" and has_choices and not is_first:
                self.log.drop("abandoned_branch", span.line, "a further choice of one request", message.text)
            elif message.role == "assistant":
                said = replace(message, stop_reason=next(reasons) or message.stop_reason)
                number = thread.tracker.say(_enrich(said, span, is_first=is_first), span.line)
                is_first = False
                said = thread.tracker.transcript.entries[number][0]
                self.index.add_turn(thread, said)
                self.calls.add(thread.number, said.tool_calls)
            elif message.role == "tool":
                thread.tracker.answer(message, span.line)
            elif message.origin == "compaction":
                is_alone = is_first and not turns
                thread.tracker.restart(_enrich(message, span, is_first=True) if is_alone else message, span.line)
                is_first = is_first and not is_alone
            else:
                self.log.drop("malformed_record", span.line, f"an output of role {message.role}", message.text)

    def _note_evaluations(self, span: Span, thread: Thread) -> None:
        for event in span.events:
            if event.name == "gen_ai.evaluation.result":
                told = {key.removeprefix("gen_ai.evaluation."): value for key, value in event.attributes.items()}
                thread.evaluations.append({key: dump_json(value) for key, value in told.items()})


def _has_choices(span: Span) -> bool:
    return (get_attribute_count(span.attributes, "gen_ai.request.choice.count") or 1) > 1


def _show_result(span: Span) -> str:
    value = get_attribute(span.attributes, "gen_ai.tool.call.result")
    return "" if value is None else dump_json(value)


def _enrich(message: Message, span: Span, *, is_first: bool) -> Message:
    """The turn with what the span says about it; token counts stand on the first turn of a request."""
    counts = {
        "input_tokens": get_attribute_count(span.attributes, *_INPUT_TOKENS),
        "output_tokens": get_attribute_count(span.attributes, *_OUTPUT_TOKENS),
    }
    usage = {key: count for key, count in counts.items() if count is not None}
    model = get_attribute_text(span.attributes, *_MODELS)
    return replace(message, model=model, usage=usage if usage and is_first else None)


def _list_reasons(span: Span, count: int) -> list[str | None]:
    """Why the model ended each of ``count`` turns of its output; by the conventions this is the span's to tell.

    None where a turn may tell it itself: of a sequence only the last one ended for the one reason that the span has.
    """
    value = get_attribute(span.attributes, "gen_ai.response.finish_reasons")
    listed = as_list(load_json(value)) or [value]
    told = [reason if isinstance(reason, str) and reason else None for reason in listed]
    if not _has_choices(span):
        told = [*[None] * (count - len(told)), *told]
    return [*told, *[None] * count][:count]
