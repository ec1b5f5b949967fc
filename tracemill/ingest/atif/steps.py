"""The steps of one ATIF trajectory → messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from tracemill.ingest.atif.trajectory import (
    Call,
    Document,
    Metrics,
    Observation,
    Result,
    Signs,
    Step,
    StepExtra,
    Trajectory,
    as_count,
    as_text,
)
from tracemill.ingest.content_parts import Content, join_contents, read_content
from tracemill.ingest.json_fields import as_list, as_record, dump_json, format_time, get_text
from tracemill.ingest.source import LossLog
from tracemill.ingest.transcript import Transcript
from tracemill.trace import Message, ToolCall

_OTHER_SOURCES = ("user", "system")
_FAILED_STATES = frozenset({"error", "failed", "failure", "timeout"})
_FINE_STATES = frozenset({"ok", "success", "succeeded", "completed"})
_NO_CALL = Call()


class StepReader(msgspec.Struct):
    """Reads steps in order; afterwards ``describe`` tells what does not fit into messages.

    ``where`` begins what is said of a loss; ``document`` and ``places`` lead to the trajectory, whose steps here may
    lack fields. ``model``: that of turns which name none; afterwards ``last_model`` is that of the last turn, and
    ``has_usage`` says whether any turn counted its tokens.
    """

    log: LossLog
    where: str
    model: str | None
    document: Document
    places: tuple[int, ...]
    last_model: str | None = None
    has_usage: bool = False
    day: str | None = None
    entries: list[Message] = []
    #: Calls without a result so far, by id.
    open_ids: dict[str, int] = {}
    #: Whether each result so far stands behind its call, as where none comes in a later step.
    is_in_order: bool = True
    copied: list[int] = []
    subagents: list[dict[str, Any]] = []

    def read(self, trajectory: Trajectory) -> tuple[Message, ...]:
        entries = self.entries
        for number, step in enumerate(as_list(trajectory.steps), start=1):
            if type(step) is not Step:
                self._refuse(number, "no object", step)
                continue
            before = len(entries)
            self._read_step(number, step)
            if step.is_copied_context is True:
                self.copied.extend(range(before, len(entries)))
        if self.is_in_order:
            if self.open_ids:
                self.log.note("unpaired_call", sum(self.open_ids.values()))
            return tuple(entries)
        transcript = Transcript([(message, None) for message in entries])
        messages, positions = transcript.build(self.log)
        self.copied = sorted(positions[number] for number in self.copied if number in positions)
        return messages

    def describe(self) -> dict[str, Any]:
        meta: dict[str, Any] = {}
        if self.copied:
            meta["copied_context_messages"] = self.copied
        if self.subagents:
            meta["subagent_trajectory_refs"] = self.subagents
        return meta

    def _read_step(self, number: int, step: Step) -> None:
        source, observation, time, content = step.source, step.observation, step.timestamp, step.message
        # most steps are of one day: what begins as the last time did needs no second look
        if time is not None and (type(time) is not str or time[:10] != self.day or time[-1:].isspace()):
            time = format_time(time)
            self.day = time[:10] if time else None
        calls = self._read_calls(number, step) if step.tool_calls else ()
        results = as_list(observation.results) if type(observation) is Observation else ()
        if type(content) is not str:
            content = read_content(content, self.log)
        if source == "agent" or calls or (source not in _OTHER_SOURCES and _has_model_field(step)):
            self.entries.append(self._make_turn(step, content, calls, time))
        elif content:
            origin = "human" if source == "user" else "injected"
            role = "system" if source == "system" else "user"
            self.entries.append(Message(role, content, origin, None, (), None, None, time))
        elif not results:
            self._refuse(number, f"source {source!r} without a message", self._load_step(number))
        if results:
            self._add_results(number, step, calls, results, time)
        else:
            for call in calls:
                self._leave_open(call)

    def _make_turn(self, step: Step, content: Content, calls: tuple[ToolCall, ...], time: str | None) -> Message:
        # v1.7: 0 says that no model was called for this step, as when a harness runs a tool by itself
        is_called = step.llm_call_count is UNSET or as_count(step.llm_call_count) != 0
        model, thought, usage, reason = step.model_name, step.reasoning_content, step.metrics, None
        if model != self.last_model:
            model = as_text(model)
        model = model or self.model
        self.last_model = model or self.last_model
        if type(step.extra) is StepExtra:
            reason = as_text(step.extra.stop_reason) or as_text(step.extra.finish_reason)
        usage = _count_usage(usage) if type(usage) is Metrics else None
        if usage is not None:
            self.has_usage = True
        return Message(
            "assistant",
            content,
            "model" if is_called else "injected",
            None if thought is UNSET else as_text(thought),
            calls,
            None,
            None,
            time,
            model,
            reason,
            usage,
        )

    def _read_calls(self, number: int, step: Step) -> tuple[ToolCall, ...]:
        calls: list[ToolCall] = []
        for place, item in enumerate(as_list(step.tool_calls)):
            call = item if type(item) is Call else _NO_CALL
            name = as_text(call.function_name)
            if name is None:
                content = self._load_step(number)["tool_calls"][place]
                self._refuse(number, f"tool_calls[{place}] without function_name", content)
                continue
            call_id = as_text(call.tool_call_id) or f"step_{number}_call_{place + 1}"
            arguments = call.arguments
            calls.append(ToolCall(call_id, name, "{}" if arguments is None else dump_json(arguments)))
        return tuple(calls)

    def _add_results(
        self, number: int, step: Step, calls: tuple[ToolCall, ...], items: Sequence[Any], time: str | None
    ) -> None:
        if len(items) == len(calls) == 1 and type(items[0]) is Result and _is_answer(items[0], calls[0]):
            self._add_answer(step, calls[0].id, items, time)
            return
        results: list[Result] = []
        for item in items:
            if type(item) is Result:
                results.append(item)
            elif isinstance(item, str):
                results.append(Result(content=item))
            else:
                self._refuse(number, "an observation result that is no object", item)
        answered, others = _match_results(calls, results)
        for call, group in zip(calls, answered, strict=True):
            if group:
                self._add_answer(step, call.id, group, time)
            else:
                self._leave_open(call)
        for result in others:
            call_id = as_text(result.source_call_id)
            if call_id is not None and self.open_ids.get(call_id):
                self.open_ids[call_id] -= 1
                self.is_in_order = False
                self._add_answer(step, call_id, [result], time)
                continue
            self._note_references(result.subagent_trajectory_ref)
            content = read_content(result.content, self.log)
            if content:
                self.entries.append(Message("user", content, "injected", None, (), None, None, time))

    def _leave_open(self, call: ToolCall) -> None:
        self.open_ids[call.id] = self.open_ids.get(call.id, 0) + 1

    def _add_answer(self, step: Step, call_id: str, group: Sequence[Result], time: str | None) -> None:
        is_error = None
        for result in group:
            if result.subagent_trajectory_ref is not None:
                self._note_references(result.subagent_trajectory_ref)
            if (has_failed := _read_failure(result)) is not None:
                is_error = has_failed or is_error is True
        content = group[0].content
        if len(group) > 1 or type(content) is not str:
            content = join_contents([read_content(result.content, self.log) for result in group])
        if is_error is None and type(step.extra) is StepExtra and isinstance(step.extra.tool_result_is_error, bool):
            is_error = step.extra.tool_result_is_error
        self.entries.append(Message("tool", content, "tool", None, (), call_id, is_error, time))

    def _note_references(self, references: Any) -> None:
        for reference in as_list(references) if isinstance(references, list) else [references]:
            named = as_record(reference)
            kept = {
                key: text
                for key in ("session_id", "trajectory_id", "trajectory_path")
                if (text := get_text(named, key))
            }
            if kept:
                self.subagents.append(kept)

    def _load_step(self, number: int) -> Any:
        return self.document.load_step(self.places, number - 1)

    def _refuse(self, number: int, why: str, content: Any) -> None:
        self.log.drop("malformed_record", None, f"{self.where}step {number}: {why}"[:300], dump_json(content))


def _has_model_field(step: Step) -> bool:
    """Whether a step has a field that the format allows on the model's alone: it tells where the source is blanked."""
    fields = (step.metrics, step.model_name, step.llm_call_count, step.reasoning_content)
    return any(field is not UNSET for field in fields)


def _count_usage(metrics: Metrics) -> dict[str, int] | None:
    prompt, completion = as_count(metrics.prompt_tokens), as_count(metrics.completion_tokens)
    if prompt is None:
        return None if completion is None else {"output_tokens": completion}
    return {"input_tokens": prompt} if completion is None else {"input_tokens": prompt, "output_tokens": completion}


def _is_answer(result: Result, call: ToolCall) -> bool:
    """Whether the only result of a step belongs to its only call."""
    return result.source_call_id == call.id or as_text(result.source_call_id) is None


def _match_results(calls: Sequence[ToolCall], results: Sequence[Result]) -> tuple[list[list[Result]], list[Result]]:
    """The results of each call, by id, then those without id in order; and those that belong to no call of the step."""
    answered: list[list[Result]] = [[] for _ in calls]
    nameless: list[Result] = []
    others: list[Result] = []
    for result in results:
        call_id = as_text(result.source_call_id)
        if call_id is None:
            nameless.append(result)
            continue
        places = [place for place, call in enumerate(calls) if call.id == call_id]
        free = [place for place in places if not answered[place]]
        if places:
            answered[(free or places[-1:])[0]].append(result)
        else:
            others.append(result)
    for result in nameless:
        place = next((place for place, group in enumerate(answered) if not group), None)
        if place is None:
            others.append(result)
        else:
            answered[place].append(result)
    return answered, others


def _read_failure(result: Result) -> bool | None:
    """Whether the source says that the call failed: a flag or a state beside the result; None where it does not say."""
    has_failed = _read_signs(result)
    if has_failed is None and type(result.extra) is Signs:
        has_failed = _read_signs(result.extra)
    if has_failed is None and type(result.metadata) is Signs:
        has_failed = _read_signs(result.metadata)
    return has_failed


def _read_signs(signs: Signs) -> bool | None:
    for flag in (signs.is_error, signs.tool_result_is_error, signs.error):
        if flag is True or flag is False:
            return flag
    if signs.success is True or signs.success is False:
        return not signs.success
    if signs.status is None:
        return None
    state = (as_text(signs.status) or "").lower()
    return state in _FAILED_STATES if state in _FAILED_STATES or state in _FINE_STATES else None
